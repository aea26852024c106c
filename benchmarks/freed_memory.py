"""What it costs to return freed memory to the system: a step of training with `cli.keep_freed_memory` and without.

    python -m benchmarks.freed_memory --rounds 5

What was asked of the C library cannot be taken back, so every turn is a process of its own, on one thread. Beside the
times the page faults of a step are counted; where the system does not count them, or the C library cannot be asked,
the two columns are alike.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.contest import race
from benchmarks.options import run_alone
from benchmarks.ours import Ours
from benchmarks.results import Duels, Measured
from scratchnn import cli
from scratchnn.parameters import Array

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from conv_autoencoder import autoencoder
from vae import network

ROOT = Path(__file__).parent.parent
BATCH, WARM_UP, STEPS = 100, 5, 20
MODELS = {
    "vae": "the thesis's VAE",
    "no-dropout": "the convolutional autoencoder, without dropout",
    "as-printed": "the convolutional autoencoder, with dropout as printed",
}


def faults() -> int:
    """Page faults of this process so far; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def steps(which: str, keep: bool) -> dict[str, float]:
    """Seconds and page faults of a step."""
    if keep:
        cli.keep_freed_memory()
    rng = np.random.default_rng(0)
    model = network(784, 500, 20, rng) if which == "vae" else autoencoder(which, 28, 64, rng)
    trainer = Ours(model, {"lr": 1e-3}).trainer
    x = rng.random((BATCH, 784), np.float32)
    with threadpool_limits(1):
        for _ in range(WARM_UP):
            trainer.step(x)
        began, faults_before = time.process_time(), faults()
        for _ in range(STEPS):
            trainer.step(x)
    return {"seconds": (time.process_time() - began) / STEPS, "faults": (faults() - faults_before) / STEPS}


def in_a_process(which: str, keep: bool) -> dict[str, float]:
    code = f"import json; from benchmarks.freed_memory import steps; print(json.dumps(steps({which!r}, {keep})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(args: argparse.Namespace) -> list[Measured]:
    rows: dict[str, tuple[Array, Array]] = {}
    predicted: dict[str, str] = {}
    for which, what in MODELS.items():
        found: dict[bool, list[dict[str, float]]] = {True: [], False: []}

        def turn(number: int, keep: bool, which: str = which, found: Any = found) -> None:
            found[keep].append(in_a_process(which, keep))

        race({str(keep): partial(turn, keep=keep) for keep in found}, args.rounds, what)
        kept, returned = (np.array([of["seconds"] for of in found[keep][1:]]) for keep in (True, False))
        counts = (float(np.median([of["faults"] for of in found[keep][1:]])) for keep in (True, False))
        label = "a step of {}: page faults {:,.0f} / {:,.0f}".format(what, *counts)
        rows[label], predicted[label] = (kept, returned), "1" if which == "vae" else "below 1"
    return [Duels("freed-memory", "What it brings to keep freed memory", "kept", "returned", rows, predicted=predicted)]


if __name__ == "__main__":
    run_alone(__doc__ or "", measure)
