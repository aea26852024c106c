"""What the codes of a model hold: which latent dimensions are used, and what a linear code of the same size can do.

A latent dimension that the decoder ignores costs nothing if q(z_j|x) = N(0, 1) for every image: its KL is 0, and its
mean is the same for all images. Nothing but the KL acts on such a dimension, so training drives it there. The others
are the model's *active units*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scratchnn.data import DataSet
from scratchnn.machinery.checks import expect, expect_finite, expect_some
from scratchnn.machinery.extras import missing
from scratchnn.machinery.logarithm import log_mean_exp
from scratchnn.machinery.parameters import Array
from scratchnn.vae import VAE

ROWS = 1000  # images encoded at once
ENCODED = 200  # images at a time through a network: a convolution holds each of them dozens of times


@dataclass(frozen=True)
class LatentUse:
    """What each latent dimension does. kl (n_z,): its mean KL in nats; mean_variance (n_z,): the
    variance of its mean over the images."""

    kl: Array
    mean_variance: Array

    @property
    def active(self) -> Array:
        """(n_z,) True where the mean varies over the images by more than 0.01, the threshold of Burda et al. 2015."""
        return self.mean_variance > 0.01


class Encoder(Protocol):
    """What makes codes of images."""

    def encode(self, x: Array) -> Array | tuple[Array, Array]:
        """The codes (N, n_code) of images (N, D), or mean and log_var, each of that shape."""


def encode(model: Encoder, images: Any) -> Array:
    """What `model.encode` says of all images, some at a time.

    The codes (N, n_code) or, of a VAE, mean and log_var of q(z|x) together, (2, N, n_z).
    """
    expect_some("encode", len(images))
    codes = [model.encode(images[start : start + ENCODED]) for start in range(0, len(images), ENCODED)]
    axis = 1 if isinstance(codes[0], tuple) else 0  # of the images
    return np.concatenate([np.asarray(of) for of in codes], axis)


def latent_use(model: VAE, images: Any) -> LatentUse:
    """Encodes all images and says which dimensions of z they use."""
    mean, log_var = (part.astype(np.float64) for part in encode(model, images))
    expect_finite("latent_use", "codes", mean)
    expect_finite("latent_use", "codes", log_var)
    kl = 0.5 * (mean**2 + np.expm1(log_var) - log_var)
    return LatentUse(kl.mean(axis=0), mean.var(axis=0))


@dataclass(frozen=True)
class RateSplit:
    """The mean KL of some images, the rate, and the two parts that it has, in nats per image.

    information: I(x; z), what z says about which of the images it is of. to_prior: KL(q(z) ‖ p(z)), how far the z of
    all images together are from the prior. error: the standard error that the draws of z leave in either.
    """

    rate: float
    information: float
    to_prior: float
    error: float


def split_rate(model: VAE, images: Any, n_draws: int = 10, seed: int = 0) -> RateSplit:
    """mean KL(q(z|x) ‖ p(z)) = I(x; z) + KL(q(z) ‖ p(z)), where q(z) is the mean of the q(z|x) of these images.

    I(x; z) = E[log q(z|x) − log q(z)] is estimated with `n_draws` draws of z for each of the N images, and every draw
    is held against all N encoders: N² n_draws densities. (Hoffman, Johnson, "ELBO surgery", 2016.)

    Watch: the images count as all that there are, so I(x; z) cannot exceed log N, which is reached where z tells them
    apart without fail. Of a rate above log N, the rest is distance from the prior.
    """
    if n_draws < 2:
        raise ValueError(f"splitting the rate needs at least 2 draws an image, to know its own error; got {n_draws}")
    mean, log_var = (part.astype(np.float64) for part in encode(model, images))
    rate = float(0.5 * np.sum(mean**2 + np.expm1(log_var) - log_var) / len(mean))
    precision = np.exp(-log_var)
    # log q(z|x_m) + ½ n_z log 2π = −½ Σ_j [(z_j² − 2 z_j mean_mj + mean_mj²) precision_mj + log_var_mj]
    constant = np.sum(mean**2 * precision + log_var, axis=1)
    rng, rows = np.random.default_rng(seed), max(1, 4_000_000 // len(mean))  # at once: 32 MB
    information = np.empty((n_draws, len(mean)))
    for draw in information:
        eps = rng.standard_normal(mean.shape)
        z = mean + np.exp(log_var / 2) * eps
        own = -0.5 * np.sum(eps**2 + log_var, axis=1)  # log q(z|x) of the image that z was drawn for
        for start in range(0, len(mean), rows):
            part = slice(start, start + rows)
            log_q = -0.5 * (z[part] ** 2 @ precision.T - 2 * z[part] @ (mean * precision).T + constant)
            draw[part] = own[part] - log_mean_exp(log_q)
    error = float(np.sqrt(information.var(axis=0, ddof=1).mean() / information.size))
    return RateSplit(rate, float(information.mean()), rate - float(information.mean()), error)


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
        code: Array = (x - self.mean) @ self.directions.T
        return code

    def decode(self, code: Array) -> Array:
        """The images (N, D) of codes (N, k)."""
        images: Array = self.mean + code @ self.directions
        return images

    def reconstruct(self, x: Array) -> Array:
        """The images (N, D) as the code gives them back."""
        return self.decode(self.encode(x))


def principal_components(images: Any, n_numbers: int) -> PrincipalComponents:
    """The mean of the images, and the eigenvectors of their covariance with the `n_numbers` largest eigenvalues.

    `images[rows]` must give (n, D) floats; a thousand rows are in memory as floats at a time.
    """
    expect_some("principal_components", len(images))
    chunks = [slice(start, start + ROWS) for start in range(0, len(images), ROWS)]
    first = images[:1]
    expect("principal_components", "images", first, ("N", "D"))
    n_pixels = first.shape[1]
    if not 0 <= n_numbers <= n_pixels:
        raise ValueError(f"of images of {n_pixels} pixels there are 0 to {n_pixels} components, not {n_numbers}")
    mean = np.sum([images[rows].sum(axis=0, dtype=np.float64) for rows in chunks], axis=0) / len(images)
    expect_finite("principal_components", "images", mean)
    scatter = np.zeros((n_pixels, n_pixels))
    for rows in chunks:
        centred = images[rows] - mean
        scatter += centred.T @ centred
    _, vectors = np.linalg.eigh(scatter)  # in columns, the smallest eigenvalue first
    directions = vectors[:, ::-1][:, :n_numbers].T
    return PrincipalComponents(mean.astype(first.dtype), directions.astype(first.dtype))


def t_sne(images: DataSet, n: int, seed: int) -> Array:
    """The first n test images in two dimensions (n, 2), from 50 principal components of the training images."""
    from threadpoolctl import threadpool_limits

    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError as error:
        raise missing(error, "t-SNE") from error
    first = principal_components(images.train, min(50, images.train.pixels.shape[1])).encode(images.test[:n])
    perplexity = min(30.0, (n - 1) / 3)
    with threadpool_limits(1):  # its threads wait for one another by spinning: on a busy machine that takes minutes
        return np.asarray(TSNE(2, init="pca", perplexity=perplexity, random_state=seed).fit_transform(first))


def reconstruction_error(reconstruct: Callable[[Array], Array], images: Any) -> float:
    """The mean squared error over all pixels of all images, on the scale of `images[rows]`, (n, D) floats."""
    expect_some("reconstruction_error", len(images))
    total = 0.0
    for start in range(0, len(images), ENCODED):
        x = images[start : start + ENCODED]
        expect("reconstruction_error", "images", x, ("N", "D"))
        again = reconstruct(x)
        expect("reconstruction_error", "reconstructed images", again, x.shape)
        total += float(np.sum((again - x) ** 2, dtype=np.float64)) / x.shape[1]
    return total / len(images)
