"""One step of Adam as a function of the gradient, the moments and the parameter, for differentiating through it."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np

B1, B2, EPS = 0.9, 0.99, 1e-3


def forward(theta, g, m, v, lr, t):
    m1 = B1 * m + (1 - B1) * g
    v1 = B2 * v + (1 - B2) * g**2
    c1, c2 = 1 - B1**t, 1 - B2**t
    root = np.sqrt(v1 / c2)
    new = theta - lr * (m1 / c1) / (root + EPS)
    return new, (g, m1, root, c1, c2, lr)


def backward(dnew, cache):
    g, m1, root, c1, c2, lr = cache
    dtheta = dnew.copy()
    denom = root + EPS
    dm1 = -lr * dnew / (c1 * denom)
    droot = lr * dnew * m1 / (c1 * denom**2)
    dv1 = droot / (2 * root * c2)
    dg = (1 - B1) * dm1 + (1 - B2) * 2 * g * dv1
    dm = B1 * dm1
    dv = B2 * dv1
    return {"theta": dtheta, "g": dg, "m": dm, "v": dv}
"""


def problem(rng, size=0):
    n = (6, 9)[size]
    inputs = {"theta": rng.normal(size=n), "g": rng.normal(size=n), "m": rng.normal(size=n), "v": 0.5 + rng.random(n)}
    return inputs, (0.3, 3)


FAMILY = Family(
    name="adam_step",
    source=SOURCE,
    problem=problem,
    keys=("theta", "g", "m", "v"),
    people=False,
    wrong=[
        Wrong(
            "eps within the root's derivative",
            old="dv1 = droot / (2 * root * c2)",
            new="dv1 = droot / (2 * denom * c2)",
            cause="The root's derivative has the root without the eps that is added afterwards.",
            label="wrong_constant",
            line="dv1 = droot / (2 * denom * c2)",
            effect=1e-5,
        ),
        Wrong(
            "second moment's path detached",
            old="dg = (1 - B1) * dm1 + (1 - B2) * 2 * g * dv1",
            new="dg = (1 - B1) * dm1",
            cause="The gradient also enters the second moment; that path is missing.",
            label="missing_term",
            line="dg = (1 - B1) * dm1",
        ),
        Wrong(
            "decay rates exchanged",
            old="    dm = B1 * dm1\n    dv = B2 * dv1\n",
            new="    dm = B2 * dm1\n    dv = B1 * dv1\n",
            cause="The two decay rates are exchanged.",
            label="wrong_constant",
            line="dm = B2 * dm1",
            fair=("dv = B1 * dv1",),
        ),
        Wrong(
            "bias correction of the first moment twice",
            old="dm1 = -lr * dnew / (c1 * denom)",
            new="dm1 = -lr * dnew / (c1**2 * denom)",
            cause="The first moment's bias correction is divided out twice.",
            label="factor",
            line="dm1 = -lr * dnew / (c1**2 * denom)",
        ),
    ],
    right=[
        Right(
            "step kept as a ratio",
            old="    droot = lr * dnew * m1 / (c1 * denom**2)\n",
            new="    droot = -dm1 * m1 / denom\n",
        ),
        Right(
            "dict built by a comprehension",
            old="""    dm = B1 * dm1
    dv = B2 * dv1
    return {"theta": dtheta, "g": dg, "m": dm, "v": dv}
""",
            new="""    moments = {name: rate * d for name, rate, d in (("m", B1, dm1), ("v", B2, dv1))}
    return moments | {"theta": dtheta, "g": dg}
""",
        ),
    ],
)
