"""One case per layer class, loss and likelihood: how to make it, what to feed it, and what it must return.

The tests find every module of the library by themselves; one that has no case here fails the suite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate
import scipy.signal
import scipy.special
import scipy.stats

from scratchnn import grey_likelihoods, iwae, layers, likelihoods, losses, vae
from scratchnn.layers import Module

N = 5  # examples; all other sizes differ from it and from each other


@dataclass
class Case:
    """`make(rng)` builds the layer in float64, `inputs(rng)` and `constants(rng)` what forward takes.

    `oracle(layer, *inputs, *constants)` computes the outputs by other means: another library or a plain loop.
    """

    make: Callable[[np.random.Generator], Module]
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


def batch_norm(rng: np.random.Generator) -> layers.BatchNorm:
    layer = layers.BatchNorm(3, dtype=np.float64)
    layer.gamma, layer.beta = rng.normal(size=3), rng.normal(size=3)
    return layer


def batch_norm_oracle(layer: layers.BatchNorm, x: np.ndarray) -> np.ndarray:
    """Channel by channel, with SciPy's z-scores; eps is told apart from the variance."""
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        numbers = x[:, c].ravel()
        z = scipy.stats.zscore(numbers) * numbers.std() / np.sqrt(numbers.var() + layer.eps)
        y[:, c] = (layer.gamma[c] * z + layer.beta[c]).reshape(x[:, c].shape)
    return y


def sequential_oracle(layer: layers.Sequential, x: np.ndarray) -> np.ndarray:
    first, _, last = layer.layers
    return loop_dense(last, np.tanh(loop_dense(first, x)))


def correlation_oracle(layer: layers.Conv2D, x: np.ndarray, pads: tuple = ((0, 0), (0, 0))) -> np.ndarray:
    """Image by image and channel by channel with SciPy, every window at first, then those that the stride leaves."""
    x = np.pad(x, ((0, 0), (0, 0), *pads))
    down, across = layer.stride
    maps = [
        sum(scipy.signal.correlate2d(image[c], layer.W[f, c], mode="valid") for c in range(layer.c_in)) + layer.b[f]
        for image in x
        for f in range(layer.c_out)
    ]
    return np.reshape(maps, (len(x), layer.c_out, *maps[0].shape))[:, :, ::down, ::across]


def transposed_oracle(layer: layers.ConvTranspose2D, x: np.ndarray) -> np.ndarray:
    """x with zeros between its entries, convolved with SciPy; then the output padding on and the padding off."""
    (N_, _, H, W), (down, across) = x.shape, layer.stride
    apart = np.zeros((*x.shape[:2], (H - 1) * down + 1, (W - 1) * across + 1))
    apart[:, :, ::down, ::across] = x
    top, left = layer.padding
    images = []
    for n, f in np.ndindex(N_, layer.c_out):
        y = sum(scipy.signal.convolve2d(apart[n, c], layer.W[c, f], mode="full") for c in range(layer.c_in))
        y = np.pad(y, [(0, extra) for extra in layer.output_padding])
        images.append(y[top : len(y) - top, left : y.shape[1] - left] + layer.b[f])
    return np.reshape(images, (N_, layer.c_out, *images[0].shape))


def pool_oracle(layer: layers.MaxPool2D, x: np.ndarray) -> np.ndarray:
    (H, W), (KH, KW), (down, across) = x.shape[2:], layer.size, layer.stride
    return np.array(
        [
            [
                [
                    [image[p : p + KH, q : q + KW].max() for q in range(0, W - KW + 1, across)]
                    for p in range(0, H - KH + 1, down)
                ]
                for image in example
            ]
            for example in x
        ]
    )


def images(*shape: int) -> Callable[[np.random.Generator], tuple[np.ndarray, ...]]:
    """Images whose entries all differ by more than a finite difference moves them."""
    return lambda rng: (rng.permutation(np.prod(shape)).reshape(shape) / np.prod(shape) - 0.4,)


def gaussian_oracle(_: Module, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
    mean, log_var = np.split(outputs, 2, axis=1)
    return scipy.stats.norm.logpdf(x, mean, np.sqrt(np.exp(log_var))).sum(axis=1)


def continuous_bernoulli_oracle(_: Module, logits: np.ndarray, x: np.ndarray) -> np.ndarray:
    """For l = −a an exponential variable of rate a, given that it is below 1; for l = a the same of 1 − x."""
    a = np.abs(logits)
    return scipy.stats.truncexpon.logpdf(np.where(logits < 0, x, 1 - x), a, scale=1 / a).sum(axis=1)


def discretised_logistic_oracle(_: Module, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The CDF of what is rounded to 7 levels, at the ends of the bins; the outer ones are at ±∞."""
    mean, log_scale = np.split(outputs, 2, axis=1)
    p = scipy.stats.logistic(mean, np.exp(log_scale))
    return np.log(p.cdf(np.where(x == 1, np.inf, x + 1 / 12)) - p.cdf(np.where(x == 0, -np.inf, x - 1 / 12))).sum(
        axis=1
    )


def kl_oracle(_: Module, mean: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    """KL = ∫ q (log q − log p), by quadrature on a fine grid, dimension by dimension."""
    total = np.zeros(len(mean))
    for n, j in np.ndindex(mean.shape):
        q = scipy.stats.norm(mean[n, j], np.exp(log_var[n, j] / 2))
        t = np.linspace(q.mean() - 12 * q.std(), q.mean() + 12 * q.std(), 20_001)
        total[n] += scipy.integrate.trapezoid(q.pdf(t) * (q.logpdf(t) - scipy.stats.norm.logpdf(t)), t)
    return total


def draw_kl_oracle(_: Module, z: np.ndarray, log_var: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """Of the two densities, with the mean from which this noise leads to z."""
    sigma = np.sqrt(np.exp(log_var))
    log_q = scipy.stats.norm.logpdf(z, loc=z - sigma * eps, scale=sigma)
    return (log_q - scipy.stats.norm.logpdf(z)).sum(axis=1)


CASES: dict[type[Module], Case] = {
    layers.Dense: Case(lambda rng: dense(3, 4, rng), lambda rng: (rng.normal(size=(N, 3)),), loop_dense),
    layers.Sequential: Case(
        lambda rng: layers.Sequential([dense(3, 4, rng), layers.Tanh(), dense(4, 2, rng)]),
        lambda rng: (rng.normal(size=(N, 3)),),
        sequential_oracle,
    ),
    layers.Conv2D: Case(
        lambda rng: layers.Conv2D(
            2, 4, (3, 2), rng, stride=(2, 1), padding=((1, 0), (0, 2)), b=rng.normal(size=4), dtype=np.float64
        ),
        lambda rng: (rng.normal(size=(3, 2, 7, 5)),),
        lambda layer, x: correlation_oracle(layer, x, ((1, 0), (0, 2))),
    ),
    layers.ConvTranspose2D: Case(
        lambda rng: layers.ConvTranspose2D(
            2,
            3,
            (4, 2),
            rng,
            stride=(3, 2),
            padding=(1, 0),
            output_padding=(2, 1),
            b=rng.normal(size=3),
            dtype=np.float64,
        ),
        lambda rng: (rng.normal(size=(3, 2, 4, 5)),),
        transposed_oracle,
    ),
    layers.MaxPool2D: Case(lambda rng: layers.MaxPool2D((3, 2), stride=2), images(3, 2, 7, 5), pool_oracle),
    layers.UpSampling2D: Case(
        lambda rng: layers.UpSampling2D((2, 3)), images(3, 2, 4, 5), lambda _, x: np.kron(x, np.ones((1, 1, 2, 3)))
    ),
    layers.Flatten: Case(
        lambda rng: layers.Flatten(), images(3, 2, 4, 5), lambda _, x: np.array([[*image.flat] for image in x])
    ),
    layers.Reshape: Case(
        lambda rng: layers.Reshape((2, 3, 4)),
        images(N, 24),
        lambda _, x: np.stack([[x[:, 12 * c + 4 * i :][:, :4] for i in range(3)] for c in range(2)]).transpose(
            2, 0, 1, 3
        ),
    ),
    layers.Step: Case(
        lambda rng: layers.Step(),
        away_from_zero(N, 3),
        lambda _, x: np.array([[1.0 if a >= 0 else 0.0 for a in row] for row in x]),
        vanishes=True,
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
    layers.Dropout: Case(
        lambda rng: layers.Dropout(0.3, rng),
        away_from_zero(N, 3),
        lambda layer, x, mask: np.array(
            [[a / 0.7 if kept else 0 for a, kept in zip(*row, strict=True)] for row in zip(x, mask, strict=True)]
        ),
        constants=lambda rng: (rng.random((N, 3)) > 0.3,),
    ),
    layers.BatchNorm: Case(batch_norm, images(4, 3, 5, 2), batch_norm_oracle),
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
    grey_likelihoods.ContinuousBernoulli: Case(
        lambda rng: grey_likelihoods.ContinuousBernoulli(),
        lambda rng: (rng.normal(size=(N, 3)),),
        continuous_bernoulli_oracle,
        constants=lambda rng: (rng.random((N, 3)),),
    ),
    grey_likelihoods.DiscretisedLogistic: Case(
        lambda rng: grey_likelihoods.DiscretisedLogistic(7),
        lambda rng: (np.hstack([rng.uniform(-0.2, 1.2, (N, 3)), rng.normal(-1, 0.5, (N, 3))]),),
        discretised_logistic_oracle,
        constants=lambda rng: (rng.permutation(15).reshape(N, 3) % 7 / 6,),  # every level at least twice
    ),
    vae.Reparameterise: Case(
        lambda rng: vae.Reparameterise(),
        lambda rng: (rng.normal(size=(N, 3)), rng.normal(size=(N, 3))),
        lambda _, mean, log_var, eps: scipy.stats.norm.ppf(
            scipy.stats.norm.cdf(eps), loc=mean, scale=np.sqrt(np.exp(log_var))
        ),
        constants=lambda rng: (rng.normal(size=(N, 3)),),
    ),
    iwae.KLOfOneDraw: Case(
        lambda rng: iwae.KLOfOneDraw(),
        lambda rng: (rng.normal(size=(N, 3)), rng.normal(size=(N, 3))),
        draw_kl_oracle,
        constants=lambda rng: (rng.normal(size=(N, 3)),),
    ),
    vae.KLToStandardNormal: Case(
        lambda rng: vae.KLToStandardNormal(),
        lambda rng: (rng.normal(size=(N, 3)), rng.normal(size=(N, 3))),
        kl_oracle,
    ),
}
