"""Means over segments of unequal sizes, sent back to each element, as in set and graph models."""

import numpy as np
from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def forward(x, w, seg, count):
    sums = np.zeros((count, x.shape[1]))
    np.add.at(sums, seg, x)
    n = np.bincount(seg, minlength=count)
    means = sums / np.maximum(n, 1)[:, None]
    centred = x - means[seg]
    return centred * w + means[seg] ** 2, (x, w, seg, n, means, centred)


def backward(gy, cache):
    x, w, seg, n, means, centred = cache
    gw = np.sum(gy * centred, axis=0)
    gc = gy * w
    ge = 2 * gy * means[seg] - gc
    gmeans = np.zeros(means.shape)
    np.add.at(gmeans, seg, ge)
    gmeans /= np.maximum(n, 1)[:, None]
    gx = gc + gmeans[seg]
    return gx, gw
"""


def problem(rng, size=0):
    n, d, count = ((6, 3, 3), (5, 4, 4))[size]
    seg = np.array([0, 0, 2, 0, 1, 2])[:n]
    return {"x": rng.normal(size=(n, d)), "w": rng.normal(size=d)}, (seg, count)


FAMILY = Family(
    name="segment_mean",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "elements of one segment not added",
            old="np.add.at(gmeans, seg, ge)",
            new="gmeans[seg] += ge",
            cause="An indexed += keeps the last element of each segment.",
            label="accumulate",
            line="gmeans[seg] += ge",
        ),
        Wrong(
            "mean's gradient not divided",
            old="    gmeans /= np.maximum(n, 1)[:, None]\n    gx = gc + gmeans[seg]\n",
            new="    gx = gc + gmeans[seg]\n",
            cause="The segment's mean needs a division by its size.",
            label="factor",
            line="gx = gc + gmeans[seg]",
            fair=("np.add.at(gmeans, seg, ge)",),
        ),
        Wrong(
            "equal sizes",
            old="gmeans /= np.maximum(n, 1)[:, None]",
            new="gmeans /= len(seg) / len(n)",
            cause="All segments are taken to have the mean size.",
            label="wrong_constant",
            line="gmeans /= len(seg) / len(n)",
        ),
        Wrong(
            "centring's route to the mean",
            old="ge = 2 * gy * means[seg] - gc",
            new="ge = 2 * gy * means[seg]",
            cause="The mean is also subtracted, and that route is missing.",
            label="missing_term",
            line="ge = 2 * gy * means[seg]",
        ),
        Wrong(
            "table of sums never cleared",
            source=apply(
                apply(
                    SOURCE,
                    "import numpy as np\n",
                    """import numpy as np

scratch = {}
""",
                ),
                "    gmeans = np.zeros(means.shape)\n",
                "    gmeans = scratch.get(means.shape, np.zeros(means.shape))\n    scratch[means.shape] = gmeans\n",
            ),
            cause="The sums are kept in a table outside, which is never set to zero.",
            label="state",
            line="gmeans = scratch.get(means.shape, np.zeros(means.shape))",
            fair=("np.add.at(gmeans, seg, ge)",),
            shows="second_call",
        ),
        Wrong(
            "square's two and the weights",
            old="    gc = gy * w\n    ge = 2 * gy * means[seg] - gc\n",
            new="    gc = gy\n    ge = gy * means[seg] - gc\n",
            cause="The square's factor 2 is missing, and so are the weights in the centred part.",
            label="two_mistakes",
            line="gc = gy",
            fair=("ge = gy * means[seg] - gc",),
        ),
    ],
    right=[
        Right(
            "membership matrix",
            old="""    gmeans = np.zeros(means.shape)
    np.add.at(gmeans, seg, ge)
    gmeans /= np.maximum(n, 1)[:, None]
    gx = gc + gmeans[seg]
""",
            new="    M = (seg[:, None] == seg[None, :]) / n[seg][:, None]\n    gx = gc + M.T @ ge\n",
        ),
        Right(
            "segment by segment",
            old="""    gmeans = np.zeros(means.shape)
    np.add.at(gmeans, seg, ge)
    gmeans /= np.maximum(n, 1)[:, None]
    gx = gc + gmeans[seg]
""",
            new="""    gx = gc.copy()
    for s in set(seg.tolist()):
        gx[seg == s] += ge[seg == s].mean(axis=0)
""",
        ),
    ],
)
