"""Wrong answers to `attention`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def backward(dy, cache, softmax=True, scale=True, row=True):
    q, k, v, p = cache
    dp = dy @ v.T
    ds = p * (dp - (dp * p).sum(axis=1 if row else 0, keepdims=True)) if softmax else p * dp
    root = np.sqrt(q.shape[1]) if scale else 1
    return ds @ k / root, ds.T @ q / root, p.T @ dy


@mutant("SCALE:√D:dq", "SCALE:√D:dk")
def root_forgotten(dy, cache):
    return backward(dy, cache, scale=False)


@mutant("EDIT:dq", "EDIT:dk")
def softmax_without_its_sum(dy, cache):
    return backward(dy, cache, softmax=False)


@mutant("EDIT:dq", "EDIT:dk")
def sum_over_columns(dy, cache):
    return backward(dy, cache, row=False)


@mutant("EDIT:dk")
def ds_not_transposed(dy, cache):
    q, k, v, p = cache
    dp = dy @ v.T
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True))
    return ds @ k / np.sqrt(q.shape[1]), ds @ q / np.sqrt(q.shape[1]), p.T @ dy


@mutant("EDIT:dv")
def p_not_transposed(dy, cache):
    dq, dk, _ = backward(dy, cache)
    return dq, dk, cache[3] @ dy


@mutant("SWAPPED:dk:dq", "SWAPPED:dq:dk")
def q_and_k_exchanged(dy, cache):
    dq, dk, dv = backward(dy, cache)
    return dk, dq, dv
