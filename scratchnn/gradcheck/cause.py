"""Why a gradient is wrong: what two problems agree on.

    line.py        which line of backward is the first that is wrong?
    edits.py       which single change of the true backward pass gives the answer?
    diagnosis.py   what has the answer in common with the right gradient?

The relations of diagnosis.py that say most with least come first (the opposite sign, N times too large), then the
change, then what is left of the relations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scratchnn.gradcheck.another import moved
from scratchnn.gradcheck.diagnosis import FIRST, LEVELS, Diagnosis, diagnose
from scratchnn.gradcheck.edits import Search, diagnosed
from scratchnn.gradcheck.facts import Evidence
from scratchnn.gradcheck.intermediates import definition
from scratchnn.gradcheck.line import Wrong, agreed, find_line
from scratchnn.gradcheck.notebook import excerpt
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.problem import Problem, check_contract, evidence
from scratchnn.gradcheck.report import ArrayReport, Report, rounding_of
from scratchnn.machinery.parameters import Array

LARGEST = 2**27  # derivatives of outputs by an array, a GB: where there are more, no cause is looked for
MANY = 12  # entries of an array that are more than one works out by hand
Numerics = Mapping[str, NumericGradient]


@dataclass(frozen=True)
class Findings:
    """What one problem says about its wrong gradients."""

    evidence: Mapping[str, Evidence]
    search: Search | None
    line: Wrong | None


def explained(
    report: Report,
    here: Problem,
    upstreams: Sequence[Array],
    answers: Mapping[str, Array],
    others: Iterable[Problem],
    seed: int,
    parameters: Sequence[Array] = (),
    small: Callable[[], Problem | None] = lambda: None,
    known: Numerics | None = None,
) -> Report:
    """The same report, with the line and with a diagnosis for every gradient that is wrong.

    The first of the `others` that backward accepts is the second problem; the parameters have other values in it. Where
    no cause is found, the `small` problem shows the mistake. `known` are the numeric gradients of a single other.
    """
    wrong = [array.name for array in report.arrays if not array.passed]
    outputs = sum(np.size(y) for y in here.forward())
    if outputs * max((here.arrays[name].size for name in wrong), default=0) > LARGEST:
        return replace(report, instance="No cause is looked for in so large a problem: check a smaller one like it.")

    def findings(
        problem: Problem, upstreams: Sequence[Array], answers: Mapping[str, Array], numerics: Numerics, line: bool
    ) -> Findings:
        return Findings(
            {name: evidence(problem, name, upstreams, numerics) for name in wrong},
            Search.of(problem, upstreams, numerics),
            find_line(problem, upstreams, answers, numerics) if line else None,
        )

    try:
        first = findings(here, upstreams, answers, {array.name: array.numeric for array in report.arrays}, True)
        with moved(parameters):
            for other in others:
                try:
                    its_upstreams, its_answers = check_contract(other, seed)
                except Exception:  # a backward that is wrong may fail on other sizes
                    continue
                numerics = known or other.numeric(its_upstreams)
                if all(is_right(its_answers[name], numerics[name], its_upstreams) for name in wrong):
                    right = f"It is right for other inputs, {other.shapes}: is a size written as a number?"
                    if other.shapes == here.shapes:
                        right = "It is right for other values of the same sizes: what is special about these?"
                    report = replace(report, instance=report.instance or right)
                    continue
                second = findings(other, its_upstreams, its_answers, numerics, first.line is not None)
                arrays = [
                    replace(array, diagnosis=None if array.passed else cause(array.name, first, second))
                    for array in report.arrays
                ]
                found = [array.diagnosis for array in arrays if array.diagnosis]
                causes = {diagnosis.label for diagnosis in found}
                one = len(causes) == 1 and not any(diagnosis.vague for diagnosis in found)
                change = all(label.startswith("EDIT") for label in causes)
                line = agreed(first.line, second.line, one, change)
                report = replace(report, arrays=arrays)
                unused = causes == {"IGNORES-UPSTREAM"}  # what is used nowhere is not missing in some lines
                if line and not (unused and len(line.lines) > 1):
                    file = definition(here.code.backward)[0].__code__.co_filename
                    report = replace(report, line=str(line), source=excerpt(file, line.lines))
                break
            else:
                none = "No second problem could be made of these inputs, so nothing is said about the cause."
                return replace(report, instance=report.instance or none)
        unknown = [array.name for array in report.arrays if array.diagnosis and array.diagnosis.vague]
        if unknown and not report.instance and (problem := small()):
            report = replace(report, instance=in_numbers(problem, unknown))
    except Exception as error:  # the verdict stands, whatever happens in the search
        return replace(report, line=f"The search for the cause failed: {type(error).__name__}: {error}")
    return report


def is_right(answer: Array, numeric: NumericGradient, upstreams: Sequence[Array]) -> bool:
    """By the rule of the verdict."""
    return ArrayReport("", answer, numeric, rounding_of([*upstreams, numeric.value])).passed


def in_numbers(problem: Problem, names: Sequence[str]) -> str:
    """What backward gives in a problem that can be worked out by hand, beside what is right; "" if that is too much."""
    try:
        upstreams, answers = check_contract(problem, seed=0)
    except Exception:  # backward need not take such inputs
        return ""
    numerics = {name: numeric for name, numeric in problem.numeric(upstreams).items() if name in names}
    known = {name.rpartition(".")[2].removeprefix("d"): array for name, array in problem.arrays.items()}
    known |= {"dy" if len(upstreams) == 1 else f"dy[{k}]": u for k, u in enumerate(upstreams)}
    if max(np.size(array) for array in (*known.values(), *(answers[name] for name in numerics))) > MANY:
        return ""
    lines = ["In a problem that can be worked out by hand:", f"  {', '.join(written(*pair) for pair in known.items())}"]
    for name, numeric in numerics.items():
        if not is_right(answers[name], numeric, upstreams):
            digits = 4 if written("", answers[name]) != written("", numeric.value) else 10
            given, right = written(name, answers[name], digits), written("", numeric.value, digits)
            lines.append(f"  backward gives {given}, right is {right}")
    return "\n".join(lines) if len(lines) > 2 else ""


def written(name: str, array: Array, digits: int = 4) -> str:
    """x = [[0.25, −1]]"""
    text = np.array2string(np.asarray(array), separator=", ", formatter={"float_kind": f"{{:.{digits}g}}".format})
    return f"{name} = {' '.join(text.split())}".removeprefix(" = ")


def cause(name: str, first: Findings, second: Findings) -> Diagnosis:
    """The first relation or change that both problems share."""
    here, there = first.evidence[name], second.evidence[name]
    if found := diagnose(here, there, FIRST):
        return found
    if first.search and second.search and (found := diagnosed(first.search, second.search, name)):
        return found
    return diagnose(here, there, LEVELS) or Diagnosis.unknown(here)
