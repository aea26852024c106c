"""Wrong answers to `gaussian`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def right(d, cache):
    mean, log_var, x = cache
    d = d[:, None]
    return d * (x - mean) * np.exp(-log_var), d * 0.5 * ((x - mean) ** 2 * np.exp(-log_var) - 1)


@mutant("SCALE:−1:dmean")
def sign_of_the_mean(d, cache):
    dmean, dlog_var = right(d, cache)
    return -dmean, dlog_var


@mutant("TERM:from log_var:0:dlog_var")
def log_var_in_one_place(d, cache):
    mean, log_var, x = cache
    return right(d, cache)[0], d[:, None] * 0.5 * (x - mean) ** 2 * np.exp(-log_var)


@mutant("SCALE:2:dlog_var")
def no_half(d, cache):
    dmean, dlog_var = right(d, cache)
    return dmean, 2 * dlog_var


@mutant("FACTOR:σ²:dmean")
def variance_forgotten(d, cache):
    mean, _, x = cache
    return d[:, None] * (x - mean), right(d, cache)[1]


@mutant("FACTOR:σ:dmean")
def sigma_for_its_square(d, cache):
    mean, log_var, x = cache
    return d[:, None] * (x - mean) * np.exp(-log_var / 2), right(d, cache)[1]


@mutant("IGNORES-UPSTREAM:dmean")
def no_upstream(d, cache):
    mean, log_var, x = cache
    return (x - mean) * np.exp(-log_var), right(d, cache)[1]


@mutant("TERM:from the square:−1:dlog_var")
def sign_of_the_exponent(d, cache):
    mean, log_var, x = cache
    return right(d, cache)[0], d[:, None] * 0.5 * (-((x - mean) ** 2) * np.exp(-log_var) - 1)
