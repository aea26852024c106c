"""One epoch of the dense autoencoder with 8 numbers (70,000 images, batches of 64) here and in the peers.

    python -m benchmarks.dense_epoch --rounds 5

It is the network of examples/dense_autoencoder.py: 784-256-128-64-8-64-128-784, ReLU behind every layer, pixels from 0
to 255. Keras is what the document used.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks.options import run_alone
from benchmarks.parts import parts
from benchmarks.peers import PEERS, race_epochs
from benchmarks.results import Measured
from scratchnn import data
from scratchnn.scripts.student_works import KERAS_EPS

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from dense_autoencoder import BATCH_SIZES, LEARNING_RATES, all_images, autoencoder

N_CODE = 8
ADAM = {"lr": LEARNING_RATES[N_CODE], "eps": KERAS_EPS}


def measure(args: argparse.Namespace) -> list[Measured]:
    train = all_images(data.load("mnist"))
    model = autoencoder(N_CODE, "relu", 784, np.random.default_rng(0))
    title, batch_size = "The dense autoencoder, 8 numbers", BATCH_SIZES[N_CODE]
    race = race_epochs("dense", title, model, train, args, adam=ADAM, batch_size=batch_size, peers=PEERS)
    return [race, *parts("dense", title, model, train, args, adam=ADAM, batch_size=batch_size)]


if __name__ == "__main__":
    run_alone(__doc__ or "", measure)
