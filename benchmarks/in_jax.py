"""The contestant in JAX: a step is a compiled function of all that changes, whose memory is handed on (donated).

Some steps `together` are one call, by lax.scan, which saves what a call costs. XLA's convolutions are much slower in
such a loop: there it is one step a call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.contest import Task, order
from scratchnn import (
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Reshape,
    Sigmoid,
)
from scratchnn.machinery.parameters import Array

IMAGES = ("NCHW", "OIHW", "NCHW")


def apply(layer: Any, p: Mapping[str, Any], x: Any, key: Any) -> Any:
    """What the layer makes of x with the parameters p."""
    if isinstance(layer, Dense):
        return x @ p["W"] + p["b"]
    if isinstance(layer, ReLU):
        return jax.nn.relu(x)
    if isinstance(layer, Sigmoid):
        return jax.nn.sigmoid(x)
    if isinstance(layer, Flatten):
        return x.reshape(len(x), -1)
    if isinstance(layer, Reshape):
        return x.reshape(len(x), *layer.shape)
    if isinstance(layer, Dropout):
        kept = jax.random.bernoulli(key, 1 - layer.rate, x.shape)
        return jnp.where(kept, x / (1 - layer.rate), 0)
    if isinstance(layer, MaxPool2D):
        window = (1, 1, *layer.size)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
    if isinstance(layer, Conv2D):
        y = lax.conv_general_dilated(x, p["W"], layer.stride, "VALID", dimension_numbers=IMAGES)
    elif isinstance(layer, ConvTranspose2D):
        margins = [(k - 1, k - 1 + extra) for k, extra in zip(layer.kernel, layer.output_padding, strict=True)]
        y = lax.conv_transpose(x, p["W"], layer.stride, margins, dimension_numbers=IMAGES, transpose_kernel=True)
    else:
        raise TypeError(f"{layer!r} has no twin in JAX")
    return y + p["b"][:, None, None]


class InJAX:
    """The twin of a VAE (Bernoulli) or of an autoencoder (mean squared error)."""

    def __init__(self, task: Task, together: int) -> None:
        self.together = together
        self.task, self.layers = task, (task.model.encoder.layers, task.model.decoder.layers)
        params = [[jax.tree.map(jnp.array, dict(layer.parameters)) for layer in part] for part in self.layers]
        zeros = jax.tree.map(jnp.zeros_like, params)
        self.state: Any = (params, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), jnp.int32))

    def describe(self) -> str:
        return f"jax {jax.__version__}, which does not name its kernels"

    def run(self, part: int, params: Any, x: Any, key: Any) -> Any:
        for number, (layer, p) in enumerate(zip(self.layers[part], params[part], strict=True)):
            x = apply(layer, p, x, jax.random.fold_in(key, 100 * part + number))
        return x

    def loss(self, params: Any, x: Any, eps: Any, key: Any) -> Any:
        code = self.run(0, params, x, key)
        if not self.task.n_z:
            return jnp.mean((self.run(1, params, code, key) - x) ** 2)
        mean, log_var = jnp.split(code, 2, axis=1)
        logits = self.run(1, params, mean + jnp.exp(0.5 * log_var) * eps, key)
        reconstruction = jnp.sum(jax.nn.softplus(logits) - x * logits)
        kl = -0.5 * jnp.sum(1 + log_var - mean**2 - jnp.exp(log_var))
        return (reconstruction + kl) / len(x)

    def update(self, state: Any, x: Any, eps: Any, key: Any) -> Any:
        params, m, v, t = state
        loss, grads = jax.value_and_grad(self.loss)(params, x, eps, key)
        lr, eps_of_adam, beta1, beta2 = self.task.adam["lr"], self.task.adam["eps"], 0.9, 0.999
        t = t + 1
        m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, grads)
        v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g**2, v, grads)
        params = jax.tree.map(
            lambda p, m, v: p - lr * (m / (1 - beta1**t)) / (jnp.sqrt(v / (1 - beta2**t)) + eps_of_adam),
            params, m, v,
        )  # fmt: skip
        return (params, m, v, t), loss

    @partial(jax.jit, static_argnums=0, donate_argnums=1)
    def given(self, state: Any, x: Any, eps: Any) -> Any:
        return self.update(state, x, eps, jax.random.key(0))

    @partial(jax.jit, static_argnums=0, donate_argnums=1)
    def drawn(self, state: Any, batches: Any, key: Any) -> Any:
        """The same for some batches of bytes (steps, N, D), with noise of its own; one batch needs no loop."""

        def one(carried: Any, pixels: Any) -> Any:
            state, key = carried
            key, for_eps, for_dropout = jax.random.split(key, 3)
            x = pixels.astype(jnp.float32) / self.task.images.max_value
            state, loss = self.update(state, x, jax.random.normal(for_eps, (len(x), self.task.n_z)), for_dropout)
            return (state, key), loss

        return lax.scan(one, (state, key), batches) if len(batches) > 1 else one((state, key), batches[0])

    def step(self, x: Array, eps: Array) -> float:
        self.state, loss = self.given(self.state, x, eps)
        return float(loss)

    def epoch(self, seed: int) -> None:
        images, n = self.task.images, self.task.batch_size
        key, rows, losses = jax.random.key(seed), order(len(images), seed), []
        whole = len(rows) // n * n
        starts = range(0, whole, self.together * n)
        for group in [rows[start : min(start + self.together * n, whole)] for start in starts] + [rows[whole:]]:
            if len(group):
                batches = images.pixels[group].reshape(-1, min(n, len(group)), images.pixels.shape[1])
                (self.state, key), loss = self.drawn(self.state, batches, key)
                losses.append(loss)
        jax.block_until_ready((self.state, losses))
