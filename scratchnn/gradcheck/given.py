"""What forward is given, and what backward gives back: arrays by name, whatever the call looks like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from scratchnn.gradcheck.learned import spellings
from scratchnn.gradcheck.problem import GradientError, require_float64
from scratchnn.machinery.checks import type_name
from scratchnn.machinery.parameters import Array

Constants = Sequence[Any] | Mapping[str, Any]


class Given:
    """What forward is given, in the order and in the shape of the call, and the arrays in it.

    arrays     name → array; those of a tuple are called state[0], state[1]
    constants  a list
    """

    def __init__(self, inputs: Mapping[str, Any], constants: Constants, by_keyword: bool) -> None:
        if isinstance(constants, str | np.ndarray):
            raise TypeError(f"constants are a tuple, a list or a dict of them, got {type_name(constants)}")
        self.inputs, self.by_keyword = inputs, by_keyword
        self.arrays = {name: float_array(name, x) for name, x in flattened(inputs).items()}
        self.names = [f"d{name}" for name in self.arrays]
        self.keywords = [*constants] if isinstance(constants, Mapping) else []
        self.constants = [*constants.values()] if isinstance(constants, Mapping) else [*constants]

    def arguments(self, arrays: Sequence[Array], constants: Sequence[Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The same call with other arrays and constants."""
        left = iter(arrays)
        inputs = [rebuilt(x, left) for x in self.inputs.values()]
        named = dict(zip(self.keywords, constants, strict=True)) if self.keywords else {}
        if self.by_keyword:
            return (), {**dict(zip(self.inputs, inputs, strict=True)), **named}
        return (*inputs, *(() if named else constants)), named

    def gradients(self, subject: str, returned: Any, called: Mapping[str, str]) -> dict[str, Any]:
        """What backward returned, by gradient name."""
        return flattened(in_order(subject, returned, [f"d{name}" for name in self.inputs], called=called))


def flattened(items: Mapping[str, Any]) -> dict[str, Any]:
    """The items, those of tuples one by one."""
    found: dict[str, Any] = {}
    for name, item in items.items():
        parts = {f"{name}[{k}]": part for k, part in enumerate(item)} if isinstance(item, tuple) else {}
        found |= flattened(parts) if parts else {name: item}
    return found


def rebuilt(item: Any, arrays: Iterator[Array]) -> Any:
    return tuple(rebuilt(part, arrays) for part in item) if isinstance(item, tuple) else next(arrays)


def float_array(name: str, x: Any) -> Array:
    """A copy, which may be changed; TypeError unless float64."""
    if isinstance(x, list | dict):
        raise TypeError(f"the input {name} is {type_name(x)}: give several arrays as a tuple, one as an array")
    x = np.array(x) if isinstance(x, float) else x
    require_float64(f"the input {name}", x)
    return np.array(x)


def argument_names(forward: Callable[..., Any], count: int) -> list[str]:
    """The names of forward's first arguments; those that *xs takes are called xs[0], xs[1] and so on."""
    names: list[str] = []
    for name, parameter in inspect.signature(forward).parameters.items():
        any_number = parameter.kind is inspect.Parameter.VAR_POSITIONAL
        names += [f"{name}[{k}]" for k in range(count - len(names))] if any_number else [name]
    if len(names) < count:
        raise TypeError(f"there are {count} inputs, and forward takes {', '.join(names) or 'none'}")
    return names[:count]


def in_order(
    subject: str,
    returned: Any,
    names: Sequence[str],
    function: str = "backward",
    called: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """What backward returned, by name; GradientError if it is not one array per name, in order or in a dict by name.

    `called` says what else a name in a dict may stand for.
    """
    if isinstance(returned, Mapping):
        keys = {name: [key for key in returned if key in spellings(name, called)] for name in names}
        if len(returned) == len(names) and all(len(found) == 1 for found in keys.values()):
            return {name: returned[key] for name, (key,) in keys.items()}
        what = f"a dict with {', '.join(map(str, returned)) or 'nothing'}"
        raise GradientError(f"{subject}: {function} returned {what}, expected one array each for {', '.join(names)}")
    gradients = returned if isinstance(returned, tuple | list) else (returned,)
    if len(gradients) != len(names):
        several = isinstance(returned, tuple | list)
        what = f"{len(gradients)} values" if several else f"one {type(returned).__name__}"
        wanted = "one array" if len(names) == 1 else f"a tuple of {len(names)}"
        raise GradientError(f"{subject}: {function} returned {what}, expected {wanted}: {', '.join(names)}")
    return dict(zip(names, gradients, strict=True))
