"""Between rows of numbers and images.

A dense layer wants every example as one row, (N, D); a convolution wants images with channels, (N, C, H, W). Flatten
and Reshape lead from one to the other. They move no numbers and so have nothing to differentiate; backward undoes what
forward did to the shape.
"""

from __future__ import annotations

import math

from scratchnn.layers.layer import Layer
from scratchnn.machinery.checks import expect, expect_int
from scratchnn.machinery.parameters import Array


class Flatten(Layer):
    """A dense layer wants rows, and a convolution gives images: y = x with every example as one row

    Shapes
        x (N, …), y (N, D), where D is the number of entries of one example: C·H·W for images.
    Forward
        y_n,d = x_nchw   with d = (c·H + h)·W + w      channel by channel, row by row
    Backward
        dx_nchw = dy_n,d   with d = (c·H + h)·W + w      the same numbers under other indices, each with the factor 1
    Watch
        y is a view into x where memory allows it, not a copy.
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        self.cache = (x.shape,)
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dy: Array) -> Array:
        (shape,) = self.take_cache()
        expect(self, "dy", dy, (shape[0], math.prod(shape[1:])))
        return dy.reshape(shape)


class Reshape(Layer):
    """A convolution wants images, and a dense layer gives rows: y = x with every example in the given shape

    Shapes
        x (N, …), y (N, *shape): `shape` is that of one example, (1, 28, 28) for a grey image of 28 × 28 pixels.
    Forward
        The entries of an example keep their order, the last index running fastest.
    Backward
        dx holds the entries of dy in the shape of x.
    Watch
        Rows and columns are never exchanged: a reshape is no transpose. y is a view into x where memory allows it.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        try:
            self.shape = tuple(expect_int("Reshape", "shape", size) for size in shape)
        except (TypeError, ValueError):
            self.shape = ()
        if not self.shape:
            raise ValueError(
                f"Reshape needs the shape of one example, whole numbers from 1 upwards as in (1, 28, 28), got {shape!r}"
            )
        self.input_shape = (math.prod(self.shape),)

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ValueError(
                f"{self!r} expects x with {math.prod(self.shape)} numbers in each example, got {x.shape}, "
                f"which is {math.prod(x.shape[1:])} in each"
            )
        self.cache = (x.shape,)
        return x.reshape(len(x), *self.shape)

    def backward(self, dy: Array) -> Array:
        (shape,) = self.take_cache()
        expect(self, "dy", dy, (shape[0], *self.shape))
        return dy.reshape(shape)

    def __repr__(self) -> str:
        return f"Reshape({self.shape})"
