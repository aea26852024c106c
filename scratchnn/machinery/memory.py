"""What a module owns: the arrays that it learns, and its parts, which own theirs. One vector holds all of it.

A module is a tree. Its `params` (P,) are its own arrays, one after another, and then the `params` of its parts; so the
vector of a part is a slice of the vector of the whole. A layer that is made alone owns a small vector. A model that
takes it as a part copies the values into one vector for all parts, and binds each part to its slice.
"""

from __future__ import annotations

import copy
import inspect
import math
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

import numpy as np

from scratchnn.machinery.checks import expect_float_type, type_name
from scratchnn.machinery.parameters import Array, Flat, split_vector
from scratchnn.machinery.summary import summary

Shape = tuple[int, ...]
Self = TypeVar("Self", bound="Memory")
T = TypeVar("T", bound="Memory")
ALLOWANCE: ContextVar[float] = ContextVar("how many numbers new modules may have", default=math.inf)


@contextmanager
def learning_at_most(n: int) -> Iterator[None]:
    """Modules made in the meantime learn at most n numbers in all; ValueError before memory is taken for more."""
    before = ALLOWANCE.set(n)
    try:
        yield
    finally:
        ALLOWANCE.reset(before)


class Part(Generic[T]):
    """`encoder = Part(Layer)` in a model's class: `model.encoder` is `model.parts["encoder"]`, which is a Layer."""

    def __init__(self, wanted: type[T]) -> None:
        self.wanted = wanted

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: Memory | None, owner: type) -> T:
        if module is None:
            raise AttributeError(f"{owner.__name__}.{self.name} belongs to an instance: make a {owner.__name__} first")
        return cast(T, module.parts[self.name])

    def __set__(self, module: Memory, value: Any) -> None:
        raise AttributeError(
            f"the {self.name} of a {type(module).__name__} cannot be replaced, since its memory is a slice of the "
            f"model's: make a new {type(module).__name__}, or write into {self.name}.params"
        )


class Memory:
    """Parameters, gradients, buffers and parts, and what keeps the views of all of them in step with one vector.

    `shapes` names the arrays that this module learns itself, `parts` the modules it is made of: {} for a leaf.
    `params` and `grads`, both (P,), hold those of the module and of all its parts. `own_buffers` is what a module keeps
    of the data without learning it by gradient: a leaf that has some fills it in its constructor.
    """

    params = Flat()
    grads = Flat()
    input_shape: Shape | None = None  # of one example, in a layer that takes no other: for the table

    def __init__(
        self, shapes: Mapping[str, Shape] | None = None, parts: Mapping[str, Any] | None = None, dtype: Any = np.float32
    ) -> None:
        expect_float_type(type(self).__name__, dtype)
        for name, part in (parts or {}).items():
            wanted = inspect.getattr_static(self, name, None)
            self.expect_part(name, part, wanted.wanted if isinstance(wanted, Part) else Memory)
        self.shapes: Mapping[str, Shape] = MappingProxyType(dict(shapes or {}))
        self.parts: Mapping[str, Memory] = MappingProxyType(dict(parts or {}))
        self.own_buffers: dict[str, Array] = {}
        self.owner: weakref.ref[Memory] | None = None
        size = sum(math.prod(shape) for shape in self.shapes.values())
        if size > ALLOWANCE.get():
            raise ValueError(f"the file has too few parameters for a {type(self).__name__} of {size:,}")
        ALLOWANCE.set(ALLOWANCE.get() - size)
        self.join(np.zeros(size, dtype), np.zeros(size, dtype))
        self.expect_no_other_parts()

    def __init_subclass__(cls) -> None:
        """A class that overrides backward gets Layer's own write_gradients, which calls that backward."""
        super().__init_subclass__()
        order, name = cls.__mro__, "write_gradients"
        defined = [place for place, base in enumerate(order) if name in vars(base)]
        if defined and any("backward" in vars(base) for base in order[: defined[0]]):
            setattr(cls, name, vars(order[defined[-1]])[name])

    # ---- the tree

    def walk(self: Self) -> Iterator[Self]:
        """The module itself, and all that it is made of."""
        yield self
        for part in self.parts.values():
            yield from cast(Self, part).walk()

    @property
    def parameters(self) -> Mapping[str, Array]:
        """What is learned, by name: views into `params`. The mapping itself cannot be changed."""
        return self.views[0]

    @property
    def gradients(self) -> Mapping[str, Array]:
        """The derivatives of the loss, by the same names: views into `grads`."""
        return self.views[1]

    @property
    def buffers(self) -> Mapping[str, Array]:
        """What is kept of the data, not learned, by name. The arrays change in place; the mapping cannot."""
        parts = {f"{name}.{key}": array for name, part in self.parts.items() for key, array in part.buffers.items()}
        return MappingProxyType({**self.own_buffers, **parts})

    def expect_part(self, name: str, part: Any, wanted: type) -> None:
        """Raises unless a part is made already, and of the class that is wanted there."""
        if not isinstance(part, wanted):
            what = "layer" if wanted is Memory else wanted.__name__.lower()
            raise TypeError(
                f"{type(self).__name__} needs as its part {name!r} one object that is a {what}, got {type_name(part)}: "
                "make one of a list with Sequential([…]), and of a class by calling it, as in ReLU()"
            )

    def expect_no_other_parts(self) -> None:
        """Raises where something that it is made of holds a module with parameters that belongs to nothing: it would
        compute, and nothing would train it, save it or convert it."""
        for module in self.walk():
            for name, value in vars(module).items():
                for held in value if isinstance(value, list | tuple) else (value,):
                    if isinstance(held, Memory) and held.params.size and not (held.owner and held.owner()):
                        raise ValueError(
                            f"{module!r} has in its attribute {name} {held!r}, which is none of its parts, so nothing "
                            f"would train it: give it to the constructor, super().__init__(parts={{{name!r}: …}}), or, "
                            f"if that is meant, keep its forward alone, self.{name} = ….forward"
                        )

    # ---- the vector

    def join(self, params: Array, grads: Array) -> None:
        """Makes one vector of this module's own arrays and those of its parts, with the values that they have."""
        parts = list(self.parts.values())
        for name, part in self.parts.items():
            owned = part.owner is not None and part.owner() is not None
            if owned or sum(part is other for other in parts) > 1:
                raise ValueError(
                    f"part {name!r}, {part!r}, already belongs to a model or stands in this one twice, and a layer's "
                    "memory has one owner: give this model a copy, copy.deepcopy(layer)"
                )
        vectors = [(params, grads), *((part.params, part.grads) for part in parts)]
        learning = [pair for pair in vectors if pair[0].size]
        dtypes = sorted({str(pair[0].dtype) for pair in learning})
        if len(dtypes) > 1:
            raise TypeError(f"the parts of a model must have one dtype, got {' and '.join(dtypes)}")
        for part in parts:
            part.owner = weakref.ref(self)
        params, grads = (np.concatenate(those) for those in zip(*(learning or vectors), strict=True))
        self.bind(params, grads)

    def bind(self, params: Array, grads: Array) -> None:
        """Makes `params` and `grads`, both (P,), the memory of this module. Their values count; nothing is copied."""
        sizes = {**self.shapes, **{name: part.params.shape for name, part in self.parts.items()}}
        views = split_vector(params, sizes), split_vector(grads, sizes)
        for name, part in self.parts.items():
            part.bind(*(own.pop(name) for own in views))
            for own, of_part in zip(views, part.views, strict=True):
                own |= {f"{name}.{key}": view for key, view in of_part.items()}
        self.views: tuple[Mapping[str, Array], ...] = tuple(map(MappingProxyType, views))
        self.vectors = {"params": params, "grads": grads}

    # ---- copies

    def astype(self: Self, dtype: Any) -> Self:
        """A copy of this module that computes in `dtype`; a gradient check wants np.float64.

        np.complex128 serves a derivative without differences, from an imaginary step.
        """
        if np.dtype(dtype) != np.complex128:
            expect_float_type(type(self).__name__, dtype)
        twin = copy.deepcopy(self)
        for module in twin.walk():
            module.own_buffers = {name: array.astype(dtype) for name, array in module.own_buffers.items()}
        twin.bind(twin.params.astype(dtype), twin.grads.astype(dtype))
        return twin

    # copy.deepcopy and pickle would turn every view into an array of its own, and so cut a part off from its vector.
    # So each module hands on its own arrays and its parts, and the copy joins them again; the cache stays behind.
    def __getstate__(self) -> dict[str, Any]:
        left_behind = ("views", "vectors", "cache", "owner")
        state = {name: value for name, value in vars(self).items() if name not in left_behind}
        own = slice(0, sum(math.prod(shape) for shape in self.shapes.values()))
        return {
            **state,
            "shapes": dict(self.shapes),
            "parts": dict(self.parts),
            "own": (self.params[own], self.grads[own]),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = state.pop("own")
        self.__dict__.update(state, owner=None)
        self.shapes, self.parts = MappingProxyType(state["shapes"]), MappingProxyType(state["parts"])
        self.join(*own)

    def __copy__(self: Self) -> Self:
        """A shallow copy would share the memory of its parts with the original, so every copy is a deep one."""
        return copy.deepcopy(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __str__(self) -> str:
        return summary(self) if self.parts else repr(self)
