"""The exercises as notebooks, one for each part of the road, from the same files of the ladder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from scratchnn.exercises.cells import task
from scratchnn.exercises.exercise import VARIABLE, reference
from scratchnn.exercises.progress import write_new
from scratchnn.exercises.road import PARTS, Step, notebook_name

ABOUT = """\
# {part}

In each cell of code, replace the dots, and run the cell: its last line checks what you wrote, and says what is wrong
with it if something is. `task("{first}").hint()` prints a hint, and at every further call one more;
`task("{first}").solution()` prints the derivation and the solution.
"""
FILE = """
# The last exercise of a part may take your cells from the notebooks in this folder, as they were last saved
__file__ = {file!r}
"""


def write_notebooks(folder: Path) -> tuple[list[str], list[str]]:
    """Writes the notebooks that are missing; the names of new files, and of those that were there."""
    new, kept = [], []
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        file = folder / notebook_name(part)
        if os.path.lexists(file):
            kept.append(file.name)
        else:
            write_new(file, json.dumps(notebook(part), indent=1, ensure_ascii=False) + "\n")
            new.append(file.name)
    return new, kept


def notebook(part: str) -> dict[str, Any]:
    """A part of the road in the format of notebooks, version 4.5."""
    steps = PARTS[part]
    setup = "from scratchnn.exercises import task\n"
    if folder := os.environ.get(VARIABLE):
        setup = f"import os\n\nos.environ[{VARIABLE!r}] = {folder!r}  # a teacher's own exercises\n{setup}"
    if any(hasattr(reference(step.name), "PIECES") for step in steps):
        setup += FILE.format(file=notebook_name(part))
    cells = [text("about", ABOUT.format(part=part, first=steps[0].name)), code("setup", setup)]
    for step in steps:
        cells += [text(f"{step.name}-task", task(step.name)._repr_html_()), exercise(step)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def exercise(step: Step) -> dict[str, Any]:
    """The cell to be filled in; its exercise is named in the cell's metadata, where yours.py finds it."""
    check = f'task("{step.name}").check({reference(step.name).EXERCISE.function})'
    return {**code(step.name, f"{task(step.name).code}\n\n\n{check}"), "metadata": {"exercise": step.name}}


def text(name: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source.strip().splitlines(keepends=True)}


def code(name: str, source: str) -> dict[str, Any]:
    return {**text(name, source), "cell_type": "code", "execution_count": None, "outputs": []}
