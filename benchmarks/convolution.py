"""The convolutional layers here and in PyTorch, one thread each, in a convolutional autoencoder with a batch of 100.

    python -m benchmarks.convolution --rounds 30

First forward and backward of single layers and of the whole network (28 × 28 pixels → 64 numbers → 28 × 28, without
Dropout) against PyTorch, after a check that both return the same numbers. Then what two decisions of the library bring:
images in memory with the batch running fastest, and columns made a band at a time. The two contestants of a row take
turns, since a machine's speed drifts; the times are those of the processor.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from scratchnn import Conv2D, ConvTranspose2D, Dense, Flatten, MaxPool2D, ReLU, Reshape, Sequential, Sigmoid
from scratchnn.layers import Layer, convolution
from scratchnn.layers.shape import Pair, batch_first
from scratchnn.parameters import Array

BATCH, ROUNDS = 100, 30


def network(rng: np.random.Generator) -> Sequential:
    """Two convolutions, each with a pool, a code of 64 numbers, two transposed convolutions."""
    encoder = [Conv2D(1, 16, 3, rng), ReLU(), MaxPool2D(2), Conv2D(16, 32, 3, rng), ReLU(), MaxPool2D(2)]
    code = [Flatten(), Dense(800, 64, rng), ReLU(), Dense(64, 800, rng), ReLU(), Reshape((32, 5, 5))]
    decoder = [
        ConvTranspose2D(32, 16, 4, rng, stride=2, output_padding=1),
        ReLU(),
        ConvTranspose2D(16, 1, 3, rng, stride=2, output_padding=1),
        Sigmoid(),
    ]
    return Sequential([*encoder, *code, *decoder])


def in_torch(layer: Any) -> nn.Module:
    """The same layer in PyTorch, with the same weights."""
    if isinstance(layer, Sequential):
        return nn.Sequential(*map(in_torch, layer.layers))
    make: dict[type, Callable[[], nn.Module]] = {
        Conv2D: lambda: nn.Conv2d(layer.c_in, layer.c_out, layer.kernel),
        ConvTranspose2D: lambda: nn.ConvTranspose2d(
            layer.c_in, layer.c_out, layer.kernel, layer.stride, output_padding=layer.output_padding
        ),
        Dense: lambda: nn.Linear(layer.n_in, layer.n_out),
        MaxPool2D: lambda: nn.MaxPool2d(layer.size),
        Reshape: lambda: nn.Unflatten(1, layer.shape),
        ReLU: nn.ReLU,
        Flatten: nn.Flatten,
        Sigmoid: nn.Sigmoid,
    }
    twin = make[type(layer)]()
    with torch.no_grad():
        for name, array in layer.parameters.items():
            parameter = getattr(twin, {"W": "weight", "b": "bias"}[name])
            parameter.copy_(torch.from_numpy(array.T if isinstance(layer, Dense) else array))
    return twin


def contest(contestants: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Array]:
    """Milliseconds of processor time (rounds,) of each, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for contestant in contestants.values():
        contestant()
    for _ in range(rounds):
        for name, contestant in contestants.items():
            began = time.process_time()
            contestant()
            times[name].append(1e3 * (time.process_time() - began))
    return {name: np.array(values) for name, values in times.items()}


def row(label: str, one: Array, other: Array) -> None:
    low, middle, high = np.percentile(one / other, [10, 50, 90])
    print(f"{label:58} {np.median(one):9.2f} {np.median(other):9.2f}   {middle:.2f} ({low:.2f}–{high:.2f})")


def head(label: str, one: str, other: str) -> None:
    print(f"\n{label:58} {one:>9} {other:>9}   ratio (median, 10–90%)")


def against_pytorch(rounds: int, rng: np.random.Generator) -> None:
    head("forward + backward, ms", "here", "PyTorch")
    whole = network(rng)
    x: Array = rng.random((BATCH, 1, 28, 28), np.float32)
    for layer in whole.layers:
        y = layer.forward(x)
        if layer.params.size or isinstance(layer, MaxPool2D):
            compare(repr(layer), copy.deepcopy(layer), x, rng.standard_normal(y.shape, np.float32), rounds)
        x = y
    x = rng.random((BATCH, 1, 28, 28), np.float32)
    compare("the whole network", whole, x, rng.standard_normal(x.shape, np.float32), rounds)


def compare(label: str, layer: Layer, x: Array, dy: Array, rounds: int) -> None:
    """One row, after a check of y and dx; x and dy lie in memory as either library would have them."""
    need_dx = x.shape[1] > 1
    twin = in_torch(layer)
    own_x = torch.from_numpy(np.ascontiguousarray(x)).requires_grad_(need_dx)
    own_dy = torch.from_numpy(dy)
    y = layer.forward(x)
    like_y = np.empty_like(y)
    like_y[...] = dy
    option = {} if need_dx or not layer.params.size else {"need_dx": False}

    def here() -> Any:
        return layer.forward(x), layer.backward(like_y, **option)

    def there() -> Any:
        twin.zero_grad()
        own_x.grad = None
        result = twin(own_x)
        result.backward(own_dy)
        return result.detach().numpy(), own_x.grad

    for mine, other in zip(here(), there(), strict=True):
        if mine is not None:
            np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4)
    times = contest({"here": here, "there": there}, rounds)
    row(label, times["here"], times["there"])


def columns_of_rows(x: Array, kernel: Pair, stride: Pair, windows: Pair) -> Array:
    """As `convolution.columns`, for images in the order (C, N, H, W)."""
    C, N = x.shape[:2]
    cols = np.empty((C, *kernel, N, *windows), x.dtype)
    for u, v, (_, rows, columns) in convolution.pieces(kernel, stride, windows):
        cols[:, u, v] = x[:, :, rows, columns]
    return cols.reshape(C * kernel[0] * kernel[1], -1)


def memory(rounds: int, rng: np.random.Generator) -> None:
    head("columns of 100 images, ms", "C,H,W,N", "C,N,H,W")
    for C, size, kernel, stride in ((1, 28, 3, 1), (16, 13, 3, 1), (16, 13, 4, 2)):
        x = rng.random((C, size, size, BATCH), np.float32)
        in_rows = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        geometry = (kernel, kernel), (stride, stride), ((size - kernel) // stride + 1,) * 2
        times = contest(
            {
                "last": partial(convolution.columns, x, *geometry),
                "rows": partial(columns_of_rows, in_rows, *geometry),
            },
            rounds,
        )
        row(f"{C} × {size} × {size}, kernel {kernel}, stride {stride}", times["last"], times["rows"])

    head("Conv2D(16, 32, 3), forward + backward, ms", "in bands", "at once")
    bound = convolution.COLUMNS_BYTES
    layer = Conv2D(16, 32, 3, rng)
    for n in (BATCH, 10 * BATCH):
        x, dy = (batch_first(rng.random((*shape, n), np.float32)) for shape in ((16, 13, 13), (32, 11, 11)))

        def step(limit: int, x: Array = x, dy: Array = dy) -> None:
            convolution.COLUMNS_BYTES = limit
            layer.forward(x)
            layer.backward(dy)

        times = contest({"bands": partial(step, bound), "once": partial(step, 2**40)}, rounds)
        row(f"{n} images of 13 × 13", times["bands"], times["once"])
    convolution.COLUMNS_BYTES = bound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"turns of each contestant (default: {ROUNDS})")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    with threadpool_limits(1):
        against_pytorch(rounds, np.random.default_rng(0))
        memory(rounds, np.random.default_rng(1))


if __name__ == "__main__":
    main()
