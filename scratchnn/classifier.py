"""A classifier: a network whose outputs are logits, softmax on top, and the cross-entropy to learn from.

What is learned is the network; softmax and loss have no parameters. The probabilities are those of the loss: a class
with the probability p costs −log p where it is the right one.
"""

from __future__ import annotations

import numpy as np

from scratchnn.layers.layer import Layer, Module
from scratchnn.losses import SoftmaxCrossEntropy
from scratchnn.machinery.memory import Part
from scratchnn.machinery.parameters import Array


class Classifier(Module):
    """Which of C classes x belongs to: x → logits → −log of the probability of the right class.

    Shapes
        x (N, D), labels (N,) whole numbers from 0 to C − 1, loss (N,); the network maps x to logits (N, C).
    Forward
        loss_n = −log p_(n, labels_n)   with p_n = softmax(network(x_n))      `SoftmaxCrossEntropy`
    Backward
        The loss's backward gives dlogits, the network's does the rest.
    Watch
        Accuracy is no loss: it is flat almost everywhere, so nothing can be learned from it; the cross-entropy falls
        on after the last error is gone, and rises again on held-out data while the accuracy there stands still.
    """

    network = Part(Layer)  # x → logits
    loss = Part(SoftmaxCrossEntropy)

    def __init__(self, network: Layer) -> None:
        super().__init__(parts={"network": network, "loss": SoftmaxCrossEntropy()})

    def forward(self, x: Array, labels: Array) -> Array:
        """The cross-entropy of every example (N,)."""
        return self.loss.forward(self.network.forward(x), labels)

    def backward(self, dloss: Array) -> None:
        """Writes the gradients of Σ_n dloss_n loss_n into `grads`; dloss (N,)."""
        self.network.write_gradients(self.loss.backward(dloss))

    def loss_terms(self, batch: tuple[Array, Array], rng: np.random.Generator) -> dict[str, Array]:
        """`forward` of a batch (x, labels), as the training loop wants it; dropout draws for itself."""
        return {"cross_entropy": self.forward(*batch)}

    def probabilities(self, x: Array) -> Array:
        """The probability of every class (N, C)."""
        with self.evaluating():
            return self.loss.mean(self.network.forward(x))

    def __repr__(self) -> str:
        return f"Classifier({self.network!r})"
