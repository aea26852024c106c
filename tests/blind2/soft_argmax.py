"""Soft-argmax: the expected position of a heat map's softmax, as for key points."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(heat, beta):
    n, h, w = heat.shape
    flat = beta * heat.reshape(n, h * w)
    p = np.exp(flat - flat.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    p = p.reshape(n, h, w)
    ys = np.arange(h) / (h - 1)
    xs = np.arange(w) / (w - 1)
    cy = (p.sum(axis=2) * ys).sum(axis=1)
    cx = (p.sum(axis=1) * xs).sum(axis=1)
    return np.stack([cy, cx], axis=1), (heat, beta, p, ys, xs)


def backward(dout, cache):
    heat, beta, p, ys, xs = cache
    dcy, dcx = dout[:, 0], dout[:, 1]
    dp = dcy[:, None, None] * ys[None, :, None] + dcx[:, None, None] * xs[None, None, :]
    dflat = p * (dp - (p * dp).sum(axis=(1, 2), keepdims=True))
    dheat = beta * dflat
    dbeta = np.array([(heat * dflat).sum()])
    return dheat, dbeta
"""


def problem(rng, size=0):
    n, h, w = ((3, 4, 4), (2, 3, 5))[size]
    return {"heat": rng.normal(size=(n, h, w)), "beta": np.array([1.3])}, ()


FAMILY = Family(
    name="soft_argmax",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "coordinates exchanged",
            old="dcy, dcx = dout[:, 0], dout[:, 1]",
            new="dcx, dcy = dout[:, 0], dout[:, 1]",
            cause="The gradients of the two coordinates are taken in the wrong order.",
            label="swapped_returns",
            line="dcx, dcy = dout[:, 0], dout[:, 1]",
            fair=("dp = dcy[:, None, None] * ys[None, :, None] + dcx[:, None, None] * xs[None, None, :]",),
        ),
        Wrong(
            "softmax over the columns only",
            old="dflat = p * (dp - (p * dp).sum(axis=(1, 2), keepdims=True))",
            new="dflat = p * (dp - (p * dp).sum(axis=2, keepdims=True))",
            cause="The softmax runs over the whole map, and its sum here over one axis.",
            label="wrong_axis",
            line="dflat = p * (dp - (p * dp).sum(axis=2, keepdims=True))",
        ),
        Wrong(
            "horizontal coordinate only",
            old="dp = dcy[:, None, None] * ys[None, :, None] + dcx[:, None, None] * xs[None, None, :]",
            new="dp = np.ones_like(p) * dcx[:, None, None] * xs[None, None, :]",
            cause="The vertical coordinate's gradient is left out.",
            label="missing_term",
            line="dp = np.ones_like(p) * dcx[:, None, None] * xs[None, None, :]",
        ),
        Wrong(
            "pixels in the place of unit coordinates",
            old="    dp = dcy[:, None, None] * ys[None, :, None] + dcx[:, None, None] * xs[None, None, :]\n",
            new="    rows, cols = np.indices(p.shape[1:])\n"
            "    dp = dcy[:, None, None] * rows + dcx[:, None, None] * cols\n",
            cause="The coordinates run from zero to one in forward, and over whole pixels in backward.",
            label="wrong_constant",
            line="dp = dcy[:, None, None] * rows + dcx[:, None, None] * cols",
            fair=("rows, cols = np.indices(p.shape[1:])",),
        ),
        Wrong(
            "temperature for its inverse",
            old="dheat = beta * dflat",
            new="dheat = dflat / beta",
            cause="The map was multiplied by beta, and its gradient is divided by it.",
            label="factor",
            line="dheat = dflat / beta",
        ),
    ],
    right=[
        Right(
            "distance from the expected position",
            old="    dp = dcy[:, None, None] * ys[None, :, None] + dcx[:, None, None] * xs[None, None, :]\n"
            "    dflat = p * (dp - (p * dp).sum(axis=(1, 2), keepdims=True))\n",
            new="""    cy = np.einsum("nhw,h->n", p, ys)
    cx = np.einsum("nhw,w->n", p, xs)
    away_y = np.subtract.outer(ys, cy).T * dcy[:, None]
    away_x = np.subtract.outer(xs, cx).T * dcx[:, None]
    dflat = p * (away_y[:, :, None] + away_x[:, None, :])
""",
        ),
        Right(
            "flat maps",
            old="    dflat = p * (dp - (p * dp).sum(axis=(1, 2), keepdims=True))\n",
            new="""    P, G = p.reshape(len(p), -1), dp.reshape(len(p), -1)
    inner = np.array([a @ b for a, b in zip(P, G)])
    dflat = (P * G - P * inner[:, None]).reshape(p.shape)
""",
        ),
    ],
)
