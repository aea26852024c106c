"""One flat vector per model: whatever one does to a layer or a model, the views must not be cut off from it."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchnn import VAE, Bernoulli, Dense, ReLU, Sequential
from scratchnn.parameters import carve


def stack(rng) -> Sequential:
    return Sequential([Dense(3, 4, rng, b=1.0), ReLU(), Dense(4, 2, rng, b=2.0)])


def model(rng) -> VAE:
    encoder = Sequential([Dense(5, 7, rng, b=0.1), ReLU(), Dense(7, 4, rng, b=0.2)])
    return VAE(encoder, Sequential([Dense(2, 5, rng, b=0.3)]), Bernoulli(), n_z=2)


def assert_whole(m) -> None:
    """Every parameter and gradient of every layer is a window into the model's two vectors, and they tile these."""
    for vector, arrays in ((m.params, m.parameters), (m.grads, m.gradients)):
        assert vector.flags.c_contiguous and vector.shape == (sum(a.size for a in arrays.values()),)
        for array in arrays.values():
            assert np.shares_memory(vector, array)
        vector[...] = np.arange(vector.size)
        np.testing.assert_array_equal(np.concatenate([a.ravel() for a in arrays.values()]), np.arange(vector.size))


@given(st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=5))
def test_carved_views_tile_the_vector(shapes):
    named = {str(i): tuple(shape) for i, shape in enumerate(shapes)}
    vector = np.arange(float(sum(np.prod(s, dtype=int) for s in shapes)))
    views = carve(vector, named)
    assert {name: v.shape for name, v in views.items()} == named
    np.testing.assert_array_equal(np.concatenate([[], *(v.ravel() for v in views.values())]), vector)


def test_carve_refuses_a_vector_of_the_wrong_length_or_with_gaps():
    with pytest.raises(ValueError, match=r"expected a contiguous vector of shape \(6,\), got one of shape \(7,\)"):
        carve(np.zeros(7), {"W": (2, 3)})
    with pytest.raises(ValueError, match="contiguous"):
        carve(np.zeros(12)[::2], {"W": (2, 3)})


def test_a_model_is_one_vector_and_keeps_the_initial_values(rng):
    first, second = Dense(3, 4, rng, b=1.0), Dense(4, 2, rng, b=2.0)
    values = np.concatenate([first.params, second.params])
    m = Sequential([first, ReLU(), second])
    np.testing.assert_array_equal(m.params, values)
    assert list(m.parameters) == list(m.gradients) == ["0.W", "0.b", "2.W", "2.b"]
    assert np.shares_memory(first.W, m.params) and np.shares_memory(second.db, m.grads)
    assert_whole(m)


def test_phi_and_theta_are_two_consecutive_slices(rng):
    m = model(rng)
    phi, theta = m.encoder.params, m.decoder.params
    assert np.shares_memory(phi, m.params[: phi.size]) and np.shares_memory(theta, m.params[phi.size :])
    np.testing.assert_array_equal(np.concatenate([phi, theta]), m.params)
    assert_whole(m)


def test_assignment_writes_into_the_vector(rng):
    m = stack(rng)
    layer = m.layers[0]
    layer.W = np.full((3, 4), 7.0)
    layer.b += 1
    layer.dW = 3
    np.testing.assert_array_equal(m.params[:16], [7.0] * 12 + [2.0] * 4)
    np.testing.assert_array_equal(m.grads[:12], 3)
    m.params = np.arange(m.params.size)
    assert layer.W[0, 1] == 1
    assert_whole(m)


def test_assignment_of_another_shape_is_refused(rng):
    layer = Dense(3, 4, rng)
    with pytest.raises(ValueError, match=r"Dense.W has shape \(3, 4\); a value of shape \(4,\) cannot be written"):
        layer.W = np.zeros(4)


def test_the_mapping_of_parameters_cannot_be_rebound(rng):
    with pytest.raises(TypeError):
        stack(rng).parameters["0.W"] = np.zeros((3, 4))


@pytest.mark.parametrize("make", [stack, model])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_whole(make, duplicate, rng):
    original = make(rng)
    original.grads = 5
    values = original.params.copy()
    twin = duplicate(original)
    np.testing.assert_array_equal(twin.params, values)
    np.testing.assert_array_equal(twin.grads, 5)
    assert_whole(twin)
    assert_whole(original)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_deep_copy_shares_nothing_and_learns_by_itself(duplicate, rng):
    original = model(rng)
    values = original.params.copy()
    twin = duplicate(original)
    twin.params += 1
    np.testing.assert_array_equal(original.params, values)
    assert_whole(original)


def test_a_copied_part_stands_on_its_own(rng):
    m = model(rng)
    encoder = copy.deepcopy(m.encoder)
    classifier = Sequential([encoder, Dense(4, 10, rng)])
    np.testing.assert_array_equal(classifier.params[: m.encoder.params.size], m.encoder.params)
    assert not np.shares_memory(classifier.params, m.params)
    assert_whole(classifier)
    assert_whole(m)


def test_the_size_of_a_pickle_is_that_of_its_vectors(rng):
    m = Sequential([Sequential([Dense(100, 100, rng)]), Dense(100, 100, rng)])
    m.forward(np.ones((1000, 100), np.float32))
    assert len(pickle.dumps(m)) < 1.1 * (m.params.nbytes + m.grads.nbytes)


def test_a_layer_has_one_owner(rng):
    m = stack(rng)
    with pytest.raises(ValueError, match=r"already belongs to a model.*copy\.deepcopy"):
        Sequential([m.layers[0], Dense(4, 5, rng)])
    assert_whole(m)
    layer = Dense(3, 3, rng)
    with pytest.raises(ValueError, match="stands in this one twice"):
        Sequential([layer, layer])
    Sequential([layer])  # the failed attempts have not taken it


def test_a_layer_whose_model_is_gone_is_free_again(rng):
    layer = Dense(3, 3, rng)
    for _ in range(2):  # as when a notebook's cell is run again
        m = Sequential([layer])
        del m
        gc.collect()


def test_parts_and_views_cannot_be_replaced_behind_the_model_s_back(rng):
    m = model(rng)
    with pytest.raises(AttributeError):
        m.encoder = Sequential([Dense(5, 4, rng)])
    with pytest.raises(AttributeError):
        m.parameters = {}
    with pytest.raises(TypeError):
        m.parts["encoder"] = Sequential([Dense(5, 4, rng)])
    with pytest.raises(TypeError):
        m.encoder.layers[0] = Dense(5, 7, rng)


def test_a_model_has_one_dtype(rng):
    with pytest.raises(TypeError, match="one dtype, got float32 and float64"):
        Sequential([Dense(3, 4, rng), Dense(4, 2, rng, dtype=np.float64)])


def test_astype_makes_a_whole_copy(rng):
    m = model(rng)
    twin = m.astype(np.float64)
    assert m.params.dtype == np.float32 and twin.params.dtype == twin.encoder.layers[0].dW.dtype == np.float64
    np.testing.assert_array_equal(twin.params, m.params)
    assert_whole(twin)
    assert_whole(m)


def test_a_replica_shares_parameters_and_owns_gradients_and_caches(rng):
    m = stack(rng)
    replica = copy.deepcopy(m)
    replica.bind(m.params, np.zeros_like(m.grads))
    x = rng.normal(size=(6, 3)).astype(np.float32)
    dy = np.ones((6, 2), np.float32)
    m.forward(x)
    m.backward(dy)
    whole = m.grads.copy()
    for part, rows in ((m, slice(0, 2)), (replica, slice(2, 6))):
        part.forward(x[rows])
    for part, rows in ((m, slice(0, 2)), (replica, slice(2, 6))):
        part.backward(dy[rows])
    np.testing.assert_allclose(m.grads + replica.grads, whole, rtol=1e-5, atol=1e-6)
    m.layers[0].W = 1
    np.testing.assert_array_equal(replica.layers[0].W, 1)


def test_the_class_itself_has_no_weights():
    with pytest.raises(AttributeError, match="make a layer first"):
        _ = Dense.W
