"""What a loss is worth: the numbers to hold it against, and what it says about log p(x).

*Between which bounds.* A Bernoulli loss on grey pixels has a floor above 0. For a pixel of grey level x the loss
−x log p − (1 − x) log(1 − p) is smallest at p = x, and there it is the entropy H(x) = −x log x − (1 − x) log(1 − x). So
no decoder gets below the mean over the images of Σ_i H(x_i). At the other end is the decoder that shows one image for
all: the best is the mean image m, and since the loss is linear in x, its loss is Σ_i H(m_i). What a model has learned
lies in between.

*How far from log p(x).* The ELBO is a lower bound on log p(x), and how loose it is cannot be seen from it. With K draws
of z instead of one, the average that stands inside the logarithm,

    p̂(x) = (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x),      z_k from q(z|x),

has the mean p(x), if q(z|x) > 0 wherever p(x, z) > 0: each quotient is an *importance weight*, which corrects for
drawing from q instead of the prior. So by Jensen E[log p̂(x)] ≤ log p(x): too low on average, though a single estimate
may lie above. For K = 1 the left side is the ELBO; it never falls as K grows (Burda, Grosse, Salakhutdinov, "Importance
weighted autoencoders", 2015), and if the ELBO is finite it reaches log p(x) in the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from scratchnn.data import Images
from scratchnn.grey_likelihoods import ContinuousBernoulli
from scratchnn.iwae import KLOfOneDraw
from scratchnn.likelihoods import Bernoulli, Gaussian
from scratchnn.machinery.checks import expect_some, expect_unit_interval
from scratchnn.machinery.parameters import Array
from scratchnn.vae import VAE

ROWS = 1000  # decoded at once: some 25 MB of float32 for 784 pixels, whatever the number of images and samples

DENSITIES = (Gaussian, ContinuousBernoulli)  # of grey pixels; every other likelihood here is a probability


def entropy(p: Array) -> Array:
    """The entropy in nats of Bernoulli variables of probability p, element by element; 0 at p = 0 and p = 1.

    log1p(−p) is log(1 − p), also for a p so small that 1 − p is rounded to 1.
    """
    expect_unit_interval("entropy", "p", p)
    nats: Array = p * np.log(np.where(p > 0, p, 1)) + (1 - p) * np.log1p(-np.where(p < 1, p, 0))
    return -nats


def bernoulli_floor(images: Images) -> float:
    """The mean over the images of Σ_i H(x_i), in nats per image: the smallest Bernoulli loss any decoder can reach."""
    expect_some("bernoulli_floor", len(images))
    levels = np.arange(images.max_value + 1) / images.max_value
    chunks = np.array_split(images.pixels, len(images) // 1000 + 1)  # counting makes integers 8 times the bytes' size
    counts = sum(np.bincount(chunk.ravel(), minlength=images.max_value + 1) for chunk in chunks)
    return float(counts @ entropy(levels)) / len(images)


def mean_image_loss(images: Images) -> float:
    """The mean Bernoulli loss of showing the mean image for every one, Σ_i H(m_i), in nats per image."""
    expect_some("mean_image_loss", len(images))
    return float(entropy(images.pixels.mean(axis=0) / images.max_value).sum())


@dataclass(frozen=True)
class ImportanceWeighted:
    """Estimates of log p(x) from K = `n_samples` draws of z an image, in nats.

    The errors are those of the draws that were made, and suppose that the weights have a variance. They know nothing of
    a rare z with a large weight that no draw has hit, nor of the bound's distance from log p(x): as long as the
    estimate still rises with K, the true error is larger than they say.

    log_p (N,): log p̂(x) of every image; too low on average. error (N,): the standard error that the
    draws leave in each, NaN for a single draw, which says nothing about its own spread. `is_likelihood` is False for
    grey pixels under a Bernoulli decoder. `is_density` tells whether p(x) is a density of grey pixels, so that log_p
    may be positive, or a probability: of binary pixels under a Bernoulli decoder, of grey levels under a
    discretised one. A density and a probability cannot be compared.
    """

    log_p: Array
    error: Array
    n_samples: int
    is_likelihood: bool
    is_density: bool

    @property
    def mean(self) -> float:
        """The mean over the images."""
        return float(self.log_p.mean())

    @property
    def monte_carlo_error(self) -> float:
        """The standard error of the mean that comes from the draws of z; too small while the estimate rises with K."""
        return float(np.sqrt(np.sum(self.error**2)) / len(self.error))

    @property
    def sampling_error(self) -> float:
        """The standard error of the mean that comes from the images: other test images would give another value."""
        n = len(self.log_p)
        return float(self.log_p.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")


def importance_weighted(
    model: VAE, images: Any, n_samples: int, seed: int = 0, grey: bool = False, progress: bool = True
) -> ImportanceWeighted:
    """log p̂(x) of every image by `n_samples` draws of z from q(z|x).

    `images[rows]` must give (n, D) floats. Grey pixels under a Bernoulli decoder are refused, since there is no
    likelihood of them to estimate: what comes out is the probability of nothing. (By Jensen's inequality it lies below
    the mean log p of the binary images that the grey levels stand for.) `grey=True` computes it all the same, and the
    result says that it is none.
    """
    if n_samples < 1:
        raise ValueError(f"an importance-weighted estimate needs at least one sample an image, got {n_samples}")
    expect_some("importance_weighted", len(images))
    is_likelihood = not isinstance(model.likelihood, Bernoulli) or is_binary(images)
    if not is_likelihood and not grey:
        raise ValueError(
            "these pixels are grey, and a Bernoulli decoder gives no likelihood of grey pixels: binarise the images "
            "first (data.binarise_held_out), or ask for the number that is none with grey=True"
        )
    rng = np.random.default_rng(seed)
    n_images = max(1, ROWS // n_samples)  # taken together: one image at a time where there are many samples
    starts = range(0, len(images), n_images)
    log_p, error = [], []
    for start in tqdm(starts, unit="batch", desc=f"{n_samples:,} samples an image", disable=None if progress else True):
        x = images[start : start + n_images]
        log_w = log_weights(model, x, n_samples, rng)
        # log p̂ = log mean_k w_k; with the largest weight taken out, no exponential overflows
        largest = np.maximum(log_w.max(axis=1, keepdims=True), np.finfo(float).min)  # all weights may be 0
        w = np.exp(log_w - largest)
        mean = w.mean(axis=1)
        # the derivative of the logarithm turns the standard error of the mean weight into that of its logarithm
        spread = w.std(axis=1, ddof=1) if n_samples > 1 else np.full(len(w), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):  # −∞ ± NaN where all weights are 0
            log_p.append(largest[:, 0] + np.log(mean))
            error.append(spread / np.sqrt(n_samples) / mean)
    is_density = isinstance(model.likelihood, DENSITIES)
    return ImportanceWeighted(np.concatenate(log_p), np.concatenate(error), n_samples, is_likelihood, is_density)


def is_binary(images: Any) -> bool:
    """Whether every pixel is 0 or 1."""
    return all(np.isin(images[start : start + ROWS], (0, 1)).all() for start in range(0, len(images), ROWS))


def log_weights(model: VAE, x: Array, n_samples: int, rng: np.random.Generator) -> Array:
    """log [p(x|z) p(z) / q(z|x)] for `n_samples` draws of z from q(z|x), (N, n_samples) float64."""
    mean, log_var = model.encode(x)
    columns = []
    for start in range(0, n_samples, ROWS):
        k = min(ROWS, n_samples - start)
        m, v, targets = (np.repeat(array, k, axis=0) for array in (mean, log_var, x))
        eps = rng.standard_normal(m.shape, dtype=m.dtype)
        z = m + np.exp(0.5 * v) * eps
        with model.evaluating():
            log_p_x = model.likelihood.forward(model.decoder.forward(z), targets)
        columns.append((log_p_x - KLOfOneDraw().forward(z, v, eps)).reshape(len(x), k).astype(np.float64))
    return np.concatenate(columns, axis=1)
