"""Gaussian negative log-likelihood with a learned variance, softplus of a raw output plus a floor."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np

FLOOR = 1e-3


def forward(mu, raw, y):
    var = np.logaddexp(0, raw) + FLOOR
    resid = y - mu
    nll = 0.5 * (np.log(2 * np.pi * var) + resid**2 / var)
    loss = nll.sum(axis=1).mean()
    return loss, (raw, var, resid)


def backward(dloss, cache):
    raw, var, resid = cache
    g = dloss / len(var)
    d_mu = -g * resid / var
    d_var = 0.5 * g * (1 / var - resid**2 / var**2)
    d_raw = d_var / (1 + np.exp(-raw))
    return d_mu, d_raw
"""


def problem(rng, size=0):
    shape = ((4, 3), (6, 2))[size]
    return {"mu": rng.normal(size=shape), "raw": rng.normal(size=shape)}, (rng.normal(size=shape),)


def confident(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["raw"] = inputs["raw"] - 12
    return inputs, constants


FAMILY = Family(
    name="gaussian_nll",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "sign of the mean",
            old="d_mu = -g * resid / var",
            new="d_mu = g * resid / var",
            cause="The residual is y minus mu, so its derivative in mu is minus one.",
            label="sign",
            line="d_mu = g * resid / var",
        ),
        Wrong(
            "no logarithm",
            old="d_var = 0.5 * g * (1 / var - resid**2 / var**2)",
            new="d_var = -0.5 * g * resid**2 / var**2",
            cause="The derivative of the log variance is missing.",
            label="missing_term",
            line="d_var = -0.5 * g * resid**2 / var**2",
        ),
        Wrong(
            "derivative in the log variance",
            old="d_var = 0.5 * g * (1 / var - resid**2 / var**2)",
            new="d_var = 0.5 * g * (1 - resid**2 / var)",
            cause="This is the derivative in the logarithm of the variance, not in the variance.",
            label="missing_derivative",
            line="d_var = 0.5 * g * (1 - resid**2 / var)",
        ),
        Wrong(
            "softplus taken for exp",
            old="d_raw = d_var / (1 + np.exp(-raw))",
            new="d_raw = d_var * var",
            cause="The variance is a softplus of the raw output; the derivative is that of an exponential.",
            label="missing_derivative",
            line="d_raw = d_var * var",
        ),
        Wrong(
            "mean over the dimensions as well",
            old="g = dloss / len(var)",
            new="g = dloss / var.size",
            cause="Forward sums over the dimensions and averages over the rows; backward averages over both.",
            label="factor",
            line="g = dloss / var.size",
        ),
        Wrong(
            "sign and square at once",
            old="    d_mu = -g * resid / var\n    d_var = 0.5 * g * (1 / var - resid**2 / var**2)\n",
            new="    d_mu = g * resid / var\n    d_var = 0.5 * g * (1 / var - resid**2 / var)\n",
            cause="The mean's sign is wrong, and the variance is not squared in its own gradient.",
            label="two_mistakes",
            line="d_mu = g * resid / var",
            fair=("d_var = 0.5 * g * (1 / var - resid**2 / var)",),
        ),
        Wrong(
            "mean and variance swapped",
            old="return d_mu, d_raw",
            new="return d_raw, d_mu",
            cause="The gradients of the mean and of the raw variance are returned in the wrong order.",
            label="swapped_returns",
            line="return d_raw, d_mu",
        ),
        Wrong(
            "floor forgotten",
            old="d_raw = d_var / (1 + np.exp(-raw))",
            new="d_raw = d_var * (1 - np.exp(-var))",
            cause="The sigmoid is worked out from the variance without taking the floor off first.",
            label="wrong_constant",
            line="d_raw = d_var * (1 - np.exp(-var))",
        ),
    ],
    right=[
        Right(
            "sigmoid from the variance",
            old="d_raw = d_var / (1 + np.exp(-raw))",
            new="d_raw = d_var * -np.expm1(FLOOR - var)",
        ),
        Right(
            "in standardised residuals",
            old="    d_mu = -g * resid / var\n    d_var = 0.5 * g * (1 / var - resid**2 / var**2)\n",
            new="    z = resid / np.sqrt(var)\n    d_mu, d_var = -g * z / np.sqrt(var), g * (1 - z * z) / (2 * var)\n",
        ),
        Right("very confident: variances at the floor", problem=confident, difficult=True),
    ],
)
