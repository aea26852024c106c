"""Wrong answers to `log_sum_exp`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

right = reference("log_sum_exp").log_sum_exp


@mutant("CONTRACT")
def as_written(x):
    with np.errstate(all="ignore"):
        e = np.exp(x)
        return np.log(e.sum(axis=1)), e / e.sum(axis=1, keepdims=True)


@mutant("CONTRACT")
def one_largest_for_all(x):
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max())
        return x.max() + np.log(e.sum(axis=1)), e / e.sum(axis=1, keepdims=True)


@mutant("FORMULA:the logarithm of the sum, without the largest number added again:y")
def largest_not_added_again(x):
    y, p = right(x)
    return y - x.max(axis=1), p


@mutant("FORMULA:the logarithm of the mean:y")
def mean_for_sum(x):
    y, p = right(x)
    return y - np.log(x.shape[1]), p


@mutant("FORMULA:e^(x − the largest), not divided by its sum:p")
def not_normalised(x):
    return right(x)[0], np.exp(x - x.max(axis=1, keepdims=True))


@mutant("FORMULA:the logarithm of the softmax:p")
def log_softmax(x):
    y, _ = right(x)
    return y, x - y[:, None]


@mutant("CONTRACT")
def as_a_column(x):
    y, p = right(x)
    return y[:, None], p
