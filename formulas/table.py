"""Every formula line with what became of it: parsed, executed, joined to its code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from formulas.execute import Outcome, Scope, Subject, einsum, run
from formulas.find import Line, formula_lines
from formulas.grammar import GrammarError, parse
from formulas.join import lines_that_compute, names
from formulas.subjects import subjects_of, text_of
from formulas.tree import Formula, Parsed

NO_CLASS = "outside the classes: about distributions, or about any function"
REASONS = {
    "Sequential": "its letters stand for layers, and for what each of them returns",
    "VAE": "p(x|z) is a decoder and a likelihood",
    "Autoencoder": "its functions are networks",
    "Classifier": "its functions are networks",
}


@dataclass
class Row:
    """A formula line; `parsed` is None where it is not in the grammar, `outcome` then says why."""

    line: Line
    parsed: Parsed | None
    outcome: Outcome

    @property
    def counts(self) -> bool:
        """Whether it belongs to a class with a backward, or to the ladder: of those most must be executed."""
        return self.line.path.parent.name == "ladder" or bool(subjects_of_line(self.line)) or self.line.owner in REASONS

    @property
    def einsum(self) -> str:
        is_one = self.parsed and len(self.parsed.formulas) == 1
        return einsum(self.parsed.formulas[0]) if self.parsed and is_one and self.outcome.executed else ""

    def unjoined(self) -> list[str]:
        """Left-hand names that no line of the class computes; a file's own text has no code."""
        if not self.parsed or not self.counts:
            return []
        formulas = [formula for formula in self.parsed.formulas if formula.lead not in ("with", "where")]
        found = [name for formula in formulas for name in names(formula)]
        return [name for name in found if not lines_that_compute(name, self.line)]


def table(paths: Iterable[Path] | None = None) -> list[Row]:
    """All formula lines of these files, or of the lesson and the ladder, executed where they can be."""
    lines = formula_lines(paths)
    return [row for _, group in groupby(lines, group_of) for row in rows(list(group))]


def group_of(line: Line) -> tuple[Path, str]:
    """Formula lines that share their names: of one class, or of one exercise."""
    return line.path, "" if line.path.parent.name == "ladder" else line.owner


def rows(lines: list[Line]) -> Iterator[Row]:
    """The lines of one group, executed together: some give names that others use."""
    parsed: list[Parsed | GrammarError] = []
    for line in lines:
        try:
            parsed.append(parse(line.text))
        except GrammarError as error:
            parsed.append(error)
    trees = [tree for tree in parsed if isinstance(tree, Parsed)]
    outcomes = iter(executed(lines[0], trees))
    for line, tree in zip(lines, parsed, strict=True):
        if isinstance(tree, Parsed):
            yield Row(line, tree, next(outcomes))
        else:
            yield Row(line, None, Outcome(False, str(tree)))


def executed(line: Line, trees: list[Parsed]) -> list[Outcome]:
    """What became of the formulas of the group that a line belongs to, on every subject that it has."""
    tries = [run(scope, trees) for scope in scopes(line, trees)]
    if not tries:
        return [Outcome(False, REASONS.get(line.owner, NO_CLASS)) for _ in trees]
    return [min(outcomes, key=lambda outcome: outcome.executed) for outcomes in zip(*tries, strict=True)]


def scopes(line: Line, trees: list[Parsed]) -> list[Scope]:
    """The formulas of the group that a line belongs to, with what their names mean on each of its subjects."""
    words = definitions(text_of(line))
    return [Scope(subject, trees, words) for subject in subjects_of_line(line)]


def subjects_of_line(line: Line) -> list[Subject]:
    """On what the formulas of a line's group can be executed."""
    return [] if line.owner in REASONS else subjects_of(group_of(line)[1], line.path)


def definitions(text: str) -> list[Formula]:
    """What the words say a name is: «with s = sigmoid(m)», «with r = x − mean and log_var = log σ²»."""
    found = []
    for words in re.findall(r"\b[Ww]ith ([^.:;]*=[^.:;]*)", re.sub(r"\s+", " ", text)):
        for part in re.split(r", | and ", words):
            try:
                tree = parse(part)
            except GrammarError:  # words
                continue
            found += [formula for formula in tree.formulas if formula.name]
    return found
