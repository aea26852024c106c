"""Softmax regression with an L2 penalty on the weights; labels as whole numbers."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(X, W, b, y, lam):
    scores = X @ W + b
    scores = scores - scores.max(axis=1, keepdims=True)
    probs = np.exp(scores)
    probs /= probs.sum(axis=1, keepdims=True)
    n = X.shape[0]
    data_loss = -np.log(probs[np.arange(n), y]).sum() / n
    reg_loss = 0.5 * lam * np.sum(W * W)
    return data_loss + reg_loss, (X, W, y, lam, probs)


def backward(dloss, cache):
    X, W, y, lam, probs = cache
    n = len(y)
    dscores = probs.copy()
    dscores[np.arange(n), y] -= 1
    dscores *= dloss / n
    dW = X.T @ dscores
    dW += dloss * lam * W
    db = dscores.sum(axis=0)
    dX = dscores @ W.T
    return dX, dW, db
"""


def problem(rng, size=0):
    n, d, c = ((4, 4, 4), (5, 2, 3))[size]
    inputs = {"X": rng.normal(size=(n, d)), "W": rng.normal(size=(d, c)), "b": rng.normal(size=c)}
    return inputs, (rng.integers(c, size=n), 0.3)


FAMILY = Family(
    name="softmax_regression",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "penalty's gradient twice as large",
            old="dW += dloss * lam * W",
            new="dW += 2 * dloss * lam * W",
            cause="The penalty has a half in front, so its gradient has no factor 2.",
            label="factor",
            line="dW += 2 * dloss * lam * W",
        ),
        Wrong(
            "penalty ignores the gradient from above",
            old="dW += dloss * lam * W",
            new="dW += lam * W",
            cause="The penalty is part of the loss, but its gradient is not multiplied by the gradient from above.",
            label="missing_term",
            line="dW += lam * W",
        ),
        Wrong(
            "probabilities changed in the cache",
            old="dscores = probs.copy()",
            new="dscores = probs",
            cause="The probabilities in the cache are overwritten, so a second call starts from other numbers.",
            label="overwrite",
            line="dscores[np.arange(n), y] -= 1",
            fair=(
                "dscores = probs",
                "dscores *= dloss / n",
            ),
            shows="backward_twice",
        ),
        Wrong(
            "one subtracted from whole columns",
            old="dscores[np.arange(n), y] -= 1",
            new="dscores[:, y] -= 1",
            cause="The one is subtracted in the columns of all labels that occur, for every example.",
            label="mask",
            line="dscores[:, y] -= 1",
        ),
        Wrong(
            "mean left out",
            old="dscores *= dloss / n",
            new="dscores *= dloss",
            cause="The loss is a mean over the examples, and the division by their number is missing.",
            label="factor",
            line="dscores *= dloss",
        ),
    ],
    right=[
        Right(
            "one-hot matrix",
            old="""    dscores = probs.copy()
    dscores[np.arange(n), y] -= 1
    dscores *= dloss / n
""",
            new="    onehot = np.equal.outer(y, np.arange(probs.shape[1])).astype(float)\n"
            "    dscores = (probs - onehot) * (dloss / n)\n",
        ),
        Right(
            "example by example",
            old="    dW = X.T @ dscores\n",
            new="""    dW = np.zeros(W.shape)
    for xi, di in zip(X, dscores):
        dW += np.outer(xi, di)
""",
        ),
    ],
)
