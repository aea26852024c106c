"""Every public function and every layer on numbers at the ends of the range, and in every form that an array can have.

What a result is held against is Python's decimal, in 60 digits (decimals.py), within a derived bound (references.py).
Linear layers are off by nothing: their inputs here are whole numbers times a power of two, so that sums come out exact
in every order.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cases import CASES
from conftest import ROOT
from decimals import (
    EXP,
    SIGMOID,
    assert_within,
    exactly,
    exp,
    in_digits,
    ln,
    sigmoid,
    unit,
)
from held import HELD, MADE_OF_OTHERS, MODELS, NO_NUMBERS, in_the_library, public
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from references import REFERENCES, UPSTREAM, ends, numbers, softmax
from test_layers import LIBRARY, arrays_of, named

import scratchnn
from scratchnn import (
    IWAE,
    VAE,
    Autoencoder,
    Bernoulli,
    Classifier,
    Dense,
    Gaussian,
    MeanSquaredError,
    evaluation,
    grey_likelihoods,
    init,
    layers,
    likelihoods,
    losses,
    optim,
)
from scratchnn import data as data_sets
from scratchnn.evaluation import bounds, quadrature
from scratchnn.layers.activations import sigmoid as sigmoid_
from scratchnn.layers.activations import softplus as softplus_
from scratchnn.machinery.logarithm import log1p as log1p_

# ---- forms: the same numbers in another place or order


def spread(array: np.ndarray) -> np.ndarray:
    """Every second entry of an array twice as large in each dimension, the others being NaN."""
    large = np.full([2 * size for size in array.shape], np.nan, array.dtype)
    view = large[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    return view


def unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    view = memory[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.copy,
    "F": lambda a: np.array(a, order="F"),
    "strided": spread,
    "reversed": lambda a: np.flip(np.flip(a).copy()),
    "axes turned": lambda a: np.moveaxis(np.moveaxis(a, 0, -1).copy(), -1, 0),
    "unaligned": unaligned,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
}
forms = st.sampled_from(sorted(FORMS))


def in_form(form: str, array: Any) -> Any:
    """Read-only, and of floats alone: a mask or labels stay as they are."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return array
    formed = FORMS[form](array)
    np.testing.assert_array_equal(formed, array)
    formed.flags.writeable = False
    return formed


# ---- layers

dtypes = st.sampled_from([np.float32, np.float64])
LINEAR = (
    layers.Dense, layers.Conv2D, layers.ConvTranspose2D, layers.MaxPool2D, layers.UpSampling2D, layers.Flatten,
    layers.Reshape, layers.ReLU, layers.Identity, layers.Step,
)  # fmt: skip
ELSEWHERE = {
    layers.Sequential: "its layers, one after another",
    grey_likelihoods.ContinuousBernoulli: "test_grey_likelihoods.py::test_normaliser_and_mean_to_the_last_digits",
    grey_likelihoods.DiscretisedLogistic: "test_grey_likelihoods.py::test_probabilities_and_slopes_to_the_last_digits",
}


def test_no_layer_is_forgotten():
    """Each is in one list, and a list names nothing else."""
    listed = [*REFERENCES, *LINEAR, *ELSEWHERE]
    assert sorted(listed, key=named) == sorted(LIBRARY, key=named)


def computed(layer: Any, arguments: tuple[Any, ...], dy: Any, form: str) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """What forward and backward return for read-only arrays in this form, which stay what they are."""
    given = [in_form(form, array) for array in (*arguments, dy)]
    before = [np.copy(array) for array in given]
    y = layer.forward(*given[:-1])
    returned = arrays_of(layer.backward(given[-1]))
    for array, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, old)
    return y, returned


@pytest.mark.parametrize("cls", REFERENCES, ids=named)
@settings(max_examples=12)
@given(data=st.data(), dtype=dtypes, form=forms)
def test_values_and_gradients_to_the_last_digits(cls, data, dtype, form):
    reference = REFERENCES[cls]
    arguments = reference.draw(data.draw, dtype)
    layer = reference.make(dtype) or cls()
    if cls is layers.BatchNorm and form == "other byte order":
        form = "C"  # a layer that learns takes its own dtype
    exact = [exactly(a) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arguments]
    value, roundings = in_digits(reference.forward)(layer, *exact)
    dy = data.draw(arrays(dtype, value.shape, elements=UPSTREAM))
    scale = max(1.0, float(np.abs(dy).max()))
    fits = np.max(np.abs(value)) < Decimal(float(np.finfo(dtype).max)) / 4
    with np.errstate(all="raise", under="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        if not fits:  # the value is beyond the dtype, and NumPy may say so; its gradient is nobody's
            with np.errstate(over="ignore", invalid="ignore"):
                assert_within(computed(layer, arguments, dy, form)[0], value, roundings)
            return
        gradients = [] if reference.backward is None else in_digits(reference.backward)(layer, exactly(dy), *exact)
        fits = all(np.max(np.abs(g)) < Decimal(float(np.finfo(dtype).max)) / 4 for g, _ in gradients)
        with np.errstate(over="raise" if fits else "ignore"):
            y, returned = computed(layer, arguments, dy, form)
    assert_within(y, value, roundings)
    for found, (gradient, roundings) in zip(returned, gradients, strict=bool(gradients)):
        assert found.dtype.newbyteorder("=") == dtype
        assert_within(found, gradient, roundings, 4 * scale)


def whole_numbers(cls: type, rng: np.random.Generator, scale: float) -> tuple[Any, np.ndarray, np.ndarray]:
    """A linear layer in float64, and x and dy for it, of small whole numbers; x and b times a power of two."""
    layer = CASES[cls].make(rng)
    layer.params = rng.integers(-4, 5, layer.params.shape)
    if "b" in layer.parameters:
        layer.b = layer.b * scale
    x = scale * rng.integers(-4, 5, CASES[cls].inputs(rng)[0].shape)
    return layer, x, rng.integers(-4, 5, layer.forward(x).shape).astype(float)


@pytest.mark.parametrize("cls", LINEAR, ids=named)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), dtype=dtypes, form=forms, size=st.sampled_from(["subnormal", "one", "huge"]))
def test_linear_layers_are_exact(cls, seed, dtype, form, size):
    """On whole numbers, whose sums are exact in any order: by the oracle of tests/cases.py, and backward by float64."""
    info = np.finfo(dtype)
    scale = {"subnormal": float(info.smallest_subnormal), "one": 1.0, "huge": 2.0 ** (info.maxexp - 20)}
    layer, x, dy = whole_numbers(cls, np.random.default_rng(seed), scale[size])
    exact, returned = CASES[cls].oracle(layer, x), layer.backward(dy)
    gradients = {name: gradient.copy() for name, gradient in layer.gradients.items()}
    narrow = layer.astype(dtype)
    given_form = "C" if layer.params.size and form == "other byte order" else form  # what learns takes its own dtype
    with np.errstate(all="raise", under="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        y = narrow.forward(in_form(given_form, x.astype(dtype)))
        dx = narrow.backward(in_form(form, dy.astype(dtype)))
    assert y.dtype.newbyteorder("=") == dx.dtype.newbyteorder("=") == narrow.grads.dtype == dtype
    np.testing.assert_array_equal(y, exact)
    np.testing.assert_array_equal(dx, returned)
    for name, gradient in narrow.gradients.items():
        np.testing.assert_array_equal(gradient, gradients[name])


@pytest.mark.parametrize(
    "cls", [cls for cls in LINEAR if CASES[cls].make(np.random.default_rng(0)).params.size], ids=named
)
def test_what_learns_refuses_another_byte_order_and_says_what_to_do(cls, rng):
    layer, (x,) = CASES[cls].make(rng), CASES[cls].inputs(rng)
    with pytest.raises(
        TypeError, match=r"holds float64 and was given x as >f8: convert x with x\.astype\(np\.float64\)"
    ):
        layer.forward(x.astype(">f8"))


# ---- functions and models, as calls with arrays of examples


@dataclass
class Call:
    """`make(dtype)` gives a function of arrays of floats; `draw(rng)` gives these. The first axis of the first `rows`
    of them counts examples, as long as all of it may be missing."""

    make: Callable[[Any], Callable[..., Any]]
    draw: Callable[[np.random.Generator], tuple[np.ndarray, ...]]
    rows: int = 1
    discrete: bool = False  # what it returns is counted or drawn, and the same for numbers that are nearly the same


def normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[np.ndarray, ...]]:
    return lambda rng: tuple(rng.normal(size=shape) for shape in shapes)


def shares(*shape: int) -> Callable[[np.random.Generator], tuple[np.ndarray, ...]]:
    return lambda rng: (rng.random(shape),)


def binary(rng: np.random.Generator) -> tuple[np.ndarray]:
    return (rng.integers(0, 2, (5, 4)).astype(float),)


def vae_of(dtype: Any, cls: Any = VAE, *more: int) -> VAE:
    rng = np.random.default_rng(0)
    return cls(Dense(4, 4, rng, b=0.2), Dense(2, 4, rng, b=-0.1), Bernoulli(), 2, *more).astype(dtype)


def autoencoder(dtype: Any) -> Autoencoder:
    rng = np.random.default_rng(0)
    return Autoencoder(Dense(4, 2, rng, b=0.2), Dense(2, 4, rng, b=-0.1), MeanSquaredError()).astype(dtype)


def classifier(dtype: Any) -> Classifier:
    return Classifier(Dense(4, 3, np.random.default_rng(0), b=0.2)).astype(dtype)


def plain(function: Callable[..., Any]) -> Callable[[Any], Callable[..., Any]]:
    return lambda dtype: function


def with_draws(likelihood: Any) -> Callable[[Any], Callable[..., Any]]:
    return lambda dtype: lambda outputs: likelihood.sample(outputs, np.random.default_rng(0))


CALLS: dict[str, Call] = {
    "layers.activations.sigmoid": Call(plain(sigmoid_), normal((5, 3))),
    "layers.activations.softplus": Call(plain(softplus_), normal((5, 3))),
    "machinery.logarithm.log1p": Call(plain(log1p_), shares(5, 3)),
    "grey_likelihoods.mean_pixel": Call(plain(grey_likelihoods.mean_pixel), normal((5, 3))),
    "grey_likelihoods.one_by_scale": Call(plain(grey_likelihoods.one_by_scale), normal((5, 3))),
    "losses.batch_mean": Call(plain(losses.batch_mean), normal((5,))),
    "losses.BinaryCrossEntropy.mean": Call(plain(losses.BinaryCrossEntropy().mean), normal((5, 3))),
    "losses.MeanSquaredError.mean": Call(plain(losses.MeanSquaredError().mean), normal((5, 3))),
    "losses.SoftmaxCrossEntropy.mean": Call(plain(losses.SoftmaxCrossEntropy().mean), normal((5, 3))),
    "likelihoods.Bernoulli.mean": Call(plain(likelihoods.Bernoulli().mean), normal((5, 4))),
    "likelihoods.Gaussian.mean": Call(plain(likelihoods.Gaussian().mean), normal((5, 4))),
    "grey_likelihoods.ContinuousBernoulli.mean": Call(
        plain(grey_likelihoods.ContinuousBernoulli().mean), normal((5, 4))
    ),
    "grey_likelihoods.DiscretisedLogistic.mean": Call(
        plain(grey_likelihoods.DiscretisedLogistic(5).mean), normal((5, 4))
    ),
    "likelihoods.Bernoulli.sample": Call(with_draws(likelihoods.Bernoulli()), normal((5, 4)), discrete=True),
    "likelihoods.Gaussian.sample": Call(with_draws(likelihoods.Gaussian()), normal((5, 4))),
    "grey_likelihoods.ContinuousBernoulli.sample": Call(
        with_draws(grey_likelihoods.ContinuousBernoulli()), normal((5, 4))
    ),
    "grey_likelihoods.DiscretisedLogistic.sample": Call(
        with_draws(grey_likelihoods.DiscretisedLogistic(5)), normal((5, 4)), discrete=True
    ),
    "vae.VAE.forward": Call(
        lambda dtype: lambda x, eps: vae_of(dtype).forward(x, eps),
        lambda rng: (*binary(rng), rng.normal(size=(5, 2))),
        2,
    ),
    "vae.VAE.encode": Call(lambda dtype: vae_of(dtype).encode, normal((5, 4))),
    "vae.VAE.decode": Call(lambda dtype: vae_of(dtype).decode, normal((5, 2))),
    "vae.VAE.reconstruct": Call(lambda dtype: vae_of(dtype).reconstruct, normal((5, 4))),
    "iwae.IWAE.forward": Call(
        lambda dtype: lambda x, eps: vae_of(dtype, IWAE, 3).forward(x, eps.reshape(-1, 2)),
        lambda rng: (*binary(rng), rng.normal(size=(5, 3, 2))),
        2,
    ),
    "autoencoder.Autoencoder.forward": Call(lambda dtype: autoencoder(dtype).forward, normal((5, 4))),
    "autoencoder.Autoencoder.encode": Call(lambda dtype: autoencoder(dtype).encode, normal((5, 4))),
    "autoencoder.Autoencoder.decode": Call(lambda dtype: autoencoder(dtype).decode, normal((5, 2))),
    "autoencoder.Autoencoder.reconstruct": Call(lambda dtype: autoencoder(dtype).reconstruct, normal((5, 4))),
    "classifier.Classifier.forward": Call(
        lambda dtype: lambda x: classifier(dtype).forward(x, np.arange(len(x)) % 3), normal((5, 4))
    ),
    "classifier.Classifier.probabilities": Call(lambda dtype: classifier(dtype).probabilities, normal((5, 4))),
    "evaluation.bounds.entropy": Call(plain(evaluation.entropy), shares(5, 3)),
    "evaluation.bounds.importance_weighted": Call(
        lambda dtype: (
            lambda x: (w := evaluation.importance_weighted(vae_of(dtype), x, 3, progress=False), w.log_p, w.error)[1:]
        ),
        binary,
    ),
    "evaluation.bounds.log_weights": Call(
        lambda dtype: lambda x: bounds.log_weights(vae_of(dtype), x, 3, np.random.default_rng(0)), binary
    ),
    "evaluation.classification.predicted_classes": Call(
        lambda dtype: lambda x: evaluation.predicted_classes(classifier(dtype), x), normal((5, 4)), discrete=True
    ),
    "evaluation.generation.precision_and_recall": Call(
        plain(lambda real, made: evaluation.precision_and_recall(real, made, 2)),
        normal((6, 2), (6, 2)),
        2,
        discrete=True,
    ),
    "evaluation.latent.encode": Call(lambda dtype: lambda x: evaluation.encode(vae_of(dtype), x), normal((5, 4))),
    "evaluation.latent.latent_use": Call(
        lambda dtype: lambda x: (u := evaluation.latent_use(vae_of(dtype), x), u.kl, u.mean_variance)[1:],
        normal((5, 4)),
    ),
    "evaluation.latent.split_rate": Call(
        lambda dtype: lambda x: (s := evaluation.split_rate(vae_of(dtype), x), s.rate, s.information)[1:],
        normal((5, 4)),
    ),
    "evaluation.levels.log_prob_of_levels": Call(
        plain(lambda outputs, x: evaluation.log_prob_of_levels(Gaussian(), outputs, x, 2)),
        lambda rng: (rng.normal(size=(5, 8)), *binary(rng)),
        2,
    ),
    "evaluation.latent.principal_components": Call(
        plain(lambda x: evaluation.principal_components(x, 2).reconstruct(x)), normal((5, 4))
    ),
    "evaluation.latent.reconstruction_error": Call(
        plain(lambda x: evaluation.reconstruction_error(lambda y: y / 2, x)), normal((5, 4))
    ),
    "evaluation.quadrature.on_grid": Call(
        lambda dtype: lambda x: (g := evaluation.on_grid(vae_of(dtype), x, 9), g.log_p, g.posterior)[1:], binary
    ),
    "evaluation.quadrature.log_gaussian": Call(
        plain(lambda z: quadrature.log_gaussian(z, np.array([0.5, -1]), np.array([1, -2]))), normal((5, 2))
    ),
}


def module_call(cls: type) -> Call:
    """Forward and backward of a layer or a loss, with the upstream gradient as the last array."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        case = CASES[cls]
        arguments = (*case.inputs(rng), *case.constants(rng))
        return (*arguments, rng.normal(size=np.shape(case.make(rng).forward(*arguments))))

    def make(dtype: Any) -> Callable[..., Any]:
        layer = CASES[cls].make(np.random.default_rng(0)).astype(dtype)
        return lambda *arguments: (layer.forward(*arguments[:-1]), *arrays_of(layer.backward(arguments[-1])))

    return Call(make, draw, rows=99, discrete=cls is layers.Step)


MODULES = {f"{cls.__module__.removeprefix('scratchnn.')}.{cls.__name__}": module_call(cls) for cls in LIBRARY}
CALLS |= MODULES
every_call = pytest.mark.parametrize("name", CALLS)
REFUSAL = (ValueError, TypeError)


def outcome(call: Call, dtype: Any, given: tuple[Any, ...]) -> list[np.ndarray] | str:
    """The arrays that come out, or the sentence with which they are refused."""
    try:
        result = call.make(dtype)(*given)
    except REFUSAL as error:
        return str(error)
    return [np.array(array) for array in (result if isinstance(result, tuple) else (result,))]


def as_type(dtype: Any, drawn: tuple[Any, ...]) -> list[Any]:
    return [array.astype(dtype) if array.dtype.kind == "f" else array for array in drawn]


@every_call
def test_the_form_of_an_array_does_not_matter(name, rng):
    """Nor is what is given changed. Sums have another order, of some 60 terms; NumPy's exp may differ by 8 units."""
    call = CALLS[name]
    for dtype in (np.float32, np.float64):
        drawn = as_type(dtype, call.draw(rng))
        wanted = outcome(call, dtype, tuple(np.copy(array) for array in drawn))
        assert not isinstance(wanted, str), wanted
        for form in FORMS:
            given = tuple(in_form(form, array) for array in drawn)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = outcome(call, dtype, given)
            for array, old in zip(given, drawn, strict=True):
                np.testing.assert_array_equal(array, old)
            if isinstance(found, str):
                assert form == "other byte order" and "convert x with x.astype" in found, (form, found)
                continue
            for one_array, other in zip(found, wanted, strict=True):
                slack = 0 if call.discrete else 256 * unit(dtype)
                largest = np.max(np.abs(other), initial=1)
                np.testing.assert_allclose(one_array, other, rtol=slack, atol=slack * largest, err_msg=form)


@every_call
def test_no_examples_have_no_result_or_are_refused_in_a_sentence(name, rng):
    call = CALLS[name]
    drawn = as_type(np.float32, call.draw(rng))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = outcome(call, np.float32, tuple(array[:0] if i < call.rows else array for i, array in enumerate(drawn)))
    if isinstance(found, str):
        assert re.search(r"got 0|got none|no images|more than \d points|got \(0,", found), found
    else:
        assert not any(np.isnan(array).any() for array in found)


@every_call
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_not_a_number_stays_one_or_is_refused(name, rng):
    """In each entry in turn: whatever changes where a number is moved is NaN where it is none."""
    call = CALLS[name]
    drawn = as_type(np.float64, call.draw(rng))
    wanted = outcome(call, np.float64, tuple(map(np.copy, drawn)))
    for k, array in enumerate(drawn):
        if array.dtype.kind != "f":
            continue
        for index in rng.permutation(list(np.ndindex(array.shape)))[:12]:
            given = [np.copy(a) for a in drawn]
            given[k][tuple(index)] = np.nan
            found = outcome(call, np.float64, tuple(given))
            if isinstance(found, str):
                assert re.search("NaN or infinite|pixels are grey", found), found
                continue
            given[k][tuple(index)] = drawn[k][tuple(index)] * 0.75
            moved = outcome(call, np.float64, tuple(given))
            assert not isinstance(wanted, str) and not isinstance(moved, str)
            results = list(zip(found, wanted, moved, strict=True))
            if name in MODULES:  # a slope may be 0 in spite of an x that is NaN: the output tells
                results = results[1:] if k == len(drawn) - 1 else results[:1]
            for a, before, after in results:
                assert np.isnan(a[before != after]).all(), index
            assert not call.discrete or np.isnan(np.concatenate(found, axis=None)).any(), index


@every_call
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_infinite_number_gives_the_limit_or_no_number(name, rng):
    """What is finite for ±∞ is what ±2¹⁰⁰ gives."""
    call = CALLS[name]
    drawn = as_type(np.float64, call.draw(rng))
    for k, array in enumerate(drawn):
        for index in rng.permutation(list(np.ndindex(array.shape)))[:6] if array.dtype.kind == "f" else []:
            for sign in (1, -1):
                results = []
                for size in (np.inf, 2.0**100):
                    given = [np.copy(a) for a in drawn]
                    given[k][tuple(index)] = sign * size
                    results.append(outcome(call, np.float64, tuple(given)))
                found, far = results
                if isinstance(found, str):
                    assert re.search(r"NaN or infinite|overflows|pixels are grey", found), found
                    continue
                for a, b in zip(found, far, strict=True):
                    sure = np.isfinite(a)
                    np.testing.assert_allclose(a[sure], b[sure], rtol=1e-12, atol=1e-12, err_msg=str(index))


# ---- functions against 60 digits


def floats_of(shape: tuple[int, ...], *elements: Any) -> Callable[..., Any]:
    """Arrays of these shapes, or of `shape` for each of `elements`, all of numbers of the dtype."""
    return lambda draw, dtype: tuple(draw(arrays(dtype, shape, elements=of(dtype))) for of in elements)


def exact_entropy(p):
    zero, one_ = exactly(0.0), exactly(1.0)
    value = -(p * ln(np.where(p > 0, p, one_)) + (1 - p) * ln(np.where(p < 1, 1 - p, one_)))
    small = np.where(p < Decimal("1e-20"), p, zero)  # −(1 − p) log(1 − p) is p − p²/2 there, beyond 60 digits
    value = np.where((p < Decimal("1e-20")) & (p > 0), small - small * ln(np.where(p > 0, p, one_)), value)
    return value, (2 * EXP + 4) * value


def exact_softmax(logits):
    shifted, e, total = softmax(logits)
    moved = np.sum(e * (abs(shifted) + EXP + logits.shape[1]), axis=1) / total
    p = e / total[:, None]
    return p, p * (abs(shifted) + EXP + 2 + moved[:, None])


def exact_log_gaussian(z, mean, log_var):
    squares = (z - mean) ** 2 * exp(-log_var)
    constant = Decimal(likelihoods.LOG_2PI)
    sizes = (z.shape[1] + EXP + 5) * (constant + abs(log_var) + squares)
    return -(constant + log_var + squares).sum(axis=1) / 2, sizes.sum(axis=1) / 2


def probability(dtype: Any) -> Any:
    return st.sampled_from([x for x in ends(dtype) if 0 <= x <= 1]) | st.floats(
        0, 1, width=8 * np.dtype(dtype).itemsize
    )


def within(largest: float) -> Callable[[Any], Any]:
    return lambda dtype: numbers(dtype, largest)


FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "evaluation.bounds.entropy": (evaluation.entropy, floats_of((2, 3), probability), exact_entropy),
    "losses.SoftmaxCrossEntropy.mean": (
        losses.SoftmaxCrossEntropy().mean,
        floats_of((2, 3), within(1e4)),
        exact_softmax,
    ),
    "losses.BinaryCrossEntropy.mean": (
        losses.BinaryCrossEntropy().mean,
        floats_of((2, 3), within(1e4)),
        lambda x: (sigmoid(x), Decimal(SIGMOID) * sigmoid(x)),
    ),
    "losses.batch_mean": (
        lambda x: np.asarray(losses.batch_mean(x)[0]).astype(x.dtype),
        floats_of((7,), within(1e4)),
        lambda x: (np.array(x.sum() / 7, object), abs(x).sum() + abs(x.sum()) / 7),  # 7 terms, a 7th of them
    ),
    "grey_likelihoods.one_by_scale": (
        grey_likelihoods.one_by_scale,
        floats_of((2, 3), within(80)),
        lambda x: (exp(-x), EXP * exp(-x)),
    ),
    "evaluation.quadrature.log_gaussian": (
        lambda *given: quadrature.log_gaussian(*(array.astype(float) for array in given)),  # float64, whatever the grid
        floats_of((2, 2), within(1e4), within(1e4), within(80)),
        exact_log_gaussian,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=15)
@given(data=st.data(), dtype=dtypes, form=forms)
def test_functions_to_the_last_digits(name, data, dtype, form):
    function, draw, exact = FUNCTIONS[name]
    given_arrays = draw(data.draw, dtype)
    value, roundings = in_digits(exact)(*map(exactly, given_arrays))
    with np.errstate(all="raise", under="ignore", over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_within(function(*(in_form(form, array) for array in given_arrays)), value, roundings)


@given(pixels=arrays(np.uint8, (2, 3)), max_value=st.integers(1, 255), start=st.integers(0, 2))
def test_a_batch_of_images_is_the_quotients_rounded_once(pixels, max_value, start):
    batch = data_sets.Images(pixels, max_value)[start:]
    assert batch.dtype == np.float32 and batch.shape == (2 - start, 3)
    for found, k in zip(batch.flat, pixels[start:].flat, strict=True):
        exact = Fraction(int(k), max_value)
        assert abs(Fraction(float(found)) - exact) <= exact * Fraction(1, 2**24)


@given(x=arrays(np.float32, (3, 2), elements=numbers(np.float32)), scale=st.sampled_from([-1.0, 0.0, 0.5, 2.0]))
def test_a_reconstruction_error_is_the_mean_of_squares(x, scale):
    """Of differences that are rounded once in float32, and their squares once more."""
    exact = sum((Fraction(scale) * Fraction(float(a)) - Fraction(float(a))) ** 2 for a in x.flat) / 6
    found = evaluation.reconstruction_error(lambda rows: np.float32(scale) * rows, x)
    assert abs(Fraction(found) - exact) <= 4 * Fraction(1, 2**24) * exact + Fraction(2) ** -126


# ---- what the tests above look for, where it had been missing


def test_a_draw_of_no_weight_sends_no_gradient_back(rng):
    """log p(x|z) of the second draw is below the range of float32, and its slope is ∞: as if it had not been drawn."""
    network = Dense(1, 2, rng)
    network.W, network.b = [[0, 600]], [0, 0]  # log σ² = 600 z
    model = IWAE(Dense(1, 2, rng), network, Gaussian(), 1, 2)
    model.encoder.W, model.encoder.b = [[0, 0]], [0, 0]  # z = eps
    x = np.array([[0.5]], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        (loss,) = model.forward(x, np.array([[0.1], [-0.5]], np.float32))
        model.backward(np.ones(1, np.float32))
    gradient = model.grads.copy()
    assert np.isfinite(loss).all() and np.isfinite(gradient).all() and gradient.any()
    (alone,) = model.forward(x, np.array([[0.1], [0.1]], np.float32))  # twice the first, the same mean gradient
    model.backward(np.ones(1, np.float32))
    np.testing.assert_allclose(loss, alone + np.log(2), rtol=1e-5)
    np.testing.assert_allclose(gradient, model.grads, rtol=1e-5)


@pytest.mark.parametrize("scale", [2.0**-600, 2.0**-40, 1.0, 2.0**40, 2.0**500])
@pytest.mark.filterwarnings("error")
def test_precision_and_recall_do_not_depend_on_the_unit(scale, rng):
    real, made = rng.normal(size=(30, 2)), rng.normal(0.8, 1, (30, 2))
    expected = evaluation.precision_and_recall(real, made, 2)
    assert min(expected) > 0 and max(expected) < 1
    assert evaluation.precision_and_recall(scale * real, scale * made, 2) == expected


NO_IMAGES = data_sets.Images(np.zeros((0, 4), np.uint8), 1)


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda: evaluation.entropy(np.array([0.5, 1.5])), r"^entropy expects p in \[0, 1\], got values from 0\.5"),
        (lambda: evaluation.bernoulli_floor(NO_IMAGES), "bernoulli_floor needs at least one image, got none"),
        (lambda: evaluation.mean_image_loss(NO_IMAGES), "mean_image_loss needs at least one image, got none"),
        (lambda: data_sets.Images(np.zeros((2, 4), np.uint8), 0), "Images needs as its max_value a whole number from"),
        (
            lambda: evaluation.confusion_matrix(np.array([0, 5]), np.array([0, 1]), 3),
            "^confusion_matrix counts the classes 0 to 2, and predicted has 0 to 5$",
        ),
        (
            lambda: evaluation.confusion_matrix(np.array([0, 1]), np.array([-1, 1]), 3),
            "^confusion_matrix counts the classes 0 to 2, and labels has -1 to 1$",
        ),
        (lambda: MeanSquaredError().forward(np.ones((3, 0)), np.ones((3, 0))), r"y of shape \(N, D\), got \(3, 0\)"),
        (lambda: losses.SoftmaxCrossEntropy().forward(np.ones((3, 0)), np.zeros(3, int)), r"\(N, C\), got \(3, 0\)"),
        (lambda: init.lecun_normal((2, 3), float("nan"), np.random.default_rng(0)), "at least 1, got nan"),
        (lambda: init.pytorch_uniform((2, 3), float("nan"), np.random.default_rng(0)), "at least 1, got nan"),
        (lambda: init.glorot_uniform((2, 3), 3, float("nan"), np.random.default_rng(0)), "at least 1, got 3 and nan"),
    ],
)  # fmt: skip
def test_what_has_no_number_is_refused(function, message):
    with pytest.raises(ValueError, match=message):
        function()


@pytest.mark.parametrize("make", [optim.Adam, lambda model: optim.SGD(model, 0.1, 0.9)], ids=["Adam", "SGD"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_that_is_no_number_makes_none_of_its_parameter_alone(make, dtype):
    model = SimpleNamespace(params=np.ones(4, dtype), grads=np.array([1, np.nan, -2, 0], dtype))
    optimiser = make(model)
    optimiser.step()
    model.grads[1] = 1
    optimiser.step()
    np.testing.assert_array_equal(np.isnan(model.params), [False, True, False, False])


def test_no_function_is_forgotten():
    """Each has a test that holds its values against other means, or a reason; and no list names what is not there."""
    names = public()
    assert {in_the_library(getattr(scratchnn, name)) for name in scratchnn.__all__} <= names | set(
        map(in_the_library, MODELS)
    )
    tests = [(file, test, names) for file, tests in HELD.items() for test, names in tests.items()]
    held = {*FUNCTIONS, *MODULES, *" ".join([*MADE_OF_OTHERS.values(), *(names for *_, names in tests)]).split()}
    without = {name for name in names - held if any(re.match(rule, name) for rule in NO_NUMBERS.values())}
    assert names - held - without == set(), "hold these against a reference, and name the test in HELD"
    assert held - names == set(), "these are not there"
    for file, test, _ in tests:
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), (file, test)
