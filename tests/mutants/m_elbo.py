"""Wrong answers to `elbo`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def decoder(dlogits, cache):
    """dWd, dbd and dz."""
    _, _, _, _, z, _, Wd = cache
    return z.T @ dlogits, dlogits.sum(axis=0), dlogits @ Wd.T


def encoder(dmean, dlog_var, cache):
    """dWe and dbe."""
    dheads = np.concatenate([dmean, dlog_var], axis=1)
    return cache[0].T @ dheads, dheads.sum(axis=0)


def backward(dloss, cache, kl=1.0, through_z=1.0, dlogits=None):
    """The right answer, with its two routes weighted and dlogits exchanged."""
    x, eps, mean, log_var, _, logits, _ = cache
    dloss = dloss[:, None]
    dWd, dbd, dz = decoder(dloss * (sigmoid(logits) - x) if dlogits is None else dlogits, cache)
    dmean = through_z * dz + kl * dloss * mean
    dlog_var = through_z * dz * eps * 0.5 * np.exp(0.5 * log_var) + kl * dloss * 0.5 * (np.exp(log_var) - 1)
    return *encoder(dmean, dlog_var, cache), dWd, dbd


@mutant("TERM:KL:0:dWe", "TERM:KL:0:dbe")
def no_kl(dloss, cache):
    return backward(dloss, cache, kl=0)


@mutant("TERM:KL:−1:dWe", "TERM:KL:−1:dbe")
def kl_with_the_sign_of_the_elbo(dloss, cache):
    return backward(dloss, cache, kl=-1)


@mutant("TERM:KL:1/N:dWe", "TERM:KL:1/N:dbe")
def kl_averaged_over_the_batch(dloss, cache):
    return backward(dloss, cache, kl=1 / len(dloss))


@mutant("TERM:reconstruction:0:dWe", "TERM:reconstruction:0:dbe")
def nothing_passes_through_z(dloss, cache):
    return backward(dloss, cache, through_z=0)


@mutant("TERM:reconstruction:−1:dWe", "TERM:reconstruction:−1:dbe", "SCALE:−1:dWd", "SCALE:−1:dbd")
def target_minus_probability(dloss, cache):
    x, _, _, _, _, logits, _ = cache
    return backward(dloss, cache, dlogits=dloss[:, None] * (x - sigmoid(logits)))


@mutant(*[f"FORMULA:the logits in the place of the probabilities:{name}" for name in ("dWe", "dbe", "dWd", "dbd")])
def no_sigmoid(dloss, cache):
    x, _, _, _, _, logits, _ = cache
    return backward(dloss, cache, dlogits=dloss[:, None] * (logits - x))


@mutant(*[f"FORMULA:sigmoid's slope p(1 − p) once too often:{name}" for name in ("dWe", "dbe", "dWd", "dbd")])
def slope_of_sigmoid_twice(dloss, cache):
    x, _, _, _, _, logits, _ = cache
    p = sigmoid(logits)
    return backward(dloss, cache, dlogits=dloss[:, None] * (p - x) * p * (1 - p))


@mutant("PROBE:eps = 0:dWd")
def mean_for_z(dloss, cache):
    x, _, mean, _, _, logits, _ = cache
    dWe, dbe, _, dbd = backward(dloss, cache)
    return dWe, dbe, mean.T @ (dloss[:, None] * (sigmoid(logits) - x)), dbd


@mutant("ONLY-WHERE:the column belongs to log_var:dWe", "ONLY-WHERE:the entry belongs to log_var:dbe")
def sigma_lost(dloss, cache):
    x, eps, mean, log_var, _, logits, _ = cache
    dloss = dloss[:, None]
    dWd, dbd, dz = decoder(dloss * (sigmoid(logits) - x), cache)
    dlog_var = dz * eps * 0.5 + dloss * 0.5 * (np.exp(log_var) - 1)
    return *encoder(dz + dloss * mean, dlog_var, cache), dWd, dbd


@mutant("ONLY-WHERE:the column belongs to mean:dWe", "ONLY-WHERE:the entry belongs to mean:dbe")
def mean_only_through_z(dloss, cache):
    x, eps, _, log_var, _, logits, _ = cache
    dloss = dloss[:, None]
    dWd, dbd, dz = decoder(dloss * (sigmoid(logits) - x), cache)
    dlog_var = dz * eps * 0.5 * np.exp(0.5 * log_var) + dloss * 0.5 * (np.exp(log_var) - 1)
    return *encoder(dz, dlog_var, cache), dWd, dbd


@mutant("NOT-LINEAR:dWe", "NOT-LINEAR:dbe")
def kl_without_upstream(dloss, cache):
    x, eps, mean, log_var, _, logits, _ = cache
    dWd, dbd, dz = decoder(dloss[:, None] * (sigmoid(logits) - x), cache)
    dlog_var = dz * eps * 0.5 * np.exp(0.5 * log_var) + 0.5 * (np.exp(log_var) - 1)
    return *encoder(dz + mean, dlog_var, cache), dWd, dbd


@mutant("SCALE:1/N:dWe", "SCALE:1/N:dbe", "SCALE:1/N:dWd", "SCALE:1/N:dbd")
def divided_by_the_batch_once_more(dloss, cache):
    return backward(dloss / len(dloss), cache)


@mutant("TERM:KL:0 & SCALE:1/N:dWe", "TERM:KL:0 & SCALE:1/N:dbe", "SCALE:1/N:dWd", "SCALE:1/N:dbd")
def no_kl_and_divided(dloss, cache):
    return backward(dloss / len(dloss), cache, kl=0)


@mutant("CONTRACT")
def weights_of_the_decoder_transposed(dloss, cache):
    dWe, dbe, dWd, dbd = backward(dloss, cache)
    return dWe, dbe, dWd.T, dbd
