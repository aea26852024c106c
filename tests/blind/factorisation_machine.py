"""Factorisation machine: linear part and pairwise interactions by the sum-square trick."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, n, k, rng):
        self.w0 = rng.normal(size=1)
        self.w = rng.normal(size=n)
        self.V = rng.normal(size=(n, k))

    def forward(self, x):
        self.x = x
        self.s = x @ self.V
        self.q = (x**2) @ (self.V**2)
        return self.w0 + x @ self.w + 0.5 * (self.s**2 - self.q).sum(axis=1)

    def backward(self, g):
        x, s, V = self.x, self.s, self.V
        self.gw0 = np.array([g.sum()])
        self.gw = x.T @ g
        gs = g[:, None] * s
        gV = x.T @ gs
        gV -= V * ((x**2).T @ g)[:, None]
        self.gV = gV
        gx = g[:, None] * self.w + gs @ V.T
        gx -= g[:, None] * x * (V**2).sum(axis=1)
        return gx
"""


def problem(rng, size=0):
    n, d = ((4, 5), (6, 3))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((5, 3), (3, 4))[size], rng)


FAMILY = Family(
    name="factorisation_machine",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"w0": "gw0", "w": "gw", "V": "gV"},
    wrong=[
        Wrong(
            "squares kept in",
            old="        gV -= V * ((x**2).T @ g)[:, None]\n",
            new="",
            cause="The features' interactions with themselves are not taken out of the factors' gradient.",
            label="missing_term",
            line="gV = x.T @ gs",
            fair=("self.gV = gV",),
        ),
        Wrong(
            "x for its square",
            old="gV -= V * ((x**2).T @ g)[:, None]",
            new="gV -= V * (x.T @ g)[:, None]",
            cause="The factors' own terms have the squared features; here they are not squared.",
            label="wrong_operand",
            line="gV -= V * (x.T @ g)[:, None]",
        ),
        Wrong(
            "linear part left out",
            old="gx = g[:, None] * self.w + gs @ V.T",
            new="gx = gs @ V.T",
            cause="The input's linear part is missing.",
            label="missing_term",
            line="gx = gs @ V.T",
        ),
        Wrong(
            "half forgotten",
            old="gs = g[:, None] * s",
            new="gs = 2 * g[:, None] * s",
            cause="The two of the square cancels with the half in front; here it is still there.",
            label="factor",
            line="gs = 2 * g[:, None] * s",
        ),
    ],
    right=[
        Right(
            "with einsum",
            old="        gV = x.T @ gs\n        gV -= V * ((x**2).T @ g)[:, None]\n",
            new='        gV = np.einsum("n,ni,nk->ik", g, x, s) - np.einsum("n,ni,ik->ik", g, x**2, V)\n',
        ),
        Right(
            "over all pairs of features",
            old="        gx -= g[:, None] * x * (V**2).sum(axis=1)\n",
            new="""        G = V @ V.T
        np.fill_diagonal(G, 0)
        gx = g[:, None] * (self.w + x @ G)
""",
        ),
    ],
)
