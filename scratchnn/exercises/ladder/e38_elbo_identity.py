"""The bound, term by term, where everything can be worked out: log p(x) = ELBO + gap.

Why is there a bound at all? A model with hidden z gives x the probability p(x) = ∫ p(z) p(x|z) dz, and in a network
this integral has no closed form. Here it has: z and x are single numbers,

    p(z) = N(z; 0, 1)      p(x|z) = N(x; z, 1)      q(z|x) = N(z; mean, σ²)   with σ² = e^(log_var)

N(z; m, v) is the normal density of mean m and variance v. q is any guess at where z was, for this x. From
log p(x) = log ∫ q(z|x) p(z) p(x|z)/q(z|x) dz and Jensen's inequality (a logarithm of a mean is at least the mean of the
logarithms) follows log p(x) ≥ ELBO. Return five arrays (N,), one number for each x:

    log_px           log p(x): x is a sum of two independent normal numbers, z and noise
    reconstruction   the mean of log p(x|z) over q
    rate             KL(q ‖ p(z))
    elbo             reconstruction − rate
    gap              KL(q ‖ p(z|x)): the posterior p(z|x) is normal, too, with mean x/2 and variance 1/2

x, mean and log_var are (N,). log N(x; m, v) = −½ log(2π v) − (x − m)²/(2 v). And between two normal densities,
KL = ½ (v_q/v + (m_q − m)²/v − 1 − log(v_q/v)). When all five are right, log_px = elbo + gap, whatever q is.
"""

import numpy as np


def terms(x, mean, log_var):
    # begin solution: log_px, reconstruction, rate, elbo, gap
    v = np.exp(log_var)
    log_px = -0.5 * np.log(2 * np.pi * 2) - x**2 / (2 * 2)
    reconstruction = -0.5 * np.log(2 * np.pi) - 0.5 * ((x - mean) ** 2 + v)
    rate = 0.5 * (v + mean**2 - 1 - log_var)
    elbo = reconstruction - rate
    gap = 0.5 * (v / 0.5 + (mean - x / 2) ** 2 / 0.5 - 1 - np.log(v / 0.5))
    # end solution
    return log_px, reconstruction, rate, elbo, gap


# ==== below this line: for the checker ====

from types import SimpleNamespace

from scratchnn.exercises.exercise import Exercise
from scratchnn.gradcheck.facts import Facts


def facts(q: SimpleNamespace) -> Facts:
    x, m, v = q.x, q.mean, np.exp(q.log_var)
    log_px, reconstruction, rate, elbo, gap = terms(x, m, q.log_var)
    half_log = 0.5 * np.log(2 * np.pi)
    return Facts(
        formulas={
            "log_px": {
                "log p(x) for a variance of 1: x is z plus noise, and variances add up": -half_log - x**2 / 2,
                "the ELBO, which is less than log p(x)": elbo,
                "log p(x) without ½ log(2π)": log_px + half_log,
                "log p(x) without its logarithms": -(x**2) / 4,
            },
            "reconstruction": {
                "log p(x|mean): the mean over q has the spread of z as well": reconstruction + v / 2,
                "log p(x|mean) with the variance of q": -half_log - q.log_var / 2 - (x - m) ** 2 / (2 * v),
                "without ½ log(2π)": reconstruction + half_log,
                "with σ where σ² belongs": reconstruction + v / 2 - np.sqrt(v) / 2,
            },
            "rate": {
                "without its ½": 2 * rate,
                "−KL": -rate,
                "with σ where σ² belongs": rate + (np.sqrt(v) - v) / 2,
                "with log σ where log σ² belongs": rate + q.log_var / 4,
                "KL(p(z) ‖ q), the other way round": 0.5 * (1 / v + m**2 / v - 1 + q.log_var),
            },
            "elbo": {
                "reconstruction + rate": reconstruction + rate,
                "the loss, which is −ELBO": -elbo,
                "log p(x)": log_px,
                "reconstruction, without the rate": reconstruction,
            },
            "gap": {
                "the rate: this is about p(z|x), not p(z)": rate,
                "with a posterior of variance 1": 0.5 * (v + (m - x / 2) ** 2 - 1 - q.log_var),
                "with a posterior of mean x": 0.5 * (2 * v + 2 * (m - x) ** 2 - 1 - np.log(2 * v)),
                "without its ½": 2 * gap,
                "elbo − log_px, the gap with the opposite sign": -gap,
            },
        }
    )


EXERCISE = Exercise(
    title="why there is a bound: log p(x) = ELBO + gap, by hand",
    function="terms",
    sizes=({"N": 7}, {"N": 11}),
    inputs=lambda s, rng: {
        "x": 2 * rng.normal(size=s.N),
        "mean": rng.normal(size=s.N),
        "log_var": rng.normal(size=s.N),
    },
    facts=facts,
    hints=(
        "x = z + noise has mean 0 and variance 2. Over q, (x − z)² has the mean (x − mean)² + σ².",
        "rate is the KL of the task with m = 0 and v = 1, gap with m = x/2 and v = 1/2, both with m_q = mean, v_q = "
        "σ².",
        "reconstruction = −½ log(2π) − ½ ((x − mean)² + σ²); rate = ½ (σ² + mean² − 1 − log_var); and log_px is "
        "−½ log(4π) − x²/4.",
    ),
    derivation="""
        The mean of log p(x|z) over q is −½ log(2π) − ½ ((x − mean)² + σ²), since z has the spread σ² around its mean.
        ELBO and gap have the mean of log q in common, which cancels: the sum has no q in it any more, so it is log
        p(x). The gap is a KL divergence, so at least 0: that is the bound. It is 0 for q = p(z|x) alone. Making the
        ELBO large makes log p(x) large, or q better; the ELBO alone does not say which. scratchnn/vae.py begins with
        this.
    """,
)
