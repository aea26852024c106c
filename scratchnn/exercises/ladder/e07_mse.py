"""Mean squared error: loss_n = (1/D) Σ_i (prediction_ni − target_ni)², one number for each example.

prediction (N, D) is what a network gave, target (N, D) what it should have given, loss is (N,). The targets are data:
the derivative with respect to them is not needed.

You are given dloss (N,), the derivative of L with respect to every loss_n. Return dprediction (N, D).

Derive it first, for a single entry.
  - Which of the losses does prediction_ni enter? And which term of the sum over i?
  - What is the derivative of the square, and of what stands inside it?
  - The 1/D: does it stay? And is there a 1/N? If L is the mean over the batch, dloss_n = 1/N: where is it then?
"""

import numpy as np


def forward(prediction, target):
    error = prediction - target
    loss = np.mean(error**2, axis=1)
    cache = (prediction, target)
    return loss, cache


def backward(dloss, cache):
    prediction, target = cache
    # begin solution: dprediction
    D = prediction.shape[1]
    dprediction = dloss[:, None] * (2 / D) * (prediction - target)
    # end solution
    return dprediction


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    dloss, error = q.dy[:, None], q.prediction - q.target
    return Facts(
        terms={
            "dprediction": {
                "the prediction": dloss * 2 / q.D * q.prediction,
                "the target": -dloss * 2 / q.D * q.target,
            }
        },
        masks={"prediction < target": error < 0, "prediction > target": error > 0},
        arrays={"the error": error, "the prediction": q.prediction, "the loss": q.y[:, None]},
    )


EXERCISE = Exercise(
    title="a mean of squares",
    sizes=({"N": 5, "D": 7}, {"N": 13, "D": 11}),
    inputs=lambda s, rng: {"prediction": rng.normal(size=(s.N, s.D))},
    constants=lambda s, rng: {"target": rng.normal(size=(s.N, s.D))},
    facts=facts,
    probes={
        "N = 1": lambda v: {"prediction": v["prediction"][:1], "target": v["target"][:1]},
        "target = 0": lambda v: {**v, "target": 0 * v["target"]},
    },
    hints=(
        "Write the sum for one example with three outputs, and differentiate it by the second of them.",
        "∂loss_n/∂prediction_ni = (2/D)(prediction_ni − target_ni). Any 1/N belongs to L, so it is already in dloss.",
        "dprediction is 2/D times the error, each row times its own dloss_n: dloss[:, None] lines them up.",
    ),
    derivation="""
        loss_m = (1/D) Σ_j (prediction_mj − target_mj)²
        prediction_ni enters loss_n only, and there the term j = i, a square:
        ∂loss_n/∂prediction_ni = (1/D) · 2 (prediction_ni − target_ni) · 1
        dprediction_ni = Σ_m dloss_m ∂loss_m/∂prediction_ni = dloss_n (2/D) (prediction_ni − target_ni)
    """,
)
