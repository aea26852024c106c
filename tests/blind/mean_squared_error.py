"""Mean squared error between two inputs."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(pred, target):
    diff = pred - target
    return np.mean(diff**2), diff


def backward(dloss, diff):
    dpred = 2 * dloss * diff / diff.size
    dtarget = -dpred
    return dpred, dtarget
"""


def problem(rng, size=0):
    shape = ((3, 4), (6, 2))[size]
    return {"pred": rng.normal(size=shape), "target": rng.normal(size=shape)}, ()


def close(rng, size=0):
    target = 1e4 + rng.normal(size=(3, 4))
    return {"pred": target + 1e-2 * rng.normal(size=(3, 4)), "target": target}, ()


FAMILY = Family(
    name="mean_squared_error",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "two forgotten",
            old="dpred = 2 * dloss * diff / diff.size",
            new="dpred = dloss * diff / diff.size",
            cause="The derivative of the square has a two.",
            label="factor",
            line="dpred = dloss * diff / diff.size",
        ),
        Wrong(
            "rows only",
            old="dpred = 2 * dloss * diff / diff.size",
            new="dpred = 2 * dloss * diff / len(diff)",
            cause="The mean is over all entries, not over the rows alone.",
            label="factor",
            line="dpred = 2 * dloss * diff / len(diff)",
        ),
        Wrong(
            "sign of the target",
            old="dtarget = -dpred",
            new="dtarget = dpred",
            cause="The target stands in the difference with a minus.",
            label="sign",
            line="dtarget = dpred",
        ),
        Wrong(
            "large gradients clipped",
            old="dpred = 2 * dloss * diff / diff.size",
            new="dpred = 2 * np.clip(dloss, -10, 10) * diff / diff.size",
            cause="The gradient from above is clipped at ten.",
            label="nonlinear_in_dy",
            line="dpred = 2 * np.clip(dloss, -10, 10) * diff / diff.size",
            shows="large_dy",
        ),
        Wrong(
            "half of the course and no mean",
            old="dpred = 2 * dloss * diff / diff.size",
            new="dpred = dloss * diff",
            cause="The two of the square and the mean are both missing, as for half the sum of squares.",
            label="two_mistakes",
            line="dpred = dloss * diff",
        ),
    ],
    right=[
        Right(
            "two lines in one",
            old="""    dpred = 2 * dloss * diff / diff.size
    dtarget = -dpred
    return dpred, dtarget
""",
            new="    return [sign * dloss * 2 / diff.size * diff for sign in (1, -1)]\n",
        ),
        Right(
            "both factors of the square",
            old="dpred = 2 * dloss * diff / diff.size",
            new="dpred = (diff * dloss + dloss * diff) / np.prod(diff.shape)",
        ),
        Right("close to a target of 1e4", problem=close, difficult=True),
    ],
)
