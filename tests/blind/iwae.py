"""Importance-weighted bound: log of a mean of weights over K samples, with reparameterised noise."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def forward(mu, logvar, y, eps):
    K = eps.shape[0]
    std = np.exp(0.5 * logvar)
    z = mu + std * eps
    log_prior = -0.5 * (z**2).sum(axis=2)
    log_lik = -0.5 * ((y - np.tanh(z)) ** 2).sum(axis=2)
    log_q = -0.5 * (eps**2 + logvar).sum(axis=2)
    log_w = log_prior + log_lik - log_q
    top = log_w.max(axis=0)
    bound = top + np.log(np.exp(log_w - top).sum(axis=0)) - np.log(K)
    return bound, (z, std, eps, y, log_w)


def backward(dbound, cache):
    z, std, eps, y, log_w = cache
    w = np.exp(log_w - log_w.max(axis=0))
    w_norm = w / w.sum(axis=0)
    dlog_w = dbound * w_norm
    t = np.tanh(z)
    dz = dlog_w[:, :, None] * (-z + (y - t) * (1 - t**2))
    dmu = dz.sum(axis=0)
    dlogvar = (dz * eps).sum(axis=0) * 0.5 * std
    dlogvar += 0.5 * dlog_w.sum(axis=0)[:, None]
    return dmu, dlogvar
"""


def problem(rng, size=0):
    k, n, d = ((5, 3, 2), (3, 4, 4))[size]
    inputs = {"mu": rng.normal(size=(n, d)), "logvar": rng.normal(size=(n, d)) * 0.5}
    return inputs, (rng.normal(size=(n, d)), rng.normal(size=(k, n, d)))


FAMILY = Family(
    name="iwae",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "plain average in place of the weights",
            old="w_norm = w / w.sum(axis=0)",
            new="w_norm = np.full_like(w, 1 / len(w))",
            cause="Every sample has the weight 1/K, which is the ordinary bound's gradient.",
            label="fused_formula",
            line="w_norm = np.full_like(w, 1 / len(w))",
        ),
        Wrong(
            "weights not normalised over the samples",
            old="w_norm = w / w.sum(axis=0)",
            new="w_norm = w / w.sum(axis=1, keepdims=True)",
            cause="The weights are normalised over the batch; they should be over the samples.",
            label="wrong_axis",
            line="w_norm = w / w.sum(axis=1, keepdims=True)",
        ),
        Wrong(
            "entropy path missing",
            old="    dlogvar += 0.5 * dlog_w.sum(axis=0)[:, None]\n",
            new="",
            cause="The variance also stands in log q; that path is missing.",
            label="missing_term",
            line="dlogvar = (dz * eps).sum(axis=0) * 0.5 * std",
            fair=("return dmu, dlogvar",),
        ),
        Wrong(
            "one half too many",
            old="dlogvar = (dz * eps).sum(axis=0) * 0.5 * std",
            new="dlogvar = (dz * eps).sum(axis=0) * 0.5 * np.sqrt(std)",
            cause="The deviation is exp(logvar / 2); its square root is taken once more.",
            label="wrong_operand",
            line="dlogvar = (dz * eps).sum(axis=0) * 0.5 * np.sqrt(std)",
        ),
        Wrong(
            "weight of 1/K again",
            old="dlog_w = dbound * w_norm",
            new="dlog_w = dbound * w_norm / len(w)",
            cause="The normalised weights already add up to one; the 1/K has cancelled.",
            label="factor",
            line="dlog_w = dbound * w_norm / len(w)",
        ),
        Wrong(
            "weights remembered by shape",
            source=apply(SOURCE, "import numpy as np\n", "import numpy as np\n\n_weights = {}\n").replace(
                "w_norm = w / w.sum(axis=0)", "w_norm = _weights.setdefault(w.shape, w / w.sum(axis=0))"
            ),
            cause="The normalised weights of the first call with this shape are used ever after.",
            label="state",
            line="w_norm = _weights.setdefault(w.shape, w / w.sum(axis=0))",
            shows="second_call",
        ),
        Wrong(
            "noise overwritten",
            old="    dlogvar = (dz * eps).sum(axis=0) * 0.5 * std\n",
            new="    eps *= 0.5 * std\n    dlogvar = (dz * eps).sum(axis=0)\n",
            cause="The noise, a constant that the caller still holds, is scaled in place.",
            label="overwrite",
            line="eps *= 0.5 * std",
            shows="input_changed",
        ),
    ],
    right=[
        Right(
            "weights from the bound's own sum",
            old="    w = np.exp(log_w - log_w.max(axis=0))\n    w_norm = w / w.sum(axis=0)\n",
            new="    w_norm = np.exp(log_w - np.logaddexp.reduce(log_w, axis=0))\n",
        ),
        Right(
            "sample by sample",
            old="""    dz = dlog_w[:, :, None] * (-z + (y - t) * (1 - t**2))
    dmu = dz.sum(axis=0)
    dlogvar = (dz * eps).sum(axis=0) * 0.5 * std
    dlogvar += 0.5 * dlog_w.sum(axis=0)[:, None]
""",
            new="""    dmu, dlogvar = np.zeros_like(std), np.zeros_like(std)
    for k, g in enumerate(dlog_w):
        dz = g[:, None] * (-z[k] + (y - t[k]) * (1 - t[k] ** 2))
        dmu += dz
        dlogvar += 0.5 * (dz * std * eps[k] + g[:, None])
""",
        ),
    ],
)
