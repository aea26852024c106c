"""Mixture of experts: a softmax gate mixes the outputs of several dense layers."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, k, d, o, rng):
        self.gate = rng.normal(size=(d, k))
        self.experts = rng.normal(size=(k, d, o))

    def forward(self, x):
        self.x = x
        logits = x @ self.gate
        self.g = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.g /= self.g.sum(axis=1, keepdims=True)
        self.outs = [np.tanh(x @ E) for E in self.experts]
        return sum(self.g[:, [k]] * out for k, out in enumerate(self.outs))

    def backward(self, d_y):
        self.d_experts = np.zeros_like(self.experts)
        d_x = np.zeros_like(self.x)
        d_g = np.zeros_like(self.g)
        for k, out in enumerate(self.outs):
            d_out = self.g[:, [k]] * d_y
            d_a = d_out * (1 - out**2)
            self.d_experts[k] = self.x.T @ d_a
            d_x += d_a @ self.experts[k].T
            d_g[:, k] = (out * d_y).sum(axis=1)
        d_logits = self.g * (d_g - (self.g * d_g).sum(axis=1, keepdims=True))
        self.d_gate = self.x.T @ d_logits
        d_x += d_logits @ self.gate.T
        return d_x
"""


def problem(rng, size=0):
    n, d = ((4, 3), (5, 2))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((3, 3, 3), (4, 2, 3))[size], rng)


FAMILY = Family(
    name="experts",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"gate": "d_gate", "experts": "d_experts"},
    wrong=[
        Wrong(
            "gate's route to the input",
            old="        d_x += d_logits @ self.gate.T\n        return d_x\n",
            new="        return d_x\n",
            cause="The gate also reads the input, and that route is missing.",
            label="missing_term",
            line="d_x += d_a @ self.experts[k].T",
            fair=("return d_x",),
        ),
        Wrong(
            "experts unweighted",
            old="d_out = self.g[:, [k]] * d_y",
            new="d_out = d_y",
            cause="Each expert's output is weighted by the gate, and its gradient is not.",
            label="missing_derivative",
            line="d_out = d_y",
        ),
        Wrong(
            "last expert only for the input",
            old="d_x += d_a @ self.experts[k].T",
            new="d_x = d_a @ self.experts[k].T",
            cause="The input's gradient is overwritten by each expert.",
            label="accumulate",
            line="d_x = d_a @ self.experts[k].T",
        ),
        Wrong(
            "first expert's gate for all",
            old="d_out = self.g[:, [k]] * d_y",
            new="d_out = self.g[:, [0]] * d_y",
            cause="Every expert's output is weighted by its own gate, and here by the first one's.",
            label="wrong_operand",
            line="d_out = self.g[:, [0]] * d_y",
        ),
        Wrong(
            "gate's gradient from the experts' sum",
            old="d_g[:, k] = (out * d_y).sum(axis=1)",
            new="d_g[:, k] = (self.outs[0] * d_y).sum(axis=1)",
            cause="The gate's gradient has each expert's own output, and here the first expert's.",
            label="wrong_operand",
            line="d_g[:, k] = (self.outs[0] * d_y).sum(axis=1)",
        ),
        Wrong(
            "gradients of one call in the next",
            source=apply(
                apply(
                    apply(
                        SOURCE,
                        "        self.experts = rng.normal(size=(k, d, o))\n",
                        "        self.experts = rng.normal(size=(k, d, o))\n        self.d_experts = 0\n",
                    ),
                    "self.d_experts = np.zeros_like(self.experts)",
                    "self.d_experts = self.d_experts + np.zeros_like(self.experts)",
                ),
                "self.d_experts[k] = self.x.T @ d_a",
                "self.d_experts[k] += self.x.T @ d_a",
            ),
            cause="The experts' gradients are made once and added to in every call.",
            label="state",
            line="self.d_experts[k] += self.x.T @ d_a",
            fair=("self.d_experts = self.d_experts + np.zeros_like(self.experts)",),
            shows="second_call",
        ),
    ],
    right=[
        Right(
            "experts in one array",
            old="""        for k, out in enumerate(self.outs):
            d_out = self.g[:, [k]] * d_y
            d_a = d_out * (1 - out**2)
            self.d_experts[k] = self.x.T @ d_a
            d_x += d_a @ self.experts[k].T
            d_g[:, k] = (out * d_y).sum(axis=1)
""",
            new="""        outs = np.stack(self.outs)
        d_a = self.g.T[:, :, None] * d_y * (1 - outs**2)
        self.d_experts = np.matmul(self.x.T, d_a)
        d_x += np.einsum("kno,kdo->nd", d_a, self.experts)
        d_g = np.einsum("kno,no->nk", outs, d_y)
""",
        ),
        Right(
            "advantage over the mixture",
            old="        d_logits = self.g * (d_g - (self.g * d_g).sum(axis=1, keepdims=True))\n",
            new='        mixture = np.einsum("nk,kno->no", self.g, np.array(self.outs))\n'
            "        d_logits = self.g * np.array([((out - mixture) * d_y).sum(axis=1) for out in self.outs]).T\n",
        ),
    ],
)
