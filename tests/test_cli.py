"""What the training scripts share: a folder for a training, checks before it, figures of several runs."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from conftest import ROOT
from scripts import fails

from scratchnn import SGD, Autoencoder, Dense, MeanSquaredError, cli, data
from scratchnn.checkpoints import load_model
from scratchnn.training import Trainer

X = np.random.default_rng(1).random((23, 5)).astype(np.float32)


def trainer(**settings) -> Trainer:
    rng = np.random.default_rng(0)
    model = Autoencoder(Dense(5, 2, rng), Dense(2, 5, rng), MeanSquaredError())
    return Trainer(model, SGD(model, 0.1), rng, settings)


def train(folder, epochs: int, **settings) -> Trainer:
    one = trainer(**settings)
    cli.train_in_folder(folder, one, X, epochs=epochs, batch_size=10, held_out=X[:7])
    return one


def test_a_training_goes_on_in_its_folder_or_is_found_ready(tmp_path, monkeypatch, capsys):
    whole = train(tmp_path / "whole", 4)
    train(tmp_path / "parts", 1)
    assert "of this run" not in capsys.readouterr().out
    parts = train(tmp_path / "parts", 4)
    assert "parts/checkpoint.npz has 1 epoch of this run: going on" in capsys.readouterr().out
    np.testing.assert_array_equal(parts.model.params, whole.model.params)
    assert parts.iteration_losses == whole.iteration_losses
    monkeypatch.setattr(Trainer, "step", lambda self, batch: pytest.fail("trained again"))
    for epochs, more in ((4, ""), (3, ", more than the 3 asked for")):
        found = train(tmp_path / "parts", epochs)
        assert f"has 4 epochs of this run{more}: nothing left to train" in capsys.readouterr().out
        np.testing.assert_array_equal(found.model.params, whole.model.params)
        np.testing.assert_array_equal(load_model(tmp_path / "parts")[0].params, whole.model.params)
        assert json.loads((tmp_path / "parts/history.json").read_text()) == found.history == parts.history
    assert len(parts.history) == 4 and "held_out_loss" in parts.history[0]


def test_a_training_leaves_the_folder_of_another_run_as_it_is(tmp_path):
    train(tmp_path, 1, seed=0)
    before = [(tmp_path / name).read_bytes() for name in ("checkpoint.npz", "history.json")]
    with pytest.raises(cli.OutputError, match=r"holds another run.*lost: it has seed = 0, and this run has 1"):
        train(tmp_path, 1, seed=1)
    assert before == [(tmp_path / name).read_bytes() for name in ("checkpoint.npz", "history.json")]


def test_what_is_recorded_stands_in_the_history_of_its_epoch(tmp_path):
    """Also of the epochs that an earlier run has done, whose snapshots come from the checkpoint."""
    for epochs in (2, 3, 3):
        one = trainer()

        def snapshot(one=one):
            return np.array([len(one.history), one.model.params.max()])

        cli.train_in_folder(
            tmp_path, one, X, epochs=epochs, batch_size=10, snapshot=snapshot, recorded=("done", "largest")
        )
        history = json.loads((tmp_path / "history.json").read_text())
        assert history == one.history and [record["done"] for record in history] == [*range(1, epochs + 1)]
        assert history[-1]["largest"] == one.model.params.max()


def test_a_batch_is_no_larger_than_the_training_images():
    cli.check_batch_size(23, 23)
    with pytest.raises(cli.OptionError, match="--batch-size 1298 is more than the 1,297 training images"):
        cli.check_batch_size(1298, 1297)


def test_there_must_be_something_to_resume(tmp_path):
    parser = cli.training_parser("", "", batch_size=None)
    fresh, resumed = (parser.parse_args(["--out", str(tmp_path / "run"), *more]) for more in ([], ["--resume"]))
    assert fresh.batch_size is None and "default: each network has its own" in parser.format_help()
    cli.check_resume(fresh)
    for left_behind in ("checkpoint.npz", "trainings.json"):
        with pytest.raises(cli.OutputError, match=r"there is nothing to go on with in .*run: leave out --resume"):
            cli.check_resume(resumed, left_behind)
    train(tmp_path / "run/one", 1)
    cli.check_resume(resumed)
    with pytest.raises(cli.OutputError, match="nothing to go on with"):
        cli.check_resume(resumed, "trainings.json")


@pytest.mark.parametrize("below", ["", "run", "run/of/many"])
def test_a_folder_that_cannot_be_written_into_is_told_before_anything_is_made(below, tmp_path):
    (tmp_path / "file").write_text("in the way")
    parser = cli.training_parser("", "", batch_size=None)
    with pytest.raises(cli.OutputError, match=r"cannot write into .*file.*: choose another folder with --out"):
        cli.check_resume(parser.parse_args(["--out", str(tmp_path / "file" / below)]))
    cli.check_resume(parser.parse_args(["--out", str(tmp_path / "free" / below)]))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


SCRIPTS = [path for path in sorted((ROOT / "examples").glob("*.py")) if "check_resume" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_training_script_looks_at_its_folder_before_it_loads_anything(path, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(data, "load", lambda *args: pytest.fail("the data were loaded first"))
    text = fails(import_module(path.stem).main, "--out", tmp_path / "file")
    assert text.startswith("error: cannot write into")


def test_figures_over_runs_are_means_and_single_values():
    scores = [{"error": 0.5, "dead": 3}, {"error": 0.25, "dead": 0}]
    assert cli.over_runs(scores) == {
        "error": {"mean": 0.375, "runs": [0.5, 0.25]},
        "dead": {"mean": 1.5, "runs": [3, 0]},
    }


def test_kept_memory_has_no_page_faults():
    """In a process of its own, since it cannot be taken back; arrays of 4 MB as a step of training asks for them."""
    pytest.importorskip("resource")
    code = (
        "import resource, sys; import numpy as np; from scratchnn import cli\n"
        "done = cli.keep_freed_memory() if sys.argv[1] == 'keep' else None\n"
        "def step(): return sum(array[0] for array in [np.ones(2**20, np.float32) for _ in range(8)])\n"
        "[step() for _ in range(3)]; before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "[step() for _ in range(10)]; print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    found = {}
    for which in ("keep", "return"):
        command = [sys.executable, "-c", code, which]
        found[which] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    if found["keep"][0] == "False":
        pytest.skip("this C library cannot be asked to keep memory")
    assert int(found["keep"][1]) < 10 < 1000 < int(found["return"][1])
