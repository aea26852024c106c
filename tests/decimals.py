"""Formulas in 60 digits, on arrays of Python's Decimal: what a result is held against where float64 is no reference.

Python's decimal has exp, ln and sqrt to any number of digits, and an exponent that e^(±10,000) does not leave. Where a
difference cancels, here as in the library, a form that does not is written out.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

Decimals = Any  # an array of Decimal: NumPy applies +, −, *, / and sum entry by entry
DIGITS = 60

# NumPy allows its exp, log, expm1 and tanh four units in the last place on every processor: eight roundings u, u
# being half of np.finfo(dtype).eps. Sums, products and quotients are rounded once.
EXP = 8
# log u counts for twice the sum at the most, where x is half of what 1 + x rounds to; the other three operations are
# rounded once, and d²/2, which is left out, is less than that
LOG1P = 2 * EXP + 4
# exp above; 1 + exp(−|x|) below, where an error of exp counts for half at the most; the sum, the quotient
SIGMOID = EXP + EXP / 2 + 2
# exp, whose relative error log1p does not enlarge, log1p, and the sum
SOFTPLUS = EXP + LOG1P + 1


def in_digits(function: Callable[..., Any]) -> Callable[..., Any]:
    """Computes in 60 digits."""

    def computing(*args: Any, **named: Any) -> Any:
        with localcontext() as context:
            context.prec = DIGITS
            return function(*args, **named)

    return computing


def exactly(array: Any) -> Decimals:
    """The numbers of an array of floats, without rounding."""
    return np.frompyfunc(lambda number: Decimal(float(number)), 1, 1)(array)


def expm1_of(x: Decimal) -> Decimal:
    """e^x − 1; near 0 by its series, whose next term is below 10⁻⁸⁰ of it."""
    return x.exp() - 1 if abs(x) > Decimal("1e-20") else x + x**2 / 2 + x**3 / 6 + x**4 / 24


def log1p_of(x: Decimal) -> Decimal:
    return (1 + x).ln() if x > Decimal("1e-20") else x - x**2 / 2 + x**3 / 3 - x**4 / 4


def sigmoid_of(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def softplus_of(x: Decimal) -> Decimal:
    return max(x, Decimal(0)) + log1p_of((-abs(x)).exp())


exp, ln, sqrt = (np.frompyfunc(f, 1, 1) for f in (Decimal.exp, Decimal.ln, Decimal.sqrt))
expm1, log1p, sigmoid, softplus = (np.frompyfunc(f, 1, 1) for f in (expm1_of, log1p_of, sigmoid_of, softplus_of))


def unit(dtype: Any) -> float:
    """u, half of the distance from 1 to the next number: by which, relative to itself, one rounding is off."""
    return float(np.finfo(dtype).eps) / 2


def assert_within(found: Any, exact: Decimals, roundings: Decimals, scale: float = 1.0) -> None:
    """|found − exact| ≤ roundings · u, or what is lost below the smallest normal number, times `scale`.

    A number beyond the largest float must be ∞ with its sign, and from a quarter of it on one may be: a sum or a square
    on the way to it leaves the range before.
    """
    info = np.finfo(found.dtype)
    assert found.shape == np.shape(exact), (found.shape, np.shape(exact))
    u, lost, largest = Decimal(unit(found.dtype)), Decimal(float(info.tiny)) * Decimal(scale), Decimal(float(info.max))
    roundings = np.broadcast_to(np.asarray(roundings, object), found.shape)
    for index in np.ndindex(found.shape):
        number, wanted = float(found[index]), Decimal(exact[index])
        bound = Decimal("1.01") * u * Decimal(roundings[index]) + lost  # 1.01: products of roundings
        bound += abs(wanted) / 10 ** (DIGITS - 10)
        if np.isinf(number):
            assert abs(wanted) >= largest / 4 and (wanted > 0) == (number > 0), (index, number, wanted)
        else:
            assert abs(Decimal(number) - wanted) <= bound, (index, number, wanted, bound)
