"""Adam: how a gradient becomes a step (Kingma & Ba, "Adam: a method for stochastic optimization", 2015, Algorithm 1).

params, grads, m and v are vectors (P,); t is the number of this step, counted from 1. m and v are what the last step
returned, both zero before the first. Return the new params, m and v, as new arrays: what you are given is not yours to
change.

    m   is a moving average of the gradients: the old m has the weight BETA1, the gradient the rest
    v   is one of the squares of the gradients, entry by entry, with BETA2
    m̂, v̂   are m and v, each divided by the sum of the weights that its gradients have had so far
    params   moves against m̂, by LR for an m̂ as large as √v̂

Derive it first:
  - Which weight must the gradient have for the weights to add up to 1?
  - After t steps from zero, the gradient of k steps ago has the weight (1 − BETA1) BETA1^k in m. What do these weights
    add up to, for k = 0 … t − 1? Written without a sum, that is the divisor of m̂. What is the divisor of v̂?
  - EPS is added so that nothing is divided by 0, in Algorithm 1 to √v̂. EPS is larger here than the paper's 1e-8, so
    that it can be seen where it is.
"""

import numpy as np

LR, BETA1, BETA2, EPS = 0.03, 0.9, 0.999, 0.01


def step(params, grads, m, v, t):
    # begin solution: params, m, v
    m = BETA1 * m + (1 - BETA1) * grads
    v = BETA2 * v + (1 - BETA2) * grads**2
    m_hat = m / (1 - BETA1**t)
    v_hat = v / (1 - BETA2**t)
    params = params - LR * m_hat / (np.sqrt(v_hat) + EPS)
    # end solution
    return params, m, v


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def facts(q: SimpleNamespace) -> Facts:
    def moved(m_hat: Array, v_hat: Array) -> Array:
        new: Array = q.params - LR * m_hat / (np.sqrt(v_hat) + EPS)
        return new

    def averages(beta1: float, beta2: float, squares: Array) -> tuple[Array, Array]:
        return beta1 * q.m + (1 - beta1) * q.grads, beta2 * q.v + (1 - beta2) * squares

    m, v = averages(BETA1, BETA2, q.grads**2)
    w1, w2 = 1 - BETA1**q.t, 1 - BETA2**q.t
    m_exchanged, v_exchanged = averages(BETA2, BETA1, q.grads**2)
    rate = LR / w1 / (np.sqrt(v / w2) + EPS)
    return Facts(
        terms={
            "params": {
                "the old params": q.params,
                "the old m in the step": -rate * BETA1 * q.m,
                "the gradient in the step": -rate * (1 - BETA1) * q.grads,
            },
            "m": {"the old m": BETA1 * q.m, "the gradient": (1 - BETA1) * q.grads},
            "v": {"the old v": BETA2 * q.v, "the squared gradient": (1 - BETA2) * q.grads**2},
        },
        formulas={
            "params": {
                "no bias correction": moved(m, v),
                "no bias correction of v": moved(m / w1, v),
                "EPS under the root": q.params - LR * m / w1 / np.sqrt(v / w2 + EPS),
                "no EPS": q.params - LR * m / w1 / np.sqrt(v / w2),
                "no root": q.params - LR * m / w1 / (v / w2 + EPS),
                "the old m and v": moved(q.m / w1, q.v / w2),
                "t − 1 in the place of t": moved(m / (1 - BETA1 ** (q.t - 1)), v / (1 - BETA2 ** (q.t - 1))),
                "BETA1 and BETA2 exchanged": moved(m_exchanged / w2, v_exchanged / w1),
            },
            "m": {"BETA1 and BETA2 exchanged": m_exchanged},
            "v": {"BETA1 and BETA2 exchanged": v_exchanged, "no square": averages(BETA1, BETA2, q.grads)[1]},
        },
        numbers={
            "BETA1": BETA1,
            "BETA2": BETA2,
            "(1 − BETA1)": 1 - BETA1,
            "(1 − BETA2)": 1 - BETA2,
            "(1 − BETA1^t)": w1,
            "LR": LR,
        },
    )


EXERCISE = Exercise(
    title="one step of Adam",
    function="step",
    sizes=({"P": 7}, {"P": 11}),
    inputs=lambda s, rng: {
        "params": rng.normal(size=s.P),
        "grads": rng.normal(size=s.P),
        "m": rng.normal(size=s.P),
        "v": rng.uniform(0.005, 0.02, s.P),
    },
    constants=lambda s, rng: {"t": int(rng.integers(3, 10))},
    facts=facts,
    hints=(
        "m and v start from 0, so after few steps they are too small: by which factor, if all gradients were the same?",
        "m ← β1 m + (1 − β1) g and v ← β2 v + (1 − β2) g²; then m̂ = m/(1 − β1^t), v̂ = v/(1 − β2^t).",
        "The last line is params = params - LR * m_hat / (np.sqrt(v_hat) + EPS), with m_hat = m / (1 - BETA1**t).",
    ),
    derivation="""
        m ← β1 m + (1 − β1) g          weights that add up to 1, so m is as large as a gradient in the long run
        v ← β2 v + (1 − β2) g²
        From m = 0, after t steps m = Σ_k (1 − β1) β1^k g_(t−k), k = 0 … t − 1, and the weights add up to
            Σ_k (1 − β1) β1^k = 1 − β1^t          a geometric series
        m̂ = m/(1 − β1^t)   v̂ = v/(1 − β2^t)      divided by this, means of the gradients, even after one step
        params ← params − LR m̂ / (√v̂ + ε)
    """,
)
