"""Wrong answers to `reinforce`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

right = reference("reinforce").gradients


def parts(mean, sigma, eps, c):
    z = mean + sigma * eps
    return z, np.sum((z - c) ** 2, axis=1, keepdims=True), (z - mean) / sigma**2


@mutant("SCALE:1/2 | FORMULA:without the 2 of the square:pathwise")
def two_forgotten(mean, sigma, eps, c):
    _, score, baseline = right(mean, sigma, eps, c)
    return mean + sigma * eps - c, score, baseline


@mutant("FACTOR:eps | FORMULA:the gradient by sigma:pathwise")
def gradient_by_sigma(mean, sigma, eps, c):
    pathwise, score, baseline = right(mean, sigma, eps, c)
    return pathwise * eps, score, baseline


@mutant("FORMULA:the score with σ where σ² belongs | FACTOR:sigma:score", "FACTOR:sigma:with_baseline")
def sigma_for_its_square(mean, sigma, eps, c):
    pathwise, score, baseline = right(mean, sigma, eps, c)
    return pathwise, score * sigma, baseline * sigma


@mutant("FACTOR:1/f | FORMULA:the score alone, without f:score")
def f_forgotten(mean, sigma, eps, c):
    pathwise, _, baseline = right(mean, sigma, eps, c)
    return pathwise, parts(mean, sigma, eps, c)[2], baseline


@mutant("FORMULA:a baseline in which the draw itself counts | SCALE:(K−1)/K:with_baseline")
def baseline_of_all_draws(mean, sigma, eps, c):
    pathwise, score, _ = right(mean, sigma, eps, c)
    _, f, slope = parts(mean, sigma, eps, c)
    return pathwise, score, (f - f.mean()) * slope


@mutant("FORMULA:the score without a baseline | SWAPPED:score:with_baseline")
def no_baseline(mean, sigma, eps, c):
    pathwise, score, _ = right(mean, sigma, eps, c)
    return pathwise, score, score.copy()


@mutant("CONTRACT")
def means_over_the_draws(mean, sigma, eps, c):
    return tuple(g.mean(axis=0) for g in right(mean, sigma, eps, c))
