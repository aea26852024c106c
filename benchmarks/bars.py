"""What the library is to reach: ratios of times, each with a bar and with what is hoped for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.contestants import COMPILED, DEFAULT, FLOOR, FUSED, JAX, TENSORFLOW
from benchmarks.results import Race
from scratchnn.machinery.parameters import Array


@dataclass(frozen=True)
class Bar:
    """The time of the fastest of ours ÷ that of the fastest rival, in the race of this name.

    `rivals` are the beginnings of names; `against` says in words who they are, where they are several.
    """

    race: str
    rivals: tuple[str, ...]
    bar: float
    hope: float
    against: str = ""


BARS = (
    Bar("thesis", (DEFAULT,), 0.85, 0.70),
    Bar("thesis", (FUSED,), 0.92, 0.80),
    Bar("thesis", (COMPILED,), 0.92, 0.80),
    Bar("thesis", (JAX,), 1.05, 0.95),
    Bar("thesis", (TENSORFLOW,), 0.90, 0.75, "the faster TensorFlow"),
    Bar("thesis", (FLOOR,), 1.55, 1.35),
    Bar("no-dropout", ("PyTorch", TENSORFLOW), 1.0, 0.8, "the fastest of PyTorch and TensorFlow"),
    Bar("as-printed", ("PyTorch", TENSORFLOW, JAX), 0.8, 0.6, "the fastest peer"),
    Bar("dense", (JAX,), 1.1, 0.9),
    Bar("adam, one thread", (FUSED,), 1.0, 0.7),
    Bar("adam, all threads", (FUSED,), 1.0, 0.7),
)


def ratios(bar: Bar, ours: str, races: Mapping[str, Race]) -> Array | None:
    """Round by round, those of the contestant whose name begins with `ours`; None if one of the two was not there."""
    race = races.get(bar.race)
    one, other = (race.fastest(ours), race.fastest(*bar.rivals)) if race else (None, None)
    return None if race is None or one is None or other is None else race.ratio(one, other)


def verdict(bar: Bar, measured: Array | None) -> str:
    if measured is None:
        return "not measured"
    middle = float(np.median(measured))
    if middle > bar.bar:
        return "**missed**"
    return "met, the hope as well" if middle <= bar.hope else "met"
