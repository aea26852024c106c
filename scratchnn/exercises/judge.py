"""Tries an answer to an exercise on both of its problems."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from scratchnn.exercises.exercise import Exercise, Finding, Judged, outputs_of, reference, values_of
from scratchnn.gradcheck.cause import explained
from scratchnn.gradcheck.check import compare, expect_linear
from scratchnn.gradcheck.diagnosis import FIRST, LEVELS, Diagnosis, diagnose
from scratchnn.gradcheck.facts import Evidence, Facts
from scratchnn.gradcheck.given import in_order
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.problem import (
    Code,
    GradientError,
    Problem,
    as_tuple,
    check_contract,
    require_gradient,
    require_order,
)
from scratchnn.gradcheck.report import ArrayReport, Report
from scratchnn.gradcheck.shapes import misfit
from scratchnn.machinery.parameters import Array


class Measured(Problem):
    """A problem of an exercise, whose gradients are measured once for all answers."""

    known: ClassVar[dict[tuple[Any, ...], dict[str, NumericGradient]]] = {}

    def numeric(self, upstreams: Sequence[Array]) -> dict[str, NumericGradient]:
        _, values = self.code.arguments()
        key = (self.subject, *(np.asarray(x).tobytes() for x in (*values.values(), *upstreams)))
        if key not in self.known:
            self.known[key] = super().numeric(upstreams)
        return self.known[key]


def problem(name: str, answer: ModuleType | SimpleNamespace, which: int, seed: int = 0) -> Problem:
    """One of the two problems of the exercise, with the `forward` and `backward` of the answer."""
    return gradient_problem(
        name, reference(name).EXERCISE, answer, which, values_of(reference(name).EXERCISE, which, seed)
    )


def gradient_problem(
    name: str, exercise: Exercise, answer: Any, which: int, values: dict[str, Any], probing: bool = False
) -> Problem:
    sizes = dict(exercise.sizes[which])
    wanted = list(exercise.inputs(SimpleNamespace(**sizes), np.random.default_rng(0)))
    values = {key: np.array(v) if isinstance(v, np.ndarray) else v for key, v in values.items()}

    code = Code("function", answer.forward, answer.backward, lambda: ((), values))

    def facts(outputs: Sequence[Array], upstreams: Sequence[Array]) -> Facts:
        y, dy = (outputs[0], upstreams[0]) if len(outputs) == 1 else (tuple(outputs), tuple(upstreams))
        return exercise.facts(SimpleNamespace(**sizes, **values, y=y, dy=dy))

    probes: dict[str, Callable[[], Problem]] = {}
    if not probing:
        for label, change in exercise.probes.items():
            simpler = change(dict(values))
            probes[label] = partial(gradient_problem, name, exercise, answer, which, simpler, probing=True)
    return Measured(
        subject=name,
        arrays={f"d{key}": values[key] for key in wanted},
        forward=lambda: as_tuple(reference(name).forward(**values)[0]),
        code=code,
        answers=lambda returned: in_order(name, returned, [f"d{key}" for key in wanted]),
        sizes=sizes,
        facts=facts,
        probes=probes,
    )


@dataclass(frozen=True)
class Findings:
    """What the judge of an exercise found."""

    subject: str
    findings: Sequence[Finding]

    @property
    def passed(self) -> bool:
        return all(finding.right for finding in self.findings)

    @property
    def reason(self) -> str:
        """Why the first thing that is wrong is wrong."""
        return next((f"{finding.what}: {finding.why}" for finding in self.findings if not finding.right), "")

    def __str__(self) -> str:
        return "\n".join(f"{'ok   ' if finding.right else 'WRONG'} {finding.what}" for finding in self.findings)


def examined(name: str, answer: Any, seed: int = 0) -> Findings:
    """What is found in an answer to an exercise that is judged in its own way."""
    exercise = reference(name).EXERCISE
    assert isinstance(exercise, Judged)
    return Findings(name, exercise.judge(answer, seed))


def judge(name: str, answer: Any, seed: int = 0) -> Report:
    """The report on an answer, with diagnoses if it is wrong; GradientError if it breaks the contract."""
    if reference(name).EXERCISE.function != "backward":
        return judge_values(name, answer, seed)
    here, there = (problem(name, answer, which, seed) for which in (0, 1))
    given = [(each, *check_contract(each, seed)) for each in (here, there)]
    reports = [compare(*each) for each in given]
    if reports[0].passed and not reports[1].passed:  # right by accident of its numbers, or of its sizes
        given, reports = given[::-1], reports[::-1]
    report = reports[0]
    if report.passed:
        expect_linear(*given[0][:2])
        return report
    known = {array.name: array.numeric for array in reports[1].arrays}
    return explained(report, *given[0], [given[1][0]], seed, known=known)


# ---- exercises in which the learner writes something else than a backward pass


def judge_values(name: str, answer: Any, seed: int) -> Report:
    """Compares what the answer's function returns with what the solution returns, output by output."""
    first, second = (value_evidence(name, answer, which, seed) for which in (0, 1))
    arrays: list[ArrayReport] = []
    for key in first:
        here, there = first[key], second[key]
        if value_report(here).passed and not value_report(there).passed:
            here, there = there, here
        report = value_report(here)
        if not report.passed:
            found = diagnose(here, there, (*FIRST, *LEVELS))
            wrong = [array.name for array in arrays if not array.passed]
            if not found:
                found = Diagnosis.unknown(here)
                if wrong:
                    found = replace(found, place=f"{wrong[0]} is wrong, too: mend that first, this may follow from it")
            report = replace(report, diagnosis=found)
        arrays.append(report)
    return Report(name, arrays)


def value_report(e: Evidence) -> ArrayReport:
    return ArrayReport(
        e.name, e.answer, NumericGradient(e.numeric, e.tolerance, ~e.judged, np.where(e.judged, "", "kink"))
    )


def value_evidence(name: str, answer: Any, which: int, seed: int) -> dict[str, Evidence]:
    """The answer's outputs on one of the two problems beside the solution's, by the names in the solution's comment."""
    exercise = reference(name).EXERCISE
    values = values_of(exercise, which, seed)
    before = copy.deepcopy(values)
    right = as_tuple(getattr(reference(name), exercise.function)(**copy.deepcopy(values)))
    function = getattr(answer, exercise.function)
    try:
        returned = function(**values)
    except ValueError as error:
        if said := misfit(error, function, {}):
            raise GradientError(f"{name}: {said}") from error
        raise
    names = outputs_of(name)
    answers = in_order(name, returned, names, exercise.function)
    for key, value in before.items():
        if np.any(values[key] != value):
            raise GradientError(f"{name}: {exercise.function} writes into {key}; make a new array instead")
    require_order(name, answers, dict(zip(names, right, strict=True)), exercise.function)
    for key, wanted in zip(names, right, strict=True):
        require_gradient(name, key, answers[key], wanted, exercise.function)
    facts = exercise.facts(SimpleNamespace(**exercise.sizes[which], **values))
    return {
        key: Evidence(
            name=key,
            answer=np.array(answers[key]),
            numeric=wanted,
            tolerance=1e-12 * np.abs(wanted),  # a few roundings
            judged=np.ones(wanted.shape, bool),
            sizes=exercise.sizes[which],
            facts=facts,
            others={other: array for other, array in zip(names, right, strict=True) if other != key},
        )
        for key, wanted in zip(names, right, strict=True)
    }
