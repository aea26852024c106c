"""Trains the variational autoencoder of the thesis (Annex D): 784-500-500-z-500-500-784 on MNIST.

The weights start from N(0, 1/fan-in), the biases from N(0, 1/width of the layer); ReLU; Adam with α = 1e-3, β1 = 0.9,
β2 = 0.999, ε = 1e-8; batches of 100 of the last 55,000 training images; grey pixels / 255 as Bernoulli targets. The
same code with other sizes trains on the other data sets; the thesis went through the frames of the Frey Face in order.

Beyond the thesis: pixels made black or white (--binarisation), for which alone a Bernoulli likelihood is a probability;
likelihoods of grey pixels (--likelihood): a Gaussian with a learned variance, as in the AEVB paper, a continuous
Bernoulli, a discretised logistic; a learning rate that falls (--lr-final); and a random split of a video, which leaks
(--split random).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn import data
from scratchnn.evaluation import DENSITIES, LatentUse, bernoulli_floor, encode, latent_use, mean_image_loss
from scratchnn.machinery.extras import MissingExtraError
from scratchnn.machinery.parameters import Array
from scratchnn.optim import Adam
from scratchnn.scripts import cli
from scratchnn.scripts.thesis import LIKELIHOODS, thesis_vae
from scratchnn.training import Trainer, evaluate, falling, keep_snapshots, runs, set_learning_rate
from scratchnn.vae import VAE

EPOCHS = {"digits": 100, "mnist": 50, "fashion-mnist": 50, "frey-face": 1000}

EXAMPLES = """\
  scratchnn train                                         embedded digits, 2-D latent space, seconds
  scratchnn train --data mnist --latent 20 --epochs 50    the thesis's experiment 4
  scratchnn train --data mnist --latent 20 --epochs 60 --resume   ten epochs more
  scratchnn train --data frey-face --latent 20 --epochs 5000      a video of a face
  scratchnn train --data frey-face --likelihood gaussian          with a likelihood made for grey pixels
  scratchnn train --likelihood discretised-logistic       a probability of grey levels, also in bits per pixel
  scratchnn train --data mnist --latent 50 --binarisation dynamic --epochs 1000 --lr-final 1e-5
In a checkout, python examples/vae.py is the same command.
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(__doc__ or "", EXAMPLES, batch_size=100)
    parser.add_argument("--latent", type=cli.positive_int, default=2, help="latent dimensions (default: 2)")
    parser.add_argument("--hidden", type=cli.positive_int, default=500, help="units of a hidden layer (default: 500)")
    parser.add_argument(
        "--draws", type=cli.positive_int, default=1, metavar="L", help="of z for an image in a step (default: 1)"
    )
    parser.add_argument("--lr", type=cli.positive_float, default=1e-3, help="Adam's step size (default: 0.001)")
    parser.add_argument("--lr-final", type=cli.positive_float, help="let it fall geometrically to this, epoch by epoch")
    parser.add_argument("--likelihood", choices=LIKELIHOODS, default="bernoulli", help="of a pixel")
    parser.add_argument("--binarisation", choices=data.BINARISATIONS, default="none", help="of pixels (default: none)")
    parser.add_argument("--split", choices=("contiguous", "random"), default="contiguous", help="default: contiguous")
    parser.add_argument(
        "--shuffle",
        action=argparse.BooleanOptionalAction,
        help="a new order of the images every epoch (default: yes, except for frey-face)",
    )
    args = parser.parse_args(arguments)
    if args.likelihood != "bernoulli" and args.binarisation != "none":
        parser.error(f"--likelihood {args.likelihood} is for grey pixels: leave --binarisation out")
    if args.lr_final is not None and args.lr_final > args.lr:
        parser.error(f"--lr-final {args.lr_final} is above --lr {args.lr}: the learning rate can only fall")
    args.epochs = args.epochs or EPOCHS[args.data]
    args.out = args.out or Path("runs") / run_name(args)
    if args.shuffle is None:
        args.shuffle = args.data != "frey-face"
    return args


def run_name(args: argparse.Namespace) -> str:
    """The folder is named after the data, the latent dimensions, the seed, and what differs from the thesis's way."""
    choices = ((args.likelihood, "bernoulli"), (args.binarisation, "none"), (args.split, "contiguous"))
    kind = [choice for choice, default in choices if choice != default]
    kind += [f"{args.draws}-draws"] * (args.draws > 1)
    return "-".join(["vae", args.data, *kind, f"z{args.latent}", f"seed{args.seed}"])


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume)
    rng = np.random.default_rng(args.seed)
    images = data.load(args.data, args.split)
    runs.check_batch_size(args.batch_size, len(images.train))
    n_pixels, levels = images.train.pixels.shape[1], images.train.max_value + 1
    model = thesis_vae(n_pixels, args.hidden, args.latent, rng, args.likelihood, levels)
    model.n_draws = args.draws
    train = data.binarise(images.train, args.binarisation, rng)
    validation, test = (data.binarise_held_out(part, args.binarisation) for part in (images.validation, images.test))
    print(images)
    print(f"targets: {data.BINARISATIONS[args.binarisation]}, {args.likelihood} likelihood; −ELBO in nats per image")
    scale = scale_of_losses(images, args.binarisation) if args.likelihood == "bernoulli" else {}
    untrained = evaluate(model, data.binarise_held_out(images.train, args.binarisation))["loss"]
    first = model.reconstruct(test[:1])
    is_density = isinstance(model.likelihood, DENSITIES)
    if scale:
        floor, mean_image = scale["train_floor"], scale["train_mean_image_loss"]
        print(f"training images: floor {floor:.2f}, one mean image for all {mean_image:.2f}")
    elif is_density:
        print("a density of grey levels, not a probability: it has no floor, and −ELBO may be negative")
    else:
        alike = n_pixels * math.log(levels)
        print(f"a probability of grey levels: −ELBO is at least 0; with all {levels} levels alike it is {alike:.2f}")
    print(f"untrained network: loss {untrained:.2f} on the training images")

    settings = {
        "data": args.data,
        "split": args.split,
        "shuffle": args.shuffle,
        "binarisation": args.binarisation,
        "schedule": "constant" if args.lr_final is None else f"falls to {args.lr_final} in epoch {args.epochs}",
        "batch_size": args.batch_size,
        "seed": args.seed,
        **({"draws": args.draws} if args.draws > 1 else {}),
    }
    trainer = runs.trainer(
        args.threads, model, Adam(model, lr=args.lr), rng, settings,
        batch_size=args.batch_size, blas_threads=args.blas_threads,
    )  # fmt: skip
    after_epoch = [keep_snapshots(lambda: model.reconstruct(test[:1])[0])]
    if args.lr_final is not None:
        after_epoch.append(set_learning_rate(falling(args.lr, args.lr_final, args.epochs)))
    runs.train_in_folder(
        args.out, trainer, train, epochs=args.epochs, batch_size=args.batch_size, held_out=validation,
        strict=args.strict,
        shuffle=args.shuffle, after_epoch=after_epoch,
    )  # fmt: skip

    losses, use = evaluate(model, test), latent_use(model, test)
    bits = {} if scale or is_density else {"test_bits_per_pixel": losses["loss"] / (n_pixels * math.log(2))}
    print(
        f"test images, final parameters: loss {losses['loss']:.2f} = reconstruction {losses['reconstruction']:.2f} "
        f"+ kl {losses['kl']:.2f}"
        + (f"; floor {scale['test_floor']:.2f}" if scale else "")
        + (f"; {bits['test_bits_per_pixel']:.3f} bits per pixel" if bits else "")
    )
    print(f"active latent dimensions: {use.active.sum()} of {model.n_z}")
    measured = {
        "untrained_loss": untrained,
        **{name: value for name, value in trainer.history[-1].items() if name not in ("epoch", "seconds")},
        **{f"test_{name}": value for name, value in losses.items()},
        **bits,
        **scale,
        "active_units": int(use.active.sum()),
        "test_kl_per_dimension": use.kl.tolist(),
        "seconds_per_epoch": float(np.median([record["seconds"] for record in trainer.history])),
    }
    settings = {**trainer.settings, "latent": args.latent, "hidden": args.hidden, "likelihood": args.likelihood}
    settings |= {"model": repr(model), "epochs": len(trainer.history)}
    scaling = f"pixels / {images.train.max_value}"
    runs.write_summary(args.out, "vae", measured, settings, seed=args.seed, scaling=scaling)
    start = Untrained(untrained, first[0])
    pictures = pictures_of(model, use, trainer, train, test, images, scale, start)
    drawn = draw(pictures, args.out, settings)
    print(f"written to {args.out}: " + ", ".join(["history.json", "summary.json", "checkpoint.npz", *drawn]))


def scale_of_losses(images: data.DataSet, binarisation: str) -> dict[str, float]:
    """What a Bernoulli loss on these pixels lies between: the floor, and the loss of one mean image for all."""
    scale: dict[str, float] = {}
    for part, grey in (("train", images.train), ("test", images.test)):
        targets = data.binarise_held_out(grey, binarisation)
        scale[f"{part}_floor"], scale[f"{part}_mean_image_loss"] = bernoulli_floor(targets), mean_image_loss(targets)
    return scale


@dataclass(frozen=True)
class Untrained:
    """What a network does before it has learned anything: its loss, and a test image as it reconstructs it."""

    loss: float
    image: Array


def draw(pictures: dict[str, Callable[[Any], Any]], folder: Path, settings: dict[str, Any]) -> list[str]:
    """Draws each picture into a file; the names of these files. Without matplotlib, says which are missing."""
    try:
        from scratchnn.scripts import figures

        for name, picture in pictures.items():
            figures.save(picture(figures), folder / f"{name}.png", settings)
    except MissingExtraError as error:
        print(f"without figures, {', '.join(f'{name}.png' for name in pictures)}: {error}")
        return []
    return [f"{name}.png" for name in pictures]


def pictures_of(
    model: VAE,
    use: LatentUse,
    trainer: Trainer,
    train: Any,
    test: data.Images,
    images: data.DataSet,
    scale: dict[str, float],
    start: Untrained,
) -> dict[str, Callable[[Any], Any]]:
    """Figures 21–30 and 34–37 of the thesis, as far as a run with this many latent dimensions has them.

    Each is a function of the module that draws, scratchnn.scripts.figures: their names are known where it is missing.
    """
    settings, image_shape, names = trainer.settings, images.image_shape, images.class_names
    what = (
        f"VAE on {settings['data']}, latent dimensions: {model.n_z}, epochs: {len(trainer.history)}, "
        f"seed: {settings['seed']}"
    )
    pictures: dict[str, Callable[[Any], Any]] = {
        "loss": lambda figures: figures.loss_curve(
            trainer.iteration_losses, trainer.history, what,
            scale.get("train_floor"), scale.get("train_mean_image_loss"), start.loss,
        ),
        "reconstruction": lambda figures: figures.progress_of_one_image(
            test[0], np.array([start.image, *trainer.snapshots]), image_shape,
            f"One test image, as reconstructed after an epoch\n{what}",
        ),
        "kl": lambda figures: figures.latent_use(use.kl, use.active, f"What each latent dimension costs\n{what}"),
        "samples": lambda figures: figures.image_grid(
            model.generate(100, np.random.default_rng(settings["seed"])), image_shape, 10,
            f"Decoded draws of z from N(0, I)\n{what}",
        ),
    }  # fmt: skip
    if model.n_z in (2, 3) and (test.labels is not None or settings["split"] == "contiguous"):
        # the thesis colours the frames of a video by their time, for which they must be in order
        shown, whose = (train, "training frames") if test.labels is None else (test, "test images")
        means, _ = encode(model, shown)
        caption = f"Means of q(z|x) of the {whose}\n{what}"
        pictures["scatter_3d"] = lambda figures: figures.latent_scatter_3d(means, caption, test.labels, names)
        if model.n_z == 2:
            pictures["scatter"] = lambda figures: figures.latent_scatter(means, caption, test.labels, names)
            pictures["plane"] = lambda figures: figures.images_in_plane(
                means, shown[:], image_shape, f"{whose.capitalize()} where their means lie\n{what}"
            )
    if model.n_z == 2:
        pictures["manifold_linear"] = lambda figures: figures.manifold(
            model.decode, image_shape, f"Decoded 20×20 grid of z over [−3, 3]²\n{what}", "linear"
        )
        pictures["manifold_quantile"] = lambda figures: figures.manifold(
            model.decode, image_shape, f"Decoded 20×20 grid of normal quantiles\n{what}", "quantile"
        )
    return pictures


if __name__ == "__main__":
    cli.run(main)
