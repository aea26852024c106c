"""Logarithms of sums: log(1 + x) by way of log x, which NumPy computes eight at a time on most processors, and log1p
one at a time; and the logarithm of a mean of exponentials."""

from __future__ import annotations

import numpy as np

from scratchnn.machinery.parameters import Array


def log1p(x: Array) -> Array:
    """log(1 + x) for x of any shape, 0 ≤ x ≤ 1, as np.log1p, to some units in the last place.

    For small x, log(1 + x) as it stands loses what rounding takes from 1 + x. With u = 1 + x rounded and d what was
    taken, log(u + d) = log u + log(1 + d/u) ≈ log u + d/u. That leaves out less than d²; u − 1 and d are exact here.
    """
    u = 1 + x
    d = x - (u - 1)
    result: Array = np.log(u) + d / u
    return result


def log_mean_exp(x: Array) -> Array:
    """log of the mean of e^x over the last axis. The largest is taken out first, so that no exponential overflows."""
    largest = np.maximum(x.max(axis=-1, keepdims=True), np.finfo(x.dtype).min)  # −∞ less itself would be NaN
    with np.errstate(divide="ignore"):  # where all are −∞, so is this
        result: Array = largest[..., 0] + np.log(np.exp(x - largest).mean(axis=-1))
    return result
