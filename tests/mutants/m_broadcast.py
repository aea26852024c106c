"""Wrong answers to `broadcast`, each with the label that a correct diagnosis has."""

from mutants.key import mutant


@mutant("CONTRACT")
def axis_lost(dy, cache):
    x, c = cache
    return dy * c, (dy * x).sum(axis=1), dy.sum(axis=0)


@mutant("CONTRACT")
def nothing_summed(dy, cache):
    x, c = cache
    return dy * c, dy * x, dy


@mutant("FORMULA:the sum of dy without x:dc")
def x_forgotten(dy, cache):
    _, c = cache
    return dy * c, dy.sum(axis=1, keepdims=True), dy.sum(axis=0)


@mutant("SCALE:1/D:dc", "SCALE:1/N:dr")
def means_for_sums(dy, cache):
    x, c = cache
    return dy * c, (dy * x).mean(axis=1, keepdims=True), dy.mean(axis=0)


@mutant("FORMULA:the sum of dy times the sum of x:dc")
def sums_multiplied(dy, cache):
    x, c = cache
    return dy * c, dy.sum(axis=1, keepdims=True) * x.sum(axis=1, keepdims=True), dy.sum(axis=0)


@mutant("FACTOR:1/c:dx")
def c_forgotten(dy, cache):
    x, _ = cache
    return dy.copy(), (dy * x).sum(axis=1, keepdims=True), dy.sum(axis=0)
