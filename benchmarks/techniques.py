"""What single decisions of the library bring, and what was tried and is not in it. One thread, processor time.

python -m benchmarks.techniques --rounds 30
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from threadpoolctl import threadpool_limits

from benchmarks.page import table
from benchmarks.results import quartiles
from scratchnn import BinaryCrossEntropy, Conv2D, Dense
from scratchnn.data import Images
from scratchnn.layers import convolution
from scratchnn.layers.activations import sigmoid
from scratchnn.machinery.images import Pair, batch_first
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli
from scratchnn.scripts.thesis import thesis_vae

BATCH, REPEATS = 100, 5

Pairs = Iterator[tuple[str, str, Callable[[], Any], Callable[[], Any]]]  # what, the ratio predicted, one and other


def columns_of_rows(x: Array, kernel: Pair, stride: Pair, windows: Pair) -> Array:
    """As `convolution.im2col`, for images in the order (C, N, H, W)."""
    C, N = x.shape[:2]
    cols = np.empty((C, *kernel, N, *windows), x.dtype)
    for u, v, (_, rows, columns) in convolution.pieces(kernel, stride, windows):
        cols[:, u, v] = x[:, :, rows, columns]
    return cols.reshape(C * kernel[0] * kernel[1], -1)


def columns_of_a_view(x: Array, kernel: Pair, stride: Pair, windows: Pair) -> Array:
    """As `convolution.im2col`, by a view of all windows and one copy of it."""
    view = sliding_window_view(x, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]  # (C, OH, OW, N, KH, KW)
    return view.transpose(0, 4, 5, 1, 2, 3).reshape(x.shape[0] * kernel[0] * kernel[1], -1)


def memory_of_images(rng: np.random.Generator) -> Pairs:
    for C, size, kernel, stride in ((1, 28, 3, 1), (16, 13, 3, 1), (16, 13, 4, 2)):
        x = rng.random((C, size, size, BATCH), np.float32)
        in_rows = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        geometry = (kernel, kernel), (stride, stride), ((size - kernel) // stride + 1,) * 2
        yield (
            f"columns of {C} × {size} × {size}, kernel {kernel}, stride {stride}: batch last / image rows last",
            "below 0.5",
            partial(convolution.im2col, x, *geometry),
            partial(columns_of_rows, in_rows, *geometry),
        )


def bands(rng: np.random.Generator) -> Pairs:
    layer = Conv2D(16, 32, 3, rng)
    for n in (BATCH, 10 * BATCH):
        x, dy = (batch_first(rng.random((*shape, n), np.float32)) for shape in ((16, 13, 13), (32, 11, 11)))

        def step(limit: int, x: Array = x, dy: Array = dy) -> None:
            before, convolution.COLUMNS_BYTES = convolution.COLUMNS_BYTES, limit
            layer.forward(x)
            layer.backward(dy)
            convolution.COLUMNS_BYTES = before

        bound = convolution.COLUMNS_BYTES
        yield (
            f"Conv2D(16, 32, 3) on {n} images of 13 × 13: columns in bands / all at once",
            "1" if n == BATCH else "below 1",
            partial(step, bound),
            partial(step, 2**40),
        )


def lowest_layer(rng: np.random.Generator) -> Pairs:
    vae = thesis_vae(784, 500, 20, rng)
    x, dy = rng.random((BATCH, 784), np.float32), rng.standard_normal((BATCH, 40), np.float32)

    def run(backward: Callable[[Array], Any]) -> None:
        vae.encoder.forward(x)
        backward(dy)

    sizes = [layer.W.size for layer in vae.encoder.walk() if isinstance(layer, Dense)]
    share = 1 - sizes[0] / (3 * sum(sizes))  # of the products, which are three a layer
    encoder = vae.encoder
    yield (
        "the thesis's encoder: write_gradients / backward",
        f"{share:.2f}",
        lambda: run(encoder.write_gradients),
        lambda: run(encoder.backward),
    )


class SigmoidAgain(BinaryCrossEntropy):
    """Backward as if forward had kept nothing but its inputs."""

    def backward(self, dloss: Array) -> Array:
        logits, target, _ = self.take_cache()
        return dloss[:, None] * (sigmoid(logits) - target)


def exponential(rng: np.random.Generator) -> Pairs:
    logits, target = rng.standard_normal((BATCH, 784), np.float32), rng.random((BATCH, 784), np.float32)
    dloss = np.full(BATCH, 1 / BATCH, np.float32)

    def step(loss: BinaryCrossEntropy) -> None:
        loss.forward(logits, target)
        loss.backward(dloss)

    kept, again = BinaryCrossEntropy(), SigmoidAgain()
    yield (
        "binary cross-entropy of 100 × 784: exponential kept / computed again", "0.7",
        lambda: step(kept), lambda: step(again),
    )  # fmt: skip


def tried(rng: np.random.Generator) -> Pairs:
    """What is not in the library: where the ratio is near 1, or below, the plainer code has stayed."""
    layer = Dense(500, 500, rng)
    x, dy = (rng.random((BATCH, 500), np.float32) for _ in range(2))
    y, dx = np.empty_like(x), np.empty_like(x)

    def plain() -> None:
        layer.forward(x)
        layer.backward(dy)

    def into_buffers() -> None:
        np.matmul(x, layer.W, out=y)
        np.add(y, layer.b, out=y)
        np.matmul(x.T, dy, out=layer.dW)
        np.sum(dy, axis=0, out=layer.db)
        np.matmul(dy, layer.W.T, out=dx)

    yield "Dense(500, 500), a step: results in new arrays / in arrays made once", "1", plain, into_buffers
    bytes_ = Images(rng.integers(0, 256, (55_000, 784), dtype=np.uint8), 255)
    floats, rows = bytes_[:], rng.permutation(55_000)[:BATCH]
    yield (
        "a batch: gathered as bytes and scaled / gathered from floats made once", "1",
        lambda: bytes_[rows], lambda: floats[rows],
    )  # fmt: skip
    images = rng.random((16, 13, 13, BATCH), np.float32)
    geometry = (3, 3), (1, 1), (11, 11)
    yield (
        "columns of 16 × 13 × 13, kernel 3: piece by piece / one copy of a sliding view",
        "1",
        lambda: convolution.im2col(images, *geometry),
        lambda: columns_of_a_view(images, *geometry),
    )


def duel(one: Callable[[], Any], other: Callable[[], Any], rounds: int) -> tuple[Array, Array]:
    """Processor time (rounds,) of both, which take turns; the first round is not counted."""
    times = []
    for _ in range(rounds + 1):
        for run in (one, other):
            began = time.process_time()
            for _ in range(REPEATS):
                run()
            times.append((time.process_time() - began) / REPEATS)
    return np.array(times[2::2]), np.array(times[3::2])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=cli.positive_int, default=30, help="turns of each (default: 30)")
    args = parser.parse_args(arguments)
    rng = np.random.default_rng(1)
    rows = []
    with threadpool_limits(1):
        for pairs in (memory_of_images, bands, lowest_layer, exponential, tried):
            for what, predicted, one, other in pairs(rng):
                here, there = duel(one, other, args.rounds)
                times = [f"{1e3 * np.median(seconds):.2f}" for seconds in (here, there)]
                rows.append([what, *times, quartiles(here / there), predicted])
    print(table(["as it is / otherwise", "(ms)", "(ms)", "ratio", "predicted"], rows))


if __name__ == "__main__":
    cli.run(main)
