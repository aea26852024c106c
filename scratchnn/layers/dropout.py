"""Dropout: a network that must not rely on any single unit."""

from __future__ import annotations

import numpy as np

from scratchnn.layers.layer import Layer
from scratchnn.machinery.checks import as_float, expect, expect_generator, type_name
from scratchnn.machinery.parameters import Array


class Dropout(Layer):
    """Units that rely on each other fit the training data together, and fail together on new data.

    So while training every number is set to 0 with probability `rate`; the others are scaled up, to keep the mean.

    Shapes
        x and y alike, any shape; mask, of the same shape, holds True where a number is kept.
    Forward
        In training mode y_k = x_k mask_k / (1 − rate), with mask_k = 1 with probability 1 − rate, so that
        E[y_k] = x_k (*inverted* dropout: the original scales when the network is used instead). In evaluation mode
        y = x. Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout", 2014.
    Backward
        y_k is x_k times a number that does not depend on x, so that number is the derivative:

            dx_k = dy_k mask_k / (1 − rate)      with the very mask of forward; in evaluation mode dx is dy
    Watch
        A mask drawn again in backward gives the gradient of another network. And the loss in training mode is that of
        a network with units missing: it may well lie above the loss on held-out data, which is measured in evaluation
        mode. Without dropout the loss on held-out data may rise while that on the training data still falls.
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        """`rng` draws the masks. Give it the one that training uses, and a checkpoint resumes to the same bits."""
        if not 0 <= np.float32(as_float(rate)) < 1:  # as forward compares it
            raise ValueError(f"Dropout drops numbers with a probability from 0 to below 1, got rate={rate!r}")
        expect_generator("Dropout", rng)
        super().__init__()
        self.rate, self.rng = float(rate), rng

    def forward(self, x: Array, mask: Array | None = None) -> Array:
        """In training mode with fresh noise or, to repeat a pass exactly, with the `mask` given."""
        expect(self, "x", x)
        if not self.training:
            self.cache = (np.ones((), x.dtype), x.shape)
            return x.copy(order="K")
        if mask is None:
            # example by example: a part of a batch has the noise that it has in the whole (training/parallel.py)
            noise = self.rng.random(x.shape, dtype=np.float32)
            mask = np.empty_like(x, dtype=bool)  # in the order that x has in memory
            mask[...] = noise >= self.rate
        elif not isinstance(mask, np.ndarray) or mask.shape != x.shape or mask.dtype != bool:
            raise ValueError(
                f"{self!r} expects a mask, an array {x.shape} of booleans, "
                f"got {type_name(mask)} of shape {np.shape(mask)}"
            )
        scale = mask * x.dtype.type(1 / (1 - self.rate))
        self.cache = (scale, x.shape)
        return x * scale

    def backward(self, dy: Array) -> Array:
        scale, shape = self.take_cache()
        expect(self, "dy", dy, shape)
        return dy * scale

    def __repr__(self) -> str:
        return f"Dropout({self.rate})"
