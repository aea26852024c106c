"""Mixture density network's loss: log-likelihood of a scalar under a mixture of normals."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def logsumexp(a):
    m = a.max(axis=1, keepdims=True)
    return m + np.log(np.exp(a - m).sum(axis=1, keepdims=True))


def forward(logits, mu, log_sigma, y):
    log_pi = logits - logsumexp(logits)
    z = (y[:, None] - mu) * np.exp(-log_sigma)
    joint = log_pi - 0.5 * z**2 - log_sigma - 0.5 * np.log(2 * np.pi)
    log_lik = logsumexp(joint)
    loss = -log_lik.mean()
    return loss, (log_pi, z, log_sigma, joint, log_lik)


def backward(dloss, cache):
    log_pi, z, log_sigma, joint, log_lik = cache
    resp = np.exp(joint - log_lik)
    djoint = -dloss * resp / len(resp)
    dlogits = djoint - np.exp(log_pi) * djoint.sum(axis=1, keepdims=True)
    dz = -djoint * z
    dmu = -dz * np.exp(-log_sigma)
    dlog_sigma = -djoint - dz * z
    return dlogits, dmu, dlog_sigma
"""


def problem(rng, size=0):
    n, k = ((4, 3), (3, 5))[size]
    inputs = {name: rng.normal(size=(n, k)) for name in ("logits", "mu")}
    return inputs | {"log_sigma": rng.normal(size=(n, k)) * 0.5}, (rng.normal(size=n),)


FAMILY = Family(
    name="mixture_density",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "prior for posterior",
            old="resp = np.exp(joint - log_lik)",
            new="resp = np.exp(log_pi)",
            cause="The mixture weights are used where the posterior responsibilities belong.",
            label="wrong_operand",
            line="resp = np.exp(log_pi)",
        ),
        Wrong(
            "softmax's sum forgotten",
            old="dlogits = djoint - np.exp(log_pi) * djoint.sum(axis=1, keepdims=True)",
            new="dlogits = djoint",
            cause="The mixture weights are normalised; the part through the normalisation is missing.",
            label="fused_formula",
            line="dlogits = djoint",
        ),
        Wrong(
            "no normalisation of the density",
            old="dlog_sigma = -djoint - dz * z",
            new="dlog_sigma = -dz * z",
            cause="The width also stands in the density's normalisation; that path is missing.",
            label="missing_term",
            line="dlog_sigma = -dz * z",
        ),
        Wrong(
            "width once too few",
            old="dmu = -dz * np.exp(-log_sigma)",
            new="dmu = -dz",
            cause="The derivative of z in mu, one over the width, is left out.",
            label="missing_derivative",
            line="dmu = -dz",
        ),
    ],
    right=[
        Right(
            "textbook form with responsibilities",
            old="""    dlogits = djoint - np.exp(log_pi) * djoint.sum(axis=1, keepdims=True)
    dz = -djoint * z
    dmu = -dz * np.exp(-log_sigma)
    dlog_sigma = -djoint - dz * z
    return dlogits, dmu, dlog_sigma
""",
            new="""    g = dloss / len(resp)
    dlogits = g * (np.exp(log_pi) - resp)
    return dlogits, -g * resp * z / np.exp(log_sigma), g * resp * (1 - z**2)
""",
        ),
        Right(
            "responsibilities as a softmax of their own",
            old="    resp = np.exp(joint - log_lik)\n",
            new="    resp = np.exp(joint - joint.max(axis=1, keepdims=True))\n"
            "    resp /= resp.sum(axis=1, keepdims=True)\n",
        ),
    ],
)
