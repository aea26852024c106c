"""Who takes part: scratchnn in its ways, the peers at their best, and the floor."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from benchmarks.worker import Entry
from scratchnn.compiled import VARIABLE

PEERS = ("pytorch", "jax", "tensorflow")
NUMPY, FAST, FLOOR = "scratchnn, NumPy alone", "scratchnn with [fast]", "the matrix products alone"
NUMPY_FORMS, LOOPS = {VARIABLE: "0"}, {VARIABLE: "1"}
DEFAULT, FUSED, COMPILED, LAST = (
    f"PyTorch, {what}" for what in ("default Adam", "fused Adam", "torch.compile", "channels last")
)
JAX, TENSORFLOW = "JAX, jit", "TensorFlow"
# one process, and no helpers that would compile in the time of another contestant
ALONE = {"TORCHINDUCTOR_COMPILE_THREADS": "1"}


def in_pytorch(convolutions: bool) -> dict[str, Entry]:
    target = "benchmarks.in_pytorch:InPyTorch"
    best = {LAST: Entry(target, {"channels_last": True})}  # torch.compile has taken longer there, and a minute to start
    if not convolutions:
        best = {COMPILED: Entry(target, {"compiled": True}, ALONE)}
    return {DEFAULT: Entry(target, {"fused": False}), FUSED: Entry(target), **best}


def in_jax(convolutions: bool) -> dict[str, Entry]:
    return {JAX: Entry("benchmarks.in_jax:InJAX", {"together": 1 if convolutions else 10})}


def in_tensorflow() -> dict[str, Entry]:
    target = "benchmarks.in_tensorflow:InTensorFlow"
    return {TENSORFLOW: Entry(target, {"xla": False}), f"{TENSORFLOW}, XLA": Entry(target, {"xla": True})}


def everybody(args: argparse.Namespace, convolutions: bool = False) -> dict[str, Entry]:
    """Ours, the peers that are asked for, and for a network without convolutions the floor."""
    entries: dict[str, Entry] = {}
    for name, environment in ((NUMPY, NUMPY_FORMS), (FAST, LOOPS)):
        entries[name] = Entry("benchmarks.ours:Ours", {}, environment)
        if args.threads > 1:
            options = {"threads": args.threads}
            entries[f"{name}, --threads {args.threads}"] = Entry("benchmarks.ours:Ours", options, environment)
    peers: Mapping[str, dict[str, Entry]] = {
        "pytorch": in_pytorch(convolutions), "jax": in_jax(convolutions), "tensorflow": in_tensorflow(),
    }  # fmt: skip
    for peer in args.peers:
        entries |= peers[peer]
    if not convolutions:
        entries[FLOOR] = Entry("benchmarks.ours:Products", {}, NUMPY_FORMS)
    return entries
