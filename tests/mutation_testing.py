"""Changes the library in every small way, one change at a time: do the tests notice?

    python -m tests.mutation_testing                       all rooms
    python -m tests.mutation_testing losses vae            these
    python -m tests.mutation_testing --again found.jsonl   what survived in an earlier run: is it found now?

cosmic-ray makes the mutants: an operator replaced by another one, a number one larger or one smaller, a condition
negated, a loop left out, a decorator taken away. Left out is what no test of values can tell apart: messages,
annotations, docstrings; bit operators in the place of arithmetic, which fail on any float; `is` in the place of `==`.

A mutant is run in a fork of a process that has imported all but the library. It meets the tests of its room in an
order that saves time: first those that have found most mutants so far, then the short ones before the long. Those that
come later than five seconds after the start (on this processor, nobody else using it) are only run if all before them
have passed. A mutant that makes the tests several times as slow, or take more memory, counts as noticed.

Each mutant that survives stands in tests/equivalent_mutants.py with the reason why nothing can notice it, or is a test
that is missing.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import inspect
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import pytest
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from hypothesis import HealthCheck, Phase, settings
from tqdm import tqdm

from tests.equivalent_mutants import ANYTHING, EQUIVALENT

ROOT = Path(__file__).parent.parent
LIBRARY = str(ROOT / "scratchnn")
SEED = 20180101
DRAWN = 200  # from a room of which not all mutants are run
SECONDS = 5.0  # of the processor's time, for the tests that every mutant meets
MEMORY = 8 * 2**30
LIMIT = "time or memory"
Place = tuple[str, int, str]  # of a function: file, line, name
REASONS = {(f"scratchnn.{one.module}", one.old, new): one.why for one in EQUIVALENT for new in one.new}


class Room(NamedTuple):
    """Modules, and the tests that hold them: tests/test_….py, of these only those that pytest's -k selects."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    only: str = ""
    whole: bool = True


def about(own: str, *classes: str) -> str:
    """All tests of the files named so, and of the tests of all layers and of the ends of the number range those about
    these classes."""
    return f"{own} or (({' or '.join(classes)}) and (test_layers or test_numbers))"


ALL = ("layers", "numbers")
ROOMS = {
    "layers": Room(("layers/layer", "layers/dense", "layers/activations"), ("layers", "parameters", "modes")),
    "normalisation": Room(
        ("layers/dropout", "layers/batch_norm"), ("modes", *ALL), about("test_modes", "Dropout", "BatchNorm")
    ),
    "images": Room(
        ("layers/shape", "layers/convolution", "layers/pooling"), ("convolution", "compiled", *ALL),
        about("test_convolution or test_compiled", "Conv", "Pool", "Up", "Flatten", "Reshape", "linear"),
    ),
    "losses": Room(
        ("losses",), ("likelihoods", "classifier", *ALL),
        about("test_likelihoods or test_classifier", "Entropy", "Squared", "batch_mean", "softmax"),
    ),
    "likelihoods": Room(
        ("likelihoods",), ("likelihoods", *ALL), about("test_likelihoods", "Bernoulli", "Gaussian", "SigmoidMean")
    ),
    "vae": Room(("vae",), ("vae", *ALL), about("test_vae", "Reparameterise", "Normal", "VAE")),
    "optim": Room(("optim",), ("optim", "compiled"), "test_optim or adam"),
    "init": Room(("init",), ("init",)),
    "parameters": Room(("machinery/parameters",), ("parameters",)),
    "evaluation": Room(
        tuple(f"evaluation/{name}" for name in ("bounds", "classification", "generation", "latent", "levels",
                                                "quadrature")),
        ("evaluation", "evaluation_generation", "evaluation_levels", "autoencoder", "lecture_elbo_tour",
         "lecture_grey_pixels", "numbers"),
        "not test_numbers or evaluation or reconstruction", False,
    ),
    "training": Room(
        tuple(f"training/{name}" for name in ("after_epoch", "blas", "compiling", "loop", "npz", "runs", "same_bits",
                                              "schema", "signals")),
        ("training", "checkpoints", "hostile_files", "cli", "signals", "compiled", "early_stopping", "logs", "weights",
         "training_own_program"),
        "", False,
    ),
    "checkpoints": Room(("training/checkpoints",), ("checkpoints", "hostile_files", "crashes"), "", False),
    "parallel": Room(("training/parallel",), ("parallel", "training"), "test_parallel or threads", False),
    "gradcheck": Room(
        tuple(f"gradcheck/{name}" for name in ("another", "cause", "check", "diagnosis", "edits", "facts", "given",
            "graph", "intermediates", "learned", "line", "notebook", "numeric", "problem", "recording", "report",
            "shapes")),
        ("gradcheck", "gradcheck_points", "gradcheck_given", "gradcheck_shapes", "gradcheck_line", "gradcheck_edits",
         "gradcheck_thresholds", "own_code", "diagnosis", "blind_cases", "complex_step"), "", False,
    ),
}  # fmt: skip

# of cosmic-ray's operators
LEFT_OUT = re.compile(
    r".*Binary.*_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)_(RShift|LShift|BitOr|BitAnd|BitXor)"
    r"|.*Binary.*_(RShift|LShift|BitOr|BitAnd|BitXor)_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)"
    r"|.*_(Is|IsNot)"
)


class Mutant(NamedTuple):
    module: str
    line: int
    old: str
    new: str
    text: str  # of the whole module


def messages(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where messages and annotations begin and end, as (line, column)."""
    lines = text.split("\n")

    def place(line: int, offset: int) -> tuple[int, int]:
        return line, len(lines[line - 1].encode()[:offset].decode())

    nodes: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Raise):
            nodes.append(node.exc)
        elif isinstance(node, ast.FunctionDef):
            nodes.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            nodes.append(node.annotation)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn":
            nodes.append(node)
    return [
        (place(n.lineno, n.col_offset), place(n.end_lineno or 0, n.end_col_offset or 0)) for n in nodes if n is not None
    ]


def changed(text: str, mutated: str) -> tuple[Any, ...]:
    """The number of the first line that differs, and that line before and after, without their comments."""
    old, new = text.split("\n"), mutated.split("\n")
    for kind, start, stop, other, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            lines = "\n".join(old[start:stop]), "\n".join(new[other:end])
            return start + 1, *(text.partition("  # ")[0].strip() for text in lines)
    raise ValueError("nothing is changed")


def mutants(room: Room) -> list[Mutant]:
    """All mutants of a room or, where it is not to be run whole, those that the seed draws."""
    found = []
    with tempfile.TemporaryDirectory() as folder, use_db(Path(folder, "session.sqlite"), WorkDB.Mode.create) as db:
        init([ROOT / "scratchnn" / f"{module}.py" for module in room.modules], db, {})
        specs = [item.mutations[0] for item in db.work_items]
    texts = {path: path.read_text(encoding="utf-8") for path in {spec.module_path for spec in specs}}
    apart = {path: messages(text) for path, text in texts.items()}
    specs = [
        spec
        for spec in specs
        if not LEFT_OUT.fullmatch(spec.operator_name)
        and not any(start <= spec.start_pos and spec.end_pos <= end for start, end in apart[spec.module_path])
    ]
    specs.sort(key=lambda spec: (str(spec.module_path), spec.start_pos, spec.operator_name, spec.occurrence))
    random.Random(SEED).shuffle(specs)
    for spec in specs:
        if len(found) == DRAWN and not room.whole:
            break
        text = texts[spec.module_path]
        with suppress(
            AttributeError, SyntaxError
        ):  # an operator that fails, ** in the place of a dictionary's: no mutant
            mutated = mutate_code(text, get_operator(spec.operator_name)(**spec.operator_args), spec.occurrence)
            compile(mutated, "", "exec")
            module = ".".join(spec.module_path.relative_to(ROOT).with_suffix("").parts)
            found.append(Mutant(module, *changed(text, mutated), mutated))
    return found


class Tests:
    """A pytest plugin that, in the place of running the tests, runs them for one mutant after another, each in a fork.

    So the library and the tests are imported once. Where a mutant differs in functions only, the fork puts their new
    code in the place of the old, and runs the short ones of the tests that call them. Otherwise, and where none has
    noticed, it imports all anew and runs all tests that call them, or anything of the module.
    """

    def __init__(self, room: Room, todo: Sequence[Mutant], report: Callable[[Mutant, str], None]) -> None:
        self.room, self.todo, self.report = room, todo, report
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid} (import)"

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        first = in_a_fork(lambda: self.calls(session.items), 3600)
        if isinstance(first, str):
            raise SystemExit(f"without a change the tests fail: {first}")
        usual, calls = first
        names = sorted(items, key=lambda name: usual[name])
        print(f"{len(names)} tests, {sum(usual.values()):.1f} s", file=sys.stderr)
        functions = [
            one
            for one in gc.get_objects()
            if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(LIBRARY)
        ]
        gc.freeze()  # what a fork does not write to it shares with this process
        found: Counter[str] = Counter()
        for mutant in self.todo:
            path = sys.modules[mutant.module].__file__ or ""
            pairs = functions_that_differ(path, mutant.text)
            differ = {place(code) for code in pairs}
            concerned = [
                name for name in names if any(one in differ or (not pairs and one[0] == path) for one in calls[name])
            ]
            concerned.sort(key=lambda name: (-found[name], usual[name]))
            by = ""
            if pairs:
                left, early = SECONDS, []
                for name in concerned:
                    if (left := left - usual[name]) > 0:
                        early.append(items[name])
                by = in_a_fork(lambda: self.warm(pairs, functions, early, usual), 4 * SECONDS)  # noqa: B023
            if not by:
                again = [*concerned, *(names if not concerned else [])]
                limit = 4 * sum(usual[name] for name in again) + 20
                by = in_a_fork(lambda: anew(self.room, mutant, again, usual), limit)  # noqa: B023
            found[by] += 1
            self.report(mutant, by)
        return True

    def warm(
        self, pairs: Mapping[CodeType, CodeType], functions: Sequence[FunctionType], items: Sequence[pytest.Item],
        usual: Mapping[str, float],
    ) -> str:  # fmt: skip
        """Puts code in the place of other code, and runs tests."""
        for function in functions:
            if function.__code__ in pairs:
                function.__code__ = pairs[function.__code__]
        return self.run(items, usual)

    def run(self, items: Sequence[pytest.Item], usual: Mapping[str, float]) -> str:
        """The test that fails, or none; one that takes far longer than usual ends the process."""
        for item, following in zip_longest(items, items[1:]):
            signal.setitimer(signal.ITIMER_REAL, 20 + 20 * usual.get(item.nodeid, 1))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                break
        return self.failed

    def calls(self, items: Sequence[pytest.Item]) -> str | tuple[dict[str, float], dict[str, set[Place]]]:
        """The seconds that each test takes, and the functions of the library that it calls."""
        seconds, functions = {}, {}
        called: set[Place] = set()

        def note(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(LIBRARY):
                called.add(place(frame.f_code))

        threading.setprofile(note)
        for item, following in zip_longest(items, items[1:]):
            called.clear()
            started = sum(os.times()[:4])
            sys.setprofile(note)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            sys.setprofile(None)
            seconds[item.nodeid], functions[item.nodeid] = sum(os.times()[:4]) - started, set(called)
        return self.failed or (seconds, functions)


class Anew(Tests):
    """The same tests of a library that is imported again, in the order of these names."""

    def __init__(self, names: Sequence[str], usual: Mapping[str, float]) -> None:
        self.place = {name: place for place, name in reversed(list(enumerate(names)))}
        self.usual, self.failed = usual, ""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        session.items[:] = [item for item in session.items if item.nodeid in self.place]
        session.items.sort(key=lambda item: self.place[item.nodeid])
        if not self.failed:
            self.run(session.items, self.usual)
        return True


def anew(room: Room, mutant: Mutant, names: Sequence[str], usual: Mapping[str, float]) -> str:
    """Imports the mutated library and the tests once more, and runs them."""
    for name, module in list(sys.modules.items()):
        if name != __name__ and Path(getattr(module, "__file__", None) or "/").is_relative_to(ROOT):
            del sys.modules[name]
    unchanged = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, fullname: str) -> Any:
        return compile(mutant.text, loader.path, "exec") if fullname == mutant.module else unchanged(loader, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    plugin = Anew(names, usual)
    status = pytest.main(arguments(room), [plugin])
    return plugin.failed or (f"pytest ends with {status!r}" if status else "")


def place(code: CodeType) -> Place:
    return code.co_filename, code.co_firstlineno, code.co_name


def functions_that_differ(path: str, text: str) -> dict[CodeType, CodeType]:
    """The code of each function of a module, and its code in this text, where they differ; {} if more differs."""
    pairs: dict[CodeType, CodeType] = {}

    def compare(old: CodeType, new: CodeType) -> bool:
        """Of the bodies of modules or classes: whether only functions in them differ."""
        inner = [[one for one in code.co_consts if isinstance(one, CodeType)] for code in (old, new)]
        rest = [
            (code.co_code, code.co_names, repr([one for one in code.co_consts if not isinstance(one, CodeType)]))
            for code in (old, new)
        ]
        if rest[0] != rest[1]:
            return False
        for before, after in zip(*inner, strict=True):
            if before == after:
                continue
            if not before.co_flags & inspect.CO_OPTIMIZED:  # the body of a class
                if not compare(before, after):
                    return False
            elif before.co_name.endswith("comp>") or before.co_freevars != after.co_freevars:
                return False
            else:
                pairs[before] = after
        return True

    alike = compare(*(compile(one, path, "exec") for one in (Path(path).read_text(encoding="utf-8"), text)))
    return pairs if alike else {}


def in_a_fork(what: Callable[[], Any], limit: float) -> Any:
    """What a function returns in a fork of this process; a text where that takes too much time or memory."""
    receive, send = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if not child:
        try:
            os.setsid()
            log = os.open(os.devnull, os.O_WRONLY)
            os.dup2(log, 1), os.dup2(log, 2)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            send.send(what())
        except BaseException:
            send.send(traceback.format_exc().splitlines()[-1])
        finally:
            os._exit(0)
    send.close()
    try:
        return receive.recv()
    except EOFError:
        return LIMIT
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # and what it started
        os.waitpid(child, 0)


def arguments(room: Room) -> list[str]:
    plugins = ("cacheprovider", "xdist", "random_order", "unraisableexception", "threadexception")
    options = ["-q", "--tb=no", "-o", "addopts=", "--hypothesis-profile=mutants", f"--rootdir={ROOT}"]
    options += [f"-pno:{name}" for name in plugins]
    options += ["-k", room.only] if room.only else []
    return options + [str(ROOT / f"tests/test_{name}.py") for name in room.tests]


def examine(name: str, again: frozenset[tuple[str, ...]] | None, out: Path) -> None:
    """Writes a line about every mutant of a room."""
    settings.register_profile(
        "mutants", deadline=None, database=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck), max_examples=25,
    )  # fmt: skip
    room = ROOMS[name]
    if again is None:
        todo = mutants(room)
    else:  # a change of the text since then would have the seed draw others
        todo = [one for one in mutants(room._replace(whole=True)) if (one.module, one.old, one.new) in again]
    with out.open("a", encoding="utf-8") as lines, tqdm(total=len(todo), desc=name, file=sys.stderr) as bar:

        def report(mutant: Mutant, by: str) -> None:
            values = {"room": name, **mutant._asdict(), "by": by}
            del values["text"]
            lines.write(json.dumps(values, ensure_ascii=False) + "\n")
            lines.flush()
            bar.update()

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        pytest.main(["-s", *arguments(room)], [Tests(room, todo, report)])


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """What became of the mutants of every room, in Markdown; then those that survive and have no reason to."""
    lines = ["| room | mutants | killed | by a limit of time or memory | equivalent | others |", "|" + " --- |" * 6]
    for name in [*ROOMS, "all"]:
        of_room = [mutant for mutant in found if name in (mutant["room"], "all")]
        if not of_room:
            continue
        killed = [mutant for mutant in of_room if mutant["by"]]
        limit = sum(mutant["by"] == LIMIT for mutant in of_room)
        equal = sum(not mutant["by"] and is_equivalent(mutant) for mutant in of_room)
        share = f"{len(killed)} ({100 * len(killed) / len(of_room):.1f} %)"
        lines.append(
            f"| {name} | {len(of_room)} | {share} | {limit} | {equal} | {len(of_room) - len(killed) - equal} |"
        )
    for mutant in missed(found):
        lines += ["", f"{mutant['module']}:{mutant['line']}", f"    - {mutant['old']}", f"    + {mutant['new']}"]
    return "\n".join(lines)


def key(mutant: Mapping[str, Any]) -> tuple[str, str, str]:
    return mutant["module"], mutant["old"], mutant["new"]


def missed(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [mutant for mutant in found if not (mutant["by"] or is_equivalent(mutant))]


def is_equivalent(mutant: Mapping[str, Any]) -> bool:
    module, old, new = key(mutant)
    return bool(REASONS.get((module, old, new)) or REASONS.get((module, old, ANYTHING)))


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> int:
    what = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.mutation_testing", description=what)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"all by default: {', '.join(ROOMS)}")
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"), help="a line about every mutant")
    parser.add_argument("--again", type=Path, help="only what survived in this file of an earlier run")
    args = parser.parse_args()
    if unknown := set(args.rooms) - set(ROOMS):
        parser.error(f"no room {', '.join(sorted(unknown))}: there are {', '.join(ROOMS)}")
    again = frozenset(key(mutant) for mutant in read(args.again) if not mutant["by"]) if args.again else None
    args.out.write_text("", encoding="utf-8")
    for name in args.rooms or ROOMS:
        process = multiprocessing.get_context("fork").Process(target=examine, args=(name, again, args.out))
        process.start()
        process.join()
    found = read(args.out)
    print(table(found))
    return 1 if missed(found) else 0


if __name__ == "__main__":
    sys.exit(main())
