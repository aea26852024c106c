"""A contest: programs that compute the same thing take turns, A B A B, and the turns are timed.

*The same thing.* All start from the same weights. Before anything is timed they take `SAME_STEPS` steps on the same
batches with the same noise, and their losses must agree. A program that is fast and wrong is no result, so the
benchmark fails if they do not. Dropout draws for itself and differently everywhere; the check is made on a copy of the
network in which no number is dropped, and the times are those of the network with its dropout on.

*How nearly the same.* Sums in another order differ in float32 by some 10⁻⁷ of their value. Adam enlarges that where a
gradient is nearly 0: a step has the size of the learning rate whatever the size of the gradient, so there it may go
either way. Such entries hardly change the loss. `TOLERANCE` leaves room for that; initial values that are off by a
hundredth do not pass, nor does twice the learning rate (tests/test_benchmarks.py).

*Turns.* A machine's speed drifts, so ratios are taken within a round, and their median over the rounds is reported.
The first round is not counted: in it programs are compiled and memory is fetched. Between two turns there is a pause,
since the threads of a matrix library wait for more work by spinning, and would do so in the next contestant's time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from benchmarks.results import Race
from benchmarks.worker import Entry, Field
from scratchnn import VAE, Dropout
from scratchnn.data import Images
from scratchnn.machinery.parameters import Array

SAME_STEPS, TOLERANCE = 20, 1e-3
PAUSE = 0.2  # seconds
PARTS = ("data", "forward", "backward", "Adam")  # of a step
STEPS_IN_PARTS = 20  # of a turn


class DisagreementError(Exception):
    """Contestants that do not compute the same thing. The message says who, and where."""


@dataclass(frozen=True)
class Task:
    """What a contestant is to train, and on how many threads; a turn is an epoch of these images."""

    model: Any
    images: Images
    batch_size: int
    adam: Mapping[str, float]
    threads: int

    @property
    def steps(self) -> int:
        return -(-len(self.images) // self.batch_size)

    @property
    def n_z(self) -> int:
        """How many numbers of noise an image needs."""
        return self.model.n_z if isinstance(self.model, VAE) else 0


class Contestant(Protocol):
    """What a process has: a network in training, in some framework. It is made with a Task, and its own options."""

    def describe(self) -> str:
        """Versions and kernels."""

    def step(self, x: Array, eps: Array) -> float | Array | None:
        """One step on the batch x (N, D), floats, with the noise eps (N, n_z); returns the loss before it.

        An optimiser alone returns how far it has come, and who computes nothing of meaning returns None.
        """

    def epoch(self, seed: int) -> None:
        """One epoch in the order of `seed`, with noise of its own."""


@dataclass(frozen=True)
class Contest:
    """One race to be held: its name, its entries, and of which of them a step is taken apart."""

    name: str
    title: str
    task: Task
    entries: Mapping[str, Entry]
    in_parts: Sequence[str] = ()

    def inputs(self) -> Iterable[tuple[Array, Array]]:
        """Batch and noise of the steps of the check."""
        images, n = self.task.images, self.task.batch_size
        for step in range(min(SAME_STEPS, len(images) // n)):
            eps = np.random.default_rng(step).standard_normal((n, self.task.n_z)).astype(np.float32)
            yield images[step * n : (step + 1) * n], eps


def order(n: int, seed: int) -> Array:
    """The order of n images in an epoch: `Trainer.fit` draws it first, from the generator of this seed."""
    return np.random.default_rng(seed).permutation(n)


def shortened(images: Images, batch_size: int, steps: int | None) -> Images:
    """The images of so many steps, or all; a copy, since a view would be sent with all that it is a view of."""
    n = len(images) if steps is None else min(steps * batch_size, len(images))
    return Images(images.pixels[:n].copy(), images.max_value)


def drops(model: Any) -> bool:
    return any(isinstance(layer, Dropout) for layer in model.walk())


def without_dropout(model: Any) -> Any:
    """A copy of the model in which no number is dropped."""
    twin = copy.deepcopy(model)
    for layer in twin.walk():
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    return twin


def agreement(field: Field, inputs: Iterable[tuple[Array, Array]]) -> float:
    """The largest relative difference of a loss from that of the first contestant; DisagreementError above TOLERANCE.

    Changes the contestants: they have made their steps.
    """
    largest = 0.0
    for step, (x, eps) in enumerate(inputs, 1):
        values = {name: value for name, (value, _) in field.each("step", x, eps).items() if value is not None}
        first = next(iter(values), "")  # none if all have died: then there is nothing to compare
        for name in values:
            difference = float(np.abs(values[name] - values[first]).max() / np.abs(values[first]).max())
            if not difference <= TOLERANCE:  # also false for NaN
                raise DisagreementError(
                    f"in step {step} {first} and {name} differ by {difference:.2g} of the result: they do not compute "
                    "the same thing, so their times are not compared; mend the one that is wrong, or leave it out with "
                    "--peers"
                )
            largest = max(largest, difference)
    return largest


def hold(contest: Contest, rounds: int, environment: Mapping[str, str]) -> Race:
    """Checks that all contestants compute the same, times their turns, and then a step of some of them in parts."""
    task = contest.task
    with Field(contest.entries, environment) as field:
        field.each("make", replace(task, model=without_dropout(task.model)))
        disagreement = agreement(field, contest.inputs())
        if drops(task.model):
            field.each("make", task)
        numbers = range(rounds + 1)
        turns = [field.each("epoch", number, pause=PAUSE) for number in tqdm(numbers, contest.title, disable=None)]
        taken_apart = [field.each("parts", number, only=contest.in_parts, pause=PAUSE) for number in numbers]
        kernels = {name: text for name, (text, _) in field.each("describe").items()}
    times = {name: np.array([turn[name][1] / task.steps for turn in turns[1:]]) for name in kernels}
    apart = [name for name in contest.in_parts if name in kernels]
    parts = {name: np.median([turn[name][0] for turn in taken_apart[1:]], axis=0) for name in apart}
    return Race(contest.name, contest.title, task.steps, times, parts, kernels, field.skipped, disagreement)
