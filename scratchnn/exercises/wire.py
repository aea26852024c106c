"""What goes between the process that judges and the one in which an answer runs: one line of JSON for each message.

Numbers, texts, lists, tuples, dicts and arrays are sent by their values, a function by its number: whoever receives
that calls back. Nothing that is received is ever executed, as unpickling would do: an answer may send what it likes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np

LARGEST = 1024  # bits of a whole number: a larger one is no float either, and JSON does not read the largest
Value = Any
Call = Callable[..., Any]


class WireError(Exception):
    """A message that cannot be read."""


def encoded(value: Value, functions: list[Call]) -> Value:
    """The value in what JSON has; a function is appended to `functions`, and its place there is sent."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        array = np.ascontiguousarray(value)
        data = base64.b64encode(array.tobytes()).decode("ascii")
        kind = "array" if isinstance(value, np.ndarray) else "number"
        return {kind: [array.dtype.str, list(np.shape(value)), data]}
    if isinstance(value, int) and value.bit_length() > LARGEST:
        return {"other": f"whole number of {value.bit_length():,} bits"}
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, tuple | list):
        return {type(value).__name__: [encoded(part, functions) for part in value]}
    if isinstance(value, dict):
        return {"dict": [[encoded(key, functions), encoded(part, functions)] for key, part in value.items()]}
    if callable(value):
        functions.append(value)
        return {"function": len(functions) - 1}
    return {"other": type(value).__name__}


def decoded(value: Value, function: Callable[[int], Call]) -> Value:
    """The value that was sent; `function` makes one that calls back. WireError for anything else."""
    try:
        return read(value, function)
    except (
        AttributeError,
        IndexError,
        KeyError,
        OverflowError,
        SyntaxError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        raise WireError(f"a message that cannot be read ({type(error).__name__})") from error


def read(value: Value, function: Callable[[int], Call]) -> Value:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "array" | "number":
            dtype, shape, data = np.dtype(content[0]), content[1], content[2]
            if dtype.kind not in "biufc":
                raise ValueError(dtype)
            array = np.frombuffer(base64.b64decode(data), dtype).reshape(shape).copy()
            return array if kind == "array" else array[()]
        case "tuple":
            return tuple(read(part, function) for part in content)
        case "list":
            return [read(part, function) for part in content]
        case "dict":
            return {read(key, function): read(part, function) for key, part in content}
        case "function":
            return function(int(content))
        case "other":
            return f"a {content}"
    raise ValueError(kind)


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode("ascii") + b"\n"
