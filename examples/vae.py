"""Trains the variational autoencoder of the thesis (Annex D): 784-500-500-z-500-500-784 on MNIST.

The weights start from N(0, 1/fan-in), the biases from N(0, 1/width of the layer); ReLU; Adam with α = 1e-3, β1 = 0.9,
β2 = 0.999, ε = 1e-8; batches of 100 of the last 55,000 training images; grey pixels / 255 as Bernoulli targets. The
same code with other sizes trains on the other data sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scratchnn import VAE, Adam, Bernoulli, Dense, ReLU, Sequential, cli, data, figures
from scratchnn.evaluation import bernoulli_floor, mean_image_loss
from scratchnn.init import thesis_bias
from scratchnn.training import Trainer, evaluate

EPOCHS = {"digits": 100, "mnist": 50, "fashion-mnist": 50, "frey-face": 1000}

EXAMPLES = """\
  python examples/vae.py                                         embedded digits, 2-D latent space, seconds
  python examples/vae.py --data mnist --latent 20 --epochs 50    the thesis's experiment 4
  python examples/vae.py --data mnist --latent 20 --epochs 60 --resume   ten epochs more
"""


def network(n_x: int, n_hidden: int, n_z: int, rng: np.random.Generator) -> VAE:
    def dense(n_in: int, n_out: int) -> Dense:
        return Dense(n_in, n_out, rng, b=thesis_bias(rng, n_out))

    heads_bias = np.concatenate([thesis_bias(rng, n_z), thesis_bias(rng, n_z)])
    encoder = Sequential(
        [
            dense(n_x, n_hidden),
            ReLU(),
            dense(n_hidden, n_hidden),
            ReLU(),
            Dense(n_hidden, 2 * n_z, rng, b=heads_bias),  # mean and log_var, two heads in one product
        ]
    )
    decoder = Sequential(
        [
            dense(n_z, n_hidden),
            ReLU(),
            dense(n_hidden, n_hidden),
            ReLU(),
            dense(n_hidden, n_x),  # logits
        ]
    )
    return VAE(encoder, decoder, Bernoulli(), n_z)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = cli.training_parser(__doc__ or "", EXAMPLES, batch_size=100)
    parser.add_argument("--latent", type=cli.positive_int, default=2, help="latent dimensions (default: 2)")
    parser.add_argument("--hidden", type=cli.positive_int, default=500, help="units of a hidden layer (default: 500)")
    parser.add_argument("--lr", type=cli.positive_float, default=1e-3, help="Adam's step size (default: 0.001)")
    args = parser.parse_args(arguments)
    epochs = args.epochs or EPOCHS[args.data]
    out = args.out or Path("runs") / f"vae-{args.data}-z{args.latent}-seed{args.seed}"

    images = data.load(args.data)
    if args.batch_size > len(images.train):
        parser.error(f"--batch-size {args.batch_size} is more than the {len(images.train):,} training images")
    floor, mean_image = bernoulli_floor(images.train), mean_image_loss(images.train)
    print(images)
    print("targets: grey pixels in [0, 1], not binarised, Bernoulli likelihood; losses: −ELBO in nats per image")
    print(f"training images: floor {floor:.2f}, one mean image for all {mean_image:.2f}")

    rng = np.random.default_rng(args.seed)
    model = network(images.train.pixels.shape[1], args.hidden, args.latent, rng)
    optimizer = Adam(model, lr=args.lr)
    settings = {"data": args.data, "batch_size": args.batch_size, "seed": args.seed}
    trainer = Trainer(model, optimizer, rng, settings)
    checkpoint = out / "checkpoint.npz"
    cli.prepare_folder(out)
    if args.resume or cli.holds_same_run(checkpoint, trainer.settings):
        trainer.restore(checkpoint)
        done = len(trainer.history)
        print(
            f"{checkpoint} has {done} epochs of this run: " + ("going on" if done < epochs else "nothing left to train")
        )

    watched = images.test[:1]
    trainer.fit(
        images.train,
        epochs=epochs,
        batch_size=args.batch_size,
        held_out=images.validation,
        shuffle=args.data != "frey-face",  # the thesis went through the video in order
        snapshot=lambda: model.reconstruct(watched)[0],
        checkpoint=checkpoint,
    )

    epochs = len(trainer.history)
    test = evaluate(model, images.test)
    test_floor = bernoulli_floor(images.test)
    last = trainer.history[-1]
    print(
        f"test images, final parameters: loss {test['loss']:.2f} = reconstruction {test['reconstruction']:.2f} "
        f"+ kl {test['kl']:.2f}; floor {test_floor:.2f}"
    )
    cli.write_json(out / "history.json", trainer.history)
    cli.write_json(
        out / "summary.json",
        {
            "figures": {
                **{name: value for name, value in last.items() if name.startswith(("train_", "held_out_"))},
                **{f"test_{name}": value for name, value in test.items()},
                "train_floor": floor,
                "train_mean_image_loss": mean_image,
                "test_floor": test_floor,
                "test_mean_image_loss": mean_image_loss(images.test),
                "seconds_per_epoch": float(np.median([record["seconds"] for record in trainer.history])),
            },
            "settings": {**trainer.settings, "latent": args.latent, "hidden": args.hidden, "epochs": epochs},
            "data": {"scaling": f"/ {images.train.white}", "binarisation": "none", "likelihood": "Bernoulli"},
            "seed": args.seed,
            "versions": cli.versions(),
        },
    )

    what = f"VAE on {args.data}, latent dimensions: {args.latent}, epochs: {epochs}, seed: {args.seed}"
    pictures = {
        "loss": figures.loss_curve(trainer.iteration_losses, trainer.history, what, floor, mean_image),
        "reconstruction": figures.progress_of_one_image(
            watched[0],
            np.array(trainer.snapshots),
            images.image_shape,
            f"One test image, as reconstructed after an epoch\n{what}",
        ),
        "samples": figures.image_grid(
            model.sample(100, np.random.default_rng(args.seed)),
            images.image_shape,
            10,
            f"Decoded draws of z from N(0, I)\n{what}",
        ),
    }
    if args.latent == 2:
        means = np.concatenate([model.encode(images.test[i : i + 500])[0] for i in range(0, len(images.test), 500)])
        pictures["scatter"] = figures.latent_scatter(
            means, f"Means of q(z|x) of the test images\n{what}", images.test.labels
        )
        for spacing, caption in (
            ("linear", "Decoded 20×20 grid of z over [−3, 3]²"),
            ("quantile", "Decoded 20×20 grid of normal quantiles"),
        ):
            pictures[f"manifold_{spacing}"] = figures.manifold(
                model.decode, images.image_shape, f"{caption}\n{what}", spacing
            )
    for name, figure in pictures.items():
        figures.save(figure, out / f"{name}.png")
    print(f"written to {out}: history.json, summary.json, checkpoint.npz, {', '.join(f'{p}.png' for p in pictures)}")


if __name__ == "__main__":
    cli.run(main)
