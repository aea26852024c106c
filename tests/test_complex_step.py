"""A second opinion on smooth layers, without any subtraction: Im L(x + ih)/h is L′(x) to the last digit for tiny h."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES

from scratchnn import BatchNorm, Dense, Exponential, MeanSquaredError, Sequential, Tanh
from scratchnn.iwae import KLOfOneDraw
from scratchnn.vae import KLToStandardNormal, Reparameterise

H = 1e-30


@pytest.mark.parametrize(
    "cls",
    [
        Dense, Tanh, Exponential, Sequential, BatchNorm, MeanSquaredError, Reparameterise, KLToStandardNormal,
        KLOfOneDraw,
    ],
)  # fmt: skip
def test_smooth_layers_agree_with_the_complex_step(cls, rng):
    """Sigmoid, Softplus and the losses built on them take |x| on their way and are not analytic as written."""
    case = CASES[cls]
    layer, inputs, constants = case.make(rng), case.inputs(rng), case.constants(rng)
    y = layer.forward(*inputs, *constants)
    dy = rng.normal(size=y.shape)
    returned = layer.backward(dy)
    gradients = [*(returned if isinstance(returned, tuple) else (returned,)), layer.grads.copy()]

    twin = layer.astype(np.complex128)
    arrays = [*(x.astype(np.complex128) for x in inputs), twin.params]
    for array, gradient in zip(arrays, gradients, strict=True):
        for index in np.ndindex(array.shape):
            array[index] += 1j * H
            slope = np.sum(dy * twin.forward(*arrays[:-1], *constants)).imag / H
            array[index] -= 1j * H
            # sums of at most 40 products, each with a rounding of its own
            assert abs(slope - gradient[index]) <= 40 * 2.3e-16 * max(1.0, np.abs(gradient).max())
