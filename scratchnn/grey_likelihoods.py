"""Likelihoods of grey pixels: black and white are all that a Bernoulli variable can be.

`ContinuousBernoulli` takes a pixel for any number in [0, 1], and gives a density. `DiscretisedLogistic` takes it for
what a file holds, one of 256 levels, and gives each level a probability. The two numbers cannot be compared: a
log-density may be positive, and is another one if pixels run from 0 to 255; for a log-probability neither is true.

The first is that of Loaiza-Ganem & Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational
autoencoders", 2019. The second is used in Kingma et al., "Improved variational inference with inverse autoregressive
flow", 2016, and in Salimans et al., "PixelCNN++", 2017. A Gaussian could be discretised as well, but its CDF needs erf,
which NumPy lacks; that of the logistic is a sigmoid.

Each has a logarithm of a difference, of e^l and 1 or of two sigmoids. Where these are nearly equal, the difference has
few right digits, and where they are large or tiny it overflows or is 0; so it is first written as a product.
"""

from __future__ import annotations

import math

import numpy as np

from scratchnn.layers.activations import sigmoid, softplus
from scratchnn.likelihoods import Likelihood
from scratchnn.machinery.checks import expect, expect_int, expect_levels, expect_unit_interval
from scratchnn.machinery.parameters import Array

NEARLY_0 = 1e-30  # in place of a = 0 in (1 − e^(−a))/a, which is 1 to the last digit from 1e-17 down


class ContinuousBernoulli(Likelihood):
    """For pixels anywhere in [0, 1]: Bernoulli's formula λ^x (1 − λ)^(1 − x), divided by its integral over x.

    On grey pixels, Bernoulli's loss lacks this divisor, which depends on λ, so it is no −log-likelihood, and −ELBO
    bounds no −log p(x) of the grey image.

    Shapes
        outputs (N, D): the logits l; x (N, D) in [0, 1]; log_prob (N,).
    Forward
        With λ = sigmoid(l), λ^x (1 − λ)^(1 − x) = (1 − λ) e^(l x). The factor 1 − λ is in the integral as well, and
        cancels: p(x) = e^(l x) / ∫_0^1 e^(l t) dt. The integral is (e^l − 1)/l; its logarithm A(l) stands where
        Bernoulli has softplus(l) = log(1 + e^l). As there, for l > 0 the factor e^l is taken out. So with a = |l|,
        x l − A(l) is

            log_prob_n = Σ_i [(x_ni − [l_ni > 0]) l_ni − log((1 − e^(−a_ni))/a_ni)]
    Backward
        A′(l), the slope of log ∫_0^1 e^(l t) dt, is the mean of p:

            mean(l)     = ∫_0^1 t e^(l t) dt / ∫_0^1 e^(l t) dt      `mean_pixel`
            doutputs_ni = dlog_prob_n (x_ni − mean(l_ni))
    Watch
        The mean is not λ = sigmoid(l), which is too sure: for l = 4 they are 0.77 and 0.98. And as with every density
        the logarithm can be positive; on pixels that are all 0 or all 1 it grows like log |l|, without bound.
    """

    def forward(self, outputs: Array, x: Array) -> Array:
        expect(self, "logits", outputs, ("N", "D"))
        expect(self, "x", x, outputs.shape, outputs)
        expect_unit_interval(self, "x", x)
        self.cache = (outputs, x)
        a = np.maximum(np.abs(outputs), NEARLY_0)
        return np.sum((x - (outputs > 0)) * outputs - np.log(-np.expm1(-a) / a), axis=1)

    def backward(self, dlog_prob: Array) -> Array:
        outputs, x = self.take_cache()
        expect(self, "dlog_prob", dlog_prob, outputs.shape[:1], outputs)
        return dlog_prob[:, None] * (x - mean_pixel(outputs))

    def mean(self, outputs: Array) -> Array:
        return mean_pixel(outputs)

    def sample(self, outputs: Array, rng: np.random.Generator) -> Array:
        """Draws by the inverse of the CDF u = (e^(l x) − 1)/(e^l − 1).

        That is x = log(1 + u (e^l − 1))/l, and for l = −a < 0 nothing in it overflows. For l > 0, 1 − x is drawn.
        """
        a = np.maximum(np.abs(outputs).astype(np.float64), NEARLY_0)  # float32 would leave [0, 1] once in 10⁸ pixels
        u = rng.random(outputs.shape)
        x = -np.log1p(u * np.expm1(-a)) / a
        return np.where(outputs < 0, x, 1 - x).astype(outputs.dtype)


def mean_pixel(logits: Array) -> Array:
    """mean(l) = 1/(1 − e^(−l)) − 1/l, the slope of A(l) = log((e^l − 1)/l), between 0 and 1; ½ at l = 0.

    mean(l) = 1 − mean(−l), so with a = |l| the lesser of the two, mean(−a) = 1/a − 1/(e^a − 1), is enough. Where a is
    small its two terms nearly cancel. With t = a/2 it is also ½ − ½ (coth t − 1/t), and in Lambert's continued fraction
    (DLMF 4.39.1) nothing is subtracted:

        coth t − 1/t = t/(3 + t²/(5 + t²/(7 + …)))      up to 17: 16 digits for t up to 1
    """
    a = np.abs(logits)
    t, far = 0.5 * np.minimum(a, 2), np.maximum(a, 2)
    fraction = np.full_like(t, 17)
    for odd in range(15, 1, -2):
        fraction = odd + t * t / fraction
    e = np.exp(-far)
    lesser = np.where(a < 2, 0.5 - 0.5 * t / fraction, 1 / far - e / (1 - e))
    return np.where(logits < 0, lesser, 1 - lesser)


class DiscretisedLogistic(Likelihood):
    """For pixels as a file has them, levels 0, 1/255, …, 1: each is a draw from a logistic distribution, rounded.

    So an image has a probability, and −log₂ of it is what the image takes in bits.

    Shapes
        outputs (N, 2D): D means, then D log-scales; x (N, D), levels k/(levels − 1); log_prob (N,).
    Forward
        A number y from the logistic distribution is below t with probability sigmoid((t − mean)/s). Level k is y
        rounded, so its bin goes half a level down and up. In units of s, with s = e^(log_scale) and h = ½/(levels − 1),
        its ends are:

            a_ni = (x_ni − h − mean_ni)/s_ni
            b_ni = (x_ni + h − mean_ni)/s_ni
            w_ni = b_ni − a_ni = 2h/s_ni

        The first bin begins at a = −∞ and the last ends at b = ∞, both with w = ∞. With 1/(1 + e^(−a)) for sigmoid(a),
        over a common denominator, sigmoid(b) − sigmoid(a) is (e^(−a) − e^(−b))/((1 + e^(−a)) (1 + e^(−b))), which is
        the product sigmoid(b) sigmoid(−a) (1 − e^(−w)):

            log_prob_n = Σ_i [log sigmoid(b_ni) + log sigmoid(−a_ni) + log(1 − e^(−w_ni))]
    Backward
        The three slopes are sigmoid(−b), −sigmoid(a) and 1/(e^w − 1). By mean, a and b have the derivative −1/s. All
        three are proportional to 1/s = e^(−log s), so by log s they have the derivatives −a, −b and −w:

            dmean_ni      = dlog_prob_n (sigmoid(a_ni) − sigmoid(−b_ni))/s_ni
            dlog_scale_ni = dlog_prob_n [a_ni sigmoid(a_ni) − b_ni sigmoid(−b_ni) − w_ni/(e^(w_ni) − 1)]
    Watch
        The network's output is log s, like log_var elsewhere: s is positive whatever it is. mean may leave [0, 1],
        since the end bins reach outwards: a pixel that is always black can be certain at any scale. So the mean image
        is that of the levels, not this mean. Where 1/s overflows, the largest float stands for it, and 0/s is 0.
    """

    def __init__(self, levels: int = 256) -> None:
        super().__init__()
        self.levels = expect_int("DiscretisedLogistic", "levels", levels, least=2)

    def forward(self, outputs: Array, x: Array) -> Array:
        expect(self, "x", x, ("N", "D"), outputs)
        expect(self, "outputs", outputs, (len(x), 2 * x.shape[1]))
        k, last = expect_levels(self, x, self.levels), self.levels - 1
        mean, log_scale = np.split(outputs, 2, axis=1)
        down, up = (k - 0.5) / last - mean, (k + 0.5) / last - mean
        per_s = one_by_scale(log_scale)
        with np.errstate(over="ignore"):  # ±∞ is meant
            a = np.where(k > 0, down * per_s, -np.inf)
            b = np.where(k < last, up * per_s, np.inf)
        w, within = np.maximum(per_s / last, NEARLY_0), (k > 0) & (k < last)
        # log(1 − e^(−w)), with w taken out where it is below 1: log w is right also where w underflows
        log_share = np.minimum(-log_scale - math.log(last), 0) + np.log(-np.expm1(-w) / np.minimum(w, 1))
        self.cache = (down, up, per_s, a, b, w, within)
        return np.sum(within * log_share - softplus(-b) - softplus(a), axis=1)

    def backward(self, dlog_prob: Array) -> Array:
        down, up, per_s, a, b, w, within = self.take_cache()
        expect(self, "dlog_prob", dlog_prob, a.shape[:1], a)
        pull_a, pull_b = sigmoid(a) * per_s, sigmoid(-b) * per_s
        dmean = dlog_prob[:, None] * (pull_a - pull_b)
        with np.errstate(over="ignore"):  # ∞ is meant
            by_log_scale = down * pull_a - up * pull_b - within * (w * np.exp(-w) / -np.expm1(-w))
        dlog_scale = dlog_prob[:, None] * by_log_scale
        return np.concatenate([dmean, dlog_scale], axis=1)

    def mean(self, outputs: Array) -> Array:
        """Σ_k k P(k) = Σ_(k>0) P(level k or above), over the number of the last level."""
        mean, log_scale = np.split(outputs, 2, axis=1)
        per_s, last = one_by_scale(log_scale), self.levels - 1
        total = np.zeros_like(mean)
        with np.errstate(over="ignore"):
            for k in range(1, self.levels):
                total += sigmoid((mean - (k - 0.5) / last) * per_s)
        return total / last

    def sample(self, outputs: Array, rng: np.random.Generator) -> Array:
        mean, log_scale = np.split(outputs, 2, axis=1)
        with np.errstate(over="ignore"):
            y = rng.logistic(mean, np.exp(log_scale))
        last = self.levels - 1
        return (np.rint(np.clip(y, 0, 1) * last) / last).astype(outputs.dtype)

    def __repr__(self) -> str:
        return f"DiscretisedLogistic({self.levels})"


def one_by_scale(log_scale: Array) -> Array:
    """1/s = e^(−log s), and where that overflows the largest float."""
    with np.errstate(over="ignore"):
        return np.minimum(np.exp(-log_scale), np.finfo(log_scale.dtype).max)
