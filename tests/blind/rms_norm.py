"""RMS normalisation as a layer that keeps what it needs on self."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, dim, rng, eps=1e-6):
        self.g = 1 + 0.3 * rng.normal(size=dim)
        self.dg = np.zeros(dim)
        self.eps = eps

    def forward(self, x):
        self.x = x
        self.ms = np.mean(x * x, axis=-1, keepdims=True) + self.eps
        self.r = self.ms**-0.5
        return x * self.r * self.g

    def backward(self, dout):
        x, r = self.x, self.r
        n = x.shape[-1]
        self.dg = np.sum(dout * x * r, axis=tuple(range(x.ndim - 1)))
        dxn = dout * self.g
        dr = np.sum(dxn * x, axis=-1, keepdims=True)
        dms = -0.5 * self.ms**-1.5 * dr
        dx = dxn * r
        dx += dms * 2 * x / n
        return dx
"""


def problem(rng, size=0):
    shape = ((2, 3, 5), (4, 1, 8))[size]
    return {"x": rng.normal(size=shape)}, ()


def small(rng, size=0):
    inputs, constants = problem(rng, size)
    return {"x": inputs["x"] * 1e-4}, constants


def make(Layer, rng, size=0):
    return Layer((5, 8)[size], rng)


FAMILY = Family(
    name="rms_norm",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"g": "dg"},
    wrong=[
        Wrong(
            "root treated as constant",
            old="        dx += dms * 2 * x / n\n",
            new="",
            cause="The root mean square is treated as a constant: its dependence on x is missing.",
            label="missing_term",
            line="dx = dxn * r",
            fair=("return dx",),
        ),
        Wrong(
            "power one half too high",
            old="dms = -0.5 * self.ms**-1.5 * dr",
            new="dms = -0.5 * self.ms**-0.5 * dr",
            cause="The derivative of m**-0.5 is -0.5 m**-1.5; the power was not lowered.",
            label="missing_derivative",
            line="dms = -0.5 * self.ms**-0.5 * dr",
        ),
        Wrong(
            "gradient adds up over calls",
            old="        self.dg = np.sum(dout * x * r, axis=tuple(range(x.ndim - 1)))",
            new="        self.dg += np.sum(dout * x * r, axis=tuple(range(x.ndim - 1)))",
            cause="The gain's gradient is added to that of the call before and never set to zero.",
            label="state",
            line="self.dg += np.sum(dout * x * r, axis=tuple(range(x.ndim - 1)))",
            shows="second_call",
        ),
        Wrong(
            "input kept from the first call",
            old="        self.x = x\n",
            new="        if not hasattr(self, 'x'):\n            self.x = x\n",
            cause="The input is stored in the first call only, so later backward passes use an old one.",
            label="state",
            line=None,
            fair=("x, r = self.x, self.r",),
            shows="second_call",
        ),
        Wrong(
            "another eps in backward",
            old="dms = -0.5 * self.ms**-1.5 * dr",
            new="dms = -0.5 * (np.mean(x * x, axis=-1, keepdims=True) + 1e-5) ** -1.5 * dr",
            cause="The backward pass adds 1e-5 to the mean square, the forward pass 1e-6.",
            label="wrong_constant",
            line="dms = -0.5 * (np.mean(x * x, axis=-1, keepdims=True) + 1e-5) ** -1.5 * dr",
            effect=1e-5,
        ),
    ],
    right=[
        Right(
            "projection",
            old="""        dr = np.sum(dxn * x, axis=-1, keepdims=True)
        dms = -0.5 * self.ms**-1.5 * dr
        dx = dxn * r
        dx += dms * 2 * x / n
        return dx
""",
            new="""        u = x * r
        return r * (dxn - u * np.mean(dxn * u, axis=-1, keepdims=True))
""",
        ),
        Right("inputs of 1e-4, below the root of eps", problem=small),
    ],
)
