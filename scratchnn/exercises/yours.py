"""The learner's own earlier exercises, as modules: what a capstone is made of."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from scratchnn.exercises.exercise import path_of, reference


def yours(file: str, *names: str) -> list[ModuleType]:
    """The exercises of these names that lie beside `file`; FileNotFoundError if one does not."""
    return [load(Path(file), name) for name in names]


def load(file: Path, name: str) -> ModuleType:
    if file == path_of(file.stem.partition("_")[2]):  # in the library itself: its own solutions
        return reference(name)
    path = file.with_name(path_of(name).name.removeprefix("e"))
    module = ModuleType(name)
    module.__file__ = str(path)
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), vars(module))
    return module
