"""scratchnn as a contestant, on one thread or on several; its step in parts; and the floor of a dense network."""

from __future__ import annotations

import contextlib
import copy
import io
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from scratchnn import Adam, Dense
from scratchnn.data import Images
from scratchnn.losses import batch_mean
from scratchnn.machinery.parameters import Array
from scratchnn.training import Trainer
from scratchnn.training.parallel import ParallelTrainer, gradient_of_part, parts_of

PARTS = ("data", "forward", "backward", "Adam")
PHASES = ("data", "forward and backward", "sum and Adam", "the rest")  # of a step on several threads


class Given:
    """In the place of a generator: the noise that all contestants are given, from its first row to its last."""

    def __init__(self, eps: Array) -> None:
        self.eps = eps

    def standard_normal(self, size: tuple[int, ...]) -> Array:
        rows, self.eps = np.split(self.eps, [size[0]])
        return rows


class Ours:
    """A copy of a model with its trainer; the threads are those of the matrix library, or ours if a number is given."""

    def __init__(self, model: Any, adam: Mapping[str, float], threads: int | None = None) -> None:
        self.model = copy.deepcopy(model)
        rng = np.random.default_rng(0)
        optimiser = Adam(self.model, **adam)
        self.trainer: Any = (
            Trainer(self.model, optimiser, rng)
            if threads is None
            else ParallelTrainer(self.model, optimiser, rng, threads=threads)
        )

    def step(self, x: Array, eps: Array) -> float:
        self.trainer.rng = Given(eps)
        loss: float = self.trainer.step(x)["loss"]
        return loss

    def epoch(self, images: Images, batch_size: int, seed: int) -> None:
        self.trainer.rng = np.random.default_rng(seed)
        with silence():
            self.trainer.fit(images, epochs=len(self.trainer.history) + 1, batch_size=batch_size)

    def step_in_parts(self, images: Images, rows: Array) -> dict[str, float]:
        """Seconds that each of PARTS takes in one step."""
        model, rng = self.model, np.random.default_rng(0)
        times = [time.perf_counter()]
        x = images[rows]
        times.append(time.perf_counter())
        terms = model.loss_terms(x, rng)
        _, dloss = batch_mean(np.sum(list(terms.values()), axis=0))
        times.append(time.perf_counter())
        model.backward(dloss)
        times.append(time.perf_counter())
        self.trainer.optimiser.step()
        times.append(time.perf_counter())
        return dict(zip(PARTS, np.diff(times), strict=True))

    def step_in_phases(self, images: Images, rows: Array) -> dict[str, float]:
        """Seconds of each of PHASES in a step of ParallelTrainer; the two in the middle last until all are done."""
        phases: list[float] = []
        everywhere = self.trainer.everywhere

        def timed(*work: Any) -> Any:
            began = time.perf_counter()
            results = everywhere(*work)
            phases.append(time.perf_counter() - began)
            return results

        self.trainer.everywhere = timed
        times = [time.perf_counter()]
        x = images[rows]
        times.append(time.perf_counter())
        self.trainer.step(x)
        times.append(time.perf_counter())
        self.trainer.everywhere = everywhere
        data, step = np.diff(times)
        return dict(zip(PHASES, (data, *phases, step - sum(phases)), strict=True))

    def first_part_alone(self, x: Array) -> Callable[[int], None]:
        """So many times forward and backward of the first thread's part of a batch; the others have nothing to do."""
        part, rng = x[parts_of(len(x), self.trainer.threads)[0]], np.random.default_rng(0)
        model = copy.deepcopy(self.model)  # whose layers draw for themselves, and not in turn with other parts

        def run(steps: int) -> None:
            for _ in range(steps):
                gradient_of_part(model, part, len(x), rng)

        return run


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keeps the bar and the line of an epoch away from the benchmark's own."""
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def products(model: Any, batch_size: int) -> Callable[[int], None]:
    """The matrix products of forward and backward of a dense network, on arrays of the right shapes: so many steps."""
    layers = [layer for layer in model.walk() if isinstance(layer, Dense)]
    xs = [np.ones((batch_size, layer.n_in), np.float32) for layer in layers]
    dys = [np.ones((batch_size, layer.n_out), np.float32) for layer in layers]
    dws = [np.empty_like(layer.W) for layer in layers]

    def run(steps: int) -> None:
        for _ in range(steps):
            for layer, x in zip(layers, xs, strict=True):
                x @ layer.W
            for layer, x, dy, dw in zip(layers, xs, dys, dws, strict=True):
                np.matmul(x.T, dy, out=dw)
                if layer is not layers[0]:
                    dy @ layer.W.T

    return run


def products_on_threads(model: Any, batch_size: int, threads: int) -> Callable[[int], None]:
    """The same products, a part of the batch on each thread and all at once."""
    runs = [products(model, rows.stop - rows.start) for rows in parts_of(batch_size, threads)]
    pool = ThreadPoolExecutor(threads)

    def run_all(steps: int) -> None:
        for part in [pool.submit(run, steps) for run in runs]:
            part.result()

    return run_all
