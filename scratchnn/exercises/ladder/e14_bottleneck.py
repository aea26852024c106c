"""The bottleneck of a variational autoencoder: one dense layer, two heads, two outputs.

h (N, D) is the encoder's last hidden layer. One product makes both heads, [mean, log_var] = h W + b, with W (D, 2Z) and
b (2Z,): the first Z columns are the means, the last Z the log-variances. From them come, for the noise eps (N, Z),

    z = mean + e^(log_var/2) · eps   and kl_n = −½ Σ_j (1 + log_var_nj − mean_nj² − e^(log_var_nj)).

There are two outputs, so dy is a tuple: dz (N, Z) and dkl (N,). Return dh, dW and db; eps is not differentiated.

Derive it first, from the outputs back to the inputs:
  - By how many routes does mean_nj reach L? What does each contribute to dmean_nj?
  - The same for log_var_nj.
  - mean and log_var are the two halves of one array of heads. What is the gradient of that array?
  - From there on this is a dense layer. How do dh, dW and db follow?
"""

import numpy as np


def forward(h, W, b, eps):
    mean, log_var = np.split(h @ W + b, 2, axis=1)
    z = mean + np.exp(0.5 * log_var) * eps
    kl = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=1)
    cache = (h, W, mean, log_var, eps)
    return (z, kl), cache


def backward(dy, cache):
    dz, dkl = dy
    h, W, mean, log_var, eps = cache
    # begin solution: dh, dW, db
    dmean_z = dz
    dlog_var_z = dz * eps * 0.5 * np.exp(0.5 * log_var)
    dmean_kl = dkl[:, None] * mean
    dlog_var_kl = dkl[:, None] * 0.5 * (np.exp(log_var) - 1)
    dheads = np.concatenate([dmean_z + dmean_kl, dlog_var_z + dlog_var_kl], axis=1)
    dh = dheads @ W.T
    dW = h.T @ dheads
    db = np.sum(dheads, axis=0)
    # end solution
    return dh, dW, db


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    mean, log_var = np.split(q.h @ q.W + q.b, 2, axis=1)
    dz, dkl = q.dy[0], q.dy[1][:, None]
    none = np.zeros_like(mean)
    routes = {
        "mean through z": (dz, none),
        "log_var through z": (none, dz * q.eps * 0.5 * np.exp(0.5 * log_var)),
        "mean² in the KL": (dkl * mean, none),
        "σ² in the KL": (none, dkl * 0.5 * np.exp(log_var)),
        "log_var in the KL": (none, -0.5 * dkl + none),
    }
    dheads = {name: np.concatenate(halves, axis=1) for name, halves in routes.items()}
    to_log_var = np.arange(2 * q.Z) >= q.Z
    return Facts(
        terms={
            "dh": {name: d @ q.W.T for name, d in dheads.items()},
            "dW": {name: q.h.T @ d for name, d in dheads.items()},
            "db": {name: d.sum(axis=0) for name, d in dheads.items()},
        },
        masks={
            "the column belongs to mean": np.tile(~to_log_var, (q.D, 1)),
            "the column belongs to log_var": np.tile(to_log_var, (q.D, 1)),
            "the entry belongs to mean": ~to_log_var,
            "the entry belongs to log_var": to_log_var,
        },
    )


EXERCISE = Exercise(
    title="two heads, each used twice",
    sizes=({"N": 13, "D": 5, "Z": 7}, {"N": 17, "D": 3, "Z": 11}),
    inputs=lambda s, rng: {
        "h": rng.normal(size=(s.N, s.D)),
        "W": rng.normal(size=(s.D, 2 * s.Z)) / np.sqrt(s.D),
        "b": rng.normal(size=2 * s.Z),
    },
    constants=lambda s, rng: {"eps": rng.normal(size=(s.N, s.Z))},
    facts=facts,
    probes={
        "eps = 0": lambda v: {**v, "eps": 0 * v["eps"]},
        "one example": lambda v: {**v, "h": v["h"][:1], "eps": v["eps"][:1]},
    },
    hints=(
        "mean and log_var each reach L through z and through the KL. What is used twice gets the sum of two gradients.",
        "dmean = dz + dkl_n mean, and dlog_var = dz eps σ/2 + dkl_n ½ (σ² − 1). Side by side they are the gradient of "
        "h W + b.",
        "dheads = np.concatenate([dmean, dlog_var], axis=1); then dh = dheads Wᵀ, dW = hᵀ dheads, db = Σ_n dheads_n.",
    ),
    derivation="""
        [mean, log_var] = h W + b   z = mean + σ · eps   with σ = e^(log_var/2)
        kl_n = −½ Σ_j (1 + log_var_nj − mean_nj² − σ_nj²)
        dmean_nj    = dz_nj               + dkl_n mean_nj            the first term through z, the second through the KL
        dlog_var_nj = dz_nj eps_nj σ_nj/2 + dkl_n ½ (σ_nj² − 1)
        dheads = [dmean, dlog_var]      the gradient of the dense layer's output, (N, 2Z):
        dh = dheads Wᵀ   dW = hᵀ dheads   db = Σ_n dheads_n
        The inner sum of dheads Wᵀ runs over both heads: dh = dmean W_meanᵀ + dlog_var W_log_varᵀ.
    """,
)
