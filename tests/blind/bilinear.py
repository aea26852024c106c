"""Bilinear layer: out_k = a W_k b + c_k, by einsum."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(a, b, W, c):
    out = np.einsum("ni,kij,nj->nk", a, W, b) + c
    return out, (a, b, W)


def backward(gout, cache):
    a, b, W = cache
    gW = np.einsum("nk,ni,nj->kij", gout, a, b)
    ga = np.einsum("nk,kij,nj->ni", gout, W, b)
    gb = np.einsum("nk,kij,ni->nj", gout, W, a)
    gc = np.einsum("nk->k", gout)
    return dict(a=ga, b=gb, W=gW, c=gc)
"""


def problem(rng, size=0):
    n, i, j, k = ((3, 3, 3, 3), (2, 3, 4, 5))[size]
    return {
        "a": rng.normal(size=(n, i)),
        "b": rng.normal(size=(n, j)),
        "W": rng.normal(size=(k, i, j)),
        "c": rng.normal(size=k),
    }, ()


def symmetric(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["a"], inputs["b"] = inputs["a"] * 1e4, inputs["b"] * 1e-4
    return inputs, constants


FAMILY = Family(
    name="bilinear",
    source=SOURCE,
    problem=problem,
    keys=("a", "b", "W", "c"),
    wrong=[
        Wrong(
            "indices of W swapped",
            old='ga = np.einsum("nk,kij,nj->ni", gout, W, b)',
            new='ga = np.einsum("nk,kji,nj->ni", gout, W, b)',
            cause="The matrix's two indices are exchanged, which goes unnoticed while it is square.",
            label="transpose",
            line='ga = np.einsum("nk,kji,nj->ni", gout, W, b)',
        ),
        Wrong(
            "the factor itself in place of the other",
            old='gW = np.einsum("nk,ni,nj->kij", gout, a, b)',
            new='gW = np.einsum("nk,ni,nj->kij", gout, b, a)',
            cause="The two inputs have changed places in the outer product.",
            label="wrong_operand",
            line='gW = np.einsum("nk,ni,nj->kij", gout, b, a)',
        ),
        Wrong(
            "batch index left out",
            old='gb = np.einsum("nk,kij,ni->nj", gout, W, a)',
            new='gb = np.einsum("nk,kij,mi->nj", gout, W, a)',
            cause="Two different letters for the batch: the einsum sums over the rows of a.",
            label="wrong_axis",
            line='gb = np.einsum("nk,kij,mi->nj", gout, W, a)',
        ),
        Wrong(
            "mean for the bias",
            old='gc = np.einsum("nk->k", gout)',
            new="gc = gout.mean(axis=0)",
            cause="The bias's gradient is the mean over the batch, not the sum.",
            label="factor",
            line="gc = gout.mean(axis=0)",
        ),
    ],
    right=[
        Right(
            "with matrix products",
            old="""    ga = np.einsum("nk,kij,nj->ni", gout, W, b)
    gb = np.einsum("nk,kij,ni->nj", gout, W, a)
""",
            new="""    M = np.tensordot(gout, W, axes=1)
    ga = (M @ b[:, :, None])[:, :, 0]
    gb = (a[:, None, :] @ M)[:, 0]
""",
        ),
        Right("a of 1e4 and b of 1e-4", problem=symmetric, difficult=True),
        Right(
            "comprehension over the outputs",
            old='gW = np.einsum("nk,ni,nj->kij", gout, a, b)',
            new="gW = np.array([(a * g[:, None]).T @ b for g in gout.T])",
        ),
    ],
)
