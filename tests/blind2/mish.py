"""Mish activation, x tanh(softplus(x)), with a learned scale."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, scale):
    sp = np.logaddexp(0, x)
    t = np.tanh(sp)
    y = scale * x * t
    return y, (x, t, scale)


def backward(dy, cache):
    x, t, scale = cache
    sig = 1 / (1 + np.exp(-x))
    dt = dy * scale * x
    dsp = dt * (1 - t * t)
    dx = dy * scale * t + dsp * sig
    dscale = (dy * x * t).sum(axis=0)
    return dx, dscale
"""


def problem(rng, size=0):
    n, d = ((4, 4), (3, 5))[size]
    return {"x": 1.5 * rng.normal(size=(n, d)), "scale": 1 + 0.3 * rng.normal(size=d)}, ()


def far(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["x"] = inputs["x"] - 14
    return inputs, constants


FAMILY = Family(
    name="mish",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "softplus's derivative as that of tanh",
            old="dx = dy * scale * t + dsp * sig",
            new="dx = dy * scale * t + dsp",
            cause="The softplus's derivative is the sigmoid, and it is left out.",
            label="missing_derivative",
            line="dx = dy * scale * t + dsp",
        ),
        Wrong(
            "product with one factor held",
            old="dx = dy * scale * t + dsp * sig",
            new="dx = dsp * sig",
            cause="The first factor of the product, x itself, is taken as constant.",
            label="missing_term",
            line="dx = dsp * sig",
        ),
        Wrong(
            "scale summed over the features",
            old="dscale = (dy * x * t).sum(axis=0)",
            new="dscale = (dy * x * t).sum(axis=1)",
            cause="There is one scale for each feature, and the sum runs over the features.",
            label="wrong_axis",
            line="dscale = (dy * x * t).sum(axis=1)",
        ),
        Wrong(
            "sigmoid of the activation",
            old="sig = 1 / (1 + np.exp(-x))",
            new="sig = 1 / (1 + np.exp(-t))",
            cause="The sigmoid should be of x, and it is of tanh(softplus(x)).",
            label="wrong_operand",
            line="sig = 1 / (1 + np.exp(-t))",
        ),
    ],
    right=[
        Right(
            "closed form",
            old="""    sig = 1 / (1 + np.exp(-x))
    dt = dy * scale * x
    dsp = dt * (1 - t * t)
    dx = dy * scale * t + dsp * sig
""",
            new="""    e = np.exp(x)
    omega = 4 * (x + 1) + 4 * e**2 + e**3 + e * (4 * x + 6)
    delta = 2 * e + e**2 + 2
    dx = dy * scale * e * omega / delta**2
""",
        ),
        Right(
            "far to the left",
            problem=far,
            difficult=True,
        ),
    ],
)
