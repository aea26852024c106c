"""The contestants in TensorFlow: a tf.function, with XLA or without, with the Adam that trained the thesis's network.

TensorFlow leaves √(1 − β2^t) out in front of ε. Where gradients are as small as ε that is another optimiser, so the
kernel is given an ε with the factor in it.

TensorFlow's convolutions on a processor want images as (N, H, W, C). Codes are flat, so the order of the axes is
changed where images become rows and back.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

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

    def __init__(self, task: Task, xla: bool) -> None:
        for set_threads in (
            tf.config.threading.set_intra_op_parallelism_threads,
            tf.config.threading.set_inter_op_parallelism_threads,
        ):
            with contextlib.suppress(RuntimeError):  # it has computed before, with the same number
                set_threads(task.threads)
        self.task, self.layers = task, (task.model.encoder.layers, task.model.decoder.layers)
        self.params = [[variables(layer) for layer in part] for part in self.layers]
        self.trained = [variable for part in self.params for p in part for variable in p.values()]
        self.t = tf.Variable(0.0)
        self.m, self.v = ([tf.Variable(tf.zeros_like(variable)) for variable in self.trained] for _ in range(2))
        # step and epoch as compiled programs of their own
        self.given, self.drawn = (tf.function(train, jit_compile=xla) for train in (self.train, self.train_drawn))

    def describe(self) -> str:
        return f"tensorflow {tf.__version__}, which does not name its kernels"

    def run(self, part: int, x: Any) -> Any:
        for layer, p in zip(self.layers[part], self.params[part], strict=True):
            x = apply(layer, p, x)
        return x

    def loss(self, x: Any, eps: Any) -> Any:
        code = self.run(0, x)
        if not self.task.n_z:
            return tf.reduce_mean((self.run(1, code) - x) ** 2)
        mean, log_var = tf.split(code, 2, axis=1)
        logits = self.run(1, mean + tf.exp(0.5 * log_var) * eps)
        reconstruction = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits))
        kl = -0.5 * tf.reduce_sum(1 + log_var - mean**2 - tf.exp(log_var))
        return (reconstruction + kl) / len(x)

    def train(self, x: Any, eps: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = self.loss(x, eps)
        self.update(tape.gradient(loss, self.trained))
        return loss

    def update(self, grads: Any) -> None:
        lr, eps, beta1, beta2 = self.task.adam["lr"], self.task.adam["eps"], 0.9, 0.999
        t = self.t.assign_add(1)
        for variable, m, v, grad in zip(self.trained, self.m, self.v, grads, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=m.handle, v=v.handle, beta1_power=beta1**t, beta2_power=beta2**t,
                lr=lr, beta1=beta1, beta2=beta2, epsilon=eps * (1 - beta2**t) ** 0.5, grad=grad,
            )  # fmt: skip

    def train_drawn(self, pixels: Any) -> Any:
        """The same with noise of its own, and with the pixels as bytes."""
        x = tf.cast(pixels, tf.float32) / self.task.images.max_value
        return self.train(x, tf.random.normal((len(x), self.task.n_z)))

    def step(self, x: Array, eps: Array) -> float:
        return float(self.given(tf.constant(x), tf.constant(eps)))

    def epoch(self, seed: int) -> None:
        images, n = self.task.images, self.task.batch_size
        rows = order(len(images), seed)
        for start in range(0, len(rows), n):
            float(self.drawn(tf.constant(images.pixels[rows[start : start + n]])))
