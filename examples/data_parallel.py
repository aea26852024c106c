"""Trains the thesis's VAE on several machines at a time: synchronous data parallelism, one Allreduce a step.

Every rank (a process, here or on another machine) holds all parameters. Of every batch it takes its rows, and computes
what they add to the gradient of the mean over the batch: scratchnn/training/parallel.py derives it, and the threads
there run the same `gradient_of_part`. The gradient of a sum is the sum of the gradients, so one Allreduce, which
replaces the flat vector `grads` of every rank by the sum over all ranks, makes it the gradient of the whole batch. Then
every rank makes the same step, and the parameters stay the same to the bit: only gradients travel.

Noise is that of one process: each rank draws it for the whole batch and takes its rows. So R ranks come to what one
comes to but for rounding, as the sum over the rows is put together in another order. (A network with BatchNorm
would normalise the rows of a rank by their own mean and variance, and each rank would keep running averages of its
own; this one has none.)

Without mpiexec it trains with one rank. docs/data_parallel.md says what a step costs, and where more ranks do not pay.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn import VAE, Adam, data
from scratchnn.losses import batch_mean
from scratchnn.optim import Optimiser
from scratchnn.scripts import cli
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.scripts.train import EPOCHS, draw
from scratchnn.training import DivergedError, SaveCheckpoint, Trainer, evaluate, fingerprint, runs
from scratchnn.training.logs import logs_in
from scratchnn.training.loop import AfterEpoch
from scratchnn.training.parallel import RowsOfDraws, gradient_of_part, parts_of
from scratchnn.training.signals import NUMBERS, Ended

try:
    from mpi4py import MPI
except (ImportError, RuntimeError) as error:  # RuntimeError: it is there, and finds no MPI library
    sys.exit(f'error: this script needs mpi4py and an MPI ({error}): python -m pip install "scratchnn[examples,mpi]"')

EXAMPLES = """\
  python examples/data_parallel.py                                      one rank
  mpiexec -n 4 python examples/data_parallel.py                         four ranks on this machine
  mpiexec -n 4 python examples/data_parallel.py --data mnist --latent 20 --batch-size 400
  mpiexec -hosts a,b python examples/data_parallel.py --data mnist      one rank each on machines a and b (MPICH)
  python examples/data_parallel.py --cost                               the tables of docs/data_parallel.md

Matrix products have threads of their own: with several ranks a machine, set OPENBLAS_NUM_THREADS=1.
"""


class RanksTrainer(Trainer):
    """The epoch loop with a step that all ranks make together. All must start from the same state."""

    model: VAE

    def __init__(
        self,
        model: VAE,
        optimiser: Optimiser,
        rng: np.random.Generator,
        settings: Mapping[str, Any] | None = None,
        *,
        comm: Any,
    ) -> None:
        # how many ranks there are shows in the last bits of all that comes out
        super().__init__(model, optimiser, rng, {**(settings or {}), "ranks": comm.size})
        self.comm = comm

    def step(self, batch: Any) -> dict[str, float]:
        n, ranks = len(batch), self.comm.size
        # a last batch with fewer rows than ranks leaves some with none: they add 0, and draw what the others draw
        rows = (parts_of(n, ranks) + ranks * [slice(n, n)])[self.comm.rank]
        terms = gradient_of_part(self.model, batch[rows], n, RowsOfDraws(self.rng, n, rows))
        self.comm.Allreduce(MPI.IN_PLACE, self.model.grads)  # grads ← Σ_r grads of rank r
        self.optimiser.step()
        means = np.array([batch_mean(values, n)[0] for values in terms.values()])
        self.comm.Allreduce(MPI.IN_PLACE, means)
        return {"loss": float(means.sum()), **dict(zip(terms, means.tolist(), strict=True))}


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(
        __doc__ or "", EXAMPLES, batch_size=100, threads=False, all_epochs="where all ranks make all epochs"
    )
    parser.add_argument("--latent", type=cli.positive_int, default=2, help="latent dimensions (default: 2)")
    parser.add_argument("--hidden", type=cli.positive_int, default=500, help="units of a hidden layer (default: 500)")
    parser.add_argument("--cost", action="store_true", help="train nothing; print what a step would cost")
    args = parser.parse_args(arguments)
    args.epochs = args.epochs or EPOCHS[args.data]
    return args


def prepare(
    arguments: Sequence[str] | None, comm: Any, held: contextlib.ExitStack
) -> tuple[argparse.Namespace, RanksTrainer, data.DataSet] | None:
    """What every rank starts from; None if there is nothing to train. The folder is this run's as long as `held` is."""
    args = options(arguments)
    if args.cost:
        print(cost_tables())
        return None
    if args.batch_size < comm.size:
        raise runs.OptionError(
            f"{comm.size} ranks cannot share a batch of {args.batch_size} rows: each needs at least one; start fewer "
            f"with mpiexec -n {args.batch_size}, or raise --batch-size"
        )
    args.out = args.out or Path("runs") / f"vae-{args.data}-z{args.latent}-seed{args.seed}-ranks{comm.size}"
    runs.check_resume(args.out, args.resume, "data-parallel", "checkpoint.npz")
    images = data.load(args.data)
    runs.check_batch_size(args.batch_size, len(images.train))
    rng = np.random.default_rng(args.seed)
    model = thesis_vae(images.train.pixels.shape[1], args.hidden, args.latent, rng)
    settings = {
        "data": args.data,
        "split": "contiguous",
        "shuffle": args.data != "frey-face",  # as examples/vae.py has it
        "binarisation": "none",
        "batch_size": args.batch_size,
        "seed": args.seed,
    }
    trainer = RanksTrainer(model, Adam(model), rng, settings, comm=comm)
    held.enter_context(runs.alone_in(args.out))
    print(images)
    sizes = [part.stop - part.start for part in parts_of(args.batch_size, comm.size)]
    print(f"ranks: {comm.size}; rows that each has of a batch: {', '.join(map(str, sizes))}")
    checkpoint = args.out / "checkpoint.npz"
    if checkpoint.exists():
        runs.go_on(trainer, checkpoint, args.epochs)
    logs_in(args.out, args.log)  # before the others train: a package may be missing
    return args, trainer, images


def main(arguments: Sequence[str] | None = None) -> None:
    with contextlib.ExitStack() as held:
        train_on_ranks(arguments, MPI.COMM_WORLD, held)


def train_on_ranks(arguments: Sequence[str] | None, comm: Any, held: contextlib.ExitStack) -> None:
    if comm.rank > 0:  # mpiexec passes a signal on to all: rank 0 obeys it, and its Abort ends the others
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)
    # rank 0 reads options and files; the others are sent what it has made of them, or None when it has to stop
    start = None
    try:
        if comm.rank == 0:
            start = prepare(arguments, comm, held)
    finally:
        start = comm.bcast(start)
    if start is None:
        return
    args, trainer, images = start
    logs: list[AfterEpoch] = logs_in(args.out, args.log) if comm.rank == 0 else []
    after_epoch = [*logs, SaveCheckpoint(args.out / "checkpoint.npz")] if comm.rank == 0 else []
    if len(trainer.history) >= args.epochs:  # nothing is left to train, and so to log epoch by epoch
        for write in logs:
            write(trainer, trainer.history[-1])
    try:
        out, err = (sys.stdout, sys.stderr) if comm.rank == 0 else (io.StringIO(), io.StringIO())
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):  # rank 0 alone prints
            trainer.fit(
                images.train, epochs=args.epochs, batch_size=args.batch_size, held_out=images.validation,
                shuffle=trainer.settings["shuffle"], strict=args.strict,
                after_epoch=after_epoch,
            )  # fmt: skip
    except DivergedError:  # all ranks have the same loss, so all are here
        if comm.rank == 0:
            raise
        return
    except BaseException as error:
        if comm.size > 1:  # the others would go on waiting for this rank
            print(f"error: rank {comm.rank} failed, and all ranks end: {error!r}", file=sys.stderr, flush=True)
            time.sleep(1)  # mpiexec passes it on, and at an Abort drops what it has not passed on yet
            comm.Abort(128 + error.number if isinstance(error, Ended) else 1)
        raise
    ends = comm.gather(fingerprint(trainer.model.params))
    if ends is not None:  # on rank 0
        finish(args, trainer, images, ends)


def finish(args: argparse.Namespace, trainer: RanksTrainer, images: data.DataSet, ends: list[str]) -> None:
    """Compares the parameters of all ranks by their fingerprints, and writes what the run came to."""
    if len(set(ends)) > 1:
        raise RuntimeError(f"the ranks made different steps: the fingerprints of their parameters are {ends}")
    print(f"fingerprint of the parameters, the same on every rank: {ends[0]}")
    model = trainer.model
    losses = evaluate(model, images.test)
    terms = f"reconstruction {losses['reconstruction']:.2f} + kl {losses['kl']:.2f}"
    print(f"test images, final parameters: loss {losses['loss']:.2f} = {terms}")
    runs.write_json(args.out / "history.json", trainer.history)
    measured = {
        **{name: value for name, value in trainer.history[-1].items() if name not in ("epoch", "seconds")},
        **{f"test_{name}": value for name, value in losses.items()},
        "seconds_per_epoch": float(np.median([record["seconds"] for record in trainer.history])),
    }
    settings = {**trainer.settings, "latent": args.latent, "hidden": args.hidden, "epochs": len(trainer.history)}
    runs.write_summary(
        args.out, "data-parallel", measured, settings,
        seed=args.seed, scaling=f"pixels / {images.train.max_value}",
        mpi=MPI.Get_library_version().splitlines()[0].strip(),
    )  # fmt: skip
    what = f"VAE on {args.data}, latent dimensions: {args.latent}, seed: {args.seed}, ranks: {len(ends)}"
    samples, title = model.generate(100, np.random.default_rng(args.seed)), f"Decoded draws of z from N(0, I)\n{what}"
    pictures: dict[str, Callable[[Any], Any]] = {
        "loss": lambda figures: figures.loss_curve(trainer.iteration_losses, trainer.history, what),
        "samples": lambda figures: figures.image_grid(samples, images.image_shape, 10, title),
    }
    drawn = draw(pictures, args.out, settings)
    print(f"written to {args.out}: " + ", ".join(["history.json", "summary.json", "checkpoint.npz", *drawn]))


# What a step costs: docs/data_parallel.md. All numbers below are assumptions, and the tables are arithmetic on them.
WIRES = {"1 GbE": (50e-6, 0.125e9), "10 GbE": (20e-6, 1.25e9), "100 Gb/s": (2e-6, 12.5e9)}  # α in s, 1/β in bytes/s
FLOPS = 50e9  # operations a second of one rank, forward and backward
NETWORKS = {  # parameters P, and multiplications and additions for one row, forward and backward
    "thesis VAE, z = 20": (1_316_824, 6 * 1_316_824),  # dense: a weight is used once a row
    "ResNet-50, 224×224": (25_557_032, 6 * 3.8e9),  # convolutions use it at every place (He et al. 2015, table 1)
    "GPT-2 small, 1,024 tokens": (124_439_808, 6 * 124_439_808 * 1024),  # and this network for every token
}


def allreduce_seconds(n_bytes: float, ranks: int, latency: float, bandwidth: float) -> float:
    """A ring: R − 1 messages to add up and R − 1 to hand the sums round, each of an R-th of the vector."""
    return 2 * (ranks - 1) * (latency + n_bytes / ranks / bandwidth)


def step_seconds(parameters: int, operations: float, rows: float, ranks: int, wire: tuple[float, float]) -> float:
    """Forward and backward of a rank's rows, and the Allreduce after them."""
    return rows / ranks * operations / FLOPS + allreduce_seconds(4 * parameters, ranks, *wire)


def cost_tables(ranks: int = 8, rows: int = 100) -> str:
    """Markdown: bytes, seconds and rows that pay, for each network and wire; and speed-ups of the first network."""
    lines = [
        f"| network, {ranks} ranks | P | MB a rank sends | {' | '.join(WIRES)} |",
        f"| --- | ---: | ---: |{' ---: |' * len(WIRES)}",
    ]
    for network, (parameters, operations) in NETWORKS.items():
        megabytes = 2 * (ranks - 1) / ranks * 4 * parameters / 1e6
        seconds = [allreduce_seconds(4 * parameters, ranks, *wire) for wire in WIRES.values()]
        cells = [f"{1e3 * time:,.1f} ms, {time * FLOPS / operations:.3g} rows" for time in seconds]
        lines.append(f"| {network} | {parameters:,} | {megabytes:,.1f} | {' | '.join(cells)} |")
    (network, (parameters, operations)), *_ = NETWORKS.items()
    counts = [2, 4, 8, 16, 32]
    lines += ["", f"| {network}, batch {rows} | " + " | ".join(f"R = {count}" for count in counts) + " |"]
    lines.append("| --- |" + " ---: |" * len(counts))
    for name, wire in WIRES.items():
        one, *several = (step_seconds(parameters, operations, rows, count, wire) for count in (1, *counts))
        lines.append(f"| {name} | " + " | ".join(f"{one / time:.2f} ×" for time in several) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
