"""What the learner sees: the list of exercises, and the verdict on one.

Everything is lines of text, aligned by spaces, so that it reads the same without colour, in a file, or through a pipe.
Colours are rich's; where rich is not installed, the same lines come without them.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from scratchnn.exercises.exercise import path_of, reference, solution
from scratchnn.exercises.progress import HINTS, Progress
from scratchnn.exercises.road import PARTS, STEPS, step_of
from scratchnn.exercises.telling import Part, told
from scratchnn.exercises.verdict import Verdict
from scratchnn.machinery.extras import missing

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


LOOK: Mapping[str, tuple[str, str]] = {  # of each kind of part: what comes before it, and its style
    "right": ("", "bold green"), "wrong": ("", "bold red"), "error": ("", "red"), "unwritten": ("", "yellow"),
    "title": ("\n", ""), "legend": ("", "dim"), "fact": ("\n", "bold"), "text": ("", ""),
}  # fmt: skip


def show_verdict(name: str, file: Path, verdict: Verdict) -> None:
    for kind, content in told(name, file.name, verdict, on_one_screen):
        if kind == "table":
            table(content)
        elif kind == "block":
            block(content)
        else:
            before, style = LOOK[kind]
            say(before + content, style)
    if verdict.passed:
        show_solution(name, "The library's solution, to compare with yours:")


def on_one_screen(parts: Sequence[Part]) -> bool:
    """Whether all of a report is seen at once in a terminal; a pipe has room for anything."""
    if not sys.stdout.isatty():
        return True
    width, height = shutil.get_terminal_size()
    lines = 3  # two below it, and the prompt
    for kind, content in parts:
        if kind == "table":
            lines += sum(-(-len("".join(row)) // width) for row in padded(content))
        elif kind == "block":
            lines += len(content.split("\n")) + 1
        else:
            lines += len(LOOK[kind][0]) + len(textwrap.wrap(content, width))
    return lines <= height


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
    return [first, place or said or "all that was tried is right", *reference(name).EXERCISE.hints]


def show_hints(name: str, hints: Sequence[str]) -> None:
    for level, hint in enumerate(hints, 1):
        say(f"{name}, hint {level} of {HINTS}: {hint}")
