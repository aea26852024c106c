"""A contestant in a process of its own: its own threads, its own allocator, its own environment, and its own crash.

Several frameworks in one process share what none of them expects to share: some crash, and each changes the threads of
the others. So the benchmark starts `python -m benchmarks.worker module:Class options` once a contestant, and speaks
with it through two pipes. A message is pickled: the name of a method and its arguments one way, the result and the
seconds that it took the other way. The first one is `make`: the contestant is made, Class(task, **options).

What a framework prints goes to a file. A process that ends is a contestant that has died, whatever the reason: it is
not installed, it refuses an option, it was killed. The reason is its signal, or the last line that it printed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class DiedError(Exception):
    """The process of a contestant has ended. The message says why."""


@dataclass(frozen=True)
class Entry:
    """How a contestant is started: "module:Class", what the class takes beside the task, what its environment has."""

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


class Worker:
    """The parent's end: a contestant whose methods are called."""

    def __init__(self, entry: Entry, environment: Mapping[str, str]) -> None:
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", entry.target, json.dumps(entry.options)], cwd=ROOT,
            env={**environment, **entry.environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.printed,
        )  # fmt: skip

    def call(self, method: str, *args: Any) -> tuple[Any, float]:
        """What the method returns, and the seconds that it took there."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            pickle.dump((method, args), self.process.stdin)
            self.process.stdin.flush()
            result, seconds = pickle.load(self.process.stdout)
        except (EOFError, OSError):
            raise DiedError(self.reason()) from None
        return result, seconds

    def reason(self) -> str:
        status = self.process.wait()
        if status < 0:
            return f"ended by {signal.Signals(-status).name}"
        self.printed.seek(0)
        lines = self.printed.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), f"ended with status {status}")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.printed.close()
        with contextlib.suppress(OSError), self.process:  # what it has not read is lost; this closes the pipes
            pass


class Field:
    """All contestants of a race. One that dies is left out from then on, and `skipped` says why."""

    def __init__(self, entries: Mapping[str, Entry], environment: Mapping[str, str]) -> None:
        self.workers = {name: Worker(entry, environment) for name, entry in entries.items()}  # all begin to import
        self.skipped: dict[str, str] = {}

    def __enter__(self) -> Field:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self.workers.values():
            worker.end()

    def each(
        self, method: str, *args: Any, only: Collection[str] | None = None, pause: float = 0.0
    ) -> dict[str, tuple[Any, float]]:
        """Result and seconds by name, of all or some. They take turns, each after a pause of so many seconds."""
        answers = {}
        for name in [name for name in self.workers if only is None or name in only]:
            time.sleep(pause)
            try:
                answers[name] = self.workers[name].call(method, *args)
            except DiedError as death:
                self.skipped[name] = str(death)
                self.workers.pop(name).end()
        return answers


def serve(target: str, options: Mapping[str, Any]) -> None:
    """The contestant's end: answers until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # frameworks print, and an answer is no place for that
    module, _, name = target.partition(":")
    made = getattr(importlib.import_module(module), name)
    contestant: Any = None
    while True:
        try:
            method, args = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        began = time.perf_counter()
        if method == "make":
            contestant, result = made(*args, **options), None
        else:
            result = getattr(contestant, method)(*args)
        pickle.dump((result, time.perf_counter() - began), answers)
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]))
