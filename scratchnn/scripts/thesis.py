"""The network of the thesis (Annex D), which several scripts train: 784-500-500-z-500-500-784, with ReLU in between.

The weights start from N(0, 1/fan-in), the biases from N(0, 1/width of the layer), as its code has it.
"""

from __future__ import annotations

import numpy as np

from scratchnn.grey_likelihoods import ContinuousBernoulli, DiscretisedLogistic
from scratchnn.init import thesis_bias
from scratchnn.iwae import IWAE
from scratchnn.layers import Dense, ReLU, Sequential
from scratchnn.likelihoods import Bernoulli, Gaussian, SigmoidMean
from scratchnn.vae import VAE

LIKELIHOODS = ("bernoulli", "gaussian", "continuous-bernoulli", "discretised-logistic")


def thesis_vae(
    n_x: int,
    n_hidden: int,
    n_z: int,
    rng: np.random.Generator,
    likelihood: str = "bernoulli",
    levels: int = 256,
    importance: int | None = None,
) -> VAE:
    """The VAE for images of n_x pixels, with one of LIKELIHOODS; `levels` of grey are told apart by the last of them.

    Beyond the thesis, "gaussian" and "discretised-logistic" learn two numbers a pixel: where it lies, and how surely;
    and importance=K makes it an IWAE of K draws, from the same initial values.
    """

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
    n_outputs, top, p_x = {
        "bernoulli": (n_x, [], Bernoulli()),
        "gaussian": (2 * n_x, [SigmoidMean()], Gaussian()),
        "continuous-bernoulli": (n_x, [], ContinuousBernoulli()),
        "discretised-logistic": (2 * n_x, [], DiscretisedLogistic(levels)),
    }[likelihood]
    hidden = [dense(n_z, n_hidden), ReLU(), dense(n_hidden, n_hidden), ReLU()]
    decoder = Sequential([*hidden, dense(n_hidden, n_outputs), *top])
    if importance is None:
        return VAE(encoder, decoder, p_x, n_z)
    return IWAE(encoder, decoder, p_x, n_z, importance)
