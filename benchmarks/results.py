"""What a race hands to the page: numbers, with a name each, and no text yet. Times are seconds of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scratchnn.machinery.parameters import Array


@dataclass(frozen=True)
class Race:
    """Times (rounds,) of each contestant in turns of `steps` steps, and the times of a step's parts (4,) of some.

    `kernels` says what each computed with, `skipped` who is not there, and why; `disagreement` is the largest relative
    difference that the check found.
    """

    name: str
    title: str
    steps: int
    times: Mapping[str, Array]
    parts: Mapping[str, Array]
    kernels: Mapping[str, str]
    skipped: Mapping[str, str]
    disagreement: float

    def fastest(self, *beginnings: str) -> str | None:
        """Of those whose names begin so, who has the least median."""
        found = [who for who in self.times if who.startswith(beginnings)]
        return min(found, key=lambda who: float(np.median(self.times[who])), default=None)

    def ratio(self, one: str, other: str) -> Array:
        """Time of one ÷ time of the other, round by round."""
        return self.times[one] / self.times[other]


def quartiles(values: Array) -> str:
    """The median, and behind it the quartiles."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"
