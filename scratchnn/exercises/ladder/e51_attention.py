"""Attention: every place of a text asks all places, and takes a weighted mean of what they have.

One text of N places. q, k and v are (N, D): what each place asks for, what it offers to be found by, and what it gives.
s = q kᵀ divided by √D, so s_nm says how well place m fits what place n asks for. p is the softmax of each row of s.
What comes out is y = p v.

You are given dy (N, D). Return dq, dk and dv, each (N, D).

Derive it first, from the end; each line is one that you know:
  - y = p v is a matrix product. What are dp and dv?
  - p is a softmax of each row. From the exercise softmax: ds_nm = p_nm (dp_nm − Σ_k dp_nk p_nk).
  - q kᵀ is a matrix product, too. q_n goes into row n of s, and k_m into column m.
"""

import numpy as np


def forward(q, k, v):
    s = q @ k.T / np.sqrt(q.shape[1])
    p = np.exp(s) / np.sum(np.exp(s), axis=1, keepdims=True)
    y = p @ v
    cache = (q, k, v, p)
    return y, cache


def backward(dy, cache):
    q, k, v, p = cache
    D = q.shape[1]
    # begin solution: dq, dk, dv
    dv = p.T @ dy
    dp = dy @ v.T
    ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))
    dq = ds @ k / np.sqrt(D)
    dk = ds.T @ q / np.sqrt(D)
    # end solution
    return dq, dk, dv


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    return Facts(numbers={"√D": float(np.sqrt(q.D))})


EXERCISE = Exercise(
    title="attention, from its output back to q, k and v",
    sizes=({"N": 5, "D": 3}, {"N": 3, "D": 7}),
    inputs=lambda s, rng: {name: rng.normal(size=(s.N, s.D)) for name in ("q", "k", "v")},
    facts=facts,
    hints=(
        "Three steps back: the product with v, the softmax, the product of q and k. Write dp and ds as lines of "
        "their own.",
        "dv = pᵀ dy, dp = dy vᵀ, ds = p (dp − the sum of dp p over each row). √D divides dq and dk.",
        "dq = ds @ k / np.sqrt(D) and dk = ds.T @ q / np.sqrt(D).",
    ),
    derivation="""
        dv_mi = Σ_n p_nm dy_ni
        dp_nm = Σ_i dy_ni v_mi
        ds_nm = p_nm (dp_nm − Σ_k dp_nk p_nk)
        dq_ni = Σ_m ds_nm k_mi / √D      q_n goes into row n of s
        dk_mi = Σ_n ds_nm q_ni / √D      k_m goes into column m
    """,
)
