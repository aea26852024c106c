"""Losses: one number per example that says how wrong the network's output is.

A loss takes outputs and targets and returns one value per example, (N,). Training minimises the mean over the batch,
L = (1/N) Σ_n loss_n. That 1/N enters the backward pass in one place, `batch_mean` below, as ∂L/∂loss_n = 1/N; every
loss takes it as the upstream `dloss` (N,) and divides by nothing of its own.

The cross-entropies work on *logits*, the outputs of the last dense layer, not on probabilities: 1 − 10⁻⁹ is 1 in
float32, and the logarithm of one minus it is −∞; its logit, 20.7, is harmless.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scratchnn.layers.activations import sigmoid
from scratchnn.layers.layer import Module
from scratchnn.machinery.checks import expect, expect_finite, expect_labels, expect_some, expect_unit_interval
from scratchnn.machinery.logarithm import log1p
from scratchnn.machinery.parameters import Array


def batch_mean(losses: Array, n: int | None = None) -> tuple[float, Array]:
    """L = (1/N) Σ_n loss_n of a vector (N,), and ∂L/∂loss_n = 1/N, the `dloss` (N,) with which every backward starts.

    For some of a batch of `n` examples, N is that n, and the first result is what they add to the batch's mean.
    """
    expect("batch_mean", "losses", losses, ("N",))
    n = len(losses) if n is None else n
    expect_some("batch_mean", n, "example")
    return float(losses.sum() / losses.dtype.type(n)), np.full_like(losses, 1 / n)


class Loss(Module):
    """Compares a network's outputs with targets, which are data and get no gradient."""

    forward: Callable[[Array, Array], Array]  # (outputs, target) -> the loss of every example (N,)
    backward: Callable[[Array], Array]  # dloss (N,) -> doutputs
    mean: Callable[[Array], Array]  # outputs -> the mean of the target that they predict


class MeanSquaredError(Loss):
    """How far numbers are from their targets: the mean over the outputs of an example of the squared error.

    Shapes
        y and target (N, D), loss (N,).
    Forward
        loss_n = (1/D) Σ_i (y_ni − target_ni)²      the one loss here that is a mean over the outputs, not a sum
        Times D/2 it is the −log-likelihood of a Gaussian of variance 1, less a constant.
    Backward
        y_ni enters loss_n only, in a square:

            dy_ni = dloss_n (2/D) (y_ni − target_ni)
    Watch
        The D belongs to this loss, the N to `batch_mean`. Squared errors of pixels 0–255 are 65,025 times those of
        0–1: say which.
    """

    def forward(self, y: Array, target: Array) -> Array:
        expect(self, "y", y, ("N", "D"))
        expect(self, "target", target, y.shape, y)
        expect_finite(self, "targets", target)
        difference = y - target
        self.cache = (difference,)
        return np.mean(difference**2, axis=1)

    def backward(self, dloss: Array) -> Array:
        (difference,) = self.take_cache()
        expect(self, "dloss", dloss, difference.shape[:1], difference)
        return dloss[:, None] * (2 / difference.shape[1]) * difference

    def mean(self, y: Array) -> Array:
        return y


class BinaryCrossEntropy(Loss):
    """How wrong probabilities p = sigmoid(logit) are for targets in [0, 1]: cross-entropy, summed over the outputs.

    Shapes
        logits and target (N, D), loss (N,).
    Forward
        loss_n = −Σ_i [target_ni log p_ni + (1 − target_ni) log(1 − p_ni)]   with p_ni = sigmoid(logits_ni)
        With the logit l, log p = l − softplus(l) and log(1 − p) = −softplus(l), and the sum collapses to

            loss_n = Σ_i [softplus(logits_ni) − target_ni logits_ni]      linear far out, where log(p) would be log(0)
    Backward
        softplus′(logits_ni) = sigmoid(logits_ni)      so the two logarithms cancel to a difference of probabilities:

            dlogits_ni = dloss_n (sigmoid(logits_ni) − target_ni)
    Watch
        For a target strictly between 0 and 1 an output's smallest value is the target's entropy, at p = target.
    """

    def forward(self, logits: Array, target: Array) -> Array:
        expect(self, "logits", logits, ("N", "D"))
        expect(self, "target", target, logits.shape, logits)
        expect_unit_interval(self, "targets", target)
        e = np.exp(-np.abs(logits))  # e^(−l) for l ≥ 0 and e^l below: at most 1
        self.cache = (logits, target, e)
        # softplus in its two terms: for a sure and right logit the first two below cancel exactly
        return np.sum(np.maximum(logits, 0) - target * logits + log1p(e), axis=1)

    def backward(self, dloss: Array) -> Array:
        logits, target, e = self.take_cache()
        expect(self, "dloss", dloss, logits.shape[:1], logits)
        p = np.maximum(e, logits >= 0) / (1 + e)  # sigmoid(l): 1/(1 + e^(−l)) for l ≥ 0, and e^l/(1 + e^l) below
        return dloss[:, None] * (p - target)

    def mean(self, logits: Array) -> Array:
        return sigmoid(logits)


class SoftmaxCrossEntropy(Loss):
    """How wrong a choice among C classes is: −log of the probability that softmax gives to the right one.

    Shapes
        logits (N, C), labels (N,) whole numbers from 0 to C − 1, loss (N,).
    Forward
        loss_n = −log p_(n, labels_n) = log Σ_k e^(logits_nk) − logits_(n, labels_n)
        p_nc = e^(logits_nc) / Σ_k e^(logits_nk)      the row's largest logit is taken off first: same p, no overflow
    Backward
        logits_nc enters the logarithm of the sum, with derivative p_nc, and, if c is the label, the last term, with −1:

            dlogits_nc = dloss_n (p_nc − [c = labels_n])
    Watch
        The rows of dlogits add up to 0: one class up pushes the others down. Softmax alone has the full Jacobian
        p_c [c = k] − p_c p_k; p_c (1 − p_c) alone, as for a sigmoid, is wrong.
    """

    def forward(self, logits: Array, labels: Array) -> Array:
        expect(self, "logits", logits, ("N", "C"))
        labels = expect_labels(self, labels, *logits.shape)
        rows = np.arange(len(logits))
        shifted = logits - logits.max(axis=1, keepdims=True)
        exps = np.exp(shifted)
        sums = exps.sum(axis=1)
        self.cache = (exps / sums[:, None], rows, labels)
        return np.log(sums) - shifted[rows, labels]

    def backward(self, dloss: Array) -> Array:
        p, rows, labels = self.take_cache()
        expect(self, "dloss", dloss, labels.shape, p)
        dlogits = dloss[:, None] * p
        dlogits[rows, labels] -= dloss
        return dlogits

    def mean(self, logits: Array) -> Array:
        exps = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exps / exps.sum(axis=1, keepdims=True)
