"""Three autoencoders, their codes stacked into a classifier of MNIST or Fashion-MNIST: does pre-training help?

Exercises 3 and 5 of the student work (000, Keras) train three dense autoencoders on the pixels / 255, ReLU inside and a
sigmoid at the output,

    784-256-128-64-128-256-784      784-128-64-32-64-128-784      784-64-32-16-32-64-784

and build a classifier from the *code layers* of the three, as they are after training: Dense(128 → 64) of the first,
Dense(64 → 32) of the second, Dense(32 → 16) of the third, between a fresh Dense(784, 128) and a fresh softmax of ten:

    784-128-64-32-16-10      Adam, cross-entropy, all layers trained with the labels

Its text prints no accuracy; its confusion matrices, as far as they can be read, say roughly 98 % on MNIST and 87 % on
Fashion-MNIST. The loss of the autoencoders, the epochs ("few") and the batches are not printed either. Here: binary
cross-entropy, Adam, batches of 32 as Keras has them where nothing is said; the learning rate of a classifier falls
geometrically from 0.001 to 0.0001. The document trained on 60,000 images and drew its validation curves from the test
images; here 55,000 train, 5,000 validate, and the 10,000 test images are seen at the end only. Keras's defaults
otherwise: weights uniform within ±√(6/(fan-in + fan-out)), biases 0, ε of Adam 1e-7.

*What the code layers know.* Each has learned to read the 128, 64 or 32 numbers that the layer below it *in its own
autoencoder* gives. In the classifier it stands on another layer, whose numbers mean something else. (Where stacking is
known to have helped, every autoencoder learned on the codes of the one below.) The same network is trained three times:

    stacked   from the three code layers, as in the document
    whole     from the encoder of one autoencoder 784-128-64-32-16-32-64-128-784, in which the layers have met
    random    from values drawn afresh

The three share the values of all that is drawn, seed by seed, and the order of the images.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared.series import (
    History,
    classifier_curves,
    confusion_picture,
    score_classifier,
    train,
    write_results,
)

from scratchnn import Adam, Autoencoder, BinaryCrossEntropy, Classifier, Sequential, data
from scratchnn.evaluation import confusion_matrix, predicted_classes, principal_components, reconstruction_error
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.scripts.student_works import KERAS_EPS, keras_layers
from scratchnn.training import runs
from scratchnn.training.checkpoints import fingerprint

STARTS = {
    "stacked": "code layers of three autoencoders, as in the document",
    "whole": "encoder of one autoencoder with the same layers",
    "random": "values drawn afresh: no pre-training",
}
EPOCHS = {"digits": 40, "mnist": 20, "fashion-mnist": 20}
PRETRAINING_EPOCHS = {"digits": 40, "mnist": 10, "fashion-mnist": 10}
DOCUMENT = {"mnist": 0.98, "fashion-mnist": 0.87}  # test accuracy, roughly
LEARNING_RATE, LAST_LEARNING_RATE = 1e-3, 1e-4

EXAMPLES = """\
  python examples/stacked_autoencoder.py                                  embedded digits, half as wide, seconds
  python examples/stacked_autoencoder.py --data mnist                     exercise 3, three times with other seeds
  python examples/stacked_autoencoder.py --data fashion-mnist --runs 1    exercise 5, once
"""


def encoder_widths(n_x: int) -> dict[str, list[int]]:
    """From the pixels to the code: the three of the document, and one that has all layers of the classifier."""
    w = 128 if n_x >= 400 else 64
    return {
        "first": [n_x, 2 * w, w, w // 2],  # 784-256-128-64
        "second": [n_x, w, w // 2, w // 4],  # 784-128-64-32
        "third": [n_x, w // 2, w // 4, w // 8],  # 784-64-32-16
        "whole": [n_x, w, w // 2, w // 4, w // 8],  # 784-128-64-32-16
    }


def autoencoders(n_x: int, rng: np.random.Generator) -> dict[str, Autoencoder]:
    """Each decoder has the layers of its encoder in reverse order. A ReLU stands behind every layer but the last."""
    made = {}
    for name, widths in encoder_widths(n_x).items():
        encoder = Sequential(keras_layers(widths, rng))
        decoder = Sequential(keras_layers(widths[::-1], rng)[:-1])  # logits: the sigmoid is part of the loss
        made[name] = Autoencoder(encoder, decoder, BinaryCrossEntropy())
    return made


def classifier(
    start: str, n_x: int, n_classes: int, pretrained: Mapping[str, Autoencoder], rng: np.random.Generator
) -> Classifier:
    """The classifier before it has seen a label. Whatever the start, the same values are drawn; some are replaced."""
    layers = keras_layers([*encoder_widths(n_x)["whole"], n_classes], rng)[:-1]  # logits: softmax is part of the loss
    if start == "stacked":
        # each autoencoder's code layer is its encoder's third Dense, in front of the last ReLU
        for layer, name in ((layers[2], "first"), (layers[4], "second"), (layers[6], "third")):
            layer.params[...] = pretrained[name].encoder.parts["4"].params
    elif start == "whole":
        for layer, source in zip(layers[:-1], pretrained["whole"].encoder.parts.values(), strict=True):
            layer.params[...] = source.params
    return Classifier(Sequential(layers))


def pretrain(args: argparse.Namespace, seed: int, images: data.DataSet) -> dict[str, Autoencoder]:
    """The four autoencoders, trained. Each has a generator of its own, so that any of them can be gone on with."""
    n_x = images.train.pixels.shape[1]
    done = {}
    for number, name in enumerate(encoder_widths(n_x)):
        rng = np.random.default_rng([seed, number])
        model = done[name] = autoencoders(n_x, rng)[name]
        settings = {"seed": seed, "autoencoder": name, "epochs": args.pretraining_epochs}
        folder, adam = args.out / f"autoencoder-{name}-seed{seed}", Adam(model, lr=LEARNING_RATE, eps=KERAS_EPS)
        train(folder, model, adam, rng, images, args, settings)
    return done


def fine_tune(
    args: argparse.Namespace, seed: int, start: str, images: data.DataSet, pretrained: Mapping[str, Autoencoder]
) -> tuple[Classifier, History]:
    """A classifier, all of it trained with the labels."""
    rng = np.random.default_rng(seed)
    n_x, n_classes = images.train.pixels.shape[1], int(data.labels_of(images.train).max()) + 1
    model = classifier(start, n_x, n_classes, pretrained, rng)
    settings = {
        "seed": seed, "start": start, "epochs": args.epochs, "initial_parameters": fingerprint(model.params)
    }  # fmt: skip
    folder, adam = args.out / f"classifier-{start}-seed{seed}", Adam(model, lr=LEARNING_RATE, eps=KERAS_EPS)
    return model, train(folder, model, adam, rng, images, args, settings, lr_final=LAST_LEARNING_RATE)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(__doc__ or "", EXAMPLES, batch_size=32)
    parser.add_argument("--runs", type=cli.positive_int, default=3, help="trainings, with seeds in a row (default: 3)")
    parser.add_argument(
        "--pretraining-epochs", type=cli.positive_int, help="of an autoencoder (default: 10; digits: 40)"
    )
    args = parser.parse_args(arguments)
    if args.data not in EPOCHS:
        raise runs.OptionError(f"{args.data} has no labels to learn from: choose {', '.join(EPOCHS)} with --data")
    args.epochs = args.epochs or EPOCHS[args.data]
    args.pretraining_epochs = args.pretraining_epochs or PRETRAINING_EPOCHS[args.data]
    args.out = args.out or Path("runs") / f"stacked-autoencoder-{args.data}-seed{args.seed}"
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    runs.check_resume(args.out, args.resume, "stacked-autoencoder")
    with runs.alone_in(args.out):
        train_all(args)


def train_all(args: argparse.Namespace) -> None:
    """Trains the networks, or finds them trained, and writes what came out."""
    images = data.load(args.data)
    runs.check_batch_size(args.batch_size, len(images.train))
    seeds = range(args.seed, args.seed + args.runs)

    print(images)
    for name, what in STARTS.items():
        print(f"  {name:<8} {what}")
    pretrained = []
    models: dict[str, list[Classifier]] = {start: [] for start in STARTS}
    histories: dict[str, list[History]] = {start: [] for start in STARTS}
    for seed in seeds:
        pretrained.append(pretrain(args, seed, images))
        for start in STARTS:
            model, history = fine_tune(args, seed, start, images, pretrained[-1])
            models[start].append(model)
            histories[start].append(history)

    n_codes = {name: widths[-1] for name, widths in encoder_widths(images.train.pixels.shape[1]).items()}
    pca = {n: principal_components(images.train, n) for n in (0, *sorted(set(n_codes.values())))}
    baselines = {n: reconstruction_error(components.reconstruct, images.test) for n, components in pca.items()}
    errors = runs.over_runs([
        {name: reconstruction_error(model.reconstruct, images.test) for name, model in made.items()}
        for made in pretrained
    ])  # fmt: skip
    scores = {start: runs.over_runs([score_classifier(m, images) for m in made]) for start, made in models.items()}
    print_tables(args, n_codes, baselines, errors, scores)

    labels = data.labels_of(images.test)
    counts = {
        start: confusion_matrix(predicted_classes(made[0], images.test), labels, int(labels.max()) + 1)
        for start, made in models.items()
    }
    measured = {
        "classifiers": scores,
        "baselines_test_mse": {f"PCA-{n}" if n else "mean image": error for n, error in baselines.items()},
        "autoencoders_test_mse": errors,
        "confusion": {start: matrix.tolist() for start, matrix in counts.items()},
    }
    networks = {**pretrained[0], "classifier": models["random"][0]}
    settings = {
        "data": args.data, "batch_size": args.batch_size, "epochs": args.epochs, "seeds": list(seeds),
        "early_stopping": args.early_stopping,
        "pretraining_epochs": args.pretraining_epochs, "learning_rate": [LEARNING_RATE, LAST_LEARNING_RATE],
        "networks": {name: repr(network) for name, network in networks.items()},
        "threads": args.threads, "seed": args.seed,
    }  # fmt: skip
    document = {"test_accuracy": DOCUMENT[args.data]} if args.data in DOCUMENT else {}
    scaling = f"pixels / {images.train.max_value}"
    runs.write_summary(
        args.out, "stacked-autoencoder", measured, settings, seed=args.seed, scaling=scaling, document=document
    )
    by_seed = {f"{start}-seed{seed}": h for start, of in histories.items() for seed, h in zip(seeds, of, strict=True)}
    write_results(
        args.out,
        by_seed,
        draw(args, images, histories, counts, models["stacked"][0], pretrained[0], n_codes),
        settings,
    )


def print_tables(
    args: argparse.Namespace,
    n_codes: Mapping[str, int],
    baselines: Mapping[int, float],
    errors: Mapping[str, Any],
    scores: Mapping[str, Any],
) -> None:
    """The document's figures and ours."""
    print(f"\nautoencoders: mean squared error of test images, pixels from 0 to 1; runs: {args.runs}")
    print(f"{'one mean image':<24} {baselines[0]:>16.4f}")
    for name, n in n_codes.items():
        ours = runs.mean_and_std(errors[name]["runs"], 4)
        print(f"{f'{name}, {n} numbers':<24} {ours:>16}    PCA with as many {baselines[n]:.4f}")
    print(f"\nclassifiers: mean ± standard deviation; runs: {args.runs}")
    print(f"{'':<10} {'document':>9} {'test accuracy':>16} {'training':>16} {'test cross-entropy':>19}")
    for start, figure in scores.items():
        known = start == "stacked" and args.data in DOCUMENT
        document = f"≈ {100 * DOCUMENT[args.data]:.0f} %" if known else "—"
        test, train = (
            runs.mean_and_std([100 * value for value in figure[f"{part}_accuracy"]["runs"]]) + " %"
            for part in ("test", "train")
        )
        loss = runs.mean_and_std(figure["test_cross_entropy"]["runs"], 4)
        print(f"{start:<10} {document:>9} {test:>16} {train:>16} {loss:>19}")
    for start in ("stacked", "whole"):
        gains = [100 * (a - b) for a, b in zip(*(scores[s]["test_accuracy"]["runs"] for s in (start, "random")),
                                               strict=True)]  # fmt: skip
        print(f"{start} less random, seed by seed: {', '.join(f'{gain:+.2f}' for gain in gains)} points")


def draw(
    args: argparse.Namespace,
    images: data.DataSet,
    histories: Mapping[str, Sequence[History]],
    counts: Mapping[str, Array],
    stacked: Classifier,
    pretrained: Mapping[str, Autoencoder],
    n_codes: Mapping[str, int],
) -> dict[str, figures.Figure]:
    what = f"{args.data}, seed {args.seed}"
    test, labels = images.test, data.labels_of(images.test)
    rows = {f"{name}: {n_codes[name]}": model.reconstruct(test[:10]) for name, model in pretrained.items()}
    pictures = {
        "curves": figures.learning_curves(
            classifier_curves(histories),
            f"The same network from three starts on {args.data}; runs: {args.runs}",
        ),
        "reconstructions": figures.rows_of_images(
            {"test image": test[:10], **rows},
            images.image_shape,
            f"Test images, and what autoencoders with so many numbers make of them\n{what}",
        ),
    }
    for start, matrix in counts.items():
        pictures[f"confusion-{start}"] = confusion_picture(
            matrix, f"{start}: {STARTS[start]}\n", args, images.class_names
        )
    wrong = np.flatnonzero(predicted_classes(stacked, test) != labels)
    shown = np.concatenate([np.arange(8), wrong[:8]])
    pictures["probabilities"] = figures.probability_bars(
        test[shown], stacked.probabilities(test[shown]), labels[shown], images.image_shape,
        f"The first test images, and the first that stacked takes for something else\n{what}",
        class_names=images.class_names,
    )  # fmt: skip
    return pictures


if __name__ == "__main__":
    cli.run(main)
