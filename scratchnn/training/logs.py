"""The record of a training for other programs: a CSV file and TensorBoard while it runs, a DataFrame afterwards.

    trainer.fit(train, epochs=50, batch_size=100, after_epoch=[WriteCSV(path), WriteTensorBoard(folder)])

A run that was killed goes on from its last checkpoint, and makes epochs again that stand in such a log already. So the
first call writes the whole history, and each one after it one epoch more, or the whole again where a name is new.
"""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scratchnn.machinery.extras import missing
from scratchnn.training.checkpoints import CheckpointError, checkpoint_of, read_checkpoint
from scratchnn.training.loop import AfterEpoch, Trainer


class WriteCSV:
    """Writes a row for every epoch, with a name above each column; where a name is new, all rows are written again."""

    def __init__(self, path: str | Path) -> None:
        self.path, self.names = Path(path), list[str]()

    def __call__(self, trainer: Trainer, record: Mapping[str, Any]) -> None:
        begun = record.keys() <= set(self.names)
        rows = [record] if begun else trainer.history
        self.names = self.names if begun else list(dict.fromkeys(name for row in rows for name in row))
        with self.path.open("a" if begun else "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.names)
            if not begun:
                writer.writeheader()
            writer.writerows(rows)


class WriteTensorBoard:
    """Writes every number of an epoch into an event file in this folder: tensorboard --logdir FOLDER draws them."""

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ModuleNotFoundError as error:
            raise missing(error, "a log for TensorBoard") from error
        self.open: Callable[[], Any] = lambda: EventFileWriter(str(folder))
        self.event: Callable[..., Any] = Event
        self.writer: Any = None

    def __call__(self, trainer: Trainer, record: Mapping[str, Any]) -> None:
        rows = [record] if self.writer else trainer.history
        if not self.writer:
            self.writer = self.open()
            self.add(step=1, session_log={"status": "START"})  # hides what other files have from this epoch on
        for row in rows:
            names = [name for name in row if name != "epoch"]
            tags = [re.sub("^(train|held_out)_", r"\1/", name) for name in names]  # a group of curves each
            values = [{"tag": tag, "simple_value": row[name]} for tag, name in zip(tags, names, strict=True)]
            self.add(step=row["epoch"], summary={"value": values})
        self.writer.flush()

    def close(self) -> None:
        """Ends the writer's thread and closes its file; a further epoch begins another."""
        if self.writer:
            self.writer.close()
            self.writer = None

    def add(self, **fields: Any) -> None:
        self.writer.add_event(self.event(wall_time=time.time(), **fields))


LOGS: dict[str, Callable[[Path], AfterEpoch]] = {
    "csv": lambda folder: WriteCSV(folder / "history.csv"),
    "tensorboard": WriteTensorBoard,
}


def logs_in(folder: Path, kinds: Sequence[str]) -> list[AfterEpoch]:
    """The logs of a run in this folder, by their names in LOGS."""
    return [LOGS[kind](folder) for kind in dict.fromkeys(kinds)]


def history_frame(run: str | Path) -> Any:
    """The history of a run as a pandas DataFrame, an epoch a row; `run` is its folder, or its checkpoint.

    Of a run that has not ended, the epochs in its checkpoint; CheckpointError if there is none.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise missing(error, "a history as a DataFrame") from error
    path, checkpoint = Path(run) / "history.json", checkpoint_of(run)
    if not path.exists():
        return pd.DataFrame(read_checkpoint(checkpoint)[0]["training"]["history"]).set_index("epoch")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        losses = [row["train_loss"] for row in rows]
        frame = pd.DataFrame(rows).set_index("epoch")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is no list of epochs: give the folder of one training") from error
    try:
        trained = read_checkpoint(checkpoint)[0].get("training", {"history": rows})["history"]
    except CheckpointError:  # removed, or of another version
        return frame
    # a training that goes on is ahead of the file that the one before it has left
    return frame if losses == [row["train_loss"] for row in trained] else pd.DataFrame(trained).set_index("epoch")
