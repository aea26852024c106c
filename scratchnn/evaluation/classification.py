"""What a classifier gets right: predicted classes, accuracy, and which class is taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchnn.classifier import Classifier
from scratchnn.machinery.parameters import Array


def predicted_classes(classifier: Classifier, x: Any, batch_size: int = 500) -> Array:
    """The most probable class of every example (N,); `x[rows]` must give what the network takes, (n, D) floats."""
    batches = [classifier.probabilities(x[start : start + batch_size]) for start in range(0, len(x), batch_size)]
    classes: Array = np.concatenate(batches).argmax(axis=1)
    return classes


def accuracy(predicted: Array, labels: Array) -> float:
    """The share of examples whose predicted class (N,) is the right one (N,), from 0 to 1."""
    if predicted.shape != labels.shape or labels.size == 0:
        raise ValueError(f"expected one label for each prediction, got {labels.shape} for {predicted.shape}")
    return float(np.mean(predicted == labels))


def confusion_matrix(predicted: Array, labels: Array, n_classes: int) -> Array:
    """How often examples of one class are taken for another, counts (C, C): rows are the right class, columns ours."""
    pairs = n_classes * labels.astype(int) + predicted
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)
