"""Holds the gradient check against the blind cases; `python tests/check_blind.py` counts what it says of them."""

from __future__ import annotations

import argparse
import importlib
import json
import linecache
import re
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent))

from blind import Family, Right, Wrong

from scratchnn.gradcheck import GradientError, Report, check_function, check_layer


def check(family: Family, case: Wrong | Right) -> Report:
    """The check of a case as a user would call it, at size 0 and seed 0; its source is where a traceback finds it."""
    text, file = case.text(family), f"<{family.name}: {case.name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"__name__": "case"}
    exec(compile(text, file, "exec"), names)
    inputs, constants = (case.problem or family.problem)(np.random.default_rng(0), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if family.make is None:
            return check_function(names["forward"], names["backward"], inputs, constants)
        layer = family.make(names["Layer"], np.random.default_rng(100), 0)
        return check_layer(layer, *inputs.values(), constants=constants)


def passes(family: Family, case: Wrong | Right) -> bool:
    try:
        return check(family, case).passed
    except GradientError:
        return False


def place(case: Wrong, report: Report, source: str) -> str:
    """How the line that a report names compares with the case's."""
    numbers = [int(number) for number in re.findall(r"\d+", report.line.split("`")[0].split(";")[0])]
    if not numbers:
        return "no line"
    lines = [source.splitlines()[number - 1].strip() for number in numbers]
    right = any(line in (case.line, *case.fair) for line in lines)
    return ("line" if len(lines) == 1 else "range") if right else "wrong place"


def outcome(family: Family, case: Wrong) -> dict[str, str]:
    """What the check says of a wrong case, beside what is wrong with it."""
    found = {"case": f"{family.name}: {case.name}", "cause": case.cause, "place": "no line"}
    try:
        found |= {"verdict": "passed", "said": str(check(family, case))}
    except GradientError as error:
        found |= {"verdict": "refused", "said": str(error)}
        if isinstance(error.args[0], Report):
            found["place"] = place(case, error.args[0], case.text(family))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", nargs="?", default="blind2", choices=("blind", "blind2"))
    parser.add_argument("--out", type=Path, help="a file for what is said of every wrong pass, as JSON")
    args = parser.parse_args()
    families = importlib.import_module(args.set).load()
    right = [(family, case) for family in families for case in family.rights()]
    refused = [f"{f.name}: {case.name}" for f, case in tqdm(right, unit="right pass") if not passes(f, case)]
    print(f"{len(right)} right passes: {len(refused)} refused", *refused, sep="\n  ")
    wrong = [(family, case) for family in families for case in family.wrong]
    found = [outcome(family, case) for family, case in tqdm(wrong, unit="wrong pass")]
    passed = [each["case"] for each in found if each["verdict"] == "passed"]
    print(f"{len(found)} wrong passes: {len(passed)} passed", *passed, sep="\n  ")
    for where, count in Counter(each["place"] for each in found).most_common():
        print(f"  {where:12} {count:4}")
    if args.out:
        args.out.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
