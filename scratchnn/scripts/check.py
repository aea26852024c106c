"""scratchnn check FILE.py:forward,backward: the gradient check on a file, from the shell.

What stands behind the colon, and behind each =, is Python, and is evaluated in the file: whatever can be written there
can be checked, with no more to learn than the names of its own functions.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import inspect
import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from scratchnn.gradcheck import GradientError, Report, check_function, check_layer
from scratchnn.gradcheck.problem import Code, as_tuple

RIGHT, WRONG, USAGE = 0, 1, 2
ERRORS = (Exception, SystemExit)  # what a learner's code may raise
DESCRIPTION = """\
Checks every entry of every gradient of a backward pass against finite differences, and says
which line is wrong, and why. What it checks is functions, forward(…) -> (y, cache) and
backward(dy, cache) -> the gradients; or a layer, an object with forward(x) and backward(dy).

The exit status is 0 if the backward pass is right, 1 if it is wrong, 2 if it could not be checked."""
EXAMPLES = """\
examples:
  {0} mine.py --inputs x=5x3 W=3x4 b=4
  {0} mine.py:softmax,softmax_back --inputs z=5x4 --constants "labels=[0, 3, 1, 1, 2]"
  {0} mine.py:log,log_back --inputs "x=rng.uniform(1, 2, (5, 3))"
  {0} "mine.py:Dense(3, 4)" --inputs x=5x3
  {0} mine.py            with functions inputs() and constants() in mine.py that return dicts, by name
"""


class UsageError(Exception):
    """What keeps a check from being made; the message says how to go on."""


def options(arguments: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description=DESCRIPTION,
        epilog=EXAMPLES.format(program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "target", metavar="FILE.py:FORWARD,BACKWARD",
        help="two functions; or a layer, FILE.py:Layer(3, 4), which may use `rng` (default: forward,backward)",
    )  # fmt: skip
    parser.add_argument(
        "--inputs", nargs="+", metavar="NAME=SHAPE",
        help="forward's arguments to differentiate by: normal random numbers of a shape, x=5x3, or Python; or the name "
        "of a dict in the file, or of a function that returns one (default: inputs, in the file)",
    )  # fmt: skip
    parser.add_argument(
        "--constants", nargs="+", metavar="NAME=VALUE",
        help="its arguments that have no gradient, such as labels or masks: Python, stride=2; or a name in the file as "
        "above (default: constants, if the file has them)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    args = parser.parse_args(arguments)
    if args.seed < 0:
        parser.error(f"argument --seed: expected a whole number of at least 0, got {args.seed}")
    return args


def main(arguments: Sequence[str] | None = None, program: str = "scratchnn check") -> int:
    """Checks what the arguments name; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a ± must not stop a terminal that has none
    told: Report | GradientError
    try:
        told, status = checked(options(arguments, program)), RIGHT
    except GradientError as error:
        told, status = error, WRONG
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(f"error: it could not be checked: {type(error).__name__}: {error}", file=sys.stderr)
        return USAGE
    try:
        print(told, flush=True)
    except BrokenPipeError:
        sys.stdout = None  # the program that read the output has stopped
    return status


def checked(args: argparse.Namespace) -> Report:
    """The report; GradientError if a gradient is wrong or backward cannot be run, UsageError for what the user said."""
    match = re.fullmatch(r"(.+?\.py)(?:::?(.+))?", args.target, re.DOTALL)
    if not match:
        exercise = "; exercises are checked by scratchnn exercises check" if re.fullmatch(r"\w+", args.target) else ""
        raise UsageError(f"expected FILE.py:forward,backward, got {args.target}{exercise}")
    file, what = File(Path(match[1]), args.seed), match[2] or "forward,backward"
    subject = file.value(what, "")
    try:
        layer = file.made(subject) if isinstance(subject, type) else subject
        pair = subject if isinstance(subject, tuple) else (getattr(layer, "forward", 0), getattr(layer, "backward", 0))
        if len(pair) != 2 or not all(map(callable, pair)):
            raise UsageError(f"{what} is neither two functions, {match[1]}:forward,backward, nor a layer that has them")
        forward, backward = pair
        inputs, constants = arguments_of(forward, file, args, by_keyword=pair is subject)
    except UsageError:
        raise
    except ERRORS as error:  # of an attribute of theirs, or a class without a signature
        raise UsageError(f"{what}: {file.blamed(error)}") from error
    if pair is subject:
        code = Code("function", forward, backward, lambda: ((), copy.deepcopy({**inputs, **constants})))
    else:
        code = Code("layer", forward, backward, lambda: copy.deepcopy(([*inputs.values()], constants)))
    try:
        try:
            y, cache = code.passed()
        except GradientError:
            raise
        except ERRORS as error:
            values = {**inputs, **constants}.items()
            given = ", ".join(f"{name} {getattr(x, 'shape', type(x).__name__)}" for name, x in values)
            raise UsageError(f"{file.blamed(error)}\nforward was given {given}") from error
        backward(*code.backward_arguments([np.ones(np.shape(each)) for each in as_tuple(y)], y, cache))
        # they run hundreds of times more, and what they print has been seen
        with Path(os.devnull).open("w", encoding="utf-8") as null, contextlib.redirect_stdout(null):
            if pair is subject:
                return check_function(forward, backward, inputs, constants, seed=args.seed)
            return check_layer(layer, *inputs.values(), constants=constants, seed=args.seed)
    except ERRORS as error:
        if file.frames(error) and not isinstance(error, GradientError):
            raise GradientError(file.blamed(error)) from error
        if isinstance(error, TypeError | ValueError):
            raise UsageError(str(error)) from error
        raise


class File:
    """A file of the user's, run."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path.absolute()
        self.module = ModuleType(f"checked_{path.stem}")  # no name that another module may have
        self.rng = np.random.default_rng(seed)
        sys.path.insert(0, str(self.path.parent))  # what stands beside it can be imported, as under python FILE.py
        sys.modules[self.module.__name__] = self.module  # dataclasses look there
        self.module.__file__ = str(self.path)
        try:
            source = self.path.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        try:
            # by hand, not by import: that might read an old __pycache__
            exec(compile(source, str(self.path), "exec", dont_inherit=True), vars(self.module))
        except ERRORS as error:
            raise UsageError(self.blamed(error)) from error

    def value(self, text: str, what: str) -> Any:
        """What Python makes of a text in this file, in which `np` and `rng` are known."""
        try:
            return eval(text, {"np": np, "rng": self.rng, **vars(self.module)})
        except ERRORS as error:
            if isinstance(error, NameError) and not self.frames(error):
                own = self.module.__name__
                has = [k for k, v in vars(self.module).items() if callable(v) and getattr(v, "__module__", "") == own]
                known = ", ".join(has) or "no functions"
                raise UsageError(f"{what}{self.path.name} has no {error.name}; it has {known}") from error
            raise UsageError(f"{what}{text}: {self.blamed(error)}") from error

    def made(self, layer: type) -> Any:
        any_number = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # *args and **kwargs: also none
        parameters = [p for p in inspect.signature(layer).parameters.values() if p.kind not in any_number]
        needed = [p.name for p in parameters if p.default is p.empty]
        if needed:
            call = f'"{self.path.name}:{layer.__name__}({", ".join(needed)})"'
            raise UsageError(
                f"{layer.__name__} is made with {', '.join(needed)}: write {call} with values in their places"
            )
        return self.value(f"{layer.__name__}()", "")

    def blamed(self, error: BaseException) -> str:
        """An error in one sentence, with the line of this file where it arose."""
        what = f"{type(error).__name__}: {error}".removesuffix(": ")
        if isinstance(error, SyntaxError) and error.filename == str(self.path):
            what, line, text = f"{type(error).__name__}: {error.msg}", error.lineno, (error.text or "").strip()
            return f"{self.path.name}, line {line or '?'}, `{text}`: {what}"
        for frame in self.frames(error)[-1:]:
            inside = "" if frame.name == "<module>" else f" (in {frame.name})"
            return f"{self.path.name}, line {frame.lineno}{inside}, `{frame.line}`: {what}"
        return what

    def frames(self, error: BaseException) -> list[traceback.FrameSummary]:
        return [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.path)]


# ---- what forward is given


def arguments_of(
    forward: Callable[..., Any], file: File, args: argparse.Namespace, by_keyword: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs and the constants by name, each in the order of forward's arguments; a layer's inputs come first."""
    parameters = inspect.signature(forward).parameters
    names = [name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not args.inputs and not hasattr(file.module, "inputs"):
        shapes = " ".join(f"{name}=5x3" for name in names)
        raise UsageError(
            f"what is forward({', '.join(names)}) to be given? Say --inputs {shapes}, with your shapes, or write a "
            f"function inputs() in {file.path.name} that returns a dict of arrays by name"
        )
    inputs = named(args.inputs, file, names, "inputs", drawn)
    constants = named(args.constants, file, [n for n in names if n not in inputs], "constants", literal)
    missing = [n for n in names if parameters[n].default is inspect.Parameter.empty and n not in inputs | constants]
    if missing:
        raise UsageError(
            f"forward({', '.join(names)}) needs {', '.join(missing)} too: among --inputs, or among --constants if it "
            "has no gradient"
        )
    if not by_keyword and [*inputs] != names[: len(inputs)]:
        raise UsageError(f"the forward({', '.join(names)}) of a layer must take its inputs, {', '.join(inputs)}, first")
    return inputs, constants


def named(
    texts: Sequence[str] | None,
    file: File,
    names: Sequence[str],
    what: str,
    made: Callable[[str, File, str], Any],
) -> dict[str, Any]:
    """NAME=… each, or the name of a dict, or of a function that returns one, in the file; in the order of `names`.

    Where nothing is said, what the file calls `inputs` or `constants` may serve several functions.
    """
    option, found = f"--{what}", dict[str, Any]()
    if texts is None and not hasattr(file.module, what):
        return {}
    for text in texts or [what]:
        if pair := re.fullmatch(r"(\w+)=(.+)", text, re.DOTALL):
            if pair[1] in found:
                raise UsageError(f"{option}: {pair[1]} is given twice")
            found[pair[1]] = made(pair[2], file, f"{option} {pair[1]}: ")
            continue
        value = getattr(file.module, text, None)
        value = file.value(f"{text}()", f"{option}: ") if callable(value) else value
        if not isinstance(value, Mapping):
            raise UsageError(
                f"{option}: expected NAME=…, or the name of a dict or of a function that returns one, got {text}"
            )
        found |= value
    unknown = [str(name) for name in found if name not in names]
    if unknown and texts:
        known = ", ".join(names) or "nothing else"
        raise UsageError(f"{option}: forward takes no {', '.join(unknown)}; there is {known} to be given")
    return {name: found[name] for name in names if name in found}


def drawn(text: str, file: File, what: str) -> Any:
    """Normal random numbers of the shape 5x3, or what Python makes of the text, in float64."""
    try:
        if re.fullmatch(r"\d+(x\d+)*", text):
            return file.rng.standard_normal([int(length) for length in text.split("x")])
        return np.array(file.value(text, what), np.float64)
    except (MemoryError, OverflowError, TypeError, ValueError) as error:
        raise UsageError(f"{what}{text}: {error}") from error


def literal(text: str, file: File, what: str) -> Any:
    """What Python makes of the text; of a list, the array."""
    value = file.value(text, what)
    try:
        return np.array(value) if isinstance(value, list) else value
    except ValueError as error:
        raise UsageError(f"{what}{text}: {error}") from error
