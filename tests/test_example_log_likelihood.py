"""Evaluation of a run, and the sweep over latent sizes: on small networks and the embedded digits."""

from __future__ import annotations

import copy
import json

import latent_sizes
import numpy as np
import pytest
from conftest import ROOT, draw_nothing
from scripts import fails
from shared import log_likelihood

from scratchnn import VAE, Adam, Classifier, Dense, Sequential, data
from scratchnn.evaluation import importance_weighted, latent_use
from scratchnn.scripts import train
from scratchnn.training import Trainer, blas, evaluate, load_model

SMALL = ["--hidden", "12", "--batch-size", "200"]


def test_the_example_is_this_command():
    import log_likelihood as example

    assert example.main is log_likelihood.main and example.__file__ == str(ROOT / "examples/log_likelihood.py")


@pytest.fixture(scope="module")
def grey_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grey")
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        train.main(["--epochs", "3", "--out", str(folder), *SMALL])
    return folder


def test_the_figures_are_those_of_the_functions_they_name(grey_run, tmp_path, capsys, monkeypatch):
    kept: list[bool] = []
    monkeypatch.setattr(blas, "keep_freed_memory", lambda: kept.append(True))
    log_likelihood.main([str(grey_run), "--samples", "7", "1", "7", "--images", "90", "--out", str(tmp_path)])
    assert kept == [True] and {path.name for path in tmp_path.iterdir()} == {"summary.json", "bound.png"}
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    model, _ = load_model(grey_run)
    images = data.binarise_held_out(data.load("digits").test, "fixed")[:90]  # grey in training: made binary here
    for estimate, k in zip(summary["figures"]["estimates"], (1, 7), strict=True):
        result = importance_weighted(model, images, k, progress=False)
        assert (estimate["n_samples"], estimate["nll"]) == (k, -result.mean)
        assert estimate["sampling_error"] == result.sampling_error
        assert estimate["monte_carlo_error"] == (None if k == 1 else result.monte_carlo_error)
    assert summary["figures"]["test_loss"] == evaluate(model, images)["loss"]
    assert summary["figures"]["test_kl_per_dimension"] == latent_use(model, images).kl.tolist()
    settings = summary["settings"]
    assert (settings["images"], settings["test_binarisation"], settings["epochs"]) == (90, "fixed", 3)
    printed = capsys.readouterr().out
    assert (
        "digits: 90 test images, binary pixels, drawn once; in nats per image (log-likelihood)" in printed
        and "active latent dimensions:" in printed
    )
    assert "published" not in printed  # of MNIST only


@pytest.mark.usefixtures("no_figures")
def test_grey_pixels_are_refused_or_labelled(grey_run, tmp_path, capsys):
    text = fails(log_likelihood.main, grey_run, "--binarisation", "none", "--out", tmp_path)
    assert "grey pixels have no likelihood under a Bernoulli decoder" in text and "add --grey" in text
    assert not list(tmp_path.iterdir())
    log_likelihood.main([str(grey_run), "--binarisation=none", "--grey", "--samples=2", f"--out={tmp_path}"])
    assert (
        json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["meaning"] == "no likelihood: grey pixels"
    )
    assert "no likelihood: grey pixels" in capsys.readouterr().out


def test_mistakes_are_one_sentence(grey_run, tmp_path):
    def said(*arguments: object) -> str:
        return fails(log_likelihood.main, *arguments)

    assert "expected a whole number of at least 1, got 0" in said(grey_run, "--samples", "0")
    assert "there is no checkpoint" in said(tmp_path)
    assert "--grey is for grey pixels under a Bernoulli decoder" in said(grey_run, "--grey", "--binarisation", "fixed")
    rng = np.random.default_rng(0)
    classifier = Classifier(Sequential([Dense(64, 10, rng)]))
    Trainer(classifier, Adam(classifier), rng, {"data": "digits"}).save(tmp_path / "checkpoint.npz")
    assert "holds a model of class Classifier: only a VAE says how probable an image is" in said(tmp_path)
    model = load_model(grey_run)[0]
    Trainer(model, Adam(model), rng, {"data": "digits"}).save(tmp_path / "checkpoint.npz")
    assert "was not written by examples/vae.py: its settings have no 'split'" in said(tmp_path)


@pytest.mark.usefixtures("no_figures")
def test_a_gaussian_decoder_gives_a_density_of_grey_pixels(tmp_path):
    train.main(["--epochs", "1", "--likelihood", "gaussian", "--out", str(tmp_path), *SMALL])
    text = fails(log_likelihood.main, tmp_path, "--binarisation", "fixed")
    assert "this decoder has a likelihood of grey pixels: leave out --binarisation" in text
    log_likelihood.main([str(tmp_path), "--samples", "3"])
    summary = json.loads((tmp_path / "log-likelihood/summary.json").read_text(encoding="utf-8"))
    assert summary["meaning"] == "log-density" and summary["settings"]["test_binarisation"] == "none"


@pytest.mark.usefixtures("no_figures")
def test_an_importance_weighted_run_is_asked_like_any_other(tmp_path, capsys):
    """The estimate is that of a VAE with the same networks; the loss of the training is called by its name."""
    train.main(["--epochs=1", "--binarisation=dynamic", "--importance=3", f"--out={tmp_path}", *SMALL])
    capsys.readouterr()
    log_likelihood.main([str(tmp_path), "--samples=7", "--images=90"])
    figures = json.loads((tmp_path / "log-likelihood/summary.json").read_text(encoding="utf-8"))["figures"]
    model, images = load_model(tmp_path)[0], data.binarise_held_out(data.load("digits").test, "fixed")[:90]
    twin = VAE(*copy.deepcopy((model.encoder, model.decoder, model.likelihood)), model.n_z)
    assert figures["estimates"][0]["nll"] == -importance_weighted(twin, images, 7, progress=False).mean
    assert figures["test_minus_L_K"] == figures["test_loss"] == evaluate(model, images)["loss"]
    printed = capsys.readouterr().out
    assert f"−L_3 {figures['test_loss']:.2f}\n" in printed and "ELBO" not in printed


@pytest.mark.usefixtures("no_figures")
def test_the_seed_of_the_draws_counts(grey_run, tmp_path):
    nll = []
    for seed in ("0", "1", "0"):
        log_likelihood.main([str(grey_run), "--samples", "3", "--images", "20", "--seed", seed, "--out", str(tmp_path)])
        nll.append(
            json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["figures"]["estimates"][0]["nll"]
        )
    assert nll[0] == nll[2] != nll[1]


def sweep(folder, *arguments: str) -> None:
    latent_sizes.main(
        ["--latents", "4", "5", "--seeds", "0", "1", "--samples", "4", f"--out={folder}", *SMALL, *arguments]
    )


@pytest.mark.usefixtures("no_figures")
def test_the_sweep_is_the_runs_put_together(tmp_path, capsys, monkeypatch):
    sweep(tmp_path, "--epochs", "2")
    printed = capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {
        "summary.json", "samples.png", "z4-seed0", "z4-seed1", "z5-seed0", "z5-seed1",
    }  # fmt: skip
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    losses = []
    for seed in (0, 1):
        run = json.loads((tmp_path / f"z5-seed{seed}/summary.json").read_text(encoding="utf-8"))
        assert run["settings"]["seed"] == seed and run["settings"]["latent"] == 5
        losses.append(run["figures"]["test_loss"])
        assert (tmp_path / f"z5-seed{seed}/log.txt").read_text(encoding="utf-8").count("epoch 2/2") == 1
    assert summary["figures"]["5"]["test_loss"] == losses and losses[0] != losses[1]
    assert f"{np.mean(losses):.2f} ± {np.std(losses, ddof=1):.2f}" in printed

    # the same again trains nothing and estimates nothing; another number of draws is estimated again
    with monkeypatch.context() as patch:
        patch.setattr(log_likelihood, "main", lambda arguments: pytest.fail("estimated again"))
        sweep(tmp_path, "--epochs", "2")
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["figures"] == summary["figures"]
    # an estimate that somebody made in another way in between is not taken for the sweep's own
    log_likelihood.main([str(tmp_path / "z4-seed0"), "--samples", "4", "--images", "10"])
    sweep(tmp_path, "--epochs", "2")
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["figures"] == summary["figures"]
    sweep(tmp_path, "--epochs", "2", "--samples", "5")
    assert (
        json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["figures"]["4"]["nll"]
        != summary["figures"]["4"]["nll"]
    )


@pytest.mark.usefixtures("no_figures")
def test_the_sweep_runs_side_by_side_and_comes_to_the_same(tmp_path):
    for folder, jobs in (("one", "1"), ("two", "2")):
        sweep(tmp_path / folder, "--epochs", "1", "--seeds", "0", "--jobs", jobs)
    a, b = (
        json.loads((tmp_path / name / "summary.json").read_text(encoding="utf-8"))["figures"] for name in ("one", "two")
    )
    for z in ("4", "5"):
        for name, values in a[z].items():
            np.testing.assert_allclose(values, b[z][name], rtol=1e-4)  # BLAS threads may round in another order


@pytest.mark.usefixtures("no_figures")
def test_runs_of_another_length_are_not_mixed_in(tmp_path):
    sweep(tmp_path, "--epochs", "2")
    text = fails(
        latent_sizes.main,
        "--latents", 4, "--seeds", 0, "--samples", 4, "--epochs", 1, "--out", tmp_path, *SMALL,
    )  # fmt: skip
    assert "has seen 2 epochs, and the others are to see 1: choose another folder with --out" in text


@pytest.mark.usefixtures("no_figures")
def test_a_run_on_a_random_split_is_asked_about_its_own_test_images(tmp_path):
    train.main(["--epochs", "1", "--split", "random", "--out", str(tmp_path), *SMALL])
    log_likelihood.main([str(tmp_path), "--samples", "3"])
    summary = json.loads((tmp_path / "log-likelihood/summary.json").read_text(encoding="utf-8"))
    images = data.binarise_held_out(data.load("digits", "random").test, "fixed")[:]
    assert summary["figures"]["test_loss"] == evaluate(load_model(tmp_path)[0], images)["loss"]


def test_each_file_of_weights_has_a_folder_of_its_own():
    def out(*arguments: str) -> str:
        return log_likelihood.options(arguments).out.as_posix()

    assert (out("w/a.npz"), out("w/b.npz")) == ("w/a-log-likelihood", "w/b-log-likelihood")
    assert out("w/checkpoint.npz") == "w/log-likelihood"


def test_a_damaged_estimate_is_none(tmp_path):
    (tmp_path / "summary.json").write_text("{", encoding="utf-8")
    assert not log_likelihood.is_there(tmp_path, {})
