"""Fashion-MNIST through a code of two numbers, and a classifier on an autoencoder's encoder (González, León, Caicedo).

The document prints a convolutional autoencoder with a 2-number code; it stands below, layer by layer. Its decoder
breaks off before the output: the last convolution, to one channel, with a sigmoid, is ours. It does not print loss,
optimiser, batches and epochs: here the mean squared error on pixels / 255, Adam with 1e-3, batches of 100; initial
values and averages of the batch normalisation are this library's.

*The code that collapses.* "With the autoencoder the data are seen on a single line, whatever their class": that is what
the document saw, beside PCA and t-SNE, which show clouds. Its code has a ReLU behind it. Where one of the two numbers
is below 0 for all images, the ReLU makes it 0 for all, and no gradient flows back through it: only changes in the
layers below, which go on learning by the other number, can bring it back. One dead number of two makes a line; two make
a point, and the decoder shows the same image whatever it is given. How many networks start that way is counted here,
before they have learned anything and as far as 100 images show. Those that start with one dead number are trained in
turn, until one stays a line (in others the number comes to life again), beside one that starts with none (relu-code)
and one without the ReLU (linear-code), to which it cannot happen. A code can lie near a line for other reasons as well,
so the share of its variance along its main direction is printed: 1 is a line.

The classifier's network is on a picture that the text does not hold; described are an autoencoder whose encoder is used
again, 93 % of the test images right, and training curves that leave the validation curves behind. Here: four 3×3
convolutions with batch normalisation and two poolings, first trained as the encoder of an autoencoder, without labels,
then with two dense layers behind it, all of it trained; dropout; a learning rate that falls from 1e-3 to 1e-5.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared.series import (
    History,
    classifier_curves,
    confusion_picture,
    curves,
    report,
    score_classifier,
    train,
    write_results,
)

from scratchnn import (
    Adam,
    Autoencoder,
    BatchNorm,
    Classifier,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    UpSampling2D,
    data,
)
from scratchnn.evaluation import (
    confusion_matrix,
    encode,
    predicted_classes,
    principal_components,
    reconstruction_error,
    t_sne,
)
from scratchnn.layers import Layer
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.training import runs
from scratchnn.training.checkpoints import fingerprint

CODES = {
    "relu-code": "the printed one, a ReLU behind the code",
    "linear-code": "the same without that ReLU",
    "collapsed": "the printed one, from the first start with a dead number that stays dead",
}
EPOCHS = {"digits": (15, 5, 15), "mnist": (5, 2, 20), "fashion-mnist": (5, 2, 20)}  # 2 numbers; encoder; classifier
FRESH = 100  # networks that are looked at before they have learned anything
BATCH = 500  # images through a network that has learned nothing
SHOWN = 3000  # test images in a scatter plot: t-SNE takes long
DOCUMENT: dict[str, Any] = {
    "accuracy": 0.93,
    "precision": [0.85, 1.00, 0.89, 0.94, 0.88, 0.99, 0.79, 0.96, 0.99, 0.97],
    "recall": [0.89, 0.99, 0.88, 0.92, 0.89, 0.97, 0.77, 0.98, 0.99, 0.97],
    "f1-score": [0.87, 0.99, 0.89, 0.93, 0.89, 0.98, 0.78, 0.97, 0.99, 0.97],
}

EXAMPLES = """\
  python examples/fashion_conv_autoencoder.py                                  embedded digits; one to two minutes
  python examples/fashion_conv_autoencoder.py --data fashion-mnist             the document's; hours
  python examples/fashion_conv_autoencoder.py --data fashion-mnist --runs 3    codes from three starts
"""


def same(c_in: int, c_out: int, kernel: int, rng: np.random.Generator) -> list[Layer]:
    """What the document writes as Conv2D(c_out, (kernel, kernel), activation='relu', padding='same')."""
    return [Conv2D(c_in, c_out, kernel, rng, padding="same"), ReLU()]


def two_numbers(kind: str, side: int, rng: np.random.Generator) -> Autoencoder:
    quarter = side // 4
    encoder = [
        Reshape((1, side, side)),
        *same(1, 32, 3, rng), *same(32, 32, 3, rng),
        MaxPool2D(2), BatchNorm(32),  # (32, 28, 28) → (32, 14, 14)
        *same(32, 32, 3, rng), *same(32, 32, 3, rng), *same(32, 32, 2, rng),
        MaxPool2D(2), BatchNorm(32),  # → (32, 7, 7)
        *same(32, 16, 2, rng), *same(16, 4, 2, rng), *same(4, 1, 2, rng),
        Flatten(),  # → 49
        Dense(quarter * quarter, 2, rng),
        *([] if kind == "linear-code" else [ReLU()]),
    ]  # fmt: skip
    decoder = [
        Dense(2, 4, rng), ReLU(),
        Reshape((1, 2, 2)),
        *same(1, 4, 2, rng), *same(4, 16, 2, rng),
        BatchNorm(16), UpSampling2D(quarter),  # → (16, 14, 14)
        *same(16, 32, 3, rng), *same(32, 32, 3, rng), *same(32, 32, 3, rng),
        BatchNorm(32), BatchNorm(32), UpSampling2D(2),  # → (32, 28, 28)
        *same(32, 32, 3, rng), *same(32, 32, 3, rng),
        Conv2D(32, 1, 3, rng, padding="same"),  # from here on ours: the printed decoder ends before its output
        Sigmoid(),
        Flatten(),
    ]  # fmt: skip
    return Autoencoder(Sequential(encoder), Sequential(decoder), MeanSquaredError())


def wide_encoder(side: int, rng: np.random.Generator) -> list[Layer]:
    """images → (64, 7, 7): the encoder of the classifier, no narrow code at its end."""
    layers: list[Layer] = [Reshape((1, side, side))]
    for c_in, c_out in ((1, 32), (32, 64)):
        layers += [
            Conv2D(c_in, c_out, 3, rng, padding="same"), BatchNorm(c_out), ReLU(),
            Conv2D(c_out, c_out, 3, rng, padding="same"), BatchNorm(c_out), ReLU(),
            MaxPool2D(2), Dropout(0.25, rng),
        ]  # fmt: skip
    return layers


def wide_autoencoder(side: int, rng: np.random.Generator) -> Autoencoder:
    decoder = [
        *same(64, 32, 3, rng), UpSampling2D(2),
        *same(32, 16, 3, rng), UpSampling2D(2),
        Conv2D(16, 1, 3, rng, padding="same"), Sigmoid(), Flatten(),
    ]  # fmt: skip
    return Autoencoder(Sequential(wide_encoder(side, rng)), Sequential(decoder), MeanSquaredError())


def classifier(below: Layer, side: int, rng: np.random.Generator) -> Classifier:
    """The trained encoder, its values and its averages, and two dense layers."""
    # a new encoder and no copy: its dropout must draw from this run's generator
    encoder = Sequential(wide_encoder(side, rng))
    encoder.params[...] = below.params
    for name, average in encoder.buffers.items():
        average[...] = below.buffers[name]
    n = 64 * (side // 4) ** 2
    head = [Flatten(), Dense(n, 256, rng), ReLU(), Dropout(0.5, rng), Dense(256, 10, rng)]
    return Classifier(Sequential([encoder, *head]))


def dead_numbers(code: Array) -> int:
    """How many numbers of a code (N, n) are the same for all images."""
    return int((np.ptp(code, axis=0) == 0).sum())


def dead_at_the_start(side: int, x: Array, seed: int) -> list[int]:
    """How many dead numbers each of FRESH networks has in its code, as far as the images x (N, D) show."""
    starts = (two_numbers("relu-code", side, np.random.default_rng([seed, number])) for number in range(FRESH))
    # in training mode: averages for evaluation mode there are none yet
    return [dead_numbers(start.encoder.forward(x)) for start in starts]


def score_code(model: Autoencoder, images: data.DataSet) -> dict[str, Any]:
    code = encode(model, images.test)
    variances = np.linalg.eigvalsh(np.cov(code.T))
    return {
        "train_mse": reconstruction_error(model.reconstruct, images.train),
        "test_mse": reconstruction_error(model.reconstruct, images.test),
        "dead_code_numbers": dead_numbers(code),
        "variance_along_a_line": float(variances[-1] / variances.sum()) if variances.sum() else 1.0,
    }


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(__doc__ or "", EXAMPLES, batch_size=100)
    parser.add_argument("--runs", type=cli.positive_int, default=1, help="autoencoders of each kind (default: 1)")
    parser.add_argument(
        "--encoder-epochs",
        type=cli.positive_int,
        help="of the classifier's encoder, without labels (default: 2; digits: 5)",
    )
    parser.add_argument("--classifier-epochs", type=cli.positive_int, help="with labels (default: 20; digits: 15)")
    args = parser.parse_args(arguments)
    if args.data not in EPOCHS:
        raise runs.OptionError(f"{args.data} has no labels to learn from: choose {', '.join(EPOCHS)} with --data")
    for name, default in zip(("epochs", "encoder_epochs", "classifier_epochs"), EPOCHS[args.data], strict=True):
        setattr(args, name, getattr(args, name) or default)
    args.out = args.out or Path("runs") / f"fashion-conv-autoencoder-{args.data}-seed{args.seed}"
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "fashion-conv-autoencoder")
    with runs.alone_in(args.out):
        train_all(args)


def train_all(args: argparse.Namespace) -> None:
    """Trains the networks, or finds them trained, and writes what came out."""
    images = data.load(args.data)
    runs.check_batch_size(args.batch_size, len(images.train))
    side, test, labels = images.image_shape[0], images.test, data.labels_of(images.test)
    seeds = range(args.seed, args.seed + args.runs)
    print(images)
    for name, what in CODES.items():
        print(f"  {name:<12} {what}")

    def fit(
        name: str, model: Autoencoder | Classifier, rng: np.random.Generator, lr_final: float | None = None, **more: Any
    ) -> History:
        settings = {"variant": name, "seed": args.seed, **more}
        return train(
            args.out / f"{name}-seed{settings['seed']}", model, Adam(model, lr=1e-3), rng, images, args, settings,
            lr_final=lr_final, n_measured=min(len(images.validation), len(images.train)),
        )  # fmt: skip

    rng = np.random.default_rng(args.seed)
    wide = wide_autoencoder(side, rng)
    histories = {"encoder": fit("encoder", wide, rng, epochs=args.encoder_epochs)}
    rng, start = np.random.default_rng(args.seed), fingerprint(wide.encoder.params)
    sorter = classifier(wide.encoder, side, rng)
    histories["classifier"] = fit("classifier", sorter, rng, 1e-5, epochs=args.classifier_epochs, encoder=start)
    found = score_classifier(sorter, images)
    predicted = predicted_classes(sorter, test)
    counts, (_, per_class) = confusion_matrix(predicted, labels, 10), report(predicted, labels)
    print_report(args, found, per_class, images.class_names)

    starts = dead_at_the_start(side, images.train[:100], args.seed)
    models: dict[str, Autoencoder] = {}
    codes: dict[str, list[str]] = {kind: [] for kind in ("relu-code", "linear-code")}  # the names of a kind's models
    for kind, seed in itertools.product(codes, seeds):
        rng, name = np.random.default_rng(seed), f"{kind}, seed {seed}"
        models[name] = two_numbers(kind, side, rng)
        histories[name] = fit(kind, models[name], rng, seed=seed, epochs=args.epochs)
        codes[kind].append(name)
    panels = {name: encode(model, test[:SHOWN]) for name, model in models.items()}
    came_alive: list[str] = []
    for number in (number for number, dead in enumerate(starts) if dead == 1):
        rng, name = np.random.default_rng([args.seed, number]), f"collapsed, start {number}"
        models[name] = two_numbers("relu-code", side, rng)
        # in training mode, as there are no averages yet, and a batch at a time, for the sake of memory
        batches = [test[start : start + BATCH] for start in range(0, min(SHOWN, len(test)), BATCH)]
        before = np.concatenate([models[name].encoder.forward(x) for x in batches])[:SHOWN]
        histories[name] = fit(f"collapsed-{number}", models[name], rng, epochs=args.epochs)
        after = encode(models[name], test[:SHOWN])
        if dead_numbers(encode(models[name], test)) == 1:  # it stays a line: there is no need to look further
            codes["collapsed"] = [name]
            break
        came_alive.append(name)
    if "collapsed" in codes:
        panels |= {f"{name}, before training": before, f"{name}, trained": after}
    pca = {name: principal_components(images.train, n) for name, n in (("mean image", 0), ("PCA-2", 2))}
    errors = {name: reconstruction_error(components.reconstruct, test) for name, components in pca.items()}
    mse = {kind: runs.over_runs([score_code(models[name], images) for name in names]) for kind, names in codes.items()}
    print_codes(errors, mse, starts)

    measured = {
        "baselines_test_mse": errors,
        "codes": mse,
        "dead_numbers_at_the_start": starts,
        "dead_starts_that_came_alive": came_alive,
        "classifier": found,
        "confusion": counts.tolist(),
        "per_class": per_class,
    }
    settings = {
        "data": args.data, "batch_size": args.batch_size, "epochs": args.epochs, "seeds": list(seeds),
        "early_stopping": args.early_stopping,
        "encoder_epochs": args.encoder_epochs, "classifier_epochs": args.classifier_epochs,
        "optimiser": "Adam(lr=0.001)", "threads": args.threads, "seed": args.seed,
        "networks": {name: repr(model) for name, model in {**models, "encoder": wide, "classifier": sorter}.items()},
    }  # fmt: skip
    runs.write_summary(
        args.out, "fashion-conv-autoencoder", measured, settings, seed=args.seed,
        scaling=f"pixels / {images.train.max_value}", document=DOCUMENT if args.data == "fashion-mnist" else {},
    )  # fmt: skip

    shown = test[:SHOWN]
    panels |= {"PCA": pca["PCA-2"].encode(shown), "t-SNE": t_sne(images, len(shown), args.seed)}
    of_seed = {kind: names[0] for kind, names in codes.items()}
    rows = {kind: models[name].reconstruct(shown[:10]) for kind, name in of_seed.items()}
    rows["PCA-2"] = np.clip(pca["PCA-2"].reconstruct(shown[:10]), 0, 1)
    rows["no narrow code"] = wide.reconstruct(shown[:10])
    of_codes = {kind: [histories[name] for name in names] for kind, names in codes.items()}
    write_results(
        args.out, histories, draw(args, images, panels, rows, of_codes, histories["classifier"], counts), settings
    )


def draw(
    args: argparse.Namespace,
    images: data.DataSet,
    panels: Mapping[str, Array],
    rows: Mapping[str, Array],
    codes: Mapping[str, Sequence[History]],
    classifier: History,
    counts: Array,
) -> dict[str, figures.Figure]:
    test, labels = images.test, data.labels_of(images.test)
    return {
        "views": figures.views(
            panels,
            labels[:SHOWN],
            f"{len(test[:SHOWN]):,} test images of {args.data} by two numbers",
            images.class_names,
        ),
        "reconstructions": figures.rows_of_images(
            {"test image": test[:10], **rows},
            images.image_shape,
            f"Test images and their reconstructions\n{args.data}, seed {args.seed}; the last: the classifier's encoder",
        ),
        "curves": figures.learning_curves(
            {"mean squared error": {kind: curves(histories, "loss") for kind, histories in codes.items()}},
            f"Codes of two numbers, {args.data}; runs: {args.runs}\n"
            "training: normalised by each batch, while the parameters change\n"
            "validation: by running averages, which lag behind",
        ),
        "classifier_curves": figures.learning_curves(
            classifier_curves({"classifier": [classifier]}),
            f"Classifier on {args.data}, seed {args.seed}\n"
            "training loss: with dropout, normalised by each batch, while the parameters change\n"
            "all else: without dropout, by running averages",
        ),
        "confusion": confusion_picture(counts, "Classifier on ", args, images.class_names),
    }


def print_report(
    args: argparse.Namespace, found: Mapping[str, float], per_class: Mapping[str, Any], class_names: Sequence[str]
) -> None:
    """The document's classification report and ours."""
    fashion = args.data == "fashion-mnist"
    print(f"\nclassifier, {args.data}, test images; in brackets the document's")
    print("class           precision       recall          F1              images")
    for label, word in enumerate(class_names):
        line = f"{word:<13}   "
        for name in ("precision", "recall", "f1-score"):
            document = f"({DOCUMENT[name][label]:.2f})" if fashion else ""
            line += f"{per_class[str(label)][name]:.3f} {document:<10}"
        print(f"{line}{int(per_class[str(label)]['support']):>6,}")
    document = f"({DOCUMENT['accuracy']})" if fashion else ""
    print(f"accuracy {100 * found['test_accuracy']:.2f} % {document}, cross-entropy {found['test_cross_entropy']:.4f}")


def print_codes(errors: Mapping[str, float], mse: Mapping[str, dict[str, Any]], starts: Sequence[int]) -> None:
    print("\ncodes of two numbers: mean squared error, pixels from 0 to 1, mean of the runs")
    print(f"{'':<12} {'test':>8} {'training':>9}   dead numbers, and variance along a line, run by run")
    for name, error in errors.items():
        print(f"{name:<12} {error:>8.4f}")
    for kind, figure in mse.items():
        both = zip(figure["dead_code_numbers"]["runs"], figure["variance_along_a_line"]["runs"], strict=True)
        each = ";  ".join(f"{dead}, {line:.3f}" for dead, line in both)
        print(f"{kind:<12} {figure['test_mse']['mean']:>8.4f} {figure['train_mse']['mean']:>9.4f}   {each}")
    print(
        f"of {len(starts)} networks at the start, with the ReLU behind the code, {starts.count(0)} have no dead "
        f"number, {starts.count(1)} have one (a line), {starts.count(2)} have two (a point)"
    )


if __name__ == "__main__":
    cli.run(main)
