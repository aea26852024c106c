"""Derivatives by finite differences that know how far they can be trusted.

The slope of L along one entry x of an array is estimated from both sides,

    c(h) = [L(x + h) − L(x − h)] / 2h  =  L′(x) + h² L‴(x)/6 + …  ± (rounding of L)/h.

A large h has a large truncation error (the h² term), a small h a large rounding error; their sum is smallest near
h = ε^(1/3) ≈ 6·10⁻⁶, ε = 2.2·10⁻¹⁶ being the precision of float64. The step grows with |x|, since x + h must differ
from x by h. Two things let one trust the estimate:

- An error bar. |c(h) − c(h/2)| is ¾ of the h² term, so 4/3 of it is the truncation error; the rounding error follows
  from the size of the numbers that are subtracted. With L = Σ u·y for a fixed upstream u, the outputs y are subtracted
  before they are summed, so those that do not depend on x cancel exactly. One assumption goes in: that forward works
  with numbers of the size of its outputs, or of 1.
- A test for kinks. On a smooth function the slopes to the right and to the left differ by h L″, and by half as much
  when h is halved. At a kink, as of ReLU at 0, they do not come closer: there is no derivative, and c(h) is the mean
  of two slopes. Such an entry is marked and not judged, and so is one where the function bends too sharply for every
  step that is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scratchnn.machinery.parameters import Array

EPSILON = float(np.finfo(np.float64).eps)
STEP = EPSILON ** (1 / 3)
ROUNDINGS = 8  # how many roundings of its size an output is taken to carry, by the sums and functions that made it
BLURRED = 1e-4  # the largest rounding error, relative to the slope or to 1, of an estimate that is of use
SMOOTH = 1e-8  # the largest relative change of c(h), beyond rounding, when h is halved


@dataclass(frozen=True)
class NumericGradient:
    """Estimated slopes `value`, their error bars `error` and the entries on a `kink` (bool), all of one shape."""

    value: Array
    error: Array
    kink: Array


Forward = Callable[[], Sequence[Array]]
Move = Callable[[float], float]  # goes so far away from the point (0: back to it), returns how far it really went


def numeric_gradient(forward: Forward, array: Array, upstream: Sequence[Array]) -> NumericGradient:
    """The gradient of L = Σ u·y with respect to every entry of `array`, where y are the outputs of `forward`.

    `forward` reads `array`, whose entries are changed one at a time and put back. All must be float64.
    """
    value, error, kink = np.empty_like(array), np.empty_like(array), np.zeros(array.shape, bool)
    here = outputs_of(forward)
    for index in np.ndindex(array.shape):
        x = float(array[index])

        def move(step: float, index: tuple[int, ...] = index, x: float = x) -> float:
            array[index] = x + step
            return float(array[index]) - x

        value[index], error[index], kink[index] = slope(forward, move, upstream, here, steps_at(abs(x)))
    return NumericGradient(value, error, kink)


def numeric_projections(
    forward: Forward, array: Array, upstream: Sequence[Array], directions: Sequence[Array]
) -> NumericGradient:
    """The slopes of L along directions of length 1, which have the shape of `array`: for arrays of many entries."""
    start, here = array.copy(), outputs_of(forward)
    found = []
    for direction in directions:

        def move(step: float, direction: Array = direction) -> float:
            array[...] = start + step * direction
            return step

        found.append(slope(forward, move, upstream, here, steps_at(1.0)))
    value, error, kink = zip(*found, strict=True)
    return NumericGradient(np.array(value), np.array(error), np.array(kink))


def slope(
    forward: Forward, move: Move, upstream: Sequence[Array], here: Sequence[Array], steps: Sequence[float]
) -> tuple[float, float, bool]:
    """The slope along one line, its error bar, and whether there is a kink, which a smaller step may still avoid.

    `here` are the outputs at the point itself.
    """
    for h in steps:
        wide = one_sided(forward, move, upstream, here, h)
        close = one_sided(forward, move, upstream, here, h / 2)
        central, change = wide.central, abs(wide.central - close.central)
        smooth = change <= SMOOTH * abs(central) + close.rounding
        halves = abs(close.jump - wide.jump / 2) <= SMOOTH * abs(central) + 2 * close.rounding
        if smooth and halves and wide.rounding <= BLURRED * max(1.0, abs(central)):
            return central, 4 / 3 * change + wide.rounding, False
    return central, 4 / 3 * change + wide.rounding, True


@dataclass(frozen=True)
class OneSided:
    """The slopes to the right and the left of a point, and a bound on what rounding did to them."""

    right: float
    left: float
    rounding: float

    @property
    def central(self) -> float:
        return (self.right + self.left) / 2

    @property
    def jump(self) -> float:
        return self.right - self.left


def steps_at(x: float) -> list[float]:
    """Steps to try at |x|: in proportion to it, then shorter ones, in case there is a kink or a sharp bend nearby."""
    step = STEP * max(1.0, x)
    return [step, step / 16, *([STEP * x] if 1e-12 < x < 1 / 64 else [STEP / 4] if x > 64 else [])]


def outputs_of(forward: Forward) -> list[Array]:
    """What forward returns, copied: it may hand out memory that it uses again."""
    return [np.array(y) for y in forward()]


def one_sided(forward: Forward, move: Move, upstream: Sequence[Array], here: Sequence[Array], h: float) -> OneSided:
    """`here` are the outputs at the point itself."""
    try:
        below, low = move(-h), outputs_of(forward)
        above, high = move(h), outputs_of(forward)
    finally:
        move(0.0)
    right = left = noise = 0.0
    for u, y_below, y, y_above in zip(upstream, low, here, high, strict=True):
        right += float(np.sum(u * (y_above - y))) / above
        left += float(np.sum(u * (y_below - y))) / below
        moved = (y_above != y) | (y != y_below)
        roundings = np.where(moved, ROUNDINGS, 0.5)  # one that stood still may have been about to move by half a unit
        # forward may have subtracted numbers larger than its result; numbers of size 1 are allowed for
        size = max(1.0, float(np.max(np.abs(y_below), initial=0.0)), float(np.max(np.abs(y_above), initial=0.0)))
        noise += EPSILON * size * float(np.sum(np.abs(u) * roundings))
    return OneSided(right, left, noise / above)
