"""Rotary position embedding of queries and keys, and the scores between them."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def tables(T, D):
    freq = 100.0 ** (-np.arange(0, D, 2) / D)
    angle = np.arange(T)[:, None] * freq[None, :]
    return np.cos(angle), np.sin(angle)


def rotate(x, cos, sin):
    out = np.empty_like(x)
    even, odd = x[..., 0::2], x[..., 1::2]
    out[..., 0::2] = even * cos - odd * sin
    out[..., 1::2] = even * sin + odd * cos
    return out


def forward(q, k):
    T, D = q.shape
    cos, sin = tables(T, D)
    qr = rotate(q, cos, sin)
    kr = rotate(k, cos, sin)
    return qr @ kr.T / np.sqrt(D), (qr, kr, cos, sin)


def unrotate(g, cos, sin):
    gx = np.empty_like(g)
    ge, go = g[..., 0::2], g[..., 1::2]
    gx[..., 0::2] = ge * cos + go * sin
    gx[..., 1::2] = go * cos - ge * sin
    return gx


def backward(gs, cache):
    qr, kr, cos, sin = cache
    gs = gs / np.sqrt(qr.shape[1])
    gqr = gs @ kr
    gkr = gs.T @ qr
    gq = unrotate(gqr, cos, sin)
    gk = unrotate(gkr, cos, sin)
    return gq, gk
"""


def problem(rng, size=0):
    t, d = ((4, 4), (3, 6))[size]
    return {"q": rng.normal(size=(t, d)), "k": rng.normal(size=(t, d))}, ()


FAMILY = Family(
    name="rotary",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "rotated forwards again",
            old="gq = unrotate(gqr, cos, sin)",
            new="gq = rotate(gqr, cos, sin)",
            cause="The gradient is rotated in the same direction as the queries, and should be rotated back.",
            label="wrong_operand",
            line="gq = rotate(gqr, cos, sin)",
        ),
        Wrong(
            "keys left rotated",
            old="gk = unrotate(gkr, cos, sin)",
            new="gk = gkr",
            cause="The keys' gradient is that of the rotated keys; the rotation is not undone.",
            label="missing_derivative",
            line="gk = gkr",
        ),
        Wrong(
            "sign in the odd half",
            old="gx[..., 1::2] = go * cos - ge * sin",
            new="gx[..., 1::2] = go * cos + ge * sin",
            cause="In the odd components the sine should be subtracted.",
            label="sign",
            line="gx[..., 1::2] = go * cos + ge * sin",
        ),
        Wrong(
            "divided in place",
            old="gs = gs / np.sqrt(qr.shape[1])",
            new="gs /= np.sqrt(qr.shape[1])",
            cause="The division is done in place, in the caller's array.",
            label="overwrite",
            line="gs /= np.sqrt(qr.shape[1])",
            shows="dy_changed",
        ),
        Wrong(
            "positions start at one",
            old="    gq = unrotate(gqr, cos, sin)\n",
            new="    cos1, sin1 = (table[1:] for table in tables(len(qr) + 1, qr.shape[1]))\n"
            "    gq = unrotate(gqr, cos1, sin1)\n",
            cause="The angles are made anew from positions that start at one; in forward they start at zero.",
            label="off_by_one",
            line="cos1, sin1 = (table[1:] for table in tables(len(qr) + 1, qr.shape[1]))",
            fair=("gq = unrotate(gqr, cos1, sin1)",),
        ),
    ],
    right=[
        Right(
            "rotation by minus the angle",
            old="""    gq = unrotate(gqr, cos, sin)
    gk = unrotate(gkr, cos, sin)
    return gq, gk
""",
            new="    return rotate(gqr, cos, -sin), rotate(gkr, cos, -sin)\n",
        ),
        Right(
            "complex numbers",
            old="    gq = unrotate(gqr, cos, sin)\n",
            new="    turned = (gqr[:, ::2] + 1j * gqr[:, 1::2]) * (cos - 1j * sin)\n"
            "    gq = np.stack([turned.real, turned.imag], axis=-1).reshape(gqr.shape)\n",
        ),
    ],
)
