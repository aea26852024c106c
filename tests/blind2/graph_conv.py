"""Two graph convolutions with a normalised adjacency whose edge weights are learned."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, d, h, o, rng):
        self.W1 = rng.normal(size=(d, h))
        self.W2 = rng.normal(size=(h, o))

    def forward(self, X, A):
        self.A_hat = A + np.eye(len(A))
        self.deg = self.A_hat.sum(axis=1)
        self.inv_sqrt = self.deg**-0.5
        self.S = self.inv_sqrt[:, None] * self.A_hat * self.inv_sqrt[None, :]
        self.X = X
        self.M1 = self.S @ X
        self.H = np.tanh(self.M1 @ self.W1)
        self.M2 = self.S @ self.H
        return self.M2 @ self.W2

    def backward(self, dout):
        self.dW2 = self.M2.T @ dout
        dM2 = dout @ self.W2.T
        dS = dM2 @ self.H.T
        dH = self.S.T @ dM2
        dZ1 = dH * (1 - self.H**2)
        self.dW1 = self.M1.T @ dZ1
        dM1 = dZ1 @ self.W1.T
        dS += dM1 @ self.X.T
        dX = self.S.T @ dM1
        d = self.inv_sqrt
        dA = dS * np.outer(d, d)
        dd = (dS * self.A_hat) @ d + (dS * self.A_hat).T @ d
        ddeg = -0.5 * self.deg**-1.5 * dd
        dA += ddeg[:, None]
        return dX, dA
"""


def problem(rng, size=0):
    n, d = ((4, 4), (5, 3))[size]
    return {"X": rng.normal(size=(n, d)), "A": rng.uniform(0.2, 1.5, size=(n, n))}, ()


def make(Layer, rng, size=0):
    return Layer(*((4, 4, 4), (3, 2, 3))[size], rng)


FAMILY = Family(
    name="graph_conv",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"W1": "dW1", "W2": "dW2"},
    wrong=[
        Wrong(
            "degrees taken as given",
            old="        dA += ddeg[:, None]\n        return dX, dA\n",
            new="        return dX, dA\n",
            cause="The degrees depend on the edges, and their route is missing.",
            label="missing_term",
            line="dA = dS * np.outer(d, d)",
            fair=("return dX, dA",),
        ),
        Wrong(
            "adjacency assumed symmetric",
            old="dH = self.S.T @ dM2",
            new="dH = self.S @ dM2",
            cause="The graph is directed, and the normalised adjacency should be transposed.",
            label="transpose",
            line="dH = self.S @ dM2",
        ),
        Wrong(
            "degrees' gradient down the columns",
            old="dA += ddeg[:, None]",
            new="dA += ddeg[None, :]",
            cause="A degree is the sum of a row, and its gradient is spread over a column.",
            label="wrong_axis",
            line="dA += ddeg[None, :]",
        ),
        Wrong(
            "second layer's adjacency overwritten",
            old="dS += dM1 @ self.X.T",
            new="dS = dM1 @ self.X.T",
            cause="Both layers use the adjacency, and the first one's gradient replaces the second one's.",
            label="accumulate",
            line="dS = dM1 @ self.X.T",
        ),
        Wrong(
            "degree normalises one side",
            old="dd = (dS * self.A_hat) @ d + (dS * self.A_hat).T @ d",
            new="dd = (dS * self.A_hat) @ d",
            cause="A degree stands on both sides of the adjacency, and only its rows are counted.",
            label="missing_term",
            line="dd = (dS * self.A_hat) @ d",
        ),
        Wrong(
            "gradient clipped by norm",
            old="        dZ1 = dH * (1 - self.H**2)\n",
            new="""        norm = np.linalg.norm(dH)
        dH = dH * min(1.0, 100 / norm)
        dZ1 = dH * (1 - self.H**2)
""",
            cause="The hidden gradient is scaled down to a norm of 100 at most, as against exploding gradients.",
            label="nonlinear_in_dy",
            line="dH = dH * min(1.0, 100 / norm)",
            shows="large_dy",
        ),
        Wrong(
            "features in place of their sums",
            old="self.dW1 = self.M1.T @ dZ1",
            new="self.dW1 = self.X.T @ dZ1",
            cause="The first weights multiplied the neighbours' sums, and the features themselves are used.",
            label="wrong_operand",
            line="self.dW1 = self.X.T @ dZ1",
        ),
    ],
    right=[
        Right(
            "edge by edge",
            old="        dS = dM2 @ self.H.T\n        dH = self.S.T @ dM2\n",
            new="""        dS, dH = np.zeros_like(self.S), np.zeros_like(self.H)
        for i, j in np.ndindex(self.S.shape):
            dS[i, j] = dM2[i] @ self.H[j]
            dH[j] += self.S[i, j] * dM2[i]
""",
        ),
        Right(
            "degrees from the normalised adjacency",
            old="""        dd = (dS * self.A_hat) @ d + (dS * self.A_hat).T @ d
        ddeg = -0.5 * self.deg**-1.5 * dd
        dA += ddeg[:, None]
""",
            new="        both = dS * self.S\n"
            "        dA -= 0.5 * ((both.sum(axis=1) + both.sum(axis=0)) / self.deg).reshape(-1, 1)\n",
        ),
    ],
)
