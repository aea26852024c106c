"""The networks of the student works that several scripts train, and the parts into which these divide the data.

Two works use Keras, one PyTorch; their layers start from other values than ours. One is a notebook (003) with two
dense autoencoders of MNIST; examples/dense_autoencoder.py says what the ReLU behind their code does. The convolutional
autoencoder of Fashion-MNIST is printed in an appendix (R. Santamaria, 2024), and stands below layer by layer, for
images of 28×28 pixels and, smaller, for the digits of 8×8. examples/conv_autoencoder.py says what its dropout and its
decoder do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scratchnn import data
from scratchnn.autoencoder import Autoencoder
from scratchnn.classifier import Classifier
from scratchnn.init import glorot_uniform, pytorch_uniform
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
from scratchnn.layers.layer import Module
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


# ---- the dense autoencoders, by the numbers in their code

DENSE_LEARNING_RATES = {8: 5e-4, 2: 1e-3}
DENSE_BATCH_SIZES = {8: 64, 2: 256}


def dense_autoencoder(kind: str, n_code: int, n_x: int, rng: np.random.Generator) -> Autoencoder:
    """The network with 8 numbers or that with 2. The numbers beside it: for 784 pixels. The kinds: relu, as in the
    notebook; linear-code, without the ReLU behind the code; linear-output, without that behind the output as well."""
    w, narrow = (64, 16) if n_x >= 400 else (16, 8)
    last = [8] if n_code == 8 else [narrow, 2]
    encoder = keras_layers([n_x, 4 * w, 2 * w, w, *last], rng)  # 784-256-128-64-8, 784-256-128-64-16-2
    decoder = keras_layers([*last[::-1], w, 2 * w, n_x], rng)  # 8-64-128-784, 2-16-64-128-784
    if kind != "relu":
        encoder.pop()  # the ReLU behind the code
    if kind == "linear-output":
        decoder.pop()
    return Autoencoder(Sequential(encoder), Sequential(decoder), MeanSquaredError())


# ---- the convolutional autoencoder, and a classifier on its encoder

CONV_EPOCHS = {"digits": (60, 40), "mnist": (15, 30), "fashion-mnist": (15, 30)}  # autoencoders, classifiers
CONV_CODES = {"digits": [16, 32], "mnist": [64, 128, 256], "fashion-mnist": [64, 128, 256]}


def conv_autoencoder(
    variant: str, side: int, n_code: int, rng: np.random.Generator, pytorch: bool = False
) -> Autoencoder:
    """For images of side × side pixels. The variants: as-printed; no-output-dropout; no-dropout; own-decoder, without
    dropout; own-linear, with the own decoder and no ReLU behind the code. `pytorch`: with its initial values."""
    rate = RATE if variant in ("as-printed", "no-output-dropout") else 0
    encoder = conv_encoder(side, n_code, rate, rng, linear=variant == "own-linear")
    if variant.startswith("own"):
        decoder = own_decoder(side, n_code, rng)
    else:
        decoder = printed_decoder(side, n_code, rate, rng, output_rate=RATE if variant == "as-printed" else 0)
    model = Autoencoder(Sequential(encoder), Sequential(decoder), MeanSquaredError())
    if pytorch:
        start_as_in_pytorch(model, rng)
    return model


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


def conv_classifier(
    kind: str, below: Layer, side: int, n_code: int, rng: np.random.Generator, pytorch: bool = False
) -> Classifier:
    """The printed encoder with the values of the trained one, `below`, and a dense layer. The kinds: as-printed, with a
    ReLU and dropout on the logits; logits, without; untrained, without, and the encoder keeps values of its own."""
    # a new encoder and no copy: its dropout must draw from this run's generator
    encoder = Sequential(conv_encoder(side, n_code, RATE, rng))
    printed = [ReLU(), Dropout(RATE, rng)] if kind == "as-printed" else []
    model = Classifier(Sequential([encoder, Dense(n_code, 10, rng), *printed]))
    if pytorch:
        start_as_in_pytorch(model, rng)
    if kind != "untrained":
        encoder.params[...] = below.params
    return model


def start_as_in_pytorch(model: Module, rng: np.random.Generator) -> None:
    """Gives the weights and biases of a model the values that PyTorch draws for its Linear, Conv2d, ConvTranspose2d.

    Its fan-in is the size of the second axis of the weights, times the pixels of the kernel. In a transposed
    convolution, whose weights are (c_in, c_out, KH, KW), that is c_out·KH·KW: the fan-in of the convolution whose
    adjoint it is, and not the c_in·⌈KH/s⌉·⌈KW/s⌉ inputs that feed one of its own outputs.
    """
    for layer in model.walk():
        if isinstance(layer, Dense | Conv2D | ConvTranspose2D):
            fan_in = layer.n_in if isinstance(layer, Dense) else math.prod(layer.W.shape[1:])
            layer.W = pytorch_uniform(layer.W.shape, fan_in, rng)
            layer.b = pytorch_uniform(layer.b.shape, fan_in, rng)


# ---- the data


def joined(*parts: data.Images) -> data.Images:
    """The images of all parts, one part after the other."""
    labels = None if parts[0].labels is None else np.concatenate([data.labels_of(part) for part in parts])
    return data.Images(np.concatenate([part.pixels for part in parts]), parts[0].max_value, labels)


def all_images(images: data.DataSet) -> data.Images:
    """Every image of the data set, on the scale of its bytes: 0–255, or 0–16 for the embedded digits."""
    return replace(joined(images.train, images.validation, images.test), max_value=1)


def split_of_the_document(images: data.DataSet) -> data.DataSet:
    """50,000 images train and 10,000 validate, where there are so many, as with the convolutional autoencoder."""
    if len(images.train) != 55_000:
        return images
    more, train = images.train.split(5_000, 50_000)
    return replace(images, train=train, validation=joined(images.validation, more))
