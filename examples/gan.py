"""Trains generative adversarial networks, sets their images beside a VAE's, and shows what mode collapse is.

Annex B of the thesis and the second exercise of both student works describe such networks in words: a forger who wants
his money to pass, a detective who wants to tell it from real money. They have neither code nor figures, so the networks
below are ours. What the documents say of them beside VAEs is held against measurements: their images are of higher
quality and realism, less varied, their training less stable, and their modes may collapse.

Two games are played, and differ in the generator alone: one has batch normalisation after its hidden layers, the other
has none. In both, Adam with β1 = 0.5, pixels scaled to [0, 1], noise from N(0, I), dropout 0.3 in the discriminator.
The embedded digits have fewer numbers in the noise and a larger learning rate. A classifier trained on the same data
looks at the images and says which classes they are of: a generator that has collapsed makes a few classes of the ten.

In the end a generator plays on against a discriminator that is held still. Its loss does not ask for variety or for
likeness: it looks for whatever this discriminator takes for real. On the embedded digits the images become nearly one,
or a few, within some hundred steps, and none of them is a digit; on MNIST each gets the same few specks, and that is
enough. In the game proper the discriminator learns to reject such images, and the generator moves on to the next: with
all images at once, if it has collapsed.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared.adversarial import BETA1, CLAIMS, GAN, Game, variety
from shared.trained_vae import expect_dense, vae_for
from tqdm import tqdm

from scratchnn import Adam, BatchNorm, Classifier, Dense, Dropout, ReLU, Sequential, Sigmoid, data
from scratchnn.evaluation import accuracy, predicted_classes
from scratchnn.layers import Layer
from scratchnn.losses import batch_mean
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import drawing
from scratchnn.training import Trainer, fingerprint, keep_snapshots, runs

N_Z = {"digits": 32, "mnist": 64, "fashion-mnist": 64}  # numbers in the noise
EPOCHS = {"digits": 100, "mnist": 50, "fashion-mnist": 50}
LEARNING_RATE = {"digits": 1e-3, "mnist": 5e-4, "fashion-mnist": 5e-4}
CLASSIFIER_EPOCHS = {"digits": 40, "mnist": 5, "fashion-mnist": 5}
DROPOUT = 0.3
GAMES = {"batch-norm": "batch normalisation in the generator", "plain": "no batch normalisation"}
N_CLASSES = 10  # of each of the three data sets
N_SAMPLES, SAMPLES_SEED = 2000, 2014  # images made to be looked at, and the noise they are made from
FILMED = 8  # of them are kept of every epoch
STILL_STEPS = (10, 100, 1000)  # of the generator against a discriminator that is held still

EXAMPLES = """\
  python examples/gan.py                                   embedded digits; trains a small VAE beside it; a minute
  python examples/vae.py --data mnist --latent 20 --epochs 50
  python examples/gan.py --data mnist --vae runs/vae-mnist-z20-seed0
  python examples/gan.py --data mnist --vae runs/vae-mnist-z20-seed0 --epochs 100        goes on: fifty epochs more
"""


# a snapshot of a game holds the shares of the classes among many samples, and then a few of these samples


def shares(game: Game) -> Array:
    """The shares of the classes after every epoch (E, N_CLASSES)."""
    return np.array(game.snapshots)[:, :N_CLASSES]


def film(game: Game) -> Array:
    """The first samples after every epoch (E, FILMED, D), always from the same noise."""
    return np.array(game.snapshots)[:, N_CLASSES:].reshape(len(game.snapshots), FILMED, -1)


def diversity(game: Game) -> list[float]:
    """The effective number of classes after every epoch."""
    return [effective_classes(of_epoch) for of_epoch in shares(game)]


def network(game: str, n_x: int, n_z: int, n_hidden: int, rng: np.random.Generator) -> GAN:
    """The networks of one of the two games."""
    generator: list[Layer] = []
    for n_in, n_out in ((n_z, n_hidden), (n_hidden, 2 * n_hidden)):
        normalised = [BatchNorm(n_out)] if game == "batch-norm" else []
        generator += [Dense(n_in, n_out, rng), *normalised, ReLU()]
    generator += [Dense(2 * n_hidden, n_x, rng), Sigmoid()]
    discriminator: list[Layer] = []
    for n_in, n_out in ((n_x, 2 * n_hidden), (2 * n_hidden, n_hidden)):
        discriminator += [Dense(n_in, n_out, rng), ReLU(), Dropout(DROPOUT, rng)]
    discriminator.append(Dense(n_hidden, 1, rng))
    return GAN(Sequential(generator), Sequential(discriminator), n_z)


def look_at(images: Array, classifier: Classifier) -> dict[str, Any]:
    """What can be measured of a set of images (n, D).

    class_shares (N_CLASSES,) by the classifier's verdicts; effective_classes, e to the entropy of these shares: their
    number if they are equal, 1 if one has all; certainty, the mean probability of the verdict; grey, the mean of
    4 p (1 − p) over the pixels p, 0 for black and white, 1 for the middle; variety, the root mean square distance
    between two of the images, in which speckle counts as much as another shape.
    """
    p = np.concatenate([classifier.probabilities(images[start : start + 500]) for start in range(0, len(images), 500)])
    shares = np.bincount(p.argmax(axis=1), minlength=N_CLASSES) / len(images)
    return {
        "class_shares": shares.tolist(),
        "effective_classes": effective_classes(shares),
        "rarest_class": float(shares.min()),
        "certainty": float(p.max(axis=1).mean()),
        "grey": float(np.mean(4 * images * (1 - images))),
        "variety": variety(images),
    }


def effective_classes(shares: Array) -> float:
    """e to the entropy of shares (C,) that add up to 1."""
    some = shares[shares > 0]
    return float(np.exp(-np.sum(some * np.log(some))))


def held_still(gan: GAN, lr: float, rng: np.random.Generator, batch_size: int) -> dict[int, Array]:
    """Images from the same noise before and after steps of a generator whose opponent learns no more: {step: (n, D)}.

    All is in evaluation mode: nothing is dropped, and batch normalisation cannot keep the images of a batch apart.
    """
    twin = copy.deepcopy(gan)
    twin.train(False)
    optimiser = Adam(twin.generator, lr=lr, beta1=BETA1)
    noise = samples_noise(twin)
    images = {0: twin.generate(noise)}
    for step in tqdm(range(1, STILL_STEPS[-1] + 1), desc="discriminator held still", leave=False, disable=None):
        _, dloss = batch_mean(twin.generator_loss(twin.generator.forward(twin.noise(batch_size, rng))))
        twin.generator_backward(dloss)
        optimiser.step()
        if step in STILL_STEPS:
            images[step] = twin.generate(noise)
    return images


def samples_noise(gan: GAN) -> Array:
    """The noise of the images that are looked at: the same at every epoch."""
    return gan.noise(N_SAMPLES, np.random.default_rng(SAMPLES_SEED))


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(
        __doc__ or "", EXAMPLES, batch_size=100, threads=False,
        all_epochs="since the losses of a game do not tell which epoch is the best",
    )  # fmt: skip
    parser.add_argument("--vae", type=Path, metavar="RUN", help="a run of examples/vae.py: its folder or checkpoint")
    parser.add_argument("--lr", type=cli.positive_float, help="Adam's step size (default: 0.0005; digits: 0.001)")
    parser.add_argument("--hidden", type=cli.positive_int, default=128, help="units of the narrowest layer")
    args = parser.parse_args(arguments)
    if args.data not in EPOCHS:
        raise runs.OptionError(
            f"{args.data} has no labels for the classifier that looks at the images: choose {', '.join(EPOCHS)} "
            "with --data"
        )
    if args.vae is None and args.data != "digits":
        raise runs.OptionError(
            f"the images are set beside those of a VAE: run python examples/vae.py --data {args.data} --latent 20 "
            f"--epochs 50, and then this with --vae runs/vae-{args.data}-z20-seed0"
        )
    args.epochs = args.epochs or EPOCHS[args.data]
    args.lr = args.lr or LEARNING_RATE[args.data]
    args.out = args.out or Path("runs") / f"gan-{args.data}-seed{args.seed}"
    return args


def train_classifier(args: argparse.Namespace, images: data.DataSet, settings: dict[str, Any]) -> Classifier:
    """What looks at the images: pixels → classes, from the labels of the training images."""
    rng = np.random.default_rng(args.seed)
    n_x = images.train.pixels.shape[1]
    model = Classifier(Sequential([Dense(n_x, 128, rng), ReLU(), Dropout(DROPOUT, rng), Dense(128, N_CLASSES, rng)]))
    runs.train_in_folder(
        args.out / "classifier", Trainer(model, Adam(model), rng, settings), data.Labelled(images.train),
        epochs=CLASSIFIER_EPOCHS[args.data], batch_size=args.batch_size, held_out=data.Labelled(images.validation),
        strict=args.strict, log=args.log,
    )  # fmt: skip
    return model


def play(game: str, args: argparse.Namespace, images: data.DataSet, classifier: Classifier, settings: Any) -> Game:
    """Trains one of the two GANs; after every epoch the classifier counts the classes of the same samples."""
    rng = np.random.default_rng(args.seed)
    gan = network(game, images.train.pixels.shape[1], N_Z[args.data], args.hidden, rng)
    seen_by = f"sha256 of its parameters {fingerprint(classifier.params)}"
    optimiser = Adam(gan, lr=args.lr, beta1=BETA1)
    trainer = Game(gan, optimiser, rng, {**settings, "game": game, "classifier": seen_by})

    def snapshot() -> Array:
        samples = gan.generate(samples_noise(gan))
        return np.concatenate([look_at(samples, classifier)["class_shares"], samples[:FILMED].ravel()])

    print(f"\n{game}: {gan!r}", flush=True)
    runs.train_in_folder(
        args.out / game, trainer, images.train, epochs=args.epochs, batch_size=args.batch_size,
        strict=args.strict, log=args.log, held_out=images.validation, after_epoch=[keep_snapshots(snapshot)],
    )  # fmt: skip
    return trainer


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "gan")
    with runs.alone_in(args.out):
        train_all(args)


def train_all(args: argparse.Namespace) -> None:
    """Trains the networks, or finds them trained, and writes what came out."""
    images = data.load(args.data)
    runs.check_batch_size(args.batch_size, len(images.train))
    if 1 in (args.batch_size, len(images.train) % args.batch_size):
        raise runs.OptionError(
            f"--batch-size {args.batch_size} leaves a batch of a single image, of which batch normalisation can make "
            "nothing: choose one that does not"
        )
    other = vae_for(args, data=args.data, binarisation="none", split="contiguous")
    expect_dense(other, args.vae)
    settings = {
        "data": args.data, "split": "contiguous", "binarisation": "none", "batch_size": args.batch_size,
        "seed": args.seed,
    }  # fmt: skip
    print(images)
    classifier = train_classifier(args, images, settings)
    games = {game: play(game, args, images, classifier, settings) for game in GAMES}

    playing = {game: trainer.model for game, trainer in games.items()}
    pictures = {
        "test images": images.test[:N_SAMPLES],
        f"VAE, z = {other.n_z}": other.generate(N_SAMPLES, np.random.default_rng(SAMPLES_SEED)),
        **{f"GAN, {game}": gan.generate(samples_noise(gan)) for game, gan in playing.items()},
    }
    still = held_still(playing["batch-norm"], args.lr, np.random.default_rng(args.seed), args.batch_size)
    measured = {name: look_at(some, classifier) for name, some in pictures.items()}
    still_measured = {
        step: {**look_at(some, classifier), "taken_for_real": playing["batch-norm"].taken_for_real(some)}
        for step, some in still.items()
    }
    test_accuracy = accuracy(predicted_classes(classifier, images.test), data.labels_of(images.test))
    report(measured, still_measured, games, test_accuracy)
    epochs = max(len(game.history) for game in games.values())
    told = {
        **settings, "epochs": epochs, "samples": N_SAMPLES,
        "vae": f"{other!r}, sha256 of its parameters {fingerprint(other.params)}",
        "games": {game: {**trainer.settings, "model": repr(trainer.model)} for game, trainer in games.items()},
    }  # fmt: skip
    runs.write_summary(
        args.out, "gan",
        {
            "images": measured,
            "held_still": still_measured,
            "classifier_test_accuracy": test_accuracy,
            "effective_classes_by_epoch": {game: diversity(trainer) for game, trainer in games.items()},
            "losses": {game: trainer.history[-1] for game, trainer in games.items()},
        },
        told, seed=args.seed, scaling=f"pixels / {images.train.max_value}", document={"claims": CLAIMS},
    )  # fmt: skip
    what = f"{args.data}, epochs: {epochs}, seed: {args.seed}"
    drawn = {
        "losses": draw_losses(games, f"What each player pays, {what}\ndotted: where nothing can be told apart"),
        "samples": figures.collage(
            {name: some[:64] for name, some in pictures.items()}, images.image_shape, 8, f"Images, {what}"
        ),
        "classes": draw_classes(
            games, images.class_names, f"Classes of {N_SAMPLES:,} samples, as the classifier sees them\n{what}"
        ),
        "film": draw_film(games, images.image_shape, f"The same noise after some epochs\n{what}"),
        "held_still": figures.collage(
            {f"after {step:,} steps": some[:64] for step, some in still.items()},
            images.image_shape, 8, f"The same noise, the discriminator held still\n{what}",
        ),
    }  # fmt: skip
    for name, figure in drawn.items():
        figures.save(figure, args.out / f"{name}.png", told)
    print(f"written to {args.out}: summary.json, {', '.join(f'{name}.png' for name in drawn)};")
    print(f"checkpoint.npz and history.json in classifier, {', '.join(games)}")


def report(
    measured: dict[str, dict[str, Any]],
    still: dict[int, dict[str, Any]],
    games: dict[str, Game],
    test_accuracy: float,
) -> None:
    """The documents' claims, and what was measured."""
    print("\nthe documents have no figures of a GAN; what they say of one:")
    for document, claim in CLAIMS.items():
        print(f"  {document}: {claim}")
    print(f"measured by a classifier with a test accuracy of {100 * test_accuracy:.2f} %:")
    print(f"{'':<22} {'classes':>8} {'rarest':>8} {'certainty':>10} {'grey':>6} {'variety':>8}")
    rows = {**measured, **{f"held still, {step:,} steps": values for step, values in still.items()}}
    for name, values in rows.items():
        print(
            f"{name:<22} {values['effective_classes']:8.2f} {100 * values['rarest_class']:6.1f} % "
            f"{values['certainty']:10.3f} {values['grey']:6.3f} {values['variety']:8.2f}"
            + (f"   taken for real: {values['taken_for_real']:.3f}" if "taken_for_real" in values else "")
        )
    print("classes: e to the entropy of their shares; rarest: its share")
    print("variety: distance between two images; speckle on them counts as well")
    for game, trainer in games.items():
        last, classes = trainer.history[-1], diversity(trainer)
        collapsed = sum(effective < N_CLASSES / 2 for effective in classes)
        print(
            f"{game:<11} {GAMES[game]}: fewer than {N_CLASSES // 2} classes after {collapsed} of "
            f"{len(classes)} epochs, fewest {min(classes):.2f}; losses in the last "
            f"{last['train_discriminator']:.3f} and {last['train_generator']:.3f}"
        )
    print("losses of discriminator and generator where nothing can be told apart: 1.386 and 0.693")


@drawing
def draw_losses(games: dict[str, Game], title: str) -> figures.Figure:
    """Both players' losses, training and validation, in both games."""
    curves: dict[str, dict[str, tuple[Array, Array]]] = {
        f"{player}'s loss (nats)": {
            game: (
                np.array([[record[f"train_{player}"] for record in trainer.history]]),
                np.array([[record[f"held_out_{player}"] for record in trainer.history]]),
            )
            for game, trainer in games.items()
        }
        for player in ("discriminator", "generator")
    }
    figure = figures.learning_curves(curves, title)
    for axes, level in zip(figure.axes, (2 * np.log(2), np.log(2)), strict=True):
        axes.axhline(level, color="black", linestyle=":")
    return figure


@drawing
def draw_classes(games: dict[str, Game], class_names: Sequence[str], title: str) -> figures.Figure:
    """The share of every class among the samples, epoch by epoch."""
    figure = figures.new_figure(11, 4.4, title)
    for axes, (game, trainer) in zip(figure.subplots(1, len(games), sharey=True), games.items(), strict=True):
        of_epochs = shares(trainer)
        edges = np.arange(len(of_epochs) + 1) + 0.5
        below = np.zeros(len(of_epochs))
        for label, (name, colour) in enumerate(zip(class_names, figures.CLASS_COLOURS, strict=True)):
            above = below + 100 * of_epochs[:, label]
            axes.stairs(above, edges, baseline=below, color=colour, fill=True, label=name)
            below = above
        axes.set(title=f"{game}: {GAMES[game]}", xlabel="epoch", xlim=(edges[0], edges[-1]), ylim=(0, 100))
    figure.axes[0].set_ylabel("per cent of the samples")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(class_names), fontsize=8)
    return figure


@drawing
def draw_film(games: dict[str, Game], image_shape: tuple[int, int], title: str) -> figures.Figure:
    """A row for an epoch: the first samples of one game, a gap, those of the other."""
    films = [film(trainer) for trainer in games.values()]
    n = min(len(film) for film in films)
    shown = np.unique(np.geomspace(1, n, 12).round().astype(int))
    gap = np.ones((1, films[0].shape[2]))
    rows = {f"epoch {epoch}": np.concatenate([films[0][epoch - 1], gap, films[1][epoch - 1]]) for epoch in shown}
    return figures.rows_of_images(rows, image_shape, f"{title}\nleft: {', right: '.join(games)}")


if __name__ == "__main__":
    cli.run(main)
