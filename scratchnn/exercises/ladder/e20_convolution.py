"""Convolution: every output is a weighted sum of one window of the image, and all windows share the weights.

x (N, C, H, W) holds N images of C channels, w (F, C, KH, KW) one kernel a filter, b (F,). The window moves one step at
a time and stays inside the image, so y is (N, F, OH, OW), with OH = H − KH + 1 and OW = W − KW + 1. The kernel is not
turned round: what networks call a convolution is a cross-correlation.

You are given dy (N, F, OH, OW). Return dx, dw and db, each with the shape of its array. Forward loops over the kernel's
entries, not over the windows: each round multiplies a shifted piece of all images by one entry of every kernel.

Derive it first, for single entries: y_nfij = b_f + Σ_c Σ_u Σ_v x_nc,i+u,j+v w_fcuv.
  - Which entries of y does w_fcuv enter, and with which factor? Over which three indices does dw_fcuv sum?
  - Which entries of y does b_f enter?
  - With u and v fixed, x_nc,i+u,j+v enters y_nfij. So to which piece of dx does this round add, and what does it add?
  - An entry of x lies in several windows. What must therefore happen to the contributions of the rounds?
"""

import numpy as np


def forward(x, w, b):
    N, _, H, W = x.shape
    F, _, KH, KW = w.shape
    OH, OW = H - KH + 1, W - KW + 1
    y = np.zeros((N, F, OH, OW)) + b[:, None, None]
    for u in range(KH):
        for v in range(KW):
            y += np.einsum("ncij,fc->nfij", x[:, :, u : u + OH, v : v + OW], w[:, :, u, v])
    cache = (x, w)
    return y, cache


def backward(dy, cache):
    x, w = cache
    KH, KW = w.shape[2:]
    OH, OW = dy.shape[2:]
    # begin solution: dx, dw, db
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u in range(KH):
        for v in range(KW):
            dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[:, :, u : u + OH, v : v + OW])
            dx[:, :, u : u + OH, v : v + OW] += np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    db = np.sum(dy, axis=(0, 2, 3))
    # end solution
    return dx, dw, db


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def rounds(x: Array, w: Array, dy: Array) -> dict[tuple[int, ...], Array]:
    """What every kernel entry contributes to dx."""
    OH, OW = dy.shape[2:]
    found: dict[tuple[int, ...], Array] = {}
    for u, v in np.ndindex(w.shape[2:]):
        found[u, v] = np.zeros_like(x)
        found[u, v][:, :, u : u + OH, v : v + OW] = np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return found


def facts(q: SimpleNamespace) -> Facts:
    parts = rounds(q.x, q.w, q.dy)
    windows = sum((part != 0) * 1.0 for part in parts.values())
    N, _, OH, OW = q.dy.shape
    return Facts(
        terms={"dx": {f"kernel entry [{u}, {v}]": part for (u, v), part in parts.items()}},
        masks={"it lies at the border, where fewer windows reach": windows < len(parts)},
        arrays={"windows": windows},
        numbers={"(OH·OW)": OH * OW, "(N·OH·OW)": N * OH * OW},
    )


EXERCISE = Exercise(
    title="weights that all windows share",
    sizes=({"N": 3, "C": 2, "H": 5, "W": 7, "F": 4}, {"N": 4, "C": 2, "H": 7, "W": 3, "F": 5}),
    inputs=lambda s, rng: {
        "x": rng.normal(size=(s.N, s.C, s.H, s.W)),
        "w": rng.normal(size=(s.F, s.C, 3, 2)),
        "b": rng.normal(size=s.F),
    },
    facts=facts,
    probes={
        "a kernel of one entry": lambda v: {**v, "w": v["w"][:, :, :1, :1]},
        "one channel": lambda v: {**v, "x": v["x"][:, :1], "w": v["w"][:, :1]},
        "one filter": lambda v: {**v, "w": v["w"][:1], "b": v["b"][:1]},
    },
    hints=(
        "With u and v fixed, forward is a dense layer from C channels to F, applied to every pixel of a shifted piece. "
        "You know its backward pass. The rounds all add to the same y: what do their backward passes do?",
        "dw_fcuv = Σ_n Σ_i Σ_j dy_nfij x_nc,i+u,j+v, db_f = Σ_n Σ_i Σ_j dy_nfij, and the round u, v adds "
        "Σ_f dy_nfij w_fcuv to dx_nc,i+u,j+v.",
        'In forward\'s loops: dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, piece of x), and '
        'piece of dx += np.einsum("nfij,fc->ncij", dy, w[:, :, u, v]), the same piece.',
    ),
    derivation="""
        y_nfij  = b_f + Σ_c Σ_u Σ_v x_nc,i+u,j+v w_fcuv
        dw_fcuv = Σ_n Σ_i Σ_j dy_nfij x_nc,i+u,j+v     w_fcuv enters y_nfij of every image n and window i, j
        db_f    = Σ_n Σ_i Σ_j dy_nfij                  so does b_f, with the factor 1
        dx_ncpq = Σ_f Σ_u Σ_v dy_nf,p−u,q−v w_fcuv     x_ncpq enters y_nfij for i at p − u and j at q − v,
                                                       where there is such a window

        In dw, dy is moved over x as w is in forward: a correlation. In dx the signs of u and v are reversed: there the
        kernel is turned round, and that is a convolution proper.
    """,
)
