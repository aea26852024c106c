"""Parametric ReLU on images, with a learned slope for each channel."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, slope):
    a = slope[None, :, None, None]
    return np.where(x > 0, x, a * x), (x, slope)


def backward(dout, cache):
    x, slope = cache
    negative = x <= 0
    dx = dout.copy()
    dx[negative] = (dout * slope[None, :, None, None])[negative]
    dslope = np.zeros_like(slope)
    for c in range(len(slope)):
        dslope[c] = np.sum(dout[:, c] * x[:, c] * negative[:, c])
    return dx, dslope
"""


def problem(rng, size=0):
    n, c, h, w = ((3, 3, 3, 3), (2, 4, 3, 2))[size]
    x = rng.normal(size=(n, c, h, w))
    return {"x": x + 0.05 * np.sign(x), "slope": rng.uniform(0.1, 0.5, size=c)}, ()


def zeros(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["x"][:, 0] = 0.0
    return inputs, constants


FAMILY = Family(
    name="prelu",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "slope not applied",
            old="dx[negative] = (dout * slope[None, :, None, None])[negative]",
            new="dx[negative] = dout[negative]",
            cause="Below zero the gradient is passed on without the slope.",
            label="missing_derivative",
            line="dx[negative] = dout[negative]",
        ),
        Wrong(
            "slope's gradient over all inputs",
            old="dslope[c] = np.sum(dout[:, c] * x[:, c] * negative[:, c])",
            new="dslope[c] = np.sum(dout[:, c] * x[:, c])",
            cause="The slope acts only below zero, and its gradient counts the other inputs as well.",
            label="mask",
            line="dslope[c] = np.sum(dout[:, c] * x[:, c])",
        ),
        Wrong(
            "slope's gradient from the output",
            old="dslope[c] = np.sum(dout[:, c] * x[:, c] * negative[:, c])",
            new="dslope[c] = np.sum(dout[:, c] * slope[c] * x[:, c] * negative[:, c])",
            cause="The slope multiplied the input, and its gradient is taken with slope times input.",
            label="wrong_operand",
            line="dslope[c] = np.sum(dout[:, c] * slope[c] * x[:, c] * negative[:, c])",
        ),
        Wrong(
            "examples taken for channels",
            old="dslope[c] = np.sum(dout[:, c] * x[:, c] * negative[:, c])",
            new="dslope[c] = np.sum(dout[c] * x[c] * negative[c])",
            cause="The loop runs over the channels but picks examples.",
            label="wrong_axis",
            line="dslope[c] = np.sum(dout[c] * x[c] * negative[c])",
        ),
        Wrong(
            "written into the caller's gradient",
            old="""    dx = dout.copy()
    dx[negative] = (dout * slope[None, :, None, None])[negative]
    dslope = np.zeros_like(slope)
    for c in range(len(slope)):
        dslope[c] = np.sum(dout[:, c] * x[:, c] * negative[:, c])
""",
            new="""    dslope = np.zeros_like(slope)
    for c in range(len(slope)):
        dslope[c] = np.sum(dout[:, c] * x[:, c] * negative[:, c])
    dx = dout
    dx[negative] = (dout * slope[None, :, None, None])[negative]
""",
            cause="No copy is made, so the negative places of the caller's gradient are overwritten.",
            label="overwrite",
            line="dx[negative] = (dout * slope[None, :, None, None])[negative]",
            fair=("dx = dout",),
            shows="dy_changed",
        ),
    ],
    right=[
        Right(
            "minimum with zero",
            old="""    dslope = np.zeros_like(slope)
    for c in range(len(slope)):
        dslope[c] = np.sum(dout[:, c] * x[:, c] * negative[:, c])
""",
            new='    dslope = np.einsum("nchw,nchw->c", dout, np.minimum(x, 0))\n',
        ),
        Right(
            "a channel of zeros",
            problem=zeros,
            kink=True,
        ),
        Right(
            "one factor",
            old="    dx = dout.copy()\n    dx[negative] = (dout * slope[None, :, None, None])[negative]\n",
            new="    dx = dout * np.where(negative, slope.reshape(1, -1, 1, 1), 1)\n",
        ),
    ],
)
