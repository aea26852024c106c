"""What a layer is, and the chain rule as a loop.

A layer computes y = f(x; W, b, …) in `forward`. In `backward` it is given dy = ∂L/∂y, the derivative of the scalar
loss L with respect to what it returned, and answers two questions: how does L change with my parameters (dW, db, …,
which the optimiser wants), and how with my input (dx, which is the dy of the layer below)?

    forward(x) -> y          keeps in self.cache what backward needs
    backward(dy) -> dx       the first line unpacks the cache; overwrites dW, db, …; never writes into dy
    parameters               {"W": array, "b": array}; empty where there is nothing to learn
    gradients                the same keys

Backward *overwrites* the gradients: there is nothing to reset between two steps. So a layer is used once per pass; one
that was used twice would have to add up two gradients.

Some layers work one way while a network learns and another way once it is used (dropout, batch normalisation). They
look at `self.training`, which is True unless the layer is inside `with model.evaluating():`. What such a layer
remembers of the data without learning it by gradient stands in `buffers`.

A layer that learns takes `backward(dy, need_dx=False)`: the dx of the lowest layer is the derivative with respect to
the data. Nobody needs it in training, and it costs as much as the whole forward pass of that layer.
"""

from __future__ import annotations

import copy
import math
import operator
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from scratchnn.parameters import Array, Flat, carve

Self = TypeVar("Self", bound="Layer")


class Layer:
    """The contract that every layer keeps, and the memory of its parameters.

    `shapes` names the learned arrays. A layer made alone owns two small vectors; a model it becomes part of binds it
    to a slice of its own (see scratchnn/parameters.py). `params` and `grads` are those vectors, shape (P,).
    """

    params = Flat()
    grads = Flat()
    forward: Callable[..., Any]
    backward: Callable[..., Any]

    def __init__(self, shapes: Mapping[str, tuple[int, ...]] | None = None, dtype: Any = np.float32) -> None:
        expect_float_type(type(self).__name__, dtype)
        self.shapes = dict(shapes or {})
        self.remembered: dict[str, Array] = {}
        self.training = True
        self.cache: tuple[Any, ...] | None = None
        self.owner: weakref.ref[Composite] | None = None
        size = sum(math.prod(shape) for shape in self.shapes.values())
        self.bind(np.zeros(size, dtype), np.zeros(size, dtype))

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
        """What is remembered of the data, not learned, by name. The arrays change in place; the mapping cannot."""
        return MappingProxyType(self.remembered)

    def take_cache(self) -> tuple[Any, ...]:
        """What forward kept, handed out once: a second backward would work on values that no longer belong to it."""
        if self.cache is None:
            raise RuntimeError(
                f"{type(self).__name__}.backward needs what its forward kept, and there is nothing: "
                "call forward once before each backward, with no evaluation or encoding in between, which drops it"
            )
        cache, self.cache = self.cache, None
        return cache

    def forget(self) -> None:
        """Drops what forward kept, after a forward pass that no backward is to follow."""
        self.cache = None

    def walk(self) -> Iterator[Layer]:
        """The layer itself, and all that it is made of."""
        yield self

    def train(self, on: bool = True) -> None:
        """Puts the layer, and all that it is made of, into training mode, or with False into evaluation mode."""
        for layer in self.walk():
            layer.training = on

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode for a while; afterwards each part has the mode it had, and nothing is kept for backward."""
        before = [(layer, layer.training) for layer in self.walk()]  # a part may be frozen, the rest in training
        self.train(False)
        try:
            yield
        finally:
            for layer, mode in before:
                layer.training = mode
            self.forget()

    def bind(self, params: Array, grads: Array) -> None:
        """Makes `params` and `grads`, both (P,), the memory of this layer. Their values count; nothing is copied."""
        self.views = MappingProxyType(carve(params, self.shapes)), MappingProxyType(carve(grads, self.shapes))
        self.vectors = {"params": params, "grads": grads}

    def astype(self: Self, dtype: Any) -> Self:
        """A copy of this layer that computes in `dtype`; a gradient check wants np.float64.

        np.complex128 serves a derivative without differences, from an imaginary step.
        """
        if np.dtype(dtype) != np.complex128:
            expect_float_type(type(self).__name__, dtype)
        twin = copy.deepcopy(self)
        twin.cast(dtype)
        return twin

    def cast(self, dtype: Any) -> None:
        """Makes all that this layer owns a copy in `dtype`."""
        self.remembered = {name: array.astype(dtype) for name, array in self.remembered.items()}
        self.bind(self.params.astype(dtype), self.grads.astype(dtype))

    # copy.deepcopy and pickle would turn every view into an array of its own, and so cut a layer off from its vector.
    # Only the vectors are copied; the views are cut from them afresh, and the cache stays behind.
    def __getstate__(self) -> dict[str, Any]:
        left_behind = ("views", "cache", "owner")
        return {name: value for name, value in self.__dict__.items() if name not in left_behind}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, cache=None, owner=None)
        self.bind(**state["vectors"])

    def __copy__(self: Self) -> Self:
        """A shallow copy would fight with the original over the memory of its parts, so every copy is a deep one."""
        return copy.deepcopy(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Composite(Layer):
    """A layer made of named parts, with one vector for all of them: the parts are bound to consecutive slices of it."""

    def __init__(self, parts: Mapping[str, Layer]) -> None:
        for name, part in parts.items():
            expect_layer(type(self).__name__, f"part {name!r}", part)
        self.parts: Mapping[str, Layer] = MappingProxyType(dict(parts))
        self.training = True
        self.cache = None
        self.owner = None
        self.join()

    def walk(self) -> Iterator[Layer]:
        yield self
        for part in self.parts.values():
            yield from part.walk()

    def cast(self, dtype: Any) -> None:
        for part in self.parts.values():
            part.cast(dtype)
        self.bind(self.params.astype(dtype), self.grads.astype(dtype))

    def join(self) -> None:
        """Copies the parts' vectors, end to end, into two new ones and binds the parts to these."""
        parts = list(self.parts.values())
        for name, part in self.parts.items():
            owned = part.owner is not None and part.owner() is not None
            if owned or sum(part is other for other in parts) > 1:
                raise ValueError(
                    f"part {name!r}, {part!r}, already belongs to a model or stands in this one twice, and a layer's "
                    "memory has one owner: give this model a copy, copy.deepcopy(layer)"
                )
        dtypes = {str(part.params.dtype) for part in parts if part.params.size}
        if len(dtypes) > 1:
            raise TypeError(f"the parts of a model must have one dtype, got {' and '.join(sorted(dtypes))}")
        for part in parts:
            part.owner = weakref.ref(self)
        self.bind(np.concatenate([part.params for part in parts]), np.concatenate([part.grads for part in parts]))

    def forget(self) -> None:
        self.cache = None
        for part in self.parts.values():
            part.forget()

    def bind(self, params: Array, grads: Array) -> None:
        sizes = {name: part.params.shape for name, part in self.parts.items()}
        params_of, grads_of = carve(params, sizes), carve(grads, sizes)
        for name, part in self.parts.items():
            part.bind(params_of[name], grads_of[name])
        named = [
            {f"{name}.{key}": view for name, part in self.parts.items() for key, view in part.views[which].items()}
            for which in (0, 1)
        ]
        self.views = MappingProxyType(named[0]), MappingProxyType(named[1])
        self.vectors = {"params": params, "grads": grads}

    @property
    def buffers(self) -> Mapping[str, Array]:
        """Those of the parts."""
        return MappingProxyType(
            {f"{name}.{key}": array for name, part in self.parts.items() for key, array in part.buffers.items()}
        )

    def __str__(self) -> str:
        from scratchnn.layers.summary import summary  # which knows the layers, and they this file

        return summary(self)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["vectors"]  # the parts carry their own
        state["parts"] = dict(self.parts)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, cache=None, owner=None, parts=MappingProxyType(state["parts"]))
        self.join()


class Sequential(Composite):
    """Layers in a row: the chain rule as a loop.

    Shapes
        x as the first layer wants it; y as the last one returns it.
    Forward
        x_0 = x,  x_k = f_k(x_(k−1)) for k = 1 … K,  y = x_K.
    Backward
        The chain rule from the top: with dx_K = dy,

            dx_(k−1),i = Σ_j dx_k,j ∂x_k,j / ∂x_(k−1),i      and that sum is what f_k.backward(dx_k) returns,

        so backward is the same loop as forward, run from the last layer to the first.
    Watch
        Every layer keeps its input from forward to backward: memory grows with the number of layers and the batch.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        if not layers:
            raise ValueError("Sequential needs at least one layer")
        super().__init__({str(position): layer for position, layer in enumerate(layers)})

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(self.parts.values())

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy: Array, need_dx: bool = True) -> Any:
        """With need_dx=False it ends at the lowest layer that learns, and returns None."""
        learning = [position for position, layer in enumerate(self.layers) if layer.params.size]
        if not need_dx and not learning:
            return None
        lowest = 0 if need_dx else learning[0]
        for layer in reversed(self.layers[lowest + 1 :]):
            dy = layer.backward(dy)
        return self.layers[lowest].backward(dy) if need_dx else self.layers[lowest].backward(dy, need_dx=False)

    def __repr__(self) -> str:
        return f"Sequential([{', '.join(map(repr, self.layers))}])"


# ---- what layers are given, checked once for all of them, each mistake in one sentence

DTYPES = (np.float32, np.float64)


def kind(value: Any) -> str:
    """What a value is, for a message: "an array of uint8", "the class ReLU", "a list"."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def expect(owner: Any, name: str, array: Any, shape: tuple[int | str, ...] | None = None) -> None:
    """Raises unless `array` holds floats and, if one is given, has this shape; a letter, as in ("N", 784), fits all."""
    wanted = "" if shape is None else f" ({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fc":
        pixels = "" if name.startswith("d") else ", and scale pixels to [0, 1]"  # dy is no image
        raise TypeError(
            f"{owner!r} expects {name} to be an array{wanted} of floats, got {kind(array)}: "
            f"convert it, as in np.asarray({name}, np.float32){pixels}"
        )
    if shape is None:
        return
    fits = [isinstance(want, str) or want == size for want, size in zip(shape, array.shape, strict=False)]
    if array.ndim != len(shape) or not all(fits):
        hint = ": Flatten() makes rows of images" * (shape[0] == "N" and len(shape) == 2 < array.ndim)
        raise ValueError(f"{owner!r} expects {name} of shape{wanted}, got {array.shape}{hint}")


def expect_dtype(layer: Layer, x: Array) -> None:
    """Raises unless x is of the layer's own dtype: NumPy would compute in the wider of the two, and say nothing."""
    if x.dtype != layer.params.dtype:
        other = f", or the model with model.astype(np.{x.dtype})" if x.dtype in DTYPES else ""
        raise TypeError(
            f"{layer!r} holds {layer.params.dtype} and was given x as {x.dtype}: "
            f"convert x with x.astype(np.{layer.params.dtype}){other}"
        )


def expect_float_type(owner: str, dtype: Any) -> None:
    """Raises unless it is one that networks are trained or checked in."""
    if np.dtype(dtype) not in DTYPES:
        raise ValueError(f"{owner} computes in float32 or float64, got dtype={np.dtype(dtype)}")


def expect_generator(owner: str, rng: Any) -> None:
    """Raises unless a layer is given what it draws its numbers with."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"{owner} needs a generator of random numbers, rng = np.random.default_rng(seed), got {rng!r}")


def expect_layer(owner: str, name: str, part: Any) -> None:
    """Raises unless a part of a model is a layer that is made already."""
    if not isinstance(part, Layer):
        raise TypeError(
            f"{owner} needs as its {name} one object that is a layer, got {kind(part)}: "
            "make one of a list with Sequential([…]), and of a class by calling it, as in ReLU()"
        )


def whole(owner: str, name: str, value: Any, least: int = 1) -> int:
    """A size as an int; ValueError unless it is a whole number from `least` upwards."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{owner} needs as its {name} a whole number from {least} upwards, got {value!r}")
    return number


def real(value: Any) -> float:
    """A setting as Python's float: NumPy's would make float64 of float32. NaN, in no range, for what is no number."""
    return float(value) if isinstance(value, Real) else math.nan
