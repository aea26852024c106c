"""Softmax: y_ni = e^(x_ni) / Σ_k e^(x_nk), each row turned into probabilities.

x (N, C) holds one example a row, and so does y (N, C), whose rows add up to 1. Forward first subtracts the largest
entry of each row, which changes no y and lets no exponential overflow.

You are given dy (N, C), the derivative of L with respect to every entry of y. Return dx (N, C).

Derive it first, for one row: y_j = e^(x_j) / S with S = Σ_k e^(x_k).
  - x_i enters y_i in the numerator. What is that part of ∂y_i/∂x_i?
  - x_i also enters S, and S is in every y_j. What is that part of ∂y_j/∂x_i, for i = j and for i ≠ j?
  - Write both in terms of y. Together they are the Jacobian ∂y_j/∂x_i; dx_i = Σ_j dy_j ∂y_j/∂x_i is a sum over j.
Can you find dx without ever forming the C × C numbers of the Jacobian?
"""

import numpy as np


def forward(x):
    exps = np.exp(x - np.max(x, axis=1, keepdims=True))
    y = exps / np.sum(exps, axis=1, keepdims=True)
    cache = y
    return y, cache


def backward(dy, cache):
    y = cache
    # begin solution: dx
    dx = y * (dy - np.sum(y * dy, axis=1, keepdims=True))
    # end solution
    return dx


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts

EXERCISE = Exercise(
    title="every output depends on every input of its row",
    sizes=({"N": 5, "C": 7}, {"N": 13, "C": 11}),
    inputs=lambda s, rng: {"x": rng.normal(size=(s.N, s.C))},
    facts=lambda q: Facts(
        terms={
            "dx": {
                "through the numerator": q.y * q.dy,
                "through the sum in the denominator": -q.y * np.sum(q.y * q.dy, axis=1, keepdims=True),
            }
        },
        arrays={"y": q.y, "(1 − y)": 1 - q.y},
        formulas={
            "dx": {"y dy summed over the examples instead of the classes": q.y * (q.dy - np.sum(q.y * q.dy, axis=0))}
        },
    ),
    probes={"N = 1": lambda v: {**v, "x": v["x"][:1]}},
    hints=(
        "How many entries of y change when a single x_i does? Each of them has its dy_j.",
        "∂y_j/∂x_i = y_j [i = j] − y_j y_i. Put it into Σ_j dy_j ∂y_j/∂x_i: the first part leaves one term of the sum.",
        "dx_i = y_i (dy_i − Σ_j y_j dy_j): one number Σ_j y_j dy_j a row, a column with keepdims=True.",
    ),
    derivation="""
        y_nj = e^(x_nj)/S_n   with S_n = Σ_k e^(x_nk)   and ∂S_n/∂x_ni = e^(x_ni)
        [i = j] e^(x_nj)/S_n = y_nj [i = j]         through the numerator
        −e^(x_nj)/S_n² · e^(x_ni) = −y_nj y_ni      through the denominator, for every j, since S_n is in every y_nj
        dx_ni = Σ_j dy_nj (y_nj [i = j] − y_nj y_ni) = y_ni dy_ni − y_ni Σ_j y_nj dy_nj
              = y_ni (dy_ni − Σ_j y_nj dy_nj)
    """,
)
