"""Optimisers: how a gradient becomes a step.

Each works on the one flat vector of a model, `model.params`, given `model.grads`, so that the code is the algorithm of
its paper. A step writes into `params` in place: the layers' W and b are views of it and follow.

The formulas work entry by entry. Ten NumPy calls over 1.3 million numbers would fetch them from memory ten times, so a
step goes through the vectors in blocks that stay in the processor's cache from the first call to the last. That changes
no bit of the result; and since no block needs another, several threads can share them out (scratchnn/parallel.py):

    step()         begin(), then update(block) for every block

How large a block should be is a matter of two costs. Every call has its own, a part of a microsecond, and more where
two threads call: each has to wait until the other lets go of the interpreter. And a cache has its size. On two threads
blocks of 32,768 entries need a quarter to a half more time than blocks of 131,072 (python -m benchmarks.adam).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from scratchnn.parameters import Array

BLOCK = 131_072  # entries: five blocks of float32 are 2.6 MB


class Model(Protocol):
    """Whatever owns a vector of parameters and one of gradients, both (P,)."""

    @property
    def params(self) -> Array: ...
    @property
    def grads(self) -> Array: ...


def expect_positive(name: str, value: float) -> float:
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a positive, finite number, got {value}")
    return value


class Optimizer:
    """A step as a loop over blocks."""

    model: Model
    lr: float
    update: Callable[[slice], None]  # steps these entries of `params`, given those of `grads`

    def blocks(self, entries: slice) -> list[slice]:
        """These entries of `params`, from entries.start to entries.stop, cut into blocks."""
        starts = range(entries.start, entries.stop, BLOCK)
        return [slice(start, min(start + BLOCK, entries.stop)) for start in starts]

    def begin(self) -> None:
        """What happens once a step, before the first block."""

    def step(self) -> None:
        self.begin()
        for block in self.blocks(slice(0, len(self.model.params))):
            self.update(block)


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

        velocity ← momentum · velocity + g
        params   ← params − lr · velocity

    With momentum μ, a gradient that stays the same moves the parameters by lr/(1 − μ) times itself in the long run;
    with 0, its default, this is plain gradient descent.
    """

    def __init__(self, model: Model, lr: float, momentum: float = 0.0) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, got {momentum}")
        self.model = model
        self.lr, self.momentum = expect_positive("lr", lr), momentum
        self.velocity = np.zeros_like(model.params)

    def update(self, block: slice) -> None:
        params, velocity = self.model.params[block], self.velocity[block]
        velocity *= self.momentum
        velocity += self.model.grads[block]
        params -= self.lr * velocity

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold beside the parameters."""
        return {"velocity": self.velocity}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.velocity[...] = state["velocity"]

    def __repr__(self) -> str:
        return f"SGD(lr={self.lr}, momentum={self.momentum})"


class Adam(Optimizer):
    """Algorithm 1 of Kingma & Ba, "Adam: a method for stochastic optimization", 2015.

    The step is lr · m̂ / (√v̂ + ε), where m̂ and v̂ are weighted means of all gradients so far and of their squares,
    entry by entry; the gradient of k steps ago has the weight β^k, so that old ones are forgotten:

        m̂ = Σ_k β1^k g_(t−k) / Σ_k β1^k,      v̂ = Σ_k β2^k g²_(t−k) / Σ_k β2^k,      k = 0 … t − 1.

    The sums are kept up to date by m ← β1 m + g and v ← β2 v + g²; those of the weights are (1 − β^t)/(1 − β). The
    paper multiplies m, v and the sums of the weights by 1 − β and so has m ← β1 m + (1 − β1) g and m̂ = m/(1 − β1^t),
    its "bias correction"; the means m̂ and v̂ are the same. With w1 and w2 for the sums of the weights,

        lr m̂ / (√v̂ + ε) = lr (m/w1) / (√(v/w2) + ε) = [lr √w2 / w1] · m / (√v + ε √w2).

    (TensorFlow 1, which made the thesis's figures, leaves √(1 − β2^t) out in front of ε: that shows where √v̂ is not
    much larger than ε = 10⁻⁸, and hardly anywhere else.)
    """

    def __init__(
        self, model: Model, lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        for name, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {beta}")
        self.model = model
        self.lr, self.eps = expect_positive("lr", lr), expect_positive("eps", eps)
        self.beta1, self.beta2 = beta1, beta2
        self.t = 0  # counts steps, not epochs
        self.m, self.v = np.zeros_like(model.params), np.zeros_like(model.params)

    def begin(self) -> None:
        self.t += 1

    def update(self, block: slice) -> None:  # Adam Alg. 1
        w1 = (1 - self.beta1**self.t) / (1 - self.beta1)
        w2 = (1 - self.beta2**self.t) / (1 - self.beta2)
        lr, eps = self.lr * w2**0.5 / w1, self.eps * w2**0.5
        g, m, v, params = self.model.grads[block], self.m[block], self.v[block], self.model.params[block]
        m *= self.beta1
        m += g
        v *= self.beta2
        scratch = g * g
        v += scratch
        np.sqrt(v, out=scratch)
        scratch += eps
        np.divide(m, scratch, out=scratch)
        scratch *= lr
        params -= scratch

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold beside the parameters."""
        return {"m": self.m, "v": self.v, "t": self.t}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.m[...], self.v[...], self.t = state["m"], state["v"], int(state["t"])

    def __repr__(self) -> str:
        return f"Adam(lr={self.lr}, beta1={self.beta1}, beta2={self.beta2}, eps={self.eps})"
