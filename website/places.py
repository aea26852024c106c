"""Where the site's parts lie."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "website"
SOURCE = BUILD / "source"  # what Sphinx reads, written by stage.py
LECTURES = BUILD / "lectures"  # what sphinx-gallery executes
NPM = BUILD / "npm"  # KaTeX
EXTRA = BUILD / "extra"  # what is put beside the pages as it is: explore/, pages of trained models
PYODIDE = BUILD / "pyodide"  # a distribution of Pyodide, if there is one: it is put beside the pages
LANGUAGES = ("en", "es")
