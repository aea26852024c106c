"""Holds the gradient check against the blind cases; `python tests/check_blind.py` counts what it makes of them."""

from __future__ import annotations

import linecache
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import blind
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


def main() -> None:
    for kind in ("wrong", "right"):
        cases = [
            (family, case) for family in blind.load() for case in (family.wrong if kind == "wrong" else family.rights())
        ]
        passed = [f"{family.name}: {case.name}" for family, case in cases if passes(family, case)]
        print(f"{len(cases)} {kind} passes: {len(cases) - len(passed)} refused, {len(passed)} passed")
        if kind == "wrong":
            print(*passed, sep="\n")


if __name__ == "__main__":
    main()
