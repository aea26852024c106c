"""What a check says: one line for every gradient, then the causes of what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scratchnn.gradcheck.diagnosis import Diagnosis
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.machinery.parameters import Array

RELATIVE_TOLERANCE = 1e-8
TROUBLES = {  # why an entry was not measured, as numeric.py calls it
    "noise": "are smaller than the rounding of forward lets them be measured",
    "bends too sharply": "were measured badly: forward bends too sharply there",
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
    def passed(self) -> bool:
        return bool((self.excess <= 0).all())

    @property
    def worst(self) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(np.argmax(self.excess), self.errors.shape))

    def __str__(self) -> str:
        analytic, numeric, bar = (float(a[self.worst]) for a in (self.analytic, self.numeric.value, self.numeric.error))
        verdict = "WRONG" if not self.passed else "ok   " if self.measured.any() else "not measured"
        line = f"{self.name:16} {self.analytic.shape!s:14} {verdict}"
        line += f"   largest error {self.errors[self.judged].max(initial=0.0):.1e}"
        if self.passed and not self.analytic.any():
            line += "; all zero, which says little: nothing here depends on it"
        if not self.passed:
            wrong, ratio = int((self.excess > 0).sum()), f"{analytic / numeric:.6g}" if numeric else "-"
            line += f"; {wrong} of {self.errors.size} entries wrong, worst at {list(self.worst)}: backward says "
            line += f"{analytic:.9g}, finite differences {numeric:.9g} ± {bar:.0e}, ratio {ratio}"
        if not self.judged.all():
            line += f"; {int(self.numeric.kink.sum())} of {self.errors.size} entries lie on a kink"
            line += ": any value between the slopes on both sides is right there"
        for trouble, meaning in TROUBLES.items():
            missed = self.numeric.trouble == trouble
            if trouble == "noise":
                missed |= ~self.measured & (self.numeric.trouble == "")
            count = int(missed.sum())
            line += f"; {count} of {self.errors.size} entries {meaning}" if count else ""
        return line


@dataclass(frozen=True)
class Report:
    """The outcome of a check.

    arrays     one entry per gradient
    unchecked  the names of arrays without one
    line       a sentence on where backward goes wrong first, if that is known
    instance   the mistake in a few numbers, where its cause is not known
    seconds    what the finite differences took
    """

    subject: str
    arrays: list[ArrayReport] = field(default_factory=list)
    unchecked: Sequence[str] = ()
    line: str = ""
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
        names = ", ".join(array.name for array in self.arrays)
        if self.seconds >= 2:
            names += f" ({sum(array.errors.size for array in self.arrays):,} entries in {self.seconds:.0f} s)"
        ignored = f"; NOT CHECKED: {', '.join(self.unchecked)}" if self.unchecked else ""
        reason = [f"{name}: moving it changes the output, and no gradient was found for it" for name in self.unchecked]
        if self.passed:
            head = f"{self.subject}: every gradient agrees with finite differences: {names}{ignored}"
            if not self.measured:
                head = f"{self.subject}: nothing could be measured, so nothing is known of {names}{ignored}"
            return "\n".join([head, *map(str, self.arrays), *reason])
        wrong = sum(not report.passed for report in self.arrays)
        lines = [f"{self.subject}: {wrong} of {len(self.arrays)} gradients wrong{ignored}"]
        lines += [f"  {line}" for line in [*map(str, self.arrays), *reason]]
        if self.line:
            lines += ["", self.line]
        for names, diagnosis in self.diagnoses():
            lines += ["", *explanation(names, diagnosis)]
        if self.instance:
            lines += ["", self.instance]
        if not self.diagnoses() and not self.line:
            lines += ["", "No second problem could be made of these inputs, so nothing is said about the cause."]
        return "\n".join(lines)

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
