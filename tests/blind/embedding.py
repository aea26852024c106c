"""Embedding table with repeated indices, learned positions, mean over the sequence."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, vocab, length, dim, rng):
        self.E = rng.normal(size=(vocab, dim))
        self.P = rng.normal(size=(length, dim))

    def forward(self, scale, ids):
        self.ids = ids
        self.scale = scale
        self.h = self.E[ids] * scale + self.P[: ids.shape[1]]
        return np.tanh(self.h).mean(axis=1)

    def backward(self, dy):
        B, T = self.ids.shape
        D = self.E.shape[1]
        t = np.tanh(self.h)
        dh = np.repeat(dy[:, None, :] / T, T, axis=1) * (1 - t**2)
        self.dP = np.zeros_like(self.P)
        self.dP[:T] = dh.sum(axis=0)
        self.dE = np.zeros_like(self.E)
        np.add.at(self.dE, self.ids, dh * self.scale)
        dscale = (dh * self.E[self.ids]).sum(axis=(0, 1))
        return dscale
"""


def problem(rng, size=0):
    vocab, b, t, d = ((6, 3, 4, 3), (5, 2, 6, 4))[size]
    ids = rng.integers(vocab, size=(b, t))
    ids[0, :3] = ids[0, 0]
    ids[1, 1] = ids[0, 0]
    return {"scale": rng.normal(size=d) + 2}, (ids,)


def make(Layer, rng, size=0):
    return Layer(*((6, 5, 3), (5, 6, 4))[size], rng)


FAMILY = Family(
    name="embedding",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"E": "dE", "P": "dP"},
    wrong=[
        Wrong(
            "fancy indexing adds once",
            old="np.add.at(self.dE, self.ids, dh * self.scale)",
            new="self.dE[self.ids] += dh * self.scale",
            cause="Indexing with repeated indices adds only one of the repeated rows.",
            label="accumulate",
            line="self.dE[self.ids] += dh * self.scale",
        ),
        Wrong(
            "rows assigned",
            old="        np.add.at(self.dE, self.ids, dh * self.scale)",
            new="        for b in range(B):\n            for s in range(T):\n"
            "                self.dE[self.ids[b, s]] = dh[b, s] * self.scale",
            cause="The row of a token is assigned, so the last occurrence replaces the earlier ones.",
            label="accumulate",
            line="self.dE[self.ids[b, s]] = dh[b, s] * self.scale",
        ),
        Wrong(
            "averaged over the occurrences",
            old="        np.add.at(self.dE, self.ids, dh * self.scale)\n",
            new="        np.add.at(self.dE, self.ids, dh * self.scale)\n"
            "        self.dE /= np.maximum(np.bincount(self.ids.ravel(), minlength=len(self.E)), 1)[:, None]\n",
            cause="The rows' gradients are divided by how often each token occurs; they should be sums.",
            label="factor",
            line="self.dE /= np.maximum(np.bincount(self.ids.ravel(), minlength=len(self.E)), 1)[:, None]",
        ),
        Wrong(
            "last position left out",
            old="self.dP[:T] = dh.sum(axis=0)",
            new="self.dP[: T - 1] = dh[:, :-1].sum(axis=0)",
            cause="The last position of the sequence gets no gradient.",
            label="off_by_one",
            line="self.dP[: T - 1] = dh[:, :-1].sum(axis=0)",
        ),
        Wrong(
            "positions averaged over the batch",
            old="self.dP[:T] = dh.sum(axis=0)",
            new="self.dP[:T] = dh.mean(axis=0)",
            cause="The positions are shared by the whole batch: their gradient is a sum, not a mean.",
            label="factor",
            line="self.dP[:T] = dh.mean(axis=0)",
        ),
        Wrong(
            "table's gradient never cleared",
            old="        self.dE = np.zeros_like(self.E)\n        np",
            new="        self.dE = getattr(self, 'dE', np.zeros_like(self.E))\n        np",
            cause="The table's gradient is made once and then only added to, over all calls.",
            label="state",
            line="self.dE = getattr(self, 'dE', np.zeros_like(self.E))",
            fair=("np.add.at(self.dE, self.ids, dh * self.scale)",),
            shows="second_call",
        ),
        Wrong(
            "single precision accumulator",
            old="        self.dE = np.zeros_like(self.E)\n        np",
            new="        self.dE = np.zeros_like(self.E, dtype=np.float32)\n        np",
            cause="The table's gradient is collected in float32.",
            label="precision",
            line="np.add.at(self.dE, self.ids, dh * self.scale)",
            effect=3e-09,
            fair=("self.dE = np.zeros_like(self.E, dtype=np.float32)",),
        ),
    ],
    right=[
        Right(
            "one-hot product",
            old="        np.add.at(self.dE, self.ids, dh * self.scale)\n",
            new="        onehot = np.eye(len(self.E))[self.ids.ravel()]\n"
            "        self.dE = onehot.T @ (dh * self.scale).reshape(-1, D)\n",
        ),
        Right(
            "sorted and reduced",
            old="        np.add.at(self.dE, self.ids, dh * self.scale)\n",
            new="""        flat = self.ids.ravel()
        order = np.argsort(flat, kind="stable")
        tokens, starts = np.unique(flat[order], return_index=True)
        rows = (dh * self.scale).reshape(-1, D)[order]
        self.dE[tokens] = np.add.reduceat(rows, starts, axis=0)
""",
        ),
    ],
)
