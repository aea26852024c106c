"""Affine maps over different axes of an image batch: scale a channel, bias a row, bias a column, gain a sample."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def unbroadcast(grad, shape):
    while grad.ndim > len(shape):
        grad = grad.sum(axis=0)
    for axis, n in enumerate(shape):
        if n == 1:
            grad = grad.sum(axis=axis, keepdims=True)
    return grad


def forward(x, scale, row, column, gain):
    s = x * scale
    t = s + row + column
    u = np.exp(-gain)[:, None, None, None] * t
    return u, (x, scale, row, column, gain, t)


def backward(du, cache):
    x, scale, row, column, gain, t = cache
    e = np.exp(-gain)
    dt = du * e[:, None, None, None]
    dgain = -e * (du * t).sum(axis=(1, 2, 3))
    drow = unbroadcast(dt, row.shape)
    dcolumn = unbroadcast(dt, column.shape)
    dx = dt * scale
    dscale = unbroadcast(dt * x, scale.shape)
    return dx, dscale, drow, dcolumn, dgain
"""


def problem(rng, size=0):
    n, c, h, w = ((3, 3, 3, 3), (2, 4, 3, 2))[size]
    return {
        "x": rng.normal(size=(n, c, h, w)),
        "scale": rng.normal(size=(c, 1, 1)),
        "row": rng.normal(size=(h, 1)),
        "column": rng.normal(size=w),
        "gain": rng.normal(size=n) * 0.5,
    }, ()


FAMILY = Family(
    name="broadcasting",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "row and column mixed up",
            old="dcolumn = unbroadcast(dt, column.shape)",
            new="dcolumn = dt.sum(axis=(0, 1, 3))",
            cause="The sum runs over the columns, so the column's bias gets the rows' gradient.",
            label="wrong_axis",
            line="dcolumn = dt.sum(axis=(0, 1, 3))",
        ),
        Wrong(
            "sum over the batch left out",
            old="drow = unbroadcast(dt, row.shape)",
            new="drow = unbroadcast(dt[0], row.shape)",
            cause="The row's bias is shared by the batch; only the first sample's gradient is kept.",
            label="missing_term",
            line="drow = unbroadcast(dt[0], row.shape)",
        ),
        Wrong(
            "sign of the exponent",
            old="dgain = -e * (du * t).sum(axis=(1, 2, 3))",
            new="dgain = e * (du * t).sum(axis=(1, 2, 3))",
            cause="The gain stands in the exponent with a minus.",
            label="sign",
            line="dgain = e * (du * t).sum(axis=(1, 2, 3))",
        ),
        Wrong(
            "mean over the broadcast axes",
            old="            grad = grad.sum(axis=axis, keepdims=True)\n",
            new="            grad = grad.mean(axis=axis, keepdims=True)\n",
            cause="The helper averages over the axes that were broadcast; it should sum.",
            label="factor",
            line="grad = grad.mean(axis=axis, keepdims=True)",
            fair=("drow = unbroadcast(dt, row.shape)",),
        ),
        Wrong(
            "overwrites the gradient from above",
            old="    dt = du * e[:, None, None, None]\n    dgain = -e * (du * t).sum(axis=(1, 2, 3))\n",
            new="""    dgain = -e * (du * t).sum(axis=(1, 2, 3))
    du *= e[:, None, None, None]
    dt = du
""",
            cause="The caller's own array is multiplied in place, which a residual branch would see.",
            label="overwrite",
            line="du *= e[:, None, None, None]",
            shows="dy_changed",
        ),
    ],
    right=[
        Right(
            "sums written out",
            old="    drow = unbroadcast(dt, row.shape)\n    dcolumn = unbroadcast(dt, column.shape)\n",
            new="    drow, dcolumn = dt.sum(axis=(0, 1, 3))[:, None], dt.sum(axis=(0, 1, 2))\n",
        ),
        Right(
            "scale by einsum",
            old="dscale = unbroadcast(dt * x, scale.shape)",
            new='dscale = np.einsum("nchw,nchw->c", dt, x).reshape(-1, 1, 1)',
        ),
        Right(
            "gain from the output's gradient after scaling",
            old="dgain = -e * (du * t).sum(axis=(1, 2, 3))",
            new="dgain = -np.array([np.vdot(a, b) for a, b in zip(dt, t, strict=True)])",
        ),
    ],
)
