"""Wrong answers to `bias`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("SCALE:1/N:db")
def mean_for_sum(dy, cache):
    return dy, dy.mean(axis=0)


@mutant("CONTRACT")
def no_sum(dy, cache):
    return dy, dy


@mutant("CONSTANT:SUM:db")
def sum_over_everything(dy, cache):
    return dy, np.full(dy.shape[1], np.sum(dy))


@mutant("IGNORES-UPSTREAM:dx", "IGNORES-UPSTREAM:db")
def without_dy(dy, cache):
    return np.ones_like(dy), np.full(dy.shape[1], float(len(dy)))


@mutant("CONTRACT")
def adds_into_a_view_of_dy(dy, cache):
    db = dy[0]
    for row in dy[1:]:
        db += row
    return dy, db


@mutant("EXAMPLE:only last:db")
def overwritten_in_the_loop(dy, cache):
    for row in dy:
        db = row.copy()
    return dy, db


@mutant("EXAMPLE:not last:db")
def loop_too_short(dy, cache):
    db = np.zeros(dy.shape[1])
    for n in range(len(dy) - 1):
        db += dy[n]
    return dy, db


@mutant("PROBE:N = 1:db")
def reshape_for_transpose(dy, cache):
    return dy, dy.reshape(dy.shape[::-1]).sum(axis=1)


@mutant("FORMULA:db in every row:dx")
def dx_summed_as_well(dy, cache):
    db = dy.sum(axis=0)
    return np.ones_like(dy) * db, db
