"""The exercises in the terminal: scratchnn exercises, or python -m scratchnn.exercises; and --help."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from scratchnn.exercises import commands
from scratchnn.exercises.commands import PROGRAM, Desk, ExerciseError
from scratchnn.exercises.exercise import ladder, path_of, use
from scratchnn.exercises.handout import write_handouts
from scratchnn.exercises.own import examine
from scratchnn.exercises.watch import KEYS, watch
from scratchnn.machinery.extras import MissingExtraError

EXAMPLES = """examples:
  {0} start          write the exercises into ./exercises
  {0} watch          check the current one whenever you save it
  {0} check linear   check one of them
  {0} hint           a hint for the current one; again for the next level
  {0} next           go on to the next one
  {0} status --json  how far you are, for a program
  {0} start --exercises mine  exercises of your own, one file each
  {0} grade class/*  judge the folders of a class, in a sandbox
"""


def exercise(text: str) -> str:
    """The exercise that is meant: linear, 3, 03_linear.py or exercises/03_linear.py."""
    stem = Path(text).name.removesuffix(".py")
    for name in ladder():
        if stem in (name, path_of(name).stem.removeprefix("e")) or stem.zfill(2) == path_of(name).name[1:3]:
            return name
    raise argparse.ArgumentTypeError(f"there is no exercise {text}; there are: {', '.join(ladder())}")


def given(text: str) -> tuple[str, str]:
    """The exercise that is meant, and the text that meant it."""
    return exercise(text), text


def chosen(desk: Desk, name: str, text: str) -> str:
    """The exercise of that name; ExerciseError if a path to another folder's file was given."""
    folder = Path(text).parent
    if Path(text).name != text and folder.resolve() != desk.folder.resolve():
        raise ExerciseError(
            f"{text} does not lie in {desk.folder}, whose exercises these are: choose its folder with --folder {folder}"
        )
    return name


# of the commands that work on no learner's folder, or on several: what is to be given in the place of --folder
PLACES = {
    "grade": "name the folders behind the command",
    "handout": "say where the sheets go with --out",
    "notebooks": "name the folder to write into behind the command",
}


def parser(program: str) -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)  # so that --folder may stand before and after the command
    shared.add_argument(
        "--folder", type=Path, default=argparse.SUPPRESS, help="where the exercises are (default: ./exercises, or here)"
    )
    shared.add_argument(
        "--exercises", metavar="FOLDER", default=argparse.SUPPRESS,
        help="a folder or a package of other exercises (default: this package's), in every command",
    )  # fmt: skip
    main = argparse.ArgumentParser(
        prog=program,
        description="Exercises in backpropagation: write a backward pass; learn whether it is right, and if not, why.\n"
        "Without a command: the list of the exercises, and what to do next.",
        epilog=EXAMPLES.format(program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
        allow_abbrev=False,  # `choose` has to know --exercises
    )
    added = main.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return added.add_parser(name, help=text, description=text, parents=[shared], allow_abbrev=False)

    def programs(added_command: argparse.ArgumentParser) -> None:
        added_command.add_argument("--json", action="store_true", help="print JSON, for a program")

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
        added_command.add_argument("name", type=given, metavar="NAME", nargs="?", help=what)
    added.choices["solution"].add_argument("--yes", action="store_true", help="do not ask")
    command("watch", f"check the current exercise whenever it is saved ({KEYS})")
    command("next", "go on to the next exercise that is not done")
    written = command("notebooks", "write the exercises as notebooks, one for each part; files that exist are kept")
    written.add_argument("place", type=Path, metavar="FOLDER", nargs="?", default=Path("notebooks"), help="%(default)s")
    programs(command("status", "the list of the exercises, and how far you are"))
    programs(added.choices["check"])
    handout = command("handout", "the exercises on paper: a page for each part, or for each that is named")
    handout.add_argument("names", type=exercise, metavar="NAME", nargs="*", help="an exercise (default: all, by parts)")
    handout.add_argument("--out", type=Path, default=Path("handouts"), help="where they go (default: %(default)s)")
    handout.add_argument(
        "--answers", action="store_true", help="with derivations and solutions, on sheets of their own"
    )
    handout.add_argument("--pdf", action="store_true", help="as PDF, too, printed by Chromium or Chrome")
    grade = command("grade", "judge the exercises of a class: a folder for each learner, each in a sandbox")
    grade.add_argument("folders", metavar="FOLDER", nargs="+", type=Path, help="what `start` has written for a learner")
    grade.add_argument("--out", type=Path, default=Path("grades"), help="where results go (default: %(default)s)")
    grade.add_argument(
        "--seed", type=not_negative, help="of the hidden problems (default: drawn, and written into the results)"
    )
    grade.add_argument("--capstones", action="store_true", help="the two trainings as well, some seconds each")
    count = os.cpu_count() or 1
    grade.add_argument("--workers", type=positive, default=count, help="judged at a time (default: %(default)s)")
    grade.add_argument("--resume", action="store_true", help="go on with the results that are in --out")
    programs(grade)
    return main


def choose(arguments: Sequence[str] | None) -> str:
    """Takes the exercises of --exercises, before the names of exercises are read; how the option was given."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--exercises")
    given = first.parse_known_args(arguments)[0].exercises
    if given == "":
        raise ExerciseError("--exercises is empty: give it a folder or a package of exercises, or leave it out")
    if given:
        use(folder_of(given))
    try:
        examine()
    except ValueError as error:
        raise ExerciseError(str(error)) from None
    return f" --exercises {shlex.quote(given)}" if given else ""


def folder_of(given: str) -> Path:
    """The folder of that name, or else the one in which a package of that name lies."""
    if not Path(given).is_dir() and all(map(str.isidentifier, given.split("."))):
        try:
            spec = importlib.util.find_spec(given)
        except Exception as error:
            if not (isinstance(error, ModuleNotFoundError) and f"{given}.".startswith(f"{error.name}.")):
                raise ExerciseError(f"{given} cannot be imported ({type(error).__name__}: {error})") from None
            spec = None  # there is no package of that name
        if spec and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations)))
    return Path(given)


def not_negative(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"it must be a whole number from 0 on, not {text}")
    return int(text)


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it must be a whole number above 0, not {text}")
    return int(text)


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Does what the arguments say; the exit status. `program` is how the messages call the command."""
    program += choose(arguments)
    args = parser(program).parse_args(arguments)
    folder = getattr(args, "folder", None)
    if folder and args.command in PLACES:
        raise ExerciseError(f"{args.command} does not read --folder: {PLACES[args.command]}")
    if args.command == "start":
        return commands.start(folder, program)
    if args.command == "notebooks":
        return commands.notebooks(args.place)
    if args.command == "grade":
        if sys.platform != "linux":
            raise ExerciseError(
                "answers of others can be run safely on Linux alone: grade there, or in a virtual machine"
            )
        from scratchnn.exercises.gradebook import grade
        from scratchnn.training.signals import SIGNALS

        SIGNALS.listen()
        return grade(args.folders, args.out, args.seed, args.capstones, args.workers, args.resume, args.json)
    if args.command == "handout":
        return write_handouts(args.names, args.out, args.answers, args.pdf)
    with contextlib.redirect_stdout(sys.stderr) if getattr(args, "json", False) else contextlib.nullcontext():
        desk = Desk(folder, program)  # which may have something to say of a damaged state
    name = chosen(desk, *args.name) if getattr(args, "name", None) else desk.progress.current
    match args.command:
        case "check":
            return commands.check_as_json(desk, name) if args.json else commands.check_once(desk, name)
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
        case "status" if args.json:
            return commands.status_as_json(desk)
    return commands.overview(desk)


def run(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """`main`; one sentence for what the learner can put right."""
    for name, how in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started this
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), how))
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a Σ must not stop a terminal that has none
    try:
        return main(arguments, program)
    except (ExerciseError, MissingExtraError) as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:
        sys.stdout = None  # the program that read the output has stopped: nothing more can be said
        return 1
    except OSError as error:
        what = f"cannot read or write {error.filename} ({error.strerror})" if error.filename else error.strerror
        sys.exit(f"error: {what}")
    except KeyboardInterrupt as end:
        return 128 + getattr(end, "number", signal.SIGINT)


if __name__ == "__main__":
    sys.exit(run())
