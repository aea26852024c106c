"""Causal self-attention with one head; the queries, keys and values are projections of one input."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def softmax(a):
    a = np.exp(a - a.max(axis=-1, keepdims=True))
    return a / a.sum(axis=-1, keepdims=True)


def forward(x, Wq, Wk, Wv):
    B, T, D = x.shape
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    att = q @ k.swapaxes(1, 2) / np.sqrt(k.shape[-1])
    mask = np.triu(np.ones((T, T), dtype=bool), 1)
    att = np.where(mask, -np.inf, att)
    att = softmax(att)
    y = att @ v
    return y, (x, q, k, v, att, Wq, Wk, Wv)


def backward(dy, cache):
    x, q, k, v, att, Wq, Wk, Wv = cache
    datt = dy @ v.swapaxes(1, 2)
    dv = att.swapaxes(1, 2) @ dy
    dscore = att * (datt - (datt * att).sum(axis=-1, keepdims=True))
    dscore = dscore / np.sqrt(k.shape[-1])
    dq = dscore @ k
    dk = dscore.swapaxes(1, 2) @ q
    dWq = np.einsum("btd,bte->de", x, dq)
    dWk = np.einsum("btd,bte->de", x, dk)
    dWv = np.einsum("btd,bte->de", x, dv)
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    return dx, dWq, dWk, dWv
"""


def problem(rng, size=0):
    b, t, d, h = ((2, 4, 4, 4), (3, 3, 2, 5))[size]
    inputs = {"x": rng.normal(size=(b, t, d))}
    for name in ("Wq", "Wk", "Wv"):
        inputs[name] = rng.normal(size=(d, h)) * 0.7
    return inputs, ()


FAMILY = Family(
    name="causal_attention",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "keys not transposed back",
            old="dk = dscore.swapaxes(1, 2) @ q",
            new="dk = dscore @ q",
            cause="The scores' gradient should be transposed on its way to the keys.",
            label="transpose",
            line="dk = dscore @ q",
        ),
        Wrong(
            "softmax sums over the queries",
            old="dscore = att * (datt - (datt * att).sum(axis=-1, keepdims=True))",
            new="dscore = att * (datt - (datt * att).sum(axis=-2, keepdims=True))",
            cause="Each query has a softmax of its own over the keys, and the sum here runs over the queries.",
            label="wrong_axis",
            line="dscore = att * (datt - (datt * att).sum(axis=-2, keepdims=True))",
        ),
        Wrong(
            "scale dropped",
            old="    dscore = dscore / np.sqrt(k.shape[-1])\n    dq = dscore @ k\n",
            new="    dq = dscore @ k\n",
            cause="The scores were divided by the root of the head's size, and their gradient is not.",
            label="factor",
            line="dq = dscore @ k",
            fair=("dscore = att * (datt - (datt * att).sum(axis=-1, keepdims=True))",),
        ),
        Wrong(
            "mask upside down",
            old="dscore = dscore / np.sqrt(k.shape[-1])",
            new="dscore = np.triu(dscore) / np.sqrt(k.shape[-1])",
            cause="The scores' gradient is kept on and above the diagonal, and belongs on and below it.",
            label="mask",
            line="dscore = np.triu(dscore) / np.sqrt(k.shape[-1])",
        ),
        Wrong(
            "values' route to the input missing",
            old="dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T",
            new="dx = dq @ Wq.T + dk @ Wk.T",
            cause="The input also makes the values, and what comes back through them is missing.",
            label="missing_term",
            line="dx = dq @ Wq.T + dk @ Wk.T",
        ),
        Wrong(
            "scale of eight",
            old="dscore = dscore / np.sqrt(k.shape[-1])",
            new="dscore = dscore / 2",
            cause="The root of the head's size is written as a 2, which holds for size 4 only.",
            label="hard_coded_size",
            line="dscore = dscore / 2",
            shows="second_size",
        ),
        Wrong(
            "attention weights kept by length",
            source=apply(
                apply(
                    SOURCE,
                    "import numpy as np\n",
                    """import numpy as np

seen = {}
""",
                ),
                "    datt = dy @ v.swapaxes(1, 2)\n",
                "    att = seen.setdefault(att.shape, att)\n    datt = dy @ v.swapaxes(1, 2)\n",
            ),
            cause="The attention weights are remembered by their shape, so a second input gets those of the first.",
            label="state",
            line="att = seen.setdefault(att.shape, att)",
            fair=("dv = att.swapaxes(1, 2) @ dy",),
            shows="second_call",
        ),
    ],
    right=[
        Right(
            "mask applied again",
            old="    dscore = dscore / np.sqrt(k.shape[-1])\n",
            new="    T = x.shape[1]\n    dscore = np.tril(dscore) / k.shape[-1] ** 0.5\n",
        ),
        Right(
            "query by query",
            old="    dscore = att * (datt - (datt * att).sum(axis=-1, keepdims=True))\n",
            new="""    dscore = np.zeros_like(att)
    for b in range(len(att)):
        for t in range(att.shape[1]):
            p = att[b, t, : t + 1]
            dscore[b, t, : t + 1] = (np.diag(p) - np.outer(p, p)) @ datt[b, t, : t + 1]
""",
        ),
        Right(
            "one matrix for the three projections",
            old="""    dWq = np.einsum("btd,bte->de", x, dq)
    dWk = np.einsum("btd,bte->de", x, dk)
    dWv = np.einsum("btd,bte->de", x, dv)
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
""",
            new="""    dqkv = np.concatenate([dq, dk, dv], axis=-1)
    rows = x.reshape(-1, x.shape[-1])
    dWq, dWk, dWv = np.split(rows.T @ dqkv.reshape(len(rows), -1), 3, axis=1)
    dx = dqkv @ np.concatenate([Wq, Wk, Wv], axis=1).T
""",
        ),
    ],
)
