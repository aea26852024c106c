"""The whole of a variational autoencoder: −ELBO, with one dense layer as the encoder and one as the decoder.

x (N, D) holds pixels between 0 and 1, eps (N, Z) noise. We (D, 2Z) and be (2Z,) belong to the encoder, Wd (Z, D) and
bd (D,) to the decoder:

    [mean, log_var] = x We + be             z = mean + e^(log_var/2) · eps             logits = z Wd + bd
    reconstruction_n = Σ_i (softplus(logits_ni) − x_ni logits_ni)   with softplus(logits_ni) = log(1 + e^(logits_ni))
    kl_n = −½ Σ_j (1 + log_var_nj − mean_nj² − e^(log_var_nj))
    loss_n = reconstruction_n + kl_n

You are given dloss (N,), the derivative of L with respect to every entry of loss. Return dWe, dbe, dWd and dbd.

Derive it first, going through forward's lines in reverse order:
  - What is the slope of softplus? So what does dlogits compare with the pixels?
  - logits = z Wd + bd is a dense layer: what are dWd, dbd, and dz?
  - Which routes lead from mean to the loss, and which from log_var? Which of them carry dz, and which dloss itself?
  - x We + be is a dense layer again.
"""

import numpy as np


def forward(We, be, Wd, bd, x, eps):
    mean, log_var = np.split(x @ We + be, 2, axis=1)
    z = mean + np.exp(0.5 * log_var) * eps
    logits = z @ Wd + bd
    reconstruction = np.sum(np.logaddexp(0, logits) - x * logits, axis=1)
    kl = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=1)
    cache = (x, eps, mean, log_var, z, logits, Wd)
    return reconstruction + kl, cache


def backward(dloss, cache):
    x, eps, mean, log_var, z, logits, Wd = cache
    # begin solution: dWe, dbe, dWd, dbd
    dloss = dloss[:, None]
    dlogits = dloss * (1 / (1 + np.exp(-logits)) - x)
    dWd = z.T @ dlogits
    dbd = np.sum(dlogits, axis=0)
    dz = dlogits @ Wd.T
    dmean = dz + dloss * mean
    dlog_var = dz * eps * 0.5 * np.exp(0.5 * log_var) + dloss * 0.5 * (np.exp(log_var) - 1)
    dheads = np.concatenate([dmean, dlog_var], axis=1)
    dWe = x.T @ dheads
    dbe = np.sum(dheads, axis=0)
    # end solution
    return dWe, dbe, dWd, dbd


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def facts(q: SimpleNamespace) -> Facts:
    mean, log_var = np.split(q.x @ q.We + q.be, 2, axis=1)
    sigma, dloss = np.exp(0.5 * log_var), q.dy[:, None]
    z = mean + sigma * q.eps
    logits = z @ q.Wd + q.bd
    p = 1 / (1 + np.exp(-logits))

    def reconstruction(dlogits: Array) -> Array:
        dz = dlogits @ q.Wd.T
        return np.concatenate([dz, dz * q.eps * 0.5 * sigma], axis=1)

    kl = np.concatenate([dloss * mean, dloss * 0.5 * (sigma**2 - 1)], axis=1)
    dheads = {"reconstruction": reconstruction(dloss * (p - q.x)), "KL": kl}
    wrong = {
        "sigmoid's slope p(1 − p) once too often": dloss * (p - q.x) * p * (1 - p),
    }
    to_log_var = np.arange(2 * q.Z) >= q.Z
    return Facts(
        terms={
            "dWe": {name: q.x.T @ d for name, d in dheads.items()},
            "dbe": {name: d.sum(axis=0) for name, d in dheads.items()},
        },
        masks={
            "the column belongs to mean": np.tile(~to_log_var, (q.D, 1)),
            "the column belongs to log_var": np.tile(to_log_var, (q.D, 1)),
            "the entry belongs to mean": ~to_log_var,
            "the entry belongs to log_var": to_log_var,
        },
        formulas={
            "dWe": {name: q.x.T @ (reconstruction(d) + kl) for name, d in wrong.items()},
            "dbe": {name: (reconstruction(d) + kl).sum(axis=0) for name, d in wrong.items()},
            "dWd": {name: z.T @ d for name, d in wrong.items()},
            "dbd": {name: d.sum(axis=0) for name, d in wrong.items()},
        },
    )


EXERCISE = Exercise(
    title="−ELBO, from the loss back to four parameters",
    sizes=({"N": 11, "D": 7, "Z": 5}, {"N": 13, "D": 17, "Z": 3}),
    inputs=lambda s, rng: {
        "We": rng.normal(size=(s.D, 2 * s.Z)) / np.sqrt(s.D),
        "be": rng.normal(size=2 * s.Z),
        "Wd": rng.normal(size=(s.Z, s.D)) / np.sqrt(s.Z),
        "bd": rng.normal(size=s.D),
    },
    constants=lambda s, rng: {"x": rng.uniform(0.05, 0.95, (s.N, s.D)), "eps": rng.normal(size=(s.N, s.Z))},
    facts=facts,
    probes={
        "eps = 0": lambda v: {**v, "eps": 0 * v["eps"]},
        "one example": lambda v: {**v, "x": v["x"][:1], "eps": v["eps"][:1]},
    },
    hints=(
        "Every line of forward has its line in backward. Which values are used in more than one line?",
        "dlogits = dloss_n (sigmoid(logits) − x), and dz = dlogits Wdᵀ. Then dmean = dz + dloss_n mean, and dlog_var = "
        "dz eps σ/2 + dloss_n ½ (σ² − 1).",
        "dWd = zᵀ dlogits and dbd = Σ_n dlogits_n; with dheads = np.concatenate([dmean, dlog_var], axis=1), "
        "dWe = xᵀ dheads and dbe = Σ_n dheads_n. dloss[:, None] makes a column of dloss.",
    ),
    derivation="""
        The decoder. softplus′ = sigmoid, so
            dlogits_ni = dloss_n (sigmoid(logits_ni) − x_ni)
            dWd = zᵀ dlogits   dbd = Σ_n dlogits_n   dz = dlogits Wdᵀ
        The two routes of mean and log_var, with σ = e^(log_var/2): from the reconstruction, through z, and from the KL
            dmean_nj    = dz_nj               + dloss_n mean_nj
            dlog_var_nj = dz_nj eps_nj σ_nj/2 + dloss_n ½ (σ_nj² − 1)
        The encoder:
            dheads = [dmean, dlog_var]   dWe = xᵀ dheads   dbe = Σ_n dheads_n
    """,
)
