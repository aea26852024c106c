"""Wrong answers to `twice`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def right(dy, cache):
    x, w = cache
    t = np.tanh(x)
    return dy + dy * w * (1 - t**2), (dy * t).sum(axis=0)


@mutant("TERM:direct route:0:dx")
def second_route_overwrites_the_first(dy, cache):
    x, w = cache
    dx = dy
    dx = dy * w * (1 - np.tanh(x) ** 2)
    return dx, right(dy, cache)[1]


@mutant("TERM:route through tanh:0:dx")
def only_the_direct_route(dy, cache):
    return dy.copy(), right(dy, cache)[1]


@mutant("TERM:route through tanh:−1:dx")
def slope_with_the_wrong_sign(dy, cache):
    x, w = cache
    return dy + dy * w * (np.tanh(x) ** 2 - 1), right(dy, cache)[1]


@mutant("CONTRACT")
def adds_the_second_route_in_place(dy, cache):
    x, w = cache
    dw = (dy * np.tanh(x)).sum(axis=0)
    dx = dy
    dx += dy * w * (1 - np.tanh(x) ** 2)
    return dx, dw


@mutant("NOT-LINEAR:dx")
def direct_route_without_upstream(dy, cache):
    x, w = cache
    return 1 + dy * w * (1 - np.tanh(x) ** 2), right(dy, cache)[1]


@mutant("NOT-LINEAR:dx")
def routes_multiplied(dy, cache):
    x, w = cache
    return dy * (dy * w * (1 - np.tanh(x) ** 2)), right(dy, cache)[1]


@mutant("PROBE:w = 1:dx")
def w_on_both_routes(dy, cache):
    x, w = cache
    return w * (dy + dy * (1 - np.tanh(x) ** 2)), right(dy, cache)[1]


@mutant("FORMULA:1 − x² as the slope of tanh:dx")
def slope_of_tanh_from_its_input(dy, cache):
    x, w = cache
    return dy + dy * w * (1 - x**2), right(dy, cache)[1]


@mutant("FORMULA:no w on the route through tanh:dx", "FORMULA:x in the place of tanh(x):dw")
def two_wrong_factors(dy, cache):
    x, _ = cache
    return dy + dy * (1 - np.tanh(x) ** 2), (dy * x).sum(axis=0)


@mutant("TERM:direct route:2:dx", "SCALE:1/N:dw")
def direct_route_twice_and_a_mean(dy, cache):
    x, w = cache
    return dy + dy * (1 + w * (1 - np.tanh(x) ** 2)), (dy * np.tanh(x)).mean(axis=0)


@mutant("CONTRACT")
def dw_without_the_sum(dy, cache):
    x, _ = cache
    return right(dy, cache)[0], dy * np.tanh(x)
