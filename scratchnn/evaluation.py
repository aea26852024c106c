"""What a loss is worth: the numbers to hold it against, and what it says about log p(x).

*Between which bounds.* A Bernoulli loss on grey pixels has a floor above 0. For a pixel of grey level x the loss
−x log p − (1 − x) log(1 − p) is smallest at p = x, and there it is the entropy H(x) = −x log x − (1 − x) log(1 − x). So
no decoder whatsoever gets below the mean over the images of Σ_i H(x_i). At the other end stands the decoder that shows
one image to everybody: the best is the mean image m, and since the loss is linear in x, its loss is Σ_i H(m_i). What a
model has learned lies in between.

*How far from log p(x).* The ELBO is a lower bound on log p(x), and how loose it is cannot be seen from it. With K draws
of z instead of one, the average that stands inside the logarithm,

    p̂(x) = (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x),      z_k from q(z|x),

has the mean p(x), whatever q is: each quotient is an *importance weight*, which makes good for drawing from q instead
of the prior. So by Jensen E[log p̂(x)] ≤ log p(x). For K = 1 the left side is the ELBO; it never falls as K grows, and
reaches log p(x) in the limit (Burda, Grosse, Salakhutdinov, "Importance weighted autoencoders", 2015).

*What is used.* A latent dimension that the decoder ignores costs nothing if q(z_j|x) = N(0, 1) for every image, and so
training leaves it there: its KL is 0, and its mean is the same for all images. The others are its *active units*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from scratchnn.autoencoder import Autoencoder
from scratchnn.classifier import Classifier
from scratchnn.data import DataSet, Images
from scratchnn.likelihoods import Bernoulli
from scratchnn.parameters import Array
from scratchnn.vae import VAE

ROWS = 1000  # decoded at once: some 25 MB of float32 for 784 pixels, whatever the number of images and samples


def entropy(p: Array) -> Array:
    """The entropy in nats of coins that show 1 with probability p, element by element; 0 at p = 0 and p = 1."""
    q = 1 - p
    return -(p * np.log(np.where(p > 0, p, 1)) + q * np.log(np.where(q > 0, q, 1)))


def bernoulli_floor(images: Images) -> float:
    """The mean over the images of Σ_i H(x_i), in nats per image: the smallest Bernoulli loss any decoder can reach."""
    levels = np.arange(images.white + 1) / images.white
    chunks = np.array_split(images.pixels, len(images) // 1000 + 1)  # counting makes integers 8 times the bytes' size
    counts = sum(np.bincount(chunk.ravel(), minlength=images.white + 1) for chunk in chunks)
    return float(counts @ entropy(levels)) / len(images)


def mean_image_loss(images: Images) -> float:
    """The mean Bernoulli loss of showing the mean image for every one, Σ_i H(m_i), in nats per image."""
    return float(entropy(images.pixels.mean(axis=0) / images.white).sum())


@dataclass(frozen=True)
class ImportanceWeighted:
    """Estimates of log p(x) from K = `n_samples` draws of z an image, in nats.

    The errors are those of the draws that were made. They know nothing of a rare z with a large weight that no draw has
    hit, nor of the bound's distance from log p(x): as long as the estimate still rises with K, both are larger.

    log_p (N,): log p̂(x) of every image; on average too low, never too high. error (N,): the standard error that the
    draws leave in each, NaN for a single draw, which says nothing about its own spread. `is_likelihood` is False for
    grey pixels under a Bernoulli decoder.
    """

    log_p: Array
    error: Array
    n_samples: int
    is_likelihood: bool

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
    if len(images) == 0:
        raise ValueError("there are no images to evaluate")
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
        largest = log_w.max(axis=1, keepdims=True)
        w = np.exp(log_w - largest)
        mean = w.mean(axis=1)
        log_p.append(largest[:, 0] + np.log(mean))
        # the derivative of the logarithm turns the standard error of the mean weight into that of its logarithm
        spread = w.std(axis=1, ddof=1) if n_samples > 1 else np.full(len(w), np.nan)
        error.append(spread / np.sqrt(n_samples) / mean)
    return ImportanceWeighted(np.concatenate(log_p), np.concatenate(error), n_samples, is_likelihood)


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
        # of two Gaussian densities the factors 2π cancel, and in q's the exponent is −eps²/2
        log_p_z_by_q = 0.5 * np.sum(eps**2 + v - z**2, axis=1)
        columns.append((log_p_x + log_p_z_by_q).reshape(len(x), k).astype(np.float64))
    return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class LatentUse:
    """What each latent dimension does. kl (n_z,): its mean KL in nats; spread (n_z,): the variance of its mean."""

    kl: Array
    spread: Array

    @property
    def active(self) -> Array:
        """(n_z,) True where the mean varies over the images by more than 0.01, the threshold of Burda et al. 2015."""
        return self.spread > 0.01


def encode(model: VAE | Autoencoder | PrincipalComponents, images: Any) -> Array:
    """What `model.encode` says of all images, some at a time.

    The codes (N, n_code) or, of a VAE, mean and log_var of q(z|x) together, (2, N, n_z).
    """
    codes = [np.asarray(model.encode(images[start : start + ROWS])) for start in range(0, len(images), ROWS)]
    return np.concatenate(codes, axis=-2)  # the axis of the images


def latent_use(model: VAE, images: Any) -> LatentUse:
    """Encodes all images and says which dimensions of z they use."""
    mean, log_var = (part.astype(np.float64) for part in encode(model, images))
    kl = 0.5 * (mean**2 + np.expm1(log_var) - log_var)
    return LatentUse(kl.mean(axis=0), mean.var(axis=0))


def predicted_classes(classifier: Classifier, x: Any, batch_size: int = 500) -> Array:
    """The most probable class of every example (N,); `x[rows]` must give what the network takes, (n, D) floats."""
    batches = [classifier.probabilities(x[start : start + batch_size]) for start in range(0, len(x), batch_size)]
    return np.concatenate(batches).argmax(axis=1)


def accuracy(predicted: Array, labels: Array) -> float:
    """The share of examples whose predicted class (N,) is the right one (N,), from 0 to 1."""
    if predicted.shape != labels.shape or labels.size == 0:
        raise ValueError(f"expected one label for each prediction, got {labels.shape} for {predicted.shape}")
    return float(np.mean(predicted == labels))


def confusion_matrix(predicted: Array, labels: Array, n_classes: int) -> Array:
    """How often examples of one class are taken for another, counts (C, C): rows are the right class, columns ours."""
    pairs = n_classes * labels.astype(int) + predicted
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


@dataclass(frozen=True)
class PrincipalComponents:
    """What an autoencoder must beat: of all with linear layers and a code this small, the one with the smallest error.

    mean (D,): the mean image; directions (k, D), orthonormal rows: those in which the images vary most. A code is the
    image less the mean, seen in these directions; with k = 0 every image is taken for the mean image.
    """

    mean: Array
    directions: Array

    def encode(self, x: Array) -> Array:
        """The codes (N, k) of images (N, D)."""
        return (x - self.mean) @ self.directions.T

    def decode(self, code: Array) -> Array:
        """The images (N, D) of codes (N, k)."""
        return self.mean + code @ self.directions

    def reconstruct(self, x: Array) -> Array:
        """The images (N, D) as the code gives them back."""
        return self.decode(self.encode(x))


def principal_components(images: Any, n_numbers: int) -> PrincipalComponents:
    """The mean of the images, and the eigenvectors of their covariance with the `n_numbers` largest eigenvalues.

    `images[rows]` must give (n, D) floats; a thousand rows are in memory as floats at a time.
    """
    chunks = [slice(start, start + ROWS) for start in range(0, len(images), ROWS)]
    first = images[:1]
    n_pixels = first.shape[1]
    if not 0 <= n_numbers <= n_pixels:
        raise ValueError(f"of images of {n_pixels} pixels there are 0 to {n_pixels} components, not {n_numbers}")
    mean = np.sum([images[rows].sum(axis=0, dtype=np.float64) for rows in chunks], axis=0) / len(images)
    scatter = np.zeros((n_pixels, n_pixels))
    for rows in chunks:
        centred = images[rows] - mean
        scatter += centred.T @ centred
    _, vectors = np.linalg.eigh(scatter)  # in columns, the smallest eigenvalue first
    directions = vectors[:, ::-1][:, :n_numbers].T
    return PrincipalComponents(mean.astype(first.dtype), directions.astype(first.dtype))


def t_sne(images: DataSet, n: int, seed: int) -> Array:
    """The first n test images in two dimensions (n, 2), from their first 50 principal components."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    first = principal_components(images.train, min(50, images.train.pixels.shape[1])).encode(images.test[:n])
    perplexity = min(30.0, (n - 1) / 3)
    with threadpool_limits(1):  # its threads wait for one another by spinning: on a busy machine that takes minutes
        return np.asarray(TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(first))


def reconstruction_error(reconstruct: Callable[[Array], Array], images: Any) -> float:
    """The mean squared error over all pixels of all images, on the scale of `images[rows]`, (n, D) floats."""
    total = 0.0
    for start in range(0, len(images), ROWS):
        x = images[start : start + ROWS]
        total += float(np.sum((reconstruct(x) - x) ** 2, dtype=np.float64)) / x.shape[1]
    return total / len(images)
