"""The same network by different optimisers: on the embedded digits."""

from __future__ import annotations

import functools
import json
import shutil

import numpy as np
import optimisers
import pytest
from results_sections import optimisers as section
from results_sections.runs import Sources, runs_under
from scripts import fails, succeeds

from scratchnn import SGD, Adam, data
from scratchnn.evaluation import bernoulli_floor, mean_image_loss
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import evaluate, load_model

SMALL = ["--epochs", 2, "--hidden", 20, "--latent", 4]
FEW = {
    "SGD, 1": functools.partial(SGD, lr=1000.0),  # diverges in the smallest network too
    "SGD, 0.001": functools.partial(SGD, lr=0.001),
    "momentum, 0.001": functools.partial(SGD, lr=0.001, momentum=0.9),
    "Adam, 0.001": functools.partial(Adam, lr=0.001),
}


@pytest.fixture(scope="module")
def printed_and_finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("optimisers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimisers, "OPTIMISERS", FEW)
        return succeeds(optimisers.main, "--out", folder, *SMALL), folder


def test_the_run_writes_what_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    trained = {"SGD-0.001", "momentum-0.001", "Adam-0.001"}
    assert {path.name for path in folder.iterdir()} == {"summary.json", "history.json", "losses.png", *trained}
    assert all((folder / name / "checkpoint.npz").exists() for name in trained)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    figures = summary["figures"]
    assert list(figures["diverged"]) == ["SGD, 1"] and "in epoch 1, iteration" in figures["diverged"]["SGD, 1"]
    assert figures["train_loss"]["SGD, 1"] == []
    assert {name: len(losses) for name, losses in figures["held_out_loss"].items() if losses} == {
        "SGD, 0.001": 2, "momentum, 0.001": 2, "Adam, 0.001": 2
    }  # fmt: skip
    images = data.load("digits")
    assert figures["train_floor"] == bernoulli_floor(images.train)
    assert figures["train_mean_image_loss"] == mean_image_loss(images.train)
    assert f"floor {figures['train_floor']:.2f}, one mean image for all" in printed
    assert figures["diverged"]["SGD, 1"] in printed
    for name in list(FEW)[1:]:
        assert f"{figures['train_loss'][name][-1]:10.2f}{figures['held_out_loss'][name][-1]:12.2f}" in printed


@pytest.mark.usefixtures("no_figures")
def test_all_start_from_the_same_values_and_see_the_same_batches(finished, tmp_path, monkeypatch):
    """With a rate that moves nothing the losses of a training are those of the initial values, batch by batch."""
    still = {"SGD, 0.001": functools.partial(SGD, lr=1e-30), "Adam, 0.001": functools.partial(Adam, lr=1e-30)}
    monkeypatch.setattr(optimisers, "OPTIMISERS", still)
    succeeds(optimisers.main, "--out", tmp_path, *SMALL)
    losses = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["figures"]["train_loss"]
    assert losses["SGD, 0.001"] == losses["Adam, 0.001"]
    before = thesis_vae(64, 20, 4, np.random.default_rng(0))
    np.testing.assert_array_equal(load_model(tmp_path / "SGD-0.001")[0].params, before.params)
    untrained = json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"]["untrained_loss"]
    assert untrained == evaluate(before, data.load("digits").train)["loss"]


def test_the_names_say_what_the_optimisers_are():
    model = thesis_vae(8, 3, 2, np.random.default_rng(0))
    for name, make in optimisers.OPTIMISERS.items():
        (kind, rate), optimiser = name.split(", "), make(model)
        assert optimiser.lr == float(rate) and type(optimiser) is (Adam if kind == "Adam" else SGD)
        assert getattr(optimiser, "momentum", None) == {"SGD": 0.0, "momentum": 0.9, "Adam": None}[kind]


@pytest.mark.usefixtures("no_figures")
def test_the_same_command_again_trains_nothing(finished, monkeypatch):
    monkeypatch.setattr(optimisers, "OPTIMISERS", FEW)
    before = json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"]
    printed = succeeds(optimisers.main, "--out", finished, *SMALL, "--resume")
    assert printed.count("nothing left to train") == 3
    assert json.loads((finished / "summary.json").read_text(encoding="utf-8"))["figures"] == before


def test_mistakes_are_one_sentence(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(optimisers, "OPTIMISERS", dict(list(FEW.items())[1:]))
    assert "--batch-size 5000 is more than the 1,297 training images" in fails(
        optimisers.main, "--batch-size", 5000, "--out", tmp_path
    )
    assert "there is nothing to go on with" in fails(optimisers.main, "--resume", "--out", tmp_path)
    assert "holds another run" in fails(optimisers.main, "--seed", 1, "--out", finished, *SMALL)
    assert "examples/optimisers.py --data mnist" in succeeds(optimisers.main, "--help")


@pytest.mark.usefixtures("no_figures")
def test_trainings_of_another_length_are_not_set_beside_each_other(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "run")
    some = dict(list(FEW.items())[1:])
    monkeypatch.setattr(optimisers, "OPTIMISERS", {"Adam, 0.001": some["Adam, 0.001"]})
    succeeds(optimisers.main, "--out", tmp_path / "run", *SMALL, "--epochs", 3)
    monkeypatch.setattr(optimisers, "OPTIMISERS", some)
    text = fails(optimisers.main, "--out", tmp_path / "run", *SMALL)
    assert "Adam-0.001 has seen 3 epochs, and the others are to see 2: choose another folder with --out" in text


def test_the_section_has_the_numbers_of_the_run(finished, tmp_path):
    folder = tmp_path / "runs/optimisers-mnist-seed0"
    folder.mkdir(parents=True)
    content = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    content["settings"] |= {"data": "mnist", "epochs": 10, "latent": 20, "hidden": 500}
    (folder / "summary.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "losses.png").write_bytes((finished / "losses.png").read_bytes())
    (wanted,) = section.SECTIONS
    runs = runs_under(tmp_path / "runs")
    assert wanted.name == "optimisers" and wanted.begun(runs)
    written = wanted.write(Sources(runs, tmp_path / "figures"))
    figures = content["figures"]
    for name in ("SGD, 0.001", "momentum, 0.001", "Adam, 0.001"):
        first, second = figures["train_loss"][name]
        last = figures["held_out_loss"][name][-1]
        assert f"| {name} | {first:.2f} | {second:.2f} |  |  | {last:.2f} |" in written.text
    assert f"| SGD, 1 |  |  |  |  | {figures['diverged']['SGD, 1']} |" in written.text
    best = min((figures["train_loss"][name][-1], name) for name in ("SGD, 0.001", "momentum, 0.001"))
    ((what, _, ours),) = written.short
    assert best[1] in what and ours == f"{figures['train_loss']['Adam, 0.001'][-1]:.2f} ({best[0]:.2f}), one seed"
