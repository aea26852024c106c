"""One case per layer class, loss and likelihood: how to make it, what to feed it, and what it must return.

The tests find every subclass of Layer in the library by themselves; one that has no case here fails the suite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate
import scipy.special
import scipy.stats

from scratchnn import layers, likelihoods, losses, vae
from scratchnn.layers import Layer

N = 5  # examples; all other sizes differ from it and from each other


@dataclass
class Case:
    """`make(rng)` builds the layer in float64, `inputs(rng)` and `constants(rng)` what forward takes.

    `oracle(layer, *inputs, *constants)` computes the outputs by other means: another library or a plain loop.
    """

    make: Callable[[np.random.Generator], Layer]
    inputs: Callable[[np.random.Generator], tuple[np.ndarray, ...]]
    oracle: Callable[..., Any]
    constants: Callable[[np.random.Generator], tuple[Any, ...]] = lambda rng: ()
    vanishes: bool = False  # the gradient is zero, and rightly so


def dense(n_in: int, n_out: int, rng: np.random.Generator) -> layers.Dense:
    return layers.Dense(n_in, n_out, rng, b=rng.normal(size=n_out), dtype=np.float64)


def away_from_zero(*shape: int) -> Callable[[np.random.Generator], tuple[np.ndarray, ...]]:
    """Random numbers of both signs, none near the kink or jump that some functions have at 0."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return (rng.choice([-1, 1], shape) * rng.uniform(0.1, 3, shape),)

    return draw


def loop_dense(layer: layers.Dense, x: np.ndarray) -> np.ndarray:
    y = np.empty((len(x), layer.n_out))
    for n in range(len(x)):
        for j in range(layer.n_out):
            y[n, j] = sum(x[n, i] * layer.W[i, j] for i in range(layer.n_in)) + layer.b[j]
    return y


def sequential_oracle(layer: layers.Sequential, x: np.ndarray) -> np.ndarray:
    first, _, last = layer.layers
    return loop_dense(last, np.tanh(loop_dense(first, x)))


def gaussian_oracle(_: Layer, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
    mean, log_var = np.split(outputs, 2, axis=1)
    return scipy.stats.norm.logpdf(x, mean, np.sqrt(np.exp(log_var))).sum(axis=1)


def kl_oracle(_: Layer, mean: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    """KL = ∫ q (log q − log p), by quadrature on a fine grid, dimension by dimension."""
    total = np.zeros(len(mean))
    for n, j in np.ndindex(mean.shape):
        q = scipy.stats.norm(mean[n, j], np.exp(log_var[n, j] / 2))
        t = np.linspace(q.mean() - 12 * q.std(), q.mean() + 12 * q.std(), 20_001)
        total[n] += scipy.integrate.trapezoid(q.pdf(t) * (q.logpdf(t) - scipy.stats.norm.logpdf(t)), t)
    return total


CASES: dict[type[Layer], Case] = {
    layers.Dense: Case(lambda rng: dense(3, 4, rng), lambda rng: (rng.normal(size=(N, 3)),), loop_dense),
    layers.Sequential: Case(
        lambda rng: layers.Sequential([dense(3, 4, rng), layers.Tanh(), dense(4, 2, rng)]),
        lambda rng: (rng.normal(size=(N, 3)),),
        sequential_oracle,
    ),
    layers.Step: Case(
        lambda rng: layers.Step(), away_from_zero(N, 3), lambda _, x: np.heaviside(x, 1.0), vanishes=True
    ),
    layers.Identity: Case(lambda rng: layers.Identity(), away_from_zero(N, 3), lambda _, x: x),
    layers.Tanh: Case(
        lambda rng: layers.Tanh(),
        away_from_zero(N, 3),
        lambda _, x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    ),
    layers.ReLU: Case(lambda rng: layers.ReLU(), away_from_zero(N, 3), lambda _, x: (x + np.abs(x)) / 2),
    layers.Softplus: Case(lambda rng: layers.Softplus(), away_from_zero(N, 3), lambda _, x: np.logaddexp(0, x)),
    layers.Sigmoid: Case(lambda rng: layers.Sigmoid(), away_from_zero(N, 3), lambda _, x: scipy.special.expit(x)),
    layers.Exponential: Case(lambda rng: layers.Exponential(), away_from_zero(N, 3), lambda _, x: np.e**x),
    losses.MeanSquaredError: Case(
        lambda rng: losses.MeanSquaredError(),
        lambda rng: (rng.normal(size=(N, 3)),),
        lambda _, y, t: np.array([sum((a - b) ** 2 for a, b in zip(y[n], t[n], strict=True)) / 3 for n in range(N)]),
        constants=lambda rng: (rng.normal(size=(N, 3)),),
    ),
    losses.BinaryCrossEntropy: Case(
        lambda rng: losses.BinaryCrossEntropy(),
        lambda rng: (rng.normal(size=(N, 3)),),
        lambda _, logits, t: (
            -np.sum(
                scipy.special.xlogy(t, scipy.special.expit(logits))
                + scipy.special.xlogy(1 - t, scipy.special.expit(-logits)),
                axis=1,
            )
        ),
        constants=lambda rng: (rng.random((N, 3)),),
    ),
    losses.SoftmaxCrossEntropy: Case(
        lambda rng: losses.SoftmaxCrossEntropy(),
        lambda rng: (rng.normal(size=(N, 3)),),
        lambda _, logits, labels: -scipy.special.log_softmax(logits, axis=1)[np.arange(N), labels],
        constants=lambda rng: (rng.integers(0, 3, N),),
    ),
    likelihoods.Bernoulli: Case(
        lambda rng: likelihoods.Bernoulli(),
        lambda rng: (rng.normal(size=(N, 3)),),
        lambda _, logits, x: scipy.stats.bernoulli.logpmf(x, scipy.special.expit(logits)).sum(axis=1),
        constants=lambda rng: (rng.integers(0, 2, (N, 3)).astype(float),),
    ),
    likelihoods.SigmoidMean: Case(
        lambda rng: likelihoods.SigmoidMean(),
        lambda rng: (rng.normal(size=(N, 6)),),
        lambda _, x: np.hstack([scipy.special.expit(x[:, :3]), x[:, 3:]]),
    ),
    likelihoods.Gaussian: Case(
        lambda rng: likelihoods.Gaussian(),
        lambda rng: (rng.normal(size=(N, 6)),),
        gaussian_oracle,
        constants=lambda rng: (rng.normal(size=(N, 3)),),
    ),
    vae.Reparameterise: Case(
        lambda rng: vae.Reparameterise(),
        lambda rng: (rng.normal(size=(N, 3)), rng.normal(size=(N, 3))),
        lambda _, mean, log_var, eps: scipy.stats.norm.ppf(
            scipy.stats.norm.cdf(eps), loc=mean, scale=np.sqrt(np.exp(log_var))
        ),
        constants=lambda rng: (rng.normal(size=(N, 3)),),
    ),
    vae.KLToStandardNormal: Case(
        lambda rng: vae.KLToStandardNormal(),
        lambda rng: (rng.normal(size=(N, 3)), rng.normal(size=(N, 3))),
        kl_oracle,
    ),
}
