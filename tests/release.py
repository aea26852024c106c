"""Rehearses a release, from the tree to what a user has who installs it: python -m tests.release

The source archive of the tree is built, and the wheel from it. The tools of those who publish packages look at both,
and tests/test_wheel.py installs each of them, alone in a fresh virtual environment, and uses it in an empty folder.
Every check is a line of a table. .github/workflows/release.yml publishes what passes all of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import scratchnn
from scratchnn.scripts import cli
from scratchnn.training import runs

ROOT = Path(__file__).parent.parent
TOOLS = ("build", "check_jsonschema", "check_wheel_contents", "twine")
KINDS = {"wheel": "*.whl", "source archive": "*.tar.gz"}
FORMS = {  # what is written for programs, by the schema that it follows
    "citation-file-format": ["CITATION.cff"],
    "dependabot": [".github/dependabot.yml"],
    "github-workflows": [f".github/workflows/{name}.yml" for name in ("tests", "docs", "release")],
    "github-issue-forms": [".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/lesson.yml"],
    "github-issue-config": [".github/ISSUE_TEMPLATE/config.yml"],
}
RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """A check, what it looked at, and what is wrong, in the words of the program that found it."""

    check: str
    of: str
    seconds: float
    wrong: str = ""


class Lines:
    """A plugin of pytest: a line for every test. One that is skipped has not shown what it should."""

    def __init__(self) -> None:
        self.found: list[Line] = []
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if report.when == "call" or not report.passed:
            test, _, of = report.nodeid.rpartition("::")[2].removesuffix("]").partition("[")
            check = test.removeprefix("test_").replace("_", " ")
            self.found.append(
                Line(check, of, self.seconds[report.nodeid], "" if report.passed else str(report.longrepr))
            )


def program(check: str, of: str, *command: object) -> Line:
    """The line of a module of Python that ends with a status other than 0 if something is wrong."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", *map(str, command)], cwd=ROOT, capture_output=True, text=True)
    wrong = (done.stdout + done.stderr).strip() or f"status {done.returncode}"
    return Line(check, of, time.monotonic() - started, wrong if done.returncode else "")


def tree() -> list[str]:
    """The files of the repository, and those that git would take into it; none where this is no checkout."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        return []
    return sorted(name for name in names if (ROOT / name).is_file())


def build(folder: Path) -> Line:
    """Builds both archives of the tree into `folder`/archives."""
    for name in tree():  # a copy: setuptools leaves folders behind, and takes what earlier ones left in them
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "source" / name)
    return program("built", "both", "build", "--outdir", folder / "archives", folder / "source")


def archives(folder: Path) -> dict[str, Path]:
    """The wheel and the source archive in the folder `archives` of this one."""
    return {kind: path for kind, pattern in KINDS.items() for path in (folder / "archives").glob(pattern)}


def wrong_version(version: str, changelog: str, tag: str | None) -> str:
    """What keeps a version from being released under this tag; "" if nothing does."""
    released = RELEASE.search(changelog)
    if not released or released[1] != version:
        return f"the first release in CHANGELOG.md must be ## [{version}] - DATE: scratchnn/__init__.py has {version}"
    if tag is not None and "## [Unreleased]" in changelog:
        return "CHANGELOG.md has changes that are not released: move them under the version, and write its date"
    if tag not in (None, f"v{version}"):
        return f"the tag is {tag}, and scratchnn/__init__.py has {version}: the tag must be v{version}"
    return ""


def rehearsal(folder: Path, tag: str | None) -> list[Line]:
    """All lines of the table."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    lines = [Line("the version and its date", tag or "tree", 0, wrong_version(scratchnn.__version__, changelog, tag))]
    for schema, files in FORMS.items():
        of = " ".join(Path(file).name for file in files)
        lines.append(
            program("follows its schema", of, "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files)
        )
    lines.append(build(folder))
    if lines[-1].wrong:
        return lines
    found = archives(folder)
    lines.append(program("twine check --strict", "both", "twine", "check", "--strict", *found.values()))
    lines.append(program("check-wheel-contents", "wheel", "check_wheel_contents", found["wheel"]))
    os.environ["SCRATCHNN_REHEARSAL"] = str(folder)
    tests = Lines()
    arguments = ["-q", "-p", "no:cacheprovider", str(ROOT / "tests/test_wheel.py")]
    status = pytest.main(arguments, plugins=[tests])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        lines.append(Line("pytest tests/test_wheel.py", "both", 0, f"status {status}"))
    return lines + tests.found


def table(lines: Sequence[Line]) -> str:
    rows = [
        f"| {line.check} | {line.of} | {'**no**' if line.wrong else 'yes'} | {line.seconds:.0f} |" for line in lines
    ]
    wrong = [f"\n\n{line.check} ({line.of}):\n{line.wrong}" for line in lines if line.wrong]
    return "\n".join(["| check | of | passed | seconds |", "| --- | --- | --- | --- |", *rows]) + "".join(wrong)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.release", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--tag", help="the tag that is to be released, such as v0.1.0: the version must be that one")
    parser.add_argument("--out", type=Path, help="put both archives into this folder, if every check passes")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = options(arguments)
    if not tree():
        sys.exit(f"error: {ROOT} is no git checkout, or there is no git: a release is made from one")
    if not all(map(importlib.util.find_spec, TOOLS)):
        sys.exit('error: some of the tools are not installed: python -m pip install -e ".[test,release]"')
    if args.out is not None:
        runs.prepare_folder(args.out)
        if any(args.out.iterdir()):
            sys.exit(f"error: {args.out} is not empty: all that is in it would be released")
    with tempfile.TemporaryDirectory() as folder:
        lines = rehearsal(Path(folder), args.tag)
        print(f"\n{table(lines)}")
        if any(line.wrong for line in lines):
            sys.exit(1)
        for path in archives(Path(folder)).values() if args.out is not None else ():
            shutil.copy(path, args.out)


if __name__ == "__main__":
    cli.run(main)
