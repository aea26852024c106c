"""What an exercise is: one file of scratchnn/exercises/ladder/, of which the learner gets the upper part.

A file of the ladder has two parts. Above the line `TEACHER` stand a docstring (the task, and the derivation as a
question) and functions, in one of which the solution stands between two comments; this part, with the solution cut
out, is the learner's file, so that task and solution cannot drift apart. Below the line stands what the answer is
judged by: for a backward pass or values an `Exercise` (on what the answer is tried, what is known about wrong answers),
for anything else a `Judged`, which calls the learner's function and says what it found. Both have three hints, and the
derivation that is shown after success. To add an exercise, add a file, and a line in road.py.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from scratchnn.exercises.road import STEPS, Step, follow, step_of
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array

OWN = Path(__file__).parent / "ladder"
LADDER = OWN
VARIABLE = "SCRATCHNN_EXERCISES"  # of the environment: where the exercises are, if not in OWN
TEACHER = "# ==== below this line: for the checker ===="
SOLUTION = re.compile(r"( *)# begin solution( instead of)?: (.*)\n((?:.*\n)*?)\1# end solution\n")

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
    seconds: float = 10.0


@dataclass(frozen=True)
class Finding:
    """One thing that an answer was tried on: what it was, whether the answer did right, and if not, why."""

    what: str
    right: bool
    why: str = ""


@dataclass(frozen=True)
class Judged:
    """An exercise that is judged in its own way.

    judge     (answer, seed) → findings. answer.f(x) runs the learner's f, in another process: it gets arrays, numbers
              and functions, and returns arrays and numbers. The first finding that is not right is what is told
    function  what the learner writes
    seconds   how long one call of it may take
    """

    title: str
    function: str
    judge: Callable[[Any, int], Sequence[Finding]]
    hints: tuple[str, str, str]
    derivation: str
    seconds: float = 10.0


# ---- finding and loading


def ladder() -> list[str]:
    """The names of all exercises, in the order of the road."""
    return [step.name for step in STEPS]


def path_of(name: str) -> Path:
    (path,) = LADDER.glob(f"e[0-9][0-9]_{name}.py")
    return path


def use(folder: Path) -> None:
    """From now on the exercises are those of a folder, by their numbers; also in processes that this one starts.

    Whether they can be used is asked in own.py.
    """
    global LADDER
    LADDER = folder.resolve()
    names = [path.stem.split("_", 1)[1] for path in sorted(LADDER.glob("e[0-9][0-9]_*.py"))]
    os.environ[VARIABLE] = str(LADDER)
    follow({LADDER.name: [Step(name, 0, "", "") for name in names]})
    reference.cache_clear()
    given_functions.cache_clear()


@cache
def reference(name: str) -> ModuleType:
    """The exercise's own module: forward, the solution, and EXERCISE."""
    path = path_of(name)
    if LADDER == OWN:
        return importlib.import_module(f"scratchnn.exercises.ladder.{path.stem}")
    spec = importlib.util.spec_from_file_location(f"own_{path.stem}", path)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> str:
    """The text of an exercise; some editors begin it with a mark, which is no part of it."""
    return path.read_text(encoding="utf-8-sig")


def upper(name: str) -> str:
    """The part above the line, with the solution."""
    return read(path_of(name)).partition(TEACHER)[0].rstrip() + "\n"


def stub(name: str) -> str:
    """The learner's file: the upper part with the solution cut out, or what the exercise writes itself."""
    own = getattr(reference(name), "stub", None)
    if own:
        text: str = own()
        return text

    def blank(match: re.Match[str]) -> str:
        indent, instead, names, _ = match.groups()
        if instead:
            return f"{indent}{names}\n"
        return f"{indent}{' = '.join(names.split(', '))} = ...  # your turn: replace the dots\n"

    text = SOLUTION.sub(blank, upper(name))
    for sign in road_sign(name):
        text = text.replace('\n"""\n', f'\n\n{sign}\n"""\n', 1)
    return text


def task_and_code(name: str) -> tuple[str, str]:
    """What the docstring of the learner's file says, and what stands below it."""
    text = stub(name)
    docstring = ast.parse(text).body[0]
    assert isinstance(docstring, ast.Expr)
    return ast.literal_eval(docstring.value), "\n".join(text.split("\n")[docstring.end_lineno :])


def road_sign(name: str) -> list[str]:
    """What to read before an exercise, and where the library has it; nothing for one that is not on the road."""
    step = step_of(name)
    return [f"Read before: {step.read}\nIn the library: {step.used}"] if step.read else []


def solution(name: str) -> str:
    """The lines of the solution, as they stand in the file, or what the exercise says itself."""
    own = getattr(reference(name), "solution", None)
    if own:
        text: str = own()
        return text
    return "\n".join(
        "\n".join(line.removeprefix(indent) for line in lines.splitlines())
        for indent, _, _, lines in SOLUTION.findall(upper(name))
    )


def file_name(name: str) -> str:
    """What the learner's file is called: 03_linear.py for e03_linear.py."""
    return path_of(name).name.removeprefix("e")


def outputs_of(name: str) -> list[str]:
    """The names that the solution assigns, in the order in which they are returned."""
    match = SOLUTION.search(upper(name))
    if not match:
        raise ValueError(f"{path_of(name)} has no lines between «# begin solution: …» and «# end solution»")
    return match[3].split(", ")


@cache
def given_functions(name: str) -> list[str]:
    """The functions of the learner's file."""
    return [node.name for node in ast.parse(stub(name)).body if isinstance(node, ast.FunctionDef)]


# ---- trying an answer


def values_of(exercise: Exercise, which: int, seed: int) -> dict[str, Any]:
    """Sizes, inputs and constants of one of the two problems of an exercise, by name."""
    sizes = SimpleNamespace(**exercise.sizes[which])
    rng = np.random.default_rng([seed, which])
    return {**exercise.inputs(sizes, rng), **exercise.constants(sizes, rng)}


if chosen := os.environ.get(VARIABLE):
    use(Path(chosen))
