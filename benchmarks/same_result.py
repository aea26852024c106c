"""Whether the same training gives the same result on any number of threads, and the same bits when it is repeated.

    python -m benchmarks.same_result --steps 100

The thesis's VAE is trained on 1, 2 and 4 threads, however many cores there are, each number twice, from the same
weights with the same batches and noise. Held against one thread are the gradient of the first step and the losses.
"""

from __future__ import annotations

import argparse

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.options import run_alone
from benchmarks.ours import Ours
from benchmarks.peers import shortened
from benchmarks.results import Measured, Sameness
from scratchnn import data
from scratchnn.machinery.parameters import Array
from scratchnn.scripts.thesis import thesis_vae

THREADS, BATCH, N_Z, STEPS = (1, 2, 4), 100, 20, 200
ADAM = {"lr": 1e-3, "eps": 1e-8}


def measure(args: argparse.Namespace) -> list[Measured]:
    images = shortened(data.load("mnist").train, BATCH, args.steps or STEPS)
    model = thesis_vae(784, 500, N_Z, np.random.default_rng(0))

    def trained(threads: int) -> tuple[Array, Array, bytes]:
        """The gradient of a step; the losses of an epoch after it; the parameters at its end."""
        ours = Ours(model, ADAM, threads)
        ours.step(images[:BATCH], np.random.default_rng(1).standard_normal((BATCH, N_Z)).astype(np.float32))
        gradient = ours.model.grads.copy()
        ours.epoch(images, BATCH, seed=0)
        return gradient, np.array(ours.trainer.iteration_losses), ours.model.params.tobytes()

    runs = {}
    with threadpool_limits(1):
        for threads in tqdm(THREADS, desc="The same training", unit="number of threads", disable=None):
            runs[threads] = trained(threads), trained(threads)
    (gradient, losses, _), _ = runs[THREADS[0]]
    return [
        Sameness(
            f"The thesis's VAE, z = 20: the same {len(losses) + 1} steps on several threads",
            THREADS,
            [float(np.linalg.norm(run[0] - gradient) / np.linalg.norm(gradient)) for run, _ in runs.values()],
            [float(np.abs(run[1] / losses - 1).max()) for run, _ in runs.values()],
            [run[2] == again[2] for run, again in runs.values()],
        )
    ]


if __name__ == "__main__":
    run_alone(__doc__ or "", measure)
