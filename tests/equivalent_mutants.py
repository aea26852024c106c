"""The mutants of python -m tests.mutation_testing that nothing can notice, each with the reason.

A mutant is one line in the place of another; `new` lists those for which the reason is the same.
"""

from __future__ import annotations

from typing import NamedTuple


class Equivalent(NamedTuple):
    module: str
    old: str
    new: tuple[str, ...]
    why: str


AT_0 = "where the logit is 0, e is 1 itself, and so is the larger of the two"
ONE_DRAW = "with one draw, repeating a row once and the sum over one draw are the row: the shortcut saves time only"
ANY_NEGATIVE = "to reshape, NumPy takes any negative size for the one that is left to it"

EQUIVALENT = [
    Equivalent(
        "layers.activations",
        "slope = staticmethod(lambda y: y > 0)",
        ("slope = staticmethod(lambda y: y != 0)",),
        "y = max(x, 0) is never below 0",
    ),
    Equivalent(
        "layers.batch_norm",
        "rest, by_unit = ((0, 2, 3), (slice(None), None, None)) if x.ndim == 4 else ((0,), (slice(None),))",
        ("rest, by_unit = ((0, 2, 3), (slice(None), None, None)) if x.ndim >= 4 else ((0,), (slice(None),))",),
        "x has two dimensions or four: the first line of forward refuses all else",
    ),
    Equivalent(
        "layers.batch_norm",
        "if not 0 < self.eps < inf:",
        ("if not 0 < self.eps != inf:",),
        "only inf is not below inf, but for NaN, which is not above 0 either",
    ),
    Equivalent(
        "layers.dropout",
        "mask[...] = noise >= self.rate",
        ("mask[...] = noise > self.rate",),
        "they differ where a draw is the rate itself, once in 2^24 draws of float32",
    ),
    Equivalent(
        "likelihoods",
        "p = np.maximum(e, outputs >= 0) / (1 + e)",
        ("p = np.maximum(e, outputs > 0) / (1 + e)",),
        AT_0,
    ),
    Equivalent(
        "losses",
        "p = np.maximum(e, logits >= 0) / (1 + e)",
        ("p = np.maximum(e, logits > 0) / (1 + e)",),
        AT_0,
    ),
    Equivalent(
        "likelihoods",
        "return np.heaviside(p - rng.random(outputs.shape), 0).astype(outputs.dtype)",
        (
            "return np.heaviside(p // rng.random(outputs.shape), 0).astype(outputs.dtype)",
            "return np.heaviside(p - rng.random(outputs.shape), -1).astype(outputs.dtype)",
            "return np.heaviside(p - rng.random(outputs.shape), 1).astype(outputs.dtype)",
        ),
        "they differ where the draw is p to the last of its 53 bits, or 0; p // draw is 1 or more where p exceeds it",
    ),
    Equivalent(
        "vae",
        "return rows if self.n_draws == 1 else np.repeat(rows, self.n_draws, axis=0)",
        (
            "return rows if self.n_draws < 1 else np.repeat(rows, self.n_draws, axis=0)",
            "return rows if self.n_draws <= 1 else np.repeat(rows, self.n_draws, axis=0)",
            "return rows if self.n_draws == 0 else np.repeat(rows, self.n_draws, axis=0)",
        ),
        ONE_DRAW,
    ),
    Equivalent(
        "vae",
        "return rows if self.n_draws == 1 else rows.reshape(-1, self.n_draws, *rows.shape[1:]).sum(axis=1)",
        (
            "return rows if self.n_draws < 1 else rows.reshape(-1, self.n_draws, *rows.shape[1:]).sum(axis=1)",
            "return rows if self.n_draws <= 1 else rows.reshape(-1, self.n_draws, *rows.shape[1:]).sum(axis=1)",
            "return rows if self.n_draws == 0 else rows.reshape(-1, self.n_draws, *rows.shape[1:]).sum(axis=1)",
        ),
        ONE_DRAW,
    ),
    Equivalent(
        "vae",
        "return rows if self.n_draws == 1 else rows.reshape(-1, self.n_draws, *rows.shape[1:]).sum(axis=1)",
        (
            "return rows if self.n_draws == 1 else rows.reshape(~1, self.n_draws, *rows.shape[1:]).sum(axis=1)",
            "return rows if self.n_draws == 1 else rows.reshape(- 2, self.n_draws, *rows.shape[1:]).sum(axis=1)",
        ),
        ANY_NEGATIVE,
    ),
    Equivalent(
        "vae",
        "eps = rng.standard_normal((len(x), self.n_draws, self.n_z)).reshape(-1, self.n_z).astype(self.params.dtype)",
        (
            "eps = rng.standard_normal((len(x), self.n_draws, self.n_z)).reshape(~1, self.n_z).astype(self.params.dtype)",
            "eps = rng.standard_normal((len(x), self.n_draws, self.n_z)).reshape(- 2, self.n_z).astype(self.params.dtype)",
        ),
        ANY_NEGATIVE,
    ),
    Equivalent(
        "vae",
        "return dict(zip(self.term_names, self.forward(x, eps), strict=True))",
        ("return dict(zip(self.term_names, self.forward(x, eps), strict=False))",),
        "both are always two",
    ),
    Equivalent(
        "evaluation.levels",
        "narrow = width * (1 + np.abs(middle)) < 1e-5",
        ("narrow = width * ( 2 + np.abs(middle)) < 1e-5",),
        "on either side of the limit both formulas are right to 1e-10",
    ),
    Equivalent(
        "optim",
        "BLOCK = 131_072",
        ("BLOCK = 131073", "BLOCK = 131071"),
        "the size of blocks changes no bit, and an entry more or less no time",
    ),
    Equivalent("optim", "@property", ("",), "a protocol, which only the type checker reads"),
]
