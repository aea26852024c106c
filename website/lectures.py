"""The lectures of examples/lectures/ as sphinx-gallery takes them: displayed formulas as TeX, tables as they stand."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from formulas.find import GOES_ON, PACKAGE, is_formula
from formulas.grammar import GrammarError, parse
from formulas.tex import to_tex
from website.lesson import title_of
from website.places import LECTURES, ROOT, SOURCE

FOLDER = ROOT / "examples" / "lectures"
HEADER = """\
Gallery
=======

Lectures that run from top to bottom: each prints the numbers of an argument in its order and draws one figure, in less
than a minute, on the digits that come with the library. Every page has its notebook and its script to download; what it
shows was computed when this site was built.
"""
SHORT: dict[str, dict[str, Any]] = {  # the constants of the tests, with which a lecture takes seconds
    "backward_on_a_graph": {"SMALL": (1, 2)},
    "elbo_tour": {"EPOCHS": 20, "N": 6, "POINTS": 121, "STEPS": 60, "DRAWS": 300},
    "grey_pixels": {"EPOCHS": 30, "LOOK_AFTER": (2, 8), "SAMPLES": 10, "DRAWS": 100},
    "initial_values_and_steps": {"EPOCHS": 8, "VAE_EPOCHS": 12},
    "linear_vae": {"STEPS": 1200, "STEPS_FIXED": 300},
    "pathwise_and_score": {"EPOCHS": 24, "DRAWS": 4000, "NODES": 24},
    "pipeline_and_search": {
        "EPOCHS": 12, "FOLDS": 2, "SIZES": (2, 8), "SMALL": (2,), "LABELS": (20, 60), "REPEATS": 3
    },
    "rate_and_distortion": {
        "FIRST": 40, "OWN": 20, "BETAS": (0.1, 1, 3, 10), "EPOCHS": 30, "RISING": 10, "SEEDS": 1
    },
}  # fmt: skip


def stage(short: bool) -> None:
    """Writes the lectures for sphinx-gallery. Its results are kept as long as the lectures and the library are the
    same."""
    lectures = sorted(FOLDER.glob("*.py"))
    code = [*sorted(PACKAGE.rglob("*.py")), *lectures, Path(__file__)]
    content = [np.__version__, str(short), *(path.read_text(encoding="utf-8") for path in code)]
    key = hashlib.sha256("\0".join(content).encode("utf-8")).hexdigest()
    kept = LECTURES / "key"
    if not kept.is_file() or kept.read_text(encoding="utf-8") != key:
        shutil.rmtree(SOURCE / "gallery", ignore_errors=True)
        shutil.rmtree(LECTURES, ignore_errors=True)
    LECTURES.mkdir(parents=True, exist_ok=True)
    (LECTURES / "GALLERY_HEADER.rst").write_text(HEADER, encoding="utf-8")
    for path in lectures:
        text = with_formulas(path.read_text(encoding="utf-8"))
        if short:
            text = with_constants(text, SHORT.get(path.stem, {}))
        (LECTURES / path.name).write_text(text, encoding="utf-8")
    kept.write_text(key, encoding="utf-8")


def with_constants(text: str, constants: dict[str, Any]) -> str:
    """The lecture with other values for the constants of its top level."""
    rows = text.splitlines()
    for node in ast.parse(text).body:
        name = getattr(node.targets[0], "id", "") if isinstance(node, ast.Assign) else ""
        if name in constants:
            assert isinstance(node, ast.Assign) and node.end_lineno == node.lineno
            rows[node.lineno - 1] = f"{name} = {constants[name]!r}"
    return "\n".join(rows) + "\n"


def with_formulas(text: str) -> str:
    """The lecture with a title, and its displayed rows as directives: a formula as TeX, what is none as it stands."""
    docstring = ast.get_docstring(ast.parse(text), clean=False) or ""
    title, rest = title_of(docstring)
    text = text.replace(docstring, f"{title}\n{'=' * len(title)}\n\n{rest}", 1)
    found: list[str] = []
    block: list[str] = []
    in_words = False  # inside the text of a cell, and not in its code
    for row in [*text.splitlines(), ""]:
        in_words = row.startswith("#") and (in_words or row == "# %%")
        if in_words and row.startswith("#     "):
            block.append(row[6:])
            continue
        if block:
            found += directive(block)
            block = []
        # what stands between two | would be a substitution
        found.append(re.sub(r"(?<=[\s(])\|(?=\S)", r"\\|", row) if in_words else row)
    return "\n".join(found)


def directive(block: list[str]) -> list[str]:
    """A displayed block as comment rows of the lecture."""
    try:
        lines = list(formula_lines(block))
        formulas = [parse(line).parts for line in lines]
    except GrammarError:
        return ["# .. code-block:: text", "#", *(f"#     {row}" for row in block)]
    shown = []
    for parts in formulas:
        texts = [to_tex(part) if not isinstance(part, str) else rf"\text{{{part}}}" for part in parts]
        shown.append(texts[0].replace(" = ", " &= ", 1) + "".join(rf" \qquad {text}" for text in texts[1:]))
    aligned = len(shown) > 1
    body = r" \\ ".join(shown) if aligned else shown[0].replace("&=", "=")
    tex = rf"\begin{{aligned}} {body} \end{{aligned}}" if aligned else body
    return ["# .. math::", "#", f"#     {tex}"]


def formula_lines(block: list[str]) -> Iterator[str]:
    """The formulas of a block; GrammarError where it holds something else."""
    lines: list[str] = []
    for row in block:
        if lines and GOES_ON.match(row.strip()):
            lines[-1] += "\n" + row.strip()
        elif is_formula(row.strip()):
            lines.append(row.strip())
        else:
            raise GrammarError("no formula")
    yield from lines


# ---- what sphinx-gallery calls


def figure(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """The figure that the last cell has shown."""
    from sphinx_gallery.scrapers import figure_rst

    names = block_vars["example_globals"]
    if "lecture" not in names or ".show(" not in block.content:
        return ""
    source = Path.cwd() / names["lecture"].out / f"{names['lecture'].name}.png"
    target = next(block_vars["image_path_iterator"])
    shutil.copyfile(source, target)
    return str(figure_rst([target], gallery_conf["src_dir"], f"the figure of the lecture {names['lecture'].name}"))


def reset(gallery_conf: dict[str, Any], path: str) -> None:
    """Between two lectures nothing has to be put back: they share no state."""


def settle(folder: Path) -> None:
    """Gives the script to download its own text again, and takes out what changes from build to build."""
    for path in sorted(folder.glob("*.py")):
        shutil.copyfile(FOLDER / path.name, path)
    for path in sorted(folder.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["metadata"].get("language_info", {}).pop("version", None)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
