"""Predict before you run: how large do numbers stay in a deep network, there and back?

Ten layers, each a product with an (m, m) matrix of random weights, mean 0 and variance v, and then a ReLU. m is large.
The numbers of x have mean 0 and mean square 1. All numbers here are mean squares, so no square roots are needed.

  - A product with W gives sums of m terms w x. Terms that are independent, with mean 0: their variances add up.
  - A ReLU turns the negative half of the numbers into 0. What becomes of the mean square?
  - The way back: the upstream gradient is multiplied by Wᵀ, again sums of m terms, and where the ReLU gave 0 the
    gradient is 0, too.

Write down four numbers, before you run anything.
"""


def predict():
    # begin solution: after_one, after_ten, gradient_after_ten, best
    after_one = 0.5  # the mean square after one layer with v = 1/m
    after_ten = 0.5**10  # the same after ten layers
    gradient_after_ten = 0.5**10  # of the gradient by x, for an upstream gradient of mean square 1, also with v = 1/m
    best = 2.0  # which number c makes v = c/m keep the mean square as it is, there and back?
    # end solution
    return after_one, after_ten, gradient_after_ten, best


# ==== below this line: for the checker ====

from typing import Any

from scratchnn.exercises.exercise import Finding, Judged
from scratchnn.exercises.findings import Prediction, predicted

PREDICTIONS = [
    Prediction(
        "after_one, the mean square after one layer with v = 1/m", 0.5,
        "m terms of variance 1/m each add up to 1. Then half of the numbers become 0, and the others stay.",
        {1.0: "this is before the ReLU, which turns half of the numbers into 0.",
         0.25: "half of the squares are gone, not half of every number: the others keep their squares.",
         0.7071: "this is the root of it. A mean square was asked for."},
    ),
    Prediction(
        "after_ten, the same after ten layers", 0.5**10,
        "each layer halves the mean square: ten halvings.",
        {1.0: "with v = 1/m a product alone keeps the size, but each ReLU halves the mean square.",
         0.05: "the halvings multiply, they do not add up: 0.5 · 0.5 · …",
         0.5: "this is one layer. Each of the ten halves what the one before has left.",
         0.03125: "this is its root. A mean square was asked for."},
    ),
    Prediction(
        "gradient_after_ten, the mean square of the gradient by x", 0.5**10,
        "on the way back a ReLU lets half of the gradient through, and Wᵀ keeps the size: ten halvings again.",
        {1.0: "this forgets the ReLU's mask: where forward gave 0, no gradient comes through.",
         2.0**10: "the gradient does not grow where the numbers shrink: the same weights and masks act on it.",
         0.5: "this is one layer of ten."},
    ),
    Prediction(
        "best, the c of v = c/m that keeps the size", 2.0,
        "a ReLU halves the mean square. The product must double it.",
        {1.0: "this keeps the size without a ReLU.",
         1.4142: "this is the factor of the weights themselves. The variance was asked for.",
         4.0: "half of the numbers are lost, not half of every number's size: doubling the variance is enough.",
         0.5: "this makes the numbers smaller still."},
    ),
]  # fmt: skip


def judge(answer: Any, seed: int) -> list[Finding]:
    return predicted(answer.predict, PREDICTIONS)


EXERCISE = Judged(
    title="predict: how large numbers stay in ten layers",
    function="predict",
    judge=judge,
    hints=(
        "Do one layer first: the product, then the ReLU. Which of the two changes the mean square, if v = 1/m?",
        "The product keeps it, since m · 1/m = 1, and the ReLU halves it. What do ten layers do? The way back is the "
        "same.",
        "0.5, then 0.5**10, twice. To undo a halving, v must be 2/m.",
    ),
    derivation="""
        One layer multiplies the mean square by m v/2, on the way there and on the way back: by 1/2 for v = 1/m, and by
        1 for v = 2/m (He et al., "Delving deep into rectifiers", 2015). scratchnn/init.py says what other functions
        than a ReLU need. Try it: ten products and ReLUs of a few hundred numbers are five lines of NumPy.
    """,
)
