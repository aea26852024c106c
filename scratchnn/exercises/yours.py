"""The learner's own earlier exercises, as modules: what a capstone is made of."""

from __future__ import annotations

import json
from errno import ENOENT
from pathlib import Path
from types import ModuleType
from typing import Any

from scratchnn.exercises.exercise import file_name, path_of
from scratchnn.exercises.road import PARTS, notebook_name


def yours(file: str, *names: str) -> list[Any]:
    """The exercises of these names that lie beside `file`, each as a new module; FileNotFoundError if one does not.

    For a notebook they are cells of notebooks, as these were last saved.
    """
    return [load(Path(file), name) for name in names]


def load(file: Path, name: str) -> ModuleType:
    path = path_of(name)
    if file.parent != path.parent:
        path = file.parent / file_name(name)
    # bytes, as Python reads a file: it may begin with a mark, or name its encoding
    source: str | bytes = cell_of(file.parent, name) if file.suffix == ".ipynb" else path.read_bytes()
    module = ModuleType(name)
    vars(module)["__file__"] = str(path)
    exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    return module


def cell_of(folder: Path, name: str) -> str:
    """The learner's code in the cell of an exercise, without the line that checks it, from a notebook in `folder`: from
    the one of its part if that is there, and not from a copy of it."""
    own = [folder / notebook_name(part) for part, steps in PARTS.items() if name in [step.name for step in steps]]
    for path in [*own, *sorted(set(folder.glob("*.ipynb")) - set(own))]:
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            found = [cell["source"] for cell in cells if cell["metadata"].get("exercise") == name]
        except (OSError, KeyError, TypeError, ValueError):  # not there, or no notebook of this format
            continue
        if found:
            return "".join(found[0]).partition("\ntask(")[0]
    raise FileNotFoundError(ENOENT, f"there is no notebook here with the exercise {name}", str(folder))
