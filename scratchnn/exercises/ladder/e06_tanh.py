"""Tanh: y = tanh(x) = (e^x − e^(−x)) / (e^x + e^(−x)), entry by entry.

x and y have any one shape. You are given dy, the derivative of L with respect to every entry of y; return dx.

Derive it first: tanh = s/c with s = (e^x − e^(−x))/2 and c = (e^x + e^(−x))/2.
  - What is the derivative of s? And that of c?
  - What does the quotient rule make of s/c?
  - Forward keeps y and not x. Can you write the slope with y = s/c alone?
For a test: the slope at x = 0 is 1, and far from 0 it vanishes on both sides.
"""

import numpy as np


def forward(x):
    y = np.tanh(x)
    cache = y
    return y, cache


def backward(dy, cache):
    y = cache
    # begin solution: dx
    dx = dy * (1 - y**2)
    # end solution
    return dx


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts

EXERCISE = Exercise(
    title="one minus the square of the output",
    sizes=({"N": 7, "D": 5}, {"N": 11, "D": 13}),
    inputs=lambda s, rng: {"x": rng.normal(size=(s.N, s.D))},
    facts=lambda q: Facts(
        arrays={
            "y": q.y,
            "(1 − y)": 1 - q.y,
            "(1 + y)": 1 + q.y,
            "y′": 1 - q.y**2,
            "cosh(x)": np.cosh(q.x),
            "x": q.x,
        },
    ),
    probes={"x = 0": lambda v: {**v, "x": 0 * v["x"]}},
    hints=(
        "The derivative of e^(−x) is −e^(−x). What does that make of the derivatives of s and c?",
        "s′ = c and c′ = s, so (s/c)′ = (s′c − s c′)/c² = (c² − s²)/c². And s/c is y.",
        "The slope is 1 − y². It multiplies dy.",
    ),
    derivation="""
        y = s/c   with s′ = c   and c′ = s   so y′ = (c·c − s·s)/c² = 1 − (s/c)² = 1 − y²
        dx_k = Σ_j dy_j ∂y_j/∂x_k = dy_k (1 − y_k²)      y_j depends on x_j alone, so one term of the sum is left
    """,
)
