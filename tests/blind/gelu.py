"""GELU in the tanh form, behind a dense layer."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np

C = np.sqrt(2 / np.pi)


def forward(x, W, b):
    h = x @ W + b
    t = np.tanh(C * (h + 0.044715 * h**3))
    y = 0.5 * h * (1 + t)
    return y, (x, W, h, t)


def backward(dy, cache):
    x, W, h, t = cache
    du = C * (1 + 3 * 0.044715 * h**2)
    dt = (1 - t**2) * du
    dh = dy * (0.5 * (1 + t) + 0.5 * h * dt)
    return dh @ W.T, x.T @ dh, dh.sum(axis=0)
"""


def problem(rng, size=0):
    n, i, o = ((4, 3, 5), (6, 2, 3))[size]
    return {"x": rng.normal(size=(n, i)), "W": rng.normal(size=(i, o)), "b": rng.normal(size=o)}, ()


FAMILY = Family(
    name="gelu",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "three forgotten",
            old="du = C * (1 + 3 * 0.044715 * h**2)",
            new="du = C * (1 + 0.044715 * h**2)",
            cause="The cube's derivative is 3 h**2; the 3 is missing.",
            label="factor",
            line="du = C * (1 + 0.044715 * h**2)",
        ),
        Wrong(
            "digits of the constant",
            old="du = C * (1 + 3 * 0.044715 * h**2)",
            new="du = C * (1 + 0.134 * h**2)",
            cause="Three times 0.044715 is 0.134145, rounded here to 0.134.",
            label="wrong_constant",
            line="du = C * (1 + 0.134 * h**2)",
            effect=1e-5,
        ),
        Wrong(
            "derivative of the sigmoid form",
            old="    dh = dy * (0.5 * (1 + t) + 0.5 * h * dt)",
            new="    s = 1 / (1 + np.exp(-1.702 * h))\n    dh = dy * (s + 1.702 * h * s * (1 - s))",
            cause="The derivative is that of h times sigmoid(1.702 h), but forward has the tanh form.",
            label="wrong_constant",
            line="dh = dy * (s + 1.702 * h * s * (1 - s))",
            fair=("s = 1 / (1 + np.exp(-1.702 * h))",),
        ),
        Wrong(
            "only the gate is differentiated",
            old="dh = dy * (0.5 * (1 + t) + 0.5 * h * dt)",
            new="dh = dy * (0.5 * h * dt)",
            cause="The product rule's other half is missing: h is also a factor of its own.",
            label="missing_term",
            line="dh = dy * (0.5 * h * dt)",
        ),
    ],
    right=[
        Right(
            "with the hyperbolic cosine",
            old="dt = (1 - t**2) * du",
            new="dt = du / np.cosh(C * (h + 0.044715 * h**3)) ** 2",
        ),
        Right(
            "0.134145 written out, in place",
            old="""    du = C * (1 + 3 * 0.044715 * h**2)
    dt = (1 - t**2) * du
    dh = dy * (0.5 * (1 + t) + 0.5 * h * dt)
""",
            new="""    dh = h * h
    dh *= 0.134145
    dh += 1
    dh *= C * h * (1 - t) * (1 + t)
    dh += 1 + t
    dh *= 0.5
    dh *= dy
""",
        ),
    ],
)
