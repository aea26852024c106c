"""Is a backward pass right? Every entry of every gradient, against finite differences; and if not, why not.

The check is only worth something if it can fail, so it is strict by construction: float64 only; every entry of every
input and parameter; a *random* upstream gradient (with ones, many wrong answers are right: the outputs of a softmax
always add up to 1, so zero would pass); a tolerance that follows from the error bar of the finite differences.

What it cannot see is a wrong *forward* pass: backward then differentiates the wrong thing correctly. Forward passes
need tests of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scratchnn.gradcheck.diagnosis import Diagnosis, diagnose
from scratchnn.gradcheck.facts import Facts
from scratchnn.gradcheck.learned import Learned, expect_passes, mapping, name_of
from scratchnn.gradcheck.numeric import NumericGradient, numeric_projections
from scratchnn.gradcheck.problem import (
    Code,
    GradientError,
    Problem,
    as_tuple,
    check_contract,
    evidence,
    require_float64,
)
from scratchnn.machinery.checks import type_name
from scratchnn.machinery.parameters import Array

RELATIVE_TOLERANCE = 1e-8
EXHAUSTIVE = 20_000  # entries that a whole model is checked by, one by one


@dataclass(frozen=True)
class ArrayReport:
    """One gradient: backward's values beside those of finite differences, and why they differ if that is known."""

    name: str
    analytic: Array
    numeric: NumericGradient
    diagnosis: Diagnosis | None = None

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

    @property
    def worst(self) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(np.argmax(self.excess), self.errors.shape))

    def __str__(self) -> str:
        analytic, numeric, bar = (float(a[self.worst]) for a in (self.analytic, self.numeric.value, self.numeric.error))
        line = f"{self.name:16} {self.analytic.shape!s:14} {'ok   ' if self.passed else 'WRONG'}"
        line += f"   largest error {self.errors.max():.1e}"
        if self.passed and not self.analytic.any():
            line += "; all zero, which says little: nothing here depends on it"
        if not self.passed:
            wrong, ratio = int((self.excess > 0).sum()), f"{analytic / numeric:.6g}" if numeric else "-"
            line += f"; {wrong} of {self.errors.size} entries wrong, worst at {list(self.worst)}: backward says "
            line += f"{analytic:.9g}, finite differences {numeric:.9g} ± {bar:.0e}, ratio {ratio}"
        if not self.judged.all():
            line += f"; {int(self.numeric.kink.sum())} of {self.errors.size} entries lie on a kink and were not judged"
        return line


@dataclass(frozen=True)
class Report:
    """The outcome of a check; `arrays` has one entry per gradient, `unchecked` the names of arrays without one."""

    subject: str
    arrays: list[ArrayReport] = field(default_factory=list)
    unchecked: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        return all(report.passed for report in self.arrays)

    def __str__(self) -> str:
        names = ", ".join(array.name for array in self.arrays)
        ignored = f"; NOT CHECKED: {', '.join(self.unchecked)}" if self.unchecked else ""
        reason = [f"{name}: moving it changes the output, and no gradient was found for it" for name in self.unchecked]
        if self.passed:
            head = f"{self.subject}: every gradient agrees with finite differences: {names}{ignored}"
            return "\n".join([head, *map(str, self.arrays), *reason])
        wrong = sum(not report.passed for report in self.arrays)
        lines = [f"{self.subject}: {wrong} of {len(self.arrays)} gradients wrong{ignored}"]
        lines += [f"  {line}" for line in [*map(str, self.arrays), *reason]]
        for names, diagnosis in self.diagnoses():
            lines += ["", *explanation(names, diagnosis)]
        if not self.diagnoses():
            lines += ["", "No second problem could be made of these inputs, so nothing is said about the cause."]
        return "\n".join(lines)

    def diagnoses(self) -> list[tuple[str, Diagnosis]]:
        """Each mistake once, with the names of all gradients that show it."""
        groups: dict[str, list[Diagnosis]] = {}
        for report in self.arrays:
            if report.diagnosis:
                groups.setdefault(report.diagnosis.label, []).append(report.diagnosis)
        return [(", ".join(d.name for d in group), group[0]) for group in groups.values()]


def explanation(names: str, diagnosis: Diagnosis) -> list[str]:
    """A diagnosis in words: the fact, that it held twice, and where to look."""
    lines = [f"{names}: {diagnosis.fact}."]
    if diagnosis.second and diagnosis.second != diagnosis.fact:
        lines.append(f"  On a second problem: {diagnosis.second}.")
    elif diagnosis.second:
        lines.append("  The same holds on a second problem, with other numbers.")
    if diagnosis.place:
        lines.append(f"  Where to look: {diagnosis.place}")
    return lines


def check_layer(layer: Any, *inputs: Array, constants: Sequence[Any] = (), seed: int = 0) -> Report:
    """Checks the gradients with respect to every input and every parameter of a layer; GradientError if one is wrong.

    `layer` is one of this library, or any object with a forward and a backward; learned.py says which parameters of it
    are found. `layer.forward(*inputs, *constants)` returns an array or a tuple of arrays, and
    `layer.backward(*upstreams)`, with one upstream gradient per output, the gradients of `inputs` in their order.
    Labels, targets and noise that are not differentiated go into `constants`. Everything must be float64;
    `layer.astype(np.float64)` makes such a copy.
    """
    expect_passes("check_layer", layer, inputs)
    names = [f"d{name}" for name in argument_names(layer.forward, len(inputs))]
    arrays = as_float_arrays(inputs, names)

    def forward(inputs: Sequence[Array], constants: Sequence[Any]) -> tuple[Array, ...]:
        return as_tuple(layer.forward(*inputs, *constants))

    with undisturbed(layer):
        learned = Learned(
            layer, lambda: forward([x.copy() for x in arrays], constants), lambda upstreams: layer.backward(*upstreams)
        )

        def problem(inputs: Sequence[Array], constants: Sequence[Any]) -> Problem:
            code = Code("layer", layer.forward, layer.backward, lambda: ((*inputs, *constants), {}))

            def backward(upstreams: Sequence[Array]) -> dict[str, Any]:
                return {**in_order(name_of(layer), code.returned(upstreams), names), **learned.gradients()}

            known = {**dict(zip(names, inputs, strict=True)), **learned.arrays}
            return Problem(
                subject=name_of(layer),
                arrays=known,
                unchecked=learned.unchecked,
                forward=code.outputs,
                backward=backward,
                code=code,
                **described(known, constants),
            )

        return check_problem(problem, arrays, constants, seed)


def check_function(
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[[Any, Any], Any],
    inputs: Mapping[str, Array] | Sequence[Array],
    constants: Sequence[Any] = (),
    seed: int = 0,
) -> Report:
    """Checks a pair of plain functions; GradientError if a gradient is wrong.

    `forward(*inputs, *constants)` returns (y, cache), y being an array or a tuple of arrays; `backward(dy, cache)`
    returns the gradient of the only input, or a tuple of the gradients of all `inputs` in their order. `inputs` are
    float64 arrays, in a dict by name, or in a list: then forward's arguments name them. Labels, targets and noise that
    are not differentiated go into `constants`.
    """
    if not isinstance(inputs, Mapping | list | tuple):
        raise TypeError(f"`inputs` must be a dict or a list of arrays, {{'x': x}} or [x], got {type_name(inputs)}")
    if not inputs:
        raise ValueError("there is nothing to check: `inputs` must name the arrays to differentiate by, {'x': x, …}")
    if not isinstance(inputs, Mapping):
        inputs = dict(zip(argument_names(forward, len(inputs)), inputs, strict=True))
    names = [f"d{name}" for name in inputs]
    subject = getattr(backward, "__name__", "backward")

    def problem(inputs: Sequence[Array], constants: Sequence[Any]) -> Problem:
        code = Code("function", forward, backward, lambda: ((*inputs, *constants), {}))
        arrays = dict(zip(names, inputs, strict=True))
        return Problem(
            subject=subject,
            arrays=arrays,
            forward=code.outputs,
            backward=lambda upstreams: in_order(subject, code.returned(upstreams), names),
            code=code,
            **described(arrays, constants),
        )

    return check_problem(problem, as_float_arrays(list(inputs.values()), names), constants, seed)


def check_model(model: Any, *batch: Array, directions: int | None = None, seed: int = 0) -> Report:
    """Checks the gradient of the loss with respect to every parameter of a model; GradientError if one is wrong.

    `model` is one of this library, or any object with a forward, a backward and parameters that learned.py finds.
    `model.forward(*batch)` returns the loss of every example (N,), or its terms as a tuple of such arrays, and
    `model.backward(dloss)`, with dloss (N,), writes the gradients. The noise belongs to the batch, as an input. If the
    model has `term_names`, the terms are called so. Arrays of whole numbers, such as labels, may be part of the batch.

    A large model is checked along `directions` random directions for each of its arrays instead of entry by entry. One
    wrong entry among a million is easily missed so: check a small model of the same kind entry by entry as well.
    """
    expect_passes("check_model", model, batch)
    for position, array in enumerate(batch):
        if np.asarray(array).dtype.kind not in "iu":
            require_float64(f"batch[{position}]", array)

    with undisturbed(model):
        learned = Learned(
            model,
            lambda: as_tuple(model.forward(*map(np.array, batch))),
            lambda upstreams: model.backward(upstreams[0]),
        )
        if not learned.arrays:
            raise TypeError(
                f"check_model finds no parameters in {type_name(model)}: give it the mappings `parameters` and "
                "`gradients`, or pairs of float64 arrays as attributes, `W` and `dW`"
            )

        def problem(batch: Sequence[Array], _: Sequence[Any]) -> Problem:
            code = Code("model", model.forward, model.backward, lambda: (batch, {}))

            def backward(upstreams: Sequence[Array]) -> dict[str, Any]:
                code.returned(upstreams)
                return learned.gradients()

            return Problem(
                subject=name_of(model),
                arrays=learned.arrays,
                unchecked=learned.unchecked,
                forward=code.outputs,
                backward=backward,
                code=code,
                output_names=getattr(model, "term_names", ()),
                shared_upstream=True,
                sizes={"N": len(batch[0])},
            )

        if directions is not None:
            return along_directions(problem(batch, ()), directions, seed)
        entries = sum(array.size for array in learned.arrays.values())
        if entries > EXHAUSTIVE:
            raise ValueError(
                f"the model has {entries:,} parameters, and each takes four forward passes: check a smaller one of "
                f"the same kind (up to {EXHAUSTIVE:,}), or this one along random directions, "
                "check_model(…, directions=3)"
            )
        return check_problem(problem, batch, (), seed)


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Running averages move with every forward pass; after the many of a check they are what they were."""
    buffers = mapping(model, "buffers") or {}
    before = {name: array.copy() for name, array in buffers.items()}
    try:
        yield
    finally:
        for name, array in before.items():
            buffers[name][...] = array


def along_directions(problem: Problem, count: int, seed: int) -> Report:
    """Compares slopes along random directions, `count` for each array, so that a small array is not lost beside a large
    one; GradientError if one is wrong."""
    if count < 1:
        raise ValueError(f"directions must be at least 1, got {count}")
    rng = np.random.default_rng(seed)
    upstreams, answers = check_contract(problem, seed)
    arrays = []
    for name, array in problem.arrays.items():
        drawn = [rng.standard_normal(array.shape) for _ in range(count)]
        units = [direction / np.sqrt(np.sum(direction**2)) for direction in drawn]
        slopes = np.array([np.sum(answers[name] * unit) for unit in units])
        numeric = numeric_projections(problem.forward, array, upstreams, units)
        arrays.append(ArrayReport(f"{name} · d", slopes, numeric))
    report = Report(problem.subject, arrays, problem.unchecked)
    if not report.passed:
        raise GradientError(str(report))
    return report


def check_problem(
    problem: Callable[[Sequence[Array], Sequence[Any]], Problem],
    inputs: Sequence[Array],
    constants: Sequence[Any],
    seed: int,
) -> Report:
    """Checks `problem(inputs, constants)`; where it fails, a second one with other rows serves the diagnosis."""
    here = problem(inputs, constants)
    report = compare(here, seed)
    if report.passed:
        return report
    raise GradientError(str(explained(report, here, resampled(problem, inputs, constants, seed), seed)))


def compare(problem: Problem, seed: int) -> Report:
    """The contract, then the numbers."""
    upstreams, answers = check_contract(problem, seed)
    numeric = problem.numeric(upstreams)
    arrays = [ArrayReport(name, answers[name], numeric[name]) for name in problem.arrays]
    report = Report(problem.subject, arrays, problem.unchecked)
    blind = [array.name for array in report.arrays if array.judged.mean() < 0.5]
    if blind:
        raise GradientError(
            f"{problem.subject}: half of {', '.join(blind)} or more lies on kinks, or where the slope changes too fast "
            "to be measured, so nothing can be said; choose other inputs"
        )
    return report


def explained(report: Report, here: Problem, other: Problem | None, seed: int) -> Report:
    """The same report, with a diagnosis for every gradient that is wrong, if there is a second problem to try it on."""
    if other is None:
        return report
    upstreams, others = here.upstreams(seed), other.upstreams(seed + 1)
    numerics, other_numerics = {array.name: array.numeric for array in report.arrays}, other.numeric(others)
    arrays = []
    for array in report.arrays:
        found = None
        if not array.passed:
            found = diagnose(
                evidence(here, array.name, upstreams, numerics), evidence(other, array.name, others, other_numerics)
            )
        arrays.append(replace(array, diagnosis=found))
    return replace(report, arrays=arrays)


def resampled(
    problem: Callable[[Sequence[Array], Sequence[Any]], Problem],
    inputs: Sequence[Array],
    constants: Sequence[Any],
    seed: int,
) -> Problem | None:
    """A second problem of the same kind; None if none can be made.

    Rows are examples by convention: another number of them is drawn from those of the first, each entry of an input
    from its column, so that whatever range the values must lie in, they still do; constants keep their rows whole.
    Where that does not work, because there is one row, or rows are something else, the sizes stay and values change.
    """
    rng = np.random.default_rng(seed + 1)
    n = len(inputs[0]) if inputs[0].ndim else 1
    rows = rng.integers(0, n, 11 if n != 11 else 7)

    def drawn(array: Any, mix: bool) -> Any:
        array = np.asarray(array)
        if array.ndim == 0 or len(array) != n:
            return array.copy()
        if not mix:
            return array[rows]
        return np.take_along_axis(array, rng.integers(0, n, (len(rows), *array.shape[1:])), axis=0)

    def shifted(array: Array) -> Array:
        return np.asarray(array * rng.uniform(0.8, 1.2, array.shape))

    others = [([shifted(x) for x in inputs], list(constants))]
    if n > 1:
        others.insert(0, ([drawn(x, True) for x in inputs], [drawn(c, False) for c in constants]))
    for other_inputs, other_constants in others:
        try:
            other = problem(other_inputs, other_constants)
            check_contract(other, seed + 1)
            return other
        except Exception:  # whatever a layer makes of inputs that it was not given by its user
            continue
    return None


def described(known: Mapping[str, Array], constants: Sequence[Any]) -> dict[str, Any]:
    """What is known about any problem: the number of examples, the arrays by gradient name, output and upstream."""

    def facts(outputs: Sequence[Array], upstreams: Sequence[Array]) -> Facts:
        arrays = {name.removeprefix("d"): np.array(x) for name, x in known.items()}
        if len(outputs) == 1:
            arrays |= {"y": outputs[0], "dy": upstreams[0]}
        masks: dict[str, Array] = {}
        for name, array in list(arrays.items()):
            masks |= {f"{name} < 0": array < 0, f"{name} > 0": array > 0}
        for constant in map(np.asarray, constants):
            if constant.ndim == 1 and constant.dtype.kind in "iu":
                for array in known.values():
                    if array.ndim == 2 and len(array) == len(constant):
                        masks |= {"the label's entry": np.arange(array.shape[1]) == constant[:, None]}
        return Facts(arrays=arrays, masks=masks)

    first = next(iter(known.values()))
    return {"sizes": {"N": len(first)} if first.ndim else {}, "facts": facts}


def argument_names(forward: Callable[..., Any], count: int) -> list[str]:
    """The names of forward's first arguments."""
    names = list(inspect.signature(forward).parameters)
    if len(names) < count:
        raise TypeError(f"there are {count} inputs, and forward takes {', '.join(names) or 'none'}")
    return names[:count]


def as_float_arrays(inputs: Sequence[Array], names: Sequence[str]) -> list[Array]:
    """Copies, which may be changed; TypeError unless float64."""
    for name, x in zip(names, inputs, strict=True):
        require_float64(f"the input {name.removeprefix('d')}", x)
    return [np.array(x) for x in inputs]


def in_order(subject: str, returned: Any, names: Sequence[str], function: str = "backward") -> dict[str, Any]:
    """What backward returned, by name; GradientError if it is not one array per name."""
    gradients = returned if isinstance(returned, tuple) else (returned,)
    if isinstance(returned, list) or len(gradients) != len(names):
        what = f"{len(gradients)} values" if isinstance(returned, tuple) else f"one {type(returned).__name__}"
        wanted = "one array" if len(names) == 1 else f"a tuple of {len(names)}"
        raise GradientError(f"{subject}: {function} returned {what}, expected {wanted}: {', '.join(names)}")
    return dict(zip(names, gradients, strict=True))
