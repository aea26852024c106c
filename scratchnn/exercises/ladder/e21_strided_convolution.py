"""Convolution with a stride: the window moves `stride` steps at a time, and may leave a rest of the image uncovered.

x (N, C, H, W), w (F, C, KH, KW), b (F,) as in the exercise before; stride is an integer, 2 here. There are as many
windows as fit: y is (N, F, OH, OW), with OH = (H − KH) // stride + 1 and OW = (W − KW) // stride + 1. Where a division
leaves a rest, no window covers the last rows or columns of x.

You are given dy (N, F, OH, OW). Return dx, dw and db, each with the shape of its array.

Derive it first, for single entries: y_nfij = b_f + Σ_c Σ_u Σ_v x_nc,si+u,sj+v w_fcuv, where s is the stride.
  - With u and v fixed, which rows and columns of x does forward read? Which slice is that?
  - What changes in dw, dx and db against stride 1, and what does not?
  - What is dx in rows and columns that no window covers? Has your dx the shape of x, and not that of the covered part?
"""

import numpy as np


def forward(x, w, b, stride):
    N, _, H, W = x.shape
    F, _, KH, KW = w.shape
    OH, OW = (H - KH) // stride + 1, (W - KW) // stride + 1
    y = np.zeros((N, F, OH, OW)) + b[:, None, None]
    for u in range(KH):
        for v in range(KW):
            rows, columns = slice(u, u + stride * OH, stride), slice(v, v + stride * OW, stride)
            y += np.einsum("ncij,fc->nfij", x[:, :, rows, columns], w[:, :, u, v])
    cache = (x, w, stride)
    return y, cache


def backward(dy, cache):
    x, w, stride = cache
    KH, KW = w.shape[2:]
    OH, OW = dy.shape[2:]
    # begin solution: dx, dw, db
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u in range(KH):
        for v in range(KW):
            rows, columns = slice(u, u + stride * OH, stride), slice(v, v + stride * OW, stride)
            dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[:, :, rows, columns])
            dx[:, :, rows, columns] += np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    db = np.sum(dy, axis=(0, 2, 3))
    # end solution
    return dx, dw, db


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def inputs(s: SimpleNamespace, rng: np.random.Generator) -> dict[str, Array]:
    # Along the image's longer side the kernel has three entries, and windows overlap; along the other there is a rest.
    KH, KW = (3, 2) if s.H > s.W else (2, 3)
    return {
        "x": rng.normal(size=(s.N, s.C, s.H, s.W)),
        "w": rng.normal(size=(s.F, s.C, KH, KW)),
        "b": rng.normal(size=s.F),
    }


def rounds(x: Array, w: Array, dy: Array, s: int) -> dict[tuple[int, ...], Array]:
    """What every kernel entry contributes to dx."""
    OH, OW = dy.shape[2:]
    found: dict[tuple[int, ...], Array] = {}
    for u, v in np.ndindex(w.shape[2:]):
        found[u, v] = np.zeros_like(x)
        found[u, v][:, :, u : u + s * OH : s, v : v + s * OW : s] = np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return found


def facts(q: SimpleNamespace) -> Facts:
    parts = rounds(q.x, q.w, q.dy, q.stride)
    N, _, OH, OW = q.dy.shape
    last = q.w.shape[2] - 1
    windows = sum((part != 0) * 1 for part in parts.values())
    last_row = np.zeros(q.w.shape, bool)
    last_row[:, :, last] = True
    return Facts(
        terms={
            "dx": {
                "the kernel's last row": np.sum([part for (u, _), part in parts.items() if u == last], axis=0),
                "the kernel's other rows": np.sum([part for (u, _), part in parts.items() if u < last], axis=0),
            }
        },
        masks={
            "no window covers it": windows == 0,
            "two windows overlap": windows > 1,
            "it belongs to the kernel's last row": last_row,
        },
        numbers={"(N·OH·OW)": N * OH * OW},
    )


EXERCISE = Exercise(
    title="windows that skip, and a rest that no window sees",
    sizes=({"N": 3, "C": 2, "H": 7, "W": 5, "F": 4}, {"N": 4, "C": 2, "H": 3, "W": 7, "F": 5}),
    inputs=inputs,
    constants=lambda s, rng: {"stride": 2},
    facts=facts,
    probes={
        "stride 1": lambda v: {**v, "stride": 1},
        "a kernel of one entry": lambda v: {**v, "w": v["w"][:, :, :1, :1]},
        "one filter": lambda v: {**v, "w": v["w"][:1], "b": v["b"][:1]},
    },
    hints=(
        "The stride only changes which entries of x meet which entry of the kernel. Backward must use the same pairs.",
        "dw_fcuv = Σ_n Σ_i Σ_j dy_nfij x_nc,si+u,sj+v, and the round u, v adds Σ_f dy_nfij w_fcuv to dx_nc,si+u,sj+v. "
        "What no round adds to stays 0.",
        "Make dx = np.zeros_like(x). In forward's loops, with forward's rows and columns, add to "
        "dx[:, :, rows, columns], and set dw[:, :, u, v] from x[:, :, rows, columns].",
    ),
    derivation="""
        y_nfij  = b_f + Σ_c Σ_u Σ_v x_nc,si+u,sj+v w_fcuv
        dw_fcuv = Σ_n Σ_i Σ_j dy_nfij x_nc,si+u,sj+v
        db_f    = Σ_n Σ_i Σ_j dy_nfij
        dx_ncpq = Σ_f Σ_i Σ_j dy_nfij w_fc,p−si,q−sj     over the windows that contain p and q: elsewhere
                                                         p − si or q − sj lies outside the kernel

        For p or q beyond the last window the last sum is empty, and dx is 0: the output does not know of these entries.
    """,
)
