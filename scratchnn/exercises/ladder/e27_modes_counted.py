"""Predict before you run: how much work are the two ways of going through a chain of layers?

A network of three linear layers without biases, y = x W1 W2 W3, for one example: x has 100 numbers, W1 is (100, 50),
W2 (50, 20), W3 (20, 1). The loss is y, one number. A product of a row of a numbers with an (a, b) matrix takes a b
multiplications.

The gradient by x can be worked out in two orders:
  - Backward, from the loss: dy is 1; then dy W3ᵀ, a row of 20; times W2ᵀ; times W1ᵀ. This is backpropagation.
  - Forward, from x: for each of the 100 numbers of x, a row of slopes is pushed through W1, W2 and W3. The first
    product takes nothing: the slopes of x W1 by x_i are row i of W1.

How many multiplications take each of these? Write down four numbers, on paper or in your head, before you run anything:

    forward_pass       y, from x
    backward           the gradient by x, from the loss back
    by_slopes          the gradient by x, from x onwards
    with_ten_outputs   ten gradients by x, one for each of ten outputs, all backward: here W3 is (20, 10), and dy a row
                       of ten, with a 1 in one place
"""


def predict():
    # begin solution: forward_pass, backward, by_slopes, with_ten_outputs
    forward_pass = 100 * 50 + 50 * 20 + 20 * 1  # multiplications of x W1 W2 W3
    backward = 1 * 20 + 20 * 50 + 50 * 100  # of the gradient, from the loss back
    by_slopes = 100 * (50 * 20 + 20 * 1)  # of the gradient, from x onwards
    with_ten_outputs = 10 * (10 * 20 + 20 * 50 + 50 * 100)  # backward ten times, for a W3 of (20, 10)
    # end solution
    return forward_pass, backward, by_slopes, with_ten_outputs


# ==== below this line: for the checker ====

from typing import Any

from scratchnn.exercises.exercise import Finding, Judged
from scratchnn.exercises.findings import Prediction, predicted

PREDICTIONS = [
    Prediction(
        "forward_pass, the multiplications of x W1 W2 W3", 6020,
        "a row of a numbers times an (a, b) matrix takes a b multiplications: add up three products.",
        {100 * 50 * 20: "this is the product of the sizes. The products with W1, W2 and W3 come one after another, so "
                        "their work adds up.",
         6000: "the last layer is missing: 20 · 1."},
    ),
    Prediction(
        "backward, those of the gradient by x, from the loss back", 6020,
        "a row of 1 times W3ᵀ (1, 20), then times W2ᵀ (20, 50), then times W1ᵀ (50, 100).",
        {100 * 6020: "this is the work for all x one by one. Backward needs one pass for all of them.",
         6020 * 2: "this counts the forward pass as well. Here only the way back was asked for.",
         6000: "the first step back is missing: 1 · 20."},
    ),
    Prediction(
        "by_slopes, those of the gradient by x, from x onwards", 102_000,
        "for each of the 100 numbers of x: a row of 50 through W2 and W3. The product with W1 takes nothing.",
        {602_000: "this counts the product with W1, which is not needed: the slopes by x_i are row i of W1.",
         1020: "this is the work for one number of x. There are 100.",
         6020: "that would be one pass. Going onwards, each number of x needs a pass of its own."},
    ),
    Prediction(
        "with_ten_outputs, backward for a W3 of (20, 10), once for each of ten outputs", 62_000,
        "once for each output: a row of ten, which has one 1, times W3ᵀ (10, 20), then on as before; ten times.",
        {6200: "this is one pass. It gives the gradient of one number; ten numbers need ten passes.",
         60_200: "W3ᵀ is (10, 20) now, so its product takes 200 multiplications and not 20."},
    ),
]  # fmt: skip


def judge(answer: Any, seed: int) -> list[Finding]:
    return predicted(answer.predict, PREDICTIONS)


EXERCISE = Judged(
    title="predict: backward against forward, counted",
    function="predict",
    judge=judge,
    hints=(
        "Write the sizes above the arrows: 100 → 50 → 20 → 1. What does one arrow cost, and how often is it gone?",
        "Backward goes every arrow once for all of x. From x onwards, every number of x goes its own way.",
        "forward_pass = backward = 5000 + 1000 + 20. by_slopes = 100 · (1000 + 20). The last is ten times 200 + 1000 + "
        "5000.",
    ),
    derivation="""
        The way back costs as much as the way there, however many numbers x has: one loss, one pass. Pushing slopes
        onwards costs a pass for every number of x. Had the network one input and many outputs, it would be the other
        way round. A loss is one number, and parameters are millions: so one goes backward.
    """,
)
