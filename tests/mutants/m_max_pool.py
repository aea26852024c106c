"""Wrong answers to `max_pool`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def places(place):
    """The row and the column in x of the maximum of every window."""
    return np.arange(len(place))[:, None], 2 * np.arange(place.shape[1]) + place


@mutant("ONLY-WHERE:an entry is the maximum of two windows:dx")
def repeated_indices_counted_once(dy, cache):
    x, place = cache
    dx = np.zeros_like(x)
    dx[places(place)] += dy
    return dx


@mutant("ONLY-WHERE:an entry is the maximum of two windows:dx")
def mean_of_two_windows(dy, cache):
    x, place = cache
    dx, wins = np.zeros_like(x), np.zeros_like(x)
    np.add.at(dx, places(place), dy)
    np.add.at(wins, places(place), 1)
    return dx / np.maximum(wins, 1)


@mutant("FORMULA:dy given to every entry of its window:dx")
def mask_forgotten(dy, cache):
    x, _ = cache
    dx = np.zeros_like(x)
    for k in range(3):
        dx[:, k : k + 2 * dy.shape[1] : 2] += dy
    return dx


@mutant("FORMULA:windows one step apart instead of two:dx")
def stride_forgotten(dy, cache):
    x, place = cache
    rows, _ = places(place)
    dx = np.zeros_like(x)
    np.add.at(dx, (rows, np.arange(dy.shape[1]) + place), dy)
    return dx


@mutant("TERM:the window that it ends:0:dx")
def loop_over_two_of_three_places(dy, cache):
    x, place = cache
    dx = np.zeros_like(x)
    for k in range(2):
        dx[:, k : k + 2 * dy.shape[1] : 2] += dy * (place == k)
    return dx


@mutant("FACTOR:x:dx")
def multiplied_by_the_maximum(dy, cache):
    x, place = cache
    dx = np.zeros_like(x)
    np.add.at(dx, places(place), dy * x[places(place)])
    return dx


@mutant("IGNORES-UPSTREAM:dx")
def mask_alone(dy, cache):
    x, place = cache
    dx = np.zeros_like(x)
    np.add.at(dx, places(place), 1.0)
    return dx


@mutant("ONLY-WHERE:an entry is not the maximum of any window:dx")
def losers_get_something(dy, cache):
    x, place = cache
    dx = np.zeros_like(x)
    np.add.at(dx, places(place), dy)
    return np.where(dx == 0, np.mean(dy), dx)


@mutant("CONTRACT")
def gradient_of_the_windows(dy, cache):
    _, place = cache
    return dy[:, :, None] * (place[:, :, None] == np.arange(3))
