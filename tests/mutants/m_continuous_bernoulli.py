"""Wrong answers to `continuous_bernoulli`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def with_mean(mean, d, x):
    return d[:, None] * (x - mean)


@mutant("FORMULA:the gradient of the Bernoulli density, x − sigmoid(logits):dlogits")
def bernoulli(d, cache):
    logits, x = cache
    return with_mean(1 / (1 + np.exp(-logits)), d, x)


@mutant("TERM:1/l:0:dlogits")
def without_the_second_logarithm(d, cache):
    logits, x = cache
    return with_mean(np.exp(logits) / (np.exp(logits) - 1), d, x)


@mutant("TERM:1/l:−1:dlogits")
def sign_of_the_second_logarithm(d, cache):
    logits, x = cache
    return with_mean(np.exp(logits) / (np.exp(logits) - 1) + 1 / logits, d, x)


@mutant("SCALE:−1:dlogits")
def mean_minus_x(d, cache):
    logits, x = cache
    return -with_mean(np.exp(logits) / (np.exp(logits) - 1) - 1 / logits, d, x)


@mutant("TERM:x:0:dlogits")
def pixel_forgotten(d, cache):
    logits, x = cache
    return with_mean(np.exp(logits) / (np.exp(logits) - 1) - 1 / logits, d, 0 * x)


@mutant("FORMULA:x − mean without the upstream gradient | IGNORES-UPSTREAM:dlogits")
def no_upstream(d, cache):
    logits, x = cache
    return with_mean(np.exp(logits) / (np.exp(logits) - 1) - 1 / logits, np.ones_like(d), x)
