"""Runs the tests under every kernel of the matrix library that this processor has: python -m tests.matrix

NumPy's matrix products are computed by OpenBLAS, which has a kernel for every generation of processors and takes the
newest that the processor can run. Kernels add the same products in different orders, and so do two threads instead of
one: the last bits of a result differ. A test whose tolerance follows from what it computes passes under all of them.

OPENBLAS_CORETYPE chooses a kernel when the library is loaded, so every row below is a process of its own, which says
first what it was given. Each row is a line of a table, and --page writes the table into a file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Row:
    """One process that runs tests: which, with these arguments of pytest, and with these environment variables set.

    A variable that is None is taken out of the environment.
    """

    tests: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str | None]

    @property
    def kernel(self) -> str:
        return self.environment.get("OPENBLAS_CORETYPE") or ""

    def command(self) -> str:
        """What to type in order to see this row alone."""
        unset = "".join(f"-u {name} " for name, value in self.environment.items() if value is None)
        values = [f"{name}={value}" for name, value in self.environment.items() if value is not None]
        return " ".join([f"env {unset}".strip(), *values, "python -m pytest", *self.arguments])


def rows(whole: bool, orders: Sequence[int]) -> list[Row]:
    """All rows of the table, in its order."""

    def environment(kernel: str, threads: int | None = None) -> dict[str, str | None]:
        return {
            "OPENBLAS_CORETYPE": kernel or None,
            "OPENBLAS_NUM_THREADS": None if threads is None else str(threads),
        }

    numerical = ("-q", "-m", "numerical")
    table = [Row("numerical", numerical, environment(kernel, threads)) for kernel in KERNELS for threads in (1, 2)]
    table.append(Row("numerical, with compiled loops", numerical, {**environment("", 1), "SCRATCHNN_LOOPS": "1"}))
    if whole:  # with -n, tests/conftest.py gives every worker one BLAS thread
        table += [Row("all", ("-q", "-n", "auto"), environment(kernel)) for kernel in KERNELS]
    for seed in orders:
        shuffled = ("--random-order", f"--random-order-seed={seed}")
        table.append(Row(f"all, in the random order {seed}", ("-q", "-n", "auto", *shuffled), environment("")))
    return table


@dataclass(frozen=True)
class Outcome:
    """What became of a row. `refused` says why it did not run, or what is wrong beside the tests."""

    row: Row
    kernel: str = ""  # that the process found
    threads: int = 0
    counts: Mapping[str, int] | None = None
    seconds: float = 0
    ok: bool = True
    refused: str = ""


def run(row: Row, flags: frozenset[str]) -> Outcome:
    """Runs a row in a process of its own, and shows what it prints."""
    lacking = [flag for flag in KERNELS[row.kernel] if flag not in flags]
    if lacking:
        return Outcome(row, refused=f"not run: this processor has no {', '.join(lacking)}")
    environment = {name: value for name, value in os.environ.items() if name not in row.environment}
    environment |= {name: value for name, value in row.environment.items() if value is not None}
    started, blas, last = time.monotonic(), None, ""
    child = [sys.executable, "-u", "-c", "from tests import matrix; matrix.child()", *row.arguments]
    with subprocess.Popen(child, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if blas is None:
                blas = json.loads(line)
                continue
            print(line, end="", flush=True)
            last = line.strip() or last
    seconds = time.monotonic() - started
    if blas is None:
        return Outcome(row, seconds=seconds, ok=False, refused="the process ended before the tests began")
    kernel, threads = blas["architecture"], blas["num_threads"]
    wrong = f"this is the kernel {kernel}" if row.kernel not in ("", kernel) else ""
    ok = process.returncode == 0 and not wrong
    return Outcome(row, kernel, threads, counts(last), seconds, ok, wrong)


def child() -> None:
    """In the process of a row: one line about the matrix library, then pytest with the arguments of the process."""
    print(json.dumps(openblas()), flush=True)
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


def table(outcomes: Sequence[Outcome]) -> str:
    """The table of all rows in Markdown."""
    lines = [
        "| tests | kernel asked for | kernel found | BLAS threads | passed | failed | skipped | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for outcome in outcomes:
        cells = [outcome.row.tests, outcome.row.kernel or "–"]
        if outcome.counts is None:
            cells += [outcome.refused, *[""] * 5]
        else:
            threads = "1 a worker" if "-n" in outcome.row.arguments else str(outcome.threads)
            failed = f"{outcome.counts['failed']}{f'; {outcome.refused}' if outcome.refused else ''}"
            cells += [outcome.kernel, threads, str(outcome.counts["passed"]), failed]
            cells += [str(outcome.counts["skipped"]), f"{outcome.seconds:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def page(outcomes: Sequence[Outcome], flags: frozenset[str]) -> str:
    """The table with what it was measured on."""
    matter = [flag for needed in KERNELS.values() for flag in needed]
    where = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} cores"
    return f"""\
# The tests under every kernel of the matrix library

Written by `python -m tests.matrix`; `tests/matrix.py` says why. *numerical* are the tests that compute, which
`tests/conftest.py` marks; *all* is the whole suite, on as many workers as there are cores. Where no kernel is asked
for, OpenBLAS chooses.

{table(outcomes)}

*{date.today().isoformat()}: Python {platform.python_version()}, NumPy {np.__version__}, OpenBLAS
{openblas()["version"]}; {where}; of the processor's flags: {", ".join(flag for flag in matter if flag in flags)}.*
"""


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--whole", action="store_true", help="then run all tests once under every kernel")
    parser.add_argument("--orders", type=int, default=0, metavar="N", help="and all tests in N random orders")
    parser.add_argument("--page", type=Path, help="write the table into this file: docs/test_matrix.md")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    args = options(arguments)
    cpuinfo = Path("/proc/cpuinfo")
    flags = flags_of(cpuinfo.read_text()) if cpuinfo.exists() else frozenset()
    todo = rows(args.whole, [random.randrange(10**6) for _ in range(args.orders)])
    outcomes: list[Outcome] = []
    for number, row in enumerate(todo, 1):
        print(f"\n[{number}/{len(todo)}] {row.tests}: {row.command()}", flush=True)
        outcomes.append(run(row, flags))
        if outcomes[-1].refused:
            print(outcomes[-1].refused)
    print(f"\n{table(outcomes)}")
    if args.page:
        args.page.write_text(page(outcomes, flags))
    return 0 if all(outcome.ok for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
