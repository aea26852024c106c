"""Total variation of an image, smoothed, plus the distance from a noisy one."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(u, noisy, lam, eps):
    dv = u[1:, :] - u[:-1, :]
    dh = u[:, 1:] - u[:, :-1]
    sv = np.sqrt(dv**2 + eps)
    sh = np.sqrt(dh**2 + eps)
    fit = 0.5 * np.sum((u - noisy) ** 2)
    return fit + lam * (sv.sum() + sh.sum()), (u, noisy, lam, dv, dh, sv, sh)


def backward(dloss, cache):
    u, noisy, lam, dv, dh, sv, sh = cache
    du = dloss * (u - noisy)
    dnoisy = -du.copy()
    gv = dloss * lam * dv / sv
    gh = dloss * lam * dh / sh
    du[1:, :] += gv
    du[:-1, :] -= gv
    du[:, 1:] += gh
    du[:, :-1] -= gh
    return du, dnoisy
"""


def problem(rng, size=0):
    h, w = ((4, 4), (3, 5))[size]
    return {"u": rng.normal(size=(h, w)), "noisy": rng.normal(size=(h, w))}, (0.6, 0.05)


def smooth(rng, size=0):
    h, w = ((4, 4), (3, 5))[size]
    u = 1e-3 * rng.normal(size=(h, w)) + 5
    return {"u": u, "noisy": u + 1e-3 * rng.normal(size=(h, w))}, (0.6, 1e-6)


FAMILY = Family(
    name="total_variation",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "both neighbours with the same sign",
            old="du[:-1, :] -= gv",
            new="du[:-1, :] += gv",
            cause="The upper neighbour is subtracted in the difference, and its gradient is added.",
            label="sign",
            line="du[:-1, :] += gv",
        ),
        Wrong(
            "differences not smoothed in backward",
            old="gh = dloss * lam * dh / sh",
            new="gh = dloss * lam * np.sign(dh)",
            cause="The smoothed absolute value has no kink, and its derivative here is the sign.",
            label="missing_derivative",
            line="gh = dloss * lam * np.sign(dh)",
        ),
        Wrong(
            "shifted by one column",
            old="    du[:, 1:] += gh\n    du[:, :-1] -= gh\n",
            new="    du[:, :-1] += gh\n    du[:, 1:] -= gh\n",
            cause="The right neighbour's gradient is put on the left one, and the other way round.",
            label="off_by_one",
            line="du[:, :-1] += gh",
        ),
        Wrong(
            "noisy image shares the array",
            old="""    dnoisy = -du.copy()
    gv = dloss * lam * dv / sv
    gh = dloss * lam * dh / sh
    du[1:, :] += gv
    du[:-1, :] -= gv
    du[:, 1:] += gh
    du[:, :-1] -= gh
""",
            new="""    gv = dloss * lam * dv / sv
    gh = dloss * lam * dh / sh
    du[1:, :] += gv
    du[:-1, :] -= gv
    du[:, 1:] += gh
    du[:, :-1] -= gh
    dnoisy = -du
""",
            cause="The negative is taken after the smoothness has been added to the same array.",
            label="overwrite",
            line="dnoisy = -du",
        ),
        Wrong(
            "weight of the smoothness",
            old="gh = dloss * lam * dh / sh",
            new="gh = dloss * dh / sh",
            cause="The horizontal differences are not weighted by lambda.",
            label="wrong_constant",
            line="gh = dloss * dh / sh",
        ),
    ],
    right=[
        Right(
            "diff with zeros at the borders",
            old="""    du[1:, :] += gv
    du[:-1, :] -= gv
    du[:, 1:] += gh
    du[:, :-1] -= gh
""",
            new="    du -= np.diff(gv, axis=0, prepend=0, append=0)\n"
            "    du -= np.diff(gh, axis=1, prepend=0, append=0)\n",
        ),
        Right(
            "smooth image with an offset",
            problem=smooth,
            difficult=True,
        ),
    ],
)
