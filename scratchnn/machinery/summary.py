"""A model as a table: its layers, what each returns, and how many numbers it learns. `print(model)` shows it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

Shape = tuple[int, ...]


def summary(model: Any, example_shape: Shape | None = None) -> str:
    """The table, one line a layer: its name and sizes, the shape (N, …) that it returns, its number of parameters.

    `example_shape` is that of one example. It is needed only where the first layer does not know it: a convolution
    works on images of any height and width. Without it, the shapes are shown as "?".
    """
    rows = [("layer", "output", "parameters"), *table(model, example_shape)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:<{widths[0]}}   {b:<{widths[1]}}   {c:>{widths[2]}}".rstrip() for a, b, c in rows]
    rule = "─" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:], rule, f"{model.params.size:,} parameters, {model.params.dtype}"])


def table(model: Any, shape: Shape | None) -> Iterator[tuple[str, str, str]]:
    """A row for each layer, below a row for each part that has a name; what one layer returns is what the next gets."""

    def rows(module: Any, indent: str) -> Iterator[tuple[str, str, str]]:
        nonlocal shape
        shape = module.input_shape or shape
        for name, part in module.parts.items():
            if not is_layer(part):
                continue
            if name == "decoder" and hasattr(module, "n_z"):  # given z, and not what the encoder returns
                shape = (module.n_z,)
            inner = indent
            if not name.isdecimal() or part.parts:  # the layers of a Sequential are numbered
                yield f"{indent}{type(part).__name__ if name.isdecimal() else name}:", "", ""
                inner += "  "
            yield from rows(part, inner) if part.parts else [row(part, inner)]

    def row(layer: Any, indent: str) -> tuple[str, str, str]:
        nonlocal shape
        given = layer.input_shape or shape
        shape = None if given is None else output_shape(layer, given)
        output = "?" if shape is None else f"({', '.join(map(str, ('N', *shape)))})"
        return f"{indent}{layer!r}", output, f"{layer.params.size:,}"

    return rows(model, "")


def is_layer(module: Any) -> bool:
    """Whether a module makes one array of one array; a loss or a likelihood has no row in the table."""
    return hasattr(module, "write_gradients")


def output_shape(layer: Any, shape: Shape) -> Shape | None:
    """The shape that a layer makes of one example, found by sending two of zeros through a copy; None where it takes no
    such example, which the table is there to show."""
    twin = copy.deepcopy(layer)
    twin.train()  # in evaluation mode some layers want to have seen data
    try:
        shape_of_two: Shape = twin.forward(np.zeros((2, *shape), layer.params.dtype)).shape
    except ValueError:
        return None
    return shape_of_two[1:]
