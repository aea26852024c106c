"""Structural similarity of two images from the means, variances and covariance of their blocks."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, y, C1, C2):
    mx, my = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    xc, yc = x - mx, y - my
    vx, vy = (xc**2).mean(axis=1, keepdims=True), (yc**2).mean(axis=1, keepdims=True)
    cov = (xc * yc).mean(axis=1, keepdims=True)
    a1, a2 = 2 * mx * my + C1, 2 * cov + C2
    b1, b2 = mx**2 + my**2 + C1, vx + vy + C2
    ssim = (a1 * a2 / (b1 * b2))[:, 0]
    return 1 - ssim.mean(), (mx, my, xc, yc, a1, a2, b1, b2)


def backward(dloss, cache):
    mx, my, xc, yc, a1, a2, b1, b2 = cache
    n, k = xc.shape
    dssim = -dloss / n
    da1 = dssim * a2 / (b1 * b2)
    da2 = dssim * a1 / (b1 * b2)
    db1 = -dssim * a1 * a2 / (b1**2 * b2)
    db2 = -dssim * a1 * a2 / (b1 * b2**2)
    dmx, dmy = 2 * (da1 * my + db1 * mx), 2 * (da1 * mx + db1 * my)
    dxc = (2 * da2 * yc + 2 * db2 * xc) / k
    dyc = (2 * da2 * xc + 2 * db2 * yc) / k
    dx = dxc + dmx / k
    dy = dyc + dmy / k
    return dx, dy
"""


def problem(rng, size=0):
    shape = ((4, 4), (3, 6))[size]
    x = rng.normal(size=shape) + 1
    return {"x": x, "y": 0.5 * x + rng.normal(size=shape)}, (0.1, 0.3)


def flat(rng, size=0):
    inputs = problem(rng, size)[0]
    return {name: 5 + 1e-3 * v for name, v in inputs.items()}, (1e-4, 1e-6)


FAMILY = Family(
    name="ssim_stats",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "covariance's two",
            old="dxc = (2 * da2 * yc + 2 * db2 * xc) / k",
            new="dxc = (da2 * yc + 2 * db2 * xc) / k",
            cause="The covariance stands with a factor 2 in the similarity.",
            label="factor",
            line="dxc = (da2 * yc + 2 * db2 * xc) / k",
        ),
        Wrong(
            "denominator with one square",
            old="db2 = -dssim * a1 * a2 / (b1 * b2**2)",
            new="db2 = -dssim * a1 * a2 / (b1 * b2)",
            cause="The derivative of one over the variances has their sum squared.",
            label="missing_derivative",
            line="db2 = -dssim * a1 * a2 / (b1 * b2)",
        ),
        Wrong(
            "first image for both",
            old="dmx, dmy = 2 * (da1 * my + db1 * mx), 2 * (da1 * mx + db1 * my)",
            new="dmx, dmy = 2 * (da1 * my + db1 * mx), 2 * (da1 * mx + db1 * mx)",
            cause="The second mean's derivative takes the first mean where its own should be.",
            label="wrong_operand",
            line="dmx, dmy = 2 * (da1 * my + db1 * mx), 2 * (da1 * mx + db1 * mx)",
        ),
        Wrong(
            "means left out",
            old="dx = dxc + dmx / k",
            new="dx = dxc",
            cause="The luminance's route through the first mean is missing.",
            label="missing_term",
            line="dx = dxc",
        ),
        Wrong(
            "similarity for dissimilarity",
            old="dssim = -dloss / n",
            new="dssim = dloss / n",
            cause="The loss is one minus the similarity, and the minus is forgotten.",
            label="sign",
            line="dssim = dloss / n",
        ),
        Wrong(
            "variance's two and the mean's division",
            old="""    dyc = (2 * da2 * xc + 2 * db2 * yc) / k
    dx = dxc + dmx / k
    dy = dyc + dmy / k
""",
            new="""    dyc = (2 * da2 * xc + db2 * yc) / k
    dx = dxc + dmx / k
    dy = dyc + dmy
""",
            cause="The second image's variance has no factor 2, and its mean is not divided by the pixels.",
            label="two_mistakes",
            line="dyc = (2 * da2 * xc + db2 * yc) / k",
            fair=("dy = dyc + dmy",),
        ),
        Wrong(
            "sample variance",
            old="dxc = (2 * da2 * yc + 2 * db2 * xc) / k",
            new="dxc = (2 * da2 * yc + 2 * db2 * xc) / (k - 1)",
            cause="The first image's gradient is divided by one less than the number of pixels.",
            label="wrong_constant",
            line="dxc = (2 * da2 * yc + 2 * db2 * xc) / (k - 1)",
        ),
    ],
    right=[
        Right(
            "ratios of the similarity",
            old="    db1 = -dssim * a1 * a2 / (b1**2 * b2)\n    db2 = -dssim * a1 * a2 / (b1 * b2**2)\n",
            new="    s = a1 * a2 / b1 / b2\n    db1, db2 = -dssim * s / b1, -dssim * s / b2\n",
        ),
        Right(
            "centred again",
            old="dx = dxc + dmx / k",
            new="dx = dxc - dxc.mean(axis=1)[:, None] + dmx / k",
        ),
        Right(
            "almost flat blocks",
            problem=flat,
            difficult=True,
        ),
    ],
)
