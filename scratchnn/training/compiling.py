"""When compiled loops (scratchnn/compiled/) are worth what they cost.

Numba takes a second to import with the machine code that an earlier process has left, and some seconds more where there
is none. A long training earns that back, a short one does not. The first epoch tells how long the rest will take; then,
between two epochs and outside of their times, the loops take over if it pays. They give the same bits, so nothing but
the time tells when that was.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from scratchnn import compiled

READ, COMPILE = 1.0, 6.0  # seconds that it takes with the machine code at hand, and without
SAVED = 0.06  # of the time of a training, what the loops save at the least: docs/performance.md
FOUND: list[bool] = []  # whether loops can be had here, once it was tried
LONG = 60.0  # seconds left of a training that are worth a word about what is not installed


def use_loops_if_it_pays(trainer: Any, record: Mapping[str, Any]) -> None:
    """Called after an epoch: lets loops take over if the epochs that are left would earn back what that costs."""
    left = (trainer.epochs - record["epoch"]) * record["seconds"]
    if compiled.in_use or compiled.numpy_only or FOUND == [False] or os.environ.get(compiled.VARIABLE) == "0":
        return
    if SAVED * left < READ:
        return
    if importlib.util.find_spec("numba") is None:
        if record["epoch"] == 1 and left > LONG:
            tqdm.write('With Numba this training would take less time: python -m pip install "scratchnn[fast]"')
    elif SAVED * left >= COMPILE or compiled.in_cache():
        ready = compiled.in_cache()
        if not ready:
            tqdm.write("Numba compiles the loops of training, once on this machine …")
        began = time.perf_counter()
        FOUND[:] = [compiled.use_loops()]
        if FOUND == [True] and not ready:
            tqdm.write(f"… which took {time.perf_counter() - began:.1f} s")
