"""The dense autoencoders as a user runs them: which network, on what, measured how, and every mistake."""

from __future__ import annotations

import json

import dense_autoencoder
import numpy as np
import pytest
from conftest import ROOT
from dense_autoencoder import EPOCHS, KINDS
from scripts import fails, succeeds
from shared.documents import NOTEBOOK_LOSSES
from sklearn.decomposition import PCA

from scratchnn import Dense, ReLU, data
from scratchnn.evaluation import principal_components, reconstruction_error
from scratchnn.scripts.student_works import DENSE_BATCH_SIZES, DENSE_LEARNING_RATES
from scratchnn.scripts.student_works import dense_autoencoder as autoencoder
from scratchnn.training.checkpoints import load_model

NETWORKS = [(n, kind) for n in (8, 2) for kind in KINDS]
SHORT = ["--epochs", "3", "--batch-size", "32"]


@pytest.fixture(scope="module")
def printed_and_finished(tmp_path_factory):
    """What a short run of the script prints, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    return succeeds(dense_autoencoder.main, *SHORT, "--out", folder), folder


@pytest.fixture
def no_pictures(monkeypatch):
    """Pictures take longer than the rest of a short run."""
    monkeypatch.setattr(dense_autoencoder, "draw", lambda *args: {})


@pytest.fixture(scope="module")
def digits():
    """All of them as scikit-learn has them, in the order of the script's three parts; grey levels from 0 to 16."""
    images = data.load("digits")
    return np.concatenate([part.pixels for part in (images.train, images.validation, images.test)]).astype(np.float32)


def widths(layers) -> list[int | str]:
    """784, 256, "relu", … as the document draws a network."""
    dense = [layer.n_out if isinstance(layer, Dense) else "relu" for layer in layers]
    return [layers[0].n_in, *dense]


def test_the_networks_and_settings_are_those_of_the_notebook():
    rng = np.random.default_rng(0)
    eight, two = autoencoder("relu", 8, 784, rng), autoencoder("relu", 2, 784, rng)
    assert widths(eight.encoder.layers) == [784, 256, "relu", 128, "relu", 64, "relu", 8, "relu"]
    assert widths(eight.decoder.layers) == [8, 64, "relu", 128, "relu", 784, "relu"]
    assert widths(two.encoder.layers) == [784, 256, "relu", 128, "relu", 64, "relu", 16, "relu", 2, "relu"]
    assert widths(two.decoder.layers) == [2, 16, "relu", 64, "relu", 128, "relu", 784, "relu"]
    assert eight.params.size == 352_664  # "Total params" of the notebook
    settings = {8: 0.0005, 2: 0.001}, {8: 64, 2: 256}, {8: 20, 2: 40}
    assert settings == (DENSE_LEARNING_RATES, DENSE_BATCH_SIZES, EPOCHS)
    assert [(len(NOTEBOOK_LOSSES[n]), NOTEBOOK_LOSSES[n][0], NOTEBOOK_LOSSES[n][-1]) for n in (8, 2)] == [
        (20, 3808.1067, 1755.8175),
        (40, 3181.5081, 2842.7793),
    ]


@pytest.mark.parametrize("n", [8, 2])
def test_the_kinds_differ_in_one_relu_each_and_in_no_value(n):
    made = {kind: autoencoder(kind, n, 784, np.random.default_rng(1)) for kind in KINDS}
    ends = {kind: [isinstance(part.layers[-1], ReLU) for part in (m.encoder, m.decoder)] for kind, m in made.items()}
    assert ends == {"relu": [True, True], "linear-code": [False, True], "linear-output": [False, False]}
    for kind in KINDS:
        np.testing.assert_array_equal(made[kind].params, made["relu"].params)


def test_initial_values_are_keras_s():
    """Glorot's uniform distribution: none outside ±√(6/(784 + 256)), the outermost close to it, and the variance."""
    layer = autoencoder("relu", 8, 784, np.random.default_rng(2)).encoder.layers[0]
    limit = np.sqrt(6 / 1040)
    assert 0.999 * limit < layer.W.max() <= 1.000001 * limit and 0.999 * limit < -layer.W.min() <= 1.000001 * limit
    assert layer.W.var() == pytest.approx(2 / 1040, rel=0.02)
    assert not layer.b.any()


def test_all_images_train_as_they_are(printed_and_finished, digits, monkeypatch, tmp_path, no_pictures):
    """No image is kept back, and no pixel scaled: what reaches the network is 0–16."""
    seen = []
    forward = dense_autoencoder.Autoencoder.forward

    def noted(self, x):
        seen.append(x)
        return forward(self, x)

    monkeypatch.setattr(dense_autoencoder.Autoencoder, "forward", noted)
    dense_autoencoder.main(["--epochs", "1", "--batch-size", "500", "--out", str(tmp_path)])
    first = np.concatenate(seen[:4])
    assert [len(x) for x in seen[:5]] == [500, 500, 500, 297, 500]
    np.testing.assert_array_equal(first[np.lexsort(first.T)], digits[np.lexsort(digits.T)])
    assert not np.array_equal(first, digits)  # in another order
    assert "all 1,797 images train; pixels from 0 to 16" in printed_and_finished[0]


def test_a_run_writes_all_that_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    pictures = {"loss", "codes", "reconstructions", "scatter-pca", *(f"scatter-{kind}" for kind in KINDS)}
    names = {f"{n}-{kind}" for n, kind in NETWORKS}
    files = {"summary.json", "history.json", *names, *(f"{name}.png" for name in pictures)}
    assert {path.name for path in folder.iterdir()} == files
    for name in names:
        assert {path.name for path in (folder / name).iterdir()} == {"checkpoint.npz", "history.json"}
    history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    assert {name: [record["epoch"] for record in records] for name, records in history.items()} == {
        name: [1, 2, 3] for name in names
    }
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["experiment"] == "dense-autoencoder" and summary["document"] == {"train_loss": {}}
    assert summary["settings"]["epochs"] == dict.fromkeys(names, 3) and "numpy" in summary["versions"]
    assert summary["scaling"] == "pixels as they are, 0–16"
    assert "PCA, 8 numbers" in printed and "one mean image" in printed and "2 numbers, linear-output" in printed


def test_figures_are_those_of_the_checkpoints(finished, digits):
    """Loaded by what the library offers, and computed here from the raw digits."""
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"]
    history = json.loads((finished / "history.json").read_text(encoding="utf-8"))
    for n, kind in NETWORKS:
        name, figures = f"{n}-{kind}", summary["networks"][f"{n}-{kind}"]
        model, _ = load_model(finished / name)
        code, shown = model.encode(digits), model.reconstruct(digits)
        assert figures["final_mse"] == pytest.approx(np.mean((shown - digits) ** 2), rel=1e-5)
        assert figures["train_loss"] == history[name][-1]["train_loss"] != figures["final_mse"]
        np.testing.assert_allclose(figures["share_of_images_not_0"], (code != 0).mean(axis=0), atol=2e-3)
        assert figures["dead_code_numbers"] == (code == 0).all(axis=0).sum()
        dead = (shown == 0).all(axis=0) & (digits > 0).any(axis=0)
        assert figures["dead_pixels"] == dead.sum()
        # a pixel that is always shown black has its own square as its error
        cost = np.sum(digits[:, dead] ** 2) / digits.size
        assert figures["mse_of_dead_pixels"] == pytest.approx(cost, rel=1e-5)
        assert kind != "relu" or (code >= 0).all()
        assert kind == "relu" or (code < 0).any()
    assert sum(figures["dead_pixels"] for figures in summary["networks"].values()) > 0  # or nothing was tested


def test_the_figures_show_every_loss_and_the_spread_of_every_number(digits):
    """A plateau above all else is inside of the axes; a dead number is a line at 0, and others have their quartiles."""
    histories = {f"{n}-{kind}": [{"train_loss": loss} for loss in (99.0, 98.0, 11.0)] for n, kind in NETWORKS}
    args = dense_autoencoder.options([])
    figure = dense_autoencoder.losses(args, {0: 20.0, 2: 15.0, 8: 10.0}, histories, "title")
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert low < 10 and high > 99 and axes.get_ylabel() == "mean squared error"
    codes = {f"{n}-{kind}": digits[:, 20 : 20 + n] for n, kind in NETWORKS}
    codes["2-relu"] = codes["2-relu"] * [0, 1]
    figure = dense_autoencoder.spread_of_codes(codes, "title")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["relu", "linear-code", "relu", "linear-code"]
    boxes = [patch.get_path().vertices[:5, 1] for patch in figure.axes[2].patches]
    assert np.ptp(boxes[0]) == 0 and (boxes[1].min(), boxes[1].max()) == pytest.approx(
        tuple(np.quantile(digits[:, 21], [0.25, 0.75]))
    )


def test_the_baselines_are_scikit_learn_s(finished, digits):
    baselines = json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"]["baselines_mse"]
    assert baselines["mean image"] == pytest.approx(digits.var(axis=0).mean(), rel=1e-5)
    for n in (8, 2):
        pca = PCA(n, svd_solver="full").fit(digits.astype(float))
        error = np.mean((pca.inverse_transform(pca.transform(digits.astype(float))) - digits) ** 2)
        assert baselines[f"PCA-{n}"] == pytest.approx(error, rel=1e-5)


def test_principal_components_have_the_smallest_error(rng):
    """On images whose components are known, to the sign; and on others than they were found from."""
    images = rng.standard_normal((2500, 6)) * [1, 9, 3, 1, 1, 5] + 7
    pca = principal_components(images, 2)
    np.testing.assert_allclose(np.abs(pca.directions) @ np.eye(6)[[1, 5]].T, np.eye(2), atol=0.05)
    np.testing.assert_allclose(pca.directions @ pca.directions.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(pca.mean, images.mean(axis=0))
    np.testing.assert_allclose(pca.decode(pca.encode(images)), pca.reconstruct(images))
    other = images[:1200] + 1
    np.testing.assert_allclose(
        reconstruction_error(pca.reconstruct, other), np.mean((pca.reconstruct(other) - other) ** 2)
    )
    assert reconstruction_error(principal_components(images, 6).reconstruct, images) < 1e-20
    assert reconstruction_error(principal_components(images, 0).reconstruct, images) == pytest.approx(
        images.var(axis=0).mean()
    )
    for n in (-1, 7):
        with pytest.raises(ValueError, match=f"of images of 6 pixels there are 0 to 6 components, not {n}"):
            principal_components(images, n)


def test_the_same_command_again_goes_on_and_ends_in_the_same_bits(finished, no_pictures, tmp_path, capsys):
    """Interrupted in its second network, with the first one done: as if nothing had been."""
    folder = str(tmp_path)
    dense_autoencoder.main(["--epochs", "2", "--batch-size", "32", "--out", folder])
    for n, kind in NETWORKS[2:]:
        (tmp_path / f"{n}-{kind}/checkpoint.npz").unlink()
    capsys.readouterr()
    dense_autoencoder.main([*SHORT, "--out", folder, "--resume"])
    assert "epoch 1/3" in capsys.readouterr().out
    for n, kind in NETWORKS:
        ours, theirs = (load_model(place / f"{n}-{kind}")[0].params for place in (tmp_path, finished))
        np.testing.assert_array_equal(ours, theirs)
    dense_autoencoder.main([*SHORT, "--out", folder])
    assert "epoch 1/3" not in capsys.readouterr().out  # nothing is left to train


def test_mistakes_are_told_in_one_sentence(finished, tmp_path):
    text = fails(dense_autoencoder.main, "--batch-size", "2000", "--out", tmp_path / "x")
    assert "--batch-size 2000 is more than the 1,797 training images" in text
    text = fails(dense_autoencoder.main, "--resume", "--out", tmp_path / "x")
    assert "there is nothing to go on with" in text and "leave out --resume" in text
    assert not (tmp_path / "x").exists()
    text = fails(dense_autoencoder.main, *SHORT, "--seed", "1", "--out", finished)
    assert "holds another run, which would be lost: it has seed = 0, and this run has 1" in text
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "choose another folder with --out" in fails(dense_autoencoder.main, *SHORT, "--out", tmp_path / "file/x")


def test_help_has_examples():
    assert "examples/dense_autoencoder.py --data mnist" in succeeds(dense_autoencoder.main, "--help")
    assert (ROOT / "examples/dense_autoencoder.py").exists()
