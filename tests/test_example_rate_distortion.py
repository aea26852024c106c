"""The table over weights of the KL: small runs on the digits, interrupted, and measured again by other means."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rate_distortion
from scripts import fails, succeeds

from scratchnn import data
from scratchnn.scripts import train
from scratchnn.training import evaluate, load_model

SMALL = ["--hidden", "12", "--batch-size", "200", "--latent", "3", "--epochs", "2"]


@pytest.fixture(autouse=True)
def without_the_figures_of_each_run(monkeypatch):
    monkeypatch.setattr(train, "draw", lambda *_: [])


def test_the_table_is_that_of_the_networks(tmp_path):
    """After an interruption by the second run, and with what the first has left."""
    first = ["--out", tmp_path, *SMALL, "--betas", "0.5"]
    succeeds(rate_distortion.main, *first)
    before = (tmp_path / "beta0.5" / "checkpoint.npz").read_bytes()
    printed = succeeds(rate_distortion.main, *first, "4", "0.5")
    assert (tmp_path / "beta0.5" / "checkpoint.npz").read_bytes() == before
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    rows = summary["figures"]["rows"]
    assert summary["settings"]["betas"] == [0.5, 4] == [row["beta"] for row in rows]
    images = data.load("digits")
    for row in rows:
        model, settings = load_model(tmp_path / f"beta{row['beta']:g}")
        assert settings["beta"] == row["beta"] and settings["binarisation"] == "dynamic" and model.beta == 1
        for who, part in (("train", images.train), ("test", images.test)):
            losses = evaluate(model, data.binarise_held_out(part, "dynamic"))
            assert row[f"{who}_rate"] == losses["kl"] and row[f"{who}_distortion"] == losses["reconstruction"]
            assert row[f"{who}_negative_elbo"] == losses["loss"]
    a, b = rows
    saved = (b["train_distortion"] - a["train_distortion"]) / (a["train_rate"] - b["train_rate"])
    assert a["saved_by_a_nat"] is None and b["saved_by_a_nat"] == saved
    (line,) = (line for line in printed.splitlines() if line.split()[:1] == ["4"])
    assert [float(cell) for cell in line.split()] == [
        4, *(round(b[f"train_{name}"], 2) for name in ("rate", "distortion", "negative_elbo")), round(saved, 2),
        *(round(b[f"test_{name}"], 2) for name in ("rate", "distortion", "negative_elbo")), b["active_units"],
    ]  # fmt: skip
    assert (tmp_path / "curve.png").exists() and (tmp_path / "samples.png").exists()
    text = fails(rate_distortion.main, *first, "--epochs", "1")
    assert "beta0.5 has seen 2 epochs, and the others are to see 1: choose another folder with --out" in text


def test_with_early_stopping_the_parameters_are_those_of_the_best_epochs(tmp_path):
    printed = succeeds(rate_distortion.main, "--out", tmp_path, *SMALL, "--betas", "1", "--early-stopping", "1")
    assert "by the parameters of the best epoch" in printed and "final parameters" not in printed


def test_points_that_coincide_have_one_label():
    places = np.array([[20.0, 2.0], [5.0, 12.0], [0.02, 24.0], [0.01, 24.1]])
    rows = [{"beta": beta} for beta in (0.1, 1.0, 4.0, 10.0)]
    assert [name for _, name in rate_distortion.labels(places, rows)] == ["β = 0.1", "β = 1", "β = 4, 10"]


def test_networks_of_one_rate_have_no_slope():
    row = {"train_rate": 3.0, "train_distortion": 70.0}
    assert rate_distortion.saved_by_a_nat(row, row) is None


def test_a_mistake_is_one_sentence(tmp_path):
    text = fails(rate_distortion.main, "--betas", "1", "-1", "--out", tmp_path)
    assert "argument --betas: expected a number of at least 0, got -1" in text
    text = fails(rate_distortion.main, "--batch-size", 5000, "--out", tmp_path)
    assert "--batch-size 5000 is more than the 1,297 training images" in text
