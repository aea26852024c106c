"""What is said of a verdict, part by part: the terminal prints the parts, a page in a browser shows them.

A part is its kind and its content. A table is rows of cells, and a block is lines that stay as they are; of the other
kinds, which are sentences, `title` stands over a block, `legend` under one, and `fact` opens an explanation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import Finding, reference
from scratchnn.exercises.verdict import Verdict
from scratchnn.gradcheck.report import ArrayReport, Report, explanation

LARGEST_MAP = 20
LEGEND = "  . right   + yours too large   - too small   0 zero where it should not be"
ON_A_KINK = "   ? on a kink"

Parts = Iterator[tuple[str, Any]]


def told(name: str, file: str, verdict: Verdict) -> Parts:
    """All that is said of a verdict; `file` is what the learner's file is called."""
    if verdict.findings:
        yield from of_findings(name, verdict.findings)
    elif verdict.report is None:
        yield "error" if verdict.written else "unwritten", f"{file}: {verdict.sentence.removeprefix(name + ': ')}"
    else:
        yield from of_report(verdict.report)
    if verdict.printed:
        yield "title", "Your code printed:"
        yield "block", verdict.printed


def of_findings(name: str, findings: Sequence[Finding]) -> Parts:
    """What the answer was tried on; and of the first that went wrong, why."""
    right = sum(finding.right for finding in findings)
    if right == len(findings):
        yield "right", f"{name}: right, all {right} of them"
    else:
        yield "wrong", f"{name}: {right} of {len(findings)} right"
    yield "table", [["ok" if finding.right else "WRONG", finding.what] for finding in findings]
    wrong = next((finding for finding in findings if not finding.right), None)
    if wrong:
        yield "fact", f"{wrong.what}:"
        yield "text", wrong.why


def of_report(report: Report) -> Parts:
    """Every gradient beside the right one, where it is wrong, and why."""
    wrong = [array for array in report.arrays if not array.passed]
    if wrong:
        yield "wrong", f"{report.subject}: {', '.join(array.name for array in wrong)} wrong"
    else:
        yield "right", f"{report.subject}: right, every entry of {', '.join(a.name for a in report.arrays)}"
    other = "numeric" if reference(report.subject).EXERCISE.function == "backward" else "right"
    heads = ["", "shape", "", "largest error", "worst at", "yours", other, ""]
    yield "table", [heads, *map(cells, report.arrays)]
    mapped = [array for array in wrong if worth_a_map(array)]
    for array in mapped:
        yield "title", f"Where {array.name} is wrong:"
        yield "block", map_of(array)
    if mapped:
        yield "legend", LEGEND + ON_A_KINK * any((~array.judged).any() for array in mapped)
    if report.line:
        yield "fact", report.line
    for names, diagnosis in report.diagnoses():
        fact, *rest = explanation(names, diagnosis)
        yield "fact", fact
        for sentence in rest:
            yield "text", sentence


def worth_a_map(array: ArrayReport) -> bool:
    """Whether it fits the screen, and some of its entries are right."""
    fits = array.errors.ndim == 2 and max(array.errors.shape) <= LARGEST_MAP
    return fits and bool((array.excess <= 0).any())


def cells(array: ArrayReport) -> list[str]:
    """One line of the table of a report."""
    wrong, kinks, size = int((array.excess > 0).sum()), int((~array.judged).sum()), array.errors.size
    notes = [f"{wrong} of {size} wrong"] if wrong else []
    notes += [f"{kinks} of {size} on a kink, where any slope between the two is right"] if kinks else []
    notes += ["all zero, which says little"] if not wrong and not array.analytic.any() else []
    return [
        array.name,
        str(array.errors.shape),
        "WRONG" if wrong else "ok",
        f"{array.errors.max():.1e}",
        str(list(array.worst)),
        f"{float(array.analytic[array.worst]): .6g}",
        f"{float(array.numeric.value[array.worst]): .6g}",
        "; ".join(notes),
    ]


def map_of(array: ArrayReport) -> str:
    """A wrong 2-D gradient, one character per entry."""
    wrong = array.excess > 0
    kinds = [~array.judged, ~wrong, array.analytic == 0, array.analytic > array.numeric.value]
    return "\n".join(" ".join(row) for row in np.select(kinds, ["?", ".", "0", "+"], "-"))
