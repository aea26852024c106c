"""Wrong answers to `batch_norm`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def sums(dy, normed):
    return np.sum(dy * normed, axis=0), np.sum(dy, axis=0)


@mutant("TERM:direct:1/N:dx")
def factor_n_of_dy_forgotten(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / (len(dy) * std) * (dy - dbeta - normed * dgamma), dgamma, dbeta


@mutant("SCALE:N:dx")
def one_over_n_forgotten(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / std * (len(dy) * dy - dbeta - normed * dgamma), dgamma, dbeta


@mutant("TERM:through the variance:−1:dx")
def sign_of_the_last_term(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / (len(dy) * std) * (len(dy) * dy - dbeta + normed * dgamma), dgamma, dbeta


@mutant("PROBE:γ = 1:dx")
def gamma_within_the_bracket_too(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / (len(dy) * std) * (len(dy) * dy - dbeta - gamma * normed * dgamma), dgamma, dbeta


@mutant("FACTOR:1/std:dx")
def variance_for_standard_deviation(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / (len(dy) * std**2) * (len(dy) * dy - dbeta - normed * dgamma), dgamma, dbeta


@mutant("SCALE:N/(N−1):dx")
def sample_size_less_one(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / ((len(dy) - 1) * std) * (len(dy) * dy - dbeta - normed * dgamma), dgamma, dbeta


@mutant("FORMULA:the sums taken over the features instead of the examples:dx")
def sums_over_the_wrong_axis(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    over = {"axis": 1, "keepdims": True}
    bracket = len(dy) * dy - np.sum(dy, **over) - normed * np.sum(dy * normed, **over)
    return gamma / (len(dy) * std) * bracket, dgamma, dbeta


@mutant("FORMULA:normed forgotten in front of its sum:dx")
def normed_forgotten(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / (len(dy) * std) * (len(dy) * dy - dbeta - dgamma), dgamma, dbeta


@mutant(
    "TERM:direct:N,through the mean:0,through the variance:N | TERM:through the mean:0 & SCALE:N:dx",
)
def mean_and_one_over_n_forgotten(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / std * (len(dy) * dy - normed * dgamma), dgamma, dbeta


@mutant("PROBE:one feature:dx")
def normed_summed_over_everything(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / (len(dy) * std) * (len(dy) * dy - dbeta - normed * np.sum(dgamma)), dgamma, dbeta


@mutant("CONTRACT")
def dx_alone(dy, cache):
    normed, std, gamma = cache
    dgamma, dbeta = sums(dy, normed)
    return gamma / (len(dy) * std) * (len(dy) * dy - dbeta - normed * dgamma)
