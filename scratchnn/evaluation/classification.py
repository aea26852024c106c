"""What a classifier gets right: predicted classes, accuracy, and which class is taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchnn.classifier import Classifier
from scratchnn.machinery.checks import expect_classes, expect_finite, expect_int, expect_some
from scratchnn.machinery.parameters import Array


def predicted_classes(classifier: Classifier, x: Any, batch_size: int = 500) -> Array:
    """The most probable class of every example (N,); `x[rows]` must give what the network takes, (n, D) floats."""
    expect_some("predicted_classes", len(x), "example")
    batches = [classifier.probabilities(x[start : start + batch_size]) for start in range(0, len(x), batch_size)]
    probabilities = np.concatenate(batches)
    expect_finite("predicted_classes", "probabilities", probabilities)
    classes: Array = probabilities.argmax(axis=1)
    return classes


def accuracy(predicted: Array, labels: Array) -> float:
    """The share of examples whose predicted class (N,) is the right one (N,), from 0 to 1."""
    expect_classes("accuracy", predicted, labels)
    expect_some("accuracy", len(labels), "example")
    return float(np.mean(predicted == labels))


def confusion_matrix(predicted: Array, labels: Array, n_classes: int) -> Array:
    """How often examples of one class are taken for another, counts (C, C): rows are right, columns predicted."""
    n_classes = expect_int("confusion_matrix", "n_classes", n_classes)
    expect_classes("confusion_matrix", predicted, labels)
    for name, classes in (("labels", labels), ("predicted", predicted)):
        if classes.size and not 0 <= classes.min() <= classes.max() < n_classes:
            raise ValueError(
                f"confusion_matrix counts the classes 0 to {n_classes - 1}, "
                f"and {name} has {classes.min()} to {classes.max()}"
            )
    pairs = n_classes * labels.astype(int) + predicted.astype(int)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)
