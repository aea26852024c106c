"""The checks that this repository's tests make, as functions that say of any version, right or wrong, what they find.

A gradient check sees a backward pass that does not belong to its forward pass, and nothing else. Every other mistake
needs an oracle: the same number by another way, or a property that the right number has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mistakes.lab import Checked, with_parts
from scratchnn import VAE, Adam, Bernoulli, Dense, Gaussian, ReLU, Sequential
from scratchnn.gradcheck import GradientError, check_model
from scratchnn.machinery.parameters import Array
from scratchnn.vae import KLToStandardNormal, Reparameterise

DRAWS = 200_000
MEAN, VAR = 1.5, 0.25  # what the encoder declares in the two checks by many draws


def small_vae(**changes: Any) -> VAE:
    """A VAE small enough to check each of its gradients, in float64."""
    rng = np.random.default_rng(0)
    encoder = Sequential([Dense(5, 7, rng, b=0.1, dtype=np.float64), ReLU(), Dense(7, 4, rng, b=0.1, dtype=np.float64)])
    model = VAE(encoder, Sequential([Dense(2, 5, rng, b=0.1, dtype=np.float64)]), Bernoulli(), n_z=2)
    return with_parts(model, **changes)


def gradients(**changes: Any) -> Checked:
    """Every gradient of a small VAE against finite differences."""
    rng = np.random.default_rng(1)
    model, x, eps = small_vae(**changes), rng.uniform(0.1, 0.9, (11, 5)), rng.standard_normal((11, 2))
    try:
        check_model(model, x, eps)
    except GradientError as error:
        return Checked(False, str(error).splitlines()[0].removeprefix(f"{model!r}: "))
    return Checked(True, "every gradient agrees with finite differences")


def draws(sampler: Reparameterise) -> Array:
    declared = np.full((DRAWS, 1), MEAN), np.full((DRAWS, 1), np.log(VAR))
    return sampler.forward(*declared, np.random.default_rng(0).standard_normal((DRAWS, 1)))


def variance_of_draws(sampler: Reparameterise) -> Checked:
    """The variance of many draws of z is the one that the encoder declares."""
    found, bar = float(draws(sampler).var()), VAR * np.sqrt(2 / DRAWS)
    return Checked(abs(found - VAR) < 5 * bar, f"variance {found:.4f} of z, declared {VAR} ± {bar:.4f}")


def kl_by_draws(divergence: KLToStandardNormal) -> Checked:
    """KL = E_q[log q(z) − log p(z)], by many draws."""
    from scipy import stats

    z = draws(Reparameterise())
    log_ratios = stats.norm.logpdf(z, MEAN, np.sqrt(VAR)) - stats.norm.logpdf(z)
    estimate, bar = float(log_ratios.mean()), float(log_ratios.std()) / np.sqrt(DRAWS)
    found = float(divergence.forward(np.array([[MEAN]]), np.array([[np.log(VAR)]]))[0])
    return Checked(abs(found - estimate) < 5 * bar, f"KL {found:.4f}, by draws {estimate:.4f} ± {bar:.4f}")


def sum_of_log_probabilities(likelihood: Bernoulli) -> Checked:
    """log p(x|z) of black and white pixels, by SciPy."""
    from scipy import stats

    rng = np.random.default_rng(0)
    logits, x = rng.standard_normal((1, 8)), rng.integers(0, 2, (1, 8)).astype(float)
    found = float(likelihood.forward(logits, x)[0])
    oracle = float(stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-logits))).sum())
    return Checked(abs(found - oracle) < 1e-9, f"log p(x|z) of eight pixels {found:.4f}, by SciPy {oracle:.4f}")


def an_example_alone(**changes: Any) -> Checked:
    """The loss of an example does not depend on the batch it came in."""
    rng = np.random.default_rng(0)
    model, x, eps = small_vae(**changes), rng.random((6, 5)), rng.standard_normal((6, 2))
    in_batch, alone = (float(sum(term[0] for term in model.forward(x[:n], eps[:n]))) for n in (6, 1))
    says = f"one image costs {in_batch:.4f} in a batch of 6, {alone:.4f} alone"
    return Checked(abs(in_batch - alone) < 1e-9, says)


def sure_and_wrong(likelihood: Bernoulli) -> Checked:
    """A black pixel under the logit 40 costs softplus(40) = 40 nats, and the slope there is 1, in float32."""
    logit, black = np.array([[40.0]], np.float32), np.zeros((1, 1), np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = -float(likelihood.forward(logit, black)[0])
        slope = float(likelihood.backward(np.full(1, -1, np.float32))[0, 0])
    return Checked(loss == 40 and slope == 1, f"a black pixel under the logit 40 costs {loss:.4g}, slope {slope:.4g}")


def steps_of_adam(make: Callable[[Any], Adam]) -> Checked:
    """Five steps against Algorithm 1, written down here once more."""

    class OneNumber:
        params, grads = np.ones(1), np.zeros(1)

    adam, theta, m, v = make(OneNumber), 1.0, 0.0, 0.0
    for t, g in enumerate((1.0, -2.0, 3.0, 0.0, 4.0), start=1):
        OneNumber.grads[0] = g
        adam.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta -= 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    moved, right = 1 - float(OneNumber.params[0]), 1 - theta
    return Checked(abs(moved - right) < 1e-12, f"moved by {moved:.3e} in five steps, by hand {right:.3e}")


def known_log_p(cls: type[VAE]) -> Checked:
    """x = z + noise of variance ½: p(x) = N(0, 3/2), and the true posterior N(2x/3, 1/3) makes the ELBO log p(x)."""
    from scipy import stats

    rng = np.random.default_rng(0)
    encoder, decoder = Dense(1, 2, rng, b=np.log([1, 1 / 3]), dtype=np.float64), Dense(1, 2, rng, dtype=np.float64)
    encoder.W, decoder.W, decoder.b = np.array([[2 / 3, 0]]), np.array([[1, 0]]), np.log([1, 1 / 2])
    model = cls(Sequential([encoder]), Sequential([decoder]), Gaussian(), n_z=1)
    x = np.array([[0.8]])
    # −ELBO is quadratic in eps, and the mean of a quadratic over eps = ±1 is its mean over N(0, 1)
    elbo = -float(np.mean([sum(model.forward(x, np.array([[eps]]))) for eps in (-1.0, 1.0)]))
    log_p = float(stats.norm.logpdf(0.8, 0, np.sqrt(3 / 2)))
    return Checked(abs(elbo - log_p) < 1e-9, f"ELBO {elbo:.4f} at the true posterior, log p(x) = {log_p:.4f}")
