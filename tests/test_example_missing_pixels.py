"""Pixels filled in: against what is exact in a linear model, and by comparing all with all; and the script."""

from __future__ import annotations

import functools
import itertools
import json

import missing_pixels
import numpy as np
import pytest
from exact import linear_gaussian
from missing_pixels import climb, go_round
from results_sections import missing_pixels as section
from results_sections.runs import Sources, runs_under, thesis_network
from scripts import fails, succeeds
from shared import damaged, trained_vae
from shared.damaged import Damaged, by_components, components_of, nearest

from scratchnn import Dense, data
from scratchnn.scripts import train
from scratchnn.training import load_model

SMALL = ["--data", "digits", "--latent", "3", "--hidden", "12", "--epochs", "3", "--batch-size", "200"]
METHODS = ["mean image", "PCA, least squares", "PCA, probabilistic", "nearest neighbour", "nearest neighbours, mean"]


def after(iterations: int, guesses):
    """The guess after so many iterations."""
    return next(itertools.islice(guesses, iterations - 1, None))


# ---- a model about which everything is known


def linear(rng, n: int = 7):
    """The model, images with one pixel of three missing, the exact E[x_m|x_s] in its place, and Var[E[x_m|z]|x_s]."""
    model, x, _ = linear_gaussian(rng, n)
    decoder = next(layer for layer in model.decoder.walk() if isinstance(layer, Dense))
    W, b, s2 = decoder.W[:, :3], decoder.b[:3], float(np.exp(decoder.b[3]))
    seen = np.tile([True, False, True], (n, 1))
    covariance = W.T @ W + s2 * np.eye(3)
    to_missing = covariance[1, [0, 2]] @ np.linalg.inv(covariance[np.ix_([0, 2], [0, 2])])
    exact = x.copy()
    exact[:, 1] = b[1] + (x - b)[:, [0, 2]] @ to_missing
    posterior = np.linalg.inv(np.eye(2) + W[:, [0, 2]] @ W[:, [0, 2]].T / s2)
    return model, Damaged(x, np.where(seen, x, 0), seen, seen), exact, float(W[:, 1] @ posterior @ W[:, 1])


def test_the_fixed_point_is_the_conditional_mean_where_all_is_linear(rng):
    model, x, exact, _ = linear(rng)
    guesses = go_round(model, x, rng, draw_z=False, draw_x=False)
    np.testing.assert_allclose(after(300, guesses), exact, atol=1e-8)
    first = next(go_round(model, x, rng, draw_z=False, draw_x=False))
    np.testing.assert_array_equal(first, np.where(x.kept, x.original, model.reconstruct(x.given)))
    assert np.abs(first - exact).max() > 0.01


def test_a_wrong_encoder_moves_the_fixed_point_and_not_what_the_gradient_finds(rng):
    model, x, exact, _ = linear(rng)
    encoder = next(layer for layer in model.encoder.walk() if isinstance(layer, Dense))
    encoder.W[...] *= 0.9
    guesses = go_round(model, x, rng, draw_z=False, draw_x=False)
    assert np.abs(after(300, guesses) - exact).max() > 1e-3
    np.testing.assert_allclose(after(2000, climb(model, x, rng)), exact, atol=1e-4)


def test_the_mean_over_chains_is_the_conditional_mean(rng, monkeypatch):
    monkeypatch.setattr(missing_pixels, "CHAINS", 200)
    model, x, exact, variance = linear(rng)
    for draw_x in (False, True):
        guess = after(120, go_round(model, x, rng, draw_z=True, draw_x=draw_x))
        # 100 iterations of 200 chains; neighbours in a chain are alike, which costs a factor of some tens
        assert np.abs(guess - exact).max() < 5 * np.sqrt(variance / 200 / 4)
        np.testing.assert_array_equal(guess[x.kept], x.original[x.kept])


@pytest.mark.parametrize("mistake", [None, "log_var for its half", "x not drawn"])
def test_one_chain_has_the_variance_of_the_posterior(mistake, rng, monkeypatch):
    """Of many chains at the same image; e^log_var for σ, or a mean in place of a draw of x, is seen here alone."""
    monkeypatch.setattr(missing_pixels, "CHAINS", 1)
    model, x, _, variance = linear(rng)
    n = 20_000
    x = Damaged(*(np.repeat(a[:1], n, axis=0) for a in (x.original, x.given, x.seen, x.kept)))
    if mistake == "log_var for its half":
        encode = model.encode
        monkeypatch.setattr(model, "encode", lambda x: (encode(x)[0], 2 * encode(x)[1]))
    guess = after(20, go_round(model, x, rng, draw_z=True, draw_x=mistake != "x not drawn"))
    found = guess[:, 1].var() / variance
    assert (abs(found - 1) < 5 * np.sqrt(2 / n)) == (mistake is None), found


def test_the_guess_is_the_mean_over_the_iterations_since_the_burn_in(rng, monkeypatch):
    monkeypatch.setattr(missing_pixels, "BURN_IN", 3)
    monkeypatch.setattr(missing_pixels, "CHAINS", 1)
    model, x, _, _ = linear(rng)
    guesses, singles = [], []
    for burn_in, into in ((3, guesses), (10, singles)):
        monkeypatch.setattr(missing_pixels, "BURN_IN", burn_in)
        rounds = go_round(model, x, np.random.default_rng(0), draw_z=True, draw_x=True)
        into += itertools.islice(rounds, 6)
    np.testing.assert_allclose(guesses[2], singles[2])
    np.testing.assert_allclose(guesses[5], np.mean(singles[3:6], axis=0))


# ---- what a VAE has to beat


def half_of_the_digits(n: int = 20):
    images = data.load("digits")
    components = components_of(images.train, 12)
    x = damaged.random_half(images.test[:n], components.pca.mean, (8, 8), np.random.default_rng(0))
    return images, components, x


def test_least_squares_is_least_squares():
    _, components, x = half_of_the_digits()
    directions, mean = components.pca.directions[:5].astype(float), components.pca.mean
    guess = by_components(x, components.pca, np.full(5, 1e-9))
    for n, seen in enumerate(x.seen):
        code = np.linalg.lstsq(directions[:, seen].T, (x.original[n] - mean)[seen], rcond=None)[0]
        np.testing.assert_allclose(guess[n], np.clip(mean + code @ directions, 0, 1), atol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_probabilistic_pca_is_the_conditional_mean_of_its_gaussian(noise):
    images, components, x = half_of_the_digits()
    k = 8
    covariance = np.cov(images.train[:].T.astype(float), bias=True)
    values, vectors = np.linalg.eigh(covariance)
    values, V = values[::-1], vectors[:, ::-1][:, :k]
    own = values[k:].mean()
    model = V * (values[:k] - own) @ V.T + own * np.eye(64)
    guess = by_components(x, components.pca, components.weights(k, noise))
    mean = components.pca.mean.astype(float)
    for n, seen in enumerate(x.seen):
        of_seen = model[np.ix_(seen, seen)] + noise * np.eye(seen.sum())
        exact = mean + model[:, seen] @ np.linalg.solve(of_seen, (x.original[n] - mean)[seen])
        np.testing.assert_allclose(guess[n, ~seen], np.clip(exact, 0, 1)[~seen], atol=1e-4)


def test_the_variances_of_the_components_add_up():
    images, components, _ = half_of_the_digits()
    values = np.linalg.eigvalsh(np.cov(images.train[:].T.astype(float), bias=True))[::-1]
    np.testing.assert_allclose(components.variances, values[:12], rtol=1e-4)
    assert components.total == pytest.approx(values.sum(), rel=1e-4)


def test_the_nearest_images_are_those_of_comparing_all_with_all(monkeypatch):
    images, _, x = half_of_the_digits(40)
    monkeypatch.setattr(damaged, "TRAIN_BLOCK", 100)
    rows = nearest(x, images.train, 7)
    pixels = images.train[:].astype(float)
    for n, seen in enumerate(x.seen):
        distances = ((pixels - x.original[n]) ** 2)[:, seen].sum(axis=1)
        np.testing.assert_allclose(distances[rows[n]], np.sort(distances)[:7], atol=1e-5)
        assert len(set(rows[n].tolist())) == 7
    np.testing.assert_allclose(damaged.mean_of(rows, images.train), pixels[rows].mean(axis=1), atol=1e-6)


def test_the_images_that_are_given_lack_what_they_should(rng):
    original, mean = rng.random((200, 56), dtype=np.float32), np.full(56, 0.25, np.float32)
    x = damaged.random_half(original, mean, (8, 7), rng)
    assert (x.seen.sum(axis=1) == 28).all() and abs(x.seen.mean(axis=0) - 0.5).max() < 0.2
    np.testing.assert_array_equal(x.given, np.where(x.seen, original, 0.25))
    guess = original + np.where(x.seen, 100, 0.5)  # what is seen does not count
    np.testing.assert_allclose(x.errors(guess), 0.25, rtol=1e-6)
    x = damaged.lower_half(original, mean, (8, 7), rng)
    assert x.seen.reshape(-1, 8, 7)[:, :4].all() and not x.seen.reshape(-1, 8, 7)[:, 4:].any()
    x = damaged.noisy(original, mean, (8, 7), rng)
    assert x.errors(x.given).mean() == pytest.approx(0.09, rel=0.05) and x.seen.all() and not x.kept.any()
    x = damaged.noisy_and_cut_off(0 * original, mean, (8, 7), rng)
    assert x.given.min() == 0 and x.given.mean() == pytest.approx(0.3 / np.sqrt(2 * np.pi), rel=0.05)


# ---- the script


@pytest.fixture(scope="module")
def printed_and_finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("missing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "draw", lambda *_: [])
        patch.setattr(trained_vae, "SMALL", SMALL)
        patch.setattr(missing_pixels, "ITERATIONS", 20)
        patch.setattr(missing_pixels, "BURN_IN", 10)
        patch.setattr(missing_pixels, "BLOCK", 25)
        return succeeds(missing_pixels.main, "--images", 60, "--out", folder), folder


def test_the_run_writes_what_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    pictures = {"errors.png", "random_half.png", "lower_half.png", "noise.png", "noise_cut_off.png"}
    assert {path.name for path in folder.iterdir()} == {"summary.json", "vae", *pictures}
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["experiment"] == "missing-pixels" and summary["scaling"] == "pixels / 16"
    figures, settings = summary["figures"], summary["settings"]
    assert list(figures) == list(damaged.DAMAGES) and settings["images"] == 60 and settings["latent"] == 3
    for name, found in figures.items():
        ways = list(missing_pixels.WAYS) if "half" in name else ["fixed point"]
        more = [] if "half" in name else ["VAE, reconstruction"]
        assert list(found["mse"]) == [*METHODS, *more, *(f"VAE, {way}" for way in ways)]
        for way in ways:
            assert len(found["by_iteration"][way]) == 21 and found["by_iteration"][way][0] == found["given"]
            assert found["by_iteration"][way][-1] == pytest.approx(found["mse"][f"VAE, {way}"])
        for method, error in found["mse"].items():
            assert f"{error:.4f} ± {found['standard_error'][method]:.4f}" in printed
    assert "random half: mean squared error of the missing pixels" in printed
    assert "noise: mean squared error of all pixels" in printed and "no --vae given" in printed


def test_the_figures_are_those_of_the_functions_they_name(finished):
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"]
    images, (model, _) = data.load("digits"), load_model(finished / "vae")
    mean = images.train[:].mean(axis=0)
    error = np.mean((images.test[:60] - mean)[:, 32:] ** 2)
    assert summary["lower half"]["mse"]["mean image"] == pytest.approx(error, rel=1e-5)
    x = images.test[:60].copy()
    x[:, 32:] = mean[32:]
    for _ in range(20):
        x[:, 32:] = model.reconstruct(x)[:, 32:]
    error = np.mean((x - images.test[:60])[:, 32:] ** 2)
    assert summary["lower half"]["mse"]["VAE, fixed point"] == pytest.approx(error, rel=1e-3)


def test_the_same_seed_gives_the_same_numbers_and_another_others(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(missing_pixels, "ITERATIONS", 20)
    monkeypatch.setattr(missing_pixels, "draw", lambda *_: {})
    found = []
    for seed in (0, 0, 1):
        succeeds(missing_pixels.main, "--vae", finished / "vae", "--images", 20, "--seed", seed, "--out", tmp_path)
        found.append(json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["figures"])
    assert found[0] == found[1] and found[0] != found[2]


def test_a_gaussian_decoder_fills_in_too(tmp_path, monkeypatch):
    monkeypatch.setattr(missing_pixels, "ITERATIONS", 20)
    monkeypatch.setattr(missing_pixels, "draw", lambda *_: {})
    monkeypatch.setattr(train, "draw", lambda *_: [])
    train.main([*SMALL, "--likelihood", "gaussian", "--out", str(tmp_path / "vae")])
    succeeds(missing_pixels.main, "--vae", tmp_path / "vae", "--images", 20, "--out", tmp_path / "run")
    figures = json.loads((tmp_path / "run/summary.json").read_text(encoding="utf-8"))["figures"]
    assert all(np.isfinite(list(found["mse"].values())).all() for found in figures.values())


@pytest.mark.usefixtures("no_figures")
def test_a_likelihood_of_levels_has_none_of_a_mean_pixel(tmp_path):
    train.main([*SMALL, "--likelihood", "discretised-logistic", "--epochs", "1", "--out", str(tmp_path / "vae")])
    text = fails(missing_pixels.main, "--vae", tmp_path / "vae", "--out", tmp_path / "run")
    assert "has a likelihood of grey levels" in text and "give --vae a run with another --likelihood" in text


def test_images_without_labels_and_with_other_sides(real_data, tmp_path, monkeypatch):
    monkeypatch.setattr(missing_pixels, "ITERATIONS", 20)
    monkeypatch.setattr(missing_pixels, "COMPONENTS", (2, 10))
    monkeypatch.setattr(train, "draw", lambda *_: [])
    train.main(["--data", "frey-face", *SMALL[2:-4], "--epochs", "1", "--out", str(tmp_path / "vae")])
    arguments = ["--data", "frey-face", "--vae", tmp_path / "vae", "--images", 20]
    succeeds(missing_pixels.main, *arguments, "--out", tmp_path / "run")
    assert (tmp_path / "run/lower_half.png").exists()


def test_mistakes_are_one_sentence(finished, tmp_path):
    said = functools.partial(fails, missing_pixels.main, "--out", tmp_path / "run")
    assert "run python examples/vae.py --data mnist --latent 50" in said("--data", "mnist")
    assert "was trained with --data digits" in said("--data", "frey-face", "--vae", finished / "vae")
    assert "there is no checkpoint nowhere" in said("--vae", "nowhere")
    assert "--images 1 is too few" in said("--images", 1)
    assert "examples/missing_pixels.py --data mnist --vae" in succeeds(missing_pixels.main, "--help")


# ---- the page


def test_the_section_has_the_numbers_of_the_run(finished, tmp_path):
    folder = tmp_path / "runs/missing-pixels-mnist-seed0"
    folder.mkdir(parents=True)
    content = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    content["settings"] |= {"data": "mnist", "latent": 50, "images": 1000, "model": thesis_network(500, 50)}
    (folder / "summary.json").write_text(json.dumps(content), encoding="utf-8")
    for path in finished.glob("*.png"):
        (folder / path.name).write_bytes(path.read_bytes())
    (wanted,) = section.SECTIONS
    runs = runs_under(tmp_path / "runs")
    assert wanted.name == "missing-pixels" and wanted.begun(runs) and not wanted.begun([])
    sources = Sources(runs, tmp_path / "figures")
    written = wanted.write(sources)
    for name in ("random half", "lower half"):
        found = content["figures"][name]
        for method, error in found["mse"].items():
            assert f"{error:.4f} ± {found['standard_error'][method]:.4f}" in written.text, (name, method)
    for name in ("noise", "noise, cut off"):
        for method, error in content["figures"][name]["mse"].items():
            assert f"{error:.4f}" in written.text, (name, method)
    assert all(f"missing-pixels-mnist-seed0-{name}.png" in sources.pictures for name in ("errors", "lower_half"))
    assert [row[1] for row in written.short] == ["proposed, not tried"] * len(written.short)
