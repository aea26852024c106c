"""Wrong answers to `tanh`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("NOT-LINEAR:dx")
def missing_brackets(dy, cache):
    y = cache
    return dy * 1 - y**2


@mutant("FACTOR:1/(1 + y):dx")
def square_forgotten(dy, cache):
    y = cache
    return dy * (1 - y)


@mutant("FORMULA:1 − x², with the input in place of the output:dx")
def input_for_output(dy, cache):
    y = cache
    x = np.arctanh(y)  # what forward was given
    return dy * (1 - x**2)


@mutant("FORMULA:the sigmoid's derivative, y(1 − y):dx")
def slope_of_the_sigmoid(dy, cache):
    y = cache
    return dy * y * (1 - y)


@mutant("FORMULA:tan's derivative, 1 + y²:dx")
def slope_of_tan(dy, cache):
    y = cache
    return dy * (1 + y**2)


@mutant("FACTOR:cosh(x):dx")
def cosh_not_squared(dy, cache):
    y = cache
    return dy / np.cosh(np.arctanh(y))


@mutant("FACTOR:−2·y:dx")
def differentiated_twice(dy, cache):
    y = cache
    return dy * -2 * y * (1 - y**2)


@mutant("SCALE:−1:dx")
def minus_in_the_wrong_place(dy, cache):
    y = cache
    return dy * (y**2 - 1)
