"""Steps of the convolutional autoencoder (Fashion-MNIST, 64 numbers, batches of 100) here and in the peers.

    python -m benchmarks.convolution --rounds 5

It is the network of examples/conv_autoencoder.py, with dropout as printed and without.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from benchmarks.contest import Contest, Task, shortened
from benchmarks.contestants import FAST, FUSED, NUMPY, everybody
from benchmarks.options import run_alone
from scratchnn import data
from scratchnn.scripts.student_works import conv_autoencoder, split_of_the_document

BATCH, N_CODE, ADAM, STEPS = 100, 64, {"lr": 1e-3, "eps": 1e-8}, 20
VARIANTS = {"no-dropout": "Convolutions without dropout", "as-printed": "Convolutions with dropout"}


def contests(args: argparse.Namespace) -> Iterator[Contest]:
    train = split_of_the_document(data.load("fashion-mnist")).train
    images = shortened(train, BATCH, args.steps or STEPS)
    for variant, title in VARIANTS.items():
        model = conv_autoencoder(variant, 28, N_CODE, np.random.default_rng(0))
        task = Task(model, images, BATCH, ADAM, args.threads)
        yield Contest(variant, title, task, everybody(args, convolutions=True), (NUMPY, FAST, FUSED))


if __name__ == "__main__":
    run_alone(__doc__ or "", contests)
