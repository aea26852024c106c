"""Batch normalisation: every unit gets mean 0 and variance 1 over the batch, and then a mean and a scale of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchnn.layers.layer import Layer
from scratchnn.machinery.checks import as_float, expect, expect_dtype, expect_int, expect_positive
from scratchnn.machinery.parameters import Array, Gradient, Parameter


def moments(layer: BatchNorm, x: Array, rest: tuple[int, ...], by_unit: tuple[Any, ...]) -> tuple[Array, Array]:
    """mean and var (C,) of x (N, C) or (N, C, H, W) over the axes `rest`; ValueError where a unit has one number."""
    m = x.size // layer.n_units
    if m < 2:
        raise ValueError(
            f"{layer!r} needs two numbers a unit or more to normalise, got {m}: train with batches of at least "
            "two examples, or use the network in evaluation mode"
        )
    with np.errstate(over="ignore"):  # an overflow is refused; what x has of ∞ and NaN stays
        mean = x.mean(axis=rest)  # (C,)
        var = np.mean((x - mean[by_unit]) ** 2, axis=rest)  # (C,)
    if np.isinf(var).any():  # with its sum, of which the unbiased estimate is 1/(m − 1)
        raise OverflowError(
            f"the variance of x overflows {x.dtype} in {layer!r}, with numbers as large as {np.abs(x).max():.2g}: "
            f"with {m} numbers a unit keep them below {(np.finfo(x.dtype).max / m) ** 0.5 / 2:.2g}"
        )
    return mean, var


class BatchNorm(Layer):
    """While the layers below learn, the mean and scale of what they send up change; here every unit keeps its own.

    y = gamma x̂ + beta, where x̂ is x less its mean over the batch, divided by its standard deviation over the batch.

    Shapes
        x and y (N, C), or images (N, C, H, W); gamma and beta (C,). All m numbers of a unit c are normalised together:
        m = N, or N·H·W for images, where a unit is a channel.
    Forward
        In training mode, over the m numbers of every unit (Ioffe & Szegedy 2015, Algorithm 1),

            mean = (1/m) Σ_i x_i     var = (1/m) Σ_i (x_i − mean)²     x̂_i = (x_i − mean) / √(var + eps)
            y_i = gamma x̂_i + beta

        and the running averages move a little: running ← (1 − momentum) running + momentum · batch, the variance there
        with m − 1 in its denominator. In evaluation mode they take the place of mean and var.
    Backward
        dgamma = Σ_i dy_i x̂_i     dbeta = Σ_i dy_i     with g_i = dy_i gamma      which is ∂L/∂x̂_i

        Changing one x_j by δ moves x̂_j by δ/√(var + eps), but also mean and var, and with them every x̂_i of the unit:

            ∂x̂_i/∂x_j = (1/√(var + eps)) · ([i = j] − 1/m − x̂_i x̂_j / m)

        the 1/m from the mean; the last term since ∂var/∂x_j = (2/m)(x_j − mean). Summed over i with g_i,

            dx_j = (1/√(var + eps)) · (g_j − (1/m) Σ_i g_i − x̂_j (1/m) Σ_i g_i x̂_i)

        what is left of g when its mean and its part along x̂ are taken away (that part up to eps: the mean of x̂² is
        var/(var + eps), which is 1 only where eps is small beside var). Adding to all x, or scaling them, cannot change
        what is normalised, so no gradient asks for it. In evaluation mode mean and var are constants, and
        dx = g/√(var + eps).
    Watch
        With one number a unit x̂ is 0 whatever x is: training needs at least two. The sum of m squares overflows float32
        where |x| reaches 10¹⁹/√m, and that is refused. The mean is off by up to m roundings of the largest |x|, and x̂
        by that over √(var + eps): of numbers near 10⁶ with a deviation of 1, float32 may leave no digit.
        The examples of a batch are no longer independent of one another: the loss of one depends on the others.
        Without it the step size has to suit the scale that each layer happens to have, so a smaller one, and a good
        initialisation, are needed.
    """

    gamma, beta = Parameter(), Parameter()
    dgamma, dbeta = Gradient(), Gradient()

    def __init__(self, n_units: int, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        """`momentum` is the weight of the newest batch in the running averages."""
        self.n_units = expect_int("BatchNorm", "n_units", n_units)
        self.momentum, self.eps = as_float(momentum), expect_positive("eps", eps)
        if not 0 < self.momentum <= 1:
            raise ValueError(f"momentum, the newest batch's weight, must be above 0 and at most 1, got {momentum!r}")
        super().__init__({"gamma": (self.n_units,), "beta": (self.n_units,)}, dtype=dtype)
        self.gamma = 1.0
        self.own_buffers = {
            "mean": np.zeros(self.n_units, dtype),
            "var": np.ones(self.n_units, dtype),
            "batches": np.zeros(1, dtype),  # how many the averages have seen
        }

    def forward(self, x: Array) -> Array:
        expect(self, "x", x, ("N", self.n_units, "H", "W") if np.ndim(x) == 4 else ("N", self.n_units))
        expect_dtype(self, x)
        # the axes that are averaged over, and how an array (C,) is laid beside x: as (C, 1, 1) for images
        rest, by_unit = ((0, 2, 3), (slice(None), None, None)) if x.ndim == 4 else ((0,), (slice(None),))
        if self.training:
            mean, var = moments(self, x, rest, by_unit)  # (C,), (C,)
            m = x.size // self.n_units
            for name, value in (("mean", mean), ("var", var * (m / (m - 1)))):
                self.buffers[name][...] += self.momentum * (value - self.buffers[name])
            self.buffers["batches"][...] += 1
        elif self.buffers["batches"].any():
            mean, var = self.buffers["mean"], self.buffers["var"]
        else:
            raise RuntimeError(f"{self!r} has no averages yet: train at least one step before evaluation")
        inverse = 1 / np.sqrt(var + self.eps)  # (C,)
        x_hat = (x - mean[by_unit]) * inverse[by_unit]  # x's shape
        self.cache = (x_hat, inverse, rest, by_unit, self.training)
        return self.gamma[by_unit] * x_hat + self.beta[by_unit]  # x's shape

    def backward(self, dy: Array) -> Array:
        x_hat, inverse, rest, by_unit, in_training = self.take_cache()
        expect(self, "dy", dy, x_hat.shape)
        self.dgamma = np.sum(dy * x_hat, axis=rest)  # (C,)
        self.dbeta = np.sum(dy, axis=rest)  # (C,)
        scale = (self.gamma * inverse)[by_unit]  # (C,), laid beside x
        if not in_training:
            return scale * dy
        m = x_hat.size // self.n_units
        # Σ g = gamma dbeta and Σ g x̂ = gamma dgamma: the two sums are there already
        return scale * (dy - (self.dbeta[by_unit] + x_hat * self.dgamma[by_unit]) / m)  # x's shape

    def __repr__(self) -> str:
        return f"BatchNorm({self.n_units}, momentum={self.momentum}, eps={self.eps})"
