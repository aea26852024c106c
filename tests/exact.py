"""A VAE about which everything is known: linear, Gaussian, with a diagonal posterior."""

from __future__ import annotations

import numpy as np
import scipy.stats

from scratchnn import VAE, Dense, Gaussian, Sequential


def linear_gaussian(
    rng: np.random.Generator, n: int = 7, tilt: float = 0.0, widening: float = 0.0
) -> tuple[VAE, np.ndarray, np.ndarray]:
    """x = W z + b + noise of variance s², W with orthogonal columns: p(x) and p(z|x) are known, and p(z|x) has the
    diagonal covariance that the encoder can express. Returns the model, n draws of x, and log p(x).

    The encoder is the posterior, but for a random error of size `tilt` in the matrix that makes its means, and a factor
    of e^widening in its variances.
    """
    n_x, n_z, s2 = 3, 2, 0.3
    W = np.linalg.qr(rng.normal(size=(n_x, n_z)))[0] * [1.5, 0.6]
    b = rng.normal(size=n_x)
    decoder = Dense(n_z, 2 * n_x, rng, dtype=np.float64)
    decoder.W = np.concatenate([W.T, np.zeros((n_z, n_x))], axis=1)
    decoder.b = np.concatenate([b, np.full(n_x, np.log(s2))])

    posterior_var = 1 / (1 + np.diag(W.T @ W) / s2)
    to_mean = W * posterior_var / s2  # (n_x, n_z): E[z|x] = (x − b) @ to_mean
    encoder = Dense(n_x, 2 * n_z, rng, dtype=np.float64)
    encoder.W = np.concatenate([to_mean, np.zeros((n_x, n_z))], axis=1) + tilt * rng.normal(size=(n_x, 2 * n_z))
    encoder.b = np.concatenate([-b @ to_mean, np.log(posterior_var) + widening])
    p = scipy.stats.multivariate_normal(b, W @ W.T + s2 * np.eye(n_x))
    x = p.rvs(n, random_state=rng)
    return VAE(Sequential([encoder]), Sequential([decoder]), Gaussian(), n_z), x, p.logpdf(x)
