"""What a step spends its time on: taking the batch, forward, backward, Adam; here and in PyTorch.

JAX and TensorFlow have no such parts: the whole step is one compiled program.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.contest import PAUSE, order
from benchmarks.ours import PARTS, Ours, products
from benchmarks.peers import OURS, dense_only, peers_at_hand, shortened
from benchmarks.results import Parts
from scratchnn.data import Images

STEPS = 50  # of a contestant in a turn


def parts(
    name: str, title: str, model: Any, train: Images, args: argparse.Namespace, *, adam: Mapping[str, float],
    batch_size: int,
) -> Parts:  # fmt: skip
    """Contestants take turns of STEPS steps; the first round is not counted."""
    train = shortened(train, batch_size, args.steps)
    modules, _ = peers_at_hand([peer for peer in ("pytorch",) if peer in args.peers], args.threads)
    steps = min(STEPS, len(train) // batch_size)
    with threadpool_limits(args.threads):
        field: dict[str, Any] = {OURS: Ours(model, adam)}
        if modules:
            field["PyTorch, default Adam"] = modules["pytorch"].InPyTorch(model, adam)
        times: dict[str, dict[str, list[float]]] = {who: {part: [] for part in PARTS} for who in field}
        floor: list[float] = []
        bare = products(model, batch_size)
        for number in tqdm(range(args.rounds + 1), desc=f"{title}, in parts", unit="round", disable=None):
            rows = order(len(train), number)
            for who, contestant in field.items():
                time.sleep(PAUSE)
                for step in range(steps):
                    took = contestant.step_in_parts(train, rows[step * batch_size : (step + 1) * batch_size])
                    for part, seconds in took.items():
                        if number:
                            times[who][part].append(seconds)
            time.sleep(PAUSE)
            began = time.perf_counter()
            bare(steps)
            floor.append((time.perf_counter() - began) / steps)
    arrays = {who: {part: np.array(values) for part, values in of.items()} for who, of in times.items()}
    return Parts(name, title, arrays, float(np.median(floor[1:])) if dense_only(model) else None)
