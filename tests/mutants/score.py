"""Holds the diagnosis against the key of the mutants: `python tests/mutants/score.py` prints the confusion list."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent.parent))

from mutants.key import Mutant, all_mutants
from mutants.read import READ
from scratchnn.exercises import judge as judging
from scratchnn.exercises import terminal
from scratchnn.exercises.exercise import Judged, given_functions, reference
from scratchnn.exercises.verdict import Verdict
from scratchnn.gradcheck import GradientError


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    killed: bool
    found: dict[str, str]  # gradient → label; {"": "CONTRACT"} for a broken contract
    text: str
    facts: dict[str, str] = field(default_factory=dict)  # gradient → what is said
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def wanted(self) -> dict[str, list[str]]:
        wanted = {}
        for item in self.mutant.key:
            labels, _, gradient = item.rpartition(":") if not item.startswith("CONTRACT") else (item, "", "")
            wanted[gradient] = labels.split(" | ")
        return wanted

    @property
    def right(self) -> bool:
        """The reason holds what the key says; or every wrong gradient has one of the labels that its key allows, or a
        cause that was read and found right."""
        if self.mutant.key[0].startswith("REASON: "):
            return self.mutant.key[0].removeprefix("REASON: ") in self.text
        read = READ.get((self.mutant.exercise, self.mutant.name), {})
        return self.found.keys() == self.wanted.keys() and all(
            label in self.wanted[gradient] or (gradient in read and self.facts[gradient] == read[gradient])
            for gradient, label in self.found.items()
        )


def outcome(mutant: Mutant, exercise: ModuleType | None = None, seed: int = 0) -> Outcome:
    own = exercise or reference(mutant.exercise)
    if isinstance(own.EXERCISE, Judged):
        whole = {name: getattr(own, name) for name in given_functions(mutant.exercise) if hasattr(own, name)}
        found = judging.examined(
            mutant.exercise, SimpleNamespace(**{**whole, own.EXERCISE.function: mutant.backward}), seed
        )
        verdict = Verdict(findings=tuple(found.findings))
        return Outcome(mutant, not found.passed, {"": "REASON"}, found.reason, verdict=verdict)
    answer = SimpleNamespace(forward=getattr(own, "forward", None), **{own.EXERCISE.function: mutant.backward})
    try:
        report = judging.judge(mutant.exercise, answer, seed)
    except GradientError as error:
        return Outcome(mutant, True, {"": "CONTRACT"}, str(error), verdict=Verdict(sentence=str(error)))
    found = {a.name: a.diagnosis.label for a in report.arrays if a.diagnosis}
    facts = {a.name: a.diagnosis.fact for a in report.arrays if a.diagnosis}
    return Outcome(mutant, not report.passed, found, str(report), facts, Verdict(report))


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_screen(outcome: Outcome) -> list[str]:
    """What `check` shows of a wrong answer in a terminal of 24 lines and 80 columns."""
    name = outcome.mutant.exercise
    with mock.patch.dict(os.environ, COLUMNS="80", LINES="24"), contextlib.redirect_stdout(Screen()) as screen:
        terminal.show_verdict(name, Path(f"exercises/{name}.py"), outcome.verdict)
        terminal.say(f"\nStuck? scratchnn exercises hint {name}", wrap=False)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    return [line[k : k + 80] for line in lines for k in range(0, max(1, len(line)), 80)]


def main() -> None:
    outcomes = [outcome(mutant) for mutant in all_mutants()]
    for v in outcomes:
        if not v.killed or not v.right:
            print(f"{v.mutant.exercise:22} {v.mutant.name:40} key {v.mutant.key}, found {v.found}")
    right = sum(v.right for v in outcomes)
    caught = sum(v.killed for v in outcomes)
    print(f"{caught} of {len(outcomes)} caught, {right} labelled right ({right / len(outcomes):.1%})")
    tall = [f"{v.mutant.exercise}: {v.mutant.name}" for v in outcomes if len(on_screen(v)) > 23]
    print(f"{len(tall)} reports do not fit into a terminal of 24 lines and 80 columns {', '.join(tall)}".rstrip())


if __name__ == "__main__":
    main()
