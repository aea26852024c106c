"""Convolution of images with im2col."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def im2col(x, k):
    N, C, H, W = x.shape
    cols = np.zeros((N, H - k + 1, W - k + 1, C, k, k))
    for i in range(H - k + 1):
        for j in range(W - k + 1):
            cols[:, i, j] = x[:, :, i : i + k, j : j + k]
    return cols


def forward(x, W, b):
    F, C, k, _ = W.shape
    cols = im2col(x, k)
    flat = cols.reshape(-1, C * k * k)
    out = flat @ W.reshape(F, -1).T + b
    out = out.reshape(*cols.shape[:3], F).transpose(0, 3, 1, 2)
    return out, (x, W, cols)


def backward(dout, cache):
    x, W, cols = cache
    F, C, k, _ = W.shape
    rows = dout.transpose(0, 2, 3, 1).reshape(-1, F)
    db = rows.sum(axis=0)
    dW = (rows.T @ cols.reshape(-1, C * k * k)).reshape(W.shape)
    dcols = (rows @ W.reshape(F, -1)).reshape(cols.shape)
    dx = np.zeros_like(x)
    for i in range(cols.shape[1]):
        for j in range(cols.shape[2]):
            dx[:, :, i : i + k, j : j + k] += dcols[:, i, j]
    return dx, dW, db
"""


def problem(rng, size=0):
    n, c, h, w, f, k = ((2, 2, 4, 4, 2, 2), (1, 3, 4, 5, 2, 3))[size]
    return {"x": rng.normal(size=(n, c, h, w)), "W": rng.normal(size=(f, c, k, k)), "b": rng.normal(size=f)}, ()


FAMILY = Family(
    name="conv2d",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "channels last forgotten",
            old="rows = dout.transpose(0, 2, 3, 1).reshape(-1, F)",
            new="rows = dout.reshape(-1, F)",
            cause="The filters' axis is not moved to the end before the reshape.",
            label="transpose",
            line="rows = dout.reshape(-1, F)",
        ),
        Wrong(
            "overlaps overwritten",
            old="dx[:, :, i : i + k, j : j + k] += dcols[:, i, j]",
            new="dx[:, :, i : i + k, j : j + k] = dcols[:, i, j]",
            cause="Windows overlap; their gradients should be added up.",
            label="accumulate",
            line="dx[:, :, i : i + k, j : j + k] = dcols[:, i, j]",
        ),
        Wrong(
            "mean over the batch",
            old="db = rows.sum(axis=0)",
            new="db = rows.sum(axis=0) / len(x)",
            cause="The bias's gradient is divided by the batch size, which the loss above has done already.",
            label="factor",
            line="db = rows.sum(axis=0) / len(x)",
        ),
        Wrong(
            "last row and column dropped",
            old="    for i in range(cols.shape[1]):\n        for j in range(cols.shape[2]):\n            dx[",
            new="    for i in range(cols.shape[1] - 1):\n        for j in range(cols.shape[2] - 1):\n            dx[",
            cause="The loops end before the last row and column of windows.",
            label="off_by_one",
            line="for i in range(cols.shape[1] - 1):",
            fair=(
                "for j in range(cols.shape[2] - 1):",
                "dx[:, :, i : i + k, j : j + k] += dcols[:, i, j]",
            ),
        ),
    ],
    right=[
        Right(
            "full correlation with the rotated kernel",
            old="""    dcols = (rows @ W.reshape(F, -1)).reshape(cols.shape)
    dx = np.zeros_like(x)
    for i in range(cols.shape[1]):
        for j in range(cols.shape[2]):
            dx[:, :, i : i + k, j : j + k] += dcols[:, i, j]
    return dx, dW, db
""",
            new="""    padded = np.pad(dout, ((0, 0), (0, 0), (k - 1, k - 1), (k - 1, k - 1)))
    dx = np.einsum("nijfkl,fckl->ncij", im2col(padded, k), W[:, :, ::-1, ::-1])
    return dx, dW, db
""",
        ),
        Right(
            "kernel's gradient by einsum",
            old="dW = (rows.T @ cols.reshape(-1, C * k * k)).reshape(W.shape)",
            new='dW = np.einsum("nfij,nijckl->fckl", dout, cols)',
        ),
    ],
)
