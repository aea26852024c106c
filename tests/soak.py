"""A process that trains for an hour, and does all else between two epochs: python -m tests.soak [--minutes 60]

A small VAE trains on the digits. After each of its epochs comes one of ERRANDS: another training on two threads, one
that is resumed, one that diverges, files that are refused, figures, a gradient check, an exercise in a process of its
own. All of them are over when they return, so from the first minute on the process may only grow by the record of its
own training: 8 bytes and a float for the loss of each step, and a row of `history` for each epoch. That record is
counted, and taken off the memory that the system says the process has.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn import VAE, Adam, data, gradcheck
from scratchnn.exercises.progress import file_of, from_files, load, write_stubs
from scratchnn.exercises.verdict import try_answer
from scratchnn.scripts import figures
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import CheckpointError, DivergedError, ParallelTrainer, SaveCheckpoint, Trainer, load_model
from scratchnn.training.runs import train_in_folder

WARM = 60.0  # seconds in which everything is imported, and every cache filled
# The allocator of Python gives memory back by the megabyte, and only what is empty: a float that lives on in each of a
# few arenas keeps them. A leak of 1 kB an errand comes to more than this within the hour.
SLACK = 4 * 2**20


# ---- what happens between two epochs


def model_and_rng(seed: int = 0, likelihood: str = "bernoulli") -> tuple[VAE, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return thesis_vae(64, 16, 2, rng, likelihood), rng


def on_two_threads_and_resumed(folder: Path) -> None:
    for epochs in (1, 2):
        model, rng = model_and_rng()
        trainer = ParallelTrainer(model, Adam(model), rng, threads=2)
        train_in_folder(folder / "run", trainer, data.load("digits").train, epochs=epochs, batch_size=100)
    for path in (folder / "run").iterdir():
        path.unlink()


def diverging(folder: Path) -> None:
    model, rng = model_and_rng(likelihood="gaussian")
    with contextlib.suppress(DivergedError):
        Trainer(model, Adam(model, lr=1e6), rng).fit(data.load("digits").train, epochs=3, batch_size=100)


def read_and_refused(folder: Path) -> None:
    model, rng = model_and_rng()
    Trainer(model, Adam(model), rng).save(folder / "model.npz")
    load_model(folder / "model.npz")
    whole = (folder / "model.npz").read_bytes()
    (folder / "model.npz").write_bytes(whole[: len(whole) // 2])
    with contextlib.suppress(CheckpointError):
        load_model(folder / "model.npz")


def drawn(folder: Path) -> None:
    model, rng = model_and_rng()
    figures.save(figures.image_grid(model.generate(4, rng), (8, 8), 2, "four digits"), folder / "digits.png", {})


def checked(folder: Path) -> None:
    rng = np.random.default_rng(0)
    model = thesis_vae(6, 3, 2, rng).astype(np.float64)
    gradcheck.check_model(model, rng.random((4, 6)), rng.standard_normal((4, 2)))


def exercised(folder: Path) -> None:
    write_stubs(folder / "exercises")
    from_files(folder / "exercises").save(folder / "exercises")
    name = load(folder / "exercises").current
    assert not try_answer(name, file_of(folder / "exercises", name)).written


Errand = Callable[[Path], None]  # in a folder, which it may leave things in
ERRANDS: Sequence[Errand] = (
    on_two_threads_and_resumed, diverging, read_and_refused, drawn, checked, exercised,
)  # fmt: skip


# ---- what is measured


@dataclass(frozen=True)
class Sample:
    """What the process has: memory, of it the record of its training (in bytes), files, threads, children."""

    seconds: float
    epochs: int
    memory: int
    history: int
    files: int
    threads: int
    children: int

    def line(self) -> str:
        megabytes = f"{self.memory / 2**20:.1f} MB, of which {self.history / 2**20:.1f} the history"
        counts = f"{self.files} files, {self.threads} threads, {self.children} children"
        return f"{self.seconds / 60:5.1f} min   {self.epochs:>7,} epochs   {megabytes}   {counts}"


def history_of(trainer: Trainer) -> int:
    """The bytes of the record of a training, which Python hands out by sixteens."""
    objects: dict[int, Any] = {id(trainer.history): trainer.history}
    for record in trainer.history:
        objects |= {id(each): each for each in (record, *record, *record.values())}
    floats = len(trainer.iteration_losses) * (-(-sys.getsizeof(0.0) // 16) * 16)
    return (
        sum(-(-sys.getsizeof(each) // 16) * 16 for each in objects.values())
        + floats
        + sys.getsizeof(trainer.iteration_losses)
    )


def sample(trainer: Trainer, seconds: float) -> Sample:
    """What is held, after all that was freed has gone back to the system."""
    history = history_of(trainer)
    gc.collect()  # an errand's threads end when its trainer is gone
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPool"):
            thread.join(60)
    with contextlib.suppress(AttributeError):  # a C library that is not glibc
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    children = [path.read_text(encoding="utf-8").split() for path in Path("/proc/self/task").glob("*/children")]
    return Sample(
        seconds=seconds,
        epochs=len(trainer.history),
        memory=pages * os.sysconf("SC_PAGE_SIZE"),
        history=history,
        files=len(list(Path("/proc/self/fd").iterdir())) - 1,  # one is that of the list
        threads=threading.active_count(),
        children=sum(map(len, children)),
    )  # fmt: skip


def verdict(samples: Sequence[Sample]) -> list[str]:
    """What has grown from the first of these samples to the last, and should not have."""
    first, last = samples[0], samples[-1]
    found = []
    grown, record = last.memory - first.memory, last.history - first.history
    if grown > record + SLACK:
        found.append(f"memory has grown by {grown:,} bytes, and the history by {record:,}")
    for name in ("files", "threads", "children"):
        counts = {getattr(each, name) for each in samples}
        if len(counts) > 1:
            found.append(f"{name}: not always the same number, but {sorted(counts)}")
    return found


# ---- the process


def soak(minutes: float, told: Callable[[Sample], None], errands: Sequence[Errand] = ERRANDS) -> list[str]:
    """Trains for so long; what has grown after the first minute, or after a third of the time if that is less."""
    seconds, samples = 60 * minutes, list[Sample]()
    began, warm = time.monotonic(), min(WARM, 60 * minutes / 3)
    model, rng = model_and_rng()
    digits = data.load("digits")
    trainer = Trainer(model, Adam(model), rng)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def after_epoch(trainer: Trainer, record: dict[str, Any]) -> None:
            errands[record["epoch"] % len(errands)](folder)
            now = time.monotonic() - began
            if now >= warm + len(samples) * (seconds - warm) / 60 and record["epoch"] >= len(errands):
                samples.append(sample(trainer, now))
                told(samples[-1])
            if now >= seconds and len(samples) > 1:
                raise StopIteration

        with contextlib.suppress(StopIteration):
            trainer.fit(
                digits.train, epochs=10**9, batch_size=10, held_out=digits.validation,
                after_epoch=[SaveCheckpoint(folder / "checkpoint.npz"), after_epoch],
            )  # fmt: skip
        trainer.save(folder / "checkpoint.npz")
        size = (folder / "checkpoint.npz").stat().st_size
        again, rng = model_and_rng()
        resumed = Trainer(again, Adam(again), rng)
        resumed.restore(folder / "checkpoint.npz")
        assert len(resumed.history) == len(trainer.history) and resumed.iteration_losses == trainer.iteration_losses
    print(f"its checkpoint has {size:,} bytes, and is read again", file=sys.stderr)
    return verdict(samples)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=60, help="how long (default: 60; the short form: 5)")
    args = parser.parse_args()
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):  # a line an epoch
        found = soak(args.minutes, lambda each: print(each.line(), file=sys.stderr, flush=True))
    print("\n".join(found) or "nothing has grown but the history")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
