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
