"""The exercises; in a notebook, `from scratchnn.exercises import task` and then `task("linear")`."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`task` is loaded where somebody asks for it: the process in which an answer runs starts faster without."""
    if name == "task":
        from scratchnn.exercises.cells import task

        return task
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
