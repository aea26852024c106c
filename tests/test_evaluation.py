from __future__ import annotations

import statistics
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.manifold
import sklearn.metrics
from cases import kl_oracle
from exact import linear_gaussian

from scratchnn import VAE, Autoencoder, Bernoulli, Classifier, Dense, MeanSquaredError, Sequential, Tanh, data
from scratchnn.data import Images
from scratchnn.evaluation import (
    LatentUse,
    accuracy,
    bernoulli_floor,
    confusion_matrix,
    encode,
    entropy,
    importance_weighted,
    latent_use,
    mean_image_loss,
    predicted_classes,
    principal_components,
    reconstruction_error,
    split_rate,
    t_sne,
)
from scratchnn.evaluation.bounds import log_weights
from scratchnn.evaluation.levels import log_prob_normal
from scratchnn.training import evaluate


def test_entropy_by_hand():
    np.testing.assert_allclose(entropy(np.array([0, 0.5, 1, 0.25])), [0, np.log(2), 0, np.log(4) - 0.75 * np.log(3)])


def test_floor_and_mean_image_are_losses_of_decoders(rng):
    """The floor is the loss of a decoder that shows each image itself; the other that of one that shows the mean."""
    images = Images(rng.integers(1, 16, (1203, 6)).astype(np.uint8), 16)
    x = images.pixels / 16
    for p, value in ((x, bernoulli_floor(images)), (np.broadcast_to(x.mean(axis=0), x.shape), mean_image_loss(images))):
        np.testing.assert_allclose(-Bernoulli().forward(np.log(p / (1 - p)), x).mean(), value, rtol=1e-12)


@pytest.mark.parametrize(
    "name, part, floor, mean_image",
    [
        ("mnist", "train", 45.75, 206.03),
        ("mnist", "test", 45.53, 205.65),
        ("fashion-mnist", "test", 189.86, 385.00),
        ("frey-face", "train", 337.25, 351.93),
    ],
)
def test_the_floors_of_the_real_data(name, part, floor, mean_image, real_data):
    images = getattr(data.load(name), part)
    assert bernoulli_floor(images) == pytest.approx(floor, abs=0.005)
    assert mean_image_loss(images) == pytest.approx(mean_image, abs=0.005)


def test_the_estimate_is_exact_at_the_true_posterior(rng):
    """Then every weight is p(x) itself, and a single draw is enough."""
    model, x, log_p = linear_gaussian(rng, n=40)
    result = importance_weighted(model, x, 3, progress=False)
    np.testing.assert_allclose(result.log_p, log_p, rtol=1e-12)
    assert result.error.max() < 1e-12 and result.is_likelihood and result.n_samples == 3


def test_the_estimate_reaches_log_p_of_a_linear_gaussian_model(rng):
    """With a posterior 1.35 times too wide in variance: to 1e-3 in the mean, and within its own standard error."""
    model, x, log_p = linear_gaussian(rng, n=40, widening=0.3)
    result = importance_weighted(model, x, 20_000, progress=False)
    assert result.monte_carlo_error < 1e-3 / 3
    assert abs(result.mean - log_p.mean()) < 1e-3
    assert np.abs((result.log_p - log_p) / result.error).max() < 5


def test_the_stated_error_is_the_standard_deviation_over_seeds(rng):
    model, x, _ = linear_gaussian(rng, n=40, widening=0.5)
    runs = [importance_weighted(model, x, 100, seed=seed, progress=False) for seed in range(200)]
    deviation = np.std([run.mean for run in runs])
    # a standard deviation from 200 values is known to 1 part in √400
    assert deviation == pytest.approx(np.mean([run.monte_carlo_error for run in runs]), rel=5 / np.sqrt(400))
    assert runs[0].sampling_error == pytest.approx(np.std(runs[0].log_p, ddof=1) / np.sqrt(40))


def small(rng, likelihood=None) -> VAE:
    encoder = Sequential([Dense(4, 6, rng, b=0.2), Tanh(), Dense(6, 4, rng, b=-0.3)])
    decoder = Sequential([Dense(2, 5, rng, b=0.4), Tanh(), Dense(5, 4, rng, b=0.1)])
    decoder.params *= 3
    return VAE(encoder, decoder, likelihood or Bernoulli(), 2)


ALL_BINARY = ((np.arange(16)[:, None] >> np.arange(4)) & 1).astype(np.float32)  # every image of four pixels


def test_the_probabilities_of_all_images_add_up_to_one(rng):
    """p̂(x) is unbiased, so over all 16 images of four pixels it sums to 1, within its error, for any encoder."""
    result = importance_weighted(small(rng), ALL_BINARY, 40_000, progress=False)
    p = np.exp(result.log_p)
    error = np.sqrt(np.sum((p * result.error) ** 2))
    assert error < 0.01 and abs(p.sum() - 1) < 5 * error


def test_the_bound_starts_at_the_elbo_and_does_not_fall_with_k(rng):
    model = small(rng)
    draws = [
        [importance_weighted(model, ALL_BINARY, k, seed=s, progress=False).mean for s in range(60)] for k in (1, 5, 50)
    ]
    means, errors = np.mean(draws, axis=1), np.std(draws, axis=1) / np.sqrt(60)
    elbos = [-evaluate(model, ALL_BINARY, seed=s)["loss"] for s in range(400)]
    # log w of one draw and −loss, which has the KL in closed form, estimate the same ELBO
    assert abs(means[0] - np.mean(elbos)) < 5 * np.hypot(errors[0], np.std(elbos) / np.sqrt(400))
    assert means[1] > means[0] + 2 * errors[0] and means[2] > means[1] - 2 * np.hypot(errors[1], errors[2])


@pytest.mark.parametrize("n_images, n_samples", [(1, 1), (7, 1), (1, 2500), (1200, 1), (3, 700)])
def test_chunks_do_not_show(n_images, n_samples, rng):
    """Whatever fits into one decoder call: the estimate of every image agrees with a plain loop within the error."""
    model, x = small(rng), ALL_BINARY[rng.integers(0, 16, n_images)]
    result = importance_weighted(model, x, n_samples, progress=False)
    assert result.log_p.shape == result.error.shape == (n_images,) and np.isfinite(result.log_p).all()
    assert np.isnan(result.error).all() == (n_samples == 1)  # one draw says nothing about its own error
    if n_samples >= 700:
        mean, log_var = (part.astype(float) for part in model.encode(x))
        q = scipy.stats.norm(mean[0], np.exp(log_var[0] / 2))
        z = q.rvs((20_000, 2), random_state=rng)
        logits = model.astype(np.float64).decoder.forward(z)
        log_w = (
            scipy.stats.bernoulli.logpmf(x[0], scipy.special.expit(logits)).sum(1)
            + scipy.stats.norm.logpdf(z).sum(1)
            - q.logpdf(z).sum(1)
        )
        log_p = scipy.special.logsumexp(log_w) - np.log(len(z))
        own_error = np.std(np.exp(log_w - log_p)) / np.sqrt(len(z))
        assert abs(result.log_p[0] - log_p) < 5 * np.hypot(result.error[0], own_error)


def test_grey_pixels_have_no_likelihood(rng):
    grey = ALL_BINARY * 0.9
    with pytest.raises(ValueError, match=r"these pixels are grey.*binarise the images first"):
        importance_weighted(small(rng), grey, 2, progress=False)
    assert not importance_weighted(small(rng), grey, 2, grey=True, progress=False).is_likelihood
    model, x, _ = linear_gaussian(rng)
    assert importance_weighted(model, x, 2, progress=False).is_likelihood  # a density of grey levels


def test_impossible_sample_counts_and_empty_sets_are_refused(rng):
    with pytest.raises(ValueError, match="at least one sample an image, got 0"):
        importance_weighted(small(rng), ALL_BINARY, 0)
    with pytest.raises(ValueError, match="importance_weighted needs at least one image, got none"):
        importance_weighted(small(rng), ALL_BINARY[:0], 5)


def test_nothing_of_an_estimate_is_left_for_a_backward_pass(rng):
    model = small(rng)
    importance_weighted(model, ALL_BINARY, 2, progress=False)
    with pytest.raises(RuntimeError, match="call forward once before each backward"):
        model.backward(np.ones(2, np.float32))


def test_active_units_by_hand():
    """z₁ has the mean x₁ and a variance of ¼; z₂ is N(0, 1) for every image: it costs nothing and says nothing."""
    encoder = Dense(2, 4, np.random.default_rng(0), dtype=np.float64)
    encoder.W = [[1, 0, 0, 0], [0, 0, 0, 0]]
    encoder.b = [0, 0, np.log(0.25), 0]
    decoder = Dense(2, 2, np.random.default_rng(0), dtype=np.float64)
    model = VAE(Sequential([encoder]), Sequential([decoder]), Bernoulli(), 2)
    x = np.array([[0.0, 0.3], [1.0, 0.1]] * 900)  # more than fit into one call
    use = latent_use(model, x)
    assert use.active.tolist() == [True, False]
    np.testing.assert_allclose(use.mean_variance, [0.25, 0])
    by_hand = [-0.5 * (1 + np.log(0.25) - mean**2 - 0.25) for mean in (0, 1)]
    np.testing.assert_allclose(use.kl, [np.mean(by_hand), 0])
    np.testing.assert_allclose(evaluate(model, x)["kl"], use.kl.sum())


def with_codes(mean: np.ndarray, log_var: np.ndarray) -> tuple[VAE, np.ndarray]:
    """A VAE, and as many one-hot images, whose q(z|x) are these Gaussians."""
    (n, n_z), rng = mean.shape, np.random.default_rng(0)
    encoder = Dense(n, 2 * n_z, rng, dtype=np.float64)
    encoder.W = np.concatenate([mean, log_var], axis=1)
    return VAE(encoder, Dense(n_z, n, rng, dtype=np.float64), Bernoulli(), n_z), np.eye(n)


def test_the_rate_is_split_as_by_quadrature(rng):
    """Five standard errors are exceeded once in two million; of 60,000 draws they are some 0.02."""
    mean, log_var = 2 * rng.normal(size=(5, 1)), rng.normal(size=(5, 1)) - 1
    z, dz = np.linspace(-25, 25, 20_001, retstep=True)
    q = scipy.stats.norm.pdf(z, mean, np.exp(log_var / 2))  # (5, places)
    together = q.mean(axis=0)
    information = np.mean(np.sum(scipy.special.rel_entr(q, together), axis=1)) * dz
    to_prior = np.sum(scipy.special.rel_entr(together, scipy.stats.norm.pdf(z))) * dz
    split = split_rate(*with_codes(mean, log_var), n_draws=12_000)
    assert 0.1 < information < np.log(5) - 0.1 and to_prior > 0.1
    assert abs(split.information - information) < 5 * split.error
    assert abs(split.to_prior - to_prior) < 5 * split.error
    np.testing.assert_allclose(split.rate, information + to_prior, rtol=1e-9)
    assert split.error < 0.005


def test_the_error_of_the_split_is_that_of_many_repetitions():
    """The standard deviation of 200 estimates is known to 1/√400 = 5 %; held to five times that.

    What z says differs far more from image to image than from draw to draw, and does not belong to the error.
    """
    model, x = with_codes(np.array([[0.0, 0, 0, 0, 0.5, 9, -9]]).T, np.full((7, 1), -1.0))
    splits = [split_rate(model, x, 30, seed) for seed in range(200)]
    assert np.std([s.information for s in splits]) == pytest.approx(np.mean([s.error for s in splits]), rel=0.25)


def test_what_z_says_of_the_image_lies_between_nothing_and_which_it_is(rng):
    n = 2100  # more than fit into one product of 4 million
    same = split_rate(*with_codes(np.full((n, 2), 0.5), np.full((n, 2), -1.0)), n_draws=2)
    assert abs(same.information) < 1e-10 and same.to_prior == pytest.approx(same.rate)
    apart = split_rate(*with_codes(np.arange(n)[:, None] * [1.0, 0.0], np.full((n, 2), -9.0)), n_draws=2)
    # a density is a difference of numbers up to n² e⁹ = 4e10, each rounded to 2^−53 of it: 4e-6, some of them added
    assert apart.information == pytest.approx(np.log(n), abs=1e-4) and apart.to_prior > 1000
    with pytest.raises(ValueError, match="needs at least 2 draws an image, to know its own error; got 1"):
        split_rate(*with_codes(np.zeros((3, 1)), np.zeros((3, 1))), n_draws=1)


def test_the_use_of_a_dimension_is_the_integral_and_the_mean_of_squares(rng):
    """By quadrature, for means and variances that differ: no power of a mean is taken for another one."""
    mean, log_var = rng.normal(0.4, 1.3, (40, 3)), rng.normal(-1, 1.5, (40, 3))
    use = latent_use(SimpleNamespace(encode=lambda rows: (mean[rows], log_var[rows])), np.arange(40))
    kl = np.reshape([kl_oracle(None, m[:, None], v[:, None]) for m, v in zip(mean, log_var, strict=True)], (40, 3))
    np.testing.assert_allclose(use.kl, kl.sum(axis=0) / 40, rtol=1e-9)
    spread = [statistics.pvariance(column) for column in mean.T.tolist()]
    np.testing.assert_allclose(use.mean_variance, spread, rtol=1e-12)


def test_codes_of_many_images_are_those_of_each(rng):
    """More images than go into one call, by all that has a code; each code by hand."""
    images = Images(rng.integers(0, 17, (2303, 6)).astype(np.uint8), 16)
    x = (images.pixels / 16).astype(np.float32)
    narrow, wide = Dense(6, 2, rng, b=0.1), Dense(6, 4, rng, b=0.2)
    pca = principal_components(images, 3)
    autoencoder = Autoencoder(narrow, Dense(2, 6, rng), MeanSquaredError())
    vae = VAE(Sequential([wide]), Sequential([Dense(2, 6, rng)]), Bernoulli(), 2)
    mean, log_var = encode(vae, images)
    for codes, expected in (
        (encode(autoencoder, images), x @ narrow.W + narrow.b),
        (encode(pca, images), (x - pca.mean) @ pca.directions.T),
        (mean, x @ wide.W[:, :2] + wide.b[:2]),
        (log_var, x @ wide.W[:, 2:] + wide.b[2:]),
    ):
        np.testing.assert_allclose(codes, expected, atol=1e-5)


def test_without_components_every_image_is_the_mean_image(rng):
    images = rng.random((5, 4))
    none = principal_components(images, 0)
    assert none.encode(images).shape == (5, 0)
    np.testing.assert_allclose(none.reconstruct(images), np.tile(images.mean(axis=0), (5, 1)))


def test_predicted_classes_are_those_of_the_largest_logits(rng):
    classifier = Classifier(Sequential([Dense(6, 3, rng)]))
    images = Images(rng.integers(0, 17, (1203, 6)).astype(np.uint8), 16)
    layer = classifier.network.layers[0]
    logits = (images.pixels / 16) @ layer.W.astype(np.float64) + layer.b
    sure = np.ptp(np.sort(logits, axis=1)[:, 1:], axis=1) > 1e-5  # float32 may see a draw the other way
    predicted = predicted_classes(classifier, images, batch_size=500)
    assert predicted.shape == (1203,) and sure.mean() > 0.99
    np.testing.assert_array_equal(predicted[sure], logits.argmax(axis=1)[sure])
    np.testing.assert_array_equal(predicted, predicted_classes(classifier, images[:], batch_size=7))


def test_accuracy_and_confusion_matrix_by_hand_and_by_scikit_learn(rng):
    labels = np.array([0, 0, 1, 2, 2, 2], np.uint8)
    predicted = np.array([0, 2, 1, 2, 0, 2])
    assert accuracy(predicted, labels) == 4 / 6
    np.testing.assert_array_equal(confusion_matrix(predicted, labels, 3), [[1, 0, 1], [0, 1, 0], [1, 0, 2]])
    # 300 labels of 200 classes: products of small unsigned numbers must not overflow; some classes do not occur
    labels, predicted = rng.integers(0, 200, (2, 300)).astype(np.uint8)
    expected = sklearn.metrics.confusion_matrix(labels, predicted, labels=range(200))
    np.testing.assert_array_equal(confusion_matrix(predicted, labels, 200), expected)
    assert accuracy(predicted, labels) == sklearn.metrics.accuracy_score(labels, predicted)


def test_classes_that_there_are_not_are_not_counted():
    one, three = np.array([1, 1]), np.array([0, 3])
    np.testing.assert_array_equal(confusion_matrix(one, one, 3), np.diag([0, 2, 0]))
    assert not confusion_matrix(one[:0], one[:0], 3).any()
    for predicted, labels, name, found in ((one, three, "labels", "0 to 3"), (-one, one, "predicted", "-1 to -1")):
        with pytest.raises(ValueError, match=f"counts the classes 0 to 2, and {name} has {found}"):
            confusion_matrix(predicted, labels, 3)
    for predicted, labels in ((one[:1], one), (one[None], one[None]), (one + 0.0, one), (one, one + 0.0)):
        with pytest.raises(ValueError, match=r"one label for each|whole numbers"):
            confusion_matrix(predicted, labels, 3)


@pytest.mark.parametrize("n_predicted, n_labels", [(3, 4), (4, 3), (0, 0), (1, 4)])
def test_accuracy_of_nothing_or_of_other_examples_is_refused(n_predicted, n_labels):
    with pytest.raises(ValueError, match=r"expects one label for each prediction|at least one example, got none"):
        accuracy(np.zeros(n_predicted, int), np.zeros(n_labels, int))


@pytest.mark.parametrize("predicted", [np.eye(3, dtype=int), np.full(3, 0.5), np.full(3, np.nan)])
def test_accuracy_counts_classes_and_nothing_else(predicted):
    """One-hot rows agree in most of their entries, whatever the classes are."""
    with pytest.raises(ValueError, match=r"expects one label for each prediction|accuracy counts classes"):
        accuracy(predicted, predicted.copy())


@pytest.mark.parametrize("predicted, labels", [(np.uint64, np.int64), (np.uint8, np.uint8)])
def test_labels_of_any_whole_type_are_counted(predicted, labels):
    classes = np.arange(20).astype(labels)
    counts = confusion_matrix(np.zeros(20, predicted), classes, classes.max() + np.uint8(1))
    assert counts[:, 0].tolist() == [1] * 20 and counts.sum() == 20


def test_codes_of_any_shape_are_joined_by_images():
    """An encoder may make images of features, of which there are more than are encoded at once."""

    class Features:
        def encode(self, x):
            return np.repeat(x[:, None, :, None], 3, axis=3)

    x = np.arange(2500.0).reshape(-1, 1)
    codes = encode(Features(), x)
    assert codes.shape == (2500, 1, 1, 3) and (codes[:, 0, 0, 0] == x[:, 0]).all()


@pytest.mark.parametrize(
    "measure", [lambda x: principal_components(x, 2), lambda x: reconstruction_error(lambda rows: rows, x)]
)
def test_bytes_are_no_images_to_compute_with(measure):
    """Directions as bytes would all be 0, and differences would wrap."""
    with pytest.raises(TypeError, match=r"to be an array \(N, D\) of floats, got an array of uint8"):
        measure(np.zeros((4, 6), np.uint8))


def test_an_image_that_no_draw_can_explain_has_the_probability_0():
    """log p̂ = −∞, and not NaN: every weight is e^(−∞)."""

    class Impossible(Bernoulli):
        def forward(self, outputs, x):
            return np.where(x[:, 0] > 0, -np.inf, super().forward(outputs, x))

    rng = np.random.default_rng(0)
    model = VAE(Dense(3, 2, rng), Dense(1, 3, rng), Impossible(), n_z=1)
    x = np.array([[0, 1, 0], [1, 1, 0]], np.float32)
    found = importance_weighted(model, x, 10, progress=False)
    assert np.isfinite(found.log_p[0]) and found.log_p[1] == -np.inf and np.isnan(found.error[1])


def test_improbable_images_do_not_underflow(rng):
    """log p(x) far below −745, where e^log p is 0 in double precision."""
    model = small(rng)
    model.decoder.layers[-1].b = np.array([900.0, 0, 0, 0], np.float32)  # the first pixel is white, for sure
    result = importance_weighted(model, ALL_BINARY[:4], 50, progress=False)
    assert np.isfinite(result.log_p).all() and (result.log_p[[0, 2]] < -800).all()
    assert np.isfinite(result.error).all()


def test_one_grey_image_among_many_is_found_before_the_time_is_spent(rng, monkeypatch):
    """The whole set is looked at first: an evaluation of hours must not end in a refusal."""
    images = np.concatenate([np.zeros((1500, 4), np.float32), np.full((1, 4), 0.5, np.float32)])
    monkeypatch.setattr("scratchnn.evaluation.bounds.log_weights", lambda *_: pytest.fail("began before it had looked"))
    with pytest.raises(ValueError, match="these pixels are grey"):
        importance_weighted(small(rng), images, 2, progress=False)


def test_the_error_of_two_draws_by_hand(rng):
    """Of weights w₁ and w₂ the standard error of the mean is |w₁ − w₂|/2, and that of its logarithm over the mean."""
    model = small(rng)
    result = importance_weighted(model, ALL_BINARY[:3], 2, seed=4, progress=False)
    w = np.exp(log_weights(model, ALL_BINARY[:3], 2, np.random.default_rng(4)))
    np.testing.assert_allclose(result.error, np.abs(w[:, 0] - w[:, 1]) / 2 / w.mean(axis=1))
    np.testing.assert_allclose(result.log_p, np.log(w.mean(axis=1)))


@pytest.mark.parametrize("progress", [True, False])
def test_a_bar_is_shown_on_a_terminal_where_it_is_asked_for(progress, rng, capsys, monkeypatch):
    model, x, _ = linear_gaussian(rng, n=3)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    importance_weighted(model, x, 2, progress=progress)
    assert ("2 samples an image" in capsys.readouterr().err) == progress


def test_a_unit_is_active_above_a_hundredth():
    use = LatentUse(kl=np.zeros(3), mean_variance=np.array([0.009, 0.011, 0.2]))
    assert use.active.tolist() == [False, True, True]


def test_few_images_have_a_floor_too():
    images = Images(np.array([[0, 4, 1], [2, 4, 3]], np.uint8), 4)
    assert bernoulli_floor(images) == pytest.approx(np.sum(entropy(images.pixels / 4)) / 2, rel=1e-14)


@pytest.mark.parametrize("n, perplexity", [(10, 3.0), (12, 11 / 3), (91, 30.0), (120, 30.0)])
def test_t_sne_of_few_images_looks_at_a_third_of_them(n, perplexity, monkeypatch):
    class Noted:
        def __init__(self, _, perplexity, **settings):
            self.perplexity = perplexity

        def fit_transform(self, x):
            assert x.shape == (n, 50)
            return [self.perplexity]

    monkeypatch.setattr(sklearn.manifold, "TSNE", Noted)
    assert t_sne(data.load("digits"), n, 0) == [perplexity]


def test_t_sne_keeps_neighbours_and_repeats_itself():
    """The nearest other image is of the same class more often than not; by chance it is for one in ten."""
    images = data.load("digits")
    first, again = (t_sne(images, 120, 3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (120, 2)
    distance = np.linalg.norm(first[:, None] - first, axis=2) + np.diag(np.full(120, np.inf))
    labels = data.labels_of(images.test)[:120]
    assert np.mean(labels[distance.argmin(axis=1)] == labels) > 0.6


@pytest.mark.parametrize(
    "package, call, what",
    [
        ("sklearn", lambda: t_sne(None, 3, 0), "t-SNE"),
        ("scipy", lambda: log_prob_normal(np.zeros(1), np.ones(1)), "the probability of a level under a Gaussian"),
    ],
)
def test_a_missing_package_is_a_sentence_that_names_its_extra(package, call, what, monkeypatch):
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=rf'^{what} needs {package}: .*pip install "scratchnn\[examples\]"$'):
        call()


def test_a_broken_encoder_has_no_use_to_report(rng):
    """NaN is above no threshold: the dimensions would count as unused."""
    model = VAE(Dense(4, 4, rng), Dense(2, 4, rng), Bernoulli(), n_z=2)
    model.encoder.W[0, 0] = np.nan
    with pytest.raises(ValueError, match="latent_use expects finite codes"):
        latent_use(model, np.ones((3, 4), np.float32))


def test_a_reconstruction_of_another_shape_is_refused_and_not_stretched():
    x = np.ones((5, 8), np.float32)
    with pytest.raises(ValueError, match=r"reconstruction_error expects reconstructed images of shape \(5, 8\)"):
        reconstruction_error(lambda rows: rows[:, :1], x)
