"""Likelihoods: what the decoder's outputs say about an image x, as a log-probability.

A decoder does not output an image but a distribution over images, p(x|z): a likelihood says which. It turns the outputs
into log p(x|z) per example, summed over the pixels (which are independent given z). Training maximises the
log-probability, so the loss carries a minus sign: it stands in the models, vae.py and iwae.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from scratchnn.layers.activations import sigmoid
from scratchnn.layers.layer import Layer, Module
from scratchnn.machinery.checks import expect, expect_finite, expect_unit_interval
from scratchnn.machinery.logarithm import log1p
from scratchnn.machinery.parameters import Array

LOG_2PI = math.log(2 * math.pi)


class Likelihood(Module):
    """p(x|z), by the outputs of a decoder. The images are data, and get no gradient."""

    forward: Callable[[Array, Array], Array]  # (outputs, x) -> log p(x|z) of every example (N,)
    backward: Callable[[Array], Array]  # dlog_prob (N,) -> doutputs
    mean: Callable[[Array], Array]  # outputs -> the mean image (N, D) of p(x|z)
    sample: Callable[[Array, np.random.Generator], Array]  # (outputs, rng) -> images (N, D) drawn from p(x|z)


class Bernoulli(Likelihood):
    """For images in black and white: every pixel is 1 with probability p = sigmoid(logit), and otherwise 0.

    Shapes
        outputs (N, D): the logits; x (N, D) in [0, 1]; log_prob (N,).
    Forward
        log p(x|z) = Σ_i [x_i log p_i + (1 − x_i) log(1 − p_i)], AEVB appendix C.1, equation (11). With the logit l,
        log p = l − softplus(l) and log(1 − p) = −softplus(l), as in scratchnn/losses.py:

            log_prob_n = Σ_i [x_ni l_ni − softplus(l_ni)]
    Backward
        softplus′ = sigmoid:

            doutputs_ni = dlog_prob_n (x_ni − sigmoid(l_ni))
    Watch
        A grey pixel strictly between 0 and 1 is no outcome of this distribution. The sum is still a usable loss, but no
        logarithm of a probability, and its best value is −Σ_i H(x_i), H(x) = −x log x − (1 − x) log(1 − x).
        For grey pixels there are `Gaussian` below and scratchnn/grey_likelihoods.py.
    """

    def forward(self, outputs: Array, x: Array) -> Array:
        expect(self, "logits", outputs, ("N", "D"))
        expect(self, "x", x, outputs.shape, outputs)
        expect_unit_interval(self, "x", x)
        e = np.exp(-np.abs(outputs))  # e^(−l) for l ≥ 0 and e^l below: at most 1
        self.cache = (outputs, x, e)
        return np.sum(x * outputs - np.maximum(outputs, 0) - log1p(e), axis=1)  # AEVB (11)  # Thesis §4.4

    def backward(self, dlog_prob: Array) -> Array:
        outputs, x, e = self.take_cache()
        expect(self, "dlog_prob", dlog_prob, outputs.shape[:1], outputs)
        p = np.maximum(e, outputs >= 0) / (1 + e)  # sigmoid(l): 1/(1 + e^(−l)) for l ≥ 0, and e^l/(1 + e^l) below
        return dlog_prob[:, None] * (x - p)

    def mean(self, outputs: Array) -> Array:
        return sigmoid(outputs)

    def sample(self, outputs: Array, rng: np.random.Generator) -> Array:
        p = sigmoid(outputs)
        return np.heaviside(p - rng.random(outputs.shape), 0).astype(outputs.dtype)  # NaN stays NaN


class SigmoidMean(Layer):
    """The top of a Gaussian decoder of images: a pixel's mean, like the pixel, lies between 0 and 1.

    Shapes
        x (N, 2D): D numbers m that become means, then D log-variances; y alike.
    Forward
        y = [sigmoid(m), log_var]      as in the paper's experiments, AEVB section 5 (appendix C.2: without sigmoid)
    Backward
        With s = sigmoid(m), s′ = e^(−m) / (1 + e^(−m))² = s (1 − s); the log-variances pass unchanged:

            dx = [dmean · s · (1 − s), dlog_var]
    Watch
        Its output goes to `Gaussian`; `Bernoulli` wants logits.
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x, ("N", "2 D"))
        m, log_var = np.split(x, 2, axis=1)
        mean = sigmoid(m)
        self.cache = (mean,)
        return np.concatenate([mean, log_var], axis=1)  # AEVB §5

    def backward(self, dy: Array) -> Array:
        (mean,) = self.take_cache()
        expect(self, "dy", dy, (len(mean), 2 * mean.shape[1]))
        dmean, dlog_var = np.split(dy, 2, axis=1)
        return np.concatenate([dmean * mean * (1 - mean), dlog_var], axis=1)


class Gaussian(Likelihood):
    """For pixels that are numbers: each is normally distributed, with a mean and a log-variance of its own.

    Shapes
        outputs (N, 2D): the D means, then the D log-variances; x (N, D); log_prob (N,).
    Forward
        With r = x − mean and log_var = log σ², AEVB appendix C.2, equation (12):

            log_prob_n = −½ Σ_i [log 2π + log_var_ni + r_ni² e^(−log_var_ni)]
    Backward
        mean enters through r, with ∂r/∂mean = −1 and ∂(−½ r² e^(−log_var))/∂r = −r e^(−log_var); log_var enters
        twice, with ∂e^(−log_var)/∂log_var = −e^(−log_var):

            dmean_ni    = dlog_prob_n r_ni e^(−log_var_ni)
            dlog_var_ni = dlog_prob_n ½ (r_ni² e^(−log_var_ni) − 1)
    Watch
        It is a density: its logarithm can be positive, and grows without bound as σ → 0 around a pixel that is always
        the same. e^(−log_var) overflows before its product with a small r² does, so logarithms are added first:
        r² e^(−log_var) = exp(2 log|r| − log_var), where r = 0 gives exp(−∞) = 0. That is off by |log_var| + 18 |log r|
        roundings.
    """

    def forward(self, outputs: Array, x: Array) -> Array:
        expect(self, "x", x, ("N", "D"), outputs)
        expect(self, "outputs", outputs, (len(x), 2 * x.shape[1]))
        expect_finite(self, "x", x)
        mean, log_var = np.split(outputs, 2, axis=1)
        r = x - mean
        with np.errstate(divide="ignore"):  # log 0 = −∞ is meant
            log_r = np.log(np.abs(r))
        squares = np.exp(2 * log_r - log_var)  # r² / σ²
        self.cache = (np.sign(r) * np.exp(log_r - log_var), squares)
        return -0.5 * np.sum(LOG_2PI + log_var + squares, axis=1)  # AEVB (12)

    def backward(self, dlog_prob: Array) -> Array:
        pull, squares = self.take_cache()  # r / σ², r² / σ²
        expect(self, "dlog_prob", dlog_prob, pull.shape[:1], pull)
        dmean = dlog_prob[:, None] * pull
        dlog_var = dlog_prob[:, None] * 0.5 * (squares - 1)
        return np.concatenate([dmean, dlog_var], axis=1)

    def mean(self, outputs: Array) -> Array:
        return np.split(outputs, 2, axis=1)[0]

    def sample(self, outputs: Array, rng: np.random.Generator) -> Array:
        mean, log_var = np.split(outputs, 2, axis=1)
        return rng.normal(mean, np.exp(0.5 * log_var)).astype(outputs.dtype)
