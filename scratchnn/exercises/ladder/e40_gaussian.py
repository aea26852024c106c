"""Grey pixels: the log density of a normal distribution whose mean and variance a decoder gives.

x (N, D) holds pixels, mean and log_var (N, D) what the decoder says about each:

    log_prob_n = −½ Σ_i (log 2π + log_var_ni + (x_ni − mean_ni)² e^(−log_var_ni))

You are given dlog_prob (N,), which is ∂loss/∂log_prob. Return dmean and dlog_var, each (N, D).

Derive it first, for one pixel:
  - What is the slope of the square by mean? Which sign does it bring with it, and what becomes of the ½?
  - log_var stands in two places. What is the slope of e^(−log_var)?
  - For which log_var is dlog_var 0? Read it as: what variance does this pixel ask for?
"""

import numpy as np


def forward(mean, log_var, x):
    z2 = (x - mean) ** 2 * np.exp(-log_var)
    log_prob = -0.5 * np.sum(np.log(2 * np.pi) + log_var + z2, axis=1)
    cache = (mean, log_var, x)
    return log_prob, cache


def backward(dlog_prob, cache):
    mean, log_var, x = cache
    # begin solution: dmean, dlog_var
    dlog_prob = dlog_prob[:, None]
    dmean = dlog_prob * (x - mean) * np.exp(-log_var)
    dlog_var = dlog_prob * 0.5 * ((x - mean) ** 2 * np.exp(-log_var) - 1)
    # end solution
    return dmean, dlog_var


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    d, off, v = q.dy[:, None], q.x - q.mean, np.exp(q.log_var)
    return Facts(
        terms={"dlog_var": {"from the square": 0.5 * d * off**2 / v, "from log_var": -0.5 * d + 0 * off}},
        arrays={"σ²": v, "σ": np.sqrt(v), "x − mean": off, "dlog_prob": d},
    )


EXERCISE = Exercise(
    title="a normal density of grey pixels",
    sizes=({"N": 5, "D": 3}, {"N": 7, "D": 11}),
    inputs=lambda s, rng: {"mean": rng.normal(size=(s.N, s.D)), "log_var": rng.normal(size=(s.N, s.D))},
    constants=lambda s, rng: {"x": rng.uniform(0, 1, (s.N, s.D))},
    facts=facts,
    probes={"log_var = 0": lambda v: {**v, "log_var": 0 * v["log_var"]}},
    hints=(
        "By mean, only the square moves; by log_var, two terms do. Keep the −½ in front of all of it.",
        "dmean = dlog_prob (x − mean)/σ², dlog_var = dlog_prob ½ ((x − mean)²/σ² − 1).",
        "dlog_prob[:, None] makes a column of it, and np.exp(-log_var) is 1/σ².",
    ),
    derivation="""
        dmean_ni = dlog_prob_n (x_ni − mean_ni) e^(−log_var_ni)      −½ · 2 · (−1) = 1
        dlog_var_ni = dlog_prob_n ½ ((x_ni − mean_ni)² e^(−log_var_ni) − 1)      two places
        The second is 0 where the variance is the square of the error: that is what a pixel asks for.
    """,
)
