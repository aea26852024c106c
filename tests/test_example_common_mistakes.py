"""The mistakes on show: what is printed is true, and the tests that are said to catch each of them do."""

from __future__ import annotations

import importlib
import itertools
import re
from functools import partial
from pathlib import Path

import common_mistakes
import numpy as np
import pytest
import scipy.special
import scipy.stats
from common_mistakes import MISTAKES
from conftest import ROOT
from matplotlib.image import imread
from mistakes import evaluation, training
from mistakes.lab import Finding, Lab
from scripts import fails, succeeds

from scratchnn import VAE, Bernoulli, Dense, Sequential, data
from scratchnn.data import DataError
from scratchnn.gradcheck import GradientError

NAMES = [mistake.name for mistake in MISTAKES]
every_mistake = pytest.mark.parametrize("mistake", MISTAKES, ids=NAMES)


def without_frey_face(name: str) -> data.DataSet:
    """`data.load`, on a machine that has no Frey Face and no network."""
    if name == "frey-face":
        raise DataError("frey_rawface.mat of frey-face is not on this machine and could not be downloaded:\n  …")
    return data.DATA_SETS[name]()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("mistakes")


@pytest.fixture(scope="module")
def whole(folder) -> tuple[str, dict[str, Finding]]:
    """Everything, with the page and little training: what is printed, and what was found."""
    found = {}

    def lecture(mistake, finding):
        found[mistake.name] = finding
        return lecture_of(mistake, finding)

    lecture_of = common_mistakes.lecture
    page = folder / "docs" / "mistakes.md"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scratchnn.data.load", without_frey_face)
        patch.setattr(common_mistakes, "lecture", lecture)
        text = succeeds(common_mistakes.main, "--epochs", 40, "--seed", 1, "--out", folder / "out", "--page", page)
    return text, found


@pytest.fixture
def printed(whole) -> str:
    return whole[0]


@pytest.fixture
def found(whole) -> dict[str, Finding]:
    return whole[1]


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab("digits", epochs=40, seed=1)


# what is said of each mistake


@every_mistake
def test_every_story_is_complete(mistake):
    assert [head for head, _ in mistake.text] == ["Written", "Looks right", "Happens", "Caught by"]
    wrong, right = mistake.code
    assert 1 <= len(wrong.splitlines()) <= 3 and len(right.splitlines()) == 1 and wrong != right
    assert "WRONG" not in wrong + right


@every_mistake
def test_every_test_that_is_named_exists(mistake):
    assert mistake.tests
    for file, name in (test.split("::") for test in mistake.tests):
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), f"{file}::{name}"


def the_features_are_the_trained_encoder(features) -> None:
    """The encoder's arrays, bit for bit, but for the half of the last layer that gives log-variances."""
    model = Lab("digits", epochs=1, seed=0).right.model
    arrays = list(features(model, np.random.default_rng(0)).parameters.values())
    of_vae = list(model.encoder.parameters.values())
    assert len(arrays) == len(of_vae) == 6
    for array, source in zip(arrays, [*of_vae[:4], *(a[..., : model.n_z] for a in of_vae[4:])], strict=True):
        np.testing.assert_array_equal(array, source)


def test_the_features_are_the_trained_encoder():
    the_features_are_the_trained_encoder(
        lambda model, _: Sequential(evaluation.thesis_classifier.trained_encoder(model))
    )


def a_contiguous_split_keeps_neighbours_together(images: data.DataSet) -> None:
    """Every part is one piece of the sequence, so only images at its two ends have neighbours elsewhere."""
    from sklearn.datasets import load_digits

    place = {frame.tobytes(): k for k, frame in enumerate(load_digits().data.astype(np.uint8))}
    for part in (images.train, images.validation, images.test):
        places = [place[frame.tobytes()] for frame in part.pixels]
        assert (np.diff(places) == 1).all()


def test_a_contiguous_split_keeps_neighbours_together():
    a_contiguous_split_keeps_neighbours_together(data.load("digits"))


def planted(target: str | None, wrong: object, *arguments: object):
    """The wrong version stands in the place of `target` while the named test runs; or it is one of its arguments."""
    return target, wrong, arguments


RNG = "rng"  # stands for a new generator
PLANTED = {
    "noise-drawn-again": [planted("scratchnn.vae.Reparameterise", training.NoiseDrawnAgain, Bernoulli, 0)],
    "log-var-as-log-sigma": [planted("test_vae.Reparameterise", training.LogVarAsLogSigma, RNG)],
    "noise-too-small": [planted("test_vae.Reparameterise", training.NoiseTooSmall, RNG)],
    "mean-over-pixels": [planted("cases.likelihoods.Bernoulli", training.MeanOverPixels, Bernoulli, RNG)],
    "kl-of-the-minibatch": [
        planted("test_vae.KLToStandardNormal", training.KLOfTheMinibatch, RNG),
        planted("scratchnn.vae.KLToStandardNormal", training.KLOfTheMinibatch, RNG),
    ],
    "clipped-probabilities": [planted("test_likelihoods.Bernoulli", training.ClippedProbabilities)],
    "adam-counts-epochs": [planted("test_optim.Adam", training.AdamCountsEpochs)],
    "pixels-not-scaled": [
        planted(None, None, training.Unchecked, "x", "x", np.full((2, 3), 150, np.float32), "expects x in")
    ],
    "elbo-at-the-mean": [planted("exact.VAE", evaluation.MeanAsZ, RNG)],
    "grey-importance-weights": [
        planted("test_evaluation.importance_weighted", partial(evaluation.importance_weighted, grey=True), RNG)
    ],
}


@pytest.mark.parametrize("name, k", [(name, k) for name, plants in PLANTED.items() for k in range(len(plants))])
def test_the_named_test_fails_on_the_wrong_version(name, k, monkeypatch):
    (mistake,) = [mistake for mistake in MISTAKES if mistake.name == name]
    file, test = mistake.tests[k].split("::")
    check = getattr(importlib.import_module(Path(file).stem), test)
    target, wrong, arguments = PLANTED[name][k]

    def call() -> None:
        check(*(np.random.default_rng(20180101) if a is RNG else a for a in arguments))

    if target is not None:
        call()  # passes on the right version
        monkeypatch.setattr(target, wrong)
    with (
        np.errstate(all="ignore"),
        pytest.raises((AssertionError, GradientError, pytest.fail.Exception)),
    ):
        call()


def test_the_tests_of_this_file_fail_on_the_wrong_versions():
    with pytest.raises(AssertionError):
        the_features_are_the_trained_encoder(evaluation.features)
    with pytest.raises(AssertionError):
        a_contiguous_split_keeps_neighbours_together(evaluation.split(data.load("digits"), np.random.default_rng(0)))


# what each mistake does


@every_mistake
def test_the_checks_tell_the_wrong_version_from_the_right_one(mistake, found):
    checks = found[mistake.name].checks.values()
    assert all(right.passed for _, right in checks)
    assert not all(wrong.passed for wrong, _ in checks)


def cells(finding) -> dict[str, list[float]]:
    """The table by its first column, wrong and right."""
    return {name: [float(v.replace(",", "")) for v in values] for name, *values in finding.table[1:]}


def test_noise_drawn_again_drives_sigma_to_one(found):
    rows = cells(found["noise-drawn-again"])
    assert abs(rows["mean σ of q(z|x)"][0] - 1) < 0.03 and rows["mean σ of q(z|x)"][1] < 0.95
    assert rows["−ELBO of the test images"][0] > rows["−ELBO of the test images"][1]


@pytest.mark.parametrize("name", ["log-var-as-log-sigma", "noise-too-small"])
def test_a_sampler_of_another_sigma_reports_too_good_a_number(name, found):
    rows = cells(found[name])
    (reported, right), (worth, _) = rows["−ELBO that it reports"], rows["−ELBO with the σ that it draws with"]
    assert reported < right - 0.5 < right + 0.5 < worth
    (kl, _), (kl_worth, _) = rows["KL that it reports"], rows["KL with the σ that it draws with"]
    assert reported - kl == pytest.approx(worth - kl_worth, abs=0.02)  # the same draws, so the same reconstruction


@pytest.mark.parametrize(
    "wrong, honest",
    [(training.LogVarAsLogSigma, lambda lv: 2 * lv), (training.NoiseTooSmall, lambda lv: lv - 2 * np.log(10))],
)
def test_what_such_a_sampler_is_worth_is_taken_with_the_sigma_that_it_draws_with(wrong, honest, rng):
    mean, log_var, eps = rng.normal(size=(3, 5, 2))
    z = training.Reparameterise().forward(mean, honest(log_var), eps)
    np.testing.assert_allclose(wrong().forward(mean, log_var, eps), z, rtol=1e-12)


def test_a_mean_over_pixels_switches_every_dimension_off(found, lab):
    rows = cells(found["mean-over-pixels"])
    assert rows["active units"][0] == 0 < rows["active units"][1] and rows["its KL"][0] < 0.01
    model = lab.train(likelihood=training.MeanOverPixels()).model
    spread, right_spread = (lab.samples(m).std(axis=0).mean() for m in (model, lab.right.model))
    assert spread < right_spread / 4


def test_the_kl_of_the_minibatch_reports_less_and_is_worth_less(found):
    rows = cells(found["kl-of-the-minibatch"])
    assert rows["loss that it reports"][0] < rows["loss that it reports"][1] < rows["−ELBO of its weights"][0] - 1


def test_the_lengths_of_adam_s_steps_are_the_ratio_of_two_optimisers(found, lab):
    """All of them, from the steps that both make on one and the same gradient."""
    per_epoch = -(-len(lab.images.train) // 100)

    class Model:
        params, grads = np.zeros(1), np.ones(1)

    lengths = []
    for make in (partial(training.AdamCountsEpochs, steps_per_epoch=per_epoch), training.Adam):
        Model.params, optimiser, places = np.zeros(1), make(Model), [0.0]
        for _ in range(per_epoch * lab.epochs):
            optimiser.step()
            places.append(float(Model.params[0]))
        lengths.append(np.diff(places))
    ratio = lengths[0] / lengths[1]
    drawn = found["adam-counts-epochs"].figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, ratio, rtol=1e-5)  # ε = 1e-8 and the rounding of sums near 1


def test_unscaled_pixels_have_no_floor(found):
    """After some more epochs the variances of q(z|x) explode too: when, rounding decides, and with it the processor."""
    wrong, right = cells(found["pixels-not-scaled"])["loss in training, epoch 10"]
    assert wrong < -1e4 and right > 0


def test_unscaled_pixels_that_stop_the_training_are_reported(monkeypatch):
    """As on MNIST, at once."""
    lab = Lab("digits", epochs=1, seed=0)
    monkeypatch.setattr(training.Unscaled, "__getitem__", lambda self, rows: 1e6 * self.images[rows])
    finding = training.pixels_not_scaled(lab)
    assert finding.headline == "Without the check the loss became nan in epoch 1, iteration 1 of it."
    assert finding.figure is None and not finding.checks["targets"][0].passed


def test_the_sign_of_the_error_with_z_at_the_mean_changes(found):
    rows = found["elbo-at-the-mean"].table[1:]
    assert float(rows[0][3]) > 1 and float(rows[-1][3]) < -0.5


def test_grey_pixels_are_charged_more_than_their_binary_draws(rng):
    """The claim of the lecture, exactly: integrals over z on a grid, and all eight images of three pixels."""
    decoder = Sequential([Dense(1, 3, rng, b=rng.normal(size=3), dtype=np.float64)])
    decoder.layers[0].W *= 3
    z = np.linspace(-9, 9, 4001)[:, None]
    log_prior = scipy.stats.norm.logpdf(z[:, 0]) + np.log(z[1, 0] - z[0, 0])
    logits = decoder.forward(z)

    def log_p(x: np.ndarray) -> float:
        log_p_x = (x * logits - np.logaddexp(0, logits)).sum(axis=1)
        return float(scipy.special.logsumexp(log_prior + log_p_x))

    x = np.array([0.3, 0.8, 0.5])
    images = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    assert sum(np.exp(log_p(b)) for b in images) == pytest.approx(1, rel=1e-9)
    chances = np.prod(np.where(images == 1, x, 1 - x), axis=1)
    expected = float(np.dot(chances, [log_p(b) for b in images]))
    assert log_p(x) < expected - 0.01

    encoder = Sequential([Dense(3, 2, rng, dtype=np.float64)])
    model = VAE(encoder, decoder, Bernoulli(), n_z=1)
    estimate = evaluation.grey_likelihood(model, x[None], 20_000)
    assert abs(estimate.mean - log_p(x)) < 5 * estimate.monte_carlo_error + 1e-3


def test_the_grey_numbers_of_the_lecture_are_too_high(found):
    differences = [float(row[3]) for row in found["grey-importance-weights"].table[1:]]
    assert differences[-1] > differences[0] and differences[-1] > 0.1


def test_a_random_split_of_the_video_leaks(lab, real_data):
    finding = evaluation.random_split(lab)
    assert finding.table[1][0].startswith("frey-face") and float(finding.table[1][-1]) > 2
    assert "left out" not in finding.headline


def test_the_frozen_encoder_is_not_trained_and_the_other_is(lab, monkeypatch):
    trained = []
    monkeypatch.setattr(evaluation, "run", lambda trainer, *_, **__: trained.append(trainer.model.params.size))
    evaluation.fresh_encoder(lab)
    head, whole = min(trained), max(trained)
    assert trained == [whole, whole, head, head, whole, whole, head, head] and head == 10 * 10 + 10


# the script


def test_everything_is_printed_and_drawn(printed, folder):
    for number, mistake in enumerate(MISTAKES, start=1):
        assert f"\n{number}. {mistake.title}  [{mistake.name}]\n" in printed
        for line in "\n".join(mistake.code).splitlines():
            assert line in printed
    pictures = sorted(path.stem for path in (folder / "out").iterdir())
    assert set(pictures) == set(NAMES) - {"fresh-encoder"}
    for path in (folder / "out").iterdir():
        picture = imread(path)
        assert picture.shape[1] > 500 and np.ptp(picture[..., :3]) > 0.5


def test_a_data_set_that_cannot_be_had_is_left_out_with_a_sentence(printed):
    assert "(Frey Face is left out: frey_rawface.mat of frey-face is not on this" in " ".join(printed.split())


def tables_are_whole(page: str) -> bool:
    blocks = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    widths = [{len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()} for block in blocks]
    return len(blocks) == 1 + 2 * len(MISTAKES) and all(len(width) == 1 for width in widths)


def test_the_page_has_every_mistake_and_its_figures(printed, folder):
    page = (folder / "docs" / "mistakes.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \d+\. (.*)$", page, re.MULTILINE) == [mistake.title for mistake in MISTAKES]
    assert tables_are_whole(page)
    links = re.findall(r"!\[.*\]\((.*)\)", page)
    assert len(links) == len(MISTAKES) - 1
    for link in links:
        assert (folder / "docs" / link).stat().st_size < 60_000
    for test in {test for mistake in MISTAKES for test in mistake.tests}:
        assert f"`{test}`" in page
    assert "python examples/common_mistakes.py --epochs 40 --seed 1 --page" in page


def test_the_page_in_the_docs_is_of_these_mistakes():
    page = (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \d+\. (.*)$", page, re.MULTILINE) == [mistake.title for mistake in MISTAKES]
    for mistake in MISTAKES:
        assert all(line in page for line in "\n".join(mistake.code).splitlines())
    figures = {path.name for path in (ROOT / "docs" / "figures").glob("mistakes-*.png")}
    assert figures == {Path(link).name for link in re.findall(r"!\[.*\]\((.*)\)", page)}


def test_the_same_seed_gives_the_same_output(tmp_path, capsys):
    outputs = []
    for out in (tmp_path / "a", tmp_path / "b"):
        common_mistakes.main(["--only", "mean-over-pixels", "--epochs", "2", "--seed", "3", "--out", str(out)])
        text = capsys.readouterr().out.replace(str(out), "")
        outputs.append((text, (out / "mean-over-pixels.png").read_bytes()))
    assert outputs[0] == outputs[1] and "2. " not in outputs[0][0].split("Written")[0]


def test_the_list_and_the_help():
    assert [line.split()[0] for line in succeeds(common_mistakes.main, "--list").splitlines()] == NAMES
    text = succeeds(common_mistakes.main, "--help")
    assert "python examples/common_mistakes.py --only mean-over-pixels" in text and "--page" in text


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--only", "everything"], "argument --only: invalid choice: 'everything'"),
        (["--epochs", "0"], "expected a whole number of at least 1, got 0"),
        (["--seed", "-1"], "expected a whole number of at least 0, got -1"),
        (["--data", "frey-face"], "invalid choice: 'frey-face'"),
        (["--only", "random-split", "--page", "page.md"], "leave --only out"),
        (["--out", "{file}/x", "--only", "random-split"], "choose another folder with --out"),
    ],
)
def test_a_user_s_mistake_is_one_sentence(arguments, message, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert message in fails(common_mistakes.main, *(a.format(file=tmp_path / "file") for a in arguments))
