"""What the training scripts share: a folder for a training, checks before it, figures of several runs."""

from __future__ import annotations

import argparse
import ast
import configparser
import errno
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from scripts import fails

from scratchnn import SGD, Autoencoder, Dense, MeanSquaredError, data
from scratchnn.machinery import files
from scratchnn.machinery.extras import EXTRAS, missing
from scratchnn.scripts import cli
from scratchnn.scripts import train as train_module
from scratchnn.training import CheckpointError, DivergedError, Trainer, keep_snapshots, load_model, runs
from scratchnn.training.checkpoints import read_checkpoint, write_checkpoint
from scratchnn.training.signals import Ended

X = np.random.default_rng(1).random((23, 5)).astype(np.float32)


def trainer(**settings) -> Trainer:
    rng = np.random.default_rng(0)
    model = Autoencoder(Dense(5, 2, rng), Dense(2, 5, rng), MeanSquaredError())
    return Trainer(model, SGD(model, 0.1), rng, settings)


def train(folder, epochs: int, **settings) -> Trainer:
    one = trainer(**settings)
    runs.train_in_folder(folder, one, X, epochs=epochs, batch_size=10, held_out=X[:7])
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
        assert (
            json.loads((tmp_path / "parts/history.json").read_text(encoding="utf-8")) == found.history == parts.history
        )
    assert len(parts.history) == 4 and "held_out_loss" in parts.history[0]


def test_a_training_leaves_the_folder_of_another_run_as_it_is(tmp_path):
    train(tmp_path, 1, seed=0)
    before = [(tmp_path / name).read_bytes() for name in ("checkpoint.npz", "history.json")]
    with pytest.raises(runs.OutputError, match=r"holds another run.*lost: it has seed = 0, and this run has 1"):
        train(tmp_path, 1, seed=1)
    assert before == [(tmp_path / name).read_bytes() for name in ("checkpoint.npz", "history.json")]


def test_batches_without_a_rest_are_counted_right(tmp_path):
    for epochs in (1, 2):
        one = trainer()
        runs.train_in_folder(tmp_path, one, X[:20], epochs=epochs, batch_size=10)
    assert len(one.iteration_losses) == 4


def test_a_run_that_has_seen_more_epochs_than_those_beside_it_is_refused(tmp_path):
    runs.check_not_longer(tmp_path / "none", 1)
    train(tmp_path, 2)
    for epochs in (2, 3):
        runs.check_not_longer(tmp_path, epochs)
    with pytest.raises(runs.OutputError, match="has seen 2 epochs, and the others are to see 1: choose another folder"):
        runs.check_not_longer(tmp_path, 1)


def test_a_checkpoint_with_too_few_losses_or_too_many_is_not_gone_on_with(tmp_path):
    """Altered by hand: its file can only say that every epoch has one or more."""
    train(tmp_path, 2)
    record, arrays = read_checkpoint(tmp_path / "checkpoint.npz")
    losses = arrays["training/iteration_losses"]
    for other, n in ((losses[:-1], 5), (np.append(losses, 1.0), 7)):
        write_checkpoint(tmp_path / "checkpoint.npz", record, {**arrays, "training/iteration_losses": other})
        with pytest.raises(CheckpointError, match=f"has the losses of {n} steps, and its epochs have 6"):
            train(tmp_path, 3)


HOLD = """
import sys, time
from pathlib import Path
from scratchnn.training import runs
with runs.alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that trains in this folder, until it is told to stop, or killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_in_a_folder_is_refused_and_the_first_goes_on(other, tmp_path):
    sentence = f"another process is at work in {tmp_path}: wait until it has ended, or choose another folder"
    with pytest.raises(runs.OutputError, match=re.escape(sentence)):
        train(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"] and other.poll() is None
    other.communicate("")
    assert other.returncode == 0 and not list(tmp_path.iterdir())
    train(tmp_path, 1)


def test_a_process_that_is_killed_leaves_no_lock_behind_and_what_it_was_writing_does_no_harm(other, tmp_path):
    for name in ("checkpoint.npz", "history.json", "summary.json"):
        (tmp_path / f"{name}.{other.pid}-0123abcd.part").write_bytes(b"half of")
    other.kill()
    other.wait()
    assert (tmp_path / ".lock").exists()
    train(tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.npz", "history.json"}


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="No locks available") as caught:
        files.locked(tmp_path / ".lock")
    assert caught.value.filename == str(tmp_path / ".lock")


def test_a_lock_that_was_removed_by_its_owner_is_none(tmp_path, monkeypatch):
    """Between the opening of the file and the lock on it, the owner before has removed it: a third process would make
    a new one."""
    opened = Path.open

    def open_and_lose(path, *how):
        file = opened(path, *how)
        monkeypatch.undo()
        path.unlink()
        return file

    monkeypatch.setattr(Path, "open", open_and_lose)
    with files.locked(tmp_path / ".lock") as lock:
        assert os.path.samestat(os.fstat(lock.fileno()), (tmp_path / ".lock").stat())
        assert files.locked(tmp_path / ".lock") is None


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory") as caught, files.written_whole(tmp_path / "a") as file:
        file.write(b"one")
    assert caught.value.filename == str(tmp_path / "a") and caught.value.filename2 is None


def test_two_writers_of_a_file_do_each_other_no_harm(tmp_path):
    with files.written_whole(tmp_path / "a") as one:
        one.write(b"one")
        with files.written_whole(tmp_path / "a") as two:
            two.write(b"two")
        assert (tmp_path / "a").read_bytes() == b"two"
    assert (tmp_path / "a").read_bytes() == b"one" and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def main(_):
        runs.write_text(tmp_path / "a", "text")

    monkeypatch.setattr(os, "fsync", full)
    assert fails(main) == f"error: No space left on device: {tmp_path / 'a'}"
    assert not list(tmp_path.iterdir())


def test_what_is_recorded_stands_in_the_history_of_its_epoch(tmp_path):
    """Also of the epochs that an earlier run has done, whose snapshots come from the checkpoint."""
    for epochs in (2, 3, 3):
        one = trainer()

        def snapshot(one=one):
            return np.array([len(one.history), one.model.params.max()])

        runs.train_in_folder(
            tmp_path,
            one,
            X,
            epochs=epochs,
            batch_size=10,
            after_epoch=[keep_snapshots(snapshot)],
            recorded=("done", "largest"),
        )
        history = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
        assert history == one.history and [record["done"] for record in history] == [*range(1, epochs + 1)]
        assert history[-1]["largest"] == one.model.params.max()


def test_a_batch_is_no_larger_than_the_training_images():
    runs.check_batch_size(23, 23)
    with pytest.raises(runs.OptionError, match="--batch-size 1298 is more than the 1,297 training images"):
        runs.check_batch_size(1298, 1297)


def test_there_must_be_something_to_resume(tmp_path):
    parser = cli.training_parser("", "", batch_size=None)
    fresh, resumed = (parser.parse_args(["--out", str(tmp_path / "run"), *more]) for more in ([], ["--resume"]))
    assert fresh.batch_size is None and "default: each network has its own" in parser.format_help()
    runs.check_resume(fresh.out, fresh.resume, "vae")
    for left_behind in ("checkpoint.npz", "trainings.json"):
        with pytest.raises(runs.OutputError, match=r"there is nothing to go on with in .*run: leave out --resume"):
            runs.check_resume(resumed.out, resumed.resume, "vae", left_behind)
    train(tmp_path / "run/one", 1)
    runs.check_resume(resumed.out, resumed.resume, "vae")
    with pytest.raises(runs.OutputError, match="nothing to go on with"):
        runs.check_resume(resumed.out, resumed.resume, "vae", "**/trainings.json")


@pytest.mark.parametrize("below", ["", "run", "run/of/many"])
def test_a_folder_that_cannot_be_written_into_is_told_before_anything_is_made(below, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(runs.OutputError, match=r"cannot write into .*file.*: choose another folder with --out"):
        runs.check_resume(tmp_path / "file" / below, resume=False, experiment="vae")
    runs.check_resume(tmp_path / "free" / below, resume=False, experiment="vae")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("below", ["", "run"])
def test_a_link_to_nowhere_is_no_folder_to_write_into(below, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(runs.OutputError, match=r"cannot write into .*link.* is a link to what is not there\): choose"):
        runs.check_resume(tmp_path / "link" / below, resume=False, experiment="vae")


@pytest.mark.parametrize(
    "summary, of",
    [('{"experiment": "gan"}', "gan"), ("{}", "something else"), ("", "something else"), ("[" * 9999, "")],
)
def test_the_summary_of_another_experiment_is_not_written_over(summary, of, tmp_path):
    (tmp_path / "summary.json").write_text(summary, encoding="utf-8")
    for look in (runs.prepare_folder, runs.check_folder):
        with pytest.raises(
            runs.OutputError, match=rf"has a summary.json of {of}.*\(vae\) would overwrite: choose another"
        ):
            look(tmp_path, experiment="vae")
    with pytest.raises(runs.OutputError, match="would overwrite: choose another folder with --out"):
        runs.check_resume(tmp_path, False, "vae")
    runs.write_summary(tmp_path, "vae", {}, {})
    runs.check_resume(tmp_path, False, "vae")


def calls(tree: ast.AST, *names: str) -> list[list[str]]:
    """The texts among the arguments of all calls of these functions."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in names]
    given = [[*node.args, *(each.value for each in node.keywords)] for node in found]
    return [[part.value for part in parts if isinstance(part, ast.Constant)] for parts in given]


def test_every_script_asks_for_the_experiment_that_it_writes():
    """In the folder that --out names."""
    asked_of = 0
    for path in (ROOT / "examples").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        summaries = [texts for texts in calls(tree, "runs.write_summary") if texts]
        asked = calls(tree, "runs.check_resume", "runs.check_folder", "runs.prepare_folder")
        written = {texts[0] for texts in summaries} - {"conv-vae", "dense-autoencoder-seed", "conv-classifier-seed"}
        assert not written or [[name] for name in written] == [texts[:1] for texts in asked if texts], path.name
        asked_of += len(written)
    assert asked_of > 12


def test_a_command_is_alone_until_its_last_file_is_written(tmp_path):
    """What it calls in between may ask for the same, and does not end it; another thread may not."""
    with runs.alone_in(tmp_path / "run"):
        train(tmp_path / "run", 1)
        assert (tmp_path / "run/.lock").exists()
        with ThreadPoolExecutor(1) as pool, pytest.raises(runs.OutputError, match="another process is at work in"):
            pool.submit(train, tmp_path / "run", 1).result()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"checkpoint.npz", "history.json"}
    train(tmp_path / "run", 2)


def test_a_folder_in_which_nothing_was_written_does_not_stay(tmp_path):
    with pytest.raises(ZeroDivisionError), runs.alone_in(tmp_path / "new"):
        raise ZeroDivisionError
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with runs.alone_in(tmp_path / "old"):
        pass
    assert (tmp_path / "old").exists()


def test_the_figures_of_a_training_belong_to_the_same_command(tmp_path, monkeypatch):
    """While they are drawn, no other process may begin to train there."""
    seen = []

    def draw(pictures, out, settings):
        seen.append((out / ".lock").exists())
        return []

    monkeypatch.setattr(train_module, "draw", draw)
    train_module.main(["--epochs", "1", "--hidden", "4", "--out", str(tmp_path)])
    assert seen == [True] and not (tmp_path / ".lock").exists()


@pytest.mark.parametrize(
    "text, told", [("0", "at least 1"), ("1e3", "at least 1"), (str(10**30), "at most 1,000,000,000")]
)
def test_a_count_is_a_whole_number_that_arrays_can_have(text, told):
    with pytest.raises(argparse.ArgumentTypeError, match=f"expected a whole number of {told}, got {text}"):
        cli.positive_int(text)
    assert cli.positive_int(str(10**9)) == 10**9


def test_no_folder_is_not_the_one_that_one_is_in(capsys):
    parser = cli.training_parser("", "", batch_size=None)
    with pytest.raises(SystemExit):
        parser.parse_args(["--out", ""])
    assert "argument --out: expected the name of a folder, got nothing" in capsys.readouterr().err


def test_where_there_is_nothing_to_write_to_nothing_is_written(monkeypatch):
    """A process may be started without these, and Python has None for them."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    cli.forgiving_terminal()
    print("nothing", file=sys.stderr)
    assert sys.stdout.write("nothing") and not sys.stderr.isatty()
    sys.stdout.close(), sys.stderr.close()


SCRIPTS = [
    path
    for path in sorted((ROOT / "examples").glob("*.py"))
    if re.search("check_resume|scripts.train import main", path.read_text("utf-8"))
    and path.stem != "data_parallel"  # which looks for MPI first
]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_training_script_looks_at_its_folder_before_it_loads_anything(path, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setattr(data, "load", lambda *args: pytest.fail("the data were loaded first"))
    text = fails(import_module(path.stem).main, "--out", tmp_path / "file")
    assert text.startswith("error: cannot write into")


def test_figures_over_runs_are_means_and_single_values():
    scores = [{"error": 0.5, "dead": 3}, {"error": 0.25, "dead": 0}]
    assert runs.over_runs(scores) == {
        "error": {"mean": 0.375, "runs": [0.5, 0.25]},
        "dead": {"mean": 1.5, "runs": [3, 0]},
    }


def test_a_mean_has_its_standard_deviation_where_there_are_several_values():
    """Of 1, 2 and 6: mean 3, squares of 4, 1 and 9, half of their sum is 7."""
    assert runs.mean_and_std([1, 2, 6]) == "3.00 ± 2.65"
    assert runs.mean_and_std([1, 2, 6], 4) == "3.0000 ± 2.6458"
    assert runs.mean_and_std([1.25], 1) == "1.2"


@pytest.mark.parametrize("platform, unit", [("darwin", 2**20), ("linux", 2**10)])
def test_the_most_memory_is_in_megabytes(platform, unit, monkeypatch):
    """Bytes on macOS, and kilobytes elsewhere."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=7 * unit + 5))
    monkeypatch.setattr(sys, "platform", platform)
    assert runs.peak_memory_mb() == 7


def test_a_summary_says_what_was_measured_on_what_and_with_which_versions(tmp_path):
    runs.write_summary(tmp_path, "vae", {"loss": 96.5}, {"epochs": 3}, seed=0, scaling="grey", dead_units=2)
    found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    versions = found.pop("versions")
    if sys.platform != "win32":  # a Python process with NumPy holds some tens of MB, and the tests fit in 8 GB
        assert 20 < found.pop("peak_memory_mb") < 8192
    assert found == {
        "experiment": "vae", "figures": {"loss": 96.5}, "settings": {"epochs": 3}, "dead_units": 2,
        "scaling": "grey", "seed": 0,
    }  # fmt: skip
    assert versions == runs.versions() and versions["numpy"] == np.__version__ and "python" in versions
    runs.write_summary(tmp_path, "vae", {}, {})
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8")).keys() - {"peak_memory_mb"} == {
        "experiment", "figures", "settings", "versions"
    }  # fmt: skip


def test_what_is_not_installed_has_no_version(monkeypatch):
    def version(name):
        if name == "matplotlib":
            raise runs.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(runs.metadata, "version", version)
    assert "matplotlib" not in runs.versions() and runs.versions()["numpy"] == "1.0"


def test_a_missing_package_is_one_sentence_that_names_its_extra():
    for name, extra in (
        ("matplotlib.pyplot", "examples"),
        ("rich", "exercises"),
        ("mpi4py", "mpi"),
        ("dask", "cluster"),
    ):
        told = str(missing(ModuleNotFoundError(name=name), "drawing figures"))
        package = name.partition(".")[0]
        assert told == f'drawing figures needs {package}: python -m pip install "scratchnn[{extra}]"'
    mistake = ModuleNotFoundError("no module named 'scratchn'", name="scratchn")
    with pytest.raises(ModuleNotFoundError) as error:  # a mistake of ours, which is no package to install
        missing(mistake, "drawing figures")
    assert error.value is mistake


def test_every_extra_that_a_sentence_names_is_one_that_can_be_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    offered = config["options.extras_require"]
    names = {"sklearn": "scikit-learn", "distributed": "dask[distributed]"}
    for package, extra in EXTRAS.items():
        assert names.get(package, package) in offered[extra], f"{extra} does not bring {package}"


@pytest.mark.parametrize(
    "option, text, message",
    [
        ("--epochs", "0", "expected a whole number of at least 1, got 0"),
        ("--epochs", "two", "expected a whole number of at least 1, got two"),
        ("--batch-size", "-5", "expected a whole number of at least 1, got -5"),
        ("--threads", "1.5", "expected a whole number of at least 1, got 1.5"),
        ("--blas-threads", "0", "expected a whole number of at least 1, got 0"),
        ("--seed", "-1", "expected a whole number of at least 0, got -1"),
        ("--data", "cifar", "invalid choice: 'cifar'"),
    ],
)
def test_an_option_s_value_is_named_if_it_makes_no_sense(option, text, message, capsys):
    with pytest.raises(SystemExit):
        cli.training_parser("", "", batch_size=100).parse_args([f"{option}={text}"])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1e-3", "inf", "nan", "a little"])
def test_a_rate_is_a_positive_number(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^expected a positive number, got {text}$"):
        cli.positive_float(text)
    assert cli.positive_float("1e-3") == 1e-3


@pytest.mark.parametrize(
    "error, told",
    [
        (data.DataError("no such file"), "error: no such file"),
        (CheckpointError("it is damaged"), "error: it is damaged"),
        (DivergedError("the loss became nan"), "error: the loss became nan"),
        (runs.OptionError("too large"), "error: too large"),
        (runs.OutputError("another run"), "error: another run"),
        (
            missing(ModuleNotFoundError(name="rich"), "this"),
            'error: this needs rich: python -m pip install "scratchnn[',
        ),
        (OSError(28, "No space left on device", "c.npz"), "error: No space left on device: c.npz"),
        (MemoryError("8 GB"), "error: not enough memory (8 GB): ask for a smaller network or batch"),
        (Ended(15), "ended by SIGTERM: the same command goes on after what was finished, if it left a checkpoint"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_a_user_can_do_wrong_ends_a_script_with_one_sentence(error, told):
    def main(arguments):
        raise error

    assert fails(main).strip().startswith(told)


def test_a_mistake_of_ours_is_not_hidden():
    def main(arguments):
        raise ValueError("a mistake in the program")

    with pytest.raises(ValueError, match="a mistake in the program"):
        cli.run(main)


def test_kept_memory_has_no_page_faults():
    """In a process of its own, since it cannot be taken back; arrays of 4 MB as a step of training asks for them."""
    pytest.importorskip("resource")
    code = (
        "import resource, sys; import numpy as np; from scratchnn.training import blas\n"
        "done = blas.keep_freed_memory() if sys.argv[1] == 'keep' else None\n"
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
