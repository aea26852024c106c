"""Dropout: some entries of x are set to 0, the others are divided by the probability of being kept.

x, mask and y have one shape, (N, D). mask is 1 where an entry is kept and 0 where it is dropped; it was drawn outside,
so that forward can be repeated exactly. KEEP is the probability of a 1. Dividing by it leaves the mean of y over all
masks equal to x, and at test time nothing is left to do.

You are given dy (N, D), the derivative of L with respect to every entry of y. Return dx; the mask is not
differentiated.

Derive it first, for one entry: y_k = x_k mask_k / KEEP.
  - How far does y_k move with x_k, if the entry is kept? If it is dropped?
  - Which mask must backward use, and why may it not draw its own?
"""

import numpy as np

KEEP = 0.7


def forward(x, mask):
    y = x * mask / KEEP
    cache = mask
    return y, cache


def backward(dy, cache):
    mask = cache
    # begin solution: dx
    dx = dy * mask / KEEP
    # end solution
    return dx


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts

EXERCISE = Exercise(
    title="a mask that forward drew",
    sizes=({"N": 3, "D": 11}, {"N": 5, "D": 13}),
    inputs=lambda s, rng: {"x": rng.normal(size=(s.N, s.D))},
    constants=lambda s, rng: {"mask": (rng.permutation(s.N * s.D) < KEEP * s.N * s.D).reshape(s.N, s.D) * 1.0},
    facts=lambda q: Facts(
        masks={"the entry is dropped": q.mask == 0, "the entry is kept": q.mask == 1},
        arrays={"x": q.x, "dy": q.dy},
        numbers={"keep": KEEP, "keep²": KEEP**2, "keep/(1 − keep)": KEEP / (1 - KEEP)},
    ),
    probes={"nothing dropped": lambda v: {**v, "mask": np.ones_like(v["mask"])}},
    hints=(
        "With the mask given, y_k is x_k times a number. What is the slope of a number times x?",
        "dx_k = dy_k mask_k / KEEP: what forward does to x, backward does to dy.",
        "dx = dy * mask / KEEP",
    ),
    derivation="""
        y_k = (mask_k / KEEP) x_k      linear in x_k, and no other entry of y depends on x_k:
        dx_k = dy_k mask_k / KEEP
        A dropped entry has no influence on L, and so no gradient; a kept one has 1/KEEP times the influence.
    """,
)
