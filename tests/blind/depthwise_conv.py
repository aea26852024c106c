"""Depthwise separable convolution: one 3x3 kernel a channel with padding, then a pointwise mix."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def windows(x):
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))


def forward(x, depth, point):
    cols = windows(x)
    mid = np.einsum("nchwij,cij->nchw", cols, depth)
    act = np.maximum(mid, 0)
    y = np.einsum("nchw,cd->ndhw", act, point)
    return y, (x, depth, point, mid, act)


def backward(dy, cache):
    x, depth, point, mid, act = cache
    dpoint = np.einsum("nchw,ndhw->cd", act, dy)
    dact = np.einsum("ndhw,cd->nchw", dy, point)
    dmid = dact * (mid > 0)
    ddepth = np.einsum("nchwij,nchw->cij", windows(x), dmid)
    dx = np.einsum("nchwij,cij->nchw", windows(dmid), depth[:, ::-1, ::-1])
    return dx, ddepth, dpoint
"""


def problem(rng, size=0):
    n, c, h, w, d = ((2, 3, 3, 4, 3), (1, 2, 5, 3, 4))[size]
    return {
        "x": rng.normal(size=(n, c, h, w)),
        "depth": rng.normal(size=(c, 3, 3)),
        "point": rng.normal(size=(c, d)),
    }, ()


FAMILY = Family(
    name="depthwise_conv",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "kernel not rotated",
            old="depth[:, ::-1, ::-1])",
            new="depth)",
            cause="Going back through a convolution over windows, the kernel should be rotated by half a turn.",
            label="transpose",
            line='dx = np.einsum("nchwij,cij->nchw", windows(dmid), depth)',
        ),
        Wrong(
            "activation forgotten",
            old="dmid = dact * (mid > 0)",
            new="dmid = dact",
            cause="The rectifier's derivative is missing.",
            label="missing_derivative",
            line="dmid = dact",
        ),
        Wrong(
            "pointwise matrix not transposed",
            old='dact = np.einsum("ndhw,cd->nchw", dy, point)',
            new='dact = np.einsum("ndhw,dc->nchw", dy, point)',
            cause="The pointwise matrix is used in the wrong direction.",
            label="transpose",
            line='dact = np.einsum("ndhw,dc->nchw", dy, point)',
        ),
        Wrong(
            "mask of the input",
            old="dmid = dact * (mid > 0)",
            new="dmid = dact * (x > 0)",
            cause="The rectifier's mask is taken from the layer's input, not from what the rectifier saw.",
            label="wrong_operand",
            line="dmid = dact * (x > 0)",
        ),
    ],
    right=[
        Right(
            "scattered shift by shift",
            old='    dx = np.einsum("nchwij,cij->nchw", windows(dmid), depth[:, ::-1, ::-1])\n',
            new="""    h, w = x.shape[2:]
    dpadded = np.zeros((*x.shape[:2], h + 2, w + 2))
    for i in range(3):
        for j in range(3):
            dpadded[:, :, i : i + h, j : j + w] += dmid * depth[:, i, j, None, None]
    dx = dpadded[:, :, 1:-1, 1:-1]
""",
        ),
        Right("mask from the activation", old="dmid = dact * (mid > 0)", new="dmid = np.where(act, dact, 0.0)"),
    ],
)
