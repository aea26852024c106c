"""Max pooling, windows of 2 x 2."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x):
    N, C, H, W = x.shape
    cells = x.reshape(N, C, H // 2, 2, W // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(N, C, H // 2, W // 2, 4)
    arg = cells.argmax(axis=-1)
    out = np.take_along_axis(cells, arg[..., None], axis=-1)[..., 0]
    return out, (x, arg)


def backward(dout, cache):
    x, arg = cache
    N, C, H, W = x.shape
    dcells = np.zeros((*arg.shape, 4))
    np.put_along_axis(dcells, arg[..., None], dout[..., None], axis=-1)
    dx = dcells.reshape(N, C, H // 2, W // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)
    return dx
"""


def problem(rng, size=0):
    shape = ((2, 2, 4, 4), (1, 3, 4, 6))[size]
    return {"x": rng.normal(size=shape)}, ()


FAMILY = Family(
    name="max_pool",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "shared like an average",
            old="    np.put_along_axis(dcells, arg[..., None], dout[..., None], axis=-1)\n",
            new="    dcells += dout[..., None] / 4\n",
            cause="The gradient is shared by all four, as in average pooling.",
            label="mask",
            line="dcells += dout[..., None] / 4",
        ),
        Wrong(
            "to all four",
            old="    np.put_along_axis(dcells, arg[..., None], dout[..., None], axis=-1)\n",
            new="    dcells += dout[..., None]\n",
            cause="The gradient goes to every entry of the window, not to the largest alone.",
            label="mask",
            line="dcells += dout[..., None]",
        ),
        Wrong(
            "axes of the cells swapped",
            old="dx = dcells.reshape(N, C, H // 2, W // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)",
            new="dx = dcells.reshape(N, C, H // 2, W // 2, 2, 2).transpose(0, 1, 2, 5, 3, 4).reshape(x.shape)",
            cause="Rows and columns within a window are exchanged.",
            label="transpose",
            line="dx = dcells.reshape(N, C, H // 2, W // 2, 2, 2).transpose(0, 1, 2, 5, 3, 4).reshape(x.shape)",
        ),
        Wrong(
            "smallest for largest",
            old="    np.put_along_axis(dcells, arg[..., None], dout[..., None], axis=-1)\n",
            new="    np.put_along_axis(dcells, 3 - arg[..., None], dout[..., None], axis=-1)\n",
            cause="The position is counted from the other end of the window.",
            label="off_by_one",
            line="np.put_along_axis(dcells, 3 - arg[..., None], dout[..., None], axis=-1)",
        ),
        Wrong(
            "divided by the window",
            old="    return dx\n",
            new="    return dx / 4\n",
            cause="The gradient is divided by four, as though the maximum were a mean.",
            label="factor",
            line="return dx / 4",
        ),
    ],
    right=[
        Right(
            "loops over the windows",
            old="""    dcells = np.zeros((*arg.shape, 4))
    np.put_along_axis(dcells, arg[..., None], dout[..., None], axis=-1)
    dx = dcells.reshape(N, C, H // 2, W // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)
""",
            new="""    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        window = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        dx[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = (window == window.max()) * dout[n, c, i, j]
""",
        ),
        Right(
            "comparison with the repeated maximum",
            old="""    dcells = np.zeros((*arg.shape, 4))
    np.put_along_axis(dcells, arg[..., None], dout[..., None], axis=-1)
    dx = dcells.reshape(N, C, H // 2, W // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)
""",
            new="""    top = x.reshape(N, C, H // 2, 2, W // 2, 2).max(axis=(3, 5))
    spread = [np.repeat(np.repeat(a, 2, axis=2), 2, axis=3) for a in (top, dout)]
    dx = spread[1] * (x == spread[0])
""",
        ),
    ],
)
