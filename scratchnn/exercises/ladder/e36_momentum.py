"""A step with momentum: how a gradient becomes a step that remembers the ones before.

params, grads and v are (P,). v is what the last step returned, 0 before the first. Return the new params and the new v,
as new arrays.

    v       MOMENTUM times the old v, plus the gradient
    params  the old params minus LR times the new v

Derive it first:
  - If all gradients are the same g, where does v end, after many steps? How much longer is such a step than LR g?
  - Is it the old or the new v that params moves by?
"""

LR, MOMENTUM = 0.03, 0.8


def step(params, grads, v):
    # begin solution: params, v
    v = MOMENTUM * v + grads
    params = params - LR * v
    # end solution
    return params, v


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    average = MOMENTUM * q.v + (1 - MOMENTUM) * q.grads
    return Facts(
        terms={
            "params": {
                "the old params": q.params, "the old v": -LR * MOMENTUM * q.v, "the gradient": -LR * q.grads
            },
            "v": {"the old v": MOMENTUM * q.v, "the gradient": q.grads},
        },
        formulas={
            "params": {"a step by the old v": q.params - LR * q.v, "a step by an average": q.params - LR * average},
            "v": {"an average, as in Adam": average},
        },
        numbers={"LR": LR, "MOMENTUM": MOMENTUM, "(1 − MOMENTUM)": 1 - MOMENTUM},
    )  # fmt: skip


EXERCISE = Exercise(
    title="one step with momentum",
    function="step",
    sizes=({"P": 7}, {"P": 11}),
    inputs=lambda s, rng: {name: rng.normal(size=s.P) for name in ("params", "grads", "v")},
    facts=facts,
    hints=(
        "Two lines, in the order of the task. Which v stands in the second?",
        "v = MOMENTUM v + the gradient, without a weight of its own; params moves by LR times this v.",
        "v = MOMENTUM * v + grads, then params = params - LR * v.",
    ),
    derivation="""
        v ← MOMENTUM v + grads
        params ← params − LR v
        With the same gradient in all steps, v ends at 1/(1 − MOMENTUM) times the gradient: here the step becomes five
        times as long. Where gradients change their sign from step to step, they cancel instead.
    """,
)
