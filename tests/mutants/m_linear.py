"""Wrong answers to `linear`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("SCALE:1/N:dW", "SCALE:1/N:db")
def mean_for_sum(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy / len(x), dy.mean(axis=0)


@mutant("SCALE:−1:dx")
def sign_of_dx(dy, cache):
    x, W = cache
    return -dy @ W.T, x.T @ dy, dy.sum(axis=0)


@mutant("EXAMPLE:only first:db")
def no_sum_over_the_batch(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy[0]


@mutant("EXAMPLE:only last:dW", "EXAMPLE:only last:db")
def overwritten_in_the_loop(dy, cache):
    x, W = cache
    for n in range(len(x)):
        dW = np.outer(x[n], dy[n])
        db = dy[n].copy()
    return dy @ W.T, dW, db


@mutant("UNKNOWN:dx", "UNKNOWN:dW")
def reshape_for_transpose(dy, cache):
    x, W = cache
    return dy @ W.reshape(W.shape[::-1]), x.reshape(x.shape[::-1]) @ dy, dy.sum(axis=0)


@mutant("CONSTANT:SUM:db")
def sum_over_everything(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, np.full(W.shape[1], dy.sum())


@mutant("CONTRACT")
def factors_in_the_other_order(dy, cache):
    x, W = cache
    return dy @ W.T, dy.T @ x, dy.sum(axis=0)


@mutant("IGNORES-UPSTREAM:dW")
def weights_without_dy(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ np.ones_like(dy), dy.sum(axis=0)
