"""The stacked autoencoders as a user runs them: what is carried over, what is trained on what, and every mistake."""

from __future__ import annotations

import json

import numpy as np
import pytest
import stacked_autoencoder
from conftest import ROOT
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scripts import fails, succeeds
from stacked_autoencoder import STARTS, autoencoders, classifier

from scratchnn import Classifier, Dense, data
from scratchnn.scripts import figures
from scratchnn.training import Trainer
from scratchnn.training.checkpoints import load_model

SHORT = ["--epochs", "3", "--pretraining-epochs", "2"]
AUTOENCODERS = ("first", "second", "third", "whole")


@pytest.fixture(scope="module")
def printed_and_finished(tmp_path_factory):
    """What a short run of the script prints, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    return succeeds(stacked_autoencoder.main, *SHORT, "--runs", "2", "--out", folder), folder


@pytest.fixture
def no_pictures(monkeypatch):
    """Pictures take longer than the rest of a short run."""
    monkeypatch.setattr(stacked_autoencoder, "draw", lambda *args: {})


def widths(*networks) -> list[int]:
    dense = [layer for network in networks for layer in network.layers if isinstance(layer, Dense)]
    return [dense[0].n_in, *(layer.n_out for layer in dense)]


def test_the_networks_are_those_of_the_document():
    rng = np.random.default_rng(0)
    models = autoencoders(784, rng)
    assert {name: widths(model.encoder, model.decoder) for name, model in models.items()} == {
        "first": [784, 256, 128, 64, 128, 256, 784],
        "second": [784, 128, 64, 32, 64, 128, 784],
        "third": [784, 64, 32, 16, 32, 64, 784],
        "whole": [784, 128, 64, 32, 16, 32, 64, 128, 784],
    }
    assert {name: sizes[-1] for name, sizes in stacked_autoencoder.encoder_widths(784).items()} == {
        "first": 64, "second": 32, "third": 16, "whole": 16,
    }  # fmt: skip
    for start in STARTS:
        assert widths(classifier(start, 784, 10, models, rng).network) == [784, 128, 64, 32, 16, 10]
    for model in (*models.values(), classifier("random", 784, 10, models, rng)):
        layers = [*model.encoder.layers, *model.decoder.layers] if hasattr(model, "encoder") else model.network.layers
        # ReLU after every layer but the last, whose sigmoid or softmax is in the loss
        assert [type(layer).__name__ for layer in layers] == ["Dense", "ReLU"] * (len(layers) // 2) + ["Dense"]


def test_what_the_classifier_takes_from_the_autoencoders():
    models = autoencoders(784, np.random.default_rng(1))
    made = {start: classifier(start, 784, 10, models, np.random.default_rng(2)).network.layers for start in STARTS}
    code_layers = {2: ("first", 4), 4: ("second", 4), 6: ("third", 4)}  # of the classifier: (autoencoder, its place)
    for position in (0, 2, 4, 6, 8):
        fresh = made["random"][position].W
        stacked = fresh
        if position in code_layers:
            name, place = code_layers[position]
            stacked = models[name].encoder.layers[place].W
            assert not np.array_equal(stacked, fresh)
        whole = fresh if position == 8 else models["whole"].encoder.layers[position].W
        np.testing.assert_array_equal(made["stacked"][position].W, stacked)
        np.testing.assert_array_equal(made["whole"][position].W, whole)


def test_a_run_writes_all_that_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    folders = {f"autoencoder-{name}-seed{seed}" for name in AUTOENCODERS for seed in (0, 1)}
    folders |= {f"classifier-{start}-seed{seed}" for start in STARTS for seed in (0, 1)}
    pictures = {"curves", "reconstructions", "probabilities", *(f"confusion-{start}" for start in STARTS)}
    files = {"summary.json", "history.json", *folders, *(f"{name}.png" for name in pictures)}
    assert {path.name for path in folder.iterdir()} == files
    for name in folders:
        assert {path.name for path in (folder / name).iterdir()} == {"checkpoint.npz", "history.json"}
        history = json.loads((folder / name / "history.json").read_text(encoding="utf-8"))
        assert len(history) == (2 if name.startswith("auto") else 3)
        assert ("held_out_accuracy" in history[0]) == name.startswith("class")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["experiment"] == "stacked-autoencoder" and summary["document"] == {}
    assert summary["settings"]["seeds"] == [0, 1] and "numpy" in summary["versions"]
    for line in ("one mean image", "PCA with as many", "stacked less random, seed by seed"):
        assert line in printed


def test_figures_are_those_of_the_checkpoints(finished):
    """Loaded by what the library offers, fed with pixels, counted by hand."""
    images = data.load("digits")
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"]
    history = json.loads((finished / "history.json").read_text(encoding="utf-8"))
    x = {part: (getattr(images, part).pixels / 16).astype(np.float32) for part in ("train", "validation", "test")}
    for start in STARTS:
        for seed in (0, 1):
            model, settings = load_model(finished / f"classifier-{start}-seed{seed}")
            assert isinstance(model, Classifier) and (settings["start"], settings["seed"]) == (start, seed)
            for part, pixels in x.items():
                p, labels = model.probabilities(pixels), getattr(images, part).labels
                figure = {
                    name: summary["classifiers"][start][f"{part}_{name}"] for name in ("accuracy", "cross_entropy")
                }
                assert figure["accuracy"]["runs"][seed] == np.mean(p.argmax(axis=1) == labels)
                cross_entropy = -np.log(p[np.arange(len(p)), labels]).mean()
                assert figure["cross_entropy"]["runs"][seed] == pytest.approx(cross_entropy, rel=1e-4)
                assert figure["accuracy"]["mean"] == pytest.approx(np.mean(figure["accuracy"]["runs"]))
            last = history[f"{start}-seed{seed}"][-1]
            assert last["held_out_accuracy"] == summary["classifiers"][start]["validation_accuracy"]["runs"][seed]
            assert last["train_accuracy"] == summary["classifiers"][start]["train_accuracy"]["runs"][seed]
        model, _ = load_model(finished / f"classifier-{start}-seed0")
        counts = np.zeros((10, 10), int)
        np.add.at(counts, (images.test.labels, model.probabilities(x["test"]).argmax(axis=1)), 1)
        np.testing.assert_array_equal(summary["confusion"][start], counts)
    for name in AUTOENCODERS:
        model, _ = load_model(finished / f"autoencoder-{name}-seed1")
        error = np.mean((model.reconstruct(x["test"]) - x["test"]) ** 2)
        assert summary["autoencoders_test_mse"][name]["runs"][1] == pytest.approx(error, rel=1e-5)
    mean = x["train"].mean(axis=0)
    assert summary["baselines_test_mse"]["mean image"] == pytest.approx(np.mean((x["test"] - mean) ** 2), rel=1e-5)


def test_all_layers_learn_from_the_labels(finished):
    """Fine-tuned, not frozen: no code layer is what the autoencoder left."""
    trained = load_model(finished / "classifier-stacked-seed0")[0].network.layers
    for position, name in ((2, "first"), (4, "second"), (6, "third")):
        source = load_model(finished / f"autoencoder-{name}-seed0")[0].encoder.layers[4]
        moved = np.abs(trained[position].W - source.W)
        assert 0 < moved.max() < 0.2  # three epochs of small steps from where it stood


def test_the_learning_rate_of_a_classifier_falls_from_the_first_epoch_to_the_last(no_pictures, tmp_path, monkeypatch):
    step, rates = Trainer.step, {}

    def noted(self, batch):
        rates.setdefault(self.settings.get("start", "autoencoder"), []).append(self.optimiser.lr)
        return step(self, batch)

    monkeypatch.setattr(Trainer, "step", noted)
    stacked_autoencoder.main([*SHORT, "--batch-size", "1297", "--runs", "1", "--out", str(tmp_path)])  # a step an epoch
    assert rates.pop("autoencoder") == 4 * 2 * [1e-3]
    assert rates == {start: pytest.approx([1e-3, 1e-3 * 10**-0.5, 1e-4]) for start in STARTS}


def test_the_same_command_again_goes_on_and_ends_in_the_same_bits(finished, no_pictures, tmp_path, capsys):
    """Interrupted in the third autoencoder of the first seed: as if nothing had been."""
    command = [*SHORT, "--runs", "1", "--out", str(tmp_path)]
    stacked_autoencoder.main(command)
    for folder in ("autoencoder-third-seed0", *(f"classifier-{start}-seed0" for start in STARTS)):
        (tmp_path / folder / "checkpoint.npz").unlink()
    capsys.readouterr()
    stacked_autoencoder.main([*command, "--resume"])
    assert capsys.readouterr().out.count("epoch 1/2") == 1  # one autoencoder, and three classifiers
    for name in (*(f"autoencoder-{name}" for name in AUTOENCODERS), *(f"classifier-{start}" for start in STARTS)):
        ours, theirs = (load_model(place / f"{name}-seed0")[0].params for place in (tmp_path, finished))
        np.testing.assert_array_equal(ours, theirs)
    stacked_autoencoder.main(command)
    assert "epoch 1/" not in capsys.readouterr().out  # nothing is left to train


def test_mistakes_are_told_in_one_sentence(finished, tmp_path):
    out = tmp_path / "x"
    text = fails(stacked_autoencoder.main, "--data", "frey-face", "--out", out)
    assert "frey-face has no labels to learn from: choose digits, mnist, fashion-mnist with --data" in text
    text = fails(stacked_autoencoder.main, "--batch-size", "2000", "--out", out)
    assert "--batch-size 2000 is more than the 1,297 training images" in text
    text = fails(stacked_autoencoder.main, "--resume", "--out", out)
    assert "there is nothing to go on with" in text and "leave out --resume" in text
    assert not out.exists()
    text = fails(stacked_autoencoder.main, *SHORT, "--pretraining-epochs", "4", "--runs", "1", "--out", finished)
    assert "holds another run, which would be lost: it has epochs = 2, and this run has 4" in text


def test_bars_are_the_probabilities_and_say_which_class_is_right(rng):
    """Blue for the right class, red for a longer one; the text names the guess."""
    p = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    figure = figures.probability_bars(rng.random((2, 6)), p, np.array([1, 2]), (2, 3), "title", columns=2)
    assert isinstance(figure, Figure)
    pictures, bars = figure.axes[0::2], figure.axes[1::2]
    for row, axes in zip(p, bars, strict=True):
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], row)
    colours = [[to_hex(bar.get_facecolor()) for bar in axes.patches] for axes in bars]
    assert colours[0][1] == "#3f90da" and colours[0].count("#94a4a2") == 2
    assert colours[1] == ["#bd1f01", "#94a4a2", "#3f90da"]
    assert [axes.get_title() for axes in pictures] == ["1: 70 %", "0: 50 %, right: 2"]
    (legend,) = figure.legends
    named = zip(legend.get_patches(), legend.get_texts(), strict=True)
    assert {to_hex(patch.get_facecolor()): text.get_text() for patch, text in named} == {
        "#3f90da": "the right class",
        "#bd1f01": "the most probable class, where it is not the right one",
    }


def test_help_has_examples():
    assert "examples/stacked_autoencoder.py --data mnist" in succeeds(stacked_autoencoder.main, "--help")
    assert (ROOT / "examples/stacked_autoencoder.py").exists()
