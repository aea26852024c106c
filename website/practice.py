"""The exercises in the browser: their page, the library's wheel, and Pyodide, if a distribution of it is at hand.

Pyodide, which is Python compiled to WebAssembly, is no part of the repository. Where the folder build/website/pyodide
has a distribution of it, the build puts that beside the page; else whoever serves the site can do so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from scratchnn.exercises import here, road
from website.places import BUILD, PYODIDE, ROOT

WHEEL = "practice"  # the folder of the wheel, beside the page
PACKAGED = ("scratchnn", "LICENSE", "README.md", "pyproject.toml", "setup.cfg")  # what a wheel is made of


def known() -> str:
    """What the page knows of every exercise."""
    parts = {part: [step.name for step in steps] for part, steps in road.PARTS.items()}
    found = json.dumps({"parts": parts, "exercises": here.exercises()}, ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="practice-data">{found}</script>'


def put_beside(site: Path) -> None:
    """The wheel, and the distribution of Pyodide."""
    wheel(site / WHEEL)
    if PYODIDE.is_dir():
        shutil.copytree(PYODIDE, site / "pyodide")


def wheel(folder: Path) -> None:
    """Builds the library's wheel from a copy: setuptools leaves folders behind, and takes what earlier ones left."""
    source = BUILD / "wheel"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for name in PACKAGED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(path, source / name)
    folder.mkdir(parents=True)
    code = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
    fixed = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}  # 1980, the first year of an archive
    built = subprocess.run([sys.executable, "-c", code], cwd=source, env=fixed, capture_output=True, text=True)
    if built.returncode:
        raise SystemExit(f"error: the wheel could not be built: {built.stderr.strip().splitlines()[-1]}")
    shutil.rmtree(source)
    (path,) = folder.glob("*.whl")
    path.rename(folder / "scratchnn.whl")  # one name for all versions
