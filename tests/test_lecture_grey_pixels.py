"""Likelihoods of grey pixels beside each other: what the lecture says of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from lectures import run

from scratchnn import Gaussian
from scratchnn.evaluation import log_prob_of_levels


@pytest.fixture(scope="module")
def lecture(tmp_path_factory):
    """Thirty epochs of each training, and of the Gaussian without noise eight."""
    out = tmp_path_factory.mktemp("lecture")
    names, printed = run("grey_pixels", out, EPOCHS=30, LOOK_AFTER=(2, 8), SAMPLES=10, DRAWS=100)
    assert (out / "grey_pixels.png").exists() and "figure:" in printed
    return names


def test_one_pixel(lecture):
    """The logits are 1e-4 apart. At its minimum a loss is off by less than their square, times a slope of the slope:
    at most ¼, and under the Gaussian of width σ (¼/σ)²."""
    x, found = 5 / 16, lecture["one_pixel"]
    logit, _, loss = found["Bernoulli"]
    assert abs(logit - np.log(x / (1 - x))) < 1e-4 and abs(loss - scipy.stats.bernoulli(x).entropy()) < 1e-8
    _, mean, loss = found["continuous Bernoulli"]
    assert abs(mean - x) < 1e-4 and loss < 0
    for sigma in (0.01, 0.001):
        _, mean, loss = found[f"Gaussian, σ = {sigma}"]
        assert abs(mean - x) < 1e-4 and abs(loss + scipy.stats.norm(x, sigma).logpdf(x)) < (1e-4 / 4 / sigma) ** 2
    wide, narrow = (found[f"discretised logistic, s = {s}"][2] for s in (0.01, 0.001))
    assert wide > narrow > 0 and narrow < 1e-6  # 2 log(1 + e^(−w/2)) with w = 1/16/s
    black = lecture["black"]
    np.testing.assert_allclose(black["continuous Bernoulli"], -np.log([10, 100, 1000]), atol=1e-4)
    assert (black["Bernoulli"] >= 0).all() and black["Bernoulli"][-1] == 0


def test_levels_of_the_sample(lecture):
    """Against SciPy's fit of a Gaussian, and quadrature of e^(l t)."""
    levels, shares, probabilities = lecture["SAMPLE"], lecture["shares"], lecture["probabilities"]
    for p in probabilities.values():
        assert abs(p.sum() - 1) < 1e-12
    bits = {name: -shares @ np.log2(p) for name, p in probabilities.items()}
    seen = shares > 0
    entropy = -shares[seen] @ np.log2(shares[seen])
    assert entropy < bits["discretised logistic"] < bits["Gaussian"] < bits["continuous Bernoulli"] < np.log2(17)
    mean, log_var = lecture["fitted"]["Gaussian"][1]
    np.testing.assert_allclose(scipy.stats.norm.fit(levels / 16), [mean, np.exp(log_var / 2)], rtol=1e-12)
    ends = np.clip((np.arange(18) - 0.5) / 16, 0, 1)
    (logit,) = lecture["fitted"]["continuous Bernoulli"][1]
    masses = [scipy.integrate.quad(lambda t: np.exp(logit * t), a, b)[0] for a, b in pairwise(ends)]
    np.testing.assert_allclose(probabilities["continuous Bernoulli"], masses / np.sum(masses), rtol=1e-10)
    density_mean = scipy.integrate.quad(lambda t: t * np.exp(logit * t), 0, 1)[0] / np.sum(masses)
    assert abs(density_mean - levels.mean() / 16) < 1e-6


def test_the_normaliser(lecture):
    """C(λ) by quadrature of λ^x (1 − λ)^(1 − x), whatever x was."""
    for value, log_c in zip(lecture["lambdas"], lecture["log_c"], strict=True):
        integral = scipy.integrate.quad(lambda t, v=value: v**t * (1 - v) ** (1 - t), 0, 1)[0]
        assert abs(log_c + np.log(integral)) < 1e-10


def test_the_gaussian_of_levels_is_carried_by_pixels_that_never_change(lecture):
    early, late = lecture["looks"]
    assert early[3] <= 1 and late[3] <= 1  # the integral
    assert late[0] > early[0] + 10 and late[2] > 1  # density × width is no probability any more


def test_noise_one_bin_wide_bounds_the_log_probability():
    """E_u[log p(x + u)] + log w ≤ log P, by quadrature, also where the bin is many σ wide."""
    x, w = np.linspace(0, 1, 17)[:, None], 1 / 16
    nodes, weights = np.polynomial.legendre.leggauss(20)  # log p is a parabola
    for mean, sigma in ((0.4, 0.2), (0.4, 0.003), (0.0, 0.02)):
        outputs = np.tile([mean, 2 * np.log(sigma)], (17, 1))
        noisy = sum(
            weight / 2 * Gaussian().forward(outputs, x + w / 2 * u) for u, weight in zip(nodes, weights, strict=True)
        )
        assert (noisy + np.log(w) <= log_prob_of_levels(Gaussian(), outputs, x, 17) + 1e-12).all()


def test_bernoulli_of_grey_is_the_mean_over_black_and_white(lecture):
    assert abs(np.mean(lecture["drawn_losses"]) - lecture["grey_loss"]) < 5 * lecture["drawn_error"]


def test_bits_of_the_models(lecture):
    """The order after 30 epochs, by five standard errors from the choice of images; for the Gaussian to pass the
    histograms it takes more. More draws bring each bound down."""
    for one, many, _ in lecture["in_bits"].values():
        assert many < one
    bits = {name: many for name, (_, many, _) in lecture["in_bits"].items()}
    five = 5 * max(error for *_, error in lecture["in_bits"].values())
    assert np.log2(17) - five > bits["Bernoulli"] > bits["continuous Bernoulli"] + five
    assert bits["continuous Bernoulli"] - five > max(bits["Gaussian"], lecture["independent"])
    assert min(bits["Gaussian"], lecture["independent"]) - five > bits["discretised logistic"]
    assert lecture["with_noise"] > lecture["in_bits"]["Gaussian"][0]
    assert 0 < lecture["drawn_bits"][1] < lecture["drawn_bits"][0] < 1


def test_means_and_samples(lecture):
    """x, mean and sample make a right angle on average. The product of both differences has the mean 0, and over
    300 · 64 pixels a standard error below the largest it can have, spread · 1/√19,200."""
    for name, (error, spread, distance, grey) in lecture["looks_like"].items():
        assert abs(distance**2 - error**2 - spread**2) < 5 * 2 * spread / np.sqrt(19_200)
        assert (grey == 0) == name.startswith("Bernoulli")
    for name in ("Bernoulli", "Bernoulli, drawn"):
        error, spread, *_ = lecture["looks_like"][name]
        assert spread > 1.3 * error
    assert lecture["too_sure"] > lecture["looks_like"]["continuous Bernoulli"][0]


def test_what_was_left_out(lecture):
    assert lecture["left_out"]["Bernoulli"].min() > 64 * np.log(2)  # log C is at least log 2
    assert lecture["left_out"]["continuous Bernoulli"].mean() > lecture["left_out"]["Bernoulli"].mean()
