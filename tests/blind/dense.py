"""Dense layer."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, n_in, n_out, rng):
        self.W = rng.normal(size=(n_in, n_out))
        self.b = rng.normal(size=n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW = self.x.T @ dy
        self.db = dy.sum(axis=0)
        dx = dy @ self.W.T
        return dx
"""


def problem(rng, size=0):
    n, d = ((4, 4), (3, 5))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((4, 4), (5, 2))[size], rng)


FAMILY = Family(
    name="dense",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"W": "dW", "b": "db"},
    people=False,
    wrong=[
        Wrong(
            "matrix not transposed",
            old="dx = dy @ self.W.T",
            new="dx = dy @ self.W",
            cause="The weight matrix should be transposed in the input's gradient.",
            label="transpose",
            line="dx = dy @ self.W",
        ),
        Wrong(
            "product the other way round",
            old="self.dW = self.x.T @ dy",
            new="self.dW = dy.T @ self.x",
            cause="The weights' gradient is transposed.",
            label="transpose",
            line="self.dW = dy.T @ self.x",
        ),
        Wrong(
            "bias averaged",
            old="self.db = dy.sum(axis=0)",
            new="self.db = dy.mean(axis=0)",
            cause="The bias's gradient is averaged over the batch where it should be summed.",
            label="factor",
            line="self.db = dy.mean(axis=0)",
        ),
        Wrong(
            "gradient of the call before",
            old="        self.dW = self.x.T @ dy\n",
            new="        dy, self.last = getattr(self, 'last', dy), dy\n        self.dW = self.x.T @ dy\n",
            cause="The gradient that came in the call before is used in place of this one's.",
            label="state",
            line="dy, self.last = getattr(self, 'last', dy), dy",
            fair=("self.dW = self.x.T @ dy",),
            shows="second_call",
        ),
        Wrong(
            "single precision on the way",
            old="self.dW = self.x.T @ dy",
            new="self.dW = (self.x.astype(np.float32).T @ dy.astype(np.float32)).astype(float)",
            cause="The product is taken in float32.",
            label="precision",
            line="self.dW = (self.x.astype(np.float32).T @ dy.astype(np.float32)).astype(float)",
            effect=3e-9,
        ),
        Wrong(
            "weight decay that is not in the loss",
            old="self.dW = self.x.T @ dy",
            new="self.dW = self.x.T @ dy + 1e-4 * self.W",
            cause="A weight decay is added to the gradient of a layer that has no penalty in its output.",
            label="extra_term",
            line="self.dW = self.x.T @ dy + 1e-4 * self.W",
            effect=1e-05,
        ),
        Wrong(
            "twice and averaged",
            old="        self.dW = self.x.T @ dy\n        self.db = dy.sum(axis=0)\n",
            new="        self.dW = 2 * self.x.T @ dy\n        self.db = dy.sum(axis=0) / len(dy)\n",
            cause="The weights' gradient has a two too many, and the bias's is averaged.",
            label="two_mistakes",
            line="self.dW = 2 * self.x.T @ dy",
            fair=("self.db = dy.sum(axis=0) / len(dy)",),
        ),
    ],
    right=[
        Right(
            "sum of outer products",
            old="        self.dW = self.x.T @ dy\n",
            new="        self.dW = np.zeros_like(self.W)\n"
            "        for row, g in zip(self.x, dy, strict=True):\n"
            "            self.dW += np.outer(row, g)\n",
        ),
        Right("einsum", old="dx = dy @ self.W.T", new='dx = np.einsum("no,io->ni", dy, self.W)'),
    ],
)
