"""Wrong answers to `test_of_kl`, each with a part of the reason that a right judge gives."""

import numpy as np

from mutants.key import mutant


def kl(mean, log_var):
    return 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)


def agrees(forward, mean, log_var):
    given = forward(mean, log_var)
    return given.shape == (len(mean),) and np.allclose(given, kl(mean, log_var))


RNG = np.random.default_rng(0)
M, S = RNG.normal(size=(2, 5, 3))


@mutant("REASON: twice too large")
def zero_where_it_should_be(forward):
    z = np.zeros((5, 3))
    return np.allclose(forward(z, z), 0) and bool((forward(M, S) > 0).all())


@mutant("REASON: test other variances")
def variance_one_alone(forward):
    return agrees(forward, M, 0 * S)


@mutant("REASON: test several columns")
def one_column(forward):
    return agrees(forward, M[:, :1], S[:, :1])


@mutant("REASON: test several.")
def one_example(forward):
    return agrees(forward, M[:1], S[:1])


@mutant("REASON: for a mean of 0, 1 or −1 it is right")
def means_of_one(forward):
    return agrees(forward, np.sign(M), S)


@mutant("REASON: for a mean of 0")
def mean_zero(forward):
    return agrees(forward, 0 * M, S)


@mutant("REASON: allow a few roundings")
def to_the_last_bit(forward):
    return bool((forward(M, S) == kl(M, S)).all())
