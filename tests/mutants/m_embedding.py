"""Wrong answers to `embedding`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

right = reference("embedding").backward


@mutant("FORMULA:each word's last place alone | ONLY-WHERE:the word comes more than once:dE")
def plus_equals(dy, cache):
    E, words = cache
    dE = np.zeros_like(E)
    dE[words] += dy
    return dE


@mutant("CONTRACT")
def dy_returned(dy, cache):
    return dy.copy()


@mutant("FORMULA:the mean over a word's places, not the sum | ONLY-WHERE:the word comes more than once:dE")
def mean_over_places(dy, cache):
    E, words = cache
    counts = np.bincount(words.ravel(), minlength=len(E))[:, None]
    return right(dy, cache) / np.maximum(counts, 1)


@mutant("SCALE:−1:dE")
def wrong_sign(dy, cache):
    return -right(dy, cache)


@mutant("EXAMPLE:only first | FEW | UNKNOWN:dE")
def first_text_alone(dy, cache):
    E, words = cache
    dE = np.zeros_like(E)
    np.add.at(dE, words[0], dy[0])
    return dE


@mutant("IGNORES-UPSTREAM:dE")
def counts_the_words(dy, cache):
    return right(np.ones_like(dy), cache)
