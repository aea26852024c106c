"""Softmax and cross-entropy: loss_n = −log of the probability that example n's own class is given.

logits (N, C) are any numbers, one for each of C classes; labels (N,) are whole numbers from 0 to C − 1; loss is (N,):

    p_nc = e^(logits_nc) / Σ_k e^(logits_nk)      loss_n = −log p_(n, labels_n)

Forward first subtracts the largest logit of each row, which changes no p and lets no exponential overflow.

You are given dloss (N,), the derivative of L with respect to every loss_n. Return dlogits (N, C).

Derive it first. Put p into the logarithm: loss_n = log Σ_k e^(logits_nk) − logits_(n, labels_n).
  - logits_nc enters the first of the two terms for every c. What is its derivative there? You have seen it before.
  - For which c does it enter the second term, and with which derivative?
  - What do the entries of one row of dlogits add up to? Why must they?
"""

import numpy as np


def forward(logits, labels):
    exps = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    p = exps / np.sum(exps, axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(labels)), labels])
    cache = (p, labels)
    return loss, cache


def backward(dloss, cache):
    p, labels = cache
    # begin solution: dlogits
    one_hot = np.eye(p.shape[1])[labels]
    dlogits = dloss[:, None] * (p - one_hot)
    # end solution
    return dlogits


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    exps = np.exp(q.logits)
    p = exps / exps.sum(axis=1, keepdims=True)
    one_hot = np.eye(q.C)[q.labels]
    dloss = q.dy[:, None]
    return Facts(
        terms={"dlogits": {"softmax": dloss * p, "one-hot": -dloss * one_hot}},
        masks={"the class is the label": one_hot == 1, "the class is not the label": one_hot == 0},
        arrays={"p": p, "(1 − p)": 1 - p},
        formulas={"dlogits": {"p minus the number of the label": dloss * (p - q.labels[:, None])}},
    )


EXERCISE = Exercise(
    title="the probability, less one at the label",
    sizes=({"N": 5, "C": 13}, {"N": 11, "C": 7}),
    inputs=lambda s, rng: {"logits": rng.normal(size=(s.N, s.C))},
    constants=lambda s, rng: {"labels": rng.integers(s.C, size=s.N)},
    facts=facts,
    probes={"N = 1": lambda v: {"logits": v["logits"][:1], "labels": v["labels"][:1]}},
    hints=(
        "Do not differentiate p: take the logarithm apart first. The two terms can then be differentiated one by one.",
        "The first term has the derivative p_nc by logits_nc. The second has −1 if c is the label, and 0 otherwise.",
        "dlogits_nc = dloss_n (p_nc − [c = labels_n]). np.eye(C)[labels] has a row [c = labels_n] for every example.",
    ),
    derivation="""
        loss_n = log Σ_k e^(logits_nk) − logits_(n, labels_n)
        ∂loss_n/∂logits_nc = e^(logits_nc) / Σ_k e^(logits_nk)      the first term, for every class c
                             − [c = labels_n]                       the second, −1 if c is the label, else 0:
        dlogits_nc = dloss_n (p_nc − [c = labels_n])
        A row adds up to dloss_n (1 − 1) = 0: the same number added to all logits of a row leaves the loss as it is.
    """,
)
