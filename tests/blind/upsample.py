"""Linear interpolation along time to any length, ends aligned; the values come from a dense layer with tanh."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, gain, n_out):
    n = x.shape[1]
    pos = np.linspace(0, n - 1, n_out)
    left = np.minimum(pos.astype(int), n - 2)
    frac = pos - left
    h = np.tanh(gain * x)
    y = h[:, left] * (1 - frac) + h[:, left + 1] * frac
    return y, (x, gain, h, left, frac)


def backward(dy, cache):
    x, gain, h, left, frac = cache
    dh = np.zeros_like(h)
    np.add.at(dh, (slice(None), left), dy * (1 - frac))
    np.add.at(dh, (slice(None), left + 1), dy * frac)
    da = dh * (1 - h**2)
    dx = da * gain
    dgain = (da * x).sum(axis=0)
    return dx, dgain
"""


def problem(rng, size=0):
    b, n, n_out = ((3, 4, 9), (2, 5, 4))[size]
    return {"x": rng.normal(size=(b, n)), "gain": rng.normal(size=n)}, (n_out,)


FAMILY = Family(
    name="upsample",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "repeated positions overwritten",
            old="np.add.at(dh, (slice(None), left), dy * (1 - frac))",
            new="dh[:, left] += dy * (1 - frac)",
            cause="A position that several outputs read gets one of their gradients only.",
            label="accumulate",
            line="dh[:, left] += dy * (1 - frac)",
        ),
        Wrong(
            "weights exchanged",
            old="    np.add.at(dh, (slice(None), left), dy * (1 - frac))\n"
            "    np.add.at(dh, (slice(None), left + 1), dy * frac)\n",
            new="    np.add.at(dh, (slice(None), left), dy * frac)\n"
            "    np.add.at(dh, (slice(None), left + 1), dy * (1 - frac))\n",
            cause="The left and the right neighbour have each other's weights.",
            label="wrong_operand",
            line="np.add.at(dh, (slice(None), left), dy * frac)",
        ),
        Wrong(
            "nearest neighbour",
            old="    np.add.at(dh, (slice(None), left), dy * (1 - frac))\n"
            "    np.add.at(dh, (slice(None), left + 1), dy * frac)\n",
            new="    np.add.at(dh, (slice(None), left + (frac > 0.5)), dy)\n",
            cause="All goes to the nearer neighbour, as though forward did not interpolate.",
            label="fused_formula",
            line="np.add.at(dh, (slice(None), left + (frac > 0.5)), dy)",
        ),
        Wrong(
            "gain averaged over the batch",
            old="dgain = (da * x).sum(axis=0)",
            new="dgain = (da * x).mean(axis=0)",
            cause="The gain is shared by the batch: its gradient is a sum.",
            label="factor",
            line="dgain = (da * x).mean(axis=0)",
        ),
    ],
    right=[
        Right(
            "interpolation matrix",
            old="""    dh = np.zeros_like(h)
    np.add.at(dh, (slice(None), left), dy * (1 - frac))
    np.add.at(dh, (slice(None), left + 1), dy * frac)
""",
            new="""    M = np.zeros((h.shape[1], len(left)))
    M[left, range(len(left))] = 1 - frac
    M[left + 1, range(len(left))] += frac
    dh = dy @ M.T
""",
        ),
        Right(
            "output by output",
            old="""    np.add.at(dh, (slice(None), left), dy * (1 - frac))
    np.add.at(dh, (slice(None), left + 1), dy * frac)
""",
            new="""    for j, (k, f) in enumerate(zip(left, frac, strict=True)):
        dh[:, k] += (1 - f) * dy[:, j]
        dh[:, k + 1] += f * dy[:, j]
""",
        ),
    ],
)
