"""scratchnn as a contestant: what its scripts make of --threads, NumPy alone or with compiled loops; and the floor.

The variable SCRATCHNN_LOOPS of its environment says which of the two: 1 or 0.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from benchmarks.contest import PARTS, STEPS_IN_PARTS, Task, order
from scratchnn import Adam, Dense, compiled
from scratchnn.losses import batch_mean
from scratchnn.machinery.parameters import Array
from scratchnn.training import blas, runs
from scratchnn.training.parallel import parts_of


class Given:
    """In the place of a generator: the noise that all contestants are given, from its first row to its last."""

    def __init__(self, eps: Array) -> None:
        self.eps = eps

    def standard_normal(self, size: tuple[int, ...], dtype: Any = np.float64) -> Array:
        rows, self.eps = np.split(self.eps, [size[0]])
        return rows


def describe() -> str:
    """NumPy's matrix library and its kernel; the loops, where they are in use."""
    if os.environ.get(compiled.VARIABLE) == "1" and not compiled.in_use:
        raise SystemExit("Numba is not installed, or of no use here")
    libraries = [
        f"{pool['internal_api']} {pool['version']}, kernel {pool.get('architecture', 'unknown')}"
        for pool in threadpool_info()
        if pool["user_api"] == "blas" and "numpy" in pool["filepath"]  # SciPy, which Numba loads, has another
    ]
    return f"NumPy {np.__version__} with {'; '.join(libraries) or 'an unknown matrix library'}"


class Ours:
    """A model with the trainer that the scripts make, who let it keep freed memory, and choose its matrix threads."""

    def __init__(self, task: Task, threads: int = 1) -> None:
        describe()
        for name in blas.VARIABLES:  # NumPy has read them; where one is set, the scripts choose nothing
            os.environ.pop(name, None)
        self.task, self.model = task, task.model
        optimiser, rng = Adam(self.model, **task.adam), np.random.default_rng(0)
        self.trainer = runs.trainer(threads, self.model, optimiser, rng, {}, batch_size=task.batch_size)

    def describe(self) -> str:
        return describe()

    def step(self, x: Array, eps: Array) -> float:
        self.trainer.rng = Given(eps)  # type: ignore[assignment]
        return self.trainer.step(x)["loss"]

    def epoch(self, seed: int) -> None:
        self.trainer.rng = np.random.default_rng(seed)
        with silence():
            epochs = len(self.trainer.history) + 1
            self.trainer.fit(self.task.images, epochs=epochs, batch_size=self.task.batch_size)

    def parts(self, seed: int) -> list[float]:
        """Seconds that each of PARTS takes in a step, at the median."""
        model, images, n, rng = self.model, self.task.images, self.task.batch_size, np.random.default_rng(seed)
        rows, times = order(len(images), seed), []
        for start in range(0, min(STEPS_IN_PARTS * n, len(rows)), n):
            took = [time.perf_counter()]
            x = images[rows[start : start + n]]
            took.append(time.perf_counter())
            terms = model.loss_terms(x, rng)
            _, dloss = batch_mean(np.sum(list(terms.values()), axis=0))
            took.append(time.perf_counter())
            model.backward(dloss)
            took.append(time.perf_counter())
            self.trainer.optimiser.step()
            took.append(time.perf_counter())
            times.append(np.diff(took))
        assert len(times[0]) == len(PARTS)
        return [float(median) for median in np.median(times, axis=0)]


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keeps the bar and the line of an epoch out of the time."""
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


class Products:
    """The floor: the matrix products of forward and backward of a dense network, on arrays of the right shapes."""

    def __init__(self, task: Task) -> None:
        self.layers = [layer for layer in task.model.walk() if isinstance(layer, Dense)]
        self.steps = task.steps
        self.xs = [np.ones((task.batch_size, layer.n_in), np.float32) for layer in self.layers]
        self.dys = [np.ones((task.batch_size, layer.n_out), np.float32) for layer in self.layers]

    def describe(self) -> str:
        return describe()

    def step(self, x: Array, eps: Array) -> None:
        for layer, x in zip(self.layers, self.xs, strict=True):
            x @ layer.W
        for layer, x, dy in zip(self.layers, self.xs, self.dys, strict=True):
            np.matmul(x.T, dy, out=layer.dW)
            if layer is not self.layers[0]:
                dy @ layer.W.T

    def epoch(self, seed: int) -> None:
        for _ in range(self.steps):
            self.step(self.xs[0], self.xs[0])


class AdamAlone:
    """The optimiser's step on a vector of gradients, on one thread or shared out to some, as `ParallelTrainer` does."""

    def __init__(self, task: Task) -> None:
        describe()
        self.model, self.optimiser = task.model, Adam(task.model, **task.adam)
        self.start, self.steps = self.model.params.copy(), task.steps
        self.pool, self.shares = ThreadPoolExecutor(task.threads), parts_of(len(self.start), task.threads)

    def describe(self) -> str:
        return describe()

    def share(self, entries: slice) -> None:
        for block in self.optimiser.blocks(entries):
            self.optimiser.update(block)

    def one(self) -> None:
        if len(self.shares) == 1:
            self.optimiser.step()
        else:
            self.optimiser.begin()
            list(self.pool.map(self.share, self.shares))

    def step(self, x: Array, eps: Array) -> Array:
        self.model.grads[...] = x
        self.one()
        return self.model.params - self.start

    def epoch(self, seed: int) -> None:
        for _ in range(self.steps):
            self.one()
