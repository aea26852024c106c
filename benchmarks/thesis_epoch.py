"""One epoch of the thesis's VAE (MNIST, 784-500-500-20-500-500-784, batch 100) here and in PyTorch, side by side.

    python -m benchmarks.thesis_epoch --rounds 5

Every contestant starts from the same weights. First it is checked that all compute the same thing: the losses of 20
steps on the same batches with the same noise must agree. Then whole epochs are timed in turn, A B C D A B C D, since a
machine's speed drifts; the ratios are those within a round. "products" are the matrix products of an epoch alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_info
from torch import nn
from torch.nn import functional

from scratchnn import Adam, Dense, data
from scratchnn.training import Trainer
from scratchnn.vae import VAE

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from vae import network

N_Z, BATCH, SAME_STEPS = 20, 100, 20


class TorchVAE:
    """The same network, weights copied from ours, in eager PyTorch as its tutorials write it."""

    def __init__(self, model: VAE, fused: bool) -> None:
        def stack(layers: list) -> nn.Sequential:
            return nn.Sequential(*[torch_dense(x) if isinstance(x, Dense) else nn.ReLU() for x in layers])

        self.encoder, self.decoder = stack(model.encoder.layers), stack(model.decoder.layers)
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=fused)

    def step(self, x: torch.Tensor, eps: torch.Tensor) -> float:
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        logits = self.decoder(mean + torch.exp(0.5 * log_var) * eps)
        reconstruction = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        loss = (reconstruction + kl) / len(x)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def epoch(self, pixels: torch.Tensor) -> None:
        order = torch.randperm(len(pixels))
        for start in range(0, len(pixels), BATCH):
            x = pixels[order[start : start + BATCH]].float() / 255
            self.step(x, torch.randn(BATCH, N_Z))


def torch_dense(layer: Dense) -> nn.Linear:
    linear = nn.Linear(layer.n_in, layer.n_out)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(layer.W.T))
        linear.bias.copy_(torch.from_numpy(layer.b))
    return linear


def products(model: VAE, batches: int) -> None:
    """The matrix products of forward and backward, on arrays of the right shapes, and nothing else."""
    layers = [layer for part in (model.encoder, model.decoder) for layer in part.layers if isinstance(layer, Dense)]
    xs = [np.ones((BATCH, layer.n_in), np.float32) for layer in layers]
    dys = [np.ones((BATCH, layer.n_out), np.float32) for layer in layers]
    dws = [np.empty_like(layer.W) for layer in layers]
    for _ in range(batches):
        for layer, x in zip(layers, xs, strict=True):
            x @ layer.W
        for layer, x, dy, dw in zip(layers, xs, dys, dws, strict=True):
            np.matmul(x.T, dy, out=dw)
            if layer is not layers[0]:
                dy @ layer.W.T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each contestant runs an epoch (default: 5)")
    args = parser.parse_args()
    train = data.load("mnist").train
    pixels = torch.from_numpy(train.pixels.copy())

    rng = np.random.default_rng(0)
    model = network(784, 500, N_Z, rng)
    trainer = Trainer(model, Adam(model), rng)
    default, fused = TorchVAE(model, fused=False), TorchVAE(model, fused=True)
    check_same_losses(trainer, [default, fused], train)

    def ours() -> None:
        trainer.fit(train, epochs=len(trainer.history) + 1, batch_size=BATCH)

    contestants: dict[str, Callable[[], None]] = {
        "scratchnn": ours,
        "PyTorch, default Adam": lambda: default.epoch(pixels),
        "PyTorch, fused Adam": lambda: fused.epoch(pixels),
        "products": lambda: products(model, len(train) // BATCH),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(args.rounds):
        for name, epoch in contestants.items():
            began = time.perf_counter()
            epoch()
            seconds[name].append(time.perf_counter() - began)

    (blas,) = (pool for pool in threadpool_info() if "numpy" in pool["filepath"])
    print(
        f"python {platform.python_version()}; numpy {np.__version__}, {blas['internal_api']} {blas['version']} "
        f"{blas['architecture']}, {blas['num_threads']} threads; torch {torch.__version__} "
        f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads; {args.rounds} rounds"
    )
    for name in ("OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA"):
        if os.environ.get(name):
            print(f"note: {name}={os.environ[name]} is set, which limits one contestant and perhaps not the others")
    print(f"{'one epoch of 55,000 images':28} {'median s':>9} {'min':>6} {'max':>6}   scratchnn ÷ it (median, min–max)")
    for name, times in seconds.items():
        ratios = np.array(seconds["scratchnn"]) / times
        print(
            f"{name:28} {np.median(times):9.2f} {min(times):6.2f} {max(times):6.2f}   "
            f"{np.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        )


def check_same_losses(trainer: Trainer, rivals: list[TorchVAE], train: data.Images) -> None:
    """Exits unless all contestants have the same losses, to float32 rounding, for the same batches and noise."""
    for step in range(SAME_STEPS):
        x = train[step * BATCH : (step + 1) * BATCH]
        noise = np.random.default_rng(step)
        trainer.rng = np.random.default_rng(step)
        loss = trainer.step(x)["loss"]
        eps = noise.standard_normal((BATCH, N_Z)).astype(np.float32)
        for rival in rivals:
            other = rival.step(torch.from_numpy(x), torch.from_numpy(eps))
            if abs(other - loss) > 1e-3 * abs(loss):
                sys.exit(f"error: in step {step} scratchnn has loss {loss} and PyTorch {other}: not the same program")


if __name__ == "__main__":
    main()
