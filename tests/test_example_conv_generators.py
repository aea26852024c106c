"""One decoder trained in two ways: the layers, what a run leaves behind, and that it can be made piece by piece."""

from __future__ import annotations

import json

import conv_generators
import gan as dense_gans
import numpy as np
import pytest
from conftest import ROOT
from conv_generators import decode, encode, features, speckled
from scripts import fails, succeeds
from shared import trained_vae
from shared.adversarial import GAN, Game, load_gan, variety

from scratchnn import VAE, BatchNorm, Bernoulli, Sequential, data
from scratchnn.evaluation import bernoulli_floor, precision_and_recall
from scratchnn.scripts import train
from scratchnn.training import CheckpointError, Trainer, evaluate, fingerprint, load_model
from scratchnn.training.checkpoints import read_checkpoint

SMALL = ["--batch-size", "200", "--epochs", "2"]
KINDS = ["test images", "training images", "VAE, convolutional", "VAE, dense", "GAN, convolutional", "GAN, dense",
         "speckle", "noise"]  # fmt: skip


def make_small(monkeypatch) -> None:
    monkeypatch.setattr(trained_vae, "SMALL", ["--data", "digits", "--latent", "3", "--hidden", "8", "--epochs", "1"])
    monkeypatch.setattr("scratchnn.scripts.train.draw", lambda *_: [])
    monkeypatch.setattr(dense_gans, "CLASSIFIER_EPOCHS", {"digits": 1})
    monkeypatch.setattr(dense_gans, "STILL_STEPS", (1,))
    monkeypatch.setattr(conv_generators, "CLASSIFIER_EPOCHS", {"digits": 2})


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """A small run of examples/gan.py: dense GANs, and a dense VAE."""
    folder = tmp_path_factory.mktemp("dense")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        succeeds(dense_gans.main, "--out", folder, "--hidden", "8", "--batch-size", "200", "--epochs", "1")
    return folder


@pytest.fixture(scope="module")
def printed_and_finished(tmp_path_factory, dense):
    folder = tmp_path_factory.mktemp("conv")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        beside = ["--vae", dense / "vae", "--gan", dense / "batch-norm"]
        return succeeds(conv_generators.main, "--out", folder, *SMALL, *beside), folder


@pytest.mark.parametrize("side", [8, 28])
def test_the_decoder_is_the_encoder_backwards(side, rng):
    x = rng.random((3, side * side)).astype(np.float32)
    assert Sequential(encode(side, 7, rng)).forward(x).shape == (3, 7)
    z = rng.normal(size=(3, conv_generators.N_Z)).astype(np.float32)
    assert Sequential(decode(side, rng)).forward(z).shape == x.shape

    def weights(layers) -> list[tuple[int, ...]]:
        return [layer.W.shape for layer in layers if hasattr(layer, "W")]

    up = weights(encode(side, conv_generators.N_Z, rng))
    down = [shape[::-1] if len(shape) == 2 else shape for shape in reversed(weights(decode(side, rng)))]
    assert up == down  # a transposed convolution has its weights (c_in, c_out, …): those of the convolution


def test_the_gan_has_the_vae_s_layers(printed_and_finished):
    """The generator is the decoder, batch normalisation apart; the discriminator the encoder, dropout apart."""
    _, folder = printed_and_finished
    vae, _ = load_model(folder / "vae")
    gan, settings = load_gan(folder / "gan")
    assert isinstance(vae, VAE) and isinstance(vae.likelihood, Bernoulli) and vae.n_z == gan.n_z == 20
    generator = [layer for layer in gan.generator.layers if not isinstance(layer, BatchNorm)]
    assert list(map(repr, generator)) == [*map(repr, vae.decoder.layers), "Sigmoid()"]
    discriminator = [repr(layer) for layer in gan.discriminator.layers if "Dropout" not in repr(layer)]
    assert discriminator[:-1] == list(map(repr, vae.encoder.layers))[:-1] and discriminator[-1] == "Dense(256, 1)"
    assert sum(isinstance(layer, BatchNorm) for layer in gan.generator.layers) == 3
    assert settings["optimiser"] == "Adam(lr=0.0005, beta1=0.5, beta2=0.999, eps=1e-08)"


def test_a_run_writes_all_that_it_promises(printed_and_finished, dense):
    printed, folder = printed_and_finished
    pictures = {"samples.png", "precision_and_recall.png", "losses.png"}
    assert {path.name for path in folder.iterdir()} == {"summary.json", "vae", "gan", "classifier", *pictures}
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    figures, settings = summary["figures"], summary["settings"]
    assert summary["experiment"] == "conv-generators" and summary["seed"] == 0 and "numpy" in summary["versions"]
    assert summary["scaling"] == "pixels / 16" and set(summary["document"]["claims"]) == {"000", "001"}
    assert list(figures["images"]) == KINDS and settings["images"] == 150 and settings["neighbours"] == 3
    assert settings["epochs"] == {"vae": 2, "gan": 2}
    assert all(0 <= of[name] <= 1 for of in figures["images"].values() for name in ("precision", "recall"))

    images = data.load("digits")
    classifier, _ = load_model(folder / "classifier")
    below, _ = classifier.network.layers
    right = np.mean(classifier.probabilities(images.test[:]).argmax(axis=1) == images.test.labels)
    assert figures["classifier_test_accuracy"] == right
    real = features(below, images.test[:150])
    assert real.shape == (150, 256) and (real >= 0).all()
    gan, trained_with = load_gan(folder / "gan")
    assert trained_with["features"].endswith(fingerprint(below.params))
    made = gan.generate(gan.noise(150, np.random.default_rng(conv_generators.SAMPLES_SEED)))
    expected = precision_and_recall(real, features(below, made), 3)
    found = figures["images"]["GAN, convolutional"]
    assert (found["precision"], found["recall"]) == expected and found["variety"] == pytest.approx(variety(made))
    history = json.loads((folder / "gan/history.json").read_text(encoding="utf-8"))
    assert [record["epoch"] for record in history] == [1, 2]
    assert (
        (history[-1]["precision"], history[-1]["recall"])
        == expected
        == tuple(figures["gan_losses"][name] for name in ("precision", "recall"))
    )
    other = figures["images"]["test images"]
    assert (other["precision"], other["recall"]) == precision_and_recall(real, features(below, images.test[150:]), 3)

    floor = bernoulli_floor(images.test)
    for name, run in (("VAE, convolutional", folder / "vae"), ("VAE, dense", dense / "vae")):
        loss = evaluate(load_model(run)[0], images.test)["loss"]
        assert figures["loss_above_floor"][name] == pytest.approx(loss - floor)
        assert f"{loss - floor:.2f}" in printed
    assert "VAE, convolutional" in printed and "variety: distance between two images, speckle included" in printed


def test_the_vae_s_own_summary(printed_and_finished):
    _, folder = printed_and_finished
    summary = json.loads((folder / "vae/summary.json").read_text(encoding="utf-8"))
    figures, settings = summary["figures"], summary["settings"]
    assert summary["experiment"] == "conv-vae" and settings["latent"] == 20 and settings["epochs"] == 2
    assert settings["optimiser"] == "Adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08)"
    assert figures["test_loss"] == pytest.approx(figures["test_reconstruction"] + figures["test_kl"])
    assert figures["test_floor"] == bernoulli_floor(data.load("digits").test)
    assert len(figures["test_kl_per_dimension"]) == 20 and figures["test_loss"] > figures["test_floor"]


@pytest.mark.usefixtures("no_figures")
def test_piece_by_piece_it_comes_to_the_same_bits(printed_and_finished, dense, tmp_path, monkeypatch):
    """The VAE alone; the GAN alone, interrupted after its first epoch; and the rest, which trains nothing."""
    _, whole = printed_and_finished
    make_small(monkeypatch)
    command = ["--out", str(tmp_path), *SMALL]
    conv_generators.main([*command, "--only", "vae"])
    assert {path.name for path in tmp_path.iterdir()} == {"vae"} and (tmp_path / "vae/summary.json").exists()
    save = Game.save

    def interrupted(self, path):
        save(self, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Game, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            conv_generators.main([*command, "--only", "gan"])
    conv_generators.main([*command, "--only", "gan"])
    assert {path.name for path in tmp_path.iterdir()} == {"vae", "gan", "classifier"}
    monkeypatch.setattr(Trainer, "fit", lambda self, *_, **__: pytest.fail("trained again"))
    conv_generators.main([*command, "--vae", str(dense / "vae"), "--gan", str(dense / "batch-norm"), "--resume"])
    for name in ("vae", "gan", "classifier"):
        (here, ours), (there, theirs) = (read_checkpoint(f / name / "checkpoint.npz") for f in (tmp_path, whole))
        for array in theirs:
            np.testing.assert_array_equal(ours[array], theirs[array], err_msg=f"{name}: {array}")
        assert here["training"]["generator"] == there["training"]["generator"]
    mine, other = (json.loads((f / "summary.json").read_text(encoding="utf-8")) for f in (tmp_path, whole))
    assert mine["figures"]["images"] == other["figures"]["images"] and mine["settings"] == other["settings"]


@pytest.mark.usefixtures("no_figures")
def test_the_classifier_is_the_same_for_all_seeds(printed_and_finished, tmp_path, monkeypatch):
    _, whole = printed_and_finished
    make_small(monkeypatch)
    succeeds(conv_generators.main, "--out", tmp_path, *SMALL, "--only", "gan", "--seed", "1")
    for name, same in (("classifier", True), ("gan", False)):
        (_, ours), (_, theirs) = (read_checkpoint(f / name / "checkpoint.npz") for f in (tmp_path, whole))
        assert np.array_equal(ours["model/params"], theirs["model/params"]) == same


def test_speckle_replaces_as_many_pixels_as_it_says(rng):
    images = np.full((200, 50), 2, np.float32)  # no grey is 2
    some = speckled(images, 0.05, rng)
    assert some.dtype == np.float32 and np.mean(some != 2) == pytest.approx(0.05, abs=5 * np.sqrt(0.05 * 0.95 / 1e4))
    assert (some[some != 2] < 1).all() and (images == 2).all()
    assert (speckled(images, 1, rng) < 1).all()


def test_a_gan_is_read_with_its_averages(dense):
    """The generator's batch normalisation works with the averages of the training."""
    gan, settings = load_gan(dense / "batch-norm")
    assert isinstance(gan, GAN) and gan.n_z == 32 and settings["data"] == "digits"
    _, arrays = read_checkpoint(dense / "batch-norm/checkpoint.npz")
    np.testing.assert_array_equal(gan.params, arrays["model/params"])
    np.testing.assert_array_equal(gan.generator.layers[1].buffers["mean"], arrays["model/buffers/generator.1.mean"])
    images = gan.generate(gan.noise(5, np.random.default_rng(0)))
    assert images.shape == (5, 64) and np.isfinite(images).all()


def test_what_is_no_gan_is_refused(dense):
    with pytest.raises(CheckpointError, match="holds no generator with a discriminator: give the folder of a game"):
        load_gan(dense / "vae")
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_gan(dense)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "frey-face"], "frey-face has no labels for the classifier"),
        (["--batch-size", "1298"], "--batch-size 1298 is more than the 1,297 training images"),
        (["--batch-size", "81"], "--batch-size 81 leaves a batch of a single image"),  # 1,297 = 16 · 81 + 1
        (["--only", "both"], "argument --only: invalid choice: 'both'"),
        (["--vae", "nowhere"], "there is no checkpoint nowhere"),
        (["--gan", "nowhere"], "there is no checkpoint nowhere"),
        (["--resume"], "there is nothing to go on with"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, tmp_path):
    assert message in fails(conv_generators.main, "--out", tmp_path / "run", *arguments)
    assert not (tmp_path / "run").exists()


def test_dense_networks_of_other_images_are_refused(dense, tmp_path, real_data):
    for option, run in (("--vae", dense / "vae"), ("--gan", dense / "plain")):
        text = fails(conv_generators.main, "--data", "mnist", option, run, "--out", tmp_path / "run")
        assert "was trained with --data digits, and the images here are those of --data mnist" in text


def test_what_is_set_beside_the_convolutional_ones_is_dense(printed_and_finished, dense, tmp_path):
    """It is called so in every table and figure; and --only sets nothing beside anything."""
    _, folder = printed_and_finished
    text = fails(conv_generators.main, "--vae", folder / "vae", "--out", tmp_path / "run")
    assert "is no VAE of dense layers with a Bernoulli likelihood (Reshape(" in text
    text = fails(conv_generators.main, "--gan", folder / "gan", "--out", tmp_path / "run")
    assert "is convolutional: give --gan a dense one" in text
    text = fails(conv_generators.main, "--only", "vae", "--vae", dense / "vae")
    assert "leave them out with --only" in text
    train.main(["--likelihood", "gaussian", "--hidden", "8", "--epochs", "1", f"--out={tmp_path / 'gaussian'}"])
    for script in (conv_generators, dense_gans):
        text = fails(script.main, "--vae", tmp_path / "gaussian", "--out", tmp_path / "run")
        assert "with a Bernoulli likelihood (SigmoidMean())" in text


def test_another_run_is_not_overwritten(printed_and_finished, monkeypatch):
    _, folder = printed_and_finished
    make_small(monkeypatch)
    before = (folder / "vae/checkpoint.npz").read_bytes()
    text = fails(conv_generators.main, "--out", folder, *SMALL, "--seed", 3)
    assert "holds another run, which would be lost" in text
    assert (folder / "vae/checkpoint.npz").read_bytes() == before


def test_help_has_examples():
    assert "--data fashion-mnist --only gan" in succeeds(conv_generators.main, "--help")
    assert (ROOT / "examples/conv_generators.py").exists()
