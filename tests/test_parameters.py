"""One flat vector per model: whatever one does to a layer or a model, the views must not be cut off from it."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnn import SGD, VAE, Autoencoder, BatchNorm, Bernoulli, Classifier, Dense, MeanSquaredError, ReLU, Sequential
from scratchnn.layers import Layer, Module
from scratchnn.losses import Loss
from scratchnn.machinery.memory import Memory, Part
from scratchnn.machinery.parameters import split_vector
from scratchnn.training import Trainer


def stack(rng) -> Sequential:
    return Sequential([Dense(3, 4, rng, b=1.0), ReLU(), Dense(4, 2, rng, b=2.0)])


def model(rng) -> VAE:
    encoder = Sequential([Dense(5, 7, rng, b=0.1), ReLU(), Dense(7, 4, rng, b=0.2)])
    return VAE(encoder, Sequential([Dense(2, 5, rng, b=0.3)]), Bernoulli(), n_z=2)


def assert_whole(m) -> None:
    """Every parameter and gradient of every layer is a view into the model's two vectors, and they tile these."""
    for vector, arrays in ((m.params, m.parameters), (m.grads, m.gradients)):
        assert vector.flags.c_contiguous and vector.shape == (sum(a.size for a in arrays.values()),)
        for array in arrays.values():
            assert np.shares_memory(vector, array)
        vector[...] = np.arange(vector.size)
        np.testing.assert_array_equal(
            np.concatenate([[], *(a.ravel() for a in arrays.values())]), np.arange(vector.size)
        )


@given(st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=5))
def test_the_views_of_a_split_vector_tile_it(shapes):
    named = {str(i): tuple(shape) for i, shape in enumerate(shapes)}
    vector = np.arange(float(sum(np.prod(s, dtype=int) for s in shapes)))
    views = split_vector(vector, named)
    assert {name: v.shape for name, v in views.items()} == named
    np.testing.assert_array_equal(np.concatenate([[], *(v.ravel() for v in views.values())]), vector)


def test_a_vector_of_the_wrong_length_or_with_gaps_is_not_split():
    with pytest.raises(ValueError, match=r"expected a contiguous vector of shape \(6,\), got one of shape \(7,\)"):
        split_vector(np.zeros(7), {"W": (2, 3)})
    with pytest.raises(ValueError, match=r"got one of shape \(5,\)"):
        split_vector(np.zeros(5), {"W": (2, 3)})
    with pytest.raises(ValueError, match="contiguous"):
        split_vector(np.zeros(12)[::2], {"W": (2, 3)})


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
    with pytest.raises(ValueError, match=r"of shape \(1, 4\) cannot be written"):  # it is not spread over the rows
        layer.W = np.zeros((1, 4))


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


@pytest.mark.parametrize(
    "make, name, cls",
    [
        (model, "encoder", "VAE"),
        (model, "likelihood", "VAE"),
        (model, "sampler", "VAE"),
        (lambda rng: Autoencoder(Dense(5, 2, rng), Dense(2, 5, rng), MeanSquaredError()), "loss", "Autoencoder"),
        (lambda rng: Classifier(Dense(5, 2, rng)), "network", "Classifier"),
    ],
)
def test_assigning_a_part_says_why_it_cannot_be_and_what_can(make, name, cls, rng):
    m = make(rng)
    before = getattr(m, name)
    message = (
        f"^the {name} of a {cls} cannot be replaced, since its memory is a slice of the model's: "
        rf"make a new {cls}, or write into {name}\.params$"
    )
    with pytest.raises(AttributeError, match=message):
        setattr(m, name, copy.deepcopy(before))
    assert getattr(m, name) is before is m.parts[name]
    with pytest.raises(AttributeError, match=rf"^{cls}\.{name} belongs to an instance: make a {cls} first$"):
        getattr(type(m), name)


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


# ---- any tree of modules: arrays of its own, buffers, and parts


few = settings(max_examples=30)


class Made:
    """Made of arrays and buffers of its own, and of parts."""

    left, right = Part(Module), Part(Loss)

    def __init__(self, shapes, buffers, parts, dtype) -> None:
        super().__init__(shapes, parts, dtype)
        self.own_buffers = {name: np.full(shape, 0.5, dtype) for name, shape in buffers.items()}
        self.made_of = tuple(shapes)


class Branch(Made, Layer):
    pass


class Criterion(Made, Loss):
    pass


@st.composite
def trees(draw, dtype=None, cls=Branch, depth=2):
    dtype = dtype or draw(st.sampled_from([np.float32, np.float64]))
    shapes = st.dictionaries(st.sampled_from("WbcU"), st.lists(st.integers(1, 3), max_size=3).map(tuple), max_size=3)
    buffers = st.dictionaries(st.sampled_from(["mean", "var"]), st.tuples(st.integers(1, 3)))
    parts = {}
    if depth:
        for name, kind in (("left", Branch), ("right", Criterion), ("0", Branch)):
            if draw(st.booleans()):
                parts[name] = draw(trees(dtype, kind, depth - 1))
    return cls(draw(shapes), draw(buffers), parts, dtype)


def shown(module: Memory) -> tuple:
    """All that a module is: classes, names, values, types, modes, down to the last part."""
    own = {name: module.parameters[name].tolist() for name in module.shapes}
    gradients = {name: module.gradients[name].tolist() for name in module.shapes}
    buffers = {name: (array.tolist(), array.dtype) for name, array in module.own_buffers.items()}
    parts = {name: shown(part) for name, part in module.parts.items()}
    return type(module), module.made_of, module.training, module.params.dtype, own, gradients, buffers, parts


def assert_one_tree(tree: Branch) -> None:
    """Every part of the tree, however deep, has its memory where its names say, and every name leads to it."""
    modules = list(tree.walk())
    assert modules[0] is tree and len({id(module) for module in modules}) == len(modules)
    for module in modules:
        below = [m for part in module.parts.values() for m in part.walk()]
        start = modules.index(module)
        assert below == modules[start + 1 : start + 1 + len(below)]  # a module first, then its parts, each whole
        sizes = [int(np.prod(shape, dtype=int)) for shape in module.shapes.values()]
        sizes += [part.params.size for part in module.parts.values()]
        assert module.params.size == module.grads.size == sum(sizes)
        names = [*module.shapes]
        names += [f"{key}.{name}" for key, part in module.parts.items() for name in part.parameters]
        assert [*module.parameters] == [*module.gradients] == names
        for key, part in module.parts.items():
            assert part.owner() is module and module.parts[key] is part
            for name, array in part.buffers.items():
                assert module.buffers[f"{key}.{name}"] is array
        for key in {"left", "right"} & {*module.parts}:
            assert getattr(module, key) is module.parts[key]
    leaves = [module.parameters[name] for module in modules for name in module.shapes]
    gradients = [module.gradients[name] for module in modules for name in module.shapes]
    for vector, arrays in ((tree.params, leaves), (tree.grads, gradients)):
        kept = vector.copy()
        vector[...] = np.arange(vector.size)
        np.testing.assert_array_equal(np.concatenate([[], *(a.ravel() for a in arrays)]), np.arange(vector.size))
        vector[...] = kept
    assert_whole(copy.deepcopy(tree))


def numbered(tree: Branch) -> Branch:
    """The tree with another value in every place, and some of it in evaluation mode."""
    tree.params, tree.grads = np.arange(tree.params.size) + 1, -np.arange(tree.grads.size) - 1
    for position, array in enumerate(tree.buffers.values()):
        array[...] = 100 + position
    for position, module in enumerate(tree.walk()):
        module.training = position % 3 != 1
    return tree


@few
@given(trees())
def test_any_tree_of_modules_is_one_vector(tree):
    assert_one_tree(numbered(tree))


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, copy.copy, lambda m: pickle.loads(pickle.dumps(m)), lambda m: m.astype(m.params.dtype)],
    ids=["deepcopy", "copy", "pickle", "astype"],
)
@few
@given(trees())
def test_a_copy_of_any_tree_is_the_tree_and_shares_nothing(duplicate, tree):
    before = shown(numbered(tree))
    twin = duplicate(tree)
    assert shown(twin) == before
    assert_one_tree(twin)
    twin.params, twin.grads = 0, 0
    for array in twin.buffers.values():
        array[...] = 0
    assert shown(tree) == before and twin.owner is None
    assert_one_tree(tree)


@few
@given(trees(dtype=np.float32))
def test_any_tree_is_cast_whole(tree):
    twin = numbered(tree).astype(np.float64)
    for module in twin.walk():
        assert {array.dtype for array in (*module.parameters.values(), *module.buffers.values())} <= {np.dtype(float)}
        assert module.params.dtype == np.float64
    assert_one_tree(twin)
    np.testing.assert_array_equal(twin.params, tree.params)
    for name, array in tree.buffers.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(twin.buffers[name], array)


@few
@given(trees())
def test_any_tree_is_bound_to_vectors_from_outside(tree):
    params, grads = np.arange(2.0 * tree.params.size).reshape(2, -1)
    tree.bind(params, grads)
    assert tree.params is params and tree.grads is grads
    assert_one_tree(tree)
    params += 1
    np.testing.assert_array_equal(
        np.concatenate([[], *(array.ravel() for array in tree.parameters.values())]), np.arange(params.size) + 1
    )


@few
@given(trees(), st.data())
def test_a_copied_branch_stands_on_its_own_and_the_tree_goes_on(tree, data):
    branch = data.draw(st.sampled_from([*numbered(tree).walk()]))
    before, of_branch = shown(tree), shown(branch)
    for duplicate in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        twin = duplicate(branch)
        assert shown(twin) == of_branch and twin.owner is None
        assert_one_tree(twin)
        parent = Sequential([twin])
        assert [*parent.parameters] == [f"0.{name}" for name in branch.parameters]
        twin.params = 0
    assert shown(tree) == before
    assert_one_tree(tree)


def test_the_buffers_of_nested_parts_have_the_names_of_their_places(rng):
    norms = [BatchNorm(3), BatchNorm(2), BatchNorm(4)]
    encoder = Sequential([Sequential([Dense(5, 3, rng), norms[0]]), Dense(3, 2, rng), norms[1]])
    m = Classifier(Sequential([encoder, Sequential([Sequential([Dense(2, 4, rng), norms[2]])])]))
    places = ["network.0.0.1", "network.0.2", "network.1.0.1"]
    assert [*m.buffers] == [f"{place}.{name}" for place in places for name in ("mean", "var", "batches")]
    for place, norm in zip(places, norms, strict=True):
        for name, array in norm.own_buffers.items():
            assert m.buffers[f"{place}.{name}"] is norm.buffers[name] is array


@pytest.mark.parametrize("value, got", [(None, "None"), (1j, "1j"), ("x", "'x'"), ([None, 1], "object")])
def test_what_is_no_number_is_no_parameter(value, got, rng):
    """NumPy would write None as NaN, and of 1j the real part."""
    layer = Dense(3, 2, rng)
    with pytest.raises(TypeError, match=rf"^Dense\.b holds numbers, float32, got {got}$"):
        layer.b = value
    if np.ndim(value) == 0:
        with pytest.raises(TypeError, match=r"Dense\.b holds numbers"):
            Dense(3, 2, rng, b=value)


class Wrap(Layer):
    """Has a layer of its own, and does not say so."""

    def __init__(self, inner, /, **parts):
        super().__init__(parts=parts)
        self.inner = inner

    def forward(self, x):
        return self.inner[0].forward(x) if isinstance(self.inner, list) else self.inner.forward(x)

    def backward(self, dy):
        return self.inner[0].backward(dy) if isinstance(self.inner, list) else self.inner.backward(dy)


def test_a_layer_that_nothing_would_train_is_told(rng):
    for inner in (Dense(3, 3, rng), [Dense(3, 3, rng)]):
        with pytest.raises(ValueError, match=r"Wrap\(\) has in its attribute inner Dense\(3, 3\), which is none"):
            Sequential([Wrap(inner), Dense(3, 2, rng)])
        with pytest.raises(ValueError, match="so nothing would train it: give it to the constructor, super"):
            Trainer(lone := Wrap(inner), SGD(lone, 0.1), rng)
    lone.inner = Dense(3, 3, rng).forward  # of one that is not to be trained
    Trainer(lone, SGD(lone, 0.1), rng)
    # a part, what has no parameters, and what is a part elsewhere, as with tied weights, are all right
    inner = Dense(3, 3, rng)
    assert Sequential([Wrap(inner, inner=inner), Wrap(ReLU())]).params.size == 12
    shared = Dense(3, 3, rng)
    tied = Sequential([shared, Wrap(shared)])
    assert tied.params.size == 12 and copy.deepcopy(tied).params.size == 12
