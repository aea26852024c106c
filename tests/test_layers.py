"""Every layer, loss and likelihood: gradients against finite differences, outputs against other means."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest
import scipy.special
from cases import CASES
from decimals import LOG1P, SIGMOID, SOFTPLUS
from hypothesis import given, settings
from hypothesis import strategies as st

import scratchnn
from scratchnn import (
    IWAE,
    VAE,
    Autoencoder,
    BatchNorm,
    Bernoulli,
    BinaryCrossEntropy,
    Classifier,
    ContinuousBernoulli,
    Conv2D,
    ConvTranspose2D,
    Dense,
    DiscretisedLogistic,
    Dropout,
    Exponential,
    Flatten,
    Gaussian,
    Identity,
    MaxPool2D,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    SigmoidMean,
    Softplus,
    Step,
    Tanh,
    UpSampling2D,
    layers,
)
from scratchnn.gradcheck import GradientError, check_layer, check_model
from scratchnn.layers import Elementwise, Layer, Module
from scratchnn.layers.activations import sigmoid, softplus
from scratchnn.likelihoods import Likelihood
from scratchnn.losses import Loss, batch_mean
from scratchnn.machinery.logarithm import log1p, log_mean_exp

ABSTRACT = {Module, Layer, Loss, Likelihood}
CHECKED_ELSEWHERE = {Elementwise, VAE, IWAE, Autoencoder, Classifier}  # by its subclasses, or as a whole


def subclasses(cls: type) -> set[type]:
    return {cls, *(sub for direct in cls.__subclasses__() for sub in subclasses(direct))}


def named(cls: type) -> str:
    return cls.__name__


LIBRARY = sorted(
    (c for c in subclasses(Module) - ABSTRACT - CHECKED_ELSEWHERE if c.__module__.startswith("scratchnn.")), key=named
)
LAYERS = [cls for cls in LIBRARY if issubclass(cls, Layer)]
LEARNING = [cls for cls in LAYERS if cls in CASES and CASES[cls].make(np.random.default_rng(0)).params.size]
every_module = pytest.mark.parametrize("cls", LIBRARY, ids=named)
every_layer = pytest.mark.parametrize("cls", LAYERS, ids=named)
every_layer_that_learns = pytest.mark.parametrize("cls", LEARNING, ids=named)


def arrays_of(returned: object) -> tuple[np.ndarray, ...]:
    """What a forward or backward returns: one array, or several."""
    return returned if isinstance(returned, tuple) else (returned,)


@every_module
def test_a_case_exists(cls):
    assert cls in CASES, f"{cls.__name__} has no case in tests/cases.py: CONTRIBUTING.md says what it takes"


@every_module
def test_gradients_agree_with_finite_differences(cls, rng):
    case = CASES[cls]
    report = check_layer(case.make(rng), *case.inputs(rng), constants=case.constants(rng), seed=1)
    for array in report.arrays:
        assert array.judged.all()
        assert case.vanishes or array.analytic.any(), f"{array.name} is all zero: the check would pass on anything"


@every_module
def test_outputs_agree_with_an_independent_computation(cls, rng):
    case = CASES[cls]
    layer, inputs, constants = case.make(rng), case.inputs(rng), case.constants(rng)
    np.testing.assert_allclose(
        layer.forward(*inputs, *constants), case.oracle(layer, *inputs, *constants), rtol=1e-11, atol=1e-12
    )


@pytest.mark.parametrize("cls", [*LIBRARY, *sorted(CHECKED_ELSEWHERE, key=named)], ids=named)
def test_the_docstring_carries_the_derivation(cls):
    positions = [inspect.getdoc(cls).find(f"\n{part}\n") for part in ("Shapes", "Forward", "Backward", "Watch")]
    assert -1 not in positions and positions == sorted(positions), "Shapes, Forward, Backward, Watch, in this order"


@pytest.mark.parametrize("cls", [*LIBRARY, *sorted(CHECKED_ELSEWHERE, key=named)], ids=named)
def test_the_docstring_opens_with_what_it_is_for(cls):
    """Before Shapes, in one or two sentences: more than a formula."""
    opening = inspect.getdoc(cls).partition("\nShapes\n")[0]
    assert len(re.findall(r"\b[A-Za-z]{2,}\b", opening)) >= 6 and len(re.findall(r"[.:]\s", opening)) <= 3


@every_module
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


@every_module
def test_float32_stays_float32(cls, rng):
    case = CASES[cls]
    layer = case.make(rng).astype(np.float32)
    arguments = [
        a.astype(np.float32) if a.dtype == np.float64 else a for a in (*case.inputs(rng), *case.constants(rng))
    ]
    y = layer.forward(*arguments)
    gradients = arrays_of(layer.backward(np.ones_like(y)))
    assert {a.dtype for a in (y, *gradients, layer.grads)} == {np.dtype(np.float32)}


def test_some_layers_learn():
    """Those of the library that have weights; the tests below that are for them would else pass on none."""
    assert {Dense, Sequential, Conv2D, ConvTranspose2D, BatchNorm} <= set(LEARNING)


@every_layer_that_learns
def test_what_learns_takes_its_own_dtype_and_no_other(cls, rng):
    """NumPy would compute in float64 for a single float64 array among float32 ones, without a word."""
    layer, (x, *_) = CASES[cls].make(rng).astype(np.float32), CASES[cls].inputs(rng)
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


@settings(max_examples=25)
@given(n=st.integers(1, 4), n_in=st.integers(1, 4), n_out=st.integers(1, 4), seed=st.integers(0, 999))
def test_dense_is_right_for_every_shape(n, n_in, n_out, seed):
    rng = np.random.default_rng(seed)
    layer = Dense(n_in, n_out, rng, b=rng.normal(size=n_out), dtype=np.float64)
    check_layer(layer, rng.normal(size=(n, n_in)), seed=seed)


# ---- write_gradients: backward where x is data


@every_layer
def test_write_gradients_is_backward_without_dx(cls, rng):
    """To the bit, and it takes what forward kept, as backward does."""
    case = CASES[cls]
    layer, arguments = case.make(rng), (*case.inputs(rng), *case.constants(rng))
    dy = rng.normal(size=layer.forward(*arguments).shape)
    layer.backward(dy)
    grads = layer.grads.copy()
    layer.grads = 0
    layer.forward(*arguments)
    assert layer.write_gradients(dy) is None
    np.testing.assert_array_equal(layer.grads, grads)
    assert grads.any() == (cls in LEARNING)
    with pytest.raises(RuntimeError, match="call forward once before each backward"):
        layer.write_gradients(dy)


@pytest.mark.parametrize("cls", [Dense, Conv2D, ConvTranspose2D], ids=named)
def test_write_gradients_makes_no_product_with_the_weights(cls, rng):
    """dx takes W; dW and db do not. So a layer whose W cannot be read any more has them all the same."""

    def unreadable(layer):
        raise AssertionError("W was read")

    case = CASES[cls]
    layer, (x,) = case.make(rng), case.inputs(rng)
    dy = rng.normal(size=layer.forward(x).shape)
    layer.write_gradients(dy)
    grads = layer.grads.copy()
    layer.grads = 0
    blind = type("Blind", (cls,), {"W": property(unreadable)})
    for way, reads in (("write_gradients", False), ("backward", True)):
        layer.forward(x)
        layer.__class__ = blind
        if reads:
            with pytest.raises(AssertionError, match="W was read"):
                layer.backward(dy)
        else:
            getattr(layer, way)(dy)
            np.testing.assert_array_equal(layer.grads, grads)
        layer.__class__ = cls


def watched(module: Module, asked: list[tuple[str, str]]) -> Module:
    """The same module; what its layers are asked for on the way down is written into `asked`, as (layer, method)."""
    inside: list[Module] = []

    def watch(layer: Module, method: str) -> Callable[[np.ndarray], np.ndarray | None]:
        answer = getattr(layer, method)

        def asking(dy):
            if not inside:  # Dense.backward calls its own write_gradients
                asked.append((repr(layer), method))
            inside.append(layer)
            returned = answer(dy)
            inside.pop()
            return returned

        return asking

    for layer in module.walk():
        if isinstance(layer, Layer) and not layer.parts:
            for method in ("backward", "write_gradients"):
                setattr(layer, method, watch(layer, method))
    return module


def row(rng: np.random.Generator) -> Sequential:
    first, second, third = (Dense(*sizes, rng, dtype=np.float64) for sizes in ((3, 5), (5, 4), (4, 2)))
    return Sequential([Tanh(), ReLU(), first, Sigmoid(), second, Softplus(), third])


def row_of_rows(rng: np.random.Generator) -> Sequential:
    first, second, third = (Dense(*sizes, rng, dtype=np.float64) for sizes in ((3, 5), (5, 4), (4, 2)))
    rows = [Sequential([Tanh(), ReLU()]), Sequential([ReLU(), first, Sigmoid(), second])]
    return Sequential([*rows, Softplus(), Sequential([third])])


@pytest.mark.parametrize("make", [row, row_of_rows])
def test_nothing_below_the_lowest_layer_that_learns_is_asked(make, rng):
    stack, x, dy = make(rng), rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    stack.forward(x)
    assert stack.backward(dy).shape == x.shape
    grads = stack.grads.copy()
    stack.grads = 0
    stack.forward(x)
    asked: list[tuple[str, str]] = []
    watched(stack, asked).write_gradients(dy)
    assert asked == [
        ("Dense(4, 2)", "backward"),
        ("Softplus()", "backward"),
        ("Dense(5, 4)", "backward"),
        ("Sigmoid()", "backward"),
        ("Dense(3, 5)", "write_gradients"),
    ]
    np.testing.assert_array_equal(stack.grads, grads)


@pytest.mark.parametrize(
    "make, more",
    [
        (lambda f, g: VAE(Sequential([Tanh(), f]), g, Bernoulli(), 2), np.ones((6, 2))),
        (lambda f, g: Autoencoder(f, Sequential([g]), BinaryCrossEntropy()), None),
        (lambda f, g: Classifier(Sequential([Tanh(), Sequential([f, g])])), np.array([0, 4, 1, 2, 1, 0])),
    ],
    ids=["VAE", "Autoencoder", "Classifier"],
)
def test_a_model_asks_for_no_gradient_with_respect_to_its_data(make, more, rng):
    code = 4 if more is not None and more.ndim == 2 else 2  # of a VAE: means and log-variances
    lower, upper = (Dense(*sizes, rng, dtype=np.float64) for sizes in ((5, code), (2, 5)))
    asked: list[tuple[str, str]] = []
    model = watched(make(lower, upper), asked)
    model.forward(rng.random((6, 5)), *([] if more is None else [more]))
    model.backward(np.ones(6))
    assert asked == [("Dense(2, 5)", "backward"), (repr(lower), "write_gradients")]


class HalfTheWeights(Dense):
    """Replaces backward and nothing else, with a mistake."""

    def backward(self, dy):
        (x,) = self.take_cache()
        self.dW, self.db = 0.5 * x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T


class Half:
    def backward(self, dy):
        return HalfTheWeights.backward(self, dy)


class MixedIn(Half, Dense):
    """Takes the same backward from a class that stands before Dense."""


class StillWrong(HalfTheWeights):
    """Takes over the wrong backward, and with it what it is called by."""


@pytest.mark.parametrize("cls", [HalfTheWeights, MixedIn, StillWrong], ids=named)
def test_a_backward_that_replaces_another_is_the_one_that_is_used_at_the_bottom(cls, rng):
    """Dense's own write_gradients would be right: the check would pass on a backward that it has not seen."""
    model = Classifier(Sequential([cls(4, 5, rng, b=0.1), Tanh(), Dense(5, 3, rng, b=0.1)])).astype(np.float64)
    with pytest.raises(GradientError, match=r"network\.0\.dW .*WRONG"):
        check_model(model, rng.normal(size=(6, 4)), np.array([0, 2, 1, 1, 0, 2]))


def test_a_layer_may_replace_both(rng):
    class Both(HalfTheWeights):
        def write_gradients(self, dy):
            self.grads = 7
            self.take_cache()

    model = Sequential([Both(4, 5, rng)])
    model.forward(np.ones((2, 4), np.float32))
    model.write_gradients(np.ones((2, 5), np.float32))
    assert (model.grads == 7).all()


def test_a_classifier_of_nothing_but_its_inputs_has_no_gradient_and_no_trouble(rng):
    model, logits = Classifier(Identity()), rng.normal(size=(5, 3))
    labels = np.array([0, 2, 1, 1, 0])
    loss = model.forward(logits, labels)
    assert model.backward(np.ones(5)) is None and model.grads.size == 0
    np.testing.assert_allclose(loss, -scipy.special.log_softmax(logits, axis=1)[np.arange(5), labels], rtol=1e-12)


# ---- what is given is never written into


def read_only(array: object) -> object:
    """The same array, which refuses to be written into from now on; anything else as it is."""
    if isinstance(array, np.ndarray):
        array.flags.writeable = False
    return array


@every_module
def test_what_a_module_is_given_it_does_not_write_into(cls, rng):
    """And the next may do the same with what it returns, which may share its memory with what it was given."""
    case = CASES[cls]
    layer, arguments = case.make(rng), (*case.inputs(rng), *case.constants(rng))
    for array in arguments:
        read_only(array)
    y = layer.forward(*arguments)
    dy = rng.normal(size=y.shape)
    kept = dy.copy()
    returned = layer.backward(read_only(dy))
    np.testing.assert_array_equal(dy, kept)
    again = case.make(np.random.default_rng(20180101))
    again.params = layer.params
    again.forward(*(np.copy(array) for array in arguments))
    for one, other in zip(arrays_of(returned), arrays_of(again.backward(kept)), strict=True):
        np.testing.assert_array_equal(one, other)


def frozen(model: Module) -> Module:
    """The same model, none of whose parts returns an array that can be written into."""

    def freeze(part: Module, method: str) -> Callable[..., object]:
        answer = getattr(part, method)

        def freezing(*arguments):
            returned = answer(*arguments)
            for array in arrays_of(returned):
                read_only(array)
            return returned

        return freezing

    for part in model.walk():
        for method in ("forward", "backward"):
            setattr(part, method, freeze(part, method))
    return model


def all_kinds_of_layers(rng: np.random.Generator, n_in: int, n_out: int) -> Sequential:
    f64 = {"dtype": np.float64}
    return Sequential(
        [
            Dense(n_in, 12, rng, **f64), Tanh(), Reshape((1, 3, 4)), Conv2D(1, 2, 2, rng, padding=1, **f64), ReLU(),
            BatchNorm(2, **f64), MaxPool2D(2), UpSampling2D(2), Identity(),
            ConvTranspose2D(2, 1, 2, rng, stride=2, **f64), Softplus(), Dropout(0.2, rng), Flatten(), Sigmoid(),
            Dense(64, 9, rng, **f64), Exponential(), Sequential([Identity(), Dense(9, n_out, rng, **f64)]),
        ]
    )  # fmt: skip


MODELS = {
    "VAE, Bernoulli": lambda rng: VAE(all_kinds_of_layers(rng, 5, 4), all_kinds_of_layers(rng, 2, 5), Bernoulli(), 2),
    "VAE, Gaussian": lambda rng: VAE(
        Sequential([Identity(), all_kinds_of_layers(rng, 5, 4)]),
        Sequential([all_kinds_of_layers(rng, 2, 10), SigmoidMean()]),
        Gaussian(),
        2,
    ),
    "VAE, ContinuousBernoulli": lambda rng: VAE(
        all_kinds_of_layers(rng, 5, 4), all_kinds_of_layers(rng, 2, 5), ContinuousBernoulli(), 2
    ),
    "VAE, DiscretisedLogistic": lambda rng: VAE(
        all_kinds_of_layers(rng, 5, 4), all_kinds_of_layers(rng, 2, 10), DiscretisedLogistic(2), 2
    ),
    "IWAE": lambda rng: IWAE(all_kinds_of_layers(rng, 5, 4), all_kinds_of_layers(rng, 2, 5), Bernoulli(), 2, 3),
    "Autoencoder": lambda rng: Autoencoder(
        all_kinds_of_layers(rng, 5, 2), all_kinds_of_layers(rng, 2, 5), MeanSquaredError()
    ),
    "Autoencoder, logits": lambda rng: Autoencoder(Identity(), all_kinds_of_layers(rng, 5, 5), BinaryCrossEntropy()),
    "Classifier": lambda rng: Classifier(all_kinds_of_layers(rng, 5, 3)),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_no_part_of_a_model_writes_into_what_another_returned(make):
    """Every array that passes from part to part is read-only here: a part that writes into one fails."""
    results = []
    for prepare in (lambda model: model, frozen):
        rng = np.random.default_rng(4)
        model = make(rng)
        x = rng.random((6, 5))
        levels = isinstance(getattr(model, "likelihood", None), DiscretisedLogistic)
        x = read_only(np.rint(x) if levels else x)
        batch = (x, read_only(rng.integers(0, 3, 6))) if isinstance(model, Classifier) else x
        before = model.params.copy()
        terms = prepare(model).loss_terms(batch, rng)
        model.backward(read_only(np.full(6, 1 / 6)))
        np.testing.assert_array_equal(model.params, before)
        results.append([model.grads, *terms.values()])
    for plain, guarded in zip(*results, strict=True):
        np.testing.assert_array_equal(guarded, plain)
    assert np.isfinite(results[0][0]).all() and results[0][0].any()


@every_module
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
    np.testing.assert_array_equal(Step().forward(np.array([-1e-30, -0.0, 0.0, 1e-30])), [0, 1, 1, 1])


WIDE = np.concatenate([np.linspace(-104, 104, 2001), [-3.4e38, -1e4, 0.0, 1e4, 3.4e38]]).astype(np.float32)


@pytest.mark.parametrize("dtype, unit", [(np.float32, 2.0**-24), (np.float64, 2.0**-53)])
def test_log1p_is_accurate_from_0_to_1(dtype, unit, rng):
    x = np.concatenate([10.0 ** rng.uniform(-40, 0, 3000), rng.random(3000), unit * np.arange(99), [1.0]]).astype(dtype)
    with localcontext() as context:
        context.prec = 70  # digits: 1 + x must not lose what is small
        exact = [float((1 + Decimal(float(value))).ln()) for value in x]
    np.testing.assert_allclose(log1p(x), exact, rtol=LOG1P * unit, atol=float(np.finfo(dtype).tiny))
    with pytest.raises(AssertionError):  # what is gained over the plain formula
        np.testing.assert_allclose(np.log(1 + x), exact, rtol=LOG1P * unit, atol=float(np.finfo(dtype).tiny))


def test_the_logarithm_of_a_mean_is_scipy_s_where_exponentials_overflow(rng):
    x = rng.normal(0, 1000, (3, 4, 5))  # e^1000 overflows, and e^(−1000) is 0
    expected = scipy.special.logsumexp(x, axis=-1) - np.log(5)
    np.testing.assert_allclose(log_mean_exp(x), expected, rtol=1e-14)
    np.testing.assert_array_equal(log_mean_exp(np.array([[-np.inf, -np.inf], [0, -np.inf]])), [-np.inf, -np.log(2)])


@pytest.mark.parametrize("make", [
    lambda n, rng: Dense(784, n, rng), lambda n, rng: Conv2D(n, 2 * n, 3, rng),
    lambda n, rng: ConvTranspose2D(n, 2 * n, 3, rng), lambda n, rng: BatchNorm(n),
])  # fmt: skip
def test_a_size_may_be_a_number_of_numpy_s(make):
    """As labels.max() + 1 is one, of eight bits: products of it wrap round."""
    small, usual = make(np.uint8(100), np.random.default_rng(0)), make(100, np.random.default_rng(0))
    np.testing.assert_array_equal(small.params, usual.params)
    assert repr(small) == repr(usual)


def test_identity_keeps_the_order_in_memory(rng):
    x = rng.normal(size=(2, 3, 4, 5)).transpose(3, 0, 1, 2)
    assert Identity().forward(x).strides == x.strides


@pytest.mark.parametrize("losses", [np.array([1, 2, 3]), np.array([True, False]), np.ones((2, 3)), [1.0, 2.0]])
def test_a_mean_over_the_batch_is_of_a_vector_of_floats(losses):
    with pytest.raises((TypeError, ValueError), match="batch_mean expects losses"):
        batch_mean(losses)


@pytest.mark.parametrize(
    "function, exact, roundings",
    [
        (sigmoid, scipy.special.expit, SIGMOID),
        (softplus, lambda x: np.logaddexp(0, x), SOFTPLUS),
    ],
)
def test_sigmoid_and_softplus_are_accurate_at_both_ends_of_float32(function, exact, roundings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = function(WIDE)
    # below 1.2e-38 digits are lost
    np.testing.assert_allclose(y, exact(WIDE.astype(np.float64)), rtol=roundings * 2.0**-24, atol=2.0**-126)


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


def test_biases_start_from_0(rng):
    for layer in (Dense(3, 2, rng), Conv2D(2, 3, 2, rng), ConvTranspose2D(2, 3, 2, rng)):
        assert not layer.b.any()


def test_a_row_of_layers_takes_what_its_first_takes(rng):
    assert Sequential([Dense(5, 3, rng), Dense(3, 2, rng)]).input_shape == (5,)


def test_layers_that_learn_nothing_use_up_what_they_kept(rng):
    row = Sequential([ReLU(), Tanh(), Sigmoid()])
    row.forward(rng.normal(size=(4, 3)))
    row.write_gradients(np.ones((4, 3)))
    assert all(layer.cache is None for layer in row.layers)


def test_an_empty_sequential_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        Sequential([])


@pytest.mark.parametrize(
    "part, got", [(ReLU, "the class ReLU"), (None, "a NoneType"), ([], "a list"), (np.ones(2), "an array of float64")]
)
def test_models_are_made_of_layers(part, got, rng):
    dense = Dense(3, 3, rng)
    for make, name, what in (
        (lambda: Sequential([dense, part]), "Sequential needs as its part '1'", "layer"),
        (lambda: Classifier(part), "Classifier needs as its part 'network'", "layer"),
        (lambda: Autoencoder(part, dense, MeanSquaredError()), "Autoencoder needs as its part 'encoder'", "layer"),
        (lambda: Autoencoder(dense, dense, part), "Autoencoder needs as its part 'loss'", "loss"),
        (lambda: VAE(dense, part, Bernoulli(), 2), "VAE needs as its part 'decoder'", "layer"),
        (lambda: VAE(dense, dense, part, 2), "VAE needs as its part 'likelihood'", "likelihood"),
    ):
        with pytest.raises(
            TypeError, match=rf"^{name} one object that is a {what}, got {got}: make one of a list with Sequential\("
        ):
            make()


def test_a_part_of_another_class_is_refused(rng):
    """A likelihood is no loss, and neither is a layer."""
    dense = Dense(3, 3, rng)
    for make, message in (
        (lambda: Autoencoder(dense, dense, Bernoulli()), "'loss' one object that is a loss, got a Bernoulli"),
        (lambda: VAE(dense, dense, MeanSquaredError(), 2), "'likelihood' .* a likelihood, got a MeanSquaredError"),
        (lambda: VAE(dense, dense, Sigmoid(), 2), "'likelihood' one object that is a likelihood, got a Sigmoid"),
        (lambda: Classifier(BinaryCrossEntropy()), "'network' one object that is a layer, got a BinaryCrossEntropy"),
        (lambda: Classifier(Classifier(Identity())), "'network' one object that is a layer, got a Classifier"),
    ):
        with pytest.raises(TypeError, match=message):
            make()


def test_a_layer_is_written_by_its_author():
    with pytest.raises(NotImplementedError):
        Layer().forward(np.ones(2))
    with pytest.raises(NotImplementedError):
        Layer().backward(np.ones(2))


def test_all_layers_are_public():
    own = {c.__name__ for c in LIBRARY if c.__module__.startswith("scratchnn.layers")}
    assert own <= set(layers.__all__) and own <= set(scratchnn.__all__)
