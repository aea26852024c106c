"""A model as a table: its layers, what each returns, and how many numbers it learns. `print(model)` shows it."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import numpy as np

from scratchnn.layers.dense import Dense
from scratchnn.layers.layer import Composite, Layer, Sequential
from scratchnn.layers.shape import Reshape
from scratchnn.parameters import Array

Shape = tuple[int, ...]


def summary(model: Composite, example_shape: Shape | None = None) -> str:
    """The table, one line a layer: its name and sizes, the shape (N, …) that it returns, its number of parameters.

    `example_shape` is that of one example. It is needed only where the first layer does not know it: a convolution
    works on images of any height and width. Without it, the shapes are shown as "?".
    """
    rows = [("layer", "output", "parameters")]
    shape = example_shape
    for name, chain in chains(model):
        if name:
            rows.append((f"{name}:", "", ""))
        shape = add_rows(rows, chain, expected_shape(chain) or shape, "  " if name else "")
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:<{widths[0]}}   {b:<{widths[1]}}   {c:>{widths[2]}}".rstrip() for a, b, c in rows]
    rule = "─" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:], rule, f"{model.params.size:,} parameters, {model.params.dtype}"])


def chains(model: Composite, name: str = "") -> Iterator[tuple[str, Sequential]]:
    """The chains of layers that a model is made of, by name; a model that is one chain has no name for it."""
    if isinstance(model, Sequential):
        yield name, model
        return
    for key, part in model.parts.items():
        if isinstance(part, Composite):
            yield from chains(part, f"{name}.{key}" if name else key)
        else:
            yield f"{name}.{key}" if name else key, Sequential([copy.deepcopy(part)])


def add_rows(rows: list[tuple[str, str, str]], chain: Sequential, shape: Shape | None, indent: str) -> Shape | None:
    """Adds a row for each layer of a chain that is given examples of this shape; returns the shape of its outputs."""
    for layer in chain.layers:
        if isinstance(layer, Sequential):
            rows.append((f"{indent}Sequential:", "", ""))
            shape = add_rows(rows, layer, shape, indent + "  ")
        else:
            shape = None if shape is None else output_shape(layer, shape)
            output = "?" if shape is None else f"({', '.join(map(str, ('N', *shape)))})"
            rows.append((f"{indent}{layer!r}", output, f"{layer.params.size:,}"))
    return shape


def expected_shape(layer: Layer) -> Shape | None:
    """The shape of one example that a layer wants, if it wants one only."""
    if isinstance(layer, Sequential):
        return expected_shape(layer.layers[0])
    if isinstance(layer, Dense):
        return (layer.n_in,)
    if isinstance(layer, Reshape):
        return (math.prod(layer.shape),)
    return None


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """The shape that a layer makes of one example, found by sending two of zeros through a copy."""
    twin = copy.deepcopy(layer)
    twin.train()  # in evaluation mode some layers want to have seen data
    y: Array = twin.forward(np.zeros((2, *shape), layer.params.dtype))
    return y.shape[1:]
