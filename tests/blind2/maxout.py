"""Maxout layer: the largest of several linear maps, unit by unit."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, W, b):
    z = np.einsum("nd,kdh->nkh", x, W) + b
    winner = z.argmax(axis=1)
    y = np.take_along_axis(z, winner[:, None, :], axis=1)[:, 0, :]
    return y, (x, W, winner)


def backward(dy, cache):
    x, W, winner = cache
    dz = np.zeros((len(x), W.shape[0], W.shape[2]))
    np.put_along_axis(dz, winner[:, None, :], dy[:, None, :], axis=1)
    dx = np.einsum("nkh,kdh->nd", dz, W)
    dW = np.einsum("nd,nkh->kdh", x, dz)
    db = dz.sum(axis=0)
    return dx, dW, db
"""


def problem(rng, size=0):
    n, d, k, h = ((4, 3, 3, 3), (5, 4, 2, 3))[size]
    return {"x": rng.normal(size=(n, d)), "W": 2 * rng.normal(size=(k, d, h)), "b": 2 * rng.normal(size=(k, h))}, ()


FAMILY = Family(
    name="maxout",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "gradient to all pieces",
            old="np.put_along_axis(dz, winner[:, None, :], dy[:, None, :], axis=1)",
            new="dz += dy[:, None, :]",
            cause="Only the largest piece gets the gradient, and here all of them do.",
            label="mask",
            line="dz += dy[:, None, :]",
        ),
        Wrong(
            "bias of the winners of the first example",
            old="np.put_along_axis(dz, winner[:, None, :], dy[:, None, :], axis=1)",
            new="dz[:, winner[0], np.arange(W.shape[2])] = dy",
            cause="The winners of the first example are taken for the whole batch.",
            label="wrong_operand",
            line="dz[:, winner[0], np.arange(W.shape[2])] = dy",
        ),
        Wrong(
            "pieces averaged",
            old='dx = np.einsum("nkh,kdh->nd", dz, W)',
            new='dx = np.einsum("nkh,kdh->nd", dz, W) / W.shape[0]',
            cause="The input's gradient is averaged over the pieces, where one piece was chosen.",
            label="factor",
            line='dx = np.einsum("nkh,kdh->nd", dz, W) / W.shape[0]',
        ),
        Wrong(
            "pieces transposed",
            old='dx = np.einsum("nkh,kdh->nd", dz, W)',
            new='dx = np.einsum("nkh,khd->nd", dz, W)',
            cause="Inputs and units are exchanged in the weights.",
            label="transpose",
            line='dx = np.einsum("nkh,khd->nd", dz, W)',
        ),
    ],
    right=[
        Right(
            "mask of winners",
            old="    dz = np.zeros((len(x), W.shape[0], W.shape[2]))\n"
            "    np.put_along_axis(dz, winner[:, None, :], dy[:, None, :], axis=1)\n",
            new="    pieces = np.arange(W.shape[0]).reshape(1, -1, 1)\n"
            "    dz = (winner[:, None, :] == pieces) * dy[:, None, :]\n",
        ),
        Right(
            "piece by piece",
            old='    dx = np.einsum("nkh,kdh->nd", dz, W)\n    dW = np.einsum("nd,nkh->kdh", x, dz)\n',
            new="""    dx, dW = np.zeros(x.shape), np.zeros(W.shape)
    for k, Wk in enumerate(W):
        dx += dz[:, k] @ Wk.T
        dW[k] = x.T @ dz[:, k]
""",
        ),
    ],
)
