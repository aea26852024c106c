"""Wrong answers to `layer_norm`, each with the label that a correct diagnosis has."""

from mutants.key import mutant


def backward(dy, cache, mean=1.0, var=1.0, gamma_in=True, axis=1):
    normed, std, gamma = cache
    d = dy * gamma if gamma_in else dy
    dx = d - mean * d.mean(axis=axis, keepdims=True) - var * normed * (d * normed).mean(axis=axis, keepdims=True)
    return dx / std, (dy * normed).sum(axis=0), dy.sum(axis=0)


@mutant("TERM:through the mean:0:dx")
def without_the_mean(dy, cache):
    return backward(dy, cache, mean=0)


@mutant("TERM:through the variance:0:dx")
def without_the_variance(dy, cache):
    return backward(dy, cache, var=0)


@mutant("TERM:through the mean:0,through the variance:0:dx")
def direct_route_alone(dy, cache):
    return backward(dy, cache, mean=0, var=0)


@mutant("TERM:through the variance:−1:dx")
def sign_of_the_variance(dy, cache):
    return backward(dy, cache, var=-1)


@mutant("EDIT | PROBE:γ = 1:dx")
def gamma_forgotten_in_dx(dy, cache):
    return backward(dy, cache, gamma_in=False)


@mutant("SCALE:1/N:dgamma", "SCALE:1/N:dbeta")
def means_over_the_batch(dy, cache):
    dx, dgamma, dbeta = backward(dy, cache)
    return dx, dgamma / len(dy), dbeta / len(dy)


@mutant("FACTOR:std:dx")
def not_divided_by_std(dy, cache):
    dx, dgamma, dbeta = backward(dy, cache)
    return dx * cache[1], dgamma, dbeta
