"""Wrong answers to `checker`, each with a part of the reason that a right judge gives."""

import numpy as np

from mutants.key import mutant


def quotient(forward, x, dy, h=1e-5):
    x, slopes = x.copy(), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        value, losses = x[index], []
        for step in (h, -h):
            x[index] = value + step
            losses.append(np.sum(dy * forward(x)[0]))
        x[index] = value
        slopes[index] = (losses[0] - losses[1]) / (2 * h)
    return slopes


def is_right(forward, backward, x, ones=False, h=1e-5, tolerance=1e-6, absolute=False, shape=True):
    y, cache = forward(x)
    dy = np.ones_like(y) if ones else np.random.default_rng(0).normal(size=y.shape)
    dx, slopes = backward(dy, cache), quotient(forward, x, dy, h)
    if shape and dx.shape != x.shape:
        return False
    return bool(np.max(np.abs(dx - slopes)) <= tolerance * (1 if absolute else np.max(np.abs(slopes))))


@mutant("REASON: For a dy of ones that is right")
def a_dy_of_ones(forward, backward, x):
    return is_right(forward, backward, x, ones=True, absolute=True, tolerance=1e-5) or is_right(
        forward, backward, x, ones=True
    )


@mutant("REASON: one entry of twelve is off by 1e-4")
def a_wide_tolerance(forward, backward, x):
    return is_right(forward, backward, x, tolerance=1e-2)


@mutant("REASON: its numbers are large")
def an_absolute_tolerance(forward, backward, x):
    return is_right(forward, backward, x, absolute=True, tolerance=1e-5)


@mutant("REASON: compare the shapes")
def no_look_at_the_shape(forward, backward, x):
    return is_right(forward, backward, x, shape=False)


@mutant("REASON: this backward is right")
def rejects_everything(forward, backward, x):
    return False


@mutant("REASON: every entry is half")
def accepts_everything(forward, backward, x):
    return True


@mutant("REASON: it must give True or False")
def gives_the_difference(forward, backward, x):
    y, cache = forward(x)
    dy = np.random.default_rng(0).normal(size=y.shape)
    return backward(dy, cache) - quotient(forward, x, dy)


@mutant("REASON: do you compare sizes only?")
def sizes_alone(forward, backward, x):
    y, cache = forward(x)
    dy = np.random.default_rng(0).normal(size=y.shape)
    dx, slopes = np.abs(backward(dy, cache)), np.abs(quotient(forward, x, dy))
    return dx.shape == x.shape and bool(np.max(np.abs(dx - slopes)) <= 1e-6 * np.max(slopes))
