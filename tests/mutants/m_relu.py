"""Wrong answers to `relu`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("ONLY-WHERE:x < 0:dx")
def no_mask(dy, cache):
    return dy.copy()


@mutant("FORMULA:the mask turned round:dx")
def mask_turned_round(dy, cache):
    x = cache
    return np.where(x > 0, 0, dy)


@mutant("FORMULA:the mask of dy instead of that of x:dx")
def relu_of_dy(dy, cache):
    return np.maximum(dy, 0)


@mutant("IGNORES-UPSTREAM:dx")
def mask_alone(dy, cache):
    x = cache
    return (x > 0).astype(float)


@mutant("FACTOR:x:dx")
def output_for_mask(dy, cache):
    x = cache
    return dy * np.maximum(x, 0)


@mutant("CONTRACT")
def zeros_written_into_dy(dy, cache):
    x = cache
    dy[x <= 0] = 0
    return dy


@mutant("CONTRACT")
def missing_brackets(dy, cache):
    x = cache
    return dy * x > 0


@mutant("ONLY-WHERE:x < 0:dx")
def sign_for_mask(dy, cache):
    x = cache
    return dy * np.sign(x)


@mutant("UNKNOWN:dx")
def both_masks(dy, cache):
    x = cache
    return np.maximum(dy, 0) * (x > 0)
