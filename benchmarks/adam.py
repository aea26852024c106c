"""A step of Adam on the 1.3 million parameters of the thesis's VAE, here and in PyTorch, on one thread and on all.

    python -m benchmarks.adam --rounds 20

PyTorch has a tensor for every weight and bias, as in a model of its own; ours has one vector.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

import numpy as np

from benchmarks.contest import SAME_STEPS, Contest, Task
from benchmarks.contestants import DEFAULT, FAST, FUSED, LOOPS, NUMPY, NUMPY_FORMS
from benchmarks.options import run_alone
from benchmarks.worker import Entry
from scratchnn.data import Images
from scratchnn.machinery.parameters import Array
from scratchnn.scripts.thesis import thesis_vae

STEPS, ADAM = 50, {"lr": 1e-3, "eps": 1e-8}


class OfOptimisers(Contest):
    """A contest whose steps are given gradients, another in every step of the check.

    With a constant gradient m̂ = g and v̂ = g², whatever beta1 and beta2 are.
    """

    def inputs(self) -> Iterable[tuple[Array, Array]]:
        rng = np.random.default_rng(0)
        for _ in range(SAME_STEPS):
            yield rng.standard_normal(self.task.model.params.shape, np.float32), np.empty(0)


def contests(args: argparse.Namespace) -> Iterator[Contest]:
    model = thesis_vae(784, 500, 20, np.random.default_rng(0))
    entries = {
        NUMPY: Entry("benchmarks.ours:AdamAlone", {}, NUMPY_FORMS),
        FAST: Entry("benchmarks.ours:AdamAlone", {}, LOOPS),
    }
    if "pytorch" in args.peers:
        for name, fused in ((DEFAULT, False), (FUSED, True)):
            entries[name] = Entry("benchmarks.in_pytorch:AdamAlone", {"fused": fused})
    nothing = Images(np.zeros((args.steps or STEPS, 1), np.uint8), 1)  # an image stands for a step
    for threads in sorted({1, args.threads}):
        title = f"Adam alone, {threads} thread{'s' * (threads > 1)}"
        name = "adam, one thread" if threads == 1 else "adam, all threads"
        yield OfOptimisers(name, title, Task(model, nothing, 1, ADAM, threads), entries)


if __name__ == "__main__":
    run_alone(__doc__ or "", contests)
