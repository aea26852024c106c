"""Weights alone: a trained model in a small file that anybody can read, without what its training left behind.

A checkpoint is for going on with a training, so it has the moments of the optimiser and the loss of every batch, some
three times the size of the weights. Whoever only wants to use a model wants its arrays, by name:

    encoder.0.W     (784, 500)
    encoder.0.b     (500,)
    …
    record          {"format": "weights 1", "modules": [...], "settings": {...}, "checksum": ...}, in JSON

`modules` is the table of a checkpoint (checkpoints.py), from which the model is built again; the names of the arrays
say which of its parameters each is. Half precision (float16) halves the file, and rounds every weight to 11 bits.

The file is an .npz as np.savez writes it, and np.load(path)["encoder.0.W"] reads it anywhere; or, with the package of
that name installed, a .safetensors file, with the record in its metadata. A model may come with *points*, where its
encoder puts some images, so that a picture of its latent space can be drawn where the images are not at hand.

As with checkpoints, no code in a file is ever executed. It is used only after its format, its checksum and its schema
are verified, and nothing is allocated that the file does not have the numbers for.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scratchnn.machinery.extras import missing
from scratchnn.machinery.files import written_whole
from scratchnn.machinery.parameters import Array
from scratchnn.training.checkpoints import CheckpointError, build, checksum, modules_of
from scratchnn.training.npz import read_arrays, write_arrays
from scratchnn.training.schema import OF_POINTS, expect, expect_weights

FORMAT = "weights 1"
SUFFIXES = (".npz", ".safetensors")
UNREADABLE = (AttributeError, KeyError, RecursionError, TypeError, ValueError, struct.error)  # of what is no such file


class WeightsError(CheckpointError):
    """A file of weights that is missing, damaged, or of no use here."""


class Points(NamedTuple):
    """Where an encoder puts images: means (N, n_z) float32, labels (N,) uint8 or None, and what both are of."""

    means: Array
    labels: Array | None
    image_shape: tuple[int, int]
    class_names: Sequence[str] = ()


def save_weights(
    path: str | Path,
    model: Any,
    settings: Mapping[str, Any] | None = None,
    *,
    dtype: str | None = None,
    points: Points | None = None,
) -> None:
    """Writes the weights of a model, whole or not at all, as .npz or .safetensors, as the end of the name says.

    settings   of its training, to be read with it: JSON
    dtype      "float16", "float32" or "float64"; by default that of the model
    """
    path = Path(path)
    expect_suffix(path)
    with np.errstate(over="ignore"):  # ∞ is refused below
        arrays = {name: in_type(name, array, dtype or array.dtype) for name, array in named(model).items()}
    record: dict[str, Any] = {"format": FORMAT, "modules": modules_of(model), "settings": dict(settings or {})}
    record = json.loads(json.dumps(record))  # so that the checksum is of what will be read
    if points is not None:
        record["points"] = {"image_shape": list(points.image_shape), "class_names": list(points.class_names)}
        arrays["points/means"] = np.array(points.means, np.float32, order="C")
        if points.labels is not None:
            arrays["points/labels"] = np.array(points.labels, np.uint8)
    try:
        expect_weights(record, arrays)
    except ValueError as error:
        raise WeightsError(f"{path} is not written, since it could not be read again: {error}") from error
    text = json.dumps({**record, "checksum": checksum_of(record, arrays)})
    with written_whole(path) as file:
        if path.suffix == ".npz":
            write_arrays(file, {"record": np.array(text), **arrays})
        else:
            file.write(safetensors(path).numpy.save(arrays, {"record": text}))


def in_type(name: str, array: Array, dtype: Any) -> Array:
    """The array in another type. Of the batches that an average has seen it matters whether there were any: the largest
    number stands for more than the type can count."""
    if name.split(".")[-1] == "batches":
        array = np.minimum(array, np.finfo(dtype).max)
    return np.array(array, dtype, order="C")


def read_weights(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The record and the arrays of a file of weights, verified; WeightsError if it is missing, damaged, of no use."""
    path = Path(path)
    expect_suffix(path)
    try:
        if path.exists() and not path.is_file():
            raise WeightsError(f"{path} is no file: give the name of a file of weights")
        text, arrays = (read_npz if path.suffix == ".npz" else read_safetensors)(path)
        record = json.loads(text)
        found = record.get("format")
        expected = record.pop("checksum", None) if found == FORMAT else None
        whole = expected is not None and expected == checksum_of(record, arrays)
    except FileNotFoundError as error:
        raise WeightsError(f"there is no file of weights {path}") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    except UNREADABLE as error:
        raise WeightsError(
            f"{path} cannot be read as a file of weights: it is truncated or of another kind; write it again with "
            "scratchnn weights"
        ) from error
    if type(found) is int:
        raise WeightsError(
            f"{path} is a checkpoint, which has a training beside the weights: make a file of weights of it with "
            f"scratchnn weights {path} --out FILE.npz, or read it with load_model"
        )
    if found != FORMAT:
        raise WeightsError(f"{path} is a file of format {found!r}, and this version reads {FORMAT!r}: write it again")
    if not whole:
        raise WeightsError(f"{path} is damaged: its checksum is not that of what it holds; write it again")
    try:
        expect_weights(record, arrays)
    except ValueError as error:
        raise WeightsError(f"{path} is not a complete file of weights: {error}") from error
    return record, arrays


def holds_weights(path: Path) -> bool:
    """Whether it is a file of weights, in order or not; False for a checkpoint, a folder, and what is neither."""
    if path.suffix not in SUFFIXES or not path.is_file():
        return False
    try:
        text, _ = (read_npz if path.suffix == ".npz" else read_safetensors)(path)
        return bool(json.loads(text)["format"] == FORMAT)
    except (OSError, *UNREADABLE):
        return False


def load_weights(path: str | Path) -> tuple[Any, dict[str, Any], Points | None]:
    """The model of a file of weights, the settings it was trained with, and its points, if it has some.

    It computes in the type that its weights were stored in, and in float32 if they are in half precision.
    """
    record, arrays = read_weights(path)
    weights = {name: array for name, array in arrays.items() if not name.startswith(OF_POINTS)}
    n_params = sum(array.size for array in weights.values())
    dtype = next((array.dtype for array in weights.values() if array.dtype != np.float16), np.dtype(np.float32))
    try:
        model = build(record["modules"], np.random.default_rng(0), n_params).astype(dtype)
        wanted = named(model)
        for name in sorted(wanted.keys() | weights.keys()):
            expect(name in weights, f"{name} is missing")
            expect(name in wanted, f"it has {name}, and its model has none")
            there, here = weights[name].shape, wanted[name].shape
            expect(there == here, f"its {name} is of shape {there}, and the model's of {here}")
            wanted[name][...] = weights[name]
    except ValueError as error:
        raise WeightsError(f"{path} holds no model that this version can build: {error}") from error
    if "points" not in record:
        return model, record["settings"], None
    height, width = record["points"]["image_shape"]
    points = Points(
        arrays["points/means"], arrays.get("points/labels"), (height, width), record["points"]["class_names"]
    )
    return model, record["settings"], points


def named(model: Any) -> dict[str, Array]:
    """All arrays of a model by name: what it has learned, and what it keeps of the data without learning it."""
    return {**model.parameters, **model.buffers}


def checksum_of(record: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    """sha256 of the record and of every array with its name, type and shape."""
    return checksum("weights", record, {f"weights/{name}": array for name, array in arrays.items()})


def expect_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"weights lie in files that end in {' or '.join(SUFFIXES)}, and {path} does not")


# ---- the two forms


def read_npz(path: Path) -> tuple[str, dict[str, Array]]:
    with path.open("rb") as file:
        arrays = read_arrays(file)
    return arrays.pop("record").item(), arrays


def read_safetensors(path: Path) -> tuple[str, dict[str, Array]]:
    package = safetensors(path)
    with path.open("rb"):  # the package has other errors for what is missing or must not be read
        pass
    try:
        with package.safe_open(path, "numpy") as file:
            return file.metadata()["record"], {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except package.SafetensorError as error:
        raise ValueError(str(error)) from error


def safetensors(path: Path) -> Any:
    """The package; MissingExtraError where it is not installed."""
    try:
        import safetensors
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise missing(error, f"a file such as {path}") from error
    return safetensors
