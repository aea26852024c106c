"""Choose the sizes of a convolution, so that no mistake hides.

x (N, C, H, W) holds N images of C channels, w (F, C, U, V) F filters with windows of U × V. y is (N, F, H − U + 1,
W − V + 1): each entry the sum of a window times a filter. Eight people have written dw and dx. Each has made one
mistake:

    1  U and V exchanged in the loops over a window
    2  as many columns of y as it has rows
    3  the filter turned round, u to U − 1 − u, but not v
    4  the filter turned round, v to V − 1 − v, but not u
    5  the first channel alone, for all channels
    6  a loop over filters that runs to C in the place of F
    7  the last example overwrites those before it
    8  the last window overwrites those before it, in the rows that they share

Return N, C, F, H, W, U and V so that a check finds all eight, with a product not above 1000.
"""


def choose():
    # begin solution: N, C, F, H, W, U, V
    N, C, F, H, W, U, V = 2, 2, 3, 2, 4, 2, 3
    # end solution
    return N, C, F, H, W, U, V


# ==== below this line: for the checker ====

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import Finding, Judged
from scratchnn.exercises.findings import described
from scratchnn.exercises.sizes import chosen, exposed
from scratchnn.machinery.parameters import Array

Gradients = tuple[Array, Array]


def windows(x: Array, w: Array) -> Iterator[tuple[int, int, slice, slice]]:
    U, V = w.shape[2:]
    for u in range(U):
        for v in range(V):
            yield u, v, slice(u, u + x.shape[2] - U + 1), slice(v, v + x.shape[3] - V + 1)


def gradients(x: Array, w: Array, dy: Array) -> Gradients:
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u, v, rows, columns in windows(x, w):
        dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[:, :, rows, columns])
        dx[:, :, rows, columns] += np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return dx, dw


def exchanged(x: Array, w: Array, dy: Array) -> Gradients:
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    U, V = w.shape[2:]
    for u in range(V):
        for v in range(U):
            rows, columns = slice(u, u + dy.shape[2]), slice(v, v + dy.shape[3])
            dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[:, :, rows, columns])
            dx[:, :, rows, columns] += np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return dx, dw


def square(x: Array, w: Array, dy: Array) -> Gradients:
    columns = min(dy.shape[2], dy.shape[3])
    return gradients(x, w, dy * (np.arange(dy.shape[3]) < columns))


def overwriting(x: Array, w: Array, dy: Array) -> Gradients:
    dx = np.zeros_like(x)
    for u, v, rows, columns in windows(x, w):
        dx[:, :, rows, columns] = np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return dx, gradients(x, w, dy)[1]


def first_filters(x: Array, w: Array, dy: Array) -> Gradients:
    count = min(w.shape[1], len(w))
    if w.shape[1] > len(w):
        raise IndexError
    return gradients(x, w[:count], dy[:, :count])[0], gradients(x, w, dy)[1]


MISTAKES: Mapping[str, tuple[Callable[[Array, Array, Array], Gradients], str]] = {
    "1, U and V exchanged": (exchanged, "for U = V the loops are the same: U and V must differ."),
    "2, as many columns of y as rows": (
        square, "y has no more columns than rows: W − V must be above H − U."
    ),
    "3, turned round in u": (
        lambda x, w, dy: (gradients(x, w[:, :, ::-1], dy)[0], gradients(x, w, dy)[1]),
        "a window of one row is the same either way: U must be above 1.",
    ),
    "4, turned round in v": (
        lambda x, w, dy: (gradients(x, w[:, :, :, ::-1], dy)[0], gradients(x, w, dy)[1]),
        "a window of one column is the same either way: V must be above 1.",
    ),
    "5, the first channel for all": (
        lambda x, w, dy: (gradients(x, w, dy)[0], np.repeat(gradients(x[:, :1], w[:, :1], dy)[1], w.shape[1], axis=1)),
        "with one channel it is all of them: C must be above 1.",
    ),
    "6, filters up to C": (first_filters, "for C = F the loop is right: C and F must differ."),
    "7, the last example alone": (
        lambda x, w, dy: (gradients(x, w, dy)[0], gradients(x[-1:], w, dy[-1:])[1]),
        "of one example it is the sum: N must be above 1.",
    ),
    "8, windows that overwrite": (
        overwriting, "no two windows share an entry of x: there must be more than one, and they must overlap."
    ),
}  # fmt: skip


def judge(answer: Any, seed: int) -> list[Finding]:
    sizes, problem = chosen(answer.choose(), "N, C, F, H, W, U and V", count=7, largest=1000)
    if problem:
        return [problem]
    N, C, F, H, W, U, V = sizes
    if U > H or V > W:
        return [Finding("the sizes", False, "a window is larger than the image: U must not be above H, nor V above W")]
    rng = np.random.default_rng([seed, 35])
    arrays = (
        rng.normal(size=(N, C, H, W)),
        rng.normal(size=(F, C, U, V)),
        rng.normal(size=(N, F, H - U + 1, W - V + 1)),
    )
    return [
        Finding(f"{name}, on {described(sizes)}", exposed(gradients, wrong, arrays), f"it is not found: {why}")
        for name, (wrong, why) in MISTAKES.items()
    ]


EXERCISE = Judged(
    title="choose the sizes of a convolution",
    function="choose",
    judge=judge,
    hints=(
        "Write beside each mistake the sizes on which it does no harm. Which of the seven sizes does it look at?",
        "U and V differ, both above 1; C and F differ, C above 1; N above 1; W − V above H − U.",
        "N, C, F = 2, 2, 3 and U, V = 2, 3. y may have one row less than columns: H = 2, W = 4 or larger.",
    ),
    derivation="""
        With N, C, F = 2, 2, 3, H, W = 2, 4 and U, V = 2, 3 the product is 576. Squares hide most of what a convolution
        can do wrong, and so do one channel and windows of 1 × 1.
    """,
)
