"""Wrong answers to `sum`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("IGNORES-UPSTREAM:dx")
def without_dy(dy, cache):
    return np.ones_like(cache)


@mutant("SCALE:1/D:dx")
def as_for_a_mean(dy, cache):
    x = cache
    return dy[:, None] * np.ones_like(x) / x.shape[1]


@mutant("SCALE:1/N:dx")
def mean_over_the_batch(dy, cache):
    x = cache
    return dy[:, None] * np.ones_like(x) / len(x)


@mutant("FACTOR:x:dx")
def times_x(dy, cache):
    x = cache
    return dy[:, None] * x


@mutant("CONTRACT")
def left_to_broadcasting(dy, cache):
    return dy[:, None]


@mutant("FORMULA:dy repeated as a whole, not entry by entry:dx")
def resized(dy, cache):
    x = cache
    return np.resize(dy, x.shape)


@mutant("CONSTANT:dx")
def all_examples_added_up(dy, cache):
    x = cache
    return np.ones_like(x) * dy.sum()


@mutant("ONLY-WHERE:axis 0 is at its last place:dx")
def loop_too_short(dy, cache):
    x = cache
    dx = np.zeros_like(x)
    for n in range(len(x) - 1):
        dx[n] = dy[n]
    return dx
