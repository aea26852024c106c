"""Pixel shuffle (depth to space) after a pointwise convolution and a square, with views and transposes."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, W, r):
    N, C, H, Wd = x.shape
    a = np.einsum("nchw,ck->nkhw", x, W)
    b = a + 0.5 * a**2
    k = b.shape[1] // r**2
    y = b.reshape(N, k, r, r, H, Wd).transpose(0, 1, 4, 2, 5, 3).reshape(N, k, H * r, Wd * r)
    return y, (x, W, a, r)


def backward(dy, cache):
    x, W, a, r = cache
    N, K, H, Wd = a.shape
    d6 = dy.reshape(N, K // r**2, H, r, Wd, r)
    db = d6.transpose(0, 1, 3, 5, 2, 4).reshape(a.shape)
    da = db * (1 + a)
    dW = np.tensordot(x, da, axes=([0, 2, 3], [0, 2, 3]))
    dx = np.einsum("nkhw,ck->nchw", da, W)
    return dx, dW
"""


def problem(rng, size=0):
    n, c, h, w, k, r = ((2, 3, 2, 2, 4, 2), (1, 2, 3, 2, 8, 2))[size]
    return {"x": rng.normal(size=(n, c, h, w)), "W": rng.normal(size=(c, k))}, (r,)


FAMILY = Family(
    name="pixel_shuffle",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "offsets of row and column swapped",
            old="db = d6.transpose(0, 1, 3, 5, 2, 4).reshape(a.shape)",
            new="db = d6.transpose(0, 1, 5, 3, 2, 4).reshape(a.shape)",
            cause="The two offsets within a cell are exchanged, so channels are mixed up.",
            label="transpose",
            line="db = d6.transpose(0, 1, 5, 3, 2, 4).reshape(a.shape)",
        ),
        Wrong(
            "only reshaped",
            old="    d6 = dy.reshape(N, K // r**2, H, r, Wd, r)\n"
            "    db = d6.transpose(0, 1, 3, 5, 2, 4).reshape(a.shape)\n",
            new="    db = dy.reshape(a.shape)\n",
            cause="The axes are not moved back; the memory is only cut up otherwise.",
            label="transpose",
            line="db = dy.reshape(a.shape)",
        ),
        Wrong(
            "activation's derivative without the one",
            old="da = db * (1 + a)",
            new="da = db * a",
            cause="The derivative of a + a**2/2 is 1 + a; the one is missing.",
            label="missing_term",
            line="da = db * a",
        ),
        Wrong(
            "same permutation as forward",
            old="    d6 = dy.reshape(N, K // r**2, H, r, Wd, r)\n"
            "    db = d6.transpose(0, 1, 3, 5, 2, 4).reshape(a.shape)\n",
            new="    d6 = dy.reshape(N, K // r**2, r, r, H, Wd)\n"
            "    db = d6.transpose(0, 1, 4, 2, 5, 3).reshape(a.shape)\n",
            cause="Forward's permutation is applied once more, not its inverse.",
            label="transpose",
            line="d6 = dy.reshape(N, K // r**2, r, r, H, Wd)",
            fair=("db = d6.transpose(0, 1, 4, 2, 5, 3).reshape(a.shape)",),
        ),
    ],
    right=[
        Right(
            "offset by offset",
            old="    d6 = dy.reshape(N, K // r**2, H, r, Wd, r)\n"
            "    db = d6.transpose(0, 1, 3, 5, 2, 4).reshape(a.shape)\n",
            new="""    db = np.empty((N, K // r**2, r, r, H, Wd))
    for i in range(r):
        for j in range(r):
            db[:, :, i, j] = dy[:, :, i::r, j::r]
    db = db.reshape(a.shape)
""",
        ),
        Right(
            "inverse permutation by argsort",
            old="db = d6.transpose(0, 1, 3, 5, 2, 4).reshape(a.shape)",
            new="db = d6.transpose(np.argsort((0, 1, 4, 2, 5, 3))).reshape(a.shape)",
        ),
    ],
)
