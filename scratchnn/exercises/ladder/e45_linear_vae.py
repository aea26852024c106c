"""The best linear VAE, without training: what the bound can reach at most.

A decoder x = z W + noise, with z (Z,) of N(0, 1) and noise of variance s2 in each of D pixels, gives x a normal density
of mean 0 and covariance C = Wᵀ W + s2 · 1. Its best W and s2 are known (Tipping & Bishop, "Probabilistic principal
component analysis", 1999), and with a linear encoder the ELBO reaches log p(x) (Lucas et al., "Don't blame the ELBO!",
2019). x (N, D) has mean 0 in every column, and Z = 2.

    S             xᵀ x/N, with D eigenvalues λ and their eigenvectors
    s2            the mean of the D − Z smallest eigenvalues: what two directions do not explain
    C             S with its D − Z smallest eigenvalues replaced by s2
    log_density   the mean of log N(x_n; 0, C) over the examples: −½ (D log 2π + log det C + the trace of C⁻¹ S)

Return s2 (a NumPy number), C (D, D) and log_density (a NumPy number). np.linalg.eigh(S) gives the eigenvalues, smallest
first, and the eigenvectors as columns.
"""

import numpy as np

Z = 2


def closed_form(x):
    N, D = x.shape
    # begin solution: s2, C, log_density
    S = x.T @ x / N
    eigenvalues, vectors = np.linalg.eigh(S)
    s2 = np.mean(eigenvalues[: D - Z])
    kept = np.concatenate([np.full(D - Z, s2), eigenvalues[D - Z :]])
    C = (vectors * kept) @ vectors.T
    log_density = -0.5 * (D * np.log(2 * np.pi) + np.sum(np.log(kept)) + D)
    # end solution
    return s2, C, log_density


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts
from scratchnn.machinery.parameters import Array


def facts(q: SimpleNamespace) -> Facts:
    S = q.x.T @ q.x / q.N
    eigenvalues, vectors = np.linalg.eigh(S)
    s2, C, log_density = closed_form(q.x)
    large = vectors[:, q.D - Z :]
    variances = eigenvalues[q.D - Z :]
    wrong = np.mean(eigenvalues[Z:])
    return Facts(
        formulas={
            "s2": {
                "the mean of the D − Z largest eigenvalues: eigh gives the smallest first": np.asarray(wrong),
                "the mean of all eigenvalues": np.mean(eigenvalues),
                "the sum of the smallest, divided by D": s2 * (q.D - Z) / q.D,
                "the sum of the smallest": s2 * (q.D - Z),
                "the smallest eigenvalue alone": eigenvalues[0],
                "with N − 1 in S": s2 * q.N / (q.N - 1),
            },
            "C": {
                "S itself": S,
                "Wᵀ W without s2": (large * (variances - s2)) @ large.T,
                "the large directions without the noise in the others": (large * variances) @ large.T,
                "the large eigenvalues with s2 counted twice": (large * variances) @ large.T + s2 * np.eye(q.D),
                "with N − 1 in S": C * q.N / (q.N - 1),
            },
            "log_density": {
                "without D log 2π": log_density + 0.5 * q.D * np.log(2 * np.pi),
                "without the trace": log_density + 0.5 * q.D,
                "the loss, −log p": -log_density,
                "without the ½": 2 * log_density,
                "log p of C = S": -0.5 * (q.D * np.log(2 * np.pi) + np.sum(np.log(eigenvalues)) + q.D),
            },
        }
    )


def centred(s: SimpleNamespace, rng: np.random.Generator) -> dict[str, Array]:
    x = rng.normal(size=(s.N, s.D)) * rng.uniform(0.5, 3, s.D)
    return {"x": x - x.mean(axis=0)}


EXERCISE = Exercise(
    title="a linear VAE against its closed form",
    function="closed_form",
    sizes=({"N": 17, "D": 5}, {"N": 23, "D": 7}),
    inputs=centred,
    facts=facts,
    hints=(
        "eigh gives the smallest eigenvalue first. Which of the D are the D − Z smallest?",
        "C has the eigenvectors of S. A matrix of eigenvectors V and eigenvalues k is (V * k) @ V.T. log det C is the "
        "sum of log k.",
        "kept holds s2 D − Z times, then the two largest. The trace of C⁻¹ S is D: (D − Z) s2/s2 + 2.",
    ),
    derivation="""
        The trace of C⁻¹ S is the sum of λ_i/k_i. It is 1 for each direction that is kept; the others have s2 as the
        mean of their λ, so they add up to D − Z. Together that is D, so log_density is −½ (D log 2π + Σ log k_i + D).
        No linear VAE of two z does better on these x, however long it is trained: examples/lectures/linear_vae.py
        trains one and comes there.
    """,
)
