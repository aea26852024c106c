"""Checkpoints: what a training run leaves behind, read back; and the model that one holds, built anew.

A checkpoint is an .npz file: the arrays (parameters, the optimiser's state, losses) and a record in JSON. The record's
`settings` hold the model as the text that `repr(model)` gives, which is the expression that makes it:

    VAE(Sequential([Dense(784, 500), ReLU(), Dense(500, 4)]), Sequential([Dense(2, 500), …]), Bernoulli(), n_z=2)

`load_model` reads that text as data. It knows the names of this library's layers, lists and numbers, and nothing else:
no code in a checkpoint is ever executed.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from scratchnn import layers, likelihoods, losses
from scratchnn.autoencoder import Autoencoder
from scratchnn.classifier import Classifier
from scratchnn.layers import Layer
from scratchnn.parameters import Array
from scratchnn.vae import VAE

MODELS = {"Autoencoder": Autoencoder, "Classifier": Classifier, "VAE": VAE}
BUILDING_BLOCKS: dict[str, type[Layer]] = {
    name: value
    for name, value in {**vars(layers), **vars(losses), **vars(likelihoods), **MODELS}.items()
    if isinstance(value, type) and issubclass(value, Layer)
}


class CheckpointError(Exception):
    """A checkpoint that cannot be read, or belongs to another model or other settings."""


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into; it takes the place of `path` once all is written. An interruption leaves what was there."""
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The record (settings, history, generator) and the arrays of a checkpoint; nothing in it is executed."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        record = json.loads(str(arrays.pop("record")))
        return {name: record[name] for name in ("settings", "history", "generator")}, arrays
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except (KeyError, TypeError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint: it is truncated or of another kind; delete it, or "
            "choose another folder"
        ) from error


def load_model(path: Path) -> tuple[Any, dict[str, Any]]:
    """The trained model of a checkpoint, and the settings it was trained with; CheckpointError if there is none.

    `path` is the checkpoint, or the folder of the run that wrote it. To the settings is added how many `epochs` it saw.
    """
    path = path / "checkpoint.npz" if path.is_dir() else path
    record, arrays = read_checkpoint(path)
    settings = record["settings"]
    try:
        expression = ast.parse(settings["model"], mode="eval").body
        model = build(expression, np.random.default_rng(0)).astype(arrays["params"].dtype)
        model.params = arrays["params"]
        for name, buffer in model.buffers.items():
            buffer[...] = arrays[f"buffer.{name}"]
    except (AttributeError, KeyError, TypeError, ValueError, SyntaxError, MemoryError) as error:
        raise CheckpointError(f"{path} holds no model that this version can build: {error}") from error
    return model, {**settings, "epochs": len(record["history"])}


def fingerprint(params: Array) -> str:
    """16 hexadecimal digits that tell these very parameters from any others."""
    return hashlib.sha256(params.tobytes()).hexdigest()[:16]


def build(expression: ast.expr, rng: np.random.Generator) -> Any:
    """What an expression in the text of a model stands for: a layer, a list of them, or a plain value.

    `rng` goes to every layer that wants one. The weights it draws are overwritten by the checkpoint's parameters; the
    masks of dropout come from it if the model is trained on, and differ from layer to layer as they share it.
    """
    if isinstance(expression, ast.List):
        return [build(element, rng) for element in expression.elts]
    if not isinstance(expression, ast.Call):
        return ast.literal_eval(expression)
    name = ast.unparse(expression.func)
    if name not in BUILDING_BLOCKS:
        raise ValueError(f"{name} is no layer of this library")
    arguments = {str(keyword.arg): build(keyword.value, rng) for keyword in expression.keywords}
    if "rng" in inspect.signature(BUILDING_BLOCKS[name]).parameters:
        arguments["rng"] = rng
    return BUILDING_BLOCKS[name](*[build(argument, rng) for argument in expression.args], **arguments)
