"""Linear support vector machine with two classes, squared hinge and a penalty."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(X, w, b, t, C):
    margin = 1 - t * (X @ w + b)
    slack = np.maximum(margin, 0)
    loss = 0.5 * w @ w + C * (slack**2).sum()
    return loss, (X, w, t, C, slack)


def backward(g, cache):
    X, w, t, C, slack = cache
    ds = 2 * C * slack * g
    df = -t * ds
    dw = g * w + X.T @ df
    db = df.sum(keepdims=True)
    dX = df[:, None] * w
    return dX, dw, db
"""


def problem(rng, size=0):
    n, d = ((4, 4), (6, 3))[size]
    return {"X": rng.normal(size=(n, d)), "w": rng.normal(size=d), "b": rng.normal(size=1)}, (
        np.where(np.arange(n) % 2, 1, -1),
        0.7,
    )


FAMILY = Family(
    name="linear_svm",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "labels left out",
            old="df = -t * ds",
            new="df = -ds",
            cause="The label's sign belongs in the gradient of the decision value.",
            label="sign",
            line="df = -ds",
        ),
        Wrong(
            "hinge in the place of its square",
            old="ds = 2 * C * slack * g",
            new="ds = C * (slack > 0) * g",
            cause="The slack is squared in forward, and the gradient is that of the slack itself.",
            label="missing_derivative",
            line="ds = C * (slack > 0) * g",
        ),
        Wrong(
            "penalty missing",
            old="dw = g * w + X.T @ df",
            new="dw = X.T @ df",
            cause="The penalty's gradient, w, is missing.",
            label="missing_term",
            line="dw = X.T @ df",
        ),
        Wrong(
            "trade-off forgotten",
            old="ds = 2 * C * slack * g",
            new="ds = 2 * slack * g",
            cause="The constant in front of the slacks is left out.",
            label="wrong_constant",
            line="ds = 2 * slack * g",
        ),
    ],
    right=[
        Right(
            "support vectors only",
            old="    df = -t * ds\n    dw = g * w + X.T @ df\n",
            new="""    df = -t * ds
    active = np.flatnonzero(slack)
    dw = g * w + df[active] @ X[active]
""",
        ),
        Right(
            "outer product",
            old="dX = df[:, None] * w",
            new="dX = np.outer(df, w)",
        ),
    ],
)
