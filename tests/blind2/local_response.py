"""Local response normalisation across neighbouring channels."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def window_sum(a, r):
    total = np.zeros_like(a)
    C = a.shape[1]
    for c in range(C):
        total[:, c] = a[:, max(0, c - r) : min(C, c + r + 1)].sum(axis=1)
    return total


def forward(x, k, alpha, beta, r):
    s = k + alpha * window_sum(x**2, r)
    y = x * s**-beta
    return y, (x, s, alpha, beta, r)


def backward(gy, ctx):
    x, s, alpha, beta, r = ctx
    gs = -beta * gy * x * s ** (-beta - 1)
    gx = gy * s**-beta
    gx += 2 * alpha * x * window_sum(gs, r)
    return gx
"""


def problem(rng, size=0):
    n, c, t = ((3, 4, 3), (2, 6, 4))[size]
    return {"x": rng.normal(size=(n, c, t))}, (2.0, 0.5, 0.75, 1)


FAMILY = Family(
    name="local_response",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "own channel only",
            old="gx += 2 * alpha * x * window_sum(gs, r)",
            new="gx += 2 * alpha * x * gs",
            cause="A channel is in the sums of its neighbours too, and only its own sum is counted.",
            label="missing_term",
            line="gx += 2 * alpha * x * gs",
        ),
        Wrong(
            "exponent not lowered",
            old="gs = -beta * gy * x * s ** (-beta - 1)",
            new="gs = -beta * gy * x * s**-beta",
            cause="The power's derivative has an exponent lower by one.",
            label="missing_derivative",
            line="gs = -beta * gy * x * s**-beta",
        ),
        Wrong(
            "input outside the window's sum",
            old="gx += 2 * alpha * x * window_sum(gs, r)",
            new="gx += 2 * alpha * window_sum(gs * x, r)",
            cause="The neighbours' inputs are summed, where each sum should be multiplied by the channel's own input.",
            label="wrong_operand",
            line="gx += 2 * alpha * window_sum(gs * x, r)",
        ),
        Wrong(
            "window divided out",
            old="gx += 2 * alpha * x * window_sum(gs, r)",
            new="gx += 2 * alpha / (2 * r + 1) * x * window_sum(gs, r)",
            cause="Forward does not average over the window, and the gradient is divided by its width.",
            label="factor",
            line="gx += 2 * alpha / (2 * r + 1) * x * window_sum(gs, r)",
        ),
        Wrong(
            "reused array",
            old="    gx = gy * s**-beta\n",
            new="    np.power(s, -beta, out=s)\n    gx = gy * s\n",
            cause="The cached sums are overwritten by their power, so that the next call takes the power of a power.",
            label="overwrite",
            line="np.power(s, -beta, out=s)",
            shows="backward_twice",
        ),
    ],
    right=[
        Right(
            "band matrix",
            old="    gx += 2 * alpha * x * window_sum(gs, r)\n",
            new="""    i = np.arange(x.shape[1])
    band = (np.abs(i[:, None] - i) <= r).astype(float)
    gx += 2 * alpha * x * np.einsum("cd,nd...->nc...", band, gs)
""",
        ),
        Right(
            "from the output",
            old="""    gs = -beta * gy * x * s ** (-beta - 1)
    gx = gy * s**-beta
    gx += 2 * alpha * x * window_sum(gs, r)
    return gx
""",
            new="    scale = s**-beta\n"
            "    return gy * scale - 2 * alpha * beta * x * window_sum(gy * x * scale / s, r)\n",
        ),
    ],
)
