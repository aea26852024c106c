"""Wrong answers to `residual`, each with the label that a correct diagnosis has."""

from mutants.key import mutant


def backward(dy, cache, direct=1.0, through=1.0, mask=True):
    x, W, V, h, a = cache
    da = dy @ V.T
    dh = da * (h > 0) if mask else da
    return direct * dy + through * dh @ W.T, x.T @ dh, dh.sum(axis=0), a.T @ dy


@mutant("TERM:the direct route:0:dx")
def direct_route_forgotten(dy, cache):
    return backward(dy, cache, direct=0)


@mutant("TERM:the route through the block:0:dx")
def block_forgotten(dy, cache):
    return backward(dy, cache, through=0)


@mutant("EDIT:dx", "EDIT:dW", "EDIT:db")
def no_mask(dy, cache):
    return backward(dy, cache, mask=False)


@mutant("EDIT:dV")
def input_before_the_relu(dy, cache):
    dx, dW, db, _ = backward(dy, cache)
    return dx, dW, db, cache[3].T @ dy


@mutant("SCALE:1/N:db")
def bias_averaged(dy, cache):
    dx, dW, db, dV = backward(dy, cache)
    return dx, dW, db / len(dy), dV


@mutant("TERM:the direct route:2:dx")
def direct_route_twice(dy, cache):
    return backward(dy, cache, direct=2)
