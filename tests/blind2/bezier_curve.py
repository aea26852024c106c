"""Points on a Bezier curve at learned parameters, from control points by Bernstein polynomials."""

from blind import Family, Right, Wrong

SOURCE = """
from math import comb

import numpy as np


def bernstein(n, t):
    return np.stack([comb(n, k) * t**k * (1 - t) ** (n - k) for k in range(n + 1)], axis=1)


def forward(t, P):
    B = bernstein(len(P) - 1, t)
    return B @ P, (t, P, B)


def backward(dy, cache):
    t, P, B = cache
    n = len(P) - 1
    dP = B.T @ dy
    dB = dy @ P.T
    slopes = np.zeros_like(B)
    lower = bernstein(n - 1, t)
    slopes[:, 1:] += n * lower
    slopes[:, :-1] -= n * lower
    dt = (dB * slopes).sum(axis=1)
    return dt, dP
"""


def problem(rng, size=0):
    m, n, d = ((4, 4, 2), (5, 3, 3))[size]
    return {"t": rng.uniform(0.05, 0.95, size=m), "P": rng.normal(size=(n, d))}, ()


FAMILY = Family(
    name="bezier_curve",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "degree missing",
            old="    slopes[:, 1:] += n * lower\n    slopes[:, :-1] -= n * lower\n",
            new="    slopes[:, 1:] += lower\n    slopes[:, :-1] -= lower\n",
            cause="A Bernstein polynomial's derivative has the degree in front, in both parts.",
            label="factor",
            line="slopes[:, 1:] += lower",
            fair=("slopes[:, :-1] -= lower",),
        ),
        Wrong(
            "neighbours the wrong way round",
            old="    slopes[:, 1:] += n * lower\n    slopes[:, :-1] -= n * lower\n",
            new="    slopes[:, :-1] += n * lower\n    slopes[:, 1:] -= n * lower\n",
            cause="The shift by one index goes in the wrong direction.",
            label="off_by_one",
            line="slopes[:, :-1] += n * lower",
            fair=("slopes[:, 1:] -= n * lower",),
        ),
        Wrong(
            "number of points for the degree",
            old="slopes[:, :-1] -= n * lower",
            new="slopes[:, :-1] -= len(P) * lower",
            cause="The degree is one less than the number of control points.",
            label="wrong_constant",
            line="slopes[:, :-1] -= len(P) * lower",
        ),
        Wrong(
            "product rule, one factor",
            old="    slopes[:, :-1] -= n * lower\n    dt = (dB * slopes).sum(axis=1)\n",
            new="    dt = (dB * slopes).sum(axis=1)\n",
            cause="The factor that falls with the parameter is taken as constant.",
            label="missing_term",
            line="slopes[:, 1:] += n * lower",
            fair=("dt = (dB * slopes).sum(axis=1)",),
        ),
        Wrong(
            "points' mean",
            old="    dt = (dB * slopes).sum(axis=1)\n",
            new="    dt = (dB * slopes).sum(axis=1)\n    dt = dt - dt.mean()\n",
            cause="The parameter's gradient is centred, which nothing in forward asks for.",
            label="extra_term",
            line="dt = dt - dt.mean()",
        ),
    ],
    right=[
        Right(
            "hodograph",
            old="""    dB = dy @ P.T
    slopes = np.zeros_like(B)
    lower = bernstein(n - 1, t)
    slopes[:, 1:] += n * lower
    slopes[:, :-1] -= n * lower
    dt = (dB * slopes).sum(axis=1)
""",
            new="    velocity = n * bernstein(n - 1, t) @ np.diff(P, axis=0)\n"
            '    dt = np.einsum("md,md->m", dy, velocity)\n',
        ),
        Right(
            "product rule",
            old="""    lower = bernstein(n - 1, t)
    slopes[:, 1:] += n * lower
    slopes[:, :-1] -= n * lower
""",
            new="    for k in range(n + 1):\n        slopes[:, k] = B[:, k] * (k / t - (n - k) / (1 - t))\n",
        ),
    ],
)
