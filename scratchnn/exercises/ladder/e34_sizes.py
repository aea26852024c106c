"""Choose the sizes: on which arrays do you check a layer, so that no mistake hides?

Seven people have written the backward pass of y = (x W + b)/√D, with x (N, D), W (D, H), b (H,) and dy (N, H). Each
has made one mistake, and each of these is invisible on some sizes:

    1  W.reshape(H, D) in the place of W.T
    2  √H in the place of √D
    3  √N in the place of √D
    4  db divided by N
    5  dW from the first and the last example alone
    6  a loop over columns that says 4 in the place of H
    7  dyᵀ x, reshaped to (D, H), as dW

Return N, D and H so that a gradient check finds all seven, with N · D · H not above 30: a check of few numbers is fast.

For each mistake, think of the sizes on which it does no harm. A wrong value is needed, or a shape that does not fit.
"""


def choose():
    # begin solution: N, D, H
    N, D, H = 3, 2, 5
    # end solution
    return N, D, H


# ==== below this line: for the checker ====

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import Finding, Judged
from scratchnn.exercises.findings import described
from scratchnn.exercises.sizes import chosen, exposed
from scratchnn.machinery.parameters import Array

Gradients = tuple[Array, Array, Array]


def right(x: Array, W: Array, dy: Array) -> Gradients:
    dy = dy / np.sqrt(x.shape[1])
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)


def four_columns(x: Array, W: Array, dy: Array) -> Gradients:
    dx, _, db = right(x, W, dy)
    dW = np.zeros_like(W)
    for j in range(min(4, W.shape[1])):
        dW[:, j] = x.T @ dy[:, j] / np.sqrt(x.shape[1])
    return dx, dW, db


def ends_alone(x: Array, W: Array, dy: Array) -> Gradients:
    dx, _, db = right(x, W, dy)
    ends = sorted({0, len(x) - 1})
    return dx, right(x[ends], W, dy[ends])[1], db


def scaled(x: Array, W: Array, dy: Array, size: int) -> Gradients:
    dx, dW, db = (g * np.sqrt(x.shape[1] / size) for g in right(x, W, dy))
    return dx, dW, db


MISTAKES: Mapping[str, tuple[Callable[[Array, Array, Array], Gradients], str]] = {
    "1, reshape for transpose": (
        lambda x, W, dy: (dy / np.sqrt(len(W)) @ W.reshape(W.shape[::-1]), *right(x, W, dy)[1:]),
        "a matrix with one row or one column is the same whether it is reshaped or transposed. D and H must be above "
        "1.",
    ),
    "2, √H for √D": (
        lambda x, W, dy: scaled(x, W, dy, dy.shape[1]), "for D = H the two roots are one number: D and H must differ."
    ),
    "3, √N for √D": (
        lambda x, W, dy: scaled(x, W, dy, len(x)), "for N = D the two roots are one number: N and D must differ."
    ),
    "4, db divided by N": (
        lambda x, W, dy: (*right(x, W, dy)[:2], right(x, W, dy)[2] / len(x)),
        "one example is its own mean: N must be above 1."
    ),
    "5, the first and the last example alone": (
        ends_alone, "of two examples these are all: N must be above 2."
    ),
    "6, 4 columns": (four_columns, "of four columns or fewer these are all: H must be above 4."),
    "7, dyᵀ x reshaped": (
        lambda x, W, dy: (right(x, W, dy)[0], (right(x, W, dy)[1].T).reshape(W.shape), right(x, W, dy)[2]),
        "with one row or one column it does no harm. D and H must be above 1.",
    ),
}  # fmt: skip


def judge(answer: Any, seed: int) -> list[Finding]:
    sizes, problem = chosen(answer.choose(), "N, D and H", count=3, largest=30)
    if problem:
        return [problem]
    N, D, H = sizes
    rng = np.random.default_rng([seed, 34])
    arrays = rng.normal(size=(N, D)), rng.normal(size=(D, H)), rng.normal(size=(N, H))
    return [
        Finding(f"{name}, on N, D, H = {described(sizes)}", exposed(right, wrong, arrays), f"it is not found: {why}")
        for name, (wrong, why) in MISTAKES.items()
    ]


EXERCISE = Judged(
    title="choose sizes on which seven mistakes cannot hide",
    function="choose",
    judge=judge,
    hints=(
        "Which sizes must differ from which, and which must be above some number?",
        "D ≠ H, N ≠ D; N above 2; D above 1; H above 4. Take the smallest that are left.",
        "H = 5, N = 3, D = 2: 30 numbers.",
    ),
    derivation="""
        Sizes that are all different, none of them 1 or 2, and none that stands in the code as a number: then a shape or
        a factor that belongs to another axis shows. The checks of this library take different primes, on two problems.
    """,
)
