"""InfoNCE, both directions, of normalised embeddings, with a learned log temperature (as in CLIP)."""

import numpy as np

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def log_softmax(z, axis):
    z = z - z.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def normalise(x):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / norm, norm


def forward(image, text, log_scale):
    u, nu = normalise(image)
    v, nv = normalise(text)
    logits = np.exp(log_scale) * u @ v.T
    rows = log_softmax(logits, 1)
    columns = log_softmax(logits, 0)
    loss = -(np.trace(rows) + np.trace(columns)) / (2 * len(u))
    return loss, (u, v, nu, nv, logits, rows, columns, log_scale)


def backward(dloss, cache):
    u, v, nu, nv, logits, rows, columns, log_scale = cache
    n = len(u)
    eye = np.eye(n)
    dlogits = (np.exp(rows) - eye) + (np.exp(columns) - eye)
    dlogits *= dloss / (2 * n)
    scale = np.exp(log_scale)
    du = scale * dlogits @ v
    dv = scale * dlogits.T @ u
    dlog_scale = np.sum(dlogits * logits)
    dimage = (du - u * (du * u).sum(axis=1, keepdims=True)) / nu
    dtext = (dv - v * (dv * v).sum(axis=1, keepdims=True)) / nv
    return dimage, dtext, dlog_scale
"""


def problem(rng, size=0):
    n, d = ((4, 4), (5, 3))[size]
    image = rng.normal(size=(n, d))
    return {"image": image, "text": image + rng.normal(size=(n, d)), "log_scale": np.array(0.7 + rng.random())}, ()


FAMILY = Family(
    name="info_nce",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "only one direction",
            old="dlogits = (np.exp(rows) - eye) + (np.exp(columns) - eye)",
            new="dlogits = 2 * (np.exp(rows) - eye)",
            cause="The gradient of the rows' loss stands in for the columns' too.",
            label="wrong_operand",
            line="dlogits = 2 * (np.exp(rows) - eye)",
        ),
        Wrong(
            "logits not transposed",
            old="dv = scale * dlogits.T @ u",
            new="dv = scale * dlogits @ u",
            cause="The logits' gradient is not transposed for the second embedding.",
            label="transpose",
            line="dv = scale * dlogits @ u",
        ),
        Wrong(
            "scale for its logarithm",
            old="dlog_scale = np.sum(dlogits * logits)",
            new="dlog_scale = np.sum(dlogits * (u @ v.T))",
            cause="The gradient is that of the scale, not of its logarithm: the derivative of exp is missing.",
            label="missing_derivative",
            line="dlog_scale = np.sum(dlogits * (u @ v.T))",
        ),
        Wrong(
            "normalisation skipped",
            old="dimage = (du - u * (du * u).sum(axis=1, keepdims=True)) / nu",
            new="dimage = du / nu",
            cause="The part of the gradient along the embedding is not taken out.",
            label="missing_term",
            line="dimage = du / nu",
        ),
        Wrong(
            "diagonal counted once, mean over n",
            old="    dlogits *= dloss / (2 * n)\n",
            new="    dlogits += eye\n    dlogits *= dloss / n\n",
            cause="The diagonal is subtracted once for both directions, and the mean over two is missing.",
            label="two_mistakes",
            line="dlogits += eye",
            fair=("dlogits *= dloss / n",),
        ),
    ],
    right=[
        Right(
            "diagonal by index",
            old="    dlogits = (np.exp(rows) - eye) + (np.exp(columns) - eye)\n",
            new="    dlogits = np.exp(rows) + np.exp(columns)\n    dlogits[np.diag_indices(n)] -= 2\n",
        ),
        Right(
            "scale from the gradient of u",
            old="dlog_scale = np.sum(dlogits * logits)",
            new="dlog_scale = np.vdot(du, u)",
        ),
    ],
)
