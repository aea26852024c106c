"""A recurrent step, three times with the same weights: each state is tanh(x_t W + h U + b), with h the state before.

x is (N, 3, D): N sequences of three steps. The first h is (N, H), W (D, H), U (H, H), b (H,), and y (N, H) is the last
state. The same W, U and b are used in every step.

You are given dy (N, H). Return dx (N, 3, D), dh (N, H), dW, dU and db. Go from the last step to the first:
  - One step: from dh_t, what is the gradient of what stands in the tanh? Call it da_t. The slope of tanh is 1 − h_t².
  - What does da_t give to W, U and b, and what to x_t and the state before?
  - The state before has its gradient now: go on with it. This is backpropagation through time.
  - W is used three times. What becomes of its three gradients?
"""

import numpy as np


def forward(x, h, W, U, b):
    states = [h]
    for t in range(3):
        states.append(np.tanh(x[:, t] @ W + states[t] @ U + b))
    cache = (x, states, W, U)
    return states[3], cache


def backward(dy, cache):
    x, states, W, U = cache
    # begin solution: dx, dh, dW, dU, db
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros(len(U))
    dh = dy
    for t in (2, 1, 0):
        da = dh * (1 - states[t + 1] ** 2)
        dx[:, t] = da @ W.T
        dW = dW + x[:, t].T @ da
        dU = dU + states[t].T @ da
        db = db + np.sum(da, axis=0)
        dh = da @ U.T
    # end solution
    return dx, dh, dW, dU, db


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise

EXERCISE = Exercise(
    title="three steps with the same weights",
    sizes=({"N": 5, "D": 2, "H": 7}, {"N": 7, "D": 5, "H": 4}),
    inputs=lambda s, rng: {
        "x": rng.normal(size=(s.N, 3, s.D)),
        "h": rng.normal(size=(s.N, s.H)),
        "W": rng.normal(size=(s.D, s.H)) / 2,
        "U": rng.normal(size=(s.H, s.H)) / 2,
        "b": rng.normal(size=s.H) / 2,
    },
    hints=(
        "Write one step back first, as for a linear layer with a tanh, and then put it into a loop over t = 2, 1, 0.",
        "da = dh (1 − h_t²); x_t gets da Wᵀ, and the step before gets da Uᵀ as its dh.",
        "Start with zeros. In every step: dW += x[:, t].T @ da, dU += states[t].T @ da, db += the sum of da over "
        "axis 0.",
    ),
    derivation="""
        With s_k the state that step k makes, e_k the gradient of that state and g_k that of what stands in the tanh:

        g_nkj = e_nkj (1 − s_nkj²)        the tanh of step k, with its own output
        dx_nki = Σ_j g_nkj W_ij           what this step's input gets
        dh_ni = Σ_j da_nj U_ij            what the state before gets: there it is dh, the e of step k − 1
        dW_ij = Σ_n Σ_k x_nki g_nkj       summed over the steps as well, since all of them use W
        dU_ij = Σ_n Σ_k s_n,k−1,i g_nkj   with the state before
        db_j = Σ_n Σ_k g_nkj
    """,
)
