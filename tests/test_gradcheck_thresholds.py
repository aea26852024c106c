"""The parts of the gradient check one by one, with values worked out by hand on both sides of what they decide."""

from __future__ import annotations

import ast
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import test_gradcheck_edits as edits_tests
import test_gradcheck_line as line_tests

from scratchnn.gradcheck import GradientError, check, check_function, check_layer, check_model
from scratchnn.gradcheck.another import kept_by, other_lengths, others, redrawn, smallest, unread
from scratchnn.gradcheck.cause import in_numbers
from scratchnn.gradcheck.diagnosis import (
    Claim,
    factors,
    few,
    float32,
    formulas,
    masks,
    relations,
    scale,
    some_examples,
    spoken,
    sums,
    support,
    upstream,
)
from scratchnn.gradcheck.edits import (
    FORMS,
    Search,
    View,
    assigned,
    diagnosed,
    exchanged,
    left_out,
    rearranged,
    scaled,
    two_cuts,
)
from scratchnn.gradcheck.facts import Evidence, Facts, names
from scratchnn.gradcheck.graph import Link, Node, derivative, traced
from scratchnn.gradcheck.intermediates import Intermediates, definition, plain
from scratchnn.gradcheck.learned import Place, moved
from scratchnn.gradcheck.line import Judge, Wrong, equal
from scratchnn.gradcheck.numeric import STEP, NumericGradient, numeric_gradient, one_sided, slope
from scratchnn.gradcheck.problem import Code, Problem, evidence, is_right, numeric_jacobian, shape_hint
from scratchnn.gradcheck.recording import dotted, flat, record_backward, stores
from scratchnn.gradcheck.report import Report

# ---- finite differences


def measured(f, x):
    """The slope of f at the number x."""
    x = np.array([float(x)])
    return numeric_gradient(lambda: [f(x)], x, [np.ones(1)])


def test_a_jacobian_is_the_known_one():
    """Of (x₀², x₀x₁, 3x₁) and of 5x₀ − x₁, for an x larger than 1 and one smaller."""
    x = np.array([4.0, 0.5])
    first, second = numeric_jacobian(lambda: [np.array([x[0] ** 2, x[0] * x[1], 3 * x[1]]), 5 * x[0] - x[1]], x)
    np.testing.assert_allclose(first, [[8, 0], [0.5, 4], [0, 3]], atol=1e-9)
    np.testing.assert_allclose(second, [5, -1], atol=1e-9)
    assert [*x] == [4.0, 0.5]


def test_at_a_kink_the_error_bar_spans_the_slopes_on_both_sides_and_no_more():
    numeric = measured(lambda t: np.maximum(t, 0.25 * t), 0)
    assert numeric.kink.all()
    assert numeric.value == pytest.approx([0.625]) and numeric.error == pytest.approx([0.375], rel=1e-6)


@pytest.mark.parametrize(
    ("answer", "right"), [(0, True), (5e-9, True), (-5e-9, True), (1e-6, False), (-1e-6, False), (-1, False)]
)
def test_a_simpler_problem_is_solved_by_an_answer_within_a_hundred_millionth(answer, right):
    """Of an answer that is too large by this part of itself."""
    x = np.array([0.5, -1.0])
    code = Code("function", lambda x: (3 * x, None), lambda dy, _: 3 * dy * (1 + answer), lambda: ((x,), {}))
    problem = Problem("f", {"dx": x}, code.outputs, code, lambda returned: {"dx": returned})
    assert is_right(lambda: problem, "dx") is right


def test_a_domain_that_is_narrow_around_zero_is_found():
    """arcsin(10⁷ x) is a number for |x| up to 10⁻⁷, and the first step is 6·10⁻⁶."""
    numeric = measured(lambda t: np.arcsin(1e7 * t), 0)
    assert not numeric.trouble[0] and abs(numeric.value[0] - 1e7) <= numeric.error[0] < 1e3


def test_an_output_that_stands_still_is_not_known_to_be_constant_where_no_long_step_can_be_gone():
    """1 + 10⁻²⁰ x between 0 and 1: float64 does not show the slope, so the error bar must."""

    def f(t):
        if not 0 < t[0] < 1:
            raise ValueError("between 0 and 1")
        return 1 + 1e-20 * t

    numeric = measured(f, 0.5)
    assert abs(numeric.value[0] - 1e-20) <= numeric.error[0] < 1e-12


def test_longer_steps_than_one_that_cannot_be_gone_are_tried():
    """1000 + x does not take the first step alone. Beside so large a number short steps are of little use."""
    x = 0.02

    def f(t):
        if 0.9 < abs(t[0] - x) / STEP < 1.1:
            raise ValueError("not so far")
        return 1e3 + t

    numeric = measured(f, x)
    assert abs(numeric.value[0] - 1) <= numeric.error[0] < 1e-7


@pytest.mark.parametrize("f", [np.sin, lambda t: 1e4 + np.sin(t)], ids=["good at once", "between two steps"])
def test_no_step_is_gone_twice(f):
    """For the sine alone the first step is good enough; beside 10,000 a longer one has less noise, more truncation."""
    x, steps = np.array([0.7]), Counter()

    def move(step):
        steps[step] += 1
        x[0] = 0.7 + step
        return step

    here = [f(x)]
    _, error, trouble = slope(lambda: [f(x)], move, [np.ones(1)], here, [1e-16 * np.abs(here[0])], 0.7, 1.0)
    assert not trouble and error < 1e-6
    del steps[0.0]  # back to the point
    assert set(steps.values()) == {1}


@pytest.mark.parametrize("h", [0.25, 2.0])
def test_the_slopes_on_both_sides_and_what_would_be_there_if_nothing_cancelled(h):
    """Of 3x and −4 |x| at 0, the second weighted by 2."""
    x = np.zeros(1)

    def move(step):
        x[0] = step
        return step

    zero = np.zeros(1)
    point = [(np.ones(1), zero, zero, zero), (2 * np.ones(1), zero, zero, zero)]
    right, left, _, size, width = one_sided(h, lambda: [3 * x, -4 * np.abs(x)], move, point)
    assert (right, left, size, width) == (3 - 8, 3 + 8, 3, 16)
    right, left, _, size, width = one_sided(h, lambda: [3 * x, -4 * x], move, point)
    assert (right, left, size, width) == (-5, -5, 3 + 8, 0)


# ---- what shapes and arrays give away


@pytest.mark.parametrize(
    ("gradient", "array", "hint"),
    [
        ((3, 1), (3,), "It has an axis of length 1 too many"),
        ((3,), (1, 3), "An axis of length 1 is missing"),
        ((4, 3), (3, 4), "The same sizes in another order"),
        ((5, 3), (1, 3), "Where forward repeats along an axis of length 1"),
        ((3, 3), (3,), "A column and a row make a square"),
        ((5, 3), (3,), "It has one axis too many in front"),
        ((2, 5, 3), (3,), "It has 2 axes too many in front"),
        ((5,), (5, 3), "It has an axis too few"),
    ],
)
def test_a_wrong_shape_gets_the_hint_that_fits_it(gradient, array, hint):
    assert hint in shape_hint(np.zeros(gradient), np.zeros(array))


def test_a_wrong_shape_that_fits_nothing_gets_no_hint():
    assert shape_hint(np.zeros((2, 7)), np.zeros((5, 3))) == ""


def test_of_several_targets_the_one_that_does_not_fit_is_named():
    def backward(dy, cache):
        x, _ = cache
        dx = np.zeros_like(x)
        dx[0] = row = dy[0]
        return dx, np.outer(row, row)

    rng = np.random.default_rng(0)
    with pytest.raises(GradientError, match=r"does not fit: dx\[0\] has shape \(3,\), dy\[0\] \(4,\)"):
        check_function(
            lambda x, W: (x @ W, (x, W)), backward, {"x": rng.normal(size=(5, 3)), "W": rng.normal(size=(3, 4))}
        )


def test_the_second_of_two_outputs_is_called_number_2():
    def forward(x):
        left, right = 2 * x, 3 * x
        return (left, right), right

    def backward(dy, right):
        right *= 2
        return 2 * dy[0] + 3 * dy[1]

    with pytest.raises(GradientError, match="backward writes into what forward returned, number 2, which is not"):
        check_function(forward, backward, [np.ones((2, 2))])


def test_a_parameter_is_moved_in_proportion_to_its_size_where_it_is_large():
    """A thousandth of 10²⁰ changes it, a thousandth does not."""
    holder = {"W": np.array([1e20, 1e-3])}
    place = Place("W", holder, "W", holder["W"])
    assert moved(place, lambda: [2 * holder["W"][:1]]) == (True, True)
    assert moved(place, lambda: [2 * holder["W"][1:]]) == (True, True)
    assert moved(place, lambda: [np.ones(1)]) == (True, False)


# ---- evidence and its relations


def evidence_of(answer, numeric, tolerance=0.0, sizes=None, facts=None, **known):
    answer, numeric = np.array(answer, float), np.array(numeric, float)
    judged = np.ones(numeric.shape, bool)
    return Evidence(
        "dx", answer, numeric, np.full(numeric.shape, tolerance), judged, sizes or {}, facts or Facts(), {}, **known
    )


def facts_of(level, *arguments):
    return [claim.fact for claim in level(*arguments)]


NONE = evidence_of(np.zeros(0), np.zeros(0))
SIZED = evidence_of(np.zeros(0), np.zeros(0), sizes={"N": 1000, "D": 7})


@pytest.mark.parametrize(
    ("factor", "off", "same"), [(1, 4.9, True), (1, 5.1, False), (-3, 14.9, True), (3, 15.1, False)]
)
def test_an_answer_matches_within_five_error_bars(factor, off, same):
    e = evidence_of([1, 2, 3 + off * 1e-3], [1, 2, 3], tolerance=1e-3)
    assert e.matches(np.array([1.0, 2.0, 3.0]), factor) is same
    assert not e.matches(np.array([[1.0, 2.0, 3.0]]))


def test_a_factor_may_be_called_by_a_size_and_the_size_less_1():
    e = evidence_of([], [], sizes={"N": 5})
    assert [*names(1.25, e)] == ["N/(N−1)"] and [*names(0.8, e)] == ["(N−1)/N"]


def relu_evidence(slope):
    """Of a ReLU with this derivative, for an input with two zeros, which are kinks."""
    x = np.array([[1.0, -2.0, 0.0], [0.0, 3.0, -1.0]])
    code = Code("function", lambda x: (np.maximum(x, 0), x), lambda dy, x: dy * slope(x), lambda: ((x,), {}))
    problem = Problem("relu", {"dx": x}, code.outputs, code, lambda returned: {"dx": returned})
    upstreams = problem.upstreams(0)
    return x, evidence(problem, "dx", upstreams, problem.numeric(upstreams))


def test_entries_on_a_kink_are_judged_only_if_nothing_else_is_wrong():
    x, e = relu_evidence(lambda x: np.where(x == 0, 9, 1.5 * (x > 0)))
    np.testing.assert_array_equal(e.judged, x != 0)
    x, e = relu_evidence(lambda x: np.where(x == 0, 9, x > 0))
    assert e.judged.all()


def test_the_opposite_sign_has_a_sentence_of_its_own_and_other_negative_factors_have_not():
    n = np.array([1.0, 2.0, 5.0])
    assert facts_of(relations, evidence_of(-n, n))[0] == "dx has the right size everywhere, and the opposite sign"
    (fact, _) = facts_of(scale, evidence_of(-2 * n, n), -2.0)
    assert fact == "dx is exactly −2 times the right gradient, everywhere"
    facts = facts_of(relations, evidence_of(-3 * n, n, sizes={"D": 3}))
    assert facts[0] == "dx is exactly −3 times the right gradient, everywhere: that is −D"


def test_one_number_everywhere_is_called_the_sum_or_the_mean_of_the_right_entries():
    n = np.array([1.0, 2.0, 6.0])
    assert facts_of(relations, evidence_of([9, 9, 9], n)) == [
        "every entry of dx is 9, the sum of all the right entries", "every entry of dx is 9"
    ]  # fmt: skip
    assert (
        facts_of(relations, evidence_of([3, 3, 3], n))[0] == "every entry of dx is 3, the mean of all the right entries"
    )
    assert facts_of(relations, evidence_of([3, 3, 4], n)) == []


@pytest.mark.parametrize(
    ("answer", "zero", "double", "said"),
    [
        (3, 0, 6, []),
        (3, 3, 3, ["dx is the same whatever the upstream gradient is"]),
        (3, 0, 3, ["dx does not double when the upstream gradient is doubled"]),
        (3, 3, 6, ["dx is not zero when the upstream gradient is zero"]),
        (0, 0, 0, []),
        (0, 0, 3, ["dx does not double when the upstream gradient is doubled"]),
    ],
)
def test_an_answer_is_as_many_times_as_large_as_the_upstream_gradient(answer, zero, double, said):
    n = np.array([1.0, 2.0])
    e = evidence_of(answer * n, n, scaled=(zero * n, double * n), ones=5 * n)
    assert facts_of(upstream, e) == said


def test_a_matrix_that_is_turned_is_called_transposed_and_a_larger_array_is_not():
    n = np.array([[1.0, 2.0], [4.0, 8.0]])
    assert facts_of(relations, evidence_of(n.T, n))[0] == "dx is the transpose of the right gradient"
    n = np.arange(8.0).reshape(2, 2, 2) ** 2
    (fact, *_) = facts_of(relations, evidence_of(n.transpose(0, 2, 1), n))
    assert fact == "dx is the right one with its axes in the order (0, 2, 1) of the right gradient"


@pytest.mark.parametrize(("shape", "of_kernels"), [((2, 4), False), ((2, 2, 2), True)])
def test_what_is_reversed_may_be_a_kernel_from_three_dimensions_on(shape, of_kernels):
    n = np.arange(8.0).reshape(shape) ** 2
    (claim,) = relations(evidence_of(n[:, ::-1], n))
    assert claim.fact == "dx is the right gradient, reversed along axis 1"
    assert claim.place.startswith("in which order are the entries?")
    assert ("turns its kernel round" in claim.place) is of_kernels


def test_single_precision_is_told_from_what_is_exact_and_from_what_is_worse():
    n = np.array([1 / 3, 2 / 7, -5 / 9, 1 / 11])
    (fact,) = facts_of(float32, evidence_of(n.astype(np.float32), n))
    assert fact.endswith("all its entries are numbers of single precision: the formula is right")
    exact = n.astype(np.float32)
    assert facts_of(float32, evidence_of(exact, exact)) == []
    assert facts_of(float32, evidence_of(exact * (1 + 1e-5), n)) == []


def test_the_examples_that_a_sum_has_left_out_are_the_first_the_last_or_one_between():
    examples = [np.array([1.0, 2.0]), np.array([4.0, -1.0]), np.array([0.5, 7.0])]
    total = sum(examples)

    def labels(answer):
        return [claim.label for claim in some_examples(evidence_of(answer, total, examples=examples))]

    assert [labels(part) for part in examples] == [["EXAMPLE:only first"], ["EXAMPLE:only one"], ["EXAMPLE:only last"]]
    assert [labels(total - part) for part in examples] == [
        ["EXAMPLE:not first"], ["EXAMPLE:not one"], ["EXAMPLE:not last"]
    ]  # fmt: skip


def test_a_term_that_counts_otherwise_than_once_is_named():
    left, right = np.array([1.0, 2.0, -1.0, 4.0, 0.5]), np.array([3.0, -1.0, 2.0, 2.0, 7.0])
    facts = Facts(terms={"dx": {"left": left, "right": right}})

    def said(answer):
        return facts_of(sums, evidence_of(answer, left + right, facts=facts))

    assert said(left + 2 * right) == ["in dx the term «right» counts twice, and everything else is right"]
    assert said(left) == ["in dx the term «right» is missing, and everything else is right"]
    assert said(left + right) == said(3 * left + 3 * right) == []


def test_terms_are_looked_at_although_all_of_it_comes_through_one_output():
    left, right = np.array([1.0, 2.0, -1.0, 4.0, 0.5]), np.array([3.0, -1.0, 2.0, 2.0, 7.0])
    facts, parts = Facts(terms={"dx": {"left": left, "right": right}}), {"output": {"y": left + right, "z": 0 * left}}
    said = facts_of(sums, evidence_of(left + 2 * right, left + right, facts=facts, parts=parts))
    assert said == ["in dx the term «right» counts twice, and everything else is right"]


def test_twenty_readings_of_the_factors_of_terms_are_enough():
    """A factor of 3 may be each of five sizes, and a factor of 5 each of five others."""
    left, right = np.array([1.0, 2.0, -1.0, 4.0, 0.5]), np.array([3.0, -1.0, 2.0, 2.0, 7.0])
    sizes = {**dict.fromkeys("ABCDE", 3), **dict.fromkeys("KLMNO", 5)}
    e = evidence_of(3 * left + 5 * right, left + right, sizes=sizes, facts=Facts(terms={"dx": {"a": left, "b": right}}))
    assert len(spoken(3.0, e)) * len(spoken(5.0, e)) > 20 == len(facts_of(sums, e))


def test_a_formula_is_recognised_by_all_its_entries():
    n = np.array([1.0, 2.0])
    known = Facts(formulas={"dx": {"x²": n**2, "x³": n**3, "1": np.ones(1)}, "dW": {"again": n**2}})
    assert facts_of(formulas, evidence_of(n**2, n, facts=known)) == ["dx equals «x²»"]
    assert facts_of(formulas, evidence_of(np.ones(2), n, facts=known)) == []


@pytest.mark.parametrize(
    ("wrong", "size", "told"), [(0, 5, False), (1, 4, False), (1, 5, True), (2, 9, False), (2, 10, True)]
)
def test_a_fifth_of_the_entries_are_few(wrong, size, told):
    n = np.arange(1.0, size + 1)
    places = ", ".join(f"[{k}]" for k in range(wrong))
    said = f"{wrong} of the {size} entries of dx are wrong, at {places}; all others are right"
    assert facts_of(few, evidence_of(n + (np.arange(size) < wrong), n)) == [said] * told


def test_there_are_parts_for_several_outputs_and_not_for_one():
    def parts(*times):
        x = np.ones(2)
        code = Code("layer", lambda x: tuple(k * x for k in times), lambda *dy: sum(dy), lambda: ((x,), {}))
        problem = Problem("f", {"dx": x}, code.outputs, code, lambda returned: {"dx": returned})
        upstreams = [np.array([1.0, -1.0]) for _ in times]
        return evidence(problem, "dx", upstreams, problem.numeric(upstreams)).parts

    assert parts(3) == {}
    found = parts(3, 5)["output"]
    np.testing.assert_allclose([found["number 1"], found["number 2"]], [[3, -3], [5, -5]], rtol=1e-9)


@pytest.mark.parametrize(
    ("c", "e", "said"),
    [
        (0.0, NONE, [("0", "is missing")]),
        (2.0, NONE, [("2", "counts twice")]),
        (-1.0, NONE, [("−1", "has the wrong sign")]),
        (4.0, NONE, [("4", "counts 4 times")]),
        (1.7, NONE, []),
        (-7.0, SIZED, [("−D", "counts −7 times: that is −D")]),
        (1000 * (1 + 5e-6), SIZED, [("N", "counts 1000 times: that is N")]),
        (1000 * (1 + 2e-5), SIZED, []),
        (0.001 * (1 + 2e-5), SIZED, []),
        (1e5, evidence_of([], [], sizes={"N": 99_999}), [("N", "counts 100000 times: that is N")]),
    ],
)
def test_a_coefficient_has_its_names_and_what_they_mean(c, e, said):
    assert spoken(c, e) == said


X = np.array([-1.0, -2.0, -3.0, 1.0, 2.0, 3.0])
NEGATIVE = Facts(masks={"x < 0": X < 0})


def where(answer, numeric=X, **known):
    return facts_of(support, evidence_of(answer, numeric, facts=NEGATIVE, **known))


def test_how_it_is_wrong_where_it_is_wrong_is_said():
    begun = "dx is right except where x < 0 (3 of 6 entries): "
    assert where(np.where(X < 0, 3, 1) * X)[0] == f"{begun}there it is 3 times the right value"
    assert where(np.where(X < 0, 0, 1) * X)[0] == f"{begun}there it is 0, and should not be"
    assert where(np.where(X < 0, -4.0, X), np.maximum(X, 0))[0] == f"{begun}there it should be 0, and is not"
    small = np.where(X < 0, 0.004, X)
    assert where(np.where(X < 0, -4.0, X), small, tolerance=1e-3)[0] == f"{begun}there it should be 0, and is not"


def test_nothing_is_said_of_a_set_where_it_is_wrong_in_part_or_in_no_one_way():
    assert where(np.array([-3.0, -6.0, -3.0, 1.0, 2.0, 3.0])) == []  # two of the three
    assert where(np.array([-3.0, -6.0, -8.0, 1.0, 2.0, 3.0])) == []  # no one factor
    assert where(np.array([-3.0, -6.0, -9.0, 1.0, 2.0, 5.0])) == []  # elsewhere too


def masks_of(shape, numeric=None, **declared):
    numeric = np.ones(shape) if numeric is None else numeric
    return [*masks(evidence_of(np.ones(shape), numeric, facts=Facts(masks=declared)))]


def test_an_axis_has_places_from_a_length_of_three_on_and_halves_if_it_is_even():
    names = Counter(name for name, _ in masks_of((2, 3)))
    assert names == {f"axis 1 is at {place}": 1 for place in ("its first place", "its last place", "one place")}
    found = masks_of(4)
    assert [(name, [*np.flatnonzero(mask)]) for name, mask in found] == [
        ("axis 0 is at its first place", [0]),
        ("axis 0 is at its last place", [3]),
        ("axis 0 is in its first half", [0, 1]),
        ("axis 0 is in its second half", [2, 3]),
        ("axis 0 is at one place", [1]),
        ("axis 0 is at one place", [2]),
    ]


def test_declared_sets_count_if_they_have_the_shape_of_the_gradient_and_are_a_part_of_it():
    some = np.array([[True, False], [False, False]])
    names = [name for name, _ in masks_of((2, 2), a=some, b=some[:1], c=~some, d=some | True, e=some & False)]
    assert names == ["a", "c"]


@pytest.mark.parametrize(("zeros", "told"), [(2, False), (3, True), (4, True), (5, False)])
def test_the_places_of_zeros_are_a_set_if_more_than_two_are_zero_and_more_than_two_are_not(zeros, told):
    numeric = np.arange(7) >= zeros
    found = [[*mask] for name, mask in masks_of(7, numeric) if name == "the right value is 0"]
    assert found == [[*~numeric]] * told


def test_a_known_array_is_found_as_a_factor_if_its_entries_differ():
    n, x = np.array([1.0, -2.0, 5.0]), np.array([1.0, 1.5, 2.0])

    def said(answer, **arrays):
        return facts_of(factors, evidence_of(answer, n, facts=Facts(arrays=arrays)))

    assert said(n * x, x=x) == ["dx is x times the right gradient, entry by entry"]
    assert said(-2 * n / x**2, x=x) == ["dx is −2/x² times the right gradient, entry by entry"]
    assert said(3 * n, x=np.full(3, 3.0)) == said(n * x, x=np.array([1.0, 0.0, 2.0])) == []
    assert said(n * x, c=np.full(3, 3.0), long=np.arange(4.0), x=x) == said(n * x, x=x)  # after others that are none


def test_a_factor_makes_error_bars_larger():
    """An array near 100 multiplies what the right gradient may be off by a hundred times."""
    n, x = np.array([1.0, -2.0, 5.0]), np.array([100.0, 101.0, 99.0])
    off = np.array([202, 100, 0]) / 202  # at right angles to n x, so that the factor is fitted as 1
    for far, told in ((0.45, True), (0.55, False)):
        e = evidence_of(n * x + far * off, n, tolerance=1e-3, facts=Facts(arrays={"x": x}))
        assert bool(facts_of(factors, e)) is told


def test_the_entry_of_the_label_is_a_set_of_its_own():
    x = np.zeros((3, 4))
    facts = check.described({"dx": x}, [np.array([0, 3, 1])])["facts"]([x], [x])
    np.testing.assert_array_equal(facts.masks["the label's entry"], np.eye(4, dtype=bool)[[0, 3, 1]])


def test_a_small_problem_that_backward_does_not_take_shows_nothing():
    def backward(dy, x):
        raise ValueError("too small")

    x = np.array([[0.25, -1.0]])
    code = Code("function", lambda x: (x**2, x), backward, lambda: ((x,), {}))
    assert in_numbers(Problem("f", {"dx": x}, code.outputs, code, lambda returned: {"dx": returned}), ["dx"]) == ""


# ---- other problems of the same kind


def product_of(inputs, constants):
    code = Code("function", lambda x, W: (x @ W, None), lambda dy, _: (dy, dy), lambda: ((*inputs, *constants), {}))
    return Problem("product", dict(zip(("dx", "dW"), inputs, strict=True)), code.outputs, code, lambda returned: {})


@pytest.mark.parametrize(("n", "rows"), [(6, 7), (7, 13), (8, 7)])
def test_there_are_seven_rows_in_another_problem_or_thirteen_if_there_were_seven(n, rows):
    problem = next(others(product_of, [np.random.default_rng(0).normal(size=s) for s in ((n, 3), (3, 2))], [], seed=0))
    assert len(problem.arrays["dx"]) == rows


def test_the_smallest_problem_has_one_example_and_two_of_everything_else():
    problem = smallest(product_of, [np.random.default_rng(0).normal(size=s) for s in ((5, 3), (3, 4))], [], seed=0)
    assert [array.shape for array in problem.arrays.values()] == [(1, 2), (2, 2)]


def test_where_parameters_keep_their_sizes_the_sides_of_an_image_become_longer_by_different_amounts():
    *_, lengths, _ = other_lengths([np.zeros((5, 4, 4, 4, 4))], [])
    assert [lengths(axis, length) for axis, length in enumerate((5, 4, 4, 4, 4))] == [7, 4, 5, 6, 5]


def test_a_symmetric_matrix_is_drawn_anew_with_its_rows_and_columns_alike():
    """Of the same size it has the same entries in another order; of another size it is as large as is asked for."""
    square = np.array([[1.0, 4, 5], [4, 2, 6], [5, 6, 3]])
    for seed in range(5):
        same = redrawn(square, lambda axis, length: length, {}, np.random.default_rng(seed))
        np.testing.assert_array_equal(same, same.T)
        assert sorted(np.diag(same)) == [1, 2, 3]
        larger = redrawn(square, lambda axis, length: length + 2, {}, np.random.default_rng(seed))
        assert larger.shape == (5, 5) and (larger == larger.T).all() and np.isin(larger, square).all()


def test_the_places_from_0_on_stay_in_their_order_if_they_ascend_and_are_shuffled_if_not():
    def longer(*places):
        return [*redrawn(np.array(places), lambda axis, length: length + 3, {}, np.random.default_rng(0))]

    assert longer(0, 1, 2) == [0, 1, 2, 3, 4, 5]
    assert longer(0, 2, 1) != [0, 1, 2, 3, 4, 5] == sorted(longer(0, 2, 1))


def test_a_square_of_different_numbers_has_a_form_to_be_kept():
    symmetric = np.array([[1.0, 2.0], [2.0, 5.0]])
    assert kept_by(symmetric) is not None
    assert kept_by(np.tril(symmetric)) is not None
    for none in (np.ones((2, 2)), np.ones((2, 3)), np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones(2)):
        assert kept_by(none) is None


def unread_in(forward, *arguments):
    code = Code("function", lambda *a: (forward(*a), None), lambda dy, _: dy, lambda: (arguments, {}))
    return unread(Problem("f", {"dx": arguments[0]}, code.outputs, code, lambda returned: {}))


def test_the_end_of_an_array_is_read_if_the_output_changes_with_it():
    x, places = np.array([0.5, 0.25]), np.array([0, 1])
    assert not unread_in(lambda x, places: 2 * x[places], x, places)
    assert unread_in(lambda x, places: 2 * x + places[0], x, places)
    assert unread_in(lambda x, places: 2 * x[:1] + places, x, places)


def test_what_is_not_read_may_be_looked_at():
    """The numbers must lie between 0 and 1, and do so when they are moved a little."""

    def forward(x):
        if not ((x >= 0) & (x <= 1)).all():
            raise ValueError("between 0 and 1")
        return 2 * x[:1]

    assert unread_in(forward, np.array([0.5, 0.25]))


# ---- changes of the true backward pass


def views_of(forward, inputs):
    problem = edits_tests.problem_of(forward, None, inputs)
    graph = traced(problem)
    upstreams = problem.upstreams(0)
    statements = graph.statements()
    return View(statements, upstreams, graph, ()), View(graph, upstreams, graph, statements.links)


def branched(x):
    shift = np.ones(3)
    a = np.sin(x) + shift
    b = 2 * a
    c = np.exp(a)
    return b * c, None


def test_a_gradient_flows_through_nodes_and_where_they_part_through_each_route():
    first, _ = views_of(branched, {"x": np.array([0.5, -1.0, 2.0])})
    said = [what.partition(" (line")[0] for what, *_ in first.flows()]
    assert said[:2] == ["the route from a to b", "the route from a to c"]
    assert {"the gradient of a", "the gradient of x", "the gradient of b"} <= {*said[2:]}
    assert "shift" not in "".join(said)  # the gradient of a constant is not asked for


@pytest.mark.skipif(not hasattr(branched.__code__, "co_positions"), reason="Python 3.10 knows of lines alone")
def test_an_operation_is_called_by_its_part_of_the_line():
    _, second = views_of(branched, {"x": np.array([0.5, -1.0, 2.0])})
    texts = [node.text for node in second.graph.nodes if node.code == "a = np.sin(x) + shift"]
    assert texts == ["np.sin(x)", "np.sin(x) + shift"]


def test_an_end_of_an_axis_alone_may_count_or_be_left_out():
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    first, _ = views_of(lambda x: (np.sin(x), None), {"x": x})
    edits = {edit.how: rule(x) for edit in rearranged(first) if edit.node.name == "x" for rule in edit.rules.values()}
    for end, k in (("first", 0), ("last", -1)):
        only = np.zeros_like(x)
        only[:, k] = x[:, k]
        np.testing.assert_array_equal(edits[f"counts only where axis 1 is at its {end} place"], only)
        np.testing.assert_array_equal(edits[f"is left out where axis 1 is at its {end} place"], x - only)
    np.testing.assert_array_equal(edits["is summed over axis 0"], [[5, 7, 9], [5, 7, 9]])


def shares(x):
    e = np.exp(x)
    p = e / e.sum(axis=1, keepdims=True)
    y = np.log(p)
    return y, (e, p)


def test_a_derivative_of_many_entries_may_be_taken_on_its_diagonal():
    def backward(dy, cache):
        e, p = cache
        total = e.sum(axis=1, keepdims=True)
        return dy / p * (1 / total - e / total**2) * e

    facts = edits_tests.found(shares, backward, {"x": "ND"})
    assert "the derivative of e / e.sum(axis=1, keepdims=True)" in facts["dx"]
    assert facts["dx"].endswith("is taken on its diagonal alone")


def test_a_derivative_that_is_no_constant_and_not_entry_by_entry_is_not_left_out():
    first, _ = views_of(shares, {"x": np.random.default_rng(0).normal(size=(2, 3))})
    hows = {edit.node.name: edit.how for edit in left_out(first) if edit.what.startswith("in line")}
    assert hows == {"e": "is left out", "p": "is taken on its diagonal alone", "y": "is left out"}


def halves(x):
    y = np.sin(x).sum(axis=(1, 2))
    return y, x


def clipped(x):
    a = np.maximum(x, 0)
    return a * np.exp(x), None


def test_two_routes_are_cut_also_where_a_derivative_is_0():
    x = np.array([0.5, -1.0])
    first, _ = views_of(clipped, {"x": x})
    edits = [*two_cuts(first)]
    assert edits
    for rules in (edit.rules for edit in edits):
        assert len(rules) == 2
        for rule in rules.values():
            np.testing.assert_array_equal(rule(np.ones(2)), [0, 0])


@pytest.mark.parametrize(("groups", "pairs"), [(19, 171), (20, 0)])
def test_two_routes_are_cut_where_there_are_fewer_than_20(groups, pairs):
    links = [Link(Node(1.0), Node(1.0), np.zeros(1, int), np.zeros(1, int), np.ones(1)) for _ in range(groups)]
    assert len([*two_cuts(SimpleNamespace(groups=[[link] for link in links]))]) == pairs


@pytest.mark.parametrize(("count", "tried"), [(59, True), (60, False)])
def test_gradients_change_places_where_there_are_fewer_than_60(count, tried):
    nodes = [Node(np.zeros(2), name=f"v{k}") for k in range(count)]
    assert any(True for _ in exchanged(SimpleNamespace(nodes=nodes))) is tried


def test_a_factor_may_be_how_much_larger_an_input_is_than_an_output():
    problem = edits_tests.problem_of(halves, lambda dy, x: dy, {"x": np.ones((2, 3, 2))})
    upstreams = problem.upstreams(0)
    search = Search.of(problem, upstreams, problem.numeric(upstreams))
    assert search.known.facts.numbers["(x.size/y.size)"] == 6


def thinned(x):
    keep = 0.8
    y = np.sin(x) / keep
    return y, (x, keep)


def test_of_a_number_of_forward_the_value_is_said_as_well():
    def backward(dy, cache):
        x, keep = cache
        return dy * np.cos(x) / keep**2

    facts = edits_tests.found(thinned, backward, {"x": "ND"})
    assert facts["dx"].endswith(" counts 1.25 times, as much as 1/keep")


def test_besides_a_change_all_may_have_a_factor():
    def backward(dy, cache):
        x, W, y = cache
        da = 2 * dy * (1 - y)
        return da @ W.T, x.T @ da, da.sum(axis=0)

    facts = edits_tests.found(edits_tests.dense, backward, edits_tests.DENSE)
    assert len(facts) == 3
    assert all(said.endswith("is taken for 1 − y; besides, all of it counts 2 times") for said in facts.values())


def in_turn(x, w, v, U):
    y = np.zeros((len(x), U.shape[1]))
    for part in (x, w, v):
        y = y + part @ U
    return y, (x, w, v, U)


@pytest.mark.parametrize(("used", "how"), [(1, "uses w where v belongs"), (2, "uses another v where v belongs")])
def test_what_one_pass_uses_may_be_used_in_all(used, how):
    def backward(dy, cache):
        *parts, U = cache
        return dy @ U.T, dy @ U.T, dy @ U.T, 3 * parts[used].T @ dy

    facts = edits_tests.found(in_turn, backward, {"x": "ND", "w": "ND", "v": "ND", "U": "DE"})
    assert facts["dU"].endswith(how)


@pytest.mark.parametrize(
    ("derivative_of_tanh", "fact"),
    [
        (lambda a, h: h**2, "is taken for 1 minus itself"),
        (lambda a, h: 1 - h, "is taken for 1 − h"),
        (lambda a, h: (1 - h**2) / h, "lacks the factor h"),
    ],
)
def test_a_wrong_derivative_of_a_smooth_function_is_named(derivative_of_tanh, fact):
    def backward(dy, cache):
        return edits_tests.mlp_backward(dy, cache, slope=derivative_of_tanh)

    facts = edits_tests.found(edits_tests.mlp, backward, edits_tests.MLP)
    assert set(facts) == {"dx", "dW"} and all(said.endswith(fact) for said in facts.values())


def test_a_mask_that_is_turned_round_is_said_to_be():
    def forward(x):
        y = np.maximum(x, 0)
        return y, x

    facts = edits_tests.found(forward, lambda dy, x: dy * (x <= 0), {"x": "ND"})
    assert facts["dx"].endswith("is there where it should be 0, and 0 where it should be 1")


def test_a_factor_that_is_lacking_has_been_divided_by():
    d, a = np.array([3.0, -1.0, 2.0]), np.array([4.0, 0.5, 0.0])
    np.testing.assert_array_equal(FORMS["lacks the factor {}"](d, a), [0.75, -2, 0])


def test_half_a_derivative_has_half_its_values():
    link = Link(Node(np.zeros(2)), Node(np.zeros(2)), np.arange(2), np.arange(2), np.array([3.0, -4.0]))
    assert [*scaled(0.5, link)] == [1.5, -2]


def test_of_several_uses_of_an_entry_the_last_or_the_first_is_assigned():
    link = Link(Node(np.zeros(3)), Node(np.zeros(2)), np.arange(3), np.array([0, 0, 1]), np.array([2.0, 3.0, 4.0]))
    g = np.array([1.0, 10.0, 100.0])
    assert [*assigned(link, 1, g)] == [30, 400] and [*assigned(link, -1, g)] == [2, 400]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def gates(x, W, V):
    i = sigmoid(x @ W)
    f = sigmoid(x @ V)
    y = i * f
    return y, (x, W, V, i, f)


def test_of_a_function_that_is_called_for_several_variables_the_result_is_called_so():
    def backward(dy, cache):
        x, W, V, i, f = cache
        da, db = dy * f * (1 - i), dy * i * (1 - f)
        return da @ W.T + db @ V.T, x.T @ da, x.T @ db

    facts = edits_tests.found(gates, backward, {"x": "ND", "W": "DE", "V": "DE"})
    assert all(said.endswith("is taken for 1 − its result") for said in facts.values())
    assert set(facts) == {"dx", "dW", "dV"}


def test_sizes_that_are_equal_in_both_problems_are_all_named():
    """Of a factor D both x.shape[1] and W.shape[0] may be meant; what another change explains is not among these."""

    def claims(*numbers):
        found = [Claim(f"EDIT:{n}", f"the gradient of h counts {n} times", "", n) for n in numbers]
        return [*found, Claim("EDIT:other", "the gradient of z counts b.shape[0] times", "", "b.shape[0]")]

    def search(*numbers):
        return SimpleNamespace(wrong=lambda name: True, claims=lambda level, scope, whole: claims(*numbers))

    found = diagnosed(search("x.shape[1]", "W.shape[0]"), search("W.shape[0]", "x.shape[1]"), "dx")
    assert found.fact == "the gradient of h counts x.shape[1] times (or W.shape[0])"
    found = diagnosed(search("x.shape[1]", "W.shape[0]"), search("x.shape[1]"), "dx")
    assert found.fact == "the gradient of h counts x.shape[1] times"


@pytest.mark.parametrize(("off", "differs"), [(0, False), (4.9e-3, False), (5.1e-3, True)])
def test_a_change_gives_the_answer_if_it_is_within_five_error_bars(off, differs):
    search, right = object.__new__(Search), np.array([1.0, 2.0])
    search.numerics = {"dx": NumericGradient(right, np.full(2, 1e-3), np.array([False, True]), np.full(2, ""))}
    search.answers = {"dx": right}
    assert [*search.differs("dx", right + off)] == [differs, False]


@pytest.mark.parametrize(("places", "unnamed"), [(39, 1), (40, 1), (41, 0)])
def test_arrays_without_a_name_stand_in_for_others_in_a_graph_of_up_to_40_places(places, unnamed):
    named = [Node(np.ones(2), name=f"v{k}") for k in range(places - 1)]
    nameless = Node(np.ones(2), function=np.sin, text="np.sin(v0)")
    view = object.__new__(View)
    view.passes, view.cache = {node: [node] for node in (*named, nameless)}, {}
    assert len(view.arrays(nameless)) == len(named) + unnamed


def test_the_derivative_of_a_selection_is_ones():
    """Exactly, and without moving every entry of its own."""
    calls = []

    def turned(x):
        calls.append(1)
        return x.T

    x = Node(np.random.default_rng(0).normal(size=(5, 6)))
    link = derivative(Node(x.value.T, (x,), turned), x, {x}, {})
    assert (link.values == 1).all() and len(calls) < 10
    np.testing.assert_array_equal(link.cols, np.arange(30).reshape(5, 6).T.ravel())


def test_what_is_added_to_a_selection_may_be_large():
    """Beside 10⁹ numbers have seven places behind the point, by which a straight line does not look straight."""
    calls = []

    def turned(x):
        calls.append(1)
        return x.T + 1e9

    x = Node(np.random.default_rng(0).normal(size=(5, 6)))
    link = derivative(Node(turned(x.value), (x,), turned), x, {x}, {})
    assert (link.values == 1).all() and len(calls) < 10


def test_the_product_of_two_jacobians_has_at_most_ten_million_entries():
    one, middle, many = (Node(np.zeros(n)) for n in (4000, 1, 2501))
    inner = Link(middle, one, np.zeros(4000, int), np.arange(4000), np.ones(4000))
    outer = Link(many, middle, np.arange(2501), np.zeros(2501, int), np.ones(2501))
    with pytest.raises(ValueError, match="too large"):
        outer.after(inner)
    few = Link(many, middle, np.arange(2), np.zeros(2, int), np.array([2.0, 3.0]))
    assert [*few.after(inner).values] == [2.0] * 4000 + [3.0] * 4000


# ---- what forward and backward compute on their way


def test_the_numbers_of_a_slice_are_zero_where_it_has_none():
    assert [*plain(slice(None, 3))] == [0, 3, 0]
    assert [*plain(slice(1, None, 2))] == [1, 0, 2]
    assert plain(slice(0.5)) is None


def waved(x, w):
    a = x * w
    b = np.sin(a)
    return b + 1, None


def intermediates(text_or_forward, *values):
    code = Code("function", text_or_forward, lambda dy, cache: dy, lambda: (values, {}))
    return Intermediates(code, [np.ones_like(y) for y in code.outputs()])


def test_what_a_statement_computes_is_one_variable_of_its_name():
    x, w = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    found = [(v.name, v.use) for v in intermediates(waved, x, w).variables]
    assert found == [("x", ""), ("w", ""), ("", "x"), ("", "w"), ("a", ""), ("", "a"), ("b", ""), ("", "b"), ("", "")]


def halved(part):
    return part / 2


def helped(x):
    return halved(x) + 1, None


def test_what_a_function_of_the_same_file_computes_is_seen_too():
    assert "part" in {v.name for v in intermediates(helped, np.array([1.0, 2.0])).variables}


TWO_OF_ONE_NAME = """
class Layer:
    def forward(self, x):
        return 2 * x

def forward(x):
    return 3 * x
"""


def test_of_two_functions_of_one_name_the_line_says_which_is_meant():
    module = line_tests.module(TWO_OF_ONE_NAME)
    assert [definition(f)[1].lineno for f in (module.Layer.forward, module.forward)] == [3, 6]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("W", "W"),
        ("self.W", "self.W"),
        ("other.W", ""),
        ("grads['W']", "grads['W']"),
        ("made()['W']", ""),
        ("h[0]", ""),
    ],
)
def test_a_name_is_that_of_a_variable_an_attribute_of_self_or_an_item(text, name):
    assert dotted(ast.parse(text, mode="eval").body) == name


def test_what_is_assigned_to_whole_or_in_part_is_known():
    (target,) = ast.parse("a, *b, (c[0], [self.d]), e['W'], f()[0] = v").body[0].targets
    assert stores(target) == {"a", "b", "c", "self.d", "e['W']"}


def test_arrays_are_looked_for_in_lists_up_to_the_third():
    x = np.ones(2)
    assert [*flat({"v": [[[x]]]})] == ["v[0][0][0]"]
    assert [*flat({"v": [[[[x]]]]})] == []


def records_of(text, **values):
    problem = line_tests.problem_of(text, values)
    return record_backward(problem.code, problem.upstreams(0))


NOT_A_NUMBER = """
def forward(x):
    return 2 * x, None

def backward(dy, cache):
    limit = np.full(2, np.nan)
    twice = 2 * dy
    dx = np.fmin(twice, limit)
    return dx
"""


def test_what_is_no_number_and_stays_so_has_not_changed():
    names = [r.name for r in records_of(NOT_A_NUMBER, x=[1.0, 2.0])]
    assert names == ["dy", "limit", "twice", "dx", "dx"]


def test_what_backward_returns_is_recorded_as_returned():
    *_, last = records_of(NOT_A_NUMBER, x=[1.0, 2.0])
    assert last.returned and last.name == "dx" and last.statement.text == "return dx"


BY_DEFAULT = """
def forward(x):
    return 2 * x, None

def backward(dy, cache):
    def doubled(v, times=lambda v: 2 * v):
        return times(v)

    dx = doubled(dy)
    return dx
"""


def test_a_function_that_stands_in_a_def_itself_is_run_and_not_recorded():
    records = records_of(BY_DEFAULT, x=[1.0, 2.0])
    assert [r.statement.text for r in records if r.returned] == ["return dx"]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (1.0, 1 + 1e-13, True),
        (1.0, 1 + 1e-11, False),
        (0.0, 1e-15, True),
        (0.0, 1e-13, False),
        (np.ones((3, 1)), np.ones(3), True),
        (np.ones((3, 1)), np.ones(4), False),
        (np.nan, np.nan, True),
    ],
)
def test_equal_is_equal_but_for_rounding_and_axes_of_length_1(a, b, same):
    assert equal(a, b) is same


TWICE_H = """
def forward(x, W, V):
    h = x @ W
    h = np.tanh(h)
    return h @ V, (x, W, V, h)

def backward(dy, cache):
    x, W, V, h = cache
    dh = dy @ V.T
    dh = dh * (1 - h)
    dW = x.T @ dh
    dx = dh @ W.T
    return dx, dW, h.T @ dy
"""


def test_a_gradient_may_be_that_of_an_earlier_value_of_the_variable():
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=(5, 3)), "W": rng.normal(size=(3, 4)), "V": rng.normal(size=(4, 2))}
    claim = line_tests.found(line_tests.problem_of(TWICE_H, values))
    assert claim is not None and [*claim.lines.values()] == ["dh = dh * (1 - h)"]


@pytest.mark.parametrize(
    ("passes", "follows"),
    [
        ("reversed(range(T))", True),
        ("reversed(range(T - 1))", False),
        ("reversed(range(1, T))", False),
        ("range(T)", False),
    ],
)
def test_a_loop_follows_forward_if_it_runs_backwards_over_all_of_its_passes(passes, follows):
    text = line_tests.RNN.replace("reversed(range(T))", passes)
    problem = line_tests.problem_of(text, line_tests.RNN_VALUES)
    upstreams = problem.upstreams(0)
    answers = {name: np.array(g) for name, g in problem.backward(upstreams).items()}
    judge = Judge(problem, problem.code, upstreams, answers, {})
    (header,) = {r.statement for r in judge.records if r.statement and r.statement.header == "For"}
    assert judge.follows(header) is follows


OVERWRITTEN = """
def forward(x, w):
    y = np.zeros_like(x)
    for t in range(3):
        y[t] = x[t] * w
    return y, (x, w)

def backward(dy, cache):
    x, w = cache
    dx = np.zeros_like(x)
    for t in range(3):
        dx[t] = dy[t] * w
        dw = x[t] * dy[t]
    return dx, dw
"""


def test_every_pass_but_the_first_may_overwrite_what_nothing_has_read():
    problem = line_tests.problem_of(OVERWRITTEN, {"x": [0.5, -1.0, 2.0], "w": 3.0})
    upstreams = problem.upstreams(0)
    judge = Judge(problem, problem.code, upstreams, problem.backward(upstreams), {})
    runs = [k for k, r in enumerate(judge.records) if r.statement and r.statement.text.startswith("dw =")]
    assert [judge.overwrites(k) for k in runs] == [False, True, True]


@pytest.mark.parametrize(
    ("right", "said"), [("h", "h, which comes before it, is right"), ("hp", "h, p, which come before it, are right")]
)
def test_what_is_right_before_a_wrong_line_is_one_or_several(right, said):
    wrong = Wrong("dx", {7: "dx = dy"}, (1, 1), dict.fromkeys(right, 6), frozenset(), (), {})
    assert str(wrong) == f"line 7, `dx = dy`, is the first that is wrong; {said}."


def test_the_pass_of_a_loop_is_said_from_the_second_on():
    def said(k):
        return str(Wrong("dx", {7: "dx = dy"}, (k, 3), {}, frozenset(), (), {}))

    assert said(1) == "line 7, `dx = dy`, is the first that is wrong."
    assert said(2) == "line 7, `dx = dy`, is the first that is wrong (pass 2 of 3)."


@pytest.mark.parametrize(
    ("shared", "answers", "said"),
    [({4}, "xW", "; line 4 has part in x and W"), ({3, 4}, "xW", ""), ({4}, "x", ""), (set(), "xW", "")],
)
def test_of_several_lines_the_one_in_which_all_wrong_answers_have_a_part_is_said(shared, answers, said):
    wrong = Wrong("h", {3: "a", 4: "b", 7: "c"}, (1, 1), {}, frozenset(shared), tuple(answers), {})
    assert str(wrong) == f"h is wrong, and the mistake is in one of the lines 3, 4 and 7{said}."


# ---- the check as a whole


class Squares:
    """One value an example, and one parameter."""

    def __init__(self):
        self.W, self.dW = np.array([0.5, -1.0, 2.0]), np.zeros(3)

    def forward(self, x):
        self.x = x
        return (x @ self.W) ** 2

    def backward(self, dloss):
        self.dW[...] = self.x.T @ (2 * dloss * (self.x @ self.W))


def test_one_direction_is_enough_for_a_check_along_directions(rng):
    report = check_model(Squares(), rng.normal(size=(5, 3)), directions=1)
    assert report.passed and report.arrays[0].analytic.shape == (1,)
    assert report.seconds == Report("nothing yet").seconds == 0
    with pytest.raises(ValueError, match="at least 1, got 0"):
        check_model(Squares(), rng.normal(size=(5, 3)), directions=0)


def test_other_values_are_compared_along_three_directions(rng, monkeypatch):
    counts, projected = [], check.projected

    def counting(problem, upstreams, answers, count, *rest, **named):
        counts.append(count)
        return projected(problem, upstreams, answers, count, *rest, **named)

    monkeypatch.setattr(check, "projected", counting)
    check_function(lambda x: (np.sin(x), x), lambda dy, x: dy * np.cos(x), [rng.normal(size=(3, 2))])
    assert counts == [3] * check.POINTS


def test_a_direction_in_proportion_to_the_entries_is_the_same_for_logarithms_of_small_and_large_ones():
    """The slope of the sum of log x in the direction x d is the sum of d, whatever x is."""
    found = []
    for x in (np.array([1e-3, 7.0, 1e3]), np.ones(3)):
        code = Code("function", lambda x: (np.log(x), x), lambda dy, x: dy / x, lambda x=x: ((x,), {}))
        problem = Problem("log", {"dx": x}, code.outputs, code, lambda returned: {"dx": returned})
        report = check.projected(problem, [np.ones(3)], {"dx": 1 / x}, 2, seed=0, relative=True)
        assert report.passed
        found.append(report.arrays[0].analytic)
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_an_answer_that_is_smaller_once_others_were_seen_is_caught(rng):
    """In every entry, by a quarter of its size."""

    class Layer:
        def __init__(self):
            self.seen = []

        def forward(self, x):
            if not any(np.array_equal(x, other) for other in self.seen):
                self.seen.append(x.copy())
            self.x = x
            return x**2

        def backward(self, dy):
            right = 2 * dy * self.x
            return right if np.array_equal(self.x, self.seen[-1]) else right - np.abs(right) / 4

    with pytest.raises(GradientError, match="right at first, and another answer for the same inputs after others"):
        check_layer(Layer(), rng.normal(size=(3, 2)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int16, np.int64])
def test_places_in_any_order_stay_so_and_in_their_type(dtype):
    """A difference of unsigned numbers is never below 0, so it does not say that they descend."""
    for places, ascends in (([2, 0, 1], False), ([0, 1, 2], True)):
        other = redrawn(np.array(places, dtype), lambda axis, length: 40, {}, np.random.default_rng(0))
        assert other.dtype == dtype and (np.sort(other) == np.arange(40)).all()
        assert (other == np.arange(40)).all() == ascends
