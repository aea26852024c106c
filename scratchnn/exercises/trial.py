"""What runs in the process of its own, which verdict.py starts: main(NAME, FILE, OUTPUT, SECONDS, TERMINAL).

It runs a learner's file and does what it is asked, one message a line (wire.py): call a function of the file with these
arrays, or look for the reason why a backward pass is wrong. What goes wrong becomes one sentence with the line of the
learner's file: in a traceback through the checker it would be hard to find.
"""

from __future__ import annotations

import _thread
import functools
import io
import json
import linecache
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, BinaryIO, TextIO

import numpy as np

from scratchnn.exercises.exercise import Exercise, given_functions, reference, values_of
from scratchnn.exercises.judge import judge
from scratchnn.exercises.verdict import FLOOD, FLOODED, LOOP
from scratchnn.exercises.wire import decoded, encoded, line
from scratchnn.gradcheck.problem import GradientError, as_tuple


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


def limit_printing() -> None:
    """Printing is limited from now on, and in UTF-8, whatever the encoding of the terminal is."""
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.stdout = sys.stderr = Limited(sys.stdout)


def main(name: str, path: str, output: str, seconds: str, terminal: str = "") -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # interrupt_main needs it, and a shell may have cut it off
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    printed = os.open(output, os.O_WRONLY | os.O_APPEND)
    for stream, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, printed), (2, printed)):
        os.dup2(file, stream)  # what the learner's code reads and prints is no message
    limit_printing()
    trial = Served(name, Path(path), float(seconds), requests, replies, terminal)
    sys.breakpointhook = trial.stop
    trial.serve()


class Trial:
    """The learner's file, and how to call a function on the other side: with a message, which brings another."""

    def __init__(self, name: str, file: Path, seconds: float, call: Callable[[dict[str, Any]], Any]) -> None:
        self.name, self.file, self.seconds, self.call = name, file, seconds, call
        self.answer = ModuleType("answer")
        self.kept: list[tuple[Any, Any, Any]] = []  # what the answer's forward got, gave and keeps

    def reply(self, request: dict[str, Any]) -> bytes:
        """What comes of a request, as the message that is sent."""
        try:
            return line(self.done(request))
        except NotWrittenError:
            function = reference(self.name).EXERCISE.function
            dots = f"{function} is not written yet: replace the dots (...) in {self.file.name}"
            return line({"sentence": dots, "written": False})
        except AssertionError as error:
            if isinstance(error, GradientError) or request["do"] != "call":
                return line({"sentence": sentence(error, self.file, self.seconds)})
            return line({"rejected": str(error)})
        except BaseException as error:
            return line({"sentence": sentence(error, self.file, self.seconds)})

    def done(self, request: dict[str, Any]) -> dict[str, Any]:
        """Does what is asked; raises whatever the learner's code raises."""
        match request["do"]:
            case "load":
                self.answer = load(self.name, self.file)
                return {}
            case "report":
                report = asdict(judge(self.name, self.answer, request["seed"]))
                return {"report": json.loads(json.dumps(report, default=listed))}
        asked = {key: decoded(value, self.remote) for key, value in request.items() if key != "do"}
        if request["do"] in ("forward", "backward", "write"):
            return {"value": encoded(getattr(self, request["do"])(**asked), [])}
        if "values" in asked:
            dy = asked["dy"]
            _, cache = self.answer.forward(**asked["values"])
            return {"value": encoded(self.answer.backward(dy, cache), [])}
        function = asked["function"]
        if not callable(getattr(self.answer, function, None)):
            raise gone(self.name, self.file, function)
        returned = supervised(getattr(self.answer, function))(*asked["arguments"], **asked["named"])
        return {"value": encoded(returned, [])}

    # what the judge of another process calls as if it ran there: all comes back that may have been written into

    def forward(self, values: dict[str, Any]) -> Any:
        """Which forward this was, what it gave, and what it got."""
        returned = supervised(self.answer.forward)(**values)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise GradientError(f"forward must return the pair (y, cache), it returns a {type(returned).__name__}")
        y, cache = returned
        self.kept.append((values, y, cache))
        return len(self.kept) - 1, y, values

    def backward(self, dy: Any, which: int) -> Any:
        values, y, cache = self.kept[which]
        returned = supervised(self.answer.backward)(dy, cache)
        return returned, dy, y, values

    def write(self, function: str, values: dict[str, Any]) -> Any:
        return supervised(getattr(self.answer, function))(**values), values

    def remote(self, number: int) -> Callable[..., Any]:
        """A function that runs on the other side."""

        def called(*arguments: Any) -> Any:
            reply = self.call({"call": number, "arguments": encoded(arguments, [])})
            if "error" in reply:
                raise ValueError(reply["error"])
            return decoded(reply["value"], self.remote)

        return called


class Served(Trial):
    """The same with streams of messages, a clock, and a terminal for breakpoint(), which is "" if there is none."""

    def __init__(
        self, name: str, file: Path, seconds: float, requests: BinaryIO, replies: BinaryIO, terminal: str = ""
    ) -> None:
        super().__init__(name, file, seconds, self.asked)
        self.requests, self.replies, self.terminal = requests, replies, terminal
        self.stops = set[int]()

    def serve(self) -> None:
        self.send(line({"started": True}))
        for text in self.requests:
            self.send(self.in_time(json.loads(text)))

    def in_time(self, request: dict[str, Any]) -> bytes:
        """What comes of a request, or of its being interrupted."""
        self.clock = threading.Timer(self.seconds, _thread.interrupt_main)
        self.clock.daemon = True
        self.clock.start()
        try:
            return self.reply(request)
        finally:
            self.clock.cancel()

    def send(self, message: bytes) -> None:
        self.replies.write(message)
        self.replies.flush()

    def asked(self, message: dict[str, Any]) -> Any:
        self.send(line(message))
        return json.loads(self.requests.readline())

    def stop(self) -> None:
        """breakpoint(): a debugger in the terminal, for which all clocks stop.

        A check calls backward many times; in each line it stops at the first.
        """
        frame = sys._getframe(1)
        if not self.terminal:
            raise RuntimeError("breakpoint() stops where somebody can type: use `check`, in a terminal")
        if frame.f_lineno in self.stops:
            return
        import pdb  # which takes long to load

        self.stops.add(frame.f_lineno)
        self.clock.cancel()
        self.send(line({"stopped": True}))
        terminal = Path(self.terminal)
        pdb.Pdb(stdin=terminal.open(), stdout=terminal.open("w")).set_trace(frame)


def listed(array: Any) -> Any:
    """An array of a report for JSON, whose numbers have no more digits than a float."""
    return (array.astype(float) if array.dtype.kind == "f" else array).tolist()


def gone(name: str, file: Path, function: str) -> GradientError:
    return GradientError(f"{file.name} has no function `{function}` any more; `reset {name}` brings it back")


def load(name: str, file: Path) -> ModuleType:
    """The functions of a file; raises whatever the file raises."""
    answer = ModuleType("answer")
    answer.__file__ = str(file)
    # by hand, not by import: that would write __pycache__ beside the exercises, and might read an old one
    code = file.read_bytes()
    exec(compile(code, str(file), "exec", dont_inherit=True), vars(answer))
    lines = io.TextIOWrapper(io.BytesIO(code), encoding="utf-8", errors="replace").readlines()
    linecache.cache[str(file)] = (len(code), None, lines, str(file))  # the file may be saved again while it runs
    for wanted in given_functions(name):
        if not callable(getattr(answer, wanted, None)):
            raise gone(name, file, wanted)
    exercise = reference(name).EXERCISE
    if isinstance(exercise, Exercise):
        if hasattr(reference(name), "forward"):
            check_forward(name, answer)
        setattr(answer, exercise.function, supervised(getattr(answer, exercise.function)))
    return answer


def check_forward(name: str, answer: ModuleType | SimpleNamespace) -> None:
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
    if type(error).__name__ == "BdbQuit":
        what = "the debugger was left; in place of pdb.set_trace(), write breakpoint()"
    if "bitwise_xor" in what:
        what = "^ is no power in Python: a square is x**2"
    if isinstance(error, KeyboardInterrupt):
        what = LOOP.format(seconds)
    if isinstance(error, FloodError):
        what = FLOODED
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    if frames:
        place = "" if frames[-1].name == "<module>" else f" (in {frames[-1].name})"
        return f"line {frames[-1].lineno}{place}, `{frames[-1].line}`: {what}"
    return str(error) if isinstance(error, GradientError) else what
