"""Highway layer: a gate mixes the transformed input with the input itself."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, size, rng):
        self.W_H = rng.normal(0, 0.7, (size, size))
        self.b_H = rng.normal(size=size)
        self.W_T = rng.normal(0, 0.7, (size, size))
        self.b_T = rng.normal(size=size) - 1.0

    def forward(self, x):
        self.x = x
        self.H = np.tanh(x.dot(self.W_H) + self.b_H)
        self.T = 1.0 / (1.0 + np.exp(-(x.dot(self.W_T) + self.b_T)))
        return self.T * self.H + (1.0 - self.T) * x

    def backward(self, dout):
        dH = dout * self.T
        dT = dout * (self.H - self.x)
        dx = dout * (1.0 - self.T)
        dH_pre = dH * (1.0 - self.H**2)
        dT_pre = dT * self.T * (1.0 - self.T)
        self.dW_H = self.x.T.dot(dH_pre)
        self.db_H = dH_pre.sum(axis=0)
        self.dW_T = self.x.T.dot(dT_pre)
        self.db_T = dT_pre.sum(axis=0)
        dx += dH_pre.dot(self.W_H.T)
        dx += dT_pre.dot(self.W_T.T)
        return dx
"""


def problem(rng, size=0):
    return {"x": rng.normal(size=((4, 4), (3, 5))[size])}, ()


def make(Layer, rng, size=0):
    return Layer((4, 5)[size], rng)


FAMILY = Family(
    name="highway",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"W_H": "dW_H", "b_H": "db_H", "W_T": "dW_T", "b_T": "db_T"},
    wrong=[
        Wrong(
            "carry gate's route to the input",
            old="dx = dout * (1.0 - self.T)",
            new="dx = np.zeros_like(self.x)",
            cause="The input is also carried past the transformation, and that route is missing.",
            label="missing_term",
            line="dx = np.zeros_like(self.x)",
        ),
        Wrong(
            "gate's gradient without the carried input",
            old="dT = dout * (self.H - self.x)",
            new="dT = dout * self.H",
            cause="The gate also scales the carried input down, so its gradient has H minus x.",
            label="missing_term",
            line="dT = dout * self.H",
        ),
        Wrong(
            "gate's route to the input overwrites the others",
            old="dx += dT_pre.dot(self.W_T.T)",
            new="dx = dT_pre.dot(self.W_T.T)",
            cause="The last route is assigned where it should be added to the others.",
            label="accumulate",
            line="dx = dT_pre.dot(self.W_T.T)",
        ),
        Wrong(
            "transformation's weights used twice",
            old="dx += dT_pre.dot(self.W_T.T)",
            new="dx += dT_pre.dot(self.W_H.T)",
            cause="The gate's pre-activation goes back through the transformation's weights, not its own.",
            label="wrong_operand",
            line="dx += dT_pre.dot(self.W_H.T)",
        ),
        Wrong(
            "parameters' gradients never reset",
            source=apply(
                apply(
                    SOURCE,
                    "        self.b_T = rng.normal(size=size) - 1.0\n",
                    "        self.b_T = rng.normal(size=size) - 1.0\n        self.dW_T = np.zeros_like(self.W_T)\n",
                ),
                "self.dW_T = self.x.T.dot(dT_pre)",
                "self.dW_T += self.x.T.dot(dT_pre)",
            ),
            cause="The weights' gradient is added to that of the calls before.",
            label="state",
            line="self.dW_T += self.x.T.dot(dT_pre)",
            shows="second_call",
        ),
        Wrong(
            "sigmoid's derivative as the tanh's",
            old="dT_pre = dT * self.T * (1.0 - self.T)",
            new="dT_pre = dT * (1.0 - self.T**2)",
            cause="The gate is a sigmoid and gets the derivative of a tanh.",
            label="missing_derivative",
            line="dT_pre = dT * (1.0 - self.T**2)",
        ),
    ],
    right=[
        Right(
            "stacked matrices",
            old="""        dx += dH_pre.dot(self.W_H.T)
        dx += dT_pre.dot(self.W_T.T)
        return dx
""",
            new="        both = np.hstack([dH_pre, dT_pre])\n"
            "        return dx + both @ np.hstack([self.W_H, self.W_T]).T\n",
        ),
        Right(
            "residual form",
            old="dx = dout * (1.0 - self.T)",
            new="dx = dout - dH",
        ),
    ],
)
