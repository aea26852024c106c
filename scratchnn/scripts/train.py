"""Trains the variational autoencoder of the thesis (Annex D): 784-500-500-z-500-500-784 on MNIST.

The weights start from N(0, 1/fan-in), the biases from N(0, 1/width of the layer); ReLU; Adam with α = 1e-3, β1 = 0.9,
β2 = 0.999, ε = 1e-8; batches of 100 of the last 55,000 training images; grey pixels / 255 as Bernoulli targets. The
same code with other sizes trains on the other data sets; the thesis went through the frames of the Frey Face in order.

Beyond the thesis: pixels made black or white (--binarisation), for which alone a Bernoulli likelihood is a probability;
likelihoods of grey pixels (--likelihood): a Gaussian with a learned variance, as in the AEVB paper, a continuous
Bernoulli, a discretised logistic; a learning rate that falls (--lr-final); a random split of a video, which leaks
(--split random); the importance-weighted bound L_K in place of the ELBO (--importance K, scratchnn/iwae.py), all losses
being −L_K then; and a start from the parameters of an earlier run (--from RUN), with a new optimiser and epochs counted
from 1.

The KL may have another weight (--beta), and one that rises in the first epochs (--warm-up). What is minimised then is
reconstruction + β·KL, which is no ELBO. What is measured on held-out images is −ELBO all the same: it can be compared.
With --beta 0 nothing pulls q(z|x) towards N(0, I): an autoencoder with noise, which cannot generate.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn import data
from scratchnn.evaluation import DENSITIES, LatentUse, bernoulli_floor, encode, latent_use, mean_image_loss
from scratchnn.iwae import IWAE
from scratchnn.machinery.extras import MissingExtraError
from scratchnn.machinery.parameters import Array
from scratchnn.optim import Adam
from scratchnn.scripts import cli
from scratchnn.scripts.thesis import LIKELIHOODS, thesis_vae
from scratchnn.training import Trainer, evaluate, runs
from scratchnn.training.after_epoch import falling, keep_snapshots, set_beta, set_learning_rate, warm_up
from scratchnn.training.checkpoints import OtherRunError, best_record, fingerprint, first_difference, take_parameters
from scratchnn.vae import VAE

EPOCHS = {"digits": 100, "mnist": 50, "fashion-mnist": 50, "frey-face": 1000}

EXAMPLES = """\
  scratchnn train                                         embedded digits, 2-D latent space, seconds
  scratchnn train --data mnist --latent 20 --epochs 50    the thesis's experiment 4
  scratchnn train --data mnist --latent 20 --epochs 60 --resume   ten epochs more
  scratchnn train --epochs 1000 --early-stopping 20 --log csv     until the held-out loss stops falling
  scratchnn train --data frey-face --latent 20 --epochs 5000      a video of a face
  scratchnn train --data frey-face --likelihood gaussian          with a likelihood made for grey pixels
  scratchnn train --likelihood discretised-logistic       a probability of grey levels, also in bits per pixel
  scratchnn train --latent 10 --beta 4 --warm-up 20       reconstruction + 4·KL, reached after 20 epochs
  scratchnn train --data mnist --latent 50 --binarisation dynamic --epochs 800 --lr-final 1e-5
  scratchnn train --data mnist --latent 50 --binarisation dynamic --epochs 50 --lr 1e-4 --lr-final 1e-5 \
      --importance 5 --from runs/vae-mnist-dynamic-z50-seed0      trained on, by the importance-weighted bound
In a checkout, python examples/vae.py is the same command.
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(__doc__ or "", EXAMPLES, batch_size=100)
    parser.add_argument("--latent", type=cli.positive_int, default=2, help="latent dimensions (default: 2)")
    parser.add_argument("--hidden", type=cli.positive_int, default=500, help="units of a hidden layer (default: 500)")
    parser.add_argument(
        "--draws", type=cli.positive_int, default=1, metavar="L", help="of z for an image in a step (default: 1)"
    )
    parser.add_argument(
        "--importance", type=cli.positive_int, metavar="K",
        help="train an IWAE: K draws of z for an image, weighted, in place of the ELBO (default: the ELBO)",
    )  # fmt: skip
    parser.add_argument(
        "--from", type=Path, metavar="RUN", dest="start",
        help="start from the parameters of this run, of the same network on the same data",
    )  # fmt: skip
    parser.add_argument(
        "--beta", type=cli.not_negative_float, default=1.0, help="weight of the KL (default: 1, for −ELBO)"
    )
    parser.add_argument(
        "--warm-up", type=cli.positive_int, metavar="EPOCHS", help="in which the weight of the KL rises from 0"
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
    if args.importance is not None and args.draws > 1:
        parser.error("--draws L averages L draws in the ELBO, and --importance K has K draws of its own: leave one out")
    if args.importance is not None and (args.beta != 1 or args.warm_up is not None):
        parser.error("the importance-weighted bound has no KL of its own to weigh: leave out --beta and --warm-up")
    args.epochs = args.epochs or EPOCHS[args.data]
    if args.warm_up is not None and args.warm_up >= args.epochs:
        parser.error(
            f"--warm-up {args.warm_up} leaves none of the {args.epochs} epochs to the full weight of the KL: "
            "take a shorter one, or more --epochs"
        )
    args.out = args.out or Path("runs") / run_name(args)
    if args.shuffle is None:
        args.shuffle = args.data != "frey-face"
    return args


def run_name(args: argparse.Namespace) -> str:
    """The folder is named after the data, the latent dimensions, the seed, and what differs from the thesis's way."""
    choices = ((args.likelihood, "bernoulli"), (args.binarisation, "none"), (args.split, "contiguous"))
    kind = [choice for choice, default in choices if choice != default]
    kind += [f"{args.hidden}-units"] * (args.hidden != 500)
    kind += [f"{args.draws}-draws"] * (args.draws > 1)
    kind += [] if args.importance is None else [f"k{args.importance}"]
    kind += [f"beta{args.beta:g}"] * (args.beta != 1)
    kind += [f"warm-up{args.warm_up}"] * (args.warm_up is not None)
    kind += ["continued"] * (args.start is not None)
    kind += ["early-stopping"] * (args.early_stopping is not None)
    return "-".join([experiment(args.importance), args.data, *kind, f"z{args.latent}", f"seed{args.seed}"])


def experiment(importance: int | None) -> str:
    """What a run is called in its summary and its folder."""
    return "vae" if importance is None else "iwae"


def model_name(model: VAE) -> str:
    """What is trained, in a title."""
    return f"IWAE (K = {model.n_draws})" if isinstance(model, IWAE) else "VAE"


def loss_name(model: VAE) -> str:
    """What is evaluated: minus which bound on log p(x)."""
    return f"−L_{model.n_draws}" if isinstance(model, IWAE) else "−ELBO"


def in_words(model: VAE, losses: dict[str, float]) -> str:
    """A loss by its name, and its terms if there are several."""
    terms = " + ".join(f"{name} {losses[name]:.2f}" for name in losses if name != "loss")
    return f"{loss_name(model)} {losses['loss']:.2f}" + (f" = {terms}" if len(losses) > 2 else "")


def minimised(args: argparse.Namespace) -> str:
    """The loss of the training in words: −ELBO, or what it is instead."""
    if args.importance is not None:
        return f"−L_{args.importance}"
    if args.beta == 1 and args.warm_up is None:
        return "−ELBO"
    if args.warm_up is None:
        return f"reconstruction + {args.beta:g}·KL"
    return f"reconstruction + β·KL, β from 0 to {args.beta:g} in {args.warm_up} epochs"


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, experiment(args.importance), "checkpoint.npz")
    with runs.alone_in(args.out):
        train_one(args)


def train_one(args: argparse.Namespace) -> None:
    """Trains the network of these options, or goes on, and writes what came out."""
    rng = np.random.default_rng(args.seed)
    images = data.load(args.data, args.split)
    runs.check_batch_size(args.batch_size, len(images.train))
    n_pixels, levels = images.train.pixels.shape[1], images.train.max_value + 1
    model = thesis_vae(n_pixels, args.hidden, args.latent, rng, args.likelihood, levels, args.importance)
    weight = warm_up(args.beta, args.warm_up) if args.warm_up else lambda epoch: args.beta
    if args.importance is None:
        model.n_draws, model.beta = args.draws, weight(1)
    start = start_from(model, args) if args.start else None
    train = data.binarise(images.train, args.binarisation, rng)
    validation, test = (data.binarise_held_out(part, args.binarisation) for part in (images.validation, images.test))
    print(images)
    pixels, bound = data.BINARISATIONS[args.binarisation], loss_name(model)
    print(f"targets: {pixels}, {args.likelihood} likelihood; {bound} in nats per image")
    if minimised(args) != bound:
        print(f"minimised: {minimised(args)}; all losses but the train loss are −ELBO (β = 1)")
    if args.beta == 0:
        print("with β = 0 nothing pulls q(z|x) towards N(0, I): an autoencoder with noise, whose samples mean nothing")
    scale = scale_of_losses(images, args.binarisation) if args.likelihood == "bernoulli" else {}
    settings = {
        "data": args.data,
        "split": args.split,
        "shuffle": args.shuffle,
        "binarisation": args.binarisation,
        "schedule": "constant" if args.lr_final is None else f"falls to {args.lr_final} in epoch {args.epochs}",
        "batch_size": args.batch_size,
        "seed": args.seed,
        **({"draws": args.draws} if args.draws > 1 else {}),
        **({"importance": args.importance} if args.importance else {}),
        **({"beta": args.beta} if args.beta != 1 else {}),
        **({"warm_up": args.warm_up} if args.warm_up else {}),
        **({"from": "{run}, {epochs} epochs, parameters {parameters}".format(**start)} if start else {}),
    }
    trainer = runs.trainer(
        args.threads, model, Adam(model, lr=args.lr), rng, settings,
        batch_size=args.batch_size, blas_threads=args.blas_threads,
    )  # fmt: skip
    before = evaluate(model, data.binarise_held_out(images.train, args.binarisation))["loss"]
    first = model.reconstruct(test[:1])
    is_density = isinstance(model.likelihood, DENSITIES)
    if scale:
        floor, mean_image = scale["train_floor"], scale["train_mean_image_loss"]
        print(f"training images: floor {floor:.2f}, one mean image for all {mean_image:.2f}")
    elif is_density:
        print(f"a density of grey levels, not a probability: it has no floor, and {bound} may be negative")
    else:
        alike = n_pixels * math.log(levels)
        print(f"a probability of grey levels: {bound} is at least 0; with all {levels} levels alike it is {alike:.2f}")
    where = f"the network of {args.start}" if start else "untrained network"
    print(f"{where}: {bound} {before:.2f} on the training images")

    after_epoch = [keep_snapshots(lambda: model.reconstruct(test[:1])[0])]
    if args.lr_final is not None:
        after_epoch.append(set_learning_rate(falling(args.lr, args.lr_final, args.epochs)))
    if args.warm_up:
        after_epoch.append(set_beta(model, weight))
    runs.train_in_folder(
        args.out, trainer, train, epochs=args.epochs, batch_size=args.batch_size, held_out=validation,
        strict=args.strict, early_stopping=args.early_stopping, log=args.log,
        shuffle=args.shuffle, after_epoch=after_epoch,
    )  # fmt: skip

    of_model = best_record(trainer.history) if args.early_stopping else trainer.history[-1]
    best = of_model["epoch"] if args.early_stopping else None
    losses, use = evaluate(model, test), latent_use(model, test)
    bits = {} if scale or is_density else {"test_bits_per_pixel": losses["loss"] / (n_pixels * math.log(2))}
    print(
        f"test images, {'best' if args.early_stopping else 'final'} parameters: {in_words(model, losses)}"
        + (f"; floor {scale['test_floor']:.2f}" if scale else "")
        + (f"; {bits['test_bits_per_pixel']:.3f} bits per pixel" if bits else "")
    )
    print(f"active latent dimensions: {use.active.sum()} of {model.n_z}")
    measured = {
        "loss_before" if start else "untrained_loss": before,
        **{name: value for name, value in of_model.items() if name not in ("epoch", "beta", "seconds")},
        **({"best_epoch": best} if best else {}),
        **{f"test_{name}": value for name, value in losses.items()},
        **bits,
        **scale,
        "active_units": int(use.active.sum()),
        "test_kl_per_dimension": use.kl.tolist(),
        "seconds_per_epoch": float(np.median([record["seconds"] for record in trainer.history])),
    }
    settings = {**trainer.settings, "latent": args.latent, "hidden": args.hidden, "likelihood": args.likelihood}
    settings |= {"model": repr(model), "epochs": len(trainer.history)}
    settings |= {"early_stopping": args.early_stopping} if args.early_stopping else {}
    told: dict[str, Any] = {"scaling": f"pixels / {images.train.max_value}"}
    if minimised(args) != bound:
        told["meaning"] = f"train_loss: {minimised(args)}; all other losses: −ELBO (β = 1)"
    if start:
        told["continued_from"] = start
    runs.write_summary(args.out, experiment(args.importance), measured, settings, seed=args.seed, **told)
    untrained = None if start else Untrained(before, first[0])
    pictures = pictures_of(model, use, trainer, train, test, images, scale, untrained, minimised(args), best)
    drawn = draw(pictures, args.out, settings)
    print(f"written to {args.out}: " + ", ".join(["history.json", "summary.json", "checkpoint.npz", *drawn]))


def start_from(model: VAE, args: argparse.Namespace) -> dict[str, Any]:
    """Gives the model the parameters of the run --from; which run, how many epochs it has, and its last losses."""
    try:
        training = take_parameters(model, args.start, ("encoder", "decoder", "likelihood"))
    except OtherRunError as error:
        raise runs.OptionError(
            f"--from {args.start} is of another network: {error.difference}; give the --latent, --hidden and "
            "--likelihood of that run"
        ) from error
    wanted = {name: getattr(args, name) for name in ("data", "split")}
    if difference := first_difference(wanted, {name: training["settings"].get(name) for name in wanted}):
        raise runs.OptionError(f"--from {args.start} has seen other images: {difference}")
    history = training["history"]
    of_model = (best_record(history) if training["settings"].get("early_stopping") else history[-1]) if history else {}
    losses = {name: value for name, value in of_model.items() if name.startswith(("train_", "held_out_"))}
    run = args.start.resolve()
    return {
        "run": (run if run.is_dir() else run.parent).name,
        "epochs": of_model.get("epoch", 0),
        "parameters": fingerprint(model.params),
        **losses,
    }


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


def title_of(model: VAE, settings: Mapping[str, Any], epochs: int, minimised: str, best: int | None) -> str:
    """What all figures of a run say of it; `best` is the epoch that early stopping has kept."""
    seen = f"epochs: {epochs}" + (f", parameters of epoch {best}" if best else "")
    what = (
        f"{model_name(model)} on {settings['data']}, latent dimensions: {model.n_z}, {seen}, seed: {settings['seed']}"
    )
    further = [f"continued from {settings['from'].rpartition(', ')[0]}"] if "from" in settings else []
    further += [f"minimised: {minimised}"] * (minimised != loss_name(model))
    return what + (f"\n{'; '.join(further)}" if further else "")


def pictures_of(
    model: VAE,
    use: LatentUse,
    trainer: Trainer,
    train: Any,
    test: data.Images,
    images: data.DataSet,
    scale: dict[str, float],
    untrained: Untrained | None,
    minimised: str,
    best: int | None,
) -> dict[str, Callable[[Any], Any]]:
    """Figures 21–30 and 34–37 of the thesis, as far as a run with this many latent dimensions has them.

    Each is a function of the module that draws, scratchnn.scripts.figures: their names are known where it is missing.
    """
    settings, image_shape, names = trainer.settings, images.image_shape, images.class_names
    what = title_of(model, settings, len(trainer.history), minimised, best)
    pictures: dict[str, Callable[[Any], Any]] = {
        "loss": lambda figures: figures.loss_curve(
            trainer.iteration_losses, trainer.history, what,
            scale.get("train_floor"), scale.get("train_mean_image_loss"), untrained.loss if untrained else None,
            minimised.split(",")[0], loss_name(model),
        ),
        "kl": lambda figures: figures.latent_use(use.kl, use.active, f"What each latent dimension costs\n{what}"),
        "samples": lambda figures: figures.image_grid(
            model.generate(100, np.random.default_rng(settings["seed"])), image_shape, 10,
            f"Decoded draws of z from N(0, I)\n{what}",
        ),
    }  # fmt: skip
    if untrained:
        progress = np.array([untrained.image, *trainer.snapshots])
        pictures["reconstruction"] = lambda figures: figures.progress_of_one_image(
            test[0], progress, image_shape, f"One test image, as reconstructed after an epoch\n{what}"
        )
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
