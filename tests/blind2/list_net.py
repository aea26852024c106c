"""ListNet: cross-entropy between the softmax of relevances and the softmax of scores, list by list with lengths."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def log_softmax(a):
    a = a - np.max(a)
    return a - np.log(np.sum(np.exp(a)))


def forward(scores, relevance, lengths, tau):
    loss = 0.0
    saved = []
    for row, rel, n in zip(scores, relevance, lengths):
        logq = log_softmax(row[:n] / tau)
        p = np.exp(log_softmax(rel[:n]))
        loss += -(p * logq).sum()
        saved.append((n, p, np.exp(logq), logq))
    return loss / len(scores), (saved, scores.shape, tau)


def backward(d, cache):
    saved, shape, tau = cache
    dscores = np.zeros(shape)
    drelevance = np.zeros(shape)
    for row, (n, p, q, logq) in enumerate(saved):
        dscores[row, :n] = d / shape[0] * (q - p) / tau
        dp = -d / shape[0] * logq
        drelevance[row, :n] = p * (dp - (p * dp).sum())
    return dscores, drelevance
"""


def problem(rng, size=0):
    n, k = ((4, 4), (3, 5))[size]
    inputs = {"scores": rng.normal(size=(n, k)), "relevance": rng.normal(size=(n, k))}
    return inputs, (np.array([4, 2, 3, 4] if size == 0 else [5, 4, 2]), 0.7)


FAMILY = Family(
    name="list_net",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "temperature forgotten",
            old="dscores[row, :n] = d / shape[0] * (q - p) / tau",
            new="dscores[row, :n] = d / shape[0] * (q - p)",
            cause="The scores are divided by the temperature, and their gradient is not.",
            label="factor",
            line="dscores[row, :n] = d / shape[0] * (q - p)",
        ),
        Wrong(
            "relevances by the formula for the scores",
            old="drelevance[row, :n] = p * (dp - (p * dp).sum())",
            new="drelevance[row, :n] = d / shape[0] * (p - q)",
            cause="The short formula holds for the predicted distribution, and is used for the target one.",
            label="fused_formula",
            line="drelevance[row, :n] = d / shape[0] * (p - q)",
        ),
        Wrong(
            "mean over the list",
            old="dscores[row, :n] = d / shape[0] * (q - p) / tau",
            new="dscores[row, :n] = d / shape[0] * (q - p) / tau / n",
            cause="The loss of a list is a sum over its items, and the gradient is divided by its length.",
            label="factor",
            line="dscores[row, :n] = d / shape[0] * (q - p) / tau / n",
        ),
        Wrong(
            "one item short",
            old="drelevance[row, :n] = p * (dp - (p * dp).sum())",
            new="drelevance[row, : n - 1] = (p * (dp - (p * dp).sum()))[:-1]",
            cause="The last item of each list gets no gradient.",
            label="off_by_one",
            line="drelevance[row, : n - 1] = (p * (dp - (p * dp).sum()))[:-1]",
        ),
        Wrong(
            "divided again for each list",
            old="        dscores[row, :n] = d / shape[0] * (q - p) / tau\n        dp = -d / shape[0] * logq\n",
            new="""        d = d / shape[0]
        dscores[row, :n] = d * (q - p) / tau
        dp = -d * logq
""",
            cause="The gradient from above is divided by the number of lists anew for each list.",
            label="overwrite",
            line="d = d / shape[0]",
        ),
    ],
    right=[
        Right(
            "padded arrays",
            old="""    for row, (n, p, q, logq) in enumerate(saved):
        dscores[row, :n] = d / shape[0] * (q - p) / tau
        dp = -d / shape[0] * logq
        drelevance[row, :n] = p * (dp - (p * dp).sum())
    return dscores, drelevance
""",
            new="""    P, Q, L = np.zeros((3, *shape))
    for row, (n, p, q, logq) in enumerate(saved):
        P[row, :n], Q[row, :n], L[row, :n] = p, q, logq
    entropy = (P * L).sum(axis=1, keepdims=True)
    return (Q - P) * (d / tau / shape[0]), P * (entropy - L) * (d / shape[0])
""",
        ),
        Right(
            "helper for the softmax",
            old="        drelevance[row, :n] = p * (dp - (p * dp).sum())\n",
            new="""
        def softmax_back(g, p=p):
            return (np.diag(p) - np.outer(p, p)) @ g

        drelevance[row, :n] = softmax_back(dp)
""",
        ),
    ],
)
