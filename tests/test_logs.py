"""What other programs read of a training: CSV, TensorBoard's event files, a DataFrame."""

from __future__ import annotations

import csv
import struct
import sys

import numpy as np
import pytest

from scratchnn import SGD, Autoencoder, Dense, MeanSquaredError
from scratchnn.machinery.extras import MissingExtraError
from scratchnn.training import CheckpointError, Trainer, WriteCSV, WriteTensorBoard, history_frame, runs

X = np.random.default_rng(1).random((23, 5)).astype(np.float32)


def trainer() -> Trainer:
    rng = np.random.default_rng(0)
    model = Autoencoder(Dense(5, 2, rng), Dense(2, 5, rng), MeanSquaredError())
    return Trainer(model, SGD(model, 0.1), rng)


def fit(epochs: int, *after_epoch, one: Trainer | None = None) -> Trainer:
    one = one or trainer()
    one.fit(X, epochs=epochs, batch_size=10, held_out=X[:7], after_epoch=after_epoch, progress=False)
    return one


def in_folder(folder, epochs: int, *log: str) -> Trainer:
    one = trainer()
    runs.train_in_folder(folder, one, X, epochs=epochs, batch_size=10, held_out=X[:7], log=log)
    return one


def test_without_progress_nothing_is_printed(capfd):
    fit(2)
    assert capfd.readouterr() == ("", "")


def test_a_csv_file_has_the_numbers_of_the_history_to_the_last_digit(tmp_path):
    history = fit(3, WriteCSV(tmp_path / "a.csv")).history
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items()} for row in rows] == history and len(history) == 3


def test_epochs_that_are_made_again_stand_there_once(tmp_path):
    """As after a kill: the log is ahead of the checkpoint."""
    in_folder(tmp_path, 2, "csv")
    with (tmp_path / "history.csv").open("a", encoding="utf-8") as file:
        file.write("3,0,0,0,0,0\n")
    history = in_folder(tmp_path, 4, "csv").history
    lines = (tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [[f"{r['epoch']}", f"{r['train_loss']}"] for r in history]
    (tmp_path / "history.csv").unlink()
    in_folder(tmp_path, 4, "csv")  # nothing left to train, and the log is written
    assert (tmp_path / "history.csv").read_text(encoding="utf-8").splitlines() == lines


def events(path):
    """The events of a file: each has its length (8 bytes), a checksum (4), itself, and a checksum (4)."""
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    content, found = path.read_bytes(), []
    while content:
        (n,) = struct.unpack("<Q", content[:8])
        found.append(event_pb2.Event.FromString(content[12 : 12 + n]))
        content = content[16 + n :]
    return found


def test_tensorboard_gets_every_number_once_and_hides_what_stood_there(tmp_path):
    pytest.importorskip("tensorboard")
    history = fit(3, WriteTensorBoard(tmp_path), one=fit(1)).history
    (path,) = tmp_path.glob("events.out.tfevents.*")
    found = events(path)
    assert [(event.step, event.session_log.status) for event in found if event.HasField("session_log")] == [(1, 1)]
    values = [(value.tag, event.step, value.simple_value) for event in found for value in event.summary.value]
    wanted = [
        (name.replace("train_", "train/").replace("held_out_", "held_out/"), r["epoch"], np.float32(r[name]))
        for r in history
        for name in r
        if name != "epoch"
    ]
    assert values == wanted and ("held_out/loss", 3) in [value[:2] for value in values]


def test_a_history_as_a_data_frame_also_of_a_run_in_progress(tmp_path):
    pytest.importorskip("pandas")
    history = in_folder(tmp_path, 3).history
    finished = history_frame(tmp_path)
    assert finished.index.name == "epoch" and list(finished.index) == [1, 2, 3]
    assert finished["train_loss"].tolist() == [record["train_loss"] for record in history]
    (tmp_path / "history.json").unlink()
    assert history_frame(tmp_path / "checkpoint.npz").equals(finished)
    (tmp_path / "history.json").write_text('{"one": [], "another": []}', encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"history.json is no list of epochs: give the folder of one training"):
        history_frame(tmp_path)
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        history_frame(tmp_path / "nowhere")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    for package, of in (("tensorboard", WriteTensorBoard), ("pandas", history_frame)):
        for name in [package, *(name for name in sys.modules if name.startswith(package + "."))]:
            monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtraError, match=rf'needs {package}: python -m pip install "scratchnn\[logs\]"'):
            of(tmp_path)


def test_a_history_of_before_does_not_stand_for_a_run_that_goes_on(tmp_path):
    """Ended after two epochs; it has gone on to four, and is killed before the file of the history is written."""
    pytest.importorskip("pandas")
    one = trainer()
    runs.train_in_folder(tmp_path, one, X, epochs=2, batch_size=10)
    before = (tmp_path / "history.json").read_bytes()
    runs.train_in_folder(tmp_path, trainer(), X, epochs=4, batch_size=10)
    assert len(history_frame(tmp_path)) == 4
    (tmp_path / "history.json").write_bytes(before)
    assert len(history_frame(tmp_path)) == 4
    (tmp_path / "checkpoint.npz").write_bytes(b"damaged")
    assert len(history_frame(tmp_path)) == 2  # what there is


def test_a_log_for_tensorboard_is_closed_after_the_training(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    closed, close = [], WriteTensorBoard.close
    monkeypatch.setattr(WriteTensorBoard, "close", lambda log: (closed.append(log), close(log)))
    for _ in range(2):  # trained, and found ready
        runs.train_in_folder(tmp_path, trainer(), X, epochs=2, batch_size=10, log=["tensorboard"])
    assert len(closed) == 2 and all(log.writer is None for log in closed)
