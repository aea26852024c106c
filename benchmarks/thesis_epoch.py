"""One epoch of the thesis's VAE (MNIST, 784-500-500-20-500-500-784, batches of 100) here and in the peers.

python -m benchmarks.thesis_epoch --rounds 5
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from benchmarks.contest import Contest, Task, shortened
from benchmarks.contestants import FAST, FUSED, NUMPY, everybody
from benchmarks.options import run_alone
from scratchnn import data
from scratchnn.scripts.thesis import thesis_vae

N_Z, BATCH, ADAM = 20, 100, {"lr": 1e-3, "eps": 1e-8}


def contests(args: argparse.Namespace) -> Iterator[Contest]:
    model = thesis_vae(784, 500, N_Z, np.random.default_rng(0))
    images = shortened(data.load("mnist").train, BATCH, args.steps)  # by default a whole epoch
    task = Task(model, images, BATCH, ADAM, args.threads)
    yield Contest("thesis", "The thesis's VAE", task, everybody(args), (NUMPY, FAST, FUSED))


if __name__ == "__main__":
    run_alone(__doc__ or "", contests)
