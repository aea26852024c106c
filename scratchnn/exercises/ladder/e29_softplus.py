"""Softplus and its slope, for every x that a network may meet.

softplus(x) = log(1 + e^x), and its slope is the sigmoid, 1/(1 + e^(−x)). x (N,) holds small numbers and large ones, up
to 10,000 either way. Return both, y and slope, each (N,). They are compared with the right values, to 8 digits.

As written, the formulas fail in float64:
  - What is e^10000? What is log(1 + e^10000), to 8 digits, without computing that?
  - e^(−40) is 4e-18. What is 1 + 4e-18 in float64, and what is then its logarithm? softplus(−40) is 4e-18, not 0.
  - log(1 + e^x) = x + log(1 + e^(−x)). Which of the two never has a large exponent, for which x?
  - np.log1p(u) is log(1 + u), also for a tiny u.
  - The sigmoid for x = −10000: the same question, about e^10000 in a denominator.

No warning of an overflow may be needed: an e^(−|x|) never overflows.
"""

import numpy as np


def softplus(x):
    # begin solution: y, slope
    small = np.exp(-np.abs(x))
    y = np.maximum(x, 0) + np.log1p(small)
    slope = np.where(x >= 0, 1, small) / (1 + small)
    # end solution
    return y, slope


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array

EXTREME = [1e4, -1e4, 750.0, -700.0, -500.0, -40.0, -35.0]


def facts(q: SimpleNamespace) -> Facts:
    slope = softplus(q.x)[1]
    return Facts(
        masks={"x is between −700 and −30, and the right value tiny": (q.x >= -700) & (q.x < -30)},
        formulas={
            "y": {
                "max(x, 0), which leaves out the logarithm": np.maximum(q.x, 0),
                "the right one of x cut off at 700": softplus(np.minimum(q.x, 700))[0],
            },
            "slope": {
                "the slope of a ReLU": (q.x > 0) * 1.0,
                "sigmoid(−x)": softplus(-q.x)[1],
                "the slope of the sigmoid, p (1 − p)": slope * (1 - slope),
            },
        },
    )


def numbers(s: SimpleNamespace, rng: np.random.Generator) -> dict[str, Array]:
    return {"x": np.concatenate([EXTREME, 3 * rng.normal(size=s.N - len(EXTREME))])}


EXERCISE = Exercise(
    title="softplus and the sigmoid, up to ±10,000",
    function="softplus",
    sizes=({"N": 29}, {"N": 31}),
    inputs=numbers,
    facts=facts,
    hints=(
        "For a large x the softplus is nearly x. Write it as max(x, 0) plus something small.",
        "What is added is log(1 + e^(−|x|)), for both signs of x. np.log1p keeps a tiny e^(−|x|).",
        "small = np.exp(-np.abs(x)); y = np.maximum(x, 0) + np.log1p(small); the sigmoid is 1/(1 + small) for x ≥ 0, "
        "and "
        "small/(1 + small) else.",
    ),
    derivation="""
        For x ≥ 0 one takes e^x out of the logarithm: log(1 + e^x) = log(e^x (e^(−x) + 1)) = x + log(1 + e^(−x)).
        For x < 0 the formula as it stands has a small exponent. Both are max(x, 0) + log(1 + e^(−|x|)).
        The sigmoid is multiplied by e^x above and below for x < 0, where that is small.
    """,
)
