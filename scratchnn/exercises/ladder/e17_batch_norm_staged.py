"""Batch normalisation, stage by stage: every feature gets mean 0 and variance 1 over the batch, then γ and β.

x and y are (N, D): an example a row. gamma and beta are (D,), and so are mean, var and std. Forward is written in small
stages, each of which has a simple derivative.

You are given dy (N, D). Return dx (N, D), dgamma (D,) and dbeta (D,). Walk through forward's lines from the last to the
first; at each line, turn the gradient of what it computes into the gradients of what it reads.

Derive it first, for single entries; n is an example and j a feature:
  - y_nj = gamma_j normed_nj + beta_j. Which entries of y does gamma_j enter? So over which index does dgamma_j sum?
  - normed_nj = centred_nj / std_j. There is one std_j for the whole column: over what does its gradient sum?
  - std_j = √(var_j + EPS), var_j = 1/N Σ_n centred_nj². What is ∂std_j/∂var_j, and what is ∂var_j/∂centred_nj?
  - centred is read by two lines. What happens to its two gradients?
  - centred_nj = x_nj − mean_j, mean_j = 1/N Σ_n x_nj. By which routes does x_nj reach the loss?
"""

import numpy as np

EPS = 1e-5


def forward(x, gamma, beta):
    mean = np.mean(x, axis=0)
    centred = x - mean
    var = np.mean(centred**2, axis=0)
    std = np.sqrt(var + EPS)
    normed = centred / std
    y = gamma * normed + beta
    cache = (centred, std, normed, gamma)
    return y, cache


def backward(dy, cache):
    centred, std, normed, gamma = cache
    N = len(dy)
    # begin solution: dx, dgamma, dbeta
    dbeta = np.sum(dy, axis=0)
    dgamma = np.sum(dy * normed, axis=0)
    dnormed = dy * gamma
    dstd = -np.sum(dnormed * centred, axis=0) / std**2
    dvar = dstd / (2 * std)
    dcentred = dnormed / std + dvar * 2 * centred / N
    dmean = -np.sum(dcentred, axis=0)
    dx = dcentred + dmean / N
    # end solution
    return dx, dgamma, dbeta


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def facts(q: SimpleNamespace) -> Facts:
    centred = q.x - q.x.mean(axis=0)
    std = np.sqrt(np.mean(centred**2, axis=0) + EPS)
    normed = centred / std
    direct = q.dy * q.gamma / std

    def mean(a: Array, axis: int) -> Array:
        means: Array = a.mean(axis=axis, keepdims=True)
        return means

    return Facts(
        terms={
            "dx": {
                "direct": direct,
                "through the mean": -mean(direct, 0),
                "through the variance": -normed * mean(direct * normed, 0),
            }
        },
        formulas={
            "dx": {
                "the sums taken over the features instead of the examples": q.gamma
                / (q.N * std)
                * (q.N * q.dy - q.D * mean(q.dy, 1) - normed * q.D * mean(q.dy * normed, 1)),
                "normed forgotten in front of its sum": direct - mean(direct, 0) - mean(direct * normed, 0),
            }
        },
        arrays={"γ": q.gamma, "std": std, "normed": normed, "dy": q.dy},
    )


def unit_std(v: dict[str, Array]) -> dict[str, Array]:
    centred = v["x"] - v["x"].mean(axis=0)
    return {**v, "x": centred * np.sqrt((1 - EPS) / np.mean(centred**2, axis=0))}


EXERCISE = Exercise(
    title="a mean and a variance that depend on the input",
    sizes=({"N": 5, "D": 3}, {"N": 7, "D": 11}),
    inputs=lambda s, rng: {
        "x": rng.normal(1, 2, size=(s.N, s.D)),
        "gamma": rng.uniform(0.5, 2, size=s.D),
        "beta": rng.normal(size=s.D),
    },
    facts=facts,
    probes={
        "γ = 1": lambda v: {**v, "gamma": np.ones_like(v["gamma"])},
        "std = 1": unit_std,
        "one feature": lambda v: {"x": v["x"][:, :1], "gamma": v["gamma"][:1], "beta": v["beta"][:1]},
    },
    hints=(
        "x_nj reaches the loss by three routes: directly, through mean_j, and through var_j. Where two routes meet, "
        "their gradients are added. What is shared by a whole column collects the gradients of the whole column.",
        "dstd_j = −Σ_n dnormed_nj centred_nj / std_j², dvar_j = dstd_j / (2 std_j), and "
        "dcentred_nj = dnormed_nj / std_j + dvar_j 2 centred_nj / N, a sum of two routes.",
        "After dcentred only two lines are left: dmean = -np.sum(dcentred, axis=0), and dx = dcentred + dmean / N.",
    ),
    derivation="""
        y_nj = gamma_j normed_nj + beta_j       dbeta_j = Σ_n dy_nj   dgamma_j = Σ_n dy_nj normed_nj
                                                dnormed_nj = dy_nj gamma_j
        normed_nj = centred_nj / std_j          dstd_j = −Σ_n dnormed_nj centred_nj / std_j²
        std_j = √(var_j + EPS)                  dvar_j = dstd_j / (2 std_j)
        var_j = 1/N Σ_n centred_nj²             dcentred_nj = dnormed_nj / std_j + dvar_j 2 centred_nj / N   two routes
        centred_nj = x_nj − mean_j              dmean_j = −Σ_n dcentred_nj
        mean_j = 1/N Σ_n x_nj                   dx_nj = dcentred_nj + dmean_j / N      two routes
    """,
)
