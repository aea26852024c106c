"""Wrong answers to `mlp`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def backward(dloss, cache, mask=True, label=1.0, size=1.0, W2_of=lambda W2: W2, first=None):
    x, labels, h, a, p, W2 = cache
    dlogits = dloss[:, None] * (p - label * (np.arange(p.shape[1]) == labels[:, None])) * size
    da = dlogits @ W2_of(W2).T
    dh = da * (h > 0) if mask else da
    first = h if first == "h" else a
    return x.T @ dh, dh.sum(axis=0), first.T @ dlogits, dlogits.sum(axis=0)


@mutant("EDIT:dW1", "EDIT:db1")
def no_mask(dloss, cache):
    return backward(dloss, cache, mask=False)


@mutant("EDIT:dW2")
def input_before_the_relu(dloss, cache):
    return backward(dloss, cache, first="h")


@mutant(*(f"SCALE:1/N:{name}" for name in ("dW1", "db1", "dW2", "db2")))
def divided_by_the_batch(dloss, cache):
    return backward(dloss, cache, size=1 / len(dloss))


@mutant(*(f"SCALE:−1:{name}" for name in ("dW1", "db1", "dW2", "db2")))
def label_minus_probability(dloss, cache):
    return backward(dloss, cache, size=-1)


@mutant("SCALE:1/N:db1", "SCALE:1/N:db2")
def biases_averaged(dloss, cache):
    dW1, db1, dW2, db2 = backward(dloss, cache)
    return dW1, db1 / len(dloss), dW2, db2 / len(dloss)


@mutant(*(f"EDIT:{name}" for name in ("dW1", "db1", "dW2", "db2")))
def label_forgotten(dloss, cache):
    return backward(dloss, cache, label=0)


@mutant("CONTRACT")
def order_of_return(dloss, cache):
    dW1, db1, dW2, db2 = backward(dloss, cache)
    return dW2, db2, dW1, db1
