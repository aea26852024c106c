"""Dense autoencoders of MNIST with a code of 8 numbers and of 2; what a ReLU behind the code does to it, and PCA.

The notebook that is reproduced (003, Keras) trains two networks on all 70,000 images, with ReLU behind *every* layer,
the code and the output included, and the mean squared error on pixels from 0 to 255:

    8 numbers   784-256-128-64-8-64-128-784          Adam 0.0005, batches of 64, 20 epochs     loss 3808.1 → 1755.8
    2 numbers   784-256-128-64-16-2-16-64-128-784    Adam 0.001, batches of 256, 40 epochs     loss 3181.5 → 2842.8

So does this script, with Keras's defaults: weights uniform within ±√(6/(fan-in + fan-out)) (Glorot & Bengio 2010),
biases 0, ε of Adam 1e-7, a new order of the images every epoch. No image is kept back, so every figure here is one of
training images. The error of the final parameters stands beside train_loss, which is the mean over the batches of an
epoch while the parameters change. What Keras 3 prints is a mean of running means (keras-team/keras, issue 20212): too
high in the first epoch, and close to train_loss in the last. So the 3181.5 that it prints for the first epoch with 2
numbers, followed by a slow decline, is no first epoch: a network that has learned nothing has an error of about 7,270,
and its loss in the first epoch is above 4,500. Most likely the cell had been run before, and its 40 epochs
come on top of others; ours are 40 in all. Besides, much depends on the seed. Often one of the two numbers is dead
at the start or dies in the first steps, and the loss rests on a plateau above the error of one mean image, as with seed
0 for ten epochs.
examples/dense_autoencoder_seeds.py trains from many seeds, and lays the document's epochs beside those of runs that
start with both numbers alive.

*Dead units.* A ReLU is 0 for every input whose sum is negative. A unit for which that is so with all images of the data
gets no gradient: it is dead. In the first layer, whose inputs are fixed, plain gradient descent never changes it again.
In a higher layer it may come back, since the layers below it change, and Adam's steps go on for a while after the last
gradient; but nothing pulls it back. In a wide layer one unit less is no loss. In a code of 8 numbers, or of 2, it is a
number less; and a dead pixel of the output is black in all reconstructions. So each network is trained three times from
the same initial values:

    relu            as in the document
    linear-code     without the ReLU behind the code, and nothing else changed: the cure for the code
    linear-output   without the ReLU behind the output as well: how much of the rest was dead pixels?

Two errors give the scale: that of one mean image for all; and that of PCA, the smallest of all autoencoders with linear
layers and a code of this size. For images of fewer pixels the layers are narrower.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared.documents import NOTEBOOK_LOSSES
from shared.series import History, write_results

from scratchnn import Adam, Autoencoder, data
from scratchnn.evaluation import PrincipalComponents, encode, principal_components, reconstruction_error
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import drawing
from scratchnn.scripts.student_works import (
    DENSE_BATCH_SIZES,
    DENSE_LEARNING_RATES,
    KERAS_EPS,
    all_images,
    dense_autoencoder,
)
from scratchnn.training import runs

EPOCHS = {8: 20, 2: 40}
DIGITS_BATCH_SIZES, DIGITS_EPOCHS = {8: 16, 2: 16}, {8: 50, 2: 80}  # as many steps as a minute has
KINDS = {
    "relu": "ReLU behind every layer, as in the document",
    "linear-code": "no ReLU behind the code",
    "linear-output": "no ReLU behind the code and the output",
}
COLOURS = dict(zip(KINDS, ("#bd1f01", "#3f90da", "#832db6"), strict=True))
SHOWN = 16  # images, the first ones, as in the document
ROWS = 1000  # images that pass through a network at once, outside of training

EXAMPLES = """\
  python examples/dense_autoencoder.py                              embedded digits, smaller networks, under a minute
  python examples/dense_autoencoder.py --data mnist                 the document's two networks, each in three kinds
  python examples/dense_autoencoder.py --data mnist --seed 1        do the same units die again?
"""


def dead_pixels(model: Autoencoder, images: data.Images) -> tuple[int, float]:
    """Pixels that are 0 in all reconstructions though not in all images: how many, and what of the error is theirs."""
    lit, ink = np.zeros(images.pixels.shape[1], bool), np.zeros(images.pixels.shape[1])
    for start in range(0, len(images), ROWS):
        x = images[start : start + ROWS]
        lit |= (model.reconstruct(x) != 0).any(axis=0)
        ink += np.sum(x**2, axis=0, dtype=np.float64)
    dead = ~lit & (ink > 0)
    return int(dead.sum()), float(ink[dead].sum()) / images.pixels.size


def score(model: Autoencoder, history: History, images: data.Images, n_steps: int) -> dict[str, Any]:
    """What is reported of one network; `n_steps` is the number of steps in an epoch."""
    used = encode(model, images) != 0  # a linear number is 0 by accident only
    n_dead_pixels, their_error = dead_pixels(model, images)
    return {
        "epochs": len(history),
        "train_loss": history[-1]["train_loss"],
        "final_mse": reconstruction_error(model.reconstruct, images),
        "dead_code_numbers": int((~used.any(axis=0)).sum()),
        "share_of_images_not_0": used.mean(axis=0).tolist(),
        "dead_pixels": n_dead_pixels,
        "mse_of_dead_pixels": their_error,
        "ms_per_step": 1000 * float(np.median([record["seconds"] for record in history])) / n_steps,
    }


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(
        __doc__ or "", EXAMPLES, batch_size=None, all_epochs="since all images train, and none are held out"
    )
    args = parser.parse_args(arguments)
    digits = args.data == "digits"
    args.epochs_of = {n: args.epochs or (DIGITS_EPOCHS if digits else EPOCHS)[n] for n in EPOCHS}
    args.batch_size_of = {
        n: args.batch_size or (DIGITS_BATCH_SIZES if digits else DENSE_BATCH_SIZES)[n] for n in EPOCHS
    }
    args.out = args.out or Path("runs") / f"dense-autoencoder-{args.data}-seed{args.seed}"
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "dense-autoencoder")
    with runs.alone_in(args.out):
        train_all(args)


def train_all(args: argparse.Namespace) -> None:
    """Trains the networks, or finds them trained, and writes what came out."""
    images = data.load(args.data)
    train, max_value = all_images(images), images.train.max_value
    runs.check_batch_size(max(args.batch_size_of.values()), len(train))

    print(f"{args.data}: all {len(train):,} images train; pixels from 0 to {max_value}, and errors on that scale")
    pca = {n: principal_components(train, n) for n in (0, 8, 2)}
    baselines = {n: reconstruction_error(components.reconstruct, train) for n, components in pca.items()}

    models: dict[str, Autoencoder] = {}
    histories: dict[str, History] = {}
    scores: dict[str, dict[str, Any]] = {}
    for n, epochs in args.epochs_of.items():
        batch_size = args.batch_size_of[n]
        for kind, what in KINDS.items():
            name, rng = f"{n}-{kind}", np.random.default_rng(args.seed)
            model = models[name] = dense_autoencoder(kind, n, train.pixels.shape[1], rng)
            trainer = runs.trainer(
                args.threads, model, Adam(model, lr=DENSE_LEARNING_RATES[n], eps=KERAS_EPS), rng,
                {"data": args.data, "images": "all", "seed": args.seed, "batch_size": batch_size},
                batch_size=batch_size, blas_threads=args.blas_threads,
            )  # fmt: skip
            print(f"\n{n} numbers; {what}", flush=True)
            runs.train_in_folder(
                args.out / name, trainer, train, strict=args.strict, log=args.log, epochs=epochs, batch_size=batch_size
            )
            histories[name] = trainer.history
            scores[name] = score(model, trainer.history, train, -(-len(train) // batch_size))
    print_tables(args, baselines, scores)

    measured = {
        "baselines_mse": {f"PCA-{n}" if n else "mean image": error for n, error in baselines.items()},
        "networks": scores,
    }
    settings = {
        "data": args.data,
        "images": "all train",
        "batch_size": args.batch_size_of,
        "epochs": {name: len(history) for name, history in histories.items()},
        "learning_rate": DENSE_LEARNING_RATES,
        "networks": {name: repr(model) for name, model in models.items()},
        "threads": args.threads,
        "seed": args.seed,
    }
    document = {n: losses[-1] for n, losses in NOTEBOOK_LOSSES.items()} if args.data == "mnist" else {}
    runs.write_summary(
        args.out, "dense-autoencoder", measured, settings, seed=args.seed,
        scaling=f"pixels as they are, 0–{max_value}", document={"train_loss": document},
    )  # fmt: skip
    pictures = draw(args, train, images, pca, baselines, models, histories, scores)
    write_results(args.out, histories, pictures, settings)


def print_tables(
    args: argparse.Namespace, baselines: Mapping[int, float], scores: Mapping[str, dict[str, Any]]
) -> None:
    """The document's figures and ours."""
    print("\nmean squared error on training images; loss: mean over the last epoch, as the document prints it")
    print(
        f"{'':<25} {'document':>9} {'loss':>9} {'final':>9}   {'numbers always 0':<17} {'pixels always 0':<24} a step"
    )
    print(f"{'one mean image':<25} {'':>9} {'':>9} {baselines[0]:>9.2f}")
    for n in EPOCHS:
        print(f"{f'PCA, {n} numbers':<25} {'':>9} {'':>9} {baselines[n]:>9.2f}")
        for kind in KINDS:
            figure = scores[f"{n}-{kind}"]
            known = args.data == "mnist" and kind == "relu" and figure["epochs"] == EPOCHS[n]
            document = f"{NOTEBOOK_LOSSES[n][-1]:.1f}" if known else "—"
            dead = f"{figure['dead_code_numbers']} of {n}"
            black = f"{figure['dead_pixels']}, error {figure['mse_of_dead_pixels']:.2f}"
            print(
                f"{f'{n} numbers, {kind}':<25} {document:>9} {figure['train_loss']:>9.2f} {figure['final_mse']:>9.2f}"
                f"   {dead:<17} {black:<24} {figure['ms_per_step']:.1f} ms"
            )
    if args.data == "mnist":
        print("(the document's steps took 8–9 ms with 8 numbers and 4–5 ms with 2)")


def draw(
    args: argparse.Namespace,
    train: data.Images,
    images: data.DataSet,
    pca: Mapping[int, PrincipalComponents],
    baselines: Mapping[int, float],
    models: Mapping[str, Autoencoder],
    histories: Mapping[str, History],
    scores: Mapping[str, dict[str, Any]],
) -> dict[str, figures.Figure]:
    what, max_value = f"{args.data}, seed {args.seed}", images.train.max_value
    rows = {"original": train[:SHOWN]}
    for n in EPOCHS:
        rows |= {f"{n}, {kind}": models[f"{n}-{kind}"].reconstruct(train[:SHOWN]) for kind in KINDS}
        rows[f"{n}, PCA"] = pca[n].reconstruct(train[:SHOWN])
    codes = {name: encode(model, train) for name, model in models.items()}
    pictures = {
        "loss": losses(
            args, baselines, histories, f"Autoencoders of {what}: training loss by epoch, pixels from 0 to {max_value}"
        ),
        "codes": spread_of_codes(codes, f"The numbers of the code, over all {len(train):,} images of {what}"),
        "reconstructions": figures.rows_of_images(
            {name: np.clip(row / max_value, 0, 1) for name, row in rows.items()},
            images.image_shape,
            f"Training images and their reconstructions\n{what}",
        ),
    }
    planes = {kind: codes[f"2-{kind}"] for kind in KINDS} | {"pca": encode(pca[2], train)}
    for name, points in planes.items():
        error = baselines[2] if name == "pca" else scores[f"2-{name}"]["final_mse"]
        whose = "PCA" if name == "pca" else f"autoencoder, {KINDS[name]}"
        title = f"{len(train):,} images in two numbers, mean squared error {error:.1f}\n{whose}; {what}"
        figure = figures.latent_scatter(points, title, train.labels, images.class_names)
        figure.axes[0].set(xlabel="first number of the code", ylabel="second number of the code")
        pictures[f"scatter-{name}"] = figure
    return pictures


@drawing
def losses(
    args: argparse.Namespace, baselines: Mapping[int, float], histories: Mapping[str, History], title: str
) -> figures.Figure:
    """Both networks, of all kinds, from the first epoch to the last; the document's losses, and the two errors that
    give them a scale."""
    figure = figures.new_figure(10.5, 5.2, title)
    for axes, n in zip(figure.subplots(1, 2), EPOCHS, strict=True):
        for kind, colour in COLOURS.items():
            values = [record["train_loss"] for record in histories[f"{n}-{kind}"]]
            axes.plot(range(1, len(values) + 1), values, color=colour, marker=".", label=f"{kind}: {values[-1]:.1f}")
        if args.data == "mnist":
            label = f"document: {NOTEBOOK_LOSSES[n][-1]:.1f}"
            axes.plot(
                range(1, len(NOTEBOOK_LOSSES[n]) + 1), NOTEBOOK_LOSSES[n], color="black", linewidth=1, label=label
            )
        axes.axhline(baselines[n], color="black", linestyle="--", label=f"PCA: {baselines[n]:.1f}")
        axes.axhline(baselines[0], color="black", linestyle=":", label=f"one mean image: {baselines[0]:.1f}")
        axes.set(title=f"{n} numbers", xlabel="epoch", ylabel="mean squared error")
        axes.legend(fontsize=8)
        axes.grid(alpha=0.25)
    return figure


@drawing
def spread_of_codes(codes: Mapping[str, Array], title: str) -> figures.Figure:
    """A box for every number of the codes behind a ReLU, and of the linear ones: from one quartile of its values over
    the images to the other, with whiskers from the first to the last hundredth. A dead number is a line at 0."""
    shown = [(n, kind) for n in EPOCHS for kind in KINDS if kind != "linear-output"]
    figure = figures.new_figure(10.5, 3.6, title)
    places = figure.subplots(1, len(shown), width_ratios=[max(n, 3) for n, _ in shown])
    for axes, (n, kind) in zip(places, shown, strict=True):
        boxes = axes.boxplot(codes[f"{n}-{kind}"], whis=(1, 99), showfliers=False, patch_artist=True, widths=0.6)
        for box in boxes["boxes"]:
            box.set(facecolor=COLOURS[kind], alpha=0.5)
        for middle in boxes["medians"]:
            middle.set_color("black")
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(title=kind, xlabel=f"{n} numbers")
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25, axis="y")
    figure.axes[0].set_ylabel("value of the number")
    return figure


if __name__ == "__main__":
    cli.run(main)
