"""Data parallelism: a batch is cut into parts, every part has a thread of its own, and the gradients are added up.

The loss of a batch is a mean over its examples, and the derivative of a sum is the sum of the derivatives. With the
rows 1 … N cut into R parts,

    ∂L/∂params = Σ_n (1/N) ∂loss_n/∂params = Σ_r [ Σ_(n in part r) (1/N) ∂loss_n/∂params ]

and nothing in a bracket needs anything of the other parts. Every part has a *replica* of the model. All of them read
the same `params`, of which there is one vector, and each writes `grads` and caches of its own. A step is

    1. every replica: forward and backward of its rows, with dloss = 1/N, N being the size of the whole batch
    2. every thread, for its share of the entries: add up the replicas' gradients, and let the optimiser step

and between the two, and after the second, all wait for one another. (`gradient_of_part` is all of 1; between
processes on different machines, step 2 is an Allreduce: examples/data_parallel.py.)

*What is the same.* The cut and the order of the sum are fixed, so the same number of threads gives the same bits. For
another number the sum over the rows is put together in another order, and the gradient of a step differs in its last
bits. Over a training Adam enlarges that: a gradient near 0 has a step of the full size, and its sign may be a matter of
rounding. Noise is the same: the parts draw in turn, each for its rows, what one thread would have drawn for the whole
batch at once (`InTurn`). What a layer draws with is found by what it is, a `np.random.Generator` that is one of its
attributes, whatever its name; a layer that keeps one where it cannot be replaced, in a list or in another object, is
refused.

*What is not.* `BatchNorm` normalises a part by the mean and variance of that part, not of the batch ("ghost batches",
Hoffer, Hubara, Soudry 2017): a replica knows its own rows alone. The running averages are the means of the replicas'
averages. Parts have at least two rows, without which there is no variance. And what a layer of your own counts in
forward is counted in its copies, and not in the model.

*What it has over the threads of the matrix library.* These divide single products, and an element-wise NumPy function
has one thread in any case. Here a thread has everything of its rows, but its products are smaller. Which of the two
wins depends on network and machine: `python -m benchmarks` measures both. The library gets one thread
during `fit`, and no more threads than cores are of use.
"""

from __future__ import annotations

import copy
import os
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from math import inf
from threading import Condition
from typing import Any

import numpy as np

from scratchnn.losses import batch_mean
from scratchnn.machinery.checks import expect_int, type_name
from scratchnn.machinery.parameters import Array
from scratchnn.optim import Optimiser
from scratchnn.training.loop import Trainable, Trainer, generators_of

Draw = Callable[[tuple[int, ...]], Array]  # by shape


def parts_of(n: int, parts: int) -> list[slice]:
    """Cuts n rows into at most `parts` pieces in a row, none empty, whose sizes differ by one at the most."""
    parts = min(n, parts)
    ends = [n * (part + 1) // parts for part in range(parts)]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def rows_of(batch: Any, rows: slice) -> Any:
    """The rows of a batch, which is an array (N, …), or a tuple or list of such."""
    if isinstance(batch, Mapping):
        raise TypeError(
            "several threads cut a batch by its rows, and a mapping has none: give an array, or a tuple of them"
        )
    return tuple(array[rows] for array in batch) if isinstance(batch, tuple | list) else batch[rows]


def gradient_of_part(model: Trainable, part: Any, n: int, rng: Any) -> dict[str, Array]:
    """Writes into `model.grads` what these rows add to the gradient of the mean over n rows; returns their terms."""
    terms = model.loss_terms(part, rng)
    _, dloss = batch_mean(np.sum(list(terms.values()), axis=0), n)
    model.backward(dloss)
    return terms


class Noise(ABC):
    """In the place of a generator: noise for some rows of a batch, the same that these rows have in the whole.

    A generator fills an array from its first row to its last, and the next call goes on where this one ended. So a
    part of the rows can have its noise in two ways: `RowsOfDraws` draws for all and keeps some, where each part has a
    generator of its own; `InTurn` draws for some, after the parts that have the rows before.
    """

    def __init__(self, rng: np.random.Generator, rows: slice) -> None:
        self.rng, self.size = rng, rows.stop - rows.start

    def standard_normal(self, size: Any = None, dtype: Any = np.float64) -> Array:
        return self.checked(lambda shape: self.rng.standard_normal(shape, dtype=dtype), size)

    def random(self, size: Any = None, dtype: Any = np.float64) -> Array:
        return self.checked(lambda shape: self.rng.random(shape, dtype=dtype), size)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(np.random.Generator, name):
            raise TypeError(
                f"a layer draws by {name}, and noise for a part of a batch is cut from standard_normal(size) and "
                "random(size): draw by these, or train on one thread"
            )
        raise AttributeError(name)

    def checked(self, draw: Draw, size: Any) -> Array:
        shape = () if size is None else tuple(map(int, np.atleast_1d(size)))  # as NumPy reads a size
        if shape[:1] != (self.size,):
            raise ValueError(f"noise is cut by rows: a part of {self.size} of them cannot have noise of shape {size}")
        return self.drawn(draw, shape)

    @abstractmethod
    def drawn(self, draw: Draw, size: tuple[int, ...]) -> Array:
        """What `draw` makes for these rows: an array of this size, (rows, …)."""


class RowsOfDraws(Noise):
    """Draws for all n rows, and returns these rows."""

    def __init__(self, rng: np.random.Generator, n: int, rows: slice) -> None:
        super().__init__(rng, rows)
        self.n, self.rows = n, rows

    def drawn(self, draw: Draw, size: tuple[int, ...]) -> Array:
        return draw((self.n, *size[1:]))[self.rows]


class Turns:
    """Whose turn it is: the parts of a batch are on threads of their own and share all generators."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.over: set[int] = set()  # parts that none of the others waits for
        self.made: dict[np.random.Generator, list[int]] = defaultdict(lambda: [0] * parts)  # draws of each part
        self.waiting: dict[int, np.random.Generator] = {}
        self.changed = Condition()

    def leave(self, part: int) -> None:
        """No other part has to wait for this one any more: it is done, or has failed, or was never begun."""
        with self.changed:
            self.over.add(part)
            self.changed.notify_all()

    def drawn(self, part: int, rng: np.random.Generator, draw: Callable[[], Array]) -> Array:
        """What a part draws from a generator, when it is its turn."""
        with self.changed:
            if part in self.over:
                raise RuntimeError("a part that has left the turns wants to draw: a replica is used outside of a step")
            self.waiting[part] = rng
            try:
                while not self.has_come(part, rng):
                    all_wait = len(self.waiting) + len(self.over) == self.parts
                    if all_wait and not any(self.has_come(*other) for other in self.waiting.items()):
                        raise RuntimeError(
                            "the parts of a batch wait for each other: a layer draws more often for some rows than "
                            "for others; have it draw for all rows at once, or train on one thread"
                        )
                    self.changed.wait()
            finally:
                del self.waiting[part]
        array = draw()  # others may draw from another generator meanwhile: the turn of this one does not change
        with self.changed:
            self.made[rng][part] += 1
            self.changed.notify_all()
        return array

    def has_come(self, part: int, rng: np.random.Generator) -> bool:
        """Whether all parts before have drawn once more than this one from the generator, and none after it less."""
        made = [inf if other in self.over else n for other, n in enumerate(self.made[rng])]
        return min(made[:part], default=inf) > made[part] == min(made[part:])


class InTurn(Noise):
    """Draws for these rows when it is their turn: all parts before have drawn as well, and all others once less."""

    def __init__(self, rng: np.random.Generator, rows: slice, turns: Turns, part: int) -> None:
        super().__init__(rng, rows)
        self.turns, self.part = turns, part

    def drawn(self, draw: Draw, size: tuple[int, ...]) -> Array:
        return self.turns.drawn(self.part, self.rng, lambda: draw(size))


def replica_of(model: Any, grads: Array) -> Any:
    """A copy of a model that reads its `params` and writes these `grads`; caches and averages are the copy's own.

    TypeError if something in it draws with a generator that cannot be replaced by a part's noise.
    """
    copies: dict[int, Any] = {}
    replica = copy.deepcopy(model, copies)
    found = {id(value) for value in copies.values() if isinstance(value, np.random.Generator | np.random.RandomState)}
    replaceable = {id(getattr(layer, name)) for layer in replica.walk() for name in generators_of(layer)}
    if not found <= replaceable:
        raise TypeError(
            "a layer keeps a generator of random numbers in a list or in another object, where the noise of a part of "
            "a batch cannot take its place: make it an attribute of the layer, a np.random.Generator, or use one thread"
        )
    replica.bind(model.params, grads)
    return replica


def settings_of(layer: Any) -> dict[str, Any]:
    """The numbers that a layer has, `training` among them, and copies of its arrays, by the name of the attribute."""
    found = {
        name: value for name, value in vars(layer).items() if isinstance(value, int | float | np.generic | np.ndarray)
    }
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in found.items()}


def differ(a: Any, b: Any) -> bool:
    """Whether two numbers differ, or two arrays."""
    return not np.array_equal(a, b) if isinstance(b, np.ndarray) else a != b


class ParallelTrainer(Trainer):
    """The epoch loop with a step on several threads, for every model that is a Module of this library."""

    def __init__(
        self,
        model: Any,
        optimiser: Optimiser,
        rng: np.random.Generator,
        settings: Mapping[str, Any] | None = None,
        *,
        threads: int,
    ) -> None:
        if type(optimiser).step is not Optimiser.step:
            raise TypeError(
                f"{type(optimiser).__name__} has a step of its own, and several threads share a step block by block: "
                "override begin and update in its place, or train on one thread"
            )
        if not hasattr(model, "walk"):
            raise TypeError(
                f"several threads train a Module of this library, which they can copy, got {type_name(model)}: make it "
                "one, or train on one thread"
            )
        threads = expect_int("ParallelTrainer", "threads", threads)
        # how many threads there are shows in the last bits of all that comes out
        super().__init__(model, optimiser, rng, {**(settings or {}), "threads": threads}, blas_threads=1)
        self.threads = threads
        # those of optim.py look at no gradient in `begin`; another may look at all of it, for its norm
        self.sums_first = type(optimiser).begin.__module__ != Optimiser.__module__
        # the first has the model's own gradients, to which those of the others are added
        others = [np.zeros_like(model.grads) for _ in range(threads - 1)]
        self.replicas = [replica_of(model, grads) for grads in (model.grads, *others)]
        self.process = -1  # the one that the threads belong to
        # every layer of the model, and its copies; every average, and its copies
        self.layers = list(zip(*(made.walk() for made in (model, *self.replicas)), strict=True))
        self.settings_seen = [settings_of(layer) for layer, *_ in self.layers]  # which the copies have as well
        self.averages = list(zip(*(made.buffers.values() for made in (model, *self.replicas)), strict=True))

    def step(self, batch: Any) -> dict[str, float]:
        """One step of training, made by other threads than this one.

        An interrupt comes to the main thread, in any line of it. There it finds one call that waits, and no part of a
        step, for which others would wait in vain; what has been begun is finished before the interrupt goes on.
        """
        if self.process != os.getpid():  # the first step, or the first in a child of the process: it has no threads
            self.conductor, self.pool = ThreadPoolExecutor(1), ThreadPoolExecutor(max(1, self.threads - 1))
            self.process = os.getpid()
        try:
            return self.conductor.submit(self.whole_step, batch).result()
        except BaseException:
            self.conductor.submit(int).result()  # it does one thing after the other: when this is done, so is the step
            raise

    @np.errstate(over="ignore", invalid="ignore")  # as in `fit`; NumPy's settings are those of a thread
    def whole_step(self, batch: Any) -> dict[str, float]:
        n = len(batch[0]) if isinstance(batch, tuple | list) else len(batch)
        parts = parts_of(n, min(self.threads, max(1, n // 2)))  # two rows at the least: BatchNorm
        replicas = self.replicas[: len(parts)]
        turns = Turns(len(parts))
        before, self.settings_seen = self.settings_seen, [settings_of(layer) for layer, *_ in self.layers]
        changed = [  # a rate may have been changed in the meantime, or a part frozen
            {name: value for name, value in now.items() if name not in was or differ(was[name], value)}
            for was, now in zip(before, self.settings_seen, strict=True)
        ]
        for (_, *copies), values in zip(self.layers, changed, strict=True):
            for copied in copies:  # also those that a smaller batch does not use
                vars(copied).update(copy.deepcopy(values))

        def gradient(r: int) -> dict[str, Array]:
            for layer, *copies in self.layers:
                for name, rng in generators_of(layer).items():
                    setattr(copies[r], name, InTurn(rng, parts[r], turns, r))
            for average, *copies in self.averages:
                copies[r][...] = average
            return gradient_of_part(replicas[r], rows_of(batch, parts[r]), n, InTurn(self.rng, parts[r], turns, r))

        terms_of_parts = self.everywhere(gradient, len(parts), turns)
        for average, *copies in self.averages:
            average[...] = np.mean(copies[: len(parts)], axis=0)

        grads = self.model.grads
        shares = parts_of(len(grads), self.threads)

        def add(block: slice) -> None:
            for replica in replicas[1:]:  # the first has written into `grads`
                grads[block] += replica.grads[block]

        def add_all(r: int) -> None:
            for block in self.optimiser.blocks(shares[r]):
                add(block)

        def update(r: int) -> None:
            for block in self.optimiser.blocks(shares[r]):
                if not self.sums_first:
                    add(block)  # and the block is still in the cache
                self.optimiser.update(block)

        if self.sums_first:
            self.everywhere(add_all, len(shares))
        self.optimiser.begin()
        self.everywhere(update, len(shares))
        terms = {name: np.concatenate([part[name] for part in terms_of_parts]) for name in terms_of_parts[0]}
        loss, _ = batch_mean(np.sum(list(terms.values()), axis=0))
        return {"loss": loss, **{name: float(values.mean()) for name, values in terms.items()}}

    def everywhere(self, work: Callable[[int], Any], n: int, turns: Turns | None = None) -> list[Any]:
        """work(0) … work(n − 1), the first here and each of the others on a thread; returns what they return.

        A part leaves the turns when it is over, however it ends.
        """

        def without_warnings(r: int) -> Any:
            # a loss that overflows is reported in `fit`, by name and place
            with np.errstate(over="ignore", invalid="ignore"):
                return work(r)

        def leave(r: int, _: object = None) -> None:
            if turns:
                turns.leave(r)

        running: list[Future[Any]] = []
        try:
            for r in range(1, n):
                running.append(self.pool.submit(without_warnings, r))
                running[-1].add_done_callback(partial(leave, r))
            first = without_warnings(0)
        finally:
            for r in (0, *range(1 + len(running), n)):  # those that could not be begun as well
                leave(r)
            wait(running)  # for all, even if one has failed: the others still write
        return [first, *(part.result() for part in running)]
