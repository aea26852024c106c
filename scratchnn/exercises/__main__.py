"""The exercises in the terminal: scratchnn exercises, or python -m scratchnn.exercises; and --help."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from scratchnn.exercises import commands
from scratchnn.exercises.commands import PROGRAM, Desk, ExerciseError
from scratchnn.exercises.exercise import ladder, path_of
from scratchnn.exercises.watch import KEYS, watch
from scratchnn.machinery.extras import MissingExtraError

EXAMPLES = """examples:
  {0} start          write the exercises into ./exercises
  {0} watch          check the current one whenever you save it
  {0} check linear   check one of them
  {0} hint           a hint for the current one; again for the next level
  {0} next           go on to the next one
"""


def exercise(text: str) -> str:
    """The exercise that is meant: linear, 3, 03_linear.py or exercises/03_linear.py."""
    stem = Path(text).name.removesuffix(".py")
    for name in ladder():
        if stem in (name, path_of(name).stem.removeprefix("e")) or stem.zfill(2) == path_of(name).name[1:3]:
            return name
    raise argparse.ArgumentTypeError(f"there is no exercise {text}; there are: {', '.join(ladder())}")


def parser(program: str) -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)  # so that --folder may stand before and after the command
    shared.add_argument(
        "--folder", type=Path, default=argparse.SUPPRESS, help="where the exercises are (default: ./exercises, or here)"
    )
    main = argparse.ArgumentParser(
        prog=program,
        description="Exercises in backpropagation: write a backward pass; learn whether it is right, and if not, why.\n"
        "Without a command: the list of the exercises, and what to do next.",
        epilog=EXAMPLES.format(program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
    )
    added = main.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return added.add_parser(name, help=text, description=text, parents=[shared])

    command("start", "write the exercises; files that exist are kept")
    optional = [
        command("check", "check an exercise"),
        command("hint", "show one more hint"),
        command("solution", "show the solution and its derivation"),
        command("figure", "draw your gradients over the numeric ones, as a PNG beside the exercise"),
        command("reset", "write an exercise as it was given; your version is kept as a copy"),
    ]
    for added_command in optional:
        what = "name or number of an exercise (default: the current one)"
        added_command.add_argument("name", type=exercise, metavar="NAME", nargs="?", help=what)
    added.choices["solution"].add_argument("--yes", action="store_true", help="do not ask")
    command("watch", f"check the current exercise whenever it is saved ({KEYS})")
    command("next", "go on to the next exercise that is not done")
    written = command("notebooks", "write the exercises as notebooks, one for each part; files that exist are kept")
    written.add_argument("place", type=Path, metavar="FOLDER", nargs="?", default=Path("notebooks"), help="%(default)s")
    return main


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Does what the arguments say; the exit status. `program` is how the messages call the command."""
    args = parser(program).parse_args(arguments)
    folder = getattr(args, "folder", None)
    if args.command == "start":
        return commands.start(folder, program)
    if args.command == "notebooks":
        return commands.notebooks(args.place)
    desk = Desk(folder, program)
    name = getattr(args, "name", None) or desk.progress.current
    match args.command:
        case "check":
            return commands.check_once(desk, name)
        case "hint":
            return commands.hint(desk, name)
        case "solution":
            return commands.solution(desk, name, args.yes)
        case "figure":
            return commands.figure(desk, name)
        case "watch":
            return watch(desk)
        case "next":
            return commands.go_on(desk)
        case "reset":
            return commands.start_again(desk, name)
    return commands.overview(desk)


def run(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """`main`; one sentence for what the learner can put right."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a Σ must not stop a terminal that has none
    try:
        return main(arguments, program)
    except (ExerciseError, MissingExtraError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: cannot read or write {error.filename} ({error.strerror})")
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
