"""The network of the thesis (Annex D), which several scripts train: 784-500-500-z-500-500-784, with ReLU in between.

The weights start from N(0, 1/fan-in), the biases from N(0, 1/width of the layer), as its code has it.
"""

from __future__ import annotations

import numpy as np

from scratchnn.init import thesis_bias
from scratchnn.iwae import IWAE
from scratchnn.layers import Dense, ReLU, Sequential
from scratchnn.likelihoods import Bernoulli, Gaussian, Likelihood, SigmoidMean
from scratchnn.vae import VAE


def thesis_vae(
    n_x: int,
    n_hidden: int,
    n_z: int,
    rng: np.random.Generator,
    likelihood: str = "bernoulli",
    importance: int | None = None,
) -> VAE:
    """The VAE for images of n_x pixels; likelihood="gaussian" learns a mean and a variance of every pixel, and
    importance=K makes it an IWAE of K draws, from the same initial values."""

    def dense(n_in: int, n_out: int) -> Dense:
        return Dense(n_in, n_out, rng, b=thesis_bias(n_out, rng))

    heads_bias = np.concatenate([thesis_bias(n_z, rng), thesis_bias(n_z, rng)])
    encoder = Sequential(
        [
            dense(n_x, n_hidden),
            ReLU(),
            dense(n_hidden, n_hidden),
            ReLU(),
            Dense(n_hidden, 2 * n_z, rng, b=heads_bias),  # mean and log_var, two heads in one product
        ]
    )
    hidden = [dense(n_z, n_hidden), ReLU(), dense(n_hidden, n_hidden), ReLU()]
    pixels: Likelihood
    if likelihood == "bernoulli":
        decoder, pixels = Sequential([*hidden, dense(n_hidden, n_x)]), Bernoulli()  # logits
    else:  # mean and log_var of every pixel
        decoder, pixels = Sequential([*hidden, dense(n_hidden, 2 * n_x), SigmoidMean()]), Gaussian()
    if importance is None:
        return VAE(encoder, decoder, pixels, n_z)
    return IWAE(encoder, decoder, pixels, n_z, importance)
