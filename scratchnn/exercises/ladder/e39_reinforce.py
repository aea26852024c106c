"""Two gradients of a mean: by the path of z, and by its probability.

z = mean + σ eps with eps from N(0, 1), so z is normal. Wanted is the gradient of the mean of f(z), by `mean`. Here

    f(z_k) = Σ_j (z_kj − c_j)²

and there are K draws: eps and z are (K, Z), a draw a row; mean, σ and c are (Z,). Two ways lead to it:
  - Pathwise. eps is an input, and f is differentiated along z: ∂f(z_k)/∂mean_j. For this f must have a slope.
  - By the score. ∂ log N(z_kj; mean_j, σ_j²)/∂mean_j is called the score, for a z that is held fixed. f times the
    score has the same mean (this is REINFORCE; f may be anything), but every draw is off by much more.
  - A baseline. Whatever number is subtracted from f, the mean stays, if the number does not depend on this draw's z.
    Here it is the mean of f over all the other draws.

Return three arrays (K, Z), one row for each draw: pathwise, score and with_baseline. Not their means over the draws.
"""

import numpy as np


def gradients(mean, sigma, eps, c):
    z = mean + sigma * eps
    f = np.sum((z - c) ** 2, axis=1, keepdims=True)
    # begin solution: pathwise, score, with_baseline
    K = len(eps)
    pathwise = 2 * (z - c)
    slope_of_log = (z - mean) / sigma**2
    score = f * slope_of_log
    others = (np.sum(f) - f) / (K - 1)
    with_baseline = (f - others) * slope_of_log
    # end solution
    return pathwise, score, with_baseline


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    z = q.mean + q.sigma * q.eps
    f = np.sum((z - q.c) ** 2, axis=1, keepdims=True)
    pathwise, score, _ = gradients(q.mean, q.sigma, q.eps, q.c)
    slope = (z - q.mean) / q.sigma**2
    return Facts(
        arrays={"sigma": q.sigma, "f": f, "eps": q.eps},
        formulas={
            "pathwise": {
                "the gradient by sigma": pathwise * q.eps,
                "without the 2 of the square": pathwise / 2,
                "the slope at the mean, not at z": np.broadcast_to(2 * (q.mean - q.c), z.shape),
                "the mean over the draws in every row": np.broadcast_to(pathwise.mean(axis=0), z.shape),
                "f times the score": score,
            },
            "score": {
                "eps times f: eps/sigma is the score": f * q.eps,
                "the score alone, without f": slope,
                "the score with σ where σ² belongs": f * (z - q.mean) / q.sigma,
                "the score of its own term of f alone": (z - q.c) ** 2 * slope,
                "pathwise": pathwise,
            },
            "with_baseline": {
                "a baseline in which the draw itself counts": (f - f.mean()) * slope,
                "the score without a baseline": score,
                "f divided by its mean": f / f.mean() * slope,
                "a baseline that was added": (f + (f.sum() - f) / (len(f) - 1)) * slope,
                "the sum of the others, not their mean": (f - (f.sum() - f)) * slope,
            },
        },
    )


EXERCISE = Exercise(
    title="a gradient of a mean: pathwise, by the score, with a baseline",
    function="gradients",
    sizes=({"K": 7, "Z": 3}, {"K": 11, "Z": 5}),
    inputs=lambda s, rng: {
        "mean": rng.normal(size=s.Z),
        "sigma": rng.uniform(0.5, 2, size=s.Z),
        "eps": rng.normal(size=(s.K, s.Z)),
        "c": rng.normal(size=s.Z),
    },
    facts=facts,
    hints=(
        "If mean_j grows by δ, so does z_kj of every draw. log N has only −(z − mean)²/(2 σ²) that depends on the "
        "mean.",
        "pathwise = 2 (z − c). The score is (z − mean)/σ², which is eps/σ.",
        "with_baseline = (f - others) * (z - mean) / sigma**2 with others = (np.sum(f) - f) / (K - 1).",
    ),
    derivation="""
        Pathwise: z_kj grows as much as mean_j, and f by 2 (z_kj − c_j) times as much.
        Score: ∂/∂mean ∫ N(z; mean, σ²) f(z) dz = ∫ N f ∂ log N/∂mean dz, since ∂N = N ∂ log N. No slope of f is needed.
        A baseline b adds −b times the mean of the score, and that is 0: the probabilities add up to 1 whatever the
        mean. The draw itself must not be in its own b. scratchnn takes the path;
        examples/lectures/pathwise_and_score.py measures the variance of all three.
    """,
)
