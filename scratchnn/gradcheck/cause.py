"""Why a gradient is wrong: what two problems agree on.

    line.py        which line of backward is the first that is wrong?
    edits.py       which single change of the true backward pass gives the answer?
    diagnosis.py   what has the answer in common with the right gradient?

The relations of diagnosis.py that say most with least come first (the opposite sign, N times too large), then the
change, then what is left of the relations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scratchnn.gradcheck.another import moved
from scratchnn.gradcheck.diagnosis import FIRST, LEVELS, Diagnosis, diagnose
from scratchnn.gradcheck.edits import Search, diagnosed
from scratchnn.gradcheck.facts import Evidence
from scratchnn.gradcheck.intermediates import definition
from scratchnn.gradcheck.line import Wrong, agreed, find_line
from scratchnn.gradcheck.notebook import excerpt
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.problem import Problem, check_contract, evidence
from scratchnn.gradcheck.report import Report
from scratchnn.machinery.parameters import Array

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
) -> Report:
    """The same report, with the line and with a diagnosis for every gradient that is wrong.

    The first of the `others` that backward accepts is the second problem; the parameters have other values in it.
    """
    wrong = [array.name for array in report.arrays if not array.passed]

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
                numerics = other.numeric(its_upstreams)
                second = findings(other, its_upstreams, its_answers, numerics, first.line is not None)
                arrays = [
                    replace(array, diagnosis=None if array.passed else cause(array.name, first, second))
                    for array in report.arrays
                ]
                causes = {array.diagnosis.label for array in arrays if array.diagnosis}
                one = len(causes) == 1 and all(label.startswith("EDIT") for label in causes)
                line = agreed(first.line, second.line, one)
                if line:
                    file = definition(here.code.backward)[0].__code__.co_filename
                    report = replace(report, line=str(line), source=excerpt(file, line.lines))
                return replace(report, arrays=arrays)
    except Exception as error:  # the verdict stands, whatever happens in the search
        return replace(report, line=f"The search for the cause failed: {type(error).__name__}: {error}")
    return report


def cause(name: str, first: Findings, second: Findings) -> Diagnosis:
    """The first relation or change that both problems share."""
    here, there = first.evidence[name], second.evidence[name]
    if found := diagnose(here, there, FIRST):
        return found
    if first.search and second.search and (found := diagnosed(first.search, second.search, name)):
        return found
    return diagnose(here, there, LEVELS) or Diagnosis.unknown(here)
