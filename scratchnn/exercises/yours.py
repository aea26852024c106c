"""The learner's own earlier exercises, as modules: what a capstone is made of."""

from __future__ import annotations

import json
from errno import ENOENT
from pathlib import Path
from types import ModuleType
from typing import Any

from scratchnn.exercises.exercise import file_name, path_of


def yours(file: str, *names: str) -> list[Any]:
    """The exercises of these names that lie beside `file`, each as a new module; FileNotFoundError if one does not.

    For a notebook they are cells of notebooks, as these were last saved.
    """
    return [load(Path(file), name) for name in names]


def load(file: Path, name: str) -> ModuleType:
    path = path_of(name)
    if file.parent != path.parent:
        path = file.parent / file_name(name)
    source = cell_of(file.parent, name) if file.suffix == ".ipynb" else path.read_text(encoding="utf-8")
    module = ModuleType(name)
    vars(module)["__file__"] = str(path)
    exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    return module


def cell_of(folder: Path, name: str) -> str:
    """The learner's code in the cell of an exercise, without the line that checks it, from a notebook in `folder`."""
    for path in sorted(folder.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["metadata"].get("exercise") == name:
                return "".join(cell["source"]).partition("\ntask(")[0]
    raise FileNotFoundError(ENOENT, f"there is no notebook here with the exercise {name}", str(folder))
