"""Wrong answers to `chain`, each with the label that a correct diagnosis has."""

from mutants.key import mutant


@mutant("TERM:through the second s:0:dx", "TERM:through the second s:0:dw")
def second_use_forgotten(dy, cache):
    x, w, s = cache
    return dy * (1 - s) * w, dy * (1 - s) * x


@mutant("TERM:through the second s:−1:dx", "TERM:through the second s:−1:dw")
def minus_forgotten(dy, cache):
    x, w, s = cache
    ds = dy * (1 - s) + dy * s
    return ds * w, ds * x


@mutant("SWAPPED:dw:dx", "SWAPPED:dx:dw")
def x_and_w_exchanged(dy, cache):
    x, w, s = cache
    ds = dy * (1 - 2 * s)
    return ds * x, ds * w


@mutant("TERM:through the first s:0:dx", "TERM:through the first s:0:dw")
def first_use_overwritten(dy, cache):
    x, w, s = cache
    ds = dy * (1 - s)
    ds = -dy * s
    return ds * w, ds * x


@mutant("FACTOR:1/w:dx")
def w_forgotten(dy, cache):
    x, _, s = cache
    ds = dy * (1 - 2 * s)
    return ds, ds * x


@mutant("NOT-LINEAR:dx", "NOT-LINEAR:dw")
def uses_multiplied(dy, cache):
    x, w, s = cache
    ds = dy * (1 - s) * -dy * s
    return ds * w, ds * x
