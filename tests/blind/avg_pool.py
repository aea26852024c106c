"""Average pooling with stride and zero padding that is not counted, as one-dimensional windows over time."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, k, s, p):
    N, C, L = x.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p)))
    n_out = (L + 2 * p - k) // s + 1
    out = np.zeros((N, C, n_out))
    counts = np.zeros(n_out)
    for j in range(n_out):
        lo, hi = j * s, j * s + k
        counts[j] = min(hi, p + L) - max(lo, p)
        out[:, :, j] = xp[:, :, lo:hi].sum(axis=2) / counts[j]
    return out, (x.shape, counts, k, s, p)


def backward(dout, cache):
    (N, C, L), counts, k, s, p = cache
    dxp = np.zeros((N, C, L + 2 * p))
    for j in range(dout.shape[2]):
        share = dout[:, :, j] / counts[j]
        dxp[:, :, j * s : j * s + k] += share[:, :, None]
    dx = dxp[:, :, p : p + L]
    return dx
"""


def problem(rng, size=0):
    n, c, length, k, s, p = ((2, 2, 7, 3, 2, 1), (1, 3, 6, 2, 1, 1))[size]
    return {"x": rng.normal(size=(n, c, length))}, (k, s, p)


FAMILY = Family(
    name="avg_pool",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "padding counted",
            old="share = dout[:, :, j] / counts[j]",
            new="share = dout[:, :, j] / k",
            cause="Windows at the border are divided by the window's size, but forward leaves out the padding.",
            label="factor",
            line="share = dout[:, :, j] / k",
        ),
        Wrong(
            "overlap overwritten",
            old="dxp[:, :, j * s : j * s + k] += share[:, :, None]",
            new="dxp[:, :, j * s : j * s + k] = share[:, :, None]",
            cause="Where windows overlap, the later one's share replaces the earlier one's.",
            label="accumulate",
            line="dxp[:, :, j * s : j * s + k] = share[:, :, None]",
        ),
        Wrong(
            "padding cut from one side",
            old="dx = dxp[:, :, p : p + L]",
            new="dx = dxp[:, :, :L]",
            cause="The padding's gradient is cut off at the end only, so everything is shifted.",
            label="off_by_one",
            line="dx = dxp[:, :, :L]",
        ),
        Wrong(
            "last window dropped",
            old="for j in range(dout.shape[2]):",
            new="for j in range(dout.shape[2] - 1):",
            cause="The loop ends one window early.",
            label="off_by_one",
            line="for j in range(dout.shape[2] - 1):",
            fair=("dxp[:, :, j * s : j * s + k] += share[:, :, None]", "dx = dxp[:, :, p : p + L]"),
        ),
    ],
    right=[
        Right(
            "returns a view of a larger array, filled by position",
            old="""        share = dout[:, :, j] / counts[j]
        dxp[:, :, j * s : j * s + k] += share[:, :, None]
""",
            new="""        for i in range(k):
            dxp[:, :, j * s + i] += dout[:, :, j] / counts[j]
""",
        ),
        Right(
            "as a matrix",
            old="""    dxp = np.zeros((N, C, L + 2 * p))
    for j in range(dout.shape[2]):
        share = dout[:, :, j] / counts[j]
        dxp[:, :, j * s : j * s + k] += share[:, :, None]
    dx = dxp[:, :, p : p + L]
    return dx
""",
            new="""    window = np.arange(dout.shape[2])[:, None] * s
    position = np.arange(p, p + L)
    inside = (position >= window) & (position < window + k)
    return (dout / counts) @ inside
""",
        ),
    ],
)
