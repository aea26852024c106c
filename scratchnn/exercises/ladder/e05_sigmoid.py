"""Sigmoid: y = 1 / (1 + e^(−x)), entry by entry.

x and y have any one shape. You are given dy, the derivative of L with respect to every entry of y; return dx.

Derive it first: y_k depends on x_k alone, so dx_k is dy_k times the slope of the sigmoid at x_k.
  - Write y = 1/u with u = 1 + e^(−x). What is the derivative of 1/u by u, and that of u by x? Mind both minus signs.
  - What are 1/u and e^(−x)/u in terms of y?
  - Forward keeps y and not x. Can you write the slope with y alone?
For a test: the slope at x = 0 is ¼, and far from 0 it vanishes on both sides.
"""

import numpy as np


def forward(x):
    y = 1 / (1 + np.exp(-x))
    cache = y
    return y, cache


def backward(dy, cache):
    y = cache
    # begin solution: dx
    dx = dy * y * (1 - y)
    # end solution
    return dx


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts

EXERCISE = Exercise(
    title="a slope written with the output",
    sizes=({"N": 5, "D": 7}, {"N": 13, "D": 11}),
    inputs=lambda s, rng: {"x": rng.normal(size=(s.N, s.D))},
    facts=lambda q: Facts(
        arrays={"y": q.y, "(1 − y)": 1 - q.y, "y′": q.y * (1 - q.y), "e^(−x)": np.exp(-q.x), "x": q.x},
    ),
    probes={"x = 0": lambda v: {**v, "x": 0 * v["x"]}},
    hints=(
        "The chain rule twice: y is a function of u = 1 + e^(−x), u is a function of x; and L is a function of y.",
        "dy/du = −1/u² and du/dx = −e^(−x), so the slope is e^(−x)/u² = (1/u) · (e^(−x)/u). The first factor is y.",
        "e^(−x)/u = (u − 1)/u = 1 − y, so the slope is y(1 − y). It multiplies dy.",
    ),
    derivation="""
        y = 1/u   with u = 1 + e^(−x)   so y′ = (−1/u²) · (−e^(−x)) = (1/u) · (e^(−x)/u)
        1/u = y   and e^(−x)/u = (u − 1)/u = 1 − y   so y′ = y · (1 − y)
        dx_k = Σ_j dy_j ∂y_j/∂x_k = dy_k y_k (1 − y_k)      y_j depends on x_j alone, so one term of the sum is left
    """,
)
