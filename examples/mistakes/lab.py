"""What all experiments share: one data set, one small network and one seed, for the right and every wrong version."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import numpy as np

from scratchnn import VAE, Adam, Bernoulli, data
from scratchnn.evaluation import latent_use
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures
from scratchnn.scripts.provenance import drawing
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import Trainer, evaluate, keep_snapshots

HIDDEN, LATENT, BATCH_SIZE = 100, 10, 100
WRONG, RIGHT = "#bd1f01", "#3f90da"
Table = Sequence[tuple[str, ...]]  # the first row is the header


@dataclass(frozen=True)
class Checked:
    """What a check says of one version."""

    passed: bool
    says: str

    def __str__(self) -> str:
        return f"{'passes' if self.passed else 'FAILS'}: {self.says}"


@dataclass(frozen=True)
class Finding:
    """What came out: one sentence, the numbers, what checks say of (wrong, right), and a picture where one tells."""

    headline: str
    table: Table
    checks: dict[str, tuple[Checked, Checked]]
    figure: figures.Figure | None = None


@dataclass(frozen=True)
class Mistake:
    """A wrong version, whose docstring tells about it, and the experiment that shows what it does."""

    wrong: Any
    show: Callable[[Lab], Finding]

    @property
    def name(self) -> str:
        """How the options call it: the name of its experiment."""
        return self.show.__name__.replace("_", "-")

    @property
    def title(self) -> str:
        return self.paragraphs[0].removesuffix(".")

    @property
    def text(self) -> list[tuple[str, str]]:
        """The docstring's paragraphs after its title, each as (Written, Looks right, Happens or Caught by; what)."""
        return [(head, body) for head, body in (p.split(": ", 1) for p in self.paragraphs[1:])]

    @property
    def paragraphs(self) -> list[str]:
        return [" ".join(p.split()) for p in (inspect.getdoc(self.wrong) or "").split("\n\n")]

    @property
    def tests(self) -> list[str]:
        """The tests of this repository that the docstring names, as file::name."""
        return re.findall(r"tests/\w+\.py::\w+", self.paragraphs[-1])

    @property
    def code(self) -> tuple[str, str]:
        """The lines of the source that are marked WRONG, and the RIGHT ones that stand in the comments below them."""
        source = textwrap.dedent(inspect.getsource(self.wrong))
        wrong = [line.strip() for line in re.findall(r"^(.*?)  # WRONG$", source, re.MULTILINE)]
        return "\n".join(wrong), "\n".join(re.findall(r"# RIGHT: (.*)$", source, re.MULTILINE))


class VAETrainer(Trainer):
    """A trainer as any other; its model is a VAE."""

    model: VAE


class Lab:
    """Trains the same network from the same weights on the same batches with the same noise, but for one change."""

    def __init__(self, name: str, epochs: int, seed: int) -> None:
        self.images = data.load(name)
        self.epochs, self.seed = epochs, seed

    def train(
        self,
        *,
        epochs: int | None = None,
        train: Any = None,
        optimiser: Callable[[VAE], Adam] = Adam,
        snapshot: Callable[[VAE], Array] | None = None,
        **changes: Any,
    ) -> VAETrainer:
        """A training whose model has other parts: `train(sampler=…, divergence=…, likelihood=…)`."""
        rng = np.random.default_rng(self.seed)
        model = with_parts(thesis_vae(self.images.train.pixels.shape[1], HIDDEN, LATENT, rng), **changes)
        trainer = VAETrainer(model, optimiser(model), rng)
        run(
            trainer,
            self.images.train if train is None else train,
            epochs=epochs or self.epochs,
            batch_size=BATCH_SIZE,
            after_epoch=[] if snapshot is None else [keep_snapshots(partial(snapshot, model))],
        )
        return trainer

    @cached_property
    def right(self) -> VAETrainer:
        """The training without a mistake, done once for all that are compared with it."""
        return self.train()

    def loss(self, model: VAE) -> dict[str, float]:
        """−ELBO of the test images and its terms, as the model itself computes them."""
        return evaluate(model, self.images.test)

    def samples(self, model: VAE, n: int = 36) -> Array:
        return model.generate(n, np.random.default_rng(self.seed))

    def active_units(self, model: VAE) -> int:
        return int(latent_use(model, self.images.test).active.sum())

    def pictures(self, title: str, **sheets: Array) -> figures.Figure:
        """Sheets of 36 images (36, D) side by side, each under its name."""
        named = {name.replace("_", " "): images for name, images in sheets.items()}
        return figures.collage(named, self.images.image_shape, 6, title)


def run(trainer: Trainer, images: Any, **arguments: Any) -> None:
    """Trains without a line an epoch: a dozen trainings would fill the screen with them."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        trainer.fit(images, **arguments)


def with_parts(model: VAE, **parts: Any) -> VAE:
    """The model with other parts, such as `sampler=…`; they learn nothing, so the model's memory stays as it is."""
    model.parts = MappingProxyType({**model.parts, **parts})
    return model


def with_right_loss(model: VAE) -> VAE:
    """The same weights under the right loss: what they are worth, whatever they were trained with."""
    return VAE(copy.deepcopy(model.encoder), copy.deepcopy(model.decoder), Bernoulli(), model.n_z)


@drawing
def chart(title: str, x_label: str, y_label: str, lines: Sequence[tuple[str, Any, Any, str]]) -> figures.Figure:
    """Curves (name, x, y, colour) in one plot."""
    figure = figures.new_figure(5.6, 3.2, title)
    axes = figure.add_subplot()
    for name, x, y, colour in lines:
        axes.plot(x, y, color=colour, linewidth=1.5, label=name)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    return figure


def numbers(*rows: tuple[Any, ...]) -> Table:
    """A table with the columns wrong and right: two decimals, and none for what is counted."""
    cells = [(name, *(f"{v:,}" if isinstance(v, int) else f"{v:,.2f}" for v in values)) for name, *values in rows]
    return [("", "wrong", "right"), *cells]
