"""Images as the training loop wants them: bytes in memory, floats in [0, 1] when a batch is taken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scratchnn.machinery.checks import expect_int
from scratchnn.machinery.parameters import Array


@dataclass(frozen=True)
class Images:
    """Images as bytes, which become floats in [0, 1] when a batch is taken: `images[rows]` is (n, D) float32.

    pixels (N, D) uint8 from 0 to `max_value`; labels (N,) uint8, or None.
    """

    pixels: Array
    max_value: int
    labels: Array | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: Any) -> Array:
        """The batch of the given rows (a slice or an array of indices), scaled to [0, 1]."""
        batch: Array = self.pixels[rows] / np.float32(self.max_value)
        return batch

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_value", expect_int("Images", "max_value", self.max_value))  # NumPy's would wrap
        if self.labels is not None and len(self.labels) != len(self.pixels):
            raise ValueError(f"{len(self.pixels)} images need as many labels, got {len(self.labels)}")

    def split(self, *sizes: int) -> list[Images]:
        """Consecutive pieces of the given sizes; ValueError if there are not as many images."""
        ends = np.cumsum(sizes)
        if min(sizes, default=0) < 0 or sum(sizes) > len(self):
            raise ValueError(f"{len(self):,} images cannot be cut into pieces of {', '.join(map(str, sizes))}")
        labels = self.labels
        return [
            Images(self.pixels[end - size : end], self.max_value, None if labels is None else labels[end - size : end])
            for size, end in zip(sizes, ends, strict=True)
        ]


def labels_of(images: Images) -> Array:
    """The labels (N,) of images that must have some; ValueError if they have none."""
    if images.labels is None:
        raise ValueError("these images have no labels, so no classifier can learn from them")
    return images.labels


@dataclass(frozen=True)
class Labelled:
    """Images with their labels, for a classifier: `labelled[rows]` is (x, labels), (n, D) float32 and (n,)."""

    images: Images

    def __post_init__(self) -> None:
        labels_of(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> tuple[Array, Array]:
        return self.images[rows], labels_of(self.images)[rows]


@dataclass(frozen=True)
class DataSet:
    """A data set in three parts that share no image. `image_shape` is (height, width); D is their product.

    class_names (C,): what the labels 0 to C − 1 mean; empty where there are no labels.
    """

    name: str
    train: Images
    validation: Images
    test: Images
    image_shape: tuple[int, int]
    class_names: tuple[str, ...] = ()

    def __str__(self) -> str:
        height, width = self.image_shape
        return (
            f"{self.name}: {len(self.train):,} training, {len(self.validation):,} validation and {len(self.test):,} "
            f"test images of {height}×{width} grey pixels / {self.train.max_value}"
        )

    def reshuffled(self, rng: np.random.Generator) -> DataSet:
        """The same images, dealt at random into parts of the same sizes: neighbours end up in different parts."""
        parts = (self.train, self.validation, self.test)
        pixels = np.concatenate([part.pixels for part in parts])
        order = rng.permutation(len(pixels))
        labels = None if self.train.labels is None else np.concatenate([labels_of(part) for part in parts])[order]
        train, validation, test = Images(pixels[order], self.train.max_value, labels).split(*map(len, parts))
        return replace(self, train=train, validation=validation, test=test)
