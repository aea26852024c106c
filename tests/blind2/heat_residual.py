"""Mean squared residual of the heat equation on a grid, with a learned conductivity."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(u, kappa, dt, dx):
    ut = (u[1:, 1:-1] - u[:-1, 1:-1]) / dt
    uxx = (u[:-1, 2:] - 2 * u[:-1, 1:-1] + u[:-1, :-2]) / dx**2
    res = ut - kappa * uxx
    return (res**2).mean(), (u, kappa, dt, dx, uxx, res)


def backward(g, cache):
    u, kappa, dt, dx, uxx, res = cache
    gres = g * 2 * res / res.size
    gu = np.zeros(u.shape)
    gu[1:, 1:-1] += gres / dt
    gu[:-1, 1:-1] -= gres / dt
    guxx = -kappa * gres / dx**2
    gu[:-1, 2:] += guxx
    gu[:-1, 1:-1] += -2 * guxx
    gu[:-1, :-2] += guxx
    gkappa = np.array([-(gres * uxx).sum()])
    return gu, gkappa
"""


def problem(rng, size=0):
    t, x = ((4, 5), (3, 6))[size]
    return {"u": rng.normal(size=(t, x)), "kappa": np.array([0.7])}, (0.3, 0.5)


def fine(rng, size=0):
    t, x = ((4, 5), (3, 6))[size]
    u = 1 + 1e-4 * np.cumsum(rng.normal(size=(t, x)), axis=1)
    return {"u": u, "kappa": np.array([0.7])}, (1e-3, 1e-2)


FAMILY = Family(
    name="heat_residual",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "middle point's weight",
            old="gu[:-1, 1:-1] += -2 * guxx",
            new="gu[:-1, 1:-1] += -guxx",
            cause="The middle of the second difference has the weight -2.",
            label="wrong_constant",
            line="gu[:-1, 1:-1] += -guxx",
        ),
        Wrong(
            "second difference at the new time",
            old="gu[:-1, :-2] += guxx",
            new="gu[1:, :-2] += guxx",
            cause="The second difference is taken at the old time, and its gradient is put at the new one.",
            label="off_by_one",
            line="gu[1:, :-2] += guxx",
        ),
        Wrong(
            "grid width not squared",
            old="guxx = -kappa * gres / dx**2",
            new="guxx = -kappa * gres / dx",
            cause="The second difference is divided by the square of the grid's width.",
            label="factor",
            line="guxx = -kappa * gres / dx",
        ),
        Wrong(
            "old time's share",
            old="    gu[:-1, 1:-1] -= gres / dt\n    guxx = -kappa * gres / dx**2\n",
            new="    guxx = -kappa * gres / dx**2\n",
            cause="The time difference's gradient for the earlier point is missing.",
            label="missing_term",
            line="gu[1:, 1:-1] += gres / dt",
            fair=(
                "gu[:-1, 1:-1] += -2 * guxx",
                "return gu, gkappa",
            ),
        ),
        Wrong(
            "later slice assigned",
            old="gu[:-1, 2:] += guxx",
            new="gu[:-1, 2:] = guxx",
            cause="The right neighbour's gradient replaces what was there.",
            label="accumulate",
            line="gu[:-1, 2:] = guxx",
        ),
    ],
    right=[
        Right(
            "point by point",
            old="""    gu[:-1, 2:] += guxx
    gu[:-1, 1:-1] += -2 * guxx
    gu[:-1, :-2] += guxx
""",
            new="""    for j in range(guxx.shape[1]):
        for k, weight in enumerate((1, -2, 1)):
            gu[:-1, j + k] += weight * guxx[:, j]
""",
        ),
        Right(
            "fine grid, smooth solution",
            problem=fine,
            difficult=True,
        ),
    ],
)
