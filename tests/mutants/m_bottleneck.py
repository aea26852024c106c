"""Wrong answers to `bottleneck`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def parts(dy, cache):
    """dmean through z and through the KL, dlog_var through z and through the KL."""
    dz, dkl = dy
    _, _, mean, log_var, eps = cache
    dlog_var_z = dz * eps * 0.5 * np.exp(0.5 * log_var)
    return dz, dkl[:, None] * mean, dlog_var_z, dkl[:, None] * 0.5 * (np.exp(log_var) - 1)


def dense(dmean, dlog_var, cache):
    h, W, *_ = cache
    dheads = np.concatenate([dmean, dlog_var], axis=1)
    return dheads @ W.T, h.T @ dheads, dheads.sum(axis=0)


def keys(label, gradients=("dh", "dW", "db")):
    return [f"{label}:{name}" for name in gradients]


@mutant(*keys("OUTPUT:number 2 | TERM:mean² in the KL:0,σ² in the KL:0,log_var in the KL:0"))
def no_kl(dy, cache):
    mean_z, _, log_var_z, _ = parts(dy, cache)
    return dense(mean_z, log_var_z, cache)


@mutant(*keys("OUTPUT:number 1 | TERM:mean through z:0,log_var through z:0"))
def only_the_kl(dy, cache):
    _, mean_kl, _, log_var_kl = parts(dy, cache)
    return dense(mean_kl, log_var_kl, cache)


@mutant(*keys("OUTPUT:number 2:1/N | TERM:mean² in the KL:1/N,σ² in the KL:1/N,log_var in the KL:1/N"))
def kl_averaged_over_the_batch(dy, cache):
    mean_z, mean_kl, log_var_z, log_var_kl = parts(dy, cache)
    return dense(mean_z + mean_kl / len(mean_z), log_var_z + log_var_kl / len(mean_z), cache)


@mutant(*keys("TERM:mean through z:0"))
def kl_overwrites_the_gradient_of_mean(dy, cache):
    _, mean_kl, log_var_z, log_var_kl = parts(dy, cache)
    return dense(mean_kl, log_var_z + log_var_kl, cache)


@mutant(*keys("TERM:log_var through z:2"))
def half_of_sigma_lost(dy, cache):
    mean_z, mean_kl, log_var_z, log_var_kl = parts(dy, cache)
    return dense(mean_z + mean_kl, 2 * log_var_z + log_var_kl, cache)


@mutant(*keys("TERM:log_var in the KL:0"))
def one_lost_in_the_kl(dy, cache):
    _, dkl = dy
    mean_z, mean_kl, log_var_z, _ = parts(dy, cache)
    return dense(mean_z + mean_kl, log_var_z + dkl[:, None] * 0.5 * np.exp(cache[3]), cache)


@mutant("TERM:log_var through z:0,σ² in the KL:0,log_var in the KL:0:dh")
def dh_from_one_head(dy, cache):
    _, W, mean, *_ = cache
    mean_z, mean_kl, log_var_z, log_var_kl = parts(dy, cache)
    _, dW, db = dense(mean_z + mean_kl, log_var_z + log_var_kl, cache)
    return (mean_z + mean_kl) @ W[:, : mean.shape[1]].T, dW, db


@mutant(*keys("FORMULA:the two heads exchanged"))
def heads_exchanged(dy, cache):
    mean_z, mean_kl, log_var_z, log_var_kl = parts(dy, cache)
    return dense(log_var_z + log_var_kl, mean_z + mean_kl, cache)


@mutant(
    "PROBE:eps = 0:dh",
    "ONLY-WHERE:the column belongs to log_var:dW",
    "ONLY-WHERE:the entry belongs to log_var:db",
)
def sigma_lost(dy, cache):
    dz, _ = dy
    mean_z, mean_kl, _, log_var_kl = parts(dy, cache)
    return dense(mean_z + mean_kl, dz * cache[4] * 0.5 + log_var_kl, cache)


@mutant(*keys("PROBE:one example"))
def upstream_of_the_kl_summed(dy, cache):
    dz, dkl = dy
    return dense(*[sum(pair) for pair in zip(*halves(dz, np.full_like(dkl, dkl.sum()), cache), strict=True)], cache)


def halves(dz, dkl, cache):
    mean_z, mean_kl, log_var_z, log_var_kl = parts((dz, dkl), cache)
    return (mean_z, log_var_z), (mean_kl, log_var_kl)


@mutant(*keys("NOT-LINEAR"))
def kl_without_upstream(dy, cache):
    dz, dkl = dy
    return dense(*[sum(pair) for pair in zip(*halves(dz, np.ones_like(dkl), cache), strict=True)], cache)


@mutant("SCALE:1/N:db")
def mean_of_db(dy, cache):
    mean_z, mean_kl, log_var_z, log_var_kl = parts(dy, cache)
    dh, dW, db = dense(mean_z + mean_kl, log_var_z + log_var_kl, cache)
    return dh, dW, db / len(dh)
