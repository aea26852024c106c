"""Wrong answers to `softmax_cross_entropy`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


@mutant("TERM:one-hot:0:dlogits")
def one_hot_forgotten(dloss, cache):
    p, _ = cache
    return dloss[:, None] * p


@mutant("TERM:one-hot:−1:dlogits")
def one_hot_added(dloss, cache):
    p, labels = cache
    return dloss[:, None] * (p + np.eye(p.shape[1])[labels])


@mutant("SCALE:1/N:dlogits")
def mean_over_the_batch_twice(dloss, cache):
    p, labels = cache
    return dloss[:, None] * (p - np.eye(p.shape[1])[labels]) / len(p)


@mutant("TERM:softmax:1/N:dlogits")
def one_hot_subtracted_after_the_mean(dloss, cache):
    p, labels = cache
    return dloss[:, None] * (p / len(p) - np.eye(p.shape[1])[labels])


@mutant("NOT-LINEAR:dlogits")
def one_hot_without_dloss(dloss, cache):
    p, labels = cache
    dlogits = dloss[:, None] * p
    dlogits[np.arange(len(p)), labels] -= 1
    return dlogits


@mutant("PROBE:N = 1:dlogits")
def columns_of_all_labels(dloss, cache):
    p, labels = cache
    dlogits = dloss[:, None] * p
    dlogits[:, labels] -= dloss[:, None]
    return dlogits


@mutant("ONLY-WHERE:the class is not the label:dlogits")
def diagonal_of_the_softmax_jacobian(dloss, cache):
    p, labels = cache
    dp = -dloss[:, None] * np.eye(p.shape[1])[labels] / p
    return dp * p * (1 - p)


@mutant("FORMULA:p minus the number of the label:dlogits")
def label_for_one_hot(dloss, cache):
    p, labels = cache
    return dloss[:, None] * (p - labels[:, None])


@mutant("SCALE:−1:dlogits")
def one_hot_minus_softmax(dloss, cache):
    p, labels = cache
    return dloss[:, None] * (np.eye(p.shape[1])[labels] - p)
