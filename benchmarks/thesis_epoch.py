"""One epoch of the thesis's VAE (MNIST, 784-500-500-20-500-500-784, batches of 100) here and in the peers.

python -m benchmarks.thesis_epoch --rounds 5
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.options import run_alone
from benchmarks.parts import parts
from benchmarks.peers import race_epochs
from benchmarks.results import Measured
from scratchnn import data
from scratchnn.scripts.thesis import thesis_vae

N_Z, BATCH, ADAM = 20, 100, {"lr": 1e-3, "eps": 1e-8}


def measure(args: argparse.Namespace) -> list[Measured]:
    train = data.load("mnist").train
    model = thesis_vae(784, 500, N_Z, np.random.default_rng(0))
    title = "The thesis's VAE, z = 20"
    race = race_epochs("vae", title, model, train, args, adam=ADAM, batch_size=BATCH,
                       peers=("pytorch", "jax", "tensorflow"))  # fmt: skip
    return [race, *parts("vae", title, model, train, args, adam=ADAM, batch_size=BATCH)]


if __name__ == "__main__":
    run_alone(__doc__ or "", measure)
