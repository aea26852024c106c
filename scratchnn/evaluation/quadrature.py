"""log p(x) and the true posterior p(z|x), without an encoder: by adding up over a grid, where z has few dimensions.

For up to three latent dimensions the integral over all z is a sum that can be carried out,

    p(x) = ∫ p(x|z) p(z) dz ≈ Σ_m p(x|z_m) p(z_m) h^(n_z),      z_m on a grid of spacing h

and then everything that a bound leaves open has a value: log p(x), the posterior p(z|x) = p(x|z) p(z) / p(x) at every
point of the grid, and how far a Gaussian q(z) is from it. The grid reaches from −8 to 8 in each dimension, where the
prior has all but 10⁻¹⁴ of its mass; the posterior must have next to nothing outside as well. For a smooth integrand the
error falls faster than any power of h once h is below the width of its narrowest peak; at the kinks of a ReLU network
it falls like h². The sum with every second point tells how large it is (`coarser`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scratchnn.evaluation.bounds import is_binary
from scratchnn.likelihoods import Bernoulli
from scratchnn.machinery.logarithm import log_mean_exp
from scratchnn.machinery.parameters import Array
from scratchnn.vae import VAE

REACH = 8.0
ROWS = 5000  # grid points decoded at once
LARGEST = 2**29  # numbers in memory at a time, 4 GB
TOLERANCE = 1e-10  # how far a sum over q may be from 1


class QuadratureError(ValueError):
    """A grid that cannot hold what is asked of it; the message says why."""


@dataclass(frozen=True)
class OnGrid:
    """The joint density of N images with every point of a grid.

    z (M, n_z): the points; spacing: h; log_likelihood (N, M): log p(x_n|z_m), float64.
    """

    z: Array
    spacing: float
    log_likelihood: Array

    @property
    def log_joint(self) -> Array:
        """log p(x_n, z_m) = log p(x_n|z_m) + log p(z_m), (N, M)."""
        return self.log_likelihood + log_gaussian(self.z, np.zeros(1), np.zeros(1))

    @property
    def log_p(self) -> Array:
        """log p(x) of every image, (N,)."""
        log_p: Array = log_mean_exp(self.log_joint) + np.log(len(self.z) * self.volume)
        return log_p

    @property
    def posterior(self) -> Array:
        """p(z_m|x_n), a density over z, (N, M)."""
        density: Array = np.exp(self.log_joint - self.log_p[:, None])
        return density

    @property
    def volume(self) -> float:
        """What a point stands for, h^(n_z)."""
        return float(self.spacing ** self.z.shape[1])

    def coarser(self) -> OnGrid:
        """The same with every second point of each dimension: the difference tells how large the error is."""
        kept = np.isclose(np.round(self.z / self.spacing) % 2, 0).all(axis=1)
        return OnGrid(self.z[kept], 2 * self.spacing, self.log_likelihood[:, kept])

    def expectations(self, mean: Array, log_var: Array) -> dict[str, Array]:
        """Of q = N(mean, σ²), one for each image, (N, n_z) both: what the bound is made of, each (N,).

        log_likelihood: E_q[log p(x|z)]; jensen: E_q[log (p(x, z)/q(z))], which is the ELBO; kl_to_posterior:
        KL(q(z) ‖ p(z|x)).
        """
        log_joint, log_p = self.log_joint, self.log_p
        found: dict[str, list[float]] = {"log_likelihood": [], "jensen": [], "kl_to_posterior": []}
        for n in range(len(self.log_likelihood)):
            log_q = log_gaussian(self.z, mean[n].astype(np.float64), log_var[n].astype(np.float64))
            q = np.exp(log_q) * self.volume
            if not abs(q.sum() - 1) < TOLERANCE:
                raise QuadratureError(
                    f"the grid from {-REACH:g} to {REACH:g}, spacing {self.spacing:g}, does not hold q(z|x) of image "
                    f"{n}: it adds up to {q.sum():.10f} instead of 1, with mean {np.round(mean[n], 2).tolist()} and "
                    f"σ {np.round(np.exp(log_var[n] / 2), 3).tolist()}; take more points, unless "
                    "q reaches beyond the grid"
                )
            found["log_likelihood"].append(q @ self.log_likelihood[n])
            found["jensen"].append(q @ (log_joint[n] - log_q))
            found["kl_to_posterior"].append(q @ (log_q - (log_joint[n] - log_p[n])))
        return {name: np.array(values) for name, values in found.items()}


def on_grid(model: VAE, x: Array, points: int = 241) -> OnGrid:
    """The joint density of images x (N, D) with a grid of `points` in each latent dimension, 241² for n_z = 2.

    QuadratureError for more than three latent dimensions, for which `importance_weighted` is there; for grey pixels
    under a Bernoulli decoder, which have no likelihood; and for more than 4 GB of numbers.
    """
    if isinstance(model.likelihood, Bernoulli) and not is_binary(x):
        raise QuadratureError(
            "these pixels are grey, and a Bernoulli decoder gives no likelihood of grey pixels: binarise the images "
            "first (data.binarise_held_out)"
        )
    if model.n_z > 3:
        raise QuadratureError(
            f"a grid over {model.n_z} latent dimensions has {points}^{model.n_z} points: quadrature is for at most 3 "
            "(evaluation.importance_weighted estimates log p(x) for any number)"
        )
    if points < 3 or points % 2 == 0:
        raise QuadratureError(f"points must be an odd number of at least 3, so that one lies at 0, got {points}")
    most = int((LARGEST / (model.n_z + 3 * len(x))) ** (1 / model.n_z))  # z, log p(x|z), and two that are made of it
    if points > most:
        raise QuadratureError(
            f"{len(x)} images on a grid of {points}^{model.n_z} points take more than 4 GB: give fewer images, or at "
            f"most {most - (most + 1) % 2} points"
        )
    axis = np.linspace(-REACH, REACH, points)
    z = np.stack(np.meshgrid(*[axis] * model.n_z, indexing="ij"), axis=-1).reshape(-1, model.n_z)
    log_likelihood = np.empty((len(x), len(z)))
    with model.evaluating():
        for start in range(0, len(z), ROWS):
            outputs = model.decoder.forward(z[start : start + ROWS].astype(model.params.dtype))
            for n, image in enumerate(x):
                log_p = model.likelihood.forward(outputs, np.broadcast_to(image, (len(outputs), len(image))))
                log_likelihood[n, start : start + ROWS] = log_p
    return OnGrid(z, float(axis[1] - axis[0]), log_likelihood)


def log_gaussian(z: Array, mean: Array, log_var: Array) -> Array:
    """log N(z; mean, σ²), summed over the dimensions: z (M, n_z) → (M,)."""
    log_density: Array = -0.5 * np.sum(np.log(2 * np.pi) + log_var + (z - mean) ** 2 * np.exp(-log_var), axis=1)
    return log_density
