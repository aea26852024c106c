"""A file of the library as highlighted lines, each with its number, so that formulas can point at them."""

from __future__ import annotations

import functools
import html
from collections.abc import Iterable, Mapping
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer


@functools.cache
def lines_of(path: Path) -> list[str]:
    """The lines of a file as HTML; the number of a line is its place, from 1."""
    return highlighted(path.read_text(encoding="utf-8"))


def highlighted(source: str) -> list[str]:
    shown = highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    return ["", *shown.splitlines()]


def listing(
    path: Path,
    numbers: Iterable[int],
    joined: Mapping[int, list[str]] | None = None,
    label: str = "",
    instead: Mapping[int, str] | None = None,
) -> str:
    """Some lines of a file as a block of code. `joined` has the formulas that a line computes, by their anchors;
    `instead` has what is shown in the place of a line.

    Lines that are left out between two others leave a gap. A joined line's number leads to its first formula.
    """
    rows, before = [], 0
    shown = list(lines_of(path))
    for number, text in (instead or {}).items():
        shown[number] = highlighted(text)[1]
    for number in numbers:
        if before and number > before + 1:
            rows.append('<span class="gap"> </span>')
        formulas = (joined or {}).get(number, [])
        gutter = f'<span class="number" aria-hidden="true">{number}</span>'
        if formulas:
            to = f"the formula of line {number}"
            gutter = f'<a class="number" href="#{formulas[0]}" aria-label="{to}">{number}</a>'
        data = f' data-formulas="{" ".join(formulas)}"' if formulas else ""
        rows.append(f'<span class="line" id="L{number}"{data}>{gutter}{shown[number]}\n</span>')
        before = number
    name = html.escape(label or f"code of {path.name}")
    return (
        f'<div class="highlight-python notranslate"><div class="highlight listing"><pre tabindex="0" role="region" '
        f'aria-label="{name}">{"".join(rows)}</pre></div></div>'
    )


def raw(text: str) -> list[str]:
    """HTML in a page of reStructuredText."""
    return [".. raw:: html", "", *("   " + row for row in text.splitlines()), ""]
