"""The sweep over latent sizes on a Dask cluster of two processes against the same sweep without one."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from contextlib import contextmanager

import latent_sizes
import numpy as np
import pytest
from conftest import ROOT
from threadpoolctl import threadpool_limits

from scratchnn import data
from scratchnn.scripts import cli, train
from scratchnn.training.checkpoints import read_checkpoint

SMALL = ["--hidden", "12", "--batch-size", "200", "--epochs", "2", "--samples", "4"]


def fails(monkeypatch, capsys, *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["latent_sizes.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.run(latent_sizes.main)
    return capsys.readouterr().err + str(stop.value.code)


def cluster(**options):
    distributed = pytest.importorskip("dask.distributed", reason='needs python -m pip install "scratchnn[cluster]"')
    return distributed.LocalCluster(dashboard_address=None, **options)


@contextmanager
def workers(n, folder):
    """A scheduler with n workers, started as the docstring of the script says and in a folder of no interest; its
    address, and the workers' processes, which no other process starts again."""
    dask = pytest.importorskip("dask", reason='needs python -m pip install "scratchnn[cluster]"')
    # a folder of its own: other tests, in other processes, remove what is left in the one that all share
    with dask.config.set({"temporary-directory": str(folder)}), cluster(n_workers=0) as scheduler:
        address = scheduler.scheduler_address
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        processes = [
            subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for _ in range(n)
        ]
        try:
            scheduler.wait_for_workers(n, timeout=120)
            yield address, processes
        finally:
            for process in processes:
                process.terminate()
                process.communicate()
            # the scheduler, in this process, has loaded the script and what it shares with others again, from a folder
            # that goes away with it
            sys.path[:] = [path for path in sys.path if "dask-scratch-space" not in path]
            for name in [name for name in sys.modules if name.partition(".")[0] == "shared"]:
                if "dask-scratch-space" in str(sys.modules[name].__file__):
                    del sys.modules[name]
            importlib.reload(latent_sizes)


@pytest.mark.usefixtures("no_figures")
def test_a_cluster_of_two_processes_comes_to_the_same_bits(tmp_path, monkeypatch, capsys):
    def sweep(name: str, *arguments: str):
        folder = tmp_path / name
        latent_sizes.main(["--latents", "4", "5", "--seeds", "0", f"--out={folder}", *SMALL, *arguments])
        return json.loads((folder / "summary.json").read_text(encoding="utf-8"))["figures"]

    with threadpool_limits(1):  # as Dask's workers have it: another number of threads would round differently
        here = sweep("here")
    monkeypatch.setattr(train, "main", lambda _: pytest.fail("trained in this process"))
    monkeypatch.chdir(tmp_path)
    with workers(2, tmp_path) as (scheduler, _):
        there = sweep("there", "--dask", scheduler)
    assert there == here and here["4"]["test_loss"] != here["5"]["test_loss"]
    for run in ("z4-seed0", "z5-seed0"):
        arrays, others = (read_checkpoint(tmp_path / name / run / "checkpoint.npz")[1] for name in ("here", "there"))
        np.testing.assert_array_equal(arrays["model/params"], others["model/params"])
        assert (tmp_path / "there" / run / "log.txt").read_text(encoding="utf-8").count("epoch 2/2") == 1
    assert capsys.readouterr().out.count("finished: ") == 4


def test_a_sweep_whose_workers_are_all_dead_ends(tmp_path, monkeypatch, capsys):
    """They are killed when the runs have been handed out; a run takes longer than that."""
    distributed = pytest.importorskip("dask.distributed")
    wait = distributed.wait
    with workers(1, tmp_path) as (scheduler, processes):

        def killing(*arguments, **keywords):
            monkeypatch.setattr(latent_sizes, "PATIENCE", 0.5)  # only now: the scheduler, here, loads the script again
            for process in processes:
                process.kill()
                process.wait()
            return wait(*arguments, **keywords)

        monkeypatch.setattr("distributed.wait", killing)
        text = fails(monkeypatch, capsys, "--dask", scheduler, "--out", tmp_path, "--latents", 3, *SMALL)
    assert f"--dask {scheduler}: all its workers are gone; start what is missing" in text and "Traceback" not in text


@pytest.mark.usefixtures("no_figures")
def test_several_data_sets_are_one_sweep_with_a_folder_each(tmp_path, monkeypatch, capsys):
    digits = data.load("digits")
    half = data.DataSet("half", digits.train.split(500)[0], digits.validation, digits.test, digits.image_shape)
    monkeypatch.setattr(data, "load", lambda name, *split: {"digits": digits, "mnist": half}[name])
    command = ["--data", "digits", "mnist", "--latents", "3", "--seeds", "0", "1", f"--out={tmp_path}", *SMALL]
    latent_sizes.main(command)
    printed = capsys.readouterr().out
    assert "4 runs, 1 at a time" in printed and printed.count("train loss") == 2
    found = {
        name: json.loads((tmp_path / name / "summary.json").read_text(encoding="utf-8")) for name in ("digits", "mnist")
    }
    assert [summary["settings"]["data"] for summary in found.values()] == ["digits", "mnist"]
    first, second = (summary["figures"]["3"]["train_loss"] for summary in found.values())
    assert len(first) == len(second) == 2 and set(first).isdisjoint(second)
    latent_sizes.main(["--latents", "3", "--seeds", "0", "1", f"--out={tmp_path / 'alone'}", *SMALL])
    assert (
        json.loads((tmp_path / "alone/summary.json").read_text(encoding="utf-8"))["figures"]
        == found["digits"]["figures"]
    )


def test_workers_of_several_threads_are_refused(tmp_path, monkeypatch, capsys):
    with cluster(n_workers=1, threads_per_worker=2, processes=False) as one:
        text = fails(monkeypatch, capsys, "--dask", one.scheduler_address, "--out", tmp_path, *SMALL)
    assert "its workers' threads are [2]: start them with dask worker inproc://" in text


def test_an_address_of_no_scheduler_is_one_sentence(tmp_path, monkeypatch, capsys):
    pytest.importorskip("dask.distributed")
    text = fails(monkeypatch, capsys, "--dask", "nowhere", "--out", tmp_path, *SMALL)
    assert "--dask nowhere: no Dask scheduler answers there" in text


def test_another_width_has_a_folder_of_its_own():
    args = latent_sizes.options(["--hidden", "700"])
    assert latent_sizes.of_one_data_set(args, "digits").out.name == "latent-sizes-digits-100-epochs-700-units"


def test_without_dask_the_sentence_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    text = fails(monkeypatch, capsys, "--dask", "tcp://127.0.0.1:8786", "--out", tmp_path, *SMALL)
    assert "--dask needs distributed" in text and 'pip install "scratchnn[cluster]"' in text
    assert "cluster =" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
