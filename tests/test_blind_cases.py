"""The backward passes in blind and blind2 are right or wrong as they say: held without any gradient checker.

They do not change, so the suite runs a quarter of them; SCRATCHNN_LONG=1 runs all.
"""

from __future__ import annotations

import copy
from collections import Counter
from functools import cache
from types import CodeType
from typing import Any

import blind
import blind2
import numpy as np
import pytest
from blind import Family, Right, Wrong
from conftest import LONG

SETS = {"blind": blind.load(), "blind2": blind2.load()}
FAMILIES = [family for families in SETS.values() for family in families]
WRONG = [(family, case) for family in FAMILIES for case in family.wrong]
RIGHT = [(family, case) for family in FAMILIES for case in family.rights()]
SEEDS = (0, 1)
STEP = 1 if LONG else 4

Grads = dict[str, np.ndarray]


def ids(cases: list[tuple[Family, Any]]) -> list[str]:
    return [f"{family.name}-{case.name}" for family, case in cases]


@cache
def code(text: str) -> CodeType:
    return compile(text, "case", "exec")


class Run:
    """A source in a namespace of its own, and for a layer one object of it."""

    def __init__(self, family: Family, text: str, seed: int, size: int = 0) -> None:
        self.family = family
        self.names: dict[str, Any] = {"__name__": "case"}
        exec(code(text), self.names)
        self.layer = None
        if family.kind == "layer":
            assert family.make is not None
            self.layer = family.make(self.names["Layer"], np.random.default_rng(100 + seed), size)

    def forward(self, inputs: dict[str, np.ndarray], constants: tuple[Any, ...]) -> Any:
        self.inputs = inputs
        if self.layer is not None:
            return self.layer.forward(*inputs.values(), *constants)
        y, self.cache = self.names["forward"](*inputs.values(), *constants)
        return y

    def backward(self, dy: Any) -> Grads:
        """All gradients: the inputs' by name, and the parameters' as self.name."""
        returned = self.layer.backward(dy) if self.layer is not None else self.names["backward"](dy, self.cache)
        if isinstance(returned, dict):
            assert self.family.keys is not None
            returned = [returned[key] for key in self.family.keys]
        elif not isinstance(returned, tuple | list):
            returned = [returned]
        grads = {name: np.array(d, dtype=float) for name, d in zip(self.inputs, returned, strict=True)}
        for name, d in grads.items():
            assert d.shape == self.inputs[name].shape, name
        for name, gradient in (self.family.params or {}).items():
            grads[f"self.{name}"] = np.array(getattr(self.layer, gradient), dtype=float)
            assert grads[f"self.{name}"].shape == getattr(self.layer, name).shape, name
        return grads

    def values(self) -> dict[str, np.ndarray]:
        """What the gradients are of, as the arrays themselves."""
        return self.inputs | {f"self.{name}": getattr(self.layer, name) for name in self.family.params or {}}


def problem(family: Family, case: Wrong | Right, seed: int, size: int = 0) -> tuple[dict[str, np.ndarray], tuple]:
    return (case.problem or family.problem)(np.random.default_rng(seed), size)


def from_above(y: Any, seed: int) -> Any:
    rng = np.random.default_rng(200 + seed)
    return 1.5 + rng.random() if np.ndim(y) == 0 else rng.normal(size=np.shape(y))


def forward_and_backward(run: Run, case: Wrong | Right, seed: int, size: int = 0, times: float = 1.0) -> Grads:
    y = run.forward(*problem(run.family, case, seed, size))
    return run.backward(from_above(y, seed) * times)


def difference(a: Grads, b: Grads) -> float:
    """The largest error over the largest entry, of the worst gradient."""
    assert a.keys() == b.keys()
    return max(float(np.max(np.abs(a[k] - b[k])) / max(np.max(np.abs(b[k])), 1e-300)) for k in a)


def central_differences(
    family: Family, case: Wrong | Right, text: str, seed: int, size: int = 0, again: bool = False
) -> tuple[Grads, Grads]:
    """The derivatives of forward by central differences, and for each the error to be expected.

    The step is h, and h/2 once more: of the two differences' disagreement, a third is the truncation error at h/2. The
    rounding errors are some units in the last place of the sum, over the step. again: in the state after another pass.
    """
    grads, errors = {}, {}

    def ready() -> Run:
        run = Run(family, text, seed, size)
        if again:
            forward_and_backward(run, case, seed + 50, size)
        return run

    run = ready()
    inputs, constants = problem(family, case, seed, size)
    dy = from_above(run.forward(inputs, constants), seed)
    names = list(run.values())
    for name in names:
        shape = run.values()[name].shape
        grads[name], errors[name] = np.zeros(shape), np.zeros(shape)
        for index in np.ndindex(shape):
            slopes = []
            step = 2e-4 * float(np.max(np.abs(run.values()[name]))) or 1e-4
            for h in (step, step / 2):
                sums = []
                for sign in (1, -1):
                    moved = ready() if again else run
                    moved.forward(inputs, constants)
                    array = moved.values()[name]
                    before = array[index].copy()
                    array[index] += sign * h
                    terms = np.asarray(moved.forward(inputs, constants)) * dy
                    array[index] = before
                    sums.append(float(np.sum(terms)))
                slopes.append((sums[0] - sums[1]) / (2 * h))
            rounding = 100 * np.finfo(float).eps * float(np.sum(np.abs(terms))) / step
            grads[name][index] = slopes[1]
            errors[name][index] = abs(slopes[1] - slopes[0]) + rounding
    return grads, errors


@pytest.mark.parametrize(("name", "wrong", "right"), [("blind", 165, 110), ("blind2", 150, 100)])
def test_the_totals(name: str, wrong: int, right: int) -> None:
    families = SETS[name]
    cases = [(family, case) for family in families for case in family.wrong]
    assert len(families) >= 35
    assert len(cases) >= wrong
    assert sum(len(family.rights()) for family in families) >= right
    people = sum(family.people for family, _ in cases) / len(cases)
    assert 0.72 <= people <= 0.78  # three quarters are what people write in their projects
    assert {case.label for _, case in cases} <= set(blind.LABELS)
    assert {case.shows for _, case in cases} == set(blind.SHOWS)


def test_names_and_sources_are_unique() -> None:
    for names in ([family.name for family in FAMILIES], ids(WRONG), ids(RIGHT)):
        assert not [name for name, n in Counter(names).items() if n > 1]
    for family in FAMILIES:
        texts = [case.text(family) for case in family.wrong]
        assert len(set(texts)) == len(texts), family.name
        texts += [case.text(family) for case in family.rights() if case.problem is None]
        assert len(set(texts)) == len(texts), family.name


@pytest.mark.parametrize(("family", "case"), WRONG[::STEP], ids=ids(WRONG[::STEP]))
def test_a_wrong_case_is_described(family: Family, case: Wrong) -> None:
    text = case.text(family)  # old occurs once, or it raises
    if case.source is None:
        assert case.old != case.new
    lines = [line.strip() for line in text.split("\n")]
    for line in (case.line, *case.fair):
        assert line is None or lines.count(line) == 1, line
    assert case.cause.endswith(".")
    assert case.cause.count("\n") == 0
    assert case.label == "state" or case.line is not None


@pytest.mark.parametrize(("family", "case"), RIGHT[::STEP], ids=ids(RIGHT[::STEP]))
def test_a_right_case_is_right(family: Family, case: Right) -> None:
    text = case.text(family)
    for size in range(family.sizes):
        for seed in SEEDS:
            inputs, constants = problem(family, case, seed, size)
            run = Run(family, text, seed, size)
            forward_and_backward(run, case, seed + 50, size)
            kept = copy.deepcopy((inputs, constants))
            y = run.forward(inputs, constants)
            y_kept = copy.deepcopy(y)
            dy = from_above(y, seed)
            dy_kept = copy.deepcopy(dy)
            grads = run.backward(dy)

            # no state, nothing overwritten, linear in dy
            fresh = forward_and_backward(Run(family, text, seed, size), case, seed, size)
            assert difference(grads, fresh) < 1e-12
            assert difference(run.backward(dy), grads) < 1e-12
            np.testing.assert_equal((inputs, constants), kept)
            np.testing.assert_array_equal(y, y_kept)
            np.testing.assert_array_equal(dy, dy_kept)
            scaled = {name: 1e4 * d for name, d in grads.items()}
            assert difference(run.backward(dy * 1e4), scaled) < (1e-7 if case.difficult else 1e-11)

            if case.difficult or case.kink:
                continue
            numeric, errors = central_differences(family, case, text, seed, size)
            for name, d in grads.items():
                near = 1e-7 * np.max(np.abs(d))  # what is left of the error of a much larger entry
                assert np.all(np.abs(d - numeric[name]) <= 2 * errors[name] + near), name
                assert np.max(errors[name]) < 1e-3 * np.max(np.abs(d)), name  # the comparison says something


@pytest.mark.parametrize(("family", "case"), RIGHT[::STEP], ids=ids(RIGHT[::STEP]))
def test_a_variant_agrees_with_the_source_it_rewrites(family: Family, case: Right) -> None:
    if case.source is not None or case.kink:
        pytest.skip("a function of its own, or one of several right answers")
    for size in range(family.sizes):
        a, b = (
            forward_and_backward(Run(family, text, 0, size), case, 0, size)
            for text in (case.text(family), family.source)
        )
        assert difference(a, b) < 1e-7


@pytest.mark.parametrize(("family", "case"), WRONG[::STEP], ids=ids(WRONG[::STEP]))
def test_a_wrong_case_is_wrong_where_it_says(family: Family, case: Wrong) -> None:
    text = case.text(family)
    seen = []
    for seed in SEEDS:
        run = Run(family, text, seed)
        grads = forward_and_backward(run, case, seed)
        reference = Run(family, case.base or family.source, seed)
        own = case.source is not None or not np.array_equal(
            run.forward(*problem(family, case, seed)), reference.forward(*problem(family, case, seed))
        )
        right = None if own else forward_and_backward(reference, case, seed)
        if case.shows == "plain":
            if right is None:
                right, errors = central_differences(family, case, text, seed)
                # beyond what the differences may be off
                grads = {
                    k: right[k] + np.where(np.abs(d - right[k]) > 10 * errors[k], d - right[k], 0)
                    for k, d in grads.items()
                }
            seen.append(difference(grads, right))
            continue

        # right at first
        if right is not None:
            assert difference(grads, right) < 1e-12
        if case.shows == "second_size":
            assert right is not None
            assert family.sizes == 2
            grads, right = (
                forward_and_backward(Run(family, source, seed, 1), case, seed, 1) for source in (text, family.source)
            )
            seen.append(difference(grads, right))
        elif case.shows == "large_dy":
            large = forward_and_backward(Run(family, text, seed), case, seed, times=1e4)
            seen.append(difference(large, {name: 1e4 * d for name, d in grads.items()}))
        elif case.shows == "second_call":
            run = Run(family, text, seed)
            forward_and_backward(run, case, seed + 50)
            second = forward_and_backward(run, case, seed)
            right, errors = central_differences(family, case, text, seed, again=True)
            seen.append(max(float(np.max(np.abs(second[k] - right[k]) / np.max(np.abs(right[k])))) for k in second))
            assert any(np.any(np.abs(second[k] - right[k]) > 10 * errors[k]) for k in second)
        else:
            inputs, constants = problem(family, case, seed)
            run = Run(family, text, seed)
            y = run.forward(inputs, constants)
            dy = from_above(y, seed)
            watched = {"output_changed": [y], "dy_changed": [dy], "input_changed": [*inputs.values(), *constants]}
            kept = copy.deepcopy(watched)
            first = run.backward(dy)
            if case.shows == "backward_twice":
                seen.append(difference(run.backward(dy), first))
            for shows, arrays in watched.items():
                changed = not all(map(np.array_equal, arrays, kept[shows]))
                assert changed == (case.shows == shows), shows
            if case.shows != "backward_twice":
                seen.append(1.0)
    assert max(seen) >= case.effect
    assert max(seen) < np.inf
