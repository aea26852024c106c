"""Bias: y = x + b, with one b for all examples.

x (N, D) holds one example a row, b (D,) is added to every row, y is (N, D).

You are given dy (N, D), the derivative of L with respect to every entry of y. Return dx (N, D) and db (D,).

Derive it first, for single entries: y_ni = x_ni + b_i.
  - Which entries of y does x_ni enter, and with which factor?
  - Which entries of y does b_i enter? Move b_i by δ: which of them move, and what does that do to L altogether?
  - Forward keeps nothing for backward. Why is that enough?
"""

import numpy as np


def forward(x, b):
    y = x + b
    cache = ()  # nothing is needed
    return y, cache


def backward(dy, cache):
    # begin solution: dx, db
    dx = dy
    db = np.sum(dy, axis=0)
    # end solution
    return dx, db


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise

EXERCISE = Exercise(
    title="one parameter for all examples",
    sizes=({"N": 5, "D": 13}, {"N": 7, "D": 17}),
    inputs=lambda s, rng: {"x": rng.normal(size=(s.N, s.D)), "b": rng.normal(size=s.D)},
    probes={"N = 1": lambda v: {**v, "x": v["x"][:1]}},
    hints=(
        "x_ni is used in one place, b_i in N places. What is used in several places acts on L through each of them.",
        "dx_ni = dy_ni, and db_i = Σ_n dy_ni. Over which axis of dy does that sum run?",
        "dx is dy itself; db is dy summed over its first axis, np.sum(dy, axis=...).",
    ),
    derivation="""
        y_ni = x_ni + b_i
        dx_ni = dy_ni           x_ni enters y_ni alone, with the factor 1:                   dx = dy
        db_i  = Σ_n dy_ni       b_i enters y_ni of every example n, with the factor 1:       db = Σ_n dy_n
        Forward repeats b along n, backward sums over n. Neither derivative needs the values of x or b.
    """,
)
