"""Scaled dot-product attention of one head, batched, without a mask."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def forward(q, k, v):
    scale = 1.0 / np.sqrt(q.shape[-1])
    scores = q @ k.transpose(0, 2, 1) * scale
    attn = softmax(scores)
    out = attn @ v
    return out, (q, k, v, attn, scale)


def backward(d_out, cache):
    q, k, v, attn, scale = cache
    d_attn = d_out @ v.transpose(0, 2, 1)
    d_v = attn.transpose(0, 2, 1) @ d_out
    d_scores = attn * (d_attn - (d_attn * attn).sum(axis=-1, keepdims=True))
    d_scores = d_scores * scale
    d_q = d_scores @ k
    d_k = d_scores.transpose(0, 2, 1) @ q
    return d_q, d_k, d_v
"""


def problem(rng, size=0):
    b, t, d = ((2, 4, 4), (1, 5, 3))[size]
    return {name: rng.normal(size=(b, t, d)) for name in "qkv"}, ()


FAMILY = Family(
    name="attention",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "scale forgotten",
            old="    d_scores = d_scores * scale\n",
            new="",
            cause="The scores were scaled by 1/sqrt(d) in forward; backward does not scale their gradient.",
            label="factor",
            line="d_q = d_scores @ k",
            fair=("d_scores = attn * (d_attn - (d_attn * attn).sum(axis=-1, keepdims=True))",),
        ),
        Wrong(
            "scale twice",
            old="    d_k = d_scores.transpose(0, 2, 1) @ q",
            new="    d_k = scale * d_scores.transpose(0, 2, 1) @ q",
            cause="The scale is applied to the scores' gradient and once more to the keys'.",
            label="factor",
            line="d_k = scale * d_scores.transpose(0, 2, 1) @ q",
        ),
        Wrong(
            "values not weighted backwards",
            old="d_v = attn.transpose(0, 2, 1) @ d_out",
            new="d_v = attn @ d_out",
            cause="The attention weights are not transposed in the gradient of the values.",
            label="transpose",
            line="d_v = attn @ d_out",
        ),
        Wrong(
            "softmax summed over the queries",
            old="(d_attn * attn).sum(axis=-1, keepdims=True)",
            new="(d_attn * attn).sum(axis=-2, keepdims=True)",
            cause="The softmax's sum runs over the queries, but the weights are normalised over the keys.",
            label="wrong_axis",
            line="d_scores = attn * (d_attn - (d_attn * attn).sum(axis=-2, keepdims=True))",
        ),
        Wrong(
            "keys and values swapped",
            old="return d_q, d_k, d_v",
            new="return d_q, d_v, d_k",
            cause="The gradients of keys and values are returned in the wrong order.",
            label="swapped_returns",
            line="return d_q, d_v, d_k",
        ),
        Wrong(
            "scale of one width",
            old="    d_scores = d_scores * scale\n",
            new="    d_scores = d_scores * 0.5\n",
            cause="The scale is written as 0.5, right for heads of width four only.",
            label="hard_coded_size",
            line="d_scores = d_scores * 0.5",
            shows="second_size",
        ),
        Wrong(
            "rescaled when the norm is large",
            old="    d_scores = d_scores * scale\n",
            new="""    d_scores = d_scores * scale
    norm = np.linalg.norm(d_scores)
    if norm > 100:
        d_scores = d_scores * (100 / norm)
""",
            cause="Gradients with a norm above 100 are scaled down inside backward.",
            label="nonlinear_in_dy",
            line="d_scores = d_scores * (100 / norm)",
            shows="large_dy",
        ),
    ],
    right=[
        Right(
            "with einsum",
            old="""    d_q = d_scores @ k
    d_k = d_scores.transpose(0, 2, 1) @ q
""",
            new="""    d_q = np.einsum("bij,bjd->bid", d_scores, k)
    d_k = np.einsum("bij,bid->bjd", d_scores, q)
""",
        ),
        Right(
            "row sum from the output",
            old="    d_scores = attn * (d_attn - (d_attn * attn).sum(axis=-1, keepdims=True))\n",
            new="""    delta = np.sum(d_out * (attn @ v), axis=-1, keepdims=True)
    d_scores = attn * (d_attn - delta)
""",
        ),
    ],
)
