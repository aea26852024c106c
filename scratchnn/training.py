"""The epoch loop: the same for every model in this project.

One step is four lines (`Trainer.step`): the terms of the loss for a batch, their mean, backward, and the optimiser.
Around it stand the things that make a training usable: a seeded order of the examples, a progress bar, a record of
every epoch with the loss on held-out data by the same function, and a checkpoint, after every epoch unless that would
take more than a tenth of the time, from which a killed run goes on bit for bit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from scratchnn.checkpoints import CheckpointError, read_checkpoint, written_whole
from scratchnn.losses import batch_mean
from scratchnn.optim import SGD, Adam
from scratchnn.parameters import Array

EVALUATION_SEED = 20_180_101  # of the noise in a held-out loss: the same at every epoch, apart from training's own


class Trainable(Protocol):
    """A model as the loop sees it: vectors of parameters and gradients (P,), a loss in terms, and its backward."""

    @property
    def params(self) -> Array: ...
    @property
    def grads(self) -> Array: ...
    def loss_terms(self, batch: Any, rng: np.random.Generator) -> dict[str, Array]:
        """The terms of the loss, each (N,), by name; the loss of an example is their sum."""

    def backward(self, dloss: Array) -> None:
        """Writes the gradients for the upstream dloss (N,) into `grads`."""

    @property
    def buffers(self) -> Mapping[str, Array]:
        """What layers remember of the data beside the parameters: a checkpoint holds it too."""

    def evaluating(self) -> AbstractContextManager[None]:
        """Evaluation mode while it lasts; nothing is kept for a backward pass."""


class DivergedError(Exception):
    """The loss is no longer a number. The message says when, and where the last good parameters are."""


def evaluate(model: Trainable, data: Any, batch_size: int = 500, seed: int = EVALUATION_SEED) -> dict[str, float]:
    """The loss and its terms by the present parameters, each a mean over all of `data`: {"loss": …, term: …}.

    `data[rows]` must give the batch of a slice of rows. The noise comes from `seed`, so that two calls can be compared.
    """
    if len(data) == 0:
        raise ValueError("there is no data to evaluate on: the mean over no examples means nothing")
    rng = np.random.default_rng(seed)
    sums: dict[str, float] = {}
    with model.evaluating():
        for start in range(0, len(data), batch_size):
            for name, values in model.loss_terms(data[start : start + batch_size], rng).items():
                sums[name] = sums.get(name, 0.0) + float(values.sum(dtype=np.float64))
    means = {name: total / len(data) for name, total in sums.items()}
    return {"loss": sum(means.values()), **means}


class Trainer:
    """A model in training: its optimiser, its generator, and the record of what has happened so far.

    history           one dict an epoch: epoch, train_loss, its terms, the same for held-out data, seconds
    iteration_losses  the loss of every batch so far
    snapshots         what `snapshot` returned after each epoch
    settings          what else the run depends on (data, seed, …); a checkpoint of other settings is refused
    """

    def __init__(
        self,
        model: Trainable,
        optimizer: Adam | SGD,
        rng: np.random.Generator,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if optimizer.model is not model:
            raise ValueError("the optimiser steps another model than the one to be trained: make it with this model")
        if not isinstance(rng.bit_generator, np.random.PCG64):
            raise ValueError("checkpoints keep the state of np.random.default_rng(seed); other generators have others")
        self.model, self.optimizer, self.rng = model, optimizer, rng
        # as JSON, so that what is compared with a checkpoint's settings has been through the same
        self.settings = json.loads(
            json.dumps({**(settings or {}), "model": repr(model), "optimizer": repr(optimizer)}, default=str)
        )
        self.history: list[dict[str, Any]] = []
        self.iteration_losses: list[float] = []
        self.snapshots: list[Array] = []

    def step(self, batch: Any) -> dict[str, float]:
        """One step of training; returns the loss of the batch and its terms, before the step."""
        terms = self.model.loss_terms(batch, self.rng)
        loss, dloss = batch_mean(np.sum(list(terms.values()), axis=0))
        self.model.backward(dloss)
        self.optimizer.step()
        return {"loss": loss, **{name: float(values.mean()) for name, values in terms.items()}}

    def fit(
        self,
        train: Any,
        *,
        epochs: int,
        batch_size: int,
        held_out: Any = None,
        shuffle: bool = True,
        schedule: Callable[[int], float] | None = None,
        snapshot: Callable[[], Array] | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        """Trains until `epochs` epochs are done, counting those of a restored checkpoint.

        `train[rows]` must give the batch of an array of row numbers; the last batch of an epoch may be smaller. The
        train_loss of an epoch is the mean over its batches *while the parameters change*, as the thesis printed it;
        the held-out loss is that of the parameters at the end of the epoch. `schedule(epoch)`, epochs counted from 1,
        is the learning rate of an epoch. A checkpoint is written after every epoch, or, where epochs are so short that
        this would take more than a tenth of the time, as often as a tenth allows; and after the last.
        """
        n = len(train)
        if n == 0:
            raise ValueError("the data set is empty: there is nothing to train on")
        if held_out is not None and len(held_out) == 0:
            raise ValueError("the held-out data are empty; leave them out instead")
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {epochs}")
        if not 1 <= batch_size <= n:
            raise ValueError(f"batch_size must lie between 1 and the number of examples, {n}, got {batch_size}")
        starts = range(0, n, batch_size)
        done = saved = len(self.history)
        save_after = time.perf_counter()
        with tqdm(total=epochs * len(starts), initial=done * len(starts), unit="batch", disable=None) as bar:
            for epoch in range(done + 1, epochs + 1):
                if schedule is not None:
                    self.optimizer.lr = schedule(epoch)
                order = self.rng.permutation(n) if shuffle else np.arange(n)
                sums: dict[str, float] = {}
                began = time.perf_counter()
                for start in starts:
                    rows = order[start : start + batch_size]
                    # a loss that overflows is caught below, by name and place, instead of by a warning from its depths
                    with np.errstate(over="ignore", invalid="ignore"):
                        losses = self.step(train[rows])
                    if not np.isfinite(losses["loss"]):
                        what = f"loss became {losses['loss']}"
                        raise DivergedError(self.obituary(what, epoch, start // batch_size + 1, checkpoint, saved))
                    self.iteration_losses.append(losses["loss"])
                    for name, value in losses.items():
                        sums[name] = sums.get(name, 0.0) + value * len(rows)
                    bar.update()
                seconds = time.perf_counter() - began
                record: dict[str, Any] = {"epoch": epoch}
                record |= {f"train_{name}": total / n for name, total in sums.items()}
                with np.errstate(over="ignore", invalid="ignore"):
                    if held_out is not None:
                        record |= {f"held_out_{name}": value for name, value in evaluate(self.model, held_out).items()}
                # a batch's loss is that before its step: what the last step of the epoch did shows here
                if not np.isfinite(self.model.params).all():
                    raise DivergedError(
                        self.obituary("parameters became NaN or infinite", epoch, len(starts), checkpoint, saved)
                    )
                if not np.isfinite(record.get("held_out_loss", 0.0)):
                    what = f"held-out loss became {record['held_out_loss']}"
                    raise DivergedError(self.obituary(what, epoch, len(starts), checkpoint, saved))
                self.history.append(record | {"seconds": seconds})
                if snapshot is not None:
                    self.snapshots.append(snapshot())
                if checkpoint is not None and (epoch == epochs or time.perf_counter() >= save_after):
                    began = time.perf_counter()
                    self.save(checkpoint)
                    save_after = 10 * (time.perf_counter() - began) + time.perf_counter()
                    saved = epoch
                bar.write(describe(self.history[-1], epochs))

    def obituary(self, what: str, epoch: int, iteration: int, checkpoint: Path | None, saved: int) -> str:
        kept = f"{checkpoint}, from the end of epoch {saved}" if checkpoint and saved else "none was written"
        return (
            f"the {what} in epoch {epoch}, iteration {iteration} of it; training stopped. "
            f"The last good checkpoint: {kept}. A smaller learning rate is the first thing to try"
        )

    def save(self, path: Path) -> None:
        """Writes a checkpoint, whole or not at all: an interruption leaves the one before it in place."""
        record = {
            "settings": self.settings,
            "history": self.history,
            "generator": self.rng.bit_generator.state,
        }
        arrays: dict[str, Any] = {f"optimizer.{name}": value for name, value in self.optimizer.state().items()}
        arrays |= {f"buffer.{name}": value for name, value in self.model.buffers.items()}
        with written_whole(path) as file:
            np.savez(
                file,
                record=np.array(json.dumps(record)),
                params=self.model.params,
                iteration_losses=np.array(self.iteration_losses),
                snapshots=np.array(self.snapshots),
                **arrays,
            )

    def restore(self, path: Path) -> None:
        """Takes everything from a checkpoint of the same model and settings; CheckpointError if it is of another."""
        record, arrays = read_checkpoint(path)
        for name in sorted({*self.settings, *record["settings"]}):
            here, there = self.settings.get(name), record["settings"].get(name)
            if here != there:
                raise CheckpointError(f"{path} is of another run: it has {name} = {there}, and this run has {here}")
        try:
            params = arrays["params"]
            if (params.shape, params.dtype) != (self.model.params.shape, self.model.params.dtype):
                raise ValueError(f"its parameters are {params.dtype} of shape {params.shape}")
            self.model.params[...] = params
            for name, buffer in self.model.buffers.items():
                buffer[...] = arrays[f"buffer.{name}"]
            self.optimizer.load_state(
                {name.removeprefix("optimizer."): arrays[name] for name in arrays if name.startswith("optimizer.")}
            )
            self.rng.bit_generator.state = record["generator"]
            self.history = record["history"]
            self.iteration_losses = arrays["iteration_losses"].tolist()
            self.snapshots = list(arrays["snapshots"])
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"{path} is not a complete checkpoint: {error}") from error


def describe(record: Mapping[str, Any], epochs: int) -> str:
    """An epoch's record as one line: each loss, and its terms where it has several."""

    def shown(value: float) -> str:
        return f"{value:.2f}" if abs(value) >= 1 else f"{value:.4f}"

    parts = [f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}"]
    for who in ("train", "held_out"):
        terms = [
            f"{name.removeprefix(who + '_')} {shown(value)}"
            for name, value in record.items()
            if name.startswith(who + "_") and name != f"{who}_loss"
        ]
        if f"{who}_loss" in record:
            loss = f"{who.replace('_', '-')} loss {shown(record[f'{who}_loss'])}"
            parts.append(f"{loss} = {' + '.join(terms)}" if len(terms) > 1 else loss)
    return "   ".join([*parts, f"{record['seconds']:.1f} s"])
