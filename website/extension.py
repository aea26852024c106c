"""What the site adds to Sphinx: formula lines in two notations, KaTeX, and our docstrings in the reference."""

from __future__ import annotations

import functools
import html
import inspect
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from formulas.find import PACKAGE, Line, formula_lines, lines_of
from formulas.grammar import Parser, parse, parts_of
from formulas.join import code_lines
from formulas.papers import papers
from formulas.tex import RELATIONS, tex, to_tex
from formulas.tree import Formula
from website import katex
from website.lesson import anchor
from website.prose import to_rst


@functools.cache
def known() -> dict[str, Line]:
    """The formula lines of the lesson and the exercises by their places."""
    return {f"{line.module}:{line.number}": line for line in formula_lines()}


# ---- formula lines


class formula_line(nodes.General, nodes.Element):  # noqa: N801 (docutils names the visitor after it)
    """A formula line of a docstring: its `place`, and whether its code stands `beside` it, on the same page."""


class FormulaLine(SphinxDirective):
    """.. formula-line:: layers/dense.py:29"""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        place = self.arguments[0]
        return [formula_line(place=place, beside=self.env.docname.startswith(("learn/", "exercises/")))]


def visit_formula_line(self: Any, node: formula_line) -> None:
    line = known()[node["place"]]
    tree = parse(line.text)
    ends = rows_of(line)
    shown = [math(tree.parts[0], ends) if isinstance(tree.parts[0], Formula) else ""]
    for part in tree.parts[1:]:
        if isinstance(part, Formula):
            shown.append(math(part))
        elif not ends:
            shown.append(f'<span class="words">{words(part)}</span>')
    numbers = code_lines(line, tree) if node["beside"] else []
    if numbers:
        arrows = ", ".join(f'<a href="#L{n}" aria-label="line {n} of the code">{n}</a>' for n in numbers)
        shown.append(f'<span class="to-code">{"lines" if len(numbers) > 1 else "line"} {arrows}</span>')
    here = f' id="{anchor(line)}" data-lines="{" ".join(map(str, numbers))}"' if node["beside"] else ""
    self.body.append(
        f'<div class="formula"{here} data-place="{node["place"]}" tabindex="0" role="group" aria-label="formula">'
        f"{''.join(shown)}</div>\n"
    )
    raise nodes.SkipNode


def rows_of(line: Line) -> list[tuple[int, str]]:
    """Of a formula that goes on over several rows, how many sides it has at the end of each, and the words there."""
    rows, so_far, found = line.text.split("\n"), "", []
    for row in rows if len(rows) > 1 else ():
        first, *beside = parts_of(row)
        so_far = f"{so_far} {first}".strip()
        found.append((len(Parser(so_far.rstrip(",.:;")).formula().sides), ", ".join(beside)))
    return found


def math(formula: Formula, ends: list[tuple[int, str]] | None = None) -> str:
    """A formula in the code's notation and in the papers', of which the reader chooses one."""
    lead = f"{formula.lead} " if formula.lead else ""
    shown = {"code": in_rows(formula, ends), "papers": in_rows(papers(formula), ends)}
    return f'<span class="part">{lead}' + "".join(
        f'<span class="in-{notation}">{katex.to_html(text)}</span>' for notation, text in shown.items()
    ) + "</span>"  # fmt: skip


def in_rows(formula: Formula, ends: list[tuple[int, str]] | None) -> str:
    """A formula as TeX, lined up at the relations where it has several rows."""
    if not ends:
        return rf"\displaystyle {to_tex(formula)}"
    rows, at = [], 0
    for sides, beside in ends:
        sides_here = [] if at else [tex(formula.sides[0]), "&"]
        for k in range(max(at, 1), sides):
            sides_here += ["&" if at and k == at else "", RELATIONS[formula.relations[k - 1]], tex(formula.sides[k])]
        at = sides
        rows.append(" ".join(sides_here or ["&"]) + (rf" \qquad {as_text(beside)}" if beside else ""))
    return r"\begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}"


def as_text(text: str) -> str:
    """Words inside of a formula."""
    return r"\text{" + re.sub(r"([_#%&$])", r"\\\1", text.replace("`", "")) + "}"


def words(text: str) -> str:
    """The words beside a formula, with their code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


# ---- other mathematics


def visit_math(self: Any, node: nodes.math) -> None:
    self.body.append(katex.to_html(node.astext()))
    raise nodes.SkipNode


def visit_math_block(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math-block" tabindex="0">{katex.to_html(node.astext(), True)}</div>\n')
    raise nodes.SkipNode


# ---- the reference


def docstring_as_rst(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Our docstrings are plain text with formula lines; autodoc wants reStructuredText."""
    text = inspect.getdoc(thing) if what != "module" else None
    if not text or not lines:
        return
    formulas = {}
    try:
        source, first = inspect.getsourcelines(inspect.unwrap(thing))
        path = Path(inspect.getsourcefile(thing) or "")
    except (TypeError, OSError):
        source, first, path = [], 0, Path()
    if path.is_relative_to(PACKAGE) and '"""' in "".join(source[:20]):
        start = first + next(k for k, row in enumerate(source) if '"""' in row)
        known_here = {line.number: line for line in lines_of(path) if f"{line.module}:{line.number}" in known()}
        formulas = {number - start + 1: line for number, line in known_here.items() if number >= start}
    lines[:] = to_rst(text, formulas, {})


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(formula_line, html=(visit_formula_line, None))
    app.add_directive("formula-line", FormulaLine)
    app.add_html_math_renderer("katex", (visit_math, None), (visit_math_block, None))
    app.connect("autodoc-process-docstring", docstring_as_rst)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
