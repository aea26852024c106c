"""Signals that end a program: Ctrl-C (SIGINT), a system that wants it gone (SIGTERM), a terminal that closes (SIGHUP).

Python answers the first by an exception in whatever line it is, and dies of the others without a word. A command
(`scratchnn.scripts.cli.run`) has all three raise `Ended`: at once where nothing is lost by it, and between two steps
while a training runs. There `Trainer.fit` holds them back, asks for them, and sees to it that the last whole epoch is
on disk; the steps of the epoch in progress are given up, for a run that goes on makes the very same steps again.
A program of your own that calls `fit` keeps Python's behaviour, or its own.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Ended(KeyboardInterrupt):
    """The program is ended by the signal of this number; the message says what is kept."""

    def __init__(self, number: int, kept: str = "") -> None:
        super().__init__(kept or "the same command goes on after what was finished, if it left a checkpoint")
        self.number = number


class Signals:
    """The signals that this process has been sent: `asked` is the first, None as long as nobody wants it to end."""

    def __init__(self) -> None:
        self.asked: int | None = None
        self.held = False

    def listen(self) -> None:
        """From now on a signal raises `Ended`. One that is ignored, as nohup has it, still is."""
        for number in NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)

    def __call__(self, number: int, frame: Any) -> None:
        if self.asked is None:
            self.asked = number
            if not self.held:
                raise Ended(number)
        elif number == signal.SIGINT:  # again: at once. The others come twice by themselves, from a shell and a system
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """While this lasts, a signal is only noted in `asked`; after it, it is obeyed."""
        self.held = True
        try:
            yield
        finally:
            self.held = False
        if self.asked is not None:
            raise Ended(self.asked)


SIGNALS = Signals()  # of the process, as signals are
