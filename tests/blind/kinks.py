"""Piecewise functions exactly at their kinks, where any value between the one-sided derivatives is right."""

import numpy as np

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, b):
    z = x + b
    y = np.maximum(z, 0)
    return y, z


def backward(dy, z):
    dz = dy * (z > 0)
    return dz, dz.sum(axis=0)
"""

ABSOLUTE = """
import numpy as np


def forward(x):
    return np.abs(x), np.sign(x)


def backward(dy, sign):
    dx = dy * sign
    return dx
"""

MAXIMUM = """
import numpy as np


def forward(x):
    top = x.max(axis=1)
    return top, x == top[:, None]


def backward(dy, winners):
    dx = winners * (dy / winners.sum(axis=1))[:, None]
    return dx
"""

FIRST = """
import numpy as np


def forward(x):
    where = x.argmax(axis=1)
    return x[np.arange(len(x)), where], (where, x.shape)


def backward(dy, cache):
    where, shape = cache
    dx = np.zeros(shape)
    dx[np.arange(len(where)), where] = dy
    return dx
"""

CLIP = """
import numpy as np


def forward(x):
    return np.clip(x, -1, 1), x


def backward(dy, x):
    inside = (x >= -1) & (x <= 1)
    dx = dy * inside
    return dx
"""


def problem(rng, size=0):
    n, d = ((5, 3), (3, 4))[size]
    x = rng.normal(size=(n, d))
    b = np.round(rng.normal(size=d), 1)
    x[1] = -b
    x[2, 0] = -b[0]
    return {"x": x, "b": b}, ()


def some_zeros(rng, size=0):
    x = rng.normal(size=(4, 3))
    x[rng.random(x.shape) < 0.4] = 0
    x[0, 0] = 0
    return {"x": x}, ()


def ties(rng, size=0):
    x = rng.integers(3, size=(5, 4)).astype(float)
    x[0] = 2.0
    return {"x": x}, ()


def borders(rng, size=0):
    x = rng.normal(size=(3, 4))
    x[0, :2] = 1, -1
    return {"x": x}, ()


def away(rng, size=0):
    x = rng.normal(size=(3, 4))
    return {"x": x + 0.1 * np.sign(x)}, ()


FAMILY = Family(
    name="kinks",
    source=SOURCE,
    problem=problem,
    kink=True,
    people=False,
    wrong=[
        Wrong(
            "absolute value without its sign",
            base=ABSOLUTE,
            old="dx = dy * sign",
            new="dx = dy * np.abs(sign)",
            cause="The sign is lost: left of zero the absolute value falls.",
            label="sign",
            line="dx = dy * np.abs(sign)",
            problem=away,
        ),
        Wrong(
            "clip that lets everything through",
            base=CLIP,
            old="inside = (x >= -1) & (x <= 1)",
            new="inside = (x >= -1) | (x <= 1)",
            cause="The two conditions are joined by or, so they always hold.",
            label="mask",
            line="inside = (x >= -1) | (x <= 1)",
            problem=away,
        ),
        Wrong(
            "divided by the columns, not by the winners",
            base=MAXIMUM,
            old="dx = winners * (dy / winners.sum(axis=1))[:, None]",
            new="dx = dy[:, None] * winners / winners.shape[1]",
            cause="The gradient is divided by the number of columns, not by that of the winners.",
            label="factor",
            line="dx = dy[:, None] * winners / winners.shape[1]",
            problem=away,
        ),
    ],
    right=[
        Right("one at zero", old="dz = dy * (z > 0)", new="dz = dy * (z >= 0)", kink=True),
        Right("one half at zero", old="dz = dy * (z > 0)", new="dz = dy * np.heaviside(z, 0.5)", kink=True),
        Right("absolute value at zero", source=ABSOLUTE, problem=some_zeros, kink=True),
        Right("ties share", source=MAXIMUM, problem=ties, kink=True),
        Right("ties: the first takes all", source=FIRST, problem=ties, kink=True),
        Right("clip, at its borders", source=CLIP, problem=borders, kink=True),
    ],
)
