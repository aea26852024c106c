"""Derivatives by finite differences that know how far they can be trusted.

The slope of L along one entry x of an array is estimated from both sides,

    c(h) = [L(x + h) − L(x − h)] / 2h  =  L′(x) + h² L‴(x)/6 + …  ± (rounding of L)/h.

A large h has a large truncation error (the h² term), a small h a large rounding error; their sum is smallest near
h = ε^(1/3) ≈ 6·10⁻⁶, ε = 2.2·10⁻¹⁶ being the precision of float64. The step grows with |x|, since x + h must differ
from x by h. Two things make the estimate trustworthy:

- An error bar. |c(h) − c(h/2)| is ¾ of the h² term, so 4/3 of it is how much of that there is; the rounding error
  follows from the size of the numbers that were subtracted. Here L = Σ u·y with a fixed upstream u, and the outputs y
  are subtracted before they are summed: those that do not depend on x cancel exactly.
- A test for kinks. On a smooth function the slopes to the right and to the left differ by h L″, and by half as much
  when h is halved. At a kink, as of ReLU at 0, they do not come closer: there is no derivative, and c(h) is the mean
  of two slopes, which says nothing about either. Such an entry is marked and not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scratchnn.parameters import Array

EPSILON = float(np.finfo(np.float64).eps)
STEP = EPSILON ** (1 / 3)
ROUNDINGS = 8  # how many roundings of its size an output is taken to carry, by the sums and functions that made it
SMOOTH = 1e-8  # the largest relative change of c(h), beyond rounding, when h is halved


@dataclass(frozen=True)
class NumericGradient:
    """Estimated slopes `value`, their error bars `error` and the entries on a `kink` (bool), all of one shape."""

    value: Array
    error: Array
    kink: Array


def numeric_gradient(
    forward: Callable[[], Sequence[Array]], array: Array, upstream: Sequence[Array]
) -> NumericGradient:
    """The gradient of L = Σ u·y with respect to every entry of `array`, where y are the outputs of `forward`.

    `forward` takes no arguments and reads `array`, whose entries are changed one at a time and put back. `array` and
    the outputs must be float64.
    """
    value, error, kink = np.empty_like(array), np.empty_like(array), np.zeros(array.shape, bool)
    for index in np.ndindex(array.shape):
        value[index], error[index], kink[index] = slope(forward, array, index, upstream)
    return NumericGradient(value, error, kink)


def slope(
    forward: Callable[[], Sequence[Array]], array: Array, index: tuple[int, ...], upstream: Sequence[Array]
) -> tuple[float, float, bool]:
    """The slope along one entry, its error bar, and whether there is a kink, which a smaller step may still avoid."""
    for h in (STEP, STEP / 16):
        wide = one_sided(forward, array, index, upstream, h)
        close = one_sided(forward, array, index, upstream, h / 2)
        central, change = wide.central, abs(wide.central - close.central)
        smooth = change <= SMOOTH * abs(central) + close.rounding
        halves = abs(close.jump - wide.jump / 2) <= SMOOTH * abs(central) + 2 * close.rounding
        if smooth and halves:
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


def one_sided(
    forward: Callable[[], Sequence[Array]],
    array: Array,
    index: tuple[int, ...],
    upstream: Sequence[Array],
    h: float,
) -> OneSided:
    x = float(array[index])
    above, below = x + h * max(1.0, abs(x)), x - h * max(1.0, abs(x))
    outputs = []
    for point in (below, x, above):
        array[index] = point
        outputs.append([np.array(y) for y in forward()])  # copied: forward may hand out memory that it uses again
    array[index] = x
    right = left = noise = 0.0
    for u, y_below, y, y_above in zip(upstream, *outputs, strict=True):
        right += float(np.sum(u * (y_above - y))) / (above - x)
        left += float(np.sum(u * (y - y_below))) / (x - below)
        moved = (y_above != y) | (y != y_below)
        size = max(float(np.max(np.abs(y_below), initial=0.0)), float(np.max(np.abs(y_above), initial=0.0)))
        roundings = np.where(moved, ROUNDINGS, 0.5)  # one that stood still may have been about to move by half a unit
        noise += EPSILON * size * float(np.sum(np.abs(u) * roundings))
    return OneSided(right, left, noise / (above - x))
