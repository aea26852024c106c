"""Linear: y = x W + b, for a batch of N examples.

x (N, D) holds one example a row, W (D, H) and b (H,) are what a layer learns, y is (N, H).

You are given dy (N, H), the derivative of a number L with respect to every entry of y. Return the derivatives of L with
respect to x, W and b, each with the shape of its array.

Derive it first, for single entries: y_nj = Σ_i x_ni W_ij + b_j.
  - Which entries of y does W_ij enter, and with which factor? So dW_ij = Σ … , a sum over which index?
  - Which entries of y does b_j enter?
  - Which entries of y does x_ni enter?
Then find the matrix product that forms each sum. The shapes must come out right, but that is not enough.
"""

import numpy as np


def forward(x, W, b):
    y = x @ W + b
    cache = (x, W)
    return y, cache


def backward(dy, cache):
    x, W = cache
    # begin solution: dx, dW, db
    dx = dy @ W.T
    dW = x.T @ dy
    db = np.sum(dy, axis=0)
    # end solution
    return dx, dW, db


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise

EXERCISE = Exercise(
    title="a batch of weighted sums",
    sizes=({"N": 5, "D": 3, "H": 7}, {"N": 11, "D": 5, "H": 3}),
    inputs=lambda s, rng: {
        "x": rng.normal(size=(s.N, s.D)),
        "W": rng.normal(size=(s.D, s.H)),
        "b": rng.normal(size=s.H),
    },
    hints=(
        "Each derivative is a sum over the index that its own name does not have: dW_ij has no n, db_j has no n.",
        "dW_ij = Σ_n x_ni dy_nj. The sum runs over the first index of both, so one of them must be transposed.",
        "dW = xᵀ dy, db = Σ_n dy_n, dx = dy Wᵀ.",
    ),
    derivation="""
        y_nj = Σ_i x_ni W_ij + b_j
        dW_ij = Σ_n x_ni dy_nj      W_ij enters y_nj of every example n with the factor x_ni:   dW = xᵀ dy
        db_j  = Σ_n dy_nj           b_j enters y_nj of every example with the factor 1:         db = Σ_n dy_n
        dx_ni = Σ_j dy_nj W_ij      x_ni enters all y_nj of its row:                            dx = dy Wᵀ
    """,
)
