"""Densities of grey pixels as probabilities of grey levels, so that likelihoods of both kinds can be compared.

A file holds levels k = 0, …, K − 1, and x = k/(K − 1). A density p(x) is not the probability of x, and its value
depends on the unit: on a scale from 0 to 255 it is 255 times smaller for each pixel. What has a probability is a *bin*,
the numbers that are rounded to level k:

    P(k) = ∫ p(t) dt from x − h to x + h,      h = ½/(K − 1)

The bins must share out all that p gives, or the P(k) do not add up to 1; so the two at the ends are others. A density
on [0, 1] has half a bin there, [0, h] and [1 − h, 1]. One on all real numbers has the bins (−∞, h] and [1 − h, ∞), as
if a draw outside [0, 1] became black or white. With them −log₂ P is what the pixels take in bits, whatever the unit.
"""

from __future__ import annotations

import numpy as np

from scratchnn.grey_likelihoods import NEARLY_0, ContinuousBernoulli, DiscretisedLogistic
from scratchnn.likelihoods import LOG_2PI, Gaussian, Likelihood
from scratchnn.machinery.checks import expect, expect_int, expect_levels
from scratchnn.machinery.extras import missing
from scratchnn.machinery.parameters import Array


def log_prob_of_levels(likelihood: Likelihood, outputs: Array, x: Array, levels: int) -> Array:
    """log P(x) (N,) in float64 of images x (N, D) of grey levels k/(levels − 1), by the outputs of a decoder.

    Of a discretised likelihood it is what `forward` returns; a density is integrated over each pixel's bin.
    """
    expect(likelihood, "x", x, ("N", "D"))
    last = expect_int("log_prob_of_levels", "levels", levels, least=2) - 1
    outputs, x = outputs.astype(np.float64), x.astype(np.float64)
    if isinstance(likelihood, DiscretisedLogistic):
        if likelihood.levels != levels:
            raise ValueError(f"{likelihood!r} was given levels={levels}: ask for as many levels as it has")
        with likelihood.evaluating():
            return np.asarray(likelihood.forward(outputs, x))
    k = expect_levels(likelihood, x, levels)
    low, high = (k - 0.5) / last, (k + 0.5) / last
    if isinstance(likelihood, ContinuousBernoulli):
        expect(likelihood, "logits", outputs, x.shape)
        log_p = log_prob_continuous_bernoulli(outputs, np.maximum(low, 0), np.minimum(high, 1))
    elif isinstance(likelihood, Gaussian):
        expect(likelihood, "outputs", outputs, (len(x), 2 * x.shape[1]))
        mean, log_var = np.split(outputs, 2, axis=1)
        per_sigma = np.exp(np.minimum(-0.5 * log_var, 300))  # the square of 1/σ is finite
        a = np.where(k > 0, (low - mean) * per_sigma, -np.inf)
        b = np.where(k < last, (high - mean) * per_sigma, np.inf)
        log_p = log_prob_normal(a, b)
    else:
        raise ValueError(
            f"{likelihood!r} gives no probability to grey levels: take one of Gaussian, ContinuousBernoulli and "
            "DiscretisedLogistic"
        )
    return np.asarray(log_p.sum(axis=1))


def log_prob_continuous_bernoulli(logits: Array, low: Array, high: Array) -> Array:
    """log of ∫ e^(l t) dt from low to high, over the same from 0 to 1.

    For l = −a < 0 the quotient is e^(−a low) (1 − e^(−a (high − low)))/(1 − e^(−a)), in which nothing overflows. For
    l > 0 it is that of the pixel 1 − x.
    """
    a = np.maximum(np.abs(logits), NEARLY_0)
    start = np.where(logits < 0, low, 1 - high)
    return np.asarray(-a * start + np.log(np.expm1(-a * (high - low)) / np.expm1(-a)))


def log_prob_normal(a: Array, b: Array) -> Array:
    """log (Φ(b) − Φ(a)) for a < b, where Φ is the CDF of N(0, 1).

    Far out both are nearly 1, and the difference is lost; Φ(b) − Φ(a) = Φ(−a) − Φ(−b) puts the bin on the left.
    There both may be too small for a float, so log Φ(b) is taken out: log Φ(b) + log(1 − Φ(a)/Φ(b)). Of a bin far
    narrower than σ that leaves no digit: it has the density in its middle m, times its width w = b − a. This leaves out
    less than w² (1 + m²)/24 of it, 10⁻¹¹.
    """
    try:
        from scipy.special import log_ndtr
    except ModuleNotFoundError as error:
        raise missing(error, "the probability of a level under a Gaussian") from error
    right = a + b > 0
    a, b = np.where(right, -b, a), np.where(right, -a, b)
    width, middle = b - a, (a + b) / 2
    narrow = width * (1 + np.abs(middle)) < 1e-5
    width, middle = np.where(narrow, width, 1), np.where(narrow, middle, 0)
    log_b = log_ndtr(b)
    of_wide = log_b + np.log(-np.expm1(np.where(narrow, -1, log_ndtr(a) - log_b)))
    return np.asarray(np.where(narrow, np.log(width) - 0.5 * (LOG_2PI + middle**2), of_wide))
