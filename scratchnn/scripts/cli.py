"""What every script shares on the command line: its options, and one clear sentence for a mistake."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from scratchnn.data import DATA_SETS, DataError
from scratchnn.machinery.extras import MissingExtraError
from scratchnn.training.checkpoints import CheckpointError
from scratchnn.training.logs import LOGS
from scratchnn.training.loop import DivergedError
from scratchnn.training.runs import OptionError, OutputError
from scratchnn.training.signals import SIGNALS, Ended

MOST = 10**9  # of anything that is counted: arrays of larger sizes cannot even be asked for


def positive_int(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    if value > MOST:
        raise argparse.ArgumentTypeError(f"expected a whole number of at most {MOST:,}, got {text}")
    return value


def seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text}")
    return int(text)


def folder(text: str) -> Path:
    if not text:  # of a shell's variable that is not set: Path("") would be the folder that one is in
        raise argparse.ArgumentTypeError("expected the name of a folder, got nothing")
    return Path(text)


def positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return value


def not_negative_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text}")
    return value


def parser(description: str, examples: str) -> argparse.ArgumentParser:
    """A parser without options; `examples` is shown at the end of --help."""
    return argparse.ArgumentParser(
        description=description, epilog=f"examples:\n{examples}", formatter_class=argparse.RawDescriptionHelpFormatter
    )


def training_parser(
    description: str, examples: str, batch_size: int | None, threads: bool = True, all_epochs: str = ""
) -> argparse.ArgumentParser:
    """A parser with the options that all training scripts have.

    batch_size=None: each network has its own. threads=False: for a training that `trainer` below cannot make.
    all_epochs: why --early-stopping is refused, for a training that is always made to its end.
    """

    def patience(text: str) -> int:
        if all_epochs:
            raise argparse.ArgumentTypeError(f"not here, {all_epochs}")
        return positive_int(text)

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
        training.add_argument(
            "--blas-threads", type=positive_int, metavar="N",
            help="of the matrix library, with --threads 1 (default: one for a small network, all for a large one)",
        )  # fmt: skip
    training.add_argument(
        "--early-stopping", type=patience, metavar="EPOCHS",
        help=argparse.SUPPRESS if all_epochs else "end after so many epochs without a smaller held-out loss (the "
        "patience), with the best epoch's parameters (default: all epochs, and the last one's)",
    )  # fmt: skip
    training.add_argument(
        "--log", choices=LOGS, nargs="+", default=[], metavar="LOG",
        help="write the history while training: csv, history.csv in the run's folder; tensorboard, event files there",
    )  # fmt: skip
    training.add_argument("--out", type=folder, help="folder for figures, numbers and checkpoint")
    add_strict(training)
    training.add_argument("--resume", action="store_true", help="go on from the checkpoint in the --out folder")
    return training


def add_strict(training: argparse.ArgumentParser) -> None:
    """The option of a script that goes on with what lies in its folder."""
    training.add_argument(
        "--strict", action="store_true",
        help="refuse to go on with a checkpoint of another matrix kernel, number of threads, NumPy or Numba",
    )  # fmt: skip


def forgiving_terminal() -> None:
    """A terminal that cannot show − or × shows ? instead; a pipe, such as mpiexec's, gets line by line; and where there
    is nothing to write to, as in a program without a window on Windows, nothing is written."""
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace", line_buffering=True)


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Runs a script's `main`; a mistake that a user can make ends it with one sentence and status 1, a signal with one
    sentence and the status that shells give it, 128 + its number."""
    forgiving_terminal()
    SIGNALS.listen()
    with mistakes_told():
        main(None)


@contextlib.contextmanager
def mistakes_told() -> Iterator[None]:
    """What `run` says of a mistake and of a signal."""
    try:
        yield
    except (DataError, CheckpointError, DivergedError, MissingExtraError, OptionError, OutputError) as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:
        sys.stdout = None  # the program that read the output has stopped: nothing more can be said
        sys.exit(1)
    except OSError as error:
        sys.exit(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    except MemoryError as error:
        sys.exit(f"error: not enough memory ({error}): ask for a smaller network or batch")
    except Ended as end:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(f"\nended by {signal.Signals(end.number).name}: {end}", file=sys.stderr, flush=True)
        sys.exit(128 + end.number)
