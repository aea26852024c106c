"""Two networks against each other, a generator and a discriminator; and the loop that trains both at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn import BinaryCrossEntropy
from scratchnn.layers import Layer, Module
from scratchnn.losses import batch_mean
from scratchnn.machinery.checks import expect
from scratchnn.machinery.memory import Part
from scratchnn.machinery.parameters import Array
from scratchnn.training import Trainer
from scratchnn.training.checkpoints import CheckpointError, build, put_arrays, read_checkpoint, verify_arrays

BETA1 = 0.5  # of Adam: with its usual 0.9 the two players answer what the other did long ago (Radford et al. 2016)
CLAIMS = {  # of the student works; they have no figures of a GAN
    "000": "GANs make images of higher quality and realism than VAEs, and are harder to train",
    "001": "VAEs make more varied images; GANs are less stable in training and may suffer mode collapse",
}


class GAN(Module):
    """A generator and a discriminator, each with a loss of its own that depends on both.

    Shapes
        x (N, D) images with pixels in [0, 1]; noise (N, n_z) from N(0, I); fake = generator(noise) (N, D). The
        discriminator maps images to logits (N, 1): P(image) = sigmoid(logit) is the probability it gives to "real".
        Both losses (N,).
    Forward
        The discriminator's loss is the cross-entropy of a classifier with two classes, real and fake,

            discriminator_n = −log P(x_n) − log(1 − P(fake_n)),

        and in a game of zero sum the generator would have −discriminator_n: it can do something about
        log(1 − P(fake_n)) only. As a function of the logit that has the slope −P, which is nearly 0 as long as the
        discriminator is not fooled: just then, when there is most to learn. So the generator gets a loss with the
        same preference and the slope P − 1 instead (Goodfellow et al., "Generative adversarial nets", 2014, §3):

            generator_n = −log P(fake_n).

        Where fakes are distributed as the images are, they cannot be told apart: the best P is ½ everywhere, and the
        losses are 2 log 2 = 1.386 and log 2 = 0.693.
    Backward
        The discriminator's is that of any classifier, with 2N images and the targets 1 and 0. Fakes are data there.
        The generator never sees an image of the data. It learns only how the verdict on its own image would change
        with every pixel of it, and that is the discriminator's dx:

            dlogits = dgenerator (P − 1)                        backward of the cross-entropy with target 1
            dfake   = discriminator.backward(dlogits)           through the opponent, down to the pixels
            generator.backward(dfake).
    Watch
        On the way down the discriminator's dW and db are written too: those of the *generator's* loss. A step along
        them would make the discriminator easier to fool. So the generator's backward comes first, and the
        discriminator's, which overwrites them, second.
        No loss here says how good the images are: each is measured against an opponent that moves.
    """

    generator = Part(Layer)  # noise → image
    discriminator = Part(Layer)  # image → logit of "real"
    loss = Part(BinaryCrossEntropy)

    def __init__(self, generator: Layer, discriminator: Layer, n_z: int) -> None:
        self.n_z = n_z
        super().__init__(parts={"generator": generator, "discriminator": discriminator, "loss": BinaryCrossEntropy()})

    def noise(self, n: int, rng: np.random.Generator) -> Array:
        """What n images are made from, (n, n_z)."""
        return rng.standard_normal((n, self.n_z)).astype(self.params.dtype)

    def generator_loss(self, fake: Array) -> Array:
        """The loss (N,) of what `generator.forward` has just made."""
        logits = self.discriminator.forward(fake)
        return self.loss.forward(logits, np.ones_like(logits))

    def generator_backward(self, dloss: Array) -> None:
        """Writes the gradients of Σ_n dloss_n generator_n into `generator.grads`; dloss (N,)."""
        dlogits = self.loss.backward(dloss)
        dfake = self.discriminator.backward(dlogits)  # what the generator learns from
        self.generator.write_gradients(dfake)

    def discriminator_loss(self, x: Array, fake: Array) -> Array:
        """The loss (N,) on as many images as fakes."""
        expect("the discriminator", "fake", fake, x.shape)
        logits = self.discriminator.forward(np.concatenate([x, fake]))
        targets = np.repeat(np.array([[1], [0]], logits.dtype), len(x), axis=0)
        of_real, of_fake = np.split(self.loss.forward(logits, targets), 2)
        return of_real + of_fake

    def discriminator_backward(self, dloss: Array) -> None:
        """Writes the gradients of Σ_n dloss_n discriminator_n into `discriminator.grads`; dloss (N,)."""
        dlogits = self.loss.backward(np.concatenate([dloss, dloss]))  # of_real + of_fake: both have the factor 1
        self.discriminator.write_gradients(dlogits)

    def loss_terms(self, x: Array, rng: np.random.Generator) -> dict[str, Array]:
        """Both losses with fresh noise, to look at: a step of training is `Game.step`."""
        fake = self.generator.forward(self.noise(len(x), rng))
        return {"discriminator": self.discriminator_loss(x, fake), "generator": self.generator_loss(fake)}

    def backward(self, dloss: Array) -> None:
        """There is none: the two gradients are of two losses. Each player has its own backward above."""
        raise NotImplementedError("a GAN has two losses and a gradient of each: train it with Game")

    def generate(self, noise: Array) -> Array:
        """The images (n, D) made from noise (n, n_z), in evaluation mode."""
        with self.generator.evaluating():
            return self.generator.forward(noise)

    def taken_for_real(self, images: Array) -> float:
        """The mean probability of "real" that the discriminator gives to images (n, D)."""
        with self.discriminator.evaluating():
            return float(self.loss.mean(self.discriminator.forward(images)).mean())

    def __repr__(self) -> str:
        return f"GAN({self.generator!r}, {self.discriminator!r}, n_z={self.n_z})"


class Game(Trainer):
    """The epoch loop with a step for two players, who move at once (Nowozin et al., "f-GAN", 2016, Algorithm 1).

    Each goes down its own loss and takes no account of the other's. So the two gradients side by side are not the
    gradient of anything: there is no hill to go down, and the players may run in circles. In Goodfellow's algorithm
    they take turns; that takes two sets of fakes a step.
    """

    model: GAN

    def step(self, x: Array) -> dict[str, float]:
        gan = self.model
        fake = gan.generator.forward(gan.noise(len(x), self.rng))
        generator, dloss = batch_mean(gan.generator_loss(fake))
        gan.generator_backward(dloss)
        discriminator, dloss = batch_mean(gan.discriminator_loss(x, fake))
        gan.discriminator_backward(dloss)
        self.optimiser.step()  # Adam works entry by entry: one for both vectors is one for each
        return {"loss": discriminator + generator, "discriminator": discriminator, "generator": generator}


def load_gan(run: Path) -> tuple[GAN, dict[str, Any]]:
    """The GAN of a training's folder, and the settings it was trained with; CheckpointError if there is none.

    `load_model` builds models of the library, and this is none; but its two players are.
    """
    path = run / "checkpoint.npz"
    record, arrays = read_checkpoint(path)
    try:
        whole, *rows = record["model"]["modules"]
        n = arrays["model/params"].size
        gan = GAN(player(rows, "generator", n), player(rows, "discriminator", n), whole["settings"]["n_z"])
        verify_arrays(gan, arrays)
        put_arrays(gan, arrays)
        settings: dict[str, Any] = record["training"]["settings"]
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} holds no generator with a discriminator: give the folder of a game") from error
    return gan, settings


def player(rows: Sequence[Mapping[str, Any]], name: str, n_params: int) -> Any:
    """The generator or the discriminator that rows of a checkpoint's table describe; its values are overwritten."""
    its = [{**row, "name": row["name"][len(name) + 1 :]} for row in rows if row["name"].split(".")[0] == name]
    return build(its, np.random.default_rng(0), n_params)


def variety(images: Array) -> float:
    """The root mean square distance between two of the images (n, D). Speckle counts as variety here."""
    return float(np.sqrt(2 * images.var(axis=0, dtype=np.float64).sum()))
