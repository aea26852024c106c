"""Three autoencoders, their codes stacked into a classifier of MNIST or Fashion-MNIST: does pre-training help?

Exercises 3 and 5 of the student work (000, Keras) train three dense autoencoders on the pixels / 255, ReLU inside and a
sigmoid at the output,

    784-256-128-64-128-256-784      784-128-64-32-64-128-784      784-64-32-16-32-64-784

and build a classifier from the *code layers* of the three, as they are after training: Dense(128 → 64) of the first,
Dense(64 → 32) of the second, Dense(32 → 16) of the third, between a fresh Dense(784, 128) and a fresh softmax of ten:

    784-128-64-32-16-10      Adam, cross-entropy, all layers trained with the labels

Its text prints no accuracy; its confusion matrices, as far as they can be read, say roughly 98 % on MNIST and 87 % on
Fashion-MNIST. Nor does it print the loss of the autoencoders, the epochs ("few") and the batches. Here: binary
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
from dense_autoencoder import ADAM_EPS, dense
from matplotlib.figure import Figure

from scratchnn import Adam, Autoencoder, BinaryCrossEntropy, Classifier, Dense, ReLU, Sequential, cli, data, figures
from scratchnn.checkpoints import fingerprint
from scratchnn.evaluation import (
    accuracy,
    confusion_matrix,
    predicted_classes,
    principal_components,
    reconstruction_error,
)
from scratchnn.parameters import Array
from scratchnn.training import Trainer, evaluate

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


def autoencoders(n_x: int, rng: np.random.Generator) -> dict[str, Autoencoder]:
    """The three of the document, and one that has all layers of the classifier. w = 128 for images of 784 pixels."""
    w = 128 if n_x >= 400 else 64
    first = [
        dense(n_x, 2 * w, rng), ReLU(),  # 784 → 256
        dense(2 * w, w, rng), ReLU(),  # → 128
        dense(w, w // 2, rng), ReLU(),  # → 64, the code
        dense(w // 2, w, rng), ReLU(),
        dense(w, 2 * w, rng), ReLU(),
        dense(2 * w, n_x, rng),  # logits: the sigmoid is part of the loss
    ]  # fmt: skip
    second = [
        dense(n_x, w, rng), ReLU(),  # 784 → 128
        dense(w, w // 2, rng), ReLU(),  # → 64
        dense(w // 2, w // 4, rng), ReLU(),  # → 32, the code
        dense(w // 4, w // 2, rng), ReLU(),
        dense(w // 2, w, rng), ReLU(),
        dense(w, n_x, rng),
    ]  # fmt: skip
    third = [
        dense(n_x, w // 2, rng), ReLU(),  # 784 → 64
        dense(w // 2, w // 4, rng), ReLU(),  # → 32
        dense(w // 4, w // 8, rng), ReLU(),  # → 16, the code
        dense(w // 8, w // 4, rng), ReLU(),
        dense(w // 4, w // 2, rng), ReLU(),
        dense(w // 2, n_x, rng),
    ]  # fmt: skip
    whole = [
        dense(n_x, w, rng), ReLU(),  # 784 → 128
        dense(w, w // 2, rng), ReLU(),  # → 64
        dense(w // 2, w // 4, rng), ReLU(),  # → 32
        dense(w // 4, w // 8, rng), ReLU(),  # → 16, the code
        dense(w // 8, w // 4, rng), ReLU(),
        dense(w // 4, w // 2, rng), ReLU(),
        dense(w // 2, w, rng), ReLU(),
        dense(w, n_x, rng),
    ]  # fmt: skip
    return {
        "first": Autoencoder(Sequential(first[:6]), Sequential(first[6:]), BinaryCrossEntropy()),
        "second": Autoencoder(Sequential(second[:6]), Sequential(second[6:]), BinaryCrossEntropy()),
        "third": Autoencoder(Sequential(third[:6]), Sequential(third[6:]), BinaryCrossEntropy()),
        "whole": Autoencoder(Sequential(whole[:8]), Sequential(whole[8:]), BinaryCrossEntropy()),
    }


def classifier(
    start: str, n_x: int, n_classes: int, pretrained: Mapping[str, Any], rng: np.random.Generator
) -> Classifier:
    """The classifier before it has seen a label. Whatever the start, the same values are drawn; some are replaced."""
    w = 128 if n_x >= 400 else 64
    layers = [
        dense(n_x, w, rng), ReLU(),  # 784 → 128
        dense(w, w // 2, rng), ReLU(),  # → 64: code layer of the first autoencoder
        dense(w // 2, w // 4, rng), ReLU(),  # → 32: of the second
        dense(w // 4, w // 8, rng), ReLU(),  # → 16: of the third
        dense(w // 8, n_classes, rng),  # logits: softmax is part of the loss
    ]  # fmt: skip
    if start == "stacked":
        for layer, name in ((layers[2], "first"), (layers[4], "second"), (layers[6], "third")):
            layer.params[...] = pretrained[name].encoder.layers[-2].params  # Dense; the last is its ReLU
    elif start == "whole":
        for layer, source in zip(layers[:8], pretrained["whole"].encoder.layers, strict=True):
            layer.params[...] = source.params
    return Classifier(Sequential(layers))


def learning_rate(epoch: int, epochs: int) -> float:
    """Falls from 0.001 in the first epoch to 0.0001 in the last, by the same factor every epoch."""
    return float(LEARNING_RATE * (LAST_LEARNING_RATE / LEARNING_RATE) ** ((epoch - 1) / max(epochs - 1, 1)))


def pretrain(args: argparse.Namespace, seed: int, images: data.DataSet) -> dict[str, Autoencoder]:
    """The four autoencoders, trained. Each has a generator of its own, so that any of them can be gone on with."""
    n_x = images.train.pixels.shape[1]
    done = {}
    for number, name in enumerate(autoencoders(n_x, np.random.default_rng(0))):
        rng = np.random.default_rng([seed, number])
        model = autoencoders(n_x, rng)[name]
        print(f"\nseed {seed}, autoencoder {name}: {model!r}", flush=True)
        settings = {
            "data": args.data, "seed": seed, "autoencoder": name, "epochs": args.pretraining_epochs,
            "batch_size": args.batch_size,
        }  # fmt: skip
        cli.train_in_folder(
            args.out / f"autoencoder-{name}-seed{seed}",
            trainer_of(args, model, rng, settings), images.train,
            epochs=args.pretraining_epochs, batch_size=args.batch_size, held_out=images.validation,
        )  # fmt: skip
        done[name] = model
    return done


def trainer_of(args: argparse.Namespace, model: Any, rng: np.random.Generator, settings: Mapping[str, Any]) -> Trainer:
    return cli.trainer(args.threads, model, Adam(model, lr=LEARNING_RATE, eps=ADAM_EPS), rng, settings)


def fine_tune(
    args: argparse.Namespace, seed: int, start: str, images: data.DataSet, pretrained: Mapping[str, Autoencoder]
) -> Trainer:
    """A classifier, all of it trained with the labels; its history has accuracies too."""
    rng = np.random.default_rng(seed)
    model = classifier(
        start, images.train.pixels.shape[1], int(data.labels_of(images.train).max()) + 1, pretrained, rng
    )
    parts = (images.train, images.validation)
    print(f"\nseed {seed}, classifier {start}: {STARTS[start]}", flush=True)
    settings = {
        "data": args.data, "seed": seed, "start": start, "epochs": args.epochs, "last_lr": LAST_LEARNING_RATE,
        "initial_parameters": fingerprint(model.params), "batch_size": args.batch_size,
    }  # fmt: skip
    trainer = trainer_of(args, model, rng, settings)
    cli.train_in_folder(
        args.out / f"classifier-{start}-seed{seed}", trainer, data.Labelled(images.train),
        epochs=args.epochs, batch_size=args.batch_size, held_out=data.Labelled(images.validation),
        schedule=lambda epoch: learning_rate(epoch, args.epochs),
        snapshot=lambda: np.array([accuracy(predicted_classes(model, part), data.labels_of(part)) for part in parts]),
        recorded=("train_accuracy", "held_out_accuracy"),
    )  # fmt: skip
    return trainer


def score(model: Any, images: data.DataSet) -> dict[str, float]:
    """Accuracy and cross-entropy of a classifier on all three parts."""
    result = {}
    for name, part in (("train", images.train), ("validation", images.validation), ("test", images.test)):
        result[f"{name}_accuracy"] = accuracy(predicted_classes(model, part), data.labels_of(part))
        result[f"{name}_cross_entropy"] = evaluate(model, data.Labelled(part))["loss"]
    return result


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.training_parser(__doc__ or "", EXAMPLES, batch_size=32)
    parser.add_argument("--runs", type=cli.positive_int, default=3, help="trainings, with seeds in a row (default: 3)")
    parser.add_argument(
        "--pretraining-epochs", type=cli.positive_int, help="of an autoencoder (default: 10; digits: 40)"
    )
    args = parser.parse_args(arguments)
    if args.data not in EPOCHS:
        raise cli.OptionError(f"{args.data} has no labels to learn from: choose {', '.join(EPOCHS)} with --data")
    args.epochs = args.epochs or EPOCHS[args.data]
    args.pretraining_epochs = args.pretraining_epochs or PRETRAINING_EPOCHS[args.data]
    args.out = args.out or Path("runs") / f"stacked-autoencoder-{args.data}-seed{args.seed}"
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    cli.check_resume(args)
    images = data.load(args.data)
    cli.check_batch_size(args.batch_size, len(images.train))
    seeds = range(args.seed, args.seed + args.runs)

    print(images)
    for name, what in STARTS.items():
        print(f"  {name:<8} {what}")
    trainers: dict[str, list[Trainer]] = {start: [] for start in STARTS}
    pretrained: list[dict[str, Autoencoder]] = []
    for seed in seeds:
        pretrained.append(pretrain(args, seed, images))
        for start in STARTS:
            trainers[start].append(fine_tune(args, seed, start, images, pretrained[-1]))

    n_codes = {name: code_size(model) for name, model in pretrained[0].items()}
    pca = {n: principal_components(images.train, n) for n in (0, *sorted(set(n_codes.values())))}
    baselines = {n: reconstruction_error(components.reconstruct, images.test) for n, components in pca.items()}
    errors = {
        name: cli.over_runs([{"test_mse": reconstruction_error(models[name].reconstruct, images.test)}
                         for models in pretrained])["test_mse"]
        for name in n_codes
    }  # fmt: skip
    scores = {start: cli.over_runs([score(t.model, images) for t in ts]) for start, ts in trainers.items()}
    print_tables(args, n_codes, baselines, errors, scores)

    models: dict[str, Any] = {start: ts[0].model for start, ts in trainers.items()}
    labels = data.labels_of(images.test)
    counts = {
        start: confusion_matrix(predicted_classes(model, images.test), labels, int(labels.max()) + 1)
        for start, model in models.items()
    }
    cli.write_json(
        args.out / "history.json",
        {f"{start}-seed{seed}": t.history for start, ts in trainers.items() for seed, t in zip(seeds, ts, strict=True)},
    )
    cli.write_json(
        args.out / "summary.json",
        {
            "experiment": "stacked-autoencoder",
            "figures": {
                "classifiers": scores,
                "baselines_test_mse": {f"PCA-{n}" if n else "mean image": error for n, error in baselines.items()},
                "autoencoders_test_mse": errors,
                "confusion": {start: matrix.tolist() for start, matrix in counts.items()},
            },
            "document": {"test_accuracy": DOCUMENT[args.data]} if args.data in DOCUMENT else {},
            "settings": {
                "data": args.data, "batch_size": args.batch_size, "epochs": args.epochs, "seeds": list(seeds),
                "pretraining_epochs": args.pretraining_epochs, "learning_rate": [LEARNING_RATE, LAST_LEARNING_RATE],
                "networks": {**{name: repr(model) for name, model in pretrained[0].items()},
                             "classifier": repr(models["random"])},
                "threads": args.threads, "seed": args.seed,
            },
            "scaling": f"pixels / {images.train.white}",
            "seed": args.seed,
            "versions": cli.versions(),
        },
    )  # fmt: skip
    pictures = draw(args, images, trainers, counts, pretrained[0], n_codes)
    for name, figure in pictures.items():
        figures.save(figure, args.out / f"{name}.png")
    names = ", ".join(f"{name}.png" for name in pictures)
    print(f"\nwritten to {args.out}: summary.json, history.json, {names}, a folder for each training")


def code_size(model: Autoencoder) -> int:
    """How many numbers the code has."""
    return int(next(layer.n_out for layer in reversed(model.encoder.layers) if isinstance(layer, Dense)))


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
        ours = cli.mean_and_spread(errors[name]["runs"], 4)
        print(f"{f'{name}, {n} numbers':<24} {ours:>16}    PCA with as many {baselines[n]:.4f}")
    print(f"\nclassifiers: mean ± standard deviation; runs: {args.runs}")
    print(f"{'':<10} {'document':>9} {'test accuracy':>16} {'training':>16} {'test cross-entropy':>19}")
    for start, figure in scores.items():
        known = start == "stacked" and args.data in DOCUMENT
        document = f"≈ {100 * DOCUMENT[args.data]:.0f} %" if known else "—"
        test, train = (
            cli.mean_and_spread([100 * value for value in figure[f"{part}_accuracy"]["runs"]]) + " %"
            for part in ("test", "train")
        )
        loss = cli.mean_and_spread(figure["test_cross_entropy"]["runs"], 4)
        print(f"{start:<10} {document:>9} {test:>16} {train:>16} {loss:>19}")
    for start in ("stacked", "whole"):
        gains = [100 * (a - b) for a, b in zip(*(scores[s]["test_accuracy"]["runs"] for s in (start, "random")),
                                               strict=True)]  # fmt: skip
        print(f"{start} less random, seed by seed: {', '.join(f'{gain:+.2f}' for gain in gains)} points")


def draw(
    args: argparse.Namespace,
    images: data.DataSet,
    trainers: Mapping[str, Sequence[Trainer]],
    counts: Mapping[str, Array],
    pretrained: Mapping[str, Autoencoder],
    n_codes: Mapping[str, int],
) -> dict[str, Figure]:
    what = f"{args.data}, seed {args.seed}"
    test, labels = images.test, data.labels_of(images.test)

    def curve(start: str, quantity: str) -> Array:
        return np.array([[record[quantity] for record in trainer.history] for trainer in trainers[start]])

    pictures = {
        "curves": figures.learning_curves(
            {
                name: {start: (curve(start, f"train_{key}"), curve(start, f"held_out_{key}")) for start in STARTS}
                for name, key in (("accuracy", "accuracy"), ("cross-entropy (nats)", "loss"))
            },
            f"The same network from three starts on {args.data}; runs: {args.runs}",
        ),
        "reconstructions": figures.rows_of_images(
            {
                "test image": test[:10],
                **{f"{name}: {n_codes[name]}": model.reconstruct(test[:10])
                   for name, model in pretrained.items()},
            },
            images.image_shape,
            f"Test images, and what autoencoders with so many numbers make of them\n{what}",
        ),
    }  # fmt: skip
    for start, matrix in counts.items():
        pictures[f"confusion-{start}"] = figures.confusion_matrix(
            matrix,
            f"{start}: {STARTS[start]}\n{args.data}, {len(test):,} test images, accuracy "
            f"{100 * matrix.trace() / matrix.sum():.2f} %, seed {args.seed}",
        )
    model: Any = trainers["stacked"][0].model
    wrong = np.flatnonzero(predicted_classes(model, test) != labels)
    shown = np.concatenate([np.arange(8), wrong[:8]])
    pictures["probabilities"] = figures.probability_bars(
        test[shown], model.probabilities(test[shown]), labels[shown], images.image_shape,
        f"The first test images, and the first that stacked takes for something else\n{what}",
    )  # fmt: skip
    return pictures


if __name__ == "__main__":
    cli.run(main)
