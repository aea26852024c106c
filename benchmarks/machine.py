"""Where a benchmark was run: the processor, the versions, and what limits one contestant and perhaps not the others."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

LIMITS = (
    "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS",
    "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS",
)  # fmt: skip


def processor() -> str:
    """Its name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine(threads: int) -> str:
    """One sentence: processor, cores, threads, matrix library, versions."""
    blas = "; ".join(
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', 'unknown kernels')})"
        for pool in threadpool_info()
        if "numpy" in pool["filepath"]
    )
    versions = [f"Python {platform.python_version()}", f"NumPy {np.__version__} with {blas or 'an unknown BLAS'}"]
    for package in ("torch", "jax", "tensorflow", "tensorflow-cpu", "keras"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{processor()}, {os.cpu_count()} cores, {threads} threads for each; {'; '.join(versions)}."


def limits() -> list[str]:
    """A warning for each variable that slows one contestant down and perhaps not the others."""
    return [
        f"Note: {name}={os.environ[name]} is set, which limits one contestant and perhaps not the others."
        for name in LIMITS
        if os.environ.get(name)
    ]
