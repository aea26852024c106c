"""Max pooling: the largest entry of every window, here in one dimension, with windows that overlap.

x (N, L) holds one signal a row, L odd. Window p covers the entries 2p, 2p + 1 and 2p + 2: three entries, two steps from
one window to the next. y (N, P) holds the maximum of every window, P = (L − 1)/2. Beside x, forward saves `place`
(N, P), where in its window the maximum stands: 0, 1 or 2. If there is a tie, the first counts.

You are given dy (N, P). Return dx (N, L).

Derive it first, for single entries: y_np = x_nl, where l is the place in x of the maximum of window p.
  - Move an entry of x that is not the maximum of its window a little. Does y move?
  - And an entry that is? Which l belongs to window p?
  - One entry may be the maximum of two windows. What then is dx there? Does your code do that?
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def forward(x):
    windows = sliding_window_view(x, 3, axis=1)[:, ::2]
    y = np.max(windows, axis=2)
    place = np.argmax(windows, axis=2)
    cache = (x, place)
    return y, cache


def backward(dy, cache):
    x, place = cache
    # begin solution: dx
    N, P = dy.shape
    row = np.arange(N)[:, None]
    column = 2 * np.arange(P) + place
    dx = np.zeros_like(x)
    np.add.at(dx, (row, column), dy)  # dx[row, column] += dy would count only one of two windows with one maximum
    # end solution
    return dx


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def inputs(s: SimpleNamespace, rng: np.random.Generator) -> dict[str, Array]:
    x = rng.permuted(np.cumsum(rng.uniform(0.2, 1, size=(s.N, s.L)), axis=1), axis=1) - s.L / 3
    x[0, 2] = x[0].max() + 1  # certainly the maximum of two windows
    return {"x": x}


def facts(q: SimpleNamespace) -> Facts:
    N, P = q.dy.shape
    place = sliding_window_view(q.x, 3, axis=1)[:, ::2].argmax(axis=2)

    def scattered(values: Array, columns: Array) -> Array:
        total: Array = np.zeros_like(q.x)
        np.add.at(total, (np.arange(N)[:, None], np.broadcast_to(columns, (N, P))), values)
        return total

    window = np.arange(P)
    begins, middle, ends = (scattered(q.dy * (place == k), 2 * window + k) for k in range(3))
    wins = scattered(np.ones((N, P)), 2 * window + place)
    return Facts(
        terms={
            "dx": {
                "the window that it begins": begins,
                "the window around it": middle,
                "the window that it ends": ends,
            },
        },
        formulas={"dx": {"windows one step apart instead of two": scattered(q.dy, window + place)}},
        masks={
            "an entry is not the maximum of any window": wins == 0,
            "an entry is the maximum of two windows": wins == 2,
        },
        arrays={"x": q.x},
    )


EXERCISE = Exercise(
    title="a gradient that goes to the winners",
    sizes=({"N": 3, "L": 11}, {"N": 5, "L": 7}),
    inputs=inputs,
    facts=facts,
    probes={"a single window": lambda v: {"x": v["x"][:, :3]}},
    hints=(
        "y_np is a copy of one entry of x. What is the derivative of a copy? And of two copies of the same entry?",
        "The maximum of window p stands at l = 2p + place_np. dx_nl = Σ dy_np, a sum over all windows p with that l.",
        "dx starts as zeros. dx[row, column] += dy counts a repeated index once; np.add.at(dx, (row, column), dy) adds "
        "all its values. So does a loop over the three places, with dx[:, k : k + 2 * P : 2] += dy * (place == k).",
    ),
    derivation="""
        y_np = x_nl   with l = 2p + place_np      as long as no other entry overtakes, place_np stays what it is, so
        ∂y_np/∂x_nl = [l = 2p + place_np]      1 for this l, and 0 for all others:
        dx_nl = Σ_p dy_np [l = 2p + place_np]
        No window: 0. One window: its dy. Two windows, which overlap in l: the sum of both dy.
    """,
)
