"""Checking an exercise whenever it is saved.

Polling a file's time and size five times a second costs nothing that can be measured, and works everywhere. A file that
is saved again while it is tried is tried again, and nothing is said of what it was before.
"""

from __future__ import annotations

import queue
import threading
import time
from functools import partial
from pathlib import Path

from scratchnn.exercises.commands import Desk, check, go_on, hint
from scratchnn.exercises.terminal import say
from scratchnn.exercises.verdict import StaleError

POLL = 0.2  # seconds
KEYS = "n + Enter: the next exercise, h: a hint, q: quit"


def watch(desk: Desk) -> int:
    """Checks the current exercise on every save until told to quit; moves on only when told to."""
    typed: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=read_keys, args=[typed], daemon=True).start()
    say(KEYS)
    checked = None
    while True:
        name = desk.read().current  # `next` may have been typed in another terminal
        saved = name, stamp(desk.file(name))
        if saved != checked:
            say(f"\n---- {desk.file(name)}, {time.strftime('%H:%M:%S')}: running …", wrap=False)
            try:
                if check(desk, name, stale=partial(changed, desk.file(name), saved[1])) == 0:
                    say(f"{name} is solved. {KEYS}")
            except StaleError:
                continue
            checked = saved
        try:
            key = typed.get(timeout=POLL)
        except queue.Empty:
            continue
        desk.read()
        if key == "q":
            return 0
        if key == "n":
            go_on(desk)
        elif key == "h":
            hint(desk, name)
        else:
            say(KEYS)


def read_keys(typed: queue.SimpleQueue[str]) -> None:
    """Passes on what is typed, line by line. Where the input ends, or there is none, watching goes on without."""
    try:
        # not sys.stdin itself: this thread must not hold its lock when Python ends
        with open(0, errors="replace", closefd=False) as lines:
            for line in lines:
                typed.put(line.strip().lower())
    except OSError:
        return


def changed(file: Path, before: tuple[int, int] | None) -> bool:
    return stamp(file) != before


def stamp(file: Path) -> tuple[int, int] | None:
    """Changes when a file is saved; None if there is none, even a moment later: some editors delete, then write."""
    for pause in (POLL, 0):
        try:
            status = file.stat()
            return status.st_mtime_ns, status.st_size
        except FileNotFoundError:
            time.sleep(pause)
    return None
