"""A series of networks, trained one after another, each in a folder of its own; then scored and drawn side by side."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn import data
from scratchnn.autoencoder import Autoencoder
from scratchnn.classifier import Classifier
from scratchnn.evaluation import accuracy, predicted_classes
from scratchnn.machinery.extras import missing
from scratchnn.machinery.parameters import Array
from scratchnn.optim import Optimiser
from scratchnn.scripts import figures
from scratchnn.training import evaluate, falling, keep_snapshots, runs, set_learning_rate

History = list[dict[str, Any]]  # of a training: a record for every epoch


def train(
    folder: Path,
    model: Autoencoder | Classifier,
    optimiser: Optimiser,
    rng: np.random.Generator,
    images: data.DataSet,
    args: argparse.Namespace,
    settings: Mapping[str, Any],
    *,
    lr_final: float | None = None,
    n_measured: int | None = None,
    with_test: bool = False,
) -> History:
    """Trains an autoencoder or a classifier in a folder, or goes on with it, or finds it ready; returns its history.

    `settings` has the number of epochs; the learning rate falls from the optimiser's to `lr_final`, or stays. The
    records of a classifier get its accuracy on the validation images, on the first `n_measured` training images, or
    all, and, `with_test`, on the test images.
    """
    epochs, batch_size, lr_final = settings["epochs"], args.batch_size, lr_final or optimiser.lr
    settings = {**settings, "data": args.data, "batch_size": batch_size, "lr_final": lr_final}
    after_epoch = [set_learning_rate(falling(optimiser.lr, lr_final, epochs))]
    examples: Any = images.train
    held_out: Any = images.validation
    recorded: tuple[str, ...] = ()
    if isinstance(model, Classifier):
        parts = {"train": images.train.split(n_measured or len(images.train))[0], "held_out": held_out}
        parts |= {"test": images.test} if with_test else {}
        after_epoch.append(
            keep_snapshots(
                lambda: np.array([accuracy(predicted_classes(model, x), data.labels_of(x)) for x in parts.values()])
            )
        )
        recorded = tuple(f"{part}_accuracy" for part in parts)
        examples, held_out = data.Labelled(examples), data.Labelled(held_out)
    trainer = runs.trainer(
        args.threads, model, optimiser, rng, settings, batch_size=batch_size, blas_threads=args.blas_threads
    )
    print(f"{folder.name}:", flush=True)
    runs.train_in_folder(
        folder, trainer, examples, epochs=epochs, batch_size=batch_size, held_out=held_out, after_epoch=after_epoch,
        strict=args.strict, early_stopping=args.early_stopping, log=args.log,
        recorded=recorded,
    )  # fmt: skip
    return trainer.history


def score_classifier(model: Classifier, images: data.DataSet) -> dict[str, float]:
    """Accuracy and cross-entropy on each part of the data, and how many classes it finds in no test image."""
    found: dict[str, float] = {}
    for part, x in {"train": images.train, "validation": images.validation, "test": images.test}.items():
        predicted = predicted_classes(model, x)
        found[f"{part}_accuracy"] = accuracy(predicted, data.labels_of(x))
        found[f"{part}_cross_entropy"] = evaluate(model, data.Labelled(x))["loss"]
    return {**found, "classes_never_found": 10 - len(np.unique(predicted))}


def report(predicted: Array, labels: Array) -> tuple[str, dict[str, Any]]:
    """Precision, recall and F1 of every class, as scikit-learn's text and as numbers."""
    try:
        from sklearn.metrics import classification_report
    except ModuleNotFoundError as error:
        raise missing(error, "a report class by class") from error

    numbers = classification_report(labels, predicted, output_dict=True, zero_division=0)
    return classification_report(labels, predicted, digits=3, zero_division=0), numbers


def curves(histories: Sequence[History], quantity: str) -> tuple[Array, Array]:
    """Training and validation curve of a quantity, both (R, E), of R trainings, as far as all of them go, E epochs."""
    n_epochs = min(map(len, histories))
    train, held_out = (
        np.array([[record[f"{part}_{quantity}"] for record in history[:n_epochs]] for history in histories])
        for part in ("train", "held_out")
    )
    return train, held_out


def classifier_curves(histories: Mapping[str, Sequence[History]]) -> dict[str, dict[str, tuple[Array, Array]]]:
    """The accuracy and the loss of classifiers by name, as `figures.learning_curves` takes them."""
    quantities = {"accuracy": "accuracy", "cross-entropy (nats)": "loss"}
    return {shown: {name: curves(of, key) for name, of in histories.items()} for shown, key in quantities.items()}


def confusion_picture(counts: Array, what: str, args: argparse.Namespace, class_names: Sequence[str]) -> Any:
    """The confusion matrix (C, C) of the test images as a figure; `what` begins its title."""
    share = f"accuracy {100 * counts.trace() / counts.sum():.2f} %"
    title = f"{what}{args.data}, {counts.sum():,} test images, {share}, seed {args.seed}"
    return figures.confusion_matrix(counts, title, class_names)


def write_results(folder: Path, histories: Any, pictures: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Writes the histories of all trainings and the pictures beside summary.json, and prints what the folder holds."""
    runs.write_json(folder / "history.json", histories)
    for name, figure in pictures.items():
        figures.save(figure, folder / f"{name}.png", settings)
    names = ", ".join(["summary.json", "history.json", *(f"{name}.png" for name in pictures)])
    print(f"\nwritten to {folder}: {names}, and a folder with a checkpoint for each training")
