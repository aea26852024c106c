"""A small autoencoder whose decoder is the encoder's matrix, transposed; encoder and decoder have biases."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, n_in, n_hidden, rng):
        self.W = rng.normal(size=(n_in, n_hidden)) / np.sqrt(n_in)
        self.b = rng.normal(size=n_hidden)
        self.c = rng.normal(size=n_in)

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W + self.b)
        return self.h @ self.W.T + self.c

    def backward(self, dy):
        self.dc = dy.sum(axis=0)
        self.dW = dy.T @ self.h
        dh = dy @ self.W
        da = dh * (1 - self.h**2)
        self.db = da.sum(axis=0)
        self.dW += self.x.T @ da
        dx = da @ self.W.T
        return dx
"""


def problem(rng, size=0):
    n, d = ((3, 4), (5, 3))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((4, 4), (3, 2))[size], rng)


FAMILY = Family(
    name="weight_tying",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"W": "dW", "b": "db", "c": "dc"},
    wrong=[
        Wrong(
            "second use replaces the first",
            old="self.dW += self.x.T @ da",
            new="self.dW = self.x.T @ da",
            cause="The encoder's share of the gradient replaces the decoder's; the two should be added.",
            label="accumulate",
            line="self.dW = self.x.T @ da",
        ),
        Wrong(
            "decoder's share not transposed",
            old="self.dW = dy.T @ self.h",
            new="self.dW = self.h.T @ dy",
            cause="The decoder's share has the decoder's orientation: it should be transposed.",
            label="transpose",
            line="self.dW = self.h.T @ dy",
        ),
        Wrong(
            "average of the two uses",
            old="        dx = da @ self.W.T\n",
            new="        self.dW /= 2\n        dx = da @ self.W.T\n",
            cause="The two uses' gradients are averaged, but the gradient is their sum.",
            label="factor",
            line="self.dW /= 2",
        ),
        Wrong(
            "derivative of tanh at the input",
            old="da = dh * (1 - self.h**2)",
            new="da = dh * (1 - np.tanh(self.h) ** 2)",
            cause="The hidden values are already after the tanh; it is applied to them once more.",
            label="wrong_operand",
            line="da = dh * (1 - np.tanh(self.h) ** 2)",
        ),
    ],
    right=[
        Right(
            "both uses in one statement",
            old="""        self.dW = dy.T @ self.h
        dh = dy @ self.W
        da = dh * (1 - self.h**2)
        self.db = da.sum(axis=0)
        self.dW += self.x.T @ da
""",
            new="""        da = (dy @ self.W) * (1 - self.h) * (1 + self.h)
        self.dW, self.db = dy.T @ self.h + self.x.T @ da, da.sum(axis=0)
""",
        ),
        Right(
            "stacked for one product",
            old="        self.dW = dy.T @ self.h\n",
            new="        self.dW = np.zeros_like(self.W)\n        self.dW += np.tensordot(dy, self.h, axes=(0, 0))\n",
        ),
    ],
)
