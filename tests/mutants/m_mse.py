"""Wrong answers to `mse`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("SCALE:1/2:dprediction")
def two_forgotten(dloss, cache):
    prediction, target = cache
    return dloss[:, None] * (prediction - target) / prediction.shape[1]


@mutant("SCALE:D:dprediction")
def sum_for_mean(dloss, cache):
    prediction, target = cache
    return dloss[:, None] * 2 * (prediction - target)


@mutant("SCALE:D/N:dprediction")
def mean_over_the_wrong_axis(dloss, cache):
    prediction, target = cache
    return dloss[:, None] * 2 / len(prediction) * (prediction - target)


@mutant("SCALE:1/N:dprediction")
def mean_over_the_batch_twice(dloss, cache):
    prediction, target = cache
    return dloss[:, None] * 2 / prediction.size * (prediction - target)


@mutant("SCALE:−D:dprediction")
def target_minus_prediction_and_no_mean(dloss, cache):
    prediction, target = cache
    return dloss[:, None] * 2 * (target - prediction)


@mutant("IGNORES-UPSTREAM:dprediction")
def without_dloss(dloss, cache):
    prediction, target = cache
    return 2 / prediction.shape[1] * (prediction - target)


@mutant("PROBE:N = 1:dprediction")
def one_dloss_for_all_examples(dloss, cache):
    prediction, target = cache
    return dloss.sum() * 2 / prediction.shape[1] * (prediction - target)


@mutant("TERM:the target:0:dprediction")
def target_forgotten(dloss, cache):
    prediction, _ = cache
    return dloss[:, None] * 2 / prediction.shape[1] * prediction


@mutant("FACTOR:1/2·the error:dprediction")
def the_square_itself(dloss, cache):
    prediction, target = cache
    return dloss[:, None] * (prediction - target) ** 2 / prediction.shape[1]


@mutant("ONLY-WHERE:prediction < target:dprediction")
def distance_for_error(dloss, cache):
    prediction, target = cache
    return dloss[:, None] * 2 / prediction.shape[1] * np.abs(prediction - target)
