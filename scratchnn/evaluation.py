"""What a loss is worth: the numbers to hold it against.

A Bernoulli loss on grey pixels has a floor above 0. For a pixel of grey level x the loss −x log p − (1 − x) log(1 − p)
is smallest at p = x, and there it is the entropy H(x) = −x log x − (1 − x) log(1 − x). So no decoder whatsoever gets
below the mean over the images of Σ_i H(x_i). At the other end stands the decoder that shows one image to everybody: the
best is the mean image m, and since the loss is linear in x, its loss is Σ_i H(m_i). What a model has learned lies in
between.
"""

from __future__ import annotations

import numpy as np

from scratchnn.data import Images
from scratchnn.parameters import Array


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
