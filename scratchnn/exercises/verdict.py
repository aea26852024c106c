"""Trying a learner's file: it runs in a process of its own, and is judged in this one, by the arrays that it returns.

Whatever the file does, loop or print without end, crash, exit, it does to its own process (trial.py), whose time and
output are watched here. Time counts from where the learner's code begins: a busy computer may take long to start
Python. What else the process may do is said in one place, the arguments of `apart`. That is against slips; code that
means harm has all the rights of its user. Why a backward pass is wrong is looked for where the answer runs, since that
reads its code; whether it is right is decided here. A page in a browser, which is a sandbox itself, does the same
without another process (here.py).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from scratchnn.exercises.exercise import Finding, Judged, file_name, reference, values_of
from scratchnn.exercises.wire import WireError, decoded, encoded, line
from scratchnn.gradcheck.diagnosis import Diagnosis
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.problem import as_tuple
from scratchnn.gradcheck.report import ArrayReport, Report

GRACE = 2.0  # how much later a process is killed that could not be interrupted
LOOK = 0.01  # seconds from one look at the process to the next
FLOOD = 1_000_000  # characters; too many to be printed on purpose
MEMORY = 4 * 2**30  # bytes of addresses, of which Python with NumPy takes an eighth
# Limits itself, and becomes the command. Here, where other threads may run, nothing can safely be done after a fork.
LIMITED = """\
import os, resource, sys
limit, most = int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_AS)[1]
limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
os.execv(sys.argv[2], sys.argv[2:])
"""
# Runs trial.py of this copy of the library. Python looks into the working folder last: a random.py there must not take
# the place of its own.
START = """\
import sys
sys.path.sort(key=lambda folder: not folder)
if sys.argv[1] not in sys.path:
    sys.path.insert(0, sys.argv[1])
from scratchnn.exercises.trial import main
main(*sys.argv[2:])
"""
SHOWN = 2_000
LONGEST = 8 * 2**20  # bytes of a message, ten times those of the largest that a right answer sends
WAITING = 4  # messages that wait on their way, in each direction: what sends more than that has to wait
LOOP = "it was stopped after {:g} seconds: is there an endless loop?"
FLOODED = f"it was stopped after printing {FLOOD:,} characters: is there a print inside a loop?"


@dataclass(frozen=True)
class Verdict:
    """What came of a trial: a report or findings, or else one sentence on why there are none; and what was printed.

    `written` is False while the dots are still there, which is no mistake.
    """

    report: Report | None = None
    findings: tuple[Finding, ...] = ()
    sentence: str = ""
    written: bool = True
    printed: str = ""

    @property
    def passed(self) -> bool:
        if self.report is not None:
            return self.report.passed
        return bool(self.findings) and all(finding.right for finding in self.findings)


class NoAnswerError(Exception):
    """There is no verdict but a sentence: the answer ended, took too long, or raised an error."""

    def __init__(self, sentence: str, written: bool = True) -> None:
        super().__init__(sentence)
        self.written = written

    @property
    def verdict(self) -> Verdict:
        return Verdict(sentence=str(self), written=self.written)


class StaleError(Exception):
    """The file was saved again while it was tried."""


def never() -> bool:
    return False


def try_answer(
    name: str,
    file: Path,
    seconds: float | None = None,
    seed: int = 0,
    terminal: str = "",
    stale: Callable[[], bool] = never,
) -> Verdict:
    """The verdict on the learner's file.

    `terminal` is where breakpoint() reads and writes; "" if there is none. As soon as `stale()` says that the file
    is another one by now, a StaleError ends the trial.
    """
    if not file.is_file():
        return Verdict(sentence=f"there is no file {file}; `start` writes it again")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        output.touch()
        try:
            with running(name, file, output, seconds or reference(name).EXERCISE.seconds, terminal) as answer:
                answer.stale = stale
                verdict = judged(answer, seed)
        except NoAnswerError as error:
            verdict = error.verdict
        with output.open(encoding="utf-8", errors="replace") as stream:
            return replace(verdict, printed=cut(stream.read(SHOWN + 1)))


def cut(printed: str) -> str:
    return printed if len(printed) <= SHOWN else f"{printed[:SHOWN]}\n… (cut at {SHOWN:,} characters)"


def judged(answer: Answer, seed: int) -> Verdict:
    """The verdict on an answer; NoAnswerError if there is none."""
    exercise = reference(answer.exercise).EXERCISE
    answer.ask({"do": "load"})
    if isinstance(exercise, Judged):
        return found(exercise, answer, seed)
    return confirmed(Verdict(reported(answer.ask({"do": "report", "seed": seed}))), answer, seed)


def found(exercise: Judged, answer: Answer, seed: int) -> Verdict:
    """What the exercise's own judge finds; NoAnswerError if it gets from the answer what it cannot take."""
    try:
        return Verdict(findings=tuple(exercise.judge(answer, seed)))
    except (NoAnswerError, StaleError):
        raise
    except AssertionError as error:  # which the answer has raised
        raise NoAnswerError(f"it ended with AssertionError{f': {error}' if str(error) else ''}") from error
    except Exception as error:
        raise NoAnswerError(f"what it returned cannot be judged ({type(error).__name__}: {error})") from error


def confirmed(verdict: Verdict, answer: Answer, seed: int) -> Verdict:
    """The same verdict if the arrays of the answer are the solution's wherever its own process reports that."""
    name = answer.exercise
    exercise, own = reference(name).EXERCISE, reference(name)
    for which in (0, 1) if verdict.passed else ():
        values = values_of(exercise, which, seed)
        if exercise.function == "backward":
            y, cache = own.forward(**values)
            rng = np.random.default_rng([seed, which, 1])
            dy = tuple(rng.normal(size=part.shape) for part in as_tuple(y))
            upstream = dy if isinstance(y, tuple) else dy[0]
            given = answer.ask({"do": "gradients", "values": values, "dy": upstream})
            right = own.backward(upstream, cache)
        else:
            given, right = getattr(answer, exercise.function)(**values), getattr(own, exercise.function)(**values)
        given = [*given.values()] if isinstance(given, dict) else given if isinstance(given, list) else as_tuple(given)
        if len(given) != len(as_tuple(right)):
            return Verdict(sentence=f"{exercise.function} returned {len(given)} arrays, not {len(as_tuple(right))}")
        names = [array.name for array in verdict.report.arrays] if verdict.report else []
        for key, ours, theirs in zip(names, as_tuple(right), given, strict=True):
            if np.shape(theirs) != np.shape(ours) or not np.allclose(theirs, ours, 1e-6, 1e-9 * np.abs(ours).max()):
                return Verdict(
                    sentence=f"{key} is not what {exercise.function} gave a moment before: does it keep state?"
                )
    return verdict


# ---- what an answer is to its judge


class Answer:
    """The functions of a learner's file: `answer.f(x)` runs f(x) where the file runs, which a subclass says.

    Functions among the arguments run here, whenever they are called there.
    """

    def __init__(self, exercise: str, file: Path) -> None:
        self.exercise, self.file = exercise, file

    def __getattr__(self, function: str) -> Callable[..., Any]:
        if function.startswith("__"):
            raise AttributeError(function)
        return lambda *arguments, **named: self.ask(
            {"do": "call", "function": function, "arguments": arguments, "named": named}
        )

    def ask(self, request: dict[str, Any]) -> Any:
        """What comes back; AssertionError if the function raised that, else NoAnswerError."""
        functions: list[Callable[..., Any]] = []
        reply = self.exchange({key: encoded(value, functions) for key, value in request.items()}, functions)
        if "sentence" in reply:
            raise NoAnswerError(str(reply["sentence"]), bool(reply.get("written", True)))
        if "rejected" in reply:
            raise AssertionError(str(reply["rejected"]))
        return reply["report"] if "report" in reply else self.value(reply.get("value"))

    def exchange(self, request: dict[str, Any], functions: list[Callable[..., Any]]) -> dict[str, Any]:
        """Sends a request, whose functions are those in the list; the reply to it."""
        raise NotImplementedError

    def called(self, message: dict[str, Any], functions: list[Callable[..., Any]]) -> dict[str, Any]:
        """What one of the functions says when it is called from there."""
        try:
            arguments = self.value(message["arguments"])
            return {"value": encoded(functions[message["call"]](*arguments), functions)}
        except NoAnswerError:
            raise
        except Exception as error:  # of a function that got what it cannot take
            return {"error": f"{type(error).__name__}: {error}"}

    def beside(self, name: str, seed: int) -> Verdict:
        """The verdict on another exercise in the same folder."""
        return try_answer(name, self.other(name), seed=seed)

    def other(self, name: str) -> Path:
        """The learner's file of another exercise."""
        return self.file.with_name(file_name(name))

    def value(self, sent: Any) -> Any:
        try:
            return decoded(sent, lambda number: lambda *arguments: None)
        except WireError as error:
            raise NoAnswerError(f"the answer's process sent {error}") from error


# ---- the process of the answer


def apart(
    command: list[str],
    errors: IO[bytes],
    *,
    memory: int = MEMORY,
    folder: Path | None = None,
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts a Python in a process of its own, with pipes to it and from it.

    `errors` is the file that gets what it writes as errors: a warning of Python's at its start is no message, and a
    pipe would not be emptied meanwhile. `memory` is in bytes of addresses, and a limit on Linux alone. `folder` is the
    working folder. The process gets these open `descriptors`, too.
    """
    if sys.platform == "linux":
        command = [command[0], "-ISc", LIMITED, str(memory), *command]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # memory for each thread of a large machine
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        cwd=folder, env=environment, pass_fds=descriptors,
    )  # fmt: skip


@contextmanager
def running(name: str, file: Path, output: Path, seconds: float, terminal: str = "") -> Iterator[Apart]:
    """The answer's process, until it is no longer needed."""
    library = str(Path(__file__).parents[2])
    arguments = ["-u", "-c", START, library, name, str(file), str(output), str(seconds), terminal]
    with output.open("ab") as errors:
        process = apart([sys.executable, *arguments], errors)
    answer = Apart(name, file, process, output, seconds)
    answer.may_stop = bool(terminal)
    try:
        answer.message(None)  # the one that says that Python has started
        os.truncate(output, 0)  # what was written until then is not the learner's
        yield answer
    finally:
        answer.end()


class Apart(Answer):
    """The functions of a file that runs in a process of its own."""

    def __init__(self, exercise: str, file: Path, process: subprocess.Popen[bytes], output: Path, seconds: float):
        super().__init__(exercise, file)
        self.process, self.output, self.seconds = process, output, seconds
        self.left = seconds  # that the next request may take
        self.may_stop = False  # at a breakpoint, for as long as the learner stays there
        self.stale: Callable[[], bool] = never
        self.messages: queue.Queue[bytes] = queue.Queue(WAITING)
        self.outgoing: queue.Queue[bytes] = queue.Queue(WAITING)  # to the answer; an empty one is the last
        self.listener = threading.Thread(target=self.listen, args=[process.stdout], daemon=True)
        self.writer = threading.Thread(target=self.write, args=[process.stdin], daemon=True)
        self.listener.start()
        self.writer.start()

    def end(self) -> None:
        """Ends the process, and what is waiting here for it."""
        self.process.kill()
        self.process.wait()
        with suppress(queue.Full):  # then it writes, and has no reader any more
            self.outgoing.put_nowait(b"")
        deadline = time.monotonic() + GRACE
        while (self.listener.is_alive() or self.writer.is_alive()) and time.monotonic() < deadline:
            with suppress(queue.Empty):
                self.messages.get(timeout=LOOK)
        for stream, thread in ((self.process.stdin, self.writer), (self.process.stdout, self.listener)):
            if stream and not thread.is_alive():  # or else a child of it still runs
                with suppress(OSError):  # what was not sent yet
                    stream.close()

    def exchange(self, request: dict[str, Any], functions: list[Callable[..., Any]]) -> dict[str, Any]:
        deadline: float | None = time.monotonic() + self.left + GRACE
        self.send(request, deadline)
        while True:
            reply = self.message(deadline)
            if "stopped" in reply and self.may_stop:
                deadline = None
            elif "call" in reply:
                self.send(self.called(reply, functions), deadline)
            else:
                return reply

    def send(self, message: dict[str, Any], deadline: float | None) -> None:
        """Gives a message to the thread that writes; NoAnswerError if the answer does not read."""
        try:
            self.outgoing.put(line(message), timeout=None if deadline is None else max(deadline - time.monotonic(), 0))
        except queue.Full:
            raise NoAnswerError(LOOP.format(self.seconds)) from None

    def write(self, stream: IO[bytes]) -> None:
        """Passes on what is sent. A process that does not read holds up this thread alone."""
        with suppress(OSError, ValueError):  # it has ended; the next look at its messages says how
            while text := self.outgoing.get():
                stream.write(text)
                stream.flush()

    def message(self, deadline: float | None) -> dict[str, Any]:
        """The next message; NoAnswerError if the process ends, takes too long, or prints too much."""
        while deadline is None or time.monotonic() < deadline:
            try:
                text = self.messages.get(timeout=LOOK)
            except queue.Empty:
                if self.stale():
                    raise StaleError from None
                if self.output.stat().st_size > 4 * FLOOD:  # bytes
                    raise NoAnswerError(FLOODED) from None
                continue
            if not text:
                status = self.process.wait()
                how = f"exit status {status}" if status >= 0 else f"signal {-status}"
                raise NoAnswerError(
                    f"Python ended before there was a verdict ({how}): does the file end it, or crash it?"
                )
            try:
                message = json.loads(text)
            except (ValueError, RecursionError):
                message = None
            if not isinstance(message, dict):
                raise NoAnswerError("the answer's process sent a message that cannot be read")
            return message
        raise NoAnswerError(LOOP.format(self.seconds))

    def listen(self, stream: IO[bytes]) -> None:
        """Passes on message by message; an empty one says that the process has ended."""
        try:
            while text := stream.readline(LONGEST):
                self.messages.put(text)
        except (OSError, ValueError):  # closed from this side
            pass
        self.messages.put(b"")


def reported(report: Any) -> Report:
    """A report as trial.py sent it, with arrays in place of lists."""
    try:
        arrays = [
            ArrayReport(
                name=array["name"],
                analytic=np.array(array["analytic"]),
                numeric=NumericGradient(**{key: np.array(value) for key, value in array["numeric"].items()}),
                rounding=array["rounding"],
                diagnosis=Diagnosis(**array["diagnosis"]) if array["diagnosis"] else None,
            )
            for array in report["arrays"]
        ]
        return Report(report["subject"], arrays, line=report["line"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NoAnswerError("the answer's process sent a report that cannot be read") from error
