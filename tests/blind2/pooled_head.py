"""Global average pooling, a dense layer and a mean squared error."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, w, b, target):
    pooled = x.mean(axis=(1, 2))
    scores = pooled @ w + b
    err = scores - target
    loss = np.mean(err**2)
    return loss, (x.shape, pooled, w, err)


def backward(dloss, cache):
    shape, pooled, w, err = cache
    n, h, wd, c = shape
    dscores = dloss * 2 * err / err.size
    dw = pooled.T @ dscores
    db = dscores.sum(axis=0)
    dpooled = dscores @ w.T
    dx = np.ones(shape) * dpooled[:, None, None, :] / (h * wd)
    return dx, dw, db
"""


def problem(rng, size=0):
    n, h, w, c, k = ((3, 3, 3, 3, 3), (2, 2, 4, 3, 5))[size]
    inputs = {"x": rng.normal(size=(n, h, w, c)), "w": rng.normal(size=(c, k)), "b": rng.normal(size=k)}
    return inputs, (rng.normal(size=(n, k)),)


FAMILY = Family(
    name="pooled_head",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "mean over the examples only",
            old="dscores = dloss * 2 * err / err.size",
            new="dscores = dloss * 2 * err / n",
            cause="The error is a mean over all entries, and it is divided by the number of examples only.",
            label="factor",
            line="dscores = dloss * 2 * err / n",
        ),
        Wrong(
            "pooled channels spread as rows",
            old="dx = np.ones(shape) * dpooled[:, None, None, :] / (h * wd)",
            new="dx = np.ones(shape) * dpooled[:, :, None, None] / (h * wd)",
            cause="The pooled values belong to the last axis, and they are spread over the images' rows.",
            label="wrong_axis",
            line="dx = np.ones(shape) * dpooled[:, :, None, None] / (h * wd)",
        ),
        Wrong(
            "side squared",
            old="dx = np.ones(shape) * dpooled[:, None, None, :] / (h * wd)",
            new="dx = np.ones(shape) * dpooled[:, None, None, :] / h**2",
            cause="The pixels are counted as though the images were square.",
            label="hard_coded_size",
            line="dx = np.ones(shape) * dpooled[:, None, None, :] / h**2",
            shows="second_size",
        ),
        Wrong(
            "two forgotten",
            old="dscores = dloss * 2 * err / err.size",
            new="dscores = dloss * err / err.size",
            cause="The square's derivative has a factor 2.",
            label="factor",
            line="dscores = dloss * err / err.size",
        ),
    ],
    right=[
        Right(
            "repeat",
            old="dx = np.ones(shape) * dpooled[:, None, None, :] / (h * wd)",
            new="dx = np.repeat(dpooled / (h * wd), h * wd, axis=0).reshape(shape)",
        ),
        Right(
            "product of the loss at the end",
            old="""    dscores = dloss * 2 * err / err.size
    dw = pooled.T @ dscores
    db = dscores.sum(axis=0)
""",
            new="""    dscores = 2 * err / np.prod(err.shape)
    dw, db = dloss * (pooled.T @ dscores), dloss * dscores.sum(axis=0)
    dscores = dloss * dscores
""",
        ),
    ],
)
