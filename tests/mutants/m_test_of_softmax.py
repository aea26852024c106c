"""Wrong answers to `test_of_softmax`, each with a part of the reason that a right judge gives."""

import numpy as np

from mutants.key import mutant

X = np.random.default_rng(0).normal(size=(5, 3))


@mutant("REASON: test large numbers")
def small_numbers_alone(forward):
    e = np.exp(X)
    return np.allclose(forward(X), e / e.sum(axis=1, keepdims=True))


@mutant("REASON: NaN comes back")
def rows_add_up(forward):
    return np.allclose(forward(X).sum(axis=1), 1)


@mutant("REASON: With one row this is right")
def one_row(forward):
    y = forward(np.array([[0, np.log(3)]]))
    return bool(np.allclose(y, [[0.25, 0.75]]))


@mutant("REASON: Only a number that you worked out tells")
def properties_alone(forward):
    y = forward(X)
    return (
        np.allclose(y.sum(axis=1), 1)
        and np.allclose(forward(X + 1e4), y)
        and bool((np.argmax(y, axis=1) == np.argmax(X, axis=1)).all())
    )


@mutant("REASON: test rows of very different sizes together")
def all_rows_alike(forward):
    y = forward(X)
    return (
        np.allclose(y.sum(axis=1), 1)
        and np.allclose(forward(X + 1e4), y)
        and np.allclose(forward(np.array([[0, np.log(3)]])), [[0.25, 0.75]])
        and np.allclose(y[:, 0] / y[:, 1], np.exp(X[:, 0] - X[:, 1]))
    )


@mutant("REASON: allow a few roundings")
def to_the_last_bit(forward):
    e = np.exp(X - X.max(axis=1, keepdims=True))
    return bool((forward(X) == e / e.sum(axis=1, keepdims=True)).all())


@mutant("REASON: the columns add up to 1")
def accepts_all(forward):
    return True
