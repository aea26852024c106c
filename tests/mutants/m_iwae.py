"""Wrong answers to `iwae`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

right = reference("iwae").bound_and_gradient


@mutant("CONTRACT")
def as_written(log_w, dbound):
    with np.errstate(all="ignore"):
        w = np.exp(log_w)
        return np.log(w.mean(axis=1)), dbound[:, None] * w / w.sum(axis=1, keepdims=True)


@mutant("FORMULA:the logarithm of the sum, not of the mean:bound")
def sum_for_mean(log_w, dbound):
    bound, dlog_w = right(log_w, dbound)
    return bound + np.log(log_w.shape[1]), dlog_w


@mutant("FORMULA:the mean of log_w: the ELBO:bound", "FORMULA:1/K for every draw, as in the ELBO:dlog_w")
def elbo(log_w, dbound):
    return log_w.mean(axis=1), np.broadcast_to(dbound[:, None] / log_w.shape[1], log_w.shape).copy()


@mutant("FORMULA:without the largest log_w added again:bound")
def largest_not_added_again(log_w, dbound):
    bound, dlog_w = right(log_w, dbound)
    return bound - log_w.max(axis=1), dlog_w


@mutant("FORMULA:the weights without dbound:dlog_w")
def no_upstream(log_w, dbound):
    bound, dlog_w = right(log_w, np.ones_like(dbound))
    return bound, dlog_w


@mutant("SCALE:1/K | FORMULA:the weights divided by K as well:dlog_w")
def divided_by_the_draws(log_w, dbound):
    bound, dlog_w = right(log_w, dbound)
    return bound, dlog_w / log_w.shape[1]


@mutant("FORMULA:the largest log_w of each example:bound")
def largest_alone(log_w, dbound):
    return log_w.max(axis=1), right(log_w, dbound)[1]
