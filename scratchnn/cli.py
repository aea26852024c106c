"""What every training script shares: its options, its folder of results, and one clear sentence for a mistake."""

from __future__ import annotations

import argparse
import ctypes
import io
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn.checkpoints import CheckpointError, read_checkpoint, written_whole
from scratchnn.data import DATA_SETS, DataError
from scratchnn.optim import SGD, Adam
from scratchnn.parallel import ParallelTrainer
from scratchnn.training import DivergedError, Trainer


class OutputError(Exception):
    """A folder that results cannot or must not be written into."""


class OptionError(Exception):
    """An option whose value does not fit the data or another option."""


def positive_int(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return value


def seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text}")
    return int(text)


def positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return value


def parser(description: str, examples: str) -> argparse.ArgumentParser:
    """A parser without options; `examples` is shown at the end of --help."""
    return argparse.ArgumentParser(
        description=description, epilog=f"examples:\n{examples}", formatter_class=argparse.RawDescriptionHelpFormatter
    )


def training_parser(
    description: str, examples: str, batch_size: int | None, threads: bool = True
) -> argparse.ArgumentParser:
    """A parser with the options that all training scripts have.

    batch_size=None: each network has its own. threads=False: for a training that `trainer` below cannot make.
    """
    training = parser(description, examples)
    batches = f"default: {batch_size or 'each network has its own'}"
    training.add_argument("--data", choices=DATA_SETS, default="digits", help="data set (default: digits, no download)")
    training.add_argument("--epochs", type=positive_int, help="passes through the training images, in all")
    training.add_argument("--batch-size", type=positive_int, default=batch_size, help=batches)
    training.add_argument("--seed", type=seed, default=0, help="the same seed gives the same bits (default: 0)")
    if threads:
        training.add_argument(
            "--threads", type=positive_int, default=1, metavar="N",
            help="cut every batch into N parts and give each a thread; no more than cores (default: 1)",
        )  # fmt: skip
    training.add_argument("--out", type=Path, help="folder for figures, numbers and checkpoint")
    training.add_argument("--resume", action="store_true", help="go on from the checkpoint in the --out folder")
    return training


def trainer(
    threads: int, model: Any, optimizer: Adam | SGD, rng: np.random.Generator, settings: Mapping[str, Any]
) -> Trainer:
    """What trains the model with so many --threads, in a process that keeps freed memory.

    With one thread, the matrix library may use threads of its own.
    """
    keep_freed_memory()
    if threads == 1:
        return Trainer(model, optimizer, rng, settings)
    return ParallelTrainer(model, optimizer, rng, settings, threads=threads)


def check_batch_size(batch_size: int, n_train: int) -> None:
    """OptionError for a batch larger than all training images, before anything is trained or written."""
    if batch_size > n_train:
        raise OptionError(f"--batch-size {batch_size} is more than the {n_train:,} training images")


def check_resume(args: argparse.Namespace, left_behind: str = "checkpoint.npz") -> None:
    """OutputError for an --out folder that cannot be written into, or --resume where no earlier run has left such a
    file in it or below it."""
    check_folder(args.out)
    if args.resume and not any(args.out.glob(f"**/{left_behind}")):
        raise OutputError(f"there is nothing to go on with in {args.out}: leave out --resume")


def check_folder(out: Path) -> None:
    """OutputError now, and not after an hour, if nothing can be written into the folder; leaves nothing behind."""
    try:
        nearest = next(folder for folder in (out, *out.parents) if folder.exists())
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise OutputError(f"cannot write into {out} ({error.strerror}): choose another folder with --out") from error


def prepare_folder(out: Path) -> None:
    """Makes the folder; OutputError if nothing can be written into it."""
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)


def holds_same_run(checkpoint: Path, settings: dict[str, Any]) -> bool:
    """Whether an earlier run of these very settings lies there, to go on with; OutputError if it is another one.

    The same settings give the same bits, so going on with a run and starting it anew come to the same.
    """
    if not checkpoint.exists():
        return False
    record, _ = read_checkpoint(checkpoint)
    for name in sorted({*settings, *record["settings"]}):
        here, there = settings.get(name), record["settings"].get(name)
        if here != there:
            raise OutputError(
                f"{checkpoint.parent} holds another run, which would be lost: it has {name} = {there}, and this run "
                f"has {here}. Choose another folder with --out, or delete that one"
            )
    return True


def train_in_folder(
    folder: Path,
    trainer: Trainer,
    train: Any,
    *,
    epochs: int,
    batch_size: int,
    recorded: Sequence[str] = (),
    **options: Any,
) -> None:
    """Trains in a folder of its own, or goes on with what lies there of the same run, or finds it ready.

    The folder gets a checkpoint, and at the end the history. `recorded` names the numbers in a snapshot, for the
    history to have them too; `options` are more of those of `Trainer.fit`. OutputError if another run lies there.
    """
    prepare_folder(folder)
    checkpoint = folder / "checkpoint.npz"
    if holds_same_run(checkpoint, trainer.settings):
        trainer.restore(checkpoint)
        done = len(trainer.history)
        more = f", more than the {epochs} asked for" if done > epochs else ""
        what_now = "going on" if done < epochs else "nothing left to train"
        print(f"{checkpoint} has {done} epoch{'s' * (done > 1)} of this run{more}: {what_now}", flush=True)
    if len(trainer.history) < epochs:
        trainer.fit(train, epochs=epochs, batch_size=batch_size, checkpoint=checkpoint, **options)
    if recorded:
        for record, values in zip(trainer.history, trainer.snapshots, strict=True):
            record.update(zip(recorded, values.tolist(), strict=True))
    write_json(folder / "history.json", trainer.history)


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text, whole or not at all."""
    with written_whole(path) as file:
        file.write(text.encode("utf-8"))


def mean_and_spread(values: Sequence[float], decimals: int = 2) -> str:
    """mean ± standard deviation (with n − 1 in the denominator); the value alone if there is one."""
    mean = statistics.fmean(values)
    return f"{mean:.{decimals}f}" + (f" ± {statistics.stdev(values):.{decimals}f}" if len(values) > 1 else "")


def over_runs(scores: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Every figure of some runs, one mapping a run: {name: {"mean": …, "runs": its single values}}."""
    values = {name: [score[name] for score in scores] for name in scores[0]}
    return {name: {"mean": statistics.fmean(runs), "runs": runs} for name, runs in values.items()}


def versions() -> dict[str, str]:
    """The versions that a figure depends on."""
    packages = ("scratchnn", "numpy", "scipy", "scikit-learn", "matplotlib")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}


def keep_freed_memory() -> bool:
    """Asks the C library to keep what was freed instead of returning it to the system; False where it cannot be asked.

    A step of training frees arrays of some megabytes, and the next asks for the same again. glibc returns them (it
    unmaps what is large, and trims the end of its heap), and the pages that it gets anew must be filled with zeros
    first, a page fault for every 4 kB. On one thread a step of the convolutional autoencoder has thousands of them,
    which take up to a third of its time; with this it has none (python -m benchmarks.freed_memory). It holds for
    this process, from now on, and other programs do without that memory.
    """
    trim_threshold, mmap_threshold = -1, -3  # malloc.h; the second takes no more than 32 MB
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # another system, or another C library
        return False
    return bool(mallopt(mmap_threshold, 2**25) and mallopt(trim_threshold, 2**31 - 1))


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Runs a script's `main`; the mistakes that a user can make end it with one sentence and status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a terminal that cannot show − or × shows ? instead; a pipe, such as mpiexec's, gets line by line
            stream.reconfigure(errors="replace", line_buffering=True)
    try:
        main(None)
    except (DataError, CheckpointError, DivergedError, OptionError, OutputError) as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:
        sys.stdout = None  # whoever read the output has stopped; nothing more can be said
        sys.exit(1)
    except OSError as error:
        sys.exit(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    except MemoryError as error:
        sys.exit(f"error: not enough memory ({error}): ask for a smaller network or batch")
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; the same command again goes on after what was finished, if it left a checkpoint")
