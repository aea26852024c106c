"""Wrong answers to `linear_vae`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

own = reference("linear_vae")
right, Z = own.closed_form, own.Z


@mutant("FORMULA:the mean of the D − Z largest eigenvalues: eigh gives the smallest first:s2")
def largest_first(x):
    _, C, log_density = right(x)
    return np.mean(np.linalg.eigvalsh(x.T @ x / len(x))[Z:]), C, log_density


@mutant("FORMULA:S itself:C")
def covariance_of_the_data(x):
    s2, _, log_density = right(x)
    return s2, x.T @ x / len(x), log_density


@mutant("FORMULA:without the trace:log_density")
def no_trace(x):
    s2, C, log_density = right(x)
    return s2, C, log_density + x.shape[1] / 2


@mutant("SCALE:−1 | FORMULA:the loss, −log p:log_density")
def loss(x):
    s2, C, log_density = right(x)
    return s2, C, -log_density


@mutant("FORMULA:Wᵀ W without s2:C")
def without_the_noise(x):
    s2, C, log_density = right(x)
    return s2, C - s2 * np.eye(x.shape[1]), log_density


@mutant("FORMULA:the sum of the smallest | SCALE:D−Z | UNKNOWN:s2")
def sum_for_mean(x):
    s2, C, log_density = right(x)
    return s2 * (x.shape[1] - Z), C, log_density


@mutant("FORMULA:without D log 2π:log_density")
def no_pi(x):
    s2, C, log_density = right(x)
    return s2, C, log_density + x.shape[1] / 2 * np.log(2 * np.pi)
