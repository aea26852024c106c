"""The autoencoder: an encoder that writes a code, and a decoder that has to read the image back from it.

No distribution, no KL: the code is a point, and nothing is asked of where the codes lie. So an autoencoder
reconstructs better than a variational one with a code of the same size, and its code is no place to draw new images
from: nothing says what lies between the points.
"""

from __future__ import annotations

import numpy as np

from scratchnn.layers.layer import Layer, Module
from scratchnn.losses import Loss
from scratchnn.machinery.memory import Part
from scratchnn.machinery.parameters import Array


class Autoencoder(Module):
    """A short code for an image, learned without labels: x → code → reconstruction, and a loss between that and x.

    Shapes
        x (N, D); the encoder maps it to a code (N, n_code), the decoder the code to what the loss wants, (N, D): the
        image for `MeanSquaredError`, logits for `BinaryCrossEntropy`. loss (N,).
    Forward
        loss_n = loss(decoder(encoder(x_n)), x_n)      the image is input and target
    Backward
        The loss's backward, then the decoder's, then the encoder's: the code's gradient is what joins them.
    Watch
        Without a code narrower than the image, or noise, the identity is a solution, and nothing is learned.
    """

    encoder = Part(Layer)  # x → code
    decoder = Part(Layer)  # code → image, or its logits
    loss = Part(Loss)

    def __init__(self, encoder: Layer, decoder: Layer, loss: Loss) -> None:
        super().__init__(parts={"encoder": encoder, "decoder": decoder, "loss": loss})

    def forward(self, x: Array) -> Array:
        """The loss of every example (N,)."""
        return self.loss.forward(self.decoder.forward(self.encoder.forward(x)), x)

    def backward(self, dloss: Array) -> None:
        """Writes the gradients of Σ_n dloss_n loss_n into `grads`; dloss (N,)."""
        dcode = self.decoder.backward(self.loss.backward(dloss))
        self.encoder.write_gradients(dcode)

    def loss_terms(self, x: Array, rng: np.random.Generator) -> dict[str, Array]:
        """`forward` as the training loop wants it; what is random in it, dropout, draws for itself."""
        return {"reconstruction": self.forward(x)}

    def encode(self, x: Array) -> Array:
        """The codes (N, n_code)."""
        with self.encoder.evaluating():
            return self.encoder.forward(x)

    def decode(self, code: Array) -> Array:
        """The images (N, D) of codes (N, n_code)."""
        with self.decoder.evaluating():
            outputs = self.decoder.forward(code)
        return self.loss.mean(outputs)

    def reconstruct(self, x: Array) -> Array:
        """The images (N, D) as the autoencoder gives them back, in evaluation mode."""
        return self.decode(self.encode(x))

    def __repr__(self) -> str:
        return f"Autoencoder({self.encoder!r}, {self.decoder!r}, {self.loss!r})"
