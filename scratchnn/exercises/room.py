"""The room in which answers are graded: a warm process without privileges, of which one is forked for every answer.

It sees a copy of this package in which the exercises have no solutions, what Python and NumPy need, and the files of
one submission. What it has imported it has before it gives up its rights: Python may lie where its user cannot read.
The judge starts it, and sends through a socket what to answer, with the ends of three pipes.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from scratchnn.exercises import exercise, ladder, sandbox
from scratchnn.exercises.trial import Served, limit_printing
from scratchnn.exercises.verdict import FLOOD
from scratchnn.exercises.wire import line

PRINTED = 4 * FLOOD + 4096  # bytes; the judge stops an answer that has printed a little less
TOLD = 10  # things that an answer may not do, and that are told of it
USUAL = """
    bisect cmath collections.abc contextlib copy dataclasses decimal enum fractions functools heapq itertools math
    numbers operator random statistics string textwrap time types typing warnings
    numpy.fft numpy.linalg numpy.polynomial numpy.random numpy.testing
"""


def main(folder: str, door: str, user: str, *forbidden: str) -> None:
    """folder/package holds the copy and is the working folder, folder/answer will hold the submission."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the judge ends this
    sys.dont_write_bytecode = True
    os.environ.clear()  # which may hold keys and passwords
    for name in USUAL.split():
        importlib.import_module(name)
    for path in exercise.LADDER.glob("e*.py"):
        name = path.stem[4:]
        exercise.reference(name)
        exercise.given_functions(name)
    null = os.open(os.devnull, os.O_RDONLY)
    readable = [Path.cwd(), Path(folder), *libraries()]
    shut = sandbox.confine(readable, int(user) if user else None)
    for name in [name for name in sys.modules if name.startswith("scratchnn.exercises.ladder.")]:
        del sys.modules[name]  # so that importing it is seen
        delattr(ladder, name.rpartition(".")[2])
    judge = socket.socket(fileno=int(door))
    judge.send(b"ready")
    while True:
        text, ends, *_ = socket.recv_fds(judge, 65536, 3)
        if not text:
            return
        answer = os.fork()  # where that fails, so does the room, and the judge opens another
        if answer == 0:
            judge.close()
            serve(json.loads(text), null, ends, shut, forbidden)
        for end in ends:
            os.close(end)
        judge.recv(1)  # it has what it wanted, or is gone
        os.kill(answer, signal.SIGKILL)
        _, status = os.waitpid(answer, 0)
        judge.send(str(os.waitstatus_to_exitcode(status)).encode())


def libraries() -> Iterator[Path]:
    """What Python and NumPy may still read. Of what else is installed nothing: there may be solutions in it."""
    paths = sysconfig.get_paths()
    for folder in {Path(paths["stdlib"]), Path(paths["platstdlib"])}:
        with suppress(OSError):
            yield from (path for path in folder.iterdir() if path.name not in ("site-packages", "dist-packages"))
    yield from Path(np.__file__).parents[1].glob("numpy*")


def serve(
    request: dict[str, Any], null: int, ends: Sequence[int], shut: Callable[[int], None], forbidden: Sequence[str]
) -> NoReturn:
    """Answers until the judge has had enough."""
    requests, replies, printed = ends
    try:
        for stream, end in ((0, null), (1, printed), (2, printed)):
            os.dup2(end, stream)
        limit_printing()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        left = [TOLD]

        def tell(what: str) -> None:
            left[0] -= 1
            if left[0] >= 0:
                os.write(replies, line({"tried": what}))

        shut(PRINTED)
        sandbox.watched(tell, forbidden)
        file, seconds = Path(request["file"]), float(request["seconds"])
        Served(request["name"], file, seconds, os.fdopen(requests, "rb"), os.fdopen(replies, "wb")).serve()
    finally:
        os._exit(0)
