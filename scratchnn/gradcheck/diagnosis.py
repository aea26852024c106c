"""Why is a gradient wrong? What a wrong answer has in common with the right one.

A wrong backward pass is rarely wrong at random. A forgotten 1/N makes every entry N times too large; a forgotten path
leaves exactly the other paths' sum; a missing mask is wrong exactly where the mask is. Each such relation between the
answer `a` and the right gradient `n` is looked for in turn, from those that explain most with least to those that
explain a little with much:

    upstream    the upstream gradient is ignored, or does not enter linearly
    relations   a = 0, −n, c·n, a transpose or flip of n, one number everywhere, n in single precision
    swapped     a is what another gradient should be
    sums        n is a sum of known terms (the parts of several outputs, the paths of a derivation): a is the same sum
                with other coefficients, found by least squares; or the sum over other examples than all
    support     a is wrong exactly on a known set of entries, and 0 there, or not 0, or too large by one factor
    factors     a/n is a known array, or its square, or one over it
    formulas    a is one of the wrong formulas that somebody wrote down
    vague       a is wrong exactly on a known set of entries
    few         all but a few entries are right
    probes      in which simpler problem is the answer right?

No relation is believed on one problem: it must hold on two, with other numbers and, where possible, other sizes. That
is what tells "3 times too large" from "N times too large", and what keeps coincidences out. If nothing holds on both,
nothing is claimed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scratchnn.gradcheck.facts import MATCH, NAMED, TERM, Evidence, candidates, names
from scratchnn.machinery.parameters import Array


@dataclass(frozen=True)
class Claim:
    """A relation that holds on one problem. `label` names it apart from numbers; `fact` says it with numbers."""

    label: str
    fact: str
    place: str
    number: str = ""  # the name of the factor in the fact, if there is one


@dataclass(frozen=True)
class Diagnosis:
    """A relation that holds on both problems, or the statement that none was recognised (label UNKNOWN)."""

    name: str
    label: str
    fact: str
    second: str
    place: str

    @property
    def vague(self) -> bool:
        """Whether it says where, or how many, and not what is wrong."""
        return self.label in ("UNKNOWN", "FEW") or self.label.startswith("ONLY-WHERE")

    @classmethod
    def unknown(cls, evidence: Evidence) -> Diagnosis:
        return cls(evidence.name, "UNKNOWN", unknown(evidence), "", "")


Level = Callable[[Evidence], Iterator[Claim]]


def diagnose(first: Evidence, second: Evidence, levels: Sequence[Level]) -> Diagnosis | None:
    """The first relation that both problems share."""
    for level in levels:
        seconds: dict[str, Claim] = {}
        for claim in level(second):
            seconds.setdefault(claim.label, claim)
        for claim in level(first):
            if claim.label in seconds:
                return Diagnosis(first.name, claim.label, claim.fact, seconds[claim.label].fact, claim.place)
    return None


# ---- the levels, in order


def upstream(e: Evidence) -> Iterator[Claim]:
    if e.scaled is None or e.ones is None:
        return
    zero, double = e.scaled
    place = "the upstream gradient is a factor of every term of a backward pass, once: where does it enter?"
    if e.answer.any() and np.array_equal(double, e.answer) and np.array_equal(zero, e.answer):
        same = " and is what would be right for an upstream gradient of ones" if e.matches(e.ones) else ""
        yield Claim("IGNORES-UPSTREAM", f"{e.name} is the same whatever the upstream gradient is{same}", place)
    elif zero.any():
        yield Claim("NOT-LINEAR", f"{e.name} is not zero when the upstream gradient is zero", place)
    elif not np.allclose(double, 2 * e.answer, rtol=1e-9, atol=0):
        yield Claim("NOT-LINEAR", f"{e.name} does not double when the upstream gradient is doubled", place)


def relations(e: Evidence) -> Iterator[Claim]:
    a, n = e.answer, e.numeric
    if not n[e.judged].any():
        return
    if not a.any():
        yield Claim("ZERO", f"{e.name} is zero everywhere", "is it computed at all, and returned?")
        return
    yield from float32(e)
    c = float(np.vdot(a[e.judged], n[e.judged]) / np.vdot(n[e.judged], n[e.judged]))
    if c and abs(c - 1) > NAMED and e.matches(c * n, c):
        yield from scale(e, c)
    yield from rearranged(e)
    if a.size > 1 and np.ptp(a) <= MATCH * np.abs(a).max() and np.ptp(n) > 1e-3 * np.abs(n).max():
        value = float(a.flat[0])
        for label, what, number in (("SUM", "sum", n.sum()), ("MEAN", "mean", n.mean())):
            if abs(value - number) <= NAMED * abs(value):
                yield Claim(
                    f"CONSTANT:{label}",
                    f"every entry of {e.name} is {value:.6g}, the {what} of all the right entries",
                    "over which axis should the sum run, if over any? axis=None sums over all of them",
                )
        yield Claim("CONSTANT", f"every entry of {e.name} is {value:.6g}", "what makes the entries differ?")


def scale(e: Evidence, c: float) -> Iterator[Claim]:
    for name in names(c, e):
        if name == "−1":
            yield Claim(
                "SCALE:−1",
                f"{e.name} has the right size everywhere, and the opposite sign",
                "which term carries a minus?",
            )
            continue
        where = f": that is {name}" if name != written(c) else ""
        place = "a factor that is the same everywhere"
        if any(size in re.split("[^\\w]+", name) for size in e.sizes):
            place += ": where is a sum that should be a mean, or the other way round?"
        elif name.removeprefix("−") in ("2", "1/2", "4", "1/4"):
            place += ": the derivative of a square, or a ½ in front?"
        yield Claim(
            f"SCALE:{name}", f"{e.name} is exactly {written(c)} times the right gradient, everywhere{where}", place
        )
    yield Claim(
        f"SCALE:{c:.5g}", f"{e.name} is exactly {c:.6g} times the right gradient, everywhere", "which constant is that?"
    )


def float32(e: Evidence) -> Iterator[Claim]:
    off = np.abs(e.answer - e.numeric)[e.judged]
    size = np.abs(e.numeric).max()
    if not 0 < off.max() <= 3e-7 * size:
        return
    rounded = bool((e.answer == e.answer.astype(np.float32)).all()) and not (e.answer == e.answer.round()).all()
    agrees = f"{e.name} agrees with the right gradient to {off.max() / size:.0e} of its size, but not better"
    if rounded:
        fact = f"{agrees}, and all its entries are numbers of single precision: the formula is right"
        yield Claim("FLOAT32", fact, "where does an array become float32?")
    elif np.mean(off > e.tolerance[e.judged]) > 0.25:
        fact = f"{agrees}: single precision on the way, an added epsilon or a difference quotient look like that"
        yield Claim("NEARLY", fact, "which step is not exact?")


def rearranged(e: Evidence) -> Iterator[Claim]:
    n = e.numeric
    for axes in list(itertools.permutations(range(n.ndim)))[1:]:
        turned = n.transpose(axes)
        if turned.shape == n.shape and not np.allclose(turned, n) and e.matches(turned):
            what = "the transpose" if n.ndim == 2 else f"the right one with its axes in the order {axes}"
            yield Claim("PERMUTED", f"{e.name} is {what} of the right gradient", "which product gives which entry?")
    for count in range(1, n.ndim + 1):
        for axes in itertools.combinations(range(n.ndim), count):
            turned = np.flip(n, axes)
            if not np.allclose(turned, n) and e.matches(turned):
                where = ",".join(map(str, axes))
                yield Claim(
                    f"FLIPPED:{where}",
                    f"{e.name} is the right gradient, reversed along axis {where}",
                    "in which order are the entries?"
                    + (" A convolution turns its kernel round, a correlation does not." if n.ndim > 2 else ""),
                )


def swapped(e: Evidence) -> Iterator[Claim]:
    for other, right in e.others.items():
        if right.any() and e.matches(right):
            yield Claim(
                f"SWAPPED:{other}",
                f"{e.name} is what {other} should be",
                "in which order are the gradients returned?",
            )


def sums(e: Evidence) -> Iterator[Claim]:
    yield from some_examples(e)
    declared = {"term": e.facts.terms.get(e.name, {})}
    for kind, parts in {**e.parts, **declared}.items():
        columns = {name: np.broadcast_to(part, e.answer.shape)[e.judged] for name, part in parts.items()}
        columns = {name: column for name, column in columns.items() if column.any()}
        if len(columns) < 2 or e.judged.sum() < len(columns) + 2:
            continue
        matrix = np.column_stack([*columns.values()])
        coefficients, _, rank, _ = np.linalg.lstsq(matrix, e.answer[e.judged], rcond=1e-9)
        fitted = np.array(e.numeric)
        fitted[e.judged] = matrix @ coefficients
        if rank < len(columns) or not e.matches(fitted, max(1.0, float(np.abs(coefficients).max()))):
            continue
        if np.ptp(coefficients) <= TERM * np.abs(coefficients).max():
            continue  # the same for all: a scale, and no matter of terms
        odd = {name: c for name, c in zip(columns, coefficients, strict=True) if abs(c - 1) > TERM}
        if not odd:
            continue
        what = "the part that comes through the output" if kind == "output" else "the term"
        rest = "" if len(odd) == len(columns) else ", and everything else is right"
        for said in itertools.islice(itertools.product(*(spoken(c, e) for c in odd.values())), 20):
            pairs = list(zip(odd, said, strict=True))
            yield Claim(
                f"{kind.upper()}:" + ",".join(f"{name}:{label}" for name, (label, _) in pairs),
                f"in {e.name} " + " and ".join(f"{what} «{name}» {fact}" for name, (_, fact) in pairs) + rest,
                "by how many routes does this variable reach the loss, and what does each contribute?",
            )


def written(c: float) -> str:
    """A number in six digits, with the minus that texts have."""
    return f"{c:.6g}".replace("-", "−")


def spoken(c: float, e: Evidence) -> list[tuple[str, str]]:
    """All labels that a coefficient may have, and what they mean; none for one that has no name."""
    if abs(c) < TERM:
        return [("0", "is missing")]
    meaning = {"−1": "has the wrong sign", "2": "counts twice", "1/2": "counts half"}
    return [
        (name, meaning.get(name, f"counts {written(c)} times" + f": that is {name}" * (name != written(c))))
        for name, number in candidates(e)
        if abs(c - number) <= TERM * abs(c)
    ]


def some_examples(e: Evidence) -> Iterator[Claim]:
    """The sum over the examples has left some out: all but one, or one."""
    total = len(e.examples)
    for k, part in enumerate(e.examples):
        which = {0: "first", total - 1: "last"}.get(k, "one")
        for label, candidate, fact in (
            ("only", part, f"{e.name} is what example {k} alone contributes; there are {total}"),
            ("not", e.numeric - part, f"in {e.name} the contribution of example {k} of {total} is missing"),
        ):
            if part.any() and e.matches(candidate):
                yield Claim(f"EXAMPLE:{label} {which}", fact, "over which examples does the sum run?")


def support(e: Evidence, any_way: bool = False) -> Iterator[Claim]:
    """Wrong exactly on a known set of entries, and in a way that can be said; or in any way."""
    wrong = e.wrong
    if not wrong.any() or wrong[e.judged].all():
        return
    for name, mask in masks(e):
        inside = mask & e.judged
        if wrong[~inside].any() or wrong.sum() < 0.9 * inside.sum() or (wrong.sum() < 3 and "axis" not in name):
            continue  # fewer may have a sign in common by accident
        a, n = e.answer[wrong], e.numeric[wrong]
        c = float(np.vdot(a, n) / np.vdot(n, n)) if n.any() else 0.0
        how = ""
        if not a.any():
            how = ": there it is 0, and should not be"
        elif np.abs(n).max() <= 5 * e.tolerance.max():
            how = ": there it should be 0, and is not"
        elif np.abs(a - c * n).max() <= MATCH * np.abs(a).max() + 5 * abs(c) * e.tolerance.max() and len(a) > 1:
            how = f": there it is {c:.6g} times the right value"
        if how or any_way:
            yield Claim(
                f"ONLY-WHERE:{name}",
                f"{e.name} is right except where {name} ({wrong.sum()} of {wrong.size} entries){how}",
                "what happens to the output there when the input moves a little?",
            )


def vague(e: Evidence) -> Iterator[Claim]:
    yield from support(e, any_way=True)


def masks(e: Evidence) -> Iterator[tuple[str, Array]]:
    """The declared sets, then those that every array has: one place or one half of an axis, zeros."""
    shape = e.answer.shape
    for name, mask in e.facts.masks.items():
        if mask.shape == shape and 0 < mask.sum() < mask.size:
            yield name, mask
    for axis, length in enumerate(shape):
        along = np.arange(length).reshape([-1 if k == axis else 1 for k in range(len(shape))])
        places = {"at its first place": along == 0, "at its last place": along == length - 1}
        if length % 2 == 0 and length > 2:
            places |= {"in its first half": along < length // 2, "in its second half": along >= length // 2}
        if length > 2:
            for name, mask in places.items():
                yield f"axis {axis} is {name}", np.broadcast_to(mask, shape)
            for k in range(1, length - 1):
                yield f"axis {axis} is at one place", np.broadcast_to(along == k, shape)
    zero = np.abs(e.numeric) <= 5 * e.tolerance
    if 2 < zero.sum() < zero.size - 2:
        yield "the right value is 0", zero


def factors(e: Evidence) -> Iterator[Claim]:
    """a = n · f, where f is a known array to the power ±1 or ±2, perhaps with a number in front."""
    shape = e.answer.shape
    for name, array in e.facts.arrays.items():
        try:
            array = np.broadcast_to(array, shape)
        except ValueError:
            continue
        if np.ptp(array) <= 1e-6 * np.abs(array).max() or not np.all(array):
            continue  # a constant is a scale
        for power, written in ((1, f"{name}"), (-1, f"1/{name}"), (2, f"{name}²"), (-2, f"1/{name}²")):
            candidate = e.numeric * array**power
            c = float(np.vdot(e.answer, candidate) / np.vdot(candidate, candidate)) if candidate.any() else 0.0
            worst = float(np.abs(c * array**power).max())
            if c and e.matches(c * candidate, max(1.0, worst)):
                for front in names(c, e):
                    label = written if front == "1" else f"{front}·{written}"
                    yield Claim(
                        f"FACTOR:{label}",
                        f"{e.name} is {label.replace('·1/', '/')} times the right gradient, entry by entry",
                        f"is {name} there by mistake, or is it missing? With respect to what did you differentiate?",
                    )


def formulas(e: Evidence) -> Iterator[Claim]:
    for name, array in e.facts.formulas.get(e.name, {}).items():
        if array.shape == e.answer.shape and e.matches(array):
            yield Claim(f"FORMULA:{name}", f"{e.name} equals «{name}»", "compare this with your derivation")


def probes(e: Evidence) -> Iterator[Claim]:
    for name, is_right in e.probes.items():
        if is_right():
            yield Claim(
                f"PROBE:{name}",
                f"{e.name} is right in the simpler problem with {name}, and wrong in this one",
                f"what is it that {name} takes away?",
            )


def few(e: Evidence) -> Iterator[Claim]:
    wrong = np.argwhere(e.wrong)
    if 0 < len(wrong) <= e.answer.size // 5:
        places = ", ".join(str(index.tolist()) for index in wrong[:4]) + (", …" if len(wrong) > 4 else "")
        yield Claim(
            "FEW",
            f"{len(wrong)} of the {e.answer.size} entries of {e.name} are wrong, at {places}; all others are right",
            "what is special about these entries?",
        )


def unknown(e: Evidence) -> str:
    wrong = int(e.wrong.sum())
    return f"I do not recognise this mistake in {e.name}: {wrong} of {e.answer.size} entries are wrong"


FIRST: tuple[Level, ...] = (upstream, relations, swapped, sums, support, factors)
LEVELS: tuple[Level, ...] = (formulas, vague, few, probes)
