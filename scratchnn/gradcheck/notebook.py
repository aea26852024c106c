"""What a check says, for a notebook: a page in place of plain text, and a message in place of a traceback.

Verdicts are words and the wrong line has a mark, so nothing depends on colours; those of the page are the notebook's
own, light or dark. Styles stand in the elements, since some viewers of notebooks take style sheets away.
"""

from __future__ import annotations

import linecache
import re
import sys
import textwrap
from collections.abc import Collection, Sequence
from html import escape
from typing import Any

AROUND = 3  # lines before and after one that is shown
HEADS = ("gradient", "shape", "verdict", "largest error", "")
CELL = "text-align: left; vertical-align: top; padding: 0.2em 1em 0.2em 0; white-space: {}; background: none"
MARKED = "font-weight: bold; background: rgba(255, 170, 0, 0.25)"  # over a light and over a dark page


def page(
    head: str,
    rows: Sequence[Sequence[str]],
    reasons: Sequence[str],
    line: str,
    source: Sequence[str],
    causes: Sequence[Sequence[str]],
    heads: Sequence[str] = HEADS,
) -> str:
    """A report as HTML: the table of the gradients, the wrong line among its neighbours, and the causes."""

    def paragraph(sentences: Sequence[str]) -> str:
        texts = [re.sub("`(.+?)`", r"<code>\1</code>", escape(sentence)) for sentence in sentences]
        return f'<p style="margin: 0.6em 0">{"<br>".join(texts)}</p>'

    lines = [f'<span style="{MARKED}">{escape(t)}</span>' if t.startswith(">") else escape(t) for t in source]
    parts = [f'<p style="margin: 0.6em 0"><strong>{escape(head)}</strong></p>']
    parts += [table(rows, heads)] if rows else []
    parts += [paragraph(sentences) for sentences in (reasons, [line]) if any(sentences)]
    parts += ['<pre style="margin: 0.6em 1em; font-family: monospace">' + "\n".join(lines) + "</pre>"] if lines else []
    parts += map(paragraph, causes)
    return f'<div style="max-width: 60em">{"".join(parts)}</div>'


def table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    def row(tag: str, cells: Sequence[str]) -> str:
        wrap = ["nowrap"] * (len(cells) - 1) + ["normal"]
        texts = [f"<strong>{escape(c)}</strong>" if c == "WRONG" else escape(c) for c in cells]
        return "".join(
            f'<{tag} style="{CELL.format(space)}">{text}</{tag}>' for space, text in zip(wrap, texts, strict=True)
        )

    lines = [row("th", heads), *(row("td", cells) for cells in rows)]
    return f'<table style="border-collapse: collapse">{"".join(f"<tr>{line}</tr>" for line in lines)}</table>'


def excerpt(file: str, marked: Collection[int]) -> list[str]:
    """Lines of a file with their numbers: some that are marked, with > in front, and those around them."""
    lines = linecache.getlines(file)
    near = sorted({k for m in marked for k in range(m - AROUND, m + AROUND + 1) if 0 < k <= len(lines)})
    while near and not lines[near[-1] - 1].strip():
        near.pop()  # what comes after the function
    texts = textwrap.dedent("\n".join(lines[k - 1].rstrip() for k in near)).split("\n")
    shown: list[str] = []
    for before, k, text in zip([*near[:1], *near], near, texts, strict=False):
        shown += ["  …"] if k > before + 1 else []
        shown.append(f"{'>' if k in marked else ' '} {k:4}  {text}".rstrip())
    return shown


def shown_error(error: Exception) -> list[str]:
    """What IPython is to show for an error of the check: its message. A notebook gets the page as well, once, although
    it may ask twice; then the first line of the message is enough."""
    name, text = type(error).__name__, str(error)
    report: Any = error.args[0] if error.args else None
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if hasattr(shell, "kernel") and hasattr(report, "_repr_html_"):
        if "shown" not in vars(error):
            vars(error)["shown"] = True
            shell.display_pub.publish({"text/html": report._repr_html_(), "text/plain": text})
        text = text.partition("\n")[0]
    return f"{name}: {text}".split("\n")
