"""The pieces of `python -m tests.soak`, and a few seconds of it."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

import pytest
import soak
from conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory, files and children are read from /proc")


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}


def alone(code: str) -> str:
    """What this prints in a process of its own: here the threads and files of other tests come and go."""
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_process_that_only_trains_does_not_grow():
    code = """
import soak
samples = []
assert soak.soak(0.03, samples.append, [soak.diverging, soak.read_and_refused, soak.checked]) == []
first, last = samples[0], samples[-1]
print(len(samples) >= 2 and last.epochs > first.epochs and last.history > first.history)
"""
    assert alone(code) == "True"


def test_memory_and_files_that_are_not_given_back_are_found():
    code = """
import soak
kept = []
def leaking(folder):
    kept.append((b"1" * 2 * soak.SLACK, (folder / "open").open("w")))
print(soak.soak(0.01, lambda sample: None, [leaking]))
"""
    assert re.fullmatch(r"\['memory has grown by .*', 'files: not always the same number, but \[.*\]'\]", alone(code))


def test_threads_and_children_that_stay_are_found():
    def sample(**changed):
        return soak.Sample(**{**dict.fromkeys(soak.Sample.__dataclass_fields__, 0), **changed})

    assert soak.verdict([sample(), sample(memory=soak.SLACK, seconds=9, epochs=9)]) == []
    assert soak.verdict([sample(), sample(memory=soak.SLACK + 9, history=9)]) == []
    assert len(soak.verdict([sample(), sample(memory=soak.SLACK + 9, history=8)])) == 1
    (threads,) = soak.verdict([sample(threads=1), sample(threads=2), sample(threads=1)])
    assert threads == "threads: not always the same number, but [1, 2]"
    assert len(soak.verdict([sample(), sample(children=1)])) == 1


def test_the_history_is_counted_as_the_allocator_counts_it():
    """By tracemalloc, which says what was asked for: sixteens are what is added to that."""

    def record(epoch: int) -> dict[str, float]:
        return {"epoch": 1000 + epoch, **{f"train_{name}": epoch + 0.5 for name in ("loss", "KL")}}

    gc.collect()
    tracemalloc.start()
    trainer = SimpleNamespace(history=[record(e) for e in range(500)], iteration_losses=[e / 3 for e in range(5000)])
    asked, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    objects = 500 * 6 + 5000
    assert asked <= soak.history_of(trainer) <= asked + 16 * objects
