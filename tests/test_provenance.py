"""A figure says what has made it, and a figure of the pages is of the code and the runs that are here now."""

from __future__ import annotations

import importlib
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from results_sections.stale import why_stale

from scratchnn.scripts import figures, provenance

ROOT = Path(__file__).resolve().parents[1]
MODULE = """
WIDTH = 3
OTHER = 4

def helper(x):
    return x + WIDTH

def picture(x):
    '''What it shows.'''
    # why
    return helper(x)

def stranger(x):
    return OTHER
"""


def test_a_figure_carries_its_command_its_settings_and_its_code(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/examples/vae.py", "--data", "mnist"])
    figure = figures.latent_use(np.array([3.0, 1.0]), np.array([True, False]), "t")
    figures.save(figure, tmp_path / "a.png", {"data": "mnist", "seed": 3, "σ": "½"})
    found = provenance.read(tmp_path / "a.png")
    assert found["Command"] == "python examples/vae.py --data mnist"
    assert found["Settings"] == {"data": "mnist", "seed": 3, "σ": "½"}
    assert found["Drawn by"] == "scripts/figures.py:latent_use"
    assert found["Code"] == provenance.fingerprint(provenance.figures_source(), "latent_use")


@pytest.mark.parametrize("argv, typed", [
    (["examples/vae.py", "--data", "mnist"], "python examples/vae.py --data mnist"),
    (["elbo_tour.py"], "python examples/lectures/elbo_tour.py"),
    (["scratchnn train", "--latent", "2"], "scratchnn train --latent 2"),
    (["python -m scratchnn train"], "python -m scratchnn train"),
    (["/usr/bin/scratchnn"], "scratchnn"),
])  # fmt: skip
def test_the_command_is_what_one_types_in_the_folder_of_the_project(argv, typed, monkeypatch):
    monkeypatch.chdir(ROOT / "examples/lectures" if argv[0] == "elbo_tour.py" else ROOT)
    monkeypatch.setattr(sys, "argv", argv)
    assert provenance.command() == typed


def test_the_figure_is_that_of_the_outer_function(rng):
    figure = figures.manifold(lambda z: np.zeros((len(z), 4)), (2, 2), "t", n=3)
    assert figure.get_gid().startswith("scripts/figures.py:manifold ")


def test_a_figure_that_nothing_is_known_of_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="mark the function that makes it with @drawing"):
        figures.save(figures.new_figure(2, 2, "t"), tmp_path / "a.png", {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "old, new, same",
    [
        ("What it shows.", "What it\n    shows now.", True),
        ("# why", "# why not", True),
        ("return helper(x)", "return   helper( x )", True),
        ("OTHER = 4", "OTHER = 5", True),
        ("return helper(x)", "return 2 * helper(x)", False),
        ("return x + WIDTH", "return x - WIDTH", False),
        ("WIDTH = 3", "WIDTH = 2", False),
    ],
)
def test_the_fingerprint_changes_with_all_that_the_function_uses_and_with_nothing_else(old, new, same):
    assert MODULE.count(old) == 1
    before, after = (provenance.fingerprint(text, "picture") for text in (MODULE, MODULE.replace(old, new)))
    assert (before == after) == same


def test_what_a_script_takes_from_figures_belongs_to_its_fingerprint(monkeypatch):
    script, found = "def picture():\n    return figures.axes(1)\n", []
    for body in ("n", "n + 1"):
        monkeypatch.setattr(provenance, "figures_source", lambda body=body: f"def axes(n):\n    return {body}\n")
        found.append(provenance.fingerprint.__wrapped__(script, "picture"))
    assert found[0] != found[1]


def test_a_drawing_function_in_an_archive_has_the_same_fingerprint(tmp_path, monkeypatch):
    """A cluster's workers get the examples' common modules as a zip file."""
    source = "from scratchnn.scripts.provenance import drawing\n\n@drawing\ndef picture(figure):\n    return figure\n"
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("drawn_in_an_archive.py", source)
    monkeypatch.syspath_prepend(str(tmp_path / "archive.zip"))
    figure = importlib.import_module("drawn_in_an_archive").picture(figures.new_figure(1, 1, "t"))
    place, code = figure.get_gid().split()
    assert place == "archive.zip/drawn_in_an_archive.py:picture" and code == provenance.fingerprint(source, "picture")


# ---- the figures of the pages


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FIGURES = sorted((ROOT / "docs/figures").glob("*.png"))


# of runs that have yet to be made again: examples/results.py --renew --dry-run tells their commands
AWAITED = {
    line for line in (ROOT / "docs/runs/awaited.txt").read_text(encoding="utf-8").splitlines() if line[:1] != "#"
}


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
def test_no_figure_of_the_pages_is_stale_but_those_that_are_awaited(path):
    assert bool(why_stale(path, ROOT / "docs/runs")) == (path.name in AWAITED)


def test_what_is_awaited_is_on_a_page():
    assert {path.name for path in FIGURES} >= AWAITED


def test_every_figure_is_on_a_page():
    shown = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert not [path.name for path in FIGURES if f"figures/{path.name}" not in shown]


def test_a_figure_is_stale_for_each_of_four_reasons(tmp_path, monkeypatch):
    figure, path, run = (
        figures.latent_use(np.array([3.0, 1.0]), np.array([True, False]), "t"),
        tmp_path / "vae-a-kl.png",
        tmp_path / "runs/vae-a",
    )
    run.mkdir(parents=True)
    assert why_stale(path, tmp_path / "runs") == "it is not there"
    figure.savefig(path)
    assert why_stale(path, tmp_path / "runs") == "it does not say what has made it"
    figures.save(figure, path, {"seed": 0})
    for seed, verdict in ((0, ""), (1, "the run that it shows has other settings now")):
        (run / "summary.json").write_text(json.dumps({"settings": {"seed": seed}}), encoding="utf-8")
        assert why_stale(path, tmp_path / "runs") == verdict
    monkeypatch.setattr(provenance, "fingerprint", lambda path, name: "another")
    assert why_stale(path, tmp_path / "runs") == "scripts/figures.py:latent_use draws in another way now"


def test_what_is_no_picture_says_nothing_of_its_making(tmp_path):
    (tmp_path / "figure.png").write_bytes(b"no picture")
    assert provenance.read(tmp_path / "figure.png") == {}
