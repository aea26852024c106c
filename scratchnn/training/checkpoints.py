"""Checkpoints: what a training run leaves behind, read back; and the model that one holds, built again.

A checkpoint is an .npz file: arrays, and a record in JSON. It has two sections, each with a checksum of its own; the
first can stand alone:

    model       {"modules": [...], "checksum": ...}      arrays model/params, model/buffers/...
    training    {"settings": ..., "history": ..., ...}   arrays training/optimiser/m, training/iteration_losses, ...

Where a training keeps its best epoch, the model is that of this epoch, and what to go on from is training/last/....

The architecture is a table, a row for every module: its name in the tree, its class, and the settings it was made with.

    {"name": "encoder.0", "class": "Dense", "settings": {"n_in": 784, "n_out": 500}}

`load_model` builds a model from the rows. It knows the classes of this library and nothing else: no code in a
checkpoint is ever executed. Nothing of a checkpoint is used before its format, its checksums and its schema
(schema.py) are verified, and nothing is allocated that the file does not have the numbers for.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scratchnn import grey_likelihoods, layers, likelihoods, losses
from scratchnn.autoencoder import Autoencoder
from scratchnn.classifier import Classifier
from scratchnn.iwae import IWAE
from scratchnn.layers import Module
from scratchnn.machinery.files import written_whole
from scratchnn.machinery.memory import learning_at_most
from scratchnn.machinery.parameters import Array
from scratchnn.optim import Optimiser
from scratchnn.training.npz import read_arrays, write_arrays
from scratchnn.training.schema import OF_LAST, OF_OPTIMISER, SCHEMA, expect, expect_schema, is_number
from scratchnn.vae import VAE

FORMAT = 2  # format 1, of versions before 0.1.0, had no number
MODELS = {"Autoencoder": Autoencoder, "Classifier": Classifier, "IWAE": IWAE, "VAE": VAE}
CLASSES: dict[str, type[Module]] = {
    name: value
    for name, value in {**vars(layers), **vars(losses), **vars(likelihoods), **vars(grey_likelihoods), **MODELS}.items()
    if isinstance(value, type) and issubclass(value, Module)
}
# what others derive from says what a layer is, and is none
BUILDING_BLOCKS = {
    name: cls
    for name, cls in CLASSES.items()
    if name in MODELS or not any(cls in c.__mro__[1:] for c in CLASSES.values())
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

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class OtherRunError(CheckpointError):
    """A checkpoint of another model or of other settings: `difference` says what tells them apart."""

    def __init__(self, path: Path, difference: str) -> None:
        super().__init__(f"{path} is of another run: {difference}")
        self.difference = one_line(difference)


def one_line(text: str) -> str:
    """A text of which parts may come from a file: without line breaks and what else a terminal obeys, and not long."""
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= 1000 else f"{text[:1000]} …"


# ---- the file


def checksum(section: str, content: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    """sha256 of a section: its part of the record, and its arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    digest.update(json.dumps({k: v for k, v in content.items() if k != "checksum"}, sort_keys=True).encode())
    for name in sorted(name for name in arrays if name.startswith(section + "/")):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_checkpoint(path: Path, record: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Writes the sections of `record`, each with its checksum, and the arrays; whole or not at all."""
    sections = {
        name: {**content, "checksum": checksum(name, content, arrays)} if isinstance(content, dict) else content
        for name, content in record.items()
    }
    content = {"record": np.array(json.dumps({**sections, "format": FORMAT})), **arrays}
    with written_whole(path) as file:
        write_arrays(file, content)


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The record and the arrays of a checkpoint, verified; CheckpointError if it is missing, damaged, or of no use."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise CheckpointError(f"{path} is no file: choose another folder")
        with path.open("rb") as file:
            arrays = read_arrays(file)
        record = json.loads(arrays.pop("record").item())
        found = record.get("format", 1)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, struct.error) as error:
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint: it is truncated or of another kind; delete it, or "
            "choose another folder"
        ) from error
    if type(found) is str and found.startswith("weights "):
        raise CheckpointError(f"{path} holds weights alone, and no checkpoint: read it with load_weights")
    if found != FORMAT:
        raise CheckpointError(
            f"{path} is a checkpoint of format {found}, and this version reads format {FORMAT}: "
            "train again, or load it with the version that wrote it"
        )
    sections = {name: record[name] for name in SCHEMA if name in record}
    damaged = [n for n, section in sections.items() if not intact(n, section, arrays)]
    if damaged or "model" not in sections:
        raise CheckpointError(f"{path} is damaged: its {' and '.join(damaged) or 'model'} is not what was written")
    try:
        expect_schema(record, arrays)
    except ValueError as error:
        raise CheckpointError(f"{path} is not a complete checkpoint: {error}") from error
    return record, arrays


def intact(name: str, section: Any, arrays: Mapping[str, Array]) -> bool:
    """Whether a section is what was written; one that is nested too deeply for JSON never was."""
    try:
        return isinstance(section, dict) and section.get("checksum") == checksum(name, section, arrays)
    except RecursionError:
        return False


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


def build(modules: Sequence[Mapping[str, Any]], rng: np.random.Generator, n_params: int) -> Module:
    """The model that a table describes, which learns at most `n_params` numbers; ValueError if the table makes none.

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
                arguments[key] = [made(f"{below}{k}") for k in takewhile(lambda k: f"{below}{k}" in rows, count())]
            elif f"{below}{key}" in rows:
                arguments[key] = made(f"{below}{key}")
        return cls(**arguments)

    try:
        with learning_at_most(n_params):
            model = made("")
    except (ArithmeticError, AttributeError, KeyError, TypeError) as error:  # of a constructor, given what it never saw
        raise ValueError(f"{type(error).__name__}: {error}") from error
    table = {row["name"]: row for row in modules_of(model)}
    for name, row in rows.items():
        here = table.get(name, {"class": None})
        if here["class"] != row["class"] or here["settings"] != {**here["settings"], **row["settings"]}:
            raise ValueError(f"{name or 'the model'} is built as something else than {described(row)}")
    if len(table) > len(rows):
        raise ValueError("its table lacks modules")
    return model


def model_section(model: Stored) -> tuple[dict[str, Any], dict[str, Array]]:
    """The part of a record, and the arrays, from which a model is built again."""
    return {"modules": modules_of(model)}, model_arrays(model)


def model_arrays(model: Stored) -> dict[str, Array]:
    """The model's own arrays, by their names in a checkpoint."""
    return {"model/params": model.params, **{f"model/buffers/{name}": a for name, a in model.buffers.items()}}


def arrays_of(model: Stored) -> dict[str, Array]:
    """Copies of the model's arrays, for `put_arrays`."""
    return {name: array.copy() for name, array in model_arrays(model).items()}


def put_arrays(model: Stored, arrays: Mapping[str, Array]) -> None:
    """Gives the model's arrays the values of those by the same names."""
    for name, array in model_arrays(model).items():
        array[...] = arrays[name]


def verify_arrays(model: Stored, arrays: Mapping[str, Array]) -> None:
    """ValueError unless each array of the model is in a checkpoint, of the same shape and type."""
    for name, array in model_arrays(model).items():
        if name not in arrays:
            raise ValueError(f"{name} is missing")
        found = arrays[name]
        if (found.shape, found.dtype) != (array.shape, array.dtype):
            raise ValueError(
                f"its {name} is {found.dtype} of shape {found.shape}, and the model's {array.dtype} of {array.shape}"
            )


def verified_state(optimiser: Optimiser, fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> dict[str, Any]:
    """The state of an optimiser in a checkpoint; ValueError unless it is of the same kind as this optimiser's."""
    vectors = {name.removeprefix(OF_OPTIMISER): a for name, a in arrays.items() if name.startswith(OF_OPTIMISER)}
    there = {**fields, **vectors}
    for name, value in optimiser.state().items():
        if name not in there:
            raise ValueError(f"its optimiser has no {name}")
        found = there[name]
        if isinstance(value, np.ndarray):
            expect(isinstance(found, np.ndarray), f"its {name} is no array")
            expect(
                (found.shape, found.dtype) == (value.shape, value.dtype),
                f"its {name} is {found.dtype} of shape {found.shape}",
            )
        else:
            expect(type(found) is type(value) or (type(value) is float and is_number(found)), f"its {name} is {found}")
    return there


def take_parameters(model: Stored, path: Path, alike: Sequence[str]) -> dict[str, Any]:
    """Gives a model the parameters and buffers of a checkpoint, and returns what that tells of its training.

    The checkpoint's own model may be of another class, a VAE for an IWAE, but the parts named in `alike` must be those
    of this one: OtherRunError if they are not, CheckpointError if there is none. `path` is that of `load_model`.
    """
    path = checkpoint_of(path)
    record, arrays = read_checkpoint(path)
    if "training" not in record:
        raise CheckpointError(f"{path} holds a model, and nothing of its training")
    here, there = (
        by_name([row for row in modules if row["name"].split(".")[0] in alike])
        for modules in (modules_of(model), record["model"]["modules"])
    )
    if difference := first_difference(here, there):
        raise OtherRunError(path, difference)
    try:
        verify_arrays(model, arrays)
    except ValueError as error:
        raise CheckpointError(f"{path} is not a complete checkpoint: {error}") from error
    put_arrays(model, arrays)
    training: dict[str, Any] = record["training"]
    return training


def checkpoint_of(path: str | Path) -> Path:
    """The checkpoint itself, given that or the folder of the run that wrote it; CheckpointError for too long a name."""
    path = Path(path)
    try:
        return path / "checkpoint.npz" if path.is_dir() else path
    except OSError as error:  # too long a name
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def best_record(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The record of the epoch with the smallest held-out loss, the first of several."""
    return min(history, key=lambda record: float(record["held_out_loss"]))


def load_model(path: str | Path) -> tuple[Any, dict[str, Any]]:
    """The trained model of a checkpoint, and the settings it was trained with; CheckpointError if there is none.

    `path` is the checkpoint, or the folder of the run that wrote it. To the settings is added how many `epochs` it saw:
    with early stopping, up to the best.
    The model is one of `MODELS`, or whatever module was saved: ask isinstance.
    """
    path = checkpoint_of(path)
    record, arrays = read_checkpoint(path)
    params = arrays["model/params"]
    try:
        model = build(record["model"]["modules"], np.random.default_rng(0), params.size).astype(params.dtype)
        verify_arrays(model, arrays)
        put_arrays(model, arrays)
    except ValueError as error:
        raise CheckpointError(f"{path} holds no model that this version can build: {error}") from error
    training = record.get("training", {"settings": {}, "history": []})
    history = training["history"]
    by_held_out = bool(history) and all("held_out_loss" in record for record in history)
    of_best = by_held_out and any(name.startswith(OF_LAST) for name in arrays)
    return model, {**training["settings"], "epochs": best_record(history)["epoch"] if of_best else len(history)}
