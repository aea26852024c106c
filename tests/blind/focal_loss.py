"""Binary focal loss on logits."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, t, gamma, alpha):
    p = 1 / (1 + np.exp(-x))
    pt = t * p + (1 - t) * (1 - p)
    w = t * alpha + (1 - t) * (1 - alpha)
    loss = np.mean(-w * (1 - pt) ** gamma * np.log(pt))
    return loss, (p, pt, w, t, gamma)


def backward(dloss, cache):
    p, pt, w, t, gamma = cache
    a = gamma * (1 - pt) ** (gamma - 1) * np.log(pt)
    b = (1 - pt) ** gamma / pt
    dpt = w * (a - b) * dloss / t.size
    dp = dpt * (2 * t - 1)
    dx = dp * p * (1 - p)
    return dx
"""


def problem(rng, size=0):
    shape = ((8,), (3, 4))[size]
    return {"x": rng.normal(size=shape) * 2}, ((rng.random(shape) < 0.5).astype(float), 2.5, 0.25)


FAMILY = Family(
    name="focal_loss",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "modulating factor detached",
            old="dpt = w * (a - b) * dloss / t.size",
            new="dpt = -w * b * dloss / t.size",
            cause="The factor (1 - pt)**gamma is treated as a constant weight.",
            label="missing_term",
            line="dpt = -w * b * dloss / t.size",
        ),
        Wrong(
            "sign of the modulating factor",
            old="dpt = w * (a - b) * dloss / t.size",
            new="dpt = w * (-a - b) * dloss / t.size",
            cause="The inner derivative of 1 - pt is minus one, and was left out.",
            label="sign",
            line="dpt = w * (-a - b) * dloss / t.size",
        ),
        Wrong(
            "gamma of the paper",
            old="a = gamma * (1 - pt) ** (gamma - 1) * np.log(pt)",
            new="a = 2 * (1 - pt) * np.log(pt)",
            cause="The exponent is taken to be 2, as in the paper, whatever gamma is.",
            label="wrong_constant",
            line="a = 2 * (1 - pt) * np.log(pt)",
        ),
        Wrong(
            "probability of the class for that of one",
            old="dp = dpt * (2 * t - 1)",
            new="dp = dpt",
            cause="For the negatives pt is 1 - p; its derivative, minus one, is missing.",
            label="missing_derivative",
            line="dp = dpt",
        ),
    ],
    right=[
        Right(
            "one expression in the logits",
            old="""    dp = dpt * (2 * t - 1)
    dx = dp * p * (1 - p)
    return dx
""",
            new="    return np.where(t == 1, dpt, -dpt) * pt * (1 - pt)\n",
        ),
        Right(
            "through the logarithm",
            old="    a = gamma * (1 - pt) ** (gamma - 1) * np.log(pt)\n    b = (1 - pt) ** gamma / pt\n",
            new="""    q = 1 - pt
    m = q**gamma
    a, b = gamma * m / q * np.log(pt), m / pt
""",
        ),
    ],
)
