"""A small network through sigmoid, tanh and ReLU, one after the other."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, w1, w2):
    a = x * w1
    s = 1 / (1 + np.exp(-a))
    c = (s - 0.5) * w2
    t = np.tanh(c)
    y = np.maximum(t, 0)
    return y, (x, w1, w2, s, t)


def backward(dy, cache):
    x, w1, w2, s, t = cache
    dt = dy * (t > 0)
    dc = dt * (1 - t**2)
    ds = dc * w2
    dw2 = (dc * (s - 0.5)).sum(axis=0)
    da = ds * s * (1 - s)
    dw1 = (da * x).sum(axis=0)
    dx = da * w1
    return dx, dw1, dw2
"""


def problem(rng, size=0):
    n, d = ((6, 4), (3, 7))[size]
    return {"x": rng.normal(size=(n, d)), "w1": rng.normal(size=d) + 1, "w2": rng.normal(size=d) * 2}, ()


FAMILY = Family(
    name="activations",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "ReLU forgotten",
            old="dt = dy * (t > 0)",
            new="dt = dy",
            cause="The rectifier's derivative is missing.",
            label="missing_derivative",
            line="dt = dy",
        ),
        Wrong(
            "tanh not squared",
            old="dc = dt * (1 - t**2)",
            new="dc = dt * (1 - t)",
            cause="The derivative of tanh is one minus its square, not one minus itself.",
            label="missing_derivative",
            line="dc = dt * (1 - t)",
        ),
        Wrong(
            "sigmoid of the input",
            old="da = ds * s * (1 - s)",
            new="da = ds * x * (1 - x)",
            cause="The sigmoid's derivative is taken in its input, not in its value.",
            label="wrong_operand",
            line="da = ds * x * (1 - x)",
        ),
        Wrong(
            "ReLU upside down",
            old="dt = dy * (t > 0)",
            new="dt = dy * (t < 0)",
            cause="The rectifier passes the gradient where the value was negative.",
            label="mask",
            line="dt = dy * (t < 0)",
        ),
        Wrong(
            "first weight's gradient without the sigmoid's derivative",
            old="dw1 = (da * x).sum(axis=0)",
            new="dw1 = (ds * x).sum(axis=0)",
            cause="The gradient is taken before it has gone through the sigmoid.",
            label="wrong_operand",
            line="dw1 = (ds * x).sum(axis=0)",
        ),
        Wrong(
            "batch averaged",
            old="dw2 = (dc * (s - 0.5)).sum(axis=0)",
            new="dw2 = (dc * (s - 0.5)).mean(axis=0)",
            cause="The weight is shared by the batch: its gradient is a sum.",
            label="factor",
            line="dw2 = (dc * (s - 0.5)).mean(axis=0)",
        ),
    ],
    right=[
        Right(
            "chain in place on one array",
            old="""    dt = dy * (t > 0)
    dc = dt * (1 - t**2)
    ds = dc * w2
    dw2 = (dc * (s - 0.5)).sum(axis=0)
    da = ds * s * (1 - s)
""",
            new="""    da = np.where(t > 0, dy, 0.0)
    da *= 1 - t * t
    dw2 = np.einsum("nd,nd->d", da, s - 0.5)
    da *= w2
    da *= s
    da *= 1 - s
""",
        ),
        Right("Heaviside", old="dt = dy * (t > 0)", new="dt = dy * np.heaviside(t, 0.5)"),
    ],
)
