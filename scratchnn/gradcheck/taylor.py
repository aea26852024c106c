"""What the diagnosis asks of a forward pass besides its gradient: all single derivatives, the order of a remainder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from scratchnn.gradcheck.numeric import EPSILON, ROUNDINGS, STEP, Forward, outputs_of
from scratchnn.machinery.parameters import Array


def taylor_slopes(forward: Forward, array: Array, upstream: Sequence[Array], gradient: Array, seed: int) -> list[float]:
    """How fast the remainder |L(x + h d) − L(x) − h g·d| falls with h, per decade, along a random direction d.

    By 2 powers of 10 a decade for a right gradient g, by 1 for a wrong one, whatever h is: a second opinion that needs
    no tolerance. Empty where the remainder is rounding only, as for a linear function and its right gradient.
    """
    start = array.copy()
    direction = np.random.default_rng(seed).standard_normal(array.shape)
    direction = direction / np.sqrt(np.sum(direction**2))

    def change(h: float) -> tuple[float, float]:
        before = outputs_of(forward)
        try:
            array[...] = start + h * direction
            after = outputs_of(forward)
        finally:
            array[...] = start
        terms = [u * (b - a) for u, a, b in zip(upstream, before, after, strict=True)]
        size = sum(float(np.sum(np.abs(u * a))) for u, a in zip(upstream, before, strict=True))
        return sum(float(t.sum()) for t in terms), ROUNDINGS * EPSILON * size

    remainders = []
    for h in (1e-1, 1e-2, 1e-3, 1e-4):
        difference, rounding = change(h)
        remainder = abs(difference - h * float(np.sum(gradient * direction)))
        if remainder <= 10 * rounding:
            break
        remainders.append(np.log10(remainder))
    return [float(one - other) for one, other in itertools.pairwise(remainders)]


def numeric_jacobian(forward: Forward, array: Array) -> list[Array]:
    """The derivative of every output by every entry of `array`: for each output (*its shape, *array.shape).

    By central differences without error bars: for finding out what an answer looks like, not whether it is right.
    """
    jacobians = [np.empty(np.shape(y) + array.shape) for y in forward()]
    for index in np.ndindex(array.shape):
        x = float(array[index])
        h = STEP * max(1.0, abs(x))
        try:
            array[index] = x + h
            above = outputs_of(forward)
            array[index] = x - h
            below = outputs_of(forward)
        finally:
            array[index] = x
        for jacobian, y_above, y_below in zip(jacobians, above, below, strict=True):
            jacobian[(..., *index)] = (y_above - y_below) / ((x + h) - (x - h))
    return jacobians
