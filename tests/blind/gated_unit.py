"""Gated linear unit with SiLU: (silu(x A) * (x B)) C, as in present-day transformers."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, dim, hidden, rng):
        self.A = rng.normal(size=(dim, hidden)) * 0.7
        self.B = rng.normal(size=(dim, hidden)) * 0.7
        self.C = rng.normal(size=(hidden, dim)) * 0.7

    def forward(self, x):
        self.x = x
        self.a = x @ self.A
        self.b = x @ self.B
        self.s = 1 / (1 + np.exp(-self.a))
        self.act = self.a * self.s
        self.h = self.act * self.b
        return self.h @ self.C

    def backward(self, grad):
        self.gC = self.h.T @ grad
        gh = grad @ self.C.T
        gb = gh * self.act
        gact = gh * self.b
        ga = gact * (self.s + self.act * (1 - self.s))
        self.gA = self.x.T @ ga
        self.gB = self.x.T @ gb
        gx = ga @ self.A.T + gb @ self.B.T
        return gx
"""


def problem(rng, size=0):
    n, d = ((3, 4), (5, 3))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((4, 4), (3, 5))[size], rng)


FAMILY = Family(
    name="gated_unit",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"A": "gA", "B": "gB", "C": "gC"},
    wrong=[
        Wrong(
            "the sigmoid's derivative",
            old="ga = gact * (self.s + self.act * (1 - self.s))",
            new="ga = gact * self.s * (1 - self.s)",
            cause="The derivative is that of the sigmoid, but the activation is a times the sigmoid of a.",
            label="missing_derivative",
            line="ga = gact * self.s * (1 - self.s)",
        ),
        Wrong(
            "before for after the activation",
            old="ga = gact * (self.s + self.act * (1 - self.s))",
            new="ga = gact * (self.s + self.a * (1 - self.s))",
            cause="The value before the gate's activation is used where the one after it belongs.",
            label="wrong_operand",
            line="ga = gact * (self.s + self.a * (1 - self.s))",
        ),
        Wrong(
            "the branches' gates swapped",
            old="        gb = gh * self.act\n        gact = gh * self.b\n",
            new="        gb = gh * self.b\n        gact = gh * self.act\n",
            cause="Each branch of the product is multiplied by itself in place of the other one.",
            label="wrong_operand",
            line="gb = gh * self.b",
            fair=("gact = gh * self.act",),
        ),
        Wrong(
            "output matrix not transposed",
            old="gh = grad @ self.C.T",
            new="gh = grad @ self.C",
            cause="The output matrix is not transposed.",
            label="transpose",
            line="gh = grad @ self.C",
        ),
        Wrong(
            "linear branch detached",
            old="gx = ga @ self.A.T + gb @ self.B.T",
            new="gx = ga @ self.A.T",
            cause="The input's path through the linear branch is missing.",
            label="missing_term",
            line="gx = ga @ self.A.T",
        ),
        Wrong(
            "slope remembered",
            old="        ga = gact * (self.s + self.act * (1 - self.s))\n",
            new="""        if not hasattr(self, 'slope'):
            self.slope = self.s + self.act * (1 - self.s)
        ga = gact * self.slope
""",
            cause="The activation's slope is worked out in the first call only and used ever after.",
            label="state",
            line="ga = gact * self.slope",
            shows="second_call",
        ),
        Wrong(
            "a skip connection that is not there",
            old="        gx = ga @ self.A.T + gb @ self.B.T\n",
            new="        gx = ga @ self.A.T + gb @ self.B.T + grad\n",
            cause="A skip connection's gradient is added, but forward has none.",
            label="extra_term",
            line="gx = ga @ self.A.T + gb @ self.B.T + grad",
        ),
    ],
    right=[
        Right(
            "both matrices side by side",
            old="""        self.gA = self.x.T @ ga
        self.gB = self.x.T @ gb
        gx = ga @ self.A.T + gb @ self.B.T
        return gx
""",
            new="""        both = np.concatenate([ga, gb], axis=1)
        self.gA, self.gB = np.split(self.x.T @ both, 2, axis=1)
        return both @ np.concatenate([self.A, self.B], axis=1).T
""",
        ),
        Right(
            "product rule with a",
            old="ga = gact * (self.s + self.act * (1 - self.s))",
            new="ga = gact * self.s * (1 + self.a * (1 - self.s))",
        ),
    ],
)
