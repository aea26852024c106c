"""Elementwise functions: SELU of one input times the swish of another."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np

ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805


def forward(a, b):
    u = SCALE * np.where(a > 0, a, ALPHA * (np.exp(np.minimum(a, 0)) - 1))
    s = 1 / (1 + np.exp(-b))
    v = b * s
    return u * v, (a, b, u, s, v)


def backward(dy, cache):
    a, b, u, s, v = cache
    du = dy * v
    dv = dy * u
    da = du * np.where(a > 0, SCALE, u + SCALE * ALPHA)
    db = dv * (s + b * s * (1 - s))
    return da, db
"""


def problem(rng, size=0):
    shape = ((4, 4), (3, 6))[size]
    a = rng.normal(size=shape)
    return {"a": a + 0.05 * np.sign(a), "b": rng.normal(size=shape)}, ()


def at_zero(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["a"][0] = 0.0
    return inputs, constants


FAMILY = Family(
    name="elementwise_mix",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "scale left out above zero",
            old="da = du * np.where(a > 0, SCALE, u + SCALE * ALPHA)",
            new="da = du * np.where(a > 0, 1.0, u + SCALE * ALPHA)",
            cause="Above zero the slope is the scale, and it is taken as one.",
            label="wrong_constant",
            line="da = du * np.where(a > 0, 1.0, u + SCALE * ALPHA)",
        ),
        Wrong(
            "alpha without the scale",
            old="da = du * np.where(a > 0, SCALE, u + SCALE * ALPHA)",
            new="da = du * np.where(a > 0, SCALE, u + ALPHA)",
            cause="Below zero the slope has alpha times the scale, and the scale is left out.",
            label="wrong_constant",
            line="da = du * np.where(a > 0, SCALE, u + ALPHA)",
        ),
        Wrong(
            "swish's second term",
            old="db = dv * (s + b * s * (1 - s))",
            new="db = dv * s",
            cause="The derivative of the sigmoid inside the swish is missing.",
            label="missing_term",
            line="db = dv * s",
        ),
        Wrong(
            "alpha rounded",
            old="da = du * np.where(a > 0, SCALE, u + SCALE * ALPHA)",
            new="da = du * np.where(a > 0, SCALE, u + SCALE * 1.673)",
            cause="Alpha is rounded to four digits in backward.",
            label="precision",
            line="da = du * np.where(a > 0, SCALE, u + SCALE * 1.673)",
            effect=1e-5,
        ),
        Wrong(
            "product's other factor",
            old="du = dy * v",
            new="du = dy * u",
            cause="In a product each factor gets the other one, and here it gets itself.",
            label="wrong_operand",
            line="du = dy * u",
        ),
        Wrong(
            "output for input in the swish",
            old="db = dv * (s + b * s * (1 - s))",
            new="db = dv * (s + v * s * (1 - s))",
            cause="The sigmoid's derivative is multiplied by the swish, and should be by its input.",
            label="wrong_operand",
            line="db = dv * (s + v * s * (1 - s))",
        ),
    ],
    right=[
        Right(
            "swish from its own value",
            old="db = dv * (s + b * s * (1 - s))",
            new="db = dv * (v + s * (1 - v))",
        ),
        Right(
            "exponential recomputed",
            old="    da = du * np.where(a > 0, SCALE, u + SCALE * ALPHA)\n",
            new="""    da = du.copy()
    low = a <= 0
    da[low] *= ALPHA * np.exp(a[low])
    da *= SCALE
""",
        ),
        Right(
            "at the kink",
            problem=at_zero,
            kink=True,
        ),
    ],
)
