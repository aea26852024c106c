"""Trying a learner's file in a process of its own, whatever the file does: loop or print without end, crash, exit.

`try_answer` starts that process (trial.py) and reads its verdict from a file. What the process may do is said in one
place, the arguments of `run_apart`: how long it may take, how much print and hold, as whom and where it runs. That is
against slips; code that means harm has all the rights of its user.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn.gradcheck.diagnosis import Diagnosis
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.report import ArrayReport, Report

SECONDS = 10.0
GRACE = 2.0  # how much later a process is killed that could not be interrupted
FLOOD = 1_000_000  # characters; too many to be printed on purpose
MEMORY = 4 * 2**30  # bytes of addresses, of which Python with NumPy takes an eighth
# Limits itself, and becomes the command. Here, where other threads may run, nothing can safely be done after a fork.
LIMITED = """\
import os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, 2 * (int(sys.argv[1]),))
os.execv(sys.argv[2], sys.argv[2:])
"""
SHOWN = 2_000
STARTED = ".started"  # added to the name of the result: a file that says that the learner's code begins
LOOP = "it was stopped after {:g} seconds: is there an endless loop?"
FLOODED = f"it was stopped after printing {FLOOD:,} characters: is there a print inside a loop?"


@dataclass(frozen=True)
class Verdict:
    """What came of a trial: a report, or else one sentence on why there is none; and what the learner's code printed.

    `written` is False while the dots are still there, which is no mistake.
    """

    report: Report | None = None
    sentence: str = ""
    written: bool = True
    printed: str = ""

    @property
    def passed(self) -> bool:
        return self.report is not None and self.report.passed


def try_answer(name: str, file: Path, seconds: float = SECONDS) -> Verdict:
    """The verdict on the learner's file."""
    if not file.is_file():
        return Verdict(sentence=f"there is no file {file}; `start` writes it again")
    with tempfile.TemporaryDirectory() as folder:
        result, output = Path(folder, "result"), Path(folder, "output")
        arguments = ["-u", "-m", "scratchnn.exercises.trial", name, str(file), str(result), str(seconds)]
        command, started = [sys.executable, *arguments], result.with_suffix(STARTED)
        ending = run_apart(command, output, started, seconds=seconds + GRACE)
        with output.open(encoding="utf-8", errors="replace") as stream:
            printed = stream.read(SHOWN + 1)
        if len(printed) > SHOWN:
            printed = f"{printed[:SHOWN]}\n… (cut at {SHOWN:,} characters)"
        if not result.exists():
            return Verdict(sentence=ending or LOOP.format(seconds), printed=printed)
        return Verdict(**{**decoded(json.loads(result.read_text(encoding="utf-8"))), "printed": printed})


def run_apart(
    command: list[str],
    output: Path,
    started: Path,
    *,
    seconds: float,
    printed: int = 4 * FLOOD,
    memory: int = MEMORY,
    user: int | None = None,
    folder: Path | None = None,
) -> str:
    """Runs a Python until it ends, by itself or by force; a sentence on how it ended, "" if by the clock.

    `seconds` count from where the learner's code begins, which is when `started` exists: a busy computer may take long
    to start Python. `printed` is in bytes, and goes into `output`. `memory` is in bytes of addresses, and a limit on
    Linux alone. `user` is a number, which only root can choose, and whose group the process
    has as well. `folder` is the working folder.
    """
    if sys.platform == "linux":
        command = [command[0], "-ISc", LIMITED, str(memory), *command]
    who: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # memory for each thread of a large machine
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
            cwd=folder, env=environment, **who,
        )  # fmt: skip
    deadline = None
    try:
        while deadline is None or time.monotonic() < deadline:
            if deadline is None and started.exists():
                deadline = time.monotonic() + seconds
            if output.stat().st_size > printed:
                return FLOODED
            status = process.poll()
            if status is not None:
                how = f"exit status {status}" if status >= 0 else f"signal {-status}"
                return f"Python ended before there was a verdict ({how}): does the file end it, or crash it?"
            time.sleep(0.01)
        return ""
    finally:
        process.kill()
        process.wait()


def decoded(verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict as `main` wrote it, with arrays in place of lists."""
    if verdict["report"]:
        arrays = [
            ArrayReport(
                name=array["name"],
                analytic=np.array(array["analytic"]),
                numeric=NumericGradient(**{key: np.array(value) for key, value in array["numeric"].items()}),
                rounding=array["rounding"],
                diagnosis=Diagnosis(**array["diagnosis"]) if array["diagnosis"] else None,
            )
            for array in verdict["report"]["arrays"]
        ]
        verdict["report"] = Report(verdict["report"]["subject"], arrays, line=verdict["report"]["line"])
    return verdict
