"""The contestant in JAX: a step is one compiled function of all that changes, whose memory is handed on (donated)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.contest import order
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
    Sigmoid,
)
from scratchnn.data import Images
from scratchnn.machinery.parameters import Array

NAME = "JAX"
IMAGES = ("NCHW", "OIHW", "NCHW")


def use_threads(threads: int) -> None:
    """JAX takes this when it computes for the first time, and never again."""
    os.environ["NPROC"] = str(threads)


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

    def __init__(self, model: Any, adam: Mapping[str, float]) -> None:
        self.layers = model.encoder.layers, model.decoder.layers
        self.n_z = model.n_z if isinstance(model, VAE) else 0
        self.adam = adam
        params = [[jax.tree.map(jnp.array, dict(layer.parameters)) for layer in part] for part in self.layers]
        zeros = jax.tree.map(jnp.zeros_like, params)
        self.state: Any = (params, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), jnp.int32))

    def run(self, part: int, params: Any, x: Any, key: Any) -> Any:
        for number, (layer, p) in enumerate(zip(self.layers[part], params[part], strict=True)):
            x = apply(layer, p, x, jax.random.fold_in(key, 100 * part + number))
        return x

    def loss(self, params: Any, x: Any, eps: Any, key: Any) -> Any:
        code = self.run(0, params, x, key)
        if not self.n_z:
            return jnp.mean((self.run(1, params, code, key) - x) ** 2)
        mean, log_var = jnp.split(code, 2, axis=1)
        logits = self.run(1, params, mean + jnp.exp(0.5 * log_var) * eps, key)
        reconstruction = jnp.sum(jax.nn.softplus(logits) - x * logits)
        kl = -0.5 * jnp.sum(1 + log_var - mean**2 - jnp.exp(log_var))
        return (reconstruction + kl) / len(x)

    def update(self, state: Any, x: Any, eps: Any, key: Any) -> Any:
        params, m, v, t = state
        loss, grads = jax.value_and_grad(self.loss)(params, x, eps, key)
        lr, eps_of_adam, beta1, beta2 = self.adam["lr"], self.adam["eps"], 0.9, 0.999
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

    @partial(jax.jit, static_argnums=(0, 4), donate_argnums=1)
    def drawn(self, state: Any, pixels: Any, key: Any, max_value: int) -> Any:
        """The same with noise of its own, and with the pixels as bytes."""
        key, for_eps, for_dropout = jax.random.split(key, 3)
        x = pixels.astype(jnp.float32) / max_value
        eps = jax.random.normal(for_eps, (len(x), self.n_z))
        return *self.update(state, x, eps, for_dropout), key

    def step(self, x: Array, eps: Array) -> float:
        self.state, loss = self.given(self.state, x, eps)
        return float(loss)

    def epoch(self, images: Images, batch_size: int, seed: int) -> None:
        key, losses = jax.random.key(seed), []
        rows = order(len(images), seed)
        for start in range(0, len(images), batch_size):
            batch = images.pixels[rows[start : start + batch_size]]
            self.state, loss, key = self.drawn(self.state, batch, key, images.max_value)
            losses.append(loss)
        jax.block_until_ready((self.state, losses))


def contestants(model: Any, adam: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, str]]:
    return {"JAX, jit": InJAX(model, adam)}, {}
