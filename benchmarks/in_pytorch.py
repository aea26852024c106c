"""The contestants in PyTorch: eager, with the default Adam; fused Adam; torch.compile; images with channels last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.contest import STEPS_IN_PARTS, Task, order
from scratchnn import (
    VAE,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
)
from scratchnn.machinery.parameters import Array


def describe() -> str:
    lines = torch.__config__.show().splitlines()
    library = next((line.strip(" -").split(" Version")[0] for line in lines if "Math Kernel" in line), "no MKL")
    return f"torch {torch.__version__} with {library}, kernels {torch.backends.cpu.get_cpu_capability()}"


def in_torch(layer: Any) -> nn.Module:
    """The same layer in PyTorch, with the same weights."""
    if isinstance(layer, Sequential):
        return nn.Sequential(*map(in_torch, layer.layers))
    make: dict[type, Callable[[], nn.Module]] = {
        Conv2D: lambda: nn.Conv2d(layer.c_in, layer.c_out, layer.kernel, layer.stride),
        ConvTranspose2D: lambda: nn.ConvTranspose2d(
            layer.c_in, layer.c_out, layer.kernel, layer.stride, layer.padding, layer.output_padding
        ),
        Dense: lambda: nn.Linear(layer.n_in, layer.n_out),
        Dropout: lambda: nn.Dropout(layer.rate),
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


class InPyTorch:
    """The twin of a VAE (Bernoulli) or of an autoencoder (mean squared error)."""

    def __init__(self, task: Task, fused: bool = True, compiled: bool = False, channels_last: bool = False) -> None:
        torch.set_num_threads(task.threads)
        self.task = task
        self.pixels = torch.from_numpy(task.images.pixels)
        memory = torch.channels_last if channels_last else torch.preserve_format
        self.encoder, self.decoder = (
            in_torch(part).to(memory_format=memory) for part in (task.model.encoder, task.model.decoder)
        )
        loss = self.vae_loss if isinstance(task.model, VAE) else self.autoencoder_loss
        self.loss: Callable[..., torch.Tensor] = torch.compile(loss, dynamic=False) if compiled else loss
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=task.adam["lr"], eps=task.adam["eps"], fused=fused)

    def describe(self) -> str:
        return describe()

    def vae_loss(self, x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        logits = self.decoder(mean + torch.exp(0.5 * log_var) * eps)
        reconstruction = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        return (reconstruction + kl) / len(x)

    def autoencoder_loss(self, x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        return functional.mse_loss(self.decoder(self.encoder(x)), x)

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        return self.pixels[rows].float() / self.task.images.max_value

    def train(self, x: torch.Tensor, eps: torch.Tensor) -> float:
        loss = self.loss(x, eps)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def step(self, x: Array, eps: Array) -> float:
        return self.train(torch.from_numpy(x), torch.from_numpy(eps))

    def epoch(self, seed: int) -> None:
        for rows in torch.from_numpy(order(len(self.pixels), seed)).split(self.task.batch_size):
            self.train(self.batch(rows), torch.randn(len(rows), self.task.n_z))

    def parts(self, seed: int) -> list[float]:
        """Seconds that each of PARTS takes in a step, at the median."""
        times = []
        for rows in torch.from_numpy(order(len(self.pixels), seed)).split(self.task.batch_size)[:STEPS_IN_PARTS]:
            took = [time.perf_counter()]
            x = self.batch(rows)
            took.append(time.perf_counter())
            loss = self.loss(x, torch.randn(len(x), self.task.n_z))
            took.append(time.perf_counter())
            self.optimizer.zero_grad()
            loss.backward()
            took.append(time.perf_counter())
            self.optimizer.step()
            took.append(time.perf_counter())
            times.append(np.diff(took))
        return [float(median) for median in np.median(times, axis=0)]


class AdamAlone:
    """A step of Adam with given gradients, on tensors of the sizes that a model has."""

    def __init__(self, task: Task, fused: bool = True) -> None:
        torch.set_num_threads(task.threads)
        sizes = [array.size for array in task.model.parameters.values()]
        self.start, self.steps = task.model.params.copy(), task.steps
        self.params, self.grads = torch.from_numpy(task.model.params), torch.zeros(len(self.start))
        tensors = [nn.Parameter(tensor) for tensor in self.params.split(sizes)]
        for tensor, gradient in zip(tensors, self.grads.split(sizes), strict=True):
            tensor.grad = gradient
        self.optimizer = torch.optim.Adam(tensors, lr=task.adam["lr"], eps=task.adam["eps"], fused=fused)

    def describe(self) -> str:
        return describe()

    def step(self, x: Array, eps: Array) -> Array:
        self.grads.copy_(torch.from_numpy(x))
        self.optimizer.step()
        return self.params.numpy() - self.start

    def epoch(self, seed: int) -> None:
        for _ in range(self.steps):
            self.optimizer.step()
