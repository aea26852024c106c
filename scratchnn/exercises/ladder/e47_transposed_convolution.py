"""A transposed convolution in one dimension, by its adjoint: what made signals shorter makes them longer.

x (N, C, L) holds N signals of C channels, w (C, F, U) a filter of U places for each pair of channels. Every number of x
lays its filter down into y (N, F, L + U − 1), and where filters overlap they add up: place
l of x goes to the places l, l + 1, …, l + U − 1 of y.

A convolution as in the exercises before takes windows of a long signal, and gives a short one. Its backward pass by x
is this forward pass. So this backward pass by x is that forward pass: no new idea is needed.

You are given dy (N, F, L + U − 1). Return dx (N, C, L) and dw (C, F, U).

Derive it first:
  - x_ncl goes into place l + u of y, for every f and u, with the factor w_cfu. So dx_ncl = Σ …
  - Which window of dy does dx_ncl see? Is the filter turned round?
  - w_cfu: over which indices does its sum run?
"""

import numpy as np


def forward(x, w):
    N, _, L = x.shape
    _, F, U = w.shape
    y = np.zeros((N, F, L + U - 1))
    for u in range(U):
        y[:, :, u : u + L] += np.einsum("nct,cf->nft", x, w[:, :, u])
    cache = (x, w)
    return y, cache


def backward(dy, cache):
    x, w = cache
    L, U = x.shape[2], w.shape[2]
    # begin solution: dx, dw
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u in range(U):
        window = dy[:, :, u : u + L]
        dx += np.einsum("nft,cf->nct", window, w[:, :, u])
        dw[:, :, u] = np.einsum("nct,nft->cf", x, window)
    # end solution
    return dx, dw


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    turned = backward(q.dy, (q.x, q.w[:, :, ::-1]))[0]
    return Facts(formulas={"dx": {"the filter turned round": turned}})


EXERCISE = Exercise(
    title="a transposed convolution, by its adjoint",
    sizes=({"N": 3, "C": 2, "F": 4, "L": 7, "U": 5}, {"N": 2, "C": 5, "F": 4, "L": 11, "U": 3}),
    inputs=lambda s, rng: {"x": rng.normal(size=(s.N, s.C, s.L)), "w": rng.normal(size=(s.C, s.F, s.U))},
    facts=facts,
    hints=(
        "Every line of forward adds to y[:, :, u : u + L]. That slice of dy is the upstream gradient of the line.",
        "dx_ncl = Σ_fu dy_nf,l+u w_cfu and dw_cfu = Σ_nl x_ncl dy_nf,l+u.",
        'With window = dy[:, :, u : u + L]: dx += np.einsum("nft,cf->nct", window, w[:, :, u]), and dw[:, :, u] is '
        'np.einsum("nct,nft->cf", x, window).',
    ),
    derivation="""
        dx_ncl = Σ_fu dy_nf,l+u w_cfu      a convolution of dy with the filters, as they are
        dw_cfu = Σ_nl x_ncl dy_nf,l+u      with two arrays in exchanged roles
        The sum of y dy over all entries is that of x dx, for every x and dy: that is what adjoint means.
    """,
)
