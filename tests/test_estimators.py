"""The transformers for scikit-learn: its own checks, and what the scores are by other means."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from scratchnn import estimators
from scratchnn.estimators import AutoencoderTransformer, VAETransformer, mean_and_scale
from scratchnn.machinery.extras import MissingExtraError

TINY = {"hidden_layer_sizes": (4,), "max_iter": 3}
X = np.random.default_rng(1).normal(loc=(70, -5, 0), scale=(3, 2, 5), size=(40, 3))
X_01 = MinMaxScaler().fit_transform(X)


@parametrize_with_checks([VAETransformer(n_score_draws=5, **TINY), AutoencoderTransformer(n_iter_no_change=1, **TINY)])
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.fixture
def linear() -> VAETransformer:
    """Without hidden layers: p(x|z) has the mean b + z W and, with these weights, a variance that depends on z too."""
    vae = VAETransformer(1, hidden_layer_sizes=(), max_iter=1, random_state=0).fit(X)
    vae.model_.params[:] = np.random.default_rng(2).normal(size=vae.model_.params.size) / 3
    return vae


Z = np.linspace(-8, 8, 1601)  # far finer than the functions of z here: sums over it are integrals
WEIGHTS = scipy.stats.norm.pdf(Z) * (Z[1] - Z[0])


def p_given_z(vae: VAETransformer, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations (N, D) of x given z (N,), on the scale of X."""
    W, b = vae.model_.decoder.parameters.values()
    mean, log_var = np.split(np.outer(z, W[0]) + b, 2, axis=1)
    return vae.mean_ + vae.scale_ * mean, vae.scale_ * np.exp(log_var / 2)


def test_the_score_is_log_p_on_the_scale_of_the_data(linear):
    """Against ∫ p(x|z) p(z) dz on a grid, within five standard errors of the draws' mean weight, known from it too."""
    n = 4000
    bounds = linear.set_params(n_score_draws=n).score_samples(X[:3])
    assert linear.scale_ == pytest.approx(np.sqrt(X.var(axis=0).mean()))
    for x, bound in zip(X[:3], bounds, strict=True):
        p_x = np.prod(scipy.stats.norm.pdf(x, *p_given_z(linear, Z)), axis=1)
        p = WEIGHTS @ p_x
        mean, log_var = (part.item() for part in linear.model_.encode(linear.scaled(x[None])))
        q = scipy.stats.norm.pdf(Z, mean, np.exp(log_var / 2))
        squares = WEIGHTS @ (p_x**2 * scipy.stats.norm.pdf(Z) / q)  # E_q[w²]
        error = np.sqrt((squares / p**2 - 1) / n)
        assert error < 0.1 and abs(bound - np.log(p)) < 5 * error


def test_more_draws_bring_the_bound_up_on_average(linear):
    """Of K draws in groups of k, the mean of the groups' bounds never falls as k grows, by Jensen, for any draws."""
    x = linear.scaled(X[:4])
    eps = np.random.default_rng(3).standard_normal((64, 1))
    means = [np.mean([linear.bound(x, group) for group in np.split(eps, 64 // k)], axis=0) for k in (1, 4, 16, 64)]
    assert (np.diff(means, axis=0) >= 0).all() and (means[-1] - means[0] > 1e-3).all()
    first = [linear.set_params(n_score_draws=64).score_samples(X[:4]) for _ in range(2)]
    np.testing.assert_array_equal(*first)
    np.testing.assert_allclose(linear.score_samples(X)[:4], first[0], rtol=1e-12)


def test_samples_have_the_moments_of_the_model(linear):
    """Mean and variance of x over z ~ N(0, 1), within five standard errors."""
    n = 20_000
    x = linear.sample(n)
    mean_z, sd_z = p_given_z(linear, Z)
    mean = WEIGHTS @ mean_z
    var = WEIGHTS @ (sd_z**2 + (mean_z - mean) ** 2)
    fourth = WEIGHTS @ (3 * sd_z**4 + 6 * sd_z**2 * (mean_z - mean) ** 2 + (mean_z - mean) ** 4)
    assert (np.abs(x.mean(axis=0) - mean) < 5 * np.sqrt(var / n)).all()
    assert (np.abs(x.var(axis=0) - var) < 5 * np.sqrt((fourth - var**2) / n)).all()
    np.testing.assert_array_equal(x, linear.sample(n))
    codes = np.array([-1.0, 0.5])
    np.testing.assert_allclose(linear.inverse_transform(codes[:, None]), p_given_z(linear, codes)[0], rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e20])
def test_the_scale_of_single_precision_is_right_however_large_the_numbers_and_their_count(unit):
    """300,000 rows one by one lose 13 of 10,000 in float32; squares of 1e20 overflow there."""
    rows = np.random.default_rng(0).normal(1e4, 1, (300_000, 2)).astype(np.float32) * np.float32(unit)
    mean, scale = mean_and_scale(rows)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, rows.astype(np.float64).mean(axis=0), rtol=2.0**-23)
    # 600,000 squares added up in float64, whose mean is off by a rounding of 1e4 where the deviation is 1
    assert scale == pytest.approx(np.sqrt(rows.astype(np.float64).var(axis=0).mean()), rel=1e-11)


def test_another_unit_changes_no_code_and_the_density_by_its_factor():
    """1024 is a power of two: the networks see the same bits."""
    small, large = (VAETransformer(random_state=0, **TINY).fit(X * unit) for unit in (1, 1024))
    np.testing.assert_array_equal(small.transform(X), large.transform(1024 * X))
    np.testing.assert_allclose(small.score_samples(X) - 3 * np.log(1024), large.score_samples(1024 * X), rtol=1e-12)
    np.testing.assert_array_equal(1024 * small.sample(5), large.sample(5))


@pytest.mark.parametrize(("loss", "data"), [("squared_error", X), ("log_loss", X_01)])
def test_the_autoencoder_s_score_is_its_loss_with_a_minus(loss, data):
    one = AutoencoderTransformer(loss=loss, random_state=0, **TINY).fit(data)
    back = one.inverse_transform(one.transform(data))
    if loss == "squared_error":
        expected = np.mean((back - data) ** 2, axis=1)
    else:
        expected = -np.sum(data * np.log(back) + (1 - data) * np.log1p(-back), axis=1)
    np.testing.assert_allclose(one.score_samples(data), -expected, rtol=1e-9)
    assert one.score(data) == pytest.approx(-expected.mean())


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous-bernoulli"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_from_0_to_1_are_taken_as_they_are(likelihood, dtype):
    one = VAETransformer(likelihood=likelihood, random_state=0, **TINY).fit(X_01.astype(dtype))
    assert (one.mean_, one.scale_) == (0, 1) and one.model_.params.dtype == dtype
    for made in (one.sample(6), one.inverse_transform(one.transform(X_01))):
        assert made.shape[1] == 3 and made.min() >= 0 and made.max() <= 1
        assert made.dtype == dtype
    assert set(np.unique(one.sample(50))) == {0, 1} or likelihood != "bernoulli"


def test_training_ends_early_with_the_best_epoch_s_parameters():
    one = VAETransformer(
        hidden_layer_sizes=(20,), learning_rate_init=0.05, max_iter=500, n_iter_no_change=3, random_state=0
    ).fit(X)
    losses = [record["held_out_loss"] for record in one.history_]
    assert np.argmin(losses) + 1 + 3 == one.n_iter_ == len(losses) < 500
    through = VAETransformer(
        hidden_layer_sizes=(20,), learning_rate_init=0.05, max_iter=one.n_iter_ - 3, n_iter_no_change=3, random_state=0
    ).fit(X)
    np.testing.assert_array_equal(one.model_.params, through.model_.params)


def test_verbose_prints_a_line_an_epoch(capsys):
    VAETransformer(verbose=True, **TINY).fit(X)
    VAETransformer(**TINY).fit(X)
    assert capsys.readouterr().out.count("train loss") == 3


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_components": 0}, "VAETransformer needs as its n_components a whole number from 1 upwards, got 0"),
        ({"hidden_layer_sizes": (5, 0.5)}, "needs as its hidden_layer_sizes a whole number"),
        ({"likelihood": "normal"}, "likelihood='normal' is none of 'gaussian', 'bernoulli', 'continuous-bernoulli'"),
        ({"likelihood": "bernoulli"}, r"from 0 to 1, and X has values from -\d.*MinMaxScaler\(clip=True\), or"),
        ({"n_iter_no_change": 2, "validation_fraction": 1.0}, "validation_fraction=1.0 of n_samples=40 leaves none"),
        ({"learning_rate_init": 1e6, "max_iter": 50}, "training diverged in epoch .* smaller learning_rate_init"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        VAETransformer(random_state=0, **{**TINY, **settings}).fit(X)


def test_new_data_that_do_not_fit_get_one_sentence():
    one = VAETransformer(likelihood="bernoulli", **TINY).fit(X_01)
    assert one.transform(X).shape == (40, 2)  # a code can be had of anything
    with pytest.raises(ValueError, match="bernoulli is for features from 0 to 1"):
        one.score(X)
    with pytest.raises(ValueError, match="X has 3 columns, and a code 2 components"):
        one.inverse_transform(X)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"scratchnn.estimators needs sklearn: .*scratchnn\[examples\]"):
        importlib.reload(estimators)


def test_a_fit_that_fails_leaves_what_an_earlier_one_has_made():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    fitted = VAETransformer(1, max_iter=2, random_state=0).fit(X)
    before = fitted.transform(X)
    with pytest.raises(ValueError, match="batch_size"):
        fitted.set_params(batch_size=0).fit(100 + 7 * X)
    np.testing.assert_array_equal(fitted.transform(X), before)
    new = VAETransformer(batch_size=0)
    with pytest.raises(ValueError, match="batch_size"):
        new.fit(X)
    with pytest.raises(NotFittedError):
        new.transform(X)
    with pytest.raises(ValueError, match="learning_rate_init must be a positive"):
        VAETransformer(learning_rate_init=0).fit(X)


def test_a_row_without_a_bound_is_named_instead_of_scored():
    """A NaN is below no limit, so the row that is furthest away would pass for a usual one."""
    X = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    fitted = VAETransformer(1, max_iter=3, random_state=0).fit(X)
    first = fitted.model_.encoder.parameters
    first["0.W"][...], first["0.b"][...] = np.abs(first["0.W"]), 0
    first["2.W"][:, 1] = 1  # log_var rises with the features
    rows = np.vstack([X[:2], np.full((1, 2), 1e4, np.float32)])
    with pytest.raises(ValueError, match="row 2 is so far from those of fit"):
        fitted.score_samples(rows)


@pytest.mark.parametrize("value", [0.1, 1e9 + 0.1, -3.3])
def test_data_that_do_not_vary_have_the_scale_1(value):
    """The mean may be off by a rounding, which is no spread."""
    assert mean_and_scale(np.full((10, 3), value))[1] == 1


def test_samples_do_not_begin_with_the_numbers_of_the_weights():
    X = np.random.default_rng(0).normal(size=(50, 4))
    fitted = VAETransformer(2, max_iter=1, random_state=3).fit(X)
    seed = np.random.RandomState(3).randint(2**31)
    seen = []
    fitted.model_.likelihood.sample = lambda outputs, rng: seen.append(rng.standard_normal(3)) or outputs[:, :4]
    fitted.sample(5)
    stream = np.random.default_rng(seed).standard_normal(1000)
    assert not np.isin(seen[0], stream).any()


def test_a_constant_feature_of_any_size_leaves_the_scale_to_the_others():
    X = np.random.default_rng(0).normal(0, 50, (1000, 2)).astype(np.float32)
    scale = mean_and_scale(np.column_stack([X, np.full(1000, 1e9, np.float32)]))[1]
    np.testing.assert_allclose(scale, np.sqrt(X.var(axis=0).sum() / 3), rtol=1e-4)


@pytest.mark.parametrize("unit", [1e-200, 1e-30, 1e30, 1e200])
def test_the_scale_of_numbers_whose_squares_are_none(unit):
    """They overflow, or vanish, and the scale and what comes back must not."""
    usual = mean_and_scale(X)[1]
    assert mean_and_scale(unit * X)[1] == pytest.approx(unit * usual, rel=1e-12)
    fitted = AutoencoderTransformer(2, max_iter=3, random_state=0).fit(X)
    other = AutoencoderTransformer(2, max_iter=3, random_state=0).fit(unit * X)
    np.testing.assert_allclose(other.transform(unit * X), fitted.transform(X), rtol=1e-6, atol=1e-9)
    codes = fitted.transform(X)
    np.testing.assert_allclose(other.inverse_transform(codes) / unit, fitted.inverse_transform(codes), rtol=1e-6)


def test_numbers_that_are_too_large_for_a_mean_or_for_the_model_are_one_sentence():
    with pytest.raises(ValueError, match=r"X has values up to 1\.5e\+308, whose mean is too large for a float"):
        AutoencoderTransformer(2, **TINY).fit(np.array([[1.5e308], [1.5e308], [0.0]]))
    fitted = AutoencoderTransformer(2, **TINY).fit(X.astype(np.float32))
    with pytest.raises(ValueError, match=r"X has values up to 1e\+300, and the model was fitted in float32"):
        fitted.transform(np.full((1, 3), 1e300))


def test_a_fit_that_fails_does_not_change_what_data_are_expected():
    named = pd.DataFrame(X, columns=["a", "b", "c"])
    fitted = AutoencoderTransformer(2, random_state=0, **TINY).fit(named)
    before = fitted.transform(named)
    with pytest.raises(ValueError, match="learning_rate_init"):
        fitted.set_params(learning_rate_init=-1).fit(np.ones((9, 7)))
    assert fitted.n_features_in_ == 3 and list(fitted.feature_names_in_) == ["a", "b", "c"]
    np.testing.assert_array_equal(fitted.transform(named), before)
    fitted.set_params(learning_rate_init=1e-3).fit(X[:, :2])
    assert fitted.n_features_in_ == 2 and not hasattr(fitted, "feature_names_in_")
