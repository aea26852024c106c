"""Black or white: four ways to make a binary pixel of a grey one, each a different data set with its own numbers.

A Bernoulli likelihood is a probability only for pixels that are 0 or 1. A grey level x in [0, 1] can be read as the
probability of white, and the pixel drawn from it:

    none       grey pixels as they are: the loss has the entropy of the pixels as its floor and is no likelihood
    dynamic    drawn again every time an image is used, so that no network ever sees the same image twice
    fixed      drawn once: the same data set under the same seed, easier to overfit than the one above
    threshold  white where the grey level is above a half: nothing is drawn

Published numbers differ by several nats between these (Burda et al. 2015, appendix D), so a number must say which.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scratchnn.data.images import Images
from scratchnn.machinery.parameters import Array

BINARISATIONS = {
    "none": "grey pixels in [0, 1], not binarised",
    "dynamic": "binary pixels, drawn again at every use; held-out and test images drawn once",
    "fixed": "binary pixels, drawn once",
    "threshold": "binary pixels, white above a half",
}
BINARISATION_SEED = 20_150_901  # of what is drawn once: the same images for every run and every evaluation


@dataclass(frozen=True)
class Resampled:
    """Grey images whose pixels are drawn whenever a batch is taken: `images[rows]` is (n, D) float32 of 0 and 1."""

    grey: Images
    rng: np.random.Generator

    def __len__(self) -> int:
        return len(self.grey)

    def __getitem__(self, rows: Any) -> Array:
        return draw_bernoulli(self.grey[rows], self.rng)


def draw_bernoulli(p: Array, rng: np.random.Generator) -> Array:
    """Draws from Bernoulli(p), 1 with probability p and else 0, of the shape of p, float32; NaN for NaN."""
    drawn = (rng.random(p.shape, np.float32) < p).astype(np.float32)
    drawn[np.isnan(p)] = np.nan
    return drawn


def binarise(images: Images, how: str, rng: np.random.Generator) -> Images | Resampled:
    """The images with pixels 0 and 1, or as they are ("none").

    For "dynamic" the generator is kept and drawn from with every batch. Give it the one that training uses, and a
    checkpoint, which holds that generator's state, resumes to the same bits. No other binarisation touches it.
    """
    if how == "none":
        return images
    if how == "dynamic":
        return Resampled(images, rng)
    if how == "fixed":
        # the images themselves are part of the seed: no two sets share their draws
        once = np.random.default_rng([BINARISATION_SEED, zlib.crc32(images.pixels.tobytes())])
        pixels = np.empty(images.pixels.shape, np.uint8)
        for start in range(0, len(images), 1000):
            pixels[start : start + 1000] = draw_bernoulli(images[start : start + 1000], once)
        return replace(images, pixels=pixels, max_value=1)
    if how == "threshold":
        return replace(images, pixels=(images.pixels > images.max_value / 2).astype(np.uint8), max_value=1)
    raise ValueError(f"there is no binarisation {how!r}: choose one of {', '.join(BINARISATIONS)}")


def binarise_held_out(images: Images, how: str) -> Images:
    """The same for images to evaluate on, which have to stay the same from one evaluation to the next."""
    held_out = binarise(images, "fixed" if how == "dynamic" else how, np.random.default_rng())
    assert isinstance(held_out, Images)
    return held_out
