"""Wrong answers to `softmax`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("TERM:through the sum in the denominator:0:dx")
def denominator_forgotten(dy, cache):
    y = cache
    return y * dy


@mutant("TERM:through the sum in the denominator:−1:dx")
def plus_for_minus(dy, cache):
    y = cache
    return y * (dy + np.sum(y * dy, axis=1, keepdims=True))


@mutant("TERM:through the sum in the denominator:1/C:dx")
def mean_for_sum(dy, cache):
    y = cache
    return y * (dy - np.mean(y * dy, axis=1, keepdims=True))


@mutant("FORMULA:the Jacobian's diagonal alone, y(1 − y):dx")
def diagonal_alone(dy, cache):
    y = cache
    return dy * y * (1 - y)


@mutant("FORMULA:y dy summed over the examples instead of the classes:dx")
def sum_over_the_wrong_axis(dy, cache):
    y = cache
    return y * (dy - np.sum(y * dy, axis=0))


@mutant("PROBE:N = 1:dx")
def axis_forgotten(dy, cache):
    y = cache
    return y * (dy - np.sum(y * dy))


@mutant("FACTOR:1/y:dx")
def outer_factor_forgotten(dy, cache):
    y = cache
    return dy - np.sum(y * dy, axis=1, keepdims=True)


@mutant("NOT-LINEAR:dx")
def cross_entropy_shortcut(dy, cache):
    y = cache
    return y - dy


@mutant("FACTOR:−1·1/y:dx")
def outer_factor_and_sign_forgotten(dy, cache):
    y = cache
    return np.sum(y * dy, axis=1, keepdims=True) - dy
