"""KL divergence to a standard normal where the encoder gives deviations by softplus, with free bits."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(mu, rho, free):
    sigma = np.log1p(np.exp(rho)) + 1e-4
    kl = 0.5 * (mu**2 + sigma**2 - 1) - np.log(sigma)
    per_dim = kl.mean(axis=0)
    loss = np.maximum(per_dim, free).sum()
    return loss, (mu, rho, sigma, per_dim, free)


def backward(g, saved):
    mu, rho, sigma, per_dim, free = saved
    n = mu.shape[0]
    active = per_dim > free
    dkl = g * active / n
    dmu = dkl * mu
    dsigma = dkl * (sigma - 1 / sigma)
    drho = dsigma / (1 + np.exp(-rho))
    return dmu, drho
"""


def problem(rng, size=0):
    n, d = ((4, 4), (3, 6))[size]
    mu = rng.normal(size=(n, d))
    mu[:, 0] *= 0.05
    rho = rng.normal(size=(n, d)) * 0.5
    rho[:, 0] = 0.5 + 0.05 * rng.normal(size=n)
    return {"mu": mu, "rho": rho}, (0.1,)


def narrow(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["rho"] = inputs["rho"] - 7
    return inputs, constants


FAMILY = Family(
    name="softplus_kl",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "mask entry by entry",
            old="active = per_dim > free",
            new="active = 0.5 * (mu**2 + sigma**2 - 1) - np.log(sigma) > free",
            cause="Free bits compare the batch's mean in each dimension, and the mask compares single entries.",
            label="mask",
            line="active = 0.5 * (mu**2 + sigma**2 - 1) - np.log(sigma) > free",
        ),
        Wrong(
            "free bits forgotten",
            old="active = per_dim > free",
            new="active = np.ones_like(per_dim)",
            cause="A dimension whose divergence is below the free bits gets no gradient, and here it does.",
            label="mask",
            line="active = np.ones_like(per_dim)",
        ),
        Wrong(
            "variance's formula for the deviation",
            old="dsigma = dkl * (sigma - 1 / sigma)",
            new="dsigma = dkl * 0.5 * (sigma**2 - 1)",
            cause="The formula for a log variance is used, though the derivative is by the deviation.",
            label="missing_derivative",
            line="dsigma = dkl * 0.5 * (sigma**2 - 1)",
        ),
        Wrong(
            "softplus undone as an exponential",
            old="drho = dsigma / (1 + np.exp(-rho))",
            new="drho = dsigma * sigma",
            cause="The deviation is a softplus, and it is differentiated as though it were an exponential.",
            label="missing_derivative",
            line="drho = dsigma * sigma",
        ),
        Wrong(
            "sign of the logarithm",
            old="dsigma = dkl * (sigma - 1 / sigma)",
            new="dsigma = dkl * (sigma + 1 / sigma)",
            cause="The logarithm is subtracted in forward, so its derivative is negative.",
            label="sign",
            line="dsigma = dkl * (sigma + 1 / sigma)",
        ),
        Wrong(
            "sigmoid from the deviation, nearly",
            old="drho = dsigma / (1 + np.exp(-rho))",
            new="drho = dsigma * (1 - np.exp(-sigma))",
            cause="1 - exp(-sigma) would be the sigmoid of rho if forward did not add 1e-4.",
            label="precision",
            line="drho = dsigma * (1 - np.exp(-sigma))",
            effect=3e-6,
        ),
    ],
    right=[
        Right(
            "sigmoid from the softplus",
            old="drho = dsigma / (1 + np.exp(-rho))",
            new="drho = dsigma * -np.expm1(-(sigma - 1e-4))",
        ),
        Right(
            "narrow posteriors",
            problem=narrow,
            difficult=True,
        ),
    ],
)
