"""Write the gradient checker: is this backward pass right?

`forward` and `backward` are functions that somebody wrote: forward(x) returns (y, cache), and backward(dy, cache)
should return dx, which is ∂loss/∂x. You see nothing of them but what they return. x is (N, D), y may have another
shape.

Return True if dx is right, and False if an entry is wrong, or if dx has another shape than x. Your function is tried on
right and on wrong pairs.

How:
  - Take as the loss Σ dy · y, the sum of all entries of dy times y, with a dy of random numbers. Why random? Think of
    y = softmax(x), whose rows add up to 1: what would dx be for a dy of ones?
  - For one entry of x, go a small step h up and the same step down. (loss above − loss below) / 2h is nearly ∂loss/∂x
    there. Put the entry back.
  - Do so for every entry of x, and compare with what backward gives for your dy.
  - Which h? For a large h the curve bends away; for a small one the rounding of the loss, 1e-16 of its size, is divided
    by 2h. Between these, at about 1e-5, the difference quotient is right to nine digits or so.
  - When are two numbers equal? In some wrong answers here one entry alone is off, by 1e-4 of the largest. Some right
    ones are a million times larger than 1.
"""

import numpy as np


def is_right(forward, backward, x):
    rng = np.random.default_rng(0)
    # begin solution: right
    x = x.copy()
    y, cache = forward(x)
    dy = rng.normal(size=y.shape)
    dx = backward(dy, cache)
    numeric = np.zeros_like(x)
    h = 1e-5
    for index in np.ndindex(x.shape):
        value = x[index]
        x[index] = value + h
        above = np.sum(dy * forward(x)[0])
        x[index] = value - h
        below = np.sum(dy * forward(x)[0])
        x[index] = value
        numeric[index] = (above - below) / (2 * h)
    right = dx.shape == x.shape and np.all(np.abs(dx - numeric) <= 1e-6 * np.max(np.abs(numeric)))
    # end solution
    return right


# ==== below this line: for the checker ====

from collections.abc import Callable
from typing import Any

from scratchnn.exercises.exercise import Judged
from scratchnn.exercises.findings import Case, accepts_and_rejects
from scratchnn.machinery.parameters import Array


def elementwise(f: Callable[[Array], Array], slope: Callable[[Array], Array]) -> tuple[Any, Any]:
    return lambda x: (f(x), x), lambda dy, x: dy * slope(x)


def softmax(x: Array) -> tuple[Array, Array]:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True)
    return y, y


def one_entry_off(dy: Array, x: Array) -> Array:
    dx = dy * (1 - np.tanh(x) ** 2)
    dx[2, 1] += 1e-4 * np.abs(dx).max()  # not of its own size, which may be nearly 0
    return dx


def cases(seed: int) -> list[Case]:
    rng = np.random.default_rng([seed, 25])
    x, w = rng.normal(size=(4, 3)), rng.normal(size=(3, 5))
    tanh, square, large = (
        elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        elementwise(np.square, lambda x: 2 * x),
        elementwise(lambda x: 1e6 * np.sin(x), lambda x: 1e6 * np.cos(x)),
    )
    return [
        Case("tanh", True, (*tanh, x), "this backward is right. Is h about 1e-5, and is x put back after every step?"),
        Case("a matrix product", True, (lambda x: (x @ w, 0), lambda dy, _: dy @ w.T, x),
             "this backward is right. y has another shape than x here: dy must have the shape of y."),
        Case("softmax", True, (softmax, lambda dy, y: y * (dy - (dy * y).sum(axis=1, keepdims=True)), x),
             "this backward is right. Does the loss take all entries of y, each with its own dy?"),
        Case("a million times the sine", True, (*large, x),
             "this backward is right, and its numbers are large. An error must be small beside the numbers, not "
             "beside 1."),
        Case("the square of numbers of size 1e-4", True, (*square, 1e-4 * x),
             "this backward is right, and its numbers are small. Is the step h so large that x is lost in it?"),
        Case("a square without its 2", False, (square[0], lambda dy, x: dy * x, x),
             "every entry is half of what it should be."),
        Case("a sign", False, (tanh[0], lambda dy, x: -tanh[1](dy, x), x),
             "every entry has the wrong sign: do you compare sizes only?"),
        Case("a little too small", False, (tanh[0], lambda dy, x: tanh[1](dy, x) - 1e-3 * np.abs(tanh[1](dy, x)), x),
             "every entry is too small by a thousandth: how large is a difference, whatever its sign?"),
        Case("one entry off by 1e-4 of the largest", False, (tanh[0], one_entry_off, x),
             "one entry of twelve is off by 1e-4 of the largest. Is every entry compared, and closely enough?"),
        Case("zero for softmax", False, (softmax, lambda dy, y: 0 * dy, x),
             "this backward always gives 0. For a dy of ones that is right, since the rows of a softmax add up to 1: a "
             "dy of random numbers tells."),
        Case("no upstream gradient", False, (tanh[0], lambda dy, x: 1 - np.tanh(x) ** 2, x),
             "this backward does not use dy. It is right only for a dy of ones."),
        Case("the mean of dy", False, (tanh[0], lambda dy, x: dy.mean() * (1 - np.tanh(x) ** 2), x),
             "this backward takes one dy for all entries. It is right only if all entries of dy are equal."),
        Case("a small gradient for small numbers", False, (square[0], lambda dy, x: 3 * dy * x, 1e-4 * x),
             "every entry is one and a half times too large, and all are small: an error must be small beside the "
             "numbers, "
             "not beside 1."),
        Case("one row in the place of four", False, (lambda x: (x.sum(axis=0), 0), lambda dy, _: dy[None], x),
             "dx has the shape (1, 3), and x (4, 3). NumPy stretches the one row when you subtract, and all numbers "
             "agree: compare the shapes."),
    ]  # fmt: skip


EXERCISE = Judged(
    title="write the gradient checker",
    function="is_right",
    judge=lambda answer, seed: accepts_and_rejects(answer.is_right, cases(seed)),
    hints=(
        "One entry at a time: move it, call forward twice, put it back. What do you compare the quotient with?",
        "dy = rng.normal(size=y.shape); the loss is np.sum(dy * y); for index in np.ndindex(x.shape) goes through all "
        "entries. Compare the shapes first.",
        "The largest difference must be below, say, 1e-6 of the largest entry of the numeric gradient. Not below 1e-6 "
        "itself: gradients may be large or small.",
    ),
    derivation="""
        With a step h up and down, what is left of the error falls with h², and rounding adds about 1e-16/h. The sum is
        smallest near the third root of 1e-16, at about 5e-6. One dy of random numbers tells with certainty what a dy of
        ones may hide. And an error is large or small only beside the numbers themselves.
        scratchnn/gradcheck/numeric.py does the same, and works out an error bar for every entry.
    """,
)
