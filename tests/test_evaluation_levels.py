"""Densities as probabilities of grey levels: against SciPy's CDFs and quadrature, at both ends, far out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from scratchnn import Bernoulli, ContinuousBernoulli, DiscretisedLogistic, Gaussian
from scratchnn.evaluation import log_prob_of_levels

EPS = 2.0**-52
NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)
LOGITS = [-700.0, -37.0, -2.0, -1e-9, 0.0, 0.3, 5.0, 800.0]
# The narrowest bin is 1/255/20 = 2e-4 in units of σ: a difference of logarithms of size 1 has an error of EPS/2e-4
GAUSSIANS = [(0.0, 0.5), (0.31, 0.02), (1.0, 1e-3), (0.5, 20.0), (-3.0, 0.7), (0.52, 1e-9)]


def of_all_levels(likelihood, outputs: list[float], levels: int) -> np.ndarray:
    """log P of every level of one pixel, by the same outputs."""
    x = np.linspace(0, 1, levels)[:, None]
    return log_prob_of_levels(likelihood, np.tile(np.array([outputs]), (levels, 1)), x, levels)


def ends(levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the bins begin and end on [0, 1], half as wide at both ends."""
    inner = (np.arange(levels - 1) + 0.5) / (levels - 1)
    return np.array([0, *inner]), np.array([*inner, 1])


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("logit", LOGITS)
def test_bins_of_the_continuous_bernoulli_hold_its_integral(logit, levels):
    """By Gauss-Legendre of the density that the library trains with; where e^(l t) varies by more than e^40 over a bin
    only the part of the bin near its higher end counts."""
    low, high = ends(levels)
    reach = np.minimum(high - low, 40 / max(abs(logit), 1e-300))[:, None]
    depth = reach * (NODES + 1) / 2
    t = high[:, None] - depth if logit > 0 else low[:, None] + depth
    log_density = ContinuousBernoulli().forward(np.full((t.size, 1), logit), t.reshape(-1, 1)).reshape(t.shape)
    largest = log_density.max(axis=1, keepdims=True)
    exact = largest[:, 0] + np.log(np.sum(WEIGHTS * reach / 2 * np.exp(log_density - largest), axis=1))
    log_p = of_all_levels(ContinuousBernoulli(), [logit], levels)
    np.testing.assert_allclose(log_p, exact, rtol=1e-13, atol=1e-12)
    assert abs(np.exp(log_p).sum() - 1) < 1e-12


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize(("mean", "sigma"), GAUSSIANS)
def test_bins_of_the_gaussian_hold_its_integral_and_the_end_bins_all_that_is_outside(mean, sigma, levels):
    low, high = ends(levels)
    log_p = of_all_levels(Gaussian(), [mean, 2 * np.log(sigma)], levels)
    assert abs(np.exp(log_p).sum() - 1) < 1e-10
    normal = scipy.stats.norm(mean, sigma)
    # log σ² has a relative error of EPS, and so σ one of EPS |log σ|; a logarithm moves by t² times that at t σ
    far = 1 + (np.maximum(abs(low - mean), abs(high - mean)) / sigma) ** 2
    error = 1e-11 + 50 * EPS * far
    # a bin's probability is a difference of two log Φ, each with an error of some EPS (8 in SciPy 1.12)
    left = np.minimum(high - mean, mean - low) / sigma
    differ = (scipy.stats.norm.logcdf(left) - scipy.stats.norm.logcdf(left - (high - low) / sigma))[1:-1]
    error[1:-1] += 8 * EPS * abs(scipy.stats.norm.logcdf(left[1:-1])) / -np.expm1(-differ)
    assert abs(log_p[0] - normal.logcdf(high[0])) < error[0]
    assert abs(log_p[-1] - normal.logsf(low[-1])) < error[-1]
    for k in range(1, levels - 1):
        a, b = (low[k] - mean) / sigma, (high[k] - mean) / sigma
        nearest = min(max(a, 0.0), b)  # the point of the bin with the highest density
        # the part of the bin where the density is above e^−40 of that
        span = 40 / (abs(nearest) + 6)
        a, b = max(a, nearest - span), min(b, nearest + span)
        t = a + (b - a) * (NODES + 1) / 2
        exact = -(nearest**2) / 2 + np.log(
            np.sum(WEIGHTS * np.exp((nearest - t) * (nearest + t) / 2)) * (b - a) / 2 / np.sqrt(2 * np.pi)
        )
        assert abs(log_p[k] - exact) < error[k], k


@pytest.mark.parametrize("log_var", [0.0, 10.0, 20.0, 30.0, 60.0, 70.0, 100.0])
@pytest.mark.parametrize("mean", [-3.0, 0.0, 128 / 255, 40.0])
@pytest.mark.filterwarnings("error")
def test_a_bin_that_is_narrow_beside_sigma_has_its_width_times_the_density(log_var, mean):
    """By Taylor's series of the density about the middle m of the bin: the next term is w⁴ (m⁴ + 6 m² + 3)/1920."""
    x, sigma = np.array([[128 / 255]]), math.exp(log_var / 2)
    m, w = (x[0, 0] - mean) / sigma, 1 / 255 / sigma
    wanted = scipy.stats.norm.logpdf(m) + math.log(w) + math.log1p(w**2 * (m**2 - 1) / 24)
    found = log_prob_of_levels(Gaussian(), np.array([[mean, log_var]]), x, 256)
    # the other form loses digits to log Φ, of size m² at most, over w m or w; at the most where a bin is not yet narrow
    cancelled = 2.0**-50 * (1 + m**2) / max(w * (1 + abs(m)), 1e-5)
    np.testing.assert_allclose(found, [wanted], rtol=0, atol=1e-11 + cancelled + w**4 * (m**4 + 6 * m**2 + 3) / 1920)


def test_the_discretised_logistic_is_itself():
    rng = np.random.default_rng(0)
    outputs, x = rng.normal(size=(5, 6)), rng.integers(0, 17, (5, 3)) / 16
    likelihood = DiscretisedLogistic(17)
    log_prob = log_prob_of_levels(likelihood, outputs, x, 17)
    np.testing.assert_array_equal(log_prob, likelihood.forward(outputs, x))
    log_prob_of_levels(likelihood, outputs, x, 17)
    with pytest.raises(RuntimeError, match="call forward once"):  # what is asked in between is not differentiated
        likelihood.backward(np.ones(5))


@pytest.mark.parametrize("likelihood", [ContinuousBernoulli(), Gaussian(), DiscretisedLogistic(5)])
def test_an_image_has_the_product_of_its_pixels_also_in_float32(likelihood):
    rng = np.random.default_rng(1)
    heads = 1 if isinstance(likelihood, ContinuousBernoulli) else 2
    outputs = rng.normal(size=(4, heads * 3)).astype(np.float32)
    x = (rng.integers(0, 5, (4, 3)) / 4).astype(np.float32)
    together = log_prob_of_levels(likelihood, outputs, x, 5)
    alone = sum(log_prob_of_levels(likelihood, outputs[:, i::3], x[:, i : i + 1], 5) for i in range(3))
    assert together.dtype == np.float64
    np.testing.assert_allclose(together, alone, rtol=1e-14)


@pytest.mark.parametrize("likelihood", [ContinuousBernoulli(), Gaussian()])
def test_the_share_of_draws_that_are_rounded_to_a_level(likelihood):
    """What the bins are for: draws, cut off at 0 and 1 and rounded, have these probabilities."""
    n, outputs = 100_000, [-1.3] if isinstance(likelihood, ContinuousBernoulli) else [0.2, np.log(0.3**2)]
    draws = likelihood.sample(np.tile(outputs, (n, 1)), np.random.default_rng(2))
    counts = np.bincount(np.rint(np.clip(draws[:, 0], 0, 1) * 8).astype(int), minlength=9)
    p = np.exp(of_all_levels(likelihood, outputs, 9))
    assert (np.abs(counts / n - p) < 5 * np.sqrt(p * (1 - p) / n)).all()


def test_what_has_no_probability_of_levels_is_said():
    x = np.array([[0.0, 0.5]])
    with pytest.raises(ValueError, match=r"Bernoulli.* gives no probability to grey levels: take one of"):
        log_prob_of_levels(Bernoulli(), np.zeros((1, 2)), x, 3)
    with pytest.raises(ValueError, match=r"DiscretisedLogistic\(256\) was given levels=3"):
        log_prob_of_levels(DiscretisedLogistic(), np.zeros((1, 4)), x, 3)
    with pytest.raises(ValueError, match=r"expects pixels k/16 for whole k, got 0.3"):
        log_prob_of_levels(Gaussian(), np.zeros((1, 2)), np.array([[0.3]]), 17)
    with pytest.raises(ValueError, match="levels"):
        log_prob_of_levels(Gaussian(), np.zeros((1, 4)), x, 1)
    with pytest.raises(ValueError, match=r"expects outputs of shape \(1, 4\), got \(1, 2\)"):
        log_prob_of_levels(Gaussian(), np.zeros((1, 2)), x, 3)
    with pytest.raises(ValueError, match=r"expects logits of shape \(1, 2\), got \(1, 4\)"):
        log_prob_of_levels(ContinuousBernoulli(), np.zeros((1, 4)), x, 3)
