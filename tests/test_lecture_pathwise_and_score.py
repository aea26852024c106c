"""Pathwise against score function: by hand, by quadrature, and what the lecture says of its numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats
from lectures import run

from scratchnn import VAE, Bernoulli, Dense

WAYS = ("pathwise", "score function", "with a baseline")


@pytest.fixture(scope="module")
def lecture(tmp_path_factory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("lecture")
    names, printed = run("pathwise_and_score", folder, EPOCHS=24, DRAWS=4000, NODES=24)
    assert (folder / "pathwise_and_score.png").exists() and "figure:" in printed
    return names


def normal_points(dimensions: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """eps (K, dimensions) and w (K,) with E[g(eps)] = Σ_k w_k g(eps_k), exact up to degree 2·nodes − 1 in each."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    eps = np.array(list(itertools.product(points, repeat=dimensions)))
    w = np.prod(list(itertools.product(weights, repeat=dimensions)), axis=1)
    return eps, w / w.sum()


# ---- one dimension


def test_the_variances_by_hand_are_the_exact_ones(lecture):
    """Of polynomials in eps of degree 6 at the most, which a sum over 8 points integrates exactly."""
    eps, w = normal_points(1, 8)
    eps, mean, sigma = eps[:, 0], 1.5, 0.5
    z, s = mean + sigma * eps, eps / sigma

    def moments(g: np.ndarray) -> tuple[float, float]:
        return w @ g, w @ g**2 - (w @ g) ** 2

    draws = {"pathwise": 2 * z, "score function": z**2 * s, "with a baseline": (z**2 - mean**2 - sigma**2) * s}
    for name, (_, variance) in lecture["by_hand"].items():
        np.testing.assert_allclose(moments(draws[name]), (2 * mean, variance), rtol=1e-12)
    # the best constant: a parabola in b has its minimum where both sides are equally high
    best = mean**2 + 3 * sigma**2
    at_best, above, below = (moments((z**2 - b) * s)[1] for b in (best, best + 1, best - 1))
    np.testing.assert_allclose(at_best, 8 * mean**2 + 6 * sigma**2, rtol=1e-12)
    np.testing.assert_allclose(above, below, rtol=1e-12)
    assert at_best < above


def test_draws_agree_with_what_is_known_by_hand(lecture):
    """Five standard errors are exceeded once in two million."""
    error, exact = lecture["standard_error"], scipy.stats.norm(1.5, 0.5).pdf(1)
    for g, _ in lecture["by_hand"].values():
        assert abs(g.mean() - 3) < 5 * error(g)
    np.testing.assert_allclose(lecture["at_1"], exact, rtol=1e-12)
    assert abs(lecture["by_score"].mean() - exact) < 5 * error(lecture["by_score"])
    assert not lecture["by_path"].any()
    np.testing.assert_allclose(lecture["discrete"], lecture["p"] * (1 - lecture["p"]) * 5, rtol=1e-12)


# ---- the backward pass


def test_the_mean_of_backward_is_the_derivative_of_the_mean_of_forward(lecture):
    """Against finite differences of the loss, within five of their error bars and 1e-9 for what 24 nodes leave out."""
    exact = lecture["exact"]
    assert exact.error.max() < 1e-7 and np.sum(np.abs(exact.value) > 1e-4) > 30  # a pixel that is 0 has no gradient
    for way in lecture["ways"].values():
        assert (np.abs(way.grads - exact.value) < 5 * exact.error + 1e-9).all()


@pytest.mark.parametrize(("n_draws", "name"), [(1, "score function"), (2, "score function"), (2, "with a baseline")])
def test_so_it_is_for_several_images_dimensions_and_weights_of_the_loss(lecture, n_draws, name):
    """A row of the batch, with n_draws draws, for every combination of nodes in 2·n_draws dimensions. The logits are
    linear in eps, so the sum converges fast: with two nodes fewer it is the same to 1e-9."""
    rng = np.random.default_rng(3)
    encoder = Dense(3, 4, rng, b=np.array([0.3, -0.4, -3.0, -2.5]))
    decoder = Dense(2, 3, rng, b=np.array([0.5, -0.2, 0.1]))
    encoder.W, decoder.W = 0.3 * encoder.W, 0.5 * decoder.W
    ways = lecture["three_ways"](VAE(encoder, decoder, Bernoulli(), 2).astype(np.float64))
    images, dloss = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), np.array([0.7, -1.1])
    grads = {}
    for way, nodes in (("pathwise", 10), (name, 10), (name, 8)):
        model = ways[way]
        model.n_draws = n_draws
        eps, w = normal_points(2 * n_draws, nodes)
        model.forward(np.repeat(images, len(w), axis=0), np.tile(eps, (2, 1)).reshape(-1, 2))
        model.backward(np.outer(dloss, w).ravel())
        grads[way, nodes] = model.grads.copy()
    np.testing.assert_allclose(grads[name, 8], grads[name, 10], rtol=0, atol=1e-9)
    np.testing.assert_allclose(grads[name, 10], grads["pathwise", 10], rtol=0, atol=1e-9)
    assert np.abs(grads["pathwise", 10]).min() > 1e-4


def test_three_ways_share_their_forward_to_the_last_bit(lecture):
    rng = np.random.default_rng(4)
    x, eps = (rng.random((7, 64)) < 0.5).astype(np.float32), rng.standard_normal((14, 3)).astype(np.float32)
    terms = [way.forward(x, eps) for way in lecture["three_ways"](lecture["start"]).values()]
    for other in terms[1:]:
        np.testing.assert_array_equal(other, terms[0])


def test_the_baseline_leaves_the_draw_itself_out(lecture):
    """And with it, f less the mean of all would be 1 − 1/L times as large."""
    f = np.random.default_rng(5).normal(size=(3, 4))
    found = lecture["minus_others"](f)
    for n, k in np.ndindex(f.shape):
        np.testing.assert_allclose(found[n, k], f[n, k] - np.delete(f[n], k).mean(), rtol=1e-12)
    np.testing.assert_allclose(found * (1 - 1 / 4), f - f.mean(axis=1, keepdims=True), rtol=1e-12)


# ---- the digits


def test_all_estimates_have_the_same_mean(lecture):
    """The ten entries and the random direction, within five standard errors."""
    for name in WAYS[1:]:
        assert lecture["apart"][name].shape == (11,) and (np.abs(lecture["apart"][name]) < 5).all()


def test_the_direction_is_that_of_the_encoder_s_gradient(lecture):
    """Its slopes by mean and log_var against the gradient for one set of draws, computed by the model itself."""
    model, x, rng = lecture["model"], lecture["x"], np.random.default_rng(6)
    dheads = rng.normal(size=(len(x), 6))
    model.encoder.forward(x)
    model.encoder.write_gradients(dheads)
    expected = model.encoder.grads @ lecture["direction"]
    np.testing.assert_allclose(np.sum(dheads * lecture["slopes"]), expected, rtol=1e-9)


def test_the_first_draw_is_what_the_models_compute(lecture):
    """One draw of all images at once, by `VAE.backward` and by the lecture's, less the part of KL."""
    model, x = lecture["model"], lecture["x"]
    rng = np.random.default_rng(2)
    eps = np.stack([rng.standard_normal((len(lecture["z"]), 3))[0] for _ in x])
    for name in WAYS[:2]:
        one = lecture["three_ways"](model)[name]
        one.n_draws = 1
        one.forward(x, eps)
        one.backward(np.ones(len(x)))
        mean, log_var = one.encode(x)
        kl = np.concatenate([mean, 0.5 * np.expm1(log_var)], axis=1)
        found = lecture["fixed"][name][0, -1] + np.sum(kl * lecture["slopes"])
        np.testing.assert_allclose(found, one.encoder.grads @ lecture["direction"], rtol=1e-9)


def test_the_interval_of_a_ratio_is_that_of_a_bootstrap(lecture):
    """Of 400 resamplings the standard deviation is known to 1/√800 = 3.5 % (more for long tails): five of these."""
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(2, 2000)) ** 2
    a += 0.5 * b  # from the same draws
    ratio, half = lecture["quotient"](a, b)
    assert ratio == pytest.approx(a.mean() / b.mean())
    rows = rng.integers(2000, size=(400, 2000))
    bootstrap = (a[rows].mean(axis=1) / b[rows].mean(axis=1)).std(ddof=1)
    assert half / 1.96 == pytest.approx(bootstrap, rel=0.18)


def test_the_variances_are_in_the_order_that_is_told(lecture):
    """By intervals of three times that width, 5.9 standard errors: a baseline takes away nearly all of the variance,
    and pathwise has less still."""
    ratios = lecture["ratios"]
    for by in ("mean", "log_var"):
        without, half_without = ratios["score function", by]
        with_one, half_with = ratios["with a baseline", by]
        assert without - 3 * half_without > 10 * (with_one + 3 * half_with)
        assert with_one - 3 * half_with > 1
    # without a baseline nearly all is the size of f
    variance = lecture["estimates"]["score function"][:, :, :3].var(axis=0).mean()
    assert 0.8 * variance < lecture["size_alone"].mean() < variance


def test_without_a_baseline_training_is_behind(lecture):
    """By more than 1.5 nats after 25 epochs with each of three seeds, and with the smallest KL."""
    curves = lecture["curves"]
    for name in ("pathwise", "with a baseline"):
        assert curves["score function"][-1, 0] - curves[name][-1, 0] > 0.5
        assert curves["score function"][-1, 1] < curves[name][-1, 1]
