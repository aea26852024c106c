"""Inverted dropout with a given mask, behind a scale."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, dim, rng):
        self.s = rng.normal(size=dim)

    def forward(self, x, u, p):
        self.x = x
        self.keep = 1 - p
        self.mask = (u < self.keep) / self.keep
        return x * self.s * self.mask

    def backward(self, dy):
        d = dy * self.mask
        self.ds = (d * self.x).sum(axis=0)
        dx = d * self.s
        return dx
"""


def problem(rng, size=0):
    n, d = ((6, 4), (3, 5))[size]
    return {"x": rng.normal(size=(n, d))}, (rng.random((n, d)), 0.4)


def make(Layer, rng, size=0):
    return Layer((4, 5)[size], rng)


FAMILY = Family(
    name="dropout",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"s": "ds"},
    people=False,
    wrong=[
        Wrong(
            "no mask",
            old="d = dy * self.mask",
            new="d = dy",
            cause="The mask is not applied on the way back.",
            label="mask",
            line="d = dy",
        ),
        Wrong(
            "scaled by the wrong probability",
            old="d = dy * self.mask",
            new="d = dy * (self.mask > 0) / (1 - self.keep)",
            cause="The gradient is divided by the probability of dropping, not by that of keeping.",
            label="wrong_constant",
            line="d = dy * (self.mask > 0) / (1 - self.keep)",
        ),
        Wrong(
            "mask of the first call",
            old="        self.mask = (u < self.keep) / self.keep\n        return x * self.s * self.mask\n",
            new="        mask = (u < self.keep) / self.keep\n"
            "        self.mask = getattr(self, 'mask', mask)\n"
            "        return x * self.s * mask\n",
            cause="Backward always has the mask of the first call.",
            label="state",
            line=None,
            fair=("d = dy * self.mask",),
            shows="second_call",
        ),
        Wrong(
            "mask inverted",
            old="d = dy * self.mask",
            new="d = dy * (self.mask == 0) / self.keep",
            cause="The gradient goes to the dropped entries.",
            label="mask",
            line="d = dy * (self.mask == 0) / self.keep",
        ),
        Wrong(
            "scale's gradient without the mask",
            old="self.ds = (d * self.x).sum(axis=0)",
            new="self.ds = (dy * self.x).sum(axis=0)",
            cause="The scale's gradient also counts the dropped entries.",
            label="mask",
            line="self.ds = (dy * self.x).sum(axis=0)",
        ),
    ],
    right=[
        Right(
            "division for the mask's scale",
            old="d = dy * self.mask",
            new="d = np.where(self.mask, dy, 0) / self.keep",
        ),
        Right(
            "by index",
            old="        d = dy * self.mask\n",
            new="        d = np.zeros_like(dy)\n"
            "        kept = np.nonzero(self.mask)\n"
            "        d[kept] = dy[kept] * self.mask[kept]\n",
        ),
    ],
)
