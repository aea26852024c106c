"""The convolutional classifiers from many seeds: what is measured of a run, PyTorch's initial values, the tables."""

from __future__ import annotations

import json
from dataclasses import replace

import conv_classifier_seeds as script
import numpy as np
import pytest
from conftest import ROOT, draw_nothing
from scripts import fails, succeeds
from shared.documents import CONV_RESULTS

from scratchnn import Conv2D, ConvTranspose2D, Dense, data
from scratchnn.scripts.student_works import conv_autoencoder, conv_classifier
from scratchnn.training import Trainer
from scratchnn.training.checkpoints import load_model

SHORT = ["--epochs", 1, "--classifier-epochs", 7, "--batch-size", 100, "--codes", 6]
N_TRAIN = 200


@pytest.fixture(scope="module", autouse=True)
def few_images():
    """The digits with 200 training images: the trainings here are to be short, not good."""
    digits = data.load("digits")
    few = replace(digits, train=digits.train.split(N_TRAIN)[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script.data, "load", lambda name: few)
        yield few


@pytest.fixture(scope="module")
def printed_and_finished(few_images, tmp_path_factory):
    """What a short run of the script prints, made in three parts, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        for kind in ("as-printed", "logits"):
            succeeds(script.main, *SHORT, "--seeds", 0, "--classifiers", kind, "--out", folder)
    return succeeds(script.main, *SHORT, "--seeds", 1, "--out", folder), folder


def summary(folder) -> dict:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def test_a_run_writes_all_that_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    pictures = {"curves.png", "curves-as-printed.png", "curves-logits.png", "accuracies.png"}
    assert {path.name for path in folder.iterdir()} == {"summary.json", "n6-seed0", "n6-seed1", *pictures}
    trainings = {"autoencoder", "classifier-as-printed", "classifier-logits"}
    for name in ("n6-seed0", "n6-seed1"):
        assert {path.name for path in (folder / name).iterdir()} == {"summary.json", *trainings}
    assert summary(folder)["settings"]["seeds"] == {"6": [0, 1]}
    one = summary(folder / "n6-seed1")
    assert one["experiment"] == "conv-classifier-seed" and one["document"] == {}
    assert one["settings"] == {
        "initial_values": "lecun", "code": 6, "seed": 1, "data": "digits", "epochs": 1, "classifier_epochs": 7,
        "batch_size": 100, "optimiser": "Adam(lr=0.001)",
    }  # fmt: skip
    assert set(summary(folder / "n6-seed0")["figures"]["classifiers"]) == {"as-printed", "logits"}
    assert "logits, N = 6           2" in printed and "1 runs" not in printed


def test_the_figures_are_those_of_the_checkpoints(printed_and_finished, few_images):
    _, folder = printed_and_finished
    x, labels = few_images.test.pixels.astype(np.float32) / 16, few_images.test.labels
    for seed in (0, 1):
        found = summary(folder / f"n6-seed{seed}")["figures"]
        autoencoder, _ = load_model(folder / f"n6-seed{seed}/autoencoder")
        assert found["autoencoder"]["test_mse"] == pytest.approx(
            np.mean((autoencoder.reconstruct(x) - x) ** 2), rel=1e-5
        )
        for kind in script.KINDS:
            model, _ = load_model(folder / f"n6-seed{seed}/classifier-{kind}")
            right = np.mean(model.probabilities(x).argmax(axis=1) == labels)
            classifier = found["classifiers"][kind]
            assert classifier["test_accuracy"] == pytest.approx(right)
            assert classifier["curves"]["test_accuracy"][-1] == pytest.approx(right, abs=1e-5)
            history = json.loads((folder / f"n6-seed{seed}/classifier-{kind}/history.json").read_text(encoding="utf-8"))
            for curve in ("train_accuracy", "held_out_accuracy", "test_accuracy", "train_loss", "held_out_loss"):
                assert classifier["curves"][curve] == pytest.approx([of[curve] for of in history], abs=1e-5)


def test_which_epoch_is_kept_decides_the_test_accuracy():
    """Of seven epochs the third is best on the validation images; the first of equals counts."""
    validation, test = [0.1, 0.2, 0.9, 0.4, 0.5, 0.9, 0.7], [0.2, 0.3, 0.8, 0.5, 0.6, 0.95, 0.65]
    same = {"train_accuracy": 0.5, "train_loss": 1.0, "held_out_loss": 2.0}
    history = [{"held_out_accuracy": v, "test_accuracy": t, **same} for v, t in zip(validation, test, strict=True)]
    found = script.tested(history)
    assert found["best_epoch"] == 3 and found["best"] == {"validation_accuracy": 0.9, "test_accuracy": 0.8}
    assert found["last_five"]["test_accuracy"] == pytest.approx((0.8 + 0.5 + 0.6 + 0.95 + 0.65) / 5)
    assert found["last_five"]["validation_accuracy"] == pytest.approx((0.9 + 0.4 + 0.5 + 0.9 + 0.7) / 5)


def test_pytorch_s_initial_values_have_its_fan_in():
    """Written down from PyTorch's documents: Linear 1/√in, Conv2d 1/√(in·k·k), ConvTranspose2d 1/√(out·k·k)."""
    model = conv_autoencoder("as-printed", 28, 64, np.random.default_rng(0), pytorch=True)
    layers = [layer for layer in model.walk() if isinstance(layer, Dense | Conv2D | ConvTranspose2D)]
    fan_in = [1 * 9, 16 * 9, 800, 64, 16 * 16, 1 * 9]
    for layer, m in zip(layers, fan_in, strict=True):
        limit = m**-0.5
        assert 0.97 * limit < np.abs(layer.W).max() <= 1.000001 * limit
        assert 0 < np.abs(layer.b).max() <= 1.000001 * limit
    ours = conv_autoencoder("as-printed", 28, 64, np.random.default_rng(0))
    lecun = [layer for layer in ours.walk() if isinstance(layer, Dense | Conv2D | ConvTranspose2D)]
    ratios = [ours.W.var() / theirs.W.var() for ours, theirs in zip(lecun, layers, strict=True)]
    # a third; and in the transposed convolutions 1/128 to 1/(3·256), and 1/64 to 1/(3·9)
    np.testing.assert_allclose(ratios, [3, 3, 3, 3, 6, 27 / 64], rtol=0.3)
    assert not any(layer.b.any() for layer in lecun)


@pytest.mark.usefixtures("no_figures")
def test_a_classifier_of_pytorch_s_values_still_starts_from_the_trained_encoder(tmp_path):
    below = conv_autoencoder("as-printed", 8, 6, np.random.default_rng(0), pytorch=True).encoder
    for kind in script.KINDS:
        model = conv_classifier(kind, below, 8, 6, np.random.default_rng(1), pytorch=True)
        encoder, dense, *_ = model.network.layers
        np.testing.assert_array_equal(encoder.params, below.params)
        assert np.abs(dense.W).max() <= 6**-0.5 and dense.b.any()
    succeeds(script.main, *SHORT, "--seeds", 0, "--initial-values", "pytorch", "--out", tmp_path)
    assert summary(tmp_path / "n6-seed0")["settings"]["initial_values"] == "pytorch"


def made_up(n: int, seed: int, accuracy: float) -> dict:
    classifier = {"test_accuracy": accuracy, "test_cross_entropy": 0.375, "best": {"test_accuracy": 0.9},
                  "last_five": {"test_accuracy": 0.85}}  # fmt: skip
    figures = {"autoencoder": {"test_mse": 0.05, "dead_code_numbers": 12}, "classifiers": {"as-printed": classifier}}
    return {"seed": seed, "figures": figures, "settings": {"code": n}, "document": json.loads(json.dumps(CONV_RESULTS))}


def test_the_tables_and_the_figure_place_the_document_among_the_runs():
    """90, 91 and 92 %: mean 91, standard deviation 1, and the document's 90.43 is 0.57 below; one run says nothing."""
    found = {64: [made_up(64, seed, accuracy) for seed, accuracy in enumerate((0.90, 0.91, 0.92))],
             128: [made_up(128, 0, 0.9)]}  # fmt: skip
    head, _, first, second = script.table_of_classifiers(found).splitlines()
    assert "test accuracy in per cent" in head
    assert " ".join(first.split()) == (
        "as-printed, N = 64 3 90.43 91.00 ± 1.00 85.00 ± 0.00 90.00 ± 0.00 0.3750 ± 0.0000 −0.6 standard deviations"
    )
    assert " ".join(second.split()) == "as-printed, N = 128 1 91.41 90.00 85.00 90.00 0.3750"
    assert script.table_of_autoencoders(found).splitlines()[2].split()[3:6] == ["3", "0.0533", "0.0500"]
    (axes,) = script.run_by_run(found, "title").axes
    lines = [line.get_xydata().tolist() for line in axes.lines]
    assert [[0, 90], [0, 91], [0, 92]] in [np.round(line, 6).tolist() for line in lines]
    assert [[-0.3, 90.43], [0.3, 90.43]] in [np.round(line, 6).tolist() for line in lines]


def test_runs_of_other_settings_are_left_out(printed_and_finished):
    _, folder = printed_and_finished
    args = script.options([*map(str, SHORT), "--out", str(folder)])
    assert {n: len(of) for n, of in script.finished(args).items()} == {6: 2}
    args.epochs = 2
    assert script.finished(args) == {}


@pytest.mark.usefixtures("no_figures")
def test_what_is_finished_is_not_trained_again(printed_and_finished, monkeypatch):
    _, folder = printed_and_finished
    before = summary(folder / "n6-seed0")
    monkeypatch.setattr(Trainer, "step", lambda self, batch: pytest.fail("trained again"))
    succeeds(script.main, *SHORT, "--seeds", 0, 1, "--classifiers", "logits", "--out", folder)
    assert summary(folder / "n6-seed0")["figures"] == before["figures"]  # as-printed is still there


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "frey-face"], "invalid choice: 'frey-face'"),
        (["--codes", 65], "--codes 65 is more than the 64 pixels of an image"),
        (["--classifiers", "untrained"], "invalid choice: 'untrained'"),
        (["--batch-size", 201], "--batch-size 201 is more than the 200 training images"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, tmp_path):
    text = fails(script.main, "--out", tmp_path / "run", *arguments)
    assert message in text and not (tmp_path / "run").exists()


def test_help_has_examples():
    assert "examples/conv_classifier_seeds.py --data fashion-mnist" in succeeds(script.main, "--help")
    assert (ROOT / "examples/conv_classifier_seeds.py").exists()
