"""How far a learner has come: one small JSON file beside the exercises, and the folder they lie in.

The state is a convenience, the exercises are the work: a lost or damaged state is made again by trying the files, and
no function here writes over a file of the learner.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scratchnn.exercises import exercise
from scratchnn.exercises.exercise import file_name, ladder, stub
from scratchnn.exercises.verdict import try_answer
from scratchnn.machinery.files import written_whole

STATE = ".progress.json"  # that of other exercises than this package's: .progress-NAME.json
HINTS = 5
LARGEST = 100_000  # bytes of a state; all names in all of its parts are a tenth of that


def state_of(folder: Path) -> Path:
    """The file of the state in a learner's folder."""
    return folder / (STATE if exercise.LADDER == exercise.OWN else f".progress-{exercise.LADDER.name}.json")


class DamagedError(Exception):
    """A state file that cannot be understood."""


def file_of(folder: Path, name: str) -> Path:
    """The learner's file."""
    return folder / file_name(name)


@dataclass
class Progress:
    """Names of exercises: the current one, those that are done, skipped, had their solution seen; how many hints were
    shown of each, and how often an answer to it was tried and was not right."""

    current: str
    done: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    solution_seen: set[str] = field(default_factory=set)
    hints: dict[str, int] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)

    def state(self, name: str) -> str:
        states = ["solved"] if name in self.done else []
        states += ["current"] if name == self.current else []
        states += ["skipped"] if name in self.skipped and not states else []
        states += [f"tried ({self.tried[name]})"] if name in self.tried and name not in self.done else []
        states += ["hinted"] if name in self.hints else []
        states += ["solution seen"] if name in self.solution_seen else []
        return ", ".join(states) or "not started"

    def succeed(self, name: str) -> None:
        self.done.add(name)
        self.skipped.discard(name)

    def fail(self, name: str) -> None:
        self.tried[name] = self.tried.get(name, 0) + 1

    def advance(self) -> bool:
        """Moves on to the next exercise that is not done, from the last to the first; False if there is no other."""
        here = ladder().index(self.current)
        others = [name for name in ladder()[here + 1 :] + ladder()[:here] if name not in self.done]
        if not others:
            return False
        if self.current not in self.done:
            self.skipped.add(self.current)
        self.current = others[0]
        self.skipped.discard(self.current)
        return True

    def hint(self, name: str) -> int:
        """How many hints to show: one more than last time."""
        self.hints[name] = min(self.hints.get(name, 0) + 1, HINTS)
        return self.hints[name]

    def save(self, folder: Path) -> None:
        """Writes the state, whole or not at all."""
        content = {key: sorted(value) if isinstance(value, set) else value for key, value in asdict(self).items()}
        with written_whole(state_of(folder)) as file:
            file.write((json.dumps(content, indent=1) + "\n").encode())


def load(folder: Path) -> Progress:
    """The state of a folder; DamagedError if there is none that can be understood."""
    path = state_of(folder)
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ValueError("it is no file, or too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        sets = {key: names(content[key]) for key in ("done", "skipped", "solution_seen")}
        hints, tried = counts(content["hints"]), counts(content.get("tried", {}))  # a state of before counts none
        (current,) = names([content["current"]])
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedError(f"{path} is damaged") from error
    if max(hints.values(), default=0) > HINTS:
        raise DamagedError(f"{path} counts hints that do not exist")
    return Progress(current, **sets, hints=hints, tried=tried)


def names(listed: list[str]) -> set[str]:
    """The exercises in a list; ValueError if there is something else in it."""
    known = ladder()
    if not isinstance(listed, list) or not all(name in known for name in listed):
        raise ValueError("it names exercises that do not exist")
    return set(listed)


def counts(counted: dict[str, int]) -> dict[str, int]:
    """Numbers from 0 on, by exercise; ValueError if there is something else in them."""
    if not all(type(count) is int and 0 <= count <= LARGEST for count in counted.values()):
        raise ValueError("it counts what cannot be counted")
    return {name: counted[name] for name in names(list(counted))}


def from_files(folder: Path) -> Progress:
    """A new state: done is what passes, current the first that does not."""
    done = set()
    for name in ladder():
        file = file_of(folder, name)
        if file.is_file() and file.read_bytes() != stub(name).encode() and try_answer(name, file).passed:
            done.add(name)
    return Progress(next((name for name in ladder() if name not in done), ladder()[-1]), done)


def spare(path: Path) -> Path:
    """A name that is free: `path`, or else path.2, path.3, …"""
    number = 1
    free = path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def write_stubs(folder: Path) -> tuple[list[str], list[str]]:
    """Writes the exercises that are missing; the names of new files, and of those that were there."""
    new, kept = [], []
    folder.mkdir(parents=True, exist_ok=True)
    for name in ladder():
        file = file_of(folder, name)
        try:
            write_stub(file, name)
            new.append(file.name)
        except FileExistsError:
            kept.append(file.name)
    return new, kept


def write_stub(file: Path, name: str) -> None:
    """FileExistsError if the file is there."""
    if os.path.lexists(file):  # then its stub need not be made
        raise FileExistsError(file)
    write_new(file, stub(name))


def write_new(file: Path, text: str) -> None:
    """Writes a file, whole or not at all; FileExistsError if it is there."""
    with written_whole(file, new=True) as stream:
        stream.write(text.encode())


def reset(folder: Path, name: str) -> Path | None:
    """Puts the stub in place of the learner's file; where that is kept, None if there was nothing to keep."""
    file = file_of(folder, name)
    kept = None
    if os.path.lexists(file):
        if file.is_file() and file.read_bytes() == stub(name).encode():
            return None
        kept = file.rename(spare(file.with_name(file.name + ".bak")))
    write_stub(file, name)
    return kept
