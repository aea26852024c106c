"""Checkpoints: what a training run leaves behind, read back; and the model that one holds, built again.

A checkpoint is an .npz file: arrays, and a record in JSON. It has two sections, each with a checksum of its own; the
first can stand alone:

    model       {"modules": [...], "checksum": ...}      arrays model/params, model/buffers/...
    training    {"settings": ..., "history": ..., ...}   arrays training/optimiser/m, training/iteration_losses, ...

The architecture is a table, a row for every module: its name in the tree, its class, and the settings it was made with.

    {"name": "encoder.0", "class": "Dense", "settings": {"n_in": 784, "n_out": 500}}

`load_model` builds a model from the rows. It knows the classes of this library and nothing else: no code in a
checkpoint is ever executed. Nothing of a checkpoint is used before its format and checksums are verified.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from scratchnn import grey_likelihoods, layers, likelihoods, losses
from scratchnn.autoencoder import Autoencoder
from scratchnn.classifier import Classifier
from scratchnn.iwae import IWAE
from scratchnn.layers import Module
from scratchnn.machinery.parameters import Array
from scratchnn.vae import VAE

FORMAT = 2  # format 1, of versions before 0.1.0, had no number
MODELS = {"Autoencoder": Autoencoder, "Classifier": Classifier, "IWAE": IWAE, "VAE": VAE}
BUILDING_BLOCKS: dict[str, type[Module]] = {
    name: value
    for name, value in {**vars(layers), **vars(losses), **vars(likelihoods), **vars(grey_likelihoods), **MODELS}.items()
    if isinstance(value, type) and issubclass(value, Module)
}
# arguments that a row does not hold: arrays do, or rows of parts
NO_SETTINGS = ("rng", "b", "dtype", "layers", "shapes", "parts")


class Stored(Protocol):
    """A model as a checkpoint sees it: its parameters (P,), its buffers by name, and its parts."""

    @property
    def params(self) -> Array: ...
    @property
    def buffers(self) -> Mapping[str, Array]: ...
    @property
    def parts(self) -> Mapping[str, Any]: ...


class CheckpointError(Exception):
    """A checkpoint that is missing, damaged, or of no use here."""


class OtherRunError(CheckpointError):
    """A checkpoint of another model or of other settings: `difference` says what tells them apart."""

    def __init__(self, path: Path, difference: str) -> None:
        super().__init__(f"{path} is of another run: {difference}")
        self.difference = difference


# ---- the file


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into; it takes the place of `path` once all is written. An interruption leaves what was there.

    What it holds is on disk before its name is, and its name before this ends: a computer that loses its power has the
    old file or the new one, and after this the new one.
    """
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_names(path.parent)
    except OSError as error:  # of a full disk, for one, which names no file
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def sync_names(folder: Path) -> None:
    """Has the names in a folder written to the disk, where the system can do that: Windows cannot."""
    with suppress(OSError):
        names = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(names)
        finally:
            os.close(names)


def checksum(section: str, content: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    """sha256 of a section: its part of the record, and its arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    digest.update(json.dumps({k: v for k, v in content.items() if k != "checksum"}, sort_keys=True).encode())
    for name in sorted(name for name in arrays if name.startswith(section + "/")):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_checkpoint(path: Path, record: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Writes the sections of `record`, each with its checksum, and the arrays; whole or not at all."""
    sections = {
        name: {**content, "checksum": checksum(name, content, arrays)} if isinstance(content, dict) else content
        for name, content in record.items()
    }
    with written_whole(path) as file:
        np.savez(file, record=np.array(json.dumps({**sections, "format": FORMAT})), **arrays)  # type: ignore[arg-type]


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The record and the arrays of a checkpoint, verified; CheckpointError if it is missing, damaged, or of no use."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        record = json.loads(str(arrays.pop("record")))
        found = record.get("format", 1)
        sections = {name: record[name] for name in ("model", "training") if name in record and found == FORMAT}
        damaged = [n for n, section in sections.items() if section["checksum"] != checksum(n, section, arrays)]
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except Exception as error:  # a damaged file makes zipfile, NumPy and json raise all kinds of errors
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint: it is truncated or of another kind; delete it, or "
            "choose another folder"
        ) from error
    if found != FORMAT:
        raise CheckpointError(
            f"{path} is a checkpoint of format {found}, and this version reads format {FORMAT}: "
            "train again, or load it with the version that wrote it"
        )
    if damaged or "model" not in sections:
        raise CheckpointError(f"{path} is damaged: its {' and '.join(damaged) or 'model'} is not what was written")
    return record, arrays


def first_difference(here: Mapping[str, Any], there: Mapping[str, Any]) -> str | None:
    """What tells the settings of a run, `here`, from those in a file, in words; None if nothing does."""
    for name in sorted({*here, *there}):
        if here.get(name) != there.get(name):
            return f"it has {name} = {there.get(name)}, and this run has {here.get(name)}"
    return None


def fingerprint(params: Array) -> str:
    """16 hexadecimal digits that tell these very parameters from any others."""
    return hashlib.sha256(params.tobytes()).hexdigest()[:16]


# ---- the model


def modules_of(model: Stored) -> list[dict[str, Any]]:
    """The table of a model: a row for itself, and for each module that it is made of.

    A class that differs in training alone can say `stored_as = VAE`: that is what is built again.
    """

    def rows(module: Any, name: str) -> Iterator[dict[str, Any]]:
        cls = getattr(module, "stored_as", type(module))
        arguments = inspect.signature(cls).parameters
        wanted = [key for key in arguments if key not in (*module.parts, *NO_SETTINGS) and hasattr(module, key)]
        settings = {key: getattr(module, key) for key in wanted}
        yield {"name": name, "class": cls.__name__, "settings": settings}
        for key, part in module.parts.items():
            yield from rows(part, f"{name}.{key}" if name else key)

    table: list[dict[str, Any]] = json.loads(json.dumps(list(rows(model, "")), default=str))
    return table


def described(row: Mapping[str, Any]) -> str:
    """A row of the table as text: Dense(n_in=784, n_out=500)."""
    return f"{row['class']}({', '.join(f'{name}={value}' for name, value in row['settings'].items())})"


def by_name(modules: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The table as settings that can be compared: {"encoder.0": "Dense(n_in=784, n_out=500)"}."""
    return {row["name"] or "model": described(row) for row in modules}


def build(modules: Sequence[Mapping[str, Any]], rng: np.random.Generator) -> Module:
    """The model that a table describes.

    `rng` goes to every layer that wants one. The weights it draws are overwritten by the checkpoint's parameters; the
    masks of dropout come from it if the model is trained on, and differ from layer to layer as they share it.
    """
    rows = {row["name"]: row for row in modules}

    def made(name: str) -> Module:
        row, below = rows[name], f"{name}." if name else ""
        if row["class"] not in BUILDING_BLOCKS:
            raise ValueError(f"{row['class']} is no layer of this library")
        cls = BUILDING_BLOCKS[row["class"]]
        arguments: dict[str, Any] = dict(row["settings"])
        for key in inspect.signature(cls).parameters:
            if key == "rng":
                arguments[key] = rng
            elif key == "layers":
                arguments[key] = [made(f"{below}{k}") for k in range(len(rows)) if f"{below}{k}" in rows]
            elif f"{below}{key}" in rows:
                arguments[key] = made(f"{below}{key}")
        return cls(**arguments)

    return made("")


def model_section(model: Stored) -> tuple[dict[str, Any], dict[str, Array]]:
    """The part of a record, and the arrays, from which a model is built again."""
    buffers = {f"model/buffers/{name}": array for name, array in model.buffers.items()}
    return {"modules": modules_of(model)}, {"model/params": model.params, **buffers}


def verified_arrays(model: Stored, arrays: Mapping[str, Array]) -> list[tuple[Array, Array]]:
    """Pairs of an array of the model and its value in a checkpoint; ValueError unless shapes and types are alike."""
    wanted = {"model/params": model.params, **{f"model/buffers/{name}": array for name, array in model.buffers.items()}}
    for name, array in wanted.items():
        if name not in arrays:
            raise ValueError(f"{name} is missing")
        found = arrays[name]
        if (found.shape, found.dtype) != (array.shape, array.dtype):
            raise ValueError(
                f"its {name} is {found.dtype} of shape {found.shape}, and the model's {array.dtype} of {array.shape}"
            )
    return [(array, arrays[name]) for name, array in wanted.items()]


def take_parameters(model: Stored, path: Path, alike: Sequence[str]) -> dict[str, Any]:
    """Gives a model the parameters and buffers of a checkpoint, and returns what that tells of its training.

    The checkpoint's own model may be of another class, a VAE for an IWAE, but the parts named in `alike` must be those
    of this one: OtherRunError if they are not, CheckpointError if there is none. `path` is that of `load_model`.
    """
    path = checkpoint_of(path)
    record, arrays = read_checkpoint(path)
    try:
        here, there = (
            by_name([row for row in modules if row["name"].split(".")[0] in alike])
            for modules in (modules_of(model), record["model"]["modules"])
        )
        if difference := first_difference(here, there):
            raise OtherRunError(path, difference)
        for array, value in verified_arrays(model, arrays):
            array[...] = value
        training: dict[str, Any] = record["training"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not a complete checkpoint: {error}") from error
    return training


def checkpoint_of(path: str | Path) -> Path:
    """The checkpoint itself, given that or the folder of the run that wrote it."""
    path = Path(path)
    return path / "checkpoint.npz" if path.is_dir() else path


def load_model(path: str | Path) -> tuple[Any, dict[str, Any]]:
    """The trained model of a checkpoint, and the settings it was trained with; CheckpointError if there is none.

    `path` is the checkpoint, or the folder of the run that wrote it. To the settings is added how many `epochs` it saw.
    The model is one of `MODELS`, or whatever module was saved: ask isinstance.
    """
    path = checkpoint_of(path)
    record, arrays = read_checkpoint(path)
    try:
        model = build(record["model"]["modules"], np.random.default_rng(0)).astype(arrays["model/params"].dtype)
        for array, value in verified_arrays(model, arrays):
            array[...] = value
        training = record.get("training", {})
        settings = {**training.get("settings", {}), "epochs": len(training.get("history", []))}
    except (AttributeError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise CheckpointError(f"{path} holds no model that this version can build: {error}") from error
    return model, settings
