"""The VAE's forward pass against oracles: what no gradient check can see."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
from exact import linear_gaussian

from scratchnn import VAE, Bernoulli, Dense, Gaussian, ReLU, Sequential
from scratchnn.gradcheck import GradientError, check_model
from scratchnn.iwae import KLOfOneDraw
from scratchnn.vae import KLToStandardNormal, Reparameterise


def small(rng, likelihood=None, n_z=2, n_x=5) -> VAE:
    encoder = Sequential([Dense(n_x, 7, rng, b=0.1), ReLU(), Dense(7, 2 * n_z, rng, b=0.1)])
    return VAE(encoder, Sequential([Dense(n_z, n_x, rng, b=0.1)]), likelihood or Bernoulli(), n_z)


def test_draws_have_the_mean_and_the_variance_that_the_encoder_declares(rng):
    """Catches exp(log_var) taken for σ, which every gradient check passes: variance 0.0625 instead of 0.25."""
    n, mean, var = 200_000, 1.5, 0.25
    z = Reparameterise().forward(np.full((n, 1), mean), np.full((n, 1), np.log(var)), rng.standard_normal((n, 1)))[:, 0]
    assert abs(z.mean() - mean) < 5 * np.sqrt(var / n)
    assert abs(z.var() - var) < 5 * var * np.sqrt(2 / n)
    assert scipy.stats.kstest(z, scipy.stats.norm(mean, np.sqrt(var)).cdf).pvalue > 1e-4


def test_kl_against_monte_carlo(rng):
    """KL = E_q[log q(z) − log p(z)], with z drawn by the sampler itself."""
    n = 200_000
    mean, log_var = np.array([[0.7, -1.2, 0.0]]), np.array([[-1.0, 0.5, 0.3]])
    many = np.repeat(mean, n, axis=0), np.repeat(log_var, n, axis=0)
    z = Reparameterise().forward(*many, rng.standard_normal((n, 3)))
    log_q = scipy.stats.norm.logpdf(z, mean, np.exp(log_var / 2)).sum(axis=1)
    log_p = scipy.stats.norm.logpdf(z).sum(axis=1)
    estimate, error = (log_q - log_p).mean(), (log_q - log_p).std() / np.sqrt(n)
    assert abs(KLToStandardNormal().forward(mean, log_var)[0] - estimate) < 5 * error


def test_kl_by_hand():
    """N(0, 1): 0. N(2, 1): mean²/2 = 2. N(0, e): ½ (e − 1 − 1) = 0.3591."""
    kl = KLToStandardNormal().forward(np.array([[0.0], [2.0], [0.0]]), np.array([[0.0], [0.0], [1.0]]))
    np.testing.assert_allclose(kl, [0, 2, (np.e - 2) / 2], atol=1e-15)


def exact_elbo(model: VAE, x: np.ndarray) -> np.ndarray:
    """The expectation over eps, exactly: log p(x|z) is quadratic in eps here, and for a quadratic the mean over the
    corners ±1 is that over N(0, I), since both have mean 0, variance 1 and no correlation."""
    corners = itertools.product([-1.0, 1.0], repeat=model.n_z)
    return -np.mean([np.sum(model.forward(x, np.tile(c, (len(x), 1))), axis=0) for c in corners], axis=0)


def test_the_elbo_equals_log_p_at_the_true_posterior(rng):
    model, x, log_p = linear_gaussian(rng)
    np.testing.assert_allclose(exact_elbo(model, x), log_p, rtol=1e-12)


def test_the_elbo_is_below_log_p_elsewhere(rng):
    model, x, log_p = linear_gaussian(rng, tilt=0.2)
    assert (exact_elbo(model, x) < log_p - 1e-3).all()


def gaussian_kl(mean, var, other_mean, other_var):
    """KL(N(mean, var) ‖ N(other_mean, other_var)), dimensions summed."""
    return 0.5 * np.sum(np.log(other_var / var) + (var + (mean - other_mean) ** 2) / other_var - 1, axis=1)


def test_the_gap_of_the_bound_is_the_kl_from_q_to_the_posterior(rng):
    model, x, log_p = linear_gaussian(rng, tilt=0.2, widening=0.3)
    exact, _, _ = linear_gaussian(np.random.default_rng(20180101))  # the same numbers, and the posterior for encoder
    (mean, log_var), (right_mean, right_log_var) = model.encode(x), exact.encode(x)
    gap = gaussian_kl(mean, np.exp(log_var), right_mean, np.exp(right_log_var))
    assert (gap > 1e-2).all()
    np.testing.assert_allclose(log_p - exact_elbo(model, x), gap, rtol=1e-9)


def test_independent_dimensions_miss_a_posterior_that_is_correlated(rng):
    """The approximation gap: of all Gaussians with independent dimensions the one with the posterior's mean and the
    variances 1/Λ_jj comes nearest, Λ being the posterior's precision, and it misses ½ (Σ log Λ_jj − log det Λ)."""
    model, x, _ = linear_gaussian(rng)
    W, b, s2 = rng.normal(size=(3, 2)), rng.normal(size=3), 0.3
    precision = np.eye(2) + W.T @ W / s2
    to_mean = W @ np.linalg.inv(precision) / s2
    model.decoder.layers[0].W = np.concatenate([W.T, np.zeros((2, 3))], axis=1)
    model.decoder.layers[0].b = np.concatenate([b, np.full(3, np.log(s2))])
    model.encoder.layers[0].W = np.concatenate([to_mean, np.zeros((3, 2))], axis=1)
    model.encoder.layers[0].b = np.concatenate([-b @ to_mean, -np.log(np.diag(precision))])
    log_p = scipy.stats.multivariate_normal(b, W @ W.T + s2 * np.eye(3)).logpdf(x)
    gap = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
    assert gap > 0.1
    np.testing.assert_allclose(log_p - exact_elbo(model, x), gap, rtol=1e-9)
    model.encoder.layers[0].b = model.encoder.layers[0].b + np.array([0, 0, 0.1, 0])
    assert (log_p - exact_elbo(model, x) > gap + 1e-4).all()


def test_mean_kl_is_what_z_says_of_x_and_how_far_all_z_are_from_the_prior(rng):
    mean, log_var = rng.normal(size=(5, 1)), rng.normal(size=(5, 1)) - 1
    z, dz = np.linspace(-15, 15, 20_001, retstep=True)
    q = scipy.stats.norm.pdf(z, mean, np.exp(log_var / 2))  # (5, places)
    together, prior = q.mean(axis=0), scipy.stats.norm.pdf(z)

    def kl(q, p):
        return np.sum(scipy.special.rel_entr(q, p)) * dz

    information = np.mean([kl(each, together) for each in q])
    mean_kl = KLToStandardNormal().forward(mean, log_var).mean()
    np.testing.assert_allclose(mean_kl, information + kl(together, prior), rtol=1e-9)
    assert information > 0.1 and kl(together, prior) > 0.01


def test_draws_that_are_together_from_the_prior_may_still_say_something():
    """Means from N(0, ½) and σ² = ½: together N(0, 1). The expectation over the means by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    mean = np.sqrt(0.5) * nodes[:, None]
    kl = KLToStandardNormal().forward(mean, np.full(mean.shape, np.log(0.5)))
    np.testing.assert_allclose(weights @ kl / weights.sum(), 0.5 * np.log(2), rtol=1e-12)


def exact_gradient(model: VAE, x: np.ndarray) -> np.ndarray:
    """The expectation over eps of the gradient of −ELBO, summed over x: it is quadratic in eps as well."""
    total = np.zeros_like(model.params)
    corners = [*itertools.product([-1.0, 1.0], repeat=model.n_z)]
    for corner in corners:
        model.forward(x, np.tile(corner, (len(x), 1)))
        model.backward(np.ones(len(x)))
        total += model.grads / len(corners)
    return total


def test_the_gradient_of_one_draw_is_right_on_average(rng):
    model, x, _ = linear_gaussian(rng, tilt=0.2, widening=0.3)
    found, h = exact_gradient(model, x), 1e-5
    for k in range(len(model.params)):
        before = model.params[k]
        model.params[k] = before + h
        above = -exact_elbo(model, x).sum()
        model.params[k] = before - h
        below = -exact_elbo(model, x).sum()
        model.params[k] = before
        assert abs(found[k] - (above - below) / (2 * h)) < 1e-6 * (1 + abs(found[k]))


def test_at_the_posterior_a_step_of_the_decoder_is_one_of_log_p(rng):
    """EM: the E-step closes the gap, and then the ELBO has the gradient of log p by the decoder's parameters."""
    model, x, _ = linear_gaussian(rng)
    decoder = model.decoder.layers[0]

    def log_p() -> float:
        W, b, s2 = decoder.W[:, :3].T, decoder.b[:3], np.exp(decoder.b[3])
        return scipy.stats.multivariate_normal(b, W @ W.T + s2 * np.eye(3)).logpdf(x).sum()

    exact_gradient(model, x)
    gradient = exact_gradient(model, x)[len(model.encoder.params) :]
    index = len(gradient) - 6  # the decoder's first bias, which moves the mean of x
    h, before = 1e-5, decoder.b[0]
    slopes = []
    for step in (h, -h):
        decoder.b[0] = before + step
        slopes.append(log_p())
    decoder.b[0] = before
    np.testing.assert_allclose(-gradient[index], (slopes[0] - slopes[1]) / (2 * h), rtol=1e-6)


def test_both_terms_are_per_example_and_do_not_depend_on_the_batch(rng):
    model = small(rng).astype(np.float64)
    x, eps = rng.random((6, 5)), rng.normal(size=(6, 2))
    whole = model.forward(x, eps)
    single = [model.forward(x[n : n + 1], eps[n : n + 1]) for n in range(6)]
    for term in (0, 1):
        assert whole[term].shape == (6,)
        np.testing.assert_allclose(whole[term], np.concatenate([s[term] for s in single]), rtol=1e-12)


def test_the_noise_is_the_only_randomness(rng):
    model, x = small(rng), rng.random((6, 5)).astype(np.float32)
    a, b, c = (model.loss_terms(x, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a["reconstruction"], b["reconstruction"])
    np.testing.assert_array_equal(a["kl"], c["kl"])
    assert (a["reconstruction"] != c["reconstruction"]).all()


def test_no_function_touches_the_global_random_state(rng):
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    model = small(rng)
    model.loss_terms(rng.random((6, 5)).astype(np.float32), rng)
    model.backward(np.ones(6, np.float32))
    model.generate(3, rng)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("likelihood, width", [(Bernoulli(), 5), (Gaussian(), 10)])
def test_encode_decode_reconstruct_generate(likelihood, width, rng):
    encoder = Sequential([Dense(5, 4, rng, b=0.3)])
    model = VAE(encoder, Sequential([Dense(2, width, rng, b=0.1)]), likelihood, 2)
    x = rng.random((6, 5)).astype(np.float32)
    mean, log_var = model.encode(x)
    np.testing.assert_array_equal(np.concatenate([mean, log_var], axis=1), x @ encoder.layers[0].W + np.float32(0.3))
    np.testing.assert_array_equal(model.reconstruct(x), model.decode(mean))
    z = np.random.default_rng(3).standard_normal((4, 2)).astype(np.float32)
    np.testing.assert_array_equal(model.generate(4, np.random.default_rng(3)), model.decode(z))
    assert model.generate(4, rng).shape == (4, 5) and model.generate(4, rng).dtype == np.float32


def test_looking_at_a_picture_between_forward_and_backward_is_noticed(rng):
    """encode overwrites what the encoder kept for backward: better an error than a gradient of other data."""
    model, x = small(rng), rng.random((6, 5)).astype(np.float32)
    model.loss_terms(x, rng)
    model.encode(x)
    with pytest.raises(RuntimeError, match="call forward once before each backward"):
        model.backward(np.ones(6, np.float32))


def test_the_gradient_with_respect_to_the_data_is_not_computed(rng, monkeypatch):
    model, asked = small(rng), []
    first = model.encoder.layers[0]
    write_gradients = first.write_gradients
    monkeypatch.setattr(first, "write_gradients", lambda dy: asked.append("gradients") or write_gradients(dy))
    monkeypatch.setattr(first, "backward", lambda dy: asked.append("dx"))
    model.loss_terms(rng.random((6, 5)).astype(np.float32), rng)
    model.backward(np.ones(6, np.float32))
    assert asked == ["gradients"]


def test_the_kl_is_exact_near_zero_and_never_negative(rng):
    """In float32: the quadratic ½ (mean² + log_var²/2) is all there is for small values."""
    mean, log_var = (1e-4 * rng.normal(size=(1000, 3)).astype(np.float32) for _ in range(2))
    kl = KLToStandardNormal().forward(mean, log_var)
    assert (kl >= 0).all()
    exact = 0.5 * np.sum(mean.astype(float) ** 2 + np.expm1(log_var.astype(float)) - log_var, axis=1)
    np.testing.assert_allclose(kl, exact, atol=3 * 1e-4 * 2.0**-24, rtol=1e-5)


def test_bad_input_is_named(rng):
    with pytest.raises(ValueError, match="VAE needs as its n_z a whole number from 1 upwards, got 0"):
        VAE(Sequential([Dense(5, 1, rng)]), Sequential([Dense(1, 5, rng)]), Bernoulli(), n_z=0)
    model = small(rng)
    with pytest.raises(ValueError, match=r"Dense\(5, 7\) expects x of shape \(N, 5\), got \(6, 4\)"):
        model.encode(np.zeros((6, 4), np.float32))
    with pytest.raises(ValueError, match=r"expects eps of shape \(6, 2\), got \(6, 3\)"):
        model.forward(np.zeros((6, 5), np.float32), np.zeros((6, 3), np.float32))
    with pytest.raises(ValueError, match=r"^the encoder of a VAE expects its output of shape \(N, 6\), got \(6, 4\)"):
        narrow = VAE(Sequential([Dense(5, 4, rng)]), Sequential([Dense(3, 5, rng)]), Bernoulli(), n_z=3)
        narrow.encode(np.zeros((6, 5), np.float32))
    with pytest.raises(ValueError, match=r"Bernoulli\(\) expects x in \[0, 1\]"):
        model.loss_terms(np.full((6, 5), 255.0, np.float32), rng)
    for n in (-1, 2.5):
        with pytest.raises(ValueError, match=f"generate needs as its n a whole number from 0 upwards, got {n}"):
            model.generate(n, rng)


@pytest.mark.parametrize("shape", [(6, 1), (3,), (6, 3, 1)])
def test_log_variances_are_not_stretched_to_the_means(shape):
    """NumPy would, and the gradient of a number that is used three times would have three entries."""
    mean, log_var = np.zeros((6, 3)), np.zeros(shape)
    for compute in (
        lambda: Reparameterise().forward(mean, log_var, mean),
        lambda: KLToStandardNormal().forward(mean, log_var),
        lambda: KLOfOneDraw().forward(mean, log_var, mean),
    ):
        with pytest.raises(ValueError, match=r"expects log_var of shape \(6, 3\), got \(.*\)$"):
            compute()


def test_several_draws_are_the_mean_over_single_ones(rng):
    """Terms and gradients: those of L passes with one draw each, taken together."""
    n, n_draws = 4, 3
    model, x = small(rng).astype(np.float64), rng.random((n, 5))
    eps, dloss = rng.standard_normal((n, n_draws, 2)), rng.standard_normal(n)
    terms, gradients = [], []
    for draw in range(n_draws):
        terms.append(model.forward(x, eps[:, draw]))
        model.backward(dloss)
        gradients.append(model.grads.copy())
    model.n_draws = n_draws
    reconstruction, kl = model.forward(x, eps.reshape(n * n_draws, 2))
    model.backward(dloss)
    atol = 100 * np.finfo(float).eps * max(np.abs(of).max() for of in gradients)
    np.testing.assert_allclose(reconstruction, np.mean([of for of, _ in terms], axis=0), rtol=1e-13)
    np.testing.assert_array_equal(kl, terms[0][1])
    np.testing.assert_allclose(model.grads, np.mean(gradients, axis=0), rtol=0, atol=atol)


def test_the_gradient_of_several_draws_is_that_of_finite_differences(rng):
    model, x = small(rng).astype(np.float64), rng.random((4, 5))
    model.n_draws = 3
    check_model(model, x, rng.standard_normal((12, 2)))


def test_the_variance_of_the_loss_falls_with_the_number_of_draws(rng):
    """L draws: the noise that the draws bring into the loss has an L-th of its variance.

    The ratio of two sample variances, each of m independent values, is spread by about 2/√m around the true one: with
    m = 4000 and five times that, 0.16 of it."""
    model, x, m = small(rng).astype(np.float64), rng.random((1, 5)), 4000
    x = np.repeat(x, m, axis=0)
    alone = model.loss_terms(x, rng)["reconstruction"].var()
    model.n_draws = 4
    assert model.loss_terms(x, rng)["reconstruction"].var() * 4 == pytest.approx(alone, rel=0.16)


def test_noise_for_another_number_of_draws_is_refused(rng):
    model = small(rng)
    model.n_draws = 3
    with pytest.raises(ValueError, match=r"Reparameterise\(\) expects eps of shape \(12, 2\), got \(4, 2\)"):
        model.forward(rng.random((4, 5)).astype(np.float32), np.zeros((4, 2), np.float32))


@pytest.mark.parametrize("beta", [0.0, 0.3, 4.0])
def test_the_gradient_with_another_weight_of_the_kl_is_that_of_finite_differences(beta, rng):
    model, x = small(rng, n_z=3).astype(np.float64), rng.random((4, 5))
    model.n_draws, model.beta = 2, beta
    check_model(model, x, rng.standard_normal((8, 3)))


def test_a_weight_that_backward_forgets_is_found(rng):
    model, x = small(rng, n_z=3).astype(np.float64), rng.random((4, 5))
    model.beta = 4.0
    forward = model.forward

    def heavier(x, eps):
        reconstruction, kl = forward(x, eps)
        return reconstruction, 0.5 * kl

    model.forward = heavier
    with pytest.raises(GradientError, match="encoder"):
        check_model(model, x, rng.standard_normal((4, 3)))


def test_beta_weighs_the_kl_in_training_and_its_gradient(rng):
    """Of the two terms by themselves, that of the KL is what β = 1 has more than β = 0: terms and gradients of any
    other β are sums of these, but for the rounding of some ten additions."""
    model, x, eps = small(rng).astype(np.float64), rng.random((4, 5)), rng.standard_normal((4, 2))
    dloss, terms, gradients = rng.standard_normal(4), {}, {}
    for beta in (0.0, 1.0, 2.5):
        model.beta = beta
        terms[beta] = model.forward(x, eps)
        model.backward(dloss)
        gradients[beta] = model.grads.copy()
    np.testing.assert_array_equal(terms[2.5][0], terms[1.0][0])
    np.testing.assert_allclose(terms[2.5][1], 2.5 * terms[1.0][1], rtol=1e-15)
    assert (terms[0.0][1] == 0).all() and (terms[1.0][1] > 0.01).all()
    kl = gradients[1.0] - gradients[0.0]
    atol = 100 * np.finfo(float).eps * max(np.abs(of).max() for of in gradients.values())
    np.testing.assert_allclose(gradients[2.5], gradients[0.0] + 2.5 * kl, rtol=0, atol=atol)
    assert np.abs(kl).max() > 0.1


def test_evaluation_is_of_the_elbo_whatever_is_minimised(rng):
    model, x = small(rng), rng.random((6, 5)).astype(np.float32)
    elbo = model.loss_terms(x, np.random.default_rng(1))
    model.beta = 4
    minimised = model.loss_terms(x, np.random.default_rng(1))
    assert list(elbo) == ["reconstruction", "kl"] and list(minimised) == ["reconstruction", "beta_kl"]
    np.testing.assert_array_equal(minimised["beta_kl"], 4 * elbo["kl"])
    with model.evaluating():
        evaluated = model.loss_terms(x, np.random.default_rng(1))
    assert list(evaluated) == list(elbo)
    for name, values in elbo.items():
        np.testing.assert_array_equal(evaluated[name], values)


@pytest.mark.parametrize("beta", [-0.5, float("nan"), float("inf"), "1", None])
def test_a_weight_that_is_none_is_refused(beta, rng):
    model = small(rng)
    model.beta = beta
    with pytest.raises(ValueError, match=r"^a VAE's beta must be a finite number of at least 0, got"):
        model.loss_terms(rng.random((4, 5)).astype(np.float32), rng)


def test_a_weight_from_numpy_leaves_float32_alone(rng):
    model = small(rng)
    model.beta = np.float64(0.3)
    assert model.loss_terms(rng.random((4, 5)).astype(np.float32), rng)["beta_kl"].dtype == np.float32


@pytest.mark.parametrize("n_draws", [0, 2.0, True])
def test_a_number_of_draws_that_is_none_is_refused(n_draws, rng):
    model = small(rng)
    model.n_draws = n_draws
    with pytest.raises(ValueError, match="a VAE needs as its n_draws a whole number from 1 upwards"):
        model.loss_terms(rng.random((3, 5), np.float32), rng)


def test_a_number_of_draws_from_numpy_leaves_float32_alone(rng):
    model = small(rng)
    model.n_draws = np.int64(3)
    terms = model.loss_terms(rng.random((4, 5), np.float32), rng)
    assert {term.dtype for term in terms.values()} == {np.dtype(np.float32)}
    doutputs = []
    backward = model.likelihood.backward
    model.likelihood.backward = lambda dlog_prob: doutputs.append(backward(dlog_prob)) or doutputs[0]
    model.backward(np.full(4, 0.25, np.float32))
    assert doutputs[0].dtype == np.float32


def test_float64_beside_a_network_of_float32_is_told_where_it_comes_in(rng):
    model, x = small(rng), rng.random((3, 5), np.float32)
    with pytest.raises(TypeError, match="outputs in float32 and eps in float64"):
        model.forward(x, rng.standard_normal((3, 2)))
    model.loss_terms(x, rng)
    with pytest.raises(TypeError, match="outputs in float32 and dlog_prob in float64"):
        model.backward(np.full(3, 1 / 3))


def test_a_seed_in_the_place_of_a_generator_is_told(rng):
    with pytest.raises(TypeError, match=r"a VAE needs a generator of random numbers, rng = .*, got 0"):
        small(rng).generate(3, 0)
