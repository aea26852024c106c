"""How time and memory grow: one quantity at a time is varied around the thesis's VAE and the convolutional autoencoder.

    python -m benchmarks.growth --rounds 5

Time: a step of training, or an epoch where the number of images is varied. All sizes take turns. Memory: the most that
was held at a time in the model, its optimiser and a step, as Python and NumPy asked for it (tracemalloc); what the
matrix library keeps for itself is not in it. The images are noise, which takes as long as digits.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.contest import PAUSE, race
from benchmarks.options import run_alone
from benchmarks.ours import Ours
from benchmarks.results import Growth, Measured
from scratchnn import VAE, Bernoulli, Dense, ReLU, Sequential
from scratchnn.data import Images
from scratchnn.layers import Layer
from scratchnn.machinery.parameters import Array
from scratchnn.scripts.student_works import conv_autoencoder

ADAM = {"lr": 1e-3, "eps": 1e-8}
STEPS, BATCH, N_Z, WIDTH, DEPTH, N_CODE, N_IMAGES = 10, 100, 20, 500, 2, 64, 55_000
BATCHES, WIDTHS, DEPTHS = (25, 50, 100, 200, 400), (125, 250, 500, 1000), (1, 2, 3, 4)
LATENTS, CODES, THREADS, SHARES = (2, 20, 50, 100, 200), (16, 64, 128, 256), (1, 2, 4), (1, 2, 4, 8)

Makers = Mapping[float, Callable[[], Callable[[], object]]]  # by size: what makes the model, and what runs it


def vae(width: int = WIDTH, depth: int = DEPTH, n_z: int = N_Z) -> VAE:
    """The thesis's network with other sizes; `depth` counts the hidden layers of each side."""
    rng = np.random.default_rng(0)

    def hidden(n_in: int) -> list[Layer]:
        layers: list[Layer] = []
        for number in range(depth):
            layers += [Dense(width if number else n_in, width, rng), ReLU()]
        return layers

    encoder = [*hidden(784), Dense(width, 2 * n_z, rng)]
    return VAE(Sequential(encoder), Sequential([*hidden(n_z), Dense(width, 784, rng)]), Bernoulli(), n_z)


def conv(n_code: int = N_CODE) -> Any:
    return conv_autoencoder("no-dropout", 28, n_code, np.random.default_rng(0))


def noise(n: int) -> Images:
    return Images(np.random.default_rng(0).integers(0, 256, (n, 784), dtype=np.uint8), 255)


def step_of(model: Any, batch_size: int = BATCH, threads: int | None = None) -> Callable[[], object]:
    """One step of training, on a batch that is already there."""
    trainer, x = Ours(model, ADAM, threads).trainer, noise(batch_size)[:]
    return lambda: trainer.step(x)


def epoch_of(n: int) -> Callable[[], object]:
    ours, images = Ours(vae(), ADAM), noise(n)
    return lambda: ours.epoch(images, min(BATCH, n), 0)


def peak(make: Callable[[], Callable[[], object]]) -> int:
    """Bytes that are held at most while what was made runs; what making it took in passing does not count."""
    tracemalloc.start()
    try:
        run = make()
        tracemalloc.reset_peak()
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def growth(
    title: str,
    quantity: str,
    makers: Makers,
    rounds: int,
    repeats: int = STEPS,
    linear: bool = True,
) -> Growth:
    """Times and memory of what the makers make, by size; a time is the mean over `repeats` runs."""
    memory = np.array([peak(make) for make in makers.values()])

    def turn(run: Callable[[], object]) -> Callable[[int], object]:
        return lambda number: [run() for _ in range(repeats)]

    runs = {str(size): turn(make()) for size, make in makers.items()}
    times: dict[str, Array] = race(runs, rounds, f"{title}, {quantity}", pause=PAUSE)
    return Growth(title, quantity, list(makers), np.stack(list(times.values())) / repeats, memory, linear)


def measure(args: argparse.Namespace) -> list[Measured]:
    rounds, the_vae, the_conv = args.rounds, "VAE, a step", "Convolutional autoencoder, a step"
    n_images = N_IMAGES if args.steps is None else min(N_IMAGES, 8 * args.steps * BATCH)

    def by_parameters(models: list[Any]) -> Makers:
        return {model.params.size: partial(step_of, model) for model in models}

    with threadpool_limits(args.threads):
        measured: list[Measured] = [
            growth(the_vae, "images in a batch", {n: partial(step_of, vae(), n) for n in BATCHES}, rounds),
            growth(
                the_vae, f"parameters (width {', '.join(map(str, WIDTHS))})",
                by_parameters([vae(width=width) for width in WIDTHS]), rounds,
            ),
            growth(
                the_vae, f"parameters (hidden layers {', '.join(map(str, DEPTHS))} a side)",
                by_parameters([vae(depth=depth) for depth in DEPTHS]), rounds,
            ),
            growth(the_vae, "latent dimensions", {n: partial(step_of, vae(n_z=n)) for n in LATENTS}, rounds),
            growth(the_conv, "images in a batch", {n: partial(step_of, conv(), n) for n in BATCHES}, rounds),
            growth(the_conv, "numbers in the code", {n: partial(step_of, conv(n)) for n in CODES}, rounds),
            growth(
                "VAE, an epoch", "images",
                {n_images // share: partial(epoch_of, n_images // share) for share in reversed(SHARES)}, rounds, 1,
            ),
        ]  # fmt: skip
    with threadpool_limits(1):
        by_threads: Makers = {n: partial(step_of, vae(), threads=n) for n in THREADS}
        measured.append(growth(the_vae, "threads of ParallelTrainer", by_threads, rounds, linear=False))
    measured.append(threads_of_the_library(rounds))
    return measured


def threads_of_the_library(rounds: int) -> Growth:
    """The same training by `Trainer`, the matrix library dividing each product among its threads."""
    run = step_of(vae())

    def turn(threads: int) -> Callable[[int], object]:
        def steps(number: int) -> None:
            with threadpool_limits(threads):
                for _ in range(STEPS):
                    run()

        return steps

    quantity = "threads of the matrix library"
    times = race({str(n): turn(n) for n in THREADS}, rounds, f"VAE, {quantity}", pause=PAUSE)
    return Growth("VAE, a step", quantity, THREADS, np.stack(list(times.values())) / STEPS, linear=False)


if __name__ == "__main__":
    run_alone(__doc__ or "", measure)
