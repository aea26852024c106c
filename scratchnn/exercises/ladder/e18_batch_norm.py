"""Batch normalisation in one line: the same function, and all of dx at once.

x and y are (N, D): an example a row. gamma and beta are (D,), and so is std; normed is (N, D). dgamma and dbeta are the
sums of the exercise before, and are written already.

You are given dy (N, D). Return dx (N, D) in one line. It needs dy, normed, std, gamma, N, and the two sums.

Derive it first: put the stages of the exercise before into each other, from dnormed = dy γ to dx.
  - The gradient of mean sums a whole column of dcentred, which has two parts. What does the part that came through the
    variance sum up to? Look at Σ_n centred_nj.
  - So there remain a direct term, one through the mean and one through the variance. Which factor do all three share?
  - centred / std is normed. Written with normed, which sums over the batch occur? Where have you seen them?
Then check: add one number to all x of a column, and y does not change. So what must Σ_n dx_nj be?
"""

import numpy as np

EPS = 1e-5


def forward(x, gamma, beta):
    centred = x - np.mean(x, axis=0)
    std = np.sqrt(np.mean(centred**2, axis=0) + EPS)
    normed = centred / std
    y = gamma * normed + beta
    cache = (normed, std, gamma)
    return y, cache


def backward(dy, cache):
    normed, std, gamma = cache
    N = len(dy)
    dbeta = np.sum(dy, axis=0)
    dgamma = np.sum(dy * normed, axis=0)
    # begin solution: dx
    dx = gamma / (N * std) * (N * dy - dbeta - normed * dgamma)
    # end solution
    return dx, dgamma, dbeta


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise
from scratchnn.exercises.ladder.e17_batch_norm_staged import EXERCISE as STAGED

EXERCISE = Exercise(
    title="eight stages in one line",
    sizes=STAGED.sizes,
    inputs=STAGED.inputs,
    facts=STAGED.facts,
    probes=STAGED.probes,
    hints=(
        "A column of centred sums up to 0, so the variance part of dcentred adds nothing to dmean. Three terms remain, "
        "and all of them have the factor gamma_j / std_j.",
        "dx_nj = gamma_j / std_j (dy_nj − 1/N Σ_m dy_mj − normed_nj 1/N Σ_m dy_mj normed_mj). Both sums have names.",
        "dx = gamma / (N * std) * (N * dy - … - normed * …), with dbeta and dgamma in the gaps.",
    ),
    derivation="""
        dnormed_nj  = dy_nj gamma_j
        dvar_j      = −1/2 Σ_m dnormed_mj centred_mj / std_j³ = −1/(2 std_j²) gamma_j Σ_m dy_mj normed_mj
        dcentred_nj = dnormed_nj / std_j + dvar_j 2 centred_nj / N
                    = gamma_j / std_j (dy_nj − normed_nj 1/N Σ_m dy_mj normed_mj)
        dx_nj       = dcentred_nj − 1/N Σ_m dcentred_mj   and Σ_m normed_mj = 0      so that
                    = gamma_j / std_j (dy_nj − 1/N Σ_m dy_mj − normed_nj 1/N Σ_m dy_mj normed_mj)

        dx = γ / (N std) · (N dy − dbeta − normed · dgamma)      since the sums are dbeta_j and dgamma_j

        In every column the bracket is N times dy without its components along the ones and along normed: the two
        directions in which x can move without moving y (but for EPS).
    """,
)
