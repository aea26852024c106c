"""Softmax cross-entropy, mean over the batch."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(p)), labels]).mean()
    return loss, (p, labels)


def backward(dloss, cache):
    p, labels = cache
    N = p.shape[0]
    dlogits = p.copy()
    dlogits[np.arange(N), labels] -= 1
    dlogits /= N
    dlogits *= dloss
    return dlogits
"""


def problem(rng, size=0):
    n, k = ((5, 4), (3, 6))[size]
    return {"logits": rng.normal(size=(n, k)) * 2}, (rng.integers(k, size=n),)


FAMILY = Family(
    name="softmax_cross_entropy",
    source=SOURCE,
    problem=problem,
    people=False,
    wrong=[
        Wrong(
            "not divided by N",
            old="    dlogits /= N\n",
            new="",
            cause="The loss is a mean over the batch; the division by N is missing.",
            label="factor",
            line="dlogits *= dloss",
            fair=("dlogits[np.arange(N), labels] -= 1", "return dlogits"),
        ),
        Wrong(
            "the course's copy forgotten",
            old="dlogits = p.copy()",
            new="dlogits = p",
            cause="The cached probabilities are changed in place, so a second pass starts from gradients.",
            label="overwrite",
            line="dlogits = p",
            fair=("dlogits[np.arange(N), labels] -= 1",),
            shows="backward_twice",
        ),
        Wrong(
            "one subtracted from whole columns",
            old="dlogits[np.arange(N), labels] -= 1",
            new="dlogits[:, labels] -= 1",
            cause="The index takes whole columns of the labels that occur, not one entry of each row.",
            label="accumulate",
            line="dlogits[:, labels] -= 1",
        ),
        Wrong(
            "divided by the classes",
            old="dlogits /= N",
            new="dlogits /= p.shape[1]",
            cause="The gradient is divided by the number of classes, not by that of the examples.",
            label="factor",
            line="dlogits /= p.shape[1]",
        ),
        Wrong(
            "batch size as a number",
            old="dlogits /= N",
            new="dlogits /= 5",
            cause="The batch size is written as 5.",
            label="hard_coded_size",
            line="dlogits /= 5",
            shows="second_size",
        ),
        Wrong(
            "sign of the label",
            old="dlogits[np.arange(N), labels] -= 1",
            new="dlogits[np.arange(N), labels] += 1",
            cause="The one of the label is added where it should be subtracted.",
            label="sign",
            line="dlogits[np.arange(N), labels] += 1",
        ),
    ],
    right=[
        Right(
            "one-hot",
            old="""    dlogits = p.copy()
    dlogits[np.arange(N), labels] -= 1
    dlogits /= N
    dlogits *= dloss
""",
            new="    onehot = np.eye(p.shape[1])[labels]\n    dlogits = dloss * (p - onehot) / N\n",
        ),
        Right(
            "in two steps: first the probabilities, then softmax",
            old="""    dlogits = p.copy()
    dlogits[np.arange(N), labels] -= 1
    dlogits /= N
    dlogits *= dloss
""",
            new="""    dp = np.zeros_like(p)
    rows = np.arange(N)
    dp[rows, labels] = -dloss / (N * p[rows, labels])
    dlogits = p * (dp - (dp * p).sum(axis=1, keepdims=True))
""",
        ),
    ],
)
