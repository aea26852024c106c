"""Making images smaller and larger: the largest entry of every window, and every entry several times.

    x            MaxPool2D(2)      UpSampling2D(2) of that

    1 3 2 0                        3 3 4 4
    2 1 4 1      3 4               3 3 4 4
    0 5 6 2      5 9               5 5 9 9
    1 1 7 9                        5 5 9 9

Neither learns anything. Both go through the entries u, v of a window as convolution does, and use its `pieces`: piece
u, v of x holds the entry u, v of every window.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from scratchnn.compiled import compilable
from scratchnn.layers.convolution import pieces
from scratchnn.layers.layer import Layer
from scratchnn.machinery.checks import expect
from scratchnn.machinery.images import Pair, batch_first, batch_last, expect_images, options, pair, short
from scratchnn.machinery.parameters import Array


class MaxPool2D(Layer):
    """Where a pattern lies counts less than that it is there: y = the largest entry of every window

    Shapes
        x (N, C, H, W), y (N, C, OH, OW). Windows of `size` KH × KW stand `stride` s apart, and s is the size unless
        given: OH = (H − KH) // s + 1, OW alike.
    Forward
        y_ncij = max_uv x_nc,si+u,sj+v      the maximum over the KH·KW entries of the window
    Backward
        Near a point without ties y_ncij equals one entry of its window, the largest, and does not depend on the others:

            dx_ncpq = Σ_i Σ_j dy_ncij [x_ncpq = y_ncij]      over the windows i, j that hold p, q

        With the stride at its default windows do not overlap, and the sum has one term at most. Among equal entries
        the first, row by row, gets all of dy; that is a choice, as the slope of ReLU at 0 is one.
    Watch
        Ties are the rule, not the exception, behind a ReLU: whole windows are 0 there. Giving dy to every entry that
        equals the maximum would multiply it. Where windows leave rows over (5 rows, size 2), these are dropped: y does
        not depend on them, their dx is 0. Without pooling or a stride every map stays as large as the image, and a
        window in the next layer sees only KH − 1 rows more of the image than one below.
    """

    def __init__(self, size: int | Pair, stride: int | Pair | None = None) -> None:
        """`size` and `stride` are numbers or (vertical, horizontal)."""
        super().__init__()
        self.size = pair("MaxPool2D", "size", size)
        self.stride = self.size if stride is None else pair("MaxPool2D", "stride", stride)

    def forward(self, x: Array) -> Array:
        expect_images(self, x)
        x = batch_last(x)
        OH, OW = ((n - k) // s + 1 for n, k, s in zip(x.shape[1:3], self.size, self.stride, strict=True))
        if min(OH, OW) < 1:
            raise ValueError(
                f"{self!r} needs images of at least {self.size[0]} × {self.size[1]}, got {x.shape[1]} × {x.shape[2]}"
            )
        y = reduce(np.maximum, (x[piece] for _, _, piece in pieces(self.size, self.stride, (OH, OW))))
        self.cache = (x, y)
        return batch_first(y)

    def backward(self, dy: Array) -> Array:
        x, y = self.take_cache()
        expect(self, "dy", dy, batch_first(y).shape)
        return batch_first(max_pool_adjoint(x, y, batch_last(dy), self.size, self.stride))

    def __repr__(self) -> str:
        return f"MaxPool2D({short(self.size)}{options(stride=(self.stride, self.size))})"


@compilable
def max_pool_adjoint(x: Array, y: Array, dy: Array, size: Pair, stride: Pair) -> Array:
    """dx (C, H, W, N): gives dy to the first entry of every window that equals its maximum y, both (C, OH, OW, N)."""
    dx = np.zeros_like(x)
    free = np.ones(y.shape, bool)  # windows whose maximum has not been found yet
    for _, _, piece in pieces(size, stride, y.shape[1:3]):
        found = (x[piece] == y) & free
        free &= ~found
        dx[piece] += dy * found
    return dx


class UpSampling2D(Layer):
    """A decoder makes images larger, here with nothing to learn: y = x, each entry repeated `factor` times both ways

    Shapes
        x (N, C, H, W), y (N, C, f·H, f·W) for the factor f, or (N, C, f·H, g·W) for the factor (f, g).
    Forward
        y_nc,fi+u,gj+v = x_ncij      for u from 0 to f − 1, v to g − 1: a pixel becomes a block ("nearest neighbour")
    Backward
        x_ncij enters the f·g entries of its block, each with the factor 1:

            dx_ncij = Σ_u Σ_v dy_nc,fi+u,gj+v      the sum over the block
    Watch
        The sum, not the mean: with a factor of 2, dx is four times as large as a typical dy.
    """

    def __init__(self, factor: int | Pair) -> None:
        """`factor` is a number or (vertical, horizontal)."""
        super().__init__()
        self.factor = pair("UpSampling2D", "factor", factor)

    def forward(self, x: Array) -> Array:
        expect_images(self, x)
        self.cache = (x.shape,)
        x = batch_last(x)
        C, H, W, N = x.shape
        y = np.empty((C, H * self.factor[0], W * self.factor[1], N), x.dtype)
        for _, _, piece in pieces(self.factor, self.factor, (H, W)):
            y[piece] = x
        return batch_first(y)

    def backward(self, dy: Array) -> Array:
        ((N, C, H, W),) = self.take_cache()
        expect(self, "dy", dy, (N, C, H * self.factor[0], W * self.factor[1]))
        dy = batch_last(dy)
        dx = np.zeros((C, H, W, N), dy.dtype)
        for _, _, piece in pieces(self.factor, self.factor, (H, W)):
            dx += dy[piece]
        return batch_first(dx)

    def __repr__(self) -> str:
        return f"UpSampling2D({short(self.factor)})"
