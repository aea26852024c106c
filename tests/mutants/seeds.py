"""Holds the right answers against other numbers: python tests/mutants/seeds.py [--seeds 200] [NAME …]

Every solution must pass with every seed; what does not is a false alarm, and is printed. Capstones have a command of
their own, capstones.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from scratchnn.exercises import judge as judging
from scratchnn.exercises.exercise import Exercise, reference
from scratchnn.exercises.road import STEPS


def passes(name: str, seed: int) -> bool:
    if isinstance(reference(name).EXERCISE, Exercise):
        return judging.judge(name, reference(name), seed).passed
    return judging.examined(name, reference(name), seed).passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    tried = alarms = 0
    for step in STEPS:
        if step.kind == 9 or (args.names and step.name not in args.names):
            continue
        for seed in range(args.seeds):
            tried += 1
            if not passes(step.name, seed):
                alarms += 1
                print(f"false alarm: {step.name}, seed {seed}")
    print(f"{alarms} false alarms in {tried} judgings of right answers")


if __name__ == "__main__":
    main()
