"""Derivatives by finite differences that know how far they can be trusted.

The slope of L along one entry x of an array is estimated from both sides,

    c(h) = [L(x + h) − L(x − h)] / 2h  =  L′(x) + h² L‴(x)/6 + …  ± noise/h

A large h has a large truncation error, the h² term; a small h divides the noise, the rounding of L, by a small number.
Where all numbers are of size 1 the sum is smallest near h = ε^(1/3) ≈ 6·10⁻⁶, with ε = 2.2·10⁻¹⁶ for float64. Elsewhere
several are tried, downwards while the truncation error is the larger, upwards while the noise is; the estimate with
the smallest error bar counts. Two things are known about each:

- Its error bar. |c(h) − c(h/2)| is ¾ of the h² term, so twice that bounds the truncation error. For the noise, the
  outputs y are compared and not L = Σ u·y: those that do not depend on x cancel exactly. `noise_of` measures that of
  the others.
- Whether there is a kink. On a smooth function the slopes to the right and to the left differ by h L″, and by half as
  much when h is halved. At a kink, as of ReLU at 0, they do not come closer: there is no derivative, and every number
  from one slope to the other is a right answer. So the error bar spans them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scratchnn.machinery.parameters import Array

EPSILON = float(np.finfo(np.float64).eps)
STEP = EPSILON ** (1 / 3)
FACTOR = 8.0  # from one step that is tried to the next
TRIALS = 10
ROUNDINGS = 8  # how many roundings of its own size an output is taken to carry, by the sums and functions that made it
POINTS = 12  # at which noise is measured
GOOD = 1e-8  # an error bar so small, relative to what the outputs change by, needs no further trial


@dataclass(frozen=True)
class NumericGradient:
    """Estimated slopes `value`, their error bars `error`, the entries on a `kink` (bool), all of one shape; and why an
    entry could not be measured, `trouble`: kink, noise, bends too sharply, leaves the domain, or nothing."""

    value: Array
    error: Array
    kink: Array
    trouble: Array


Forward = Callable[[], Sequence[Array]]
# upstream gradient, output, its noise, and the noise of an output that stands still
Point = list[tuple[Array, Array, Array, Array]]
Move = Callable[[float], float]  # goes so far away from the point (0: back to it), returns how far it really went


def numeric_gradient(
    forward: Forward, array: Array, upstream: Sequence[Array], after_each: Callable[[], object] = lambda: None
) -> NumericGradient:
    """The gradient of L = Σ u·y with respect to every entry of `array`, where y are the outputs of `forward`.

    `forward` reads `array`, whose entries are changed one at a time and put back. All must be float64.
    """
    value, error, trouble = np.empty_like(array), np.empty_like(array), np.empty(array.shape, "U17")
    here, noise, far = outputs_of(forward), noise_of(forward, array), max(1.0, float(np.max(np.abs(array))))
    for index in np.ndindex(array.shape):
        x = float(array[index])

        def move(step: float, index: tuple[int, ...] = index, x: float = x) -> float:
            array[index] = x + step
            return float(array[index]) - x

        value[index], error[index], trouble[index] = slope(forward, move, upstream, here, noise, abs(x), far)
        after_each()
    return NumericGradient(value, error, trouble == "kink", trouble)


def numeric_projections(
    forward: Forward, array: Array, upstream: Sequence[Array], directions: Sequence[Array]
) -> NumericGradient:
    """The slopes of L along directions, which have the shape of `array`: for arrays of many entries."""
    start, here, noise = array.copy(), outputs_of(forward), noise_of(forward, array)
    found = []
    for direction in directions:

        def move(step: float, direction: Array = direction) -> float:
            array[...] = start + step * direction if step else start
            return step

        found.append(slope(forward, move, upstream, here, noise, 1.0, 1.0))
    value, error, trouble = map(np.array, zip(*found, strict=True))
    # across several kinks a right answer need not lie between the two slopes
    kinks = trouble == "kink"
    trouble = np.where(kinks, "crosses kinks", trouble)
    return NumericGradient(value, np.where(kinks, np.inf, error), np.zeros_like(kinks), trouble)


def slope(
    forward: Forward, move: Move, upstream: Sequence[Array], here: Sequence[Array], noise: Sequence[Array], x: float,
    far: float,
) -> tuple[float, float, str]:  # fmt: skip
    """The slope along one line, its error bar, and what kept it from being measured, if something did.

    `here` are the outputs at the point and `noise` how noisy they are, x ≥ 0 is the size of what moves. An output that
    stays the same over the distance `far` does not depend on it.
    """
    sides = [away for _, away in (outputs_at(far, forward, move), outputs_at(-far, forward, move)) if away]
    depends = [np.any([away[k] != y for away in sides], axis=0) | (len(sides) < 2) for k, y in enumerate(here)]
    still = [
        np.where(d, np.maximum(EPSILON / 2 * np.abs(y), carried), 0.0)
        for d, y, carried in zip(depends, here, noise, strict=True)
    ]
    point = list(zip(upstream, here, noise, still, strict=True))
    h = STEP * max(1.0, x)
    tried: list[Trial] = []
    while len(tried) < TRIALS:
        trial = Trial.at(h, forward, move, point)
        tried.append(trial)
        if trial.smooth and trial.error <= GOOD * trial.size:
            break
        if not np.isfinite(trial.central):
            h = min(h / FACTOR, STEP * x) if x else h / FACTOR
        else:
            h = h * FACTOR if trial.smooth and trial.noise > trial.truncation else h / FACTOR
        if any(0.9 < h / other.h < 1.1 for other in tried):
            break
    inside = [trial for trial in tried if np.isfinite(trial.central)]
    if not inside:
        return 0.0, np.inf, "leaves the domain"
    kinks = sorted((t for t in inside if t.kink), key=lambda t: t.noise)
    smooth = [t for t in inside if t.smooth and not (kinks and t.error > 0.01 * abs(kinks[0].jump))]  # not blurred
    if not smooth and kinks:
        return kinks[0].central, kinks[0].error + kinks[0].width / 2, "kink"
    best = min(smooth or inside, key=lambda t: t.error)
    if not smooth:  # near a pole no bar holds
        return best.central, np.inf, "bends too sharply"
    measured = best.error < abs(best.central) or not best.size
    return best.central, best.error, "" if measured else "noise"


@dataclass(frozen=True)
class Trial:
    """What the steps h and h/2 tell. central: c(h); jump: the slope to the right less that to the left; size: Σ |u·Δy|
    per step, what c(h) would be if nothing cancelled; smooth: whether the jump halves with h; kink: whether it stays.
    width: Σ |u·jump of y|, as each output may have either slope, with its error.
    """

    h: float
    central: float
    truncation: float
    noise: float
    size: float
    jump: float
    width: float
    smooth: bool
    kink: bool

    @property
    def error(self) -> float:
        return self.truncation + self.noise

    @classmethod
    def at(cls, h: float, forward: Forward, move: Move, point: Point) -> Trial:
        right, left, blur, size, width = one_sided(h, forward, move, point)
        near_right, near_left, near_blur, *_ = one_sided(h / 2, forward, move, point)
        central, jump, near = (right + left) / 2, right - left, near_right - near_left
        truncation = 2 * abs(central - (near_right + near_left) / 2)
        sure = 2 * near_blur + GOOD * size
        smooth = bool(abs(near - jump / 2) <= sure + truncation / 4 and truncation <= max(0.1 * size, sure))
        width += 4 * max(abs(right - near_right), abs(left - near_left))
        kink = bool(1.5 * abs(jump) > abs(near) > 0.75 * abs(jump) > sure)
        return cls(h, central, truncation, blur, size, jump, width, smooth, kink)


def one_sided(h: float, forward: Forward, move: Move, point: Point) -> tuple[float, float, float, float, float]:
    """The slopes to the right and to the left, a bound on their noise, Σ |u·Δy| per step, Σ |u·jump of y|; not finite
    where forward is not."""
    below, low = outputs_at(-h, forward, move)
    above, high = outputs_at(h, forward, move)
    if not (low and high):
        return np.nan, np.nan, np.nan, np.nan, np.nan
    right = left = blur = size = width = 0.0
    for (u, y, carried, still), y_below, y_above in zip(point, low, high, strict=True):
        right += float(np.sum(u * (y_above - y))) / above
        left += float(np.sum(u * (y_below - y))) / below
        size += float(np.sum(np.abs(u * (y_above - y_below)))) / (above - below)
        width += float(np.sum(np.abs(u * ((y_above - y) / above - (y_below - y) / below))))
        moved = (y_above != y) | (y != y_below)
        own = ROUNDINGS * EPSILON * np.maximum(np.abs(y_below), np.abs(y_above))
        shared = float(np.max(carried, where=moved, initial=0.0))  # those that move together share their noise
        # one that stood still, and depends on what moves, may have been about to move by half a unit
        blur += float(np.sum(np.abs(u) * np.where(moved, own + shared, still)))
    return right, left, blur / above, size, width


def noise_of(forward: Forward, array: Array) -> list[Array]:
    """How noisy each output is, by its own size and beyond: forward may have subtracted numbers larger than its result.

    Measured at some points, so close together that a smooth function is a cubic there: its fourth differences are 0,
    and those of independent noise have 70 times its variance (1² + 4² + 6² + 4² + 1²). Six standard deviations, the
    larger of two spacings. (Hamming's table of differences; Moré and Wild, "Estimating computational noise", 2011.)
    """
    start, rng = array.copy(), np.random.default_rng(0)
    size = np.where(start, np.abs(start), np.mean(np.abs(start)) or 1.0)
    noise = [np.zeros_like(y) for y in outputs_of(forward)]
    for spacing in (1e-9, 1e-7):
        # whole units in the last place, which are exact; away from 0, where many functions have a kink
        unit = np.spacing(size)
        wanted = spacing * np.minimum(1.0, size) * rng.uniform(1, 2, array.shape)
        direction = np.copysign(unit * np.ceil(wanted / unit), start)
        try:
            with np.errstate(all="ignore"):
                points = []
                for k in range(POINTS):
                    array[...] = start + k * direction
                    points.append(outputs_of(forward))
        except Exception:
            continue
        finally:
            array[...] = start
        for k, table in enumerate(zip(*points, strict=True)):
            fourth = np.diff(np.array(table), n=4, axis=0)
            deviation = 6 * np.sqrt(np.mean(fourth**2, axis=0) / 70)
            noise[k] = np.maximum(noise[k], np.where(np.isfinite(deviation), deviation, 0.0))
    for k, y in enumerate(outputs_of(forward)):
        if y.any():  # an output that happens to stand still is as noisy as the others are, for its size
            noise[k] = np.maximum(noise[k], np.abs(y) * np.median(noise[k][y != 0] / np.abs(y[y != 0])))
    return noise


def outputs_at(step: float, forward: Forward, move: Move) -> tuple[float, list[Array]]:
    """How far the step really goes, and the outputs there: none where forward refuses."""
    moved = move(step)
    try:
        with np.errstate(all="ignore"):
            return moved, outputs_of(forward)
    except Exception:
        return moved, []
    finally:
        move(0.0)


def outputs_of(forward: Forward) -> list[Array]:
    """What forward returns, copied: it may hand out memory that it uses again."""
    return [np.array(y) for y in forward()]
