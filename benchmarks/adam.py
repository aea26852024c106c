"""A step of Adam on the 1.3 million parameters of the thesis's VAE: ours in some ways of writing it, and PyTorch's.

    python -m benchmarks.adam --rounds 20

First it is checked that all go the same way: a step moves an entry by lr at most, so after some steps no two may
differ by more than a thousandth of steps · lr.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.contest import PAUSE, SAME_STEPS, TOLERANCE, DisagreementError, race
from benchmarks.options import run_alone
from benchmarks.peers import OURS, on_threads, peers_at_hand
from benchmarks.results import Measured, Race
from scratchnn import Adam
from scratchnn.machinery.parameters import Array
from scratchnn.optim import BLOCK
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training.parallel import parts_of

STEPS = 20  # in a turn
WHOLE, ONE_LINE = "the same in whole arrays", "in one line, as the paper has it"


class Vectors:
    """Parameters and gradients, and nothing that made them."""

    def __init__(self, params: Array, grads: Array) -> None:
        self.params, self.grads = params.copy(), grads


class WholeAdam(Adam):
    """All entries as one block."""

    def blocks(self, entries: slice) -> list[slice]:
        return [entries]


class OneLineAdam(Adam):
    """m, v and the step as the paper writes them, each a new array."""

    def step(self) -> None:
        self.t += 1
        g = self.model.grads
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        m, v = self.m / (1 - self.beta1**self.t), self.v / (1 - self.beta2**self.t)
        params = self.model.params
        params -= self.lr * m / (np.sqrt(v) + self.eps)


class SharedAdam(Adam):
    """The blocks shared out to threads, as in `ParallelTrainer`."""

    def __init__(self, model: Any, threads: int) -> None:
        super().__init__(model)
        self.pool, self.shares = ThreadPoolExecutor(threads), parts_of(len(model.params), threads)

    def step(self) -> None:
        self.begin()

        def share(entries: slice) -> None:
            for block in self.blocks(entries):
                self.update(block)

        list(self.pool.map(share, self.shares))


class SmallBlocks(SharedAdam):
    """The same in smaller blocks: four times as many calls, for each of which a thread needs the interpreter."""

    def blocks(self, entries: slice) -> list[slice]:
        starts = range(entries.start, entries.stop, BLOCK // 4)
        return [slice(start, min(start + BLOCK // 4, entries.stop)) for start in starts]


def measure(args: argparse.Namespace) -> list[Measured]:
    rng = np.random.default_rng(0)
    model = thesis_vae(784, 500, 20, rng)
    params, sizes = model.params, [array.size for array in model.parameters.values()]
    grads: Array = np.asarray(rng.standard_normal(params.shape), np.float32)
    modules, skipped = peers_at_hand([peer for peer in ("pytorch",) if peer in args.peers], args.threads)

    steppers: dict[str, tuple[Callable[[], object], Array]] = {}
    makers: dict[str, Callable[[Any], Any]] = {OURS: Adam, WHOLE: WholeAdam, ONE_LINE: OneLineAdam}
    if args.threads > 1:
        makers[on_threads(args.threads)] = lambda model: SharedAdam(model, args.threads)
        makers[f"the same in blocks of {BLOCK // 4:,}"] = lambda model: SmallBlocks(model, args.threads)
    for who, make in makers.items():
        vectors = Vectors(params, grads)
        steppers[who] = make(vectors).step, vectors.params
    for module in modules.values():
        for who, fused in (("PyTorch, default Adam", False), ("PyTorch, fused Adam", True)):
            steppers[who] = module.adam_stepper(params, grads, sizes, fused)

    with threadpool_limits(args.threads):
        disagreement = same_way(steppers, grads)

        def turn(step: Callable[[], object]) -> Callable[[int], object]:
            return lambda number: [step() for _ in range(STEPS)]

        title = f"Adam on {len(params):,} parameters"
        times = race({who: turn(step) for who, (step, _) in steppers.items()}, args.rounds, title, pause=PAUSE)
    a_step = {who: seconds / STEPS for who, seconds in times.items()}
    ours = tuple(who for who in a_step if who.startswith(OURS))
    note = f"A step. PyTorch has {len(sizes)} tensors, as in a model of its own; the others have one vector."
    return [Race("adam", title, a_step, ours, note, disagreement, skipped)]


def same_way(steppers: dict[str, tuple[Callable[[], object], Array]], grads: Array) -> float:
    """The largest difference of an entry after SAME_STEPS steps, in units of the way that it may have gone.

    All read their gradient from `grads`, which is another one in every step: with a constant gradient m̂ = g and
    v̂ = g², whatever beta1 and beta2 are.
    """
    for _ in range(SAME_STEPS):
        for step, _ in steppers.values():
            step()
        grads[...] = np.roll(grads, 1)
    first, *others = steppers
    largest = 0.0
    for who in others:
        difference = float(np.abs(steppers[who][1] - steppers[first][1]).max()) / (SAME_STEPS * 1e-3)
        if not difference <= TOLERANCE:
            raise DisagreementError(
                f"after {SAME_STEPS} steps of Adam a parameter of {first} and the same of {who} differ by "
                f"{difference:.2g} of the way that they may have gone: they are not the same optimiser"
            )
        largest = max(largest, difference)
    return largest


if __name__ == "__main__":
    run_alone(__doc__ or "", measure)
