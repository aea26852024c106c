"""Wrong answers to `kl`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def right(dkl, cache):
    mean, log_var = cache
    return dkl[:, None] * mean, dkl[:, None] * 0.5 * (np.exp(log_var) - 1)


@mutant("SCALE:1/2:dmean", "SCALE:2:dlog_var")
def halves_mixed_up(dkl, cache):
    mean, log_var = cache
    return 0.5 * dkl[:, None] * mean, dkl[:, None] * (np.exp(log_var) - 1)


@mutant("SCALE:−1:dmean", "SCALE:−1:dlog_var")
def sign(dkl, cache):
    dmean, dlog_var = right(dkl, cache)
    return -dmean, -dlog_var


@mutant("SCALE:1/N:dmean", "SCALE:1/N:dlog_var")
def mean_over_the_batch(dkl, cache):
    dmean, dlog_var = right(dkl, cache)
    return dmean / len(dkl), dlog_var / len(dkl)


@mutant("TERM:log_var itself:0:dlog_var")
def one_lost(dkl, cache):
    mean, log_var = cache
    return dkl[:, None] * mean, dkl[:, None] * 0.5 * np.exp(log_var)


@mutant("TERM:log_var itself:2:dlog_var")
def half_lost_on_one_term(dkl, cache):
    mean, log_var = cache
    return dkl[:, None] * mean, dkl[:, None] * (0.5 * np.exp(log_var) - 1)


@mutant("FACTOR:2·1/σ:dlog_var")
def derivative_by_sigma(dkl, cache):
    mean, log_var = cache
    sigma = np.exp(0.5 * log_var)
    return dkl[:, None] * mean, dkl[:, None] * (sigma - 1 / sigma)


@mutant("FACTOR:1/σ²:dlog_var")
def derivative_by_variance(dkl, cache):
    mean, log_var = cache
    return dkl[:, None] * mean, dkl[:, None] * 0.5 * (1 - 1 / np.exp(log_var))


@mutant("FACTOR:1/mean:dmean")
def mean_lost(dkl, cache):
    mean, _ = cache
    return dkl[:, None] * np.ones_like(mean), right(dkl, cache)[1]


@mutant("IGNORES-UPSTREAM:dmean", "IGNORES-UPSTREAM:dlog_var")
def no_upstream(dkl, cache):
    mean, log_var = cache
    return mean.copy(), 0.5 * (np.exp(log_var) - 1)


@mutant("PROBE:one example:dmean", "PROBE:one example:dlog_var")
def upstream_summed(dkl, cache):
    mean, log_var = cache
    return dkl.sum() * mean, dkl.sum() * 0.5 * (np.exp(log_var) - 1)


@mutant("FORMULA:σ in the place of σ²:dlog_var")
def sigma_for_variance(dkl, cache):
    mean, log_var = cache
    return dkl[:, None] * mean, dkl[:, None] * 0.5 * (np.exp(0.5 * log_var) - 1)
