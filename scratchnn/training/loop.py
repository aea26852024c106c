"""The epoch loop: the same for every model in this project.

One step is four lines (`Trainer.step`): the terms of the loss for a batch, their mean, backward, and the optimiser.
Around it stands what makes a training usable: a seeded order of the examples, a progress bar, a record of every epoch
with the loss on held-out data by the same function. What else happens after an epoch, such as a checkpoint, is given to
`fit` as plain functions (after_epoch.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from scratchnn.losses import batch_mean
from scratchnn.machinery.checks import expect_generator, expect_int
from scratchnn.machinery.memory import Memory
from scratchnn.machinery.parameters import Array
from scratchnn.optim import Optimiser
from scratchnn.training import blas, same_bits
from scratchnn.training.checkpoints import (
    CheckpointError,
    OtherRunError,
    Stored,
    arrays_of,
    by_name,
    first_difference,
    model_section,
    put_arrays,
    read_checkpoint,
    verified_state,
    verify_arrays,
    write_checkpoint,
)
from scratchnn.training.compiling import use_loops_if_it_pays
from scratchnn.training.schema import OF_LAST, expect_schema
from scratchnn.training.signals import SIGNALS, Ended

EVALUATION_SEED = 20_180_101  # of the noise in a held-out loss: the same at every epoch, apart from training's own


class Trainable(Stored, Protocol):
    """A model as the loop sees it: parameters by name and gradients (P,) too, a loss in terms, and its backward."""

    @property
    def grads(self) -> Array: ...
    @property
    def parameters(self) -> Mapping[str, Array]: ...
    def loss_terms(self, batch: Any, rng: np.random.Generator) -> dict[str, Array]:
        """The terms of the loss, each (N,), by name; the loss of an example is their sum."""

    def backward(self, dloss: Array) -> None:
        """Writes the gradients for the upstream dloss (N,) into `grads`."""

    def evaluating(self) -> AbstractContextManager[None]:
        """Evaluation mode while it lasts; nothing is kept for a backward pass."""


class DivergedError(Exception):
    """The loss is no longer a number. The message says when, and where the last good parameters are."""


def evaluate(model: Trainable, data: Any, batch_size: int = 500, seed: int = EVALUATION_SEED) -> dict[str, float]:
    """The loss and its terms by the present parameters, each a mean over all of `data`: {"loss": …, term: …}.

    `data[rows]` must give the batch of a slice of rows. The noise comes from `seed`, so that two calls can be compared.
    Of a model that takes several draws for an image, `batch_size` counts the draws, which is what memory is needed for.
    """
    if len(data) == 0:
        raise ValueError("there is no data to evaluate on: the mean over no examples means nothing")
    rng = np.random.default_rng(seed)
    sums: dict[str, float] = {}
    n = max(1, expect_int("evaluate", "batch_size", batch_size) // getattr(model, "draws", 1))
    with model.evaluating():
        for start in range(0, len(data), n):
            for name, values in model.loss_terms(data[start : start + n], rng).items():
                sums[name] = sums.get(name, 0.0) + float(values.sum(dtype=np.float64))
    means = {name: total / len(data) for name, total in sums.items()}
    return {"loss": sum(means.values()), **means}


class Trainer:
    """A model in training: its optimiser, its generator, and the record of what has happened so far.

    history           one dict an epoch: epoch, train_loss, its terms, the same for held-out data, seconds
    iteration_losses  the loss of every batch so far
    snapshots         arrays that a function of `after_epoch` has kept, one an epoch
    best              the model's arrays after its best epoch, where a function of `after_epoch` keeps them and says so
                      by `keeps_best` (EarlyStopping): the model has them after `fit`, and a checkpoint has them beside
                      the last ones; a `fit` without such a function forgets them
    settings          what else the run depends on (data, seed, …); a checkpoint of other settings is refused
    epochs            how many the `fit` that runs, or ran last, has to reach; lowered, it ends after this one

    `blas_threads` is how many threads the matrix library has during `fit`; None lets the size decide (blas.py).
    """

    def __init__(
        self,
        model: Trainable,
        optimiser: Optimiser,
        rng: np.random.Generator,
        settings: Mapping[str, Any] | None = None,
        *,
        blas_threads: int | None = None,
    ) -> None:
        if optimiser.model is not model:
            raise ValueError("the optimiser steps another model than the one to be trained: make it with this model")
        if isinstance(model, Memory):
            model.expect_no_other_parts()
        expect_generator("a Trainer", rng)
        if not isinstance(rng.bit_generator, np.random.PCG64):
            raise ValueError("checkpoints keep the state of np.random.default_rng(seed); other generators have others")
        for layer in layers_of(model):
            if any(not isinstance(of.bit_generator, np.random.PCG64) for of in generators_of(layer).values()):
                raise ValueError(f"{layer!r} draws with a generator whose state no checkpoint keeps: take default_rng")
        self.model: Trainable = model
        self.optimiser, self.rng, self.blas_threads = optimiser, rng, blas_threads
        # as JSON, so that what is compared with a checkpoint's settings has been through the same
        self.settings: dict[str, Any] = json.loads(
            json.dumps(
                {**(settings or {}), "optimiser": repr(optimiser)},
                default=lambda value: value.item() if isinstance(value, np.generic) else str(value),
            )
        )
        self.history: list[dict[str, Any]] = []
        self.iteration_losses: list[float] = []
        self.snapshots: list[Array] = []
        self.best: dict[str, Array] = {}
        self.last: dict[str, Array] = {}  # where the model has `best`: what the next `fit` goes on from
        self.epochs = 0
        self.saved: tuple[Path, int] | None = None  # the last checkpoint, and the epoch it was written after
        self.arithmetic: dict[str, Any] = {}  # on which the epochs so far were made: same_bits.py
        self.restored: dict[str, Any] = {}  # the record of a checkpoint, which may have fields of another version

    def step(self, batch: Any) -> dict[str, float]:
        """One step of training; returns the loss of the batch and its terms, before the step."""
        terms = self.model.loss_terms(batch, self.rng)
        loss, dloss = batch_mean(np.sum(list(terms.values()), axis=0))
        self.model.backward(dloss)
        self.optimiser.step()
        return {"loss": loss, **{name: float(values.mean()) for name, values in terms.items()}}

    def fit(
        self,
        train: Any,
        *,
        epochs: int,
        batch_size: int,
        held_out: Any = None,
        shuffle: bool = True,
        after_epoch: Sequence[AfterEpoch] = (),
        strict: bool = False,
        progress: bool = True,
    ) -> None:
        """Trains until `epochs` epochs are done, counting those of a restored checkpoint.

        `train[rows]` must give the batch of an array of row numbers; the last batch of an epoch may be smaller. The
        train_loss of an epoch is the mean over its batches *while the parameters change*, as the thesis printed it;
        the held-out loss is that of the parameters at the end of the epoch. After it, each function of `after_epoch`
        is called with this trainer and the record of the epoch, and a line is printed, unless `progress` is False.
        Epochs of another arithmetic (same_bits.py) to go on from are told of, or with `strict` refused. A signal that a
        command has been sent ends this between two steps, with the last whole epoch in the checkpoint (signals.py).
        """
        n = len(train)
        if n == 0:
            raise ValueError("the data set is empty: there is nothing to train on")
        if held_out is not None and len(held_out) == 0:
            raise ValueError("the held-out data are empty; leave them out instead")
        batch_size = expect_int("fit", "batch_size", batch_size)
        if batch_size > n:
            raise ValueError(f"batch_size must lie between 1 and the number of examples, {n}, got {batch_size}")
        epochs = self.epochs = expect_int("fit", "epochs", epochs)
        done, batches = len(self.history), -(-n // batch_size)
        if self.last:
            put_arrays(self.model, self.last)
            self.last = {}
        if not any(getattr(function, "keeps_best", False) for function in after_epoch):
            self.best = {}  # of an earlier call: this one ends with its own last epoch
        with (
            self.last_epoch_kept(),
            blas.limited(self.blas_threads or blas.threads_for(self.model, batch_size)),
            # a loss that overflows is reported by name and place, instead of by a warning from its depths
            np.errstate(over="ignore", invalid="ignore"),
            tqdm(
                total=epochs * batches, initial=done * batches, unit="batch", disable=None if progress else True
            ) as bar,
        ):
            if done < epochs:
                self.arithmetic = same_bits.go_on_here(self.arithmetic, strict)
            while len(self.history) < self.epochs:
                epoch = len(self.history) + 1
                vars(self.model).update(set_on(self.model))  # Python's own: NumPy's would widen float32
                with SIGNALS.held_back(), self.whole_epoch():
                    order = self.rng.permutation(n) if shuffle else np.arange(n)
                    began = time.perf_counter()
                    record = {"epoch": epoch, **self.one_epoch(train, order, batch_size, bar)}
                    seconds = time.perf_counter() - began
                    if held_out is not None:
                        record |= {f"held_out_{name}": value for name, value in evaluate(self.model, held_out).items()}
                    # a batch's loss is that before its step: what the last step of the epoch did shows here
                    if not np.isfinite(self.model.params).all():
                        raise self.diverged("parameters became NaN or infinite", batches)
                    if not np.isfinite(record.get("held_out_loss", 0.0)):
                        raise self.diverged(f"held-out loss became {record['held_out_loss']}", batches)
                    if not all(np.isfinite(of).all() for of in vectors_of(self.optimiser.state()).values()):
                        raise self.diverged("gradients became too large for the optimiser's state", batches)
                    record["seconds"] = seconds
                    self.history.append(record)
                    for function in after_epoch:
                        function(self, record)
                        record.update({name: of.item() for name, of in record.items() if isinstance(of, np.generic)})
                if progress:
                    print_line(self, record)
                    use_loops_if_it_pays(self, record)
                bar.unpause()  # an epoch's time is that of its steps
        if self.best:
            self.last = arrays_of(self.model)
            put_arrays(self.model, self.best)

    @contextmanager
    def whole_epoch(self) -> Iterator[None]:
        """The losses of an epoch that an interrupt ends are dropped; its steps are not undone, but by `restore`."""
        epochs, losses = len(self.history), len(self.iteration_losses)
        try:
            yield
        except KeyboardInterrupt:
            if len(self.history) == epochs:
                del self.iteration_losses[losses:]
            raise

    def one_epoch(self, train: Any, order: Array, batch_size: int, bar: Any) -> dict[str, float]:
        """A step for every batch of rows in this order; the means of loss and terms over all examples, as train_…."""
        sums: dict[str, float] = {}
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            try:
                losses = self.step(train[rows])
            except OverflowError as error:
                raise self.diverged(f"{str(error).removeprefix('the ')};", start // batch_size + 1) from error
            if not np.isfinite(losses["loss"]):
                raise self.diverged(f"loss became {losses['loss']}", start // batch_size + 1)
            self.iteration_losses.append(losses["loss"])
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value * len(rows)
            bar.update()
            if SIGNALS.asked is not None and not self.is_behind():
                raise Ended(SIGNALS.asked)
        return {f"train_{name}": total / len(order) for name, total in sums.items()}

    def diverged(self, what: str, iteration: int) -> DivergedError:
        kept = "{}, from the end of epoch {}".format(*self.saved) if self.saved else "none was written"
        return DivergedError(
            f"the {what} in epoch {len(self.history) + 1}, iteration {iteration} of it; training stopped. "
            f"The last good checkpoint: {kept}. A smaller learning rate is the first thing to try"
        )

    def is_behind(self) -> bool:
        """Whether the checkpoint lacks epochs: where they are short, it is not written after each."""
        return self.saved is not None and self.saved[1] < len(self.history)

    @contextmanager
    def last_epoch_kept(self) -> Iterator[None]:
        """Says what a signal leaves on disk, and first brings a checkpoint up to date that is behind.

        One that is behind does not end an epoch before its last step, so what is saved here is the end of an epoch.
        """
        try:
            yield
        except Ended as end:
            if self.saved and self.is_behind():
                self.save(self.saved[0])
            raise Ended(end.number, self.kept()) from None

    def kept(self) -> str:
        """What is on disk of this training, and how to go on."""
        if self.saved is None or not self.saved[0].exists():
            return "nothing of this training is on disk: the same command begins it again"
        path, done = self.saved
        return f"{path} has {done} epoch{'s' * (done != 1)}: the same command goes on from there"

    def save(self, path: str | Path) -> None:
        """Writes a checkpoint, whole or not at all: an interruption leaves the one before it in place."""
        path = Path(path)
        model, arrays = model_section(self.model)
        if self.best:
            last = self.last or arrays
            arrays = {**self.best, **{OF_LAST + name: array for name, array in last.items()}}
        state = self.optimiser.state()
        vectors = vectors_of(state)
        training: dict[str, Any] = {
            "settings": self.settings,
            "history": self.history,
            "generator": self.rng.bit_generator.state,
            "generators": [rng.bit_generator.state for rng in own_generators(self.model, self.rng)],
            "arithmetic": self.arithmetic,
            "optimiser": {name: value for name, value in state.items() if name not in vectors},
            "model": set_on(self.model),
            "frozen": [k for k, layer in enumerate(layers_of(self.model)) if not layer.training],
        }
        arrays |= {f"training/optimiser/{name}": value for name, value in vectors.items()}
        arrays["training/iteration_losses"] = np.array(self.iteration_losses)
        arrays["training/snapshots"] = np.array(self.snapshots)
        sections = {"model": model, "training": training}
        kept = {name: {**self.restored.get(name, {}), **section} for name, section in sections.items()}
        try:
            expect_schema(kept, arrays)
        except ValueError as error:
            raise CheckpointError(f"{path} is not written, since it could not be read again: {error}") from error
        try:
            write_checkpoint(path, {**self.restored, **kept}, arrays)
        except OSError as error:
            what = f"the checkpoint of epoch {len(self.history)} cannot be written ({error.strerror or error})"
            raise CheckpointError(f"{what}; {self.kept()}") from error
        self.saved = path, len(self.history)

    def restore(self, path: str | Path) -> None:
        """Takes everything from a checkpoint of the same model and settings; CheckpointError if it is of another.

        All of it is verified before anything is changed.
        """
        path = Path(path)
        record, arrays = read_checkpoint(path)
        if "training" not in record:
            raise CheckpointError(f"{path} holds a model, and no training to go on with")
        training = record["training"]
        last = {name.removeprefix(OF_LAST): array for name, array in arrays.items() if name.startswith(OF_LAST)}
        here = {**self.settings, **by_name(model_section(self.model)[0]["modules"])}
        there = {**training["settings"], **by_name(record["model"]["modules"])}
        if difference := first_difference(here, there):
            raise OtherRunError(path, difference)
        try:
            for found in (arrays, last) if last else (arrays,):
                verify_arrays(self.model, found)
            state = verified_state(self.optimiser, training["optimiser"], arrays)
            numbers = verified_numbers(self.model, training.get("model", {}))
            generators = own_generators(self.model, self.rng)
            layers, frozen = list(layers_of(self.model)), training.get("frozen")
            if frozen and frozen[-1] >= len(layers):
                raise ValueError(f"it has frozen layer {frozen[-1]}, and this model has {len(layers)}, counted from 0")
            states = training.get("generators")  # none in a checkpoint of before they were kept
            if states is not None and len(states) != len(generators):
                raise ValueError(f"of generators of its layers it has {len(states)}, and this model {len(generators)}")
        except ValueError as error:
            raise CheckpointError(f"{path} is not a complete checkpoint: {error}") from error
        put_arrays(self.model, arrays)
        self.last, self.best = last, arrays_of(self.model) if last else {}
        self.optimiser.load_state(state)
        vars(self.model).update(numbers)
        for k, layer in enumerate(layers if frozen is not None else ()):
            layer.training = k not in frozen
        self.rng.bit_generator.state = training["generator"]
        for rng, its in zip(generators, states or [], strict=states is not None):
            rng.bit_generator.state = its
        self.history, self.restored = list(training["history"]), record
        self.iteration_losses = arrays["training/iteration_losses"].tolist()
        self.snapshots = [snapshot.copy() for snapshot in arrays["training/snapshots"]]
        self.arithmetic = training.get("arithmetic", {})
        self.saved = path, len(self.history)


MOST = 1_000_000  # draws and what else is counted on a model, in a checkpoint that somebody may have altered
AfterEpoch = Callable[[Trainer, dict[str, Any]], None]


def vectors_of(state: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays of an optimiser's state."""
    return {name: value for name, value in state.items() if isinstance(value, np.ndarray)}


def own_generators(model: Any, rng: np.random.Generator) -> list[np.random.Generator]:
    """Those that layers draw with, apart from the training's: of a copied layer, for instance, or a loaded one."""
    found = {id(of): of for layer in layers_of(model) for of in generators_of(layer).values()}
    return [of for of in found.values() if of is not rng]


def layers_of(model: Any) -> Iterable[Any]:
    """The model and all its parts; none of a model that is no module of this library."""
    return model.walk() if hasattr(model, "walk") else ()


def generators_of(layer: Any) -> dict[str, np.random.Generator]:
    """What a layer draws with, by the name of the attribute."""
    return {name: value for name, value in vars(layer).items() if isinstance(value, np.random.Generator)}


def set_on(model: Any) -> dict[str, float]:
    """The numbers that a training has set on its model in place of its class's, `beta` of a VAE and its `n_draws`, as
    Python's own."""
    own = {name: value for name, value in vars(model).items() if type(value) is not bool and is_set_on(model, name)}
    return {
        name: int(value) if isinstance(value, Integral) and is_whole_on(model, name) else float(value)
        for name, value in own.items()
        if isinstance(value, Real)
    }


def is_set_on(model: Any, name: str) -> bool:
    """Whether the model's class has such a number."""
    return type(getattr(type(model), name, None)) in (int, float)


def is_whole_on(model: Any, name: str) -> bool:
    return type(getattr(type(model), name)) is int


def verified_numbers(model: Any, numbers: Mapping[str, float]) -> Mapping[str, float]:
    """Those of a checkpoint; ValueError if the model has no such number."""
    for name in numbers:
        if not is_set_on(model, name):
            raise ValueError(f"it has {name} of its model, which this one has not")
        if is_whole_on(model, name) and type(numbers[name]) is int and not 1 <= numbers[name] <= MOST:
            raise ValueError(f"its model's {name} is {numbers[name]}, no number from 1 to {MOST:,}")
    return numbers


def print_line(trainer: Trainer, record: Mapping[str, Any]) -> None:
    """Prints an epoch's record as one line, above the progress bar."""
    tqdm.write(describe(record, trainer.epochs))


def describe(record: Mapping[str, Any], epochs: int) -> str:
    """An epoch's record as one line: each loss, and its terms; of a single term the name, which says what it is."""

    def shown(value: float) -> str:
        return f"{value:.2f}" if abs(value) >= 1 else f"{value:.4f}"

    parts = [f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}"]
    parts += [f"beta {record['beta']:.3g}"] if "beta" in record else []
    for who in ("train", "held_out"):
        terms = {
            name.removeprefix(who + "_"): shown(value)
            for name, value in record.items()
            if name.startswith(who + "_") and name != f"{who}_loss"
        }
        if f"{who}_loss" in record:
            kind = f" ({next(iter(terms))})" if len(terms) == 1 else ""
            sums = f" = {' + '.join(map(' '.join, terms.items()))}" if len(terms) > 1 else ""
            parts.append(f"{who.replace('_', '-')} loss{kind} {shown(record[f'{who}_loss'])}{sums}")
    return "   ".join([*parts, f"{record['seconds']:.1f} s"])
