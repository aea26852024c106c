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
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from scratchnn import Dropout
from scratchnn.data import Images
from scratchnn.machinery.parameters import Array

SAME_STEPS, TOLERANCE = 20, 1e-3
PAUSE = 0.2  # seconds


class DisagreementError(Exception):
    """Contestants that do not compute the same thing. The message says who, and where."""


class Contestant(Protocol):
    """A network in training, in some framework."""

    def step(self, x: Array, eps: Array) -> float:
        """One step on the batch x (N, D), floats, with the noise eps (N, n_z); returns the loss before it."""

    def epoch(self, images: Images, batch_size: int, seed: int) -> None:
        """One epoch in the order of `seed`, with noise of its own."""


def race(
    contestants: Mapping[str, Callable[[int], Any]],
    rounds: int,
    what: str,
    clock: Callable[[], float] = time.perf_counter,
    pause: float = 0.0,
) -> dict[str, Array]:
    """Seconds (rounds,) of each contestant; all take turns, and each is told the number of the round."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    with tqdm(total=(rounds + 1) * len(contestants), desc=what, unit="turn", disable=None) as bar:
        for number in range(rounds + 1):
            for name, run in contestants.items():
                time.sleep(pause)
                began = clock()
                run(number)
                times[name].append(clock() - began)
                bar.update()
    return {name: np.array(values[1:]) for name, values in times.items()}


def order(n: int, seed: int) -> Array:
    """The order of n images in an epoch: `Trainer.fit` draws it first, from the generator of this seed."""
    return np.random.default_rng(seed).permutation(n)


def without_dropout(model: Any) -> Any:
    """A copy of the model in which no number is dropped."""
    twin = copy.deepcopy(model)
    for layer in twin.walk():
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    return twin


def same_losses(contestants: Mapping[str, Contestant], images: Images, batch_size: int, n_z: int) -> float:
    """The largest relative difference of a loss from that of the first contestant; DisagreementError above TOLERANCE.

    Changes the contestants: they have made their steps.
    """
    first, *others = contestants
    largest = 0.0
    for step in range(min(SAME_STEPS, len(images) // batch_size)):
        x = images[step * batch_size : (step + 1) * batch_size]
        eps = np.random.default_rng(step).standard_normal((batch_size, n_z)).astype(np.float32)
        losses = {name: contestant.step(x, eps) for name, contestant in contestants.items()}
        for name in others:
            difference = abs(losses[name] - losses[first]) / abs(losses[first])
            if not difference <= TOLERANCE:  # also false for NaN
                raise DisagreementError(
                    f"in step {step + 1} {first} has the loss {losses[first]:.6g} and {name} {losses[name]:.6g}: they "
                    "do not compute the same thing, so their times are not compared; mend the one that is wrong, or "
                    "leave it out with --peers"
                )
            largest = max(largest, difference)
    return largest
