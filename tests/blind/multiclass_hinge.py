"""Multi-class hinge loss (Weston-Watkins) over a linear scorer."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(W, X, y):
    n = len(X)
    scores = X @ W
    correct = scores[np.arange(n), y][:, None]
    margins = np.maximum(0, scores - correct + 1.0)
    margins[np.arange(n), y] = 0
    return margins.sum() / n, (X, y, margins)


def backward(dloss, cache):
    X, y, margins = cache
    n = X.shape[0]
    dscores = (margins > 0).astype(float)
    dscores[np.arange(n), y] = -dscores.sum(axis=1)
    dW = X.T @ dscores / n
    return dloss * dW
"""


def problem(rng, size=0):
    n, d, k = ((6, 3, 4), (4, 2, 5))[size]
    return {"W": rng.normal(size=(d, k))}, (rng.normal(size=(n, d)), rng.integers(k, size=n))


FAMILY = Family(
    name="multiclass_hinge",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "right class once",
            old="dscores[np.arange(n), y] = -dscores.sum(axis=1)",
            new="dscores[np.arange(n), y] = -1",
            cause="The right class is pushed once for each violated margin, not once in all.",
            label="factor",
            line="dscores[np.arange(n), y] = -1",
        ),
        Wrong(
            "right class left alone",
            old="    dscores[np.arange(n), y] = -dscores.sum(axis=1)\n",
            new="",
            cause="The score of the right class stands in every margin with a minus; that path is missing.",
            label="missing_term",
            line="dW = X.T @ dscores / n",
            fair=("dscores = (margins > 0).astype(float)",),
        ),
        Wrong(
            "margins for their signs",
            old="dscores = (margins > 0).astype(float)",
            new="dscores = margins.copy()",
            cause="The margins themselves are taken, as though the hinge were squared.",
            label="wrong_operand",
            line="dscores = margins.copy()",
        ),
        Wrong(
            "batch size of the course",
            old="dW = X.T @ dscores / n",
            new="dW = X.T @ dscores / 6",
            cause="The number of examples is written as 6, right for one batch size only.",
            label="hard_coded_size",
            line="dW = X.T @ dscores / 6",
            shows="second_size",
        ),
    ],
    right=[
        Right(
            "loops",
            old="""    dW = X.T @ dscores / n
    return dloss * dW
""",
            new="""    dW = np.zeros((X.shape[1], margins.shape[1]))
    for i in range(n):
        for j in range(margins.shape[1]):
            if j == y[i] or margins[i, j] <= 0:
                continue
            dW[:, j] += X[i]
            dW[:, y[i]] -= X[i]
    return dloss * dW / n
""",
        ),
        Right(
            "subtracting the count",
            old="dscores[np.arange(n), y] = -dscores.sum(axis=1)",
            new="np.subtract.at(dscores, (np.arange(n), y), np.count_nonzero(margins, axis=1))",
        ),
    ],
)
