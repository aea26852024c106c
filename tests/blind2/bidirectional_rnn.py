"""Bidirectional RNN whose two directions are concatenated at each step."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


class Cell:
    def run(self, x, W, U):
        self.x, self.W, self.U = x, W, U
        self.states = [np.zeros(len(U))]
        for xt in x:
            self.states.append(np.tanh(xt @ W + self.states[-1] @ U))
        return np.stack(self.states[1:])

    def back(self, dh):
        dW, dU, dx = np.zeros_like(self.W), np.zeros_like(self.U), np.zeros_like(self.x)
        carry = np.zeros(len(self.U))
        for t in range(len(self.x))[::-1]:
            da = (dh[t] + carry) * (1 - self.states[t + 1] ** 2)
            dW += np.outer(self.x[t], da)
            dU += np.outer(self.states[t], da)
            dx[t] = self.W @ da
            carry = self.U @ da
        return dx, dW, dU


class Layer:
    def __init__(self, d, h, rng):
        self.Wf, self.Wb = rng.normal(size=(2, d, h)) * 0.7
        self.Uf, self.Ub = rng.normal(size=(2, h, h)) * 0.7

    def forward(self, x):
        self.left, self.right = Cell(), Cell()
        hf = self.left.run(x, self.Wf, self.Uf)
        hb = self.right.run(x[::-1], self.Wb, self.Ub)[::-1]
        return np.concatenate([hf, hb], axis=1)

    def backward(self, dout):
        h = len(self.Uf)
        dhf, dhb = dout[:, :h], dout[:, h:]
        dxf, self.dWf, self.dUf = self.left.back(dhf)
        dxb, self.dWb, self.dUb = self.right.back(dhb[::-1])
        return dxf + dxb[::-1]
"""


def problem(rng, size=0):
    t, d = ((4, 3), (5, 2))[size]
    return {"x": rng.normal(size=(t, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((3, 3), (2, 4))[size], rng)


FAMILY = Family(
    name="bidirectional_rnn",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"Wf": "dWf", "Uf": "dUf", "Wb": "dWb", "Ub": "dUb"},
    wrong=[
        Wrong(
            "input's gradient not reversed back",
            old="return dxf + dxb[::-1]",
            new="return dxf + dxb",
            cause="The backward direction's gradients stand in reversed time and are added as they are.",
            label="transpose",
            line="return dxf + dxb",
        ),
        Wrong(
            "gradient not reversed for the backward direction",
            old="dxb, self.dWb, self.dUb = self.right.back(dhb[::-1])",
            new="dxb, self.dWb, self.dUb = self.right.back(dhb)",
            cause="The backward direction ran over the reversed sequence, and its gradient is not reversed.",
            label="transpose",
            line="dxb, self.dWb, self.dUb = self.right.back(dhb)",
        ),
        Wrong(
            "one direction for the input",
            old="return dxf + dxb[::-1]",
            new="return dxf",
            cause="The input's gradient from the backward direction is dropped.",
            label="missing_term",
            line="return dxf",
        ),
        Wrong(
            "halves exchanged",
            old="dhf, dhb = dout[:, :h], dout[:, h:]",
            new="dhb, dhf = dout[:, :h], dout[:, h:]",
            cause="The first half belongs to the forward direction, and the second is taken for it.",
            label="swapped_returns",
            line="dhb, dhf = dout[:, :h], dout[:, h:]",
        ),
        Wrong(
            "recurrence with this step's state",
            old="dU += np.outer(self.states[t], da)",
            new="dU += np.outer(self.states[t + 1], da)",
            cause="The recurrent matrix multiplied the state of the step before.",
            label="off_by_one",
            line="dU += np.outer(self.states[t + 1], da)",
        ),
        Wrong(
            "carry after the derivative",
            old="da = (dh[t] + carry) * (1 - self.states[t + 1] ** 2)",
            new="da = dh[t] * (1 - self.states[t + 1] ** 2) + carry",
            cause="The carried gradient is added behind the tanh's derivative, which should act on it too.",
            label="missing_derivative",
            line="da = dh[t] * (1 - self.states[t + 1] ** 2) + carry",
        ),
        Wrong(
            "cells made once",
            source=apply(
                apply(
                    SOURCE,
                    "        self.left, self.right = Cell(), Cell()\n",
                    "        self.left, self.right = Cell(), Cell()\n"
                    '        self.first = getattr(self, "first", None)\n',
                ),
                "        dxf, self.dWf, self.dUf = self.left.back(dhf)\n",
                "        self.first = self.first or self.left\n"
                "        dxf, self.dWf, self.dUf = self.first.back(dhf)\n",
            ),
            cause="The forward direction's cell keeps the states of its first sequence.",
            label="state",
            line="dxf, self.dWf, self.dUf = self.first.back(dhf)",
            fair=("self.first = self.first or self.left",),
            shows="second_call",
        ),
    ],
    right=[
        Right(
            "matrices after the loop",
            old="""            dW += np.outer(self.x[t], da)
            dU += np.outer(self.states[t], da)
            dx[t] = self.W @ da
            carry = self.U @ da
        return dx, dW, dU
""",
            new="""            carry = self.U @ da
            dx[t] = da @ self.W.T
            dW += self.x[t][:, None] * da
            dU += self.states[t][:, None] * da
        return dx, dW, dU
""",
        ),
        Right(
            "flip",
            old="        dxb, self.dWb, self.dUb = self.right.back(dhb[::-1])\n        return dxf + dxb[::-1]\n",
            new="""        dxb, self.dWb, self.dUb = self.right.back(np.flip(dhb, axis=0))
        dx = np.array(dxf)
        dx[::-1] += dxb
        return dx
""",
        ),
    ],
)
