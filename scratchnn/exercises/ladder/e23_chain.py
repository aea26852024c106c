"""A chain: s = x w, and y = s (1 − s).

x, w, s and y are (N,): N chains beside each other, each of single numbers. s is used twice, by s and by 1 − s.

You are given dy (N,), which is ∂loss/∂y. Return dx (N,) and dw (N,): ∂loss/∂x and ∂loss/∂w.

Go through forward's lines from the last to the first:
  - If s grows by a small δ, by how much does s (1 − s) grow through its first factor, the second one held fixed? By how
    much through its second factor, the first one held fixed? Both happen.
  - So what is ds, which is ∂loss/∂s? Write it down as a line of its own.
  - s = x w. From ds, what is dx, and what is dw?
"""


def forward(x, w):
    s = x * w
    y = s * (1 - s)
    cache = (x, w, s)
    return y, cache


def backward(dy, cache):
    x, w, s = cache
    # begin solution: dx, dw
    ds = dy * (1 - s) - dy * s
    dx = ds * w
    dw = ds * x
    # end solution
    return dx, dw


# ==== below this line: for the checker ====

from types import SimpleNamespace

import numpy as np

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    s = q.x * q.w
    first, second = q.dy * (1 - s), -q.dy * s
    return Facts(
        terms={
            "dx": {"through the first s": first * q.w, "through the second s": second * q.w},
            "dw": {"through the first s": first * q.x, "through the second s": second * q.x},
        },
        arrays={"x": q.x, "w": q.w, "dy": q.dy},
    )


EXERCISE = Exercise(
    title="one step after another, and a value used twice",
    sizes=({"N": 7}, {"N": 11}),
    inputs=lambda s, rng: {"x": rng.normal(size=s.N), "w": rng.normal(size=s.N)},
    facts=facts,
    probes={"w = 1": lambda v: {**v, "w": np.ones_like(v["w"])}},
    hints=(
        "Work out ds first. s moves y in two ways; what the loss grows by through each of them adds up.",
        "ds = dy (1 − s) − dy s. And s = x w grows w times as much as x, and x times as much as w.",
        "ds = dy * (1 - s) - dy * s, then dx = ds * w and dw = ds * x.",
    ),
    derivation="""
        ds_n = dy_n (1 − s_n) − dy_n s_n    one term for each use of s: 1 − s_n falls by as much as s_n grows
        dx_n = ds_n w_n                     s_n = x_n w_n
        dw_n = ds_n x_n
    """,
)
