"""Steps of the dense autoencoder with 8 numbers (70,000 images, batches of 64) here and in the peers.

    python -m benchmarks.dense_epoch --rounds 5

It is the network of examples/dense_autoencoder.py: 784-256-128-64-8-64-128-784, ReLU behind every layer, pixels from 0
to 255.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.contest import Contest, Task, shortened
from benchmarks.contestants import everybody
from benchmarks.options import run_alone
from scratchnn import Autoencoder, MeanSquaredError, Sequential, data
from scratchnn.scripts.student_works import KERAS_EPS, keras_layers

BATCH, ADAM, STEPS = 64, {"lr": 5e-4, "eps": KERAS_EPS}, 150


def contests(args: argparse.Namespace) -> Iterator[Contest]:
    rng = np.random.default_rng(0)
    encoder, decoder = keras_layers([784, 256, 128, 64, 8], rng), keras_layers([8, 64, 128, 784], rng)
    model = Autoencoder(Sequential(encoder), Sequential(decoder), MeanSquaredError())
    images = shortened(data.load("mnist").train, BATCH, args.steps or STEPS)
    images = replace(images, max_value=1)  # the network is given the bytes
    yield Contest("dense", "The dense autoencoder", Task(model, images, BATCH, ADAM, args.threads), everybody(args))


if __name__ == "__main__":
    run_alone(__doc__ or "", contests)
