"""Wrong answers to `batch_norm_staged`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("TERM:through the mean:0,through the variance:0:dx")
def mean_and_variance_taken_as_constants(dy, cache):
    _, std, normed, gamma = cache
    return dy * gamma / std, np.sum(dy * normed, axis=0), np.sum(dy, axis=0)


@mutant("TERM:through the mean:0:dx")
def stopped_at_centred(dy, cache):
    centred, std, normed, gamma = cache
    dnormed = dy * gamma
    dvar = -0.5 * np.sum(dnormed * centred, axis=0) / std**3
    dcentred = dnormed / std + dvar * 2 * centred / len(dy)
    return dcentred, np.sum(dy * normed, axis=0), np.sum(dy, axis=0)


@mutant("TERM:direct:0,through the mean:0:dx")
def gradient_of_centred_overwritten(dy, cache):
    centred, std, normed, gamma = cache
    dnormed = dy * gamma
    dcentred = dnormed / std
    dvar = -0.5 * np.sum(dnormed * centred, axis=0) / std**3
    dcentred = dvar * 2 * centred / len(dy)
    dx = dcentred - np.mean(dcentred, axis=0)
    return dx, np.sum(dy * normed, axis=0), np.sum(dy, axis=0)


@mutant("TERM:through the variance:N:dx")
def variance_as_a_sum(dy, cache):
    centred, std, normed, gamma = cache
    dnormed = dy * gamma
    dvar = -0.5 * np.sum(dnormed * centred, axis=0) / std**3
    dcentred = dnormed / std + dvar * 2 * centred
    return dcentred - np.mean(dcentred, axis=0), np.sum(dy * normed, axis=0), np.sum(dy, axis=0)


@mutant("TERM:through the variance:N/(N−1):dx")
def sample_variance(dy, cache):
    centred, std, normed, gamma = cache
    dnormed = dy * gamma
    dvar = -0.5 * np.sum(dnormed * centred, axis=0) / std**3
    dcentred = dnormed / std + dvar * 2 * centred / (len(dy) - 1)
    return dcentred - np.mean(dcentred, axis=0), np.sum(dy * normed, axis=0), np.sum(dy, axis=0)


@mutant("TERM:through the variance:−1:dx")
def sign_of_the_quotient_rule(dy, cache):
    centred, std, normed, gamma = cache
    dnormed = dy * gamma
    dstd = np.sum(dnormed * centred, axis=0) / std**2
    dcentred = dnormed / std + dstd / std * centred / len(dy)
    return dcentred - np.mean(dcentred, axis=0), np.sum(dy * normed, axis=0), np.sum(dy, axis=0)


@mutant("PROBE:std = 1:dx")
def root_without_its_inner_value(dy, cache):
    centred, std, normed, gamma = cache
    dnormed = dy * gamma
    dstd = -np.sum(dnormed * centred, axis=0) / std**2
    dvar = dstd / 2
    dcentred = dnormed / std + dvar * 2 * centred / len(dy)
    return dcentred - np.mean(dcentred, axis=0), np.sum(dy * normed, axis=0), np.sum(dy, axis=0)


@mutant("PROBE:one feature:dx")
def one_standard_deviation_for_all_features(dy, cache):
    centred, std, normed, gamma = cache
    dnormed = dy * gamma
    dstd = -np.sum(dnormed * centred / std**2)
    dcentred = dnormed / std + dstd / std * centred / len(dy)
    return dcentred - np.mean(dcentred, axis=0), np.sum(dy * normed, axis=0), np.sum(dy, axis=0)


@mutant("FACTOR:1/γ:dx", "FACTOR:std:dgamma")
def gamma_forgotten_and_centred_for_normed(dy, cache):
    centred, std, _, _ = cache
    dvar = -0.5 * np.sum(dy * centred, axis=0) / std**3
    dcentred = dy / std + dvar * 2 * centred / len(dy)
    return dcentred - np.mean(dcentred, axis=0), np.sum(dy * centred, axis=0), np.sum(dy, axis=0)


@mutant("SCALE:1/N:dgamma", "SCALE:1/N:dbeta")
def mean_for_sum(dy, cache):
    _, std, normed, gamma = cache
    dcentred = gamma / std * (dy - normed * np.mean(dy * normed, axis=0))
    return dcentred - np.mean(dcentred, axis=0), np.mean(dy * normed, axis=0), np.mean(dy, axis=0)


@mutant("CONTRACT")
def upstream_changed_in_place(dy, cache):
    _, std, normed, gamma = cache
    dgamma, dbeta = np.sum(dy * normed, axis=0), np.sum(dy, axis=0)
    dy *= gamma / std
    return dy - np.mean(dy, axis=0) - normed * np.mean(dy * normed, axis=0), dgamma, dbeta
