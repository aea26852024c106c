"""Two networks against each other: both gradients, what each step moves, what is measured, and every mistake."""

from __future__ import annotations

import contextlib
import copy
import io
import json

import gan
import numpy as np
import pytest
from conftest import ROOT
from gan import GAN, Game
from scripts import fails, succeeds
from shared import trained_vae

from scratchnn import Adam, BatchNorm, Dense, ReLU, Sequential, Sigmoid, Tanh, data
from scratchnn.gradcheck import GradientError, check_model
from scratchnn.layers.activations import sigmoid
from scratchnn.scripts import train
from scratchnn.training import Trainer, keep_snapshots, load_model
from scratchnn.training.checkpoints import read_checkpoint

N, N_X, N_Z = 4, 5, 3
SMALL = ["--hidden", "8", "--batch-size", "200", "--epochs", "3"]


def small(rng: np.random.Generator, normalised: bool = False) -> GAN:
    """Sizes that all differ, biases that are not 0, smooth enough for finite differences."""
    between = [BatchNorm(7, dtype=np.float64)] if normalised else []
    dense = [Dense(*sizes, rng, b=rng.normal(size=sizes[1]), dtype=np.float64) for sizes in ((3, 7), (7, 5))]
    generator = Sequential([dense[0], *between, Tanh(), dense[1], Sigmoid()])
    dense = [Dense(*sizes, rng, b=rng.normal(size=sizes[1]), dtype=np.float64) for sizes in ((5, 6), (6, 1))]
    return GAN(generator, Sequential([dense[0], Tanh(), dense[1]]), N_Z)


class GeneratorsSide:
    """One player's loss as a model: its parameters, and the noise as the batch."""

    def __init__(self, whole: GAN) -> None:
        self.whole, self.parameters, self.gradients = whole, whole.generator.parameters, whole.generator.gradients

    def forward(self, noise):
        return self.whole.generator_loss(self.whole.generator.forward(noise))

    def backward(self, dloss):
        self.whole.generator_backward(dloss)


class DiscriminatorsSide:
    def __init__(self, whole: GAN) -> None:
        self.whole = whole
        self.parameters, self.gradients = whole.discriminator.parameters, whole.discriminator.gradients

    def forward(self, x, fake):
        return self.whole.discriminator_loss(x, fake)

    def backward(self, dloss):
        self.whole.discriminator_backward(dloss)


@pytest.mark.parametrize("normalised", [False, True])
def test_the_generator_s_gradient_comes_through_the_discriminator(normalised, rng):
    whole = small(rng, normalised)
    if normalised:  # over a batch, an example's loss depends on the others; in evaluation mode not
        whole.loss_terms(rng.random((N, N_X)), rng)
        whole.train(False)
    report = check_model(GeneratorsSide(whole), rng.normal(size=(N, N_Z)))
    assert {array.name for array in report.arrays} == {
        f"d{name}" if "." not in name else f"{name.rpartition('.')[0]}.d{name.rpartition('.')[2]}"
        for name in whole.generator.parameters
    }
    assert all(array.analytic.any() for array in report.arrays)


def test_the_generator_s_gradient_with_normalisation_over_the_batch(rng):
    """The mean over the batch is what training minimises: central differences of it, parameter by parameter."""
    whole, noise = small(rng, normalised=True), rng.normal(size=(N, N_Z))

    def loss() -> float:
        return float(whole.generator_loss(whole.generator.forward(noise)).mean())

    loss()
    whole.generator_backward(np.full(N, 1 / N))
    analytic, h = whole.generator.grads.copy(), 1e-5
    for index in range(len(analytic)):
        before = whole.generator.params[index]
        whole.generator.params[index] = before + h
        above = loss()
        whole.generator.params[index] = before - h
        below = loss()
        whole.generator.params[index] = before
        assert (above - below) / (2 * h) == pytest.approx(analytic[index], abs=1e-8)


def test_the_discriminator_s_gradient(rng):
    whole = small(rng)
    report = check_model(DiscriminatorsSide(whole), rng.random((N, N_X)), rng.random((N, N_X)))
    assert len(report.arrays) == 4 and all(array.analytic.any() for array in report.arrays)


def test_a_wrong_gradient_would_be_found(rng, monkeypatch):
    """The zero-sum game's slope, −P, in place of P − 1: a forger who takes the detective's side of the derivative."""
    whole = small(rng)
    backward = whole.loss.backward
    monkeypatch.setattr(whole.loss, "backward", lambda dloss: backward(dloss) + dloss[:, None])
    with pytest.raises(GradientError):
        check_model(GeneratorsSide(whole), rng.normal(size=(N, N_Z)))
    with pytest.raises(GradientError):
        check_model(DiscriminatorsSide(whole), rng.random((N, N_X)), rng.random((N, N_X)))


def test_losses_are_those_of_the_paper(rng):
    whole = small(rng)
    x, noise = rng.random((N, N_X)), rng.normal(size=(N, N_Z))
    fake = whole.generate(noise)
    p_real, p_fake = (sigmoid(whole.discriminator.forward(images))[:, 0] for images in (x, fake))
    expected = -np.log(p_real) - np.log(1 - p_fake)
    np.testing.assert_allclose(whole.discriminator_loss(x, fake), expected, rtol=1e-12)
    np.testing.assert_allclose(whole.generator_loss(fake), -np.log(p_fake), rtol=1e-12)
    whole.discriminator.layers[-1].params[...] = 0  # it knows nothing: ½ for everything
    assert whole.discriminator_loss(x, fake) == pytest.approx(2 * np.log(2))
    assert whole.generator_loss(fake) == pytest.approx(np.log(2))


def test_a_step_of_each_player_lowers_its_own_loss(rng):
    """A small step along one player's gradient lowers that player's loss and leaves the other's parameters alone."""
    whole = small(rng)
    x, noise = rng.random((N, N_X)), rng.normal(size=(N, N_Z))

    def losses() -> tuple[float, float]:
        fake = whole.generator.forward(noise)
        return whole.generator_loss(fake).mean(), whole.discriminator_loss(x, fake).mean()

    dloss, before = np.full(N, 1 / N), losses()
    whole.generator_loss(whole.generator.forward(noise))
    whole.generator_backward(dloss)
    whole.generator.params[...] -= 1e-3 * whole.generator.grads
    moved = losses()
    assert moved[0] < before[0] and moved[1] > before[1]  # the better forger makes life harder for the detective
    whole.discriminator_loss(x, whole.generator.forward(noise))
    whole.discriminator_backward(dloss)
    whole.discriminator.params[...] -= 1e-3 * whole.discriminator.grads
    assert losses()[1] < moved[1]


def test_a_step_of_the_game_uses_each_player_s_own_gradient(rng):
    """The same fakes for both, gradients of one moment, what the generator's pass leaves in the other overwritten."""
    whole = small(rng)
    twin, x = copy.deepcopy(whole), rng.random((N, N_X))
    trainer = Game(whole, Adam(whole, lr=0.01, beta1=0.5), np.random.default_rng(7))
    losses = trainer.step(x)

    fake = twin.generator.forward(twin.noise(N, np.random.default_rng(7)))
    generator = twin.generator_loss(fake)
    twin.generator_backward(np.full(N, 1 / N))
    kept = twin.generator.grads.copy()
    discriminator = twin.discriminator_loss(x, fake)
    twin.discriminator_backward(np.full(N, 1 / N))
    grads = np.concatenate([kept, twin.discriminator.grads])
    np.testing.assert_array_equal(whole.grads, grads)
    # Adam's first step is lr · g / (|g| + eps)
    np.testing.assert_allclose(twin.params - whole.params, 0.01 * grads / (np.abs(grads) + 1e-8), rtol=1e-6)
    assert losses["generator"] == pytest.approx(generator.mean())
    assert losses["discriminator"] == pytest.approx(discriminator.mean())


def test_a_gan_is_not_trained_by_the_step_for_one_loss(rng):
    whole = small(rng)
    with pytest.raises(NotImplementedError, match="two losses and a gradient of each: train it with Game"):
        Trainer(whole, Adam(whole), rng).step(rng.random((N, N_X)))


def test_a_generator_learns_a_distribution_that_is_known():
    """Two numbers of means 0.3 and 0.6 and deviations 0.03 and 0.1. The players circle, so epochs are averaged."""
    rng = np.random.default_rng(0)
    x = rng.normal([0.3, 0.6], [0.03, 0.1], (2000, 2)).clip(0, 1).astype(np.float32)
    generator = Sequential([Dense(2, 32, rng), BatchNorm(32), ReLU(), Dense(32, 2, rng), Sigmoid()])
    whole = GAN(generator, Sequential([Dense(2, 32, rng), ReLU(), Dense(32, 32, rng), ReLU(), Dense(32, 1, rng)]), 2)
    noise = whole.noise(1000, rng)

    def moments() -> np.ndarray:
        fakes = whole.generate(noise)
        return np.stack([fakes.mean(axis=0), fakes.std(axis=0)])

    trainer = Game(whole, Adam(whole, lr=3e-4, beta1=0.5), rng)
    with contextlib.redirect_stdout(io.StringIO()):
        trainer.fit(x, epochs=100, batch_size=100, after_epoch=[keep_snapshots(moments)])
    means, deviations = np.mean(trainer.snapshots[50:], axis=0)
    np.testing.assert_allclose(means, [0.3, 0.6], atol=0.01)
    np.testing.assert_allclose(deviations, [0.03, 0.1], rtol=0.4)
    assert trainer.history[-1]["train_discriminator"] == pytest.approx(2 * np.log(2), abs=0.02)
    assert trainer.history[-1]["train_generator"] == pytest.approx(np.log(2), abs=0.02)


def test_the_two_games_differ_in_batch_normalisation_alone(rng):
    with_norm, plain = (gan.network(game, 64, 32, 16, rng) for game in gan.GAMES)
    assert repr(with_norm.discriminator) == repr(plain.discriminator)
    layers = [layer for layer in with_norm.generator.layers if not isinstance(layer, BatchNorm)]
    assert len(layers) == len(with_norm.generator.layers) - 2
    assert list(map(repr, layers)) == list(map(repr, plain.generator.layers))


class Oracle:
    """A classifier whose verdict is written into the first pixels."""

    def probabilities(self, x):
        return x[:, : gan.N_CLASSES]


def test_what_is_measured_of_images():
    one = np.zeros((100, 12), np.float32)
    one[:, 3] = 1
    collapsed = gan.look_at(one, Oracle())
    assert collapsed["effective_classes"] == pytest.approx(1) and collapsed["class_shares"][3] == 1
    assert collapsed["variety"] == 0 and collapsed["certainty"] == 1 and collapsed["grey"] == 0
    even = np.tile(np.eye(10, 12, dtype=np.float32), (10, 1))
    varied = gan.look_at(even, Oracle())
    assert varied["effective_classes"] == pytest.approx(10) and varied["rarest_class"] == pytest.approx(0.1)
    # two of them are of the same class in a tenth of the cases; else they differ in two pixels
    assert varied["variety"] == pytest.approx(np.sqrt(0.9 * 2))
    assert gan.look_at(np.full((10, 12), 0.5), Oracle())["grey"] == 1
    # nine of one to one of the other: 10 / 9^0.9
    assert gan.effective_classes(np.array([0.9, 0.1, 0.0])) == pytest.approx(10 / 9**0.9)


@pytest.fixture(scope="module")
def printed_and_finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        return succeeds(gan.main, "--out", folder, *SMALL), folder


def make_small(monkeypatch) -> None:
    monkeypatch.setattr(trained_vae, "SMALL", ["--data", "digits", "--latent", "3", "--hidden", "8", "--epochs", "1"])
    monkeypatch.setattr("scratchnn.scripts.train.draw", lambda *_: [])
    monkeypatch.setattr(gan, "CLASSIFIER_EPOCHS", {"digits": 2})
    monkeypatch.setattr(gan, "STILL_STEPS", (5,))


def test_a_run_writes_all_that_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    pictures = {f"{name}.png" for name in ("losses", "samples", "classes", "film", "held_still")}
    assert {path.name for path in folder.iterdir()} == {"summary.json", "vae", "classifier", *gan.GAMES, *pictures}
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["experiment"] == "gan" and summary["seed"] == 0 and "numpy" in summary["versions"]
    assert summary["scaling"] == "pixels / 16" and summary["document"] == {"claims": gan.CLAIMS}
    optimiser = "Adam(lr=0.001, beta1=0.5, beta2=0.999, eps=1e-08)"
    assert [game["optimiser"] for game in summary["settings"]["games"].values()] == [optimiser, optimiser]
    for game in gan.GAMES:
        history = json.loads((folder / game / "history.json").read_text(encoding="utf-8"))
        assert [record["epoch"] for record in history] == [1, 2, 3]
        for player in ("discriminator", "generator"):
            assert {f"train_{player}", f"held_out_{player}"} <= history[0].keys()
        _, arrays = read_checkpoint(folder / game / "checkpoint.npz")
        assert arrays["training/snapshots"].shape == (3, 10 + gan.FILMED * 64)
        np.testing.assert_allclose(arrays["training/snapshots"][:, :10].sum(axis=1), 1)
        diversity = summary["figures"]["effective_classes_by_epoch"][game]
        assert len(diversity) == 3 and all(1 <= value <= 10 for value in diversity)
        # what is measured last is what was counted after the last epoch
        measured = summary["figures"]["images"][f"GAN, {game}"]
        np.testing.assert_allclose(measured["class_shares"], arrays["training/snapshots"][-1, :10])
    classifier, _ = load_model(folder / "classifier")
    test = data.load("digits").test
    right = np.mean(classifier.probabilities((test.pixels / 16).astype(np.float32)).argmax(axis=1) == test.labels)
    assert summary["figures"]["classifier_test_accuracy"] == right
    assert "no --vae given" in printed and "000: GANs make images of higher quality" in printed
    assert "held still, 5 steps" in printed


@pytest.mark.usefixtures("no_figures")
def test_an_interrupted_run_goes_on_to_the_same_bits(printed_and_finished, tmp_path, monkeypatch):
    """Stopped after the first of the second game's three epochs; the noise of dropout goes on as well."""
    _, whole = printed_and_finished
    make_small(monkeypatch)
    save = Game.save

    def interrupted(self, path):
        save(self, path)
        if self.settings["game"] == "plain":
            raise KeyboardInterrupt

    command = ["--out", str(tmp_path), *SMALL]
    with monkeypatch.context() as patch:
        patch.setattr(Game, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            gan.main(command)
    record, _ = read_checkpoint(tmp_path / "plain/checkpoint.npz")
    assert len(record["training"]["history"]) == 1 and not (tmp_path / "summary.json").exists()
    step, steps = Game.step, []
    monkeypatch.setattr(Game, "step", lambda self, x: steps.append(self.settings["game"]) or step(self, x))
    gan.main([*command, "--resume"])
    assert steps == 2 * 7 * ["plain"]  # 1,297 images in batches of 200; nothing is trained twice
    for game in gan.GAMES:
        (here, ours), (there, theirs) = (read_checkpoint(f / game / "checkpoint.npz") for f in (tmp_path, whole))
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=f"{game}: {name}")
        assert here["training"]["generator"] == there["training"]["generator"]
    mine, other = (
        json.loads((folder / "summary.json").read_text(encoding="utf-8"))["figures"]["images"]
        for folder in (tmp_path, whole)
    )
    assert mine == other


def test_held_still_a_generator_ends_at_what_pleases_most(rng, monkeypatch):
    """A discriminator that likes a first pixel of 1 and a second of 0: all images become that one."""
    monkeypatch.setattr(gan, "STILL_STEPS", (400,))
    forward, modes = ReLU.forward, set()
    monkeypatch.setattr(ReLU, "forward", lambda self, x: modes.add(self.training) or forward(self, x))
    generator = Sequential([Dense(3, 8, rng), ReLU(), Dense(8, 2, rng), Sigmoid()])
    judge = Dense(2, 1, rng)
    judge.W = np.array([[1.0], [-1.0]])
    whole = GAN(generator, Sequential([judge]), 3)
    before = whole.params.copy()
    steps, step = [], Adam.step
    monkeypatch.setattr(Adam, "step", lambda self: steps.append(1) or step(self))
    images = gan.held_still(whole, 0.02, rng, 50)
    assert list(images) == [0, 400] and len(steps) == 400
    np.testing.assert_array_equal(images[0], whole.generate(gan.samples_noise(whole)))
    np.testing.assert_array_equal(whole.params, before)
    assert modes == {False} and whole.generator.layers[1].training  # nothing dropped, no statistics of the batch
    assert images[0].std(axis=0).min() > 0.05
    np.testing.assert_allclose(images[400].mean(axis=0), [1, 0], atol=0.02)
    assert images[400].std(axis=0).max() < 0.02
    assert whole.taken_for_real(images[400]) == pytest.approx(1 / (1 + np.exp(-1)), abs=0.01)  # the logit is 1 − 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "mnist"], "run python examples/vae.py --data mnist --latent 20 --epochs 50"),
        (["--data", "frey-face"], "frey-face has no labels for the classifier"),
        (["--batch-size", "1298"], "--batch-size 1298 is more than the 1,297 training images"),
        (["--batch-size", "1"], "--batch-size 1 leaves a batch of a single image"),
        (["--batch-size", "81"], "--batch-size 81 leaves a batch of a single image"),  # 1,297 = 16 · 81 + 1
        (["--lr", "0"], "argument --lr: expected a positive number, got 0"),
        (["--hidden", "0"], "argument --hidden: expected a whole number of at least 1, got 0"),
        (["--vae", "nowhere"], "there is no checkpoint nowhere"),
        (["--resume"], "there is nothing to go on with"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, tmp_path):
    assert message in fails(gan.main, "--out", tmp_path / "run", *arguments)
    assert not (tmp_path / "run").exists()


def test_another_run_is_not_overwritten(printed_and_finished, monkeypatch):
    _, folder = printed_and_finished
    make_small(monkeypatch)
    before = (folder / "plain/checkpoint.npz").read_bytes()
    run = ["--vae", folder / "vae", "--out", folder, *SMALL]
    assert "holds another run, which would be lost" in fails(gan.main, *run, "--seed", 3)
    assert "it has optimiser = Adam(lr=0.001" in fails(gan.main, *run, "--lr", 0.5)
    assert (folder / "plain/checkpoint.npz").read_bytes() == before


def test_what_is_no_vae_of_these_images_is_refused(printed_and_finished, tmp_path):
    _, folder = printed_and_finished
    text = fails(gan.main, "--vae", folder / "classifier", "--out", tmp_path / "run")
    assert "holds a model of class Classifier: give --vae a run of examples/vae.py" in text
    train.main([*SMALL, "--split", "random", "--out", str(tmp_path / "vae")])
    text = fails(gan.main, "--vae", tmp_path / "vae", "--out", tmp_path / "run")
    assert "was trained with --split random, and the images here are those of --split contiguous" in text


def test_help_has_examples():
    assert "examples/gan.py --data mnist --vae" in succeeds(gan.main, "--help")
    assert (ROOT / "examples/gan.py").exists()
