"""The console command: scratchnn COMMAND …, or python -m scratchnn COMMAND …

What a command does stands in its own module, and is imported when the command is used.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from scratchnn import __version__

HELP = """\
usage: {0} COMMAND ...

Neural networks in plain NumPy, every backward pass derived by hand and checked.

commands:
  train        train the thesis's variational autoencoder; figures, numbers and a checkpoint come out
  weights      the trained model of a run in a small file of its own
  explore      the latent space of a trained model as one page for a browser
  exercises    write backward passes yourself, and learn whether they are right, and if not, why; or grade a class
  check        check a backward pass of your own, in a file

options:
  -h, --help   this text; after a command, what that command takes
  --version    the version of scratchnn

examples:
  {0} train --help
  {0} train --data mnist --latent 20 --epochs 50
  {0} weights runs/vae-digits-z2-seed0 --out digits.npz --dtype float16
  {0} explore runs/vae-digits-z2-seed0 --html digits.html
  {0} exercises start
  {0} exercises watch
  {0} exercises grade class/*
  {0} check mine.py:forward,backward --inputs x=5x3 W=3x4
"""


def script(name: str, arguments: Sequence[str], program: str) -> int:
    """Runs a module of scripts/ that has a parser of its own."""
    from scratchnn.scripts import cli

    sys.argv = [program, *arguments]  # its parser reads them, and shows this name
    cli.run(lambda _: importlib.import_module(f"scratchnn.scripts.{name}").main())  # signals are obeyed by then
    return 0


def train(arguments: Sequence[str], program: str) -> int:
    return script("train", arguments, program)


def weights(arguments: Sequence[str], program: str) -> int:
    return script("weights", arguments, program)


def explore(arguments: Sequence[str], program: str) -> int:
    return script("explore_page", arguments, program)


def exercises(arguments: Sequence[str], program: str) -> int:
    # by its name: no module of scripts/ imports from exercises/, which stands above
    status: int = importlib.import_module("scratchnn.exercises.__main__").run(arguments, program)
    return status


def check(arguments: Sequence[str], program: str) -> int:
    from scratchnn.scripts import check

    return check.main(arguments, program)


COMMANDS = {"train": train, "weights": weights, "explore": explore, "exercises": exercises, "check": check}


def main(arguments: Sequence[str] | None = None, program: str = "scratchnn") -> int:
    """Runs a command; its exit status. `program` is how the user called it."""
    command, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if command in COMMANDS:
        return COMMANDS[command](rest, f"{program} {command}")
    if command not in ("--version", "-h", "--help"):
        sys.exit(f"error: there is no command {command}; there are: {', '.join(COMMANDS)}")
    try:
        print(f"scratchnn {__version__}" if command == "--version" else HELP.format(program).rstrip(), flush=True)
    except BrokenPipeError:
        sys.stdout = None  # the program that read the output has stopped
        return 1
    return 0
