"""Softmax over the rows."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return p, p


def backward(dp, p):
    inner = np.sum(dp * p, axis=1, keepdims=True)
    dz = p * (dp - inner)
    return dz
"""


def problem(rng, size=0):
    return {"z": rng.normal(size=((4, 4), (3, 6))[size]) * 1.5}, ()


def peaked(rng, size=0):
    z = rng.normal(size=(4, 4))
    z[:, 1] += 18
    return {"z": z}, ()


FAMILY = Family(
    name="softmax",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "diagonal only",
            old="dz = p * (dp - inner)",
            new="dz = p * (1 - p) * dp",
            cause="Only the diagonal of the Jacobian is there, as though it were a sigmoid.",
            label="fused_formula",
            line="dz = p * (1 - p) * dp",
        ),
        Wrong(
            "sum term's sign",
            old="dz = p * (dp - inner)",
            new="dz = p * (dp + inner)",
            cause="The sum term is added where it should be subtracted.",
            label="sign",
            line="dz = p * (dp + inner)",
        ),
        Wrong(
            "sum over the columns",
            old="inner = np.sum(dp * p, axis=1, keepdims=True)",
            new="inner = np.sum(dp * p, axis=0, keepdims=True)",
            cause="The sum runs over the batch.",
            label="wrong_axis",
            line="inner = np.sum(dp * p, axis=0, keepdims=True)",
        ),
        Wrong(
            "overwrites its own output",
            old="    dz = p * (dp - inner)\n    return dz\n",
            new="    p *= dp - inner\n    return p\n",
            cause="The cached output is overwritten, and it is the array that forward has returned.",
            label="overwrite",
            line="p *= dp - inner",
            shows="output_changed",
        ),
    ],
    right=[
        Right(
            "Jacobian matrices",
            old="    inner = np.sum(dp * p, axis=1, keepdims=True)\n    dz = p * (dp - inner)\n",
            new='    J = np.einsum("ni,ij->nij", p, np.eye(p.shape[1])) - p[:, :, None] * p[:, None, :]\n'
            "    dz = (J @ dp[:, :, None]).squeeze(2)\n",
        ),
        Right(
            "subtract afterwards",
            old="    dz = p * (dp - inner)\n",
            new="    dz = p * dp\n    dz -= p * dz.sum(axis=1, keepdims=True)\n",
        ),
        Right("nearly one-hot", problem=peaked, difficult=True),
    ],
)
