"""Wrong answers to `reparameterise`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def right(dz, cache):
    log_var, eps = cache
    return dz.copy(), dz * eps * 0.5 * np.exp(0.5 * log_var)


@mutant("SCALE:2:dlog_var")
def half_lost(dz, cache):
    log_var, eps = cache
    return dz, dz * eps * np.exp(0.5 * log_var)


@mutant("FACTOR:1/σ:dlog_var")
def sigma_lost(dz, cache):
    _, eps = cache
    return dz, dz * eps * 0.5


@mutant("FACTOR:2·1/σ:dlog_var")
def derivative_by_sigma(dz, cache):
    _, eps = cache
    return dz, dz * eps


@mutant("FACTOR:σ:dlog_var")
def variance_for_sigma(dz, cache):
    log_var, eps = cache
    return dz, dz * eps * 0.5 * np.exp(log_var)


@mutant("FACTOR:1/eps:dlog_var")
def eps_lost(dz, cache):
    log_var, _ = cache
    return dz, dz * 0.5 * np.exp(0.5 * log_var)


@mutant("FACTOR:eps:dmean")
def eps_in_dmean(dz, cache):
    _, eps = cache
    return dz * eps, right(dz, cache)[1]


@mutant("IGNORES-UPSTREAM:dmean")
def slope_in_the_place_of_gradient(dz, cache):
    return np.ones_like(dz), right(dz, cache)[1]


@mutant("FORMULA:log_var in the place of σ:dlog_var")
def log_var_for_sigma(dz, cache):
    log_var, eps = cache
    return dz, dz * eps * 0.5 * log_var


@mutant("SWAPPED:dlog_var:dmean", "SWAPPED:dmean:dlog_var")
def returned_in_the_wrong_order(dz, cache):
    dmean, dlog_var = right(dz, cache)
    return dlog_var, dmean


@mutant("PROBE:σ = 1:dlog_var")
def log_of_the_standard_deviation(dz, cache):
    log_var, eps = cache
    return dz, dz * eps * 0.5 * (1 + 0.5 * log_var)


@mutant("CONTRACT")
def draws_its_own_noise(dz, cache):
    log_var, _ = cache
    return dz, dz * np.random.default_rng().normal(size=dz.shape) * 0.5 * np.exp(0.5 * log_var)


@mutant("CONTRACT")
def two_names_for_one_array(dz, cache):
    log_var, eps = cache
    dmean = dlog_var = dz
    dlog_var *= eps * 0.5 * np.exp(0.5 * log_var)
    return dmean, dlog_var
