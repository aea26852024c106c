"""Pooling by log-mean-exp over the steps of a sequence, with a learned sharpness and a padding mask."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, log_r, valid):
    r = np.exp(log_r)
    z = np.where(valid[:, :, None], r * x, -np.inf)
    m = z.max(axis=1, keepdims=True)
    e = np.exp(z - m)
    total = e.sum(axis=1, keepdims=True)
    count = valid.sum(axis=1)[:, None]
    lse = (np.log(total) + m)[:, 0]
    y = (lse - np.log(count)) / r
    return y, {"x": x, "r": r, "w": e / total, "y": y, "valid": valid}


def backward(dy, c):
    dlse = dy / c["r"]
    dz = dlse[:, None, :] * c["w"]
    dx = dz * c["r"]
    dr = np.sum(dz * c["x"], axis=(0, 1)) - np.sum(dy * c["y"] / c["r"], axis=0)
    dlog_r = dr * c["r"]
    return dx, dlog_r
"""


def problem(rng, size=0):
    n, t, d = ((3, 4, 3), (2, 5, 4))[size]
    valid = np.arange(t) < np.array([t, t - 1, 2])[:n, None]
    return {"x": rng.normal(size=(n, t, d)), "log_r": 0.4 * rng.normal(size=d)}, (valid,)


def spread(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["x"] = inputs["x"] * 40
    return inputs, constants


FAMILY = Family(
    name="lse_pool",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "outer division's route missing",
            old='dr = np.sum(dz * c["x"], axis=(0, 1)) - np.sum(dy * c["y"] / c["r"], axis=0)',
            new='dr = np.sum(dz * c["x"], axis=(0, 1))',
            cause="The sharpness also divides the result, and that route is missing.",
            label="missing_term",
            line='dr = np.sum(dz * c["x"], axis=(0, 1))',
        ),
        Wrong(
            "sharpness not undone",
            old='dx = dz * c["r"]',
            new="dx = dz",
            cause="Sharpness and division by it cancel in the input's gradient; one of them is missing.",
            label="factor",
            line="dx = dz",
        ),
        Wrong(
            "exponential of the sharpness",
            old='dlog_r = dr * c["r"]',
            new="dlog_r = dr",
            cause="The sharpness is the exponential of the parameter, and its derivative is missing.",
            label="missing_derivative",
            line="dlog_r = dr",
        ),
        Wrong(
            "plain mean's weights",
            old='    dz = dlse[:, None, :] * c["w"]\n',
            new='    mean = c["valid"] / c["valid"].sum(axis=1, keepdims=True)\n'
            "    dz = dlse[:, None, :] * mean[:, :, None]\n",
            cause="Every valid step gets the same weight, as in average pooling.",
            label="fused_formula",
            line="dz = dlse[:, None, :] * mean[:, :, None]",
        ),
        Wrong(
            "only the largest step",
            old='dz = dlse[:, None, :] * c["w"]',
            new='dz = dlse[:, None, :] * (c["w"] == c["w"].max(axis=1, keepdims=True))',
            cause="The gradient goes to the largest step alone, as in max pooling.",
            label="fused_formula",
            line='dz = dlse[:, None, :] * (c["w"] == c["w"].max(axis=1, keepdims=True))',
        ),
    ],
    right=[
        Right(
            "sequence by sequence",
            old='    dz = dlse[:, None, :] * c["w"]\n    dx = dz * c["r"]\n',
            new='    dz = np.stack([weights * row for weights, row in zip(c["w"], dlse)])\n'
            '    dx = c["w"] * np.expand_dims(dy, 1)\n',
        ),
        Right(
            "steps far apart",
            problem=spread,
            difficult=True,
        ),
    ],
)
