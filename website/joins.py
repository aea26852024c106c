"""How many formula lines the lesson and the exercises have, and which left-hand names no line of code computes."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from formulas.find import Line, formula_lines
from formulas.grammar import parse
from formulas.join import lines_that_compute, names


def unjoined() -> list[tuple[Line, str]]:
    """The left-hand names of classes and exercises that no line computes; a file's own text has no code."""
    found = []
    for line in formula_lines():
        if has_code(line):
            formulas = [formula for formula in parse(line.text).formulas if formula.lead not in ("with", "where")]
            missing = [n for formula in formulas for n in names(formula) if not lines_that_compute(n, line)]
            found += [(line, name) for name in missing]
    return found


def left_hand_names() -> list[tuple[Line, str]]:
    """All left-hand names of classes and exercises."""
    return [
        (line, name)
        for line in formula_lines()
        if has_code(line)
        for formula in parse(line.text).formulas
        if formula.lead not in ("with", "where")
        for name in names(formula)
    ]


def has_code(line: Line) -> bool:
    return bool(line.owner) or line.path.parent.name == "ladder"


class Joins(SphinxDirective):
    """.. joins::"""

    def run(self) -> list[nodes.Node]:
        lines, all_names, missing = formula_lines(), left_hand_names(), unjoined()
        text = (
            f"The docstrings of these files and of the exercises hold {len(lines)} formula lines. Their left sides "
            f"name {len(all_names)} results that classes and exercises compute; {len(all_names) - len(missing)} of "
            "the names are joined to the lines that compute them. These are not:"
        )
        entries = [
            nodes.list_item("", nodes.paragraph("", "", nodes.literal("", name), nodes.Text(f" in {line.place}")))
            for line, name in missing
        ]
        return [nodes.paragraph(text, text), nodes.bullet_list("", *entries)]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("joins", Joins)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
