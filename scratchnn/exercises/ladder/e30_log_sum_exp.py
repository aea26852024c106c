"""The logarithm of a sum of exponentials, and the softmax, for numbers of any size.

x (N, D). For each row, y_n = log Σ_i e^(x_ni), and p_ni = e^(x_ni) / Σ_j e^(x_nj), the softmax. Return y (N,) and
p (N, D). Some rows are near 10,000, some near −10,000. They are compared with the right values, to 8 digits.

Derive it first:
  - What does y_n become if c is added to all of row n? And p?
  - So c may be chosen freely. Which c makes the largest exponent 0? Then nothing overflows, and the sum is at least 1.
  - A single c for all rows: what becomes of the row near −10,000, if c is the largest number of all?
"""

import numpy as np


def log_sum_exp(x):
    # begin solution: y, p
    largest = np.max(x, axis=1, keepdims=True)
    e = np.exp(x - largest)
    total = np.sum(e, axis=1, keepdims=True)
    y = (largest + np.log(total))[:, 0]
    p = e / total
    # end solution
    return y, p


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def facts(q: SimpleNamespace) -> Facts:
    y, p = log_sum_exp(q.x)
    return Facts(
        formulas={
            "y": {
                "the largest number alone": q.x.max(axis=1),
                "the logarithm of the sum, without the largest number added again": y - q.x.max(axis=1),
                "the logarithm of the mean": y - np.log(q.D),
                "the largest number subtracted twice": y - 2 * q.x.max(axis=1),
            },
            "p": {
                "the logarithm of the softmax": q.x - y[:, None],
                "e^(x − the largest), not divided by its sum": p / p.max(axis=1, keepdims=True),
                "divided by the sum of all rows": p / q.N,
            },
        }
    )


def rows(s: SimpleNamespace, rng: np.random.Generator) -> dict[str, Array]:
    x = rng.normal(size=(s.N, s.D))
    x[0] += 1e4
    x[1] -= 1e4
    return {"x": x}


EXERCISE = Exercise(
    title="log Σ e^x and the softmax, up to ±10,000",
    function="log_sum_exp",
    sizes=({"N": 11, "D": 5}, {"N": 13, "D": 7}),
    inputs=rows,
    facts=facts,
    hints=(
        "log Σ e^x = c + log Σ e^(x − c), for every c. Which c is safe?",
        "c is the largest number of the row, one for each row: np.max(x, axis=1, keepdims=True).",
        "e = np.exp(x - largest); y = largest + log of the sum of e over axis 1; p = e / that sum.",
    ),
    derivation="""
        Since e^x = e^c e^(x − c), e^c comes out of the sum, and c out of the logarithm; in p it cancels.
        With c the largest of a row, its exponents are at most 0 and one of them is 0: nothing overflows, and the
        logarithm is of a number between 1 and D. One c for all rows would make all of a small row 0.
    """,
)
