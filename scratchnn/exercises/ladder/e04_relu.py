"""ReLU: y = max(x, 0), entry by entry.

x and y have any one shape. You are given dy, the derivative of L with respect to every entry of y; return dx.

Derive it first: y_k depends on x_k alone. What is the slope of max(x, 0) to the right of 0, and to the left? At x = 0
itself there is none; choose 0 there.
"""

import numpy as np


def forward(x):
    y = np.maximum(x, 0)
    cache = x
    return y, cache


def backward(dy, cache):
    x = cache
    # begin solution: dx
    dx = dy * (x > 0)
    # end solution
    return dx


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def inputs(s: SimpleNamespace, rng: np.random.Generator) -> dict[str, Array]:
    """Numbers of all sizes from 2 down to 0.002, on both sides of the kink: a mask like x > 0.1 must not pass."""
    sizes = np.geomspace(0.002, 2, s.N * s.D) * np.resize([1, -1], s.N * s.D)
    return {"x": rng.permutation(sizes).reshape(s.N, s.D)}


EXERCISE = Exercise(
    title="a kink, and a mask",
    sizes=({"N": 5, "D": 7}, {"N": 11, "D": 3}),
    inputs=inputs,
    facts=lambda q: Facts(
        masks={"x < 0": q.x < 0, "x > 0": q.x > 0},
        arrays={"x": q.x, "dy": q.dy},
        formulas={"dx": {"the mask of dy instead of that of x": q.dy * (q.dy > 0)}},
    ),
    probes={"all x positive": lambda v: {**v, "x": np.abs(v["x"])}},
    hints=(
        "Move x a little. Where does y move with it, and where does it stay at 0?",
        "The slope is 1 where x > 0 and 0 elsewhere. It multiplies dy.",
        "dx = dy * (x > 0)",
    ),
    derivation="""
        y_k = x_k [x_k > 0]   so ∂y_k/∂x_k = [x_k > 0]      1 or 0, and all other derivatives are 0:
        dx_k = Σ_j dy_j ∂y_j/∂x_k = dy_k [x_k > 0]
    """,
)
