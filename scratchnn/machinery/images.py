"""How images lie in memory, and sizes that are pairs: what the layers for images share.

The order of the axes is one thing, the order in memory another. The layers that slide windows over images cut pieces
like x[:, :, 1:27, 1:27] out of them, and NumPy copies a piece as fast as its runs of neighbours are long. With an image
row running fastest, a run is 26 numbers. With the *batch* running fastest it is 26 times 100 examples, and a stride of
two leaves runs of 100 where the other order has runs of one. So those layers compute with (C, H, W, N) and return their
result as a view with its axes in the usual order. ReLU and its kin keep whatever order in memory they are given, so a
stack of such layers rearranges its first input and nothing else. What it brings depends on the runs: for the columns of
one channel of 28 × 28 a third of the time, for 16 of 13 × 13 half of it, with a stride of two over two thirds
(python -m benchmarks.techniques).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchnn.machinery.checks import expect, expect_int
from scratchnn.machinery.parameters import Array

Pair = tuple[int, int]  # vertical, horizontal


def pair(owner: str, name: str, value: Any, least: int = 1) -> Pair:
    """A size as (vertical, horizontal); one whole number stands for both. ValueError below `least`."""
    sizes = value if isinstance(value, tuple | list) else (value, value)
    try:
        vertical, horizontal = (expect_int(owner, name, size, least) for size in sizes)
    except ValueError:
        raise ValueError(
            f"{owner} needs as its {name} a whole number, or two (vertical, horizontal), from {least} upwards, "
            f"got {value!r}"
        ) from None
    return vertical, horizontal


def short(sizes: Any) -> Any:
    """The shortest way to write a pair that `pair` reads, or a pair of such pairs."""
    if not isinstance(sizes, tuple):
        return sizes
    first, second = map(short, sizes)
    return first if first == second and not isinstance(first, tuple) else sizes  # a pair alone is no pair of pairs


def options(**given: tuple[Any, Any]) -> str:
    """The end of a call: every option, given as (value, default), whose value is not its default."""
    return "".join(f", {name}={short(value)!r}" for name, (value, default) in given.items() if value != default)


def batch_last(x: Array) -> Array:
    """(N, C, H, W) → (C, H, W, N), contiguous; a view where the batch runs fastest already."""
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0))


def batch_first(x: Array) -> Array:
    """(C, H, W, N) → (N, C, H, W), always a view."""
    return x.transpose(3, 0, 1, 2)


def expect_images(owner: Any, x: Any, channels: int | str = "C") -> None:
    """Raises unless x holds floats and has the shape (N, channels, H, W)."""
    try:
        expect(owner, "x", x, ("N", channels, "H", "W"))
    except ValueError as error:
        if x.ndim != 2:
            raise
        raise ValueError(f"{error}: put Reshape(({channels}, H, W)) before it, with the sizes of an image") from None
