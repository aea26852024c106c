"""The contestant in Keras, as the notebook of the dense autoencoder writes it: a Sequential of Dense, compile, fit.

Keras puts the images in an order of its own, and is given them as floats, which are made in the round that is not
counted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

from benchmarks.in_tensorflow import tf, use_threads
from scratchnn import Dense, ReLU
from scratchnn.data import Images
from scratchnn.machinery.parameters import Array

NAME, keras = "Keras", tf.keras
__all__ = ["NAME", "contestants", "use_threads"]


class InKeras:
    """The twin of an autoencoder of dense layers with the mean squared error."""

    def __init__(self, model: Any, adam: Mapping[str, float]) -> None:
        layers = [*model.encoder.layers, *model.decoder.layers]
        dense = [layer for layer in layers if isinstance(layer, Dense)]
        behind = [below for layer, below in zip(layers, [*layers[1:], None], strict=True) if isinstance(layer, Dense)]
        self.model = keras.Sequential([keras.Input((dense[0].n_in,))])
        for layer, above in zip(dense, behind, strict=True):
            activation = "relu" if isinstance(above, ReLU) else None
            self.model.add(keras.layers.Dense(layer.n_out, activation))
            self.model.layers[-1].set_weights([layer.W, layer.b])
        optimizer = keras.optimizers.Adam(adam["lr"], epsilon=adam["eps"])
        self.model.compile(optimizer, loss="mse")
        self.x: Array | None = None

    def step(self, x: Array, eps: Array) -> float:
        self.model.reset_metrics()  # what is returned is else a mean over all calls so far
        return float(self.model.train_on_batch(x, x))

    def epoch(self, images: Images, batch_size: int, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        if self.x is None:
            self.x = images[:]
        self.model.fit(self.x, self.x, batch_size, epochs=1, verbose=0)


def contestants(model: Any, adam: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, str]]:
    return {"Keras, fit": InKeras(model, adam)}, {}
