"""Bilinear pooling of two feature maps, then signed square root and normalisation to unit length."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(a, b):
    n, p, c = a.shape
    z = np.einsum("npc,npd->ncd", a, b) / p
    z = z.reshape(n, -1)
    root = np.sqrt(np.abs(z) + 1e-3)
    s = np.sign(z) * root
    norm = np.sqrt((s**2).sum(axis=1, keepdims=True))
    y = s / norm
    return y, (a, b, root, norm, y)


def backward(dy, cache):
    a, b, root, norm, y = cache
    n, p, c = a.shape
    ds = (dy - y * (dy * y).sum(axis=1, keepdims=True)) / norm
    dz = ds / (2 * root)
    dz = dz.reshape(n, c, -1) / p
    da = np.einsum("ncd,npd->npc", dz, b)
    db = np.einsum("ncd,npc->npd", dz, a)
    return da, db
"""


def problem(rng, size=0):
    n, p, c, d = ((3, 4, 2, 2), (2, 3, 3, 2))[size]
    return {"a": rng.normal(size=(n, p, c)), "b": rng.normal(size=(n, p, d))}, ()


FAMILY = Family(
    name="bilinear_pool",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "length's derivative missing",
            old="ds = (dy - y * (dy * y).sum(axis=1, keepdims=True)) / norm",
            new="ds = dy / norm",
            cause="The vector's length depends on the vector, and only the division by it is there.",
            label="missing_term",
            line="ds = dy / norm",
        ),
        Wrong(
            "length over the whole batch",
            old="ds = (dy - y * (dy * y).sum(axis=1, keepdims=True)) / norm",
            new="ds = (dy - y * (dy * y).sum()) / norm",
            cause="Each example has a length of its own, and the inner product is over the whole batch.",
            label="wrong_axis",
            line="ds = (dy - y * (dy * y).sum()) / norm",
        ),
        Wrong(
            "sign in the root's derivative",
            old="dz = ds / (2 * root)",
            new="dz = np.sign(y) * ds / (2 * root)",
            cause="The signed root rises everywhere, and its derivative is given the sign again.",
            label="sign",
            line="dz = np.sign(y) * ds / (2 * root)",
        ),
        Wrong(
            "root's two",
            old="dz = ds / (2 * root)",
            new="dz = ds / root",
            cause="The root's derivative has a factor one half.",
            label="factor",
            line="dz = ds / root",
        ),
        Wrong(
            "features exchanged",
            old="return da, db",
            new="return db, da",
            cause="The gradients of the two maps are returned in the wrong order.",
            label="swapped_returns",
            line="return db, da",
        ),
        Wrong(
            "positions not divided out",
            old="dz = dz.reshape(n, c, -1) / p",
            new="dz = dz.reshape(n, c, -1)",
            cause="The products are averaged over the positions, and the division is missing.",
            label="factor",
            line="dz = dz.reshape(n, c, -1)",
        ),
    ],
    right=[
        Right(
            "matrix products",
            old="""    da = np.einsum("ncd,npd->npc", dz, b)
    db = np.einsum("ncd,npc->npd", dz, a)
    return da, db
""",
            new="    return b @ dz.transpose(0, 2, 1), a @ dz\n",
        ),
        Right(
            "projection matrices",
            old="    ds = (dy - y * (dy * y).sum(axis=1, keepdims=True)) / norm\n",
            new="""    k = y.shape[1]
    J = (np.eye(k) - y[:, :, None] * y[:, None, :]) / norm[:, :, None]
    ds = np.stack([row @ jac for row, jac in zip(dy, J)])
""",
        ),
    ],
)
