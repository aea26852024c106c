"""What an exercise is: one file of scratchnn/exercises/ladder/, of which the learner gets the upper part.

A file of the ladder has two parts. Above the line `TEACHER` stand a docstring (the task, and the derivation as a
question), `forward`, which works, and `backward`, whose solution stands between two comments; this part, with the
solution cut out, is the learner's file, so that task and solution cannot drift apart. Below the line stands one
`Exercise`: on what the answer is tried, what is known about wrong answers, three hints, and the derivation that is
shown after success. To add an exercise, add a file.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array

LADDER = Path(__file__).parent / "ladder"
TEACHER = "# ==== below this line: for the checker ===="
SOLUTION = re.compile(r"( *)# begin solution: (.*)\n(?:.*\n)*?\1# end solution\n")

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Exercise:
    """An exercise apart from the learner's part of its file.

    sizes      two sets of named sizes, all different primes: every claim about a mistake must hold on both
    inputs     (sizes, rng) → the arrays to differentiate by, by the names of forward's arguments, in their order
    constants  (sizes, rng) → forward's further arguments (labels, masks, noise), by name
    facts      (q) → what is known about right and wrong answers; q has all inputs, constants and sizes as attributes,
               also y, forward's output (or outputs), and dy, the upstream gradient (or gradients)
    probes     name → (inputs, constants) changed so that part of the problem disappears, such as "mean = 0"
    function   what the learner writes; anything but "backward" is compared with the solution's own values
    """

    title: str
    sizes: tuple[Mapping[str, int], Mapping[str, int]]
    inputs: Callable[[SimpleNamespace, np.random.Generator], dict[str, Array]]
    hints: tuple[str, str, str]
    derivation: str
    constants: Callable[[SimpleNamespace, np.random.Generator], dict[str, Any]] = lambda s, rng: {}
    facts: Callable[[SimpleNamespace], Facts] = lambda q: Facts()
    probes: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict)
    function: str = "backward"


# ---- finding and loading


def ladder() -> list[str]:
    """The names of all exercises, in order: the files eNN_name.py of the ladder."""
    return [path.stem.partition("_")[2] for path in sorted(LADDER.glob("e*.py"))]


def path_of(name: str) -> Path:
    (path,) = LADDER.glob(f"e[0-9][0-9]_{name}.py")
    return path


@cache
def reference(name: str) -> ModuleType:
    """The exercise's own module: forward, the solution, and EXERCISE."""
    return importlib.import_module(f"scratchnn.exercises.ladder.{path_of(name).stem}")


def stub(name: str) -> str:
    """The learner's file: the upper part, with the solution cut out."""
    upper, _, _ = path_of(name).read_text(encoding="utf-8").partition(TEACHER)

    def blank(match: re.Match[str]) -> str:
        names = " = ".join(match[2].split(", "))
        return f"{match[1]}{names} = ...  # your turn: replace the dots\n"

    return SOLUTION.sub(blank, upper).rstrip() + "\n"


def solution(name: str) -> str:
    """The lines of the solution, as they stand in the file."""
    match = marked(name)
    return "\n".join(line.removeprefix(match[1]) for line in match[0].splitlines()[1:-1])


def outputs_of(name: str) -> list[str]:
    """The names that the solution assigns, in the order in which they are returned."""
    return marked(name)[2].split(", ")


def marked(name: str) -> re.Match[str]:
    match = SOLUTION.search(path_of(name).read_text(encoding="utf-8"))
    if not match:
        raise ValueError(f"{path_of(name)} has no lines between «# begin solution: …» and «# end solution»")
    return match


# ---- trying an answer


def values_of(exercise: Exercise, which: int, seed: int) -> dict[str, Any]:
    """Sizes, inputs and constants of one of the two problems of an exercise, by name."""
    sizes = SimpleNamespace(**exercise.sizes[which])
    rng = np.random.default_rng([seed, which])
    return {**exercise.inputs(sizes, rng), **exercise.constants(sizes, rng)}
