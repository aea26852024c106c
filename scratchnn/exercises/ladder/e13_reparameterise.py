"""Reparameterisation: z = mean + σ eps, a draw from N(mean, σ²) with a derivative.

mean, log_var = log σ², eps and z are (N, Z). eps was drawn from N(0, 1) outside, and given it z is a smooth function of
mean and log_var.

You are given dz (N, Z), the derivative of L with respect to every entry of z. Return dmean and dlog_var. The noise eps
is not differentiated.

Derive it first, for single entries: z_nj = mean_nj + σ_nj eps_nj.
  - How far does z_nj move with mean_nj?
  - How far does it move with σ_nj?
  - But what is wanted is the derivative with respect to log_var = log σ². What is σ as a function of log_var, and the
    slope of that?
"""

import numpy as np


def forward(mean, log_var, eps):
    z = mean + np.exp(0.5 * log_var) * eps
    cache = (log_var, eps)
    return z, cache


def backward(dz, cache):
    log_var, eps = cache
    # begin solution: dmean, dlog_var
    dmean = dz
    dlog_var = dz * eps * 0.5 * np.exp(0.5 * log_var)
    # end solution
    return dmean, dlog_var


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    sigma = np.exp(0.5 * q.log_var)
    return Facts(
        arrays={"σ": sigma, "eps": q.eps, "dz": q.dy},
    )


EXERCISE = Exercise(
    title="a derivative through a random draw",
    sizes=({"N": 3, "Z": 7}, {"N": 11, "Z": 5}),
    inputs=lambda s, rng: {"mean": rng.normal(size=(s.N, s.Z)), "log_var": rng.normal(size=(s.N, s.Z))},
    constants=lambda s, rng: {"eps": rng.normal(size=(s.N, s.Z))},
    facts=facts,
    probes={"σ = 1": lambda v: {**v, "log_var": 0 * v["log_var"]}},
    hints=(
        "Given eps, z is an ordinary function: from log_var to σ, and from σ to z. Multiply the two slopes.",
        "σ = e^(log_var/2), so ∂σ/∂log_var = σ/2; and ∂z/∂σ = eps, ∂z/∂mean = 1.",
        "dmean = dz; dlog_var = dz * eps * (half of σ), with σ = np.exp(0.5 * log_var).",
    ),
    derivation="""
        z_nj = mean_nj + σ_nj eps_nj   with σ_nj = e^(log_var_nj/2)
        dmean_nj    = dz_nj
        dlog_var_nj = dz_nj ∂z_nj/∂σ_nj ∂σ_nj/∂log_var_nj = dz_nj eps_nj σ_nj/2
        Where eps is positive, a larger σ makes z larger; where it is negative, smaller.
    """,
)
