"""The results page: from made-up summaries, so that every number on it can be predicted."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
import results
import scipy.stats

from scratchnn import cli

README = "# x\n\n<!-- results -->\nold\n<!-- /results -->\n\nrest\n"


def summary(experiment: str, settings: dict, **figures) -> dict:
    return {"experiment": experiment, "figures": figures, "settings": settings, "versions": {"numpy": "9.9"}}


def write(folder, content: dict, *pictures: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(content))
    for name in pictures:
        (folder / f"{name}.png").write_bytes(name.encode())


VAE_PICTURES = ("loss", "reconstruction", "samples", "scatter", "scatter_3d", "manifold_linear")


def losses(train: float, floor: float) -> dict:
    return {
        "train_loss": train, "train_kl": 3.0, "test_loss": train + 2, "test_reconstruction": train - 5, "test_kl": 7.0,
        "train_floor": floor, "test_floor": floor - 1, "train_mean_image_loss": floor + 100,
        "test_mean_image_loss": floor + 99,
    }  # fmt: skip


def estimates(nll: float) -> dict:
    return {
        "estimates": [
            {"n_samples": k, "nll": nll + 1 / k, "monte_carlo_error": None if k == 1 else 0.01, "sampling_error": 0.4}
            for k in (1, 200)
        ],
        "active_units": 12,
    }


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Everything the page needs; MNIST z = 10 with the train losses 97, 98 and 99."""
    runs = tmp_path_factory.mktemp("complete") / "runs"
    usual = {"binarisation": "none", "split": "contiguous", "likelihood": "bernoulli", "hidden": 500, "shuffle": True}
    for seed in (0, 1, 2):
        for z in (2, 5, 10, 20, 50):
            settings = {**usual, "data": "mnist", "latent": z, "epochs": 50, "seed": seed}
            folder = runs / f"latent-sizes-mnist/z{z}-seed{seed}"
            write(folder, summary("vae", settings, **losses(97.0 + seed, 45.75)), *VAE_PICTURES)
            asked = {**settings, "test_binarisation": "fixed", "images": 10_000, "samples": [1, 200]}
            write(folder / "log-likelihood", summary("log-likelihood", asked, **estimates(88.0 + seed)))
        for z, epochs in ((2, 1000), (20, 5000)):
            settings = {**usual, "data": "frey-face", "latent": z, "epochs": epochs, "seed": seed, "shuffle": False}
            write(runs / f"frey/z{z}-seed{seed}", summary("vae", settings, **losses(348.25, 337.25)), *VAE_PICTURES)
        settings = {**usual, "data": "frey-face", "latent": 2, "epochs": 1000, "seed": seed, "split": "random"}
        write(runs / f"random/seed{seed}", summary("vae", settings, **losses(347.25, 337.25)))
        for z in (2, 20):
            settings = {
                **usual, "data": "frey-face", "latent": z, "epochs": 1000, "seed": seed, "likelihood": "gaussian",
            }  # fmt: skip
            write(runs / f"gaussian/z{z}-seed{seed}", summary("vae", settings, **losses(-600.0, 0.0)))
    write(runs / "latent-sizes-mnist", summary("latent-sizes", {"data": "mnist"}), "samples")
    settings = {
        **usual, "data": "mnist", "latent": 50, "epochs": 800, "seed": 0, "binarisation": "dynamic",
        "schedule": "falls to 1e-05 in epoch 800",
    }  # fmt: skip
    write(runs / "dynamic", summary("vae", settings, **losses(84.0, 0.0)), "loss")
    asked = {**settings, "images": 10_000}
    write(runs / "dynamic/log-likelihood", summary("log-likelihood", asked, **estimates(86.5)), "bound", "kl")
    point = {"labels": 100, "test_accuracy": {"mean": 0.9123, "spread": 0.0045}}
    variants = ("raw", "annex-f", "frozen", "fine-tuned", "raw-converged", "frozen-converged")
    settings = {
        "data": "mnist",
        "steps": 2750,
        "variants": {name: f"what {name} is" for name in variants},
        "seeds": [0, 1, 2],
    }
    content = summary("latent-classifier", settings, by_labels={name: [point] for name in variants})
    content["document"] = {"test_accuracy": {"raw": "92 %", "annex-f": "98 %"}}
    write(runs / "classifier", content, "label_curve", "confusion-frozen")
    return runs


@pytest.fixture
def here(complete, tmp_path):
    shutil.copytree(complete, tmp_path / "runs")
    (tmp_path / "README.md").write_text(README)
    return tmp_path


def run(here) -> None:
    results.main([f"--runs={here / 'runs'}", f"--page={here / 'docs/results.md'}", f"--readme={here / 'README.md'}"])


def refused(here, monkeypatch, capsys) -> str:
    """What is said where no page can be written, and that none was."""
    arguments = ["--runs", here / "runs", "--page", here / "docs/results.md", "--readme", here / "README.md"]
    monkeypatch.setattr(sys, "argv", ["results.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.run(results.main)
    assert "Traceback" not in capsys.readouterr().err
    assert not (here / "docs/results.md").exists() and (here / "README.md").read_text() == README
    return str(stop.value.code)


def test_the_page_has_the_means_the_spreads_and_the_verdicts(here):
    run(here)
    page = (here / "docs/results.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("| 10 ")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    # three runs of 97, 98, 99: mean 98, standard deviation 1; the next lies within 98 ± 4.30·√(4/3) = 4.97
    assert cells == [
        "10", "97.53", "98.00 ± 1.00", "-0.47: yes, one run in 20 is further than ±4.97", "100.00 ± 1.00",
        "93.00 ± 1.00 + 7.00 ± 0.00", "12", "89.00 ± 1.00",
    ]  # fmt: skip
    assert "| 2 | 1000 | 3 | 10.55 | 11.00 ± 0.00 | -0.45: **no**" in page  # 347.80 − 337.25, and 348.25 − 337.25
    assert "| 200 | 86.50 | 0.010 | 0.40 |" in page and "no VAE is ever loaded" in page and "numpy 9.9" in page
    assert "| raw | what raw is | 92 % | 91.23 ± 0.45 |" in page
    readme = (here / "README.md").read_text()
    assert readme.startswith("# x\n\n<!-- results -->\n| ") and readme.endswith("<!-- /results -->\n\nrest\n")
    assert "| MNIST, z = 10, train loss | 97.53 | 98.00 ± 1.00 |" in readme and "old" not in readme
    run(here)  # again: the same
    assert (here / "README.md").read_text() == readme and (here / "docs/results.md").read_text() == page


def test_every_picture_on_the_page_is_there(here):
    import re

    run(here)
    shown = re.findall(r"!\[.*?\]\((.*?)\)", (here / "docs/results.md").read_text())
    assert len(shown) == len(set(shown)) == 14 and all((here / "docs" / name).exists() for name in shown)
    assert (here / "docs/figures/dynamic-log-likelihood-bound.png").read_bytes() == b"bound"


def test_the_prediction_interval_covers_what_it_says(rng):
    """Of runs drawn from one distribution, one more lies outside in one case of 20."""
    explained = []
    for _ in range(2000):
        *ours, document = rng.normal(97, 0.7, 4)
        explained.append("yes" in results.verdict(document, ours))
    assert abs(np.mean(explained) - 0.95) < 5 * np.sqrt(0.95 * 0.05 / 2000)
    assert results.verdict(1.0, [2.0]) == "-1.00: one run, spread unknown"
    assert scipy.stats.t.ppf(0.975, 2) == pytest.approx(4.30, abs=0.005)


def test_missing_runs_are_named_by_the_command_that_makes_them(here, monkeypatch, capsys):
    shutil.rmtree(here / "runs/frey/z20-seed0")
    run(here)  # two seeds are a mean as well
    (here / "docs/results.md").unlink()
    (here / "README.md").write_text(README)
    for folder in (here / "runs/frey").glob("z20*"):
        shutil.rmtree(folder)
    shutil.rmtree(here / "runs/dynamic")
    text = refused(here, monkeypatch, capsys)
    assert "python examples/latent_sizes.py --data frey-face --latents 20 --epochs 5000" in text
    assert "--binarisation dynamic" in text and "latent_classifier" not in text


def test_runs_of_different_settings_are_never_averaged(here, monkeypatch, capsys):
    path = here / "runs/latent-sizes-mnist/z10-seed1/summary.json"
    content = json.loads(path.read_text())
    content["settings"]["hidden"] = 400
    path.write_text(json.dumps(content))
    text = refused(here, monkeypatch, capsys)
    assert "z10-seed0" in text and "z10-seed1" in text and "not to be averaged: hidden is 500 and 400" in text


def test_the_same_run_twice_is_not_two_runs(here, monkeypatch, capsys):
    shutil.copytree(here / "runs/latent-sizes-mnist/z10-seed1", here / "runs/copy")
    assert "are the same run: move one of them" in refused(here, monkeypatch, capsys)


def test_damaged_summaries_and_places_are_named(here, monkeypatch, capsys):
    path = here / "runs/classifier/summary.json"
    good = path.read_text()
    for bad in ("{", json.dumps({"figures": {}}), "[]"):
        path.write_text(bad)
        assert "classifier/summary.json is not the summary of a run" in refused(here, monkeypatch, capsys)
    path.write_text(good)
    (here / "runs/latent-sizes-mnist/samples.png").unlink()
    assert "python examples/latent_sizes.py --data mnist" in refused(here, monkeypatch, capsys)
    shutil.rmtree(here / "runs")
    assert "there is no folder" in refused(here, monkeypatch, capsys)


def test_a_readme_without_a_place_for_the_table_is_left_alone(here, monkeypatch, capsys):
    (here / "README.md").write_text("# x\n")
    monkeypatch.setattr(sys.modules[__name__], "README", "# x\n")
    assert "must have exactly one place between <!-- results -->" in refused(here, monkeypatch, capsys)
