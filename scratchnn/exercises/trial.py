"""What runs in the process of its own: python -m scratchnn.exercises.trial NAME FILE RESULT SECONDS.

It runs a learner's file, has its functions judged, and writes the verdict into RESULT as JSON. What goes wrong becomes
one sentence with the line of the learner's file: in a traceback through the checker it would be hard to find.
"""

from __future__ import annotations

import _thread
import functools
import io
import json
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

import numpy as np

from scratchnn.exercises.exercise import reference, values_of
from scratchnn.exercises.judge import judge
from scratchnn.exercises.verdict import FLOOD, FLOODED, LOOP, STARTED, Verdict
from scratchnn.gradcheck.problem import GradientError, as_tuple
from scratchnn.gradcheck.report import Report


class NotWrittenError(Exception):
    """The dots are still there."""


class FloodError(BaseException):  # not an Exception: `except Exception` in the learner's file must not catch it
    """Too much was printed."""


class Limited(io.TextIOBase):
    """A stream that takes no more than FLOOD characters."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.left = stream, FLOOD

    def write(self, text: str) -> int:
        self.left -= len(text)
        if self.left < 0:
            raise FloodError
        return self.stream.write(text)


def main(name: str, path: str, result: str, seconds: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # interrupt_main needs it, and a shell may have cut it off
    clock = threading.Timer(float(seconds), _thread.interrupt_main)
    clock.daemon = True
    sys.stdout = sys.stderr = Limited(sys.stdout)
    Path(result).with_suffix(STARTED).touch()
    clock.start()
    file = Path(path)
    try:
        verdict = Verdict(judged(name, file))
    except NotWrittenError:
        dots = f"{reference(name).EXERCISE.function} is not written yet: replace the dots (...) in {file.name}"
        verdict = Verdict(sentence=dots, written=False)
    except BaseException as error:
        verdict = Verdict(sentence=sentence(error, file, float(seconds)))
    finally:
        clock.cancel()
    partial = Path(result + ".part")
    partial.write_text(json.dumps(asdict(verdict), default=lambda array: array.tolist()), encoding="utf-8")
    partial.replace(result)


def judged(name: str, file: Path) -> Report:
    """The report of the judge on the functions of a file; raises whatever they raise."""
    answer = ModuleType("answer")
    # by hand, not by import: that would write __pycache__ beside the exercises, and might read an old one
    exec(compile(file.read_bytes(), str(file), "exec", dont_inherit=True), vars(answer))
    function = reference(name).EXERCISE.function
    given = [wanted for wanted in ("forward", function) if hasattr(reference(name), wanted)]
    for wanted in given:
        if not callable(getattr(answer, wanted, None)):
            raise GradientError(f"{file.name} has no function `{wanted}` any more; `reset {name}` brings it back")
    if "forward" in given:
        check_forward(name, answer)
    setattr(answer, function, supervised(getattr(answer, function)))
    return judge(name, answer)


def check_forward(name: str, answer: ModuleType) -> None:
    """The forward pass was given: the gradient of another function would be judged against the wrong numbers."""
    for which in (0, 1):
        values = values_of(reference(name).EXERCISE, which, seed=0)
        wanted = reference(name).forward(**values_of(reference(name).EXERCISE, which, seed=0))
        given = answer.forward(**values)
        if not (isinstance(given, tuple) and len(given) == 2 and same(given[0], wanted[0])):
            raise GradientError(
                f"forward was changed: it no longer returns what it was given to return, (y, cache) with the same y; "
                f"`reset {name}` brings it back and keeps your file as a copy"
            )


def same(given: Any, wanted: Any) -> bool:
    """Whether two outputs, or tuples of outputs, are equal to 1e-12."""
    pairs = list(zip(as_tuple(given), as_tuple(wanted), strict=False))
    try:
        return len(as_tuple(given)) == len(as_tuple(wanted)) and all(
            np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in pairs
        )
    except (TypeError, ValueError):  # something that is no array of numbers
        return False


def supervised(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; raises NotWrittenError if it meets or returns `...`, GradientError if complex numbers."""

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        try:
            answer = function(*arguments, **named)
        except TypeError as error:
            if "ellipsis" in str(error).lower():
                raise NotWrittenError from error
            raise
        parts = answer if isinstance(answer, tuple | list) else [answer]
        if any(part is ... for part in parts):
            raise NotWrittenError
        if any(isinstance(part, np.ndarray) and np.iscomplexobj(part) for part in parts):
            raise GradientError(f"{function.__name__} returns complex numbers: everything here is real")
        return answer

    return called


def sentence(error: BaseException, file: Path, seconds: float) -> str:
    """What went wrong, and in which line of the learner's file if it was there."""
    what = " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"line {error.lineno or '?'}, `{(error.text or '').strip()}`: {type(error).__name__}: {error.msg}"
    if isinstance(error, KeyboardInterrupt):
        what = LOOP.format(seconds)
    if isinstance(error, FloodError):
        what = FLOODED
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    if frames:
        place = "" if frames[-1].name == "<module>" else f" (in {frames[-1].name})"
        return f"line {frames[-1].lineno}{place}, `{frames[-1].line}`: {what}"
    return str(error) if isinstance(error, GradientError) else what


if __name__ == "__main__":
    main(*sys.argv[1:])
