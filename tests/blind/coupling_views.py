"""Split, concatenate, flip and reshape: a coupling layer of a normalising flow, then rows are put back in order."""

import numpy as np

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, A, B, order):
    d = x.shape[1] // 2
    x1, x2 = x[:, :d], x[:, d:]
    s = np.tanh(x1 @ A)
    shift = x1 @ B
    y2 = x2 * np.exp(s) + shift
    y = np.concatenate([x1, y2], axis=1)
    out = y[order, ::-1]
    return out, (x1, x2, A, B, s, order)


def backward(dout, cache):
    x1, x2, A, B, s, order = cache
    d = x1.shape[1]
    dy = np.empty_like(dout)
    dy[order] = dout[:, ::-1]
    dx1 = dy[:, :d].copy()
    dy2 = dy[:, d:]
    dx2 = dy2 * np.exp(s)
    ds = dy2 * x2 * np.exp(s)
    da = ds * (1 - s**2)
    dA = x1.T @ da
    dB = x1.T @ dy2
    dx1 += da @ A.T + dy2 @ B.T
    return np.hstack([dx1, dx2]), dA, dB
"""


def problem(rng, size=0):
    n, d = ((5, 3), (4, 2))[size]
    inputs = {
        "x": rng.normal(size=(n, 2 * d)),
        "A": rng.normal(size=(d, d)) * 0.6,
        "B": rng.normal(size=(d, d)),
    }
    return inputs, (np.roll(np.arange(n), 2),)


FAMILY = Family(
    name="coupling_views",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "order applied again, not undone",
            old="dy[order] = dout[:, ::-1]",
            new="dy[:] = dout[order, ::-1]",
            cause="The rows are permuted once more where the permutation should be undone.",
            label="wrong_operand",
            line="dy[:] = dout[order, ::-1]",
        ),
        Wrong(
            "halves put back the wrong way round",
            old="return np.hstack([dx1, dx2]), dA, dB",
            new="return np.hstack([dx2, dx1]), dA, dB",
            cause="The two halves of the input's gradient are exchanged.",
            label="swapped_returns",
            line="return np.hstack([dx2, dx1]), dA, dB",
        ),
        Wrong(
            "flip forgotten",
            old="dy[order] = dout[:, ::-1]",
            new="dy[order] = dout",
            cause="The columns were reversed in forward and are not on the way back.",
            label="transpose",
            line="dy[order] = dout",
        ),
        Wrong(
            "straight path overwritten",
            old="dx1 += da @ A.T + dy2 @ B.T",
            new="dx1 = da @ A.T + dy2 @ B.T",
            cause="The first half's own way to the output is overwritten by what comes from the other half.",
            label="accumulate",
            line="dx1 = da @ A.T + dy2 @ B.T",
        ),
        Wrong(
            "view in the place of a copy",
            old="""    dx1 = dy[:, :d].copy()
    dy2 = dy[:, d:]
    dx2 = dy2 * np.exp(s)
    ds = dy2 * x2 * np.exp(s)
""",
            new="""    dx1 = dy[:, :d]
    dy2 = dy[:, d:]
    dx2 = dy2
    dx2 *= np.exp(s)
    ds = dy2 * x2
""",
            cause="Scaling the view in place also scales the gradient that the shift should get.",
            label="overwrite",
            line="dx2 *= np.exp(s)",
            fair=("dB = x1.T @ dy2", "dx2 = dy2"),
        ),
    ],
    right=[
        Right(
            "views into the result",
            old="""    dx1 = dy[:, :d].copy()
    dy2 = dy[:, d:]
    dx2 = dy2 * np.exp(s)
""",
            new="""    dx = dy.copy()
    dx1, dx2 = dx[:, :d], dx[:, d:]
    dy2 = dy[:, d:]
    dx2 *= np.exp(s)
""",
        ),
        Right(
            "inverse permutation",
            old="    dy = np.empty_like(dout)\n    dy[order] = dout[:, ::-1]\n",
            new="    dy = np.fliplr(dout)[np.argsort(order)]\n",
        ),
    ],
)
