"""Which line of backward is the first that is wrong?

What backward assigns is held against the numeric gradients of what forward computed: `dz` against ∂L/∂z, by name. From
the first gradient that is wrong one walks back through what its line reads. Known to be right is

    a gradient of the variable of its name, or of one route from it      a value that forward has computed too
    what backward was given: upstream gradients, what forward has kept   zeros, in which a sum begins
    what a gradient that is right has been made of

and all else is suspected, with what it reads; and of what is right, what may be the wrong thing to take: the upstream
gradient under another name, one route where the sum of all would help. One suspect is the line; several are a range.
What backward does not return is only named after a trial: with the right value in that place, something wrong must
become right, and nothing right wrong. So a dX that is something else than ∂L/∂X by convention is not called wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scratchnn.gradcheck.intermediates import Intermediates, UnreadableError
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.problem import Code, Problem
from scratchnn.gradcheck.recording import Record, Statement, record_backward
from scratchnn.machinery.parameters import Array

Target = NumericGradient | int  # a gradient, or the number of the variable of forward of which it is one
UPSTREAM = ("dout", "dy", "dloss", "dL", "upstream", "grad_out", "grad_output")
ROWS = ("N", "n", "B", "m", "batch", "batch_size")
RELATIVE, CLEARLY = 1e-8, 1e-5  # what may differ, and from where on it does; in between, nothing is said


@dataclass(frozen=True)
class Wrong:
    """Where backward begins to be wrong. One line is certain; of several, one or more are wrong.

    name    the gradient that is wrong after it
    lines   line in the file → the text of its statement
    place   (k, n): the line is run n times, and is right before the k-th
    right   names that come before it and are right → their lines
    shared  those of the lines that all wrong answers have been made by; these are the `answers`
    common  line → text of what all wrong answers have been made of, where they share no line and that seems right
    """

    name: str
    lines: Mapping[int, str]
    place: tuple[int, int]
    right: Mapping[str, int]
    shared: frozenset[int]
    answers: tuple[str, ...]
    common: Mapping[int, str]

    def __str__(self) -> str:
        verbs = ("comes", "is") if len(self.right) == 1 else ("come", "are")
        known = f"; {', '.join(self.right)}, which {verbs[0]} before it, {verbs[1]} right" if self.right else ""
        when = f" (pass {self.place[0]} of {self.place[1]})" if self.place[0] > 1 else ""
        *most, final = self.lines
        if not most:
            return f"line {final}, `{self.lines[final]}`, is the first that is wrong{when}{known}."
        between = f"{', '.join(map(str, most))} and {final}"
        shared = [line for line in self.lines if line in self.shared] if len(self.answers) > 1 else []
        one = f"; line {shared[0]} has part in {' and '.join(self.answers)}" if len(shared) == 1 else ""
        return f"{self.name} is wrong, and the mistake is in one of the lines {between}{known}{one}."


def agreed(first: Wrong | None, second: Wrong | None, one: bool, change: bool) -> Wrong | None:
    """What holds on both of two problems.

    If all wrong answers have `one` cause, and no two of them share a line, it may be in what all of them have been made
    of. If the cause is a `change` of the backward pass, it is in a line that they share.
    """
    if not first or not second or [*first.lines] != [*second.lines]:
        return None
    shared = {line: text for line, text in first.lines.items() if line in first.shared & second.shared}
    common = {line: text for line, text in first.common.items() if line in second.common}
    if one and common and len(first.answers) > 1:
        right = {name: line for name, line in first.right.items() if line not in common}
        return replace(first, lines=dict(sorted({**first.lines, **common}.items())), right=right)
    return replace(first, lines=shared) if one and change and shared else first


def find_line(
    problem: Problem,
    upstreams: Sequence[Array],
    answers: Mapping[str, Array],
    numerics: Mapping[str, NumericGradient],
) -> Wrong | None:
    """The first wrong line, or a few of which one is; None where the source cannot be had, or nothing is certain."""
    try:
        judge = Judge(problem, problem.code, upstreams, answers, numerics)
    except UnreadableError:
        return None
    found = judge.miskept()
    if found is not None:
        return judge.claim(found, [judge.records[found].statement])
    for k in judge.wrong():
        suspects = judge.suspects(k)
        if suspects and (judge.final(k) or judge.repairs(k)):
            return judge.claim(k, suspects)
    return None


@dataclass
class Judge:
    problem: Problem
    code: Code
    upstreams: Sequence[Array]
    answers: Mapping[str, Array]
    numerics: Mapping[str, NumericGradient]

    def __post_init__(self) -> None:
        self.measured = Intermediates(self.code, self.upstreams)
        self.variables = self.measured.variables
        self.records = record_backward(self.code, self.upstreams)
        self.cached: dict[int, bool] = {}
        self.routes: set[int] = set()  # the records that are right as one route, where the sum of all would mend
        self.later = {r.before: q for q, r in enumerate(self.records) if r.before is not None}
        self.forward: dict[str, list[int]] = {}
        for v, variable in enumerate(self.variables):
            if variable.name:
                self.forward.setdefault(last(variable.name), []).append(v)
        returned = [k for k, r in enumerate(self.records) if r.returned]
        pairs = zip(returned, self.answers if self.code.kind != "model" else (), strict=False)
        # names must do where a part that is no array, or is not asked for, has shifted them
        self.position = {k: name for k, name in pairs if np.array_equal(self.records[k].value, self.answers[name])}

    # ---- what a record should be

    def wanted(self, k: int) -> list[Target]:
        """The gradients that the record may be by its name; empty if it has not the name of a gradient."""
        if k in self.position:
            return [self.numerics[self.position[k]]]
        name, found = self.records[k].name, list[Target]()
        x, size = self.subject(name), self.records[k].value.size
        if last(name) in UPSTREAM and last(name) not in self.numerics:
            found = [*map(exact, self.upstreams)]
        elif x:
            own = [self.numerics[f"d{x}"]] if f"d{x}" in self.numerics else []
            versions = self.forward.get(x, [])[len(own) :]  # the first is the argument itself
            found = [*own, *(v for v in versions if (made := self.measured.slopes(v)) and made[1].value.any())]
        return [g for g in found if self.array(g).size == size]

    def array(self, target: Target) -> Array:
        """What has the shape of the target."""
        return self.variables[target].value if isinstance(target, int) else target.value

    def subject(self, name: str) -> str:
        """The X of dX, if forward has this name, else ""."""
        own = last(name)
        if own in self.code.names or own in self.forward:
            return self.code.names.get(own, "")
        endings = [own.removeprefix(d) for d in ("grad_", "d_", "d", "g") if own.startswith(d)]
        endings += [own.removesuffix("_grad")] if own.endswith("_grad") else []
        return next((x for x in endings if x in self.forward or f"d{x}" in self.numerics), "")

    def near(self, value: Array, target: Target, room: float = RELATIVE) -> bool:
        off, error, scale = self.difference(value, target)
        return bool(len(off) and (off <= 5 * error + room * scale).all())

    def far(self, value: Array, target: Target) -> bool:
        off, error, scale = self.difference(value, target)
        return bool((off > 50 * error + CLEARLY * scale).any())

    def difference(self, value: Array, target: Target) -> tuple[Array, Array, Any]:
        """How far off, the error bars, and the size of what is compared: slopes, or entries where these have a kink."""
        scale: Any = None
        gradient = target
        if isinstance(gradient, int):
            slopes = self.measured.slopes(gradient)
            if slopes and not slopes[1].kink.any():
                parts = (value.reshape(slopes[0][0].shape) * slopes[0]).reshape(2, -1)
                value, scale, gradient = parts.sum(axis=1), np.linalg.norm(parts, axis=1), slopes[1]
            else:
                full = slopes and self.measured.gradient(gradient)
                gradient = full or exact(np.zeros(0))
        if value.size != gradient.value.size or gradient.kink.mean() > 0.5:
            return np.zeros(0), np.zeros(0), 0.0
        judged = ~gradient.kink.ravel()
        right = gradient.value.ravel()[judged]
        size = np.max(np.abs(right), initial=0.0) if scale is None else scale
        return np.abs(value.ravel()[judged] - right), gradient.error.ravel()[judged], size

    def named(self, k: int) -> bool | None:
        """Whether a record is a gradient of its name; None if it has no such name, or it is too close to say."""
        value, wanted = self.records[k].value, self.wanted(k)
        if value.dtype.kind != "f" or not wanted:
            return None
        if any(self.near(value, g) for g in wanted):
            return True
        return False if all(self.far(value, g) for g in wanted) else None

    def wrong(self) -> Iterator[int]:
        """The gradients that are wrong when the code is done with them, in the order of the code; a function that is
        called has names of its own."""
        for k, record in enumerate(self.records):
            done = record.statement is not None and k not in self.later and not record.argument and not record.call
            if done and self.named(k) is False:
                yield k

    # ---- what is right

    def right(self, k: int) -> bool:
        if k not in self.cached:
            self.cached[k] = False  # while it is found out
            self.cached[k] = self.is_right(k) or self.corroborated(k)
            if not self.cached[k] and self.named(k) is None and not self.misnamed(k) and self.routed(k):
                self.cached[k] = True
                if any(self.mends({k: self.filled(v, k)}) for v in self.versions(k)):
                    self.routes.add(k)
        return self.cached[k]

    def corroborated(self, k: int) -> bool:
        """Whether a gradient that is right has been made of it, by a line that makes nothing else."""
        for q, record in enumerate(self.records):
            statement = record.statement
            if statement and not statement.zeros and len(statement.writes) == 1 and self.used(k, record):
                while q in self.later:
                    q = self.later[q]
                if self.named(q) and self.records[q].value.any() and not record.argument:
                    return True
        return False

    def used(self, k: int, by: Record) -> bool:
        """Whether a record has part in another, and is not only read as one of several parts of something."""
        own, statement = self.records[k], by.statement
        if k not in by.reads or not statement:
            return False
        if own.call is statement:  # what a function returns
            return sum(self.records[q].call is statement for q in by.reads) == 1
        return own.name in statement.reads

    def is_right(self, k: int) -> bool:
        record, named = self.records[k], self.named(k)
        if record.statement is None:
            return True
        if named is None and self.given_back(record.value):
            return False
        handed = record.argument or record.statement.unpacks
        if handed and named is None and record.same is not None and self.right(record.same):
            return not self.misnamed(k)
        if record.statement.zeros and not record.argument:
            return True
        if record.value.ndim == 0 and record.value.dtype.kind in "ib":
            own = last(record.name)  # loop variables are seen to with the loop
            rows = self.upstreams[0].shape[:1] if own in ROWS else ()
            known = (*self.of_name(record), *rows, self.problem.sizes.get(own, np.nan))
            return record.statement.header == "For" or any(equal(record.value, v) for v in known)
        if named is not None:
            return named or (k in self.later and (self.valued(k) or self.routed(k)) and not self.overwrites(k))
        return not self.misnamed(k) and (self.kept(record.value) or self.valued(k))

    def overwrites(self, k: int) -> bool:
        """Whether it takes the place of what the line has made in the pass before, and nothing has read that."""
        own = [q for q in self.runs_of(k) if q < k]
        return self.records[k].before is None and bool(own) and not any(own[-1] in r.reads for r in self.records)

    def given_back(self, value: Array) -> bool:
        """Whether it is one of the answers, and that is wrong."""
        return any(
            np.array_equal(value, answer) and self.far(answer, self.numerics[name])
            for name, answer in self.answers.items()
        )

    def of_name(self, record: Record) -> list[Any]:
        return [self.variables[v].value for v in self.forward.get(last(record.name), [])]

    def misnamed(self, k: int) -> bool:
        """Whether it has the name of a variable of forward, and the value of none with this name."""
        same = self.of_name(self.records[k]) if last(self.records[k].name) not in UPSTREAM else []
        return bool(same) and not any(equal(self.records[k].value, v) for v in same)

    def kept(self, value: Array) -> bool:
        """Whether forward has computed the same, or backward was given it; zeros are like any other zeros."""
        given = [r.value for r in self.records if r.statement is None]
        return bool(value.any()) and any(equal(value, v) for v in (*(v.value for v in self.variables), *given))

    def valued(self, k: int) -> bool:
        """Whether it is an upstream gradient, a gradient that is asked for, or that of X if named dX_….

        Any other gradient of forward will not do: a factor that is forgotten gives that of an inner expression.
        """
        return self.equals(k, [*map(exact, self.upstreams), *self.numerics.values(), *self.versions(k)])

    def routed(self, k: int) -> bool:
        """Whether it is the gradient of one route from X, one use of it, if named dX_…."""
        x = self.begins(k)
        return self.equals(k, [v for v, variable in enumerate(self.variables) if x and x == last(variable.use)])

    def versions(self, k: int) -> list[int]:
        """The variables X of forward, if named dX_…, that are as large."""
        known, size = self.forward.get(self.begins(k), []), self.records[k].value.size
        return [v for v in known if self.array(v).size == size]

    def begins(self, k: int) -> str:
        """The longest X of forward with which the name goes on after the d, as in dX_…; else ""."""
        rest = last(self.records[k].name).removeprefix("d").removeprefix("_")
        return max((x for x in self.forward if rest == x or rest.startswith(f"{x}_")), key=len, default="")

    def equals(self, k: int, targets: Sequence[Target]) -> bool:
        value = self.records[k].value
        fits = value.dtype == np.float64 and value.any()
        return bool(fits) and any(axes(self.array(g)) == axes(value) and self.near(value, g) for g in targets)

    # ---- who may be to blame

    def suspects(self, k: int, common: dict[int, str] | None = None) -> list[Statement]:
        """The statements of which one is wrong if this record is wrong, in the order of the code; `common` gets the
        lines of what they read."""
        found: dict[int, Statement] = {}
        zeros: dict[int, Statement] = {}
        seen: set[int] = set()

        def blame(statement: Statement | None) -> None:
            if statement is None or statement.zeros:
                return  # what is missing after zeros has no line
            found[statement.line] = statement
            for header in statement.around:
                if not self.follows(header) and "needs_input_grad" not in header.text:  # a check asks for all
                    found[header.line] = header
                    for q in {q for r in self.records if r.statement is header for q in r.reads}:
                        visit(q)

        def visit(q: int) -> None:
            record = self.records[q]
            if record.argument and record.same in record.reads and self.right(q):
                visit(record.same)  # what a helper function is given, its caller has taken
            elif not self.right(q):
                walk(q)
            elif self.chosen(q):
                blame(self.records[q].statement)
            elif common is not None and (made := self.records[q].statement) and not (made.unpacks or made.header):
                common[made.line] = made.text

        def walk(k: int) -> None:
            if k in seen:
                return
            seen.add(k)
            record = self.records[k]
            source = record.same
            other = k in self.position and f"d{self.subject(record.name)}" != self.position[k]
            if source is None or self.records[source].name != record.name or self.named(source) or other:
                blame(record.statement)
            blame(record.call)
            for q in (*(record.reads if source is None else (source,)), record.before):
                if q is not None:
                    visit(q)
            begun = self.records[record.before].statement if record.before is not None else None
            if begun and begun.zeros:
                zeros[begun.line] = begun

        walk(k)
        if len(found) > 1:  # a part may be missing in what is added up
            found |= zeros
        return [found[line] for line in sorted(found)]

    def chosen(self, k: int) -> bool:
        """Whether it may be the wrong thing to take, although it is right: another name for something, or one route of
        several."""
        record = self.records[k]
        if k in self.routes:
            return True
        if record.same is None or record.argument or record.statement is None or self.named(k):
            return False
        made, source = record.statement, self.records[record.same]
        if source.statement is None and any(equal(source.value, u) for u in self.upstreams):
            return True
        return not made.unpacks or (len(made.writes) > 1 and record.name not in self.forward and "[" not in record.name)

    def follows(self, header: Statement) -> bool:
        """Whether a loop runs backwards over what one of forward runs over."""

        def turned(name: str) -> bool:
            mine = [r.value.tolist() for r in self.records if r.statement is header and r.name == name]
            return mine[::-1] == [self.variables[v].value.tolist() for v in self.forward.get(name, [])]

        return header.header == "For" and all(map(turned, header.writes))

    # ---- trials

    def final(self, k: int) -> bool:
        """Whether the record is what backward answers, perhaps in another shape."""
        names = (self.position.get(k, ""), f"d{self.subject(self.records[k].name)}")
        answers = [self.answers[name].ravel() for name in names if name in self.answers]
        return any(equal(self.records[k].value.ravel(), answer) for answer in answers)

    def repairs(self, k: int) -> bool:
        """Whether it helps to give the record its right value; in a loop, all passes get theirs, in either order."""
        runs, wanted = self.runs_of(k), self.wanted(k)
        if len(runs) <= 1 or len(wanted) == 1:
            return any(self.mends({k: self.filled(g, k)}) for g in wanted)
        ends = wanted[-len(runs) :] if len(wanted) >= len(runs) else []
        return any(
            self.mends({q: self.filled(g, q) for q, g in zip(runs, o, strict=False)}) for o in (ends[::-1], ends)
        )

    def filled(self, target: Target, k: int) -> Array | None:
        """The numeric gradient in the shape of the record, and the record itself where there is a kink."""
        value = self.records[k].value
        gradient = self.measured.gradient(target) if isinstance(target, int) else target
        if gradient is None:
            return None
        return np.where(gradient.kink.reshape(value.shape), value, gradient.value.reshape(value.shape))

    def mends(self, values: Mapping[int, Array | None]) -> bool:
        """Whether, with these values, something that is wrong becomes right, and nothing that is right wrong."""
        changes = {q: value for q, value in values.items() if value is not None}
        try:
            records = record_backward(self.code, self.upstreams, changes)
        except UnreadableError:
            return False
        if not changes or [(r.name, r.value.shape) for r in records] != [(r.name, r.value.shape) for r in self.records]:
            return False
        pairs = {
            (self.named(q), any(self.near(record.value, g, room=1e-6) for g in self.wanted(q)))
            for q, record in enumerate(records) if q not in changes and q not in self.later
        }  # fmt: skip
        return (False, True) in pairs and (True, False) not in pairs

    def miskept(self) -> int | None:
        """What has the name of a variable of forward and another value, if that is the mistake."""
        off = [q for q, r in enumerate(self.records) if r.statement and not r.argument and self.misnamed(q)]
        for k in off:
            same = {q for q in off if self.records[q].statement is self.records[k].statement}
            values = {q: self.of_name(self.records[q])[-1] for q in same}
            fit = all(values[q].shape == self.records[q].value.shape for q in same)
            if fit and k not in self.later and self.mends(values):
                return k
        return None

    def claim(self, k: int, suspects: Sequence[Statement | None]) -> Wrong:
        name, runs = self.position.get(k, last(self.records[k].name)), self.runs_of(k)
        n = runs.index(k) if k in runs else 0
        place = (n + 1, len(runs)) if n and all(self.named(q) for q in runs[:n]) else (1, 1)
        before = {
            last(r.name): r.statement.line for q, r in enumerate(self.records[:k])
            if r.statement and q not in self.later and last(r.name) not in (name, "", *UPSTREAM) and self.named(q)
        }  # fmt: skip
        finals, read = dict[int, frozenset[int]](), list[dict[int, str]]()
        for q in self.wrong():
            if self.final(q):
                read.append({})
                finals[q] = frozenset(s.line for s in self.suspects(q, read[-1]))
        shared = frozenset[int].intersection(*finals.values()) if finals else frozenset()
        own = {self.position.get(q) or f"d{self.subject(self.records[q].name)}": finals[q] for q in finals}
        apart = len(frozenset[int]().union(*own.values())) == sum(map(len, own.values()))
        common = {line: text for line, text in (read or [{}])[0].items() if apart and all(line in r for r in read)}
        answers = tuple(dict.fromkeys(f"d{self.subject(self.records[q].name)}" for q in finals))
        lines = {s.line: s.text for s in suspects if s}
        return Wrong(name, lines, place, before, shared, answers, common)

    def runs_of(self, k: int) -> list[int]:
        """The records that the same line makes of the same name, in every pass of a loop."""
        key = self.records[k].name, self.records[k].statement
        made = [q for q, r in enumerate(self.records) if (r.name, r.statement) == key and not r.returned]
        return [q for q in made if q not in self.later]


# ---- arrays and names


def last(name: str) -> str:
    """x of self.x and of grads['x']."""
    own = name.rpartition("[")[2].rstrip("]").strip("'\"") if name.endswith("']") else name
    return own.rpartition(".")[2]


def exact(value: Array) -> NumericGradient:
    shape = np.shape(value)
    return NumericGradient(value, np.zeros(shape), np.zeros(shape, bool), np.full(shape, ""))


def axes(value: Any) -> tuple[int, ...]:
    """The lengths of the axes, but for those of length 1."""
    return tuple(length for length in np.shape(value) if length > 1)


def equal(a: Any, b: Any) -> bool:
    """Equal but for rounding, and for axes of length 1; in another shape the entries may have come to other places."""
    a, b = np.asarray(a), np.asarray(b)
    return axes(a) == axes(b) and np.allclose(a.ravel(), b.ravel(), rtol=1e-12, atol=1e-14, equal_nan=True)
