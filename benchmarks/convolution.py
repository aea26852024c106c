"""One epoch of the convolutional autoencoder (Fashion-MNIST, 64 numbers, batches of 100) here and in the peers.

    python -m benchmarks.convolution --rounds 5

It is the network of examples/conv_autoencoder.py, with dropout as printed and without. Then each of its layers, forward
and backward, against PyTorch's on one thread, by processor time, after a check that both return the same numbers:
the result, and the gradients of input and parameters.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import contest
from benchmarks.options import run_alone
from benchmarks.parts import parts
from benchmarks.peers import OURS, peers_at_hand, race_epochs
from benchmarks.results import Duels, Measured
from scratchnn import MaxPool2D, data
from scratchnn.layers import Layer
from scratchnn.machinery.parameters import Array
from scratchnn.scripts.student_works import conv_autoencoder, split_of_the_document

BATCH, N_CODE, ADAM = 100, 64, {"lr": 1e-3, "eps": 1e-8}
PEERS = ("pytorch", "jax", "tensorflow")
VARIANTS = {"no-dropout": "without dropout", "as-printed": "with dropout as printed"}


def layer_by_layer(args: argparse.Namespace, rng: np.random.Generator) -> Duels:
    """Every layer that learns or pools, on inputs as they lie in memory inside the network."""
    (module,) = peers_at_hand(["pytorch"], 1)[0].values()
    model = conv_autoencoder("no-dropout", 28, N_CODE, rng)
    rows = {}
    with threadpool_limits(1):
        x: Array = rng.random((BATCH, 784), np.float32)
        for layer in (*leaves(model.encoder), *leaves(model.decoder)):
            y = layer.forward(x)
            if layer.params.size or isinstance(layer, MaxPool2D):
                dy: Array = np.asarray(rng.standard_normal(y.shape, np.float32))
                lowest = x.shape[1:] == (1, 28, 28)
                rows[repr(layer)] = duel(module, copy.deepcopy(layer), x, dy, not lowest, args.rounds)
            x = y
    module.use_threads(args.threads)
    return Duels("layers", "Layers of the convolutional autoencoder, forward and backward", OURS, "PyTorch", rows,
                 f"Batches of {BATCH}, one thread, processor time.")  # fmt: skip


def leaves(network: Layer) -> list[Layer]:
    """The layers of a network that are made of no others, in their order."""
    return [layer for layer in network.walk() if not layer.parts]


def duel(module: Any, layer: Layer, x: Array, dy: Array, need_dx: bool, rounds: int) -> tuple[Array, Array]:
    """Times of ours and PyTorch's, after a check of all results; x and dy lie in memory as either would have them."""
    there = module.layer_stepper(layer, x, dy, need_dx)
    like_y = np.empty_like(layer.forward(x))
    like_y[...] = dy
    backward: Callable[[Array], Any] = layer.backward if need_dx or not layer.params.size else layer.write_gradients

    def here() -> list[Any]:
        return [layer.forward(x), backward(like_y), *layer.gradients.values()]

    for what, mine, other in zip(("y", "dx", *layer.gradients), here(), there(), strict=True):
        if mine is None:
            continue
        if not np.linalg.norm(mine - np.asarray(other)) <= contest.TOLERANCE * np.linalg.norm(mine):  # also for NaN
            raise contest.DisagreementError(f"{layer!r} and its twin in PyTorch have another {what}")
    runs = {"here": lambda number: here(), "there": lambda number: there()}
    times = contest.race(runs, rounds, repr(layer), time.process_time)
    return times["here"], times["there"]


def measure(args: argparse.Namespace) -> list[Measured]:
    train = split_of_the_document(data.load("fashion-mnist")).train
    measured: list[Measured] = []
    for variant, how in VARIANTS.items():
        title = f"The convolutional autoencoder, 64 numbers, {how}"
        model = conv_autoencoder(variant, 28, N_CODE, np.random.default_rng(0))
        race = race_epochs(variant, title, model, train, args, adam=ADAM, batch_size=BATCH, peers=PEERS)
        measured += [race, *parts(variant, title, model, train, args, adam=ADAM, batch_size=BATCH)]
    if peers_at_hand([peer for peer in ("pytorch",) if peer in args.peers], args.threads)[0]:
        measured.append(layer_by_layer(args, np.random.default_rng(0)))
    return measured


if __name__ == "__main__":
    run_alone(__doc__ or "", measure)
