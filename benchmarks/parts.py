"""What a step spends its time on: taking the batch, forward, backward, Adam; here, here on several threads, in PyTorch.

On several threads forward and backward are one phase, at whose end all wait for each other, and Adam is another. JAX
and TensorFlow have no such parts: the whole step is one compiled program.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.contest import PAUSE, order
from benchmarks.ours import PARTS, PHASES, Ours, products, products_on_threads
from benchmarks.peers import FLOOR, OURS, dense_only, on_threads, peers_at_hand, shortened
from benchmarks.results import Parts
from scratchnn.data import Images
from scratchnn.machinery.parameters import Array

STEPS = 50  # of a contestant in a turn
ALONE = "one part while no other is at work"


@dataclass
class Stopwatch:
    """One contestant: a step that says how long its parts took, and what is to be held against it, by name.

    `threads` are those of the matrix libraries during its turn. What is in `beside` does so many steps.
    """

    step: Callable[[Images, Array], Mapping[str, float]]
    parts: tuple[str, ...]
    threads: int
    beside: Mapping[str, Callable[[int], None]] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    beside_times: dict[str, list[float]] = field(default_factory=dict)

    def turn(self, images: Images, batches: Array, keep: bool) -> None:
        """A step for each of the batches (steps, N) of row numbers, then as many of what is beside."""
        with threadpool_limits(self.threads):
            time.sleep(PAUSE)
            took = [self.step(images, rows) for rows in batches]
            if keep:
                for part in self.parts:
                    self.times.setdefault(part, []).extend(of[part] for of in took)
            for what, run in self.beside.items():
                time.sleep(PAUSE)
                began = time.perf_counter()
                run(len(batches))
                self.beside_times.setdefault(what, []).extend([(time.perf_counter() - began) / len(batches)] * keep)


def parts(
    name: str, title: str, model: Any, train: Images, args: argparse.Namespace, *, adam: Mapping[str, float],
    batch_size: int,
) -> list[Parts]:  # fmt: skip
    """Contestants take turns of STEPS steps; the first round is not counted."""
    train = shortened(train, batch_size, args.steps)
    modules, _ = peers_at_hand([peer for peer in ("pytorch",) if peer in args.peers], args.threads)
    steps = min(STEPS, len(train) // batch_size)
    floor = {FLOOR: products(model, batch_size)} if dense_only(model) else {}
    field = {OURS: Stopwatch(Ours(model, adam).step_in_parts, PARTS, args.threads, floor)}
    if args.threads > 1:
        ours = Ours(model, adam, args.threads)
        floor = {FLOOR: products_on_threads(model, batch_size, args.threads)} if dense_only(model) else {}
        beside = {**floor, ALONE: ours.first_part_alone(train[:batch_size])}
        field[on_threads(args.threads)] = Stopwatch(ours.step_in_phases, PHASES, 1, beside)
    if modules:
        torch = modules["pytorch"].InPyTorch(model, adam)
        field["PyTorch, default Adam"] = Stopwatch(torch.step_in_parts, PARTS, args.threads)
    for number in tqdm(range(args.rounds + 1), desc=f"{title}, in parts", unit="round", disable=None):
        batches = order(len(train), number)[: steps * batch_size].reshape(steps, batch_size)
        for stopwatch in field.values():
            stopwatch.turn(train, batches, keep=number > 0)
    made = []
    for names, heading in ((PARTS, "the parts of a step"), (PHASES, f"the phases of a step on {args.threads} threads")):
        of = {who: stopwatch for who, stopwatch in field.items() if stopwatch.parts == names}
        if of:
            times = {who: {part: np.array(values) for part, values in one.times.items()} for who, one in of.items()}
            medians = {what: float(np.median(taken)) for what, taken in next(iter(of.values())).beside_times.items()}
            made.append(Parts(name, f"{title}: {heading}", times, medians))
    return made
