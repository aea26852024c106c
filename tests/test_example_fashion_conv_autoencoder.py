"""The 2-number codes, one of them collapsed, and the classifier on an autoencoder's encoder, as a user runs them."""

from __future__ import annotations

import json

import fashion_conv_autoencoder
import numpy as np
import pytest
from conftest import ROOT
from fashion_conv_autoencoder import classifier, dead_at_the_start, dead_numbers, two_numbers, wide_autoencoder
from scripts import fails, succeeds
from shared.series import report

from scratchnn import BatchNorm, Conv2D, Dense, Dropout, MaxPool2D, ReLU, UpSampling2D, data
from scratchnn.data import CLOTHES
from scratchnn.training import Trainer
from scratchnn.training.checkpoints import load_model

SHORT = ["--epochs", "2", "--encoder-epochs", "1", "--classifier-epochs", "2", "--batch-size", "50"]


@pytest.fixture(scope="module", autouse=True)
def few_images():
    """The digits with 100 images a part, and 12 starts to look at: the trainings are to be short, not good."""
    digits = data.load("digits")
    parts = (part.split(100)[0] for part in (digits.train, digits.validation, digits.test))
    few = data.DataSet("digits", *parts, (8, 8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fashion_conv_autoencoder.data, "load", lambda name: few)
        patch.setattr(fashion_conv_autoencoder, "FRESH", 12)
        yield few


@pytest.fixture(scope="module")
def printed_and_finished(few_images, tmp_path_factory):
    """What a short run of the script prints, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    return succeeds(fashion_conv_autoencoder.main, "--out", folder, *SHORT), folder


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(fashion_conv_autoencoder.figures, "save", lambda figure, path, settings: None)
    monkeypatch.setattr(fashion_conv_autoencoder, "t_sne", lambda images, n, seed: images.test[:n][:, :2])


def in_short(layers) -> str:
    """Layers as the document prints them: channels and kernel of a convolution, r for its ReLU, and the rest."""
    words = []
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, Conv2D):
            assert layer.padding == "same" and layer.stride == (1, 1)
            words.append(f"{layer.c_out}/{layer.kernel[0]}" + "r" * isinstance(following, ReLU))
        elif isinstance(layer, Dense):
            words.append(f"dense{layer.n_out}" + "r" * isinstance(following, ReLU))
        elif isinstance(layer, MaxPool2D | UpSampling2D):
            words.append({MaxPool2D: "pool", UpSampling2D: "up"}[type(layer)] + repr(layer)[-2])
        elif isinstance(layer, BatchNorm):
            words.append("norm")
    return " ".join(words)


def test_the_network_is_the_printed_one_and_an_output():
    model = two_numbers("relu-code", 28, np.random.default_rng(0))
    encoder = "32/3r 32/3r pool2 norm 32/3r 32/3r 32/2r pool2 norm 16/2r 4/2r 1/2r dense2"
    assert in_short(model.encoder.layers) == encoder + "r"
    assert in_short(model.decoder.layers) == (
        "dense4r 4/2r 16/2r norm up7 32/3r 32/3r 32/3r norm norm up2 32/3r 32/3r " + "1/3"
    )
    linear = two_numbers("linear-code", 28, np.random.default_rng(0))
    assert in_short(linear.encoder.layers) == encoder
    np.testing.assert_array_equal(linear.params, model.params)  # from the same start
    x = np.random.default_rng(1).random((3, 784), np.float32)
    assert model.encoder.forward(x).min() >= 0 and model.forward(x).shape == (3,)


def test_dead_numbers_are_those_that_never_change():
    codes = np.random.default_rng(0).random((20, 3))
    assert dead_numbers(codes) == 0
    codes[:, 1] = 0
    assert dead_numbers(codes) == 1
    codes[3, 1] = 1e-6
    assert dead_numbers(codes) == 0


def test_starts_are_counted_as_they_are(few_images):
    """A start with one dead number: one pre-activation is below 0 for all images, and only one."""
    x = few_images.train[:]
    starts = dead_at_the_start(8, x, 0)
    assert len(starts) == 12 and starts.count(1) > 0 and starts.count(0) > 0
    for number, dead in enumerate(starts):
        linear = two_numbers("linear-code", 8, np.random.default_rng([0, number])).encoder.forward(x)
        assert (linear.max(axis=0) <= 0).sum() == dead


def test_a_run_writes_all_that_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    pictures = ("views", "reconstructions", "curves", "classifier_curves", "confusion")
    trainings = {"encoder-seed0", "classifier-seed0", "relu-code-seed0", "linear-code-seed0", "collapsed-2-seed0"}
    files = {"summary.json", "history.json", *(f"{name}.png" for name in pictures)}
    assert {path.name for path in folder.iterdir()} == files | trainings
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["experiment"] == "fashion-conv-autoencoder" and summary["document"] == {}
    assert len(summary["figures"]["dead_numbers_at_the_start"]) == 12 and "numpy" in summary["versions"]
    assert summary["figures"]["per_class"]["0"].keys() == {"precision", "recall", "f1-score", "support"}
    history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    assert {"train_accuracy", "held_out_accuracy"} <= history["classifier"][1].keys()
    assert "of 12 networks at the start" in printed and "dead numbers, and variance along a line" in printed


def test_the_figures_are_those_of_the_checkpoints(finished, few_images):
    found = json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"]
    x, labels = (few_images.test.pixels / 16).astype(np.float32), few_images.test.labels
    for kind in ("relu-code", "linear-code", "collapsed"):
        model, _ = load_model(finished / f"{kind + '-2' * (kind == 'collapsed')}-seed0")
        figure, code = found["codes"][kind], model.encode(x)
        assert figure["test_mse"]["runs"] == pytest.approx([np.mean((model.reconstruct(x) - x) ** 2)], rel=1e-4)
        along = np.linalg.svd(code - code.mean(axis=0), compute_uv=False) ** 2
        assert figure["variance_along_a_line"]["runs"] == pytest.approx([along[0] / along.sum()], rel=1e-4)
    model, _ = load_model(finished / "classifier-seed0")
    predicted = model.probabilities(x).argmax(axis=1)
    assert found["classifier"]["test_accuracy"] == np.mean(predicted == labels)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, predicted), 1)
    assert found["confusion"] == counts.tolist()
    for label in range(10):
        right = counts[label, label]
        assert found["per_class"][str(label)]["recall"] == pytest.approx(right / counts[label].sum())
        assert found["per_class"][str(label)]["precision"] == pytest.approx(right / max(counts[:, label].sum(), 1))


def test_the_collapsed_code_is_a_line_before_and_after_training(finished, few_images):
    x = few_images.train[:]
    kept, settings = load_model(finished / "collapsed-2-seed0")
    for code in (
        two_numbers("relu-code", 8, np.random.default_rng([0, dead_at_the_start(8, x, 0).index(1)])).encoder.forward(x),
        kept.encode(x),
    ):
        assert dead_numbers(code) == 1
    assert settings["variant"] == "collapsed-2" and settings["epochs"] == 2
    assert dead_numbers(load_model(finished / "linear-code-seed0")[0].encode(x)) == 0


def test_the_classifier_takes_the_values_and_the_averages_of_the_encoder():
    rng = np.random.default_rng(0)
    below = wide_autoencoder(8, rng)
    below.forward(rng.random((20, 64), np.float32))  # the averages have moved
    model = classifier(below.encoder, 8, rng)
    encoder = model.network.layers[0]
    np.testing.assert_array_equal(encoder.params, below.encoder.params)
    for name, average in below.encoder.buffers.items():
        np.testing.assert_array_equal(encoder.buffers[name], average)
        assert average.any() and not np.shares_memory(average, encoder.buffers[name])
    dropouts = [layer for layer in (*encoder.layers, *model.network.layers) if isinstance(layer, Dropout)]
    assert len(dropouts) == 3 and all(layer.rng is rng for layer in dropouts)


def test_an_interruption_changes_nothing(finished, no_pictures, tmp_path, monkeypatch):
    """Stopped in the classifier's second epoch, and told again: the same bits as in one go."""
    step, done = Trainer.step, []

    def interrupted(self, batch):
        done.append(1)
        if len(done) == 2 + 3:  # one epoch of two batches for the encoder, one and a half for the classifier
            raise KeyboardInterrupt
        return step(self, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "step", interrupted)
        fashion_conv_autoencoder.main(["--out", str(tmp_path), *SHORT])
    fashion_conv_autoencoder.main(["--out", str(tmp_path), "--resume", *SHORT])
    for name in ("encoder", "classifier", "collapsed-2"):
        here, there = (load_model(folder / f"{name}-seed0")[0] for folder in (tmp_path, finished))
        np.testing.assert_array_equal(here.params, there.params)
        for buffer in here.buffers:
            np.testing.assert_array_equal(here.buffers[buffer], there.buffers[buffer])


def test_without_a_collapsed_start_there_is_none_to_train(no_pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fashion_conv_autoencoder, "dead_at_the_start", lambda side, x, seed: [0, 0, 2])
    fashion_conv_autoencoder.main(["--out", str(tmp_path), *SHORT[:-2], "--batch-size", "100", "--runs", "2"])
    assert not list(tmp_path.glob("collapsed*")) and (tmp_path / "linear-code-seed1").is_dir()
    assert "2 have no dead number, 0 have one (a line), 1 have two (a point)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "frey-face"], "frey-face has no labels to learn from: choose digits, mnist, fashion-mnist"),
        (["--classifier-epochs", "0"], "argument --classifier-epochs: expected a whole number of at least 1, got 0"),
        (["--batch-size", "101"], "--batch-size 101 is more than the 100 training images"),
        (["--resume"], "there is nothing to go on with in"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, tmp_path):
    text = fails(fashion_conv_autoencoder.main, "--out", tmp_path / "run", *arguments)
    assert message in text and not (tmp_path / "run").exists()


def test_another_run_is_not_overwritten(finished):
    text = fails(fashion_conv_autoencoder.main, "--out", finished, *SHORT, "--encoder-epochs", 2)
    assert "holds another run, which would be lost: it has epochs = 1, and this run has 2" in text


def test_the_report_stands_beside_the_documents(monkeypatch, capsys):
    """Its ten F1 values follow from precision and recall, as far as two decimals go, and so were copied right."""
    document = fashion_conv_autoencoder.DOCUMENT
    for p, r, f1 in zip(document["precision"], document["recall"], document["f1-score"], strict=True):
        assert f1 == pytest.approx(2 * p * r / (p + r), abs=0.011)
    assert np.mean(document["recall"]) == pytest.approx(document["accuracy"], abs=0.006)
    args = fashion_conv_autoencoder.options(["--data", "fashion-mnist"])
    labels = np.arange(10)
    _, per_class = report(labels, labels)
    fashion_conv_autoencoder.print_report(args, {"test_accuracy": 1.0, "test_cross_entropy": 0.0}, per_class, CLOTHES)
    printed = capsys.readouterr().out
    assert "\nshirt           1.000 (0.79)" in printed and "accuracy 100.00 % (0.93)" in printed


def test_help_has_examples():
    text = succeeds(fashion_conv_autoencoder.main, "--help")
    assert "examples/fashion_conv_autoencoder.py --data fashion-mnist" in text
    assert (ROOT / "examples/fashion_conv_autoencoder.py").exists()
