"""The site: all formulas stand typeset beside their code, all of a file is shown, links lead somewhere, nothing drifts.

The tests of pages need a built site, `python -m website --short`; those that build need the extra [docs] and Node.js.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import PACKAGE, ROOT

pytest.importorskip("sphinx", reason='the site needs Sphinx: python -m pip install -e ".[docs]"')

sys.path.insert(0, str(ROOT))
import scratchnn
from formulas.find import Line, formula_lines, ladder
from formulas.grammar import parse
from formulas.papers import papers, symbol
from formulas.tex import tex, to_tex
from formulas.tree import Name, spelled, walk
from website import joins, lectures, links
from website.lesson import exercise_page, joined, lesson_page, pieces, title_of
from website.places import BUILD, NPM
from website.prose import inline, to_rst
from website.stage import lesson_pages

HTML = BUILD / "html"
PLACES = {f"{line.module}:{line.number}" for line in formula_lines()}
built = pytest.mark.skipif(not (HTML / "index.html").is_file(), reason="no site is built: python -m website --short")


# ---- what a page is made of


@pytest.mark.parametrize("path", lesson_pages(), ids=lambda path: path.stem)
def test_all_of_a_file_of_the_lesson_is_on_its_page(path):
    """Every row is a row of code or of a docstring that is shown as words, none is both, and they keep their order."""
    rows = path.read_text(encoding="utf-8").splitlines()
    shown = [number for piece in pieces(path) for number in piece.numbers]
    assert shown == sorted(set(shown))
    words = {
        number
        for text in [*(piece.text for piece in pieces(path) if piece.text)]
        for number in range(text.lineno, text.end_lineno + 1)
    }
    own = rows.index('"""', 1) + 1 if not rows[0].endswith('"""') or len(rows[0]) == 3 else 1
    left = {n for n, row in enumerate(rows, 1) if row.strip() and n > own} - set(shown) - words
    assert not left and not words & set(shown)


def test_every_formula_line_has_its_place_on_one_page():
    pages = [lesson_page(path, path.relative_to(PACKAGE).as_posix(), {}) for path in lesson_pages()]
    pages += [exercise_page(path, {}) for path in ladder()]
    found = [place for page in pages for place in re.findall(r"^\.\. formula-line:: (\S+)$", page, re.MULTILINE)]
    assert sorted(found) == sorted(PLACES)


def test_names_are_joined_to_lines_but_for_a_few():
    every, missing = joins.left_hand_names(), joins.unjoined()
    assert len(every) > 180 and len(missing) <= 0.05 * len(every)
    assert all((PACKAGE / line.module).is_file() and name for line, name in missing)


def test_a_line_of_code_knows_its_formulas_and_a_tag_joins_as_well():
    dense, vae = joined(PACKAGE / "layers/dense.py"), joined(PACKAGE / "vae.py")
    rows = ["", *(PACKAGE / "layers/dense.py").read_text(encoding="utf-8").splitlines()]
    (by,) = [number for number, row in enumerate(rows) if "out=self.dW" in row]
    assert dense[by] == ["formula-29"]
    rows = ["", *(PACKAGE / "vae.py").read_text(encoding="utf-8").splitlines()]
    tagged = [number for number, row in enumerate(rows) if "# AEVB (4)" in row]
    assert tagged and all(vae[number] for number in tagged)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "dW_ij = Σ_n x_ni dy_nj",
            r"\frac{\partial L}{\partial W_{ij}} = \sum_{n} x_{ni} \, \frac{\partial L}{\partial y_{nj}}",
        ),
        (
            "dlog_var = dz · eps",
            r"\frac{\partial L}{\partial \log {\sigma}^{2}} = \frac{\partial L}{\partial z} \cdot \varepsilon",
        ),
        ("z = mean + e^(log_var/2) · eps", r"z = \mu + {e}^{\frac{\log {\sigma}^{2}}{2}} \cdot \varepsilon"),
        ("r = decoder(z) + mean(l)", r"r = \mathrm{decoder}\left( z \right) + \mathrm{mean}\left( l \right)"),
        ("m = ∫_0^1 t e^(l t) dt", r"m = \int_{0}^{1} t \, {e}^{l \, t} \, dt"),
        ("mean KL(q ‖ p) = R", r"\mathrm{mean} \, \mathrm{KL}\left( q \,\|\, p \right) = R"),
    ],
)  # fmt: skip
def test_the_notation_of_the_papers(text, expected):
    assert to_tex(papers(parse(text).formulas[0])) == expected


def test_two_names_of_a_line_never_become_one_symbol():
    """σ in the place of both std and σ would say that they are one."""
    for line in formula_lines():
        symbols: dict[str, str] = {}
        for formula in parse(line.text).parts:
            for name in [part for part in walk(formula) if isinstance(part, Name)]:
                base = Name(name.base, (), name.hat)
                seen = symbols.setdefault(tex(symbol(base)), spelled(base))
                assert seen == spelled(base), f"{line.place}: {seen} and {name.base}"


def test_a_docstring_becomes_a_page():
    """Each kind of block, by hand; the formula line is row 8 of the text."""
    text = (
        "Why one wants it: x_i, *stress* and `code`.\n\n    Shapes\n        x (N, D), |x| ≤ 1.\n    Backward\n"
        "        Two things:\n        - one,\n          and more\n        - two\n\n            dx = dy     words\n\n"
        "            a   table\n            b   of two rows\n    "
    )
    line = Line(Path("some.py"), "", 11, "dx = dy     words")
    line.path = PACKAGE / "some.py"
    page = "\n".join(to_rst(text, {11: line}, {}))
    assert page == (
        "Why one wants it: x\\_i, *stress* and ``code``.\n\n.. rubric:: Shapes\n   :heading-level: 3\n"
        "   :class: section-of-docstring\n\nx (N, D), \\|x\\| ≤ 1.\n\n.. rubric:: Backward\n   :heading-level: 3\n"
        "   :class: section-of-docstring\n\nTwo things:\n\n- one, and more\n\n- two\n\n.. formula-line:: some.py:11\n\n"
        ".. code-block:: text\n\n   a   table\n   b   of two rows\n"
    )
    pages = {"scratchnn/vae.py": "/learn/vae"}
    assert inline("see scratchnn/vae.py", pages) == "see :doc:`scratchnn/vae.py </learn/vae>`"
    assert title_of("The dense layer: every output. And.\n\nMore") == ("The dense layer", "Every output. And.\n\nMore")


def test_a_lecture_keeps_its_code_and_gets_its_formulas():
    for path in lectures.FOLDER.glob("*.py"):
        staged = lectures.with_formulas(path.read_text(encoding="utf-8"))
        assert code_of(staged) == code_of(path.read_text(encoding="utf-8")), path.name
    tour = lectures.with_formulas((lectures.FOLDER / "elbo_tour.py").read_text(encoding="utf-8"))
    assert tour.count("# .. math::") == 3 and r"\mathrm{KL}" in tour
    assert "STEPS = 7\n" in lectures.with_constants("STEPS = 400\n", {"STEPS": 7})


def code_of(text: str) -> list[str]:
    """The rows that are no comment, from the first cell on."""
    return [row for row in text.partition("# %%")[2].splitlines() if row.strip() and not row.startswith("#")]


def test_links_of_a_page_are_told_apart(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "beside.txt").write_text("no part of the site", encoding="utf-8")
    (site / "a.html").write_text(
        '<a id="x" href="b.html#y">good</a><a href="#z">bad</a><a href="c.html">bad</a><a href="../beside.txt">bad</a>',
        encoding="utf-8",
    )
    (site / "b.html").write_text(
        '<a id="y" href="HTTPS://example.org/">out</a><img src="https://example.org/i" srcset="a.html 2x, //o.org/j">'
        '<link rel="shortcut icon" href="http://example.org/k">',
        encoding="utf-8",
    )
    found = links.links(site)
    assert found.broken == ["a.html: #z", "a.html: c.html", "a.html: ../beside.txt"]
    assert found.outside == {"HTTPS://example.org/"}
    assert found.loaded == [
        f"b.html: {target}" for target in ("https://example.org/i", "//o.org/j", "http://example.org/k")
    ]


# ---- the built site


class Formulas(HTMLParser):
    """The formulas of a page by their places: their lines, and which notations they have."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.found: dict[str, dict[str, object]] = {}
        self.place = ""
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id", ""))
        if given.get("class") == "formula":
            self.place = given["data-place"]
            self.found[self.place] = {"lines": given.get("data-lines", "").split(), "classes": []}
        elif self.place and tag == "span" and given.get("class"):
            self.found[self.place]["classes"].append(given["class"])
        elif tag == "p":
            self.place = ""


@built
def test_every_formula_line_is_typeset_in_both_notations_beside_its_code():
    seen = set()
    for path in [*(HTML / "learn").rglob("*.html"), *(HTML / "exercises").glob("e*.html")]:
        page = Formulas(path)
        for place, formula in page.found.items():
            classes = formula["classes"]
            assert classes.count("in-code") == classes.count("in-papers") >= 1 and "katex" in classes, place
            assert {f"L{number}" for number in formula["lines"]} <= page.ids, place
            seen.add(place)
        assert "katex-error" not in path.read_text(encoding="utf-8")
    assert seen == PLACES


@built
def test_the_unjoined_names_are_listed():
    text = (HTML / "learn/index.html").read_text(encoding="utf-8")
    for line, name in joins.unjoined():
        assert f">{name}</span></code> in {line.place}<" in text, line.place


@built
def test_no_style_loads_anything_from_outside():
    styles = "".join(path.read_text(encoding="utf-8") for path in HTML.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*", styles) == []


@built
def test_every_text_exercise_and_lecture_has_its_page():
    for name in [*(path.stem for path in (ROOT / "docs").glob("*.md")), "index", "start", "teach", "explore", "search"]:
        assert (HTML / f"{name}.html").is_file(), name
    assert {path.stem for path in ladder()} <= {path.stem for path in (HTML / "exercises").glob("*.html")}
    for path in lectures.FOLDER.glob("*.py"):
        assert (HTML / f"gallery/{path.stem}.html").is_file()
        (notebook,) = (HTML / "_downloads").rglob(f"{path.stem}.ipynb")
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert len(code_of("# %%\n" + code)) == len(code_of(path.read_text(encoding="utf-8"))), (
            "the notebook is the lecture"
        )
        (script,) = (HTML / "_downloads").rglob(f"{path.stem}.py")
        assert script.read_text(encoding="utf-8") == path.read_text(encoding="utf-8")


@built
def test_the_pages_carry_the_version():
    assert f'"VERSION": "{scratchnn.__version__}"' in (HTML / "_static/documentation_options.js").read_text(
        encoding="utf-8"
    ).replace("VERSION: '", '"VERSION": "').replace("',", '",')


@built
def test_nothing_of_the_spanish_pages_is_left_in_english():
    pages = list((HTML / "es").rglob("*.html"))
    assert {"index.html", "start.html", "elbo_tour.html"} <= {path.name for path in pages}
    for path in pages:
        assert 'lang="es"' in path.read_text(encoding="utf-8")
        assert re.findall(r"<(?!img)[^>]*\buntranslated\b[^>]*>[^<]*", path.read_text(encoding="utf-8")) == [], (
            path.name
        )


@built
def test_no_lecture_tells_the_seconds_of_its_trainings():
    """They would change with every build; the number of an epoch shows that there are trainings."""
    text = "".join(path.read_text(encoding="utf-8") for path in (HTML / "gallery").glob("*.html"))
    assert re.findall(r"\bepoch \d+/\d+ ", text) and re.findall(r"^.*\bepoch \d.* \d+\.\d s$", text, re.MULTILINE) == []


@built
@pytest.mark.skipif(importlib.util.find_spec("sphinx_gallery") is None, reason="needs the extra [docs]")
def test_a_second_build_has_the_same_bytes(tmp_path):
    """In another folder, with the lectures' results. A build follows every link, and fails if one leads nowhere."""
    second = tmp_path / "second"
    shutil.copytree(BUILD, second, ignore=shutil.ignore_patterns("html", "npm", "doctrees-*"))
    (second / "npm").symlink_to(NPM)
    command = [sys.executable, "-m", "website", *(BUILD / "arguments").read_text(encoding="utf-8").split()]
    place = os.environ | {"WEBSITE_BUILD": str(second)}
    ended = subprocess.run(command, cwd=ROOT, env=place, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert digests(second / "html") == digests(HTML)
    assert (second / "outside.txt").read_bytes() == (BUILD / "outside.txt").read_bytes()


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
