"""A variational autoencoder's loss for one batch: reparameterised sample, linear decoder, KL divergence."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(mu, logvar, W, x, eps, beta):
    std = np.exp(0.5 * logvar)
    z = mu + std * eps
    logits = z @ W
    bce = np.logaddexp(0, logits) - x * logits
    kl = -0.5 * (1 + logvar - mu**2 - np.exp(logvar))
    loss = (bce.sum() + beta * kl.sum()) / len(x)
    return loss, (mu, logvar, W, x, eps, beta, std, z, logits)


def backward(dloss, cache):
    mu, logvar, W, x, eps, beta, std, z, logits = cache
    g = dloss / len(x)
    dlogits = g * (1 / (1 + np.exp(-logits)) - x)
    dW = z.T @ dlogits
    dz = dlogits @ W.T
    dmu = dz + beta * g * mu
    dlogvar = 0.5 * dz * eps * std
    dlogvar += beta * g * 0.5 * (np.exp(logvar) - 1)
    return dmu, dlogvar, dW
"""


def problem(rng, size=0):
    n, k, d = ((4, 3, 5), (3, 2, 6))[size]
    inputs = {"mu": rng.normal(size=(n, k)), "logvar": rng.normal(size=(n, k)), "W": rng.normal(size=(k, d))}
    return inputs, ((rng.random((n, d)) < 0.5).astype(float), rng.normal(size=(n, k)), 0.7)


FAMILY = Family(
    name="elbo",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "noise left out",
            old="dlogvar = 0.5 * dz * eps * std",
            new="dlogvar = 0.5 * dz * std",
            cause="The deviation is multiplied by the noise; the noise is missing in its gradient.",
            label="wrong_operand",
            line="dlogvar = 0.5 * dz * std",
        ),
        Wrong(
            "half of the log variance",
            old="dlogvar = 0.5 * dz * eps * std",
            new="dlogvar = dz * eps * std",
            cause="The half of exp(logvar / 2) is missing.",
            label="factor",
            line="dlogvar = dz * eps * std",
        ),
        Wrong(
            "KL's mean forgotten",
            old="dmu = dz + beta * g * mu",
            new="dmu = dz",
            cause="The divergence pulls the mean to zero; that term is missing.",
            label="missing_term",
            line="dmu = dz",
        ),
        Wrong(
            "KL's variance with the wrong sign",
            old="dlogvar += beta * g * 0.5 * (np.exp(logvar) - 1)",
            new="dlogvar += beta * g * 0.5 * (1 - np.exp(logvar))",
            cause="The divergence's derivative in the log variance has the wrong sign.",
            label="sign",
            line="dlogvar += beta * g * 0.5 * (1 - np.exp(logvar))",
        ),
        Wrong(
            "KL not weighted",
            old="dmu = dz + beta * g * mu",
            new="dmu = dz + g * mu",
            cause="The weight beta of the divergence is missing in the mean's gradient.",
            label="factor",
            line="dmu = dz + g * mu",
        ),
        Wrong(
            "noise and divergence at once",
            old="    dmu = dz + beta * g * mu\n    dlogvar = 0.5 * dz * eps * std\n",
            new="    dmu = dz\n    dlogvar = 0.5 * dz * eps\n",
            cause="The divergence's part of the mean is missing, and so is the deviation in the log variance.",
            label="two_mistakes",
            line="dmu = dz",
            fair=("dlogvar = 0.5 * dz * eps",),
        ),
        Wrong(
            "mean for the sample",
            old="dW = z.T @ dlogits",
            new="dW = mu.T @ dlogits",
            cause="The decoder saw the sample, but the mean is used in its place.",
            label="wrong_operand",
            line="dW = mu.T @ dlogits",
        ),
    ],
    right=[
        Right(
            "noise from the sample",
            old="dlogvar = 0.5 * dz * eps * std",
            new="dlogvar = 0.5 * dz * (z - mu)",
        ),
        Right(
            "dict of the parts, then summed",
            old="""    dmu = dz + beta * g * mu
    dlogvar = 0.5 * dz * eps * std
    dlogvar += beta * g * 0.5 * (np.exp(logvar) - 1)
    return dmu, dlogvar, dW
""",
            new="""    likelihood = {"mu": dz, "logvar": dz * eps * std / 2}
    divergence = {"mu": mu, "logvar": np.expm1(logvar) / 2}
    dmu, dlogvar = (likelihood[k] + beta * g * divergence[k] for k in ("mu", "logvar"))
    return dmu, dlogvar, dW
""",
        ),
    ],
)
