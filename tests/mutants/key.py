"""Mutants: wrong answers to the exercises, with the labels that a correct diagnosis has, written before it is run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """A wrong answer and its key: "LABEL:gradient" for every gradient that is wrong, "LABEL" for a broken contract, and
    "REASON: …" with a part of what must be said where an exercise is judged in its own way.

    A label may be a set of acceptable ones, written with " | " in between. EDIT stands for the change of a line that
    edits.py found; which one it was is held against read.py.
    """

    exercise: str
    name: str
    backward: Callable[[Any, Any], Any]
    key: tuple[str, ...]


def mutant(*key: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def mark(backward: Callable[..., Any]) -> Callable[..., Any]:
        vars(backward)["key"] = key
        return backward

    return mark


def all_mutants() -> list[Mutant]:
    found = []
    for path in sorted(Path(__file__).parent.glob("m_*.py")):
        module = importlib.import_module(f"mutants.{path.stem}")
        exercise = path.stem.removeprefix("m_")
        found += [
            Mutant(exercise, name, function, function.key)
            for name, function in vars(module).items()
            if hasattr(function, "key")
        ]
    return found
