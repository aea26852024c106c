"""The same trial without a process of its own: for a page in a browser, which is a sandbox already.

The page runs Python as WebAssembly in a worker, where there are no processes, threads and signals: so an endless loop
is ended by whoever ends the worker, and ParallelTrainer, tqdm's monitor thread and `watch` do not exist.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import file_name, ladder, path_of, reference, stub
from scratchnn.exercises.telling import told
from scratchnn.exercises.trial import Limited, Trial
from scratchnn.exercises.verdict import Answer, NoAnswerError, Verdict, cut, judged
from scratchnn.exercises.wire import line


class Here(Answer):
    """The functions of a file that runs in this process. Values are copied, as if they were sent to another."""

    def __init__(self, exercise: str, file: Path) -> None:
        super().__init__(exercise, file)
        self.functions: list[Callable[..., Any]] = []
        self.trial = Trial(exercise, file, reference(exercise).EXERCISE.seconds, self.call)

    def exchange(self, request: dict[str, Any], functions: list[Callable[..., Any]]) -> dict[str, Any]:
        self.functions = functions
        reply: dict[str, Any] = json.loads(self.trial.reply(sent(request)))
        return reply

    def call(self, message: dict[str, Any]) -> Any:
        return sent(self.called(sent(message), self.functions))

    def beside(self, name: str, seed: int) -> Verdict:
        return try_here(name, self.other(name), seed)


def sent(message: dict[str, Any]) -> Any:
    return json.loads(line(message))


def try_here(name: str, file: Path, seed: int = 0) -> Verdict:
    """The verdict on the learner's file; as verdict.try_answer, which see, but for the limits of time and memory."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(Limited(printed)), contextlib.redirect_stderr(Limited(printed)), np.errstate():
        try:
            verdict = judged(Here(name, file), seed)
        except NoAnswerError as error:
            verdict = error.verdict
    return replace(verdict, printed=cut(printed.getvalue()))


# ---- for the page


def exercises() -> dict[str, dict[str, Any]]:
    """What the page shows of every exercise, by name, in their order; `stub` is None if it must be asked for."""
    return {
        name: {
            "number": int(path_of(name).name[1:3]),
            "title": reference(name).EXERCISE.title,
            "file": file_name(name),
            "page": f"{path_of(name).stem}.html",
            "stub": None if writes_its_own(name) else stub(name),
            "seconds": reference(name).EXERCISE.seconds,
        }
        for name in ladder()
    }


def writes_its_own(name: str) -> bool:
    """Whether an exercise writes the learner's file itself, perhaps every day another: then the page asks for it."""
    return hasattr(reference(name), "stub")


def own_stubs() -> dict[str, str]:
    return {name: stub(name) for name in ladder() if writes_its_own(name)}


def check(name: str, sources: Mapping[str, str], folder: Path, seed: int = 0) -> dict[str, Any]:
    """What is to be said of the answer to an exercise. `sources` has the learner's files by the exercises' names, those
    that were changed, and `folder` is for all of them: a capstone is made of earlier exercises.

    passed, written   whether it is right; False while the dots are still there
    labels            the causes of what is wrong, as docs/diagnosis.md calls them
    parts             see telling.py
    certificate       the page that a capstone writes, or ""
    """
    folder.mkdir(parents=True, exist_ok=True)
    for each in ladder():
        source = sources.get(each) or stub(each)
        (folder / file_name(each)).write_text(source, encoding="utf-8", newline="\n")
    file = folder / file_name(name)
    page = file.with_suffix(".html")
    page.unlink(missing_ok=True)
    verdict = try_here(name, file, seed)
    return {
        "passed": verdict.passed,
        "written": verdict.written,
        "labels": [found.label for _, found in verdict.report.diagnoses()] if verdict.report else [],
        "parts": told(name, file.name, verdict),
        "certificate": page.read_text(encoding="utf-8") if page.exists() else "",
    }
