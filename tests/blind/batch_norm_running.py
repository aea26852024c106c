"""Batch normalisation with running statistics, normalised by the running ones, which include this batch."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, dim, rng, momentum=0.3):
        self.gamma = 1 + 0.2 * rng.normal(size=dim)
        self.beta = rng.normal(size=dim)
        self.old_mean = rng.normal(size=dim)
        self.old_var = 1 + rng.random(dim)
        self.m = momentum
        self.eps = 1e-5

    def forward(self, x):
        m = self.m
        self.xc = x - x.mean(axis=0)
        self.mean = (1 - m) * self.old_mean + m * x.mean(axis=0)
        self.var = (1 - m) * self.old_var + m * x.var(axis=0, ddof=1)
        self.inv = 1 / np.sqrt(self.var + self.eps)
        self.d = x - self.mean
        return self.gamma * self.d * self.inv + self.beta

    def backward(self, dy):
        n = len(dy)
        self.dbeta = dy.sum(axis=0)
        self.dgamma = (dy * self.d * self.inv).sum(axis=0)
        dd = dy * self.gamma * self.inv
        dinv = (dy * self.gamma * self.d).sum(axis=0)
        dvar = -0.5 * self.inv**3 * dinv
        dmean = -dd.sum(axis=0)
        dx = dd + self.m * dmean / n
        dx += self.m * dvar * 2 * self.xc / (n - 1)
        return dx
"""


EVALUATION = """
import numpy as np


class Layer:
    def __init__(self, dim, rng):
        self.gamma = 1 + 0.2 * rng.normal(size=dim)
        self.beta = rng.normal(size=dim)
        self.old_mean = rng.normal(size=dim)
        self.old_var = 1 + rng.random(dim)
        self.eps = 1e-5

    def forward(self, x):
        self.mean = self.old_mean
        self.var = self.old_var
        self.inv = 1 / np.sqrt(self.var + self.eps)
        self.d = x - self.mean
        return self.gamma * self.d * self.inv + self.beta

    def backward(self, dy):
        self.dbeta = dy.sum(axis=0)
        self.dgamma = (dy * self.d * self.inv).sum(axis=0)
        dd = dy * self.gamma * self.inv
        return dd
"""


def problem(rng, size=0):
    n, d = ((5, 3), (8, 2))[size]
    return {"x": rng.normal(size=(n, d)) * 2 + 1}, ()


def make(Layer, rng, size=0):
    return Layer((3, 2)[size], rng)


FAMILY = Family(
    name="batch_norm_running",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"gamma": "dgamma", "beta": "dbeta"},
    wrong=[
        Wrong(
            "biased for unbiased variance",
            old="dx += self.m * dvar * 2 * self.xc / (n - 1)",
            new="dx += self.m * dvar * 2 * self.xc / n",
            cause="Forward divides the squares by n - 1, backward by n.",
            label="factor",
            line="dx += self.m * dvar * 2 * self.xc / n",
        ),
        Wrong(
            "statistics treated as constants",
            old="""        dx = dd + self.m * dmean / n
        dx += self.m * dvar * 2 * self.xc / (n - 1)
        return dx
""",
            new="        return dd\n",
            cause="The statistics are taken for constants, as in evaluation, but they contain this batch.",
            label="missing_term",
            line="return dd",
        ),
        Wrong(
            "centred by the running mean",
            old="dx += self.m * dvar * 2 * self.xc / (n - 1)",
            new="dx += self.m * dvar * 2 * self.d / (n - 1)",
            cause="The variance is about the batch's mean; the difference to the running mean is used in its place.",
            label="wrong_operand",
            line="dx += self.m * dvar * 2 * self.d / (n - 1)",
        ),
        Wrong(
            "momentum left out",
            old="dx = dd + self.m * dmean / n",
            new="dx = dd + dmean / n",
            cause="Only the momentum's share of the mean comes from this batch.",
            label="factor",
            line="dx = dd + dmean / n",
        ),
        Wrong(
            "statistics of the first batch",
            old="        self.inv = 1 / np.sqrt(self.var + self.eps)\n",
            new="        self.inv = self.__dict__.get('inv', 1 / np.sqrt(self.var + self.eps))\n",
            cause="Forward keeps the first batch's deviation, backward differentiates as though it were this batch's.",
            label="state",
            line=None,
            fair=("dvar = -0.5 * self.inv**3 * dinv", "dx += self.m * dvar * 2 * self.xc / (n - 1)"),
            shows="second_call",
        ),
    ],
    right=[
        Right(
            "with the derivative of the mean written out",
            old="        dx = dd + self.m * dmean / n\n",
            new="        dx = dd - self.m * np.ones((n, n)) @ dd / n\n",
        ),
        Right(
            "evaluation mode: the old statistics only",
            source=EVALUATION,
        ),
    ],
)
