"""Training: loop.py (the epoch loop), after_epoch.py (what happens between two epochs), checkpoints.py (what a run
leaves behind), weights.py (a model alone, to be used elsewhere), schema.py (what must stand in both), npz.py (arrays in
a file), runs.py (runs in folders), same_bits.py (what the last bits depend on), parallel.py (a step on several
threads), blas.py (the matrix library's threads), compiling.py (when compiled loops pay), signals.py (what ends a
program from outside), logs.py (the history for other programs)."""

from scratchnn.training.after_epoch import (
    EarlyStopping,
    SaveCheckpoint,
    falling,
    keep_snapshots,
    set_beta,
    set_learning_rate,
    warm_up,
)
from scratchnn.training.checkpoints import CheckpointError, fingerprint, load_model
from scratchnn.training.logs import WriteCSV, WriteTensorBoard, history_frame
from scratchnn.training.loop import DivergedError, Trainer, evaluate
from scratchnn.training.parallel import ParallelTrainer
from scratchnn.training.weights import load_weights, save_weights

__all__ = [
    "CheckpointError", "DivergedError", "EarlyStopping", "ParallelTrainer", "SaveCheckpoint", "Trainer", "WriteCSV",
    "WriteTensorBoard", "evaluate", "falling", "fingerprint", "history_frame", "keep_snapshots", "load_model",
    "load_weights", "save_weights", "set_beta", "set_learning_rate", "warm_up",
]  # fmt: skip
