"""What must stand in a checkpoint: the schema, checked before anything of the file is used.

Checksums say that a file is what was written; they say nothing of what a program has written by mistake, or somebody by
hand. So every field and every array that is read has its types, sizes and signs here, and its numbers are finite.
Fields and arrays of other names may be there: a later version may have them.

A section can stand alone, as SCHEMA has them by name. A file of weights without a training (weights.py) has the same
table of modules, and `expect_weights` says what else it has to keep to.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from scratchnn.machinery.checks import DTYPES

MODULES, DEPTH = 1000, 20  # rows of a table, and how deep they and the record are nested, at most: more is of no use
NOT_NEGATIVE = ("v", "var", "batches")  # arrays, by the last part of their names
OF_OPTIMISER = "training/optimiser/"  # the beginning of its arrays' names
OF_LAST = "training/last/"  # where the model is that of the best epoch: its arrays after the last one
OF_POINTS = "points/"  # likewise, of where an encoder puts some images
WEIGHT_DTYPES = ("float16", "float32", "float64")
SIDE = 10_000  # rows or columns of an image, at most
FINITE = ("model/", OF_OPTIMISER, OF_LAST, "training/iteration_losses")  # arrays, by the beginning of their names


def expect_schema(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """ValueError unless every section is what its name promises: of the right types, sizes and signs, and finite."""
    expect(not deeper_than(record, DEPTH), f"its record is nested more than {DEPTH} deep")
    for name, expect_section in SCHEMA.items():
        if name in record:
            expect_section(record[name], arrays)
    for name, array in arrays.items():
        if name.startswith(FINITE):
            expect(array.dtype.kind == "f", f"its {name} is no array of floats: float32 or float64, got {array.dtype}")
            expect(bool(np.isfinite(array).all()), f"its {name} has NaN or infinite values")
            if name.replace("/", ".").split(".")[-1] in NOT_NEGATIVE:
                expect(bool((array >= 0).all()), f"its {name} has negative values")


def expect_model(section: Any, arrays: Any) -> None:
    """A table of modules, and the vector of their parameters."""
    expect_modules(section.get("modules"))
    params = arrays.get("model/params")
    expect(params is not None, "model/params is missing")
    expect(params.ndim == 1 and params.dtype in DTYPES, f"its model/params is {params.dtype} of shape {params.shape}")


def expect_modules(rows: Any) -> None:
    """A row for every module: its name in the tree, its class, and the settings it was made with."""
    expect(type(rows) is list and 0 < len(rows) <= MODULES, f"its modules are no list of 1 to {MODULES:,} rows")
    for row in rows:
        kinds = [type(row.get(key)) for key in ("name", "class", "settings")] if type(row) is dict else []
        expect(kinds == [str, str, dict], "a row of its modules has no name, class or settings")
        expect(row["name"].count(".") < DEPTH, f"its modules are nested more than {DEPTH} deep")
    expect(len({row["name"] for row in rows}) == len(rows), "two of its modules have the same name")


def expect_weights(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """A file of weights: a table of modules, finite arrays of one type, and points that are numbers with labels."""
    expect(not deeper_than(record, DEPTH), f"its record is nested more than {DEPTH} deep")
    expect_modules(record.get("modules"))
    expect(type(record.get("settings")) is dict, "its settings are no mapping")
    dtypes = {str(array.dtype) for name, array in arrays.items() if not name.startswith(OF_POINTS)}
    expect(dtypes <= set(WEIGHT_DTYPES) and len(dtypes) < 2, f"its arrays are of {', '.join(sorted(dtypes))}")
    for name, array in arrays.items():
        expect(array.dtype.kind != "f" or bool(np.isfinite(array).all()), f"its {name} has NaN or infinite values")
        if name.split(".")[-1] in NOT_NEGATIVE:
            expect(bool((array >= 0).all()), f"its {name} has negative values")
    if "points" in record:
        expect_points(record["points"], arrays.get("points/means"), arrays.get("points/labels"))


def expect_points(section: Any, means: Any, labels: Any) -> None:
    """The codes (N, n_z) of some images, the shape of an image, and what the labels (N,) mean, if there are any."""
    expect(type(section) is dict, "its points are no mapping")
    match section.get("image_shape"):
        case [int(height), int(width)] if 0 < height <= SIDE and 0 < width <= SIDE:
            pass
        case _:
            raise ValueError(f"its images are not of 1 to {SIDE:,} rows and columns")
    names = section.get("class_names")
    expect(type(names) is list and all(type(name) is str for name in names), "its class_names are no list of texts")
    expect(means is not None and means.dtype == np.float32 and means.ndim == 2, "its points/means are no float32 rows")
    if labels is not None:
        expect(labels.dtype == np.uint8 and labels.shape == means.shape[:1], "its points/labels are not one for each")
        expect(not names or not labels.size or int(labels.max()) < len(names), "a label of its points has no name")


def expect_training(section: Any, arrays: Any) -> None:
    """Settings, the record of every epoch, the loss of every batch, and the states of optimiser and generator."""
    expect(type(section.get("settings")) is dict, "its settings are no mapping")
    history, optimiser, generator = section.get("history"), section.get("optimiser"), section.get("generator")
    expect(type(history) is list and all(type(epoch) is dict for epoch in history), "its history is no list of epochs")
    for number, epoch in enumerate(history, start=1):
        values = [epoch.get(name) for name in ("train_loss", "seconds")] + list(epoch.values())
        expect(
            epoch.get("epoch") == number and all(map(is_number, values)),
            f"its history has no whole record of finite numbers for epoch {number}",
        )
    losses, snapshots = (arrays.get(f"training/{name}") for name in ("iteration_losses", "snapshots"))
    expect(
        losses is not None and losses.dtype == np.float64 and losses.ndim == 1 and len(losses) >= len(history),
        "its iteration_losses are not one or more for every epoch",
    )
    expect(
        snapshots is not None and snapshots.ndim > 0 and len(snapshots) in (0, len(history)),
        "its snapshots are not one for every epoch, or none",
    )
    expect(type(section.get("arithmetic", {})) is dict, "its arithmetic is no mapping")
    on_model = section.get("model", {})
    expect(
        type(on_model) is dict and all(map(is_number, on_model.values())),
        "what it has set on its model are no finite numbers by name",
    )
    frozen = section.get("frozen", [])
    expect(
        type(frozen) is list and all(is_whole(k, 16) for k in frozen) and frozen == sorted(set(frozen)),
        "its frozen layers are no numbers in their order",
    )
    expect(type(optimiser) is dict, "its optimiser is no mapping")
    for name, value in optimiser.items():
        expect(type(value) not in (int, float) or is_number(value), f"its optimiser's {name} is {value}")
    expect("t" not in optimiser or is_whole(optimiser["t"], 53), "its optimiser's t is no number of steps")
    expect(is_number(optimiser.get("lr")) and optimiser["lr"] >= 0, "its optimiser's lr is no number from 0 upwards")
    expect_generator(generator)
    others = section.get("generators", [])
    expect(type(others) is list and len(others) <= MODULES, f"its generators are no list of at most {MODULES:,}")
    for other in others:
        expect_generator(other)


def expect_generator(state: Any) -> None:
    match state:
        case {"bit_generator": "PCG64", "state": {"state": s, "inc": inc}, "has_uint32": 0 | 1, "uinteger": kept}:
            expect(is_whole(s, 128) and is_whole(inc, 128) and is_whole(kept, 32), "its generator is out of range")
        case _:
            raise ValueError("its generator is no PCG64 with the whole of its state")


SCHEMA = {"model": expect_model, "training": expect_training}


def expect(kept: bool, otherwise: str) -> None:
    if not kept:
        raise ValueError(otherwise)


def is_number(value: Any) -> bool:
    """Whether a value of a record is a finite number."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def is_whole(value: Any, bits: int) -> bool:
    """Whether a value of a record is a whole number from 0 that fits into so many bits."""
    return type(value) is int and 0 <= value < 2**bits


def deeper_than(value: Any, levels: int) -> bool:
    """Whether lists and mappings are nested more than so many deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(inner) and (levels == 0 or any(deeper_than(each, levels - 1) for each in inner))
