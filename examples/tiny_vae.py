"""The whole model of the thesis on one screen and a half, from data to samples: start here.

An encoder makes a distribution q(z|x) of an image, a decoder makes an image distribution p(x|z) of a draw z, and one
loss trains both: −log p(x|z) + KL(q(z|x) ‖ N(0, I)), whose mean over draws is an upper bound on −log p(x), in nats. The
derivation is in scratchnn/vae.py, the backward pass of each layer in its class; the complete script, with its options,
checkpoints and figures, is examples/vae.py. This one runs in some seconds and needs no network:

    python examples/tiny_vae.py
"""

import numpy as np

from scratchnn import VAE, Adam, Bernoulli, Dense, ReLU, Sequential, data
from scratchnn.evaluation import bernoulli_floor, mean_image_loss
from scratchnn.scripts import cli
from scratchnn.training import Trainer, evaluate


def show(image: np.ndarray, height: int, width: int) -> str:
    """An image (D,) with values in [0, 1] as lines of characters."""
    levels = (image.reshape(height, width) * 4.99).astype(int)
    return "\n".join("".join(" .:*#"[level] * 2 for level in row) for row in levels)


def main() -> None:
    # Data: 8×8 digits, pixels / 16. Grey pixels are taken as Bernoulli targets, so the loss has a floor above 0.
    digits = data.load("digits")
    n_x, n_hidden, n_z = 64, 500, 2
    print(f"{digits}; floor {bernoulli_floor(digits.train):.2f}, one mean image {mean_image_loss(digits.train):.2f}")

    # Model: the thesis's network, with 64 pixels in place of 784.
    rng = np.random.default_rng(0)
    encoder = Sequential(
        [
            Dense(n_x, n_hidden, rng),
            ReLU(),
            Dense(n_hidden, n_hidden, rng),
            ReLU(),
            Dense(n_hidden, 2 * n_z, rng),  # mean and log_var of q(z|x)
        ]
    )
    decoder = Sequential(
        [
            Dense(n_z, n_hidden, rng),
            ReLU(),
            Dense(n_hidden, n_hidden, rng),
            ReLU(),
            Dense(n_hidden, n_x, rng),  # logits of p(x|z)
        ]
    )
    model = VAE(encoder, decoder, Bernoulli(), n_z)
    print(model)

    # Training: Adam, batches of 100. Each line has the loss on training and on held-out images, and its two terms.
    trainer = Trainer(model, Adam(model, lr=1e-3), rng)
    trainer.fit(digits.train, epochs=30, batch_size=100, held_out=digits.validation)

    # What came out: the loss on test images, a reconstruction, and two new digits.
    losses = evaluate(model, digits.test)
    print("test images: loss {loss:.2f} = reconstruction {reconstruction:.2f} + kl {kl:.2f}".format(**losses))
    x = digits.test[:1]
    pictures = [x[0], model.reconstruct(x)[0], *model.generate(2, rng)]
    rows = zip(*(show(picture, *digits.image_shape).splitlines() for picture in pictures), strict=True)
    print("a test image      its reconstruction   a new digit          another")
    print("\n".join("     ".join(row) for row in rows))


if __name__ == "__main__":
    cli.forgiving_terminal()
    main()
