"""Grey pixels between 0 and 1: the continuous Bernoulli density, and the constant that Bernoulli lacks.

For a pixel of 0 or 1, x logits − softplus(logits) is the logarithm of a probability. For a grey one it is not: its
exponential, integrated over x from 0 to 1, is not 1. The continuous Bernoulli density divides by that integral (Loaiza-
Ganem & Cunningham, "The continuous Bernoulli", 2019). softplus cancels, and what is left for each pixel is

    log p(x) = x logits − log ((e^logits − 1)/logits)

x and logits are (N, D), log_prob (N,) is the sum over the pixels, and dlog_prob (N,) the upstream gradient. Return
dlogits (N, D). No logit is near 0 here, where the formula would need care.

Derive it first, for one pixel:
  - The slope of log((e^l − 1)/l) = log(e^l − 1) − log l, by l: two terms.
  - It is the mean of the density, as it must be: x minus its mean is what is left. What was it for a Bernoulli pixel?
"""

import numpy as np


def forward(logits, x):
    log_prob = np.sum(x * logits - np.log((np.exp(logits) - 1) / logits), axis=1)
    cache = (logits, x)
    return log_prob, cache


def backward(dlog_prob, cache):
    logits, x = cache
    # begin solution: dlogits
    mean = np.exp(logits) / (np.exp(logits) - 1) - 1 / logits
    dlogits = dlog_prob[:, None] * (x - mean)
    # end solution
    return dlogits


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    d, e = q.dy[:, None], np.exp(q.logits)
    bernoulli = e / (1 + e)
    return Facts(
        terms={"dlogits": {"x": d * q.x, "−e^l/(e^l − 1)": -d * e / (e - 1), "1/l": d / q.logits}},
        formulas={
            "dlogits": {
                "the gradient of the Bernoulli density, x − sigmoid(logits)": d * (q.x - bernoulli),
                "x − mean without the upstream gradient": q.x - (e / (e - 1) - 1 / q.logits),
            }
        },
    )


EXERCISE = Exercise(
    title="the density that grey pixels have",
    sizes=({"N": 5, "D": 3}, {"N": 7, "D": 11}),
    inputs=lambda s, rng: {
        "logits": np.sign(rng.normal(size=(s.N, s.D))) * rng.uniform(0.5, 3, (s.N, s.D)),
    },
    constants=lambda s, rng: {"x": rng.uniform(0.05, 0.95, (s.N, s.D))},
    facts=facts,
    hints=(
        "log((e^l − 1)/l) is log(e^l − 1) − log l. What is the slope of each?",
        "The slope of log(e^l − 1) is e^l/(e^l − 1), and that of log l is 1/l. The pixel's own term has the slope x.",
        "mean = np.exp(logits) / (np.exp(logits) - 1) - 1 / logits; dlogits = dlog_prob[:, None] * (x - mean).",
    ),
    derivation="""
        mean_ni = e^(logits_ni)/(e^(logits_ni) − 1) − 1/logits_ni      the slope of the logarithm of the integral
        dlogits_ni = dlog_prob_n (x_ni − mean_ni)
        For a Bernoulli pixel the mean is the sigmoid, and the gradient has the same form: x minus the mean.
    """,
)
