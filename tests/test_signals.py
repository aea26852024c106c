"""Ctrl-C, SIGTERM and SIGHUP: a training ends between two steps, with its last whole epoch on disk, and says so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PACKAGE
from scripts import run

from scratchnn import Adam, Autoencoder, Dense, MeanSquaredError
from scratchnn.training import SaveCheckpoint, Trainer, loop, runs
from scratchnn.training.checkpoints import read_checkpoint
from scratchnn.training.signals import NUMBERS, SIGNALS, Ended, Signals

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")

X = np.random.default_rng(1).random((23, 5)).astype(np.float32)
BATCHES, EPOCHS = 5, 6


@pytest.fixture(autouse=True)
def no_signal_yet():
    """These tests send signals to their own process, whose handlers they must not keep.

    A process that a shell has started in the background ignores SIGINT, and so would its children.
    """
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    SIGNALS.asked = None


def trainer(threads: int) -> Trainer:
    rng = np.random.default_rng(0)
    model = Autoencoder(Dense(5, 3, rng), Dense(3, 5, rng), MeanSquaredError())
    return runs.trainer(threads, model, Adam(model, lr=0.01), rng, {}, batch_size=5)


def training(folder, threads: int):
    """A command that trains in this folder: EPOCHS epochs of BATCHES batches, a checkpoint at every epoch."""

    def main(_arguments):
        one = trainer(threads)
        runs.train_in_folder(folder, one, X, epochs=EPOCHS, batch_size=5, held_out=X[:7], shuffle=True)

    return main


def interrupted(monkeypatch, folder, threads: int, number: int, where, n: int):
    """Runs the command and sends a signal at the n-th call of a function, `where`: its owner and name."""
    owner, name = where
    real, calls = getattr(owner, name), []

    def with_signal(*arguments, **keywords):
        calls.append(1)
        if len(calls) == n:
            signal.raise_signal(number)
        return real(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, with_signal)
        status, printed, told = run(training(folder, threads), [])
    SIGNALS.asked = None
    return status, printed, told.strip()


def content(folder):
    """All that a checkpoint holds except for times."""
    record, arrays = read_checkpoint(folder / "checkpoint.npz")
    for epoch in record["training"]["history"]:
        del epoch["seconds"]
    del record["training"]["checksum"]  # of the seconds as well
    return record, {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: signal.Signals(number).name)
def test_a_signal_ends_a_training_with_its_last_epoch_on_disk_and_the_same_command_goes_on(
    number, threads, tmp_path, monkeypatch, at_every_epoch
):
    """Sent in every step of the third epoch, in evaluation, and while a checkpoint or a line is written after it."""
    run(training(tmp_path / "whole", threads), [])
    expected = content(tmp_path / "whole")
    step = type(trainer(threads)), "step"
    places = [(step, 2 * BATCHES + batch, 2) for batch in range(1, BATCHES + 1)]
    places += [((loop, "evaluate"), 3, 3), ((loop, "write_checkpoint"), 3, 3), ((loop, "print_line"), 3, 3)]
    for k, (where, n, done) in enumerate(places):
        folder = tmp_path / f"run{k}"
        status, printed, told = interrupted(monkeypatch, folder, threads, number, where, n)
        kept = f"{folder}/checkpoint.npz has {done} epochs: the same command goes on from there"
        assert (status, told) == (128 + number, f"ended by {signal.Signals(number).name}: {kept}")
        assert [path.name for path in folder.iterdir()] == ["checkpoint.npz"]
        assert len(content(folder)[0]["training"]["history"]) == done
        status, printed, _ = run(training(folder, threads), [])
        assert status in (0, None) and f"has {done} epochs of this run: going on" in printed
        assert content(folder) == expected


def test_where_epochs_are_short_the_one_in_progress_is_finished_and_saved(tmp_path, monkeypatch):
    """Checkpoints are not written after every epoch there: without this, all since the last would be lost."""
    run(training(tmp_path / "whole", 1), [])

    def seldom(self, trainer, record):
        if record["epoch"] in (1, EPOCHS):
            trainer.save(self.path)

    monkeypatch.setattr(SaveCheckpoint, "__call__", seldom)
    for n, done in ((2, None), (BATCHES + 2, 1), (2 * BATCHES + 2, 3), (2 * BATCHES + 5, 3), (4 * BATCHES + 1, 5)):
        folder = tmp_path / str(n)
        _, _, told = interrupted(monkeypatch, folder, 1, signal.SIGTERM, (Trainer, "step"), n)
        if done is None:
            assert told.endswith("nothing of this training is on disk: the same command begins it again")
            assert not folder.exists()
        else:
            assert f"has {done} epoch{'s' * (done > 1)}: the same" in told
            assert len(content(folder)[0]["training"]["history"]) == done
        run(training(folder, 1), [])
        assert content(folder) == content(tmp_path / "whole")


def test_outside_of_a_training_a_signal_ends_a_command_at_once():
    def main(_arguments):
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("the command went on")

    status, _, told = run(main, [])
    assert status == 128 + signal.SIGTERM
    assert told == "\nended by SIGTERM: the same command goes on after what was finished, if it left a checkpoint\n"


def test_a_program_of_one_s_own_keeps_python_s_interrupt(monkeypatch):
    """In any line, and the trainer has no part in it."""
    one = trainer(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # this process may have run commands
    monkeypatch.setattr(Trainer, "step", lambda self, batch: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt) as stop:
        one.fit(X, epochs=1, batch_size=5)
    assert not isinstance(stop.value, Ended) and SIGNALS.asked is None and not SIGNALS.held


PATHS = os.pathsep.join([str(PACKAGE.parent), str(Path(__file__).parent)])
ALONE = {**os.environ, "SCRATCHNN_LOOPS": "0", "PYTHONPATH": PATHS}


def command(folder) -> list[str]:
    options = ["--epochs=100000", "--hidden=8", "--batch-size=200", f"--out={folder}"]
    return [sys.executable, "-m", "scratchnn", "train", *options]


def one_more_epoch(process) -> None:
    while "epoch" not in (line := process.stdout.readline()):
        assert line, process.communicate()


def test_the_command_ends_by_a_signal_from_outside_and_ignores_what_nohup_has_it_ignore(tmp_path):
    def nohup():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    pipe = subprocess.PIPE
    process = subprocess.Popen(command(tmp_path), env=ALONE, text=True, stdout=pipe, stderr=pipe, preexec_fn=nohup)
    one_more_epoch(process)
    process.send_signal(signal.SIGHUP)
    for _ in range(3):
        one_more_epoch(process)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM
    (epochs,) = re.findall(r"^ended by SIGTERM: .*checkpoint.npz has (\d+) epochs: the same", told, re.MULTILINE)
    assert len(content(tmp_path)[0]["training"]["history"]) == int(epochs) and "Traceback" not in told


SLOW = """
import sys, time
from pathlib import Path
from scratchnn.scripts import cli
from scratchnn.training import Trainer
import test_signals
def slow(self, batch):
    print("in a step", flush=True)
    time.sleep(1000)
Trainer.step = slow
cli.run(test_signals.training(Path(sys.argv[1]), 1))
"""


def test_a_second_ctrl_c_ends_at_once_even_a_step_that_does_not_return(tmp_path):
    """Python's sleep goes on after a signal whose handler raises nothing, as the first one's does."""
    code, pipe = [sys.executable, "-c", SLOW, tmp_path], subprocess.PIPE
    process = subprocess.Popen(code, env=ALONE, text=True, stdout=pipe, stderr=pipe)
    assert process.stdout.readline() == "in a step\n"
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):  # these come several times by themselves
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=100)
    assert process.returncode == -signal.SIGINT and told == ""  # 130 for a shell


def test_a_terminal_that_closes_ends_the_command_with_its_status(tmp_path):
    """What it prints finds no terminal any more; that must be no error, and the epoch is kept."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, command(tmp_path), ALONE)
    shown = b""
    while b"epoch" not in shown:
        shown += os.read(terminal, 1000)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    assert content(tmp_path)[0]["training"]["history"] and len(list(tmp_path.iterdir())) == 1


def test_the_first_signal_is_obeyed_and_a_second_ctrl_c_is_the_system_s(monkeypatch):
    """In this process, where the system's own way can be seen without its being gone."""
    done = []
    monkeypatch.setattr(signal, "signal", lambda *what: done.append(what))
    monkeypatch.setattr(signal, "raise_signal", lambda number: done.append(number))
    signals = Signals()
    with pytest.raises(Ended), signals.held_back():
        signals(signal.SIGTERM, None)
        assert signals.asked == signal.SIGTERM  # noted, and obeyed only after the `with`
    signals(signal.SIGHUP, None)
    assert done == [] and signals.asked == signal.SIGTERM
    signals(signal.SIGINT, None)
    assert done == [(signal.SIGINT, signal.SIG_DFL), signal.SIGINT]
