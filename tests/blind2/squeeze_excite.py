"""Squeeze and excitation: channel means pass through two small layers and scale the channels."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, w1, w2):
    N, C, H, W = x.shape
    s = x.mean(axis=(2, 3))
    a = s @ w1
    r = np.where(a > 0, a, 0.1 * a)
    e = 1 / (1 + np.exp(-(r @ w2)))
    out = x * e[:, :, None, None]
    return out, (x, w1, w2, s, a, r, e)


def backward(dout, cache):
    x, w1, w2, s, a, r, e = cache
    N, C, H, W = x.shape
    dx = dout * e[:, :, None, None]
    de = (dout * x).sum(axis=(2, 3))
    dg = de * e * (1 - e)
    dw2 = r.T @ dg
    dr = dg @ w2.T
    da = dr * np.where(a > 0, 1, 0.1)
    dw1 = s.T @ da
    ds = da @ w1.T
    dx += ds[:, :, None, None] / (H * W)
    return dx, dw1, dw2
"""


def problem(rng, size=0):
    n, c, h, w, k = ((2, 3, 3, 3, 3), (3, 4, 2, 3, 2))[size]
    return {"x": rng.normal(size=(n, c, h, w)), "w1": rng.normal(size=(c, k)), "w2": rng.normal(size=(k, c))}, ()


FAMILY = Family(
    name="squeeze_excite",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "gates taken as given",
            old="    dx += ds[:, :, None, None] / (H * W)\n    return dx, dw1, dw2\n",
            new="    return dx, dw1, dw2\n",
            cause="The gates depend on the input through the channel means, and that route is missing.",
            label="missing_term",
            line="dx = dout * e[:, :, None, None]",
            fair=("return dx, dw1, dw2",),
        ),
        Wrong(
            "mean taken for a sum",
            old="dx += ds[:, :, None, None] / (H * W)",
            new="dx += ds[:, :, None, None]",
            cause="The mean over the pixels needs a division by their number.",
            label="factor",
            line="dx += ds[:, :, None, None]",
        ),
        Wrong(
            "mean over one side only",
            old="dx += ds[:, :, None, None] / (H * W)",
            new="dx += ds[:, :, None, None] / H",
            cause="The mean is over height and width, and only the height is divided out.",
            label="factor",
            line="dx += ds[:, :, None, None] / H",
        ),
        Wrong(
            "gate's gradient averaged",
            old="de = (dout * x).sum(axis=(2, 3))",
            new="de = (dout * x).mean(axis=(2, 3))",
            cause="Each gate multiplies all pixels of its channel, so its gradient is their sum, not their mean.",
            label="factor",
            line="de = (dout * x).mean(axis=(2, 3))",
        ),
        Wrong(
            "output for input",
            old="de = (dout * x).sum(axis=(2, 3))",
            new="de = (dout * x * e[:, :, None, None]).sum(axis=(2, 3))",
            cause="The gate's gradient needs the channel before it was scaled, and it is given the scaled one.",
            label="wrong_operand",
            line="de = (dout * x * e[:, :, None, None]).sum(axis=(2, 3))",
        ),
        Wrong(
            "leak forgotten",
            old="da = dr * np.where(a > 0, 1, 0.1)",
            new="da = dr * (a > 0)",
            cause="The activation leaks a tenth below zero, and backward treats it as a plain ReLU.",
            label="mask",
            line="da = dr * (a > 0)",
        ),
    ],
    right=[
        Right(
            "einsum",
            old="de = (dout * x).sum(axis=(2, 3))",
            new='de = np.einsum("nchw,nchw->nc", dout, x)',
        ),
        Right(
            "helper functions for the broadcasts",
            old="    dx += ds[:, :, None, None] / (H * W)\n    return dx, dw1, dw2\n",
            new="""
    def spread(v):
        return np.broadcast_to(v.reshape(N, C, 1, 1), x.shape)

    return dx + spread(ds) / x[0, 0].size, dw1, dw2
""",
        ),
    ],
)
