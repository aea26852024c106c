"""What it costs to return freed memory to the system: a step of training with `blas.keep_freed_memory` and without.

    python -m benchmarks.freed_memory --rounds 5

What was asked of the C library cannot be taken back, so every turn is a process of its own. Beside the times the page
faults of a step are counted; where the system does not count them, or the C library cannot be asked, the two columns
are alike. A step is that of one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.machine import environment
from benchmarks.page import table
from benchmarks.results import quartiles
from benchmarks.worker import Entry, Worker
from scratchnn import Adam
from scratchnn.scripts import cli
from scratchnn.scripts.student_works import conv_autoencoder
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import Trainer, blas

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


class Steps:
    """Steps on a batch of noise."""

    def __init__(self, which: str, keep: bool) -> None:
        if keep:
            blas.keep_freed_memory()
        rng = np.random.default_rng(0)
        model = thesis_vae(784, 500, 20, rng) if which == "vae" else conv_autoencoder(which, 28, 64, rng)
        self.trainer, self.x = Trainer(model, Adam(model), rng), rng.random((BATCH, 784), np.float32)

    def measure(self) -> tuple[float, float]:
        """Seconds and page faults of a step."""
        for _ in range(WARM_UP):
            self.trainer.step(self.x)
        began, faults_before = time.perf_counter(), faults()
        for _ in range(STEPS):
            self.trainer.step(self.x)
        return (time.perf_counter() - began) / STEPS, (faults() - faults_before) / STEPS


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=cli.positive_int, default=5, help="turns of each (default: 5)")
    args = parser.parse_args(arguments)
    rows = []
    for which, what in MODELS.items():
        found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for _ in range(args.rounds):
            for keep, turns in found.items():
                worker = Worker(Entry("benchmarks.freed_memory:Steps"), environment(1))
                worker.call("make", which, keep)
                turns.append(worker.call("measure")[0])
                worker.end()
        (kept, kept_faults), (returned, returned_faults) = (np.transpose(found[keep]) for keep in (True, False))
        times = [f"{1e3 * np.median(seconds):.2f}" for seconds in (kept, returned)]
        counts = [f"{np.median(count):,.0f}" for count in (kept_faults, returned_faults)]
        rows.append([what, *times, quartiles(kept / returned), " / ".join(counts)])
    print(table(["", "kept (ms)", "returned (ms)", "ratio", "page faults"], rows))


if __name__ == "__main__":
    cli.run(main)
