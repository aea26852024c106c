"""What "the same bits" means, and what they depend on beside the settings of a run.

A run is a function of its settings, its seed and its data, and a run that was interrupted and resumed gives the same
bits as one in one go: every parameter, every loss, every number that is drawn. That holds on one *arithmetic*: a sum of
floats depends on the order in which it is added up, and the matrix library chooses that order, by its kernel for this
processor and the number of its threads; exp, log and tanh may come out differently in the last bit from one version of
NumPy to another, and from one set of vector instructions to another. Compiled loops give NumPy's bits (compiled/), so
it makes no difference when they take over; that is not known of other versions of Numba. On another arithmetic the
result differs by rounding at first, and Adam enlarges that (parallel.py). So a checkpoint says on which arithmetic it
was made, and a run that goes on with it on another one says so, or with --strict refuses. --threads is a setting: a
checkpoint of another number is one of another run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info
from tqdm import tqdm

from scratchnn.training.checkpoints import CheckpointError, one_line


def arithmetic() -> dict[str, Any]:
    """What the last bits depend on: the matrix library and its threads now, NumPy, vector instructions, Numba."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    # SciPy may have brought one of its own
    ours = [library for library in libraries if "numpy" in Path(library["filepath"]).parent.name]
    blas = (ours or libraries or [{}])[0]
    kernel = [str(blas[key]) for key in ("internal_api", "version", "architecture") if blas.get(key)]
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    return {
        "matrix library": " ".join(kernel) or "unknown",
        "threads of the matrix library": blas.get("num_threads"),
        "NumPy": np.__version__,
        "vector instructions": " ".join(found),
        "Numba": metadata.version("numba") if util.find_spec("numba") else None,
    }


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """What of the arithmetic is another than it was, in words; None if nothing is, or nothing is known."""
    changed = [
        f"{name} {before[name]}, now {now[name]}" for name in now if name in before and before[name] != now[name]
    ]
    return "; ".join(changed) or None


def go_on_here(before: Mapping[str, Any], strict: bool) -> dict[str, Any]:
    """The arithmetic of this process, for work that began on the one before: a warning where it is another, or
    CheckpointError with `strict`."""
    here = arithmetic()
    if changed := difference(before, here):
        told = one_line(f"the last bits will not be those of a run in one go, since it began with {changed}")
        if strict:
            raise CheckpointError(f"{told}; leave out --strict to go on all the same")
        tqdm.write(f"warning: {told}", file=sys.stderr)
    return here
