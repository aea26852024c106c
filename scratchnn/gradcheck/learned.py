"""What an object learns: the arrays whose gradients a check compares, and those it finds no gradient for.

A module of this library names its `parameters` and its `gradients`, two mappings with the same keys. A class of the
user's own may do the same, or keep pairs of attributes: an array or a float `W`, and beside it `dW` (or grad_W, W_grad,
gW), which backward writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType, MemberDescriptorType, ModuleType
from typing import Any

import numpy as np

from scratchnn.gradcheck.numeric import Forward, outputs_of
from scratchnn.gradcheck.problem import require_float64
from scratchnn.machinery.checks import type_name
from scratchnn.machinery.parameters import Array

REACHED = 3000  # objects that are looked into
COLLECTIONS = dict, MappingProxyType, list, tuple  # and no other mapping, which may read a file


class Learned:
    """What `model` learns.

    arrays     gradient name ("dW", "encoder.0.dW") → the array it belongs to
    unchecked  names of arrays that change the output, and for which no gradient was found; for those that an attribute
               holds, in a list, a dict or another object, none is looked for
    """

    def __init__(
        self, model: Any, forward: Forward, backward: Callable[[Sequence[Array]], object], names: Mapping[str, str]
    ) -> None:
        """`forward` and `backward` are run: a dW may exist only afterwards, and only they tell what is a parameter.

        `names` gives the parameters of gradients that are called in another way: {"weight_update": "W"}.
        """
        self.model, self.names = model, names
        self.pairs: dict[str, str] = {}  # attribute → the attribute of its gradient
        before = held_by(model)
        with suppress(Exception):  # it fails again, and is explained, when it is checked
            backward([np.ones_like(y) for y in forward()])
        self.written = {name for name, value in held_by(model).items() if value is not before.get(name)}
        declared, *others = (mapping(model, name) or {} for name in ("parameters", "gradients", "buffers"))
        known = [array for arrays in (declared, *others) for array in arrays.values()]
        left = []
        for place in [place for place in places(model) if self.may_be_learned(place) and not shares(place, known)]:
            stays, changes = moved(place, forward)
            if stays and self.is_pair(place):
                require_float64(f"the parameter {place.key}", np.asarray(place.value))
                self.pairs[place.key] = self.gradient_of(place)
                if not isinstance(place.value, np.ndarray):
                    place.put(np.array(place.value))  # differences move an array
            elif changes:
                left.append(place)
        own = {name: held_by(model)[name] for name in self.pairs}
        self.arrays: dict[str, Array] = {gradient_name(name): a for name, a in {**declared, **own}.items()}
        self.unchecked: list[str] = []
        known += own.values()
        for place in left:
            if not shares(place, known):  # a view of a parameter, or the vector that it is a view of
                self.unchecked.append(place.name)
                known.append(place.value)

    def may_be_learned(self, place: Place) -> bool:
        """Arrays of floats may be; of the many floats in attributes, those that have a gradient."""
        if isinstance(place.value, np.ndarray):
            return bool(place.value.dtype.kind in "fc")
        return isinstance(place.value, float | np.floating) and bool(self.gradient_of(place))

    def is_pair(self, place: Place) -> bool:
        """Whether what stands here is an attribute with a gradient that can be compared. A float t may stand beside a
        number dt that is none: then backward does not write it."""
        gradient = self.gradient_of(place)
        if not gradient or place.holder is not self.model:
            return False
        if isinstance(place.value, np.ndarray):
            return bool(place.value.dtype.kind == "f")
        return gradient in self.written and np.ndim(held_by(self.model)[gradient]) == 0

    def gradient_of(self, place: Place) -> str:
        """The attribute with the gradient of another one, an array or None before backward has run; "" if none is."""
        attributes = held_by(place.holder)
        kinds = np.ndarray | np.floating | None
        if not isinstance(place.value, np.ndarray):
            kinds |= int | float
        return next((s for s in written(place.key, self.names) if isinstance(attributes.get(s, ""), kinds)), "")

    def gradients(self) -> dict[str, Any]:
        """What backward wrote, by gradient name."""
        attributes = held_by(self.model)
        own = {name: attributes.get(gradient) for name, gradient in self.pairs.items()}
        return {gradient_name(name): g for name, g in {**(mapping(self.model, "gradients") or {}), **own}.items()}


@dataclass(frozen=True)
class Place:
    """Where an array or a number is kept: in an attribute of `holder`, or as its item if that is a list, tuple or
    mapping. `name` leads there from the object under check: fc1.W, params['V']."""

    name: str
    holder: Any
    key: Any
    value: Any

    @property
    def now(self) -> Any:
        """What is kept there now; None if nothing is."""
        with suppress(LookupError):
            return self.holder[self.key] if isinstance(self.holder, COLLECTIONS) else held_by(self.holder)[self.key]
        return None

    def put(self, value: Any) -> None:
        """Keeps another value there. A tuple and a mapping that is read-only stay as they are."""
        if isinstance(self.holder, dict) or (isinstance(self.holder, list) and self.key < len(self.holder)):
            self.holder[self.key] = value
        elif not isinstance(self.holder, COLLECTIONS):
            own = attributes_of(self.holder)
            if self.key in own:
                own[self.key] = value
            else:
                object.__setattr__(self.holder, self.key, value)  # a slot

    def restore(self, value: Any, entries: Array) -> None:
        """What was kept there, with the entries that it had."""
        if can_be_written(value):
            np.asarray(value)[...] = entries  # a masked array keeps its mask
        if self.now is not value:
            self.put(value)


def places(model: Any) -> Iterator[Place]:
    """Where an object keeps arrays and numbers: in its attributes, in the lists, mappings and objects that these hold,
    and so on; numbers in attributes only."""
    left: list[tuple[str, Any]] = [("", model)]
    seen: dict[int, Any] = {}  # kept, so that no other object gets the number of one of them
    while left and len(seen) < REACHED:
        above, holder = left.pop()
        items = held_by(holder)
        if not items or id(holder) in seen:
            continue
        seen[id(holder)] = holder
        collection = isinstance(holder, COLLECTIONS)
        declared: Mapping[str, Any] = {}
        if holder is not model:
            with suppress(Exception):  # a property may raise anything
                declared = mapping(holder, "parameters") or {}
        for key, item in declared.items():
            if isinstance(item, np.ndarray):
                yield Place(f"{above}.{key}", {key: item}, key, item)
        for key, item in items.items():
            name = f"{above}[{key!r}]" if collection else f"{above}.{key}".lstrip(".")
            if isinstance(item, np.ndarray) or (not collection and isinstance(item, int | float | np.number)):
                yield Place(name, holder, key, item)
            else:
                left.append((name, item))


def held_by(holder: Any) -> dict[Any, Any]:
    """What a collection or an object holds, by key, by number, or by the name of the attribute."""
    if isinstance(holder, COLLECTIONS):
        return dict(enumerate(holder)) if isinstance(holder, list | tuple) else dict(holder)
    if isinstance(holder, type | ModuleType | np.ndarray):
        return {}
    found = dict(attributes_of(holder))
    for cls in type(holder).__mro__:
        for name, member in vars(cls).items() if "__slots__" in vars(cls) else ():
            if isinstance(member, MemberDescriptorType):
                with suppress(AttributeError):  # a slot may be empty
                    found[name] = member.__get__(holder)
    return found


def attributes_of(holder: Any) -> dict[str, Any]:
    """The `__dict__` of an object, without its own way of looking up attributes, which may raise anything."""
    try:
        attributes: dict[str, Any] = object.__getattribute__(holder, "__dict__")
    except AttributeError:
        return {}
    return attributes


def can_be_written(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.flags.writeable


def shares(place: Place, arrays: Sequence[Array]) -> bool:
    return any(np.shares_memory(place.value, array) for array in arrays)


def moved(place: Place, forward: Forward) -> tuple[bool, bool]:
    """Whether forward leaves this array, or number, alone when it is moved a little, and whether its output changes."""
    before = outputs_of(forward)
    if not isinstance(place.now, np.ndarray | float | np.floating):  # forward keeps something else there
        return False, False
    value = place.now
    entries = np.array(value)
    noise = np.random.default_rng(0).standard_normal(entries.shape)
    other = np.asarray(entries + 1e-3 * np.maximum(1, np.abs(entries)) * noise).astype(entries.dtype)
    array = value if can_be_written(value) else other.copy()
    if array is not value:
        place.put(array)
    np.asarray(array)[...] = other
    try:
        after = outputs_of(forward)
        stays = place.now is array and np.array_equal(np.asarray(array), other, equal_nan=True)
    except Exception:  # forward checks its arrays
        return array is value, True
    finally:
        place.restore(value, entries)
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
