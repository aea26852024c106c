"""Why a gradient is wrong: what two problems agree on.

    line.py        which line of backward is the first that is wrong?
    edits.py       which single change of the true backward pass gives the answer?
    diagnosis.py   what has the answer in common with the right gradient?

The relations of diagnosis.py that say most with least come first (the opposite sign, N times too large), then the
change, then what is left of the relations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scratchnn.gradcheck.diagnosis import FIRST, LEVELS, Diagnosis, diagnose
from scratchnn.gradcheck.edits import Search, diagnosed
from scratchnn.gradcheck.facts import Evidence
from scratchnn.gradcheck.line import Wrong, agreed, find_line
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.problem import Problem, evidence
from scratchnn.gradcheck.report import Report
from scratchnn.machinery.parameters import Array


@dataclass(frozen=True)
class Findings:
    """What one problem says about its wrong gradients."""

    evidence: Mapping[str, Evidence]
    search: Search | None
    line: Wrong | None

    @classmethod
    def of(
        cls,
        problem: Problem,
        upstreams: Sequence[Array],
        answers: Mapping[str, Array],
        numerics: Mapping[str, NumericGradient],
        wrong: Sequence[str],
        line: bool = True,
    ) -> Findings:
        """`wrong` names the gradients that are; without `line` no line is looked for."""
        return cls(
            {name: evidence(problem, name, upstreams, numerics) for name in wrong},
            Search.of(problem, upstreams, numerics),
            find_line(problem, upstreams, answers, numerics) if line else None,
        )


def explained(report: Report, first: Findings, second: Findings) -> Report:
    """The same report, with the line and with a diagnosis for every gradient that is wrong."""
    arrays = [
        replace(array, diagnosis=cause(array.name, first, second)) if array.name in first.evidence else array
        for array in report.arrays
    ]
    line = agreed(first.line, second.line)
    return replace(report, arrays=arrays, line=str(line) if line else "")


def cause(name: str, first: Findings, second: Findings) -> Diagnosis:
    """The first relation or change that both problems share."""
    here, there = first.evidence[name], second.evidence[name]
    if found := diagnose(here, there, FIRST):
        return found
    if first.search and second.search and (found := diagnosed(first.search, second.search, name)):
        return found
    return diagnose(here, there, LEVELS) or Diagnosis.unknown(here)
