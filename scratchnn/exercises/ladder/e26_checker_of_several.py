"""Write the checker of a layer, which has several inputs and keeps something for backward.

forward(*inputs) returns (y, cache), and backward(dy, cache) should return a tuple with one gradient for each of the
inputs, all of them arrays. Return the names of the gradients that are wrong, as a list of numbers: 0 for the first,
1 for the second. An empty list says that all is right.

One thing is wrong that comparing once does not show: a backward that adds to what it gave before gives another answer
when it is called a second time with the same dy and the same cache. Return [-1] for it.

`differences(forward, inputs, k, dy)` is given: the gradient of Σ dy · y by the entries of inputs[k], by differences.
Do not trust names: a gradient of the right numbers may stand in the wrong place.
"""

import numpy as np


def differences(forward, inputs, k, dy, h=1e-5):
    inputs = [x.copy() for x in inputs]
    x, slopes = inputs[k], np.zeros_like(inputs[k])
    for index in np.ndindex(x.shape):
        value = x[index]
        x[index] = value + h
        above = np.sum(dy * forward(*inputs)[0])
        x[index] = value - h
        below = np.sum(dy * forward(*inputs)[0])
        x[index] = value
        slopes[index] = (above - below) / (2 * h)
    return slopes


def what_is_wrong(forward, backward, inputs):
    rng = np.random.default_rng(0)
    # begin solution: wrong
    y, cache = forward(*inputs)
    dy = rng.normal(size=y.shape)
    first, second = backward(dy, cache), backward(dy, cache)
    if any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
        return [-1]
    wrong = []
    for k, x in enumerate(inputs):
        right = differences(forward, inputs, k, dy)
        if first[k].shape != x.shape or np.max(np.abs(first[k] - right)) > 1e-6 * np.max(np.abs(right)):
            wrong.append(k)
    # end solution
    return wrong


# ==== below this line: for the checker ====

from collections.abc import Callable
from operator import index as whole
from typing import Any

from scratchnn.exercises.exercise import Finding, Judged
from scratchnn.exercises.findings import described
from scratchnn.machinery.parameters import Array

Gradients = Callable[[Array, Array, Array], tuple[Array, ...]]


def linear(x: Array, W: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ W + b, (x, W)


def right(dy: Array, x: Array, W: Array) -> tuple[Array, ...]:
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)


class Adding:
    """A backward that adds its dW to the dW of the call before."""

    def __init__(self) -> None:
        self.dW: Any = 0

    def __call__(self, dy: Array, x: Array, W: Array) -> tuple[Array, ...]:
        dx, dW, db = right(dy, x, W)
        self.dW = self.dW + dW
        return dx, self.dW, db


CASES: list[tuple[str, Callable[[], Gradients], list[int], str]] = [
    ("a right layer", lambda: right, [], "all three gradients are right."),
    ("db summed over the wrong axis", lambda: lambda dy, x, W: (*right(dy, x, W)[:2], dy.sum(axis=1)), [2],
     "the third gradient has the shape (5,) where b has (3,)."),
    ("db a mean", lambda: lambda dy, x, W: (*right(dy, x, W)[:2], dy.mean(axis=0)), [2],
     "the third gradient is a mean where a sum belongs."),
    ("dW twice too large and db with a wrong sign", lambda: lambda dy, x, W: (dy @ W.T, 2 * x.T @ dy, -dy.sum(axis=0)),
     [1, 2], "two of the three are wrong: go on after the first."),
    ("dx without dy", lambda: lambda dy, x, W: (np.ones_like(dy) @ W.T, *right(dy, x, W)[1:]), [0],
     "the first gradient is that for a dy of ones."),
    ("the gradients in another order", lambda: lambda dy, x, W: right(dy, x, W)[::-1], [0, 2],
     "the first and the third have changed places: their shapes are not those of their inputs."),
    ("db as a row (1, 3)", lambda: lambda dy, x, W: (*right(dy, x, W)[:2], dy.sum(axis=0, keepdims=True)), [2],
     "its numbers are right, and b has the shape (3,): NumPy compares the two shapes without a word."),
    ("a dW that grows from call to call", Adding, [-1], "each call alone looks right: call backward twice."),
]  # fmt: skip


def judge(answer: Any, seed: int) -> list[Finding]:
    rng = np.random.default_rng([seed, 26])
    inputs = [rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)]
    findings = []
    for what, make, wanted, why in CASES:
        gradients = make()
        said = answer.what_is_wrong(linear, lambda dy, cache, g=gradients: g(dy, *cache), inputs)
        try:
            given = [whole(k) for k in said]
        except TypeError:  # no list of whole numbers
            given = None
        findings.append(Finding(what, given == wanted, f"you say {described(said)}, right is {wanted}: {why}"))
    return findings


EXERCISE = Judged(
    title="write the checker of a layer",
    function="what_is_wrong",
    judge=judge,
    hints=(
        "One dy for all, of the shape of y. For which of the inputs does backward differ from the differences?",
        "Compare the shape first, then the numbers. Call backward twice, and compare what it gives with itself.",
        "first, second = backward(dy, cache), backward(dy, cache); wrong if first[k].shape != inputs[k].shape, or if "
        "the "
        "largest difference is above 1e-6 of the largest entry.",
    ),
    derivation="""
        A gradient belongs to one input, so it has its shape, (3,) and not (1, 3): NumPy would stretch either to the
        other. One random dy serves all inputs. And what keeps something from call to call is right at most once.
    """,
)
