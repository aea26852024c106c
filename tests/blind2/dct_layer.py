"""Discrete cosine transform of the rows, learned weights for the coefficients, and the inverse transform."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def basis(n):
    k, i = np.mgrid[:n, :n]
    C = np.cos(np.pi * k * (2 * i + 1) / (2 * n)) * np.sqrt(2 / n)
    C[0] /= np.sqrt(2)
    return C


def forward(x, w):
    C = basis(x.shape[1])
    coef = x @ C.T
    y = (coef * w) @ C
    return y, (coef, w, C)


def backward(dy, cache):
    coef, w, C = cache
    dscaled = dy @ C.T
    dw = (dscaled * coef).sum(axis=0)
    dcoef = dscaled * w
    dx = dcoef @ C
    return dx, dw
"""


def problem(rng, size=0):
    n, d = ((4, 4), (3, 6))[size]
    return {"x": rng.normal(size=(n, d)), "w": rng.normal(size=d)}, ()


FAMILY = Family(
    name="dct_layer",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "inverse transform used once more",
            old="dscaled = dy @ C.T",
            new="dscaled = dy @ C",
            cause="The inverse transform should be transposed on the way back.",
            label="transpose",
            line="dscaled = dy @ C",
        ),
        Wrong(
            "weights' gradient before the transform",
            old="dw = (dscaled * coef).sum(axis=0)",
            new="dw = (dy * coef).sum(axis=0)",
            cause="The weights multiply coefficients, and the gradient of the image rows is used.",
            label="wrong_operand",
            line="dw = (dy * coef).sum(axis=0)",
        ),
        Wrong(
            "weights twice",
            old="dcoef = dscaled * w",
            new="dcoef = dscaled * w * w",
            cause="The weights are applied to the gradient twice.",
            label="extra_term",
            line="dcoef = dscaled * w * w",
        ),
        Wrong(
            "basis of four",
            old="dcoef = dscaled * w",
            new="dcoef = dscaled * w * 2 / np.sqrt(C.shape[0])",
            cause="The gradient is scaled by the root of 4 over the root of the length.",
            label="hard_coded_size",
            line="dcoef = dscaled * w * 2 / np.sqrt(C.shape[0])",
            shows="second_size",
        ),
        Wrong(
            "mean over the rows",
            old="dw = (dscaled * coef).sum(axis=0)",
            new="dw = (dscaled * coef).mean(axis=0)",
            cause="The weights are shared by the rows, and their gradients should be added, not averaged.",
            label="factor",
            line="dw = (dscaled * coef).mean(axis=0)",
        ),
    ],
    right=[
        Right(
            "one matrix",
            old="    dcoef = dscaled * w\n    dx = dcoef @ C\n",
            new="    dx = dy @ (C.T * w @ C)\n",
        ),
        Right(
            "einsum",
            old="dw = (dscaled * coef).sum(axis=0)",
            new='dw = np.einsum("ni,ki,nk->k", dy, C, coef)',
        ),
    ],
)
