"""Images of which something is lost, and what restores them without a network.

Whoever fills in missing pixels has to be better than the mean training image; the nearest training image, by the pixels
that are seen, and the mean of the k nearest; and PCA, twice. A principal component is a direction in the space of
images. Least squares takes the code c whose image fits the pixels that are seen. With half of the pixels the directions
are no longer orthogonal, some hardly differ in what is seen, and c becomes huge. Probabilistic PCA (Tipping and Bishop
1999) has a prior: c_j from N(0, λ_j − σ²), where λ_j is the variance along the direction, and noise of variance σ², the
mean of the λ left out; the posterior mean of c has a closed form. Under noise it is told how large the noise is, which
a VAE is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from scratchnn import data
from scratchnn.evaluation import PrincipalComponents, encode, principal_components, reconstruction_error
from scratchnn.machinery.parameters import Array

NOISE = 0.3
COMPONENTS = (2, 5, 10, 20, 30, 50, 100, 200, 300)
NEIGHBOURS = (1, 2, 3, 5, 10, 20, 50)
TRAIN_BLOCK = 5000  # training images at once in the search for neighbours: 16 MB of floats


@dataclass(frozen=True)
class Damaged:
    """Images of which something is lost; all (N, D).

    original: the images; given: what is left of them, with the mean image where nothing is; seen: True where `given`
    says something about the image; kept: True where it is the image's own pixel. Errors are those of the others.
    """

    original: Array
    given: Array
    seen: Array
    kept: Array

    def __len__(self) -> int:
        return len(self.original)

    def __getitem__(self, rows: slice) -> Damaged:
        return Damaged(self.original[rows], self.given[rows], self.seen[rows], self.kept[rows])

    def errors(self, guess: Array) -> Array:
        """The mean squared error (N,) of the pixels that are not kept, each an image's."""
        squares = np.where(self.kept, 0, (guess - self.original) ** 2)
        return squares.sum(axis=1, dtype=np.float64) / np.count_nonzero(~self.kept, axis=1)


def without(original: Array, seen: Array, mean_image: Array) -> Damaged:
    return Damaged(original, np.where(seen, original, mean_image), seen, seen)


def random_half(original: Array, mean_image: Array, shape: tuple[int, int], rng: np.random.Generator) -> Damaged:
    """Half of the pixels are missing, others of every image."""
    n_pixels = original.shape[1]
    half = np.tile(np.arange(n_pixels) < n_pixels // 2, (len(original), 1))
    return without(original, rng.permuted(half, axis=1), mean_image)


def lower_half(original: Array, mean_image: Array, shape: tuple[int, int], rng: np.random.Generator) -> Damaged:
    """The lower half is missing: what is seen lies far from most of it."""
    height, width = shape
    seen = np.arange(height * width) < height // 2 * width
    return without(original, np.tile(seen, (len(original), 1)), mean_image)


def noisy(original: Array, mean_image: Array, shape: tuple[int, int], rng: np.random.Generator) -> Damaged:
    """Every pixel has noise."""
    noise = NOISE * rng.standard_normal(original.shape, dtype=original.dtype)
    everywhere = np.ones(original.shape, bool)
    return Damaged(original, original + noise, everywhere, ~everywhere)


def noisy_and_cut_off(original: Array, mean_image: Array, shape: tuple[int, int], rng: np.random.Generator) -> Damaged:
    """The same; then what is below 0 is set to 0, and what is above 1 to 1."""
    x = noisy(original, mean_image, shape, rng)
    return replace(x, given=np.clip(x.given, 0, 1))


DAMAGES: dict[str, Callable[..., Damaged]] = {
    "random half": random_half, "lower half": lower_half, "noise": noisy, "noise, cut off": noisy_and_cut_off
}  # fmt: skip


# ---- what a VAE has to beat


@dataclass(frozen=True)
class Components:
    """The principal components of the training images, as many as anybody asks for, and the variances along them.

    pca: mean and directions (K, D); variances (K,): λ_j; total: the sum of all λ, those left out as well.
    """

    pca: PrincipalComponents
    variances: Array
    total: float

    def weights(self, k: int, noise: float) -> Array:
        """What a number c_j costs in probabilistic PCA, beside the squared error: σ²/(λ_j − σ²), (k,).

        `noise` is the variance of the noise on the pixels that are seen, over and above the model's own.
        """
        n_pixels = self.pca.directions.shape[1]
        own = (self.total - self.variances[:k].sum()) / (n_pixels - k)
        return (own + noise) / np.maximum(self.variances[:k] - own, 1e-12)


def components_of(images: data.Images, n: int) -> Components:
    pca = principal_components(images, n)
    mean_image = PrincipalComponents(pca.mean, pca.directions[:0])
    total = reconstruction_error(mean_image.reconstruct, images) * len(pca.mean)
    return Components(pca, encode(pca, images).var(axis=0, dtype=np.float64), total)


def by_components(x: Damaged, pca: PrincipalComponents, weights: Array) -> Array:
    """The images (N, D) of the codes that fit best, with values outside of [0, 1] set to 0 or 1.

    With V_s the directions (k, D) where the pixels that are not seen are set to 0, the code c minimises

        ‖x_s − mean_s − cᵀ V_s‖² + Σ_j weight_j c_j²

    where the derivative by c is 0: (V_s V_sᵀ + diag(weight)) c = V_s (x_s − mean_s).
    """
    directions = pca.directions[: len(weights)].astype(np.float64)
    codes = []
    for start in range(0, len(x), 50):
        some = x[start : start + 50]
        v = some.seen[:, None, :] * directions
        right = v @ (some.given - pca.mean)[:, :, None]
        codes.append(np.linalg.solve(v @ directions.T + np.diag(weights), right)[:, :, 0])
    guess: Array = np.clip(pca.mean + np.concatenate(codes) @ directions, 0, 1)
    return guess


def nearest(x: Damaged, images: data.Images, k: int) -> Array:
    """The rows (N, k) of the k training images that are nearest in the pixels seen, the nearest first.

    ‖x_s − t_s‖² = ‖x_s‖² − 2 x_s·t_s + ‖t_s‖², and the first term is the same for all t. Only a block of training
    images at a time is compared with a block of the others, and of each the k nearest so far are remembered.
    """
    found = []
    for start in range(0, len(x), 1000):
        some = x[start : start + 1000]
        seen = some.seen.astype(np.float32)
        masked = some.given * seen
        distances, rows = np.full((len(some), k), np.inf, np.float32), np.zeros((len(some), k), int)
        for first in range(0, len(images), TRAIN_BLOCK):
            t = images[first : first + TRAIN_BLOCK]
            of_block = seen @ (t**2).T - 2 * masked @ t.T
            both = np.concatenate([distances, of_block], axis=1)
            numbers = np.arange(first, first + len(t))
            all_rows = np.concatenate([rows, np.broadcast_to(numbers, of_block.shape)], axis=1)
            best = np.argpartition(both, k - 1, axis=1)[:, :k]
            distances, rows = (np.take_along_axis(array, best, axis=1) for array in (both, all_rows))
        found.append(np.take_along_axis(rows, distances.argsort(axis=1, kind="stable"), axis=1))
    return np.concatenate(found)


def mean_of(rows: Array, images: data.Images) -> Array:
    """The mean images (N, D) of training images in rows (N, k)."""
    total = images[rows[:, 0]]
    for column in rows.T[1:]:
        total += images[column]
    return total / np.float32(rows.shape[1])


def chosen(guesses: Mapping[int, Array], x: Damaged) -> int:
    """Which of the numbers makes the guesses with the smallest error."""
    errors = {number: x.errors(guess).mean() for number, guess in guesses.items()}
    return min(errors, key=lambda number: errors[number])


def others(
    test: Damaged, validation: Damaged, images: data.Images, components: Components
) -> dict[str, tuple[int, Array]]:
    """The guesses (N, D) of the other methods, by name, with the number that was chosen on the validation images."""
    pca = components.pca
    # of the noise that is left in what is seen, where pixels are noisy; 0 where they are missing
    noise = float(np.mean((validation.given - validation.original)[validation.seen] ** 2, dtype=np.float64))
    ks = [k for k in COMPONENTS if k <= len(components.variances)]
    found: dict[str, tuple[int, Array]] = {"mean image": (0, np.broadcast_to(pca.mean, test.original.shape))}
    kinds = {
        # not quite 0: where a direction is not seen at all there is a solution all the same
        "PCA, least squares": {k: np.full(k, 1e-9) for k in ks},
        "PCA, probabilistic": {k: components.weights(k, noise) for k in ks},
    }
    for name, weights in kinds.items():
        k = chosen({k: by_components(validation, pca, weights[k]) for k in ks}, validation)
        found[name] = k, by_components(test, pca, weights[k])
    n = min(max(NEIGHBOURS), len(images))
    rows = nearest(validation, images, n)
    k = chosen({k: mean_of(rows[:, :k], images) for k in NEIGHBOURS if k <= n}, validation)
    rows = nearest(test, images, k)
    found["nearest neighbour"] = 1, mean_of(rows[:, :1], images)
    found["nearest neighbours, mean"] = k, mean_of(rows, images)
    return found
