"""A bound from several draws, and its gradient: log of a mean of weights.

For each of N examples K draws z were made, and log_w (N, K) holds log p(x, z) − log q(z|x) of each. The
importance-weighted bound is

    bound_n = log (1/K Σ_k w_nk)   with w_nk = e^(log_w_nk)

For K = 1 it is the ELBO of one draw, and it grows with K. log_w is about −700 here, as it is for images. dbound (N,) is
the upstream gradient. Return bound (N,) and dlog_w (N, K).

Derive it first:
  - e^(−700) is nearly nothing, and e^(−800) is 0 in float64. What may be taken out of the sum first?
  - ∂bound_n/∂log_w_nk: the slope of a logarithm, then of the mean, then of e^(log_w). What do these K slopes add up to?
"""

import numpy as np


def bound_and_gradient(log_w, dbound):
    # begin solution: bound, dlog_w
    largest = np.max(log_w, axis=1, keepdims=True)
    w = np.exp(log_w - largest)
    bound = largest[:, 0] + np.log(np.mean(w, axis=1))
    dlog_w = dbound[:, None] * w / np.sum(w, axis=1, keepdims=True)
    # end solution
    return bound, dlog_w


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    bound, dlog_w = bound_and_gradient(q.log_w, q.dbound)
    largest = q.log_w.max(axis=1)
    return Facts(
        numbers={"log K": float(np.log(q.K))},
        formulas={
            "bound": {
                "the logarithm of the sum, not of the mean": bound + np.log(q.K),
                "the mean of log_w: the ELBO": q.log_w.mean(axis=1),
                "the largest log_w of each example": largest,
                "without the largest log_w added again": bound - largest,
                "the sum divided by the number of examples": bound + np.log(q.K) - np.log(q.N),
            },
            "dlog_w": {
                "1/K for every draw, as in the ELBO": np.broadcast_to(q.dbound[:, None] / q.K, dlog_w.shape),
                "the weights without dbound": dlog_w / q.dbound[:, None],
                "the weights divided by K as well": dlog_w / q.K,
                "the weights w, not divided by their sum": dlog_w
                / dlog_w.max(axis=1, keepdims=True)
                * q.dbound[:, None],
                "all of it for the largest weight": np.where(
                    q.log_w == largest[:, None], np.broadcast_to(q.dbound[:, None], dlog_w.shape), 0
                ),
            },
        },
    )


EXERCISE = Exercise(
    title="the importance-weighted bound and its gradient",
    function="bound_and_gradient",
    sizes=({"N": 5, "K": 7}, {"N": 3, "K": 11}),
    inputs=lambda s, rng: {"log_w": -760 + 20 * rng.normal(size=(s.N, 1)) + rng.normal(size=(s.N, s.K))},
    constants=lambda s, rng: {"dbound": rng.uniform(0.5, 2, s.N)},
    facts=facts,
    hints=(
        "log of a mean of exponentials: take the largest exponent of each row out, as in log_sum_exp.",
        "The K slopes of one example are its weights divided by their sum: they add up to 1.",
        "w = np.exp(log_w - largest); bound = largest + log of the mean of w; dlog_w = dbound[:, None] * w / the sum "
        "of w.",
    ),
    derivation="""
        ∂bound/∂w_k is 1/(Σ_j w_j), the 1/K cancels; and w_k = e^(log_w_k) has itself as the slope. So the draws share
        the gradient in the proportion of their weights: dlog_w_nk = dbound_n w_nk / Σ_j w_nj.
        The draw that explains x best gets most of it. scratchnn/iwae.py goes on from here to the two networks.
    """,
)
