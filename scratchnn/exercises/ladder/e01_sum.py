"""Sum: y_n = Σ_i x_ni, one number for each example.

x (N, D) holds one example a row, y (N,) the sums of the rows.

What comes after y makes a number L of it, which training makes small. You are given dy (N,): dy_n = ∂L/∂y_n says
how much L changes when y_n does. Return dx (N, D): dx_ni = ∂L/∂x_ni.

Derive it first, for a single entry. The chain rule says dx_ni = Σ_m dy_m ∂y_m/∂x_ni.
  - Move x_ni by a small δ and nothing else. Which of the sums y_m move, and by how much?
  - So which terms of Σ_m are left, and with which factor?
  - Does the result depend on i? On the value of x_ni? On D?
Then give it the shape of x.
"""

import numpy as np


def forward(x):
    y = np.sum(x, axis=1)
    cache = x
    return y, cache


def backward(dy, cache):
    x = cache
    # begin solution: dx
    dx = dy[:, None] * np.ones_like(x)
    # end solution
    return dx


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts

EXERCISE = Exercise(
    title="one derivative for every term of a sum",
    sizes=({"N": 5, "D": 7}, {"N": 13, "D": 11}),
    inputs=lambda s, rng: {"x": rng.normal(size=(s.N, s.D))},
    facts=lambda q: Facts(
        arrays={"x": q.x, "y": q.y[:, None]},
        formulas={"dx": {"dy repeated as a whole, not entry by entry": np.tile(q.dy, q.D).reshape(q.N, q.D)}},
    ),
    probes={
        "N = 1": lambda v: {**v, "x": v["x"][:1]},
        "D = 1": lambda v: {**v, "x": v["x"][:, :1]},
    },
    hints=(
        "If x_ni grows by δ, by how much does the sum of its row grow? And the sums of the other rows?",
        "∂y_m/∂x_ni is 1 for m = n and 0 for every other m, so dx_ni = dy_n, whatever i is.",
        "All D columns of dx are dy. dy[:, None] is dy as one column; times an array of ones of x's shape it is all D.",
    ),
    derivation="""
        y_m = Σ_i x_mi   so ∂y_m/∂x_ni = [m = n]      x_ni enters the sum of its own row, with the factor 1
        dx_ni = Σ_m dy_m ∂y_m/∂x_ni = dy_n      the same for every i, a column dy times a row of ones:      dx = dy 1ᵀ
        Forward sums over i, backward repeats along i.
    """,
)
