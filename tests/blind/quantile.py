"""Quantile (pinball) loss of several quantiles at once, made monotone by a cumulated softplus."""

import numpy as np

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(raw, y, taus):
    steps = np.logaddexp(0, raw[:, 1:])
    q = np.concatenate([raw[:, :1], steps], axis=1).cumsum(axis=1)
    diff = y[:, None] - q
    loss = np.mean(np.maximum(taus * diff, (taus - 1) * diff))
    return loss, (raw, diff, taus)


def backward(dloss, cache):
    raw, diff, taus = cache
    dq = np.where(diff > 0, -taus, 1 - taus) * dloss / diff.size
    dsteps = dq[:, ::-1].cumsum(axis=1)[:, ::-1]
    draw = dsteps.copy()
    draw[:, 1:] /= 1 + np.exp(-raw[:, 1:])
    return draw
"""


def problem(rng, size=0):
    n, k = ((5, 3), (4, 5))[size]
    return {"raw": rng.normal(size=(n, k))}, (rng.normal(size=n) + 0.5, np.linspace(0.1, 0.8, k))


FAMILY = Family(
    name="quantile",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "tau and one minus tau exchanged",
            old="dq = np.where(diff > 0, -taus, 1 - taus) * dloss / diff.size",
            new="dq = np.where(diff > 0, taus - 1, taus) * dloss / diff.size",
            cause="Values above and below the quantile are weighted the other way round.",
            label="mask",
            line="dq = np.where(diff > 0, taus - 1, taus) * dloss / diff.size",
        ),
        Wrong(
            "cumulated forwards",
            old="dsteps = dq[:, ::-1].cumsum(axis=1)[:, ::-1]",
            new="dsteps = dq.cumsum(axis=1)",
            cause="A step moves all later quantiles, so the sum has to run from the end.",
            label="transpose",
            line="dsteps = dq.cumsum(axis=1)",
        ),
        Wrong(
            "own quantile left out",
            old="dsteps = dq[:, ::-1].cumsum(axis=1)[:, ::-1]",
            new="dsteps = dq[:, ::-1].cumsum(axis=1)[:, ::-1] - dq",
            cause="The sum begins after the step's own quantile.",
            label="off_by_one",
            line="dsteps = dq[:, ::-1].cumsum(axis=1)[:, ::-1] - dq",
        ),
        Wrong(
            "softplus on the first too",
            old="draw[:, 1:] /= 1 + np.exp(-raw[:, 1:])",
            new="draw /= 1 + np.exp(-raw)",
            cause="The first quantile is taken as it is in forward; backward sends it through the softplus.",
            label="extra_term",
            line="draw /= 1 + np.exp(-raw)",
        ),
    ],
    right=[
        Right(
            "triangular matrix",
            old="dsteps = dq[:, ::-1].cumsum(axis=1)[:, ::-1]",
            new="dsteps = dq @ np.tril(np.ones((len(taus), len(taus))))",
        ),
        Right(
            "sign written as a comparison",
            old="dq = np.where(diff > 0, -taus, 1 - taus) * dloss / diff.size",
            new="dq = ((diff < 0) - taus) * (dloss / diff.size)",
        ),
    ],
)
