"""Slope: y = x³ − 2x, for one number after another.

x (N,) holds N numbers, and y (N,) what becomes of each of them.

Three words first; they are used in every exercise.
  - What comes after y makes one number of it, the loss. It is what training makes small.
  - If some number q on the way to the loss grows a little, the loss grows by so many times as much. This factor,
    ∂loss/∂q, is called dq. So dq means ∂loss/∂q, for every q. It has the shape of q.
  - dy, which you are given, is called the upstream gradient: how the loss depends on y. What comes after
    y you are not told, and need not know.

You are given dy (N,). Return dx (N,).

Derive it first, for a single entry:
  - If x_n grows by a small δ, by how many times as much does y_n grow? That is the slope of y at x_n.
  - If y_n grows by so much, by how much does the loss grow?
  - Two factors, one after the other. Do you add them, or multiply them?
"""

import numpy as np  # for all that is to come


def forward(x):
    y = x**3 - 2 * x
    cache = x
    return y, cache


def backward(dy, cache):
    x = cache
    # begin solution: dx
    dx = dy * (3 * x**2 - 2)
    # end solution
    return dx


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts

EXERCISE = Exercise(
    title="the slope of one function, and what dq means",
    sizes=({"N": 7}, {"N": 11}),
    inputs=lambda s, rng: {"x": np.sign(rng.normal(size=s.N)) * rng.uniform(1, 2, s.N)},
    facts=lambda q: Facts(
        terms={"dx": {"from x³": q.dy * 3 * q.x**2, "from −2x": -2 * q.dy}},
        arrays={"x": q.x},
        formulas={"dx": {"the slope divided by dy": (3 * q.x**2 - 2) / q.dy, "dy times y": q.dy * q.y}},
    ),
    hints=(
        "The slope of x² at x is 2x. What is the slope of x³, and what is that of −2x?",
        "y grows by 3x² − 2 times as much as x, and the loss by dy times as much as y. One after the other, these two "
        "multiply.",
        "dx = dy * (3 * x**2 - 2).",
    ),
    derivation="""
        y_n = x_n³ − 2 x_n
        ∂y_n/∂x_n = 3 x_n² − 2      the slope of a sum is the sum of the slopes
        dx_n = dy_n (3 x_n² − 2)    the loss grows dy times as much as y, and y the slope times as much as x
    """,
)
