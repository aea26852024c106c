"""Pre-activation residual block, in NumPy as a class: x + W2 relu(W1 relu(x)) with a learned branch scale."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, dim, rng):
        self.W1 = rng.normal(size=(dim, dim)) / np.sqrt(dim)
        self.W2 = rng.normal(size=(dim, dim)) / np.sqrt(dim)
        self.alpha = 0.8 + 0.1 * rng.normal(size=1)

    def forward(self, x):
        self.mask0 = x > 0
        self.r0 = x * self.mask0
        self.a = self.r0 @ self.W1
        self.r1 = np.maximum(self.a, 0.1 * self.a)
        self.branch = self.r1 @ self.W2
        self.out = x + self.alpha * self.branch
        return self.out

    def backward(self, dout):
        self.dalpha = np.array([(dout * self.branch).sum()])
        dbranch = dout * self.alpha
        self.dW2 = self.r1.T @ dbranch
        dr1 = dbranch @ self.W2.T
        da = np.where(self.a > 0, dr1, 0.1 * dr1)
        self.dW1 = self.r0.T @ da
        dr0 = da @ self.W1.T
        dx = dr0 * self.mask0
        dx = dx + dout
        return dx
"""


def problem(rng, size=0):
    n, d = ((4, 4), (3, 5))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def make(Layer, rng, size=0):
    return Layer((4, 5)[size], rng)


FAMILY = Family(
    name="residual_block",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"W1": "dW1", "W2": "dW2", "alpha": "dalpha"},
    wrong=[
        Wrong(
            "skip connection forgotten",
            old="        dx = dx + dout\n",
            new="",
            cause="The gradient that comes straight over the skip connection is not added.",
            label="missing_term",
            line="dx = dr0 * self.mask0",
            fair=("return dx",),
        ),
        Wrong(
            "skip scaled like the branch",
            old="dx = dx + dout",
            new="dx = dx + dbranch",
            cause="The skip connection gets the branch's scaled gradient.",
            label="wrong_operand",
            line="dx = dx + dbranch",
        ),
        Wrong(
            "mask over the sum",
            old="        dx = dr0 * self.mask0\n        dx = dx + dout\n",
            new="        dx = (dr0 + dout) * self.mask0\n",
            cause="The first rectifier's mask is applied to the skip connection too.",
            label="mask",
            line="dx = (dr0 + dout) * self.mask0",
        ),
        Wrong(
            "plain rectifier's derivative",
            old="da = np.where(self.a > 0, dr1, 0.1 * dr1)",
            new="da = np.where(self.a > 0, dr1, 0)",
            cause="The leaky rectifier has the slope 0.1 below zero, not 0.",
            label="missing_derivative",
            line="da = np.where(self.a > 0, dr1, 0)",
        ),
        Wrong(
            "gradient written into the output",
            old="        dx = dx + dout\n        return dx\n",
            new="        np.add(dx, dout, out=self.out)\n        return self.out\n",
            cause="The gradient is written into the array that forward has returned.",
            label="overwrite",
            line="np.add(dx, dout, out=self.out)",
            shows="output_changed",
        ),
        Wrong(
            "skip connection twice",
            old="dx = dx + dout",
            new="dx = dx + 2 * dout",
            cause="The skip connection's gradient is added twice.",
            label="extra_term",
            line="dx = dx + 2 * dout",
        ),
    ],
    right=[
        Right(
            "boolean indexing on its own array",
            old="""        dx = dr0 * self.mask0
        dx = dx + dout
        return dx
""",
            new="""        dr0[~self.mask0] = 0
        dr0 += dout
        return dr0
""",
        ),
        Right(
            "slopes as numbers",
            old="da = np.where(self.a > 0, dr1, 0.1 * dr1)",
            new="da = dr1 * (0.1 + 0.9 * (self.a > 0))",
        ),
        Right(
            "masked columns only",
            old="        dx = dr0 * self.mask0\n        dx = dx + dout\n",
            new="        dx = dout.copy()\n        dx[self.mask0] += dr0[self.mask0]\n",
        ),
    ],
)
