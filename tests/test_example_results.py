"""The results page: from made-up summaries, so that every number on it can be predicted."""

from __future__ import annotations

import json
import re
import shutil
import sys

import numpy as np
import pytest
import results
import scipy.stats
from scripts import fails

README = "# x\n\n<!-- results -->\nold\n<!-- /results -->\n\nrest\n"


def summary(experiment: str, settings: dict, **figures) -> dict:
    return {"experiment": experiment, "figures": figures, "settings": settings, "versions": {"numpy": "9.9"}}


def write(folder, content: dict, *pictures: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(content))
    for name in pictures:
        (folder / f"{name}.png").write_bytes(name.encode())


VAE_PICTURES = ("loss", "reconstruction", "samples", "scatter", "scatter_3d", "manifold_linear", "kl")


def losses(train: float, floor: float) -> dict:
    """Every figure another number, so that no two can be taken for one another unnoticed."""
    return {
        "train_loss": train, "train_kl": 3.5, "test_loss": train + 2.25, "test_reconstruction": train - 5.5,
        "test_kl": 7.75, "train_floor": floor, "test_floor": floor - 1.125, "train_mean_image_loss": floor + 100,
        "test_mean_image_loss": floor + 99, "active_units": 13,
    }  # fmt: skip


def estimates(nll: float) -> dict:
    return {
        "estimates": [
            {"n_samples": k, "nll": nll + 1 / k, "monte_carlo_error": None if k == 1 else 0.01, "sampling_error": 0.4}
            for k in (1, 200)
        ],
        "active_units": 12,
    }


USUAL = {
    "split": "contiguous", "schedule": "constant", "batch_size": 100, "hidden": 500, "binarisation": "none",
    "likelihood": "bernoulli", "shuffle": True, "model": "VAE(…)",
}  # fmt: skip


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Everything the page needs; MNIST z = 10 with the train losses 97, 98 and 99."""
    runs = tmp_path_factory.mktemp("complete") / "runs"
    for seed in (0, 1, 2):
        for z in (2, 5, 10, 20, 50):
            settings = {**USUAL, "data": "mnist", "latent": z, "epochs": 50, "seed": seed}
            folder = runs / f"latent-sizes-mnist/z{z}-seed{seed}"
            write(folder, summary("vae", settings, **losses(87.0 + z + seed, 45.75)), *VAE_PICTURES)
            asked = {**settings, "test_binarisation": "fixed", "images": 10_000, "samples": [1, 200]}
            asked["parameters"] = f"those of seed {seed}"
            write(folder / "log-likelihood", summary("log-likelihood", asked, **estimates(78.0 + z + seed)))
        for z, epochs in ((2, 1000), (20, 5000)):
            settings = {**USUAL, "data": "frey-face", "latent": z, "epochs": epochs, "seed": seed, "shuffle": False}
            write(runs / f"frey/z{z}-seed{seed}", summary("vae", settings, **losses(348.25, 337.25)), *VAE_PICTURES)
        settings = {**settings, "latent": 2, "epochs": 1000, "split": "random"}
        write(runs / f"random/seed{seed}", summary("vae", settings, **losses(347.0, 337.0)))
        for z in (2, 20):
            settings = {
                **USUAL,
                "data": "frey-face",
                "latent": z,
                "epochs": 1000,
                "seed": seed,
                "likelihood": "gaussian",
            }
            write(runs / f"gaussian/z{z}-seed{seed}", summary("vae", settings, **losses(-600.0 - z, 0.0)))
    write(runs / "latent-sizes-mnist", summary("latent-sizes", {"data": "mnist"}), "samples")
    settings = {
        **USUAL, "data": "mnist", "latent": 50, "epochs": 800, "seed": 0, "binarisation": "dynamic",
        "schedule": "falls to 1e-05 in epoch 800",
    }  # fmt: skip
    write(runs / "dynamic", summary("vae", settings, **losses(84.0, 0.0)), "loss", "kl")
    asked = {**settings, "images": 10_000, "test_binarisation": "fixed"}
    write(runs / "dynamic/log-likelihood", summary("log-likelihood", asked, **estimates(86.5)), "bound")
    variants = ("raw", "annex-f", "frozen", "fine-tuned", "raw-converged", "frozen-converged")
    points = {
        name: [{"labels": n, "test_accuracy": {"mean": 0.9 + k / 100 + n / 1e6, "spread": 0.0045}} for n in (100, 5000)]
        for k, name in enumerate(variants)
    }
    settings = {"data": "mnist", "steps": 2750, "variants": {name: f"what {name} is" for name in variants}}
    content = summary("latent-classifier", {**settings, "seeds": [0, 1, 2]}, by_labels=points)
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


def refused(here) -> str:
    """What is said where no page can be written, and that none was."""
    arguments = ["--runs", here / "runs", "--page", here / "docs/results.md", "--readme", here / "README.md"]
    text = fails(results.main, *arguments)
    assert not (here / "docs").exists() and (here / "README.md").read_text() == README
    return text


def rows(text: str) -> list[list[str]]:
    """All table rows of a page, cell by cell."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]


def test_the_page_has_the_means_the_spreads_and_the_verdicts(here):
    run(here)
    page = (here / "docs/results.md").read_text()
    # three runs of 97, 98, 99: mean 98, standard deviation 1; the next lies within 98 ± 4.30·√(4/3) = 4.97
    assert [
        "10", "3", "97.53", "98.00 ± 1.00", "−0.47: yes, one run in 20 is further than ±4.97", "100.25 ± 1.00",
        "92.50 ± 1.00 + 7.75 ± 0.00", "13", "89.00 ± 1.00",
    ] in rows(page)  # fmt: skip
    assert [
        "5",
        "3",
        "",
        "93.00 ± 1.00",
        "",
        "95.25 ± 1.00",
        "87.50 ± 1.00 + 7.75 ± 0.00",
        "13",
        "84.00 ± 1.00",
    ] in rows(page)
    assert "45.75 for the training images and 44.62 for the test images" in page.replace("\n", " ")
    # train 348.25 − 337.25; test 350.50 − 336.125; the thesis 347.80 − 337.25
    assert ["2", "1000", "3", "10.55", "11.00 ± 0.00", "−0.45: **no**, one run in 20 is further than ±0.00",
            "14.38 ± 0.00", "3.50 ± 0.00"] in rows(page)  # fmt: skip
    assert ["random", "3", "10.00 ± 0.00", "13.38 ± 0.00"] in rows(page)  # 347 − 337, 349.25 − 335.875
    assert ["20", "3", "620.00 ± 0.00", "617.75 ± 0.00", "7.75 ± 0.00"] in rows(page)  # an ELBO is minus a loss
    assert ["1", "87.50", "unknown", "0.40"] in rows(page) and ["200", "86.50", "0.010", "0.40"] in rows(page)
    assert ["raw", "what raw is", "92 %", "90.01 ± 0.45", "90.50 ± 0.45"] in rows(page)
    assert "no VAE is ever loaded" in page and "numpy 9.9" in page
    readme = (here / "README.md").read_text()
    assert readme.startswith("# x\n\n<!-- results -->\n| ") and readme.endswith("<!-- /results -->\n\nrest\n")
    assert ["MNIST, z = 10, train loss", "97.53", "98.00 ± 1.00"] in rows(readme) and "old" not in readme
    assert ["Frey Face, z = 2, train loss − floor", "10.55", "11.00 ± 0.00"] in rows(readme)
    assert ["MNIST, test accuracy, softmax on pixels", "92 %", "90.50 ± 0.45 %"] in rows(readme)
    (best,) = [row for row in rows(readme) if "−log p(x)" in row[0]]
    assert "K = 200" in best[0] and best[1:] == ["86.76 (literature)", "86.50, one seed"]
    run(here)  # again: the same
    assert (here / "README.md").read_text() == readme and (here / "docs/results.md").read_text() == page


def test_every_picture_on_the_page_is_there_and_none_shows_a_face(here):
    run(here)
    shown = re.findall(r"!\[.*?\]\((.*?)\)", (here / "docs/results.md").read_text())
    assert len(shown) == len(set(shown)) and all((here / "docs" / name).exists() for name in shown)
    assert {f"figures/{path.name}" for path in (here / "docs/figures").iterdir()} == set(shown)
    assert (here / "docs/figures/dynamic-log-likelihood-bound.png").read_bytes() == b"bound"
    faces = {name.split("-")[-1] for name in shown if name.startswith("figures/frey")}
    assert faces == {"loss.png", "scatter.png", "scatter_3d.png"}


def test_the_prediction_interval_covers_what_it_says(rng):
    """Of runs drawn from one distribution, one more lies outside in one case of 20."""
    explained = []
    for _ in range(2000):
        *ours, document = rng.normal(97, 0.7, 4)
        explained.append("yes" in results.verdict(document, ours))
    assert abs(np.mean(explained) - 0.95) < 5 * np.sqrt(0.95 * 0.05 / 2000)
    assert results.verdict(1.0, [2.0]) == "−1.00: one run, spread unknown"
    assert scipy.stats.t.ppf(0.975, 2) == pytest.approx(4.30, abs=0.005)


def test_missing_runs_are_named_by_the_command_that_makes_them(here):
    shutil.rmtree(here / "runs/frey/z20-seed0")
    run(here)  # two seeds are a mean as well
    shutil.rmtree(here / "docs")
    (here / "README.md").write_text(README)
    for folder in (here / "runs/frey").glob("z20*"):
        shutil.rmtree(folder)
    shutil.rmtree(here / "runs/dynamic")
    text = refused(here)
    assert "python examples/latent_sizes.py --data frey-face --latents 20 --epochs 5000" in text
    assert "--binarisation dynamic" in text and "latent_classifier" not in text


def change(path, **settings) -> None:
    content = json.loads(path.read_text())
    content["settings"] |= settings
    path.write_text(json.dumps(content))


def test_a_run_that_is_not_the_thesis_s_does_not_pass_for_one(here):
    for path in (here / "runs/latent-sizes-mnist").glob("z5-*/summary.json"):
        change(path, likelihood="gaussian")
    change(here / "runs/dynamic/summary.json", hidden=50)
    text = refused(here)
    assert "examples/latent_sizes.py --data mnist" in text and "--binarisation dynamic" in text


@pytest.mark.parametrize("settings", [{"epochs": 100}, {"seed": 1}, {"test_binarisation": "none"}, {"images": 10}])
@pytest.mark.parametrize("folder", ["dynamic", "latent-sizes-mnist/z10-seed0"])
def test_an_estimate_of_something_else_is_not_taken(folder, settings, here):
    path = here / "runs" / folder / "log-likelihood/summary.json"
    if folder != "dynamic" and "seed" in settings:
        settings = {"seed": 7}
    change(path, **settings)
    assert "python examples/" in refused(here)


def test_bounds_of_different_numbers_of_draws_are_not_one_column(here):
    for seed in (0, 1, 2):
        path = here / f"runs/latent-sizes-mnist/z2-seed{seed}/log-likelihood/summary.json"
        content = json.loads(path.read_text())
        content["figures"]["estimates"][-1]["n_samples"] = 5
        path.write_text(json.dumps(content))
    assert "estimated with 5 and 200 draws of z" in refused(here)


def test_runs_of_different_settings_are_never_averaged(here):
    change(here / "runs/latent-sizes-mnist/z10-seed1/summary.json", optimizer="Adam(lr=0.002)")
    text = refused(here)
    assert "z10-seed0" in text and "z10-seed1" in text and "not to be averaged: optimizer is None and Adam" in text


def test_the_same_run_twice_is_not_two_runs(here):
    shutil.copytree(here / "runs/latent-sizes-mnist/z10-seed1", here / "runs/copy")
    assert "are the same run: move one of them" in refused(here)


def test_damaged_summaries_and_places_are_named(here):
    path = here / "runs/classifier/summary.json"
    good = path.read_text()
    for bad in ("{", json.dumps({"figures": {}}), "[]"):
        path.write_text(bad)
        assert "classifier/summary.json is not the summary of a run" in refused(here)
    path.write_text(good)
    (here / "runs/latent-sizes-mnist/samples.png").unlink()
    assert "python examples/latent_sizes.py --data mnist" in refused(here)
    shutil.rmtree(here / "runs")
    assert "there is no folder" in refused(here)


def test_a_readme_without_a_place_for_the_table_is_left_alone(here, monkeypatch):
    (here / "README.md").write_text("# x\n")
    monkeypatch.setattr(sys.modules[__name__], "README", "# x\n")
    assert "must have exactly one place between <!-- results -->" in refused(here)
