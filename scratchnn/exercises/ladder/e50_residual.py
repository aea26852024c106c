"""A residual block: y = x + max(x W + b, 0) V.

x and y are (N, D), W (D, H), b (H,) and V (H, D). The block adds something to its input, so its output has the same
shape, and a hundred of them may follow each other.

You are given dy (N, D). Return dx, dW, db and dV.

Derive it first, from the end:
  - With a = max(x W + b, 0), y = x + a V. What are dV and da?
  - What does the ReLU let through?
  - x is used twice. What does each use give, and what is dx?
  - If W and V are 0, what is dx? That is why such blocks can be stacked.
"""

import numpy as np


def forward(x, W, b, V):
    h = x @ W + b
    a = np.maximum(h, 0)
    y = x + a @ V
    cache = (x, W, V, h, a)
    return y, cache


def backward(dy, cache):
    x, W, V, h, a = cache
    # begin solution: dx, dW, db, dV
    dV = a.T @ dy
    da = dy @ V.T
    dh = da * (h > 0)
    dW = x.T @ dh
    db = np.sum(dh, axis=0)
    dx = dy + dh @ W.T
    # end solution
    return dx, dW, db, dV


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    through = (q.dy @ q.V.T * (q.x @ q.W + q.b > 0)) @ q.W.T
    return Facts(terms={"dx": {"the direct route": q.dy, "the route through the block": through}})


EXERCISE = Exercise(
    title="a block that adds to its input",
    sizes=({"N": 5, "D": 3, "H": 7}, {"N": 7, "D": 5, "H": 11}),
    inputs=lambda s, rng: {
        "x": rng.normal(size=(s.N, s.D)),
        "W": rng.normal(size=(s.D, s.H)),
        "b": rng.normal(size=s.H),
        "V": rng.normal(size=(s.H, s.D)),
    },
    facts=facts,
    hints=(
        "Two linear layers and a ReLU as in mlp, and one more route for x.",
        "dV = aᵀ dy, da = dy Vᵀ, dh = da where h is above 0. dx gets dy itself, and what comes through the block.",
        "dW = x.T @ dh, db = the sum of dh over axis 0, dx = dy + dh @ W.T.",
    ),
    derivation="""
        dV_jd = Σ_n a_nj dy_nd
        da_nj = Σ_d dy_nd V_jd
        dh_nj = da_nj [h_nj > 0]
        dW_ij = Σ_n x_ni dh_nj
        db_j = Σ_n dh_nj
        dx_ni = dy_ni + Σ_j dh_nj W_ij      two routes; the first has the slope 1, however many blocks follow
    """,
)
