"""Exercises of one's own: whether each file of a folder is one, asked before a learner gets anything of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

from scratchnn.exercises import exercise
from scratchnn.exercises.exercise import (
    SOLUTION,
    TEACHER,
    Exercise,
    Judged,
    ladder,
    path_of,
    read,
    reference,
    stub,
    upper,
)  # fmt: skip
from scratchnn.exercises.trial import sentence

MARK = re.compile(r"# *(begin|end) +solution", re.IGNORECASE)


def examine() -> None:
    """ValueError if the exercises that are in use are of one's own, and cannot be used as they are."""
    if exercise.LADDER == exercise.OWN:
        return
    names = ladder()
    if not names:
        raise ValueError(
            f"there are no exercises in {exercise.LADDER}: their files are called e01_name.py, e02_other.py, …"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two exercises in {exercise.LADDER} have the name {twice[0]}: each needs one of its own")
    for name in names:
        if not re.fullmatch(r"[\w-]+", name):
            raise ValueError(
                f"an exercise in {exercise.LADDER} has the name {name!r}: use letters, digits, _ and - alone"
            )
        if said := amiss(name):
            raise ValueError(f"{path_of(name)} {said}")


def amiss(name: str) -> str:
    """What is wrong with the file of an exercise, and what to do; "" if nothing is."""
    path = path_of(name)
    try:
        text = read(path)
    except UnicodeDecodeError:
        return "is not in UTF-8: save it in that encoding"
    if said := error_of(path, lambda: reference(name)):
        return f"does not run: {said}"
    task = getattr(reference(name), "EXERCISE", None)
    if TEACHER not in text or not isinstance(task, Exercise | Judged):
        return f"needs a line «{TEACHER}», and below it an EXERCISE, which is an Exercise or a Judged"
    above, count = SOLUTION.subn("", upper(name))
    if not hasattr(reference(name), "stub") and (count == 0 or MARK.search(above)):
        return "needs its solution between the lines «# begin solution: y» and «# end solution», y being what it sets"
    if said := error_of(path, lambda: compile(stub(name), str(path), "exec")):
        return f"gives learners a file that does not compile: {said}"
    tree = ast.parse(stub(name))
    if ast.get_docstring(tree) is None:
        return "needs a docstring at its head, which says the task"
    if task.function not in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]:
        return f"gives learners no function {task.function}, which its EXERCISE asks for"
    return ""


def error_of(path: Path, do: Callable[[], object]) -> str:
    """What goes wrong, in a sentence; "" if nothing does."""
    try:
        do()
    except (Exception, SystemExit) as error:
        return sentence(error, path, 0.0)
    return ""
