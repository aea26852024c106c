"""Layer normalisation: every example gets mean 0 and variance 1 over its own features, then γ and β.

x and y are (N, D), an example a row; gamma and beta are (D,). std_n is one number for each example.

You are given dy (N, D). Return dx (N, D), dgamma (D,) and dbeta (D,).

It is batch normalisation with the axes exchanged, except for γ and β. Derive it with that in mind:
  - Over which axis do dgamma and dbeta sum? Over which do the mean and the variance?
  - By how many routes does x_ni reach the loss? Which entries of y move when one x_ni does?
  - Is gamma still a factor that can be taken out of the sums over the features?
"""

import numpy as np

EPS = 1e-5


def forward(x, gamma, beta):
    centred = x - np.mean(x, axis=1, keepdims=True)
    std = np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + EPS)
    normed = centred / std
    y = gamma * normed + beta
    cache = (normed, std, gamma)
    return y, cache


def backward(dy, cache):
    normed, std, gamma = cache
    # begin solution: dx, dgamma, dbeta
    dgamma = np.sum(dy * normed, axis=0)
    dbeta = np.sum(dy, axis=0)
    dnormed = dy * gamma
    through_mean = np.mean(dnormed, axis=1, keepdims=True)
    through_var = normed * np.mean(dnormed * normed, axis=1, keepdims=True)
    dx = (dnormed - through_mean - through_var) / std
    # end solution
    return dx, dgamma, dbeta


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    centred = q.x - q.x.mean(axis=1, keepdims=True)
    std = np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + EPS)
    normed = centred / std
    direct = q.dy * q.gamma / std
    return Facts(
        terms={
            "dx": {
                "direct": direct,
                "through the mean": -direct.mean(axis=1, keepdims=True) + 0 * direct,
                "through the variance": -normed * np.mean(direct * normed, axis=1, keepdims=True),
            }
        },
        arrays={"γ": q.gamma, "std": std, "normed": normed},
    )


EXERCISE = Exercise(
    title="mean 0 and variance 1 for every example",
    sizes=({"N": 5, "D": 7}, {"N": 11, "D": 3}),
    inputs=lambda s, rng: {
        "x": rng.normal(1, 2, size=(s.N, s.D)),
        "gamma": rng.uniform(0.5, 2, size=s.D),
        "beta": rng.normal(size=s.D),
    },
    facts=facts,
    probes={"γ = 1": lambda v: {**v, "gamma": np.ones_like(v["gamma"])}},
    hints=(
        "dgamma and dbeta sum over the examples. Everything in dx stays within its own example.",
        "dnormed = dy γ first: γ depends on the feature, so it stays inside the means over the features.",
        "dx = (dnormed − its mean − normed times the mean of dnormed normed)/std, all means over axis 1, with "
        "keepdims.",
    ),
    derivation="""
        dgamma_i = Σ_n dy_ni normed_ni
        dbeta_i = Σ_n dy_ni
        dnormed_ni = dy_ni gamma_i
        through_mean_n = 1/D Σ_j dnormed_nj                          the mean is shared by the whole row
        through_var_ni = normed_ni 1/D Σ_j dnormed_nj normed_nj      and so is the variance
        dx_ni = (dnormed_ni − through_mean_n − through_var_ni) / std_n
    """,
)
