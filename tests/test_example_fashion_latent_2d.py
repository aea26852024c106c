"""The VAE with a tenth of the noise and with all of it: what is drawn, what is paid, and what the numbers say."""

from __future__ import annotations

import json

import fashion_latent_2d
import numpy as np
import pytest
import scipy.stats
from conftest import ROOT
from fashion_latent_2d import ScaledNoiseVAE, network
from scripts import fails, succeeds
from sklearn.decomposition import PCA

from scratchnn import Dense, ReLU, data
from scratchnn.evaluation import encode
from scratchnn.gradcheck import check_model
from scratchnn.losses import batch_mean
from scratchnn.training import Trainer, evaluate
from scratchnn.training.checkpoints import read_checkpoint

SMALL = ["--epochs", "3", "--hidden", "8", "--shown", "60"]


def untrained(rng: np.random.Generator, sigma: float = 0.1) -> ScaledNoiseVAE:
    """With biases, so that mean and log_var are not near 0."""
    model = network(5, 7, sigma, rng).astype(np.float64)
    model.params[...] = rng.normal(size=model.params.shape) / 2
    return model


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_the_noise_has_the_standard_deviation_that_sigma_says(sigma, rng, monkeypatch):
    model, n, seen = untrained(rng, sigma), 100_000, []
    x = np.tile(rng.random((1, 5)), (n, 1))
    mean, log_var = model.encode(x[:1])
    forward = model.decoder.forward
    monkeypatch.setattr(model.decoder, "forward", lambda z: seen.append(z) or forward(z))
    kl = model.loss_terms(x, rng)["kl"]
    for j in range(2):
        drawn = scipy.stats.norm(mean[0, j], sigma * np.exp(log_var[0, j] / 2))
        assert scipy.stats.kstest(seen[0][:, j], drawn.cdf).pvalue > 1e-4
    # what is paid is the divergence of the wide distribution, whatever is drawn
    wide = 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var)
    np.testing.assert_allclose(kl, wide, rtol=1e-12)


def test_the_honest_vae_draws_the_same_and_pays_for_it(rng):
    model, x = untrained(rng), rng.random((40, 5))
    honest = model.honest()
    claimed, true = evaluate(model, x), evaluate(honest, x)
    assert true["reconstruction"] == pytest.approx(claimed["reconstruction"], rel=1e-12)
    mean, log_var = model.encode(x)
    std = 0.1 * np.exp(log_var / 2)
    # KL = E_q[log q − log p] by Monte Carlo, image by image
    z = mean + std * rng.standard_normal((20_000, *mean.shape))
    kl = scipy.stats.norm.logpdf(z, mean, std) - scipy.stats.norm.logpdf(z)
    per_draw = kl.sum(axis=2).mean(axis=1)
    assert abs(true["kl"] - per_draw.mean()) < 5 * per_draw.std() / np.sqrt(len(per_draw))
    assert true["kl"] > claimed["kl"]
    np.testing.assert_array_equal(model.encode(x)[1], log_var)  # the model itself is left as it was


def test_with_sigma_1_there_is_nothing_to_be_honest_about(rng):
    model, x = untrained(rng, 1.0), rng.random((40, 5))
    assert evaluate(model, x) == evaluate(model.honest(), x)


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_the_gradient_is_that_of_the_loss_with_this_noise(sigma, rng):
    """The script's one change is in the noise; the backward of the library must fit it."""
    model, x, eps = untrained(rng, sigma), rng.random((4, 5)), rng.standard_normal((4, 2))
    check_model(model, x, sigma * eps)

    class Fixed:
        def standard_normal(self, shape):
            return eps

    _, dloss = batch_mean(np.sum(list(model.loss_terms(x, Fixed()).values()), axis=0))
    model.backward(dloss)
    through_terms = model.grads.copy()
    model.forward(x, sigma * eps)
    model.backward(dloss)
    np.testing.assert_array_equal(model.grads, through_terms)


def test_the_network_is_the_document_s():
    model = network(784, fashion_latent_2d.HIDDEN["fashion-mnist"], 0.1, np.random.default_rng(0))
    sizes = [(layer.n_in, layer.n_out) for part in (model.encoder, model.decoder) for layer in part.layers[::2]]
    assert sizes == [(784, 64), (64, 4), (2, 64), (64, 784)] and model.n_z == 2
    assert [type(layer) for layer in model.encoder.layers] == [Dense, ReLU, Dense]
    other = network(784, 64, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(model.params, other.params)  # both trainings start from the same values
    assert fashion_latent_2d.EPOCHS["fashion-mnist"] == 200


@pytest.mark.parametrize("n, k", [(30, 10), (6, 10)])
def test_neighbours_vote_by_brute_force(n, k, rng):
    codes, labels = rng.normal(size=(n, 2)), rng.integers(0, 3, n).astype(np.uint8)
    verdicts = fashion_latent_2d.neighbours_verdicts(codes, labels)
    for i in range(n):
        distances = [np.inf if i == j else np.sum((codes[i] - codes[j]) ** 2) for j in range(n)]
        nearest = labels[np.argsort(distances)[: min(k, n - 1)]]
        assert verdicts[i] == np.bincount(nearest, minlength=3).argmax()


def test_neighbours_do_not_count_an_image_itself(monkeypatch):
    """By its one nearest neighbour, the only image of its class is never right."""
    monkeypatch.setattr(fashion_latent_2d, "NEIGHBOURS", 1)
    codes = np.array([[0.0, 0], [0, 0.1], [5, 5], [5, 5.1], [9, 0]])
    verdicts = fashion_latent_2d.neighbours_verdicts(codes, np.array([0, 0, 1, 1, 2]))
    np.testing.assert_array_equal(verdicts, [0, 0, 1, 1, 1])


def make_small(monkeypatch) -> None:
    """t-SNE takes longer than all the rest; its own test is with the evaluation."""
    monkeypatch.setattr(fashion_latent_2d, "t_sne", lambda images, n, seed: images.test[:n][:, 20:22])


@pytest.fixture(scope="module")
def printed_and_finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("latent")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        return succeeds(fashion_latent_2d.main, "--out", folder, *SMALL), folder


def test_a_run_writes_all_that_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    pictures = {f"{name}.png" for name in ("views", "samples", "manifold-sigma-0.1", "manifold-sigma-1")}
    assert {path.name for path in folder.iterdir()} == {
        "summary.json", "history.json", "sigma-0.1", "sigma-1", *pictures,
    }  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["experiment"] == "fashion-latent-2d" and summary["settings"]["scaling"] == "pixels / 16"
    assert "numpy" in summary["versions"] and summary["document"]["sigma"] == 0.1
    for sigma in ("0.1", "1"):
        history = json.loads((folder / f"sigma-{sigma}/history.json").read_text(encoding="utf-8"))
        assert [record["epoch"] for record in history] == [1, 2, 3]
        assert history == json.loads((folder / "history.json").read_text(encoding="utf-8"))[sigma]
        assert history[-1]["train_loss"] == summary["figures"]["train_loss"][sigma]
    assert "−ELBO of the z that are drawn" in printed and "t-SNE of 60 test images" in printed


def test_the_figures_are_right_by_other_means(printed_and_finished):
    """From the checkpoints, by the library's own reader, with scikit-learn and by hand."""
    _, folder = printed_and_finished
    found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["figures"]
    images = data.load("digits")
    train, test = (part.pixels / 16 for part in (images.train, images.test))
    pca = PCA(2).fit(train)
    expected = {
        "mean image": np.mean((test - train.mean(axis=0)) ** 2),
        "PCA, 2 numbers": np.mean((test - pca.inverse_transform(pca.transform(test))) ** 2),
    }
    for name, sigma in (("0.1", 0.1), ("1", 1.0)):
        record, arrays = read_checkpoint(folder / f"sigma-{name}/checkpoint.npz")
        model, settings = network(64, 8, sigma, np.random.default_rng(5)), record["training"]["settings"]
        model.params[...] = arrays["model/params"]
        assert settings["sigma"] == sigma and settings["batch_size"] == 64
        mean, log_var = encode(model, images.test)
        expected[f"VAE, sigma {name}"] = np.mean((test - model.decode(mean)) ** 2)
        var = sigma**2 * np.exp(log_var)
        losses = found["test_losses"][name]
        assert losses["honest_kl"] == pytest.approx(
            np.mean(np.sum(0.5 * (mean**2 + var - 1 - np.log(var)), 1)), rel=1e-4
        )
        assert losses["honest_loss"] == pytest.approx(losses["reconstruction"] + losses["honest_kl"], rel=1e-4)
        assert losses["std_of_noise"] == pytest.approx(np.sqrt(var.mean()), rel=1e-4)
        assert losses["std_of_means"] == pytest.approx(np.sqrt(mean.var(axis=0).mean()), rel=1e-4)
        verdicts = fashion_latent_2d.neighbours_verdicts(mean[:60], images.test.labels[:60])
        told = found["neighbours_accuracy"][f"VAE, sigma {name}"]
        assert told["all"] == np.mean(verdicts == images.test.labels[:60])
        threes = images.test.labels[:60] == 3
        assert told["3"] == np.mean(verdicts[threes] == 3)
    assert found["test_mse"] == pytest.approx(expected, rel=1e-4)
    assert found["test_losses"]["1"]["honest_loss"] == found["test_losses"]["1"]["loss"]


@pytest.mark.usefixtures("no_figures")
def test_an_interrupted_run_goes_on_to_the_same_bits(printed_and_finished, tmp_path, monkeypatch):
    """Stopped after the first epoch of the second VAE."""
    _, whole = printed_and_finished
    make_small(monkeypatch)
    save = Trainer.save

    def interrupted(self, path):
        save(self, path)
        if self.settings["sigma"] == 1.0:
            raise KeyboardInterrupt

    command = ["--out", str(tmp_path), *SMALL]
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fashion_latent_2d.main(command)
    record, _ = read_checkpoint(tmp_path / "sigma-1/checkpoint.npz")
    assert len(record["training"]["history"]) == 1 and not (tmp_path / "summary.json").exists()
    step, steps = Trainer.step, []
    monkeypatch.setattr(Trainer, "step", lambda self, x: steps.append(self.settings["sigma"]) or step(self, x))
    fashion_latent_2d.main([*command, "--resume"])
    assert steps == 2 * 21 * [1.0]  # 1,297 images in batches of 64; nothing is trained twice
    for name in ("sigma-0.1", "sigma-1"):
        ours, theirs = (read_checkpoint(folder / name / "checkpoint.npz")[1] for folder in (tmp_path, whole))
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key], err_msg=f"{name}: {key}")
    here, there = (
        json.loads((folder / "summary.json").read_text(encoding="utf-8"))["figures"] for folder in (tmp_path, whole)
    )
    assert here == there


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "frey-face"], "frey-face has no classes to colour: choose digits, mnist, fashion-mnist"),
        (["--batch-size", "1298"], "--batch-size 1298 is more than the 1,297 training images"),
        (["--shown", "19"], "--shown 19 is too few for their nearest 10"),
        (["--hidden", "0"], "argument --hidden: expected a whole number of at least 1, got 0"),
        (["--resume"], "there is nothing to go on with"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, tmp_path):
    assert message in fails(fashion_latent_2d.main, "--out", tmp_path / "run", *arguments)
    assert not (tmp_path / "run").exists()


def test_another_run_is_not_overwritten(printed_and_finished):
    _, folder = printed_and_finished
    before = (folder / "sigma-0.1/checkpoint.npz").read_bytes()
    text = fails(fashion_latent_2d.main, "--out", folder, *SMALL, "--seed", 3)
    assert "holds another run, which would be lost: it has seed = 0, and this run has 3" in text
    assert (folder / "sigma-0.1/checkpoint.npz").read_bytes() == before


def test_titles_tell_the_epochs_of_the_folder_and_not_those_asked_for(printed_and_finished, monkeypatch):
    _, folder = printed_and_finished
    make_small(monkeypatch)
    titles = {}
    monkeypatch.setattr(
        fashion_latent_2d.figures,
        "save",
        lambda figure, path, settings: titles.update({path.stem: figure.get_suptitle()}),
    )
    printed = succeeds(fashion_latent_2d.main, "--out", folder, *SMALL, "--epochs", 1)
    assert len(titles) == 4 and all("epochs: 3" in title for title in titles.values())
    for name in ("sigma-0.1", "sigma-1"):
        there = folder / name / "checkpoint.npz"
        assert f"{there} has 3 epochs of this run, more than the 1 asked for: nothing left to train" in printed


def test_help_has_examples():
    assert "examples/fashion_latent_2d.py --data fashion-mnist" in succeeds(fashion_latent_2d.main, "--help")
    assert (ROOT / "examples/fashion_latent_2d.py").exists()
