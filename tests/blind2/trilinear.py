"""Scores of triples: subject, relation and object are looked up and multiplied with a core tensor."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(E, R, core, triples):
    s, r, o = E[triples[:, 0]], R[triples[:, 1]], E[triples[:, 2]]
    score = np.einsum("ijk,ni,nj,nk->n", core, s, r, o)
    return score, (E, R, core, triples, s, r, o)


def backward(dscore, cache):
    E, R, core, triples, s, r, o = cache
    ds = np.einsum("n,ijk,nj,nk->ni", dscore, core, r, o)
    dr = np.einsum("n,ijk,ni,nk->nj", dscore, core, s, o)
    do = np.einsum("n,ijk,ni,nj->nk", dscore, core, s, r)
    dcore = np.einsum("n,ni,nj,nk->ijk", dscore, s, r, o)
    dE = np.zeros_like(E)
    dR = np.zeros_like(R)
    np.add.at(dE, triples[:, 0], ds)
    np.add.at(dE, triples[:, 2], do)
    np.add.at(dR, triples[:, 1], dr)
    return dE, dR, dcore
"""


def problem(rng, size=0):
    n, e, r, d, k = ((5, 4, 4, 3, 3), (6, 5, 2, 4, 2))[size]
    inputs = {"E": rng.normal(size=(e, d)), "R": rng.normal(size=(r, k)), "core": rng.normal(size=(d, k, d))}
    triples = np.stack([rng.integers(e, size=n), rng.integers(r, size=n), rng.integers(e, size=n)], axis=1)
    triples[1] = triples[0]
    return inputs, (triples,)


FAMILY = Family(
    name="trilinear",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "objects overwrite subjects",
            old="np.add.at(dE, triples[:, 2], do)",
            new="dE[triples[:, 2]] = do",
            cause="The objects' rows are assigned over what the subjects have left there.",
            label="accumulate",
            line="dE[triples[:, 2]] = do",
        ),
        Wrong(
            "repeated relations",
            old="np.add.at(dR, triples[:, 1], dr)",
            new="dR[triples[:, 1]] += dr",
            cause="A relation that occurs in several triples gets only one of their gradients.",
            label="accumulate",
            line="dR[triples[:, 1]] += dr",
        ),
        Wrong(
            "objects' gradient forgotten",
            old="    np.add.at(dE, triples[:, 2], do)\n    np.add.at(dR, triples[:, 1], dr)\n",
            new="    np.add.at(dR, triples[:, 1], dr)\n",
            cause="Entities are looked up as objects too, and that route is missing.",
            label="missing_term",
            line="np.add.at(dE, triples[:, 0], ds)",
            fair=("return dE, dR, dcore",),
        ),
        Wrong(
            "core's first and last axis exchanged",
            old='ds = np.einsum("n,ijk,nj,nk->ni", dscore, core, r, o)',
            new='ds = np.einsum("n,kji,nj,nk->ni", dscore, core, r, o)',
            cause="The core tensor's first and last axes are exchanged in the subjects' gradient.",
            label="transpose",
            line='ds = np.einsum("n,kji,nj,nk->ni", dscore, core, r, o)',
        ),
        Wrong(
            "object in its own gradient",
            old='do = np.einsum("n,ijk,ni,nj->nk", dscore, core, s, r)',
            new='do = np.einsum("n,ijk,ni,nj->nk", dscore, core, o, r)',
            cause="The object's gradient has the subject in it, and here it has the object.",
            label="wrong_operand",
            line='do = np.einsum("n,ijk,ni,nj->nk", dscore, core, o, r)',
        ),
        Wrong(
            "core averaged",
            old='dcore = np.einsum("n,ni,nj,nk->ijk", dscore, s, r, o)',
            new='dcore = np.einsum("n,ni,nj,nk->ijk", dscore, s, r, o) / len(triples)',
            cause="The core's gradient is a mean over the triples, and should be their sum.",
            label="factor",
            line='dcore = np.einsum("n,ni,nj,nk->ijk", dscore, s, r, o) / len(triples)',
        ),
    ],
    right=[
        Right(
            "one-hot products",
            old="    np.add.at(dE, triples[:, 0], ds)\n    np.add.at(dE, triples[:, 2], do)\n",
            new="    eye = np.eye(len(E))\n    dE += eye[triples[:, 0]].T @ ds + eye[triples[:, 2]].T @ do\n",
        ),
        Right(
            "triple by triple",
            old="""    ds = np.einsum("n,ijk,nj,nk->ni", dscore, core, r, o)
    dr = np.einsum("n,ijk,ni,nk->nj", dscore, core, s, o)
    do = np.einsum("n,ijk,ni,nj->nk", dscore, core, s, r)
    dcore = np.einsum("n,ni,nj,nk->ijk", dscore, s, r, o)
    dE = np.zeros_like(E)
    dR = np.zeros_like(R)
    np.add.at(dE, triples[:, 0], ds)
    np.add.at(dE, triples[:, 2], do)
    np.add.at(dR, triples[:, 1], dr)
""",
            new="""    dE, dR, dcore = np.zeros_like(E), np.zeros_like(R), np.zeros_like(core)
    for g, (i, j, k) in zip(dscore, triples):
        M = np.tensordot(R[j], core, axes=(0, 1))
        dE[i] += g * M @ E[k]
        dE[k] += g * E[i] @ M
        dR[j] += g * np.einsum("i,ijk,k->j", E[i], core, E[k])
        dcore += g * E[i][:, None, None] * R[j][None, :, None] * E[k][None, None, :]
""",
        ),
    ],
)
