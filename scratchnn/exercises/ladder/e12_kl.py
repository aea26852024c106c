"""KL divergence: how many nats N(mean, σ²) is away from N(0, 1).

mean and log_var = log σ² are (N, Z), and kl (N,) is summed over the Z dimensions:

    kl_n = −½ Σ_j (1 + log_var_nj − mean_nj² − e^(log_var_nj)).

You are given dkl (N,), the derivative of L with respect to every entry of kl. Return dmean and dlog_var, both (N, Z).

Derive it first, for single entries:
  - Which entry of kl does mean_nj enter? What is the slope of −½ (− mean²)?
  - log_var_nj stands in two places of the bracket. What is the slope of each? Mind the −½ in front.
  - dkl has one entry an example, dmean has Z of them: which entry of dkl belongs to mean_nj?
A test to make by hand: kl is smallest, namely 0, at mean = 0 and σ = 1. What must both gradients be there?
"""

import numpy as np


def forward(mean, log_var):
    kl = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=1)
    cache = (mean, log_var)
    return kl, cache


def backward(dkl, cache):
    mean, log_var = cache
    # begin solution: dmean, dlog_var
    dmean = dkl[:, None] * mean
    dlog_var = dkl[:, None] * 0.5 * (np.exp(log_var) - 1)
    # end solution
    return dmean, dlog_var


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    dkl = q.dy[:, None]
    return Facts(
        terms={"dlog_var": {"σ²": 0.5 * dkl * np.exp(q.log_var), "log_var itself": -0.5 * dkl}},
        arrays={"σ": np.exp(0.5 * q.log_var), "mean": q.mean, "dkl": dkl},
        formulas={"dlog_var": {"σ in the place of σ²": dkl * 0.5 * (np.exp(0.5 * q.log_var) - 1)}},
    )


EXERCISE = Exercise(
    title="the cost of not being N(0, 1)",
    sizes=({"N": 3, "Z": 5}, {"N": 11, "Z": 7}),
    inputs=lambda s, rng: {"mean": rng.normal(size=(s.N, s.Z)), "log_var": rng.normal(size=(s.N, s.Z))},
    facts=facts,
    probes={
        "σ = 1": lambda v: {**v, "log_var": 0 * v["log_var"]},
        "one example": lambda v: {name: array[:1] for name, array in v.items()},
    },
    hints=(
        "Every mean_nj and log_var_nj enters only kl_n, so differentiate one bracket and multiply by dkl_n.",
        "∂kl_n/∂mean_nj = mean_nj and ∂kl_n/∂log_var_nj = −½ (1 − e^(log_var_nj)).",
        "dkl[:, None] is a column (N, 1). dmean = dkl[:, None] * mean, and dlog_var is dkl[:, None] times "
        "0.5 * (np.exp(log_var) - 1).",
    ),
    derivation="""
        kl_n = −½ Σ_j (1 + log_var_nj − mean_nj² − e^(log_var_nj))
        dmean_nj    = dkl_n (−½) (−2 mean_nj)         = dkl_n mean_nj
        dlog_var_nj = dkl_n (−½) (1 − e^(log_var_nj)) = dkl_n ½ (σ_nj² − 1)   with σ_nj = e^(log_var_nj/2)
        Both are 0 at mean = 0 and σ = 1. A step against them pulls mean to 0, and σ up or down to 1.
    """,
)
