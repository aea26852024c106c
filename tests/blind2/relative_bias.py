"""Attention over one sequence with a learned bias for each distance between query and key."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(q, k, v, table):
    T, D = q.shape
    R = (len(table) - 1) // 2
    index = np.clip(np.arange(T)[:, None] - np.arange(T)[None, :], -R, R) + R
    logits = q @ k.T * D**-0.5 + table[index]
    w = np.exp(logits - logits.max(1, keepdims=True))
    w = w / w.sum(1, keepdims=True)
    return w @ v, [q, k, v, table, index, w]


def backward(d_out, saved):
    q, k, v, table, index, w = saved
    d_v = w.T @ d_out
    d_w = d_out @ v.T
    d_logits = w * d_w
    d_logits = d_logits - w * d_logits.sum(1, keepdims=True)
    d_table = np.zeros_like(table)
    np.add.at(d_table, index, d_logits)
    scale = q.shape[1] ** -0.5
    d_q = d_logits @ k * scale
    d_k = d_logits.T @ q * scale
    return d_q, d_k, d_v, d_table
"""


def problem(rng, size=0):
    t, d, r = ((4, 4, 2), (5, 3, 1))[size]
    inputs = {name: rng.normal(size=(t, d)) for name in "qkv"}
    return inputs | {"table": rng.normal(size=2 * r + 1)}, ()


FAMILY = Family(
    name="relative_bias",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "repeated distances counted once",
            old="np.add.at(d_table, index, d_logits)",
            new="d_table[index] += d_logits",
            cause="Many pairs share one distance; an indexed += keeps only one of them.",
            label="accumulate",
            line="d_table[index] += d_logits",
        ),
        Wrong(
            "table from the weights' gradient",
            old="np.add.at(d_table, index, d_logits)",
            new="np.add.at(d_table, index, d_w)",
            cause="The bias is added to the logits, and it gets the gradient of the softmax's output.",
            label="missing_derivative",
            line="np.add.at(d_table, index, d_w)",
        ),
        Wrong(
            "distances with the other sign",
            old="np.add.at(d_table, index, d_logits)",
            new="np.add.at(d_table, index.T, d_logits)",
            cause="The gradient is added by the distance from key to query, which is minus the one of forward.",
            label="transpose",
            line="np.add.at(d_table, index.T, d_logits)",
        ),
        Wrong(
            "softmax's sum from the raw gradient",
            old="d_logits = d_logits - w * d_logits.sum(1, keepdims=True)",
            new="d_logits = d_logits - w * d_w.sum(1, keepdims=True)",
            cause="The sum should be of weights times gradients, and the weights are missing in it.",
            label="fused_formula",
            line="d_logits = d_logits - w * d_w.sum(1, keepdims=True)",
        ),
        Wrong(
            "scale on the wrong side",
            old="d_k = d_logits.T @ q * scale",
            new="d_k = d_logits.T @ q",
            cause="The keys' gradient lacks the scale that the queries' gradient has.",
            label="factor",
            line="d_k = d_logits.T @ q",
        ),
    ],
    right=[
        Right(
            "bincount",
            old="    d_table = np.zeros_like(table)\n    np.add.at(d_table, index, d_logits)\n",
            new="    d_table = np.bincount(index.ravel(), weights=d_logits.ravel(), minlength=table.size)\n",
        ),
        Right(
            "one diagonal at a time",
            old="    np.add.at(d_table, index, d_logits)\n",
            new="""    R, T = len(table) // 2, len(q)
    for offset in range(1 - T, T):
        d_table[max(-R, min(R, -offset)) + R] += np.trace(d_logits, offset)
""",
        ),
    ],
)
