"""The learner's own earlier exercises, as modules: what a capstone is made of."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from scratchnn.exercises.exercise import path_of


def yours(file: str, *names: str) -> list[Any]:
    """The exercises of these names that lie beside `file`, each as a new module; FileNotFoundError if one does not."""
    return [load(Path(file).parent, name) for name in names]


def load(folder: Path, name: str) -> ModuleType:
    path = path_of(name)
    if folder != path.parent:
        path = folder / path.name.removeprefix("e")
    module = ModuleType(name)
    vars(module)["__file__"] = str(path)
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), vars(module))
    return module
