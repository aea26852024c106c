"""The main script as a user runs it: on the embedded digits, interrupted, resumed, and with every mistake."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from conftest import ROOT, draw_nothing
from scripts import fails, succeeds

from scratchnn import IWAE, data
from scratchnn.evaluation import bernoulli_floor, mean_image_loss
from scratchnn.scripts import train
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import SaveCheckpoint, Trainer, evaluate, falling, fingerprint, load_model
from scratchnn.training.checkpoints import read_checkpoint

SMALL = ["--hidden", "12", "--batch-size", "200"]


def test_a_run_writes_all_that_it_promises(tmp_path):
    printed = succeeds(train.main, "--epochs", 3, "--out", tmp_path, *SMALL)
    names = {
        "history.json", "summary.json", "checkpoint.npz", "loss.png", "kl.png", "reconstruction.png", "samples.png",
        "plane.png", "scatter.png", "scatter_3d.png", "manifold_linear.png", "manifold_quantile.png",
    }  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == names
    history = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert {"train_loss", "train_reconstruction", "train_kl", "held_out_loss", "seconds"} <= history[0].keys()
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    figures = summary["figures"]
    assert figures["train_loss"] == history[-1]["train_loss"]
    assert figures["test_loss"] == pytest.approx(figures["test_reconstruction"] + figures["test_kl"])
    assert figures["train_floor"] == pytest.approx(13.92, abs=0.01) and summary["seed"] == 0
    assert summary["settings"]["epochs"] == 3 and "numpy" in summary["versions"]
    assert summary["scaling"] == "pixels / 16"
    assert summary["settings"]["binarisation"] == "none" and summary["settings"]["likelihood"] == "bernoulli"
    assert "floor 13.92" in printed and "not binarised" in printed and "test images, final parameters: −ELBO" in printed


def test_more_latent_dimensions_have_no_plane_to_draw(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(train, "draw", lambda pictures, *_: drawn.update(pictures) or [])
    succeeds(train.main, "--epochs", 1, "--latent", 3, "--out", tmp_path, *SMALL)
    assert drawn.keys() == {"loss", "kl", "reconstruction", "samples", "scatter_3d"}


@pytest.mark.usefixtures("no_figures")
def test_a_killed_run_resumes_to_the_same_bits(tmp_path):
    """The process is killed outright in the middle of an epoch, and this one goes on with what it has left."""
    arguments = ["--epochs", "30", "--batch-size", "20", "--hidden", "30"]
    through, killed = tmp_path / "through", tmp_path / "killed"
    succeeds(train.main, *arguments, "--out", through)
    command = [sys.executable, ROOT / "examples/vae.py", *arguments, "--out", killed]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    while b"epoch  3/30" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = len(read_checkpoint(killed / "checkpoint.npz")[0]["training"]["history"])
    assert 1 <= done < 30
    succeeds(train.main, *arguments, "--out", killed, "--resume")
    (record, arrays), (other_record, others) = (read_checkpoint(f / "checkpoint.npz") for f in (through, killed))
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)
    for run_record in (record, other_record):
        for epoch in run_record["training"]["history"]:
            del epoch["seconds"]
        del run_record["training"]["checksum"]  # of the seconds as well
    assert record == other_record


def test_help_has_examples():
    text = succeeds(train.main, "--help")
    assert "scratchnn train --data mnist --latent 20 --epochs 50" in text and "python examples/vae.py" in text
    for option in ("--data", "--epochs", "--batch-size", "--seed", "--out", "--latent", "--resume", "--binarisation"):
        assert option in text


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--epochs", "0"], "argument --epochs: expected a whole number of at least 1, got 0"),
        (["--epochs", "many"], "expected a whole number of at least 1, got many"),
        (["--latent", "0"], "argument --latent: expected a whole number of at least 1, got 0"),
        (["--lr", "-0.001"], "argument --lr: expected a positive number, got -0.001"),
        (["--lr", "nan"], "expected a positive number, got nan"),
        (["--seed", "-1"], "argument --seed: expected a whole number of at least 0, got -1"),
        (["--batch-size", "1298"], "--batch-size 1298 is more than the 1,297 training images"),
        (["--data", "cifar"], "argument --data: invalid choice: 'cifar'"),
        (
            ["--data", "mnist", "--split", "random"],
            "a random split is there for digits and frey-face; mnist has no split 'random'",
        ),
        (["--likelihood", "gaussian", "--binarisation", "fixed"], "--likelihood gaussian is for grey pixels"),
        (["--lr-final", "0.1"], "--lr-final 0.1 is above --lr 0.001: the learning rate can only fall"),
        (["--lr-final", "0"], "argument --lr-final: expected a positive number, got 0"),
        (["--binarisation", "static"], "argument --binarisation: invalid choice: 'static'"),
        (["--importance", "0"], "argument --importance: expected a whole number of at least 1, got 0"),
        (["--importance", "5", "--draws", "2"], "--importance K has K draws of its own: leave one out"),
        (["--importance", "5", "--beta", "2"], "the importance-weighted bound has no KL of its own to weigh"),
        (["--importance", "5", "--warm-up", "2"], "the importance-weighted bound has no KL of its own to weigh"),
        (["--from", "no/such/run"], "there is no checkpoint no/such/run"),
        (["--beta", "-1"], "argument --beta: expected a number of at least 0, got -1"),
        (["--beta", "inf"], "argument --beta: expected a number of at least 0, got inf"),
        (["--warm-up", "0"], "argument --warm-up: expected a whole number of at least 1, got 0"),
        (["--warm-up", "3", "--epochs", "3"], "--warm-up 3 leaves none of the 3 epochs to the full weight of the KL"),
        (["--resume"], "there is nothing to go on with"),
        (["--lr", "1e30", "--epochs", "3"], "training stopped. The last good checkpoint:"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, tmp_path):
    assert message in fails(train.main, "--out", tmp_path, *SMALL[:2], *arguments)


def test_no_network_and_no_data_says_where_files_go(tmp_path, monkeypatch):
    from scratchnn.data import files

    class NoNetwork:
        def __init__(self, **_):
            pass

        def __call__(self, url, *_):
            raise ConnectionError("no route to host")

    monkeypatch.delenv("SCRATCHNN_DATA", raising=False)
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("pooch.HTTPDownloader", NoNetwork)
    text = fails(train.main, "--data", "mnist", "--out", tmp_path / "run")
    assert "could not be downloaded" in text and str(tmp_path / "cache/mnist") in text and "SCRATCHNN_DATA" in text
    assert not (tmp_path / "run").exists()


def test_an_output_folder_that_cannot_be_written_is_noticed_before_training(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    text = fails(train.main, "--out", tmp_path / "file" / "run")
    assert "cannot write into" in text and "choose another folder with --out" in text


@pytest.mark.usefixtures("no_figures")
def test_an_earlier_run_is_not_overwritten(tmp_path):
    succeeds(train.main, "--epochs", 2, "--out", tmp_path, *SMALL)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    text = fails(train.main, "--out", tmp_path, *SMALL, "--seed", 1, "--epochs", 2)
    assert "holds another run, which would be lost: it has seed = 0, and this run has 1" in text
    text = fails(train.main, "--out", tmp_path, *SMALL, "--seed", 1, "--resume")
    assert "holds another run, which would be lost: it has seed = 0" in text
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_the_same_command_again_goes_on_instead_of_starting_again(tmp_path, monkeypatch):
    """The same settings give the same bits, so nothing is lost, and nothing is computed twice; but figures are drawn
    again."""
    drawn = []
    monkeypatch.setattr(train, "draw", lambda pictures, *_: drawn.append(pictures) or [])
    succeeds(train.main, "--epochs", 2, "--out", tmp_path, *SMALL)
    printed = succeeds(train.main, "--epochs", 2, "--out", tmp_path, *SMALL)
    assert "has 2 epochs of this run: nothing left to train" in printed
    assert len(drawn) == 2 and drawn[0].keys() == drawn[1].keys() and len(drawn[0]) == 9
    assert len(json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))) == 2
    printed = succeeds(train.main, "--epochs", 3, "--out", tmp_path, *SMALL)
    assert "has 2 epochs of this run: going on" in printed
    assert len(json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))) == 3


@pytest.mark.usefixtures("no_figures")
def test_the_published_figures_are_of_the_sets_they_name(tmp_path):
    succeeds(train.main, "--epochs", 2, "--out", tmp_path, *SMALL)
    figures = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["figures"]
    images = data.load("digits")
    model, settings = load_model(tmp_path)
    assert settings["data"] == "digits" and settings["binarisation"] == "none"
    for part, split in (("test", images.test), ("held_out", images.validation)):
        for name, value in evaluate(model, split).items():
            assert figures[f"{part}_{name}"] == value
    for part, split in (("test", images.test), ("train", images.train)):
        assert figures[f"{part}_floor"] == bernoulli_floor(split)
        assert figures[f"{part}_mean_image_loss"] == mean_image_loss(split)


def test_the_video_is_not_shuffled_and_everything_else_is(tmp_path, monkeypatch, real_data):
    seen = {}

    def fit(self, train, **arguments):
        seen[self.settings["data"]] = arguments["shuffle"]
        raise SystemExit

    monkeypatch.setattr(Trainer, "fit", fit)
    for name in ("frey-face", "digits"):
        succeeds(train.main, "--data", name, "--out", tmp_path / name)
    assert seen == {"frey-face": False, "digits": True}


def test_a_terminal_that_cannot_show_minus_signs_is_no_reason_to_stop(tmp_path):
    few_figures = ["--latent", "4"]
    command = [sys.executable, ROOT / "examples/vae.py", "--epochs", "1", "--out", tmp_path, *SMALL, *few_figures]
    ran = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert ran.returncode == 0 and b"?ELBO" in ran.stdout


def resumed_after_two_epochs(monkeypatch, *arguments):
    """Four epochs, in two processes as it were: the second goes on with what the first has left."""
    fit, done = Trainer.fit, []

    def two_epochs(self, train, **settings):
        done.append(len(self.history))
        fit(self, train, **{**settings, "epochs": len(self.history) + 2})

    monkeypatch.setattr(Trainer, "fit", two_epochs)
    for _ in range(2):
        succeeds(train.main, *arguments)
    assert done == [0, 2]


@pytest.mark.usefixtures("no_figures")
def test_dynamic_binarisation_resumes_to_the_same_bits(tmp_path, monkeypatch):
    """What is drawn for the pixels comes from the generator whose state the checkpoint keeps."""
    arguments = ["--binarisation", "dynamic", "--lr", "0.01", "--lr-final", "0.001", *SMALL]
    succeeds(train.main, "--epochs", 4, "--out", tmp_path / "through", *arguments)
    resumed_after_two_epochs(monkeypatch, "--epochs", 4, "--out", tmp_path / "parts", *arguments)
    through, parts = (read_checkpoint(tmp_path / folder / "checkpoint.npz")[1] for folder in ("through", "parts"))
    for name, array in through.items():
        np.testing.assert_array_equal(array, parts[name], err_msg=name)


@pytest.mark.usefixtures("no_figures")
def test_a_binarised_run_says_what_it_was_trained_on(tmp_path):
    printed = succeeds(train.main, "--epochs", 1, "--binarisation", "dynamic", "--out", tmp_path, *SMALL)
    assert "targets: binary pixels, drawn again at every use" in printed
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["settings"]["binarisation"] == "dynamic" and summary["figures"]["train_floor"] == 0
    model, _ = load_model(tmp_path)
    drawn_once = data.binarise_held_out(data.load("digits").test, "fixed")
    assert summary["figures"]["test_loss"] == evaluate(model, drawn_once)["loss"]


BINARY = ["--binarisation", "dynamic", "--latent", 4, *SMALL]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The folder of a VAE of two epochs."""
    folder = tmp_path_factory.mktemp("runs") / "vae"
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        succeeds(train.main, "--epochs", 2, "--out", folder, *BINARY)
    return folder


def test_an_importance_weighted_run_starts_from_the_parameters_of_a_vae_and_says_so(start, tmp_path, monkeypatch):
    begins = {}

    def fit(self, *arguments, **named):
        begins["params"], begins["moments"] = self.model.params.copy(), self.optimiser.m.copy()
        begins["steps"] = self.optimiser.t
        return plain(self, *arguments, **named)

    plain = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", fit)
    printed = succeeds(
        train.main, "--epochs", 1, "--importance", 3, "--from", start, "--out", tmp_path / "iwae", *BINARY
    )
    vae, _ = load_model(start)
    np.testing.assert_array_equal(begins["params"], vae.params)
    assert begins["steps"] == 0 and not begins["moments"].any()  # the optimiser is new

    model, settings = load_model(tmp_path / "iwae")
    assert isinstance(model, IWAE) and model.n_draws == 3 and settings["epochs"] == 1
    test = data.binarise_held_out(data.load("digits").test, "dynamic")
    loss = evaluate(model, test)
    twin = IWAE(*copy.deepcopy((vae.encoder, vae.decoder, vae.likelihood)), 4, n_draws=3)
    before = evaluate(twin, data.binarise_held_out(data.load("digits").train, "dynamic"))["loss"]
    assert f"the network of {start}: −L_3 {before:.2f} on the training images" in printed
    assert f"test images, final parameters: −L_3 {loss['loss']:.2f}; floor" in printed
    assert "held-out loss (minus_L_K)" in printed and "ELBO" not in printed

    summary = json.loads((tmp_path / "iwae/summary.json").read_text(encoding="utf-8"))
    old, (*_, last) = summary["continued_from"], json.loads((start / "history.json").read_text(encoding="utf-8"))
    assert summary["experiment"] == "iwae" and summary["settings"]["importance"] == 3
    assert (old["run"], old["epochs"], old["parameters"]) == ("vae", 2, fingerprint(vae.params))
    assert old["train_loss"] == last["train_loss"] and old["held_out_kl"] == last["held_out_kl"]
    figures = summary["figures"]
    assert figures["test_minus_L_K"] == figures["test_loss"] == loss["loss"] and figures["loss_before"] == before
    assert "untrained_loss" not in figures and "test_kl" not in figures
    names = {path.name for path in (tmp_path / "iwae").glob("*.png")}
    assert "loss.png" in names and "reconstruction.png" not in names  # which begins with an untrained network


def test_another_width_has_a_folder_of_its_own():
    assert train.run_name(train.options(["--hidden", "700"])) == "vae-digits-700-units-z2-seed0"


def test_a_title_says_which_epoch_a_network_is_of_and_what_it_goes_on_from(rng):
    model = thesis_vae(64, 8, 2, rng)
    settings = {"data": "digits", "seed": 3}
    plain = "VAE on digits, latent dimensions: 2, epochs: 50, seed: 3"
    assert train.title_of(model, settings, 50, "−ELBO", None) == plain
    assert train.title_of(model, settings, 50, "−ELBO", 44) == plain.replace("50,", "50, parameters of epoch 44,")
    settings["from"] = "vae-digits-z2-seed0, 400 epochs, parameters 0123456789abcdef"
    title = train.title_of(model, settings, 50, "reconstruction + 4·KL", None)
    assert title == f"{plain}\ncontinued from vae-digits-z2-seed0, 400 epochs; minimised: reconstruction + 4·KL"


@pytest.mark.usefixtures("no_figures")
def test_an_importance_weighted_run_resumes_to_the_same_bits(start, tmp_path, monkeypatch):
    arguments = ["--importance", 3, "--from", start, "--lr", "0.01", "--lr-final", "0.001", *BINARY]
    succeeds(train.main, "--epochs", 4, "--out", tmp_path / "through", *arguments)
    resumed_after_two_epochs(monkeypatch, "--epochs", 4, "--out", tmp_path / "parts", *arguments)
    through, parts = (read_checkpoint(tmp_path / folder / "checkpoint.npz")[1] for folder in ("through", "parts"))
    for name, array in through.items():
        np.testing.assert_array_equal(array, parts[name], err_msg=name)


@pytest.mark.usefixtures("no_figures")
def test_a_start_that_does_not_fit_is_one_sentence(start, tmp_path):
    def told(*arguments):
        return fails(train.main, "--epochs", 1, "--from", start, "--out", tmp_path / "run", *arguments)

    text = told("--importance", 3, *BINARY, "--latent", 5)
    assert (
        f"--from {start} is of another network: it has decoder.0 = Dense(n_in=4, n_out=12), and this run has " in text
    )
    assert text.endswith("give the --latent, --hidden and --likelihood of that run")
    text = told(*BINARY, "--split", "random")
    assert text == f"error: --from {start} has seen other images: it has split = contiguous, and this run has random"
    assert not (tmp_path / "run").exists()
    succeeds(train.main, "--epochs", 1, "--importance", 3, "--out", tmp_path / "run", *BINARY)
    assert "holds another run, which would be lost: it has from = None" in told("--importance", 3, *BINARY)
    assert "it has from = None" in told("--importance", 2, *BINARY)
    text = fails(train.main, "--epochs", 1, "--importance", 2, "--out", tmp_path / "run", *BINARY)
    assert "it has importance = 3, and this run has 2" in text


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_warm_up_resumes_to_the_same_bits(threads, tmp_path, monkeypatch):
    """Interrupted while the weight rises. Each record has the weight of its epoch, and says what it has measured."""
    arguments = ["--beta", 2, "--warm-up", 4, "--threads", threads, *SMALL]
    printed = succeeds(train.main, "--epochs", 6, "--out", tmp_path / "through", *arguments)
    assert "minimised: reconstruction + β·KL, β from 0 to 2 in 4 epochs; all losses but the train loss" in printed
    assert "epoch 3/6   beta 1   train loss" in printed
    fit, done = Trainer.fit, []

    def two_epochs(self, train, **settings):
        done.append(len(self.history))
        fit(self, train, **{**settings, "epochs": len(self.history) + 2})

    monkeypatch.setattr(Trainer, "fit", two_epochs)
    for _ in range(3):
        succeeds(train.main, "--epochs", 6, "--out", tmp_path / "parts", *arguments)
    assert done == [0, 2, 4]
    through, parts = (read_checkpoint(tmp_path / folder / "checkpoint.npz")[1] for folder in ("through", "parts"))
    for name, array in through.items():
        np.testing.assert_array_equal(array, parts[name], err_msg=name)
    history = json.loads((tmp_path / "parts" / "history.json").read_text(encoding="utf-8"))
    assert [record["beta"] for record in history] == [0, 0.5, 1, 1.5, 2, 2]
    for record in history:
        weighted, plain = ("train_kl", "train_beta_kl") if record["beta"] == 1 else ("train_beta_kl", "train_kl")
        assert record["train_loss"] == pytest.approx(record["train_reconstruction"] + record[weighted])
        assert plain not in record
        assert record["held_out_loss"] == pytest.approx(record["held_out_reconstruction"] + record["held_out_kl"])
    assert history[0]["train_beta_kl"] == 0 and history[-1]["train_beta_kl"] > 0


@pytest.mark.usefixtures("no_figures")
def test_another_weight_of_the_kl_is_said_everywhere(tmp_path):
    printed = succeeds(train.main, "--epochs", 2, "--beta", 4, "--out", tmp_path, *SMALL)
    assert "minimised: reconstruction + 4·KL; all losses but the train loss are −ELBO (β = 1)" in printed
    assert printed.count(" + beta_kl ") == 2 and "test images, final parameters: −ELBO" in printed
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["settings"]["beta"] == 4 and "warm_up" not in summary["settings"]
    assert summary["meaning"] == "train_loss: reconstruction + 4·KL; all other losses: −ELBO (β = 1)"
    figures, model = summary["figures"], load_model(tmp_path)[0]
    assert figures["train_loss"] == pytest.approx(figures["train_reconstruction"] + figures["train_beta_kl"])
    assert figures["test_loss"] == evaluate(model, data.load("digits").test)["loss"]
    assert figures["test_loss"] == pytest.approx(figures["test_reconstruction"] + figures["test_kl"])
    text = fails(train.main, "--epochs", 3, "--beta", 2, "--out", tmp_path, *SMALL)
    assert "holds another run, which would be lost: it has beta = 4.0, and this run has 2.0" in text


@pytest.mark.parametrize(
    "arguments, name",
    [
        ([], "vae-digits-z2-seed0"),
        (["--importance", "1"], "iwae-digits-k1-z2-seed0"),
        (["--importance", "50", "--from", "RUN"], "iwae-digits-k50-continued-z2-seed0"),
        (["--from", "RUN", "--binarisation", "fixed"], "vae-digits-fixed-continued-z2-seed0"),
        (["--beta", "1"], "vae-digits-z2-seed0"),
        (["--beta", "0.5", "--warm-up", "9"], "vae-digits-beta0.5-warm-up9-z2-seed0"),
    ],
)
def test_the_folder_is_named_after_what_is_trained(arguments, name):
    assert train.options(arguments).out == Path("runs") / name


@pytest.mark.usefixtures("no_figures")
def test_two_threads_draw_the_noise_of_one(start, tmp_path):
    """The first loss but for rounding; later ones are those of parameters that differ in their last bits."""
    losses = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        arguments = ["--importance", 3, "--from", start, "--threads", threads, "--out", folder, *BINARY]
        succeeds(train.main, "--epochs", 1, *arguments)
        losses.append(read_checkpoint(folder / "checkpoint.npz")[1]["training/iteration_losses"])
    np.testing.assert_allclose(losses[0][0], losses[1][0], rtol=1e-5)
    assert losses[0].shape == losses[1].shape == (7,)


@pytest.mark.usefixtures("no_figures")
def test_no_weight_is_an_autoencoder_with_noise(tmp_path):
    printed = succeeds(train.main, "--epochs", 1, "--beta", 0, "--out", tmp_path, *SMALL)
    assert "with β = 0 nothing pulls q(z|x) towards N(0, I): an autoencoder with noise" in printed
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["figures"]["train_beta_kl"] == 0


@pytest.mark.usefixtures("no_figures")
def test_a_gaussian_decoder_has_no_floor(tmp_path):
    printed = succeeds(train.main, "--epochs", 1, "--likelihood", "gaussian", "--out", tmp_path, *SMALL)
    assert "a density of grey levels, not a probability" in printed
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert not any("floor" in name for name in summary["figures"])
    x = load_model(tmp_path)[0].generate(50, np.random.default_rng(0))
    assert ((x >= 0) & (x <= 1)).all()


def test_every_option_reaches_the_training(tmp_path, monkeypatch):
    """What `fit` is given, against the images and rates that the options name."""
    given = {}

    def fit(self, train, **arguments):
        given.update(arguments, train=train, trainer=self)
        raise SystemExit

    monkeypatch.setattr(Trainer, "fit", fit)
    options = ["--lr", "0.01", "--lr-final", "0.001", "--epochs", 11, "--no-shuffle", "--binarisation", "threshold"]
    succeeds(train.main, *options, "--split", "random", "--out", tmp_path, *SMALL)
    images = data.load("digits", "random")
    np.testing.assert_array_equal(given["train"].pixels, images.train.pixels > 8)
    np.testing.assert_array_equal(given["held_out"].pixels, images.validation.pixels > 8)
    trainer = given["trainer"]
    assert trainer.optimiser.lr == 0.01
    *others, checkpoint = given["after_epoch"]
    for function in others:
        function(trainer, {"epoch": 10})  # for epoch 11, the last
    assert trainer.optimiser.lr == pytest.approx(0.001) and len(trainer.snapshots) == 1
    assert isinstance(checkpoint, SaveCheckpoint) and checkpoint.path == tmp_path / "checkpoint.npz"
    assert given["shuffle"] is False and (given["epochs"], given["batch_size"]) == (11, 200)


@pytest.mark.usefixtures("no_figures")
def test_the_scale_is_that_of_the_pixels_trained_on(tmp_path):
    printed = succeeds(train.main, "--epochs", 1, "--binarisation", "threshold", "--out", tmp_path, *SMALL)
    m = (data.load("digits").train.pixels > 8).mean(axis=0)
    mean_image = -np.sum(scipy.special.xlogy(m, m) + scipy.special.xlogy(1 - m, 1 - m))
    assert f"floor 0.00, one mean image for all {mean_image:.2f}" in printed


def test_the_learning_rate_falls_by_the_same_factor_every_epoch():
    np.testing.assert_allclose([falling(0.01, 0.0001, 3)(epoch) for epoch in (1, 2, 3)], [0.01, 0.001, 0.0001])
    assert {falling(0.01, 0.01, 100)(epoch) for epoch in (1, 50, 100)} == {0.01}


def test_the_network_is_the_thesis_s():
    """Sizes of Annex D.4 and D.6, and its standard deviations, each to 5 standard errors."""
    model = thesis_vae(784, 500, 20, np.random.default_rng(0))
    shapes = {name: array.shape for name, array in model.parameters.items()}
    assert shapes == {
        "encoder.0.W": (784, 500), "encoder.0.b": (500,), "encoder.2.W": (500, 500), "encoder.2.b": (500,),
        "encoder.4.W": (500, 40), "encoder.4.b": (40,), "decoder.0.W": (20, 500), "decoder.0.b": (500,),
        "decoder.2.W": (500, 500), "decoder.2.b": (500,), "decoder.4.W": (500, 784), "decoder.4.b": (784,),
    }  # fmt: skip
    for name, array in model.parameters.items():
        m = array.shape[0] if name.endswith("W") else 20 if name == "encoder.4.b" else array.size
        assert abs(array.std() * m**0.5 - 1) < 5 / np.sqrt(2 * array.size), name
    assert "ReLU" in repr(model.encoder.layers[1])


@pytest.mark.usefixtures("no_figures")
def test_an_epoch_of_mnist_reaches_what_an_epoch_reaches(real_data, tmp_path):
    """One epoch of the thesis's run at z = 20: 151.0 here (seed 0), 148.8 there; a broken decoder stays above 200."""
    succeeds(train.main, "--data", "mnist", "--latent", 20, "--epochs", 1, "--out", tmp_path)
    (record,) = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
    assert 140 < record["train_loss"] < 160
    assert record["held_out_loss"] < 130


@pytest.mark.usefixtures("no_figures")
def test_several_threads_train_the_same_network_to_rounding_and_to_the_same_bits_every_time(tmp_path):
    for folder, threads in (("one", 1), ("two", 2), ("again", 2), ("four", 4)):
        succeeds(train.main, "--epochs", 2, "--threads", threads, "--out", tmp_path / folder, *SMALL)
    one, two, again, four = (load_model(tmp_path / folder)[0].params for folder in ("one", "two", "again", "four"))
    assert two.tobytes() == again.tobytes()
    for several in (two, four):
        # Adam's steps of 0.001 have the gradient's sign and hardly its size: where it is nearly 0, rounding decides
        assert 0 < np.linalg.norm(several - one) < 1e-3 * np.linalg.norm(one)
    assert "it has threads = 2, and this run has 3" in fails(
        train.main, "--epochs", 3, "--threads", 3, "--out", tmp_path / "two", *SMALL
    )
    assert "expected a whole number of at least 1, got 0" in fails(train.main, "--threads", 0)
