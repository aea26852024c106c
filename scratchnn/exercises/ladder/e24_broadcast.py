"""The broadcast rule: y = x c + r, where NumPy stretches c and r to the shape of x.

x and y are (N, D). c is (N, 1), one number for each row, and r is (D,), one for each column. NumPy repeats c along its
axis of length 1 until it is as long as x there. r has an axis too few: it gets one in front, and is repeated along
that. This is called broadcasting.

You are given dy (N, D), which is ∂loss/∂y. Return dx (N, D), dc (N, 1) and dr (D,).

Derive it first, for single entries: y_ni = x_ni c_n + r_i.
  - Into which entries of y does c_n go, and with which factor? What happens to what comes back from them?
  - The same for r_i. Over which axis does its sum run?
  - Say the rule in one sentence: where forward repeats along an axis, backward …
  - dc must be (N, 1), and dr (D,). Which argument of np.sum keeps an axis?
"""

import numpy as np


def forward(x, c, r):
    y = x * c + r
    cache = (x, c)
    return y, cache


def backward(dy, cache):
    x, c = cache
    # begin solution: dx, dc, dr
    dx = dy * c
    dc = np.sum(dy * x, axis=1, keepdims=True)
    dr = np.sum(dy, axis=0)
    # end solution
    return dx, dc, dr


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts

EXERCISE = Exercise(
    title="where forward repeats, backward sums",
    sizes=({"N": 5, "D": 7}, {"N": 13, "D": 11}),
    inputs=lambda s, rng: {
        "x": rng.normal(size=(s.N, s.D)),
        "c": rng.normal(size=(s.N, 1)),
        "r": rng.normal(size=s.D),
    },
    facts=lambda q: Facts(
        arrays={"c": q.c, "r": q.r, "dy": q.dy},
        formulas={
            "dc": {
                "the sum of dy without x": q.dy.sum(axis=1, keepdims=True),
                "the sum of dy times the sum of x": q.dy.sum(axis=1, keepdims=True) * q.x.sum(axis=1, keepdims=True),
            }
        },
    ),
    hints=(
        "c_n is used once for every column of its row. A value that is used several times gets a gradient from each.",
        "dc_n = Σ_i dy_ni x_ni and dr_i = Σ_n dy_ni. The sum runs along the axis that was repeated.",
        "dx = dy * c, dc = np.sum(dy * x, axis=1, keepdims=True), dr = np.sum(dy, axis=0).",
    ),
    derivation="""
        y_ni = x_ni c_n + r_i
        dx_ni = dy_ni c_n
        dc_n = Σ_i dy_ni x_ni      c was repeated along i
        dr_i = Σ_n dy_ni           r was repeated along n
        The rule: where forward repeats along an axis, backward sums along it; where forward sums, backward repeats.
    """,
)
