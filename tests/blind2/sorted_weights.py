"""Weighted sum of the sorted entries of each row, and the k largest by top-k."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, w, k):
    order = np.argsort(x, axis=1)
    ranked = np.take_along_axis(x, order, axis=1)
    top = ranked[:, -k:]
    y = ranked @ w + top.mean(axis=1)
    return y, (order, ranked, w, k)


def backward(dy, cache):
    order, ranked, w, k = cache
    dw = ranked.T @ dy
    dranked = np.outer(dy, w)
    dranked[:, -k:] += dy[:, None] / k
    dx = np.zeros_like(ranked)
    np.put_along_axis(dx, order, dranked, axis=1)
    return dx, dw
"""


def problem(rng, size=0):
    n, d, k = ((4, 4, 2), (3, 6, 4))[size]
    x = np.array([rng.permutation(d) for _ in range(n)]) + 0.3 * rng.random((n, d))
    return {"x": x, "w": rng.normal(size=d)}, (k,)


def pairs(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["x"][:, 1] = inputs["x"][:, 0]
    return inputs, constants


FAMILY = Family(
    name="sorted_weights",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "order applied in the place of its inverse",
            old="np.put_along_axis(dx, order, dranked, axis=1)",
            new="dx[:] = np.take_along_axis(dranked, order, axis=1)",
            cause="The gradient is sorted by the order once more, and should be put back.",
            label="wrong_operand",
            line="dx[:] = np.take_along_axis(dranked, order, axis=1)",
        ),
        Wrong(
            "gradient left sorted",
            old="np.put_along_axis(dx, order, dranked, axis=1)",
            new="dx[:] = dranked",
            cause="The gradient stays in sorted order.",
            label="wrong_operand",
            line="dx[:] = dranked",
        ),
        Wrong(
            "smallest for largest",
            old="dranked[:, -k:] += dy[:, None] / k",
            new="dranked[:, :k] += dy[:, None] / k",
            cause="The mean is over the k largest, and the gradient goes to the k smallest.",
            label="mask",
            line="dranked[:, :k] += dy[:, None] / k",
        ),
        Wrong(
            "one largest too few",
            old="dranked[:, -k:] += dy[:, None] / k",
            new="dranked[:, -k + 1 :] += dy[:, None] / k",
            cause="The slice begins one place too late.",
            label="off_by_one",
            line="dranked[:, -k + 1 :] += dy[:, None] / k",
        ),
        Wrong(
            "top mean overwrites the weights' part",
            old="dranked[:, -k:] += dy[:, None] / k",
            new="dranked[:, -k:] = dy[:, None] / k",
            cause="The largest entries lose what the weighted sum gave them.",
            label="accumulate",
            line="dranked[:, -k:] = dy[:, None] / k",
        ),
        Wrong(
            "array of whole numbers",
            old="dx = np.zeros_like(ranked)",
            new="dx = np.zeros_like(order)",
            cause="The result is made like the array of indices, so the gradient loses its fractions.",
            label="other",
            line="dx = np.zeros_like(order)",
            fair=("np.put_along_axis(dx, order, dranked, axis=1)",),
        ),
        Wrong(
            "weights' gradient unsorted",
            old="    dw = ranked.T @ dy\n",
            new="""    unsorted = np.empty_like(ranked)
    np.put_along_axis(unsorted, order, ranked, axis=1)
    dw = unsorted.T @ dy
""",
            cause="The weights belong to ranks, and their gradient is added up by columns of the input.",
            label="wrong_operand",
            line="dw = unsorted.T @ dy",
        ),
    ],
    right=[
        Right(
            "inverse permutation",
            old="    dx = np.zeros_like(ranked)\n    np.put_along_axis(dx, order, dranked, axis=1)\n",
            new="    ranks = np.argsort(order, axis=1)\n    dx = np.take_along_axis(dranked, ranks, axis=1)\n",
        ),
        Right(
            "pairs of equal entries",
            problem=pairs,
            kink=True,
        ),
        Right(
            "rows and indices",
            old="np.put_along_axis(dx, order, dranked, axis=1)",
            new="dx[np.arange(len(dx))[:, None], order] = dranked",
        ),
    ],
)
