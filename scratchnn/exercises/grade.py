"""Grading one submission: every answer runs in the room (room.py), and is judged here.

A backward pass is judged as the learner's own check does it, by the same code, on values of a seed that the learner
does not know. Here stand a forward and a backward that look as if they were the answer's; they send what they get to
the room, and write back into their arguments what the answer has written into them. The lines of the answer are not
looked at: for that it would have to run here.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import pwd
import shutil
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from scratchnn.exercises import exercise, sandbox
from scratchnn.exercises.exercise import Judged, file_name, ladder, path_of, reference, stub
from scratchnn.exercises.judge import judge
from scratchnn.exercises.progress import DamagedError, Progress, load, state_of
from scratchnn.exercises.road import step_of
from scratchnn.exercises.trial import check_forward
from scratchnn.exercises.verdict import LOOP, SHOWN, Apart, NoAnswerError, Verdict, apart, confirmed, found
from scratchnn.gradcheck.problem import GradientError

SECONDS = 5.0  # that all calls of an answer together may take; a right one takes some hundredths of a second
CAPSTONE = 60.0  # the same of a capstone: a right one takes five
MEMORY = 2**30  # bytes of addresses; half of that is Python's and NumPy's own
LARGEST = 10**6  # bytes of a file
LONGEST = 500  # characters of a sentence
START = """\
import os, sys
sys.path.insert(0, sys.argv[1])
os.environ.pop("SCRATCHNN_EXERCISES", None)  # the copy has them
from scratchnn.exercises.room import main
main(*sys.argv[2:])
"""


Verdicts = Mapping[str, Verdict]


class RoomError(Exception):
    """The room could not be opened, or has fallen in."""


def furnish(base: Path) -> None:
    """Puts a copy of this package into base/package, in which the exercises are as a learner gets them."""
    package = Path(exercise.__file__).parents[1]
    copy = base / "package" / "scratchnn"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__", "ladder", "data"))
    (copy / "exercises" / "ladder").mkdir()
    (copy / "exercises" / "ladder" / "__init__.py").touch()
    for name in ladder():
        function = reference(name).EXERCISE.function
        text = (
            f"{stub(name)}\n\nfrom types import SimpleNamespace\n\nEXERCISE = SimpleNamespace(function={function!r})\n"
        )
        (copy / "exercises" / "ladder" / path_of(name).name).write_text(text, encoding="utf-8")
    for path in (base / "package").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    base.chmod(0o711)  # its folders cannot be listed
    (base / "package").chmod(0o755)


class Room:
    """A warm process that sees `base`/package and one submission, and forks an answer's process when asked."""

    def __init__(self, base: Path) -> None:
        self.package = base / "package"
        self.folder = Path(tempfile.mkdtemp(prefix="room", dir=base))
        self.folder.chmod(0o755)
        self.answer = self.folder / "answer"
        self.answer.mkdir(mode=0o755)
        self.open()

    def open(self) -> None:
        self.door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        user = str(unused()) if os.geteuid() == 0 else ""
        copied = self.package / "scratchnn" / "exercises" / "ladder"
        forbidden = [f"{os.path.realpath(path)}/" for path in (exercise.LADDER, copied)]
        command = [sys.executable, "-u", "-c", START, self.package, self.folder, theirs.fileno(), user, *forbidden]
        errors = self.folder / "errors"
        with errors.open("wb") as file:
            self.process = apart(
                [*map(str, command)], file, memory=MEMORY, folder=self.package, descriptors=[theirs.fileno()]
            )
        theirs.close()
        if self.door.recv(100) != b"ready":
            said = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise RoomError(said[-1] if said else "the process in which answers run did not start")

    def close(self) -> None:
        self.door.close()
        self.process.kill()
        self.process.communicate()

    @contextmanager
    def running(self, name: str, output: Path, seconds: float, known: Verdicts) -> Iterator[Graded]:
        """An answer to an exercise, until it is no longer needed; `known` are the verdicts on others."""
        theirs, ours = os.pipe(), os.pipe()  # (read, write) of requests, and of replies
        with output.open("ab") as printed:
            file = self.answer / file_name(name)
            request = {"name": name, "file": str(file), "seconds": seconds}
            try:
                socket.send_fds(self.door, [json.dumps(request).encode()], [theirs[0], ours[1], printed.fileno()])
            except OSError as error:
                raise RoomError("the process in which answers run has ended") from error
            finally:
                os.close(theirs[0])
                os.close(ours[1])
        visitor = Visitor(self.door, os.fdopen(theirs[1], "wb"), os.fdopen(ours[0], "rb"))
        answer = Graded(name, file, visitor, output, seconds, known)
        try:
            answer.message(None)
            yield answer
        finally:
            answer.end()
            if visitor.alone:
                raise RoomError("the process in which answers run has ended")


def unused() -> int:
    """The number of a user that there is not."""
    taken = {account.pw_uid for account in pwd.getpwall()}
    return next(number for number in range(sandbox.USERS + os.getpid() % 500, 2**16) if number not in taken)


class Visitor:
    """The answer's process as its judge has it: what of subprocess.Popen an `Apart` uses."""

    def __init__(self, door: socket.socket, stdin: Any, stdout: Any) -> None:
        self.door, self.stdin, self.stdout = door, stdin, stdout
        self.status: int | None = None
        self.alone = False  # is there no room any more?

    def kill(self) -> None:
        self.wait()

    def wait(self) -> int:
        """Ends it, unless it has ended; how it did."""
        if self.status is None:
            try:
                self.door.send(b".")
                self.status = int(self.door.recv(100))
            except (OSError, ValueError):
                self.status, self.alone = 1, True
        return self.status


class Graded(Apart):
    """An answer in the room. Its calls together have the seconds that elsewhere each of them has."""

    def __init__(self, name: str, file: Path, visitor: Visitor, output: Path, seconds: float, known: Verdicts) -> None:
        super().__init__(name, file, visitor, output, seconds)  # type: ignore[arg-type]
        self.known, self.tried = known, list[str]()

    def ask(self, request: dict[str, Any]) -> Any:
        began = time.monotonic()
        try:
            if self.left <= 0:
                raise NoAnswerError(LOOP.format(self.seconds))
            return super().ask(request)
        finally:
            self.left = max(self.left - (time.monotonic() - began), 0.0)

    def message(self, deadline: float | None) -> dict[str, Any]:
        while "tried" in (message := super().message(deadline)):
            self.tried = [*self.tried, plain(message["tried"])][:10]
        return message

    def beside(self, name: str, seed: int) -> Verdict:
        return self.known[name]


# ---- the answer's functions, as if they were here


@dataclass
class Kept:
    """What forward has kept for backward: in the room, under a number."""

    number: int
    values: dict[str, Any]
    y: Any


def as_if_here(answer: Graded) -> SimpleNamespace:
    """The functions of an answer; what they write into their arguments is written here."""
    own, function = reference(answer.exercise), reference(answer.exercise).EXERCISE.function
    if function != "backward":

        def written(**values: Any) -> Any:
            returned, after = parts(answer.ask({"do": "write", "function": function, "values": values}), 2)
            write_back(values, after)
            return returned

        return SimpleNamespace(**{function: written})

    @functools.wraps(own.forward)  # the graph of it is made of its lines
    def forward(**values: Any) -> Any:
        if not all(isinstance(value, np.ndarray | int | float | tuple) for value in values.values()):
            return own.forward(**values)  # traced, for the graph
        number, y, after = parts(answer.ask({"do": "forward", "values": values}), 3)
        write_back(values, after)
        return y, Kept(number, values, y)

    def backward(dy: Any, kept: Kept) -> Any:
        returned, *after = parts(answer.ask({"do": "backward", "dy": dy, "which": kept.number}), 4)
        write_back((dy, kept.y, kept.values), tuple(after))
        return returned

    return SimpleNamespace(forward=forward, backward=functools.partial(backward))  # partial: no lines to be read


def parts(sent: Any, count: int) -> tuple[Any, ...]:
    if not isinstance(sent, tuple) or len(sent) != count:
        raise NoAnswerError("the answer's process sent a message that cannot be read")
    return sent


def write_back(here: Any, there: Any) -> None:
    """Gives arrays the values that others of the same places have."""
    if isinstance(here, np.ndarray) and isinstance(there, np.ndarray):
        if here.shape == there.shape and not np.array_equal(here, there, equal_nan=here.dtype.kind == "f"):
            here[...] = there
    elif isinstance(here, tuple) and isinstance(there, tuple):
        for ours, theirs in zip(here, there, strict=False):
            write_back(ours, theirs)
    elif isinstance(here, dict) and isinstance(there, dict):
        for key in here.keys() & there.keys():
            write_back(here[key], there[key])


# ---- one exercise


@dataclass(frozen=True)
class Mark:
    """What came of one exercise of a submission; `tried` is what the answer may not do and tried to."""

    exercise: str
    verdict: Verdict
    tried: Sequence[str] = ()
    seconds: float = 0.0

    @property
    def right(self) -> tuple[int, int]:
        """How many gradients, values or cases are right, of how many."""
        if self.verdict.report:
            passed = [array.passed for array in self.verdict.report.arrays]
        else:
            passed = [finding.right for finding in self.verdict.findings]
        return sum(passed), len(passed)

    @property
    def label(self) -> str:
        """The cause of a mistake in one word, for counting; "" for a right answer."""
        if self.verdict.passed:
            return ""
        if self.verdict.report:
            labels = [array.diagnosis.label for array in self.verdict.report.arrays if array.diagnosis]
            return "; ".join(dict.fromkeys(labels)) or "UNKNOWN"
        if self.verdict.findings:
            return "FINDING:" + next(finding.what for finding in self.verdict.findings if not finding.right)
        return "NO-ANSWER" if self.verdict.written else "NOT-WRITTEN"

    @property
    def why(self) -> str:
        """What is wrong, in words."""
        verdict = self.verdict
        if verdict.report:
            return " ".join(" ".join(cause[0].split()) for cause in verdict.report.causes() if cause)
        wrong = next((finding for finding in verdict.findings if not finding.right), None)
        return f"{wrong.what}: {wrong.why}" if wrong else verdict.sentence


def judged(room: Room, name: str, seed: int, known: Verdicts) -> Mark:
    """The mark of an answer that lies in the room; whatever it does, it does to itself.

    Where the room falls in, that may be for want of something that others have used up: it is judged once more.
    """
    if not (room.answer / file_name(name)).exists():
        return Mark(name, Verdict(sentence="there is no file of it", written=False))
    why = ""
    for _ in range(2):
        try:
            return marked(room, name, seed, known)
        except RoomError as error:
            why = str(error)
            room.close()
            room.open()
    return Mark(name, Verdict(sentence=f"it was not judged: {why}"))


def marked(room: Room, name: str, seed: int, known: Verdicts) -> Mark:
    """The mark of an answer; RoomError if the room has fallen in."""
    began = time.monotonic()
    output = room.folder / "output"
    output.unlink(missing_ok=True)
    output.touch()
    tried: list[str] = []
    try:
        seconds = SECONDS if step_of(name).kind != 9 else min(reference(name).EXERCISE.seconds, CAPSTONE)
        with room.running(name, output, seconds, known) as answer:
            try:
                verdict = verdict_on(answer, name, seed)
            finally:
                tried = answer.tried
    except (NoAnswerError, GradientError) as error:
        verdict = Verdict(sentence=plain(str(error)), written=getattr(error, "written", True))
    except RoomError:
        raise
    except Exception as error:  # of a judge that got what it cannot take
        what = plain(f"{type(error).__name__}: {error}")
        verdict = Verdict(sentence=f"what it returned cannot be judged ({what})")
    with output.open(encoding="utf-8", errors="replace") as stream:
        printed = stream.read(SHOWN)
    return Mark(name, replace(verdict, printed=printed), tried, time.monotonic() - began)


def verdict_on(answer: Graded, name: str, seed: int) -> Verdict:
    task = reference(name).EXERCISE
    answer.ask({"do": "load"})
    if isinstance(task, Judged):
        return found(task, answer, seed)
    here = as_if_here(answer)
    if hasattr(reference(name), "forward"):
        check_forward(name, here)
    # what the answer writes into its arguments may have changed the problem under the judge's hands: once more, without
    return confirmed(Verdict(judge(name, here, seed)), answer, seed)


# ---- one submission


@dataclass(frozen=True)
class Submission:
    """What came of a learner's folder; `progress` is the learner's own record, as it lies there."""

    name: str
    marks: Sequence[Mark]
    progress: Progress
    notes: Sequence[str] = ()


def graded(room: Room, name: str, folder: Path, exercises: Sequence[str], seed: int) -> Submission:
    """Judges the exercises of a folder. Those that a capstone is made of are judged for it, too."""
    shutil.rmtree(room.answer)
    room.answer.mkdir(mode=0o755)
    state = state_of(room.answer)
    files = [*map(file_name, ladder()), state.name]
    notes = [said for each in files if (said := copied(folder / each, room.answer / each))]
    try:
        progress = load(room.answer) if state.exists() else Progress(ladder()[0])
    except DamagedError:
        progress = Progress(ladder()[0])
        notes.append("the record of progress is damaged")
    state.unlink(missing_ok=True)
    marks: dict[str, Mark] = {}
    verdicts: dict[str, Verdict] = {}
    with contextlib.redirect_stdout(io.StringIO()):  # of a capstone that tells how far it is
        for each in sorted(exercises, key=lambda each: step_of(each).kind == 9):
            for wanted in (*getattr(reference(each), "PIECES", ()), each):
                if wanted not in marks:
                    marks[wanted] = judged(room, wanted, seed, verdicts)
                    verdicts[wanted] = marks[wanted].verdict
    return Submission(name, [marks[each] for each in exercises], progress, notes)


def copied(file: Path, to: Path) -> str:
    """Copies a plain file that is not too large, or says why not; what is no file of its own may be another's."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{file.name} was not read: it is a link" if file.is_symlink() else f"{file.name}: {error.strerror}"
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return f"{file.name} was not read: it is no file"
        if status.st_size > LARGEST:
            return f"{file.name} was not read: it has {status.st_size:,} bytes"
        to.write_bytes(stream.read(LARGEST))
        to.chmod(0o644)
    return ""


def plain(text: Any) -> str:
    """One line without control characters, not too long."""
    words = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 2 * LONGEST]).split()
    return " ".join(words)[:LONGEST]
