"""The pieces of `python -m tests.soak`, and a few seconds of it."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
import soak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory, files and children are read from /proc")
QUICK = [soak.diverging, soak.read_and_refused, soak.checked]


def test_a_process_that_only_trains_does_not_grow(tmp_path):
    samples = []
    assert soak.soak(0.03, samples.append, QUICK) == []
    assert len(samples) >= 2 and samples[-1].epochs > samples[0].epochs and samples[-1].history > samples[0].history


def test_memory_and_files_that_are_not_given_back_are_found():
    kept = []

    def leaking(folder: Path) -> None:
        kept.append((bytearray(soak.SLACK), (folder / "open").open("w")))

    memory, files = soak.soak(0.01, lambda _: None, [leaking])
    assert memory.startswith("memory has grown by ") and files.startswith("files: not always the same number, but [")


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
