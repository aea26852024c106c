"""What a diagnosis goes by: what is known about a problem, what is known about an answer, and the names of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scratchnn.machinery.parameters import Array

MATCH = 1e-8  # how far, relative to the largest entry, two arrays may differ that are called equal
NAMED = 1e-6  # the same for a number and its name
TERM = 1e-5  # the same for a coefficient found by least squares


@dataclass(frozen=True)
class Facts:
    """What is known about a problem, besides its inputs; gradients are named as in "dx".

    terms      gradient → name → array: additive parts that sum up to the right gradient
    formulas   gradient → name → array: wrong answers with a name
    masks      name → bool array: sets of entries on which one may be wrong
    arrays     name → array: what one may have multiplied by, or divided by
    numbers    name → number: constants that may turn up as a factor, besides the sizes
    """

    terms: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    formulas: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    masks: Mapping[str, Array] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """One gradient of one problem: the answer, the right values, and what else is known.

    parts      name of a decomposition → name → array: contributions that sum up to `numeric`
    examples   what each example contributes to `numeric`, if it is a sum over examples
    others     the right values of the other gradients
    scaled     the answers for 0 and 2 times the upstream gradient
    ones       the right gradient if the upstream gradient were 1 everywhere
    probes     name of a simpler problem → a call that tells whether the answer is right there
    """

    name: str
    answer: Array
    numeric: Array
    tolerance: Array
    judged: Array
    sizes: Mapping[str, int]
    facts: Facts
    others: Mapping[str, Array]
    parts: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    examples: Sequence[Array] = ()
    scaled: tuple[Array, Array] | None = None
    ones: Array | None = None
    probes: Mapping[str, Callable[[], bool]] = field(default_factory=dict)

    def matches(self, candidate: Array, factor: float = 1.0) -> bool:
        """Whether the answer equals the candidate, but for rounding; a constant candidate explains nothing."""
        if candidate.shape != self.answer.shape:
            return False
        allowed = 5 * abs(factor) * self.tolerance + MATCH * np.abs(self.answer).max()
        return bool((np.abs(self.answer - candidate) <= allowed)[self.judged].all())

    @property
    def wrong(self) -> Array:
        allowed = 5 * self.tolerance + MATCH * np.abs(self.numeric)
        wrong: Array = np.abs(self.answer - self.numeric) > allowed
        return wrong & self.judged


# ---- names of numbers


def names(value: float, e: Evidence) -> Iterator[str]:
    """All that a factor may be called, simplest first: 2, 1/2, −1, N, 1/N, N/(N−1), keep, products of two of them.

    In a batch of 2, a factor of 2 may be N: the second problem decides.
    """
    for name, number in candidates(e):
        if abs(value - number) <= NAMED * abs(value):
            yield name


def candidates(e: Evidence) -> Iterator[tuple[str, float]]:
    """Names of factors and their values, simplest first; one value may have several names."""
    simple = {"1": 1.0, "2": 2.0, "1/2": 0.5, "4": 4.0, "1/4": 0.25}
    named: dict[str, float] = {}
    for name, size in e.sizes.items():
        named |= {name: size, f"1/{name}": 1 / size}
    for name, number in e.facts.numbers.items():
        named |= {name: number, f"1/{name}": 1 / number}
    for name, size in e.sizes.items():
        named |= {f"{name}²": size**2, f"1/{name}²": 1 / size**2}
        if size > 2:
            named |= {f"{name}/({name}−1)": size / (size - 1), f"({name}−1)/{name}": (size - 1) / size}
    for (one, a), (other, b) in itertools.permutations(e.sizes.items(), 2):
        named |= {f"{one}/{other}": a / b}
        if one < other:
            named |= {f"{one}·{other}": a * b, f"1/({one}·{other})": 1 / (a * b)}
    for name, number in [*named.items()]:
        named |= {f"2·{name}": 2 * number, f"{name}/2": number / 2}
    for name, number in {**simple, **named}.items():
        yield name, number
        yield f"−{name}", -number
