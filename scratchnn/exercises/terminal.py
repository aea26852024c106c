"""What the learner sees: the list of exercises, and the verdict on one.

Everything is lines of text, aligned by spaces, so that it reads the same without colour, in a file, or through a pipe.
Colours are rich's; where rich is not installed, the same lines come without them.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scratchnn.exercises.exercise import Finding, path_of, reference, solution
from scratchnn.exercises.progress import HINTS, Progress
from scratchnn.exercises.road import PARTS, STEPS, step_of
from scratchnn.exercises.verdict import Verdict
from scratchnn.gradcheck.report import ArrayReport, Report, explanation
from scratchnn.machinery.extras import missing

LARGEST_MAP = 20
LEGEND = "  . right   + yours too large   - too small   0 zero where it should not be"
ON_A_KINK = "   ? on a kink"
STYLES = {"solved": "green", "current": "bold cyan", "skipped": "yellow", "ok": "green", "WRONG": "bold red"}

Pieces = Sequence[tuple[str, str]]  # a line: texts, each with its style

try:
    from rich.console import Console
    from rich.text import Text
except ModuleNotFoundError as error:
    NO_COLOURS = str(missing(error, "colour in these reports"))

    def put(line: Pieces) -> None:
        print("".join(text for text, _ in line))

else:
    NO_COLOURS = ""
    console = Console(highlight=False, markup=False, emoji=False)

    def put(line: Pieces) -> None:
        console.print(Text.assemble(*line), soft_wrap=True)


def say(text: str = "", style: str = "", wrap: bool = True) -> None:
    """Prints; prose is wrapped at words in a terminal, and never in a pipe."""
    if wrap and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        lines = [textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n")]
        text = "\n".join(lines)
    put([(text, style)])


def block(text: str) -> None:
    """Code or a derivation, indented, each line as it stands."""
    say(textwrap.indent(textwrap.dedent(text).strip("\n"), "    ").rstrip() + "\n", wrap=False)


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    """Of each column, the width of its widest cell."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def padded(rows: Sequence[Sequence[str]], widths: Sequence[int] = ()) -> list[list[str]]:
    """Rows of cells as the pieces of lines, in columns of these widths."""
    widths = widths or widths_of(rows)
    lines = []
    for row in rows:
        *cells, last = row[: 1 + max(k for k, cell in enumerate(row) if cell)]  # no spaces at the end of a line
        lines.append(["  ", *(cell.ljust(width + 2) for cell, width in zip(cells, widths, strict=False)), last])
    return lines


def table(rows: Sequence[Sequence[str]], widths: Sequence[int] = ()) -> None:
    """Prints rows of cells in columns; words with a style of their own get it."""
    for texts in padded(rows, widths):
        put([(text, STYLES.get(text.strip().partition(",")[0], "")) for text in texts])


# ---- the list


def show_list(progress: Progress) -> None:
    """All exercises, part by part, with their states, and how far the learner is."""
    rows = {
        step.name: [
            ">" if step.name == progress.current else " ",
            path_of(step.name).name[1:3],
            step.name,
            reference(step.name).EXERCISE.title,
            progress.state(step.name),
        ]
        for step in STEPS
    }
    widths = widths_of([*rows.values()])
    for part, steps in PARTS.items():
        say(f"\n{part}", wrap=False)
        table([rows[step.name] for step in steps], widths)
    names = {step.name for step in STEPS}
    done, skipped, total = (len(each & names) for each in (progress.done, progress.skipped, names))
    say(f"\n  [{'#' * done}{'.' * (total - done)}]  {done} of {total} solved" + f", {skipped} skipped" * bool(skipped))


# ---- the verdict


def show_verdict(name: str, file: Path, verdict: Verdict) -> None:
    if verdict.printed:
        say("Your code printed:")
        block(verdict.printed)
    if verdict.findings:
        show_findings(name, verdict.findings)
    elif verdict.report is None:
        say(f"{file.name}: {verdict.sentence.removeprefix(name + ': ')}", "yellow" if not verdict.written else "red")
    else:
        show_report(verdict.report)
    if verdict.passed:
        show_solution(name, "The library's solution, to compare with yours:")


def show_findings(name: str, findings: Sequence[Finding]) -> None:
    """What the answer was tried on; and of the first that went wrong, why."""
    right = sum(finding.right for finding in findings)
    if right == len(findings):
        say(f"{name}: right, all {right} of them", "bold green")
    else:
        say(f"{name}: {right} of {len(findings)} right", "bold red")
    table([["ok" if finding.right else "WRONG", finding.what] for finding in findings])
    wrong = next((finding for finding in findings if not finding.right), None)
    if wrong:
        say(f"\n{wrong.what}:", "bold")
        say(wrong.why)


def show_solution(name: str, title: str) -> None:
    say("\nThe derivation:")
    block(reference(name).EXERCISE.derivation)
    say(title)
    block(solution(name))


def hints_for(name: str, verdict: Verdict) -> list[str]:
    """Five hints in small steps: what is right already, where to look, and then the exercise's own three."""
    right: list[str] = []
    wrong: list[str] = []
    place = ""
    if verdict.report:
        for array in verdict.report.arrays:
            (right if array.passed else wrong).append(array.name)
            if array.diagnosis and not place:
                place = array.diagnosis.place
        place = verdict.report.line or place
    for finding in verdict.findings:
        (right if finding.right else wrong).append(finding.what)
        if not finding.right and not place:
            place = finding.why
    said = verdict.sentence if verdict.written else f"read {step_of(name).read} beside it"
    if right and wrong and verdict.findings:
        first = f"{len(right)} of {len(right) + len(wrong)} are right already. What is different about {wrong[0]}?"
    elif right and wrong:
        first = f"right already: {', '.join(right)}. So look for what {wrong[0]} needs and these do not."
    elif wrong:
        first = f"nothing is right yet. Begin with one alone, {wrong[0]}, and go through the task's questions for it."
    else:
        first = "go through the task's questions one after another, with a pencil."
    return [first, place or said, *reference(name).EXERCISE.hints]


def show_hints(name: str, hints: Sequence[str]) -> None:
    for level, hint in enumerate(hints, 1):
        say(f"{name}, hint {level} of {HINTS}: {hint}")


def show_report(report: Report) -> None:
    wrong = [array for array in report.arrays if not array.passed]
    if wrong:
        say(f"{report.subject}: {', '.join(array.name for array in wrong)} wrong", "bold red")
    else:
        say(f"{report.subject}: right, every entry of {', '.join(a.name for a in report.arrays)}", "bold green")
    table([heads(report.subject), *map(cells, report.arrays)])
    mapped, causes = what_fits(report, [array for array in wrong if worth_a_map(array)])
    for array in mapped:
        say(f"\nWhere {array.name} is wrong:")
        block(map_of(array))
    if mapped:
        say(LEGEND + ON_A_KINK * any((~array.judged).any() for array in mapped), "dim")
    if report.line:
        say("\n" + report.line, "bold")
    for fact, *rest in causes:
        say("\n" + fact, "bold")
        for sentence in rest:
            say(sentence)


def what_fits(report: Report, mapped: list[ArrayReport]) -> tuple[list[ArrayReport], list[list[str]]]:
    """The maps and the causes to be shown: as many as let all of the report be seen at once in a terminal."""
    causes = [explanation(*found) for found in report.diagnoses()]
    first, others = causes[:1], causes[1:]
    short = [cause[:1] for cause in others]
    later = [[f"When this is mended, look at {', '.join(cause[0].partition(':')[0] for cause in others)} again."]]
    choices = [(mapped, causes), ([], causes), ([], first + short), ([], first + later)]
    if not sys.stdout.isatty():
        return choices[0]
    width, height = shutil.get_terminal_size()
    rows = padded([heads(report.subject), *map(cells, report.arrays)])
    table = sum(-(-len("".join(row)) // width) for row in rows)
    for maps, shown in choices:
        paragraphs = [part for part in ([report.line] * bool(report.line), *shown) if part]
        texts = sum(1 + sum(len(textwrap.wrap(text, width)) for text in part) for part in paragraphs)
        pictures = sum(3 + len(array.errors) for array in maps) + bool(maps)
        if table + 4 + pictures + texts <= height:  # a line above, two below, and the prompt
            return maps, shown
    return choices[-1]


def worth_a_map(array: ArrayReport) -> bool:
    """Whether it fits the screen, and some of its entries are right."""
    fits = array.errors.ndim == 2 and max(array.errors.shape) <= LARGEST_MAP
    return fits and bool((array.excess <= 0).any())


def heads(name: str) -> list[str]:
    """What stands above the columns of `cells`."""
    other = "numeric" if reference(name).EXERCISE.function == "backward" else "right"
    return ["", "shape", "", "error", "worst at", "yours", other, ""]


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
