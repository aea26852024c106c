"""Wrong answers to `transposed_convolution`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

right = reference("transposed_convolution").backward


@mutant("FORMULA:the filter turned round:dx")
def filter_turned_round(dy, cache):
    x, w = cache
    return right(dy, (x, w[:, :, ::-1]))[0], right(dy, cache)[1]


@mutant("EDIT:dx")
def overwritten_in_every_round(dy, cache):
    x, w = cache
    L, U = x.shape[2], w.shape[2]
    for u in range(U):
        dx = np.einsum("nft,cf->nct", dy[:, :, u : u + L], w[:, :, u])
    return dx, right(dy, cache)[1]


@mutant("FLIPPED:2:dw")
def dw_turned_round(dy, cache):
    dx, dw = right(dy, cache)
    return dx, dw[:, :, ::-1].copy()


@mutant("SCALE:1/N:dw")
def mean_over_the_batch(dy, cache):
    dx, dw = right(dy, cache)
    return dx, dw / len(dy)


@mutant("SCALE:1/U:dx")
def mean_over_the_filter(dy, cache):
    dx, dw = right(dy, cache)
    return dx / cache[1].shape[2], dw


@mutant("CONTRACT")
def channels_exchanged(dy, cache):
    dx, dw = right(dy, cache)
    return dx, dw.transpose(1, 0, 2)
