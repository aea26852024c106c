"""The networks of the student works that several scripts train, and the parts into which these divide the data.

Two works use Keras, whose dense layers start from other values than ours. The convolutional autoencoder of
Fashion-MNIST is printed in an appendix (R. Santamaria, 2024), and stands below layer by layer, for images of 28×28
pixels and, smaller, for the digits of 8×8. examples/conv_autoencoder.py says what its dropout and its decoder do.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from scratchnn import data
from scratchnn.autoencoder import Autoencoder
from scratchnn.init import glorot_uniform
from scratchnn.layers import (
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2D,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
)
from scratchnn.losses import MeanSquaredError

KERAS_EPS = 1e-7  # of Adam
RATE = 0.2  # of all dropout that the appendix prints


def keras_layers(widths: Sequence[int], rng: np.random.Generator) -> list[Layer]:
    """Dense layers from width to width, a ReLU behind each, with Keras's initial values: biases 0, Glorot's weights."""
    layers: list[Layer] = []
    for n_in, n_out in itertools.pairwise(widths):
        dense = Dense(n_in, n_out, rng)
        dense.W = glorot_uniform((n_in, n_out), n_in, n_out, rng)
        layers += [dense, ReLU()]
    return layers


# ---- the convolutional autoencoder


def conv_autoencoder(variant: str, side: int, n_code: int, rng: np.random.Generator) -> Autoencoder:
    """For images of side × side pixels. The variants: as-printed; no-output-dropout; no-dropout; own-decoder, without
    dropout; own-linear, with the own decoder and no ReLU behind the code."""
    rate = RATE if variant in ("as-printed", "no-output-dropout") else 0
    encoder = conv_encoder(side, n_code, rate, rng, linear=variant == "own-linear")
    if variant.startswith("own"):
        decoder = own_decoder(side, n_code, rng)
    else:
        decoder = printed_decoder(side, n_code, rate, rng, output_rate=RATE if variant == "as-printed" else 0)
    return Autoencoder(Sequential(encoder), Sequential(decoder), MeanSquaredError())


def dropout(rate: float, rng: np.random.Generator) -> list[Layer]:
    return [Dropout(rate, rng)] if rate else []


def conv_encoder(side: int, n_code: int, rate: float, rng: np.random.Generator, linear: bool = False) -> list[Layer]:
    kernel, left = {28: (3, 5), 8: (2, 1)}[side]
    return [
        Reshape((1, side, side)),
        Conv2D(1, 16, 3, rng),  # (1, 28, 28) → (16, 26, 26)
        ReLU(),
        *dropout(rate, rng),
        MaxPool2D(2),  # → (16, 13, 13)
        Conv2D(16, 32, kernel, rng),  # → (32, 11, 11)
        ReLU(),
        *dropout(rate, rng),
        MaxPool2D(2),  # → (32, 5, 5): a row and a column are left over
        Flatten(),  # → 800
        Dense(32 * left * left, n_code, rng),
        *([] if linear else [ReLU(), *dropout(rate, rng)]),
    ]


def printed_decoder(
    side: int, n_code: int, rate: float, rng: np.random.Generator, output_rate: float = 0
) -> list[Layer]:
    kernel, extra, left = {28: (4, 1, 5), 8: (3, 0, 1)}[side]
    return [
        Dense(n_code, 32 * left * left, rng),
        ReLU(),
        *dropout(rate, rng),
        Reshape((32, left, left)),  # → (32, 5, 5)
        ConvTranspose2D(32, 16, kernel, rng, stride=2, output_padding=extra),  # → (16, 13, 13)
        ReLU(),
        *dropout(rate, rng),
        ConvTranspose2D(16, 1, 3, rng, stride=2, output_padding=1),  # → (1, 28, 28)
        Sigmoid(),
        *dropout(output_rate, rng),
        Flatten(),
    ]


def own_decoder(side: int, n_code: int, rng: np.random.Generator) -> list[Layer]:
    """Ours, not printed anywhere: it reaches every pixel, and all of them with as many weights."""
    quarter = side // 4
    return [
        Dense(n_code, 64 * quarter * quarter, rng),
        ReLU(),
        Reshape((64, quarter, quarter)),  # → (64, 7, 7)
        ConvTranspose2D(64, 32, 4, rng, stride=2, padding=1),  # → (32, 14, 14)
        ReLU(),
        ConvTranspose2D(32, 1, 4, rng, stride=2, padding=1),  # → (1, 28, 28)
        Sigmoid(),
        Flatten(),
    ]


# ---- the data


def joined(*parts: data.Images) -> data.Images:
    """The images of all parts, one part after the other."""
    labels = None if parts[0].labels is None else np.concatenate([data.labels_of(part) for part in parts])
    return data.Images(np.concatenate([part.pixels for part in parts]), parts[0].max_value, labels)


def split_of_the_document(images: data.DataSet) -> data.DataSet:
    """50,000 images train and 10,000 validate, where there are so many, as with the convolutional autoencoder."""
    if len(images.train) != 55_000:
        return images
    more, train = images.train.split(5_000, 50_000)
    return data.DataSet(images.name, train, joined(images.validation, more), images.test, images.image_shape)
