"""Log-softmax with a temperature that is learned as well, over the last axis."""

import numpy as np

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, temperature):
    z = x / temperature
    z = z - z.max(axis=-1, keepdims=True)
    y = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    return y, (x, y, temperature)


def backward(dy, cache):
    x, y, temperature = cache
    dz = dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)
    dx = dz / temperature
    dtemperature = -(dz * x).sum() / temperature**2
    return dx, dtemperature
"""


def problem(rng, size=0):
    shape = ((4, 4), (2, 3, 5))[size]
    return {"x": rng.normal(size=shape) * 2, "temperature": np.array(0.5 + rng.random())}, ()


def far(rng, size=0):
    inputs, constants = problem(rng, size)
    return inputs | {"x": inputs["x"] + 3e4}, constants


FAMILY = Family(
    name="log_softmax",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "softmax's formula",
            old="dz = dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)",
            new="dz = np.exp(y) * (dy - (dy * np.exp(y)).sum(axis=-1, keepdims=True))",
            cause="This is the softmax's derivative, not that of its logarithm.",
            label="fused_formula",
            line="dz = np.exp(y) * (dy - (dy * np.exp(y)).sum(axis=-1, keepdims=True))",
        ),
        Wrong(
            "probability for all of the sum",
            old="dz = dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)",
            new="dz = dy - np.exp(y)",
            cause="Right only where the gradient from above adds up to one, as with one-hot targets.",
            label="fused_formula",
            line="dz = dy - np.exp(y)",
        ),
        Wrong(
            "sum over the rows",
            old="dy.sum(axis=-1, keepdims=True)",
            new="dy.sum(axis=0, keepdims=True)",
            cause="The sum runs over the batch, not over the classes.",
            label="wrong_axis",
            line="dz = dy - np.exp(y) * dy.sum(axis=0, keepdims=True)",
        ),
        Wrong(
            "output for input",
            old="dtemperature = -(dz * x).sum() / temperature**2",
            new="dtemperature = -(dy * y).sum() / temperature",
            cause="The temperature divides the logits; here the log-probabilities are taken for them.",
            label="wrong_operand",
            line="dtemperature = -(dy * y).sum() / temperature",
        ),
        Wrong(
            "temperature not squared",
            old="dtemperature = -(dz * x).sum() / temperature**2",
            new="dtemperature = -(dz * x).sum() / temperature",
            cause="The derivative of 1/T is -1/T**2; here the square is missing.",
            label="missing_derivative",
            line="dtemperature = -(dz * x).sum() / temperature",
        ),
        Wrong(
            "probabilities in half precision",
            old="dz = dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)",
            new="dz = dy - np.exp(y).astype(np.float16) * dy.sum(axis=-1, keepdims=True)",
            cause="The probabilities are rounded to half precision.",
            label="precision",
            line="dz = dy - np.exp(y).astype(np.float16) * dy.sum(axis=-1, keepdims=True)",
            effect=1e-05,
        ),
    ],
    right=[
        Right(
            "temperature from the input's gradient",
            old="dtemperature = -(dz * x).sum() / temperature**2",
            new="dtemperature = -np.vdot(dx, x) / temperature",
        ),
        Right(
            "Jacobian of every row",
            old="    dz = dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)\n",
            new="""    rows = y.reshape(-1, y.shape[-1])
    dz = np.array([g @ (np.eye(len(r)) - np.exp(r)) for g, r in zip(dy.reshape(rows.shape), rows, strict=True)])
    dz = dz.reshape(y.shape)
""",
        ),
        Right("logits with an offset of 3e4", problem=far, difficult=True),
        Right(
            "shifted logits for the temperature, which changes nothing",
            old="dtemperature = -(dz * x).sum() / temperature**2",
            new="dtemperature = -(dz * (x - x.max(axis=-1, keepdims=True))).sum() / temperature**2",
        ),
    ],
)
