"""The contestants in PyTorch, as its tutorials write them: eager, with the default Adam; fused Adam; torch.compile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.contest import order
from benchmarks.ours import PARTS
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
from scratchnn.data import Images
from scratchnn.machinery.parameters import Array

NAME = "PyTorch"


def use_threads(threads: int) -> None:
    torch.set_num_threads(threads)


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

    def __init__(self, model: Any, adam: Mapping[str, float], fused: bool = False, compiled: bool = False) -> None:
        self.encoder, self.decoder = in_torch(model.encoder), in_torch(model.decoder)
        self.n_z = model.n_z if isinstance(model, VAE) else 0
        loss = self.vae_loss if isinstance(model, VAE) else self.autoencoder_loss
        self.loss: Callable[..., torch.Tensor] = torch.compile(loss, dynamic=False) if compiled else loss
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=adam["lr"], eps=adam["eps"], fused=fused)

    def vae_loss(self, x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        logits = self.decoder(mean + torch.exp(0.5 * log_var) * eps)
        reconstruction = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        return (reconstruction + kl) / len(x)

    def autoencoder_loss(self, x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        return functional.mse_loss(self.decoder(self.encoder(x)), x)

    def train(self, x: torch.Tensor, eps: torch.Tensor) -> float:
        loss = self.loss(x, eps)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def step(self, x: Array, eps: Array) -> float:
        return self.train(torch.from_numpy(x), torch.from_numpy(eps))

    def epoch(self, images: Images, batch_size: int, seed: int) -> None:
        pixels = torch.from_numpy(images.pixels)
        rows = torch.from_numpy(order(len(images), seed))
        for start in range(0, len(images), batch_size):
            x = pixels[rows[start : start + batch_size]].float() / images.max_value
            self.train(x, torch.randn(len(x), self.n_z))

    def step_in_parts(self, images: Images, rows: Array) -> dict[str, float]:
        times = [time.perf_counter()]
        x = torch.from_numpy(images.pixels)[torch.from_numpy(rows)].float() / images.max_value
        times.append(time.perf_counter())
        loss = self.loss(x, torch.randn(len(x), self.n_z))
        times.append(time.perf_counter())
        self.optimizer.zero_grad()
        loss.backward()
        times.append(time.perf_counter())
        self.optimizer.step()
        times.append(time.perf_counter())
        return dict(zip(PARTS, np.diff(times), strict=True))


def contestants(model: Any, adam: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, str]]:
    """The contestants, and those that do not run here, with the reason."""
    field = {
        "PyTorch, default Adam": InPyTorch(model, adam),
        "PyTorch, fused Adam": InPyTorch(model, adam, fused=True),
    }
    name = "PyTorch, torch.compile, fused Adam"
    try:
        torch.compile(torch.relu)(torch.ones(2))
    except Exception as error:  # it needs a compiler for C++, and says in many ways that there is none
        return field, {name: str(error).strip().splitlines()[0]}
    return {**field, name: InPyTorch(model, adam, fused=True, compiled=True)}, {}


def adam_stepper(params: Array, grads: Array, sizes: list[int], fused: bool) -> tuple[Callable[[], object], Array]:
    """A step of Adam on a copy of these parameters, in tensors of these sizes; and the copy. `grads` are not copied."""
    vector = torch.from_numpy(params.copy())
    tensors = [nn.Parameter(tensor) for tensor in vector.split(sizes)]
    for tensor, gradient in zip(tensors, torch.from_numpy(grads).split(sizes), strict=True):
        tensor.grad = gradient
    return torch.optim.Adam(tensors, fused=fused).step, vector.numpy()


def layer_stepper(layer: Any, x: Array, dy: Array, need_dx: bool) -> Callable[[], list[Any]]:
    """Forward and backward of the layer's twin; returns y, dx, which is None unless needed, and dW and db if any."""
    twin, own_dy = in_torch(layer), torch.from_numpy(dy)
    own_x = torch.from_numpy(np.ascontiguousarray(x)).requires_grad_(need_dx)

    def step() -> list[Any]:
        twin.zero_grad()
        own_x.grad = None
        y = twin(own_x)
        y.backward(own_dy)
        gradients = [np.asarray(parameter.grad) for parameter in twin.parameters()]
        if isinstance(layer, Dense):
            gradients[0] = gradients[0].T
        return [y.detach().numpy(), own_x.grad, *gradients]

    return step
