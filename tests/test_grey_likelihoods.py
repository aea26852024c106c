"""Likelihoods of grey pixels: against quadrature, 100 digits, SciPy, the paper's formula; and what they cannot take."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import MIN_EMIN, Decimal, localcontext
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
from hypothesis import example, given
from hypothesis import strategies as st
from scripts import fails, succeeds
from shared import log_likelihood

from scratchnn import VAE, Bernoulli, ContinuousBernoulli, Dense, DiscretisedLogistic, Sequential
from scratchnn.evaluation import importance_weighted
from scratchnn.gradcheck import check_layer
from scratchnn.grey_likelihoods import mean_pixel
from scratchnn.scripts import train
from scratchnn.training import load_model

EPS = 2.0**-52
LOGITS = np.concatenate(
    [[0, 2, -2, np.nextafter(2, 0)], *(np.linspace(-5, 5, 1001), np.geomspace(1e-18, 1e4, 500))]
)  # the code goes another way at |l| = 2
LOGITS = np.unique(np.concatenate([LOGITS, -LOGITS]))

# Gauss-Legendre over the part of [0, 1] where a density with the logit −a is above e^−40 of its largest value: a
# polynomial of degree 119 is integrated exactly, and e^−y for y from 0 to 40 is one to 1e-16.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)


def nodes(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points x (N, 60) of [0, 1] and their weights, where the mass of the density is."""
    reach = np.minimum(1, 40 / np.maximum(np.abs(logits), 40))[:, None]
    t = reach * (NODES + 1) / 2  # how far from the end of [0, 1] that has the mass
    return np.where(logits[:, None] < 0, t, 1 - t), WEIGHTS * reach / 2


def log_integral(logits: np.ndarray) -> np.ndarray:
    """A(l) = −log p(0), as the library has it."""
    return -ContinuousBernoulli().forward(logits[:, None], np.zeros((len(logits), 1)))


def test_the_normaliser_against_quadrature():
    x, weights = nodes(LOGITS)
    end = LOGITS > 0  # e^(l (x − 1)) does not overflow
    integral = np.sum(weights * np.exp(LOGITS[:, None] * (x - end[:, None])), axis=1)
    np.testing.assert_allclose(log_integral(LOGITS), end * LOGITS + np.log(integral), rtol=0, atol=1e-10)


def continuous_density(logits: np.ndarray, x: np.ndarray) -> np.ndarray:
    """p(x) (N, M) as the library has it, every entry an image of one pixel."""
    log_p = ContinuousBernoulli().forward(np.repeat(logits, x.shape[1])[:, None], x.reshape(-1, 1))
    return np.exp(log_p).reshape(x.shape)


def test_the_density_integrates_to_1_and_has_the_mean_and_the_variance_of_the_formulas():
    """The variance is the slope of the mean: A″, where the mean is A′."""
    x, weights = nodes(LOGITS)
    mass = weights * continuous_density(LOGITS, x)
    np.testing.assert_allclose(mass.sum(axis=1), 1, rtol=1e-10)
    mean = ContinuousBernoulli().mean(LOGITS[:, None])[:, 0]
    np.testing.assert_allclose(np.sum(mass * x, axis=1), mean, rtol=0, atol=1e-10)
    h = 1e-3  # the error of this difference is h⁴/30 times the fifth derivative, below 1, and EPS/h
    ahead, behind = (8 * mean_pixel(LOGITS + s * h) - mean_pixel(LOGITS + 2 * s * h) for s in (1, -1))
    variance = np.sum(mass * (x - mean[:, None]) ** 2, axis=1)
    np.testing.assert_allclose(variance, (ahead - behind) / (12 * h), rtol=0, atol=1e-10)


def test_normaliser_and_mean_to_the_last_digits():
    """By 100 digits, of which the differences in the formulas leave at least 60."""
    with localcontext() as context:
        context.prec = 100
        for logit, a, m in zip(LOGITS.tolist(), log_integral(LOGITS), mean_pixel(LOGITS), strict=True):
            l = Decimal(logit)  # noqa: E741
            exact_a, exact_m = (((l.exp() - 1) / l).ln(), 1 / (1 - (-l).exp()) - 1 / l) if l else (0, Decimal("0.5"))
            # rounded are the logarithm's argument, near 1 for small logits, twice; the logarithm; the sum
            assert abs(Decimal(float(a)) - exact_a) <= Decimal(EPS) * (2 + abs(exact_a)), logit
            assert abs(Decimal(float(m)) / exact_m - 1) <= Decimal(4 * EPS), logit


def test_the_density_is_bernoulli_s_formula_times_the_constant_of_the_paper(rng):
    """C(λ) = 2 artanh(1 − 2λ)/(1 − 2λ), here away from λ = ½."""
    logits, x = rng.choice([-1, 1], (20, 3)) * rng.uniform(0.5, 3, (20, 3)), rng.random((20, 3))
    d = 1 - 2 / (1 + np.exp(-logits))
    constant = np.log(2 * np.arctanh(d) / d).sum(axis=1)
    np.testing.assert_allclose(
        ContinuousBernoulli().forward(logits, x), Bernoulli().forward(logits, x) + constant, rtol=1e-12
    )


@given(st.floats(-1e4, 1e4), st.integers(0, 2**53 - 1))
@example(0.0, 2**52)
@example(1e-20, 1)
@example(1e4, 2**53 - 1)
def test_a_draw_is_where_the_cdf_is_the_random_number(logit, n):
    """For l > 0, 1 − x is drawn: then it is 1 − u. A draw that is x to rounding has a CDF that is u to p(x) EPS."""
    u = n / 2**53
    generator = SimpleNamespace(random=lambda shape: np.full(shape, u))
    x = ContinuousBernoulli().sample(np.array([[logit]]), generator)[0, 0]
    assert 0 <= x <= 1
    # exact in the rest: for a logit of size 1e-20 the CDF is x
    cdf = np.expm1(logit * x) / np.expm1(logit) if 1e-20 < abs(logit) < 700 else x if abs(logit) < 1 else None
    if cdf is None:
        cdf = -np.expm1(-abs(logit) * x) if logit < 0 else np.exp(logit * (x - 1))
    assert abs(cdf - (u if logit < 0 else 1 - u)) <= 4 * EPS * (1 + abs(logit))


def truncated_exponential(logit: float) -> scipy.stats.rv_continuous:
    """The density with the logit −a is that of an exponential variable of rate a, given that it is below 1."""
    return scipy.stats.truncexpon(abs(logit), scale=1 / abs(logit))


@pytest.mark.parametrize("logit", [-3.0, -1e-4, 1e-12, 0.0, 5.0, 300.0])
def test_draws_of_the_continuous_bernoulli(logit, rng):
    draws = ContinuousBernoulli().sample(np.full((20_000, 1), logit), rng)[:, 0]
    cdf = scipy.stats.uniform.cdf if abs(logit) < 1e-6 else truncated_exponential(logit).cdf
    assert scipy.stats.kstest(1 - draws if logit > 0 else draws, cdf).pvalue > 1e-4


def logistic_cdf(t: Decimal) -> tuple[Decimal, Decimal]:
    """sigmoid(t) and sigmoid(−t)."""
    e = (-abs(t)).exp()
    high, low = 1 / (1 + e), e / (1 + e)
    return (high, low) if t > 0 else (low, high)


def log_probability(mean: Decimal, log_scale: Decimal, k: int, levels: int) -> Decimal:
    """Of level k, as the difference of the CDF or of its complement, whichever is less: it needs but many digits."""
    last, s = levels - 1, log_scale.exp()
    half = Decimal("0.5")
    low = logistic_cdf(((k - half) / last - mean) / s) if k > 0 else (Decimal(0), Decimal(1))
    high = logistic_cdf(((k + half) / last - mean) / s) if k < last else (Decimal(1), Decimal(0))
    return (high[0] - low[0] if low[0] < half else low[1] - high[1]).ln()


def discretised(mean: float, log_scale: float, k: list[int], levels: int = 256, dtype: type = np.float64):
    """log p and its slopes by mean and log-scale, of several levels of a pixel under the same outputs."""
    likelihood, x = DiscretisedLogistic(levels), (np.array(k) / (levels - 1))[:, None].astype(dtype)
    log_p = likelihood.forward(np.tile(np.array([[mean, log_scale]], dtype), (len(k), 1)), x)
    return log_p, *likelihood.backward(np.ones(len(k), dtype)).T


@pytest.mark.parametrize("mean", [-1e4, -3.0, 0.0, 0.4, 100.5 / 255, 1.0, 7.25])
@pytest.mark.parametrize("log_scale", [-12.0, -5.5, -2.0, 0.0, 30.0, 200.0])
def test_probabilities_and_slopes_to_the_last_digits(mean, log_scale):
    """By 150 digits, in the middle and in tails of e^(−1e9), where no difference of sigmoids has any. Slopes are
    differences: their step of 1e-40 leaves out 1e-80 times at most 1/s³, and takes 40 of the digits. At log s = 200
    it takes more digits: a bin's share is 1e-89, and a slope by the mean 1e-174."""
    levels = [0, 1, 100, 101, 254, 255]
    with localcontext() as context:
        context.prec, context.Emin, step = 400 if log_scale > 100 else 150, MIN_EMIN, Decimal("1e-40")
        m, v = Decimal(mean), Decimal(log_scale)
        for k, log_p, dmean, dlog_scale in zip(levels, *discretised(mean, log_scale, levels), strict=True):
            exact = log_probability(m, v, k, 256)
            # the ends of a bin round to EPS (1 + |mean|), in units of s, and log p is no steeper than that is long;
            # of what else is rounded the largest is log p itself, or log_scale
            per_s = math.exp(-log_scale)
            moved = EPS * (1 + abs(mean)) * per_s
            assert abs(float(Decimal(float(log_p)) - exact)) <= moved + 8 * EPS * (1 + abs(float(exact))), k
            for found, (dm, dv), length in ((dmean, (step, 0), per_s), (dlog_scale, (0, step), None)):
                slope = float(
                    (log_probability(m + dm, v + dv, k, 256) - log_probability(m - dm, v - dv, k, 256)) / (2 * step)
                )
                # sigmoid(a) and sigmoid(−b) turn by at most a quarter of what a and b are moved
                size = length if length else 1 + abs(slope)
                steep = per_s if length else max(1.0, abs(mean) + 1) * per_s
                assert abs(found - slope) <= moved * steep + 16 * EPS * size, (k, length)


@given(st.floats(-1e4, 1e4) | st.floats(-0.1, 1.1), st.floats(-1e4, 1e4) | st.floats(-12, 5))
@example(0.5, -1e4)
@example(100.5 / 255, -1e4)
@example(-1e4, 1e4)
def test_the_probabilities_of_all_levels_add_up_to_1(mean, log_scale):
    """A bin's two ends are rounded by EPS, in units of s. Where s is below 1e-4, not two bins are reached by one slope
    of a sigmoid, and neighbours round the end that they share in the same way."""
    log_p = discretised(mean, log_scale, [*range(256)])[0]
    assert (log_p <= 0).all()
    s = math.exp(min(max(log_scale, math.log(1e-4)), 100))
    assert abs(np.exp(log_p).sum() - 1) <= EPS * (64 + 8 / s)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_mean_image_and_draws_are_those_of_the_probabilities(levels, rng):
    outputs = np.array([[0.3, -1.0], [-0.2, -2.5], [0.52, -6.0], [1.4, 0.5]])
    likelihood, k = DiscretisedLogistic(levels), np.arange(levels)
    for row in outputs:
        p = np.exp(discretised(*row, [*k], levels)[0])
        np.testing.assert_allclose(likelihood.mean(row[None]), [[p @ k / (levels - 1)]], rtol=1e-12)
        draws = likelihood.sample(np.tile(row, (20_000, 1)), rng)[:, 0]
        assert np.isin(draws, k / (levels - 1)).all()
        counts = np.bincount(np.rint(draws * (levels - 1)).astype(int), minlength=levels)
        often = 20_000 * p >= 5  # the chi-square distribution is an approximation for large counts
        observed, expected = ([*n[often], n[~often].sum()] for n in (counts, 20_000 * p))
        if expected[-1] < 5:
            observed, expected = ([*n[:-2], n[-2] + n[-1]] for n in (observed, expected))
        if len(observed) > 1:
            assert scipy.stats.chisquare(observed, np.array(expected) * 20_000 / sum(expected)).pvalue > 1e-4
        else:
            assert observed[0] == 20_000


def check_grey(likelihood: ContinuousBernoulli | DiscretisedLogistic, outputs: np.ndarray, x: np.ndarray) -> None:
    report = check_layer(likelihood, outputs, constants=[x])
    assert all(array.judged.all() for array in report.arrays)


def test_gradients_near_the_limits_of_the_continuous_bernoulli(rng):
    """At l = 0, next to it, where the code goes another way, and far out; x at both ends and between."""
    logits = np.array([[0, 1e-9, -1e-5, 0.01, -2], [2, 30, -60, 400, -900]])
    check_grey(ContinuousBernoulli(), logits, np.array([[0.25, 0, 1, 1, 0.7], [0, 0.3, 1, 0.1, 0.2]]))


@pytest.mark.parametrize("levels", [2, 256])
def test_gradients_of_the_discretised_logistic_in_every_kind_of_bin(levels, rng):
    """End bins and inner ones, if there are any; means within and beyond [0, 1], and on the end of a bin; scales from
    a quarter of a level to e^90."""
    last = levels - 1
    x = np.tile(np.rint(np.array([0, 1, 0.4, 0.7]) * last) / last, (4, 1))
    mean, log_scale = rng.uniform(-0.5, 1.5, (4, 4)), rng.uniform(-2, 2, (4, 4))
    mean[1], log_scale[1] = x[1] + rng.uniform(-1, 1, 4) / last, -math.log(4 * last)
    mean[2] = x[2] + 0.5 / last
    log_scale[3] = rng.uniform(20, 90, 4)
    check_grey(DiscretisedLogistic(levels), np.hstack([mean, log_scale]), x)


EXTREMES = np.array([-1e4, -104, -88.8, -88, -1e-30, 0, 1e-30, 88, 88.8, 104, 1e4], np.float32)


@pytest.mark.filterwarnings("error")
def test_float32_far_out_has_no_nan_and_no_warning():
    """Outputs of ±1e4 and where e^x overflows or underflows; all kinds of levels; the mean on the end of a bin."""
    x = np.array([0, 1, 100, 101, 254, 255], np.float32) / np.float32(255)
    logits, pixels = (array.reshape(-1, 1) for array in np.meshgrid(EXTREMES, x))
    continuous = ContinuousBernoulli()
    log_p = continuous.forward(logits, pixels)
    exact = ContinuousBernoulli().forward(logits.astype(np.float64), pixels.astype(np.float64))
    np.testing.assert_allclose(log_p, exact, rtol=1e-6, atol=1e-6)  # float32 keeps 6e-8
    assert (np.abs(continuous.backward(np.ones(len(log_p), np.float32))) <= 1).all()

    means = np.append(EXTREMES, np.array([0.5, 1, (np.float32(100) + np.float32(0.5)) / np.float32(255)], np.float32))
    mean, log_scale, pixel = (array.reshape(-1, 1) for array in np.meshgrid(means, EXTREMES, x))
    outputs, discrete = np.hstack([mean, log_scale]), DiscretisedLogistic()
    log_p = discrete.forward(outputs, pixel)
    assert not np.isnan(log_p).any() and (log_p <= 0).all() and np.isfinite(log_p[log_scale[:, 0] > -88]).all()
    assert not np.isnan(discrete.backward(np.ones(len(log_p), np.float32))).any()
    for likelihood, of in ((continuous, logits), (discrete, outputs)):
        for pictures in (likelihood.mean(of), likelihood.sample(of, np.random.default_rng(0))):
            assert pictures.dtype == np.float32 and (pictures >= 0).all() and (pictures <= 1).all()


def test_a_vanishing_scale_leaves_one_level_or_two():
    """Certainty within the bin of the mean; on its very end, one half for it and its neighbour, whatever 1/s is."""
    log_p = discretised(0.5, -1e4, [126, 127, 128, 129], 257)[0]
    assert log_p[2] == 0 and (log_p[[0, 1, 3]] < -1e305).all()
    assert np.exp(discretised(100.5 / 255, -1e4, [99, 100, 101, 102])[0]).tolist() == [0, 0.5, 0.5, 0]


def test_a_vast_scale_leaves_the_logarithm_of_a_number_below_the_smallest():
    """w/4 for an inner bin, e^(−1e4)/255/4; one half for both ends."""
    log_p = discretised(0.3, 1e4, [0, 128, 255])[0]
    np.testing.assert_allclose(log_p, [-math.log(2), -1e4 - math.log(255 * 4), -math.log(2)], rtol=1e-15)


@pytest.mark.parametrize(
    "make, x, message",
    [
        (ContinuousBernoulli, np.full((2, 3), 1.5), r"^ContinuousBernoulli\(\) expects x in \[0, 1\], got values"),
        (DiscretisedLogistic, np.full((2, 3), 30.0), r"^DiscretisedLogistic\(256\) expects x in \[0, 1\].*scale"),
        (DiscretisedLogistic, np.full((2, 3), np.nan), "look for NaN or infinite values"),
        (
            DiscretisedLogistic, np.full((2, 3), 3 / 16),
            r"^DiscretisedLogistic\(256\) expects pixels k/255 for whole k, got 0\.1875: give it images of 256 grey "
            r"levels and nothing added to them, or say levels=max_value \+ 1 of those you have$",
        ),
        (lambda: DiscretisedLogistic(17), np.full((2, 3), 0.2), r"Logistic\(17\) expects pixels k/16 .* got 0\.2:"),
        (DiscretisedLogistic, np.zeros((2, 4)), r"expects outputs of shape \(2, 8\), got \(2, 6\)"),
        (ContinuousBernoulli, np.zeros((2, 4)), r"expects x of shape \(2, 6\), got \(2, 4\)"),
    ],
)  # fmt: skip
def test_data_that_are_refused(make: Callable, x, message):
    likelihood = make()
    width = 3 if isinstance(likelihood, ContinuousBernoulli) and x.shape[1] == 3 else 6
    with pytest.raises(ValueError, match=message):
        likelihood.forward(np.zeros((2, width)), x)


@pytest.mark.parametrize("levels", [1, 0, 2.5, True])
def test_one_level_is_no_choice(levels):
    with pytest.raises(ValueError, match="DiscretisedLogistic needs as its levels a whole number from 2 upwards"):
        DiscretisedLogistic(levels)


def test_pixels_of_every_data_set_are_levels_in_float32():
    """k/max_value as `Images` rounds it, for every k, and the same seen as float64."""
    for levels in (2, 17, 256, 1024):
        x = (np.arange(levels, dtype=np.uint16) / np.float32(levels - 1))[:, None]
        for dtype in (np.float32, np.float64):
            outputs = np.zeros((levels, 2), dtype)
            assert np.isfinite(DiscretisedLogistic(levels).forward(outputs, x.astype(dtype))).all()


def small_vae(likelihood, rng) -> VAE:
    width = 4 if isinstance(likelihood, ContinuousBernoulli) else 8
    return VAE(Sequential([Dense(4, 4, rng)]), Sequential([Dense(2, width, rng)]), likelihood, 2)


def test_importance_weights_say_whether_it_is_a_density(rng):
    x = rng.integers(0, 17, (3, 4)).astype(np.float32) / np.float32(16)
    for likelihood, is_density in ((ContinuousBernoulli(), True), (DiscretisedLogistic(17), False)):
        result = importance_weighted(small_vae(likelihood, rng), x, 3, progress=False)
        assert result.is_likelihood and result.is_density == is_density


SMALL = ["--hidden", "12", "--batch-size", "200", "--epochs", "1"]


@pytest.mark.parametrize(
    "name, printed, meaning",
    [
        ("continuous-bernoulli", "a density of grey levels, not a probability: it has no floor", "log-density"),
        (
            "discretised-logistic",
            "a probability of grey levels: −ELBO is at least 0; with all 17 levels alike it is 181.33",
            "log-probability of grey levels",
        ),
    ],
)
@pytest.mark.usefixtures("no_figures")
def test_a_run_with_a_likelihood_of_grey_pixels(name, printed, meaning, tmp_path):
    """Trained, read back, asked for log p(x): each step says what its number is."""
    assert train.run_name(train.options(["--likelihood", name])) == f"vae-digits-{name}-z2-seed0"
    assert f"--likelihood {name} is for grey pixels" in fails(
        train.main, "--likelihood", name, "--binarisation", "fixed", "--out", tmp_path
    )
    text = succeeds(train.main, "--likelihood", name, "--out", tmp_path, *SMALL)
    assert printed in text and f"not binarised, {name} likelihood; −ELBO in nats per image" in text
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    figures = summary["figures"]
    assert summary["settings"]["likelihood"] == name and not any("floor" in key for key in figures)
    if meaning == "log-density":
        assert "test_bits_per_pixel" not in figures and "bits per pixel" not in text
    else:
        bits = figures["test_loss"] / 64 / math.log(2)
        assert figures["test_bits_per_pixel"] == pytest.approx(bits) and f"; {bits:.3f} bits per pixel" in text

    model, _ = load_model(tmp_path)
    assert getattr(model.likelihood, "levels", 17) == 17
    x = model.generate(50, np.random.default_rng(0))
    assert x.shape == (50, 64) and ((x >= 0) & (x <= 1)).all()
    assert "this decoder has a likelihood of grey pixels: leave out --binarisation" in fails(
        log_likelihood.main, tmp_path, "--binarisation", "fixed"
    )
    text = succeeds(log_likelihood.main, tmp_path, "--samples", 3, "--images", 20)
    assert f"in nats per image ({meaning})" in text and ("bits per pixel" in text) == (meaning != "log-density")
    assert json.loads((tmp_path / "log-likelihood/summary.json").read_text(encoding="utf-8"))["meaning"] == meaning


def test_draws_in_float32_stay_in_0_to_1_for_the_largest_u():
    """For a logit of 20, 1 − e^(−20) is 1 in float32, and the inverse of the CDF of the largest u would be above 1."""

    class Largest:
        def random(self, shape):
            return np.full(shape, 1 - 2.0**-53)

    x = ContinuousBernoulli().sample(np.array([[20.0, -20.0]], np.float32), Largest())
    assert (x >= 0).all() and (x <= 1).all()
