"""What happens between two epochs: functions that `Trainer.fit` calls with itself and the record of the epoch.

    trainer.fit(train, epochs=50, batch_size=100, after_epoch=[set_learning_rate(rate), SaveCheckpoint(path)])

They are called in the order given: what changes the trainer stands before what saves it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Any

from scratchnn.machinery.parameters import Array
from scratchnn.training.loop import AfterEpoch, Trainer
from scratchnn.vae import VAE


def set_learning_rate(rate: Callable[[int], float]) -> AfterEpoch:
    """Sets the optimiser's rate to rate(epoch), epochs counted from 1.

    It is called after an epoch, for the next: the rate of the first is the one that the optimiser is made with.
    """

    def after_epoch(trainer: Trainer, record: Mapping[str, Any]) -> None:
        trainer.optimiser.lr = float(rate(record["epoch"] + 1))

    return after_epoch


def falling(first: float, last: float, epochs: int) -> Callable[[int], float]:
    """A rate that falls from the first epoch to the last, by the same factor every epoch."""
    return lambda epoch: float(first * (last / first) ** ((epoch - 1) / max(epochs - 1, 1)))


def set_beta(model: VAE, beta: Callable[[int], float]) -> AfterEpoch:
    """Sets the weight of the model's KL to beta(epoch), epochs counted from 1, and records that of each epoch.

    As with the learning rate, the weight in the first is the one that the model comes with.
    """

    def after_epoch(trainer: Trainer, record: dict[str, Any]) -> None:
        record["beta"], model.beta = model.beta, float(beta(record["epoch"] + 1))

    return after_epoch


def warm_up(beta: float, epochs: int) -> Callable[[int], float]:
    """A weight of the KL that rises from 0 in the first epoch by the same step each, and is beta after so many.

    Where the decoder cannot use z yet, each nat of KL only costs, and a dimension whose q(z_j|x) has become the prior
    tells the decoder nothing from which it could learn to use it (Bowman et al., "Generating sentences from a
    continuous space", 2016; Sønderby et al., "Ladder variational autoencoders", 2016).
    """
    return lambda epoch: beta * min(1.0, (epoch - 1) / epochs)


def keep_snapshots(snapshot: Callable[[], Array]) -> AfterEpoch:
    """Appends snapshot() to `trainer.snapshots`: an image reconstructed after every epoch, for instance."""

    def after_epoch(trainer: Trainer, record: Mapping[str, Any]) -> None:
        trainer.snapshots.append(snapshot())

    return after_epoch


class SaveCheckpoint:
    """Writes a checkpoint after an epoch, as often as a tenth of the time allows, and after the last."""

    def __init__(self, path: Path) -> None:
        self.path, self.not_before = path, -inf

    def __call__(self, trainer: Trainer, record: Mapping[str, Any]) -> None:
        began = time.perf_counter()
        if record["epoch"] == trainer.epochs or began >= self.not_before:
            trainer.save(self.path)
            ended = time.perf_counter()
            self.not_before = ended + 10 * (ended - began)
