"""Likelihoods: what the decoder's outputs say about an image x, as a log-probability.

A decoder does not output an image but a distribution over images, p(x|z): a likelihood says which. It turns the outputs
into log p(x|z) per example, summed over the pixels (which are independent given z), and gives the mean image when
somebody asks for a picture. Training maximises the log-probability, so the loss carries a minus sign; it is written
where the loss is put together, in scratchnn/vae.py, and not here.
"""

from __future__ import annotations

import math

import numpy as np

from scratchnn.layers.activations import sigmoid
from scratchnn.layers.checks import expect
from scratchnn.layers.layer import Layer
from scratchnn.losses import BinaryCrossEntropy
from scratchnn.parameters import Array

LOG_2PI = math.log(2 * math.pi)


class Bernoulli(Layer):
    """Every pixel is a coin that shows 1 with probability p = sigmoid(logit).

    Shapes
        outputs (N, D): the logits; x (N, D) in [0, 1]; log_prob (N,).
    Forward
        log p(x|z) = Σ_i x_i log p_i + (1 − x_i) log(1 − p_i), AEVB appendix C.1, equation (11): the binary
        cross-entropy with its sign turned round.
    Backward
        As derived there, with the other sign:

            doutputs_ni = dlog_prob_n (x_ni − sigmoid(outputs_ni)).
    Watch
        Grey pixels strictly between 0 and 1 are no coin tosses: the sum is then still a fair loss, but its best value
        is not 0 but −Σ_i H(x_i), H being the entropy of a coin, and it is not the logarithm of a probability.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cross_entropy = BinaryCrossEntropy()

    def forward(self, outputs: Array, x: Array) -> Array:
        return -self.cross_entropy.forward(outputs, x)  # AEVB (11)  # Thesis §4.4

    def backward(self, dlog_prob: Array) -> Array:
        return self.cross_entropy.backward(-dlog_prob)

    def forget(self) -> None:
        self.cross_entropy.forget()

    def mean(self, outputs: Array) -> Array:
        """The mean image (N, D), which is also the probability of every pixel."""
        return self.cross_entropy.mean(outputs)

    def sample(self, outputs: Array, rng: np.random.Generator) -> Array:
        """Binary images (N, D) drawn from p(x|z)."""
        return (rng.random(outputs.shape) < sigmoid(outputs)).astype(outputs.dtype)


class SigmoidMean(Layer):
    """The top of a Gaussian decoder of images: a pixel's mean, like the pixel, lies between 0 and 1.

    Shapes
        x (N, 2D): D numbers m that become means, then D log-variances; y alike.
    Forward
        y = [sigmoid(m), log_var], AEVB appendix C.2: the paper's decoder of the Frey Face.
    Backward
        With s = sigmoid(m), s′ = e^(−m) / (1 + e^(−m))² = s (1 − s); the log-variances pass unchanged:

            dx = [dmean s (1 − s), dlog_var].
    Watch
        Its output goes to `Gaussian`; `Bernoulli` wants logits, on which no sigmoid has been.
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x, ("N", "2 D"))
        m, log_var = np.split(x, 2, axis=1)
        mean = sigmoid(m)
        self.cache = (mean,)
        return np.concatenate([mean, log_var], axis=1)  # AEVB App. C

    def backward(self, dy: Array) -> Array:
        (mean,) = self.take_cache()
        expect(self, "dy", dy, (len(mean), 2 * mean.shape[1]))
        dmean, dlog_var = np.split(dy, 2, axis=1)
        return np.concatenate([dmean * mean * (1 - mean), dlog_var], axis=1)


class Gaussian(Layer):
    """Every pixel is normally distributed, with a mean and a log-variance of its own.

    Shapes
        outputs (N, 2D): the D means, then the D log-variances; x (N, D); log_prob (N,).
    Forward
        With r = x − mean and log_var = log σ²,

            log p(x|z) = −½ Σ_i [log 2π + log_var_i + r_i² e^(−log_var_i)],      AEVB appendix C.2, equation (12).
    Backward
        mean enters through r, with ∂r/∂mean = −1 and ∂(−½ r² e^(−log_var))/∂r = −r e^(−log_var); log_var enters
        twice, with ∂e^(−log_var)/∂log_var = −e^(−log_var):

            dmean_ni    = dlog_prob_n r_ni e^(−log_var_ni)
            dlog_var_ni = dlog_prob_n ½ (r_ni² e^(−log_var_ni) − 1).
    Watch
        It is a density, not a probability: it can be positive, and grows without bound as σ → 0 around a pixel that is
        always the same. e^(−log_var) overflows long before its product with a small r² does, so the logarithms are
        added first: r² e^(−log_var) = exp(2 log|r| − log_var), where r = 0 gives exp(−∞) = 0.
    """

    def forward(self, outputs: Array, x: Array) -> Array:
        expect(self, "x", x, ("N", "D"))
        expect(self, "outputs", outputs, (len(x), 2 * x.shape[1]))
        if not np.isfinite(x).all():
            raise ValueError(f"{self!r} expects finite x, got NaN or infinite values")
        mean, log_var = np.split(outputs, 2, axis=1)
        r = x - mean
        with np.errstate(divide="ignore"):  # log 0 = −∞ is meant
            log_r = np.log(np.abs(r))
        squares = np.exp(2 * log_r - log_var)  # r² / σ²
        self.cache = (np.sign(r) * np.exp(log_r - log_var), squares)
        return -0.5 * np.sum(LOG_2PI + log_var + squares, axis=1)  # AEVB (12)

    def backward(self, dlog_prob: Array) -> Array:
        pull, squares = self.take_cache()  # r / σ², r² / σ²
        expect(self, "dlog_prob", dlog_prob, pull.shape[:1])
        dmean = dlog_prob[:, None] * pull
        dlog_var = dlog_prob[:, None] * 0.5 * (squares - 1)
        return np.concatenate([dmean, dlog_var], axis=1)

    def mean(self, outputs: Array) -> Array:
        """The mean image (N, D)."""
        return np.split(outputs, 2, axis=1)[0]

    def sample(self, outputs: Array, rng: np.random.Generator) -> Array:
        """Images (N, D) drawn from p(x|z)."""
        mean, log_var = np.split(outputs, 2, axis=1)
        return rng.normal(mean, np.exp(0.5 * log_var)).astype(outputs.dtype)
