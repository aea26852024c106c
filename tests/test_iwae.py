"""The importance-weighted bound against densities from SciPy, the exact log p(x), the ELBO, and finite differences."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
from exact import linear_gaussian

from scratchnn import IWAE, VAE, Bernoulli, Dense, Gaussian, ReLU, Sequential
from scratchnn.evaluation import importance_weighted
from scratchnn.evaluation.bounds import log_weights
from scratchnn.gradcheck import GradientError, check_model

N, N_X, N_Z = 4, 3, 2


def small(rng, likelihood=None, n_draws=3, cls=IWAE) -> IWAE:
    likelihood = likelihood or Bernoulli()
    n_out = N_X if isinstance(likelihood, Bernoulli) else 2 * N_X

    def dense(n_in, n_out):
        return Dense(n_in, n_out, rng, b=rng.normal(size=n_out), dtype=np.float64)

    encoder = Sequential([dense(N_X, 5), ReLU(), dense(5, 2 * N_Z)])
    decoder = Sequential([dense(N_Z, 6), ReLU(), dense(6, n_out)])
    return cls(encoder, decoder, likelihood, N_Z, n_draws)


def iwae_of(model: VAE, n_draws: int) -> IWAE:
    """The same networks, trained in the other way."""
    return IWAE(*copy.deepcopy((model.encoder, model.decoder, model.likelihood)), model.n_z, n_draws)


def batch(rng, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(0, 2, (N, N_X)).astype(float), rng.standard_normal((N * n_draws, N_Z))


# ---- the gradient


@pytest.mark.parametrize("likelihood, n_draws", [(Bernoulli, 1), (Bernoulli, 3), (Gaussian, 3)])
def test_every_gradient_is_that_of_finite_differences(likelihood, n_draws, rng):
    report = check_model(small(rng, likelihood(), n_draws), *batch(rng, n_draws))
    assert len(report.arrays) == 8 and all(array.analytic.any() for array in report.arrays)


class Averaged(IWAE):
    """Every draw has the same share, as in a VAE of K draws."""

    def backward(self, dloss):
        (share,) = self.take_cache()
        self.cache = (np.full_like(share, 1 / self.n_draws),)
        super().backward(dloss)


class SharesNotNormalised(IWAE):
    def backward(self, dloss):
        (share,) = self.take_cache()
        self.cache = (share / share.max(axis=1, keepdims=True),)
        super().backward(dloss)


class PriorForgotten(IWAE):
    """z reaches the loss through the decoder alone."""

    def backward(self, dloss):
        (z,) = self.draw_kl.cache
        self.draw_kl.cache = (0 * z,)
        super().backward(dloss)


class PosteriorForgotten(IWAE):
    """log_var reaches the loss through z alone."""

    def backward(self, dloss):
        whole = self.draw_kl.backward
        self.draw_kl.backward = lambda dkl: (whole(dkl)[0], 0)
        super().backward(dloss)
        del self.draw_kl.backward


@pytest.mark.parametrize(
    "cls, message",
    [
        (Averaged, "decoder.0.dW .* WRONG"),
        (SharesNotNormalised, "decoder.2.dW .* WRONG"),
        (PriorForgotten, "encoder.2.dW .* WRONG"),
        (PosteriorForgotten, "encoder.2.db .* WRONG"),
    ],
)
def test_planted_mistakes_are_found(cls, message, rng):
    with pytest.raises(GradientError, match=message):
        check_model(small(rng, cls=cls), *batch(rng, 3))


# ---- the loss


@pytest.mark.parametrize("likelihood", [Bernoulli, Gaussian])
def test_the_loss_is_the_logarithm_of_the_mean_weight_by_the_densities(likelihood, rng):
    """Each density by SciPy, q(z|x) at z and not by eps."""
    n_draws = 3
    model, (x, eps) = small(rng, likelihood(), n_draws), batch(rng, n_draws)
    (loss,) = model.forward(x, eps)
    mean, log_var = model.encode(x)
    for n in range(N):
        log_w = []
        for k in range(n_draws):
            q = scipy.stats.norm(mean[n], np.sqrt(np.exp(log_var[n])))
            z = q.ppf(scipy.stats.norm.cdf(eps[n * n_draws + k]))
            outputs = model.decoder.forward(z[None])[0]
            if likelihood is Bernoulli:
                log_p_x = scipy.stats.bernoulli.logpmf(x[n], scipy.special.expit(outputs)).sum()
            else:
                log_p_x = scipy.stats.norm.logpdf(x[n], outputs[:N_X], np.exp(outputs[N_X:] / 2)).sum()
            log_w.append(log_p_x + scipy.stats.norm.logpdf(z).sum() - q.logpdf(z).sum())
        np.testing.assert_allclose(loss[n], -np.log(np.mean(np.exp(log_w))), rtol=1e-11)


def test_the_estimate_of_log_p_is_minus_this_loss_for_the_same_noise(rng):
    model, (x, _) = small(rng, n_draws=5), batch(rng, 5)
    loss = model.loss_terms(x, np.random.default_rng(3))["minus_L_K"]
    log_w = log_weights(model, x, 5, np.random.default_rng(3))
    np.testing.assert_allclose(loss, -(scipy.special.logsumexp(log_w, axis=1) - np.log(5)), rtol=1e-13)
    np.testing.assert_allclose(loss, -importance_weighted(model, x, 5, seed=3, progress=False).log_p, rtol=1e-13)


def test_an_example_does_not_depend_on_its_batch(rng):
    model, (x, eps) = small(rng), batch(rng, 3)
    (whole,) = model.forward(x, eps)
    single = [model.forward(x[n : n + 1], eps[3 * n : 3 * n + 3])[0] for n in range(N)]
    assert whole.shape == (N,)
    np.testing.assert_allclose(whole, np.concatenate(single), rtol=1e-12)


def test_weights_that_underflow_or_overflow_are_no_matter(rng):
    """log p(x|z) near −900 and near +900, whose exponentials float32 does not have."""
    for log_var in (-600.0, 600.0):
        model, x, eps = small(rng, Gaussian()), np.zeros((N, N_X)), rng.standard_normal((3 * N, N_Z))
        model.decoder.layers[-1].b = np.array([*[0.0] * N_X, *[log_var] * N_X])
        model.decoder.layers[-1].W = np.zeros((6, 2 * N_X))
        exact = model.forward(x, eps)[0]
        assert (np.sign(log_var) * exact > 500).all()
        single = model.astype(np.float32)
        (loss,) = single.forward(x.astype(np.float32), eps.astype(np.float32))
        single.backward(np.ones(N, np.float32))
        assert loss.dtype == single.grads.dtype == np.float32 and np.isfinite(single.grads).all()
        np.testing.assert_allclose(loss, exact, rtol=1e-5)


# ---- the bound


def test_at_the_true_posterior_every_weight_is_p_of_x(rng):
    """The gap is 0 for every K and every noise."""
    model, x, log_p = linear_gaussian(rng)
    for n_draws in (1, 4):
        (loss,) = iwae_of(model, n_draws).forward(x, rng.standard_normal((len(x) * n_draws, 2)))
        np.testing.assert_allclose(-loss, log_p, rtol=1e-12)


def test_one_draw_has_the_expectation_of_the_elbo_and_of_its_gradient(rng):
    """Of a linear, Gaussian model log w is quadratic in eps, and for a quadratic the mean over the corners ±1 is that
    over N(0, I). A single corner gives another loss than the VAE: the KL is estimated by it."""
    model, x, _ = linear_gaussian(rng, tilt=0.2, widening=0.3)
    corners = [np.tile(c, (len(x), 1)) for c in itertools.product([-1.0, 1.0], repeat=2)]
    found = []
    for of in (model, iwae_of(model, 1)):
        losses, gradients = [], []
        for eps in corners:
            losses.append(np.sum(of.forward(x, eps), axis=0))
            of.backward(np.arange(1.0, 1 + len(x)))
            gradients.append(of.grads.copy())
        found.append((losses, gradients))
    (elbo, elbo_gradients), (bound, bound_gradients) = found
    np.testing.assert_allclose(np.mean(bound, axis=0), np.mean(elbo, axis=0), rtol=1e-12)
    size = np.abs(elbo_gradients).max()
    np.testing.assert_allclose(np.mean(bound_gradients, axis=0), np.mean(elbo_gradients, axis=0), atol=1e-12 * size)
    assert np.abs(np.subtract(bound, elbo)).max() > 0.1
    assert np.abs(np.subtract(bound_gradients, elbo_gradients)).max() > 0.01 * size


def test_the_bound_rises_with_the_number_of_draws_to_log_p(rng):
    """By Monte Carlo. Every comparison has five standard errors of room, and the differences have to be larger."""
    model, x, log_p = linear_gaussian(rng, n=3, tilt=0.2, widening=0.5)
    m, gaps, errors = 4000, [], []
    many = np.repeat(x, m, axis=0)
    for n_draws in (1, 4, 16):
        loss = iwae_of(model, n_draws).loss_terms(many, rng)["minus_L_K"].reshape(3, m)
        gaps.append(np.mean(log_p + loss.mean(axis=1)))
        errors.append(np.sqrt(np.sum(loss.var(axis=1, ddof=1) / m)) / 3)
    rises, room = -np.diff(gaps), 5 * np.hypot(errors[1:], errors[:-1])
    assert (rises > room).all(), (rises, room)
    assert gaps[-1] > -5 * errors[-1]
    assert gaps[-1] + 5 * errors[-1] < 0.1 * gaps[0]


def test_the_encoder_s_gradient_drowns_in_noise_as_the_draws_grow_and_the_decoder_s_does_not(rng):
    """Mean² through variance of one step's gradient, where q is near the posterior: with 16 draws about a 16th of it is
    left for the encoder, and the decoder has 16 times as much. A quarter and 4 times are asked for.

    The square of a mean of m values is too large by its variance on average, which is taken off."""
    model, x, _ = linear_gaussian(rng, n=3, tilt=0.1, widening=0.3)
    m, encoder = 1000, model.encoder.params.size
    quality = {}
    for n_draws in (1, 16):
        twin, steps = iwae_of(model, n_draws), []
        for _ in range(m):
            twin.loss_terms(x, rng)
            twin.backward(np.full(len(x), 1 / len(x)))
            steps.append(twin.grads.copy())
        for part, of in (("encoder", slice(None, encoder)), ("decoder", slice(encoder, None))):
            gradient = np.array(steps)[:, of]
            noise = gradient.var(axis=0, ddof=1).sum()
            quality[part, n_draws] = np.sum(gradient.mean(axis=0) ** 2) / noise - 1 / m
    assert quality["encoder", 16] < quality["encoder", 1] / 4
    assert quality["decoder", 16] > quality["decoder", 1] * 4


# ---- the rest


def test_mistakes_are_one_sentence(rng):
    with pytest.raises(ValueError, match="IWAE needs as its n_draws a whole number from 1 upwards, got 0"):
        small(rng, n_draws=0)
    model, (x, eps) = small(rng), batch(rng, 3)
    with pytest.raises(ValueError, match=r"Reparameterise\(\) expects eps of shape \(12, 2\), got \(4, 2\)"):
        model.forward(x, eps[:N])
    model.forward(x, eps)
    with pytest.raises(ValueError, match=r"expects dloss of shape \(4,\), got \(1,\)"):
        model.backward(np.ones(1))
    with pytest.raises(RuntimeError, match="call forward once before each backward"):
        model.backward(np.ones(N))


def test_the_name_has_the_number_of_draws(rng):
    assert repr(small(rng)).startswith("IWAE(Sequential(") and repr(small(rng)).endswith(
        "Bernoulli(), n_z=2, n_draws=3)"
    )


def test_a_weight_of_the_kl_that_it_has_not_is_refused(rng):
    model = IWAE(Dense(4, 4, rng), Dense(2, 4, rng), Bernoulli(), n_z=2, n_draws=3)
    x, eps = np.zeros((2, 4), np.float32), np.zeros((6, 2), np.float32)
    model.beta = 0.5
    with pytest.raises(ValueError, match="an IWAE has no KL of its own for beta to weigh"):
        model.forward(x, eps)
    with model.evaluating():
        assert len(model.forward(x, eps)[0]) == 2
