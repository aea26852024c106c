"""What layers check before they compute, each check once: one sentence says what was given, and what to do about it.

Shapes and types that do not fit would mostly not stop NumPy: it stretches arrays to each other's shape, and computes in
the wider of two types. The result would be wrong, or slow, without a word.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from scratchnn.machinery.parameters import Array

DTYPES = (np.float32, np.float64)


def type_name(value: Any) -> str:
    """What a value is, for a message: "an array of uint8", "the class ReLU", "a list"."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def called(owner: Any) -> str:
    """The name of an owner in a message: a text as it is, a layer by its repr."""
    return owner if isinstance(owner, str) else repr(owner)


def expect(
    owner: Any, name: str, array: Any, shape: tuple[int | str, ...] | None = None, outputs: Array | None = None
) -> None:
    """Raises unless `array` holds floats and, if one is given, has this shape.

    A letter, as in ("N", 784), fits all sizes from 1 upwards, "2 D" even ones, and N, the number of examples, also 0.
    Data in float64 beside a network's `outputs` in float32 are refused: everything computed of both would be float64.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fc":
        pixels = "" if name.startswith("d") else ", and scale pixels to [0, 1]"  # dy is no image
        raise TypeError(
            f"{called(owner)} expects {name} to be an array{shape_text(shape)} of floats, got {type_name(array)}: "
            f"convert it, as in np.asarray({name}, np.float32){pixels}"
        )
    if shape is not None and not matches(array.shape, shape):
        hint = ": Flatten() makes rows of images" * (shape[0] == "N" and len(shape) == 2 < array.ndim)
        raise ValueError(f"{called(owner)} expects {name} of shape{shape_text(shape)}, got {array.shape}{hint}")
    if getattr(outputs, "dtype", None) == np.float32 and array.dtype.kind == "f" and array.dtype.itemsize > 4:
        raise TypeError(
            f"{called(owner)} was given outputs in float32 and {name} in {array.dtype}: convert it with "
            f"{name}.astype(np.float32)"
        )


def matches(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    """Whether a shape is the one wanted, up to its letters. Asked some thirty times a step: hence the short way."""
    return shape == wanted or (
        len(shape) == len(wanted)
        and all(
            want == size or (isinstance(want, str) and (size > 0 or want == "N") and not (want == "2 D" and size % 2))
            for want, size in zip(wanted, shape, strict=True)
        )
    )


def shape_text(shape: tuple[int | str, ...] | None) -> str:
    """A shape in a message, as in " (N, 784)"; nothing where any shape will do."""
    return "" if shape is None else f" ({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def expect_dtype(layer: Any, x: Array) -> None:
    """Raises unless x is of the layer's own dtype: NumPy would compute in the wider of the two, and say nothing."""
    if x.dtype != layer.params.dtype:
        other = f", or the model with model.astype(np.{x.dtype})" if x.dtype in DTYPES else ""
        raise TypeError(
            f"{layer!r} holds {layer.params.dtype} and was given x as {x.dtype}: "
            f"convert x with x.astype(np.{layer.params.dtype}){other}"
        )


def expect_finite(owner: Any, name: str, values: Array) -> None:
    """Raises for NaN and infinite values."""
    if not np.isfinite(values).all():
        raise ValueError(f"{called(owner)} expects finite {name}, got NaN or infinite values")


def expect_some(owner: str, n: int, what: str = "image") -> None:
    """Raises where there is nothing to take a mean of, or to count."""
    if n == 0:
        raise ValueError(f"{owner} needs at least one {what}, got none")


def expect_unit_interval(owner: Any, name: str, values: Array) -> None:
    """Raises unless all values lie in [0, 1]."""
    if not (values.min(initial=0) >= 0 and values.max(initial=0) <= 1):  # also false for NaN
        raise ValueError(
            f"{called(owner)} expects {name} in [0, 1], got values from {values.min():g} to {values.max():g}: "
            "scale pixels first (x / 255), and look for NaN or infinite values"
        )


def expect_levels(owner: Any, x: Array, levels: int) -> Array:
    """The numbers k, as floats, of pixels x = k/(levels − 1); raises unless all pixels are such."""
    expect_unit_interval(owner, "x", x)
    scaled = x * (levels - 1)
    k: Array = np.rint(scaled)
    wrong = np.abs(scaled - k) > 0.01  # of a level: more than float32 rounds off, and less than noise adds
    if wrong.any():
        raise ValueError(
            f"{owner!r} expects pixels k/{levels - 1} for whole k, got {x[wrong][0]:g}: give it images of {levels} "
            "grey levels and nothing added to them, or say levels=max_value + 1 of those you have"
        )
    return k


def expect_labels(owner: Any, given: Any, n: int, n_classes: int) -> Array:
    """The labels of n examples as an array (n,); raises unless they are whole numbers below `n_classes`."""
    labels: Array = np.asarray(given)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{owner!r} expects labels of shape ({n},), whole numbers and not one-hot rows, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(
            f"{owner!r} has {n_classes} logits a row, so labels run from 0 to {n_classes - 1}; "
            f"got values from {labels.min()} to {labels.max()}"
        )
    return labels


def expect_classes(owner: str, predicted: Array, labels: Array) -> None:
    """ValueError unless both are vectors (N,) of whole numbers: not one-hot rows, nor probabilities."""
    if predicted.shape != labels.shape or labels.ndim != 1:
        raise ValueError(
            f"{owner} expects one label for each prediction, both (N,) and not one-hot rows, got {labels.shape} for "
            f"{predicted.shape}"
        )
    for name, classes in (("labels", labels), ("predicted", predicted)):
        if classes.dtype.kind not in "iu":
            raise ValueError(f"{owner} counts classes, whole numbers, and {name} has {classes.dtype}")


def expect_float_type(owner: str, dtype: Any) -> None:
    """Raises unless it is one that networks are trained or checked in."""
    if np.dtype(dtype) not in DTYPES:
        raise ValueError(f"{owner} computes in float32 or float64, got dtype={np.dtype(dtype)}")


def expect_generator(owner: str, rng: Any) -> None:
    """Raises unless a layer is given what it draws its numbers with."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{owner} needs a generator of random numbers, rng = np.random.default_rng(seed), got {rng!r}")


def expect_int(owner: str, name: str, value: Any, least: int = 1) -> int:
    """A size as an int; ValueError unless it is a whole number from `least` upwards."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{owner} needs as its {name} a whole number from {least} upwards, got {value!r}")
    return number


def expect_positive(name: str, value: Any) -> float:
    """A setting as a float; ValueError unless it is a positive, finite number."""
    if not 0 < as_float(value) < math.inf:
        raise ValueError(f"{name} must be a positive, finite number, got {value!r}")
    return float(value)


def expect_not_negative(name: str, value: Any) -> float:
    """A weight as a float; ValueError unless it is a finite number of at least 0."""
    if not 0 <= as_float(value) < math.inf:
        raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}")
    return float(value)


def as_floats(settings: Mapping[str, Any]) -> dict[str, float]:
    """Those of the settings that are floats of NumPy's, as a schedule may set them, as Python's: beside NumPy's
    float64, float32 would become float64."""
    return {name: float(value) for name, value in settings.items() if isinstance(value, np.floating)}


def as_float(value: Any) -> float:
    """A setting as Python's float: NumPy's would make float64 of float32. NaN, in no range, for what is no number."""
    return float(value) if isinstance(value, Real) else math.nan
