"""A textbook network of layer objects: affine, sigmoid, affine, with the gradients collected from the objects."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        dx = np.dot(dout, self.W.T)
        return dx


class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        dx = dout * (1.0 - self.out) * self.out
        return dx


class Layer:
    def __init__(self, d, h, o, rng):
        self.W1, self.b1 = rng.normal(size=(d, h)), rng.normal(size=h)
        self.W2, self.b2 = rng.normal(size=(h, o)), rng.normal(size=o)

    def forward(self, x):
        self.layers = [Affine(self.W1, self.b1), Sigmoid(), Affine(self.W2, self.b2)]
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        first, _, last = self.layers
        self.gW1, self.gb1 = first.dW, first.db
        self.gW2, self.gb2 = last.dW, last.db
        return dout
"""


def problem(rng, size=0):
    n, d = ((4, 4), (3, 5))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((4, 4, 4), (5, 3, 2))[size], rng)


FAMILY = Family(
    name="layer_objects",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    people=False,
    params={"W1": "gW1", "b1": "gb1", "W2": "gW2", "b2": "gb2"},
    wrong=[
        Wrong(
            "weights not transposed",
            old="dx = np.dot(dout, self.W.T)",
            new="dx = np.dot(dout, self.W)",
            cause="The weights should be transposed on the way back.",
            label="transpose",
            line="dx = np.dot(dout, self.W)",
        ),
        Wrong(
            "sigmoid's derivative of the gradient",
            old="dx = dout * (1.0 - self.out) * self.out",
            new="dx = dout * (1.0 - dout) * self.out",
            cause="The sigmoid's derivative is taken with the incoming gradient in the place of the output.",
            label="wrong_operand",
            line="dx = dout * (1.0 - dout) * self.out",
        ),
        Wrong(
            "one factor of the sigmoid's derivative",
            old="dx = dout * (1.0 - self.out) * self.out",
            new="dx = dout * (1.0 - self.out)",
            cause="The sigmoid's derivative is s (1 - s), and one of the factors is missing.",
            label="missing_derivative",
            line="dx = dout * (1.0 - self.out)",
        ),
        Wrong(
            "objects kept from the first call",
            old="""        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        first, _, last = self.layers
""",
            new="""        first, sigmoid, last = self.layers
        self.sigmoid = getattr(self, "sigmoid", sigmoid)
        for layer in (last, self.sigmoid, first):
            dout = layer.backward(dout)
""",
            cause="The sigmoid's object is kept from the first call, and so is its output.",
            label="state",
            line='self.sigmoid = getattr(self, "sigmoid", sigmoid)',
            fair=("dout = layer.backward(dout)",),
            shows="second_call",
        ),
        Wrong(
            "both layers' gradients from the last",
            old="self.gW1, self.gb1 = first.dW, first.db",
            new="self.gW1, self.gb1 = first.dW, last.db",
            cause="The first layer's bias gets the last layer's gradient, whose size is the same here.",
            label="wrong_operand",
            line="self.gW1, self.gb1 = first.dW, last.db",
        ),
        Wrong(
            "gradient by the batch size",
            old="self.dW = np.dot(self.x.T, dout)",
            new="self.dW = np.dot(self.x.T, dout) / self.x.shape[0]",
            cause="The weights' gradient is divided by the number of examples in the layer itself.",
            label="factor",
            line="self.dW = np.dot(self.x.T, dout) / self.x.shape[0]",
        ),
    ],
    right=[
        Right(
            "closures in place of objects' order",
            old="""        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        first, _, last = self.layers
""",
            new="        first, sigmoid, last = self.layers\n"
            "        dout = first.backward(sigmoid.backward(last.backward(dout)))\n",
        ),
        Right(
            "sigmoid's derivative in two steps",
            old="        dx = dout * (1.0 - self.out) * self.out\n",
            new="        s = self.out\n        dx = np.multiply(s - s * s, dout)\n",
        ),
    ],
)
