"""What a benchmark hands to the page: numbers, with a name each, and no text made of them yet. Times are in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scratchnn.machinery.parameters import Array


@dataclass(frozen=True)
class Race:
    """Times (rounds,) of each contestant; those of `ours` are held against the rest.

    `disagreement` is the largest relative difference that the check found; `skipped` says who is not there, and why.
    """

    name: str
    title: str
    times: Mapping[str, Array]
    ours: tuple[str, ...]
    note: str = ""
    disagreement: float | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)

    def ratio(self, one: str, other: str) -> Array:
        """Time of one ÷ time of the other, round by round."""
        return self.times[one] / self.times[other]

    @property
    def best(self) -> str:
        """The fastest of ours, by its median."""
        return min(self.ours, key=lambda who: float(np.median(self.times[who])))


@dataclass(frozen=True)
class Parts:
    """Times (steps,) of each part of a step, by contestant.

    `beside` has what is to be held against forward and backward of the first contestant, by name.
    """

    name: str
    title: str
    times: Mapping[str, Mapping[str, Array]]
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Duels:
    """Pairs of programs for the same thing; `rows` has the times (rounds,) of the one and the other.

    `predicted` says by row what ratio counting operations, or bytes, would lead one to expect.
    """

    name: str
    title: str
    one: str
    other: str
    rows: Mapping[str, tuple[Array, Array]]
    note: str = ""
    predicted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Growth:
    """Times (sizes, rounds) and peak bytes (sizes,) against one quantity; `linear` if a line is expected."""

    title: str
    quantity: str
    sizes: Sequence[float]
    times: Array
    memory: Array | None = None
    linear: bool = True


@dataclass(frozen=True)
class Sameness:
    """A training on each of these numbers of threads, against the first of them, and against itself.

    `gradients` are those of the first step, as the norm of the difference ÷ the norm; `losses` the largest relative
    difference of a step's loss; `again` says whether a second run ended with the same bits.
    """

    title: str
    threads: Sequence[int]
    gradients: Sequence[float]
    losses: Sequence[float]
    again: Sequence[bool]


Measured = Race | Parts | Duels | Growth | Sameness


def line(x: Sequence[float], y: Array) -> tuple[float, float, float]:
    """The straight line a + b x nearest to y in relative terms: a, b, and the largest |a + b x − y| / y."""
    design = np.stack([np.ones(len(x)), np.asarray(x, float)], axis=1)
    a, b = np.linalg.lstsq(design / y[:, None], np.ones(len(y)), rcond=None)[0]
    return float(a), float(b), float(np.abs(design @ (a, b) / y - 1).max())
