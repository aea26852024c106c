"""The diagnosis: mutants must be caught and named, right answers left alone, garbage not interpreted.

The keys of the mutants (tests/mutants/) were written before the diagnosis was run on them.
"""

from __future__ import annotations

import itertools
import pickle
import re
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from cases import dense
from conftest import LONG
from mutants.key import all_mutants
from mutants.score import on_screen, outcome

from scratchnn import Tanh
from scratchnn.exercises import judge as judging
from scratchnn.exercises.exercise import Exercise, ladder, reference, values_of
from scratchnn.exercises.road import step_of
from scratchnn.gradcheck import GradientError, check, check_function, check_layer, check_model, numeric, report
from scratchnn.gradcheck.check import compare
from scratchnn.gradcheck.diagnosis import FIRST, LEVELS, Diagnosis, diagnose
from scratchnn.gradcheck.facts import Facts, candidates
from scratchnn.gradcheck.problem import Problem, check_contract, evidence
from scratchnn.layers import Layer

MUTANTS = all_mutants()
every_exercise = pytest.mark.parametrize("name", ladder())
GRADIENT_EXERCISES = [name for name in ladder() if reference(name).EXERCISE.function == "backward"]
every_gradient_exercise = pytest.mark.parametrize("name", GRADIENT_EXERCISES)


MEASURED = {}


@contextmanager
def measured_once():
    """The right gradients of an exercise are measured for the first answer to it, and are those of all others."""
    measure = Problem.numeric

    def numeric(self, upstreams):
        key = self.subject, pickle.dumps((self.code.arguments(), upstreams))
        if key not in MEASURED:
            MEASURED[key] = measure(self, upstreams)
        return MEASURED[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Problem, "numeric", numeric)
        yield


@pytest.fixture(scope="module")
def outcomes():
    """Of a quarter of the mutants; `python tests/mutants/score.py` tries all."""
    with measured_once():
        return {(m.exercise, m.name): outcome(m) for m in MUTANTS[::4]}


def test_there_are_enough_mutants():
    assert len(MUTANTS) >= 100
    for name in ladder():
        assert sum(m.exercise == name for m in MUTANTS) >= 3, name


def test_the_mutants_are_caught(outcomes):
    assert [f"{v.mutant.exercise}: {v.mutant.name}" for v in outcomes.values() if not v.killed] == []


def test_nine_in_ten_mutants_are_named_as_their_key_says(outcomes):
    assert np.mean([v.right for v in outcomes.values()]) >= 0.9


@measured_once()
def test_eight_in_ten_are_named_without_the_list_of_wrong_formulas(outcomes, monkeypatch):
    """The general relations carry most of it: with no formula written down, what is left? Only labels that name a
    formula can change."""

    def without(q, facts):
        known = facts(q)
        return Facts(known.terms, {}, known.masks, known.arrays, known.numbers)

    for name in ladder():
        exercise = reference(name).EXERCISE
        if not isinstance(exercise, Exercise):
            continue
        stripped = Exercise(**{**vars(exercise), "facts": lambda q, facts=exercise.facts: without(q, facts)})
        monkeypatch.setattr(reference(name), "EXERCISE", stripped)
    right = [
        (outcome(v.mutant) if any("FORMULA" in label for label in v.found.values()) else v).right
        for v in outcomes.values()
    ]
    assert np.mean(right) >= 0.8
    print(f"without formulas: {sum(right)} of {len(right)}")


def test_every_report_fits_a_terminal_and_ends_with_the_reason(outcomes):
    """24 lines of 80 columns, one of them for the prompt."""
    for v in outcomes.values():
        lines = on_screen(v)
        assert len(lines) <= 23, "\n".join(lines)
        assert lines[-1].startswith("Stuck?") and lines[-2] == "" and lines[-3]
        reasons = [each.why for each in v.verdict.findings if not each.right][:1] or [*v.facts.values()][:1]
        for reason in reasons:
            assert "".join(reason.split()) in "".join("".join(lines).split()), v.mutant.name


def test_no_passing_report_carries_a_diagnosis_and_no_failing_one_lacks_it(outcomes):
    for v in outcomes.values():
        if v.found != {"": "CONTRACT"}:
            assert v.found and all(v.found.values()), v.mutant.name


@every_exercise
def test_the_solution_passes_for_many_seeds(name):
    seeds = 1 if step_of(name).kind == 9 else 10 if LONG else 3  # of kind 9, which trains, one
    for seed in range(seeds):
        if isinstance(reference(name).EXERCISE, Exercise):
            report = judging.judge(name, reference(name), seed)
            assert report.passed, report
        else:
            found = judging.examined(name, reference(name), seed)
            assert found.passed, found.reason


# ---- mistakes that fit every exercise


def altered(name: str, change) -> SimpleNamespace:
    """The solution, with `change` applied to the gradient of the given position before it is returned."""
    own = reference(name)

    def backward(dy, cache):
        returned = own.backward(dy, cache)
        gradients = list(returned) if isinstance(returned, tuple) else [returned]
        gradients = change([np.array(g, float) for g in gradients])
        return tuple(gradients) if isinstance(returned, tuple) else gradients[0]

    return SimpleNamespace(forward=own.forward, backward=backward)


def one_entry(relative: float):
    def change(gradients):
        g = gradients[0]
        g.flat[np.argmax(np.abs(g))] *= 1 + relative
        return gradients

    return change


def dropped_sample(gradients):
    gradients[0][-1] = 0
    return gradients


def swapped_rows(gradients):
    other = next(i for i, row in enumerate(gradients[0]) if not np.array_equal(row, gradients[0][0]))
    gradients[0][[0, other]] = gradients[0][[other, 0]]
    return gradients


def single_precision(gradients):
    return [g.astype(np.float32).astype(np.float64) for g in gradients]


GENERIC = {
    "one entry off by 1e-4": one_entry(1e-4),
    "one entry off by 1e-6": one_entry(1e-6),
    "a dropped sample": dropped_sample,
    "two rows swapped": swapped_rows,
    "float32": single_precision,
}


@every_gradient_exercise
@pytest.mark.parametrize("mistake", GENERIC)
@measured_once()
def test_generic_mistakes_are_caught_in_every_exercise(name, mistake, monkeypatch):
    """The verdict; a cause is looked for elsewhere."""
    monkeypatch.setattr(judging, "explained", lambda report, *_, **__: report)
    assert not judging.judge(name, altered(name, GENERIC[mistake])).passed


@every_gradient_exercise
@measured_once()
def test_the_smallest_mistakes_are_called_by_their_name(name):
    report = judging.judge(name, altered(name, one_entry(1e-4)))
    (found,) = [a.diagnosis for a in report.arrays if a.diagnosis]
    if found.label != "FEW":  # one entry of a vector is also one place of its axis
        assert found.label == "ONLY-WHERE:axis 0 is at one place" and name == "chain"
    else:
        assert found.fact.startswith("1 of the ")
    report = judging.judge(name, altered(name, single_precision))
    assert {a.diagnosis.label for a in report.arrays if a.diagnosis} == {"FLOAT32"}


# ---- nothing is claimed that is not known


@pytest.mark.parametrize("factor", [0.95, 1.9, 0.2])
def test_a_factor_near_one_that_has_a_name_or_with_a_name_in_one_problem_is_not_called_so(factor, rng):
    text = message(lambda x: (np.sin(x), x), lambda dy, x: factor * dy * np.cos(x), {"x": rng.normal(size=(5, 3))})
    assert f"dx is exactly {factor} times the right gradient, everywhere.\n" in text


def test_what_is_wrong_elsewhere_too_is_not_said_to_be_right_there(rng):
    def backward(dy, x):
        dx = np.where(x < 0, 3, 2) * dy * x
        dx.flat[np.argmax(x)] *= 7
        return dx

    text = message(lambda x: (x**2, x), backward, {"x": rng.normal(size=(5, 3))})
    assert "except where" not in text
    assert re.search(r"In a problem that can be worked out by hand:\n.*\n  backward gives dx = .*, right is \[\[", text)


def relu_message(slope, rng) -> str:
    """What is said of a ReLU with this derivative, for an input with two zeros."""
    x = rng.normal(size=(5, 3))
    x[1, 1] = x[2, 2] = 0
    return message(lambda x: (np.maximum(x, 0), x), lambda dy, x: dy * slope(x), {"x": x})


@pytest.mark.parametrize("at_zero", [1.2, 7, -3])
def test_what_is_wrong_on_a_kink_alone_is_not_explained_by_what_is_right(at_zero, rng):
    text = relu_message(lambda x: np.where(x == 0, at_zero, x > 0), rng)
    assert "dx is" not in text and "It is right for other" in text
    assert float(text.split("largest error ")[1].split(";")[0]) > 0.01


def test_beside_wrong_entries_those_on_a_kink_are_not_judged(rng):
    assert "dx is right except where x < 0" in relu_message(lambda x: np.where(x > 0, 1, 9), rng)


def test_a_thousand_garbage_gradients_get_no_diagnosis():
    """Random numbers of the right size, in each exercise in turn. Arrays of one or two entries are left out: any two
    numbers are some multiple of the right one."""
    told, tried = [], 0
    for name in GRADIENT_EXERCISES:
        pairs = [judging.problem(name, reference(name), which) for which in (0, 1)]
        upstreams = [p.upstreams(seed=0) for p in pairs]
        numerics = [p.numeric(u) for p, u in zip(pairs, upstreams, strict=True)]
        for gradient in pairs[0].arrays:
            real = [evidence(p, gradient, u, n) for p, u, n in zip(pairs, upstreams, numerics, strict=True)]
            if min(e.numeric.size for e in real) < 3:
                continue
            for seed in range(30):
                rng = np.random.default_rng(seed)
                fakes = []
                for e in real:
                    answer = rng.normal(size=e.numeric.shape) * (np.abs(e.numeric).max() or 1.0)
                    fakes.append(vary(e, answer))
                found = diagnose(*fakes, (*FIRST, *LEVELS)) or Diagnosis.unknown(fakes[0])
                tried += 1
                if found.label != "UNKNOWN":
                    told.append((name, found))
    assert tried >= 1000
    assert told == []


def vary(e, answer):
    from dataclasses import replace

    return replace(e, answer=answer, scaled=(0 * answer, 2 * answer), probes={})


@measured_once()
def test_two_mistakes_at_once_are_named_right_or_not_at_all(outcomes):
    """A mutant in eight with its sign turned round as well: what is claimed must be what is claimed without that, with
    the sign named or absorbed, or nothing."""
    wrong = []
    for m in MUTANTS[:: 4 if LONG else 8]:
        own, alone = reference(m.exercise), outcomes[m.exercise, m.name].found
        if own.EXERCISE.function != "backward" or alone.keys() == {""} or "convolution" in m.exercise:
            continue

        def backward(dy, cache, m=m):
            returned = m.backward(dy, cache)
            gradients = returned if isinstance(returned, tuple) else (returned,)
            turned = tuple(-np.asarray(g) for g in gradients)
            return turned if isinstance(returned, tuple) else turned[0]

        report = judging.judge(m.exercise, SimpleNamespace(forward=own.forward, backward=backward))
        for a in report.arrays:
            if a.diagnosis and not fits(a.diagnosis.label, alone.get(a.name)):
                wrong.append((m.exercise, m.name, a.diagnosis.label, alone.get(a.name)))
    assert wrong == []


def fits(label: str, alone: str | None) -> bool:
    """Whether a label fits the negative of what is called `alone` by itself (None: of the right gradient)."""
    kinds = {part.split(":")[0] for part in label.split(" & ")}
    before = {part.split(":")[0] for part in (alone or "SCALE").split(" & ")}
    no_claim = {"UNKNOWN", "PROBE"}
    # what the answer is, where it is wrong, and what change gives it, are facts whatever the cause; the rest must name
    # the cause or the sign
    return kinds <= before | no_claim | {"SCALE", "ONLY-WHERE", "EDIT"}


def test_the_names_of_factors_are_distinct_in_every_exercise():
    """Otherwise "1/N" could be told for a forgotten keep probability."""
    for name in ladder():
        exercise = reference(name).EXERCISE
        for which in (0, 1) if isinstance(exercise, Exercise) else ():
            sizes = dict(exercise.sizes[which])
            assert all(sizes[a] != sizes[b] for a, b in itertools.combinations(sizes, 2)), name
            values = values_of(exercise, which, 0)
            q = SimpleNamespace(**sizes, **values)
            numbers = {}
            if exercise.function == "backward":
                y, _ = reference(name).forward(**values)
                q.y, q.dy = y, (tuple(np.ones_like(part) for part in y) if isinstance(y, tuple) else np.ones_like(y))
            numbers = exercise.facts(q).numbers
            simple = {**sizes, **{f"1/{k}": 1 / v for k, v in sizes.items()}, "2": 2.0, "1/2": 0.5}
            for label, value in {**numbers, **{f"1/{k}": 1 / v for k, v in numbers.items()}}.items():
                for other, number in simple.items():
                    assert abs(value - number) > 1e-3, f"{name}: {label} and {other} are the same number"


@every_gradient_exercise
def test_declared_terms_add_up_to_the_right_gradient(name):
    for which in (0, 1):
        p = judging.problem(name, reference(name), which)
        upstreams = p.upstreams(seed=3)
        terms = p.facts(p.forward(), upstreams).terms
        for gradient, right in p.numeric(upstreams).items():
            if gradient in terms:
                total = sum(np.broadcast_to(t, right.value.shape) for t in terms[gradient].values())
                np.testing.assert_allclose(total, right.value, rtol=1e-7, atol=2 * right.error.max())


# ---- on a user's own code


class MeanForSum(Tanh):
    def backward(self, dy):
        return super().backward(dy) / len(dy)


def test_the_message_says_why_and_that_it_held_twice(rng):
    with pytest.raises(GradientError) as error:
        check_layer(MeanForSum(), rng.normal(size=(3, 4)))
    text = str(error.value)
    assert "dx is exactly 0.333333 times the right gradient, everywhere: that is 1/N." in text
    assert "On a second problem: dx is exactly 0.142857 times the right gradient, everywhere: that is 1/N." in text
    assert "Where to look: " in text


def test_plain_functions_can_be_checked(rng):
    def forward(x, w, shift):
        return (x * w + shift, (x, w))

    def backward(dy, cache):
        x, w = cache
        return dy * w, np.sum(dy * x, axis=0)

    inputs = {"x": rng.normal(size=(5, 3)), "w": rng.normal(size=3)}
    assert check_function(forward, backward, inputs, constants=[rng.normal(size=3)]).passed
    with pytest.raises(GradientError, match=r"dw: dw is what example 0 alone contributes; there are 5"):
        check_function(
            forward, lambda dy, cache: (dy * cache[1], (dy * cache[0])[0]), inputs, constants=[rng.normal(size=3)]
        )
    with pytest.raises(GradientError, match="backward returned one ndarray, expected a tuple of 2: dx, dw"):
        check_function(forward, lambda dy, cache: dy, inputs, constants=[0.0])
    with pytest.raises(GradientError, match="backward returned a dict with dx, expected one array each for dx, dw"):
        check_function(forward, lambda dy, cache: {"dx": dy}, inputs, constants=[0.0])
    for gathered in (list, lambda pair: dict(zip(("grad_w", "x"), pair[::-1], strict=True))):
        check_function(forward, lambda dy, cache, gathered=gathered: gathered(backward(dy, cache)), inputs, [0.0])
    with pytest.raises(GradientError, match="backward returned 3 values, expected a tuple of 2"):
        check_function(forward, lambda dy, cache: (dy, dy, dy), inputs, constants=[0.0])
    with pytest.raises(GradientError, match="must give dx as an array, it gives a float"):
        check_function(forward, lambda dy, cache: (1.0, dy), inputs, constants=[0.0])


def test_the_inputs_of_a_plain_function_may_be_a_list_named_by_its_arguments(rng):
    def forward(x, w):
        return x * w, (x, w)

    def backward(dy, cache):
        x, w = cache
        return dy * w, (dy * x).sum(axis=0)

    inputs = rng.normal(size=(5, 3)), rng.normal(size=3)
    for given in (inputs, list(inputs)):
        assert [array.name for array in check_function(forward, backward, given).arrays] == ["dx", "dw"]
    with pytest.raises(GradientError, match=r"dw .* WRONG"):
        check_function(forward, lambda dy, cache: (dy * cache[1], (dy * cache[0]).mean(axis=0)), list(inputs))
    with pytest.raises(TypeError, match=r"`inputs` must be a dict or a list of arrays, .* got an array of float64"):
        check_function(forward, backward, inputs[0])
    with pytest.raises(TypeError, match="there are 3 inputs, and forward takes x, w"):
        check_function(forward, backward, [*inputs, inputs[0]])
    for nothing in ({}, []):
        with pytest.raises(ValueError, match="there is nothing to check"):
            check_function(forward, backward, nothing)


def message(*arguments, **named) -> str:
    with pytest.raises(GradientError) as error:
        check_function(*arguments, **named)
    return str(error.value)


@pytest.mark.parametrize("n", [2, 4])
def test_in_a_batch_of_two_a_half_is_not_taken_for_one_over_n(n, rng):
    text = message(
        lambda x, w: (x @ w, (x, w)),
        lambda dy, cache: (dy @ cache[1].T, cache[0].T @ dy / len(dy)),
        {"x": rng.normal(size=(n, 3)), "w": rng.normal(size=(3, 5))},
    )
    assert f"dw is exactly {1 / n:g} times the right gradient, everywhere: that is 1/N." in text


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_of_a_single_number_no_factor_is_claimed(shape, rng):
    """Any number is some multiple of the right one: the second problem must have another number."""
    text = message(lambda x: (np.sin(x), x), lambda dy, x: dy * x**3, {"x": np.asarray(rng.normal(size=shape))})
    assert "exactly" not in text and "all others are right" not in text


def test_a_scalar_loss_with_labels_can_be_diagnosed(rng):
    def forward(logits, labels):
        e = np.exp(logits)
        p = e / e.sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(p)), labels]).mean(), (p, labels)

    def backward(dy, cache):
        p, labels = cache
        return dy * (p - np.eye(3)[labels])

    text = message(forward, backward, {"logits": rng.normal(size=(5, 3))}, constants=[np.array([0, 1, 2, 1, 0])])
    assert "dlogits is exactly 5 times the right gradient, everywhere: that is N" in text


def test_a_second_problem_is_made_where_rows_are_not_examples(rng):
    inputs = {"w": rng.normal(size=(3, 4)), "x": rng.normal(size=(5, 3))}
    text = message(lambda w, x: (x @ w, (w, x)), lambda dy, c: (2 * c[1].T @ dy, dy @ c[0].T), inputs)
    assert "dw is exactly 2 times the right gradient, everywhere." in text


def test_nearly_right_is_not_called_single_precision(rng):
    text = message(lambda x: (x * x, x), lambda dy, x: dy * 2 * x * (1 + 1e-7), {"x": rng.normal(size=(5, 3))})
    assert "but not better: single precision on the way, an added epsilon or a difference quotient" in text


def test_what_the_upstream_gradient_does_wrong_is_said_as_it_is(rng):
    x = {"x": rng.normal(size=(5, 3))}
    assert "dx is the same whatever the upstream gradient is" in message(lambda x: (x * x, x), lambda dy, x: 2 * x, x)
    clipped = message(lambda x: (x * 1.0, x), lambda dy, x: np.clip(dy, -0.5, 0.5), x)
    assert "dx does not double when the upstream gradient is doubled" in clipped

    def picky(dy, x):
        if not dy.any():
            raise ValueError("no gradient")
        return 3 * dy

    assert "dx is exactly 3 times" in message(lambda x: (x * 1.0, x), picky, x)


def test_an_error_in_the_second_problem_only_is_an_error_in_adam_too():
    own = reference("adam")

    def step(params, grads, m, v, t):
        right = own.step(params, grads, m, v, t)
        n = judging.reference("adam").EXERCISE.sizes[0]
        return right if len(params) in n.values() else tuple(2 * array for array in right)

    assert not judging.judge("adam", SimpleNamespace(step=step)).passed


def test_a_forgotten_term_of_the_loss_is_named_by_check_model(rng):
    from test_gradcheck import KLRouteForgotten, small_vae

    from scratchnn import Bernoulli

    model = small_vae(rng, Bernoulli(), KLRouteForgotten)
    with pytest.raises(GradientError, match=r"encoder\.4\.dW.*: .*through the output «kl» is missing"):
        check_model(model, rng.uniform(0.1, 0.9, (11, 5)), rng.normal(size=(11, 2)))


def test_large_models_are_checked_along_directions(rng):
    from test_gradcheck import KLNotAveraged, small_vae

    from scratchnn import Bernoulli

    batch = rng.uniform(0.1, 0.9, (11, 5)), rng.normal(size=(11, 2))
    report = check_model(small_vae(rng, Bernoulli()), *batch, directions=3)
    assert [a.analytic.shape for a in report.arrays] == [(3,)] * 12
    with pytest.raises(GradientError, match=r"encoder\.0\.db · d .* WRONG"):
        check_model(small_vae(rng, Bernoulli(), KLNotAveraged), *batch, directions=3)
    with pytest.raises(ValueError, match="directions must be at least 1"):
        check_model(small_vae(rng, Bernoulli()), *batch, directions=0)


def test_a_model_too_large_to_go_through_is_refused_with_the_way_out(monkeypatch, rng):
    from test_gradcheck import small_vae

    from scratchnn import Bernoulli

    monkeypatch.setattr(check, "EXHAUSTIVE", 100)
    with pytest.raises(ValueError, match=r"parameters, and each takes six forward passes.*directions=3"):
        check_model(small_vae(rng, Bernoulli()), rng.random((3, 5)), rng.normal(size=(3, 2)))


# ---- the checker itself, made wrong on purpose: its own tests must notice


class ZeroUnderOnes(Layer):
    """Softmax over each row, with a backward pass that is right for an upstream gradient of ones only."""

    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.cache = ()
        return e / e.sum(axis=1, keepdims=True)

    def backward(self, dy):
        self.take_cache()
        return 0 * dy


class MeanOfTheUpstream(Tanh):
    """Right for an upstream gradient of ones, and linear in it."""

    def backward(self, dy):
        return super().backward(np.full_like(dy, dy.mean()))


class TwentyPercentOff(Tanh):
    def backward(self, dy):
        return 1.2 * super().backward(dy)


def the_checker_works() -> bool:
    """Right layers pass and wrong ones fail."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 3))
    try:
        check_layer(dense(3, 4, rng), x)
        check_layer(Tanh(), x)
    except Exception:
        return False
    for wrong in (ZeroUnderOnes(), MeanOfTheUpstream(), TwentyPercentOff()):
        try:
            check_layer(wrong, x)
        except GradientError:
            continue
        return False
    return True


def test_the_checker_works_as_it_is():
    assert the_checker_works()


def compares_with_itself(monkeypatch):
    monkeypatch.setattr(check, "POINTS", 0)
    monkeypatch.setattr(
        Problem,
        "numeric",
        lambda self, upstreams: {
            name: numeric.NumericGradient(g, np.full(g.shape, 1e-9), np.zeros(g.shape, bool), np.full(g.shape, ""))
            for name, g in self.backward(upstreams).items()
        },
    )


CHECKER_MUTANTS = {
    "a step of zero": lambda m: m.setattr(numeric, "STEP", 0.0),
    "error bars of one": lambda m: m.setattr(
        numeric.Trial, "error", property(lambda self: self.truncation + self.noise + 1.0)
    ),
    "an upstream gradient of ones": lambda m: m.setattr(
        Problem, "upstreams", lambda self, seed: [np.ones_like(y) for y in self.forward()]
    ),
    "a tolerance of one": lambda m: m.setattr(report, "RELATIVE_TOLERANCE", 1.0),
    "an array compared with itself": compares_with_itself,
}


@pytest.mark.parametrize("mutant", CHECKER_MUTANTS)
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_a_checker_made_wrong_is_noticed(mutant, monkeypatch):
    CHECKER_MUTANTS[mutant](monkeypatch)
    assert not the_checker_works()


def test_an_error_that_only_some_shapes_show_is_found_on_the_second_problem():
    """Right for 3 examples, wrong for 11: a constant taken for N."""
    own = reference("mse")

    def backward(dy, cache):
        return own.backward(dy, cache) * (len(dy) == judging.reference("mse").EXERCISE.sizes[0]["N"])

    assert not judging.judge("mse", SimpleNamespace(forward=own.forward, backward=backward)).passed


def test_factor_names_start_with_the_simplest(rng):
    p = judging.problem("linear", reference("linear"), 0)
    e = evidence(p, "dW", p.upstreams(0), p.numeric(p.upstreams(0)))
    names = [name for name, _ in candidates(e)]
    assert names.index("2") < names.index("N") < names.index("D·N") and "N/(N−1)" in names
    assert compare(p, *check_contract(p, 0)).passed
