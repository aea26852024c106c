"""What generated images are worth: how many of them look like real ones, and how many real ones they cover.

A loss cannot say it: a GAN has no loss that measures images, and the ELBO belongs to one model. Nor can a single number
for variety, such as the distance between two images: speckle on every image makes it larger. There are two questions.

    precision    of the made images, which share could be real?
    recall       of the real images, which share could have been made?

A generator that makes one perfect image has precision 1 and recall 0; one that makes everything, and noise as well, has
the recall 1 and a small precision. "Could be" must be defined with points alone, since of neither distribution there is
a density. Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models", 2019, take the
region where real images lie to be a union of balls: one around every real image, which reaches as far as its k-th
nearest neighbour among the real ones. Where images lie thickly the balls are small, where they lie thinly, large.

The points are not pixels but *features*: the activations of a layer of a trained classifier. Two photographs of one
thing may differ in every pixel and agree there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scratchnn.machinery.checks import expect, expect_finite, expect_int
from scratchnn.machinery.parameters import Array

ROWS = 500  # distances are made for so many points at a time: with 10,000 others, 40 MB


def precision_and_recall(real: Array, made: Array, k: int = 3) -> tuple[float, float]:
    """The share of made points within the region of the real ones, and of real points within that of the made ones.

    Shapes
        real (N, D) and made (N, D): the features of as many real as made images.
    Formula
        With r_k(p, A) the distance of a point p of A from its k-th nearest neighbour among the other points of A,

            precision = (1/N) Σ_m [ |m − r| ≤ r_k(r, real) for some r in real ]       m over made
            recall    = (1/N) Σ_r [ |r − m| ≤ r_k(m, made) for some m in made ]       r over real

        equations (1) and (2) of the paper.
    Watch
        Both are estimates with a bias. They depend on N and k: with more points the balls are smaller, and with a
        larger k they are larger, so only numbers of the same N and k can be compared. Two sets of images of one
        distribution do not reach 1: what they reach is the scale. A single outlier has a large ball, which may hold
        much that looks like no image: precision is too high there, recall if the outlier was made. Noise on made
        images scatters their points, so their balls grow: recall may rise while precision falls, and neither number
        stands alone. Distances below a millionth of that of the farthest centre from the middle count as none.
        What the features do not show does not count. And a generator that copies its training images gets as much as
        these would: to be new is not asked.
    """
    k = expect_int("precision_and_recall", "k", k)
    for name, points in (("real", real), ("made", made)):
        expect("precision_and_recall", name, points, ("N", "D"))
        expect_finite("precision_and_recall", name, points)
    if real.shape != made.shape:
        raise ValueError(
            "precision_and_recall compares as many made points as real ones, with as many features, got "
            f"{made.shape} and {real.shape}: the size of the balls depends on how many there are"
        )
    if len(real) <= k:
        raise ValueError(f"with k = {k} each set needs more than {k} points, got {len(real)}")
    return share_covered(made, real, k), share_covered(real, made, k)


def share_covered(points: Array, centres: Array, k: int) -> float:
    """The share of points (N, D) within a ball around one of the centres (M, D), by their k-th nearest neighbours."""
    middle = centres.mean(axis=0, dtype=np.float64)
    points, centres = points - middle, centres - middle  # float64, and small numbers have small rounding errors
    # by a power of two, which rounds nothing: no square overflows or is lost
    _, exponent = np.frexp(max(np.abs(points).max(), np.abs(centres).max()))
    points, centres = np.ldexp(points, -exponent), np.ldexp(centres, -exponent)
    rounding = 1e-12 * float(np.sum(centres**2, axis=1).max())  # a point on the edge of a ball is inside
    radius = np.concatenate([np.partition(d, k, axis=1)[:, k] for d in squared_distances(centres, centres)])  # (M,)
    inside = [(d <= radius + rounding).any(axis=1) for d in squared_distances(points, centres)]
    return float(np.concatenate(inside).mean())


def squared_distances(a: Array, b: Array) -> Iterator[Array]:
    """The squared distances (n, M) of n points of a (N, D) at a time from all points of b (M, D).

    |a − b|² = |a|² + |b|² − 2 a·b: a matrix product, where the differences would be an array (n, M, D).
    """
    of_b = np.sum(b**2, axis=1)
    for start in range(0, len(a), ROWS):
        some = a[start : start + ROWS]
        yield np.sum(some**2, axis=1)[:, None] + of_b - 2 * some @ b.T
