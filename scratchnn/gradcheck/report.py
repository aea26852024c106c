"""What a check says: one line for every gradient, then the causes of what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scratchnn.gradcheck.diagnosis import Diagnosis
from scratchnn.gradcheck.notebook import page
from scratchnn.gradcheck.numeric import EPSILON, ROUNDINGS, NumericGradient
from scratchnn.machinery.parameters import Array

RELATIVE_TOLERANCE = 1e-8
TROUBLES = {  # why an entry was not measured, as numeric.py calls it
    "noise": "are smaller than the rounding of forward lets them be measured",
    "bends too sharply": "were not measured: forward bends too sharply there",
    "crosses kinks": "were not measured: they cross kinks, as of ReLU at 0; check entry by entry, or with biases "
    "that are not 0",
    "leaves the domain": "were not measured: forward gives no number on one side of them",
}


@dataclass(frozen=True)
class ArrayReport:
    """One gradient: backward's values beside those of finite differences, and why they differ if that is known.

    `rounding` is what backward itself may have lost by rounding.
    """

    name: str
    analytic: Array
    numeric: NumericGradient
    rounding: float = 0.0
    diagnosis: Diagnosis | None = None

    @property
    def judged(self) -> Array:
        return ~self.numeric.kink

    @property
    def measured(self) -> Array:
        """Which entries are larger than their error bar, or known to be 0: the others pass with any small value."""
        size = np.abs(self.numeric.value)
        return np.asarray(np.isin(self.numeric.trouble, ("", "kink")) & ((size > self.rounding) | (size == 0)))

    @property
    def errors(self) -> Array:
        return np.asarray(np.abs(self.analytic - self.numeric.value))

    @property
    def excess(self) -> Array:
        """How far each error is beyond what is allowed; nothing is wrong where it is at most 0."""
        allowed = RELATIVE_TOLERANCE * np.abs(self.numeric.value) + self.numeric.error + self.rounding
        return np.asarray(self.errors - allowed)

    @property
    def beyond(self) -> float:
        """The largest error, in units of what is allowed."""
        allowed = self.errors - self.excess
        return float(
            np.max(np.divide(self.errors, allowed, out=np.where(self.errors > 0, np.inf, 0.0), where=allowed > 0))
        )

    @property
    def passed(self) -> bool:
        return bool((self.excess <= 0).all())

    @property
    def worst(self) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(np.argmax(self.excess), self.errors.shape))

    def cells(self) -> list[str]:
        """Name, shape, verdict, largest error, and what is to be said besides."""
        analytic, numeric, bar = (float(a[self.worst]) for a in (self.analytic, self.numeric.value, self.numeric.error))
        verdict = "WRONG" if not self.passed else "ok" if self.measured.any() else "not measured"
        notes = []
        if self.passed and not self.analytic.any():
            notes.append("all zero, which says little: nothing here depends on it")
        if not self.passed:
            wrong, ratio = int((self.excess > 0).sum()), f"{analytic / numeric:.6g}" if numeric else "-"
            note = f"{wrong} of {self.errors.size} entries wrong, worst at {list(self.worst)}: backward says "
            notes.append(f"{note}{analytic:.9g}, finite differences {numeric:.9g} ± {bar:.0e}, ratio {ratio}")
        if not self.judged.all():
            note = f"{int(self.numeric.kink.sum())} of {self.errors.size} entries lie on a kink"
            notes.append(f"{note}: any value between the slopes on both sides is right there")
        for trouble, meaning in TROUBLES.items():
            missed = self.numeric.trouble == trouble
            if trouble == "noise":
                missed |= ~self.measured & (self.numeric.trouble == "")
            if count := int(missed.sum()):
                notes.append(f"{count} of {self.errors.size} entries {meaning}")
        largest = f"{self.errors[self.judged | (self.excess > 0)].max(initial=0.0):.1e}"
        return [self.name, str(self.analytic.shape), verdict, largest, "; ".join(notes)]

    def __str__(self) -> str:
        name, shape, verdict, largest, notes = self.cells()
        return f"{name:16} {shape:14} {verdict:5}   largest error {largest}" + f"; {notes}" * bool(notes)


def rounding_of(arrays: Sequence[Array]) -> float:
    """What backward may lose by rounding: of the upstream gradient, as where it forms p − 1 and p is nearly 1, or of
    the largest entry, where others are differences of such numbers."""
    return ROUNDINGS * EPSILON * max(float(np.max(np.abs(array))) for array in arrays)


@dataclass(frozen=True, repr=False)
class Report:
    """The outcome of a check.

    arrays     one entry per gradient
    unchecked  the names of arrays without one
    line       a sentence on where backward goes wrong first, if that is known
    source     the lines around it
    instance   the mistake in a few numbers, where its cause is not known, or why nothing is said
    seconds    what the finite differences took
    """

    subject: str
    arrays: list[ArrayReport] = field(default_factory=list)
    unchecked: Sequence[str] = ()
    line: str = ""
    source: Sequence[str] = ()
    instance: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return all(report.passed for report in self.arrays)

    @property
    def measured(self) -> bool:
        """Whether anything was: a check in which nothing was measured says nothing."""
        return any(report.measured.any() for report in self.arrays)

    def __str__(self) -> str:
        indent = "" if self.passed else "  "
        lines = [self.head(), *(f"{indent}{line}" for line in [*map(str, self.arrays), *self.reasons()])]
        for paragraph in [[self.line] if self.line else [], *self.causes()]:
            lines += ["", *paragraph] if paragraph else []
        return "\n".join(lines)

    __repr__ = __str__  # the last line of a cell, or at the prompt

    def _repr_html_(self) -> str:
        return page(
            self.head(), [a.cells() for a in self.arrays], self.reasons(), self.line, self.source, self.causes()
        )

    def head(self) -> str:
        names = ", ".join(array.name for array in self.arrays)
        if self.seconds >= 2:
            names += f" ({sum(array.errors.size for array in self.arrays):,} entries in {self.seconds:.0f} s)"
        ignored = f"; NOT CHECKED: {', '.join(self.unchecked)}" if self.unchecked else ""
        if not self.passed:
            wrong = sum(not report.passed for report in self.arrays)
            return f"{self.subject}: {wrong} of {len(self.arrays)} gradients wrong{ignored}"
        if not self.measured:
            return f"{self.subject}: nothing could be measured, so nothing is known of {names}{ignored}"
        return f"{self.subject}: every gradient agrees with finite differences: {names}{ignored}"

    def reasons(self) -> list[str]:
        return [f"{name}: moving it changes the output, and no gradient was found for it" for name in self.unchecked]

    def causes(self) -> list[list[str]]:
        """Why it is wrong, each cause in a few sentences."""
        found = [explanation(names, diagnosis) for names, diagnosis in self.diagnoses()]
        return found + [self.instance.splitlines()] * bool(self.instance)

    def diagnoses(self) -> list[tuple[str, Diagnosis]]:
        """Each mistake once, with the names of all gradients that show it."""
        groups: dict[str, list[Diagnosis]] = {}
        for report in self.arrays:
            if report.diagnosis:
                groups.setdefault(report.diagnosis.label, []).append(report.diagnosis)
        return [(", ".join(d.name for d in group), group[0]) for group in groups.values()]


def explanation(names: str, diagnosis: Diagnosis) -> list[str]:
    """A diagnosis in words: the fact, that it held twice, and where to look."""
    lines = [f"{names}: {diagnosis.fact}."]
    if diagnosis.second and diagnosis.second != diagnosis.fact:
        lines.append(f"  On a second problem: {diagnosis.second}.")
    elif diagnosis.second:
        lines.append("  The same holds on a second problem, with other numbers.")
    if diagnosis.place:
        lines.append(f"  Where to look: {diagnosis.place}")
    return lines
