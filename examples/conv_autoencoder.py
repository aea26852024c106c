"""A convolutional autoencoder of Fashion-MNIST, and its encoder reused in a classifier (R. Santamaria, 2024).

The document prints both networks (its Appendix A): an encoder of two convolutions to a code of N = 64 numbers, a
decoder of two transposed convolutions, and a classifier, which is the trained encoder with one dense layer behind it,
all of it trained. The autoencoder stands layer by layer in scratchnn/scripts/student_works.py, which the benchmarks
use too. 50,000 images train, 10,000 validate, 10,000 test; pixels / 255; the mean squared error, 15 epochs;
cross-entropy, 30 epochs; dropout 0.2; curves averaged over runs (it made ten). It does not name the optimiser and the
size of the batches: here Adam with 1e-3, batches of 100, weights from N(0, 1/fan-in), biases 0. Nor does it say which
10,000 images validate: here the first.

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
printed here): a number that is 0 for every image of a batch gets no gradient, and only changes in the layers below can
bring it back. PCA, which is linear, has 64 numbers that count, and own-linear has them too.

*What an untrained network shows* is grey, between 0.4 and 0.6 in every pixel, from the values here as well as from
PyTorch's: the sums that reach the sigmoid are small. The document's Figure 3 has "mostly black or white" pixels; most
likely its scale of greys goes from the smallest to the largest value of an image.

Classifiers on the encoder of as-printed; the last is trained for the first N alone:

    as-printed         Dense(N, 10), ReLU, Dropout behind the encoder: a ReLU and dropout on logits. A class whose logit
                       is below 0 for all images gets no gradient; only changes in the encoder can bring it back
    logits             Dense(N, 10) alone
    untrained          the same, the encoder started afresh: what has the autoencoder been good for?

examples/conv_classifier_seeds.py trains the first two from many seeds, and from PyTorch's initial values too, to say
where the document's accuracies lie among such runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from shared.documents import CONV_RESULTS
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

from scratchnn import Adam, Autoencoder, Classifier, data
from scratchnn.evaluation import (
    confusion_matrix,
    encode,
    predicted_classes,
    principal_components,
    reconstruction_error,
)
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.scripts.student_works import (
    CONV_CODES,
    CONV_EPOCHS,
    RATE,
    conv_autoencoder,
    conv_classifier,
    split_of_the_document,
)
from scratchnn.training import runs
from scratchnn.training.checkpoints import fingerprint

T = TypeVar("T")
Kind = tuple[str, int]  # a variant of the autoencoder, or a kind of classifier, and N
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
UNREACHED = {28: 3, 8: 1}  # by the side of an image: how many of its last rows and columns the printed decoder misses

EXAMPLES = """\
  python examples/conv_autoencoder.py                                      embedded digits, smaller; under a minute
  python examples/conv_autoencoder.py --data fashion-mnist --codes 64 --runs 1      the document's N = 64, once
  python examples/conv_autoencoder.py --data fashion-mnist --runs 3                 all of it, three times: hours
"""


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
    if args.data not in CONV_EPOCHS:
        raise runs.OptionError(f"{args.data} has no labels to learn from: choose {', '.join(CONV_EPOCHS)} with --data")
    args.epochs = args.epochs or CONV_EPOCHS[args.data][0]
    args.classifier_epochs = args.classifier_epochs or CONV_EPOCHS[args.data][1]
    args.codes = list(dict.fromkeys(args.codes or CONV_CODES[args.data]))
    args.out = args.out or Path("runs") / f"conv-autoencoder-{args.data}-seed{args.seed}"
    return args


def named(of: Mapping[Kind, T]) -> dict[str, T]:
    """The same, by the names that files and folders have."""
    return {f"{kind}-n{n}": value for (kind, n), value in of.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "conv-autoencoder")
    with runs.alone_in(args.out):
        train_all(args)


def train_all(args: argparse.Namespace) -> None:
    """Trains the networks, or finds them trained, and writes what came out."""
    images = split_of_the_document(data.load(args.data))
    n_train, n_pixels = images.train.pixels.shape
    runs.check_batch_size(args.batch_size, n_train)
    if max(args.codes) > n_pixels:
        raise runs.OptionError(f"--codes {max(args.codes)} is more than the {n_pixels} pixels of an image")
    side, first = images.image_shape[0], args.codes[0]
    seeds = range(args.seed, args.seed + args.runs)

    print(images)
    print(f"as-printed, N = {first}:\n{conv_autoencoder('as-printed', side, first, np.random.default_rng(0))}")
    for name, what in VARIANTS.items():
        print(f"  {name:<18} {what}")
    print("a classifier:")
    for name, what in CLASSIFIERS.items():
        print(f"  {name:<18} {what}")
    errors, shown = baselines(images, args.codes)

    wanted = [(variant, first) for variant in VARIANTS] + [("as-printed", n) for n in args.codes[1:]]
    kinds = [(kind, n) for n in args.codes for kind in CLASSIFIERS if n == first or kind != "untrained"]
    autoencoders: dict[Kind, list[Autoencoder]] = {key: [] for key in wanted}
    classifiers: dict[Kind, list[Classifier]] = {key: [] for key in kinds}
    histories: dict[str, list[History]] = {}

    def add(name: str, model: Autoencoder | Classifier, rng: np.random.Generator, **settings: Any) -> None:
        history = train(
            args.out / f"{name}-seed{settings['seed']}", model, Adam(model, lr=1e-3), rng, images, args, settings,
            n_measured=min(len(images.validation), n_train),
        )  # fmt: skip
        histories.setdefault(name, []).append(history)

    for seed in seeds:
        for variant, n in wanted:
            rng = np.random.default_rng(seed)
            autoencoder = conv_autoencoder(variant, side, n, rng)
            add(f"{variant}-n{n}", autoencoder, rng, variant=variant, code=n, seed=seed, epochs=args.epochs)
            autoencoders[variant, n].append(autoencoder)
        for kind, n in kinds:
            rng, below = np.random.default_rng(seed), autoencoders["as-printed", n][-1].encoder
            model = conv_classifier(kind, below, side, n, rng)
            add(
                f"classifier-{kind}-n{n}", model, rng, variant=kind, code=n, seed=seed, epochs=args.classifier_epochs,
                encoder="afresh" if kind == "untrained" else fingerprint(below.params),
            )  # fmt: skip
            classifiers[kind, n].append(model)

    mse = {key: runs.over_runs([score_autoencoder(m, images) for m in made]) for key, made in autoencoders.items()}
    right = {key: runs.over_runs([score_classifier(m, images) for m in made]) for key, made in classifiers.items()}
    print_tables(args, errors, mse, right)
    predicted = predicted_classes(classifiers["logits", first][0], images.test)
    labels = data.labels_of(images.test)
    counts = confusion_matrix(predicted, labels, 10)
    text, per_class = report(predicted, labels)
    print(f"\ntest images, the classifier logits of N = {first}, seed {args.seed}:\n{text}")

    measured = {
        "baselines_test_mse": errors,
        "autoencoders": named(mse),
        "classifiers": named(right),
        "confusion": counts.tolist(),
        "per_class": per_class,
    }
    networks = {**{f"Autoencoder {variant} {n}": repr(made[0]) for (variant, n), made in autoencoders.items()},
                **{f"Classifier {kind} {n}": repr(made[0]) for (kind, n), made in classifiers.items()}}  # fmt: skip
    settings = {
        "data": args.data, "batch_size": args.batch_size, "epochs": args.epochs, "seeds": list(seeds),
        "early_stopping": args.early_stopping,
        "classifier_epochs": args.classifier_epochs, "codes": args.codes, "optimiser": "Adam(lr=0.001)",
        "networks": networks, "threads": args.threads, "seed": args.seed,
    }  # fmt: skip
    runs.write_summary(
        args.out, "conv-autoencoder", measured, settings, seed=args.seed,
        scaling=f"pixels / {images.train.max_value}", document=CONV_RESULTS if args.data == "fashion-mnist" else {},
    )  # fmt: skip
    untrained = conv_autoencoder("as-printed", side, first, np.random.default_rng(args.seed))
    rows = {"untrained": untrained.reconstruct(images.test[:10])}
    rows |= {variant: autoencoders[variant, first][0].reconstruct(images.test[:10]) for variant in VARIANTS}
    rows[f"PCA-{first}"] = shown[f"PCA-{first}"]
    write_results(args.out, histories, draw(args, images, histories, rows, counts), settings)


def draw(
    args: argparse.Namespace,
    images: data.DataSet,
    histories: Mapping[str, Sequence[History]],
    rows: Mapping[str, Array],
    counts: Array,
) -> dict[str, figures.Figure]:
    n = args.codes[0]
    what = f"{args.data}, N = {n}; runs: {args.runs}"
    first = [int(np.flatnonzero(images.train.labels == k)[j]) for j in range(3) for k in range(10)]
    return {
        "samples": figures.named_images(
            images.train[first],
            data.labels_of(images.train)[first],
            images.image_shape,
            f"The first three training images of every class\n{args.data}",
            images.class_names,
            columns=10,
        ),
        "curves": figures.learning_curves(
            {"mean squared error": {v: curves(histories[f"{v}-n{n}"], "loss") for v in VARIANTS}},
            f"Autoencoders on {what}\ntraining: with dropout, while the parameters change; validation: without",
        ),
        "classifier_curves": figures.learning_curves(
            classifier_curves({kind: histories[f"classifier-{kind}-n{n}"] for kind in CLASSIFIERS}),
            f"Classifiers on {what}\n"
            "training loss: with dropout, while the parameters change; all else: without, after each epoch",
        ),
        "reconstructions": figures.rows_of_images(
            {"test image": images.test[:10], **rows},
            images.image_shape,
            f"Test images and their reconstructions\n{args.data}, N = {n}, seed {args.seed}",
        ),
        "confusion": confusion_picture(counts, f"Encoder and Dense({n}, 10) on ", args, images.class_names),
    }


def print_tables(
    args: argparse.Namespace,
    errors: Mapping[str, float],
    mse: Mapping[Kind, dict[str, Any]],
    right: Mapping[Kind, dict[str, Any]],
) -> None:
    """The document's figures and ours."""
    fashion, several = args.data == "fashion-mnist", args.runs > 1
    made = f"mean of {args.runs} runs" if several else "one run"
    print(f"\nmean squared error in evaluation mode, pixels from 0 to 1; {made}")
    columns = f"{'document':>9} {'test':>9} {'at the edge':>12} {'test / 0.8':>11} {'training':>9}"
    print(f"{'':<26} {columns}   code numbers always 0")
    for name, error in errors.items():
        print(f"{name:<26} {'':>9} {error:>9.4f}")
    for (variant, n), figure in mse.items():
        document = f"{CONV_RESULTS['mse']}" if fashion and (variant, n) == ("as-printed", 64) else "—"
        test, edge, bright, train = (
            figure[f"{name}_mse{more}"]["mean"]
            for name, more in (("test", ""), ("test", "_at_the_edge"), ("test", "_brightened"), ("train", ""))
        )
        dead = ", ".join(f"{count} of {n}" for count in figure["dead_code_numbers"]["runs"])
        numbers = f"{document:>9} {test:>9.4f} {edge:>12.4f} {bright:>11.4f} {train:>9.4f}"
        print(f"{variant + f', N = {n}':<26} {numbers}   {dead}")
    made = f"mean ± standard deviation over {args.runs} runs" if several else "one run"
    print(f"\nclassifiers, {made}")
    print(f"{'':<26} {'document':>9} {'test accuracy':>16} {'test cross-entropy':>19}   classes never found")
    for (kind, n), figure in right.items():
        known: dict[int, float] = CONV_RESULTS["accuracy"] if fashion and kind != "untrained" else {}
        document = f"{100 * known[n]:.2f} %" if n in known else "—"
        ours = runs.mean_and_std([100 * value for value in figure["test_accuracy"]["runs"]]) + " %"
        loss = runs.mean_and_std(figure["test_cross_entropy"]["runs"], 4)
        lost = ", ".join(map(str, figure["classes_never_found"]["runs"]))
        print(f"{kind + f', N = {n}':<26} {document:>9} {ours:>16} {loss:>19}   {lost}")


if __name__ == "__main__":
    cli.run(main)
