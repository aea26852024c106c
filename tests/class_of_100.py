"""Grades a class of a hundred: python -m tests.class_of_100 [--submissions 100]

Most submissions are made of solutions, stubs and answers with one wrong line; one in four has solutions and a single
answer that means harm (hostile_answers.py), and one has an endless loop in every file. What is printed are the time,
what the processes have used, and whether each got the score that its own answers deserve.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from hostile_answers import HOSTILE

from scratchnn.exercises.bugs import SOURCES, candidates, shows, with_line
from scratchnn.exercises.exercise import SOLUTION, outputs_of, reference, stub, upper
from scratchnn.exercises.progress import file_of
from scratchnn.exercises.road import STEPS

NAMES = [step.name for step in STEPS if step.kind != 9]
SHARES = {"right": 0.6, "not written": 0.15, "wrong": 0.25}


def right(name: str) -> str:
    own = reference(name)
    return own.mended_file(own.day()) if name == "daily_bug" else upper(name)


def wrong(name: str, draw: random.Random) -> str:
    """A solution with one line changed, or with its first output spoilt."""
    if name in SOURCES:
        while True:
            bug = draw.choice(candidates(name))
            if shows(name, bug.line, bug.wrong):
                return with_line(name, bug.line, bug.wrong)
    if name == "daily_bug":
        return right(name).replace("line = ", "line = 99 or ")
    output = outputs_of(name)[0]
    spoilt = draw.choice([f"{output} = 2 * {output}", f"{output} = -{output}", f"{output} = {output} * 0"])
    text = SOLUTION.sub(lambda match: f"{match[4]}{match[1]}{spoilt}\n", upper(name), count=1)
    ast.parse(text)
    return text


def submission(folder: Path, number: int, draw: random.Random) -> int:
    """Writes one, and says how many of its answers are right."""
    folder.mkdir()
    hostile = [*HOSTILE.values()]
    score = 0
    for name in NAMES:
        kind = draw.choices([*SHARES], [*SHARES.values()])[0]
        if number == 1:
            text, passes = "while True:\n    pass\n", False
        elif number % 4 == 0:
            bad = name == "linear"
            text, passes, _ = hostile[number // 4 % len(hostile)] if bad else (right(name), True, "")
        else:
            make = {"right": right, "not written": stub, "wrong": lambda name: wrong(name, draw)}[kind]
            text, passes = make(name), kind == "right"
        file_of(folder, name).write_text(text, encoding="utf-8")
        score += passes
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw = random.Random(args.seed)
        scores = {}
        for number in range(args.submissions):
            name = f"learner{number:03}"
            scores[name] = submission(Path(folder, name), number, draw)
        began, out = time.monotonic(), Path(folder, "out")
        command = [sys.executable, "-m", "scratchnn.exercises", "grade", "--seed", str(args.seed), "--out", str(out)]
        ended = subprocess.run([*command, *(str(Path(folder, name)) for name in scores)])
        seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    marks = [mark for student in results["students"] for mark in student["exercises"]]
    amiss = [s["student"] for s in results["students"] if s["score"] != scores[s["student"]]]
    unnamed = [m for m in marks if not m["score"] and not m["label"]]
    known = sum(m["label"] not in ("", "UNKNOWN", "NOT-WRITTEN", "NO-ANSWER") for m in marks)
    print(f"{len(results['students'])} submissions of {len(NAMES)} exercises: {len(marks)} answers, {known} diagnoses")
    print(f"{seconds:.0f} s on the clock; {used.ru_utime:.0f} s of processors, and {used.ru_stime:.0f} s in the kernel")
    print(f"submissions with another score than their answers deserve: {', '.join(amiss) or 'none'}")
    return int(ended.returncode != 0 or bool(amiss) or bool(unnamed))


if __name__ == "__main__":
    sys.exit(main())
