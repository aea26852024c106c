"""The kinds of exercises: the road, the two processes, checkers and tests to be written, bugs, and the capstones."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import PACKAGE, ROOT

from scratchnn.exercises import bugs, capstone, findings, sizes
from scratchnn.exercises.exercise import (
    LADDER,
    Judged,
    file_name,
    given_functions,
    ladder,
    outputs_of,
    path_of,
    reference,
    stub,
    upper,
    values_of,
)
from scratchnn.exercises.judge import examined
from scratchnn.exercises.progress import file_of
from scratchnn.exercises.road import KINDS, PARTS, STEPS, step_of
from scratchnn.exercises.verdict import try_answer
from scratchnn.exercises.wire import WireError, decoded, encoded
from scratchnn.exercises.yours import yours

OWN = [step.name for step in STEPS if isinstance(reference(step.name).EXERCISE, Judged)]


def tried(folder: Path, name: str, text: str, seconds: float | None = None):
    file = file_of(folder, name)
    file.write_text(text, encoding="utf-8")
    return try_answer(name, file, seconds)


# ---- the road


def test_the_road_names_every_file_once_and_there_are_forty_in_five_parts():
    assert sorted(path_of(name) for name in ladder()) == sorted(LADDER.glob("e*.py"))
    assert len(ladder()) == len(set(ladder())) >= 40 and len(PARTS) == 5
    numbers = [path_of(name).name[1:3] for name in ladder()]
    assert len(numbers) == len(set(numbers))


def test_there_are_two_of_every_kind():
    count = Counter(step.kind for step in STEPS)
    assert count.keys() == KINDS.keys() and min(count.values()) >= 2


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_what_the_road_points_to_is_there_and_the_learner_is_told(step):
    for place in (step.read, step.used):
        file, _, name = place.partition(": ")
        path = PACKAGE / file.removeprefix("scratchnn/") if file.startswith("scratchnn/") else ROOT / file
        text = path.read_text(encoding="utf-8")
        assert text.startswith('"""') or path.suffix == ".md", f"{file} has no docstring to read"
        assert not name or re.search(rf"^(?:class|def) {name}\b", text, re.MULTILINE), place
    assert f"\nRead before: {step.read}\nIn the library: {step.used}\n" in stub(step.name)


def test_the_first_exercise_says_what_dq_means_and_every_text_is_short():
    first = " ".join(stub(ladder()[0]).split())
    assert "dq means ∂loss/∂q" in first and "upstream gradient" in first
    for name in ladder():
        task = stub(name).split('"""')[1]
        assert len(task.splitlines()) <= 40 and max(map(len, stub(name).splitlines())) <= 120, name


def test_capstones_come_after_their_pieces():
    for name in ("train_digits", "train_vae"):
        for each in reference(name).PIECES:
            assert ladder().index(each) < ladder().index(name)


def test_relu_has_numbers_near_its_kink_on_both_sides():
    """A mask such as x > 0.1 is not right."""
    for seed in range(200):
        for which in (0, 1):
            x = values_of(reference("relu").EXERCISE, which, seed)["x"]
            assert 0 < x[x > 0].min() < 0.01 and -0.01 < x[x < 0].max() < 0 and np.abs(x).min() > 1e-3


# ---- two processes


def test_what_is_sent_comes_back_and_nothing_else_is_read():
    values = {"x": np.arange(6.0).reshape(2, 3), "n": (1, None, True, "Σ"), "b": [np.array([True]), {"k": 2.5}]}
    functions = []
    back = decoded(json.loads(json.dumps(encoded({**values, "f": abs}, functions))), lambda k: functions[k])
    assert functions == [abs] and back["f"](-2) == 2 and back["n"] == values["n"]
    np.testing.assert_array_equal(back["x"], values["x"])
    assert back["x"].flags.writeable and back["b"][0].dtype == bool and back["b"][1] == {"k": 2.5}
    assert decoded(encoded(object(), []), abs) == "a object"
    for bad in ({"array": ["O", [1], "AAAA"]}, {"array": ["<f8", [3], ""]}, {"tuple": 3}, {"pickle": ""}, {}):
        with pytest.raises(WireError):
            decoded(bad, abs)


HOSTILE = {
    "import os\nos._exit(0)": "ended before there was a verdict",
    "import os\nos.write(1, b'{}')\nreturn 1": "gives 1",
    "import scratchnn.exercises.judge as j\nj.judge = None\nreturn True": "must be rejected",
    "import scratchnn.exercises.findings as f\nf.accepts_and_rejects = lambda *a: []\nreturn True": "must be rejected",
    "while True:\n        forward(x)": "it was stopped after 1 seconds",
    "return open('/nonexistent')": "No such file",
}


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_the_verdict_is_made_where_the_answer_does_not_run(tmp_path, body):
    code = "def is_right(forward, backward, x):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    verdict = tried(tmp_path, "checker", code, seconds=1)
    assert not verdict.passed
    told = verdict.sentence + " ".join(f.what + f.why for f in verdict.findings if not f.right)
    assert HOSTILE[body] in told, told


@pytest.mark.parametrize(
    "right, wrong, told",
    [
        ("x.T @ dy", "2 * x.T @ dy", "dW is not what backward gave"),
        ("return dx, dW, db", "return (dx,)", "backward returned 1 arrays, not 3"),
    ],
)
def test_an_answer_that_reports_of_itself_what_its_arrays_do_not_show_does_not_pass(tmp_path, right, wrong, told):
    """It replaces the judge in its own process; the arrays are compared in the other."""
    assert right in upper("linear")
    wrong = upper("linear").replace(right, wrong)
    patch = (
        "\nfrom scratchnn.exercises import exercise, judge as j, trial\n"
        "right = j.judge\n"
        "trial.judge = lambda name, answer, seed=0: right(name, exercise.reference(name), seed)\n"
    )
    verdict = tried(tmp_path, "linear", wrong + patch)
    assert not verdict.passed and verdict.sentence.startswith(told)


def test_an_assertion_that_fails_is_a_rejection_and_another_error_has_its_line(tmp_path):
    assert tried(tmp_path, "test_of_softmax", upper("test_of_softmax")).passed
    code = "def holds(forward):\n    return forward(3)[0]\n"
    verdict = tried(tmp_path, "test_of_softmax", code)
    assert verdict.sentence.startswith("line 2 (in holds), `return forward(3)[0]`: ")


@pytest.mark.parametrize("name", OWN)
def test_stubs_that_are_judged_in_their_own_way_are_not_written_yet(name):
    """In this process: the command's test tries some of them in the other."""
    assert reference(name).EXERCISE.function in given_functions(name)
    assert "...  # your turn: replace the dots" in stub(name)


# ---- numbers and sizes


def test_numbers_are_told_where_they_come_from():
    predictions = [findings.Prediction("a", 2.0, "no", {4.0: "squared"}), findings.Prediction("b", 3.0, "no")]
    right, wrong = findings.predicted(lambda: (2, 5.0), predictions), findings.predicted(lambda: (4, "3"), predictions)
    assert [f.right for f in right] == [True, False] and [f.why for f in wrong] == ["squared", "'3' is no number"]
    assert "1 came back, there should be 2" in findings.predicted(lambda: 2, predictions)[0].why


def test_predictions_of_layers_are_what_happens():
    """Ten layers of 500 units: the mean square falls to 2^−10, and with 2/m it stays. The spread over the seeds of the
    logarithm of it is about √(10 · 5/m) ≈ 0.3, so three of that are 1."""
    rng = np.random.default_rng(0)
    m = 500
    for c, wanted in ((1.0, 0.5**10), (2.0, 1.0)):
        x, back, masks = rng.normal(size=(40, m)), rng.normal(size=(40, m)), []
        weights = [rng.normal(size=(m, m)) * np.sqrt(c / m) for _ in range(10)]
        for W in weights:
            x = np.maximum(x @ W, 0)
            masks.append(x > 0)
        for W, mask in zip(weights[::-1], masks[::-1], strict=True):
            back = (back * mask) @ W.T
        assert abs(np.log(np.mean(x**2) / wanted)) < 1 and abs(np.log(np.mean(back**2) / wanted)) < 1


def test_a_mistake_shows_where_it_makes_another_array_or_none():
    a = np.eye(2)
    assert sizes.exposed(lambda x: (x,), lambda x: (x[:1],), [a]) and not sizes.exposed(
        lambda x: (x,), lambda x: (x.T,), [a]
    )
    assert sizes.exposed(lambda x: (x,), lambda x: (x.reshape(5),), [a])
    for said in (3, (1, 2), (1, 2, 0), (1.0, 2, 3), (True, 2, 3), np.ones(3), np.ones((3, 1), int), "123"):
        assert sizes.chosen(said, "N, D and H", 3, 30)[1] is not None
    for said in ((3, 2, 5), [3, np.int64(2), np.uint8(5)], np.array([3, 2, 5], np.int8)):
        chosen, problem = sizes.chosen(said, "N, D and H", 3, 30)
        assert chosen == (3, 2, 5) and problem is None and {*map(type, chosen)} == {int}


# ---- estimators


def test_the_terms_of_the_bound_add_up_and_agree_with_quadrature():
    rng = np.random.default_rng(5)
    x, mean, log_var = rng.normal(size=(3, 7))
    log_px, reconstruction, rate, elbo, gap = reference("elbo_identity").terms(x, mean, log_var)
    np.testing.assert_allclose(log_px, elbo + gap, rtol=1e-12)
    z = np.linspace(-30, 30, 20_001)[:, None]

    def log_normal(at, m, v):
        return -0.5 * np.log(2 * np.pi * v) - (at - m) ** 2 / (2 * v)

    step, v = 60 / 20_000, np.exp(log_var)
    np.testing.assert_allclose(log_px, np.log(np.sum(np.exp(log_normal(z, 0, 1) + log_normal(x, z, 1)), axis=0) * step))
    q = np.exp(log_normal(z, mean, v)) * step
    np.testing.assert_allclose(reconstruction, np.sum(q * log_normal(x, z, 1), axis=0))
    np.testing.assert_allclose(rate, np.sum(q * (log_normal(z, mean, v) - log_normal(z, 0, 1)), axis=0))


def test_three_estimators_have_one_mean():
    """Within four standard errors of the gradient by hand, 2 (mean − c)."""
    rng = np.random.default_rng(6)
    mean, c, sigma = rng.normal(size=3), rng.normal(size=3), rng.uniform(0.5, 1.5, 3)
    for each in reference("reinforce").gradients(mean, sigma, rng.normal(size=(40_000, 3)), c):
        error = each.std(axis=0) / np.sqrt(len(each))
        assert (np.abs(each.mean(axis=0) - 2 * (mean - c)) < 4 * error).all()


def test_the_gradient_of_the_weighted_bound_is_its_slope():
    own, h = reference("iwae").bound_and_gradient, 1e-6
    log_w, dbound = np.random.default_rng(7).normal(size=(3, 5)), np.array([1.0, -2.0, 0.5])
    _, dlog_w = own(log_w, dbound)
    for index in np.ndindex(log_w.shape):
        step = np.zeros_like(log_w)
        step[index] = h
        slope = np.sum(dbound * (own(log_w + step, dbound)[0] - own(log_w - step, dbound)[0])) / (2 * h)
        assert abs(dlog_w[index] - slope) < 1e-8


def test_no_linear_model_is_better_than_the_closed_form():
    """log N(x; 0, C) by SciPy, and for other C of the same kind it is smaller."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(8)
    x = rng.normal(size=(50, 5)) * [3, 2, 1, 0.7, 0.5]
    x -= x.mean(axis=0)
    s2, C, log_density = reference("linear_vae").closed_form(x)
    assert np.isclose(stats.multivariate_normal(cov=C).logpdf(x).mean(), log_density)
    eigenvalues, vectors = np.linalg.eigh(C)
    best = (vectors[:, 3:] * np.sqrt(eigenvalues[3:] - s2)).T
    np.testing.assert_allclose(best.T @ best + s2 * np.eye(5), C, atol=1e-10)
    for _ in range(20):
        W = best + 0.3 * rng.normal(size=(2, 5))
        other = W.T @ W + s2 * rng.uniform(0.7, 1.4) * np.eye(5)
        assert stats.multivariate_normal(cov=other).logpdf(x).mean() < log_density
    assert np.isclose(np.linalg.eigvalsh(C)[0], s2)


# ---- bugs


def test_there_are_hundreds_of_bugs_and_a_day_has_one():
    made = {bugs.bug(f"2026-01-{day:02}") for day in range(1, 16)}
    assert len(made) > 10 and bugs.bug("2026-01-05") == bugs.bug("2026-01-05")
    assert sum(len(bugs.candidates(name)) for name in bugs.SOURCES) > 300
    for each in made:
        assert each.wrong != each.right and bugs.shows(each.exercise, each.line, each.wrong)
        assert not bugs.shows(each.exercise, each.line, each.right)


@pytest.mark.parametrize("day", ["2026-01-05", "2026-03-07"])
def test_a_bug_of_a_day_is_found_and_mended_or_told(tmp_path, day):
    own = reference("daily_bug")
    each = bugs.bug(day)
    file, solved = own.stub_of(day), own.mended_file(day)
    assert each.wrong in file and each.right not in file
    assert tried(tmp_path, "daily_bug", solved).passed
    named = file.replace("line = ...  # your turn: replace the dots", f"line = {each.line}")
    verdict = tried(tmp_path, "daily_bug", named)
    assert verdict.findings[0].right and not verdict.passed
    assert any("the wrong line is not mended yet" in finding.why for finding in verdict.findings if not finding.right)


def test_the_solution_of_a_daily_bug_says_of_which_day_it_is(monkeypatch):
    monkeypatch.setattr(reference("daily_bug"), "day", lambda: "2026-01-05")
    said = reference("daily_bug").solution()
    assert "# of the bug of 2026-01-05, where" in said.splitlines()[0]
    assert said.endswith("# a file of another day has another bug: `reset daily_bug` writes that of today")


def test_a_line_that_is_named_wrongly_is_told_what_it_is():
    assert bugs.found(4, 4, 6).right
    assert "The mistake comes later" in bugs.found(2, 4, 6).why
    assert "the mistake comes earlier" in bugs.found(6, 4, 6).why
    assert all("1 to 6" in bugs.found(said, 4, 6).why for said in (0, 7, "4", None, True))
    assert bugs.found(np.int64(4), 4, 6).right is True and bugs.found(np.int64(2), 4, 6).right is False


def says(said: str) -> str:
    """The solution of `checker_of_several`, but that it says something else."""
    return f"{upper('checker_of_several')}\n\ndef what_is_wrong(forward, backward, inputs):\n    return {said}\n"


@pytest.mark.parametrize("said", ["['dW']", "None", "3", "[1.5]", "np.array([[1]])"])
def test_what_is_no_list_of_numbers_is_a_wrong_answer(tmp_path, said):
    verdict = tried(tmp_path, "checker_of_several", says(said))
    assert verdict.findings and not any(finding.right for finding in verdict.findings)


def test_numbers_in_an_array_are_as_good_as_in_a_list(tmp_path):
    text = says("np.array(listed(forward, backward, inputs), int)").replace("what_is_wrong(", "listed(", 1)
    assert tried(tmp_path, "checker_of_several", text).passed


def test_what_a_judge_cannot_take_is_one_sentence(tmp_path):
    loss = "def loss_and_gradients(*arguments):\n    return 1.0, None\n"
    put(tmp_path, "linear", "relu", "softmax_cross_entropy", "adam")
    stub_of_it = upper("train_digits")
    verdict = tried(tmp_path, "train_digits", stub_of_it + "\n\n" + loss)
    assert verdict.sentence.startswith("what it returned cannot be judged (TypeError: "), verdict
    asserted = says("1").replace("return 1", "assert False, 'not yet'")
    assert tried(tmp_path, "checker_of_several", asserted).sentence == "it ended with AssertionError: not yet"


# ---- capstones


def put(folder: Path, *names: str) -> None:
    for name in names:
        file_of(folder, name).write_text(upper(name), encoding="utf-8")


def test_a_network_is_trained_and_certified_and_a_wrong_piece_is_named(tmp_path):
    put(tmp_path, "linear", "relu", "softmax_cross_entropy", "adam")
    verdict = tried(tmp_path, "train_digits", upper("train_digits"))
    assert verdict.passed, verdict
    page = file_of(tmp_path, "train_digits").with_suffix(".html").read_text(encoding="utf-8")
    assert "digits read right, of 300 never seen</td><td>9" in page and "data:image/png;base64,iVBOR" in page
    adam = upper("adam").replace("(1 - BETA2**t)", "(1 - BETA2)")  # trains all the same
    file_of(tmp_path, "adam").write_text(adam, encoding="utf-8")
    verdict = try_answer("train_digits", file_of(tmp_path, "train_digits"))
    (wrong,) = [finding for finding in verdict.findings if not finding.right]
    assert wrong.what == "your 16_adam.py" and wrong.why.startswith("look at the exercise adam first: ")


def test_pieces_that_are_put_together_wrongly_are_told_from_wrong_pieces():
    own = reference("train_vae")
    x, eps = np.zeros((3, 64)), np.zeros((3, 8))
    params = [np.zeros(shape) for shape in ((64, 64), 64, (64, 16), 16, (8, 64), 64, (64, 64), 64)]
    loss, gradients = own.loss_and_gradients(params, x, eps)
    assert np.isclose(loss, 64 * np.log(2)) and [g.shape for g in gradients] == [p.shape for p in params]


def test_the_pieces_of_a_capstone_are_its_own():
    """It sets the step size of its Adam: the exercise's must not change."""
    (adam,) = yours(str(LADDER / "e37_train_digits.py"), "adam")
    assert reference("train_digits").adam.LR != reference("adam").LR == adam.LR
    with pytest.raises(FileNotFoundError):
        yours("/nowhere/37_train_digits.py", "adam")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_a_piece_of_a_capstone_is_read_as_python_reads_it(encoding, tmp_path):
    """With a mark at its beginning, as Windows writes it, or in an encoding that it names."""
    text = "# -*- coding: latin-1 -*-\nWHO = 'Jos\u00e9'\n" if encoding == "latin-1" else "WHO = 'Jos\u00e9'\n"
    path = tmp_path / file_name("adam")
    path.write_bytes(text.encode(encoding))
    (adam,) = yours(str(tmp_path / "37_train_digits.py"), "adam")
    assert adam.WHO == "José"


def test_a_picture_shows_every_image():
    pytest.importorskip("matplotlib")
    import io

    from matplotlib.image import imread

    picture = imread(io.BytesIO(capstone.png(np.eye(4).reshape(4, 4)[:3], (2, 2), columns=2, scale=1)))
    assert picture.shape[:2] == (7, 7)
    dark = {(1, 1), (1, 5), (5, 1)}
    assert {tuple(map(int, at)) for at in np.argwhere(picture.reshape(7, 7, -1)[..., 0] < 0.5)} == dark


def test_exercises_that_are_judged_in_their_own_way_say_their_findings_and_outputs():
    found = examined("sizes", reference("sizes"))
    assert found.passed and found.reason == "" and str(found).count("ok ") == 7
    assert outputs_of("sizes") == ["N", "D", "H"] and step_of("sizes").kind == 4
