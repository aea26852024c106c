"""A problem to hold a backward pass against: arrays, a forward pass that reads them, and the backward pass in question.

`check_contract` looks at what can be seen without numbers being right: how many gradients come back, their shapes and
types, whether forward and backward leave alone what is not theirs and give the same answer twice. `evidence` collects
what the diagnosis wants to know about a gradient that is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from scratchnn.gradcheck.facts import Evidence, Facts
from scratchnn.gradcheck.notebook import shown_error
from scratchnn.gradcheck.numeric import STEP, Forward, NumericGradient, numeric_gradient, outputs_of
from scratchnn.gradcheck.shapes import misfit
from scratchnn.machinery.parameters import Array

UPSTREAM = 271_828  # beside the seed, so that upstream gradients are not the numbers of a user with the same seed


class GradientError(AssertionError):
    """A backward pass that is wrong, or breaks the contract. The message says where, by how much, and if known why.

    It is made of the report, or of a sentence where the check came to no numbers.
    """

    def _render_traceback_(self) -> list[str]:
        return shown_error(self)  # IPython asks for it


P = ParamSpec("P")
R = TypeVar("R")


def verdict_alone(check: Callable[P, R]) -> Callable[P, R]:
    """The check; its GradientError comes without the frames of the check, which tell its user nothing."""

    @wraps(check)
    def checked(*arguments: P.args, **named: P.kwargs) -> R:
        __tracebackhide__ = True  # pytest leaves out this frame too
        try:
            return check(*arguments, **named)
        except GradientError as error:
            raise error.with_traceback(None) from error.__cause__

    return checked


@dataclass(frozen=True)
class Code:
    """The two functions under check, and how they are called: for the parts of the diagnosis that run or read them.

    kind       "function": forward returns (y, cache) and backward gets (dy, cache); "layer": backward gets one upstream
               gradient per output; "model": backward gets the one that all outputs share
    arguments  forward's arguments and keyword arguments, the problem's own arrays among them
    names      what backward calls a gradient, where that cannot be guessed → the array of forward that it belongs to
    """

    kind: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    arguments: Callable[[], tuple[Sequence[Any], Mapping[str, Any]]]
    names: Mapping[str, str] = field(default_factory=dict)

    def outputs(self, forward: Callable[..., Any] | None = None) -> tuple[Array, ...]:
        """What forward returns, or another function in its place, without the cache."""
        return as_tuple(self.passed(forward)[0])

    def returned(
        self,
        upstreams: Sequence[Array],
        forward: Callable[..., Any] | None = None,
        backward: Callable[..., Any] | None = None,
    ) -> Any:
        """What backward returns after a forward of its own, or other functions in their places."""
        return (backward or self.backward)(*self.backward_arguments(upstreams, *self.passed(forward)))

    def backward_arguments(self, upstreams: Sequence[Array], y: Any, cache: Any) -> Sequence[Any]:
        if self.kind == "function":
            return tuple(upstreams) if isinstance(y, tuple) else upstreams[0], cache
        return upstreams if self.kind == "layer" else upstreams[:1]

    def passed(self, forward: Callable[..., Any] | None = None) -> tuple[Any, Any]:
        """y, which may be a tuple, and the cache."""
        arguments, named = self.arguments()
        y = (forward or self.forward)(*arguments, **named)
        if self.kind != "function":
            return y, None
        if not isinstance(y, tuple) or len(y) != 2:
            raise GradientError(f"forward must return the pair (y, cache), it returns a {type(y).__name__}")
        return y


def with_entries(arrays: Mapping[str, Array]) -> Mapping[str, Array]:
    """Without the empty ones, in which nothing can be wrong; these, if there are no others."""
    return {name: array for name, array in arrays.items() if array.size} or arrays


def as_tuple(y: Any) -> tuple[Array, ...]:
    return y if isinstance(y, tuple) else (y,)


@dataclass
class Problem:
    """Everything float64.

    arrays     gradient name ("dx") → the array it belongs to, which is changed in place for differences
    forward    reads the arrays, returns the outputs
    code       the two functions under check
    answers    what backward returned → gradients by name
    facts      (outputs, upstreams) → what is known besides the numbers
    probes     name → a simpler problem of the same kind
    unchecked  names of arrays that change the outputs, and for which backward has no gradient
    """

    subject: str
    arrays: Mapping[str, Array]
    forward: Callable[[], Sequence[Array]]
    code: Code
    answers: Callable[[Any], Mapping[str, Any]]
    sizes: Mapping[str, int] = field(default_factory=dict)
    output_names: Sequence[str] = ()
    facts: Callable[[Sequence[Array], Sequence[Array]], Facts] = lambda outputs, upstreams: Facts()
    probes: Mapping[str, Callable[[], Problem]] = field(default_factory=dict)
    unchecked: Sequence[str] = ()
    shared_upstream: bool = False  # the outputs are terms of one sum: all have the same upstream gradient

    @property
    def shapes(self) -> str:
        return ", ".join(f"{name.removeprefix('d')} {array.shape}" for name, array in self.arrays.items())

    def backward(self, upstreams: Sequence[Array]) -> Mapping[str, Any]:
        """The gradients by name for upstream gradients, one per output, after a forward of its own."""
        return self.answers(self.code.returned(upstreams))

    def upstreams(self, seed: int) -> list[Array]:
        """Random upstream gradients of the outputs' shapes."""
        rng = np.random.default_rng([seed, UPSTREAM])
        outputs = self.forward()
        if self.shared_upstream:
            return [rng.standard_normal(np.shape(outputs[0]))] * len(outputs)
        return [rng.standard_normal(np.shape(y)) for y in outputs]

    def numeric(self, upstreams: Sequence[Array]) -> dict[str, NumericGradient]:
        """By finite differences, with a progress bar if it takes more than two seconds."""
        entries = sum(array.size for array in self.arrays.values())
        with progress(entries, self.subject) as count:
            return {
                name: numeric_gradient(self.forward, array, upstreams, count) for name, array in self.arrays.items()
            }


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[], object]]:
    """Draws what is counted as a bar, if it takes long. Where there is no tqdm, in a browser, there is no bar."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        yield lambda: None
        return
    with tqdm(total=total, unit="entry", desc=what, delay=2, leave=False, disable=None) as bar:
        yield bar.update


def check_contract(problem: Problem, seed: int) -> tuple[list[Array], dict[str, Array]]:
    """Random upstream gradients, and the gradients that backward makes of them, checked for all that needs no numbers.

    GradientError for an answer that breaks the contract; TypeError for arrays that are not float64.
    """
    subject, arrays = problem.subject, problem.arrays
    for name, array in arrays.items():
        require_float64(f"the array behind {name}", array)
        if not array.flags.writeable:
            raise ValueError(
                f"{subject}: the array behind {name} cannot be written to, and differences are taken by changing its "
                "entries: keep a copy, array.copy()"
            )
        if not array.size:
            raise ValueError(f"{subject}: the array behind {name} has shape {array.shape}: there is nothing to check")
    known = {id(array) for array in arrays.values()}
    watched = {**arrays, **{name: array for name, array in arguments_of(problem).items() if id(array) not in known}}
    before = {name: array.copy() for name, array in watched.items()}

    def own(who: str) -> None:
        changed = [name for name, array in watched.items() if not np.array_equal(array, before[name], equal_nan=True)]
        if changed:
            names = [name.rpartition(".")[2].removeprefix("d") if name in arrays else name for name in changed]
            raise GradientError(
                f"{subject}: {who} writes into {', '.join(names)}, which is not its own: make a new array instead of "
                "changing it with *=, +=, a slice or out="
            )

    first = [np.array(y) for y in problem.forward()]
    own("forward")
    for y in first:
        require_float64(f"what {subject}'s forward returns", y)
        if not np.isfinite(y).all():
            raise ValueError(f"{subject}: forward returns NaN or infinite values for these inputs; choose others")
    if any((a != b).any() for a, b in zip(first, problem.forward(), strict=True)):
        raise GradientError(
            f"{subject}: forward gives two results for one input: it draws noise or keeps state. "
            "Pass the noise in as an argument"
        )
    upstreams = problem.upstreams(seed)
    given = [u.copy() for u in upstreams]
    try:
        returned = problem.backward(upstreams)
    except ValueError as error:
        if said := misfit(error, problem.code.backward, arrays):
            raise GradientError(f"{subject}: {said}") from error
        raise
    answer = {name: np.copy(g) if isinstance(g, np.ndarray) else g for name, g in returned.items() if name in arrays}
    answer |= {name: np.array(g) for name, g in answer.items() if isinstance(g, float) and not np.ndim(arrays[name])}
    if any((a != b).any() for a, b in zip(upstreams, given, strict=True)):
        raise GradientError(
            f"{subject}: backward writes into the upstream gradient it was given, which is not its own: "
            "make a new array instead of changing it with *=, += or out="
        )
    require_order(subject, answer, arrays)
    for name, array in arrays.items():
        require_gradient(subject, name, answer.get(name), array)
    own("backward")
    again = {name: np.array(gradient) for name, gradient in problem.backward(upstreams).items()}
    once_more = {name: np.array(gradient) for name, gradient in problem.backward(upstreams).items()}
    expect_untouched(problem, upstreams)
    for name in arrays:
        if (answer[name] != again[name]).any():
            step = once_more[name] - again[name]
            adds = step.any() and np.allclose(step, again[name] - answer[name], rtol=1e-9, atol=0)
            raise GradientError(
                f"{subject}: backward gives another {name} the second time: it "
                + ("adds to what was there before; write with = and not with +=" if adds else "draws noise, or uses ")
                + ("" if adds else "something left over from the first time")
            )
    expect_one_answer(problem, upstreams, answer)
    return upstreams, {name: np.array(answer[name]) for name in arrays}


def arguments_of(problem: Problem) -> dict[str, Array]:
    """The arrays that forward is given."""
    positional, named = problem.code.arguments()
    given = {**{f"forward's argument number {k + 1}": a for k, a in enumerate(positional)}, **named}
    return {name: a for name, a in given.items() if isinstance(a, np.ndarray)}


def expect_untouched(problem: Problem, upstreams: Sequence[Array]) -> None:
    """GradientError if backward changes what forward returned."""
    y, cache = problem.code.passed()
    watched = {f"what forward returned{f', number {k + 1}' if k else ''}": a for k, a in enumerate(as_tuple(y))}
    before = {name: np.copy(a) for name, a in watched.items()}
    problem.code.backward(*problem.code.backward_arguments(upstreams, y, cache))
    for name, values in before.items():
        if not np.array_equal(watched[name], values, equal_nan=True):
            raise GradientError(
                f"{problem.subject}: backward writes into {name}, which is not its own: make a new array instead of "
                "changing it with *=, +=, a slice or out="
            )


def expect_one_answer(problem: Problem, upstreams: Sequence[Array], answer: Mapping[str, Any]) -> None:
    """GradientError if backward, run twice after one forward, gives two answers: it writes into its cache."""
    if problem.code.kind != "function":
        return  # a layer may give away what its forward kept, and then backward runs once
    arguments = problem.code.backward_arguments(upstreams, *problem.code.passed())
    problem.code.backward(*arguments)
    again = problem.answers(problem.code.backward(*arguments))
    for name in problem.arrays:
        if np.shape(again[name]) != np.shape(answer[name]) or (again[name] != answer[name]).any():
            raise GradientError(
                f"{problem.subject}: backward, run twice after one forward, gives another {name} the second time: it "
                "writes into what forward kept for it, the cache. Make a new array instead of changing it with *=, +=, "
                "a slice or out="
            )


def require_float64(what: str, array: Any) -> None:
    dtype = getattr(array, "dtype", None)
    if dtype == np.float64:
        return
    if dtype is None or dtype.kind != "f":
        got = f"a {type(array).__name__}" if dtype is None else f"an array of {dtype}"
        raise TypeError(f"a gradient check needs float64 arrays, and {what} is {got}: convert it, np.asarray(x, float)")
    why = "float32 has no digits to spare for differences"
    if dtype == np.dtype(np.float64).newbyteorder():
        why = "its bytes are in another order than this machine's"
    raise TypeError(
        f"a gradient check needs float64, and {what} is {dtype}: {why}. "
        "Convert the inputs with x.astype(np.float64) and the model with model.astype(np.float64)"
    )


def require_order(
    subject: str, answers: Mapping[str, Any], arrays: Mapping[str, Array], function: str = "backward"
) -> None:
    """GradientError if the arrays have the shapes that they should have, but in another order.

    Where each could as well be the transpose of the right one, `require_gradient` asks for that.
    """
    shapes = {name: getattr(answers.get(name), "shape", None) for name in arrays}
    wanted = {name: array.shape for name, array in arrays.items()}
    others = Counter(shapes.values()) == Counter(wanted.values())
    if others and any(sorted(shapes[name] or ()) != sorted(wanted[name]) for name in arrays):
        name = next(name for name in arrays if shapes[name] != wanted[name])
        other = next(other for other in arrays if wanted[other] == shapes[name])
        raise GradientError(
            f"{subject}: what {function} gives has the right shapes in another order: {name} has the shape of {other}, "
            f"{shapes[name]}. The order is {', '.join(arrays)}"
        )


def require_gradient(subject: str, name: str, gradient: Any, array: Array, function: str = "backward") -> None:
    """The contract of a gradient, or of what else a function gives, apart from its values."""
    if gradient is None or gradient is ...:
        raise GradientError(f"{subject}: {function} gives nothing for {name}: is it returned, or written?")
    if not isinstance(gradient, np.ndarray | np.number):
        raise GradientError(f"{subject}: {function} must give {name} as an array, it gives a {type(gradient).__name__}")
    if gradient.shape != array.shape:
        raise GradientError(
            f"{subject}: {function} gives {name} the shape {gradient.shape}, it must be {array.shape}"
            + f", that of {name.rpartition('.')[2].removeprefix('d')}" * (function == "backward")
            + shape_hint(np.asarray(gradient), array)
        )
    if gradient.dtype.kind != "f":
        raise GradientError(f"{subject}: {function} gives {name} as {gradient.dtype}: it must be made of floats")
    if not np.isfinite(gradient).all():
        raise GradientError(f"{subject}: {function} gives NaN or infinite values in {name}")


def shape_hint(gradient: Array, array: Array) -> str:
    if gradient.ndim == array.ndim and sorted(gradient.shape) == sorted(array.shape):
        return ". The same sizes in another order: is a transpose missing, or one too many?"
    if [size for size in gradient.shape if size > 1] == [size for size in array.shape if size > 1]:
        if gradient.ndim > array.ndim:
            return ". It has an axis of length 1 too many: does a sum have keepdims=True that should not?"
        return ". An axis of length 1 is missing: in a sum, keepdims=True keeps it"
    if gradient.ndim == array.ndim and all(b in (1, a) for a, b in zip(gradient.shape, array.shape, strict=True)):
        return ". Where forward repeats along an axis of length 1, backward sums along it, with keepdims=True"
    if gradient.shape == 2 * array.shape:
        return ". A column and a row make a square: has one of them an axis of length 1 too many?"
    if gradient.ndim > array.ndim and gradient.shape[gradient.ndim - array.ndim :] == array.shape:
        more = gradient.ndim - array.ndim
        axes = "one axis" if more == 1 else f"{more} axes"
        return f". It has {axes} too many in front: what was used for every example is summed over the examples"
    if gradient.ndim < array.ndim:
        return ". It has an axis too few: was something summed that should not be, or is a [:, None] missing?"
    return ""


def evidence(
    problem: Problem, name: str, upstreams: Sequence[Array], numerics: Mapping[str, NumericGradient]
) -> Evidence:
    """What there is to know about one gradient of a problem, right or wrong; `numerics` are the right values of all."""
    array, numeric = problem.arrays[name], numerics[name]
    answer = np.array(problem.backward(upstreams)[name], np.float64)
    judged, tolerance = ~numeric.kink, numeric.error
    beyond = np.abs(answer - numeric.value) > tolerance + 1e-8 * np.abs(numeric.value)
    if not beyond[judged].any():  # all that is wrong lies on a kink, outside of its two slopes
        judged, tolerance = judged | beyond, np.where(beyond, 0.0, tolerance)
    outputs = [np.array(y) for y in problem.forward()]
    jacobians = numeric_jacobian(problem.forward, array)  # (*shape of output, *shape of array) for every output
    weighted = [
        jacobian * u.reshape(u.shape + (1,) * array.ndim) for jacobian, u in zip(jacobians, upstreams, strict=True)
    ]

    def total(parts: Sequence[Array]) -> Array:
        return sum((part.sum(axis=tuple(range(part.ndim - array.ndim))) for part in parts), np.zeros(array.shape))

    parts: dict[str, dict[str, Array]] = {}
    if len(outputs) > 1:
        labels = problem.output_names or [f"number {k + 1}" for k in range(len(outputs))]
        parts["output"] = {label: total([part]) for label, part in zip(labels, weighted, strict=True)}
    examples: list[Array] = []
    lengths = {y.shape[0] if y.ndim else 0 for y in outputs}
    if len(lengths) == 1 and (n := lengths.pop()) > 1 and array.shape[:1] != (n,):
        examples = [total([part[k : k + 1] for part in weighted]) for k in range(n)]

    scaled: tuple[Array, Array] | None = None
    try:
        with np.errstate(all="ignore"):
            zero, double = (np.array(problem.backward([f * u for u in upstreams])[name], np.float64) for f in (0, 2))
        scaled = zero, double
    except Exception:  # an answer need not be made for such an upstream gradient
        scaled = None
    return Evidence(
        name=name,
        answer=answer,
        numeric=numeric.value,
        tolerance=tolerance,
        judged=judged,
        sizes=problem.sizes,
        facts=problem.facts(outputs, upstreams),
        parts=parts,
        examples=examples,
        others={other: its.value for other, its in numerics.items() if other != name},
        scaled=scaled,
        ones=total(jacobians),
        probes={label: partial(is_right, make, name) for label, make in problem.probes.items()},
    )


def numeric_jacobian(forward: Forward, array: Array) -> list[Array]:
    """The derivative of every output by every entry of `array`: for each output (*its shape, *array.shape).

    By central differences without error bars: for finding out what an answer looks like, not whether it is right.
    """
    jacobians = [np.empty(np.shape(y) + array.shape) for y in forward()]
    for index in np.ndindex(array.shape):
        x = float(array[index])
        h = STEP * max(1.0, abs(x))
        try:
            array[index] = x + h
            above = outputs_of(forward)
            array[index] = x - h
            below = outputs_of(forward)
        finally:
            array[index] = x
        for jacobian, y_above, y_below in zip(jacobians, above, below, strict=True):
            jacobian[(..., *index)] = (y_above - y_below) / ((x + h) - (x - h))
    return jacobians


def is_right(make: Callable[[], Problem], name: str) -> bool:
    """Whether the answer for this gradient is right in a problem; an answer that raises is not."""
    problem = make()
    upstreams = problem.upstreams(seed=0)
    numeric = numeric_gradient(problem.forward, problem.arrays[name], upstreams)
    try:
        answer = np.asarray(problem.backward(upstreams)[name])
        off = np.abs(answer - numeric.value) - numeric.error - 1e-8 * np.abs(numeric.value)
        return bool(answer.shape == numeric.value.shape and (off[~numeric.kink] <= 0).all() and answer.any())
    except Exception:
        return False
