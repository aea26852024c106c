"""A small variational autoencoder: encoder with two heads, noise, sigmoid decoder, binary cross-entropy plus KL."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def forward(x, W_h, W_mu, W_lv, W_d, eps):
    h = np.tanh(x @ W_h)
    mu = h @ W_mu
    logvar = h @ W_lv
    std = np.exp(logvar / 2)
    z = mu + eps * std
    p = sigmoid(z @ W_d)
    bce = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p))
    kl = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))
    return (bce + kl) / len(x), (x, h, mu, logvar, std, z, p, eps, W_h, W_mu, W_lv, W_d)


def backward(d_loss, cache):
    x, h, mu, logvar, std, z, p, eps, W_h, W_mu, W_lv, W_d = cache
    scale = d_loss / len(x)
    d_logits = scale * (p - x)
    d_W_d = z.T @ d_logits
    d_z = d_logits @ W_d.T
    d_mu = d_z + scale * mu
    d_std = d_z * eps
    d_logvar = d_std * std / 2 + scale * 0.5 * (np.exp(logvar) - 1)
    d_W_mu = h.T @ d_mu
    d_W_lv = h.T @ d_logvar
    d_h = d_mu @ W_mu.T + d_logvar @ W_lv.T
    d_pre = d_h * (1 - h**2)
    d_W_h = x.T @ d_pre
    d_x = d_pre @ W_h.T + scale * (np.log(1 - p) - np.log(p))
    return d_x, d_W_h, d_W_mu, d_W_lv, d_W_d
"""


def problem(rng, size=0):
    n, d, h, k = ((4, 3, 3, 3), (2, 5, 4, 2))[size]
    inputs = {
        "x": rng.uniform(0.1, 0.9, size=(n, d)),
        "W_h": rng.normal(size=(d, h)),
        "W_mu": rng.normal(size=(h, k)),
        "W_lv": rng.normal(size=(h, k)) * 0.7,
        "W_d": rng.normal(size=(k, d)),
    }
    return inputs, (rng.normal(size=(n, k)),)


FAMILY = Family(
    name="vae_numpy",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "KL missing in the mean",
            old="d_mu = d_z + scale * mu",
            new="d_mu = d_z",
            cause="The KL divergence's own gradient with respect to the mean is missing.",
            label="missing_term",
            line="d_mu = d_z",
        ),
        Wrong(
            "deviation's half forgotten",
            old="d_logvar = d_std * std / 2 + scale * 0.5 * (np.exp(logvar) - 1)",
            new="d_logvar = d_std * std + scale * 0.5 * (np.exp(logvar) - 1)",
            cause="The deviation is the exponential of half the log variance; the half is missing.",
            label="factor",
            line="d_logvar = d_std * std + scale * 0.5 * (np.exp(logvar) - 1)",
        ),
        Wrong(
            "one head of two",
            old="d_h = d_mu @ W_mu.T + d_logvar @ W_lv.T",
            new="d_h = d_mu @ W_mu.T",
            cause="The hidden layer also feeds the log variance, and what comes back from there is left out.",
            label="missing_term",
            line="d_h = d_mu @ W_mu.T",
        ),
        Wrong(
            "KL not averaged over the batch",
            old="d_mu = d_z + scale * mu",
            new="d_mu = d_z + d_loss * mu",
            cause="The KL divergence is divided by the batch size in forward, and here it is not.",
            label="factor",
            line="d_mu = d_z + d_loss * mu",
        ),
        Wrong(
            "x only as the encoder's input",
            old="d_x = d_pre @ W_h.T + scale * (np.log(1 - p) - np.log(p))",
            new="d_x = d_pre @ W_h.T",
            cause="The input is also the cross-entropy's target, and that route is left out.",
            label="missing_term",
            line="d_x = d_pre @ W_h.T",
        ),
        Wrong(
            "sigmoid's derivative on top of the fused difference",
            old="d_logits = scale * (p - x)",
            new="d_logits = scale * (p - x) * p * (1 - p)",
            cause="p minus x is already the gradient of the logits; the sigmoid's derivative comes in once too often.",
            label="extra_term",
            line="d_logits = scale * (p - x) * p * (1 - p)",
        ),
        Wrong(
            "KL's variance with the other sign, mean not counted",
            source=apply(
                apply(SOURCE, "d_mu = d_z + scale * mu", "d_mu = d_z"),
                "d_logvar = d_std * std / 2 + scale * 0.5 * (np.exp(logvar) - 1)",
                "d_logvar = d_std * std / 2 + scale * 0.5 * (1 - np.exp(logvar))",
            ),
            cause="The KL's term in the log variance has the wrong sign, and its term in the mean is missing.",
            label="two_mistakes",
            line="d_mu = d_z",
            fair=("d_logvar = d_std * std / 2 + scale * 0.5 * (1 - np.exp(logvar))",),
        ),
    ],
    right=[
        Right(
            "cross-entropy step by step",
            old="    d_logits = scale * (p - x)\n",
            new="    d_p = scale * (-x / p + (1 - x) / (1 - p))\n    d_logits = d_p * p * (1 - p)\n",
        ),
        Right(
            "heads joined",
            old="""    d_W_mu = h.T @ d_mu
    d_W_lv = h.T @ d_logvar
    d_h = d_mu @ W_mu.T + d_logvar @ W_lv.T
""",
            new="""    k = mu.shape[1]
    d_heads = np.concatenate((d_mu, d_logvar), axis=1)
    d_W_mu, d_W_lv = np.hsplit(h.T @ d_heads, [k])
    d_h = d_heads @ np.concatenate((W_mu, W_lv), axis=1).T
""",
        ),
    ],
)
