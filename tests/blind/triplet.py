"""Triplet loss on squared distances of a shared linear embedding."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(anchor, positive, negative, W, margin):
    a, p, n = anchor @ W, positive @ W, negative @ W
    d_ap = ((a - p) ** 2).sum(axis=1)
    d_an = ((a - n) ** 2).sum(axis=1)
    hinge = d_ap - d_an + margin
    active = hinge > 0
    loss = hinge[active].sum() / len(a)
    return loss, (anchor, positive, negative, W, a, p, n, active)


def backward(dloss, cache):
    anchor, positive, negative, W, a, p, n, active = cache
    g = 2 * dloss * active[:, None] / len(a)
    da = g * (n - p)
    dp = g * (p - a)
    dn = g * (a - n)
    dW = anchor.T @ da + positive.T @ dp + negative.T @ dn
    return da @ W.T, dp @ W.T, dn @ W.T, dW
"""


def problem(rng, size=0):
    n, d, k = ((5, 3, 3), (4, 2, 4))[size]
    inputs = {name: rng.normal(size=(n, d)) for name in ("anchor", "positive", "negative")}
    return inputs | {"W": rng.normal(size=(d, k)) * 0.7}, (1.5,)


FAMILY = Family(
    name="triplet",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "anchor seen by the positive only",
            old="da = g * (n - p)",
            new="da = g * (a - p)",
            cause="The anchor's path through the distance to the negative is missing.",
            label="missing_term",
            line="da = g * (a - p)",
        ),
        Wrong(
            "negative pulled in",
            old="dn = g * (a - n)",
            new="dn = g * (n - a)",
            cause="The distance to the negative stands in the loss with a minus.",
            label="sign",
            line="dn = g * (n - a)",
        ),
        Wrong(
            "mean over the active ones",
            old="g = 2 * dloss * active[:, None] / len(a)",
            new="g = 2 * dloss * active[:, None] / active.sum()",
            cause="Forward divides by the size of the batch, backward by the number of active triplets.",
            label="factor",
            line="g = 2 * dloss * active[:, None] / active.sum()",
        ),
        Wrong(
            "inactive ones too, and without the two",
            old="g = 2 * dloss * active[:, None] / len(a)",
            new="g = dloss / len(a)",
            cause="The mask of the active triplets and the two of the square are both missing.",
            label="two_mistakes",
            line="g = dloss / len(a)",
        ),
        Wrong(
            "shared matrix counted once",
            old="dW = anchor.T @ da + positive.T @ dp + negative.T @ dn",
            new="dW = anchor.T @ da",
            cause="The embedding is used three times, but only the anchor's use is counted.",
            label="missing_term",
            line="dW = anchor.T @ da",
        ),
    ],
    right=[
        Right(
            "early return when no triplet is active",
            old="    g = 2 * dloss * active[:, None] / len(a)\n",
            new="    if not active.any():\n"
            "        return tuple(np.zeros_like(v) for v in (anchor, positive, negative, W))\n"
            "    g = 2 * dloss * active[:, None] / len(a)\n",
        ),
        Right(
            "stacked",
            old="    dW = anchor.T @ da + positive.T @ dp + negative.T @ dn\n"
            "    return da @ W.T, dp @ W.T, dn @ W.T, dW\n",
            new="    d = np.stack([da, dp, dn])\n"
            '    dW = np.einsum("snd,snk->dk", np.stack([anchor, positive, negative]), d)\n'
            "    return (*(d @ W.T), dW)\n",
        ),
    ],
)
