"""What is said of a verdict, part by part: the terminal prints the parts, a page in a browser shows them.

A part is its kind and its content. A table is rows of cells, and a block is lines that stay as they are; of the other
kinds, which are sentences, `title` stands over a block, `legend` under one, and `fact` opens an explanation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import Finding, reference
from scratchnn.exercises.verdict import Verdict
from scratchnn.gradcheck.report import ArrayReport, Report, explanation

LARGEST_MAP = 20
LEGEND = "  . right   + yours too large   - too small   0 zero where it should not be"
ON_A_KINK = "   ? on a kink"

Part = tuple[str, Any]


def told(
    name: str, file: str, verdict: Verdict, fits: Callable[[Sequence[Part]], bool] = lambda parts: True
) -> list[Part]:
    """All that is said of a verdict; `file` is what the learner's file is called. Of a report as much as `fits`."""
    parts: list[Part] = []
    if verdict.printed:
        parts += [("title", "Your code printed:"), ("block", verdict.printed)]
    if verdict.findings:
        return [*parts, *of_findings(name, verdict.findings)]
    if verdict.report is None:
        said = f"{file}: {verdict.sentence.removeprefix(name + ': ')}"
        return [*parts, ("error" if verdict.written else "unwritten", said)]
    forms = forms_of(verdict.report)
    return [*parts, *next((form for form in forms if fits(form)), forms[-1])]


def of_findings(name: str, findings: Sequence[Finding]) -> Iterator[Part]:
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


def forms_of(report: Report) -> list[list[Part]]:
    """A report as a whole; without its maps; with the first cause alone in full; and with the others only named."""
    wrong = [array for array in report.arrays if not array.passed]
    maps = [array for array in wrong if worth_a_map(array)]
    causes = [explanation(*found) for found in report.diagnoses()]
    first, others = causes[:1], causes[1:]
    short = [cause[:1] for cause in others]
    later = [[f"When this is mended, look at {', '.join(cause[0].partition(':')[0] for cause in others)} again."]]
    choices = [(maps, causes), ([], causes), ([], first + short), ([], first + later * bool(others))]
    return [[*of_report(report, *choice)] for choice in choices]


def of_report(report: Report, maps: Sequence[ArrayReport], causes: Sequence[Sequence[str]]) -> Iterator[Part]:
    """Every gradient beside the right one, where it is wrong, and why."""
    wrong = [array for array in report.arrays if not array.passed]
    if wrong:
        yield "wrong", f"{report.subject}: {', '.join(array.name for array in wrong)} wrong"
    else:
        yield "right", f"{report.subject}: right, every entry of {', '.join(a.name for a in report.arrays)}"
    yield "table", [heads(report.subject), *map(cells, report.arrays)]
    for array in maps:
        yield "title", f"Where {array.name} is wrong:"
        yield "block", map_of(array)
    if maps:
        yield "legend", LEGEND + ON_A_KINK * any((~array.judged).any() for array in maps)
    if report.line:
        yield "fact", report.line
    for fact, *rest in causes:
        yield "fact", fact
        for sentence in rest:
            yield "text", sentence


def heads(name: str) -> list[str]:
    """What stands above the columns of `cells`."""
    other = "numeric" if reference(name).EXERCISE.function == "backward" else "right"
    return ["", "shape", "", "error", "worst at", "yours", other, ""]


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
