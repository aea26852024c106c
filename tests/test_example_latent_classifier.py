"""The four classifiers as a user runs them: what each starts from, trains and sees, and every mistake."""

from __future__ import annotations

import json
from argparse import Namespace

import latent_classifier
import numpy as np
import pytest
import scipy.special
from conftest import ROOT, draw_nothing
from hypothesis import given
from hypothesis import strategies as st
from latent_classifier import CONVERGED, VARIANTS, Experiment, balanced, classifier
from scripts import fails, succeeds
from shared import trained_vae
from sklearn.linear_model import LogisticRegression

from scratchnn import SGD, VAE, Adam, Bernoulli, Classifier, Dense, Sequential, Tanh, data
from scratchnn.losses import batch_mean
from scratchnn.scripts import train
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import Trainer, load_model, same_bits

N_TRAIN, N_Z = 1297, 5
SHORT = ["--epochs", "2", "--labels", "20", "--repeats", "2"]


@pytest.fixture(scope="module")
def vae_run(tmp_path_factory):
    """The folder of a small VAE of the digits."""
    folder = tmp_path_factory.mktemp("vae")
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        train.main(["--latent", str(N_Z), "--hidden", "12", "--epochs", "3", "--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def printed_and_finished(vae_run, tmp_path_factory):
    """What a short run of the script prints, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    return succeeds(latent_classifier.main, "--vae", vae_run, "--out", folder, *SHORT), folder


@pytest.fixture
def no_pictures(monkeypatch):
    """Pictures take longer than the rest of a short run."""
    monkeypatch.setattr(latent_classifier.figures, "save", lambda figure, path, settings: None)


def experiment(model: VAE, **settings) -> Experiment:
    args = Namespace(**{"data": "digits", "batch_size": 100, "epochs": 2, "log": [], **settings})
    return Experiment(args, data.load("digits"), model)


def test_a_run_writes_all_that_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    pictures = {"label_curve.png", *(f"confusion-{variant}.png" for variant in VARIANTS)}
    assert {path.name for path in folder.iterdir()} == {"summary.json", "trainings.json", *VARIANTS, *pictures}
    for variant in VARIANTS:
        assert {path.name for path in (folder / variant).iterdir()} == {"checkpoint.npz", "history.json"}
        history = json.loads((folder / variant / "history.json").read_text(encoding="utf-8"))
        assert [record["epoch"] for record in history] == [1, 2]
        assert {"train_loss", "held_out_loss", "held_out_accuracy", "seconds"} <= history[0].keys()
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    for variant, curve in summary["figures"]["by_labels"].items():
        assert [(point["labels"], point["trainings"]) for point in curve] == [(20, 2), (N_TRAIN, 2)]
        assert summary["figures"]["all_labels"][variant] == curve[-1]
        for part in ("train", "validation", "test"):
            assert {"mean", "spread"} == curve[0][f"{part}_accuracy"].keys() == curve[0][f"{part}_cross_entropy"].keys()
    assert summary["settings"]["steps"] == 2 * 13 and summary["settings"]["seeds"] == [0, 1] and summary["seed"] == 0
    assert "numpy" in summary["versions"] and summary["scaling"] == "pixels / 16"
    assert summary["document"] == {}  # the thesis has no digits of 8×8 pixels
    assert "no VAE is loaded" in printed and "26 steps for any number of labels" in printed
    assert printed.count("held-out loss") == 2 * len(VARIANTS)  # a line an epoch of the trainings that are kept


def test_the_checkpoints_are_the_classifiers_that_were_measured(finished):
    """Loaded by what the library offers, fed with pixels, counted by hand."""
    images = data.load("digits")
    trainings = json.loads((finished / "trainings.json").read_text(encoding="utf-8"))["trainings"]
    for variant in VARIANTS:
        model, settings = load_model(finished / variant)
        assert isinstance(model, Classifier) and settings["data"] == "digits" and settings["variant"] == variant
        assert (settings["binarisation"], settings["split"], settings["labels"]) == ("none", "contiguous", N_TRAIN)
        (measured,) = [t for t in trainings if (t["variant"], t["labels"], t["seed"]) == (variant, N_TRAIN, 0)]
        for part in ("train", "validation", "test"):
            examples = getattr(images, part)
            p = model.probabilities((examples.pixels / 16).astype(np.float32))
            assert measured[f"{part}_accuracy"] == np.mean(p.argmax(axis=1) == examples.labels)
            cross_entropy = -np.log(p[np.arange(len(p)), examples.labels]).mean()
            assert measured[f"{part}_cross_entropy"] == pytest.approx(cross_entropy, rel=1e-5)
        history = json.loads((finished / variant / "history.json").read_text(encoding="utf-8"))
        assert history[-1]["held_out_accuracy"] == measured["validation_accuracy"]


def test_means_and_spreads_are_those_of_the_trainings(finished):
    trainings = json.loads((finished / "trainings.json").read_text(encoding="utf-8"))["trainings"]
    curves = json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"]["by_labels"]
    for variant in VARIANTS:
        a, b = (t["test_accuracy"] for t in trainings if (t["variant"], t["labels"]) == (variant, 20))
        point = curves[variant][0]["test_accuracy"]
        assert point["mean"] == pytest.approx((a + b) / 2)
        assert point["spread"] == pytest.approx(abs(a - b) / 2**0.5)  # n − 1 in the denominator


def test_three_of_the_four_are_one_network_and_differ_in_what_they_start_from(vae_run):
    model, _ = load_model(vae_run)
    other = thesis_vae(64, 12, N_Z, np.random.default_rng(99))
    start = {v: classifier(v, model, 10, np.random.default_rng(0)) for v in VARIANTS}
    assert repr(start["annex-f"]) == repr(start["frozen"]) == repr(start["fine-tuned"])
    x = data.load("digits").test[:]
    for variant in ("frozen", "fine-tuned"):
        codes = x
        for layer in start[variant].network.layers[:-1]:
            codes = layer.forward(codes)
        # the same sums over fewer columns at once, so the last bits may differ
        np.testing.assert_allclose(codes, model.encode(x)[0], atol=1e-5)
    np.testing.assert_array_equal(start["frozen"].params, start["fine-tuned"].params)
    # Annex F loads no VAE: another one changes nothing
    for variant, same in (("raw", True), ("annex-f", True), ("frozen", False), ("fine-tuned", False)):
        twin = classifier(variant, other, 10, np.random.default_rng(0))
        assert np.array_equal(twin.params, start[variant].params) == same, variant


def test_what_is_trained(vae_run, finished):
    model, _ = load_model(vae_run)
    kept = {v: load_model(finished / v)[0].network.layers for v in VARIANTS}
    for position in (0, 2, 4):
        source = model.encoder.layers[position]
        for name in ("W", "b"):
            values = getattr(source, name)[..., : N_Z if position == 4 else None]
            np.testing.assert_array_equal(getattr(kept["frozen"][position], name), values)
            assert not np.array_equal(getattr(kept["fine-tuned"][position], name), values)
    start = classifier("annex-f", model, 10, np.random.default_rng(0)).network.layers
    for position in (0, 2, 4, 5):
        assert not np.array_equal(kept["annex-f"][position].W, start[position].W)


def test_training_on_codes_is_training_the_whole_with_the_encoder_held_still(vae_run, tmp_path):
    """The same steps through all layers, with the encoder's parameters put back after each, end in the same place."""
    model, _ = load_model(vae_run)
    images = data.load("digits")
    (tmp_path / "frozen").mkdir()
    experiment(model).train("frozen", 50, 3, tmp_path / "frozen")
    result, _ = load_model(tmp_path / "frozen")

    rng = np.random.default_rng(3)
    whole = classifier("frozen", model, 10, rng)
    encoder = [(layer, layer.params.copy()) for layer in whole.network.layers[:-1]]
    optimiser = SGD(whole, 0.1)
    rows = np.resize(
        balanced(images.train.labels, 50, np.random.default_rng([latent_classifier.LABELS_SEED, 3])), N_TRAIN
    )
    for _ in range(2):
        order = rows[rng.permutation(N_TRAIN)]
        for first in range(0, N_TRAIN, 100):
            batch = order[first : first + 100]
            _, dloss = batch_mean(whole.forward(images.train[batch], images.train.labels[batch]))
            whole.backward(dloss)
            optimiser.step()
            for layer, values in encoder:
                layer.params[...] = values
    np.testing.assert_allclose(result.params, whole.params, atol=1e-5)


def test_initial_values_are_those_of_annexes_f_and_g():
    """Standard deviations, each to 5 standard errors; those of both softmaxes are 50^(−1/2), also for 784 inputs."""
    model = thesis_vae(784, 500, 50, np.random.default_rng(0))
    expected = {
        "raw": [((784, 10), 50, 50)],
        "annex-f": [((784, 500), 784, 500), ((500, 500), 500, 500), ((500, 50), 500, 50), ((50, 10), 50, 50)],
    }
    for variant, layers in expected.items():
        network = classifier(variant, model, 10, np.random.default_rng(1)).network
        dense = [layer for layer in network.layers if isinstance(layer, Dense)]
        assert [layer.W.shape for layer in dense] == [shape for shape, _, _ in layers]
        for layer, (_, m_W, m_b) in zip(dense, layers, strict=True):
            for array, m in ((layer.W, m_W), (layer.b, m_b)):
                assert abs((m * np.mean(array**2)) ** 0.5 - 1) < 5 / np.sqrt(2 * array.size)
    assert "ReLU(), Dense(500, 50), Dense(50, 10)" in repr(network)  # nothing between the means and the softmax


@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.data(), st.integers(0, 2**32 - 1))
def test_labels_are_drawn_in_equal_numbers_from_the_classes(sizes, draw, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.uint8)
    n = draw.draw(st.integers(1, len(labels)))
    rows = balanced(labels, n, np.random.default_rng(seed))
    assert len(rows) == n and len(np.unique(rows)) == n
    counts = np.bincount(labels[rows], minlength=len(sizes))
    for count, size in zip(counts, sizes, strict=True):
        assert count == size or count >= counts.max() - 1
    np.testing.assert_array_equal(rows, balanced(labels, n, np.random.default_rng(seed)))


def test_labels_are_drawn_at_random_within_a_class():
    labels = np.repeat([0, 1], 500)
    drawn = np.concatenate([balanced(labels, 20, np.random.default_rng(seed)) for seed in range(200)])
    assert len(np.unique(drawn)) > 900  # all 1,000 images have their turn: 18 of them are missed on average
    assert abs(np.mean(drawn % 500) - 249.5) < 5 * 144.3 / len(drawn) ** 0.5


def batches_of(trial: Experiment, variant: str, n_labels: int, monkeypatch) -> list:
    """What a training would learn from, batch by batch: (x, labels)."""
    batches: list = []
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", lambda self, batch: batches.append(batch) or {"loss": 0.0})
        trial.train(variant, n_labels, 7, None)
    return batches


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_training_sees_its_labelled_images_and_no_other(variant, vae_run, monkeypatch):
    model, _ = load_model(vae_run)
    images = data.load("digits").train
    batches = batches_of(experiment(model), variant, 30, monkeypatch)
    assert [len(labels) for _, labels in batches] == 2 * [*12 * [100], 97]  # as many steps as with all labels
    x, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    rows = balanced(images.labels, 30, np.random.default_rng([latent_classifier.LABELS_SEED, 7]))  # of any variant
    labelled = model.encode(images[rows])[0] if variant == "frozen" else images[rows]
    distances = np.abs(x[:, None] - labelled).max(axis=2)
    assert distances.min(axis=1).max() < 1e-5
    which = distances.argmin(axis=1)
    np.testing.assert_array_equal(labels, images.labels[rows][which])
    often = np.bincount(which, minlength=30)
    assert often.min() >= 2 * (N_TRAIN // 30) and often.max() <= 2 * (N_TRAIN // 30 + 1)


def test_with_all_labels_every_image_is_seen_once_an_epoch(vae_run, monkeypatch):
    model, _ = load_model(vae_run)
    images = data.load("digits").train
    batches = batches_of(experiment(model), "raw", N_TRAIN, monkeypatch)
    for epoch in (batches[:13], batches[13:]):
        seen = np.concatenate([np.column_stack(batch) for batch in epoch])
        everything = np.column_stack([images[:], images.labels])
        for rows in (seen, everything):
            rows[:] = rows[np.lexsort(rows.T)]
        np.testing.assert_array_equal(seen, everything)
    assert not np.array_equal(batches[0][0], batches[13][0])  # in a new order


@pytest.mark.parametrize("variant", CONVERGED)
def test_the_converged_softmax_is_the_best_there_is(variant, vae_run, monkeypatch):
    """Another solver finds no smaller penalised loss, for any penalty; the figures are those of the penalty that gets
    most validation images right; our gradient descent, without a penalty, stays above the weakest.

    How close the two solvers have to come: the penalised loss F is convex, so F(w) − F(v) ≤ F′(w)·(w − v) for any w and
    v. The script's solver stops at a w where no derivative is above its tolerance. So its F is at most
    tolerance · Σ|w − v| above the F of any v. This says little about the loss without the penalty, and so about
    single images: where the penalty is weak, w and v may be far apart. The solver is given float64 here, since in
    float32 rounding moves the derivatives by up to half the tolerance.
    """
    model, _ = load_model(vae_run)
    trial, images = experiment(model), data.load("digits")
    rows = balanced(images.train.labels, 300, np.random.default_rng([latent_classifier.LABELS_SEED, 0]))
    parts = {
        "train": (images.train[rows], images.train.labels[rows]),
        "validation": (images.validation[:], images.validation.labels),
        "test": (images.test[:], images.test.labels),
    }
    if variant == "frozen-converged":
        codes = {**trial.codes, "train": trial.codes["train"][rows]}
        for part, (x, _) in parts.items():
            np.testing.assert_allclose(codes[part], model.encode(x)[0], atol=1e-5)
        parts = {part: (codes[part], labels) for part, (_, labels) in parts.items()}
    parts = {part: (x.astype(float), labels) for part, (x, labels) in parts.items()}
    solved = []

    class Watched(LogisticRegression):
        def fit(self, x, labels):
            super().fit(x.astype(float), labels)
            solved.append((self.C, self.coef_.copy(), self.intercept_.copy()))
            return self

    with monkeypatch.context() as patch:
        patch.setattr("sklearn.linear_model.LogisticRegression", Watched)
        found = trial.converge(variant, 300, 0)

    def cross_entropies(part: str, W: np.ndarray, b: np.ndarray) -> np.ndarray:
        x, labels = parts[part]
        logits = x @ W.T + b
        return scipy.special.logsumexp(logits, axis=1) - logits[np.arange(len(x)), labels]

    def accuracy(part: str, W: np.ndarray, b: np.ndarray) -> float:
        x, labels = parts[part]
        return np.mean((x @ W.T + b).argmax(axis=1) == labels)

    assert [C for C, _, _ in solved] == list(latent_classifier.STRENGTHS)
    for C, W, b in solved:
        other = LogisticRegression(C=C, solver="newton-cholesky", max_iter=1000, tol=1e-8).fit(*parts["train"])
        V, c = other.coef_, other.intercept_
        ours, theirs = (
            cross_entropies("train", *weights).mean() + (weights[0] ** 2).sum() / (2 * C * 300)
            for weights in ((W, b), (V, c))
        )
        distance = np.abs(W - V).sum() + np.abs(b - c).sum()
        assert ours <= theirs + LogisticRegression().tol * distance
    best = max(solved, key=lambda one: accuracy("validation", *one[1:]))
    assert found["C"] == best[0]
    for part in parts:
        assert found[f"{part}_accuracy"] == accuracy(part, *best[1:])
        assert found[f"{part}_cross_entropy"] == pytest.approx(cross_entropies(part, *best[1:]).mean(), rel=1e-6)
    ours = trial.train(variant.removesuffix("-converged"), 300, 0, None)
    assert ours["train_cross_entropy"] > cross_entropies("train", V, c).mean()  # of the weakest penalty, the last


@pytest.mark.parametrize("strength", [0.01, 1])
def test_the_penalty_is_chosen_on_the_validation_images(strength, vae_run):
    """Validation labels that are one penalty's own answers make it the best, whatever training and test labels say."""
    trial = experiment(load_model(vae_run)[0])
    train, validation = trial.pixels["train"], trial.pixels["validation"]
    rows = trial.labelled_rows(100, 0)
    answers = LogisticRegression(C=strength, max_iter=1000).fit(train[rows], train.labels[rows]).predict(validation[:])
    trial.labels["validation"] = answers
    assert trial.converge("raw-converged", 100, 0)["C"] == strength


def test_the_same_seed_gives_the_same_bits(vae_run, finished, no_pictures, tmp_path):
    latent_classifier.main(["--vae", str(vae_run), "--out", str(tmp_path), *SHORT])
    here, there = (
        json.loads((folder / "trainings.json").read_text(encoding="utf-8"))["trainings"]
        for folder in (tmp_path, finished)
    )
    for training in here + there:
        del training["seconds"]
    assert here == there
    for variant in VARIANTS:
        np.testing.assert_array_equal(
            load_model(tmp_path / variant)[0].params, load_model(finished / variant)[0].params
        )


def test_the_same_command_again_trains_only_what_is_missing(vae_run, no_pictures, tmp_path, monkeypatch):
    command = ["--vae", str(vae_run), "--out", str(tmp_path), *SHORT[:-1]]
    latent_classifier.main([*command, "1"])
    params = load_model(tmp_path / "raw")[0].params
    (tmp_path / "raw/checkpoint.npz").unlink()
    trained = []
    train = Experiment.train

    def noted(self, variant, n_labels, seed, folder):
        trained.append((variant, n_labels, seed))
        return train(self, variant, n_labels, seed, folder)

    monkeypatch.setattr(Experiment, "train", noted)
    latent_classifier.main([*command, "2", "--resume"])
    assert sorted(trained) == sorted(
        [("raw", N_TRAIN, 0), *((variant, n, 1) for variant in VARIANTS for n in (20, N_TRAIN))]
    )
    np.testing.assert_array_equal(load_model(tmp_path / "raw")[0].params, params)


def test_another_run_is_not_overwritten(vae_run, finished):
    before = (finished / "trainings.json").read_bytes()
    run = ["--vae", vae_run, "--out", finished, *SHORT]
    text = fails(latent_classifier.main, *run, "--epochs", 3)
    assert "holds another run, which would be lost: it has epochs = 2" in text
    assert "it has seed = 0, and this run has 4" in fails(latent_classifier.main, *run, "--seed", 4)
    assert (finished / "trainings.json").read_bytes() == before


@pytest.mark.usefixtures("no_figures")
def test_without_a_vae_a_small_one_is_trained_on_the_digits(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trained_vae, "SMALL", ["--data", "digits", "--latent", "3", "--hidden", "8", "--epochs", "1"])
    latent_classifier.main(["--out", str(tmp_path), *SHORT])
    assert "no --vae given: first a small one is trained on the digits" in capsys.readouterr().out
    assert load_model(tmp_path / "frozen")[0].network.layers[-1].n_in == 3 == load_model(tmp_path / "vae")[0].n_z


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "mnist"], "need a trained VAE: run python examples/vae.py --data mnist --latent 50 --epochs 50"),
        (["--data", "fashion-mnist"], "then this with --vae runs/vae-fashion-mnist-z50-seed0"),
        (["--data", "frey-face"], "frey-face has no labels to learn from: choose digits, mnist, fashion-mnist"),
        (["--labels", "9"], "--labels 9 is too few: each of the 10 classes needs at least one"),
        (["--labels", "20", "1298"], "--labels 1298 is more than the 1,297 training images"),
        (["--labels", "0"], "argument --labels: expected a whole number of at least 1, got 0"),
        (["--repeats", "0"], "argument --repeats: expected a whole number of at least 1, got 0"),
        (["--batch-size", "1298"], "--batch-size 1298 is more than the 1,297 training images"),
        (["--vae", "nowhere"], "there is no checkpoint nowhere"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, tmp_path):
    text = fails(latent_classifier.main, "--out", tmp_path / "run", *arguments)
    assert message in text and not (tmp_path / "run").exists()


def test_a_checkpoint_that_does_not_fit_is_refused(finished, vae_run, tmp_path):
    rng = np.random.default_rng(0)

    def saved(name: str, model: VAE, **settings) -> str:
        (tmp_path / name).mkdir()
        fitting = {"data": "digits", "split": "contiguous", "binarisation": "none"}
        Trainer(model, Adam(model), rng, {**fitting, **settings}).save(tmp_path / name / "checkpoint.npz")
        return fails(latent_classifier.main, "--vae", tmp_path / name, "--out", tmp_path / "run")

    text = fails(latent_classifier.main, "--vae", finished / "raw", "--out", tmp_path / "run")
    assert "holds a model of class Classifier: give --vae a run of examples/vae.py" in text
    text = saved("mnist", thesis_vae(784, 4, 2, rng), data="mnist")
    assert "was trained with --data mnist, and the images here are those of --data digits" in text
    text = saved("binary", thesis_vae(64, 4, 2, rng), binarisation="dynamic")
    assert "was trained with --binarisation dynamic, and the images here are those of --binarisation none" in text
    assert "--split random" in saved("random", thesis_vae(64, 4, 2, rng), split="random")
    tanh = VAE(Sequential([Dense(64, 4, rng), Tanh(), Dense(4, 4, rng)]), Dense(2, 64, rng), Bernoulli(), 2)
    assert "has another encoder than those of examples/vae.py" in saved("tanh", tanh)
    assert not (tmp_path / "run").exists()


def test_there_must_be_something_to_resume(vae_run, tmp_path):
    text = fails(latent_classifier.main, "--vae", vae_run, "--out", tmp_path, "--resume")
    assert "there is nothing to go on with" in text and "leave out --resume" in text
    (tmp_path / "trainings.json").write_text('{"settings"', encoding="utf-8")
    text = fails(latent_classifier.main, "--vae", vae_run, "--out", tmp_path)
    assert "trainings.json cannot be read: delete it, or choose another folder" in text


def test_trainings_on_another_arithmetic_are_told_of_and_strictly_refused(
    vae_run, finished, no_pictures, tmp_path, capsys
):
    record = json.loads((finished / "trainings.json").read_text(encoding="utf-8"))
    assert record["arithmetic"] == same_bits.arithmetic()
    record["arithmetic"]["NumPy"] = "1.0"
    ledger, last = tmp_path / "trainings.json", record["trainings"].pop()
    ledger.write_text(json.dumps(record), encoding="utf-8")
    for variant in VARIANTS:
        (tmp_path / variant).symlink_to(finished / variant)
    arguments = ["--vae", vae_run, "--out", tmp_path, *SHORT]
    text = fails(latent_classifier.main, *arguments, "--strict")
    assert "since it began with NumPy 1.0, now" in text and "leave out --strict" in text
    assert json.loads(ledger.read_text(encoding="utf-8")) == record
    capsys.readouterr()
    latent_classifier.main(list(map(str, arguments)))
    assert capsys.readouterr().err.count("warning: the last bits will not be those of a run in one go") == 1
    done = json.loads(ledger.read_text(encoding="utf-8"))
    assert done["arithmetic"] == same_bits.arithmetic()
    assert done["trainings"][-1]["test_accuracy"] == last["test_accuracy"]
    latent_classifier.main([*map(str, arguments), "--strict"])  # there is nothing to train


def test_help_has_examples():
    text = succeeds(latent_classifier.main, "--help")
    assert "examples/latent_classifier.py --data mnist --vae" in text
    for option in ("--data", "--epochs", "--batch-size", "--seed", "--out", "--vae", "--labels", "--repeats"):
        assert option in text
    assert (ROOT / "examples/latent_classifier.py").exists()


def test_annex_g_on_mnist(real_data):
    """Softmax on pixels after 5 epochs: the thesis's notebook printed 91.56 %."""
    images = data.load("mnist")
    model = thesis_vae(784, 4, 50, np.random.default_rng(0))  # only its n_z counts here
    args = Namespace(data="mnist", batch_size=100, epochs=5, log=[])
    result = Experiment(args, images, model).train("raw", 55_000, 0, None)
    assert 0.913 < result["test_accuracy"] < 0.926
