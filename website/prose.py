"""A docstring as reStructuredText: its paragraphs, lists and headings, its formula lines, and what else is displayed.

The docstrings are plain text in the notation of CONTRIBUTING.md. They have `code` and *stress*, and four spaces more
than the text for what is displayed; every other sign stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from formulas.find import SECTIONS, Line, depth

MARKED = re.compile(r"`([^`]+)`|(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])")


def to_rst(text: str, formulas: Mapping[int, Line], names: Mapping[str, str], first: int = 1) -> list[str]:
    """The rows of a page for a text whose first row has the number `first`.

    `formulas` holds the formula lines by the number of their first row, `names` the pages of files that may be named.
    """
    rows = text.splitlines()
    base = min((depth(row) for row in rows[1:] if row.strip()), default=0)
    if rows:
        rows[0] = " " * base + rows[0].lstrip()
    return list(Writer(rows, formulas, names, first).blocks())


class Writer:
    """Reads rows from the top, one block after another."""

    def __init__(self, rows: list[str], formulas: Mapping[int, Line], names: Mapping[str, str], first: int) -> None:
        self.rows, self.formulas, self.names, self.first = rows, formulas, names, first
        self.at = 0
        self.base = min((depth(row) for row in rows if row.strip()), default=0)
        self.text_at = self.base

    @property
    def row(self) -> str:
        return self.rows[self.at] if self.at < len(self.rows) else ""

    def blocks(self) -> Iterator[str]:
        while self.at < len(self.rows):
            content = self.row.strip()
            if not content:
                self.at += 1
            elif depth(self.row) == self.base and content in SECTIONS:
                yield from [f".. rubric:: {content}", "   :heading-level: 3", "   :class: section-of-docstring", ""]
                self.text_at = self.base + 4
                self.at += 1
            elif self.at + self.first in self.formulas:
                yield from self.formula(self.formulas[self.at + self.first])
            elif depth(self.row) >= self.text_at + 4:
                yield from self.display()
            elif re.search(r"\S {2,}\S", content):
                yield from self.table()
            elif content.startswith("- "):
                yield from ["- " + inline(self.paragraph(depth(self.row) + 2)[2:], self.names), ""]
            elif number := re.match(r"\d\. ", content):
                yield from [number[0] + inline(self.paragraph(depth(self.row) + 3)[3:], self.names), ""]
            else:
                yield from [at_start(inline(self.paragraph(depth(self.row)), self.names)), ""]

    def paragraph(self, deeper: int) -> str:
        """Rows up to the next block, as one; those after the first stand as deep as `deeper`."""
        taken = [self.row.strip()]
        self.at += 1
        while self.row.strip() and depth(self.row) == deeper and not self.begins():
            taken.append(self.row.strip())
            self.at += 1
        return " ".join(taken)

    def begins(self) -> bool:
        """Whether the row opens a block of another kind."""
        content = self.row.strip()
        is_heading = depth(self.row) == self.base and content in SECTIONS
        is_other = re.match(r"- |\d\. ", content) or re.search(r"\S {2,}\S", content)
        return is_heading or self.at + self.first in self.formulas or bool(is_other)

    def formula(self, line: Line) -> list[str]:
        """The directive for a formula line, whose rows are taken."""
        missing = line.text
        while self.at < len(self.rows) and self.row.strip() and self.row.strip() in missing:
            missing = missing.partition(self.row.strip())[2]
            self.at += 1
        return [f".. formula-line:: {line.module}:{line.number}", ""]

    def display(self) -> list[str]:
        """A table or a picture, as it stands."""
        shown: list[str] = []
        while (self.row.strip() and depth(self.row) >= self.text_at + 4) or (shown and self.goes_on()):
            if self.at + self.first in self.formulas:
                break
            shown.append(self.row)
            self.at += 1
        base = min(depth(row) for row in shown if row.strip())
        return [".. code-block:: text", "", *("   " + row[base:] for row in shown), ""]

    def table(self) -> list[str]:
        """Names and what they are, in columns: rows that hold more than one space between words."""
        shown: list[str] = []
        base = depth(self.row)
        while self.row.strip() and self.at + self.first not in self.formulas:
            shown.append(self.row[base:])
            self.at += 1
        return [".. code-block:: text", "", *("   " + row for row in shown), ""]

    def goes_on(self) -> bool:
        """Whether a blank row stands inside of what is displayed."""
        following = next((row for row in self.rows[self.at :] if row.strip()), "")
        is_blank = self.at < len(self.rows) and not self.row.strip()
        return is_blank and depth(following) >= self.text_at + 4


def inline(text: str, names: Mapping[str, str]) -> str:
    """A paragraph with its code and stress; all other signs escaped, files that have a page linked."""
    found, at = "", 0
    for match in MARKED.finditer(text):
        found += linked(text[at : match.start()], names)
        found += code(match[1], names) if match[1] else f"*{escaped(match[2])}*"
        at = match.end()
        if text[at : at + 1].isalnum():
            found += "\\ "
    return found + linked(text[at:], names)


def code(text: str, names: Mapping[str, str]) -> str:
    return f":doc:`{text} <{names[text]}>`" if text in names else f"``{text}``"


def linked(text: str, names: Mapping[str, str]) -> str:
    """Plain text, in which the name of a file that has a page leads there."""
    parts = re.split(r"((?:scratchnn|examples)/[\w/]+\.py)", text)
    return "".join(f":doc:`{part} <{names[part]}>`" if part in names else escaped(part) for part in parts)


def escaped(text: str) -> str:
    return re.sub(r"([\\`*_|])", r"\\\1", text)


def at_start(text: str) -> str:
    """A paragraph that must not be read as a list, a field or a directive."""
    return "\\" + text if re.match(r"[-+•:>.(]|\d+[.)]|\w[.)] ", text) else text
