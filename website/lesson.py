"""A page for a file of the lesson, and one for an exercise: what the docstrings say, and the code beside it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from formulas.find import Line, lines_of
from formulas.grammar import parse
from formulas.join import code_lines
from scratchnn.exercises import exercise
from website.code import listing, raw
from website.prose import inline, to_rst

Names = Mapping[str, str]  # files that have a page, and their pages


def anchor(line: Line) -> str:
    return f"formula-{line.number}"


def joined(path: Path) -> dict[int, list[str]]:
    """The lines of code that compute a formula's left side, with the anchors of these formulas."""
    found: dict[int, list[str]] = {}
    for line in lines_of(path):
        for number in code_lines(line, parse(line.text)):
            found.setdefault(number, []).append(anchor(line))
    return found


@dataclass
class Piece:
    """A class, a function, or what stands between them: a docstring, if there is one, and the lines of its code."""

    name: str
    text: ast.Constant | None
    numbers: list[int]


def pieces(path: Path) -> Iterator[Piece]:
    """The file from top to bottom, without its own docstring."""
    source = path.read_text(encoding="utf-8")
    rows = ["", *source.splitlines()]
    tree = ast.parse(source)
    at = docstring_of(tree).end_lineno + 1 if docstring_of(tree) else 1  # type: ignore[operator, union-attr]
    between: list[int] = []
    for node in tree.body:
        is_named = isinstance(node, ast.ClassDef | ast.FunctionDef)
        text = docstring_of(node) if is_named else None
        end = node.end_lineno or node.lineno
        if not (is_named and text):
            between += [n for n in range(at, end + 1) if n >= at]
            at = end + 1
            continue
        start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])  # type: ignore[attr-defined]
        yield from gathered(rows, [*between, *range(at, start)])
        between = []
        hidden = range(text.lineno, (text.end_lineno or text.lineno) + 1)
        numbers = [n for n in range(start, end + 1) if n not in hidden]
        yield Piece(node.name, text, trimmed(rows, numbers))  # type: ignore[attr-defined]
        at = end + 1
    yield from gathered(rows, [*between, *range(at, len(rows))])


def docstring_of(node: ast.AST) -> ast.Constant | None:
    has_one = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None
    return node.body[0].value if has_one else None  # type: ignore[attr-defined]


def gathered(rows: list[str], numbers: list[int]) -> Iterator[Piece]:
    """Lines that have no docstring, if there is anything in them."""
    kept = trimmed(rows, sorted(set(numbers) & set(range(len(rows)))))
    if any(rows[n].strip() for n in kept):
        yield Piece("", None, kept)


def trimmed(rows: list[str], numbers: list[int]) -> list[int]:
    """Without the blank lines at both ends."""
    filled = [k for k, n in enumerate(numbers) if rows[n].strip()]
    return numbers[filled[0] : filled[-1] + 1] if filled else []


def lesson_page(path: Path, module: str, names: Names) -> str:
    """The page of a file of the lesson; `module` is its path from the library's folder."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    formulas, lines = {line.number: line for line in lines_of(path)}, joined(path)
    text = docstring_of(tree)
    assert text, f"{module} has no docstring"
    title, rest = title_of(str(text.value))
    page = [title, "=" * len(title), "", f"``scratchnn/{module}``", "", *raw('<div class="notation"></div>')]
    page += to_rst(rest, formulas, names, text.lineno)
    for k, piece in enumerate(pieces(path)):
        code = listing(path, piece.numbers, lines, f"code of {piece.name or module}")
        if not piece.text:
            is_first = k == 0
            opening = '<details class="imports"><summary>imports and constants</summary>' if is_first else "<div>"
            page += raw(opening + code + ("</details>" if is_first else "</div>"))
            continue
        page += [piece.name, "-" * len(piece.name), "", *raw('<div class="beside"><div class="in-words">')]
        page += to_rst(str(piece.text.value), formulas, names, piece.text.lineno)
        page += raw(f'</div><div class="in-code-lines">{code}</div></div>')
    return "\n".join(page) + "\n"


def title_of(text: str) -> tuple[str, str]:
    """A docstring's first words as a title, and what remains; a first row that is a sentence is the title alone."""
    first, newline, rest = text.partition("\n")
    title, colon, more = first.partition(": ")
    if colon and len(title) < 80:
        return title, more[:1].upper() + more[1:] + newline + rest
    title, _, more = first.partition(". ")
    return title.rstrip("."), more + newline + rest


def exercise_page(path: Path, names: Names) -> str:
    """The page of an exercise: its task and its file as the learner gets them; hints and derivation are folded."""
    number, name = re.fullmatch(r"e(\d+)_(\w+)", path.stem).groups()  # type: ignore[union-attr]
    task = exercise.reference(name).EXERCISE
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    formulas, lines = {line.number: line for line in lines_of(path)}, joined(path)
    text = docstring_of(tree)
    assert text, f"{path.name} has no docstring"
    title = f"{int(number)}. {name.replace('_', ' ')}: {task.title}"
    page = [title, "=" * len(title), "", *raw('<div class="notation"></div>')]
    page += to_rst(str(text.value), formulas, names, text.lineno)
    rows = ["", *source.splitlines()]
    begin, end = (next(n for n, row in enumerate(rows) if f"# {word} solution" in row) for word in ("begin", "end"))
    start, teacher = (text.end_lineno or 0) + 1, rows.index(exercise.TEACHER)
    (turn,) = (row for row in exercise.stub(name).splitlines() if "# your turn" in row)
    numbers = trimmed(rows, [*range(start, begin + 1), *range(end + 1, teacher)])
    page += ["Your file", "-" * 9, ""]
    page += [f"``scratchnn exercises start`` writes it, ``scratchnn exercises check {name}`` says whether it is right."]
    page += [f"You can also write it `in the browser <../practice.html?{name}>`__."]
    page += ["", *raw(listing(path, numbers, lines, f"the file of {name}", {begin: turn}))]
    page += ["Hints", "-" * 5, ""]
    for k, hint in enumerate(task.hints, 1):
        page += [*folded(f"Hint {k}"), inline(hint, names), "", *raw("</details>")]
    (derivation,) = (
        node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "derivation"
    )
    assert isinstance(derivation, ast.Constant)
    page += folded("The derivation, and a solution")
    page += raw('<div class="beside"><div class="in-words">')
    page += to_rst(str(derivation.value), formulas, names, derivation.lineno)
    code = listing(path, range(begin + 1, end), lines, f"a solution of {name}")
    page += raw(f'</div><div class="in-code-lines">{code}</div></div></details>')
    return "\n".join(page) + "\n"


def folded(summary: str) -> list[str]:
    return raw(f"<details><summary>{summary}</summary>")
