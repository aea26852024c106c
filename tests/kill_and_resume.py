"""Kills trainings at random moments and resumes them: python -m tests.kill_and_resume --kills 1000 --threads 1 2

A small `scratchnn train` writes a checkpoint after every epoch. It is killed by SIGKILL, which no program can catch,
and given the same command again, over and over until it is done. Then its checkpoint must be that of a training that
was never killed, to the bit and all of it: parameters, the optimiser's state, the generator's, losses, snapshots.

The trainings are children that this process forks after its imports, so that kills hit trainings rather than the start
of Python. A kill comes at a time drawn uniformly from the first quarter of what the whole training takes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from scratchnn.scripts import cli, train
from scratchnn.training import after_epoch
from scratchnn.training.checkpoints import read_checkpoint

EPOCHS = 40
COMMAND = [f"--epochs={EPOCHS}", "--hidden=16", "--latent=2", "--batch-size=200", "--binarisation=dynamic"]


class EveryEpoch(after_epoch.SaveCheckpoint):
    """The checkpoint of a training whose epochs are long: one after each of them."""

    def __call__(self, *arguments: Any) -> None:
        self.not_before = -inf
        super().__call__(*arguments)


def begin(folder: Path, threads: int) -> int:
    """The process of a child that trains in the folder."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        log = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 2)
        train.draw = lambda *_: []  # type: ignore[assignment]
        train.runs.SaveCheckpoint = EveryEpoch  # type: ignore[misc]
        sys.argv = ["train", *COMMAND, f"--threads={threads}", f"--out={folder}"]
        cli.run(train.main)
        status = 0
    finally:
        os._exit(status)  # what this process has to do at its end is not the child's


def content(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """All that a checkpoint holds but for times."""
    record, arrays = read_checkpoint(folder / "checkpoint.npz")
    del record["training"]["checksum"]  # of the seconds as well
    for epoch in record["training"]["history"]:
        del epoch["seconds"]
    return record, {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}


@dataclass
class Count:
    kills: int = 0
    while_writing: int = 0  # of these: a file was being written, and its part is left
    before_the_first: int = 0  # no checkpoint was there yet
    trainings: int = 0
    different: int = 0  # of these


def kill_and_resume(folder: Path, threads: int, kills: int, rng: random.Random, until: float = inf) -> Count:
    """Kills trainings in the folder so many times, or until the clock says so; the last one is let finish."""
    count = Count()
    began = time.monotonic()
    if os.waitstatus_to_exitcode(os.waitpid(begin(folder / "whole", threads), 0)[1]):
        sys.exit(f"the training fails that is not killed: {(folder / 'whole.log').read_text(encoding='utf-8')}")
    expected, seconds = content(folder / "whole"), time.monotonic() - began
    while count.kills < kills and time.monotonic() < until:
        run = folder / f"run{count.trainings}"
        while True:
            child = begin(run, threads)
            if count.kills < kills:
                time.sleep(rng.uniform(0, seconds / 4))
                os.kill(child, signal.SIGKILL)  # of a child that has ended, but is not waited for: nothing happens
            _, status = os.waitpid(child, 0)
            if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
                break
            count.kills += 1
            there = sorted(path.name for path in run.iterdir()) if run.exists() else []
            count.while_writing += there not in ([], ["checkpoint.npz"])
            count.before_the_first += "checkpoint.npz" not in there
            if "checkpoint.npz" in there:
                content(run)  # readable, whenever it was
        count.trainings += 1
        if os.waitstatus_to_exitcode(status) or content(run) != expected:
            count.different += 1
            said = run.with_suffix(".log").read_text(encoding="utf-8")
            print(f"{run} ended with status {status}: {said or 'another content'}")
        else:
            shutil.rmtree(run)
    return count


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.kill_and_resume", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=1000, help="for each number of threads (default: 1000)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    parser.add_argument("--seconds", type=float, default=inf, help="begin no training after so many, in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    args = options(arguments)
    began, right = time.monotonic(), True
    with tempfile.TemporaryDirectory() as folder:
        for k, threads in enumerate(args.threads, 1):
            place = Path(folder) / f"threads{threads}"
            place.mkdir()
            until = began + args.seconds * k / len(args.threads)
            count = kill_and_resume(place, threads, args.kills, random.Random(args.seed), until)
            right &= count.different == 0 and count.kills > 0
            print(
                f"threads: {threads}   kills: {count.kills}, of which {count.while_writing} while a file was written "
                f"and {count.before_the_first} before the first checkpoint   trainings: {count.trainings}, "
                f"of which {count.trainings - count.different} ended with the same bits", flush=True,
            )  # fmt: skip
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
