"""One decoder, trained twice: by the bound of a VAE, and against a discriminator; and a measure of what it makes.

A VAE's decoder and a GAN's generator are networks of one kind: numbers drawn from N(0, I) go in, an image comes out.
What tells the two models apart is what this network learns from. Here it is convolutional, and the same layers serve
everywhere:

    encode     two convolutions with a stride of 2, a dense layer, and a last one to n numbers
    decode     the same steps backwards, from 20 numbers to an image

    VAE        encode to 2 · 20 numbers; decode
    GAN        decode, the generator; encode to 1 number, the discriminator
    classifier encode to 10 numbers: it looks at the images

In the GAN alone the generator has batch normalisation, and the discriminator dropout. Without the first its images
become nearly one: on the embedded digits both precision and recall are then 0.

*What convolutions are worth* shows in the test loss of the VAE, beside that of the dense one of examples/vae.py with as
many latent numbers.

*What the images are worth* no loss says, since a GAN has none that could be compared. All generators are held against
the test images by precision and recall (scratchnn/evaluation/generation.py), in the features of the classifier: what
its last hidden layer puts out. The distance between two images, examples/gan.py's variety, grows with speckle. Beside
the generators stand images that no network has made:

    test images       the half that the others are not held against: what the data themselves reach
    training images   what a generator reaches that copies these: nothing here asks for new images
    speckle           test images in which one pixel of twenty is replaced by a random grey
    noise             every pixel a random grey
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared.adversarial import BETA1, CLAIMS, GAN, Game, load_gan, variety
from shared.trained_vae import expect_dense, vae_for

from scratchnn import (
    VAE,
    Adam,
    BatchNorm,
    Bernoulli,
    Classifier,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    data,
)
from scratchnn.evaluation import accuracy, bernoulli_floor, latent_use, precision_and_recall, predicted_classes
from scratchnn.layers import Layer
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import drawing
from scratchnn.scripts.train import scale_of_losses
from scratchnn.training import Trainer, blas, evaluate, fingerprint, keep_snapshots, runs
from scratchnn.training.checkpoints import CheckpointError

History = list[dict[str, Any]]  # of a training: a record for every epoch

N_Z = 20  # latent numbers of the VAE, and numbers in the GAN's noise
CHANNELS = (16, 32)  # behind the two convolutions; of the VAE and the GAN, --channels may ask for others
N_HIDDEN = 256  # units of the dense layer; of the classifier's, the features
N_CLASSES = 10  # of each of the three data sets
EPOCHS = {"digits": 100, "mnist": 50, "fashion-mnist": 50}
CLASSIFIER_EPOCHS = {"digits": 30, "mnist": 5, "fashion-mnist": 5}
CLASSIFIER_SEED = 0  # whatever the seed of the generators: all are measured in the same features
LEARNING_RATE = {"vae": 1e-3, "gan": 5e-4}
DROPOUT = 0.3  # of the discriminator and the classifier
NEIGHBOURS = 3  # k of precision and recall, as in the paper
SPECKLE = 0.05  # the share of pixels that are replaced
SAMPLES_SEED = 2014  # of the noise that the images are made from
SHOWN = 64  # images of a kind in the figure

EXAMPLES = """\
  python examples/conv_generators.py                          embedded digits; under a minute
  python examples/conv_generators.py --data fashion-mnist     an hour on an idle core
The same in two processes, and beside the dense networks:
  python examples/conv_generators.py --data fashion-mnist --only vae
  python examples/conv_generators.py --data fashion-mnist --only gan
  python examples/conv_generators.py --data fashion-mnist --vae runs/vae-fashion-mnist-z20-seed0 \\
      --gan runs/gan-fashion-mnist-seed0/batch-norm
Is the convolutional VAE's loss a matter of its width?
  python examples/conv_generators.py --data fashion-mnist --only vae --channels 32 64
"""


def encode(
    side: int, n_out: int, rng: np.random.Generator, channels: Sequence[int] = CHANNELS, rate: float = 0
) -> list[Layer]:
    """Images of side × side pixels → n_out numbers; with a rate above 0, dropout behind every ReLU."""
    first, second = channels
    quarter = side // 4

    def relu() -> list[Layer]:
        return [ReLU(), Dropout(rate, rng)] if rate else [ReLU()]

    return [
        Reshape((1, side, side)),
        Conv2D(1, first, 4, rng, stride=2, padding=1), *relu(),  # (1, 28, 28) → (16, 14, 14)
        Conv2D(first, second, 4, rng, stride=2, padding=1), *relu(),  # → (32, 7, 7)
        Flatten(),  # → 1568
        Dense(second * quarter * quarter, N_HIDDEN, rng), *relu(),
        Dense(N_HIDDEN, n_out, rng),
    ]  # fmt: skip


def decode(
    side: int, rng: np.random.Generator, channels: Sequence[int] = CHANNELS, normalised: bool = False
) -> list[Layer]:
    """N_Z numbers → the logits of an image, by the same steps backwards; with batch normalisation or without."""
    first, second = channels
    quarter = side // 4

    def relu(n_units: int) -> list[Layer]:
        return [BatchNorm(n_units), ReLU()] if normalised else [ReLU()]

    return [
        Dense(N_Z, N_HIDDEN, rng), *relu(N_HIDDEN),
        Dense(N_HIDDEN, second * quarter * quarter, rng), *relu(second * quarter * quarter),
        Reshape((second, quarter, quarter)),
        ConvTranspose2D(second, first, 4, rng, stride=2, padding=1), *relu(first),
        ConvTranspose2D(first, 1, 4, rng, stride=2, padding=1),
        Flatten(),
    ]  # fmt: skip


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(
        __doc__ or "", EXAMPLES, batch_size=100, threads=False,
        all_epochs="since the losses of a game do not tell which epoch is the best",
    )  # fmt: skip
    parser.add_argument(
        "--channels", type=cli.positive_int, nargs=2, default=CHANNELS, metavar="N",
        help="behind the two convolutions of VAE and GAN; the classifier keeps 16 and 32 (default: 16 32)",
    )  # fmt: skip
    parser.add_argument("--only", choices=("vae", "gan"), help="train this one and stop: the other may be under way")
    parser.add_argument("--vae", type=Path, metavar="RUN", help="a dense VAE to set beside: a run of examples/vae.py")
    parser.add_argument("--gan", type=Path, metavar="RUN", help="a dense GAN: a game of examples/gan.py, its folder")
    args = parser.parse_args(arguments)
    if args.data not in EPOCHS:
        raise runs.OptionError(
            f"{args.data} has no labels for the classifier that looks at the images: choose {', '.join(EPOCHS)} "
            "with --data"
        )
    if args.only and (args.vae or args.gan):
        parser.error("--vae and --gan are set beside both generators at the end: leave them out with --only")
    args.epochs = args.epochs or EPOCHS[args.data]
    args.channels = tuple(args.channels)
    wide = "" if args.channels == CHANNELS else "-channels{}-{}".format(*args.channels)
    args.out = args.out or Path("runs") / f"conv-generators-{args.data}{wide}-seed{args.seed}"
    return args


def train_vae(args: argparse.Namespace, images: data.DataSet, settings: Mapping[str, Any]) -> tuple[VAE, History]:
    """The VAE of the convolutional layers, trained and measured as examples/vae.py does with the dense one."""
    rng, side = np.random.default_rng(args.seed), images.image_shape[0]
    model = VAE(
        Sequential(encode(side, 2 * N_Z, rng, args.channels)), Sequential(decode(side, rng, args.channels)),
        Bernoulli(), N_Z,
    )  # fmt: skip
    trainer = Trainer(model, Adam(model, lr=LEARNING_RATE["vae"]), rng, settings)
    print(f"\nVAE, z = {N_Z}: {model!r}", flush=True)
    runs.train_in_folder(
        args.out / "vae", trainer, images.train, epochs=args.epochs, batch_size=args.batch_size,
        strict=args.strict, log=args.log, held_out=images.validation,
    )  # fmt: skip
    losses, use, scale = evaluate(model, images.test), latent_use(model, images.test), scale_of_losses(images, "none")
    measured: dict[str, Any] = {
        **{name: value for name, value in trainer.history[-1].items() if name not in ("epoch", "seconds")},
        **{f"test_{name}": value for name, value in losses.items()},
        **scale,
        "active_units": int(use.active.sum()),
        "test_kl_per_dimension": use.kl.tolist(),
        "seconds_per_epoch": float(np.median([record["seconds"] for record in trainer.history])),
    }
    told = {**trainer.settings, "latent": N_Z, "model": repr(model), "epochs": len(trainer.history)}
    scaling = f"pixels / {images.train.max_value}"
    runs.write_summary(args.out / "vae", "conv-vae", measured, told, seed=args.seed, scaling=scaling)
    print(
        f"test images: loss {losses['loss']:.2f} = reconstruction {losses['reconstruction']:.2f} + kl "
        f"{losses['kl']:.2f}; floor {scale['test_floor']:.2f}, so {losses['loss'] - scale['test_floor']:.2f} above it; "
        f"one mean image for all {scale['test_mean_image_loss']:.2f}"
    )
    return model, trainer.history


def train_classifier(args: argparse.Namespace, images: data.DataSet) -> tuple[Classifier, Layer]:
    """What looks at the images, pixels → features → classes, from the labels of the training images; and its first
    part alone, pixels → features."""
    rng, side = np.random.default_rng(CLASSIFIER_SEED), images.image_shape[0]
    *hidden, last = encode(side, N_CLASSES, rng, rate=DROPOUT)
    below = Sequential(hidden)
    model = Classifier(Sequential([below, last]))
    settings = {"data": args.data, "batch_size": args.batch_size, "seed": CLASSIFIER_SEED}
    print(f"\nclassifier: {model!r}", flush=True)
    runs.train_in_folder(
        args.out / "classifier", Trainer(model, Adam(model), rng, settings), data.Labelled(images.train),
        epochs=CLASSIFIER_EPOCHS[args.data], batch_size=args.batch_size, held_out=data.Labelled(images.validation),
        strict=args.strict, log=args.log,
    )  # fmt: skip
    return model, below


def features(below: Layer, images: Any) -> Array:
    """The outputs (N, N_HIDDEN) of the classifier's last hidden layer; `images[rows]` must give (n, D) floats."""
    with below.evaluating():
        return np.concatenate([below.forward(images[start : start + 500]) for start in range(0, len(images), 500)])


def train_gan(args: argparse.Namespace, images: data.DataSet, settings: Mapping[str, Any], below: Layer) -> Game:
    """The GAN of the same layers; its images are measured after every epoch, always from the same noise."""
    rng, side = np.random.default_rng(args.seed), images.image_shape[0]
    generator = Sequential([*decode(side, rng, args.channels, normalised=True), Sigmoid()])
    gan = GAN(generator, Sequential(encode(side, 1, rng, args.channels, DROPOUT)), N_Z)
    seen_by = f"sha256 of its parameters {fingerprint(below.params)}"
    optimiser = Adam(gan, lr=LEARNING_RATE["gan"], beta1=BETA1)
    game = Game(gan, optimiser, rng, {**settings, "features": seen_by})
    n = len(images.test) // 2
    real = features(below, images.test[:n])

    def measured() -> Array:
        made = gan.generate(gan.noise(n, np.random.default_rng(SAMPLES_SEED)))
        return np.array(precision_and_recall(real, features(below, made), NEIGHBOURS))

    print(f"\n{gan!r}", flush=True)
    runs.train_in_folder(
        args.out / "gan", game, images.train, epochs=args.epochs, batch_size=args.batch_size,
        strict=args.strict, log=args.log,
        held_out=images.validation, after_epoch=[keep_snapshots(measured)], recorded=("precision", "recall"),
    )  # fmt: skip
    return game


def speckled(images: Array, share: float, rng: np.random.Generator) -> Array:
    """Images (n, D) in which this share of the pixels has a random grey."""
    return np.where(rng.random(images.shape) < share, rng.random(images.shape, np.float32), images)


def images_by_kind(images: data.DataSet, vaes: Mapping[str, VAE], gans: Mapping[str, GAN]) -> dict[str, Array]:
    """As many images (n, D) of every kind as the half of the test images that they are held against."""
    n = len(images.test) // 2
    rng = np.random.default_rng(SAMPLES_SEED)
    other = images.test[n : 2 * n]
    made = {name: vae.generate(n, np.random.default_rng(SAMPLES_SEED)) for name, vae in vaes.items()}
    made |= {name: gan.generate(gan.noise(n, np.random.default_rng(SAMPLES_SEED))) for name, gan in gans.items()}
    return {
        "test images": other,
        "training images": images.train[:n],
        **made,
        "speckle": speckled(other, SPECKLE, rng),
        "noise": speckled(other, 1, rng),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "conv-generators")
    with runs.alone_in(args.out):
        train_all(args)


def train_all(args: argparse.Namespace) -> None:
    """Trains the networks, or finds them trained, and writes what came out."""
    images = data.load(args.data)
    runs.check_batch_size(args.batch_size, len(images.train))
    if args.only != "vae" and 1 in (args.batch_size, len(images.train) % args.batch_size):
        raise runs.OptionError(
            f"--batch-size {args.batch_size} leaves a batch of a single image, of which batch normalisation can make "
            "nothing: choose one that does not"
        )
    vaes = {}
    if args.vae:
        vaes["VAE, dense"] = vae_for(args, data=args.data, binarisation="none", split="contiguous")
        expect_dense(vaes["VAE, dense"], args.vae)
    gans = {"GAN, dense": dense_gan(args)} if args.gan else {}
    blas.keep_freed_memory()
    settings = {
        "data": args.data, "split": "contiguous", "shuffle": True, "binarisation": "none", "schedule": "constant",
        "batch_size": args.batch_size, "seed": args.seed,
        **({} if args.channels == CHANNELS else {"channels": list(args.channels)}),
    }  # fmt: skip
    print(images)
    if args.only != "gan":
        vae, vae_history = train_vae(args, images, settings)
    if args.only == "vae":
        return
    classifier, below = train_classifier(args, images)
    gan = train_gan(args, images, settings, below)
    if args.only == "gan":
        return

    vaes, gans = {"VAE, convolutional": vae, **vaes}, {"GAN, convolutional": gan.model, **gans}
    kinds = images_by_kind(images, vaes, gans)
    real = features(below, images.test[: len(images.test) // 2])
    measured = {name: measure(some, real, below) for name, some in kinds.items()}
    above = {name: evaluate(model, images.test)["loss"] - bernoulli_floor(images.test) for name, model in vaes.items()}
    right = accuracy(predicted_classes(classifier, images.test), data.labels_of(images.test))
    report(measured, above, right, len(real))
    told = {
        **settings, "epochs": {"vae": len(vae_history), "gan": len(gan.history)}, "images": len(real),
        "neighbours": NEIGHBOURS, "speckle": SPECKLE, "latent": N_Z,
        "classifier": {"model": repr(classifier), "epochs": CLASSIFIER_EPOCHS[args.data], "seed": CLASSIFIER_SEED},
        "models": {name: repr(model) for name, model in {**vaes, **gans}.items()},
        "parameters": {name: fingerprint(model.params) for name, model in {**vaes, **gans}.items()},
    }  # fmt: skip
    runs.write_summary(
        args.out, "conv-generators",
        {
            "images": measured,
            "loss_above_floor": above,
            "classifier_test_accuracy": right,
            "gan_losses": gan.history[-1],
            "gan_seconds_per_epoch": float(np.median([record["seconds"] for record in gan.history])),
        },
        told, seed=args.seed, scaling=f"pixels / {images.train.max_value}", document={"claims": CLAIMS},
    )  # fmt: skip
    epochs = " and ".join(map(str, dict.fromkeys((len(vae_history), len(gan.history)))))  # VAE and GAN, if they differ
    what = f"{args.data}, epochs: {epochs}, seed: {args.seed}"
    shown = {name: some[:SHOWN] for name, some in kinds.items() if name not in ("training images", "noise")}
    pictures = {
        "samples": figures.collage(shown, images.image_shape, 8, f"Images, {what}"),
        "precision_and_recall": draw_precision_and_recall(
            measured, np.array(gan.snapshots), f"{len(real):,} images of each kind, k = {NEIGHBOURS}\n{what}"
        ),
        "losses": draw_losses(vae_history, gan.history, bernoulli_floor(images.train), f"Two trainings, {what}"),
    }
    for name, figure in pictures.items():
        figures.save(figure, args.out / f"{name}.png", told)
    print(f"written to {args.out}: summary.json, {', '.join(f'{name}.png' for name in pictures)};")
    print("checkpoint.npz and history.json in vae, gan and classifier")


def dense_gan(args: argparse.Namespace) -> GAN:
    """The GAN of the game --gan, which must have been played with these data."""
    gan, settings = load_gan(args.gan)
    if settings.get("data") != args.data:
        raise CheckpointError(
            f"the GAN in {args.gan} was trained with --data {settings.get('data')}, and the images here are those of "
            f"--data {args.data}: train another with python examples/gan.py --data {args.data}"
        )
    if any(isinstance(part, ConvTranspose2D) for part in gan.generator.parts.values()):
        raise CheckpointError(f"the GAN in {args.gan} is convolutional: give --gan a dense one, of examples/gan.py")
    return gan


def measure(images: Array, real: Array, below: Layer) -> dict[str, float]:
    """Precision and recall of images (n, D) beside the features of real ones; and their variety, for comparison."""
    precision, recall = precision_and_recall(real, features(below, images), NEIGHBOURS)
    return {"precision": precision, "recall": recall, "variety": variety(images)}


def report(
    measured: Mapping[str, Mapping[str, float]], above: Mapping[str, float], test_accuracy: float, n: int
) -> None:
    """What has been measured of every kind of images."""
    print(
        f"\n{n:,} images of each kind beside as many test images, k = {NEIGHBOURS}; features of a classifier with a "
        f"test accuracy of {100 * test_accuracy:.2f} %"
    )
    print(f"{'':<20} {'precision':>10} {'recall':>8} {'variety':>8}   test loss − floor")
    for name, of in measured.items():
        loss = f"   {above[name]:.2f}" if name in above else ""
        print(f"{name:<20} {of['precision']:10.3f} {of['recall']:8.3f} {of['variety']:8.2f}{loss}")
    print("variety: distance between two images, speckle included")


@drawing
def draw_precision_and_recall(measured: Mapping[str, Mapping[str, float]], path: Array, title: str) -> figures.Figure:
    """Every kind of images by its recall and precision; `path` (E, 2) are those of the GAN after every epoch."""
    figure = figures.new_figure(6.4, 5.6, title)
    axes = figure.add_subplot()
    axes.plot(path[:, 1], path[:, 0], color="#94a4a2", linewidth=0.8, label="GAN, convolutional, epoch by epoch")
    colours = itertools.cycle(figures.CLASS_COLOURS[:3] + figures.CLASS_COLOURS[4:])
    for (name, of), colour, marker in zip(measured.items(), colours, itertools.cycle("os^DvP*X"), strict=False):
        axes.plot(of["recall"], of["precision"], marker, color=colour, markersize=8, linestyle="", label=name)
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.grid(alpha=0.25)
    figure.legend(fontsize=8, loc="outside lower center", ncols=3)
    return figure


@drawing
def draw_losses(
    vae: Sequence[Mapping[str, float]], gan: Sequence[Mapping[str, float]], floor: float, title: str
) -> figures.Figure:
    """The VAE's loss, which falls; the two players' losses, which need not; and what the GAN's images are worth."""
    figure = figures.new_figure(13, 4.4, title)
    panels = (
        ("−ELBO of the VAE (nats)", vae, {"training": "train_loss", "validation": "held_out_loss"}),
        ("losses of the GAN (nats)", gan,
         {"discriminator": "train_discriminator", "generator": "train_generator"}),
        ("images of the GAN", gan, {"precision": "precision", "recall": "recall"}),
    )  # fmt: skip
    for axes, (quantity, history, curves) in zip(figure.subplots(1, 3), panels, strict=True):
        for (name, key), colour, marker in zip(curves.items(), figures.CLASS_COLOURS, "os", strict=False):
            epochs = [record["epoch"] for record in history]
            axes.plot(
                epochs, [record[key] for record in history], color=colour, marker=marker, markersize=3, label=name
            )
        axes.set(xlabel="epoch", ylabel=quantity)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
    of_vae, of_gan, _ = figure.axes
    of_vae.axhline(floor, color="black", linestyle="--", label=f"floor: {floor:.2f}")
    for level, what in ((2 * np.log(2), "where nothing can be told apart"), (np.log(2), "_")):  # "_": no legend
        of_gan.axhline(level, color="black", linestyle=":", label=what)
    for axes in figure.axes:
        axes.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    cli.run(main)
