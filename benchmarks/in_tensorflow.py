"""The contestant in TensorFlow: a tf.function of the network, with the kernel of Adam that trained the thesis's.

TensorFlow leaves √(1 − β2^t) out in front of ε. Where gradients are as small as ε that is another optimiser, so the
kernel is given an ε with the factor in it.

TensorFlow's convolutions on a processor want images as (N, H, W, C). Codes are flat, so the order of the axes is
changed where images become rows and back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

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

NAME = "TensorFlow"


def use_threads(threads: int) -> None:
    """TensorFlow takes this when it computes for the first time, and raises RuntimeError later."""
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def variables(layer: Any) -> dict[str, Any]:
    """Its parameters; a kernel (out, in, KH, KW) as (KH, KW, in, out), that of a transposed convolution alike."""
    return {
        name: tf.Variable(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array)
        for name, array in layer.parameters.items()
    }


def apply(layer: Any, p: Mapping[str, Any], x: Any) -> Any:
    """What the layer makes of x with the parameters p."""
    if isinstance(layer, Dense):
        return x @ p["W"] + p["b"]
    if isinstance(layer, ReLU):
        return tf.nn.relu(x)
    if isinstance(layer, Sigmoid):
        return tf.nn.sigmoid(x)
    if isinstance(layer, Flatten):
        return tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (len(x), -1))
    if isinstance(layer, Reshape):
        return tf.transpose(tf.reshape(x, (-1, *layer.shape)), (0, 2, 3, 1))
    if isinstance(layer, Dropout):
        return tf.nn.dropout(x, layer.rate)
    if isinstance(layer, MaxPool2D):
        return tf.nn.max_pool2d(x, layer.size, layer.size, "VALID")
    if isinstance(layer, Conv2D):
        return tf.nn.conv2d(x, p["W"], layer.stride, "VALID") + p["b"]
    if isinstance(layer, ConvTranspose2D):
        sizes = zip(x.shape[1:3], layer.stride, layer.kernel, layer.output_padding, strict=True)
        size = [(n - 1) * s + k + extra for n, s, k, extra in sizes]
        return tf.nn.conv2d_transpose(x, p["W"], (len(x), *size, layer.c_out), layer.stride, "VALID") + p["b"]
    raise TypeError(f"{layer!r} has no twin in TensorFlow")


class InTensorFlow:
    """The twin of a VAE (Bernoulli) or of an autoencoder (mean squared error)."""

    def __init__(self, model: Any, adam: Mapping[str, float]) -> None:
        self.layers = model.encoder.layers, model.decoder.layers
        self.params = [[variables(layer) for layer in part] for part in self.layers]
        self.trained = [variable for part in self.params for p in part for variable in p.values()]
        self.n_z = model.n_z if isinstance(model, VAE) else 0
        self.adam, self.t = adam, tf.Variable(0.0)
        self.m, self.v = ([tf.Variable(tf.zeros_like(variable)) for variable in self.trained] for _ in range(2))

    def run(self, part: int, x: Any) -> Any:
        for layer, p in zip(self.layers[part], self.params[part], strict=True):
            x = apply(layer, p, x)
        return x

    def loss(self, x: Any, eps: Any) -> Any:
        code = self.run(0, x)
        if not self.n_z:
            return tf.reduce_mean((self.run(1, code) - x) ** 2)
        mean, log_var = tf.split(code, 2, axis=1)
        logits = self.run(1, mean + tf.exp(0.5 * log_var) * eps)
        reconstruction = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits))
        kl = -0.5 * tf.reduce_sum(1 + log_var - mean**2 - tf.exp(log_var))
        return (reconstruction + kl) / len(x)

    @tf.function
    def given(self, x: Any, eps: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = self.loss(x, eps)
        self.update(tape.gradient(loss, self.trained))
        return loss

    def update(self, grads: Any) -> None:
        beta1, beta2 = 0.9, 0.999
        t = self.t.assign_add(1)
        for variable, m, v, grad in zip(self.trained, self.m, self.v, grads, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=m.handle, v=v.handle, beta1_power=beta1**t, beta2_power=beta2**t,
                lr=self.adam["lr"], beta1=beta1, beta2=beta2, epsilon=self.adam["eps"] * (1 - beta2**t) ** 0.5,
                grad=grad,
            )  # fmt: skip

    @tf.function
    def drawn(self, pixels: Any, max_value: int) -> Any:
        """The same with noise of its own, and with the pixels as bytes."""
        x = tf.cast(pixels, tf.float32) / max_value
        return self.given(x, tf.random.normal((len(x), self.n_z)))

    def step(self, x: Array, eps: Array) -> float:
        return float(self.given(tf.constant(x), tf.constant(eps)))

    def epoch(self, images: Images, batch_size: int, seed: int) -> None:
        rows = order(len(images), seed)
        for start in range(0, len(images), batch_size):
            batch = images.pixels[rows[start : start + batch_size]]
            float(self.drawn(tf.constant(batch), images.max_value))


def contestants(model: Any, adam: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, str]]:
    return {"TensorFlow, tf.function": InTensorFlow(model, adam)}, {}
