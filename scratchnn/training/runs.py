"""Runs in folders: what a training starts from, where it writes, and the summary of what came out.

A run has a folder of its own, with a checkpoint to go on from, the history of its epochs, and a summary.json that says
what was measured, on what, with which settings and versions. The same command goes on with what lies there.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np

from scratchnn.machinery.files import alone_at, written_whole
from scratchnn.optim import Optimiser
from scratchnn.training import blas
from scratchnn.training.after_epoch import EarlyStopping, SaveCheckpoint
from scratchnn.training.checkpoints import CheckpointError, OtherRunError, best_record, load_model
from scratchnn.training.logs import WriteTensorBoard, logs_in
from scratchnn.training.loop import AfterEpoch, Trainer
from scratchnn.training.parallel import ParallelTrainer

ALONE: set[tuple[Path, int]] = set()  # folders that a thread of this process has locked, and the thread


class OutputError(Exception):
    """A folder that results cannot or must not be written into."""


class OptionError(Exception):
    """An option whose value does not fit the data or another option."""


def trainer(
    threads: int,
    model: Any,
    optimiser: Optimiser,
    rng: np.random.Generator,
    settings: Mapping[str, Any],
    *,
    batch_size: int,
    blas_threads: int | None = None,
) -> Trainer:
    """What trains the model on so many --threads, in a process that keeps freed memory.

    With one thread, the matrix library may use threads of its own: `blas_threads`, or what the size of the products
    recommends, from now on and for the whole process.
    """
    blas.keep_freed_memory()
    if threads > 1:
        if blas_threads is not None:
            raise OptionError("--blas-threads is for --threads 1: several threads take one each for their products")
        return ParallelTrainer(model, optimiser, rng, settings, threads=threads)
    blas_threads = blas_threads or blas.threads_for(model, batch_size)
    blas.limit_process(blas_threads)
    return Trainer(model, optimiser, rng, settings, blas_threads=blas_threads)


def check_batch_size(batch_size: int, n_train: int) -> None:
    """OptionError for a batch larger than all training images, before anything is trained or written."""
    if batch_size > n_train:
        raise OptionError(f"--batch-size {batch_size} is more than the {n_train:,} training images")


def check_resume(out: Path, resume: bool, experiment: str, left_behind: str = "**/checkpoint.npz") -> None:
    """OutputError for an --out folder that cannot be written into or has the results of another experiment, or --resume
    where no earlier run has left such a file in it, by default in it or below it."""
    check_folder(out, experiment=experiment)
    if resume and not any(out.glob(left_behind)):
        raise OutputError(f"there is nothing to go on with in {out}: leave out --resume")


def check_not_longer(folder: Path, epochs: int) -> None:
    """OutputError if the run in this folder has seen more epochs than asked for, which all runs beside it are to see:
    it cannot be made to forget them."""
    if (folder / "checkpoint.npz").exists() and (seen := load_model(folder)[1]["epochs"]) > epochs:
        raise OutputError(
            f"{folder} has seen {seen} epochs, and the others are to see {epochs}: choose another folder with --out"
        )


def check_folder(out: Path, option: str = "--out", experiment: str = "") -> None:
    """OutputError now, and not after an hour, if nothing can be written into the folder, which the option has named, or
    if it has the summary of another experiment than this; leaves nothing behind."""
    try:
        nearest = next(folder for folder in (out, *out.parents) if os.path.lexists(folder))
        if not nearest.exists():
            raise FileNotFoundError(errno.ENOENT, f"{nearest} is a link to what is not there")
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise OutputError(f"cannot write into {out} ({error.strerror}): choose another folder with {option}") from error
    if experiment and (out / "summary.json").exists() and (found := experiment_in(out)) != experiment:
        raise OutputError(
            f"{out} has a summary.json of {found or 'something else'}, which this script ({experiment}) would "
            f"overwrite: choose another folder with {option}"
        )


def experiment_in(folder: Path) -> str | None:
    """What the summary in this folder is of; None if it does not say."""
    try:
        return str(json.loads((folder / "summary.json").read_bytes())["experiment"])
    except (KeyError, OSError, RecursionError, TypeError, ValueError):
        return None


def prepare_folder(out: Path, option: str = "--out", experiment: str = "") -> None:
    """Makes the folder, which the option has named; OutputError if nothing can be written into it, or if it has the
    summary of another experiment."""
    check_folder(out, option, experiment)
    out.mkdir(parents=True, exist_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """No other process works in this folder in the meantime; OutputError if one does. The folder is made, and does not
    stay if nothing was written into it.

    A command is alone until its last file is written, and what it calls may ask for the same.
    """
    is_new = not folder.exists()
    prepare_folder(folder)
    mine = folder.resolve(), get_ident()
    if mine in ALONE:
        yield
        return
    busy = OutputError(
        f"another process is at work in {folder}: wait until it has ended, or choose another folder with --out"
    )
    try:
        with alone_at(folder / ".lock", busy):
            ALONE.add(mine)
            try:
                for name in ("checkpoint.npz", "history.json", "summary.json"):
                    for left in folder.glob(f"{name}.*.part"):  # by a process that was killed while it wrote
                        left.unlink(missing_ok=True)
                yield
            finally:
                ALONE.remove(mine)
    finally:
        if is_new:
            with suppress(OSError):  # refused where something was written
                folder.rmdir()


def train_in_folder(
    folder: Path,
    trainer: Trainer,
    train: Any,
    *,
    epochs: int,
    batch_size: int,
    held_out: Any = None,
    shuffle: bool = True,
    after_epoch: Sequence[AfterEpoch] = (),
    recorded: Sequence[str] = (),
    early_stopping: int | None = None,
    log: Sequence[str] = (),
    strict: bool = False,
) -> None:
    """Trains in a folder of its own, or goes on with what lies there of the same run, or finds it ready.

    The folder gets a checkpoint, and at the end the history. `recorded` names the numbers in a snapshot, for the
    history to have them too. `early_stopping` ends the training after so many epochs without a smaller held-out loss;
    a run may go on with more of them. `log` names what the history is written to epoch by epoch (logs.py).
    OutputError if another run lies there, or another process trains there.
    """
    stopping = None if early_stopping is None else EarlyStopping(early_stopping)
    if stopping:
        if held_out is None:
            raise OptionError("early stopping needs a held-out loss to go by, and here no data are held out")
        trainer.settings["early_stopping"] = True
        after_epoch = [*after_epoch, stopping]
    checkpoint = folder / "checkpoint.npz"
    with alone_in(folder):
        logs = logs_in(folder, log)
        if checkpoint.exists():
            go_on(trainer, checkpoint, epochs, stopping)
            steps, kept = len(trainer.history) * -(-len(train) // batch_size), len(trainer.iteration_losses)
            if steps != kept:
                raise CheckpointError(f"{checkpoint} has the losses of {kept:,} steps, and its epochs have {steps:,}")
            if stopping and not trainer.best:
                raise CheckpointError(f"{checkpoint} lacks the parameters of its last epoch beside those of its best")
        try:
            if is_left(trainer, epochs, stopping):
                trainer.fit(
                    train, epochs=epochs, batch_size=batch_size, held_out=held_out, shuffle=shuffle,
                    after_epoch=[*after_epoch, *logs, SaveCheckpoint(checkpoint)], strict=strict,
                )  # fmt: skip
            else:
                for write in logs:
                    write(trainer, trainer.history[-1])
        finally:
            for open_log in logs:
                if isinstance(open_log, WriteTensorBoard):
                    open_log.close()
        if stopping:
            best, done = best_record(trainer.history)["epoch"], len(trainer.history)
            over = f"; ended after {done - best} without a smaller one" * stopping.is_over(trainer.history)
            print(f"the smallest of {done} held-out losses is that of epoch {best}, whose parameters are kept{over}")
        if recorded:
            for record, values in zip(trainer.history, trainer.snapshots, strict=True):
                record.update(zip(recorded, values.tolist(), strict=True))
        write_json(folder / "history.json", trainer.history)


def is_left(trainer: Trainer, epochs: int, stopping: EarlyStopping | None) -> bool:
    """Whether there are epochs to be trained."""
    done = len(trainer.history)
    return done < epochs and not (stopping and done and stopping.is_over(trainer.history))


def go_on(trainer: Trainer, checkpoint: Path, epochs: int, stopping: EarlyStopping | None = None) -> None:
    """Restores a run of the same settings; OutputError if another one lies there, which must not be lost."""
    try:
        trainer.restore(checkpoint)
    except OtherRunError as error:
        raise another_run(checkpoint.parent, error.difference) from error
    done = len(trainer.history)
    more = f", more than the {epochs} asked for" if done > epochs else ""
    what_now = "going on" if is_left(trainer, epochs, stopping) else "nothing left to train"
    print(f"{checkpoint} has {done} epoch{'s' * (done > 1)} of this run{more}: {what_now}", flush=True)


def another_run(folder: Path, difference: str) -> OutputError:
    """What to raise where a folder holds a run of other settings; `difference` says of which."""
    return OutputError(
        f"{folder} holds another run, which would be lost: {difference}. "
        "Choose another folder with --out, or delete that one"
    )


# ---- what a run leaves behind


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text, whole or not at all."""
    with written_whole(path) as file:
        file.write(text.encode("utf-8"))


def write_summary(
    folder: Path,
    experiment: str,
    figures: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    seed: int | None = None,
    scaling: str = "",
    **more: Any,
) -> None:
    """Writes summary.json: what was measured (`figures`), with what settings, scaling of pixels, and versions; and the
    most memory that the process has held so far, where the system tells it."""
    told = {"scaling": scaling, "seed": seed}
    content = {"experiment": experiment, "figures": figures, "settings": settings, **more}
    content |= {name: value for name, value in told.items() if value not in (None, "")}
    content |= {"peak_memory_mb": peak} if (peak := peak_memory_mb()) else {}
    write_json(folder / "summary.json", {**content, "versions": versions()})


def peak_memory_mb() -> int | None:
    """The most memory that this process has held so far, in MB of 2^20 bytes; None on Windows."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> (20 if sys.platform == "darwin" else 10)  # bytes there, kB elsewhere


def versions() -> dict[str, str]:
    """The versions that a figure depends on, of what is installed."""
    found = {"python": platform.python_version()}
    for name in ("scratchnn", "numpy", "scipy", "scikit-learn", "matplotlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an extra that this run did without
            continue
    return found


# ---- figures over several runs


def mean_and_std(values: Sequence[float], decimals: int = 2) -> str:
    """mean ± standard deviation (with n − 1 in the denominator); the value alone if there is one."""
    mean = statistics.fmean(values)
    return f"{mean:.{decimals}f}" + (f" ± {statistics.stdev(values):.{decimals}f}" if len(values) > 1 else "")


def over_runs(scores: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Every figure of some runs, one mapping a run: {name: {"mean": …, "runs": its single values}}."""
    values = {name: [score[name] for score in scores] for name in scores[0]}
    return {name: {"mean": statistics.fmean(runs), "runs": runs} for name, runs in values.items()}
