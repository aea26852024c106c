"""Weight normalisation: W = g V / |V| by output unit; and a spectral norm with fixed singular vectors as a variant."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, n_in, n_out, rng):
        self.V = rng.normal(size=(n_in, n_out))
        self.g = 1 + rng.random(n_out)
        self.b = rng.normal(size=n_out)

    def forward(self, x):
        self.x = x
        self.norm = np.sqrt((self.V**2).sum(axis=0))
        self.W = self.V * (self.g / self.norm)
        return x @ self.W + self.b

    def backward(self, dy):
        dW = self.x.T @ dy
        self.db = dy.sum(axis=0)
        unit = self.V / self.norm
        self.dg = (dW * unit).sum(axis=0)
        self.dV = self.g / self.norm * (dW - unit * self.dg)
        dx = dy @ self.W.T
        return dx
"""

SPECTRAL = '''
import numpy as np


class Layer:
    """Divides by the largest singular value, found by the decomposition."""

    def __init__(self, n_in, n_out, rng):
        self.V = rng.normal(size=(n_in, n_out))
        self.g = 1 + rng.random(n_out)
        self.b = rng.normal(size=n_out)

    def forward(self, x):
        left, values, right = np.linalg.svd(self.V)
        self.x, self.u, self.v, self.sigma = x, left[:, 0], right[0], values[0]
        self.W = self.V / self.sigma
        return self.g * (x @ self.W) + self.b

    def backward(self, dy):
        self.db = dy.sum(axis=0)
        self.dg = (dy * (self.x @ self.W)).sum(axis=0)
        dW = self.x.T @ (dy * self.g)
        dsigma = -(dW * self.W).sum() / self.sigma
        self.dV = dW / self.sigma + dsigma * np.outer(self.u, self.v)
        dx = (dy * self.g) @ self.W.T
        return dx
'''


def problem(rng, size=0):
    n, d = ((5, 3), (2, 4))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((3, 3), (4, 2))[size], rng)


FAMILY = Family(
    name="weight_norm",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"V": "dV", "g": "dg", "b": "db"},
    wrong=[
        Wrong(
            "norm detached",
            old="self.dV = self.g / self.norm * (dW - unit * self.dg)",
            new="self.dV = self.g / self.norm * dW",
            cause="The norm is treated as a constant.",
            label="missing_term",
            line="self.dV = self.g / self.norm * dW",
        ),
        Wrong(
            "direction not normalised",
            old="self.dV = self.g / self.norm * (dW - unit * self.dg)",
            new="self.dV = self.g / self.norm * (dW - self.V * self.dg)",
            cause="The unit vector is needed for the projection, not V itself.",
            label="wrong_operand",
            line="self.dV = self.g / self.norm * (dW - self.V * self.dg)",
        ),
        Wrong(
            "gain of the whole weight",
            old="self.dg = (dW * unit).sum(axis=0)",
            new="self.dg = (dW * self.W).sum(axis=0)",
            cause="The weight with its gain is multiplied in, where only the unit vector belongs.",
            label="wrong_operand",
            line="self.dg = (dW * self.W).sum(axis=0)",
        ),
        Wrong(
            "plain weight for the input",
            old="dx = dy @ self.W.T",
            new="dx = dy @ self.V.T",
            cause="The raw parameter stands in for the normalised weight.",
            label="wrong_operand",
            line="dx = dy @ self.V.T",
        ),
        Wrong(
            "spectral norm without the path through sigma",
            base=SPECTRAL,
            old="self.dV = dW / self.sigma + dsigma * np.outer(self.u, self.v)",
            new="self.dV = dW / self.sigma",
            cause="The largest singular value depends on the matrix; it is treated as a constant.",
            label="missing_term",
            line="self.dV = dW / self.sigma",
        ),
    ],
    right=[
        Right("spectral norm", source=SPECTRAL),
        Right(
            "unit by unit",
            old="        self.dV = self.g / self.norm * (dW - unit * self.dg)\n",
            new="""        self.dV = np.empty_like(self.V)
        for k, u in enumerate(unit.T):
            projector = np.eye(len(u)) - np.outer(u, u)
            self.dV[:, k] = self.g[k] / self.norm[k] * (projector @ dW[:, k])
""",
        ),
    ],
)
