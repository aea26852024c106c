"""Is a backward pass right? Every entry of every gradient, against finite differences; and if not, why not.

The check is only worth something if it can fail, so it is strict by construction: float64 only; every entry of every
input and parameter; a *random* upstream gradient (with ones, many wrong answers are right: the outputs of a softmax
always add up to 1, so zero would pass); a tolerance that follows from the error bar of the finite differences.

What it cannot see is a wrong *forward* pass: backward then differentiates the wrong thing correctly. Forward passes
need tests of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np

from scratchnn.compiled import in_use, numpy_forms
from scratchnn.gradcheck.another import (
    MakeProblem,
    moved,
    one_larger,
    other_numbers,
    other_values,
    others,
    smallest,
    unread,
)
from scratchnn.gradcheck.cause import explained
from scratchnn.gradcheck.facts import MATCH, Facts
from scratchnn.gradcheck.given import Constants, Given, argument_names
from scratchnn.gradcheck.learned import Learned, expect_passes, name_of, places
from scratchnn.gradcheck.numeric import numeric_projections
from scratchnn.gradcheck.problem import (
    UPSTREAM,
    Code,
    GradientError,
    Problem,
    as_tuple,
    check_contract,
    require_float64,
    verdict_alone,
    with_entries,
)
from scratchnn.gradcheck.report import ArrayReport, Report, rounding_of
from scratchnn.machinery.checks import type_name
from scratchnn.machinery.parameters import Array

LARGE = 2.0**14  # a power of two, by which every number is multiplied exactly
ENTRY_BY_ENTRY = 300  # entries of a second problem; of more, slopes along some directions are compared
DIRECTIONS = 3
POINTS = 3  # other values of the same sizes, so that branches are reached that one point does not reach
ROOM = 5.0  # error bars that other problems may be off: what they are to show is off by far more
EXHAUSTIVE = 20_000  # entries that a whole model is checked by, one by one


@verdict_alone
def check_layer(
    layer: Any, *inputs: Any, constants: Constants = (), names: Mapping[str, str] | None = None, seed: int = 0
) -> Report:
    """Checks the gradients with respect to every input and every parameter of a layer; GradientError if one is wrong.

    `layer` is one of this library, or any object with a forward and a backward; learned.py says which parameters of it
    are found. `layer.forward(*inputs, *constants)` returns an array or a tuple of arrays, and
    `layer.backward(*upstreams)`, with one upstream gradient per output, the gradients of `inputs` in their order.
    Labels, targets and noise that are not differentiated go into `constants`, in a dict if forward takes them by
    keyword. `names` says what backward calls a gradient that is not called dX, d_X, gX, grad_X or X_grad:
    {"delta": "W"}. Everything must be float64; `layer.astype(np.float64)` makes such a copy.
    """
    expect_passes("check_layer", layer, inputs)
    given = Given(dict(zip(argument_names(layer.forward, len(inputs)), inputs, strict=True)), constants, False)
    names = names or {}

    def forward() -> tuple[Array, ...]:
        arguments, named = given.arguments([x.copy() for x in given.arrays.values()], given.constants)
        return as_tuple(layer.forward(*arguments, **named))

    with undisturbed(layer):
        learned = Learned(layer, forward, lambda upstreams: layer.backward(*upstreams), names)

        def problem(inputs: Sequence[Array], constants: Sequence[Any]) -> Problem:
            code = Code("layer", layer.forward, layer.backward, lambda: given.arguments(inputs, constants), names)

            def answers(returned: Any) -> dict[str, Any]:
                return {**given.gradients(name_of(layer), returned, names), **learned.gradients()}

            known = with_entries({**dict(zip(given.names, inputs, strict=True)), **learned.arrays})
            return Problem(
                subject=name_of(layer),
                arrays=known,
                unchecked=learned.unchecked,
                forward=code.outputs,
                code=code,
                answers=answers,
                **described(known, constants),
            )

        return check_problem(problem, [*given.arrays.values()], given.constants, seed, list(learned.arrays.values()))


@verdict_alone
def check_function(
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[[Any, Any], Any],
    inputs: Mapping[str, Any] | Sequence[Any],
    constants: Constants = (),
    names: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Report:
    """Checks a pair of plain functions; GradientError if a gradient is wrong.

    `forward(*inputs, *constants)` returns (y, cache), y being an array or a tuple of arrays; `backward(dy, cache)`
    returns the gradient of the only input, or those of all `inputs`, in a tuple in their order or in a dict. `inputs`
    are float64 arrays, floats, or tuples of these, in a dict by name, or in a list: then forward's arguments name them.
    Labels, targets and noise that are not differentiated go into `constants`. Where these are a dict, forward takes
    all by keyword: `forward(**inputs, **constants)`. `names` says what backward calls a gradient that is not called
    dX, d_X, gX, grad_X or X_grad: {"delta": "h"}.
    """
    if not isinstance(inputs, Mapping | list | tuple):
        raise TypeError(f"`inputs` must be a dict or a list of arrays, {{'x': x}} or [x], got {type_name(inputs)}")
    if not inputs:
        raise ValueError("there is nothing to check: `inputs` must name the arrays to differentiate by, {'x': x, …}")
    if not isinstance(inputs, Mapping):
        inputs = dict(zip(argument_names(forward, len(inputs)), inputs, strict=True))
    given = Given(inputs, constants, isinstance(constants, Mapping))
    subject, names = getattr(backward, "__name__", "backward"), names or {}

    def problem(inputs: Sequence[Array], constants: Sequence[Any]) -> Problem:
        code = Code("function", forward, backward, lambda: given.arguments(inputs, constants), names)
        arrays = with_entries(dict(zip(given.names, inputs, strict=True)))
        return Problem(
            subject=subject,
            arrays=arrays,
            forward=code.outputs,
            code=code,
            answers=lambda returned: given.gradients(subject, returned, names),
            **described(arrays, constants),
        )

    return check_problem(problem, [*given.arrays.values()], given.constants, seed)


@verdict_alone
def check_model(
    model: Any, *batch: Array, directions: int | None = None, names: Mapping[str, str] | None = None, seed: int = 0
) -> Report:
    """Checks the gradient of the loss with respect to every parameter of a model; GradientError if one is wrong.

    `model` is one of this library, or any object with a forward, a backward and parameters that learned.py finds.
    `model.forward(*batch)` returns the loss of every example (N,), or its terms as a tuple of such arrays, and
    `model.backward(dloss)`, with dloss (N,), writes the gradients. The noise belongs to the batch, as an input. If the
    model has `term_names`, the terms are called so. Arrays of whole numbers, such as labels, may be part of the batch.
    `names` is that of `check_layer`.

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
            names or {},
        )
        if not learned.arrays:
            raise TypeError(
                f"check_model finds no parameters in {type_name(model)}: give it the mappings `parameters` and "
                "`gradients`, or pairs of float64 arrays as attributes, `W` and `dW`"
            )

        def problem(batch: Sequence[Array], _: Sequence[Any]) -> Problem:
            code = Code("model", model.forward, model.backward, lambda: (batch, {}), names or {})

            return Problem(
                subject=name_of(model),
                arrays=with_entries(learned.arrays),
                unchecked=learned.unchecked,
                forward=code.outputs,
                code=code,
                answers=lambda returned: learned.gradients(),
                output_names=getattr(model, "term_names", ()),
                shared_upstream=True,
                sizes={"N": len(batch[0])},
            )

        if directions is not None:
            if directions < 1:
                raise ValueError(f"directions must be at least 1, got {directions}")
            here = problem(batch, ())
            upstreams, answers = check_contract(here, seed)
            report = projected(here, upstreams, answers, directions, seed)
            if not report.passed:
                raise GradientError(report)
            expect_linear(here, upstreams)
            with moved(list(learned.arrays.values())):
                if there := other_values(problem, batch, (), seed):
                    expect_right(here, there, seed + 1, directions)
            return report
        entries = sum(array.size for array in learned.arrays.values())
        if entries > EXHAUSTIVE:
            raise ValueError(
                f"the model has {entries:,} parameters, and each takes six forward passes: check a smaller one of "
                f"the same kind (up to {EXHAUSTIVE:,}), or this one along random directions, "
                "check_model(…, directions=3)"
            )
        return check_problem(problem, batch, (), seed, list(learned.arrays.values()))


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Averages and counters move with every forward pass; after the many of a check they are what they were. So is a
    float, which was an array in the meantime."""
    before = [(place, np.array(place.value)) for place in places(model)]
    try:
        yield
    finally:
        for place, entries in before:
            place.restore(place.value, entries)


def check_problem(
    make: MakeProblem, inputs: Sequence[Array], constants: Sequence[Any], seed: int, parameters: Sequence[Array] = ()
) -> Report:
    """Checks `make(inputs, constants)`, and others of its kind; where compiled loops are in use, these and the NumPy
    forms that they stand for, which can be read.

    `parameters` are arrays that every problem reads: they have other values in the others.
    """
    with numpy_forms():
        report = check_form(make, inputs, constants, seed, parameters)
    if in_use:
        try:
            check_form(make, inputs, constants, seed, parameters)
        except GradientError as error:
            raise GradientError(f"{error}\nThis is so with compiled loops; their NumPy form is right.") from error
    return report


def check_form(
    make: MakeProblem, inputs: Sequence[Array], constants: Sequence[Any], seed: int, parameters: Sequence[Array]
) -> Report:
    """Several problems: what is kept from the call before, a number that is the size of this problem, the statistics of
    the first batch do not show in one. Where the first is wrong, the second serves the diagnosis."""
    here = make(inputs, constants)
    upstreams, answers = check_contract(here, seed)
    report = compare(here, upstreams, answers)
    if not report.passed:
        tried, small = others(make, inputs, constants, seed), partial(smallest, make, inputs, constants, seed)
        report = explained(report, here, upstreams, answers, tried, seed + 1, parameters, small)
        raise GradientError(report)
    expect_linear(here, upstreams)
    expect_own_cache(here, upstreams, answers)
    with moved(parameters):
        tried = others(make, inputs, constants, seed)
        for there in tried:
            many = sum(array.size for array in there.arrays.values()) > ENTRY_BY_ENTRY
            if expect_right(here, there, seed + 1, DIRECTIONS if many else 0, tried):
                break
        if further := other_numbers(make, inputs, constants):
            pairs = zip(constants, one_larger(constants), strict=True)
            changes = ", ".join(f"{other} for {number}" for number, other in pairs if number is not other)
            expect_right(here, further, seed + 1, DIRECTIONS, numbers=changes)
        for again in range(POINTS):
            if further := other_values(make, inputs, constants, seed + again):
                expect_right(here, further, seed + 1, DIRECTIONS)
    _, repeated = check_contract(here, seed)
    if any((repeated[name] != answers[name]).any() for name in answers):
        raise GradientError(
            f"{here.subject}: right at first, and another answer for the same inputs after others were seen: what is "
            "kept from an earlier call?"
        )
    if not report.measured:
        raise GradientError(f"{report}\nChoose other inputs.")
    return report


def expect_right(
    here: Problem, other: Problem, seed: int, directions: int, more: Iterable[Problem] = (), numbers: str = ""
) -> bool:
    """GradientError unless another problem is right too, in all entries or along some directions; `more` problems serve
    the diagnosis, `numbers` says which constants have changed. False if it does not count: forward leaves out a part of
    what backward fails at."""
    try:
        upstreams, answers = check_contract(other, seed)
    except Exception as error:
        inside = not isinstance(error, GradientError) or isinstance(error.__cause__, ValueError)
        if inside and unread(other):  # a gradient of the wrong shape is wrong all the same
            return False
        raise GradientError(f"{elsewhere(here, other, numbers)}\n{described_error(error)}") from error
    if directions:
        second = projected(other, upstreams, answers, directions, seed, relative=True)
    else:
        second = compare(other, upstreams, answers)
    if max(array.beyond for array in second.arrays) > ROOM:
        if here.shapes != other.shapes:
            second = explained(compare(other, upstreams, answers), other, upstreams, answers, more, seed)
        raise GradientError(f"{elsewhere(here, other, numbers)}\n{second}")
    return True


def described_error(error: Exception) -> str:
    return str(error) if isinstance(error, GradientError) else f"It ends with {type(error).__name__}: {error}"


def elsewhere(here: Problem, other: Problem, numbers: str) -> str:
    """How to call a mistake that another problem alone shows."""
    if numbers:
        return (
            f"{here.subject}: right for the inputs given, wrong with other whole numbers among the constants "
            f"({numbers}), which forward takes: is one of them written as a number?"
        )
    if here.shapes != other.shapes:
        return (
            f"{here.subject}: right for the inputs given ({here.shapes}), wrong for others of the same kind "
            f"({other.shapes}): is a size written as a number, or something kept from an earlier call?"
        )
    return (
        f"{here.subject}: right for the inputs given, wrong for others of the same sizes: is something kept from an "
        "earlier call, or a constant of forward written as a number?"
    )


def expect_linear(problem: Problem, upstreams: Sequence[Array]) -> None:
    """GradientError unless a large upstream gradient makes gradients that are as much larger: backward multiplies it
    and adds it up, and may do nothing else with it. One that iterates stops where its limit says, hence the room."""
    once = {name: np.array(gradient) for name, gradient in problem.backward(upstreams).items()}
    large = problem.backward([LARGE * u for u in upstreams])
    for name in problem.arrays:
        off = np.abs(np.asarray(large[name]) / LARGE - once[name])
        if not (off <= MATCH * np.abs(once[name]).max()).all():  # nor NaN
            raise GradientError(
                f"{problem.subject}: {name} is right, but not linear in the upstream gradient: for {LARGE:g} times as "
                f"large a one it is not {LARGE:g} times as large. Is something clipped, compared with a number, or "
                "added?"
            )


def expect_own_cache(problem: Problem, upstreams: Sequence[Array], answers: Mapping[str, Array]) -> None:
    """GradientError if a forward of other inputs changes what backward makes of an earlier one. A layer may do so: it
    keeps one call, its last."""
    if problem.code.kind != "function":
        return
    arguments = problem.code.backward_arguments(upstreams, *problem.code.passed())
    with moved(list(problem.arrays.values())), suppress(Exception):  # forward need not take such inputs
        problem.forward()
    later = problem.answers(problem.code.backward(*arguments))
    for name in problem.arrays:
        if (np.asarray(later[name]) != answers[name]).any():
            raise GradientError(
                f"{problem.subject}: {name} is right, but not if forward has seen other inputs before backward runs: "
                "backward reads something that the next forward changes. What it needs belongs into the cache, as an "
                "array of its own"
            )


def compare(problem: Problem, upstreams: Sequence[Array], answers: Mapping[str, Array]) -> Report:
    """Every entry of every answer, beside finite differences."""
    began, numeric = time.perf_counter(), problem.numeric(upstreams)
    arrays = [
        ArrayReport(name, answers[name], numeric[name], rounding_of([*upstreams, numeric[name].value]))
        for name in problem.arrays
    ]
    return Report(problem.subject, arrays, problem.unchecked, seconds=time.perf_counter() - began)


def projected(
    problem: Problem,
    upstreams: Sequence[Array],
    answers: Mapping[str, Array],
    count: int,
    seed: int,
    relative: bool = False,
) -> Report:
    """The slopes along random directions, `count` for each array, so that a small array is not lost beside a large one.

    `relative`: every entry moves in proportion to its size, which may differ widely.
    """
    rng = np.random.default_rng([seed, UPSTREAM + 2])
    arrays = []
    for name, array in problem.arrays.items():
        drawn = [rng.standard_normal(array.shape) for _ in range(count)]
        units = [d * np.abs(array) if relative and array.all() else d / np.sqrt(np.sum(d**2)) for d in drawn]
        slopes = np.array([np.sum(answers[name] * unit) for unit in units])
        numeric = numeric_projections(problem.forward, array, upstreams, units)
        rounding = rounding_of(upstreams) * max(float(np.sum(np.abs(unit))) for unit in units)
        arrays.append(ArrayReport(f"{name} · d", slopes, numeric, rounding))
    return Report(problem.subject, arrays, problem.unchecked)


def described(known: Mapping[str, Array], constants: Sequence[Any]) -> dict[str, Any]:
    """What is known about any problem: the number of examples, the arrays by gradient name, output and upstream."""

    def facts(outputs: Sequence[Array], upstreams: Sequence[Array]) -> Facts:
        arrays = {name.removeprefix("d"): np.array(x) for name, x in known.items()}
        if len(outputs) == 1:
            arrays |= {"y": outputs[0], "dy": upstreams[0]}
        masks: dict[str, Array] = {}
        for name, array in list(arrays.items()):
            masks |= {f"{name} < 0": array < 0, f"{name} > 0": array > 0}
        for constant in constants:
            if isinstance(constant, np.ndarray) and constant.ndim == 1 and constant.dtype.kind in "iu":
                for array in known.values():
                    if array.ndim == 2 and len(array) == len(constant):
                        masks |= {"the label's entry": np.arange(array.shape[1]) == constant[:, None]}
        return Facts(arrays=arrays, masks=masks)

    first = next(iter(known.values()))
    return {"sizes": {"N": len(first)} if first.ndim else {}, "facts": facts}
