"""Wrong answers to `softplus`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

right = reference("softplus").softplus


@mutant("CONTRACT")
def as_written(x):
    with np.errstate(all="ignore"):
        return np.log(1 + np.exp(x)), 1 / (1 + np.exp(-x))


@mutant("ONLY-WHERE:x is between −700 and −30, and the right value tiny:y")
def large_ones_apart(x):
    return np.where(x > 700, x, np.log(1 + np.exp(np.minimum(x, 700)))), right(x)[1]


@mutant("ONLY-WHERE:x is between −700 and −30, and the right value tiny:y")
def log_for_log1p(x):
    return np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x))), right(x)[1]


@mutant("FORMULA:max(x, 0), which leaves out the logarithm:y")
def relu(x):
    return np.maximum(x, 0), right(x)[1]


@mutant("FEW:y", "FEW:slope")
def cut_off(x):
    return right(np.maximum(x, -30))


@mutant("ONLY-WHERE:x is between −700 and −30, and the right value tiny:slope")
def one_minus(x):
    return right(x)[0], 1 - 1 / (1 + np.exp(np.minimum(x, 700)))


@mutant("FORMULA:sigmoid(−x):slope")
def sign_of_the_exponent(x):
    return right(x)[0], right(-x)[1]


@mutant("SWAPPED:slope:y", "SWAPPED:y:slope")
def order(x):
    return right(x)[::-1]
