"""Where the site's parts lie."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = Path(os.environ.get("WEBSITE_BUILD", ROOT / "build" / "website"))  # the variable: a second build, by its test
SOURCE = BUILD / "source"  # what Sphinx reads, written by stage.py
LECTURES = BUILD / "lectures"  # what sphinx-gallery executes
NPM = BUILD / "npm"  # KaTeX
EXTRA = BUILD / "extra"  # what is put beside the pages as it is: explore/, pages of trained models
PYODIDE = BUILD / "pyodide"  # a distribution of Pyodide, if there is one: it is put beside the pages
LANGUAGES = ("en", "es")
