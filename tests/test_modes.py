"""Layers that work one way in training and another way in use: dropout, batch normalisation, and what switches them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnn import (
    IWAE,
    SGD,
    VAE,
    Adam,
    Autoencoder,
    BatchNorm,
    Bernoulli,
    BinaryCrossEntropy,
    Classifier,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Identity,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
)
from scratchnn.gradcheck import check_layer, check_model
from scratchnn.training import DivergedError, SaveCheckpoint, Trainer, evaluate, load_model

X = np.random.default_rng(1).random((37, 12)).astype(np.float32)


def network(rng, dtype=np.float32) -> Autoencoder:
    encoder = Sequential([Dense(12, 5, rng, b=0.1, dtype=dtype), BatchNorm(5, dtype=dtype), ReLU(), Dropout(0.25, rng)])
    return Autoencoder(encoder, Sequential([Dense(5, 12, rng, b=0.2, dtype=dtype)]), MeanSquaredError())


def test_dropout_keeps_the_mean_and_drops_as_often_as_it_says(rng):
    n, rate = 200_000, 0.3
    y = Dropout(rate, rng).forward(np.full(n, 2.0, np.float32))
    assert set(np.unique(y)) == {0, np.float32(2 / 0.7)}
    assert abs((y == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / n)
    assert abs(y.mean() - 2) < 5 * y.std() / np.sqrt(n)


def test_dropout_in_evaluation_mode_is_the_identity_both_ways(rng):
    layer, x = Dropout(0.5, rng), rng.normal(size=(4, 3))
    before = rng.bit_generator.state
    with layer.evaluating():
        y = layer.forward(x)
        np.testing.assert_array_equal(y, x)
        assert y is not x
        np.testing.assert_array_equal(layer.backward(2 * x), 2 * x)
    assert rng.bit_generator.state == before and layer.training


def test_the_generator_decides_and_a_mask_repeats_a_pass():
    x = np.ones((6, 5))
    a, b = (Dropout(0.5, np.random.default_rng(3)) for _ in range(2))
    y = a.forward(x)
    np.testing.assert_array_equal(y, b.forward(x))
    assert (a.forward(x) != y).any()
    np.testing.assert_array_equal(a.forward(x, y > 0), y)


def test_results_keep_the_order_in_memory(rng):
    """A transposed view stays one: the next convolution need not rearrange it."""
    x = rng.normal(size=(2, 3, 4, 5)).transpose(3, 0, 1, 2)
    for layer in (Dropout(0.5, rng), BatchNorm(2, dtype=np.float64)):
        assert layer.forward(x).strides == x.strides, layer
        with layer.evaluating():
            assert layer.forward(x).strides == x.strides, layer


@pytest.mark.parametrize(
    "n_units, settings", [(np.int64(3), {}), (3, {"momentum": np.float64(0.1), "eps": np.float64(1)})]
)
def test_settings_that_are_numbers_of_numpy_leave_float32_alone(n_units, settings, rng):
    layer, x = BatchNorm(n_units, **settings), rng.normal(size=(4, 3)).astype(np.float32)
    assert repr(layer) == repr(BatchNorm(3, **{name: float(value) for name, value in settings.items()}))
    for mode in (True, False):
        layer.train(mode)
        y = layer.forward(x)
        assert (y.dtype, layer.backward(y).dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("rate", [np.float64(0.5), np.float32(0.5)])
def test_a_rate_that_is_a_number_of_numpy_is_kept_as_a_float(rate, rng):
    layer = Dropout(rate, rng)
    assert type(layer.rate) is float and repr(layer) == "Dropout(0.5)"
    assert layer.forward(np.ones((4, 3), np.float32)).dtype == np.float32


def test_a_rate_that_is_1_in_single_precision_would_drop_all(rng):
    with pytest.raises(ValueError, match=r"from 0 to below 1, got rate=0\.99999999"):
        Dropout(0.99999999, rng)
    assert Dropout(0.9999999, rng).rate == 0.9999999


@settings(max_examples=12)
@given(n=st.integers(2, 5), c=st.integers(1, 3), h=st.integers(1, 3), w=st.integers(1, 3), seed=st.integers(0, 999))
def test_batch_norm_is_right_for_every_shape_in_both_modes(n, c, h, w, seed):
    rng = np.random.default_rng(seed)
    layer = BatchNorm(c, eps=0.1, dtype=np.float64)
    layer.gamma, layer.beta = rng.normal(size=c), rng.normal(size=c)
    for x in (rng.normal(size=(n, c)), rng.normal(size=(n, c, h, w))):
        check_layer(layer, x, seed=seed)
        layer.forward(x)
        layer.train(False)
        check_layer(layer, x, seed=seed)
        layer.train()


def test_the_running_averages_are_those_of_the_batches():
    """momentum 0.25, two batches by hand; the variance with m − 1 in its denominator, as an unbiased estimate."""
    layer = BatchNorm(1, momentum=0.25, dtype=np.float64)
    layer.forward(np.array([[1.0], [3.0]]))  # mean 2, variance 2
    assert (layer.buffers["mean"][0], layer.buffers["var"][0]) == (0.5, 1.25)  # from 0 and 1
    layer.forward(np.array([[4.0], [4.0], [7.0]]))  # mean 5, variance 3
    np.testing.assert_allclose([layer.buffers["mean"][0], layer.buffers["var"][0]], [1.625, 1.6875])
    with layer.evaluating():
        y = layer.forward(np.array([[2.0]]))  # one example is no problem here
    np.testing.assert_allclose(y, [[(2 - 1.625) / np.sqrt(1.6875 + 1e-5)]])
    assert layer.buffers["batches"][0] == 2


def test_many_batches_lead_the_averages_to_the_truth(rng):
    layer = BatchNorm(2, momentum=0.02, dtype=np.float64)
    for _ in range(2000):
        layer.forward(rng.normal([1, -2], [0.5, 3], (20, 2)))
    # an average over batches with weights 0.02·0.98^k has the variance of 0.02/1.98 of a batch's
    share = 0.02 / 1.98
    assert (np.abs(layer.buffers["mean"] - [1, -2]) < 5 * np.array([0.5, 3]) / np.sqrt(20) * share**0.5).all()
    assert (np.abs(layer.buffers["var"] / [0.25, 9] - 1) < 5 * np.sqrt(2 / 19 * share)).all()


def test_a_large_mean_does_not_swallow_the_variance():
    x = np.float32(3000) + np.random.default_rng(0).normal(size=(1000, 1)).astype(np.float32)
    assert abs(BatchNorm(1).forward(x).std() - 1) < 1e-2


@pytest.mark.parametrize("dtype, fits", [(np.float32, 2e18), (np.float64, 2e153)])
@pytest.mark.filterwarnings("error")
def test_a_variance_beyond_the_dtype_is_refused_and_leaves_the_averages_alone(dtype, fits):
    """By hand: half the numbers at a and half at −a have the variance a², unbiased 8/7 a², and x̂ = ±1."""
    x = np.array([[1, 5], [-1, 6]] * 4, dtype)
    layer = BatchNorm(2, momentum=1, dtype=dtype)
    np.testing.assert_allclose(layer.forward(x * fits)[:, 0], x[:, 0], rtol=1e-6)
    np.testing.assert_allclose(layer.buffers["var"][0], 8 / 7 * fits**2, rtol=1e-6)
    before = {name: value.copy() for name, value in layer.buffers.items()}
    for too_large in (10 * fits, np.finfo(dtype).max / 8):
        with pytest.raises(
            OverflowError, match=r"the variance of x overflows float(32|64) in Batch.* as large as .*below"
        ):
            layer.forward(x * dtype(too_large))
    for name, value in layer.buffers.items():
        np.testing.assert_array_equal(value, before[name])
    layer.train(False)
    assert np.isfinite(layer.forward(x * dtype(10 * fits))).all()  # no square is taken in use


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_variance_is_refused_where_its_unbiased_estimate_is_infinite(dtype):
    """Two numbers ±a have the variance a², unbiased 2 a²."""
    two, largest = np.array([[1], [-1]], dtype), float(np.finfo(dtype).max)
    layer = BatchNorm(1, momentum=1, dtype=dtype)
    layer.forward(two * dtype((0.45 * largest) ** 0.5))
    np.testing.assert_allclose(layer.buffers["var"], 0.9 * largest, rtol=1e-6)
    with pytest.raises(OverflowError, match="the variance of x overflows"):
        layer.forward(two * dtype((0.6 * largest) ** 0.5))


def test_the_two_modes_reach_every_part(rng):
    model = network(rng)
    layers = [model, model.encoder, *model.encoder.layers, model.decoder]
    with model.evaluating():
        assert not any(layer.training for layer in layers)
        with model.encoder.evaluating():
            pass
        assert not model.encoder.training  # what it was before
    assert all(layer.training for layer in layers)
    with pytest.raises(RuntimeError), model.evaluating():
        raise RuntimeError
    assert model.encoder.layers[1].training


EVERY_MODEL = pytest.mark.parametrize(
    "make, names",
    [
        (
            lambda rng: VAE(Sequential([Dense(12, 4, rng), ReLU()]), Dense(2, 12, rng), Bernoulli(), 2),
            "VAE Sequential Dense ReLU Dense Bernoulli Reparameterise KLToStandardNormal",
        ),
        (
            lambda rng: IWAE(Sequential([Dense(12, 4, rng), ReLU()]), Dense(2, 12, rng), Bernoulli(), 2, n_draws=3),
            "IWAE Sequential Dense ReLU Dense Bernoulli Reparameterise KLOfOneDraw",
        ),
        (
            lambda rng: Autoencoder(Dense(12, 3, rng), Sequential([Dense(3, 12, rng)]), BinaryCrossEntropy()),
            "Autoencoder Dense Sequential Dense BinaryCrossEntropy",
        ),
        (
            lambda rng: Classifier(Sequential([Sequential([Dense(12, 3, rng)]), ReLU()])),
            "Classifier Sequential Sequential Dense ReLU SoftmaxCrossEntropy",
        ),
    ],
    ids=["VAE", "IWAE", "Autoencoder", "Classifier"],
)


def batch_for(model, x=X[:6]):
    return (x, np.array([0, 2, 1, 0, 1, 2])) if isinstance(model, Classifier) else x


@EVERY_MODEL
def test_losses_likelihood_sampler_and_divergence_are_parts_like_any_other(make, names, rng):
    """Walked over, switched and told to forget by the one walk over the tree."""
    model = make(rng)
    modules = list(model.walk())
    assert [type(module).__name__ for module in modules] == names.split()
    assert set(modules[1:]) == {part for module in modules for part in module.parts.values()}
    model.train(False)
    assert not any(module.training for module in modules)
    model.train()
    assert all(module.training for module in modules)
    modules[-1].train(False)
    with model.evaluating():
        assert not any(module.training for module in modules)
        model.loss_terms(batch_for(model), rng)
    assert [module.training for module in modules] == [True] * (len(modules) - 1) + [False]
    assert all(module.cache is None for module in modules)


@EVERY_MODEL
def test_forget_reaches_every_part(make, names, rng):
    model = make(rng)
    leaves = [module for module in model.walk() if not module.parts]
    model.loss_terms(batch_for(model), rng)
    assert all(leaf.cache is not None for leaf in leaves)
    model.forget()
    assert all(leaf.cache is None for leaf in leaves)
    for leaf in leaves:
        with pytest.raises(RuntimeError, match=rf"^{type(leaf).__name__}\.backward needs what its forward kept"):
            leaf.backward(np.ones(6, np.float32))


def test_a_frozen_part_stays_frozen_through_an_evaluation(rng):
    model = network(rng)
    model.loss_terms(X, rng)
    norm = model.encoder.layers[1]
    norm.train(False)
    averages = norm.buffers["mean"].copy()
    evaluate(model, X)
    model.encode(X)
    assert not norm.training and model.training and model.encoder.training and model.encoder.layers[3].training
    model.loss_terms(X + 1, rng)
    np.testing.assert_array_equal(norm.buffers["mean"], averages)


@pytest.mark.parametrize("mode", [True, False])
def test_backward_belongs_to_the_mode_of_its_forward(mode, rng):
    layer, x, dy = BatchNorm(3, dtype=np.float64), rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    layer.forward(x)
    answers = []
    for now in (mode, not mode):
        layer.train(mode)
        layer.forward(x)
        layer.train(now)
        answers.append(layer.backward(dy))
    np.testing.assert_array_equal(*answers)


def test_evaluation_is_deterministic_and_training_is_not(rng):
    model = network(rng)
    noise = np.random.default_rng(0)
    first, second = (model.loss_terms(X, noise)["reconstruction"] for _ in range(2))
    assert (first != second).any()
    averages = model.encoder.layers[1].buffers["mean"].copy()
    assert evaluate(model, X) == evaluate(model, X)
    np.testing.assert_array_equal(model.reconstruct(X), model.reconstruct(X))
    np.testing.assert_array_equal(model.encoder.layers[1].buffers["mean"], averages)  # evaluation moves nothing
    alone = model.encode(X[:1])
    np.testing.assert_allclose(alone, model.encode(X)[:1], rtol=1e-5)  # an example does not depend on its company


def test_buffers_survive_copies_and_casts(rng):
    model = network(rng)
    model.loss_terms(X, rng)
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.astype(np.float64)]
    for twin in twins:
        for name, array in model.buffers.items():
            np.testing.assert_array_equal(twin.buffers[name], array)
            assert not np.shares_memory(twin.buffers[name], array)
        own = twin.encoder.layers[1].buffers["mean"]
        assert np.shares_memory(own, twin.buffers["encoder.1.mean"])  # the model's are the layer's
        own += 1
    assert twins[2].buffers["encoder.1.mean"].dtype == np.float64 and twins[2].params.dtype == np.float64
    assert (model.buffers["encoder.1.mean"] < 1).all()


def test_buffers_are_written_into_and_never_replaced(rng):
    """An array put into the mapping would be one that the layer, or the model's checkpoint, does not know."""
    model = network(rng)
    for layer, name in ((model, "encoder.1.mean"), (model.encoder.layers[1], "mean"), (Dense(2, 3, rng), "mean")):
        for key in (name, ...):
            with pytest.raises(TypeError, match="does not support item assignment"):
                layer.buffers[key] = np.ones(5, np.float32)
        with pytest.raises(AttributeError):
            layer.buffers = {}
    model.buffers["encoder.1.mean"][...] = 7
    assert (model.encoder.layers[1].buffers["mean"] == 7).all()


def test_a_resumed_run_with_dropout_and_batch_norm_equals_one_that_never_stopped(tmp_path):
    def trainer() -> Trainer:
        rng = np.random.default_rng(5)  # of weights, order and masks: one generator, whose state is kept
        model = network(rng)
        return Trainer(model, Adam(model, lr=1e-2), rng, {"data": "x"})

    through, path = trainer(), tmp_path / "checkpoint.npz"
    through.fit(X, epochs=4, batch_size=10, held_out=X[:9])
    first = trainer()
    first.fit(X, epochs=2, batch_size=10, held_out=X[:9], after_epoch=[SaveCheckpoint(path)])
    second = trainer()
    second.restore(path)
    second.fit(X, epochs=4, batch_size=10, held_out=X[:9], after_epoch=[SaveCheckpoint(path)])
    np.testing.assert_array_equal(second.model.params, through.model.params)
    for name, array in through.model.buffers.items():
        np.testing.assert_array_equal(second.model.buffers[name], array)
    assert second.history[-1]["held_out_loss"] == through.history[-1]["held_out_loss"]
    again, _ = load_model(path)
    np.testing.assert_array_equal(again.reconstruct(X), through.model.reconstruct(X))


def test_a_whole_network_with_batch_norm_is_right(rng):
    f64 = {"dtype": np.float64}
    layers = [Reshape((1, 4, 3)), Conv2D(1, 2, 2, rng, b=0.1, **f64), BatchNorm(2, **f64), ReLU(), Flatten()]
    model = Classifier(Sequential([*layers, Dense(12, 3, rng, b=0.1, **f64)]))
    check_model(model, rng.normal(size=(7, 12)), rng.integers(0, 3, 7))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda rng: Dropout(1.0, rng), "from 0 to below 1, got rate=1.0"),
        (lambda rng: Dropout(1.5, rng), "from 0 to below 1, got rate=1.5"),
        (lambda rng: Dropout(-0.1, rng), "from 0 to below 1, got rate=-0.1"),
        (
            lambda rng: Dropout(0.5, rng).forward(np.ones((2, 3)), np.ones((3, 2), bool)),
            r"an array \(2, 3\) of booleans, got an array of bool of shape \(3, 2\)",
        ),
        (
            lambda rng: Dropout(0.5, rng).forward(np.ones((2, 3)), np.ones((1, 3), bool)),
            r"booleans, got an array of bool of shape \(1, 3\)",
        ),
        (
            lambda rng: Dropout(0.5, rng).forward(np.ones((2, 3)), np.ones((2, 3))),
            r"booleans, got an array of float64 of shape \(2, 3\)",
        ),
        (lambda rng: BatchNorm(0), "BatchNorm needs as its n_units a whole number from 1 upwards, got 0"),
        (lambda rng: BatchNorm(3, momentum=0), "above 0 and at most 1, got 0"),
        (lambda rng: BatchNorm(3, momentum=-0.1), "above 0 and at most 1, got -0.1"),
        (lambda rng: BatchNorm(3, momentum=1.1), "above 0 and at most 1, got 1.1"),
        (lambda rng: BatchNorm(3, eps=-1e-5), "eps must be a positive, finite number, got -1e-05"),
        (lambda rng: Dropout(0.5, rng).forward(np.ones((2, 1)), [[True], [True]]), "booleans, got a list"),
        (lambda rng: Dropout("0.5", rng), "from 0 to below 1, got rate='0.5'"),
        (lambda rng: Dropout(np.nan, rng), "from 0 to below 1, got rate=nan"),
        (lambda rng: BatchNorm(3.0), "as its n_units a whole number from 1 upwards, got 3.0"),
        (lambda rng: BatchNorm(3, momentum=[0.1]), r"above 0 and at most 1, got \[0.1\]"),
        (lambda rng: BatchNorm(3, eps=0), "eps must be a positive, finite number, got 0"),
        (lambda rng: BatchNorm(3, eps=np.inf), "eps must be a positive, finite number, got inf"),
        (lambda rng: BatchNorm(3).forward(np.ones((0, 3), np.float32)), "two numbers a unit or more .* got 0: train"),
        (lambda rng: BatchNorm(3).forward(np.ones((1, 3), np.float32)), "train with batches of at least two examples"),
        (lambda rng: BatchNorm(3).forward(np.ones((4, 5), np.float32)), r"expects x of shape \(N, 3\), got \(4, 5\)"),
    ],
)
def test_bad_input_is_named(call, message, rng):
    with pytest.raises(ValueError, match=message):
        call(rng)


def test_evaluation_before_any_training_step_is_refused(rng):
    with pytest.raises(RuntimeError, match=r"BatchNorm\(5, .*\) has no averages yet: train at least one step"):
        network(rng).reconstruct(X)


def test_one_number_a_channel_is_enough_if_the_image_has_more(rng):
    BatchNorm(3, dtype=np.float64).forward(rng.normal(size=(1, 3, 2, 1)))


def test_a_training_whose_batch_norm_overflows_has_diverged(rng):
    layers = [Dense(4, 3, rng, dtype=np.float32), BatchNorm(3), Dense(3, 4, rng, dtype=np.float32)]
    layers[0].W = np.full((4, 3), 1e30)
    model = Autoencoder(Sequential(layers), Identity(), MeanSquaredError())
    x = rng.random((8, 4)).astype(np.float32)
    with pytest.raises(DivergedError, match=r"the variance of x overflows float32 .* in epoch 1, iteration 1 of it"):
        Trainer(model, SGD(model, lr=0.1), rng).fit(x, epochs=1, batch_size=8)


def test_settings_at_the_ends_of_their_ranges_are_taken(rng):
    x = rng.normal(size=(5, 3))
    np.testing.assert_array_equal(Dropout(0, rng).forward(x), x)
    newest = BatchNorm(3, momentum=1, dtype=float)
    for batch in (100 * rng.random((4, 3)), x):
        newest.forward(batch)
    np.testing.assert_allclose(newest.buffers["mean"], x.mean(axis=0))  # nothing is left of the batch before


def test_batch_normalisation_s_defaults():
    layer = BatchNorm(3)
    assert (layer.momentum, layer.eps) == (0.1, 1e-5)
    assert not layer.beta.any() and (layer.gamma == 1).all()
    assert {name: average.tolist() for name, average in layer.buffers.items()} == {
        "mean": [0, 0, 0], "var": [1, 1, 1], "batches": [0],
    }  # fmt: skip
