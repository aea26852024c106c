"""Runs the commands that docs/questions.md names, and looks for each of its numbers in what they print.

    python -m tests.questions                 some minutes
    python -m tests.questions --only Adam     the questions with this word

A number of an answer is there if a command under it prints one that is rounded to it, whatever the sign. What is said
of other data sets, or worked out from two numbers, is named as not found: read these by eye. On another processor the
last digits of a training differ, and numbers that rest on one with them.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
SCRIPT = re.compile(r"`python (examples/[\w/]+\.py)`")  # without arguments: those with need a data set


def numbers(text: str) -> list[str]:
    return [found.replace(",", "") for found in NUMBER.findall(text)]


def is_rounded(exact: str, number: str) -> bool:
    """Whether `number`, as it is written, is what `exact` is rounded to."""
    digits, _, power = number.partition("e")
    unit = 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    return abs(float(exact) - float(number)) <= 0.5 * unit * (1 + 1e-9)


def not_found(answer: str, printed: str) -> list[str]:
    """The numbers of an answer that no number printed is rounded to."""
    there = numbers(printed)
    return [n for n in numbers(re.sub(r"`python [^`]*`", "", answer)) if not any(is_rounded(e, n) for e in there)]


def answers(page: str) -> dict[str, str]:
    return dict(part.split("\n", 1) for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:])


@cache
def printed_by(script: str) -> str:
    print(f"  {script} …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
        command = [sys.executable, str(ROOT / script)]
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    if ended.returncode:
        sys.exit(f"{script} has failed:\n{ended.stderr}")
    return ended.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="the questions that have this text in them")
    only = parser.parse_args().only
    for question, answer in answers((ROOT / "docs/questions.md").read_text(encoding="utf-8")).items():
        if only in question and (scripts := SCRIPT.findall(answer)):
            missing = not_found(answer, "\n".join(map(printed_by, scripts)))
            found = len(numbers(re.sub(r"`python [^`]*`", "", answer))) - len(missing)
            print(f"{question}: {found} numbers found" + (f", not found: {' '.join(missing)}" if missing else ""))


if __name__ == "__main__":
    main()
