"""Wrong answers to `sigmoid`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("IGNORES-UPSTREAM:dx")
def slope_alone(dy, cache):
    y = cache
    return y * (1 - y)


@mutant("FACTOR:1/y′:dx")
def no_slope(dy, cache):
    return dy.copy()


@mutant("FACTOR:1/(1 − y):dx")
def second_factor_forgotten(dy, cache):
    y = cache
    return dy * y


@mutant("FORMULA:x(1 − x), with the input in place of the output:dx")
def input_for_output(dy, cache):
    y = cache
    x = np.log(y / (1 - y))  # what forward was given
    return dy * x * (1 - x)


@mutant("FORMULA:tanh's derivative, 1 − y²:dx")
def slope_of_tanh(dy, cache):
    y = cache
    return dy * (1 - y**2)


@mutant("FACTOR:−1·1/e^(−x):dx")
def inner_derivative_forgotten(dy, cache):
    y = cache
    return -dy * y**2


@mutant("SCALE:−1:dx")
def inner_minus_forgotten(dy, cache):
    y = cache
    return -dy * y * (1 - y)


@mutant("FLOAT32:dx")
def single_precision(dy, cache):
    y = cache.astype(np.float32)
    return dy * y * (1 - y)
