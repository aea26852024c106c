"""Likelihoods where scipy.stats cannot follow, and what they say about data they cannot take."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scratchnn import Bernoulli, BinaryCrossEntropy, Gaussian, MeanSquaredError, SigmoidMean, SoftmaxCrossEntropy
from scratchnn.grey_likelihoods import ContinuousBernoulli, DiscretisedLogistic
from scratchnn.losses import batch_mean


def test_the_batch_mean_and_its_gradient():
    loss, dloss = batch_mean(np.array([1.0, 2.0, 6.0]))
    assert loss == 3
    np.testing.assert_array_equal(dloss, [1 / 3] * 3)


@given(arrays(np.float32, (2, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_bernoulli_is_finite_and_never_positive_for_any_logits(logits):
    x = np.array([[0, 1, 0.5], [1, 0, 0.25]], np.float32)
    likelihood = Bernoulli()
    log_prob = likelihood.forward(logits, x)
    assert (log_prob <= 0).all() and np.isfinite(log_prob).all()
    gradient = likelihood.backward(np.ones(2, np.float32))
    assert (np.abs(gradient) <= 1).all()


def test_bernoulli_knows_the_answer_where_clipping_would_not():
    """A pixel that is 1 under a logit of −200 costs 200 nats; a probability clipped at 1e-9 would say 20.7."""
    log_prob = Bernoulli().forward(np.array([[-200.0, 200.0]], np.float32), np.array([[1.0, 1.0]], np.float32))
    assert log_prob == [-200]


@given(arrays(np.float64, 4, elements=st.floats(0, 1)), arrays(np.float64, 4, elements=st.floats(-20, 20)))
def test_a_grey_pixel_costs_at_least_its_entropy(x, logits):
    from scratchnn.evaluation import entropy

    assert -Bernoulli().forward(logits[None], x[None])[0] >= entropy(x).sum() - 1e-12


def test_the_expected_loss_of_binary_draws_is_the_loss_of_the_grey_pixel(rng):
    """E over b ~ Bernoulli(x) of log p(b) is log p(x): the log-probability is linear in its target."""
    logits, x = rng.normal(size=(1, 3)), rng.random((1, 3))
    outcomes = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 8).T.astype(float)
    chances = np.prod(np.where(outcomes == 1, x, 1 - x), axis=1)
    expected = chances @ Bernoulli().forward(np.repeat(logits, 8, axis=0), outcomes)
    np.testing.assert_allclose(Bernoulli().forward(logits, x), [expected], rtol=1e-13)


@settings(max_examples=300)
@given(
    mean=arrays(np.float32, (1, 2), elements=st.floats(-(2.0**50), 2.0**50, width=32)),
    log_var=arrays(np.float32, (1, 2), elements=st.floats(-1e4, 1e4, width=32)),
    x=arrays(np.float32, (1, 2), elements=st.floats(-(2.0**50), 2.0**50, width=32)),
)
def test_gaussian_is_never_nan_and_infinite_only_where_the_value_is(mean, log_var, x):
    likelihood = Gaussian()
    with np.errstate(over="ignore"):
        log_prob = likelihood.forward(np.concatenate([mean, log_var], axis=1), x)
        gradient = likelihood.backward(np.ones(1, np.float32))
    assert not np.isnan(log_prob).any() and not np.isnan(gradient).any()
    r, log_var64 = (x - mean).astype(np.float64), log_var.astype(np.float64)
    with np.errstate(divide="ignore", over="ignore"):
        squares = np.exp(2 * np.log(np.abs(r)) - log_var64)
    exact = -0.5 * np.sum(np.log(2 * np.pi) + log_var64 + squares)
    if squares.max() < 1e37:
        # exp of an argument a has the relative error |a| ε: here |a| < 86 or squares is 0, and ε = 6e-8
        assert abs(log_prob[0] - exact) <= 2e-5 * (np.abs(log_var64).sum() + 4 + squares.sum())
    else:
        assert log_prob[0] < -1e36


def test_gaussian_density_can_be_positive():
    """σ = e^−5: at its mean the density is e^5/√(2π), and the logarithm 5 − ½ log 2π."""
    outputs = np.array([[0.3, -10.0]])
    np.testing.assert_allclose(Gaussian().forward(outputs, np.array([[0.3]])), [5 - 0.5 * np.log(2 * np.pi)])


def test_samples_have_the_declared_moments(rng):
    n = 40_000
    draws = Bernoulli().sample(np.full((n, 1), 0.7), rng)
    p = 1 / (1 + np.exp(-0.7))
    assert set(np.unique(draws)) == {0, 1} and abs(draws.mean() - p) < 5 * np.sqrt(p * (1 - p) / n)
    draws = Gaussian().sample(np.tile([[0.5, np.log(4.0)]], (n, 1)), rng)
    assert scipy.stats.kstest(draws[:, 0], scipy.stats.norm(0.5, 2).cdf).pvalue > 1e-4


def test_mean_images(rng):
    logits = rng.normal(size=(3, 4))
    np.testing.assert_allclose(Bernoulli().mean(logits), 1 / (1 + np.exp(-logits)))
    np.testing.assert_array_equal(Gaussian().mean(logits), logits[:, :2])


X = np.full((2, 3), 0.5, np.float32)


@pytest.mark.parametrize(
    "x, message",
    [
        (X * 300, r"expects {values} in \[0, 1\], got values from 150 to 150: scale pixels first \(x / 255\)"),
        (X - 1, r"expects {values} in \[0, 1\], got values from -0\.5 to -0\.5"),
        (np.where([[True, False, False]] * 2, np.nan, X), r"expects {values} in \[0, 1\].* look for NaN or infinite"),
        (np.where([[True, False, False]] * 2, np.inf, X), "from 0.5 to inf"),
        (X[:, :2], r"expects {array} of shape \(2, 3\), got \(2, 2\)"),
    ],
)
@pytest.mark.parametrize("cls, array, values", [(Bernoulli, "x", "x"), (BinaryCrossEntropy, "target", "targets")])
def test_bernoulli_and_cross_entropy_say_in_their_own_names_what_is_wrong_with_the_data(cls, array, values, x, message):
    message = message.replace("{array}", array).replace("{values}", values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=rf"^{cls.__name__}\(\) .*{message}"):
            cls().forward(np.zeros((2, 3), np.float32), x.astype(np.float32))


@pytest.mark.parametrize(
    "cls, name, target", [(Bernoulli, "logits", X), (BinaryCrossEntropy, "logits", X), (MeanSquaredError, "y", X)]
)
def test_outputs_must_be_rows(cls, name, target):
    """An image of a convolution that nothing has made a row of."""
    with pytest.raises(
        ValueError, match=rf"^{cls.__name__}\(\) expects {name} of shape \(N, D\), got \(2, 1, 3, 1\): Flatten\(\)"
    ):
        cls().forward(np.zeros((2, 1, 3, 1), np.float32), target)


def test_squared_error_wants_finite_targets():
    with pytest.raises(ValueError, match=r"^MeanSquaredError\(\) expects finite targets, got NaN or infinite values"):
        MeanSquaredError().forward(X, np.where([[True, False, False]] * 2, np.nan, X))


@pytest.mark.parametrize("cls", [Bernoulli, Gaussian])
def test_every_method_of_a_likelihood_is_its_own(cls):
    """Sampling and the mean image belong to the likelihood, and ask for nothing but the outputs."""
    outputs = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    width = 6 if cls is Bernoulli else 3
    for images in (cls().mean(outputs), cls().sample(outputs, np.random.default_rng(1))):
        assert images.shape == (7, width) and images.dtype == np.float32


def test_integer_pixels_are_refused():
    with pytest.raises(TypeError, match=r"floats, got an array of uint8: convert it.*scale pixels"):
        Bernoulli().forward(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.uint8))


def test_gaussian_says_what_is_wrong_with_the_data():
    with pytest.raises(ValueError, match="finite x, got NaN or infinite values"):
        Gaussian().forward(np.zeros((2, 6)), np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match=r"expects outputs of shape \(2, 6\), got \(2, 3\)"):
        Gaussian().forward(np.zeros((2, 3)), np.zeros((2, 3)))


@pytest.mark.parametrize(
    "labels, message",
    [
        (np.array([0, 3]), "labels run from 0 to 2; got values from 0 to 3"),
        (np.array([-1, 0]), "got values from -1 to 0"),
        (np.array([0.0, 1.0]), "whole numbers and not one-hot rows, got float64"),
        (np.eye(3, dtype=int)[:2], r"of shape \(2,\), whole numbers"),
    ],
)
def test_softmax_says_what_is_wrong_with_the_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        SoftmaxCrossEntropy().forward(np.zeros((2, 3)), labels)


def test_squared_error_needs_targets_of_the_outputs_shape():
    """Broadcasting (N, 1) against (N, D) would be a silent mistake."""
    with pytest.raises(ValueError, match=r"expects target of shape \(2, 3\), got \(2, 1\)"):
        MeanSquaredError().forward(np.zeros((2, 3)), np.zeros((2, 1)))


@given(arrays(np.float32, (3, 4), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_the_means_of_a_sigmoid_mean_lie_between_0_and_1(x):
    """Whatever the network below puts out; the log-variances pass as they are."""
    mean, log_var = np.split(SigmoidMean().forward(x), 2, axis=1)
    assert (mean >= 0).all() and (mean <= 1).all()
    np.testing.assert_array_equal(log_var, x[:, 2:])


@pytest.mark.parametrize(
    "loss, outputs, data",
    [
        (MeanSquaredError(), (2, 3), "target"),
        (BinaryCrossEntropy(), (2, 3), "target"),
        (Bernoulli(), (2, 3), "x"),
        (ContinuousBernoulli(), (2, 3), "x"),
        (Gaussian(), (2, 6), "x"),
        (DiscretisedLogistic(), (2, 6), "x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_in_float64_do_not_make_a_network_in_float32_compute_in_it(loss, outputs, data):
    """The gradient, and with it every layer's below, would be float64 without a word. The other way is no loss."""
    narrow, wide = np.zeros(outputs, np.float32), np.zeros((2, 3))
    with pytest.raises(TypeError, match=rf"{data} in float64: convert it with {data}.astype\(np.float32\)"):
        loss.forward(narrow, wide)
    for taken in (narrow, narrow.astype(np.float64)):
        assert loss.forward(taken, wide.astype(np.float32)).dtype == taken.dtype
        loss.take_cache()


def test_means_without_log_variances_are_told(rng):
    with pytest.raises(ValueError, match=r"expects x of shape \(N, 2 D\), got \(3, 25\)"):
        SigmoidMean().forward(rng.normal(size=(3, 25)))


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian()])
def test_an_upstream_gradient_in_float64_is_told(likelihood, rng):
    width = 8 if isinstance(likelihood, Gaussian) else 4
    likelihood.forward(rng.normal(size=(3, width)).astype(np.float32), rng.random((3, 4), np.float32))
    with pytest.raises(TypeError, match=r"convert it with dlog_prob\.astype"):
        likelihood.backward(np.ones(3))


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), MeanSquaredError(), SoftmaxCrossEntropy()])
def test_an_upstream_gradient_of_a_loss_in_float64_is_told(loss, rng):
    target = np.arange(3) if isinstance(loss, SoftmaxCrossEntropy) else rng.random((3, 4), np.float32)
    loss.forward(rng.normal(size=(3, 4)).astype(np.float32), target)
    with pytest.raises(TypeError, match=r"convert it with dloss\.astype"):
        loss.backward(np.ones(3))
