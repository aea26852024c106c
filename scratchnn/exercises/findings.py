"""How answers that are no arrays of gradients are judged: functions that accept or reject, and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import Finding


@dataclass(frozen=True)
class Case:
    """Something to be accepted or rejected: what the learner's function gets, what it must say, and why."""

    what: str
    right: Any
    arguments: tuple[Any, ...]
    why: str


def accepts_and_rejects(function: Callable[..., Any], cases: Sequence[Case]) -> list[Finding]:
    """Tries the function on every case: right ones first, so that a function that rejects all is told so.

    An assertion that fails in the function is a rejection.
    """
    findings = []
    for case in cases:
        try:
            said = function(*case.arguments)
        except AssertionError:
            said = False
        except Exception as error:
            if getattr(error, "written", True):
                error.args = (f"{error} (with: {case.what}, {'right' if case.right else 'wrong'})",)
            raise
        kind = "right" if case.right else "wrong"
        verb = "accepted" if case.right else "rejected"
        if not isinstance(said, bool | np.bool_) and not (isinstance(said, np.ndarray) and said.shape == ()):
            why = f"your function gives {described(said)}; it must give True or False"
            findings.append(Finding(f"{case.what}, {kind}", False, why))
        else:
            passed = bool(said) == case.right
            findings.append(Finding(f"{case.what}, {kind}: must be {verb}", passed, f"it is not. Here {case.why}"))
    return findings


def described(value: Any) -> str:
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"{value!r:.60}"


@dataclass(frozen=True)
class Prediction:
    """A number that is to be predicted: its right value, and what wrong values come from."""

    what: str
    right: float
    why: str
    typical: Mapping[float, str] = field(default_factory=dict)
    tolerance: float = 1e-3  # relative


def predicted(function: Callable[[], Any], predictions: Sequence[Prediction]) -> list[Finding]:
    """Compares what the function returns with the numbers; of a typical wrong one it says where it comes from."""
    returned = function()
    given = list(returned) if isinstance(returned, tuple | list) else [returned]
    if len(given) != len(predictions):
        return [Finding("the numbers", False, f"{len(given)} came back, there should be {len(predictions)}")]
    findings = []
    for prediction, said in zip(predictions, given, strict=True):
        number = as_number(said)
        if number is None:
            findings.append(Finding(prediction.what, False, f"{described(said)} is no number"))
            continue
        why = next(
            (text for wrong, text in prediction.typical.items() if near(number, wrong, prediction.tolerance)),
            prediction.why,
        )
        right = near(number, prediction.right, prediction.tolerance)
        findings.append(Finding(f"{prediction.what}: you say {number:g}", right, why))
    return findings


def as_number(said: Any) -> float | None:
    if isinstance(said, bool) or np.ndim(said) or not isinstance(said, int | float | np.ndarray | np.number):
        return None
    return float(said)


def near(number: float, wanted: float, tolerance: float) -> bool:
    return abs(number - wanted) <= tolerance * max(abs(wanted), 1e-12)
