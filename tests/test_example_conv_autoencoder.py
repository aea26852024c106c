"""The convolutional autoencoders and their classifiers as a user runs them: the printed layers, what is reused, and
that an interruption changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import conv_autoencoder
import numpy as np
import pytest
from conftest import ROOT
from conv_autoencoder import CLASSIFIERS, VARIANTS
from scripts import fails, succeeds
from shared import series

from scratchnn import Adam, Autoencoder, Classifier, Conv2D, ConvTranspose2D, Dense, Dropout, Flatten, MaxPool2D, data
from scratchnn.scripts import figures
from scratchnn.scripts.student_works import RATE, split_of_the_document
from scratchnn.scripts.student_works import conv_autoencoder as autoencoder
from scratchnn.scripts.student_works import conv_classifier as classifier
from scratchnn.training import Trainer, falling
from scratchnn.training.checkpoints import load_model

SHORT = ["--epochs", "2", "--classifier-epochs", "2", "--codes", "6", "--batch-size", "50"]
N_TRAIN = 200


@pytest.fixture(scope="module", autouse=True)
def few_images():
    """The digits with 200 training images: the trainings here are to be short, not good."""
    digits = data.load("digits")
    few = replace(digits, train=digits.train.split(N_TRAIN)[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv_autoencoder.data, "load", lambda name: few)
        yield few


@pytest.fixture(scope="module")
def printed_and_finished(few_images, tmp_path_factory):
    """What a short run of the script prints, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    return succeeds(conv_autoencoder.main, "--out", folder, "--runs", "2", *SHORT), folder


@pytest.fixture
def no_pictures(monkeypatch):
    """Pictures take longer than the rest of a short run."""
    monkeypatch.setattr(conv_autoencoder.figures, "save", lambda figure, path, settings: None)


def layers_of(model: Autoencoder) -> list:
    return [*model.encoder.layers, *model.decoder.layers]


def test_the_printed_network_is_that_of_the_appendix():
    """Its layers' names, in order, and the sizes in its comments; parameters counted by hand."""
    model = autoencoder("as-printed", 28, 64, np.random.default_rng(0))
    names = " ".join(type(layer).__name__ for layer in layers_of(model))
    assert names == (
        "Reshape Conv2D ReLU Dropout MaxPool2D Conv2D ReLU Dropout MaxPool2D Flatten Dense ReLU Dropout "
        "Dense ReLU Dropout Reshape ConvTranspose2D ReLU Dropout ConvTranspose2D Sigmoid Dropout Flatten"
    )
    x = np.random.default_rng(1).random((2, 784), np.float32)
    sizes = []
    for layer in layers_of(model):
        x = layer.forward(x)
        if isinstance(layer, Conv2D | MaxPool2D | Flatten | Dense | ConvTranspose2D):
            sizes.append(x.shape[1:])
    assert sizes == [
        (16, 26, 26), (16, 13, 13), (32, 11, 11), (32, 5, 5), (800,), (64,),
        (800,), (16, 13, 13), (1, 28, 28), (784,),
    ]  # fmt: skip
    by_hand = (9 + 1) * 16 + (16 * 9 + 1) * 32 + 801 * 64 + 65 * 800 + (32 * 16 * 16 + 16) + (16 * 9 + 1)
    assert model.params.size == by_hand == 116_417
    assert all(layer.rate == 0.2 for layer in layers_of(model) if isinstance(layer, Dropout))


@pytest.mark.parametrize("side", [28, 8])
def test_the_variants_differ_in_what_their_names_say(side):
    models = {variant: autoencoder(variant, side, 6, np.random.default_rng(0)) for variant in VARIANTS}
    where = {v: [isinstance(layer, Dropout) for layer in layers_of(model)] for v, model in models.items()}
    assert {v: sum(here) for v, here in where.items()} == {
        "as-printed": 6, "no-output-dropout": 5, "no-dropout": 0, "own-decoder": 0, "own-linear": 0,
    }  # fmt: skip
    assert where["as-printed"][-2] and not where["no-output-dropout"][-2]
    for variant in ("no-output-dropout", "no-dropout"):  # nothing else: the same network from the same values
        np.testing.assert_array_equal(models[variant].params, models["as-printed"].params)
    assert repr(models["own-decoder"].encoder) == repr(models["no-dropout"].encoder)
    x = np.random.default_rng(1).random((50, side * side), np.float32)
    assert models["own-decoder"].encode(x).min() == 0 > models["own-linear"].encode(x).min()


@pytest.mark.parametrize("side", [28, 8])
def test_the_printed_decoder_does_not_reach_the_last_rows_and_columns(side):
    codes = np.random.default_rng(1).normal(0, 3, (20, 6)).astype(np.float32)
    for variant, reached in (("no-dropout", False), ("own-decoder", True)):
        images = autoencoder(variant, side, 6, np.random.default_rng(0)).decode(codes).reshape(20, side, side)
        differs = np.ptp(images, axis=0) > 0
        missed = 0 if reached else conv_autoencoder.UNREACHED[side]
        assert differs[: side - missed, : side - missed].all(), variant
        assert not differs[side - missed :].any() and not differs[:, side - missed :].any(), variant


def test_dropout_behind_the_output_makes_the_best_output_a_fifth_too_dark(rng):
    dropout, target = Dropout(RATE, rng), 0.7
    levels = np.linspace(0, 1, 101)
    errors = [np.mean((dropout.forward(np.full(40_000, y)) - target) ** 2) for y in levels]
    best = levels[np.argmin(errors)]
    assert best == pytest.approx(0.8 * target, abs=0.03)
    assert min(errors) == pytest.approx(0.2 * target**2, rel=0.03)


def test_a_run_writes_all_that_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    files = {
        "summary.json",
        "history.json",
        "samples.png",
        "curves.png",
        "classifier_curves.png",
        "reconstructions.png",
    }
    trainings = {f"{v}-n6-seed{s}" for s in (0, 1) for v in (*VARIANTS, *(f"classifier-{k}" for k in CLASSIFIERS))}
    assert {path.name for path in folder.iterdir()} == files | {"confusion.png"} | trainings
    for name in trainings:
        assert {path.name for path in (folder / name).iterdir()} == {"checkpoint.npz", "history.json"}
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["experiment"] == "conv-autoencoder" and summary["document"] == {} and summary["seed"] == 0
    assert summary["settings"]["seeds"] == [0, 1] and "numpy" in summary["versions"]
    assert np.sum(summary["figures"]["confusion"]) == 300
    history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    for run in history["classifier-logits-n6"]:
        assert {"train_loss", "held_out_loss", "train_accuracy", "held_out_accuracy"} <= run[1].keys()
    for column in ("document", "code numbers always 0", "mean image", "PCA-6", "test cross-entropy", "precision"):
        assert column in printed


def test_the_figures_are_those_of_the_checkpoints(finished, few_images):
    """Loaded by what the library offers, and computed in two lines; PCA by scikit-learn."""
    from sklearn.decomposition import PCA

    found = json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"]
    x = (few_images.test.pixels / 16).astype(np.float32)
    for variant in VARIANTS:
        models = [load_model(finished / f"{variant}-n6-seed{seed}")[0] for seed in (0, 1)]
        figure = found["autoencoders"][f"{variant}-n6"]
        errors = [np.mean((model.reconstruct(x) - x) ** 2) for model in models]
        assert figure["test_mse"]["runs"] == pytest.approx(errors, rel=1e-5)
        assert figure["test_mse"]["mean"] == pytest.approx(np.mean(errors), rel=1e-5)
        squares = (models[0].reconstruct(x) - x).reshape(-1, 8, 8) ** 2
        edge = squares.mean() - squares[:, :7, :7].sum() / squares.size
        assert figure["test_mse_at_the_edge"]["runs"][0] == pytest.approx(edge, rel=1e-4)
        brightened = np.mean((np.minimum(models[0].reconstruct(x) / 0.8, 1) - x) ** 2)
        assert figure["test_mse_brightened"]["runs"][0] == pytest.approx(brightened, rel=1e-5)
        dead = [int((model.encode(x).max(axis=0) <= 0).sum()) if "linear" not in variant else 0 for model in models]
        assert figure["dead_code_numbers"]["runs"] == dead
    for kind in CLASSIFIERS:
        models = [load_model(finished / f"classifier-{kind}-n6-seed{seed}")[0] for seed in (0, 1)]
        right = [np.mean(m.probabilities(x).argmax(axis=1) == few_images.test.labels) for m in models]
        assert found["classifiers"][f"{kind}-n6"]["test_accuracy"]["runs"] == pytest.approx(right)
        lost = [10 - len(set(m.probabilities(x).argmax(axis=1))) for m in models]
        assert found["classifiers"][f"{kind}-n6"]["classes_never_found"]["runs"] == lost
        assert isinstance(models[0], Classifier)
    pca = PCA(6, svd_solver="full").fit(few_images.train.pixels / 16)
    errors = {
        "PCA-6": np.mean((pca.inverse_transform(pca.transform(x)) - x) ** 2),
        "mean image": np.mean((pca.mean_ - x) ** 2),
    }
    assert found["baselines_test_mse"] == pytest.approx(errors, rel=1e-4)


def test_a_dead_number_is_counted(few_images):
    model = autoencoder("no-dropout", 8, 6, np.random.default_rng(0))
    (dense,) = (layer for layer in model.encoder.layers if isinstance(layer, Dense))
    dense.b = [100, -100, 100, -100, 100, 100]
    assert conv_autoencoder.score_autoencoder(model, few_images)["dead_code_numbers"] == 2


def test_a_classifier_starts_from_the_trained_encoder_and_draws_from_its_own_generator(finished):
    below, _ = load_model(finished / "as-printed-n6-seed0")
    rng = np.random.default_rng(7)
    models = {kind: classifier(kind, below.encoder, 8, 6, rng) for kind in CLASSIFIERS}
    for kind, model in models.items():
        encoder, dense, *rest = model.network.layers
        assert np.array_equal(encoder.params, below.encoder.params) == (kind != "untrained")
        assert (dense.n_in, dense.n_out) == (6, 10) and bool(rest) == (kind == "as-printed")
        dropouts = [layer for layer in (*encoder.layers, *rest) if isinstance(layer, Dropout)]
        assert len(dropouts) == 3 + bool(rest) and all(layer.rng is rng for layer in dropouts)
    before = below.encoder.params.copy()
    models["logits"].params[...] = 0
    np.testing.assert_array_equal(below.encoder.params, before)
    for kind in CLASSIFIERS:  # and all of it is trained
        trained, _ = load_model(finished / f"classifier-{kind}-n6-seed0")
        assert not np.array_equal(trained.network.layers[0].params, before)


def test_the_curves_are_means_over_the_runs(finished):
    """Solid and dashed, as numbers, of the very lines in the figure."""
    history = json.loads((finished / "history.json").read_text(encoding="utf-8"))["as-printed-n6"]
    figure = figures.learning_curves({"error": {"a": series.curves(history, "loss")}}, "title")
    for line, part in zip(figure.axes[0].lines, ("train_loss", "held_out_loss"), strict=True):
        means = [(a[part] + b[part]) / 2 for a, b in zip(*history, strict=True)]
        np.testing.assert_allclose(line.get_ydata(), means, rtol=1e-6)
        np.testing.assert_array_equal(line.get_xdata(), [1, 2])


def test_an_interruption_changes_nothing(finished, no_pictures, tmp_path, monkeypatch):
    """Stopped in the second epoch of the first classifier, and told again: the same bits as in one go."""
    step, done = Trainer.step, []

    def interrupted(self, batch):
        done.append(1)
        if len(done) == 5 * 2 * 4 + 6:  # five autoencoders, two epochs of four batches
            raise KeyboardInterrupt
        return step(self, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "step", interrupted)
        conv_autoencoder.main(["--out", str(tmp_path), *SHORT])
    assert not (tmp_path / "summary.json").exists()
    conv_autoencoder.main(["--out", str(tmp_path), "--resume", *SHORT])
    for path in tmp_path.glob("*/checkpoint.npz"):
        there = load_model(finished / path.parent.name)[0]
        np.testing.assert_array_equal(load_model(path)[0].params, there.params)
    found = [
        json.loads((folder / "summary.json").read_text(encoding="utf-8"))["figures"] for folder in (tmp_path, finished)
    ]
    assert found[0]["confusion"] == found[1]["confusion"]


def test_the_same_command_again_trains_nothing_and_says_the_same(finished, no_pictures, monkeypatch):
    before = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(Trainer, "step", lambda self, batch: pytest.fail("trained again"))
    conv_autoencoder.main(["--out", str(finished), "--runs", "2", *SHORT])
    after = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    assert {**after, "peak_memory_mb": 0} == {**before, "peak_memory_mb": 0}


def test_another_run_is_not_overwritten(finished):
    run = ["--out", finished, *SHORT]
    text = fails(conv_autoencoder.main, *run, "--epochs", 3)
    assert "holds another run, which would be lost: it has epochs = 2, and this run has 3" in text


def test_the_learning_rate_falls_to_its_last_value(few_images, tmp_path, monkeypatch):
    step, rates = Trainer.step, []
    monkeypatch.setattr(Trainer, "step", lambda self, batch: rates.append(self.optimiser.lr) or step(self, batch))
    args = conv_autoencoder.options(["--batch-size", "200"])  # a step an epoch
    for final, expected in ((None, [1e-3, 1e-3, 1e-3]), (1e-5, [1e-3, 1e-4, 1e-5])):
        rng = np.random.default_rng(0)
        model = autoencoder("no-dropout", 8, 6, rng)
        folder, settings = tmp_path / str(final), {"epochs": 3}
        series.train(folder, model, Adam(model, lr=1e-3), rng, few_images, args, settings, lr_final=final)
        assert rates == pytest.approx(expected)
        rates.clear()
    assert falling(1e-3, 1e-4, 1)(1) == 1e-3


def test_a_classifier_s_accuracy_is_recorded_on_as_many_training_images_as_asked_for(few_images, tmp_path):
    args = conv_autoencoder.options(["--batch-size", "200"])
    for n_measured in (30, None):
        rng = np.random.default_rng(0)
        model = classifier("untrained", autoencoder("as-printed", 8, 6, rng).encoder, 8, 6, rng)
        (record,) = series.train(
            tmp_path / str(n_measured), model, Adam(model), rng, few_images, args, {"epochs": 1}, n_measured=n_measured
        )
        for part, images in (("train", few_images.train), ("held_out", few_images.validation)):
            n = (n_measured if part == "train" else None) or len(images)
            right = model.probabilities(images[:n]).argmax(axis=1) == images.labels[:n]
            assert record[f"{part}_accuracy"] == right.mean()


def test_the_documents_split_has_fifty_thousand_and_two_times_ten_thousand():
    pixels = np.arange(60_000 * 2, dtype=np.uint32).reshape(60_000, 2)  # every image another
    validation, train = data.Images(pixels, 1, np.zeros(60_000, np.uint8)).split(5_000, 55_000)
    split = split_of_the_document(data.DataSet("mnist", train, validation, validation, (1, 2), ("a", "b")))
    np.testing.assert_array_equal(split.validation.pixels, pixels[:10_000])
    np.testing.assert_array_equal(split.train.pixels, pixels[10_000:])
    assert len(split.validation.labels) == 10_000 and split.class_names == ("a", "b")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "frey-face"], "frey-face has no labels to learn from: choose digits, mnist, fashion-mnist"),
        (["--codes", "6", "65"], "--codes 65 is more than the 64 pixels of an image"),
        (["--codes", "0"], "argument --codes: expected a whole number of at least 1, got 0"),
        (["--runs", "0"], "argument --runs: expected a whole number of at least 1, got 0"),
        (["--batch-size", "201"], "--batch-size 201 is more than the 200 training images"),
        (["--resume"], "there is nothing to go on with in"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, tmp_path):
    text = fails(conv_autoencoder.main, "--out", tmp_path / "run", *arguments)
    assert message in text and not (tmp_path / "run").exists()


def test_help_has_examples():
    assert "examples/conv_autoencoder.py --data fashion-mnist" in succeeds(conv_autoencoder.main, "--help")
    assert (ROOT / "examples/conv_autoencoder.py").exists()
