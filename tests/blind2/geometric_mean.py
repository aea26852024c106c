"""Weighted geometric mean of positive entries, with weights from a softmax."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, a):
    e = np.exp(a - a.max())
    w = e / e.sum()
    logs = np.log(x)
    y = np.exp(logs @ w)
    return y, (x, w, logs, y)


def backward(dy, cache):
    x, w, logs, y = cache
    ds = dy * y
    dlogs = np.outer(ds, w)
    dx = dlogs / x
    dw = logs.T @ ds
    da = w * (dw - w @ dw)
    return dx, da
"""


def problem(rng, size=0):
    n, d = ((4, 4), (3, 6))[size]
    return {"x": np.exp(rng.normal(size=(n, d))), "a": rng.normal(size=d)}, ()


def wide(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["x"] = inputs["x"] ** 9
    return inputs, constants


FAMILY = Family(
    name="geometric_mean",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "logarithm's derivative missing",
            old="dx = dlogs / x",
            new="dx = dlogs",
            cause="The division by the entries is missing.",
            label="missing_derivative",
            line="dx = dlogs",
        ),
        Wrong(
            "exponential's derivative missing",
            old="ds = dy * y",
            new="ds = dy",
            cause="The exponential's derivative, the mean itself, is missing.",
            label="missing_derivative",
            line="ds = dy",
        ),
        Wrong(
            "entries for their logarithms",
            old="dw = logs.T @ ds",
            new="dw = x.T @ ds",
            cause="The weights multiply logarithms, and the entries are used.",
            label="wrong_operand",
            line="dw = x.T @ ds",
        ),
        Wrong(
            "softmax's diagonal only",
            old="da = w * (dw - w @ dw)",
            new="da = w * (1 - w) * dw",
            cause="Only the diagonal of the softmax's Jacobian is used.",
            label="fused_formula",
            line="da = w * (1 - w) * dw",
        ),
        Wrong(
            "equal weights",
            old="dlogs = np.outer(ds, w)",
            new="dlogs = np.outer(ds, np.full(len(w), 1 / len(w)))",
            cause="The weights of the mean are taken to be equal.",
            label="wrong_constant",
            line="dlogs = np.outer(ds, np.full(len(w), 1 / len(w)))",
        ),
    ],
    right=[
        Right(
            "ratio of mean and entries",
            old="    dlogs = np.outer(ds, w)\n    dx = dlogs / x\n",
            new="    dx = dy[:, None] * w * (y[:, None] / x)\n",
        ),
        Right(
            "centred logarithms",
            old="    dw = logs.T @ ds\n    da = w * (dw - w @ dw)\n",
            new="    centred = logs - (logs @ w)[:, None]\n    da = w * (ds @ centred)\n",
        ),
        Right(
            "entries over many orders of magnitude",
            problem=wide,
            difficult=True,
        ),
    ],
)
