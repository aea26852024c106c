"""Runs the tests on every machine that this one can stand for: python -m tests.matrix

*Kernels.* NumPy's matrix products are computed by OpenBLAS, which has a kernel for every generation of processors and
takes the newest that the processor can run. Kernels add the same products in different orders, and so do two threads
instead of one: the last bits of a result differ. A test whose tolerance follows from what it computes passes under all
of them.

OPENBLAS_CORETYPE chooses a kernel when the library is loaded, so every row below is a process of its own, which says
first what it was given.

*Machines.* Other people have another Python, the oldest versions that setup.cfg allows or those of today, the wheel and
no source, NumPy and nothing else, a busy computer, no home folder, another order of sets, a terminal without Unicode,
and a folder with spaces in its name. A row with other versions makes an environment of its own with uv (pip install
uv), which can also choose the oldest ones, and finds the Pythons of this computer.

Each row is a line of a table. --page writes it into a file, where rows that were not run keep what they had.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

ROOT = Path(__file__).parent.parent

# The kernels of OpenBLAS on x86-64, and what a processor must have to run them. "" leaves the choice to OpenBLAS.
KERNELS = {
    "": (),
    "SkylakeX": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
    "Haswell": ("avx2", "fma"),
    "Sandybridge": ("avx",),
    "Nehalem": ("sse4_2",),
}


PYTHONS = ("3.10", "3.11", "3.12", "3.13")
NOBODY = 65534  # the user who owns nothing, on all systems that have one
HEAD = ("tests", "where", "Python", "NumPy", "kernel", "BLAS threads", "passed", "failed", "skipped", "seconds", "on")


class NotHereError(Exception):
    """Something that a row needs and this machine has not."""


@dataclass(frozen=True)
class Place:
    """Where a row runs: with which Python, in which folder, with which variables set (None: unset), as which user."""

    python: str = sys.executable
    folder: Path = ROOT
    environment: Mapping[str, str | None] = field(default_factory=dict)
    user: int | None = None


Circumstance = Callable[[Place, Path], AbstractContextManager[Place]]  # what it changes; a folder for what it makes


@dataclass(frozen=True)
class Row:
    """One process that runs tests: which, what is special about it, and how that is brought about.

    `environment` sets variables, and takes those that are None out of the environment.
    """

    tests: str
    where: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    circumstances: tuple[Circumstance, ...] = ()
    some: str = ""  # of its tests only those of these files

    @property
    def title(self) -> str:
        return f"{self.tests}, {self.where}"

    @property
    def kernel(self) -> str:
        return self.environment.get("OPENBLAS_CORETYPE") or ""

    def command(self) -> str:
        """What to type in order to see this row alone."""
        if self.circumstances:
            return f'python -m tests.matrix --only "{self.title}"'
        unset = "".join(f"-u {name} " for name, value in self.environment.items() if value is None)
        values = [f"{name}={value}" for name, value in self.environment.items() if value is not None]
        return " ".join([f"env {unset}".strip(), *values, "python -m pytest", *self.arguments])


def rows(orders: Sequence[int] = ()) -> list[Row]:
    """All rows of the table, in its order."""

    def environment(kernel: str, threads: int | None = None) -> dict[str, str | None]:
        return {
            "OPENBLAS_CORETYPE": kernel or None,
            "OPENBLAS_NUM_THREADS": None if threads is None else str(threads),
        }

    numerical, whole = ("-q", "-m", "numerical"), ("-q", "-n", "auto")
    one, any_number = environment("", 1), environment("")
    ascii_only = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    table = [
        Row("numerical", f"kernel {kernel or 'of its choice'}, {threads} BLAS thread{'s' * (threads > 1)}", numerical,
            environment(kernel, threads))
        for kernel in KERNELS for threads in (1, 2)
    ]  # fmt: skip
    table += [
        Row("numerical", "compiled loops", numerical, one | {"SCRATCHNN_LOOPS": "1"}),
        Row("numerical", "hash seed 1", numerical, one | {"PYTHONHASHSEED": "1"}),
        Row("numerical", "hash seed 2", numerical, one | {"PYTHONHASHSEED": "2"}),
        Row("numerical", "LC_ALL=C, ASCII alone", numerical, one | ascii_only),
        Row("numerical", "a folder with spaces and other alphabets", numerical, one, (in_a_folder_of_words,)),
        Row("numerical", "NumPy alone", (*numerical, "-p", "tests.without_extras"), one, (numpy_alone,)),
    ]
    # with -n, tests/conftest.py gives every worker one BLAS thread
    table += [Row("all", f"kernel {kernel or 'of its choice'}", whole, environment(kernel)) for kernel in KERNELS]
    table += [
        Row("all", f"Python {python}, {age} versions", whole, any_number, (versions(python, age),))
        for python in PYTHONS for age in ("oldest", "newest")
    ]  # fmt: skip
    table += [
        Row("all", "the wheel, without the source", whole, any_number, (versions("", "newest"), against_the_wheel)),
        Row("all", "beside four busy processes", whole, any_number, (beside_busy_processes,)),
        Row("all", "an unprivileged user without HOME", whole, any_number, (as_nobody,)),
        Row("all", "without the data sets", whole, any_number | {"SCRATCHNN_DATA": None}, (without_a_cache,)),
    ]
    for seed in orders:
        shuffled = ("--random-order", f"--random-order-seed={seed}")
        table.append(Row("all", f"the random order {seed}", (*whole, *shuffled), any_number))
    return table


# ---- circumstances


@contextmanager
def in_a_folder_of_words(place: Place, made: Path) -> Iterator[Place]:
    yield replace(place, folder=copied(place.folder, made / "a path with späces и буквы 文"))


@contextmanager
def numpy_alone(place: Place, made: Path) -> Iterator[Place]:
    needed = [*requirements("install_requires"), "pytest", "pytest-xdist", "hypothesis"]
    yield replace(place, python=environment_with(made / "environment", sys.executable, needed))


def versions(python: str, age: str) -> Circumstance:
    """All extras of the tests on a Python such as 3.12, "" being that of this process: the "oldest" that setup.cfg
    allows and a wheel can be had of, or the "newest"."""

    @contextmanager
    def place_with(place: Place, made: Path) -> Iterator[Place]:
        needed = [*requirements("install_requires"), *requirements("test")]
        how = ["--resolution", "lowest-direct"] if age == "oldest" else []
        path = environment_with(made / "environment", found(python) if python else sys.executable, needed, how)
        uv("pip", "install", "--python", path, "--no-deps", copied(place.folder, made / "source"))
        yield replace(place, python=path)

    return place_with


@contextmanager
def against_the_wheel(place: Place, made: Path) -> Iterator[Place]:
    """The environment has it installed; what is left is a folder of tests and texts without the package."""
    folder = copied(place.folder, made / "tests alone")
    shutil.rmtree(folder / "scratchnn")
    yield replace(place, folder=folder)


@contextmanager
def beside_busy_processes(place: Place, made: Path) -> Iterator[Place]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        yield place
    finally:
        for process in busy:
            process.kill()
            process.wait()


@contextmanager
def as_nobody(place: Place, made: Path) -> Iterator[Place]:
    """In a copy of its own, with a Python that is not in somebody's home folder."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        raise NotHereError("only root can become another user")
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    if not python:
        raise NotHereError("there is no Python outside of home folders")
    folder = copied(place.folder, made / "scratchnn")
    path = environment_with(made / "environment", python, [*requirements("install_requires"), *requirements("test")])
    uv("pip", "install", "--python", path, "--no-deps", copied(place.folder, made / "source"))
    made.chmod(0o755)
    for each in (folder, *folder.rglob("*")):
        os.chown(each, NOBODY, NOBODY)
    unset = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME"))
    yield Place(path, folder, {**place.environment, **unset}, NOBODY)


@contextmanager
def without_a_cache(place: Place, made: Path) -> Iterator[Place]:
    """Nothing that was downloaded before is there; a test that wants it has to download it."""
    yield replace(place, environment={**place.environment, "XDG_CACHE_HOME": str(made)})


def copied(folder: Path, to: Path) -> Path:
    everywhere = shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis")
    made = shutil.ignore_patterns("build", "dist", "runs")  # in the folder itself: docs/runs belongs to the tree

    def left_out(inside: str, names: list[str]) -> set[str]:
        return everywhere(inside, names) | (made(inside, names) if Path(inside) == folder else set())

    return shutil.copytree(folder, to, ignore=left_out)


def requirements(option: str) -> list[str]:
    """What the package needs, or one of its extras, by setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    section = "options" if option == "install_requires" else "options.extras_require"
    return config[section][option].split()


def uv(*arguments: str | Path) -> str:
    """What uv prints; RuntimeError if it fails."""
    if not (program := shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")):
        raise NotHereError("uv is not installed")
    ended = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=ROOT)
    if ended.returncode:
        raise RuntimeError(f"uv {arguments[0]} {arguments[1]}: {' '.join(ended.stderr.split())[:300]}")
    return ended.stdout.strip()


def found(python: str) -> str:
    """The path of a Python of this computer, which is not downloaded: one of pyenv's, or else one that uv finds."""
    of_pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    if there := sorted(of_pyenv.glob(f"{python}.*/bin/python")):
        return str(there[-1])
    try:
        return uv("python", "find", "--no-python-downloads", "--system", python)
    except RuntimeError as error:
        raise NotHereError(f"no Python {python} on this machine") from error


def environment_with(folder: Path, python: str, needed: Sequence[str], how: Sequence[str] = ()) -> str:
    """A new environment with these packages, from wheels; the path of its Python."""
    uv("venv", "--python", python, folder)
    path = str(folder / "bin" / "python")
    uv("pip", "install", "--python", path, "--only-binary", ":all:", *how, *needed)
    return path


# ---- running


@dataclass(frozen=True)
class Outcome:
    """What became of a row. `refused` says why it did not run, or what is wrong beside the tests."""

    row: Row
    found: Mapping[str, str | int] = field(default_factory=dict)  # by the process
    counts: Mapping[str, int] | None = None
    seconds: float = 0
    ok: bool = True
    refused: str = ""

    def cells(self) -> list[str]:
        """The row of the table."""
        cells = [f"{self.row.tests}{f': {self.row.some}' if self.row.some else ''}", self.row.where]
        if self.counts is None:
            return [*cells, f"not run: {self.refused}", *[""] * (len(HEAD) - 4), date.today().isoformat()]
        threads = "1 a worker" if "-n" in self.row.arguments else str(self.found["num_threads"])
        failed = f"{self.counts['failed']}{f'; {self.refused}' if self.refused else ''}"
        cells += [str(self.found[name]) for name in ("python", "numpy", "architecture")]
        cells += [threads, str(self.counts["passed"]), failed, str(self.counts["skipped"]), f"{self.seconds:.0f}"]
        return [*cells, date.today().isoformat()]


def run(row: Row, flags: frozenset[str]) -> Outcome:
    """Runs a row in a process of its own, and shows what it prints."""
    lacking = [flag for flag in KERNELS[row.kernel] if flag not in flags]
    if lacking:
        return Outcome(row, refused=f"this processor has no {', '.join(lacking)}")
    with ExitStack() as stack:
        place = Place(environment=row.environment)
        try:
            for number, circumstance in enumerate(row.circumstances):
                made = Path(stack.enter_context(tempfile.TemporaryDirectory())) / str(number)
                made.parent.chmod(0o755)
                made.mkdir()
                place = stack.enter_context(circumstance(place, made))
        except (NotHereError, RuntimeError) as error:
            return Outcome(row, ok=isinstance(error, NotHereError), refused=str(error))
        return run_in(place, row)


def run_in(place: Place, row: Row) -> Outcome:
    environment = {name: value for name, value in os.environ.items() if name not in place.environment}
    environment |= {name: value for name, value in place.environment.items() if value is not None}
    if place.folder != ROOT or place.python != sys.executable:
        environment.pop("PYTHONPATH", None)  # it names this folder, or what belongs to this Python
    started, told, last = time.monotonic(), None, ""
    child = [place.python, "-u", "-c", "from tests import matrix; matrix.child()", *row.arguments]
    as_user = {} if place.user is None else {"user": place.user, "group": place.user, "extra_groups": []}
    with subprocess.Popen(
        child, cwd=place.folder, env=environment, stdout=subprocess.PIPE, encoding="utf-8", errors="replace", **as_user
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if told is None:
                told = json.loads(line)
                continue
            print(line, end="", flush=True)
            last = line.strip() or last
    seconds = time.monotonic() - started
    if told is None:
        return Outcome(row, seconds=seconds, ok=False, refused="the process ended before the tests began")
    wrong = f"this is the kernel {told['architecture']}" if row.kernel not in ("", told["architecture"]) else ""
    if process.returncode not in (0, 1):  # what pytest ends with when all tests have passed, and when some have failed
        wrong = f"pytest has ended with status {process.returncode}"
    return Outcome(row, told, counts(last), seconds, process.returncode == 0 and not wrong, wrong)


def child() -> None:
    """In the process of a row: one line about where it is, then pytest with the arguments of the process."""
    print(json.dumps({"python": platform.python_version(), "numpy": np.__version__, **openblas()}), flush=True)
    sys.exit(pytest.main(sys.argv[1:]))


def openblas() -> dict[str, str | int]:
    """What NumPy's OpenBLAS says of itself in this process: architecture (the kernel), num_threads, version."""
    libraries = [library for library in threadpool_info() if library["internal_api"] == "openblas"]
    info = min(libraries, key=lambda library: "numpy" not in library["filepath"])  # SciPy has another copy
    return {name: info[name] for name in ("architecture", "num_threads", "version")}


def counts(line: str) -> dict[str, int]:
    """passed, failed and skipped of pytest's last line; an error in a fixture is a failure."""
    found = {name: int(number) for number, name in re.findall(r"(\d+) (passed|failed|skipped|error)", line)}
    failed = found.get("failed", 0) + found.get("error", 0)
    return {"passed": found.get("passed", 0), "failed": failed, "skipped": found.get("skipped", 0)}


def flags_of(cpuinfo: str) -> frozenset[str]:
    """The flags of the processor in the text of Linux's /proc/cpuinfo."""
    line = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return frozenset(line[1].split()) if line else frozenset()


def markdown(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def table(outcomes: Sequence[Outcome]) -> str:
    """The table of these rows in Markdown."""
    return "\n".join(map(markdown, [HEAD, ["---"] * len(HEAD), *(outcome.cells() for outcome in outcomes)]))


def renewed(page: str, known: Sequence[Row], outcomes: Sequence[Outcome]) -> str:
    """A page with a table, of which these rows are new; all others stay as they were, or say that they were not run."""
    before, lines, after = re.fullmatch(r"(.*?\n)((?:\|[^\n]*\n)+)(.*)", page, re.DOTALL).groups()  # type: ignore[union-attr]
    had = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines.splitlines()[2:]]
    of_today = {outcome.row.title: outcome.cells() for outcome in outcomes}
    kept = {f"{cells[0].partition(':')[0]}, {cells[1]}": cells for cells in had}
    orders = [cells for title, cells in kept.items() if "the random order" in title and title not in of_today]
    never = ["not run yet", *[""] * (len(HEAD) - 3)]
    cells = [of_today.get(row.title) or kept.get(row.title) or [row.tests, row.where, *never] for row in known]
    return before + "\n".join(map(markdown, [HEAD, ["---"] * len(HEAD), *cells, *orders])) + "\n" + after


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--whole", action="store_true", help="not only the tests that compute: all rows (many hours)")
    parser.add_argument("--only", default="", metavar="TEXT", help="the rows whose name has this in it")
    parser.add_argument("--some", nargs="+", default=[], metavar="NAME", help="of their tests those of test_NAME.py")
    parser.add_argument("--orders", type=int, default=0, metavar="N", help="and all tests in N random orders")
    parser.add_argument("--page", type=Path, help="write the rows into the table of this file: docs/test_matrix.md")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    args = options(arguments)
    cpuinfo = Path("/proc/cpuinfo")
    flags = flags_of(cpuinfo.read_text(encoding="utf-8")) if cpuinfo.exists() else frozenset()
    known = rows([random.randrange(10**6) for _ in range(args.orders)])
    # a random order is asked for by its option
    todo = [row for row in known if args.whole or args.only or row.tests == "numerical" or "order" in row.where]
    todo = [row for row in todo if args.only in row.title]
    if args.some:
        files = tuple(f"tests/test_{name}.py" for name in args.some)
        todo = [replace(row, arguments=(*row.arguments, *files), some=", ".join(args.some)) for row in todo]
    if not todo:
        sys.exit(f"no row is called {args.only!r}; there are: {'; '.join(row.title for row in known)}")
    outcomes: list[Outcome] = []
    for number, row in enumerate(todo, 1):
        print(f"\n[{number}/{len(todo)}] {row.title}: {row.command()}", flush=True)
        outcomes.append(run(row, flags))
        if outcomes[-1].refused:
            print(outcomes[-1].refused)
        if args.page:
            args.page.write_text(renewed(args.page.read_text(encoding="utf-8"), known, outcomes), encoding="utf-8")
    print(f"\n{table(outcomes)}")
    return 0 if all(outcome.ok for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
