"""What can be done with the exercises: start, check, hint, solution, next, reset, figure, and the list of all.

A command is a function from a `Desk` (the learner's folder and the state in it) to an exit status. The state is read
when a command starts and written as soon as it changes, so that several terminals can work in one folder.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scratchnn.exercises import terminal
from scratchnn.exercises.exercise import ladder, reference
from scratchnn.exercises.progress import (
    HINTS,
    DamagedError,
    Progress,
    file_of,
    from_files,
    load,
    reset,
    spare,
    state_of,
    write_stubs,
)
from scratchnn.exercises.road import PARTS
from scratchnn.exercises.terminal import say
from scratchnn.exercises.verdict import Verdict, try_answer
from scratchnn.machinery.files import alone_at

PROGRAM = "python -m scratchnn.exercises"
WAIT = 10.0  # seconds that a command waits for another that writes the state, which takes a moment


class ExerciseError(Exception):
    """Something that the learner can put right. The message says how."""


def folder_of(given: Path | None) -> Path:
    """The folder that is meant: the one given, else ./exercises, else this one if the exercises lie here."""
    if given:
        return given
    usual, here = Path("exercises"), Path()
    return here if state_of(here).exists() and not state_of(usual).exists() else usual


class Desk:
    """The learner's folder, the state in it, and the command that was used, for the messages that say what to type."""

    def __init__(self, given: Path | None, program: str = PROGRAM) -> None:
        folder = f" --folder {shlex.quote(str(given))}" if given else ""
        self.program, self.folder = program + folder, folder_of(given)
        if not state_of(self.folder).exists():
            raise ExerciseError(f"no exercises here yet: {program} start{folder}")
        self.read()

    def read(self) -> Progress:
        """The state as it is now; a damaged one is put aside, and a new one made."""
        try:
            self.progress = load(self.folder)
        except DamagedError as error:
            state = state_of(self.folder)
            kept = state.rename(spare(state.with_name(f"{state.name}.damaged")))
            say(f"{error}: it is kept as {kept.name}, and a new one is made from what your files show", "yellow")
            self.progress = from_files(self.folder)
            self.save()
        return self.progress

    def save(self) -> None:
        self.progress.save(self.folder)

    @contextmanager
    def changing(self) -> Iterator[Progress]:
        """The state as it is now, to be changed; it is written at the end. Other commands wait meanwhile."""
        state = state_of(self.folder)
        busy = ExerciseError(f"another command has held {state} for {WAIT:g} seconds: end it, and try again")
        with ExitStack() as held:
            with suppress(OSError):  # some network file systems have no locks; two commands at a time are rare
                held.enter_context(alone_at(state.with_name(f"{state.name}.lock"), busy, WAIT))
            yield self.read()
            self.save()

    def file(self, name: str) -> Path:
        return file_of(self.folder, name)


def start(folder: Path | None, program: str = PROGRAM) -> int:
    place = folder_of(folder)
    new, kept = write_stubs(place)
    if not state_of(place).exists():
        from_files(place).save(place)
        if terminal.NO_COLOURS:
            say(f"({terminal.NO_COLOURS})", wrap=False)
    say(f"{place}: {len(new)} exercises written" + (f"; kept as they were: {', '.join(kept)}" if kept else ""))
    return overview(Desk(folder, program))


def notebooks(place: Path) -> int:
    from scratchnn.exercises.notebooks import write_notebooks

    new, kept = write_notebooks(place)
    say(f"{place}: {len(new)} notebooks written" + (f"; kept as they were: {', '.join(kept)}" if kept else ""))
    return 0


def overview(desk: Desk) -> int:
    progress = desk.progress
    terminal.show_list(progress)
    if progress.current not in progress.done:
        say(f"\nNext: open {desk.file(progress.current)} in your editor and run {desk.program} watch", wrap=False)
    elif progress.done >= set(ladder()):
        say("\nAll exercises are done.")
    else:
        say(f"\nNext: {desk.program} next", wrap=False)
    return 0


def check(desk: Desk, name: str, **how: Any) -> int:
    """Tries an exercise, as `how` says to try_answer."""
    verdict = try_answer(name, desk.file(name), **how)
    terminal.show_verdict(name, desk.file(name), verdict)
    record(desk, name, verdict)
    return 0 if verdict.passed else 1


def record(desk: Desk, name: str, verdict: Verdict) -> None:
    if verdict.passed:
        with desk.changing() as progress:
            progress.succeed(name)
    elif verdict.written and desk.file(name).exists():
        with desk.changing() as progress:
            progress.fail(name)


def check_once(desk: Desk, name: str) -> int:
    status = check(desk, name, terminal=terminal_name())
    if status == 0 and name == desk.progress.current:
        say(f"Go on with: {desk.program} next", wrap=False)
    elif status:
        say(f"\nStuck? {desk.program} hint {name}", wrap=False)
    return status


def terminal_name() -> str:
    """The terminal in which somebody can type; "" where there is none."""
    try:
        return os.ttyname(0)
    except (AttributeError, OSError):  # on Windows; in a pipe
        return ""


def status_as_json(desk: Desk) -> int:
    """The list for a program."""
    progress = desk.progress
    exercises = [
        {
            "exercise": step.name,
            "part": part,
            "title": reference(step.name).EXERCISE.title,
            "file": str(desk.file(step.name)),
            "done": step.name in progress.done,
            "skipped": step.name in progress.skipped,
            "attempts": progress.tried.get(step.name, 0) + (step.name in progress.done),
            "hints": progress.hints.get(step.name, 0),
            "solution_seen": step.name in progress.solution_seen,
        }
        for part, steps in PARTS.items()
        for step in steps
    ]
    print(json.dumps({"current": progress.current, "exercises": exercises}, indent=1))
    return 0


def check_as_json(desk: Desk, name: str) -> int:
    with redirect_stdout(sys.stderr):  # what a training says of itself is no JSON
        verdict = try_answer(name, desk.file(name))
    print(json.dumps({"exercise": name, **as_json(verdict)}, indent=1))
    with redirect_stdout(sys.stderr):  # nor is what is said of a state that is damaged by now
        record(desk, name, verdict)
    return 0 if verdict.passed else 1


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict in what JSON has; `sentence` says why there is none."""
    report = verdict.report
    arrays = [
        {
            "name": array.name,
            "right": array.passed,
            "label": array.diagnosis.label if array.diagnosis else "",
            "fact": array.diagnosis.fact if array.diagnosis else "",
            "place": array.diagnosis.place if array.diagnosis else "",
        }
        for array in (report.arrays if report else ())
    ]
    return {
        "passed": verdict.passed,
        "written": verdict.written,
        "sentence": verdict.sentence,
        "line": report.line if report else "",
        "arrays": arrays,
        "findings": [asdict(finding) for finding in verdict.findings],
        "printed": verdict.printed,
    }


def hint(desk: Desk, name: str) -> int:
    hints = terminal.hints_for(name, try_answer(name, desk.file(name)))
    with desk.changing() as progress:  # not before the trial, which takes a while
        shown_before = progress.hints.get(name, 0)
        count = progress.hint(name)
    terminal.show_hints(name, hints[:count])
    if shown_before == HINTS:
        say(f"There are no more hints; {desk.program} solution {name} shows the solution.", wrap=False)
    return 0


def solution(desk: Desk, name: str, yes: bool) -> int:
    progress = desk.progress
    if name not in progress.done | progress.solution_seen:
        if not yes and not confirmed(f"You have not solved {name} yet. Show its solution? [y/N] "):
            say("Not shown. (--yes shows it without asking.)")
            return 1
        with desk.changing() as progress:  # the answer may have taken long
            progress.solution_seen.add(name)
    terminal.show_solution(name, "The solution:")
    return 0


def confirmed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        say()
        return False


def go_on(desk: Desk) -> int:
    with desk.changing() as progress:
        left = progress.current
        found = progress.advance()
    if not found:
        say("All exercises are done." if left in progress.done else f"{left} is the last one that is not done.")
        return 0
    name = progress.current
    say(f"{left}: {progress.state(left)}. Now {desk.file(name)}: {reference(name).EXERCISE.title}")
    return 0


def start_again(desk: Desk, name: str) -> int:
    with desk.changing() as progress:
        kept = reset(desk.folder, name)
        progress.done.discard(name)
    say(f"{desk.file(name)} is as it was given" + (f"; your version is kept as {kept.name}" if kept else ""))
    return 0


def figure(desk: Desk, name: str) -> int:
    """Draws every entry of every gradient: backward's value over that of finite differences. The diagonal is right."""
    from scratchnn.machinery.files import written_whole
    from scratchnn.scripts.figures import new_figure

    verdict = try_answer(name, desk.file(name))
    if verdict.report is None:
        if verdict.findings:
            raise ExerciseError(f"{name} has no gradients that could be drawn")
        terminal.show_verdict(name, desk.file(name), verdict)
        return 1
    arrays = verdict.report.arrays
    drawing = new_figure(4 * len(arrays), 4, f"{name}: yours over the right values")
    for axes, array in zip(drawing.subplots(1, len(arrays), squeeze=False)[0], arrays, strict=True):
        axes.axline((0, 0), slope=1, color="0.8")
        axes.plot(array.numeric.value.ravel(), array.analytic.ravel(), "o", markersize=4, alpha=0.6)
        axes.set(title=array.name, xlabel="right", ylabel="yours")
    file = desk.file(name).with_suffix(".png")
    with written_whole(file) as png:
        drawing.savefig(png, format="png")
    say(f"{file} written")
    return 0
