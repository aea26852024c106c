"""Used twice: y = x + w tanh(x), as in a residual connection.

x and y are (N, D), w is (D,): one weight for every column.

You are given dy (N, D), the derivative of L with respect to every entry of y. Return dx and dw, each with the shape of
its array.

Derive it first, for single entries: y_nj = x_nj + w_j tanh(x_nj).
  - By how many routes does x_nj reach y_nj? What is the slope along each of them alone, the other held fixed?
  - When x_nj moves a little, y_nj moves by what comes along all routes. What happens to the slopes, then?
  - What is the slope of tanh, written with tanh itself?
  - Which entries of y does w_j enter, and with which factor? So dw_j = Σ … , a sum over which index?
"""

import numpy as np


def forward(x, w):
    y = x + w * np.tanh(x)
    cache = (x, w)
    return y, cache


def backward(dy, cache):
    x, w = cache
    # begin solution: dx, dw
    t = np.tanh(x)
    dx = dy + dy * w * (1 - t**2)
    dw = np.sum(dy * t, axis=0)
    # end solution
    return dx, dw


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    slope = 1 - np.tanh(q.x) ** 2
    return Facts(
        terms={"dx": {"direct route": q.dy, "route through tanh": q.dy * q.w * slope}},
        arrays={"w": q.w, "dy": q.dy},
    )


EXERCISE = Exercise(
    title="a value used twice",
    sizes=({"N": 3, "D": 7}, {"N": 11, "D": 5}),
    inputs=lambda s, rng: {"x": rng.normal(size=(s.N, s.D)), "w": rng.normal(size=s.D)},
    facts=facts,
    probes={
        "w = 0": lambda v: {**v, "w": 0 * v["w"]},
        "w = 1": lambda v: {**v, "w": np.ones_like(v["w"])},
        "one example": lambda v: {**v, "x": v["x"][:1]},
    },
    hints=(
        "A value that is used twice gets a gradient from each use. Pretend that the two x are two arrays; what then?",
        "dx_nj = dy_nj + dy_nj w_j (1 − tanh²(x_nj)), and dw_j = Σ_n dy_nj tanh(x_nj).",
        "With t = np.tanh(x): dx = dy + dy * w * (1 - t**2), and dw is the sum of dy * t over the examples.",
    ),
    derivation="""
        y_nj = x_nj + w_j tanh(x_nj)
        ∂y_nj/∂x_nj = 1                           along the direct route
                    + w_j (1 − tanh²(x_nj))       along the route through tanh; the routes add up:
        dx_nj = dy_nj + dy_nj w_j (1 − tanh²(x_nj))
        dw_j  = Σ_n dy_nj tanh(x_nj)              w_j enters y_nj of every example n
    """,
)
