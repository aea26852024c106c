"""Is a backward pass right? Every entry of every gradient, against finite differences.

The check is only worth something if it can fail, so it is strict by construction: float64 only; every entry of every
input and parameter; a *random* upstream gradient (with ones, many wrong answers are right: the outputs of a softmax
always add up to 1, so zero would pass); a tolerance that follows from the error bar of the finite differences.

What it cannot see is a wrong *forward* pass: backward then differentiates the wrong thing correctly. Forward passes
need tests of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchnn.gradcheck.numeric import NumericGradient, numeric_gradient
from scratchnn.layers.layer import Layer
from scratchnn.parameters import Array

RELATIVE_TOLERANCE = 1e-8


class GradientError(AssertionError):
    """A backward pass that is wrong, or breaks the contract of a layer. The message says where and by how much."""


@dataclass(frozen=True)
class ArrayReport:
    """One gradient array: backward's values beside those of finite differences."""

    name: str
    analytic: Array
    numeric: NumericGradient

    @property
    def judged(self) -> Array:
        return ~self.numeric.kink

    @property
    def errors(self) -> Array:
        return np.where(self.judged, np.abs(self.analytic - self.numeric.value), 0.0)

    @property
    def excess(self) -> Array:
        """How far each error is beyond what is allowed; nothing is wrong where it is at most 0."""
        return self.errors - (RELATIVE_TOLERANCE * np.abs(self.numeric.value) + self.numeric.error)

    @property
    def passed(self) -> bool:
        return bool((self.excess <= 0).all())

    def __str__(self) -> str:
        worst = tuple(int(i) for i in np.unravel_index(np.argmax(self.excess), self.errors.shape))
        analytic, numeric, bar = (float(a[worst]) for a in (self.analytic, self.numeric.value, self.numeric.error))
        line = f"{self.name:16} {self.analytic.shape!s:14} {'ok   ' if self.passed else 'WRONG'}"
        line += f"   largest error {self.errors.max():.1e}"
        if self.passed and not self.analytic.any():
            line += "; all zero, which says little: nothing here depends on it"
        if not self.passed:
            wrong, ratio = int((self.excess > 0).sum()), f"{analytic / numeric:.6g}" if numeric else "-"
            line += f"; {wrong} of {self.errors.size} entries wrong, worst at {list(worst)}: backward says "
            line += f"{analytic:.9g}, finite differences {numeric:.9g} ± {bar:.0e}, ratio {ratio}"
        if not self.judged.all():
            line += f"; {int(self.numeric.kink.sum())} of {self.errors.size} entries lie on a kink and were not judged"
        return line


@dataclass(frozen=True)
class Report:
    """The outcome of a check that was passed; `arrays` has one entry per gradient."""

    subject: str
    arrays: list[ArrayReport]

    def __str__(self) -> str:
        return "\n".join([f"{self.subject}: every gradient agrees with finite differences", *map(str, self.arrays)])


def check_layer(layer: Layer, *inputs: Array, constants: Sequence[Any] = (), seed: int = 0) -> Report:
    """Checks the gradients with respect to every input and every parameter of a layer; GradientError if one is wrong.

    `layer.forward(*inputs, *constants)` returns an array or a tuple of arrays, and `layer.backward(*upstreams)`, with
    one upstream gradient per output, the gradients of `inputs` in their order. Labels, targets and noise that are not
    differentiated go into `constants`. Everything must be float64; `layer.astype(np.float64)` makes such a copy.
    """
    names = [f"d{name}" for name in list(inspect.signature(layer.forward).parameters)[: len(inputs)]]
    inputs = tuple(np.array(x) for x in inputs)
    for name, x in zip(names, inputs, strict=True):
        require_float64(f"the input {name.removeprefix('d')}", x)

    def backward(upstreams: Sequence[Array]) -> dict[str, Array]:
        returned = layer.backward(*upstreams)
        gradients = returned if isinstance(returned, tuple) else (returned,)
        if len(gradients) != len(inputs):
            raise GradientError(f"{layer!r}.backward returned {len(gradients)} gradients for {len(inputs)} inputs")
        return {**dict(zip(names, gradients, strict=True)), **parameter_gradients(layer)}

    arrays = {**dict(zip(names, inputs, strict=True)), **parameter_arrays(layer)}
    return check(repr(layer), lambda: layer.forward(*inputs, *constants), backward, arrays, seed)


def check_model(model: Any, *batch: Array, seed: int = 0) -> Report:
    """Checks the gradient of the loss with respect to every parameter of a model; GradientError if one is wrong.

    `model.forward(*batch)` returns the loss of every example (N,), or its terms as a tuple of such arrays, and
    `model.backward(dloss)`, with dloss (N,), writes the gradients. The noise belongs to the batch, as an input.
    """
    batch = tuple(np.array(x) for x in batch)

    def loss() -> Array:
        terms = model.forward(*batch)
        return np.sum(terms, axis=0) if isinstance(terms, tuple) else terms

    def backward(upstreams: Sequence[Array]) -> dict[str, Array]:
        model.backward(*upstreams)
        return parameter_gradients(model)

    return check(repr(model), loss, backward, parameter_arrays(model), seed)


def parameter_arrays(model: Any) -> dict[str, Array]:
    return {gradient_name(name): array for name, array in model.parameters.items()}


def parameter_gradients(model: Any) -> dict[str, Array]:
    return {gradient_name(name): np.array(array) for name, array in model.gradients.items()}


def gradient_name(parameter: str) -> str:
    """encoder.0.W → encoder.0.dW"""
    *path, name = parameter.split(".")
    return ".".join([*path, f"d{name}"])


def check(
    subject: str,
    forward: Callable[[], Any],
    backward: Callable[[Sequence[Array]], Mapping[str, Array]],
    arrays: Mapping[str, Array],
    seed: int,
) -> Report:
    """Holds backward's gradients of the `arrays`, by name, against finite differences of `forward`."""

    def outputs() -> list[Array]:
        y = forward()
        return list(y) if isinstance(y, tuple) else [y]

    for name, array in arrays.items():
        require_float64(f"the array behind {name}", array)
    before = {name: array.copy() for name, array in arrays.items()}
    first = [np.array(y) for y in outputs()]
    for y in first:
        require_float64(f"what {subject}.forward returns", y)
    if any((a != b).any() for a, b in zip(first, outputs(), strict=True)):
        raise GradientError(
            f"{subject}.forward gives two results for one input: it draws noise or keeps state. "
            "Pass the noise in as an argument"
        )

    rng = np.random.default_rng(seed)
    upstreams = [rng.standard_normal(y.shape) for y in first]
    given = [u.copy() for u in upstreams]
    analytic = backward(upstreams)
    outputs()
    again = backward(upstreams)
    for name, array in arrays.items():
        require_gradient(subject, name, analytic.get(name), array)
        if (analytic[name] != again[name]).any():
            raise GradientError(
                f"{subject}.backward gives another {name} the second time: it adds to the old one, or draws noise"
            )
        if (array != before[name]).any():
            raise GradientError(f"{subject} writes into the array behind {name}, which is not its own")
    if any((a != b).any() for a, b in zip(upstreams, given, strict=True)):
        raise GradientError(f"{subject}.backward writes into the upstream gradient it was given")

    reports = [
        ArrayReport(name, np.array(analytic[name]), numeric_gradient(outputs, array, upstreams))
        for name, array in arrays.items()
    ]
    blind = [report.name for report in reports if not report.judged.any()]
    if blind:
        raise GradientError(f"{subject}: every entry of {', '.join(blind)} lies on a kink; choose other inputs")
    if not all(report.passed for report in reports):
        wrong = sum(not report.passed for report in reports)
        headline = f"{subject}: {wrong} of {len(reports)} gradients wrong"
        raise GradientError("\n".join([headline, *(f"  {report}" for report in reports)]))
    return Report(subject, reports)


def require_float64(what: str, array: Any) -> None:
    dtype = getattr(array, "dtype", type(array).__name__)
    if dtype != np.float64:
        raise TypeError(
            f"a gradient check needs float64, and {what} is {dtype}: float32 has no digits to spare for differences. "
            "Convert the inputs with x.astype(np.float64) and the model with model.astype(np.float64)"
        )


def require_gradient(subject: str, name: str, gradient: Any, array: Array) -> None:
    """The contract of a gradient, apart from its values."""
    if not isinstance(gradient, np.ndarray):
        raise GradientError(f"{subject}.backward must give {name} as an array, it gives {type(gradient).__name__}")
    if gradient.shape != array.shape:
        raise GradientError(f"{subject}.backward gives {name} the shape {gradient.shape}, it must be {array.shape}")
    if gradient.dtype != np.float64:
        raise GradientError(f"{subject}.backward gives {name} as {gradient.dtype}: somewhere float64 was lost")
    if not np.isfinite(gradient).all():
        raise GradientError(f"{subject}.backward gives NaN or infinite values in {name}")
