"""Huber (smooth L1) loss of a linear regression with sample weights."""

import numpy as np

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(w, b, X, y, weights, delta):
    r = X @ w + b - y
    small = np.abs(r) <= delta
    losses = np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta))
    loss = np.average(losses, weights=weights)
    return loss, (X, r, small, weights, delta)


def backward(dloss, cache):
    X, r, small, weights, delta = cache
    dlosses = dloss * weights / weights.sum()
    dr = np.where(small, r, delta * np.sign(r)) * dlosses
    dw = X.T @ dr
    db = dr.sum()
    return dw, db
"""


def problem(rng, size=0):
    n, d = ((8, 3), (12, 2))[size]
    inputs = {"w": rng.normal(size=d), "b": np.array(rng.normal())}
    return inputs, (rng.normal(size=(n, d)), rng.normal(size=n), 0.5 + rng.random(n), 0.9)


FAMILY = Family(
    name="huber",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "slope one outside",
            old="dr = np.where(small, r, delta * np.sign(r)) * dlosses",
            new="dr = np.where(small, r, np.sign(r)) * dlosses",
            cause="Outside of delta the slope is delta times the sign, not the sign.",
            label="factor",
            line="dr = np.where(small, r, np.sign(r)) * dlosses",
        ),
        Wrong(
            "branches exchanged",
            old="dr = np.where(small, r, delta * np.sign(r)) * dlosses",
            new="dr = np.where(~small, r, delta * np.sign(r)) * dlosses",
            cause="The quadratic and the linear branch are exchanged.",
            label="mask",
            line="dr = np.where(~small, r, delta * np.sign(r)) * dlosses",
        ),
        Wrong(
            "weights not normalised",
            old="dlosses = dloss * weights / weights.sum()",
            new="dlosses = dloss * weights / len(weights)",
            cause="The weighted mean divides by the sum of the weights, not by their number.",
            label="factor",
            line="dlosses = dloss * weights / len(weights)",
        ),
        Wrong(
            "no sign",
            old="dr = np.where(small, r, delta * np.sign(r)) * dlosses",
            new="dr = np.where(small, r, delta) * dlosses",
            cause="The linear branch has the same slope on both sides.",
            label="sign",
            line="dr = np.where(small, r, delta) * dlosses",
        ),
    ],
    right=[
        Right(
            "clipped residual, which is Huber's slope",
            old="dr = np.where(small, r, delta * np.sign(r)) * dlosses",
            new="dr = np.clip(r, -delta, delta) * dlosses",
        ),
        Right(
            "bias as a column of ones",
            old="""    dw = X.T @ dr
    db = dr.sum()
    return dw, db
""",
            new="    *dw, db = np.column_stack([X, np.ones(len(X))]).T @ dr\n    return np.array(dw), db\n",
        ),
    ],
)
