"""Write the test: which of these softmaxes are right?

A gradient check finds no wrong forward pass: backward then differentiates the wrong thing correctly. So forward passes
need tests of their own. `forward(x)` should give the softmax of each row of x (N, D), which is e^(x_ni) divided by Σ_j
e^(x_nj), for all numbers up to ±10,000. Return True if the one you get is right, and False if not. You see nothing of
it but what it returns; call it as often as you like. You may use assert as well: an assertion that fails says False.

What do you know about a softmax, without writing it a second time?
  - What do the entries of a row add up to? Of what sign are they?
  - Row by row: may a row depend on the others?
  - What becomes of y when c is added to a row? And what is y for a row of equal numbers?
  - Work one small case out by hand, say [0, log 3]. A test needs a number that comes from elsewhere.
"""

import numpy as np


def holds(forward):
    # begin solution: right
    x = np.random.default_rng(0).normal(size=(5, 3))
    y = forward(x)
    assert y.shape == x.shape and np.allclose(y.sum(axis=1), 1)
    assert np.allclose(forward(np.array([[0, np.log(3)]])), [[0.25, 0.75]])
    assert np.allclose(y[:, 0] / y[:, 1], np.exp(x[:, 0] - x[:, 1]))
    x[0] += 1e4
    right = np.allclose(forward(x), y)
    # end solution
    return right


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Judged
from scratchnn.exercises.findings import Case, accepts_and_rejects
from scratchnn.machinery.parameters import Array


def softmax(x: Array, axis: int | None = 1, base: float = np.e) -> Array:
    e = base ** (x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def overflows(x: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


CASES = [
    Case("the largest of each row subtracted first", True, (softmax,), "this softmax is right: allow a few roundings."),
    Case("the logarithm of the sum subtracted", True,
         (lambda x: np.exp(x - np.logaddexp.reduce(x, axis=1, keepdims=True)),),
         "this softmax is right, and worked out in another way: allow a few roundings."),
    Case("over the columns", False, (lambda x: softmax(x, 0),), "the columns add up to 1, and the rows do not."),
    Case("over all of x", False, (lambda x: softmax(x, None),),
         "all entries together add up to 1. With one row this is right: test several."),
    Case("without subtracting anything", False, (overflows,),
         "e^10000 is too large, and NaN comes back: test large numbers."),
    Case("with powers of 2", False, (lambda x: softmax(x, base=2.0),),
         "the rows add up to 1, and adding c changes nothing. Only a number that you worked out tells: [0, log 3]."),
    Case("of |x|", False, (lambda x: softmax(np.abs(x)),), "it takes |x|: test numbers of both signs."),
    Case("of −x", False, (lambda x: softmax(-x),), "the largest number gets the smallest share."),
    Case("x divided by its sum", False, (lambda x: np.abs(x) / np.abs(x).sum(axis=1, keepdims=True),),
         "the rows add up to 1, and no exponential was taken: what happens when c is added?"),
    Case("the largest of all rows subtracted", False,
         (lambda x: np.exp(x - x.max()) / np.maximum(np.exp(x - x.max()).sum(axis=1, keepdims=True), 1e-300),),
         "in the batch with a row near 10,000, a row near 0 becomes 0: test rows of very different sizes together."),
]  # fmt: skip

EXERCISE = Judged(
    title="write the test that rejects wrong softmaxes",
    function="holds",
    judge=lambda answer, seed: accepts_and_rejects(answer.holds, CASES),
    hints=(
        "Which of your tests would notice if e were 2? If the rows were columns? If the numbers were 10,000?",
        "forward(np.array([[0, np.log(3)]])) must be [[0.25, 0.75]]. Adding 10,000 to one row of several must change "
        "nothing.",
        "Test the sum of the rows, [0, log 3], a batch in which one row is near 10,000 and one near 0, and the same "
        "batch row by row. np.allclose allows for roundings.",
    ),
    derivation="""
        Each property lets some mistakes through: powers of 2 keep every property of a softmax but its values. One case
        by hand, one with large numbers, one with rows that have nothing in common, one with a sum: that rejects all of
        these. A test is as good as the mistakes that it has been seen to find.
    """,
)
