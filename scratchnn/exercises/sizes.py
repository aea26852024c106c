"""Which mistakes show on which sizes: for the exercises in which these are to be chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import Finding
from scratchnn.exercises.findings import described


def chosen(said: Any, names: str, count: int, largest: int) -> tuple[tuple[int, ...], Finding | None]:
    """The sizes as numbers, or a finding on why they are none."""
    is_row = isinstance(said, tuple | list) or (isinstance(said, np.ndarray) and said.ndim == 1)
    given: list[Any] = list(said) if is_row else [said]
    whole = [isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in given]
    if len(given) != count or not all(whole):
        why = f"you say {described(said)}: {names} must be {count} whole numbers above 0"
        return (), Finding("the sizes", False, why)
    numbers = tuple(map(int, given))
    if math.prod(numbers) > largest:
        return (), Finding(
            "the sizes", False, f"their product is {math.prod(numbers)}, above {largest}: choose smaller"
        )
    return numbers, None


def exposed(right: Callable[..., Any], wrong: Callable[..., Any], arguments: Sequence[Any]) -> bool:
    """Whether the two give different arrays, or the wrong one none at all."""
    try:
        given = wrong(*arguments)
    except (IndexError, ValueError):
        return True
    return any(
        a.shape != b.shape or not np.allclose(a, b, rtol=1e-7, atol=1e-12)
        for a, b in zip(right(*arguments), given, strict=True)
    )
