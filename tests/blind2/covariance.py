"""Correlation matrix of the columns of a data set."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(X):
    n = len(X)
    Xc = X - X.mean(axis=0)
    C = Xc.T @ Xc / (n - 1)
    s = np.sqrt(np.diag(C))
    R = C / np.outer(s, s)
    return R, (Xc, C, s, R)


def backward(dR, cache):
    Xc, C, s, R = cache
    n = len(Xc)
    dC = dR / np.outer(s, s)
    ds = -((dR + dR.T) * R).sum(axis=1) / s
    dC[np.diag_indices(len(s))] += ds / (2 * s)
    dXc = Xc @ (dC + dC.T) / (n - 1)
    dX = dXc - dXc.mean(axis=0)
    return dX
"""


def problem(rng, size=0):
    n, d = ((5, 4), (6, 3))[size]
    return {"X": rng.normal(size=(n, d))}, ()


def shifted(rng, size=0):
    inputs, constants = problem(rng, size)
    return {"X": inputs["X"] * np.logspace(-3, 2, inputs["X"].shape[1]) + 50}, constants


FAMILY = Family(
    name="covariance",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "gradient not symmetrised",
            old="dXc = Xc @ (dC + dC.T) / (n - 1)",
            new="dXc = Xc @ dC / (n - 1)",
            cause="The data stand in the covariance twice, and one of the two is left out.",
            label="factor",
            line="dXc = Xc @ dC / (n - 1)",
        ),
        Wrong(
            "symmetric gradient assumed",
            old="ds = -((dR + dR.T) * R).sum(axis=1) / s",
            new="ds = -(2 * dR * R).sum(axis=1) / s",
            cause="The gradient is doubled, which is right only for a symmetric one.",
            label="fused_formula",
            line="ds = -(2 * dR * R).sum(axis=1) / s",
        ),
        Wrong(
            "n for n - 1",
            old="dXc = Xc @ (dC + dC.T) / (n - 1)",
            new="dXc = Xc @ (dC + dC.T) / n",
            cause="The covariance is divided by n - 1, and its gradient by n.",
            label="wrong_constant",
            line="dXc = Xc @ (dC + dC.T) / n",
        ),
        Wrong(
            "deviations taken as given",
            old="    dC[np.diag_indices(len(s))] += ds / (2 * s)\n    dXc = Xc @ (dC + dC.T) / (n - 1)\n",
            new="    dXc = Xc @ (dC + dC.T) / (n - 1)\n",
            cause="The deviations depend on the data, and their route is missing.",
            label="missing_term",
            line="dC = dR / np.outer(s, s)",
            fair=("dXc = Xc @ (dC + dC.T) / (n - 1)",),
        ),
        Wrong(
            "root's derivative",
            old="dC[np.diag_indices(len(s))] += ds / (2 * s)",
            new="dC[np.diag_indices(len(s))] += ds",
            cause="The deviation is the root of the variance, and the root's derivative is left out.",
            label="missing_derivative",
            line="dC[np.diag_indices(len(s))] += ds",
        ),
        Wrong(
            "centring scaled",
            old="dXc = Xc @ (dC + dC.T) / (n - 1)",
            new="dXc = Xc @ dC / n",
            cause="The covariance's gradient is divided by n, and only half of it is counted.",
            label="two_mistakes",
            line="dXc = Xc @ dC / n",
        ),
    ],
    right=[
        Right(
            "standardised data",
            old="""    dC = dR / np.outer(s, s)
    ds = -((dR + dR.T) * R).sum(axis=1) / s
    dC[np.diag_indices(len(s))] += ds / (2 * s)
    dXc = Xc @ (dC + dC.T) / (n - 1)
    dX = dXc - dXc.mean(axis=0)
""",
            new="""    Z = Xc / s
    dZ = Z @ (dR + dR.T) / (n - 1)
    dX = (dZ - dZ.mean(axis=0) - Z * (dZ * Z).sum(axis=0) / (n - 1)) / s
""",
        ),
        Right(
            "columns of other sizes, far from zero",
            problem=shifted,
            difficult=True,
        ),
    ],
)
