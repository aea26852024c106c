"""Where the numbers that are learned live: one flat vector per model.

A model owns two contiguous vectors of the same length P: `params`, everything it learns, and `grads`, the derivative
of the loss with respect to it. The `W` of a layer is a view into `params`, its `dW` the same view into `grads`:

    params  [ encoder.0.W ......... | encoder.0.b | encoder.2.W ... | ... | decoder.4.b ]
    grads   [ encoder.0.dW ........ | ...                                               ]

So the optimiser is the algorithm of its paper on one vector, a gradient check is one loop, a checkpoint is one array,
and adding up the gradients of two replicas is one sum. The price is a rule: `layer.W = value` must write
*into* the view and not replace it, or the model would go on with memory that the optimiser never sees. The
descriptors below keep that rule, and this is the only file that knows about offsets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def split_vector(vector: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Splits `vector` (P,) into consecutive views of the given shapes, in order; they must use it up exactly."""
    needed = sum(math.prod(shape) for shape in shapes.values())
    if vector.shape != (needed,) or not vector.flags.c_contiguous:
        raise ValueError(f"expected a contiguous vector of shape ({needed},), got one of shape {vector.shape}")
    views, start = {}, 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        views[name] = vector[start:stop].reshape(shape)
        start = stop
    return views


class ArrayView:
    """An attribute that reads a view and, when assigned to, writes into the view instead of replacing it."""

    place: str  # the mapping of the layer in which the views are kept

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.key = name

    def __get__(self, layer: Any, owner: type) -> Array:
        if layer is None:
            raise AttributeError(f"{owner.__name__}.{self.name} belongs to an instance: make a layer first")
        view: Array = getattr(layer, self.place)[self.key]
        return view

    def __set__(self, layer: Any, value: Any) -> None:
        view, value = self.__get__(layer, type(layer)), np.asarray(value)
        if not np.can_cast(value.dtype, view.dtype, "same_kind"):
            got = value.dtype if value.ndim else repr(value.item())
            raise TypeError(f"{type(layer).__name__}.{self.name} holds numbers, {view.dtype}, got {got}")
        if value.ndim and value.shape != view.shape:
            raise ValueError(
                f"{type(layer).__name__}.{self.name} has shape {view.shape}; "
                f"a value of shape {value.shape} cannot be written into it"
            )
        view[...] = value


class Parameter(ArrayView):
    """`W = Parameter()` in a layer class: `layer.W` is `layer.parameters["W"]`."""

    place = "parameters"


class Gradient(ArrayView):
    """`dW = Gradient()` in a layer class: `layer.dW` is `layer.gradients["W"]`."""

    place = "gradients"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self.key = name, name.removeprefix("d")


class Flat(ArrayView):
    """`params = Flat()`: the whole vector, `layer.vectors["params"]`."""

    place = "vectors"
