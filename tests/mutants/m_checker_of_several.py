"""Wrong answers to `checker_of_several`, each with a part of the reason that a right judge gives."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

differences = reference("checker_of_several").differences


def what_is_wrong(forward, backward, inputs, shapes=True, twice=True, stop=False, tolerance=1e-6, random=True):
    y, cache = forward(*inputs)
    dy = np.random.default_rng(0).normal(size=y.shape) if random else np.ones_like(y)
    first = backward(dy, cache)
    if twice and any(not np.array_equal(a, b) for a, b in zip(first, backward(dy, cache), strict=True)):
        return [-1]
    wrong = []
    for k, x in enumerate(inputs):
        right = differences(forward, inputs, k, dy)
        if first[k].shape != x.shape:
            try:
                off = np.max(np.abs(first[k] - right))
            except ValueError:
                off = np.inf
            bad = True if shapes else off > 1e-6 * np.max(np.abs(right))
        else:
            bad = np.max(np.abs(first[k] - right)) > tolerance * np.max(np.abs(right))
        if bad:
            wrong.append(k)
            if stop:
                break
    return wrong


@mutant("REASON: NumPy compares the two shapes without a word")
def no_shapes(forward, backward, inputs):
    return what_is_wrong(forward, backward, inputs, shapes=False)


@mutant("REASON: call backward twice")
def once(forward, backward, inputs):
    return what_is_wrong(forward, backward, inputs, twice=False)


@mutant("REASON: go on after the first")
def stops_at_the_first(forward, backward, inputs):
    return what_is_wrong(forward, backward, inputs, stop=True)


@mutant("REASON: the first gradient is that for a dy of ones")
def a_dy_of_ones(forward, backward, inputs):
    return what_is_wrong(forward, backward, inputs, random=False)


@mutant("REASON: all three gradients are right")
def a_tolerance_of_nothing(forward, backward, inputs):
    return what_is_wrong(forward, backward, inputs, tolerance=0)


@mutant("REASON: the third gradient has the shape (5,)")
def nothing_is_wrong(forward, backward, inputs):
    return []
