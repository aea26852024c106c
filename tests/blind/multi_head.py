"""Multi-head attention with a causal mask: projections in, heads, projection out."""

import numpy as np

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def split(x, heads):
    T, D = x.shape
    return x.reshape(T, heads, D // heads).transpose(1, 0, 2)


def merge(x):
    heads, T, d = x.shape
    return x.transpose(1, 0, 2).reshape(T, heads * d)


def forward(x, Wq, Wk, Wv, Wo, heads):
    T = x.shape[0]
    q, k, v = split(x @ Wq, heads), split(x @ Wk, heads), split(x @ Wv, heads)
    scale = q.shape[-1] ** -0.5
    s = q @ k.swapaxes(1, 2) * scale
    keep = np.tril(np.ones((T, T), dtype=bool))
    s = np.where(keep, s, -1e30)
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    ctx = merge(p @ v)
    return ctx @ Wo, (x, Wq, Wk, Wv, Wo, q, k, v, p, ctx, scale, heads)


def backward(dy, cache):
    x, Wq, Wk, Wv, Wo, q, k, v, p, ctx, scale, heads = cache
    dWo = ctx.T @ dy
    dctx = split(dy @ Wo.T, heads)
    dv = p.swapaxes(1, 2) @ dctx
    dp = dctx @ v.swapaxes(1, 2)
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    ds *= scale
    dq = merge(ds @ k)
    dk = merge(ds.swapaxes(1, 2) @ q)
    dv = merge(dv)
    dWq, dWk, dWv = x.T @ dq, x.T @ dk, x.T @ dv
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    return dx, dWq, dWk, dWv, dWo
"""


def problem(rng, size=0):
    t, d, heads = ((4, 4, 2), (3, 6, 3))[size]
    inputs = {"x": rng.normal(size=(t, d))}
    inputs |= {name: rng.normal(size=(d, d)) / np.sqrt(d) for name in ("Wq", "Wk", "Wv", "Wo")}
    return inputs, (heads,)


FAMILY = Family(
    name="multi_head",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "no path through the keys",
            old="dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T",
            new="dx = dq @ Wq.T + dv @ Wv.T",
            cause="The input reaches the output through queries, keys and values; the keys' path is missing.",
            label="missing_term",
            line="dx = dq @ Wq.T + dv @ Wv.T",
        ),
        Wrong(
            "heads merged without the transpose",
            old="    dv = merge(dv)\n",
            new="    dv = dv.reshape(x.shape)\n",
            cause="The heads' axis is not moved back before the heads are put side by side.",
            label="transpose",
            line="dv = dv.reshape(x.shape)",
        ),
        Wrong(
            "mask upside down",
            old="    ds *= scale\n",
            new="    ds *= scale * np.triu(np.ones(ds.shape[1:]))\n",
            cause="Backward keeps the part above the diagonal, the future; forward keeps the part below it.",
            label="mask",
            line="ds *= scale * np.triu(np.ones(ds.shape[1:]))",
        ),
        Wrong(
            "diagonal masked too",
            old="    ds *= scale\n",
            new="    ds *= scale * np.tril(np.ones(ds.shape[1:]), -1)\n",
            cause="Backward masks the diagonal, where each step looks at itself; forward does not.",
            label="off_by_one",
            line="ds *= scale * np.tril(np.ones(ds.shape[1:]), -1)",
        ),
        Wrong(
            "scale of the whole width",
            old="    ds *= scale\n",
            new="    ds /= np.sqrt(x.shape[1])\n",
            cause="The scores are scaled by the root of the width of a head, not by that of the model.",
            label="wrong_constant",
            line="ds /= np.sqrt(x.shape[1])",
        ),
    ],
    right=[
        Right(
            "mask applied again, which changes nothing",
            old="    ds *= scale\n",
            new="    ds *= scale\n    ds = np.tril(ds)\n",
        ),
        Right(
            "head by head",
            old="""    dp = dctx @ v.swapaxes(1, 2)
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
""",
            new="""    ds = np.zeros_like(p)
    for h in range(heads):
        dp = dctx[h] @ v[h].T
        ds[h] = p[h] * (dp - np.einsum("ij,ij->i", dp, p[h])[:, None])
""",
        ),
    ],
)
