"""Who takes part: scratchnn in its two ways, and every peer that is asked for, installed and able to run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.contest import PAUSE, Contestant, race, same_losses, without_dropout
from benchmarks.ours import Ours, products
from benchmarks.results import Race
from scratchnn import VAE, Conv2D, ConvTranspose2D, Dropout
from scratchnn.data import Images

PEERS = ("pytorch", "jax", "tensorflow", "keras")
OURS, FLOOR = "scratchnn", "the matrix products alone"


def peers_at_hand(names: Sequence[str], threads: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The modules of the peers that are installed, each told its number of threads; why the others are not there."""
    found, skipped = {}, {}
    for name in names:
        try:
            found[name] = import_module(f"benchmarks.in_{name}")
        except ImportError as error:
            skipped[name] = f"not installed ({error})"
        else:
            found[name].use_threads(threads)
    return found, skipped


def on_threads(threads: int) -> str:
    return f"{OURS}, {threads} threads"


def contestants(
    model: Any, adam: Mapping[str, float], modules: Mapping[str, Any], threads: int
) -> tuple[dict[str, Contestant], dict[str, str]]:
    """All contestants, with copies of the model's weights; and those that do not run here, with the reason."""
    field: dict[str, Contestant] = {OURS: Ours(model, adam)}
    if threads > 1:
        field[on_threads(threads)] = Ours(model, adam, threads)
    skipped: dict[str, str] = {}
    for module in modules.values():
        more, unable = module.contestants(model, adam)
        field |= more
        skipped |= unable
    return field, skipped


def dense_only(model: Any) -> bool:
    """Whether all that the model learns is in dense layers, whose matrix products are its floor."""
    return not any(isinstance(layer, Conv2D | ConvTranspose2D) for layer in model.walk())


def shortened(train: Images, batch_size: int, steps: int | None) -> Images:
    """The images of the first `steps` steps, or all; a copy, since PyTorch wants memory that can be written."""
    n = len(train) if steps is None else min(steps * batch_size, len(train))
    return Images(train.pixels[:n].copy(), train.max_value)


def race_epochs(
    name: str,
    title: str,
    model: Any,
    train: Images,
    args: argparse.Namespace,
    *,
    adam: Mapping[str, float],
    batch_size: int,
    peers: Sequence[str],
) -> Race:
    """Checks that all contestants compute the same, then times epochs of `train` (or its first --steps batches)."""
    train = shortened(train, batch_size, args.steps)
    modules, skipped = peers_at_hand([peer for peer in peers if peer in args.peers], args.threads)
    with threadpool_limits(args.threads):
        quiet = without_dropout(model)
        field, unable = contestants(quiet, adam, modules, args.threads)
        disagreement = same_losses(field, train, batch_size, model.n_z if isinstance(model, VAE) else 0)
        drops = any(isinstance(layer, Dropout) for layer in model.walk())
        if drops:
            field, _ = contestants(model, adam, modules, args.threads)

        def epoch(contestant: Contestant) -> Callable[[int], None]:
            return lambda number: contestant.epoch(train, batch_size, number)

        runs = {who: epoch(contestant) for who, contestant in field.items()}
        if dense_only(model):
            floor = products(model, batch_size)
            runs[FLOOR] = lambda number: floor(-(-len(train) // batch_size))
        times = race(runs, args.rounds, title, pause=PAUSE)
    steps = -(-len(train) // batch_size)
    note = f"An epoch of {len(train):,} images, {steps:,} steps of {batch_size}."
    if drops:
        note += " The check was made without dropout, the times with it."
    return Race(name, title, times, tuple(who for who in field if who.startswith(OURS)), note, disagreement,
                {**skipped, **unable})  # fmt: skip
