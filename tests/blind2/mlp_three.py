"""Classifier with three layers and its loss, all in one function, in the notation dZ, dA, dW."""

import numpy as np
from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def forward(X, W1, b1, W2, b2, W3, b3, Y):
    Z1 = X @ W1 + b1
    A1 = np.maximum(0, Z1)
    Z2 = A1 @ W2 + b2
    A2 = np.tanh(Z2)
    Z3 = A2 @ W3 + b3
    E = np.exp(Z3 - Z3.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    loss = -np.sum(Y * np.log(P)) / len(X)
    return loss, {"X": X, "Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2, "P": P, "Y": Y, "W2": W2, "W3": W3, "W1": W1}


def backward(dloss, cache):
    grads = {}
    m = cache["X"].shape[0]
    dZ3 = dloss * (cache["P"] - cache["Y"]) / m
    grads["W3"] = cache["A2"].T @ dZ3
    grads["b3"] = dZ3.sum(axis=0)
    dA2 = dZ3 @ cache["W3"].T
    dZ2 = dA2 * (1 - cache["A2"] ** 2)
    grads["W2"] = cache["A1"].T @ dZ2
    grads["b2"] = dZ2.sum(axis=0)
    dA1 = dZ2 @ cache["W2"].T
    dZ1 = dA1 * (cache["Z1"] > 0)
    grads["W1"] = cache["X"].T @ dZ1
    grads["b1"] = dZ1.sum(axis=0)
    grads["X"] = dZ1 @ cache["W1"].T
    return grads
"""


def problem(rng, size=0):
    n, d, h1, h2, c = ((5, 4, 4, 4, 4), (3, 2, 6, 5, 3))[size]
    inputs = {"X": rng.normal(size=(n, d))}
    for k, (a, b) in enumerate(((d, h1), (h1, h2), (h2, c)), 1):
        inputs[f"W{k}"] = rng.normal(size=(a, b)) * 0.7
        inputs[f"b{k}"] = rng.normal(size=b)
    return inputs, (np.eye(c)[rng.integers(c, size=n)],)


def dead(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["X"][1] = 0
    inputs["b1"][:2] = 0
    return inputs, constants


FAMILY = Family(
    name="mlp_three",
    source=SOURCE,
    problem=problem,
    keys=("X", "W1", "b1", "W2", "b2", "W3", "b3"),
    wrong=[
        Wrong(
            "batch size divided out twice",
            old='grads["W3"] = cache["A2"].T @ dZ3',
            new='grads["W3"] = cache["A2"].T @ dZ3 / m',
            cause="The last weights' gradient is divided by the batch size, which is already in dZ3.",
            label="factor",
            line='grads["W3"] = cache["A2"].T @ dZ3 / m',
        ),
        Wrong(
            "ReLU mask from the gradient",
            old='dZ1 = dA1 * (cache["Z1"] > 0)',
            new="dZ1 = dA1 * (dA1 > 0)",
            cause="The mask asks where the incoming gradient is positive, not where the ReLU's input was.",
            label="mask",
            line="dZ1 = dA1 * (dA1 > 0)",
        ),
        Wrong(
            "tanh's derivative of the pre-activation",
            old='dZ2 = dA2 * (1 - cache["A2"] ** 2)',
            new='dZ2 = dA2 * (1 - cache["Z2"] ** 2)',
            cause="The tanh's derivative takes its output, and here it is given its input.",
            label="wrong_operand",
            line='dZ2 = dA2 * (1 - cache["Z2"] ** 2)',
        ),
        Wrong(
            "second weight matrix as it is",
            old='dA1 = dZ2 @ cache["W2"].T',
            new='dA1 = dZ2 @ cache["W2"]',
            cause="The second weight matrix should be transposed on the way back.",
            label="transpose",
            line='dA1 = dZ2 @ cache["W2"]',
        ),
        Wrong(
            "last weights remembered",
            source=apply(
                apply(
                    SOURCE,
                    "import numpy as np\n",
                    """import numpy as np

_first = {}
""",
                ),
                '    dA2 = dZ3 @ cache["W3"].T\n',
                '    W3 = _first.setdefault("W3", cache["W3"].copy())\n    dA2 = dZ3 @ W3.T\n',
            ),
            cause="The weights of the last layer are remembered from the first call and used ever after.",
            label="state",
            line='W3 = _first.setdefault("W3", cache["W3"].copy())',
            fair=("dA2 = dZ3 @ W3.T",),
            shows="second_call",
        ),
        Wrong(
            "single precision on the way",
            old='dA2 = dZ3 @ cache["W3"].T',
            new='dA2 = dZ3.astype(np.float32) @ cache["W3"].T.astype(np.float32)',
            cause="The gradient is converted to single precision, which keeps seven digits.",
            label="precision",
            line='dA2 = dZ3.astype(np.float32) @ cache["W3"].T.astype(np.float32)',
            effect=3e-9,
        ),
        Wrong(
            "bias from the activation's gradient",
            old='grads["b1"] = dZ1.sum(axis=0)',
            new='grads["b1"] = dA1.sum(axis=0)',
            cause="The first bias gets the gradient of the ReLU's output, without the ReLU's derivative.",
            label="missing_derivative",
            line='grads["b1"] = dA1.sum(axis=0)',
        ),
    ],
    right=[
        Right(
            "loop over the layers",
            old="""    grads["W3"] = cache["A2"].T @ dZ3
    grads["b3"] = dZ3.sum(axis=0)
    dA2 = dZ3 @ cache["W3"].T
    dZ2 = dA2 * (1 - cache["A2"] ** 2)
    grads["W2"] = cache["A1"].T @ dZ2
    grads["b2"] = dZ2.sum(axis=0)
    dA1 = dZ2 @ cache["W2"].T
    dZ1 = dA1 * (cache["Z1"] > 0)
    grads["W1"] = cache["X"].T @ dZ1
    grads["b1"] = dZ1.sum(axis=0)
    grads["X"] = dZ1 @ cache["W1"].T
""",
            new="""    inputs = [None, cache["X"], cache["A1"], cache["A2"]]
    slopes = [None, 1, cache["Z1"] > 0, 1 - cache["A2"] ** 2]
    delta = dZ3
    for k in (3, 2, 1):
        grads[f"W{k}"] = np.dot(inputs[k].T, delta)
        grads[f"b{k}"] = np.sum(delta, axis=0)
        delta = np.dot(delta, cache[f"W{k}"].T) * slopes[k]
    grads["X"] = delta
""",
        ),
        Right(
            "ReLU at zero",
            problem=dead,
            kink=True,
        ),
        Right(
            "ReLU set to zero by index",
            old='    dZ1 = dA1 * (cache["Z1"] > 0)\n',
            new='    dZ1 = np.array(dA1, copy=True)\n    dZ1[cache["Z1"] <= 0] = 0\n',
        ),
    ],
)
