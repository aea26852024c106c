"""The scripts of examples/ as a user starts them: arguments in, and out comes what stands in the terminal."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from conftest import ROOT

from scratchnn.scripts import cli

Main = Callable[[Sequence[str] | None], None]


def succeeds(main: Main, *arguments: object) -> str:
    """What is printed by a run that must succeed."""
    status, printed, told = run(main, arguments)
    assert status in (0, None), told
    return printed


def fails(main: Main, *arguments: object) -> str:
    """What the user is told, in one sentence, by a run that must fail."""
    status, _, told = run(main, arguments)
    assert status not in (0, None), "the run succeeded"
    assert "Traceback" not in told, told
    return told


def run(main: Main, arguments: Sequence[object]) -> tuple[int | str | None, str, str]:
    """The status that the run ends with, as `sys.exit` is given it, and what it writes to stdout and to stderr."""
    status: int | str | None = 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as printed,
        contextlib.redirect_stderr(io.StringIO()) as told,
    ):
        patch.setattr(sys, "argv", [f"{main.__module__}.py", *map(str, arguments)])
        try:
            cli.run(main)
        except SystemExit as stop:
            status = stop.code
            if isinstance(status, str):
                told.write(status)  # as the interpreter does
    return status, printed.getvalue(), told.getvalue()


def into_a_closed_pipe(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python whose output goes into a pipe that is read no more, as in `… | true`."""
    read, write = os.pipe()
    os.close(read)
    try:
        return subprocess.run(
            [sys.executable, *arguments],
            stdout=write, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        )  # fmt: skip
    finally:
        os.close(write)
