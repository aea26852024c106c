"""Optimisers: how a gradient becomes a step.

Each works on a model's flat vector, `model.params`, given `model.grads`, so the code is the algorithm of its
paper. A step writes into `params` in place: the layers' W and b are views of it.

The formulas work entry by entry. Ten NumPy calls over 1.3 million numbers would fetch them from memory ten times, so a
step goes in blocks that stay in cache. With Numba, long trainings have Adam as one loop (compiled/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from scratchnn.compiled import compilable
from scratchnn.machinery.checks import as_float, as_floats, expect_positive
from scratchnn.machinery.parameters import Array

BLOCK = 131_072  # entries: five blocks of float32 are 2.6 MB


class HasVectors(Protocol):
    """A vector of parameters and one of gradients, both (P,)."""

    @property
    def params(self) -> Array: ...
    @property
    def grads(self) -> Array: ...


class Optimiser:
    """A step as a loop over blocks of `model.params`; `lr` may change between steps."""

    def __init__(self, model: HasVectors, lr: float) -> None:
        self.model = model
        self.lr = expect_positive("lr", lr)

    def begin(self) -> None:
        """Begins a step, given all of `grads`."""
        vars(self).update(as_floats(vars(self)), lr=float(self.lr))

    def update(self, block: slice) -> None:
        """Steps these entries of `params`, given those of `grads`."""
        raise NotImplementedError

    def step(self) -> None:
        self.begin()
        for block in self.blocks(slice(0, len(self.model.params))):
            self.update(block)

    def blocks(self, entries: slice) -> list[slice]:
        """These entries of `params`, cut into blocks."""
        starts = range(entries.start, entries.stop, BLOCK)
        return [slice(start, min(start + BLOCK, entries.stop)) for start in starts]

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside the parameters."""
        return {"lr": self.lr}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes over such a state."""
        self.lr = float(state["lr"])


class SGD(Optimiser):
    """Stochastic gradient descent; the gradient differs from batch to batch, so momentum averages it.

        velocity ← momentum · velocity + g
        params   ← params − lr · velocity

    A gradient that stays the same moves the parameters by lr/(1 − momentum) times itself per step in the long run; with
    0, the default, this is plain gradient descent.
    """

    def __init__(self, model: HasVectors, lr: float, momentum: float = 0.0) -> None:
        super().__init__(model, lr)
        if not 0 <= as_float(momentum) < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, got {momentum!r}")
        self.momentum = float(momentum)
        self.velocity = np.zeros_like(model.params)

    def update(self, block: slice) -> None:
        params, velocity = self.model.params[block], self.velocity[block]
        velocity *= self.momentum
        velocity += self.model.grads[block]
        params -= self.lr * velocity

    def state(self) -> dict[str, Any]:
        return {**super().state(), "velocity": self.velocity}

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        self.velocity[...] = state["velocity"]

    def __repr__(self) -> str:
        return f"SGD(lr={self.lr}, momentum={self.momentum})"


class Adam(Optimiser):
    """One lr for gradients of any size: Algorithm 1 of Kingma & Ba, "Adam: a method for stochastic optimization", 2015.

        m ← β1 m + (1 − β1) g       v ← β2 v + (1 − β2) g²
        m̂ = m / (1 − β1^t)          v̂ = v / (1 − β2^t)
        params ← params − lr m̂ / (√v̂ + ε)

    m and v are weighted means of all gradients so far and of their squares; the gradient of k steps ago has the weight
    (1 − β) β^k. After t steps these weights add up to 1 − β^t, since m and v start from 0: dividing by that sum is the
    "bias correction". The corrections are the same for all entries, so they are applied to lr and ε, as the paper's
    section 2 suggests: with r = √(1 − β2^t), √v̂ + ε = (√v + ε r) / r. In float32 a |g| of 10²¹ makes v infinite, and
    its parameter stands still: `Trainer` ends there.
    """

    def __init__(
        self, model: HasVectors, lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(model, lr)
        for name, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= as_float(beta) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {beta!r}")
        self.beta1, self.beta2, self.eps = float(beta1), float(beta2), expect_positive("eps", eps)
        self.t = 0  # counts steps, not epochs
        self.m, self.v = np.zeros_like(model.params), np.zeros_like(model.params)

    def begin(self) -> None:
        super().begin()
        self.t += 1

    @compilable
    def update(self, block: slice) -> None:  # Adam Alg. 1
        g, m, v, params = self.model.grads[block], self.m[block], self.v[block], self.model.params[block]
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        r = (1 - self.beta2**self.t) ** 0.5
        lr, eps = self.lr * r / (1 - self.beta1**self.t), self.eps * r
        params -= lr * m / (np.sqrt(v) + eps)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "m": self.m, "v": self.v, "t": self.t}

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        self.m[...], self.v[...], self.t = state["m"], state["v"], int(state["t"])

    def __repr__(self) -> str:
        return f"Adam(lr={self.lr}, beta1={self.beta1}, beta2={self.beta2}, eps={self.eps})"
