"""An embedding: every word has a row of a table, and a text looks its rows up.

E (V, D) has one row for each of V words. words (N, M) holds N texts of M words, each a number below V. Forward looks
up: y (N, M, D), with y_nmd = E_(words_nm, d). It is a linear layer for inputs that have one 1, without the zeros.

You are given dy (N, M, D). Return dE (V, D).

Derive it first:
  - Into which entries of y does row v of the table go? So dE_vd is a sum over which places?
  - A word may come twice, in one text or in two. What does dE[words] += dy do in NumPy, when a number comes twice?
  - np.add.at(dE, words, dy) is made for this.
  - What is the gradient of a word that no text has?
"""

import numpy as np


def forward(E, words):
    y = E[words]
    cache = (E, words)
    return y, cache


def backward(dy, cache):
    E, words = cache
    # begin solution: dE
    dE = np.zeros_like(E)
    np.add.at(dE, words, dy)
    # end solution
    return dE


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def facts(q: SimpleNamespace) -> Facts:
    last, first = np.zeros_like(q.E), np.zeros_like(q.E)
    last[q.words] = q.dy
    first[q.words[::-1, ::-1]] = q.dy[::-1, ::-1]
    counts = np.bincount(q.words.ravel(), minlength=q.V)[:, None]
    total = backward(q.dy, (q.E, q.words))
    return Facts(
        masks={"the word comes more than once": np.broadcast_to(counts > 1, q.E.shape)},
        formulas={
            "dE": {
                "each word's last place alone": last,
                "each word's first place alone": first,
                "the mean over a word's places, not the sum": total / np.maximum(counts, 1),
            }
        },
    )


def texts(s: SimpleNamespace, rng: np.random.Generator) -> dict[str, Array]:
    words = rng.integers(1, s.V, (s.N, s.M))
    words[0, 0] = words[0, 1] = words[1, 0]  # one word comes three times, and word 0 in no text
    return {"words": words}


EXERCISE = Exercise(
    title="rows that are looked up, some of them twice",
    sizes=({"V": 7, "N": 2, "M": 3, "D": 5}, {"V": 11, "N": 3, "M": 5, "D": 2}),
    inputs=lambda s, rng: {"E": rng.normal(size=(s.V, s.D))},
    constants=texts,
    facts=facts,
    hints=(
        "Start from zeros of the shape of E. Every place of every text adds its dy to the row of its word.",
        "dE[words] += dy writes once for each row, whatever comes twice: the last one wins.",
        "dE = np.zeros_like(E), then np.add.at(dE, words, dy).",
    ),
    derivation="""
        dE_vd = Σ_nm [words_nm = v] dy_nmd
        Every place of every text gives its dy to one row, and a row that is used twice gets both. A word that no text
        has keeps the gradient 0. The sum over places is what np.add.at does, and += does not.
    """,
)
