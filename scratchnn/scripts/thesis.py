"""The network of the thesis (Annex D), which several scripts train: 784-500-500-z-500-500-784, with ReLU in between.

The weights start from N(0, 1/fan-in), the biases from N(0, 1/width of the layer), as its code has it.
"""

from __future__ import annotations

import numpy as np

from scratchnn.init import thesis_bias
from scratchnn.layers import Dense, ReLU, Sequential
from scratchnn.likelihoods import Bernoulli, Gaussian, SigmoidMean
from scratchnn.vae import VAE


def thesis_vae(n_x: int, n_hidden: int, n_z: int, rng: np.random.Generator, likelihood: str = "bernoulli") -> VAE:
    """The VAE for images of n_x pixels; likelihood="gaussian" learns a mean and a variance of every pixel."""

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
    if likelihood == "bernoulli":
        decoder = Sequential([*hidden, dense(n_hidden, n_x)])  # logits
        return VAE(encoder, decoder, Bernoulli(), n_z)
    decoder = Sequential([*hidden, dense(n_hidden, 2 * n_x), SigmoidMean()])  # mean and log_var of every pixel
    return VAE(encoder, decoder, Gaussian(), n_z)
