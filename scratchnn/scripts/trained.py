"""What a script starts from that is given a trained model: the model itself, and images that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn import data
from scratchnn.autoencoder import Autoencoder
from scratchnn.data import Images
from scratchnn.evaluation import encode
from scratchnn.training.checkpoints import CheckpointError, load_model
from scratchnn.training.weights import Points, holds_weights, load_weights
from scratchnn.vae import VAE


def load_trained(path: Path) -> tuple[Any, dict[str, Any], Points | None]:
    """The model of a run's folder, of a checkpoint or of a file of weights, in float32 as the images are; its settings;
    and the points that only a file of weights can have."""
    model, settings, points = load_stored(path)
    return model.astype(np.float32), settings, points


def load_stored(path: Path) -> tuple[Any, dict[str, Any], Points | None]:
    """The same, with the model in the type that it was stored in."""
    if holds_weights(path) or (path.suffix == ".safetensors" and not path.is_dir()):  # which no checkpoint is
        return load_weights(path)
    return *load_model(path), None


def held_out_images(settings: Mapping[str, Any]) -> tuple[Images, tuple[int, int], tuple[str, ...]]:
    """The test images that belong to a run, black and white if it was trained so; their (height, width); class names.

    CheckpointError if the settings of the run do not name a data set, DataError if it cannot be found.
    """
    if "data" not in settings:
        raise CheckpointError(
            "the checkpoint does not say on which data set its model was trained, so none can be shown"
        )
    if settings.get("images") == "all":  # examples/dense_autoencoder.py
        raise CheckpointError(
            "its model was trained on pixels from 0 to 255 (digits: 16), and what is shown here are pixels from 0 to "
            "1: take another run"
        )
    name, split, how = settings["data"], settings.get("split", "contiguous"), settings.get("binarisation", "none")
    if not (isinstance(name, str) and isinstance(split, str) and how in [*data.BINARISATIONS]):
        raise CheckpointError(
            f"its images cannot be had: its settings say data {name!r}, split {split!r}, binarisation {how!r}"
        )
    images = data.load(name, split)
    return data.binarise_held_out(images.test, how), images.image_shape, images.class_names


def points_of(model: Any, settings: Mapping[str, Any], n: int) -> Points:
    """Where the encoder of a model puts the first n test images of its data set.

    CheckpointError if it has no encoder and decoder, DataError if the data set cannot be found.
    """
    expect_decoder(model)
    images, image_shape, class_names = held_out_images(settings)
    try:
        codes = encode(model.astype(np.float32), images[:n])
    except ValueError as error:
        raise CheckpointError(
            f"the model was made for other images than those of {settings['data']}: {error}"
        ) from error
    means = codes[0] if isinstance(model, VAE) else codes
    return Points(means, None if images.labels is None else images.labels[:n], image_shape, class_names)


def expect_decoder(model: Any) -> None:
    if not isinstance(model, VAE | Autoencoder):
        raise CheckpointError(
            f"a {type(model).__name__} has no decoder, so there is no latent space: take a run of a VAE, as scratchnn "
            "train makes one, or of an autoencoder"
        )
