"""Write the test: which of these KL divergences are right?

`forward(mean, log_var)` should give kl (N,), for each example the KL divergence from q = N(mean, e^(log_var)) to the
standard normal distribution, summed over the columns of mean and log_var (N, Z):

    KL(q ‖ p) = ∫ q(z) (log q(z) − log p(z)) dz      and for several z, the sum over them

Return True if the one you get is right, and False if not. An assertion that fails says False.

The formula of a KL is easily wrong in the same way in the code and in the test. So take the definition instead:
  - For Z = 1, work the integral out as a sum over a fine grid of z, say from −30 to 30.
  - When is a KL 0? Can it be below 0?
  - For Z = 2, what must come out, from two of Z = 1? And does one example depend on another?
"""

import numpy as np


def holds(forward):
    # begin solution: right
    z = np.linspace(-40, 40, 20_001)
    for mean, log_var in ((0.0, 0.0), (1.5, 0.0), (0.0, 1.0), (-0.7, -1.3)):
        v = np.exp(log_var)
        log_q = -0.5 * np.log(2 * np.pi * v) - (z - mean) ** 2 / (2 * v)
        log_p = -0.5 * np.log(2 * np.pi) - z**2 / 2
        kl = np.sum(np.exp(log_q) * (log_q - log_p)) * (z[1] - z[0])
        given = forward(np.array([[mean]]), np.array([[log_var]]))
        assert given.shape == (1,) and np.abs(given[0] - kl) < 1e-6
    mean, log_var = np.random.default_rng(0).normal(size=(2, 5, 3))
    each = [[forward(mean[n : n + 1, [j]], log_var[n : n + 1, [j]])[0] for j in range(3)] for n in range(5)]
    given = forward(mean, log_var)
    right = given.shape == (5,) and np.allclose(given, np.sum(each, axis=1))
    # end solution
    return right


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Judged
from scratchnn.exercises.findings import Case, accepts_and_rejects
from scratchnn.machinery.parameters import Array


def kl(mean: Array, log_var: Array) -> Array:
    return 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)


CASES = [
    Case("the formula", True, (kl,), "this KL is right: is the grid fine and wide enough, and 1e-6 allowed?"),
    Case("written with σ", True,
         (lambda m, s: np.sum(-np.log(np.exp(s / 2)) + (np.exp(s / 2) ** 2 + m**2) / 2 - 0.5, axis=1),),
         "this KL is right, and written in another way: allow a few roundings."),
    Case("without its ½", False, (lambda m, s: 2 * kl(m, s),), "it is twice too large, and 0 where it should be."),
    Case("log_var taken for log σ", False, (lambda m, s: kl(m, 2 * s),),
         "where log_var is 0 it is right: test other variances."),
    Case("−KL", False, (lambda m, s: -kl(m, s),), "it is below 0."),
    Case("from p to q", False,
         (lambda m, s: 0.5 * np.sum((1 + m**2) / np.exp(s) - 1 + s, axis=1),),
         "it is KL(p ‖ q), the other way round. It is 0 where it should be, never below 0, and right for log_var = 0."),
    Case("a mean over the columns", False, (lambda m, s: kl(m, s) / m.shape[1],),
         "for Z = 1 it is right: test several columns."),
    Case("a sum over the examples", False, (lambda m, s: np.full(len(m), kl(m, s).sum()),),
         "for one example it is right: test several."),
    Case("|mean| for mean²", False, (lambda m, s: kl(np.sqrt(np.abs(m)), s),),
         "for a mean of 0, 1 or −1 it is right: test others."),
    Case("without the mean", False, (lambda m, s: kl(0 * m, s),), "for a mean of 0 it is right: test others."),
]  # fmt: skip

EXERCISE = Judged(
    title="write the test that rejects wrong KL divergences",
    function="holds",
    judge=lambda answer, seed: accepts_and_rejects(answer.holds, CASES),
    hints=(
        "np.sum(q * (log_q - log_p)) * (z[1] - z[0]) on a grid of z is the integral. Compare it for Z = 1.",
        "Take a mean that is not 0 or ±1, and a log_var that is not 0. Then several columns, and several examples.",
        "Four pairs of mean and log_var on the grid, then N = 5, Z = 3 against sums of single ones, and the shape "
        "(5,).",
    ),
    derivation="""
        A definition, worked out by brute force on small numbers, is a test that shares no step with the formula. Cases
        with mean 0, variance 1, one column or one example each let a mistake through: take numbers that are nothing
        special. tests/test_vae.py of this library integrates, too.
    """,
)
