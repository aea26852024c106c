"""What happens between two epochs: functions that `Trainer.fit` calls with itself and the record of the epoch.

    trainer.fit(train, epochs=50, batch_size=100, after_epoch=[set_learning_rate(rate), SaveCheckpoint(path)])

They are called in the order given: what changes the trainer stands before what saves it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn.machinery.checks import expect_int, expect_not_negative
from scratchnn.machinery.parameters import Array
from scratchnn.training.checkpoints import arrays_of, best_record
from scratchnn.training.loop import AfterEpoch, Trainer
from scratchnn.vae import VAE


def set_learning_rate(rate: Callable[[int], float]) -> AfterEpoch:
    """Sets the optimiser's rate to rate(epoch), epochs counted from 1.

    It is called after an epoch, for the next: the rate of the first is the one that the optimiser is made with.
    """

    def after_epoch(trainer: Trainer, record: Mapping[str, Any]) -> None:
        epoch = record["epoch"] + 1
        trainer.optimiser.lr = expect_not_negative(f"the learning rate of epoch {epoch}", rate(epoch))

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
        trainer.snapshots.append(np.array(snapshot()))

    return after_epoch


class EarlyStopping:
    """Ends a training after `patience` epochs without a smaller held-out loss; the model gets back the best epoch's
    parameters.

    On the training images the loss goes on falling while the network learns what is true of these images alone, and on
    others it rises. Which epoch is the best, and whether the training is over, follows from the history, and
    checkpoints have the best parameters: a run that is killed and resumed ends in the same epoch, with the same bits.
    """

    keeps_best = True

    def __init__(self, patience: int) -> None:
        self.patience = expect_int("early stopping", "patience", patience)

    def __call__(self, trainer: Trainer, record: Mapping[str, Any]) -> None:
        if not all("held_out_loss" in epoch for epoch in trainer.history):
            raise ValueError(
                "early stopping needs the held-out loss of every epoch: give `fit` held_out=… from the first"
            )
        if best_record(trainer.history) is record:
            trainer.best = arrays_of(trainer.model)
        elif not trainer.best:
            raise ValueError(
                "the parameters of the best epoch so far are lost: it was made without early stopping, or a fit "
                "without it has come between"
            )
        if self.is_over(trainer.history):
            trainer.epochs = record["epoch"]

    def is_over(self, history: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a training of this history has ended."""
        return len(history) - int(best_record(history)["epoch"]) >= self.patience


class SaveCheckpoint:
    """Writes a checkpoint after an epoch, as often as a tenth of the time allows, and after the last."""

    def __init__(self, path: str | Path) -> None:
        self.path, self.not_before = Path(path), -inf

    def __call__(self, trainer: Trainer, record: Mapping[str, Any]) -> None:
        began = time.perf_counter()
        if record["epoch"] == trainer.epochs or began >= self.not_before:
            trainer.save(self.path)
            ended = time.perf_counter()
            self.not_before = ended + 10 * (ended - began)
