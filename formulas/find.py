"""Where the formula lines stand: in the docstrings of the lesson, and in the tasks and derivations of the exercises.

A formula line is a displayed one (indented four deeper than the text around it) whose first part holds a relation, or
one that opens a section *Forward* or *Backward* with a formula; in a derivation of the ladder, every line that begins
with a formula. A row that begins with a relation, + or − goes on with the formula above it, one that stands deeper with
its words. What else is displayed is a picture or a table, and left alone.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import scratchnn
from formulas.grammar import RELATION, parts_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(scratchnn.__file__).parent  # this checkout's, or an installed one
SECTIONS = ("Shapes", "Forward", "Backward", "Watch")
GOES_ON = re.compile(rf"(?:{RELATION}|[+−])\s")


@dataclass
class Line:
    """One formula line: `owner` is the class or function whose docstring it stands in ("" for the module's own), or
    "derivation" for what an exercise shows in the end."""

    path: Path
    owner: str
    number: int  # of its first row in the file
    text: str  # as it stands; a new row only where one begins with a relation, + or −

    @property
    def module(self) -> str:
        return self.path.relative_to(PACKAGE).as_posix()

    @property
    def place(self) -> str:
        return f"{self.module}:{self.number}" + f" {self.owner}" * bool(self.owner)


def lesson() -> list[Path]:
    """The files that the first page names as the lesson, in the order to read in."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))) or ""
    names = re.findall(r"^    ([\w/]+(?:\.py|/))\s{2,}\S", docstring.partition("What it stands on")[0], re.MULTILINE)
    found = [sorted((PACKAGE / name).glob("*.py")) if name.endswith("/") else [PACKAGE / name] for name in names]
    return [path for paths in found for path in paths]


def ladder() -> list[Path]:
    """The files of the exercises, in order."""
    return sorted((PACKAGE / "exercises/ladder").glob("e*.py"))


def formula_lines(paths: Iterable[Path] | None = None) -> list[Line]:
    """All formula lines of these files, by default of the lesson and the ladder."""
    return [line for path in paths or [*lesson(), *ladder()] for line in lines_of(path)]


@functools.cache
def lines_of(path: Path) -> tuple[Line, ...]:
    """The formula lines of a file."""
    source = path.read_text(encoding="utf-8")
    found = []
    for owner, node in texts(ast.parse(source)):
        rows = source.splitlines()[node.lineno : node.end_lineno]  # from the second: the first is the summary
        if rows:
            rows[-1] = rows[-1].rpartition('"""')[0]
        found += [Line(path, owner, node.lineno + number, text) for number, text in displayed(rows, owner)]
    return tuple(found)


def texts(node: ast.AST, name: str = "") -> Iterator[tuple[str, ast.Constant]]:
    """Every docstring, and the derivation of an exercise, each with the name of what it belongs to."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
        yield name, node.body[0].value  # type: ignore[attr-defined]
    if isinstance(node, ast.keyword) and node.arg == "derivation" and isinstance(node.value, ast.Constant):
        yield "derivation", node.value
    for child in ast.iter_child_nodes(node):
        is_named = isinstance(child, ast.ClassDef | ast.FunctionDef)
        yield from texts(child, f"{name}.{child.name}".lstrip(".") if is_named else name)  # type: ignore[attr-defined]


def displayed(rows: list[str], owner: str) -> Iterator[tuple[int, str]]:
    """(number, text) of every formula line among the rows of a text, counted from 1."""
    base = min((depth(row) for row in rows if row.strip()), default=0)
    text_at, opens = base, False  # where the text stands; whether a section opens here
    text, start, at = "", 0, 0  # the line that is being read, its first row, and how deep it stands
    for number, row in enumerate([*rows, ""], 1):
        content = row.strip()
        is_display = depth(row) >= text_at + 4
        begins = is_formula(content) if is_display else (opens or owner == "derivation") and opens_with(content)
        if text and content and GOES_ON.match(content) and depth(row) > at:
            text += "\n" + content
            continue
        if text and content and depth(row) > at + 4:
            text += " " * (3 if begins else 1) + content
            continue
        if text:
            yield start, text
        text, start, at = (content, number, depth(row)) if begins else ("", 0, 0)
        if depth(row) == base and content in SECTIONS:
            text_at, opens = base + 4, content in ("Forward", "Backward")
        elif content and not begins:
            opens = False
            if not is_display:
                text_at = depth(row) + 2 * content.startswith("- ")


def depth(row: str) -> int:
    return len(row) - len(row.lstrip())


def is_formula(content: str) -> bool:
    """Whether a relation stands before the words."""
    return bool(re.search(rf"(?:^|\s){RELATION}(?:\s|$)", parts_of(content)[0]))


def opens_with(content: str) -> bool:
    """Whether a formula comes first: one sign, or several without a word among them, and a relation."""
    before = re.match(rf"(.*?)\s+{RELATION}\s", re.sub(r"\[[^\]]*\]", "[]", content))
    first = before[1].split() if before else []
    return len(first) == 1 or (bool(first) and not any(re.fullmatch(r"[A-Za-z]{2,}|.*[,:.]", sign) for sign in first))
