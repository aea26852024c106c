"""Batch normalisation in training mode, step by step through the graph."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np

EPS = 1e-5


def forward(x, gamma, beta):
    N, D = x.shape
    mu = 1.0 / N * np.sum(x, axis=0)
    xmu = x - mu
    sq = xmu**2
    var = 1.0 / N * np.sum(sq, axis=0)
    sqrtvar = np.sqrt(var + EPS)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    out = gamma * xhat + beta
    return out, (xhat, gamma, xmu, ivar, sqrtvar, var)


def backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / sqrtvar**2 * divar
    dvar = 0.5 * 1.0 / np.sqrt(var + EPS) * dsqrtvar
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta
"""


def problem(rng, size=0):
    n, d = ((5, 5), (4, 3))[size]
    return {"x": rng.normal(size=(n, d)) * 2, "gamma": rng.normal(size=d) + 1, "beta": rng.normal(size=d)}, ()


def narrow(rng, size=0):
    inputs, constants = problem(rng, size)
    return inputs | {"x": 5 + 1e-3 * rng.normal(size=inputs["x"].shape)}, constants


def faint(rng, size=0):
    inputs, constants = problem(rng, size)
    return inputs | {"x": inputs["x"] * 1e-4}, constants


FAMILY = Family(
    name="batch_norm",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "no path through the mean",
            old="dx = dx1 + dx2",
            new="dx = dx1",
            cause="The path through the mean is missing.",
            label="missing_term",
            line="dx = dx1",
        ),
        Wrong(
            "square root's derivative without the half",
            old="dvar = 0.5 * 1.0 / np.sqrt(var + EPS) * dsqrtvar",
            new="dvar = 1.0 / np.sqrt(var + EPS) * dsqrtvar",
            cause="The square root's derivative has a half.",
            label="factor",
            line="dvar = 1.0 / np.sqrt(var + EPS) * dsqrtvar",
        ),
        Wrong(
            "over the features",
            old="divar = np.sum(dxhat * xmu, axis=0)",
            new="divar = np.sum(dxhat * xmu, axis=1)",
            cause="The sum runs over the features, unnoticed while there are as many as examples.",
            label="wrong_axis",
            line="divar = np.sum(dxhat * xmu, axis=1)",
        ),
        Wrong(
            "eps left out at a small scale",
            old="dvar = 0.5 * 1.0 / np.sqrt(var + EPS) * dsqrtvar",
            new="dvar = 0.5 * 1.0 / np.sqrt(var) * dsqrtvar",
            cause="Backward leaves out the eps, which matters where the variance is small.",
            label="wrong_constant",
            line="dvar = 0.5 * 1.0 / np.sqrt(var) * dsqrtvar",
            problem=faint,
        ),
        Wrong(
            "mean of squares unbiased",
            old="dsq = 1.0 / N * np.ones((N, D)) * dvar",
            new="dsq = 1.0 / (N - 1) * np.ones((N, D)) * dvar",
            cause="The variance is divided by N in forward and by N - 1 in backward.",
            label="factor",
            line="dsq = 1.0 / (N - 1) * np.ones((N, D)) * dvar",
        ),
        Wrong(
            "two lost and sign lost",
            old="""    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
""",
            new="""    dxmu2 = xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = np.sum(dxmu1 + dxmu2, axis=0)
""",
            cause="The square's two is missing, and the mean's sign is wrong.",
            label="two_mistakes",
            line="dxmu2 = xmu * dsq",
            fair=("dmu = np.sum(dxmu1 + dxmu2, axis=0)",),
        ),
        Wrong(
            "gamma and beta swapped",
            old="return dx, dgamma, dbeta",
            new="return dx, dbeta, dgamma",
            cause="The gradients of gamma and beta are returned in the wrong order.",
            label="swapped_returns",
            line="return dx, dbeta, dgamma",
        ),
    ],
    right=[
        Right(
            "the short formula",
            old="""    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / sqrtvar**2 * divar
    dvar = 0.5 * 1.0 / np.sqrt(var + EPS) * dsqrtvar
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    dx = dx1 + dx2
""",
            new="    dx = ivar / N * (N * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0))\n",
        ),
        Right("inputs of 5, give or take 1e-3", problem=narrow, difficult=True),
        Right("inputs of 1e-4", problem=faint, difficult=True),
    ],
)
