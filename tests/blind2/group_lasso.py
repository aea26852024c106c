"""Linear regression with a group lasso penalty on the rows of the weights."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(X, W, Y, lam):
    R = X @ W - Y
    norms = np.sqrt((W**2).sum(axis=1))
    loss = 0.5 * (R**2).mean() + lam * np.sqrt(W.shape[1]) * norms.sum()
    return loss, (X, W, R, norms, lam)


def backward(dloss, cache):
    X, W, R, norms, lam = cache
    dR = dloss * R / R.size
    dX = dR @ W.T
    dW = X.T @ dR
    dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / norms[:, None]
    return dX, dW
"""


def problem(rng, size=0):
    n, d, k = ((5, 4, 4), (4, 3, 2))[size]
    return {"X": rng.normal(size=(n, d)), "W": rng.normal(size=(d, k))}, (rng.normal(size=(n, k)), 0.2)


def nearly_zero(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["W"][0] *= 1e-6
    return inputs, constants


FAMILY = Family(
    name="group_lasso",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "norms of columns",
            old="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / norms[:, None]",
            new="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / norms",
            cause="The groups are the rows, and the norms are put to the columns.",
            label="wrong_axis",
            line="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / norms",
        ),
        Wrong(
            "squared penalty's gradient",
            old="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / norms[:, None]",
            new="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W",
            cause="The penalty is a norm, not its square, and the division by it is missing.",
            label="missing_derivative",
            line="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W",
        ),
        Wrong(
            "group size as two",
            old="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / norms[:, None]",
            new="dW = dW + dloss * lam * 2.0 * W / norms[:, None]",
            cause="The root of the group's size is written as a number.",
            label="hard_coded_size",
            line="dW = dW + dloss * lam * 2.0 * W / norms[:, None]",
            shows="second_size",
        ),
        Wrong(
            "mean per example",
            old="dR = dloss * R / R.size",
            new="dR = dloss * R / len(R)",
            cause="The error is a mean over all entries, and it is divided by the number of examples.",
            label="factor",
            line="dR = dloss * R / len(R)",
        ),
        Wrong(
            "small norms guarded",
            old="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / norms[:, None]",
            new="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / np.maximum(norms, 1e-4)[:, None]",
            cause="A norm of about a millionth is raised to 1e-4, which forward does not do.",
            label="precision",
            line="dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / np.maximum(norms, 1e-4)[:, None]",
            problem=nearly_zero,
        ),
    ],
    right=[
        Right(
            "unit rows",
            old="    dW = dW + dloss * lam * np.sqrt(W.shape[1]) * W / norms[:, None]\n",
            new="    unit = np.array([row / np.linalg.norm(row) for row in W])\n"
            "    dW += dloss * lam * W.shape[1] ** 0.5 * unit\n",
        ),
        Right(
            "a group of nearly zero",
            problem=nearly_zero,
            difficult=True,
        ),
    ],
)
