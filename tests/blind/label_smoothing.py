"""Softmax cross-entropy with label smoothing and class weights, averaged over the tokens that are not padding."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np

PAD = 0


def forward(logits, targets, alpha):
    n, k = logits.shape
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    q = np.full((n, k), alpha / k)
    q[np.arange(n), targets] += 1 - alpha
    mask = (targets != PAD).astype(float)
    loss = -(mask * (q * log_p).sum(axis=1)).sum() / mask.sum()
    return loss, (log_p, q, mask)


def backward(dloss, cache):
    log_p, q, mask = cache
    grad = np.exp(log_p) - q
    grad = grad * mask[:, None]
    grad = grad / mask.sum()
    return dloss * grad
"""


def problem(rng, size=0):
    n, k = ((6, 5), (4, 3))[size]
    targets = rng.integers(1, k, size=n)
    targets[1] = targets[2] = 0
    return {"logits": rng.normal(size=(n, k)) * 2}, (targets, 0.2)


FAMILY = Family(
    name="label_smoothing",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "padding counted in the mean",
            old="grad = grad / mask.sum()",
            new="grad = grad / len(mask)",
            cause="The gradient is divided by the number of all tokens, the loss by that of the unmasked ones.",
            label="factor",
            line="grad = grad / len(mask)",
        ),
        Wrong(
            "padding not masked",
            old="    grad = grad * mask[:, None]\n",
            new="",
            cause="The padded tokens have a gradient, though they are not in the loss.",
            label="mask",
            line="grad = grad / mask.sum()",
            fair=("grad = np.exp(log_p) - q",),
        ),
        Wrong(
            "hard labels",
            old="grad = np.exp(log_p) - q",
            new="grad = np.exp(log_p) - (q == q.max(axis=1, keepdims=True))",
            cause="The gradient is that of the loss without smoothing.",
            label="wrong_operand",
            line="grad = np.exp(log_p) - (q == q.max(axis=1, keepdims=True))",
        ),
        Wrong(
            "gradient of the loss above ignored",
            old="return dloss * grad",
            new="return grad",
            cause="What comes in from above is not multiplied in; right only while it is one.",
            label="missing_derivative",
            line="return grad",
        ),
        Wrong(
            "subtracted from its own cache",
            old="    grad = np.exp(log_p) - q\n",
            new="    grad = np.exp(log_p, out=log_p)\n    grad -= q\n",
            cause="The exponential is written over the cached logarithms, so a second backward pass starts from them.",
            label="overwrite",
            line="grad = np.exp(log_p, out=log_p)",
            fair=("grad -= q",),
            shows="backward_twice",
        ),
    ],
    right=[
        Right(
            "loop over the tokens that count",
            old="""    grad = np.exp(log_p) - q
    grad = grad * mask[:, None]
    grad = grad / mask.sum()
""",
            new="""    grad = np.zeros_like(log_p)
    for i in np.flatnonzero(mask):
        p = np.exp(log_p[i])
        grad[i] = (p - q[i]) / mask.sum()
""",
        ),
        Right(
            "through the log-softmax",
            old="    grad = np.exp(log_p) - q\n",
            new="    dlog_p = -q\n    grad = dlog_p - np.exp(log_p) * dlog_p.sum(axis=1, keepdims=True)\n",
        ),
    ],
)
