"""Images as arrays: between rows of numbers and images, and how images lie in memory.

A dense layer wants every example as one row, (N, D); a convolution wants images with channels, (N, C, H, W). Flatten
and Reshape lead from one to the other. They move no numbers and so have nothing to differentiate; backward undoes what
forward did to the shape.

The order of the axes is one thing, the order in memory another. The layers that slide windows over images cut pieces
like x[:, :, 1:27, 1:27] out of them, and NumPy copies a piece as fast as its runs of neighbours are long. With an image
row running fastest, a run is 26 numbers. With the *batch* running fastest it is 26 times 100 examples, and a stride of
two leaves runs of 100 where the other order has runs of one. So those layers compute with (C, H, W, N) and return their
result as a view with its axes in the usual order. ReLU and its kin keep whatever order in memory they are given, so a
stack of such layers rearranges its first input and nothing else. What it brings depends on the runs: for the columns of
one channel of 28 × 28 a third of the time, for 16 of 13 × 13 half of it, with a stride of two over two thirds
(python -m benchmarks.techniques).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scratchnn.layers.checks import expect, whole
from scratchnn.layers.layer import Layer
from scratchnn.parameters import Array

Pair = tuple[int, int]  # vertical, horizontal


def pair(owner: str, name: str, value: Any, least: int = 1) -> Pair:
    """A size as (vertical, horizontal); one whole number stands for both. ValueError below `least`."""
    sizes = value if isinstance(value, tuple | list) else (value, value)
    try:
        vertical, horizontal = (whole(owner, name, size, least) for size in sizes)
    except ValueError:
        raise ValueError(
            f"{owner} needs as its {name} a whole number, or two (vertical, horizontal), from {least} upwards, "
            f"got {value!r}"
        ) from None
    return vertical, horizontal


def short(sizes: Pair) -> int | Pair:
    """The shortest way to write a pair that `pair` reads."""
    return sizes[0] if sizes[0] == sizes[1] else sizes


def batch_last(x: Array) -> Array:
    """(N, C, H, W) → (C, H, W, N), contiguous; a view where the batch runs fastest already."""
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0))


def batch_first(x: Array) -> Array:
    """(C, H, W, N) → (N, C, H, W), always a view."""
    return x.transpose(3, 0, 1, 2)


def expect_images(owner: Layer, x: Any, channels: int | str = "C") -> None:
    """Raises unless x holds floats and has the shape (N, channels, H, W)."""
    try:
        expect(owner, "x", x, ("N", channels, "H", "W"))
    except ValueError as error:
        if x.ndim != 2:
            raise
        raise ValueError(f"{error}: put Reshape(({channels}, H, W)) before it, with the sizes of an image") from None


class Flatten(Layer):
    """y = x with every example as one row

    Shapes
        x (N, …), y (N, D), where D is the number of entries of one example: C·H·W for images.
    Forward
        y_n,d = x_n,c,h,w with d = (c·H + h)·W + w: channel by channel, row by row.
    Backward
        The same numbers under other indices, each with the factor 1: dx_n,c,h,w = dy_n,d.
    Watch
        y is a view into x where memory allows it, not a copy.
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        self.cache = x.shape
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dy: Array) -> Array:
        shape = self.take_cache()
        expect(self, "dy", dy, (shape[0], math.prod(shape[1:])))
        return dy.reshape(shape)


class Reshape(Layer):
    """y = x with every example in the given shape

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
            self.shape = tuple(whole("Reshape", "shape", size) for size in shape)
        except (TypeError, ValueError):
            self.shape = ()
        if not self.shape:
            raise ValueError(
                f"Reshape needs the shape of one example, whole numbers from 1 upwards as in (1, 28, 28), got {shape!r}"
            )

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ValueError(
                f"{self!r} expects x with {math.prod(self.shape)} numbers in each example, got {x.shape}, "
                f"which is {math.prod(x.shape[1:])} in each"
            )
        self.cache = x.shape
        return x.reshape(len(x), *self.shape)

    def backward(self, dy: Array) -> Array:
        shape = self.take_cache()
        expect(self, "dy", dy, (shape[0], *self.shape))
        return dy.reshape(shape)

    def __repr__(self) -> str:
        return f"Reshape({self.shape})"
