"""Every layer, loss and likelihood: gradients against finite differences, outputs against other means."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
import scipy.special
from cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

import scratchnn
from scratchnn import (
    VAE,
    Autoencoder,
    BatchNorm,
    Classifier,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Exponential,
    Identity,
    MeanSquaredError,
    ReLU,
    Sequential,
    Sigmoid,
    Softplus,
    Step,
    Tanh,
    layers,
)
from scratchnn.gradcheck import check_layer
from scratchnn.layers import Composite, Layer
from scratchnn.layers.activations import sigmoid, softplus

SHAPE_OF_A_MODEL = {
    Layer,
    Composite,
    VAE,
    Autoencoder,
    Classifier,
}  # abstract, or checked as a whole in tests of their own


def subclasses(cls: type) -> set[type]:
    return {cls, *(sub for direct in cls.__subclasses__() for sub in subclasses(direct))}


LIBRARY = sorted(
    (c for c in subclasses(Layer) - SHAPE_OF_A_MODEL if c.__module__.startswith("scratchnn.")), key=lambda c: c.__name__
)
every_layer = pytest.mark.parametrize("cls", LIBRARY, ids=lambda cls: cls.__name__)


@every_layer
def test_a_case_exists(cls):
    assert cls in CASES, f"{cls.__name__} has no case in tests/cases.py: CONTRIBUTING.md says what it takes"


@every_layer
def test_gradients_agree_with_finite_differences(cls, rng):
    case = CASES[cls]
    report = check_layer(case.make(rng), *case.inputs(rng), constants=case.constants(rng), seed=1)
    for array in report.arrays:
        assert array.judged.all()
        assert case.vanishes or array.analytic.any(), f"{array.name} is all zero: the check would pass on anything"


@every_layer
def test_outputs_agree_with_an_independent_computation(cls, rng):
    case = CASES[cls]
    layer, inputs, constants = case.make(rng), case.inputs(rng), case.constants(rng)
    np.testing.assert_allclose(
        layer.forward(*inputs, *constants), case.oracle(layer, *inputs, *constants), rtol=1e-11, atol=1e-12
    )


@every_layer
def test_the_docstring_carries_the_derivation(cls):
    positions = [inspect.getdoc(cls).find(f"\n{part}\n") for part in ("Shapes", "Forward", "Backward", "Watch")]
    assert -1 not in positions and positions == sorted(positions), "Shapes, Forward, Backward, Watch, in this order"


@every_layer
def test_backward_wants_one_forward_before_it(cls, rng):
    case = CASES[cls]
    layer, arguments = case.make(rng), (*case.inputs(rng), *case.constants(rng))
    dy = np.ones_like(layer.forward(*arguments))
    layer.backward(dy)
    with pytest.raises(RuntimeError, match="call forward once before each backward"):
        layer.backward(dy)
    layer.forward(*arguments)
    layer.forget()
    with pytest.raises(RuntimeError, match="call forward once before each backward"):
        layer.backward(dy)


@every_layer
def test_float32_stays_float32(cls, rng):
    case = CASES[cls]
    layer = case.make(rng).astype(np.float32)
    arguments = [
        a.astype(np.float32) if a.dtype == np.float64 else a for a in (*case.inputs(rng), *case.constants(rng))
    ]
    y = layer.forward(*arguments)
    returned = layer.backward(np.ones_like(y))
    gradients = returned if isinstance(returned, tuple) else (returned,)
    assert {a.dtype for a in (y, *gradients, layer.grads)} == {np.dtype(np.float32)}


@every_layer
def test_what_learns_takes_its_own_dtype_and_no_other(cls, rng):
    """NumPy would compute in float64 for a single float64 array among float32 ones, and nobody would notice."""
    layer, (x, *_) = CASES[cls].make(rng).astype(np.float32), CASES[cls].inputs(rng)
    if layer.params.size:
        with pytest.raises(TypeError, match=r"holds float32 and was given x as float64: convert x with x\.astype"):
            layer.forward(x)


@pytest.mark.parametrize("dtype", [np.float16, np.int32, complex])
@pytest.mark.parametrize(
    "make", [lambda **more: Dense(2, 3, np.random.default_rng(0), **more), lambda **more: BatchNorm(3, **more)]
)
def test_layers_compute_in_one_of_two_dtypes(make, dtype):
    with pytest.raises(ValueError, match=f"computes in float32 or float64, got dtype={np.dtype(dtype)}"):
        make(dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float16, int])
def test_no_copy_computes_in_another_dtype_either(dtype, rng):
    for layer in (Dense(2, 3, rng), Sequential([Dense(2, 3, rng)])):
        with pytest.raises(ValueError, match=f"computes in float32 or float64, got dtype={np.dtype(dtype)}"):
            layer.astype(dtype)
    with pytest.raises(TypeError, match=r"was given x as float16: convert x with x\.astype\(np\.float32\)$"):
        Dense(2, 3, rng).forward(np.ones((4, 2), np.float16))


@pytest.mark.parametrize("rng", [1, None, np.random.RandomState(0), np.random])
@pytest.mark.parametrize(
    "make",
    [
        lambda rng: Dense(3, 4, rng),
        lambda rng: Conv2D(1, 8, 3, rng),
        lambda rng: ConvTranspose2D(1, 8, 3, rng),
        lambda rng: Dropout(0.5, rng),
    ],
)
def test_what_draws_numbers_needs_a_generator(make, rng):
    with pytest.raises(
        TypeError, match=r"needs a generator of random numbers, rng = np\.random\.default_rng\(seed\), got"
    ):
        make(rng)


@every_layer
@pytest.mark.parametrize("wrong", [lambda x: x.tolist(), lambda x: (100 * x).astype(int)], ids=["list", "int"])
def test_every_layer_wants_an_array_of_floats(cls, wrong, rng):
    case = CASES[cls]
    if not cls.__module__.startswith("scratchnn.layers"):
        return
    layer, (x,), constants = case.make(rng), case.inputs(rng), case.constants(rng)
    for mode in (True, False):
        layer.train(mode)
        with pytest.raises(TypeError, match=r"expects x to be an array.* of floats, got an? .*, and scale pixels to"):
            layer.forward(wrong(x), *constants)
    layer.train()
    dy = np.ones_like(layer.forward(x, *constants))
    with pytest.raises(
        TypeError, match=r"expects dy to be an array.*: convert it, as in np.asarray\(dy, np.float32\)$"
    ):
        layer.backward(wrong(dy))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 4), n_in=st.integers(1, 4), n_out=st.integers(1, 4), seed=st.integers(0, 999))
def test_dense_is_right_for_every_shape(n, n_in, n_out, seed):
    rng = np.random.default_rng(seed)
    layer = Dense(n_in, n_out, rng, b=rng.normal(size=n_out), dtype=np.float64)
    check_layer(layer, rng.normal(size=(n, n_in)), seed=seed)


def test_the_lowest_layer_computes_no_input_gradient_when_told_so(rng):
    x, dy = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    stack = Sequential([Tanh(), Dense(3, 4, rng, dtype=np.float64), Tanh(), Dense(4, 2, rng, dtype=np.float64)])
    stack.forward(x)
    assert stack.backward(dy).shape == x.shape
    grads = stack.grads.copy()
    stack.grads = 0
    stack.forward(x)
    assert stack.backward(dy, need_dx=False) is None
    np.testing.assert_array_equal(stack.grads, grads)


@every_layer
def test_layers_that_learn_can_leave_out_the_input_gradient(cls, rng):
    case = CASES[cls]
    layer, arguments = case.make(rng), (*case.inputs(rng), *case.constants(rng))
    if not layer.params.size:
        return
    dy = rng.normal(size=layer.forward(*arguments).shape)
    layer.backward(dy)
    grads = layer.grads.copy()
    layer.grads = 0
    layer.forward(*arguments)
    assert layer.backward(dy, need_dx=False) is None
    np.testing.assert_array_equal(layer.grads, grads)


@every_layer
def test_an_upstream_gradient_of_another_shape_is_refused(cls, rng):
    """Broadcasting would make a wrong answer of the right shape from it."""
    case = CASES[cls]
    layer = case.make(rng)
    dy = np.ones_like(layer.forward(*case.inputs(rng), *case.constants(rng)))
    with pytest.raises(ValueError, match="of shape"):
        layer.backward(dy[:1])


def test_relu_chooses_slope_zero_at_its_kink():
    layer = ReLU()
    layer.forward(np.array([[-1.0, 0.0, 1.0]]))
    np.testing.assert_array_equal(layer.backward(np.ones((1, 3))), [[0, 0, 1]])


def test_step_is_one_at_zero():
    np.testing.assert_array_equal(Step().forward(np.array([-1e-30, 0.0, 1e-30])), [0, 1, 1])


WIDE = np.concatenate([np.linspace(-104, 104, 2001), [-3.4e38, -1e4, 0.0, 1e4, 3.4e38]]).astype(np.float32)


@pytest.mark.parametrize("function, exact", [(sigmoid, scipy.special.expit), (softplus, lambda x: np.logaddexp(0, x))])
def test_sigmoid_and_softplus_are_accurate_at_both_ends_of_float32(function, exact):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = function(WIDE)
    # four roundings, one of them in exp of an argument up to 104 that is itself exact; below 1.2e-38 digits are lost
    np.testing.assert_allclose(y, exact(WIDE.astype(np.float64)), rtol=8 * 2.0**-24, atol=2.0**-126)


@pytest.mark.parametrize("cls", [Step, Identity, Tanh, ReLU, Softplus, Sigmoid])
def test_no_activation_overflows_in_either_direction(cls):
    layer = cls()
    y = layer.forward(WIDE)
    assert np.isfinite(y).all() and np.isfinite(layer.backward(np.ones_like(y))).all()


def test_the_exponential_leaves_float32_where_its_value_does():
    with np.errstate(over="ignore"):
        y = Exponential().forward(np.array([-200, 88.7, 88.8], np.float32))
    assert y[0] == 0 and np.isfinite(y[1]) and np.isinf(y[2])


def test_softmax_gradient_rows_add_up_to_zero_and_large_logits_are_harmless(rng):
    from scratchnn import SoftmaxCrossEntropy

    loss = SoftmaxCrossEntropy()
    logits = np.array([[1e4, 0, -1e4], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(loss.forward(logits, np.array([2, 1])), [2e4, np.log(3)], rtol=1e-6)
    np.testing.assert_allclose(loss.backward(np.ones(2, np.float32)).sum(axis=1), 0, atol=1e-6)


@pytest.mark.parametrize(
    "x, error, message",
    [
        (np.ones((5, 4), np.float32), ValueError, r"Dense\(3, 2\) expects x of shape \(N, 3\), got \(5, 4\)"),
        (np.ones(3, np.float32), ValueError, r"of shape \(N, 3\), got \(3,\)"),
        (np.ones((5, 3, 1), np.float32), ValueError, r"got \(5, 3, 1\): Flatten\(\) makes rows of images"),
        (np.ones((5, 3), np.uint8), TypeError, "floats, got an array of uint8: convert it"),
        (np.full((5, 3), "7"), TypeError, "got an array of <U1"),
        ([[1.0, 2.0, 3.0]], TypeError, "got a list"),
    ],
)
def test_dense_says_what_is_wrong_with_its_input(x, error, message, rng):
    with pytest.raises(error, match=message):
        Dense(3, 2, rng).forward(x)


def test_dense_says_what_is_wrong_with_the_upstream_gradient(rng):
    layer = Dense(3, 2, rng)
    layer.forward(np.ones((5, 3), np.float32))
    with pytest.raises(ValueError, match=r"expects dy of shape \(5, 2\), got \(4, 2\)"):
        layer.backward(np.ones((4, 2), np.float32))


@pytest.mark.parametrize("n_in, n_out", [(0, 3), (3, 0), (-1, 2), (3.0, 2), (3, True)])
def test_dense_needs_inputs_and_outputs(n_in, n_out, rng):
    with pytest.raises(ValueError, match=r"Dense needs as its n_(in|out) a whole number from 1 upwards, got"):
        Dense(n_in, n_out, rng)


def test_an_empty_sequential_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        Sequential([])


@pytest.mark.parametrize(
    "part, got", [(ReLU, "the class ReLU"), (None, "a NoneType"), ([], "a list"), (np.ones(2), "an array of float64")]
)
def test_models_are_made_of_layers(part, got, rng):
    dense = Dense(3, 3, rng)
    for make, name in (
        (lambda: Sequential([dense, part]), "Sequential needs as its part '1'"),
        (lambda: Classifier(part), "Classifier needs as its part 'network'"),
        (lambda: Autoencoder(part, dense, MeanSquaredError()), "Autoencoder needs as its part 'encoder'"),
        (lambda: Autoencoder(dense, dense, part), "Autoencoder needs as its loss"),
        (lambda: VAE(dense, dense, part, 2), "VAE needs as its likelihood"),
    ):
        with pytest.raises(TypeError, match=f"{name} one object that is a layer, got {got}: make one of a list"):
            make()


def test_all_layers_are_public():
    own = {c.__name__ for c in LIBRARY if c.__module__.startswith("scratchnn.layers")}
    assert own <= set(layers.__all__) and own <= set(scratchnn.__all__)
