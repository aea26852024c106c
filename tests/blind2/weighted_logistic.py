"""Logistic regression on logits, with a weight for each of the two classes."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, w, b, t, pos_weight):
    logit = x @ w + b
    softplus = np.logaddexp(0, -logit)
    weight = 1 + (pos_weight - 1) * t
    loss = np.mean((1 - t) * logit + weight * softplus)
    return loss, (x, w, t, weight, logit)


def backward(g, cache):
    x, w, t, weight, logit = cache
    s = 1 / (1 + np.exp(-logit))
    delta = g / t.size * ((1 - t) - weight * (1 - s))
    grad_x = np.outer(delta, w)
    grad_w = delta @ x
    grad_b = np.array([delta.sum()])
    return grad_x, grad_w, grad_b
"""


def problem(rng, size=0):
    n, d = ((5, 5), (4, 3))[size]
    inputs = {"x": rng.normal(size=(n, d)), "w": rng.normal(size=d), "b": rng.normal(size=1)}
    return inputs, (np.arange(n) % 2, 2.5)


def confident(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["x"] = 9 * inputs["x"]
    return inputs, constants


FAMILY = Family(
    name="weighted_logistic",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "weights forgotten",
            old="delta = g / t.size * ((1 - t) - weight * (1 - s))",
            new="delta = g / t.size * (s - t)",
            cause="The classes' weights are left out, and what remains is the gradient of the unweighted loss.",
            label="wrong_operand",
            line="delta = g / t.size * (s - t)",
        ),
        Wrong(
            "weighted mean",
            old="delta = g / t.size * ((1 - t) - weight * (1 - s))",
            new="delta = g / weight.sum() * ((1 - t) - weight * (1 - s))",
            cause="The loss is divided by the number of examples, and the gradient by the sum of the weights.",
            label="factor",
            line="delta = g / weight.sum() * ((1 - t) - weight * (1 - s))",
        ),
        Wrong(
            "sigmoid in the place of its complement",
            old="delta = g / t.size * ((1 - t) - weight * (1 - s))",
            new="delta = g / t.size * ((1 - t) - weight * s)",
            cause="The derivative of softplus(-a) is minus sigmoid(-a), and sigmoid(a) is used.",
            label="missing_derivative",
            line="delta = g / t.size * ((1 - t) - weight * s)",
        ),
        Wrong(
            "mean for the bias",
            old="grad_b = np.array([delta.sum()])",
            new="grad_b = np.array([delta.mean()])",
            cause="The bias's gradient is the sum over the examples, and the mean is taken.",
            label="factor",
            line="grad_b = np.array([delta.mean()])",
        ),
    ],
    right=[
        Right(
            "weights gathered by label",
            old="delta = g / t.size * ((1 - t) - weight * (1 - s))",
            new="delta = np.where(t == 1, weight * (s - 1), s) * g / len(t)",
        ),
        Right(
            "large logits",
            problem=confident,
            difficult=True,
        ),
    ],
)
