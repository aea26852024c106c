"""The dense layer: every output is a weighted sum of all inputs. Backpropagation starts here."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchnn.init import lecun_normal
from scratchnn.layers.layer import Layer
from scratchnn.machinery.checks import expect, expect_dtype, expect_generator, expect_int
from scratchnn.machinery.parameters import Array, Gradient, Parameter


class Dense(Layer):
    """y = x W + b

    A network has to mix its inputs: what a pixel means depends on the others.

    Shapes
        x (N, n_in), W (n_in, n_out), b (n_out,), y (N, n_out). A row is an example.
    Forward
        y_nj = Σ_i x_ni W_ij + b_j
        The weights start as draws from N(0, 1/n_in) (LeCun et al. 1998, §4.6), b as given.
    Backward
        W_ij enters y_nj of every example n, and there with the factor x_ni. Changing W_ij by δ changes each y_nj by
        x_ni δ, and that changes L by dy_nj x_ni δ. The effects on all examples add up:

            dW_ij = Σ_n x_ni dy_nj        a sum over n, which is the second index of xᵀ:   dW = xᵀ dy
            db_j  = Σ_n dy_nj             b_j enters y_nj with the factor 1:               db = Σ_n dy_n
            dx_ni = Σ_j dy_nj W_ij        x_ni enters every y_nj of its row:               dx = dy Wᵀ

        Each line sums over the index that its left side does not have; the transposes only line those sums up.
        The 1/N of a mean over the batch is already inside dy; nothing is divided here.
    Watch
        When n_in = n_out, dx = dy W and dW = dyᵀ x are wrong and have the right shape: check with unequal sizes. db
        without the sum over n is right for a batch of one example only.
    """

    W, b = Parameter(), Parameter()
    dW, db = Gradient(), Gradient()

    def __init__(
        self, n_in: int, n_out: int, rng: np.random.Generator, b: Array | float = 0.0, dtype: Any = np.float32
    ) -> None:
        """`b` holds the initial biases, a number or an array (n_out,); `rng` draws the weights."""
        self.n_in, self.n_out = expect_int("Dense", "n_in", n_in), expect_int("Dense", "n_out", n_out)
        expect_generator("Dense", rng)
        super().__init__({"W": (self.n_in, self.n_out), "b": (self.n_out,)}, dtype=dtype)
        self.W = lecun_normal(self.W.shape, self.n_in, rng)
        self.b = b
        self.input_shape = (self.n_in,)

    def forward(self, x: Array) -> Array:
        expect(self, "x", x, ("N", self.n_in))
        expect_dtype(self, x)
        self.cache = (x,)
        y = x @ self.W  # (N, n_in) (n_in, n_out)
        y += self.b
        return y

    def backward(self, dy: Array) -> Array:
        Dense.write_gradients(self, dy)  # not that of a subclass, which may call this backward
        return dy @ self.W.T  # (N, n_out) (n_out, n_in)

    def write_gradients(self, dy: Array) -> None:
        (x,) = self.take_cache()
        expect(self, "dy", dy, (len(x), self.n_out))
        np.matmul(x.T, dy, out=self.dW)  # (n_in, N) (N, n_out)
        dy.sum(axis=0, out=self.db)  # (n_out,)

    def __repr__(self) -> str:
        return f"Dense({self.n_in}, {self.n_out})"
