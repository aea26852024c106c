"""Logistic regression with an L2 penalty on the weights and an L1-like one that is smooth."""

import numpy as np

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(W, b, X, y, lam, rho):
    n = len(y)
    z = X @ W + b
    data = np.mean(np.logaddexp(0, z) - y * z)
    soft = np.sqrt(W**2 + 1e-4)
    penalty = 0.5 * lam * np.sum(W**2) + rho * np.sum(soft)
    return data + penalty, (W, X, y, z, soft, lam, rho)


def backward(dloss, cache):
    W, X, y, z, soft, lam, rho = cache
    p = 1 / (1 + np.exp(-z))
    dz = (p - y) / len(y)
    dW = X.T @ dz
    dW += lam * W
    dW += rho * W / soft
    db = dz.sum()
    return dloss * dW, dloss * db
"""


def problem(rng, size=0):
    n, d = ((7, 4), (5, 3))[size]
    inputs = {"W": rng.normal(size=d), "b": np.array(rng.normal())}
    return inputs, (rng.normal(size=(n, d)), (rng.random(n) < 0.5).astype(float), 0.3, 0.2)


def weak(rng, size=0):
    inputs, constants = problem(rng, size)
    return inputs, (*constants[:2], 1e-5, 0.2)


FAMILY = Family(
    name="ridge",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "penalty not in the gradient",
            old="    dW += lam * W\n",
            new="",
            cause="The loss has an L2 penalty; its gradient is missing.",
            label="missing_term",
            line="dW += rho * W / soft",
            fair=("dW = X.T @ dz", "return dloss * dW, dloss * db"),
        ),
        Wrong(
            "two for the half",
            old="dW += lam * W",
            new="dW += 2 * lam * W",
            cause="The penalty has a half in front, so its derivative has no two.",
            label="factor",
            line="dW += 2 * lam * W",
        ),
        Wrong(
            "weak penalty divided by the batch",
            old="dW += lam * W",
            new="dW += lam * W / len(y)",
            cause="The penalty is not averaged over the batch; with a weak one that hardly shows.",
            label="factor",
            line="dW += lam * W / len(y)",
            problem=weak,
            effect=2e-6,
        ),
        Wrong(
            "bias penalised",
            old="db = dz.sum()",
            new="db = dz.sum() + lam * W.mean()",
            cause="The bias has no penalty in the loss.",
            label="extra_term",
            line="db = dz.sum() + lam * W.mean()",
        ),
        Wrong(
            "weights decayed in place",
            old="    dW += lam * W\n    dW += rho * W / soft\n",
            new="""    dW += rho * W / soft
    W *= lam
    dW += W
""",
            cause="The weights themselves are multiplied by the penalty's strength, in place.",
            label="overwrite",
            line="W *= lam",
            shows="input_changed",
        ),
    ],
    right=[
        Right(
            "everything in one expression",
            old="""    dW = X.T @ dz
    dW += lam * W
    dW += rho * W / soft
""",
            new="    dW = (p - y) @ X / len(y) + W * (lam + rho / soft)\n",
        ),
        Right(
            "derivative from labels of one and minus one",
            old="    p = 1 / (1 + np.exp(-z))\n    dz = (p - y) / len(y)\n",
            new="    s = 2 * y - 1\n    dz = -s / (1 + np.exp(s * z)) / len(y)\n",
        ),
    ],
)
