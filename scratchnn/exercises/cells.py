"""The exercises in a notebook: `task("linear")` shows one, `task("linear").check(backward)` checks a cell's function.

The function runs here and not in a process of its own, as everything in a notebook does: what it prints appears below
the cell, `breakpoint()` stops in it, and an endless loop is interrupted like any other. Nothing asks for input.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from textwrap import dedent, indent
from types import SimpleNamespace
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import (
    Exercise,
    given_functions,
    ladder,
    outputs_of,
    path_of,
    reference,
    road_sign,
    solution,
    task_and_code,
    values_of,
)  # fmt: skip
from scratchnn.exercises.judge import examined, judge
from scratchnn.exercises.own import examine
from scratchnn.exercises.progress import HINTS, file_of
from scratchnn.exercises.telling import cells, heads
from scratchnn.exercises.terminal import hints_for, padded
from scratchnn.exercises.trial import NotWrittenError, check_forward, sentence, supervised
from scratchnn.exercises.verdict import Verdict
from scratchnn.exercises.yours import load
from scratchnn.gradcheck.notebook import page
from scratchnn.gradcheck.report import explanation
from scratchnn.machinery.checks import type_name


@cache
def task(name: str) -> Task:
    """The exercise of that name; always the same object, which counts the hints."""
    examine()
    if name not in ladder():
        raise ValueError(f"there is no exercise {name!r}; there are: {', '.join(ladder())}")
    return Task(name)


class Task:
    """An exercise: its text, its check, its hints and its solution."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hints = 0
        self.last = Verdict(written=False)

    def __repr__(self) -> str:
        return "\n\n".join(filter(None, [self.title, self.text, self.arrays, *road_sign(self.name)]))

    def _repr_html_(self) -> str:
        texts = [self.text, self.arrays, *(sign.replace("\n", "\n\n") for sign in road_sign(self.name))]
        return f"<h3>{escape(self.title)}</h3>\n" + "\n".join(paragraphs(text) for text in texts if text)

    @property
    def title(self) -> str:
        return f"{path_of(self.name).name[1:3]} {self.name}: {reference(self.name).EXERCISE.title}"

    @property
    def text(self) -> str:
        """The task, as it stands at the head of the learner's file."""
        return task_and_code(self.name)[0].partition("\n\nRead before:")[0].strip()

    @property
    def code(self) -> str:
        """What the learner gets to fill in."""
        return task_and_code(self.name)[1].strip()

    @property
    def arrays(self) -> str:
        """Which shapes the check takes first; "" for an exercise that has none."""
        exercise = reference(self.name).EXERCISE
        if not isinstance(exercise, Exercise):
            return ""
        values = values_of(exercise, 0, seed=0)
        shapes = [f"{name} {np.shape(value)}" for name, value in values.items() if np.ndim(value)]
        return f"The check takes, among others: {', '.join(shapes)}. Return: {', '.join(outputs_of(self.name))}."

    def check(self, function: Callable[..., Any], seed: int = 0) -> Outcome:
        """Checks a function of a cell; the other functions of the exercise come from the same cell."""
        answer = self.answer(function)
        answer.file, answer.beside = file_of(Path(), self.name), beside  # for a capstone
        self.last = self.verdict(function, answer, seed)
        page = answer.file.with_suffix(".html")
        of_capstone = self.last.passed and hasattr(reference(self.name), "PIECES")
        return Outcome(self.name, self.last, page.read_text(encoding="utf-8") if of_capstone else "")

    def answer(self, function: Callable[..., Any]) -> SimpleNamespace:
        """The functions that a file of this exercise has."""
        if not hasattr(function, "__code__"):
            raise TypeError(
                f"check takes the function {reference(self.name).EXERCISE.function} itself, not what it returns: got "
                f"{type_name(function)}"
            )
        found: dict[str, Any] = {}
        for name in given_functions(self.name):
            own = function if name == reference(self.name).EXERCISE.function else function.__globals__.get(name)
            of_this_cell = getattr(getattr(own, "__code__", None), "co_filename", "") == function.__code__.co_filename
            found[name] = own if of_this_cell else getattr(reference(self.name), name)
        return SimpleNamespace(**found)

    def verdict(self, function: Callable[..., Any], answer: SimpleNamespace, seed: int) -> Verdict:
        exercise, cell = reference(self.name).EXERCISE, Path(function.__code__.co_filename)
        try:
            if isinstance(exercise, Exercise):
                if hasattr(answer, "forward"):
                    check_forward(self.name, answer)
                setattr(answer, exercise.function, supervised(getattr(answer, exercise.function)))
                return Verdict(judge(self.name, answer, seed))
            for name in given_functions(self.name):
                setattr(answer, name, with_copies(supervised(getattr(answer, name))))
            return Verdict(findings=tuple(examined(self.name, answer, seed).findings))
        except NotWrittenError:
            return Verdict(sentence=f"{exercise.function} is not written yet: replace the dots (...)", written=False)
        except Exception as error:
            said = sentence(error, cell, exercise.seconds).removeprefix(f"{self.name}: ")
            return Verdict(sentence=said.partition("; `reset")[0])

    def hint(self) -> None:
        """Prints one hint more than before; what they say depends on the last check."""
        self.hints = min(self.hints + 1, HINTS)
        for level, text in enumerate(hints_for(self.name, self.last)[: self.hints], 1):
            print(f"{self.name}, hint {level} of {HINTS}: {text}")

    def solution(self) -> None:
        """Prints the derivation and the solution."""
        print(f"The derivation:\n{derivation(self.name)}\n\nThe solution:\n{indent(solution(self.name), '    ')}")


def beside(name: str, seed: int) -> Verdict:
    """The verdict on another exercise, whose cell stands in a notebook of this folder."""
    other = task(name)
    function = getattr(load(Path("notebook.ipynb"), name), reference(name).EXERCISE.function)
    return other.verdict(function, other.answer(function), seed)


def with_copies(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; what it writes into its arguments is lost, as it is for a file, which runs elsewhere."""
    return lambda *arguments, **named: function(*copy.deepcopy(arguments), **copy.deepcopy(named))


def derivation(name: str) -> str:
    return indent(dedent(reference(name).EXERCISE.derivation).strip("\n").rstrip(), "    ")


@dataclass(frozen=True, repr=False)
class Outcome:
    """What a check says: as text, and as a page."""

    name: str
    verdict: Verdict
    certificate: str = ""  # the page that a capstone writes

    @property
    def passed(self) -> bool:
        return self.verdict.passed

    @property
    def head(self) -> str:
        arrays = self.verdict.report.arrays if self.verdict.report else []
        names = [array.name for array in arrays] or [finding.what for finding in self.verdict.findings]
        right = [array.passed for array in arrays] or [finding.right for finding in self.verdict.findings]
        if not names:
            return f"{self.name}: {self.verdict.sentence}"
        if self.passed:
            return f"{self.name}: right"
        return f"{self.name}: {right.count(False)} of {len(right)} wrong"

    @property
    def rows(self) -> list[list[str]]:
        """What was checked, one row each, below a row of heads."""
        if self.verdict.report:
            return [heads(self.name), *map(cells, self.verdict.report.arrays)]
        return [["", "tried"], *(["ok" if f.right else "WRONG", f.what] for f in self.verdict.findings)]

    @property
    def causes(self) -> list[list[str]]:
        """Why it is wrong, each cause in a few sentences."""
        if self.verdict.report:
            return [explanation(*found) for found in self.verdict.report.diagnoses()]
        return [[f"{f.what}:", f.why] for f in self.verdict.findings if not f.right][:1]

    def __str__(self) -> str:
        line = self.verdict.report.line if self.verdict.report else ""
        parts = [[self.head, *map("".join, padded(self.rows[1:] and self.rows))], [line] * bool(line), *self.causes]
        if self.passed:
            parts += [["The derivation:", derivation(self.name)]]
            parts += [["The library's solution, to compare with yours:", indent(solution(self.name), "    ")]]
        return "\n\n".join("\n".join(part) for part in parts if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        report = self.verdict.report
        top, *rows = self.rows
        line, source = (report.line, report.source) if report else ("", ())
        shown = page(self.head, rows, [], line, source, self.causes, top)
        if self.passed:
            shown += f"<p>The derivation:</p><pre>{escape(derivation(self.name))}</pre>"
            shown += f"<p>The library's solution, to compare with yours:</p><pre>{escape(solution(self.name))}</pre>"
        return shown + self.certificate.partition("</style>")[2].partition("</html>")[0]


# ---- a docstring as HTML


def paragraphs(text: str) -> str:
    """A docstring as HTML: paragraphs, lists, and what is indented by four as it stands.

    No line of it is empty, so that it may stand in Markdown, where an empty line ends HTML.
    """
    return "\n".join(shown for block in re.split(r"\n\s*\n", text) for shown in pieces_of(block.splitlines()))


def pieces_of(lines: Sequence[str]) -> Iterator[str]:
    """The paragraphs, lists and displays of lines between two empty ones."""
    kinds: list[tuple[str, list[str]]] = []
    for row in lines:
        before = kinds[-1][0] if kinds else ""
        deep = row.startswith("    ")
        kind = "li" if row.startswith("  - ") or (deep and before == "li") else "pre" if deep else "p"
        if kind != before or row.startswith("  - "):
            kinds.append((kind, []))
        kinds[-1][1].append(row)
    for kind, group in groupby(kinds, key=lambda each: each[0]):
        if kind == "li":
            items = [" ".join(map(str.strip, rows)).removeprefix("- ") for _, rows in group]
            yield "<ul>" + "".join(f"<li>{marked(item)}</li>" for item in items) + "</ul>"
        else:
            rows = [row for _, part in group for row in part]
            yield (
                f"<pre>{escape(dedent(chr(10).join(rows)))}</pre>"
                if kind == "pre"
                else f"<p>{marked(' '.join(rows))}</p>"
            )


def marked(text: str) -> str:
    """Text with its `code` as code."""
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(text))
