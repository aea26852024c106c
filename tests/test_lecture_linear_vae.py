"""The lecture on the linear VAE: its formulas by other means, and what it says of its numbers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from lectures import run

from scratchnn import VAE
from scratchnn.gradcheck import check_layer
from scratchnn.vae import KLToStandardNormal


@pytest.fixture(scope="module")
def lecture(tmp_path_factory):
    """The lecture's names after a run with fewer steps."""
    out = tmp_path_factory.mktemp("linear_vae")
    names, printed = run("linear_vae", out, STEPS=1200, STEPS_FIXED=300)
    return SimpleNamespace(**names, out=out, printed=printed)


def random_model(lecture, seed: int = 3) -> VAE:
    """Nothing in it is at its best, and no bias is 0."""
    rng = np.random.default_rng(seed)
    model = lecture.linear_vae(lecture.SharedVariance()).astype(np.float64)
    model.params[:] = rng.normal(size=model.params.size) / 3
    return model


# ---- the parts


def test_the_gradients_of_a_shared_variance(lecture):
    layer = lecture.SharedVariance(0.3).astype(np.float64)
    check_layer(layer, np.random.default_rng(0).normal(size=(5, 3)))
    y = layer.forward(np.arange(6.0).reshape(2, 3))
    np.testing.assert_allclose(y[:, 3:], np.log(0.3), rtol=1e-6)  # log_var is made in float32
    np.testing.assert_array_equal(y[:, :3], np.arange(6.0).reshape(2, 3))
    layer.backward(np.array([[9.0, 9, 9, 1, 2, 3], [9, 9, 9, 10, 20, 30]]))
    assert layer.dlog_var == [66]


def test_a_fixed_variance_stays_to_the_bit(lecture):
    last = np.float32(np.log(lecture.FIXED[-1]))
    assert lecture.noisy.params[-1] == last and lecture.noisy.grads[-1] == 0
    assert (lecture.noisy.params[:-1] != lecture.model.params[:-1]).any()


def test_log_p_is_that_of_a_gaussian(lecture):
    model = random_model(lecture)
    W, b, log_var = model.decoder.parameters.values()
    exact = scipy.stats.multivariate_normal(b, W.T @ W + np.exp(log_var) * np.eye(len(b))).logpdf(lecture.x)
    np.testing.assert_allclose(lecture.exact_log_p(model), exact.mean(), rtol=1e-12)


def test_the_elbo_is_an_expectation_in_closed_form(lecture):
    """E_q of |x − b − z W|² is |x − b − mean W|² + Σ_j σ_j² |W_j|², for any encoder, whatever its log-variances."""
    model, x = random_model(lecture), lecture.x
    W, b, log_var = model.decoder.parameters.values()
    mean, log_var_z = model.encode(x)
    squares = np.sum((x - b - mean @ W) ** 2, axis=1) + np.exp(log_var_z) @ np.sum(W**2, axis=1)
    log_likelihood = -0.5 * (x.shape[1] * (np.log(2 * np.pi) + log_var) + squares * np.exp(-log_var))
    exact = np.mean(log_likelihood - KLToStandardNormal().forward(mean, log_var_z))
    np.testing.assert_allclose(lecture.exact_elbo(model), exact, rtol=1e-12)
    assert exact < lecture.exact_log_p(model)


# ---- the formulas


@pytest.mark.parametrize("var", [None, 0.6, 1.5])
def test_no_linear_model_has_a_higher_log_p_than_the_formula(var):
    """A search over all W (2, 4), and σ² where it is not fixed, from random starts; eigenvalues 2, 1, 0.5, 0.1.

    At a maximum the error is of second order in that of the parameters: a gradient below 1e-6 with curvatures above
    0.01 leaves 1e-10 of it.
    """
    rng, kept = np.random.default_rng(1), np.array([2, 1])
    u = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    S = u @ np.diag([2, 1, 0.5, 0.1]) @ u.T

    def minus_log_p(params):
        W, v = params[:8].reshape(2, 4), np.exp(params[8]) if var is None else var
        C = W.T @ W + v * np.eye(4)
        return 0.5 * (4 * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + np.trace(np.linalg.solve(C, S)))

    found = min(scipy.optimize.minimize(minus_log_p, rng.normal(size=9), options={"gtol": 1e-6}).fun for _ in range(4))
    v = np.mean([0.5, 0.1]) if var is None else var
    c, eigenvalues = np.array([*np.maximum(kept, v), v, v]), np.array([2, 1, 0.5, 0.1])
    formula = -0.5 * np.sum(np.log(2 * np.pi) + np.log(c) + eigenvalues / c)
    np.testing.assert_allclose(-found, formula, rtol=0, atol=1e-7)


def test_the_lecture_s_formula_is_that_sum(lecture):
    """Of a Gaussian with the same covariance as the data, −log p is the entropy."""
    entropy = scipy.stats.multivariate_normal(np.zeros(lecture.D), np.cov(lecture.x.T, bias=True)).entropy()
    np.testing.assert_allclose(lecture.log_p_of_eigenvalues(lecture.eigenvalues), -entropy, rtol=1e-10)


def test_a_vae_by_the_formula_misses_nothing_and_has_the_kl_of_the_formula(lecture):
    assert lecture.formula_gap < 1e-10
    np.testing.assert_allclose(lecture.exact_log_p(lecture.by_formula), lecture.maximum, rtol=0, atol=1e-10)
    kl = 0.5 * np.log(lecture.eigenvalues[: lecture.n_z] / lecture.best_var)
    np.testing.assert_allclose(lecture.latent_use(lecture.by_formula, lecture.x).kl, kl, rtol=0, atol=1e-10)
    np.testing.assert_allclose(lecture.predicted_kl(lecture.best_var), kl, rtol=1e-14)


def test_turned_axes_cost_the_bound_and_not_log_p(lecture):
    """The encoder with the posterior's mean and the variances 1/Λ_jj, the best that are independent."""
    assert lecture.lost_by_independence(lecture.W_best, lecture.best_var) < 1e-12
    for (i, j), lost in lecture.lost.items():
        model, W = lecture.by_formula.astype(np.float64), lecture.turned(lecture.W_best, i - 1, j - 1)
        precision = np.eye(len(W)) + W @ W.T / lecture.best_var
        to_mean = np.linalg.solve(precision, W / lecture.best_var).T
        model.encoder.W = np.concatenate([to_mean, np.zeros_like(to_mean)], axis=1)
        model.encoder.b = np.concatenate([np.zeros(len(W)), -np.log(np.diag(precision))])
        model.decoder.layers[0].W = W
        np.testing.assert_allclose(lecture.exact_log_p(model), lecture.maximum, rtol=0, atol=1e-10)
        np.testing.assert_allclose(lecture.maximum - lecture.exact_elbo(model), lost, rtol=0, atol=1e-10)
    assert lecture.lost[1, 7] > 10 * max(lecture.lost[1, 2], lecture.lost[6, 7])  # so training is slow to turn those


# ---- what training reaches


def test_training_reaches_the_formula(lecture):
    """Within 0.01 nats, with the principal subspace; neither the ELBO nor log p(x) can be above the maximum."""
    assert lecture.elbos[-1] < lecture.trained_log_p < lecture.maximum < lecture.elbos[-1] + 0.01
    assert lecture.angles.min() >= 0.9999
    # σ² alone, off by a factor of 1 + d, costs (D − n_z) d²/4 of log p(x), and for d = 0.05 a tenth less
    missing = lecture.maximum - lecture.trained_log_p
    assert abs(lecture.var / lecture.best_var - 1) < 2 * np.sqrt(missing / (lecture.D - lecture.n_z)) * 1.1


def test_a_dimension_is_used_if_its_eigenvalue_exceeds_the_noise(lecture):
    """A KL that is off by d costs d² of the ELBO, to second order, by q or by log p(x): log c off by 2d costs
    (2d)²/4, and log σ_j² off by 2d the same. So what an ELBO misses bounds the error of its KLs."""
    for var in lecture.FIXED:
        missing = lecture.fixed_maxima[var] - lecture.fixed_elbos[var]
        assert 0 < missing < 0.01
        expected = lecture.predicted_kl(var)
        assert np.abs(lecture.measured[var] - expected).max() < np.sqrt(2 * missing)
        assert lecture.n_used[var] == np.sum(lecture.eigenvalues[: lecture.n_z] > var) == np.sum(expected > 0)
    assert len(set(lecture.n_used.values())) == len(lecture.FIXED)  # the thresholds lie between eigenvalues


def test_the_figure_is_there_and_the_numbers_are_in_order(lecture):
    assert (lecture.out / "linear_vae.png").exists()
    heads = [line[:2] for line in lecture.printed.splitlines() if line[:1].isdigit()]
    assert heads == [f"{n}." for n in range(1, 8)]
