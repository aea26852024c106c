"""What the lectures of examples/lectures/ share: they run from top to bottom, print their numbers, and draw one figure.

A lecture is a script, and its cells (`# %%`) are those of a notebook. As a script it takes --help and --out and writes
its figure as a file; in a notebook the figure appears below the cell.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import command
from scratchnn.training import Trainer
from scratchnn.training.loop import AfterEpoch, describe
from scratchnn.training.runs import prepare_folder
from scratchnn.training.signals import SIGNALS

FOLDER = Path("runs") / "lectures"


class Lecture:
    """A lecture by the name of its file, `Lecture("elbo_tour")` in its first cell."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_script = Path(sys.argv[0]).name == f"{name}.py"
        if self.is_script:
            cli.forgiving_terminal()
            SIGNALS.listen()
            sys.excepthook = told
            parser = cli.parser(
                sys.modules["__main__"].__doc__ or "",
                f"  python examples/lectures/{name}.py        no arguments needed",
            )
            parser.add_argument(
                "--out", type=cli.folder, default=FOLDER, help=f"folder for the figure (default: {FOLDER})"
            )
            self.out: Path = parser.parse_args().out
            prepare_folder(self.out)

    def show(self, figure: Any) -> None:
        """Writes the figure to NAME.png and says so; in a notebook, shows it."""
        if self.is_script:
            path = self.out / f"{self.name}.png"
            figures.write_png(figure, path, {"Command": command()})
            print(f"\nfigure: {path}")
        else:
            notebook: Any = importlib.import_module("IPython.display")
            drawn = io.BytesIO()
            figure.savefig(drawn, format="png")
            notebook.display(notebook.Image(drawn.getvalue()))


def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """In the place of Python's excepthook: a lecture has no `main` for `cli.run`, and a mistake or a signal ends it as
    it ends any script."""
    try:
        with cli.mistakes_told():
            raise error
    except SystemExit:
        raise
    except BaseException:
        sys.__excepthook__(kind, error, trace)


def train(
    trainer: Trainer,
    images: Any,
    epochs: int,
    batch_size: int = 100,
    held_out: Any = None,
    after_epoch: Sequence[AfterEpoch] = (),
) -> None:
    """`trainer.fit` with the progress bar, and of its lines only the last."""
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.fit(images, epochs=epochs, batch_size=batch_size, held_out=held_out, after_epoch=after_epoch)
    print(describe(trainer.history[-1], epochs))
