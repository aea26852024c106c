"""Wrong answers to `elbo_identity`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

right = reference("elbo_identity").terms


def with_(x, mean, log_var, **changed):
    names = ("log_px", "reconstruction", "rate", "elbo", "gap")
    values = dict(zip(names, right(x, mean, log_var), strict=True))
    values |= changed
    return tuple(values[name] for name in names)


@mutant("FORMULA:log p(x) for a variance of 1: x is z plus noise, and variances add up:log_px")
def variance_of_the_noise_alone(x, mean, log_var):
    return with_(x, mean, log_var, log_px=-0.5 * np.log(2 * np.pi) - x**2 / 2)


@mutant("FORMULA:log p(x|mean): the mean over q has the spread of z as well:reconstruction")
def spread_forgotten(x, mean, log_var):
    return with_(x, mean, log_var, reconstruction=-0.5 * np.log(2 * np.pi) - 0.5 * (x - mean) ** 2)


@mutant("SCALE:2 | FORMULA:without its ½:rate")
def rate_without_its_half(x, mean, log_var):
    return with_(x, mean, log_var, rate=np.exp(log_var) + mean**2 - 1 - log_var)


@mutant("FORMULA:with log σ where log σ² belongs:rate")
def log_sigma(x, mean, log_var):
    return with_(x, mean, log_var, rate=0.5 * (np.exp(log_var) + mean**2 - 1 - log_var / 2))


@mutant("FORMULA:reconstruction + rate:elbo")
def rate_added(x, mean, log_var):
    _, reconstruction, rate, _, _ = right(x, mean, log_var)
    return with_(x, mean, log_var, elbo=reconstruction + rate)


@mutant("FORMULA:the rate: this is about p(z|x), not p(z):gap | SWAPPED:rate:gap")
def gap_to_the_prior(x, mean, log_var):
    return with_(x, mean, log_var, gap=right(x, mean, log_var)[2])


@mutant("FORMULA:with a posterior of variance 1:gap")
def posterior_too_wide(x, mean, log_var):
    return with_(x, mean, log_var, gap=0.5 * (np.exp(log_var) + (mean - x / 2) ** 2 - 1 - log_var))
