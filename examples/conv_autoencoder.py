"""A convolutional autoencoder of Fashion-MNIST, and its encoder reused in a classifier (R. Santamaria, 2024).

The document prints both networks (its Appendix A); they stand below, layer by layer: an encoder of two convolutions to
a code of N = 64 numbers, a decoder of two transposed convolutions, and a classifier, which is the trained encoder with
one dense layer behind it, all of it trained. 50,000 images train, 10,000 validate, 10,000 test; pixels / 255; the mean
squared error, 15 epochs; cross-entropy, 30 epochs; dropout 0.2; curves averaged over runs (it made ten). It says
nothing of the optimiser and the batches: here Adam with 1e-3, batches of 100, weights from N(0, 1/fan-in), biases 0.
Which 10,000 images validate it does not say either; here they are the first.

Five autoencoders:

    as-printed         dropout behind every ReLU, and behind the sigmoid of the output as well
    no-output-dropout  the same without the last
    no-dropout         without any
    own-decoder        without any, and another decoder behind the printed encoder
    own-linear         the same, and the code is linear: no ReLU behind it

*What the dropout of the output does.* A pixel of target t that is kept with probability 0.8, and then shown as y/0.8,
has the expected squared error 0.8 (y/0.8 − t)² + 0.2 t². The best y is 0.8 t: every image comes out a fifth too dark
once nothing is dropped any more, and dividing by 0.8 gives some of the loss back. In training, 0.2 t² is a floor.

*What the printed decoder cannot do.* Output padding adds a row and a column that no kernel reaches, and that hold the
bias alone. The first such layer does so to the 13 × 13, and the pixels that are made of these get nothing of the image
either; the second adds one more. So the last three rows and columns are the same for all images (the document notices
that pixels are lost there): 20 % of all pixels, and their variance alone is 0.0123 of the mean squared error on
Fashion-MNIST's test images, more than the whole error of PCA with 64 numbers, 0.0104. And the last layer's kernel is 3
with a stride of 2: by its position, a pixel is fed by 1, 2 or 4 of the 13 × 13. In own-decoder every kernel is 4 with
stride 2 and padding 1: 7 × 7 becomes 14 × 14 and then 28 × 28, and every pixel is fed by 2 × 2. It has twice the
channels, too.

*What the printed code cannot do.* The ReLU behind it leaves many of the 64 numbers at 0 for all images (how many is
printed here): a number that is 0 for every image of a batch gets no gradient and stays there. PCA, which is linear, has
64 numbers that count, and own-linear has them too.

Classifiers on the encoder of as-printed; the last is trained for the first N alone:

    as-printed         Dense(N, 10), ReLU, Dropout behind the encoder: a ReLU and dropout on logits. A class whose logit
                       is below 0 for all images gets no gradient; only changes in the encoder can bring it back
    logits             Dense(N, 10) alone
    untrained          the same, the encoder started afresh: what has the autoencoder been good for?
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn import (
    Adam,
    Autoencoder,
    Classifier,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    cli,
    data,
    figures,
)
from scratchnn.checkpoints import fingerprint
from scratchnn.evaluation import (
    accuracy,
    confusion_matrix,
    encode,
    predicted_classes,
    principal_components,
    reconstruction_error,
)
from scratchnn.layers import Layer
from scratchnn.parameters import Array
from scratchnn.training import evaluate

RATE = 0.2  # of all dropout
VARIANTS = {
    "as-printed": "dropout behind every ReLU, and behind the output",
    "no-output-dropout": "dropout behind every ReLU",
    "no-dropout": "no dropout",
    "own-decoder": "no dropout, a decoder that reaches every pixel",
    "own-linear": "the same, and no ReLU behind the code",
}
CLASSIFIERS = {
    "as-printed": "encoder of as-printed, Dense, and ReLU and dropout on the logits",
    "logits": "encoder of as-printed, Dense",
    "untrained": "the same, started afresh",
}
EPOCHS = {"digits": (60, 40), "mnist": (15, 30), "fashion-mnist": (15, 30)}  # autoencoders, classifiers
CODES = {"digits": [16, 32], "mnist": [64, 128, 256], "fashion-mnist": [64, 128, 256]}
DOCUMENT: dict[str, Any] = {
    "mse": 0.0533,
    "accuracy": {64: 0.9043, 128: 0.9141, 256: 0.907},
    "cross_entropy": {64: 0.3865},
}
UNREACHED = {28: 3, 8: 1}  # by the side of an image: how many of its last rows and columns the printed decoder misses

EXAMPLES = """\
  python examples/conv_autoencoder.py                                      embedded digits, smaller; under a minute
  python examples/conv_autoencoder.py --data fashion-mnist --codes 64 --runs 1      the document's N = 64, once
  python examples/conv_autoencoder.py --data fashion-mnist --runs 3                 all of it, three times: hours
"""


def dropout(rate: float, rng: np.random.Generator) -> list[Layer]:
    return [Dropout(rate, rng)] if rate else []


def encoder(side: int, n_code: int, rate: float, rng: np.random.Generator, linear: bool = False) -> list[Layer]:
    """The printed encoder, for images of 28 × 28; for digits of 8 × 8 the second kernel is smaller."""
    kernel, left = {28: (3, 5), 8: (2, 1)}[side]
    return [
        Reshape((1, side, side)),
        Conv2D(1, 16, 3, rng),  # (1, 28, 28) → (16, 26, 26)
        ReLU(),
        *dropout(rate, rng),
        MaxPool2D(2),  # → (16, 13, 13)
        Conv2D(16, 32, kernel, rng),  # → (32, 11, 11)
        ReLU(),
        *dropout(rate, rng),
        MaxPool2D(2),  # → (32, 5, 5): a row and a column are left over
        Flatten(),  # → 800
        Dense(32 * left * left, n_code, rng),
        *([] if linear else [ReLU(), *dropout(rate, rng)]),
    ]


def printed_decoder(
    side: int, n_code: int, rate: float, rng: np.random.Generator, output_rate: float = 0
) -> list[Layer]:
    kernel, extra, left = {28: (4, 1, 5), 8: (3, 0, 1)}[side]
    return [
        Dense(n_code, 32 * left * left, rng),
        ReLU(),
        *dropout(rate, rng),
        Reshape((32, left, left)),  # → (32, 5, 5)
        ConvTranspose2D(32, 16, kernel, rng, stride=2, output_padding=extra),  # → (16, 13, 13)
        ReLU(),
        *dropout(rate, rng),
        ConvTranspose2D(16, 1, 3, rng, stride=2, output_padding=1),  # → (1, 28, 28)
        Sigmoid(),
        *dropout(output_rate, rng),
        Flatten(),
    ]


def own_decoder(side: int, n_code: int, rng: np.random.Generator) -> list[Layer]:
    quarter = side // 4
    return [
        Dense(n_code, 64 * quarter * quarter, rng),
        ReLU(),
        Reshape((64, quarter, quarter)),  # → (64, 7, 7)
        ConvTranspose2D(64, 32, 4, rng, stride=2, padding=1),  # → (32, 14, 14)
        ReLU(),
        ConvTranspose2D(32, 1, 4, rng, stride=2, padding=1),  # → (1, 28, 28)
        Sigmoid(),
        Flatten(),
    ]


def autoencoder(variant: str, side: int, n_code: int, rng: np.random.Generator) -> Autoencoder:
    rate = RATE if variant in ("as-printed", "no-output-dropout") else 0
    below = Sequential(encoder(side, n_code, rate, rng, linear=variant == "own-linear"))
    if variant.startswith("own"):
        return Autoencoder(below, Sequential(own_decoder(side, n_code, rng)), MeanSquaredError())
    above = printed_decoder(side, n_code, rate, rng, output_rate=RATE if variant == "as-printed" else 0)
    return Autoencoder(below, Sequential(above), MeanSquaredError())


def classifier(kind: str, below: Sequential, side: int, n_code: int, rng: np.random.Generator) -> Classifier:
    """The printed encoder with the values of the trained one, `below`, or values of its own, and a dense layer."""
    # built anew and not copied: its dropout must draw from this run's generator
    layers = Sequential(encoder(side, n_code, RATE, rng))
    if kind != "untrained":
        layers.params[...] = below.params
    printed = [ReLU(), Dropout(RATE, rng)] if kind == "as-printed" else []
    return Classifier(Sequential([layers, Dense(n_code, 10, rng), *printed]))


def split_of_the_document(images: data.DataSet) -> data.DataSet:
    """50,000 images train and 10,000 validate, where there are so many."""
    if len(images.train) != 55_000:
        return images
    more, train = images.train.split(5_000, 50_000)
    validation = data.Images(
        np.concatenate([images.validation.pixels, more.pixels]),
        more.white,
        np.concatenate([data.labels_of(images.validation), data.labels_of(more)]),
    )
    return data.DataSet(images.name, train, validation, images.test, images.image_shape)


@dataclass(frozen=True)
class Trained:
    """An autoencoder or a classifier, and the record of each of its epochs."""

    model: Any
    history: list[dict[str, Any]]


def trained(
    folder: Path,
    model: Autoencoder | Classifier,
    rng: np.random.Generator,
    images: data.DataSet,
    args: argparse.Namespace,
    settings: Mapping[str, Any],
    lr_final: float = 1e-3,
) -> Trained:
    """Trains the model with Adam, or goes on with it, or finds it ready, in a folder of its own; leaves its history.

    settings has the number of epochs; the learning rate falls geometrically from 1e-3 to `lr_final`. A classifier's
    records get the accuracy on the validation images and on as many training images.
    """
    epochs = settings["epochs"]
    settings = {**settings, "data": args.data, "batch_size": args.batch_size, "lr_final": lr_final}
    train: Any = images.train
    held_out: Any = images.validation
    measured: dict[str, Any] = {}
    if isinstance(model, Classifier):
        parts = (train.split(min(len(held_out), len(train)))[0], held_out)
        measured = {
            "snapshot": lambda: np.array([accuracy(predicted_classes(model, x), data.labels_of(x)) for x in parts]),
            "recorded": ("train_accuracy", "held_out_accuracy"),
        }
        train, held_out = data.Labelled(train), data.Labelled(held_out)
    trainer = cli.trainer(args.threads, model, Adam(model, lr=1e-3), rng, settings)
    print(f"{folder.name}:", flush=True)
    cli.train_in_folder(
        folder,
        trainer,
        train,
        epochs=epochs,
        batch_size=args.batch_size,
        held_out=held_out,
        schedule=lambda epoch: float(1e-3 * (lr_final / 1e-3) ** ((epoch - 1) / max(epochs - 1, 1))),
        **measured,
    )
    return Trained(model, trainer.history)


def baselines(images: data.DataSet, codes: Sequence[int]) -> tuple[dict[str, float], dict[str, Array]]:
    """Test MSE of the mean training image for all and of PCA with as many numbers; and what PCA makes of ten images."""
    errors, shown = {}, {}
    for n in (0, *codes):
        pca = principal_components(images.train, n)
        name = f"PCA-{n}" if n else "mean image"
        errors[name] = reconstruction_error(pca.reconstruct, images.test)
        shown[name] = np.clip(pca.reconstruct(images.test[:10]), 0, 1)
    return errors, shown


def score_autoencoder(model: Autoencoder, images: data.DataSet) -> dict[str, float]:
    """MSE in evaluation mode; what the last rows and columns add to it; that of the outputs divided by 0.8; and how
    many numbers of the code are 0 for all test images."""
    side = images.image_shape[0]
    reached = np.zeros(images.image_shape, bool)
    reached[: side - UNREACHED[side], : side - UNREACHED[side]] = True

    def brightened(x: Array) -> Array:
        return np.minimum(model.reconstruct(x) / (1 - RATE), 1)

    def right_where_unreached(x: Array) -> Array:
        return np.where(reached.ravel(), model.reconstruct(x), x)

    error = reconstruction_error(model.reconstruct, images.test)
    return {
        "train_mse": reconstruction_error(model.reconstruct, images.train),
        "validation_mse": reconstruction_error(model.reconstruct, images.validation),
        "test_mse": error,
        "test_mse_at_the_edge": error - reconstruction_error(right_where_unreached, images.test),
        "test_mse_brightened": reconstruction_error(brightened, images.test),
        "dead_code_numbers": int((encode(model, images.test) == 0).all(axis=0).sum()),
    }


def score_classifier(model: Classifier, images: data.DataSet) -> dict[str, float]:
    """Accuracy and cross-entropy, and how many classes it finds in no test image."""
    found: dict[str, float] = {}
    for part, x in {"validation": images.validation, "test": images.test}.items():
        predicted = predicted_classes(model, x)
        found[f"{part}_accuracy"] = accuracy(predicted, data.labels_of(x))
        found[f"{part}_cross_entropy"] = evaluate(model, data.Labelled(x))["loss"]
    return {**found, "classes_never_found": 10 - len(np.unique(predicted))}


def curves(runs: Sequence[Trained], quantity: str) -> tuple[Array, Array]:
    """Training and validation curve (R, E) of R runs."""
    train, held_out = (
        np.array([[record[f"{part}_{quantity}"] for record in run.history] for run in runs])
        for part in ("train", "held_out")
    )
    return train, held_out


def report(predicted: Array, labels: Array) -> tuple[str, dict[str, Any]]:
    """Precision, recall and F1 of every class, as scikit-learn's text and as numbers."""
    from sklearn.metrics import classification_report

    numbers = classification_report(labels, predicted, output_dict=True, zero_division=0)
    return classification_report(labels, predicted, digits=3, zero_division=0), numbers


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(__doc__ or "", EXAMPLES, batch_size=100)
    parser.add_argument("--runs", type=cli.positive_int, default=1, help="trainings of each kind (default: 1)")
    parser.add_argument(
        "--codes",
        type=cli.positive_int,
        nargs="+",
        metavar="N",
        help="numbers in a code; all autoencoders have the first (default: 64 128 256; digits: 16 32)",
    )
    parser.add_argument(
        "--classifier-epochs", type=cli.positive_int, help="passes in training a classifier (default: 30; digits: 40)"
    )
    args = parser.parse_args(arguments)
    if args.data not in EPOCHS:
        raise cli.OptionError(f"{args.data} has no labels to learn from: choose {', '.join(EPOCHS)} with --data")
    args.epochs = args.epochs or EPOCHS[args.data][0]
    args.classifier_epochs = args.classifier_epochs or EPOCHS[args.data][1]
    args.codes = list(dict.fromkeys(args.codes or CODES[args.data]))
    args.out = args.out or Path("runs") / f"conv-autoencoder-{args.data}-seed{args.seed}"
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    cli.check_resume(args)
    images = split_of_the_document(data.load(args.data))
    n_train, n_pixels = images.train.pixels.shape
    cli.check_batch_size(args.batch_size, n_train)
    if max(args.codes) > n_pixels:
        raise cli.OptionError(f"--codes {max(args.codes)} is more than the {n_pixels} pixels of an image")
    side, first = images.image_shape[0], args.codes[0]
    seeds = range(args.seed, args.seed + args.runs)
    wanted = [(variant, first) for variant in VARIANTS] + [("as-printed", n) for n in args.codes[1:]]

    print(images)
    print(f"as-printed, N = {first}:\n{autoencoder('as-printed', side, first, np.random.default_rng(0))}")
    for name, what in VARIANTS.items():
        print(f"  {name:<18} {what}")
    print("a classifier:")
    for name, what in CLASSIFIERS.items():
        print(f"  {name:<18} {what}")
    errors, shown = baselines(images, args.codes)

    autoencoders: dict[tuple[str, int], list[Trained]] = {key: [] for key in wanted}
    kinds = [(kind, n) for n in args.codes for kind in CLASSIFIERS if n == first or kind != "untrained"]
    classifiers: dict[tuple[str, int], list[Trained]] = {key: [] for key in kinds}
    for seed in seeds:
        for variant, n in wanted:
            rng = np.random.default_rng(seed)
            autoencoders[variant, n].append(
                trained(
                    args.out / f"{variant}-n{n}-seed{seed}",
                    autoencoder(variant, side, n, rng),
                    rng,
                    images,
                    args,
                    {"variant": variant, "code": n, "seed": seed, "epochs": args.epochs},
                )
            )
        for kind, n in classifiers:
            below = autoencoders["as-printed", n][-1].model
            rng = np.random.default_rng(seed)
            classifiers[kind, n].append(
                trained(
                    args.out / f"classifier-{kind}-n{n}-seed{seed}",
                    classifier(kind, below.encoder, side, n, rng),
                    rng,
                    images,
                    args,
                    {
                        "variant": kind,
                        "code": n,
                        "seed": seed,
                        "epochs": args.classifier_epochs,
                        "encoder": "afresh" if kind == "untrained" else fingerprint(below.encoder.params),
                    },
                )
            )

    mse = {key: cli.over_runs([score_autoencoder(t.model, images) for t in ts]) for key, ts in autoencoders.items()}
    right = {key: cli.over_runs([score_classifier(t.model, images) for t in ts]) for key, ts in classifiers.items()}
    print_tables(args, errors, mse, right)
    kept = classifiers["logits", first][0].model
    predicted, labels = predicted_classes(kept, images.test), data.labels_of(images.test)
    counts = confusion_matrix(predicted, labels, 10)
    text, per_class = report(predicted, labels)
    print(f"\ntest images, the classifier logits of N = {first}, seed {args.seed}:\n{text}")

    cli.write_json(args.out / "history.json", {
        **{f"{variant}-n{n}": [t.history for t in ts] for (variant, n), ts in autoencoders.items()},
        **{f"classifier-{kind}-n{n}": [t.history for t in ts] for (kind, n), ts in classifiers.items()},
    })  # fmt: skip
    cli.write_json(
        args.out / "summary.json",
        {
            "experiment": "conv-autoencoder",
            "figures": {
                "baselines_test_mse": errors,
                "autoencoders": {f"{variant}-n{n}": figure for (variant, n), figure in mse.items()},
                "classifiers": {f"{kind}-n{n}": figure for (kind, n), figure in right.items()},
                "confusion": counts.tolist(),
                "per_class": per_class,
            },
            "document": DOCUMENT if args.data == "fashion-mnist" else {},
            "settings": {
                "data": args.data, "batch_size": args.batch_size, "epochs": args.epochs, "seeds": list(seeds),
                "classifier_epochs": args.classifier_epochs, "codes": args.codes, "optimizer": "Adam(lr=0.001)",
                "networks": {t[0].model.__class__.__name__ + f" {k[0]} {k[1]}": repr(t[0].model)
                             for k, t in (*autoencoders.items(), *classifiers.items())},
                "threads": args.threads, "seed": args.seed,
            },
            "scaling": f"pixels / {images.train.white}",
            "seed": args.seed,
            "versions": cli.versions(),
        },
    )  # fmt: skip
    what = f"{args.data}, N = {first}; runs: {args.runs}"
    rows = {"test image": images.test[:10]}
    for variant in VARIANTS:
        rows[variant] = autoencoders[variant, first][0].model.reconstruct(images.test[:10])
    pictures = {
        "curves": figures.learning_curves(
            {"mean squared error": {v: curves(autoencoders[v, first], "loss") for v in VARIANTS}},
            f"Autoencoders on {what}\ntraining: with dropout, while the parameters change; validation: without",
        ),
        "classifier_curves": figures.learning_curves(
            {
                quantity: {kind: curves(classifiers[kind, first], name) for kind in CLASSIFIERS}
                for quantity, name in (("accuracy", "accuracy"), ("cross-entropy (nats)", "loss"))
            },
            f"Classifiers on {what}\n"
            "training loss: with dropout, while the parameters change; all else: without, after each epoch",
        ),
        "reconstructions": figures.rows_of_images(
            {**rows, f"PCA-{first}": shown[f"PCA-{first}"]},
            images.image_shape,
            f"Test images and their reconstructions\n{args.data}, N = {first}, seed {args.seed}",
        ),
        "confusion": figures.confusion_matrix(
            counts,
            f"Encoder and Dense({first}, 10) on {args.data}, {len(labels):,} test images, accuracy "
            f"{100 * accuracy(predicted, labels):.2f} %, seed {args.seed}",
        ),
    }
    for name, picture in pictures.items():
        figures.save(picture, args.out / f"{name}.png")
    names = ", ".join(f"{name}.png" for name in pictures)
    print(
        f"written to {args.out}: summary.json, history.json, {names}, and a folder with a checkpoint for each training"
    )


def print_tables(
    args: argparse.Namespace,
    errors: Mapping[str, float],
    mse: Mapping[tuple[str, int], dict[str, Any]],
    right: Mapping[tuple[str, int], dict[str, Any]],
) -> None:
    """The document's figures and ours."""
    fashion = args.data == "fashion-mnist"
    print(f"\nmean squared error in evaluation mode, pixels from 0 to 1; mean of {args.runs} runs")
    columns = f"{'document':>9} {'test':>9} {'at the edge':>12} {'test / 0.8':>11} {'training':>9}"
    print(f"{'':<26} {columns}   code numbers always 0")
    for name, error in errors.items():
        print(f"{name:<26} {'':>9} {error:>9.4f}")
    for (variant, n), figure in mse.items():
        document = f"{DOCUMENT['mse']}" if fashion and (variant, n) == ("as-printed", 64) else "—"
        test, edge, bright, train = (
            figure[f"{name}_mse{more}"]["mean"]
            for name, more in (("test", ""), ("test", "_at_the_edge"), ("test", "_brightened"), ("train", ""))
        )
        dead = ", ".join(f"{count} of {n}" for count in figure["dead_code_numbers"]["runs"])
        numbers = f"{document:>9} {test:>9.4f} {edge:>12.4f} {bright:>11.4f} {train:>9.4f}"
        print(f"{variant + f', N = {n}':<26} {numbers}   {dead}")
    print(f"\nclassifiers, mean ± standard deviation over {args.runs} runs")
    print(f"{'':<26} {'document':>9} {'test accuracy':>16} {'test cross-entropy':>19}   classes never found")
    for (kind, n), figure in right.items():
        known: dict[int, float] = DOCUMENT["accuracy"] if fashion and kind != "untrained" else {}
        document = f"{100 * known[n]:.2f} %" if n in known else "—"
        ours = cli.mean_and_spread([100 * value for value in figure["test_accuracy"]["runs"]]) + " %"
        loss = cli.mean_and_spread(figure["test_cross_entropy"]["runs"], 4)
        lost = ", ".join(map(str, figure["classes_never_found"]["runs"]))
        print(f"{kind + f', N = {n}':<26} {document:>9} {ours:>16} {loss:>19}   {lost}")


if __name__ == "__main__":
    cli.run(main)
