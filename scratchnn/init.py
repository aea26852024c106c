"""Initial weights: how large must they be, so that a signal neither dies nor explodes on its way through the layers?

One output of a dense layer is a sum over its m inputs, y_j = Σ_i x_i W_ij. If the x_i have mean square q, and the
W_ij are independent of them and of each other, with mean 0 and variance v, then

    E[y_j²] = Σ_i E[x_i²] E[W_ij²] = m q v.

The mean square is kept, E[y_j²] = q, if v = 1/m: the standard deviation is m^(−1/2), m being the *fan-in*, the number
of connections that feed a unit. With v twice as large a signal grows 2^(10/2) = 32-fold in ten layers.

Backward a gradient meets the same weights in the other direction, dx_i = Σ_j dy_j W_ij, and is kept if v is one over
the number of *outputs*, the *fan-out*. A layer that widens or narrows cannot have both; v = 2/(fan-in + fan-out), the
inverse of their mean, lies between the two.

A ReLU in between sets half of a symmetric signal to 0, and the gradients of the same units with it: in both directions
the mean square is halved. To keep it takes v = 2/m (He et al. 2015). The thesis uses 1/m with ReLU, and with two hidden
layers the factor of ½ a layer does no harm; with ten it leaves a thousandth, both ways
(`examples/lectures/initial_values_and_steps.py`).
"""

from __future__ import annotations

import numpy as np

from scratchnn.machinery.parameters import Array


def lecun_normal(shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    """Draws weights of the given shape from N(0, 1/fan_in), as float64.

    Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp", 1998, §4.6, equation (16), which gives mean and standard
    deviation; that the distribution is normal is the thesis's choice.
    """
    if not fan_in >= 1:
        raise ValueError(f"fan_in counts the connections into a unit and must be at least 1, got {fan_in}")
    return rng.normal(0.0, fan_in**-0.5, shape)  # LeCun98 §4.6


def glorot_uniform(shape: tuple[int, ...], fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """Draws weights of the given shape from the uniform distribution of variance 2/(fan_in + fan_out), as float64.

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010,
    equation (16). Keras starts from it where nothing else is said.
    """
    if not (fan_in >= 1 and fan_out >= 1):
        raise ValueError(
            f"fan_in and fan_out count the connections of a unit and must be at least 1, got {fan_in} and {fan_out}"
        )
    limit = (6 / (fan_in + fan_out)) ** 0.5  # uniform within ± limit has the variance limit²/3
    return rng.uniform(-limit, limit, shape)


def pytorch_uniform(shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    """Draws weights or biases from the uniform distribution within ±fan_in^(−1/2), as float64: PyTorch's default.

    Its variance is limit²/3 = 1/(3 fan_in), a third of what keeps the mean square of a signal: fan_in^(−1/2) would have
    to be the standard deviation, and is the limit. The source code hides that. It asks for He's variance for a leaky
    ReLU, which multiplies what is negative by a slope a and so keeps (1 + a²)/2 of a mean square, v = 2/((1 + a²)
    fan_in); and the slope that it gives is √5, which no layer has, so that v = 2/(6 fan_in).

    Source: torch/nn/modules/linear.py and conv.py, `reset_parameters`; for the √5 pytorch/pytorch, issue 57109.
    """
    if not fan_in >= 1:
        raise ValueError(f"fan_in counts the connections into a unit and must be at least 1, got {fan_in}")
    limit = fan_in**-0.5
    return rng.uniform(-limit, limit, shape)


def thesis_bias(width: int, rng: np.random.Generator) -> Array:
    """Draws the biases (width,) of a layer from N(0, 1/width), as float64: the code of the thesis (Annex D.4).

    A bias has a fan-in of 1, so the rule above would give it a standard deviation of 1. The thesis's text promises
    the fan-in of the layer for the biases too; its code uses the layer's own width, and the code made the figures.
    """
    return lecun_normal((width,), width, rng)  # Thesis §4.2
