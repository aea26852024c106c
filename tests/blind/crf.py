"""Log partition function of a linear-chain CRF, by the forward algorithm."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def lse(a, axis):
    m = a.max(axis=axis)
    return m + np.log(np.exp(a - np.expand_dims(m, axis)).sum(axis=axis))


def forward(emit, trans, start):
    alphas = [start + emit[0]]
    for e in emit[1:]:
        alphas.append(lse(alphas[-1][:, None] + trans, 0) + e)
    log_z = lse(alphas[-1], 0)
    return log_z, (emit, trans, alphas, log_z)


def backward(dlog_z, cache):
    emit, trans, alphas, log_z = cache
    d_emit = np.zeros_like(emit)
    d_trans = np.zeros_like(trans)
    d_alpha = dlog_z * np.exp(alphas[-1] - log_z)
    for t in range(len(emit) - 1, 0, -1):
        d_emit[t] = d_alpha
        scores = alphas[t - 1][:, None] + trans
        weights = np.exp(scores - (alphas[t] - emit[t]))
        d_scores = weights * d_alpha
        d_trans += d_scores
        d_alpha = d_scores.sum(axis=1)
    d_emit[0] = d_alpha
    d_start = d_alpha
    return d_emit, d_trans, d_start
"""


def problem(rng, size=0):
    t, k = ((5, 3), (3, 4))[size]
    return {"emit": rng.normal(size=(t, k)), "trans": rng.normal(size=(k, k)), "start": rng.normal(size=k)}, ()


FAMILY = Family(
    name="crf",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "sum over the wrong state",
            old="d_alpha = d_scores.sum(axis=1)",
            new="d_alpha = d_scores.sum(axis=0)",
            cause="The sum runs over the earlier state; the later one should be summed out.",
            label="wrong_axis",
            line="d_alpha = d_scores.sum(axis=0)",
        ),
        Wrong(
            "emission of the step counted in",
            old="weights = np.exp(scores - (alphas[t] - emit[t]))",
            new="weights = np.exp(scores - alphas[t])",
            cause="The normaliser is taken with the emission, so the weights do not add up to one.",
            label="wrong_operand",
            line="weights = np.exp(scores - alphas[t])",
        ),
        Wrong(
            "first emission forgotten",
            old="    d_emit[0] = d_alpha\n",
            new="",
            cause="The first step is before the loop in forward and is left out in backward.",
            label="off_by_one",
            line="d_start = d_alpha",
            fair=("return d_emit, d_trans, d_start", "d_emit = np.zeros_like(emit)", "d_emit[t] = d_alpha"),
        ),
        Wrong(
            "transitions of the last step only",
            old="        d_trans += d_scores\n",
            new="        d_trans = d_scores\n",
            cause="The transitions are used at every step; only one step's gradient is kept.",
            label="accumulate",
            line="d_trans = d_scores",
        ),
        Wrong(
            "local normalisation",
            old="weights = np.exp(scores - (alphas[t] - emit[t]))",
            new="weights = np.exp(trans) / np.exp(trans).sum(axis=0)",
            cause="The weights leave out the scores collected before this step.",
            label="missing_term",
            line="weights = np.exp(trans) / np.exp(trans).sum(axis=0)",
        ),
    ],
    right=[
        Right(
            "weights as a softmax over the earlier state",
            old="        weights = np.exp(scores - (alphas[t] - emit[t]))\n",
            new="        weights = np.exp(scores - scores.max(axis=0))\n        weights /= weights.sum(axis=0)\n",
        ),
        Right(
            "marginals by a backward pass of its own",
            old="""    d_alpha = dlog_z * np.exp(alphas[-1] - log_z)
    for t in range(len(emit) - 1, 0, -1):
        d_emit[t] = d_alpha
        scores = alphas[t - 1][:, None] + trans
        weights = np.exp(scores - (alphas[t] - emit[t]))
        d_scores = weights * d_alpha
        d_trans += d_scores
        d_alpha = d_scores.sum(axis=1)
    d_emit[0] = d_alpha
    d_start = d_alpha
    return d_emit, d_trans, d_start
""",
            new="""    beta = np.zeros(len(trans))
    for t in reversed(range(len(emit))):
        d_emit[t] = np.exp(alphas[t] + beta - log_z)
        if t > 0:
            ahead = trans + emit[t] + beta
            d_trans += np.exp(alphas[t - 1][:, None] + ahead - log_z)
            beta = lse(ahead, 1)
    return dlog_z * d_emit, dlog_z * d_trans, dlog_z * d_emit[0]
""",
        ),
    ],
)
