"""The thesis's classifiers (Annexes F and G): an encoder, a softmax on its means, and what they learn from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchnn.data import Images
from scratchnn.init import lecun_normal, thesis_bias
from scratchnn.layers import Dense, Layer, ReLU
from scratchnn.machinery.parameters import Array
from scratchnn.vae import VAE


def new_encoder(sizes: Sequence[int], rng: np.random.Generator) -> list[Layer]:
    """pixels → means of z, with new values; for sizes such as (784, 500, 500, 50)."""
    layers: list[Layer] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [Dense(n_in, n_out, rng, b=thesis_bias(n_out, rng)), ReLU()]
    return layers[:-1]  # the means are linear


def trained_encoder(model: VAE) -> list[Layer]:
    """pixels → means of z, with the values of a VAE. The last layer there has log-variances too, after the means."""
    layers = new_encoder(sizes_of(model), np.random.default_rng(0))  # these draws are overwritten
    for layer, source in zip(dense_layers(layers), dense_layers(model.encoder.walk()), strict=True):
        layer.W, layer.b = source.W[:, : layer.n_out], source.b[: layer.n_out]
    return layers


def sizes_of(model: VAE) -> list[int]:
    """The widths of the layers of a VAE, from its pixels to its means."""
    return [layer.n_in for layer in dense_layers(model.encoder.walk())] + [model.n_z]


def dense_layers(layers: Iterable[Layer]) -> list[Dense]:
    return [layer for layer in layers if isinstance(layer, Dense)]


def softmax(n_in: int, n_classes: int, n_z: int, rng: np.random.Generator) -> Dense:
    """inputs → logits; Annexes F and G draw all initial values from N(0, 1/n_z), whatever n_in is."""
    layer = Dense(n_in, n_classes, rng, b=lecun_normal((n_classes,), n_z, rng))
    layer.W = lecun_normal((n_in, n_classes), n_z, rng)
    return layer


@dataclass(frozen=True)
class Examples:
    """Chosen rows of labelled data, in their order and as often as chosen: `examples[positions]` is (x, labels).

    x is `data.Images` or an array of codes (N, n_z); labels (N,); rows are row numbers of both.
    """

    x: Images | Array
    labels: Array
    rows: Array

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: Any) -> tuple[Array, Array]:
        chosen = self.rows[positions]
        return self.x[chosen], self.labels[chosen]
