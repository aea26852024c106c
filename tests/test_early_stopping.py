"""Early stopping: which epoch is kept, when a training ends, and that resumed trainings are those in one go."""

from __future__ import annotations

import json

import numpy as np
import pytest
from kill_and_resume import content
from scripts import succeeds

from scratchnn import SGD, Autoencoder, BatchNorm, Dense, MeanSquaredError, Sequential, data
from scratchnn.scripts import cli, train
from scratchnn.training import (
    CheckpointError,
    EarlyStopping,
    ParallelTrainer,
    Trainer,
    evaluate,
    keep_snapshots,
    load_model,
    loop,
    runs,
)
from scratchnn.training.checkpoints import read_checkpoint, write_checkpoint

X = np.random.default_rng(1).random((23, 5)).astype(np.float32)
HELD_OUT = np.random.default_rng(2).random((7, 5)).astype(np.float32)
LOSSES = [5.0, 4.0, 3.0, 3.5, 3.0, 3.25, 2.0, 9.0]  # the third is repeated by the fifth


def trainer(threads: int = 1) -> Trainer:
    """Of a network with buffers, and a rate at which the held-out loss soon rises again."""
    rng = np.random.default_rng(0)
    encoder = Sequential([Dense(5, 4, rng), BatchNorm(4), Dense(4, 2, rng)])
    model = Autoencoder(encoder, Dense(2, 5, rng), MeanSquaredError())
    return (
        Trainer(model, SGD(model, 0.5), rng)
        if threads == 1
        else ParallelTrainer(model, SGD(model, 0.5), rng, threads=threads)
    )


@pytest.fixture
def scripted(monkeypatch):
    """Held-out losses as they stand in LOSSES."""
    left = iter(LOSSES)
    monkeypatch.setattr(loop, "evaluate", lambda *_: {"loss": next(left)})


@pytest.mark.parametrize(("patience", "epochs", "best"), [(1, 4, 3), (3, 6, 3), (4, 8, 7), (9, 8, 7)])
def test_the_first_of_the_smallest_losses_is_kept(patience, epochs, best, scripted):
    one = trainer()
    keep = keep_snapshots(lambda: np.concatenate([one.model.params, *one.model.buffers.values()]))
    one.fit(X, epochs=8, batch_size=10, held_out=HELD_OUT, after_epoch=[keep, EarlyStopping(patience)])
    assert len(one.history) == epochs
    kept = np.concatenate([one.model.params, *one.model.buffers.values()])
    np.testing.assert_array_equal(kept, one.snapshots[best - 1])
    assert (kept != one.snapshots[-1]).any()


def test_a_training_goes_on_from_its_last_epoch_and_not_from_its_best(tmp_path, scripted):
    in_parts, whole = trainer(), trainer()
    for epochs in (4, 6):
        in_parts.fit(X, epochs=epochs, batch_size=10, held_out=HELD_OUT, after_epoch=[EarlyStopping(9)])
    in_parts.save(tmp_path / "c.npz")
    restored = trainer()
    restored.restore(tmp_path / "c.npz")
    whole.fit(X, epochs=6, batch_size=10)
    np.testing.assert_array_equal(restored.last["model/params"], whole.model.params)
    np.testing.assert_array_equal(in_parts.last["model/params"], whole.model.params)


def in_folder(folder, epochs: int, patience: int | None, threads: int = 1) -> Trainer:
    one = trainer(threads)
    runs.train_in_folder(
        folder, one, X, epochs=epochs, batch_size=10, held_out=HELD_OUT, early_stopping=patience, log=["csv"]
    )
    return one


@pytest.mark.parametrize("threads", [1, 2])
def test_a_training_resumed_after_every_epoch_is_one_in_one_go(threads, tmp_path, capsys):
    whole = in_folder(tmp_path / "whole", 30, 3, threads)
    n = len(whole.history)
    assert 5 < n < 30 and f"of epoch {n - 3}, whose parameters are kept; ended after 3" in capsys.readouterr().out
    for epochs in [*range(1, n), 30, 30]:
        parts = in_folder(tmp_path / "parts", epochs, 3, threads)
        assert [record["epoch"] for record in parts.history] == list(range(1, min(epochs, n) + 1))
    assert f"has {n} epochs of this run: nothing left to train" in capsys.readouterr().out
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    for params in (parts.model.params, load_model(tmp_path / "parts")[0].params):
        np.testing.assert_array_equal(params, whole.model.params)
    losses = [record["held_out_loss"] for record in whole.history]
    assert min(losses) == losses[n - 4] == evaluate(whole.model, HELD_OUT)["loss"]
    rows = (tmp_path / "parts/history.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", *map(str, range(1, n + 1))]


def test_more_patience_goes_on_as_if_it_had_been_there_from_the_start(tmp_path):
    short = in_folder(tmp_path / "parts", 30, 1)
    parts, whole = in_folder(tmp_path / "parts", 30, 8), in_folder(tmp_path / "whole", 30, 8)
    assert len(short.history) < len(parts.history) == len(whole.history)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_what_early_stopping_cannot_go_by(tmp_path):
    for held_out in (None, HELD_OUT):
        one = trainer()
        one.fit(X, epochs=1, batch_size=10, held_out=held_out)
        one.history[0]["held_out_loss"] = 0.0  # better than all that follow
        sentence = "made without early stopping" if held_out is not None else "needs the held-out loss of every epoch"
        with pytest.raises(ValueError, match=sentence):
            one.fit(X, epochs=2, batch_size=10, held_out=held_out, after_epoch=[EarlyStopping(1)])
    late = trainer()
    late.fit(X, epochs=1, batch_size=10)
    with pytest.raises(ValueError, match=r"needs the held-out loss of every epoch: .* from the first"):
        late.fit(X, epochs=2, batch_size=10, held_out=HELD_OUT, after_epoch=[EarlyStopping(1)])
    with pytest.raises(runs.OptionError, match="no data are held out"):
        runs.train_in_folder(tmp_path, trainer(), X, epochs=1, batch_size=10, early_stopping=1)
    with pytest.raises(ValueError, match=r"patience a whole number from 1 upwards, got 0"):
        EarlyStopping(0)


def test_a_run_with_it_and_one_without_are_two_runs(tmp_path):
    in_folder(tmp_path, 2, 5)
    with pytest.raises(runs.OutputError, match="it has early_stopping = True, and this run has None"):
        in_folder(tmp_path, 3, None)
    record, arrays = read_checkpoint(tmp_path / "checkpoint.npz")
    arrays = {name: array for name, array in arrays.items() if not name.startswith("training/last/")}
    write_checkpoint(tmp_path / "checkpoint.npz", record, arrays)
    with pytest.raises(CheckpointError, match="lacks the parameters of its last epoch"):
        in_folder(tmp_path, 3, 5)
    arrays["training/last/model/params"] = arrays["model/params"][1:]
    write_checkpoint(tmp_path / "checkpoint.npz", record, arrays)
    with pytest.raises(CheckpointError, match="not a complete checkpoint: its model/params is float32 of shape"):
        in_folder(tmp_path, 3, 5)


def test_the_command_measures_the_best_epoch(tmp_path, no_figures):
    arguments = ["--epochs", 40, "--hidden", 8, "--batch-size", 200, "--lr", 0.03, "--early-stopping", 2]
    printed = succeeds(train.main, *arguments, "--out", tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    figures, history = summary["figures"], json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
    best = history[figures["best_epoch"] - 1]
    assert len(history) == figures["best_epoch"] + 2 < 40 and "test images, best parameters" in printed
    assert summary["settings"]["early_stopping"] == 2 and summary["settings"]["epochs"] == len(history)
    assert figures["held_out_loss"] == best["held_out_loss"] == min(record["held_out_loss"] for record in history)
    model, settings = load_model(tmp_path)
    assert settings["epochs"] == best["epoch"]
    start = train.start_from(model, train.options(["--from", str(tmp_path)]))
    assert start["epochs"] == best["epoch"] and start["held_out_loss"] == best["held_out_loss"]
    assert evaluate(model, data.load("digits").validation)["loss"] == pytest.approx(best["held_out_loss"], rel=1e-6)


def test_a_script_that_makes_all_epochs_says_why(capsys):
    parser = cli.training_parser("", "", batch_size=1, all_epochs="since all images train")
    with pytest.raises(SystemExit):
        parser.parse_args(["--early-stopping", "3"])
    assert "argument --early-stopping: not here, since all images train" in capsys.readouterr().err
