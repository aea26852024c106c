"""What it costs to return freed memory to the system: a step of training with `blas.keep_freed_memory` and without.

    python -m benchmarks.freed_memory --rounds 5

What was asked of the C library cannot be taken back, so every turn is a process of its own. Beside the times the page
faults of a step are counted; where the system does not count them, or the C library cannot be asked, the two columns
are alike. The other benchmarks are run without it, by all; PyTorch is asked here as well what it makes of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.contest import race
from benchmarks.options import run_alone
from benchmarks.ours import Ours
from benchmarks.peers import OURS, on_threads, peers_at_hand
from benchmarks.results import Duels, Measured
from scratchnn.machinery.parameters import Array
from scratchnn.scripts.student_works import conv_autoencoder
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import blas

ROOT = Path(__file__).parent.parent
BATCH, N_Z, WARM_UP, STEPS = 100, 20, 5, 20
ADAM = {"lr": 1e-3, "eps": 1e-8}
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


def step_of(who: str, model: Any, threads: int) -> Callable[[], object]:
    """A step of one contestant on a batch of noise: PyTorch on so many threads, ours on one, or on as many."""
    rng = np.random.default_rng(0)
    x, eps = rng.random((BATCH, 784), np.float32), rng.standard_normal((BATCH, N_Z), np.float32)
    if who == "PyTorch":
        (module,) = peers_at_hand(["pytorch"], threads)[0].values()
        twin = module.InPyTorch(model, ADAM)
        return lambda: twin.step(x, eps)
    ours = Ours(model, ADAM, None if who == OURS else threads)
    return lambda: ours.step(x, eps)


def steps(which: str, who: str, threads: int, keep: bool) -> dict[str, float]:
    """Seconds and page faults of a step."""
    if keep:
        blas.keep_freed_memory()
    rng = np.random.default_rng(0)
    model = thesis_vae(784, 500, N_Z, rng) if which == "vae" else conv_autoencoder(which, 28, 64, rng)
    step = step_of(who, model, threads)
    with threadpool_limits(1, user_api="blas"):
        for _ in range(WARM_UP):
            step()
        began, faults_before = time.perf_counter(), faults()
        for _ in range(STEPS):
            step()
    return {"seconds": (time.perf_counter() - began) / STEPS, "faults": (faults() - faults_before) / STEPS}


def in_a_process(*arguments: object) -> dict[str, float]:
    code = f"import json; from benchmarks.freed_memory import steps; print(json.dumps(steps{arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(args: argparse.Namespace) -> list[Measured]:
    contestants = [OURS, *[on_threads(args.threads)] * (args.threads > 1)]
    if peers_at_hand([peer for peer in ("pytorch",) if peer in args.peers], args.threads)[0]:
        contestants.append("PyTorch")
    rows: dict[str, tuple[Array, Array]] = {}
    for which, what in MODELS.items():
        for who in contestants:
            found: dict[bool, list[dict[str, float]]] = {True: [], False: []}

            def turn(number: int, keep: bool, of: tuple[str, str] = (which, who), found: Any = found) -> None:
                found[keep].append(in_a_process(*of, args.threads, keep))

            race({str(keep): partial(turn, keep=keep) for keep in found}, args.rounds, f"{what}: {who}")
            kept, returned = (np.array([of["seconds"] for of in found[keep][1:]]) for keep in (True, False))
            counts = (float(np.median([of["faults"] for of in found[keep][1:]])) for keep in (True, False))
            rows["{}: {}; page faults {:,.0f} / {:,.0f}".format(what, who, *counts)] = kept, returned
    note = f"Medians of a step. {OURS} on one thread, PyTorch with its default Adam on {args.threads}."
    return [Duels("freed-memory", "What it brings to keep freed memory", "kept", "returned", rows, note)]


if __name__ == "__main__":
    run_alone(__doc__ or "", measure)
