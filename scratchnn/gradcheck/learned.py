"""What an object learns: the arrays whose gradients a check compares, and those it finds no gradient for.

A module of this library names its `parameters` and its `gradients`, two mappings with the same keys. A class of the
user's own may do the same, or keep pairs of attributes: an array `W`, and beside it `dW` (or grad_W, W_grad, gW), which
backward writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from scratchnn.gradcheck.numeric import Forward, outputs_of
from scratchnn.gradcheck.problem import require_float64
from scratchnn.machinery.checks import type_name
from scratchnn.machinery.parameters import Array

REACHED = 300  # objects that are looked into


class Learned:
    """What `model` learns.

    arrays     gradient name ("dW", "encoder.0.dW") → the array it belongs to
    unchecked  names of arrays that change the output, and for which no gradient was found; those that an attribute
               holds, in a list, a dict or another object, have none that is looked for
    """

    def __init__(
        self, model: Any, forward: Forward, backward: Callable[[Sequence[Array]], object], names: Mapping[str, str]
    ) -> None:
        """`forward` and `backward` are run where the attributes alone do not tell which of them are parameters.

        `names` gives the parameters of gradients that are called in another way: {"weight_update": "W"}.
        """
        self.model, self.names = model, names
        self.pairs: dict[str, str] = {}  # attribute → the attribute of its gradient
        self.unchecked: list[str] = []
        declared = mapping(model, "parameters")
        if any(not self.gradient_of(name) for name in self.plain()) or (declared is None and not self.plain()):
            backward([np.ones_like(y) for y in forward()])  # a dW may exist only afterwards
        for name, array in self.plain().items():
            stays, changes = moved(vars(model), name, forward)
            if stays and (gradient := self.gradient_of(name)):
                require_float64(f"the parameter {name}", array)
                self.pairs[name] = gradient
            elif changes:
                self.unchecked.append(name)
        if declared is None:
            self.unchecked += [place for place, holder, key in held(model) if moved(holder, key, forward)[1]]
        own = {name: vars(model)[name] for name in self.pairs}
        self.arrays: dict[str, Array] = {gradient_name(name): a for name, a in {**(declared or {}), **own}.items()}

    def plain(self) -> dict[str, Array]:
        """The attributes that are arrays of floats, without declared parameters and without gradients."""
        declared = (mapping(self.model, "parameters") or {}).values()
        found = {
            name: value
            for name, value in getattr(self.model, "__dict__", {}).items()
            if isinstance(value, np.ndarray) and value.dtype.kind == "f"
            if not any(np.may_share_memory(value, array) for array in declared)
        }
        gradients = {spelling for name in found for spelling in written(name, self.names)}
        return {name: value for name, value in found.items() if name not in gradients}

    def gradient_of(self, name: str) -> str:
        """The attribute with the gradient of another one, an array or None before backward has run; "" if none is."""
        attributes, spellings = vars(self.model), written(name, self.names)
        return next((s for s in spellings if isinstance(attributes.get(s, False), np.ndarray | np.floating | None)), "")

    def gradients(self) -> dict[str, Any]:
        """What backward wrote, by gradient name."""
        own = {name: vars(self.model).get(gradient) for name, gradient in self.pairs.items()}
        return {gradient_name(name): g for name, g in {**(mapping(self.model, "gradients") or {}), **own}.items()}


Holder = dict[Any, Any] | list[Any]


def held(model: Any) -> Iterator[tuple[str, Holder, Any]]:
    """The arrays of floats that the attributes of an object hold: in lists, dicts and other objects, and what is in
    those; as (fc1.W, the list or dict that it is an item of, its key there)."""
    left: list[tuple[str, Any, bool]] = [("", model, True)]
    seen: list[Any] = []  # kept, so that no other object gets the number of one of them
    while left and len(seen) < REACHED:
        above, holder, top = left.pop()
        if isinstance(holder, type | ModuleType | np.ndarray) or any(holder is other for other in seen):
            continue
        seen.append(holder)
        items = holder if isinstance(holder, dict | list | tuple) else getattr(holder, "__dict__", {})
        is_object = not isinstance(holder, dict | list | tuple)
        for key, item in list(items.items() if isinstance(items, dict) else enumerate(items)):
            place = f"{above}.{key}".lstrip(".") if is_object else f"{above}[{key!r}]"
            if not isinstance(item, np.ndarray):
                left.append((place, item, False))
            elif item.dtype.kind == "f" and not top and isinstance(items, dict | list):
                yield place, items, key


def moved(holder: Any, name: Any, forward: Forward) -> tuple[bool, bool]:
    """Whether forward leaves this array alone when it is moved a little, and whether its output changes."""
    before = outputs_of(forward)
    array = holder[name]
    noise = np.random.default_rng(0).standard_normal(array.shape)
    other = (array + 1e-3 * np.maximum(1, np.abs(array)) * noise).astype(array.dtype)
    given = other.copy()
    holder[name] = other
    try:
        after = outputs_of(forward)
    except Exception:  # forward checks its arrays
        return True, True
    finally:
        now, holder[name] = holder[name], array
    stays = now is other and np.array_equal(other, given, equal_nan=True)
    return stays, any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))


def mapping(model: Any, name: str) -> Mapping[str, Array] | None:
    """`model.parameters` or the like, where that is a mapping."""
    found = getattr(model, name, None)
    return found if isinstance(found, Mapping) else None


def gradient_name(parameter: str) -> str:
    """encoder.0.W → encoder.0.dW"""
    *path, name = parameter.split(".")
    return ".".join([*path, f"d{name}"])


def written(name: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """How people call the gradient of an array; `names` says how these people do."""
    own = (gradient for gradient, array in names.items() if array == name)
    return (*own, f"d{name}", f"d_{name}", f"g{name}", f"grad_{name}", f"{name}_grad", f"g_{name}")


def spellings(gradient: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """The keys under which a dict may hold a gradient that is called dx here: dx, x, grad_x, …"""
    name = gradient.removeprefix("d")
    return (name, *written(name, names))


def expect_passes(check: str, model: Any, inputs: Sequence[Array]) -> None:
    """Raises unless there is a forward and a backward to be checked, and something to give to forward."""
    if isinstance(model, type):
        raise TypeError(f"{check} needs an object and got {type_name(model)}: make one, as in {model.__name__}(…)")
    missing = [name for name in ("forward", "backward") if not callable(getattr(model, name, None))]
    if missing:
        raise TypeError(
            f"{check} needs an object with the methods forward and backward; {type_name(model)} has no "
            + " and no ".join(missing)
        )
    if not inputs:
        raise TypeError(f"{check} needs what forward is to be given: {check}(…, x)")


def name_of(model: Any) -> str:
    """How a report calls an object: as it calls itself, or else by its class."""
    return type(model).__name__ if repr(model) == object.__repr__(model) else repr(model)
