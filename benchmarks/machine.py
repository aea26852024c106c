"""Where a benchmark is run, and the environment that its contestants get."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

import numpy as np

# what holds one contestant back, and perhaps not the others; OPENBLAS_… are not handed on at all
HOLDING = (
    "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA",
    "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS", "NPY_DISABLE_CPU_FEATURES", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES",
    "NUMBA_OPT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME",
)  # fmt: skip
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # the last is JAX's

# instructions of this processor that NumPy has loops for, and which a contestant that is held to AVX2 does without
SIMD = np.show_config(mode="dicts").get("SIMD Extensions", {})
AVX512 = [name for name in SIMD.get("found", []) if name.startswith("AVX512") or name == "X86_V4"]
AVX2 = {
    "OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": " ".join(AVX512), "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    # torch.compile takes code from its cache that was made for AVX-512, and computes nonsense with it
    "TORCHINDUCTOR_CACHE_DIR": str(Path(tempfile.gettempdir()) / "torchinductor-held-to-avx2"),
}  # fmt: skip


def environment(threads: int, held: bool = False) -> dict[str, str]:
    """What a contestant finds: this process's, without what holds OpenBLAS back, with its number of threads."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    return {**inherited, **dict.fromkeys(THREADS, str(threads)), **(AVX2 if held else {})}


def holding() -> list[str]:
    """The variables of this process that hold a contestant back: NAME=value."""
    return [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name in HOLDING or (name.startswith("OPENBLAS_") and name not in THREADS)
    ]


def machine(threads: int) -> str:
    """One line: processor, cores, threads, Python."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # another system
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    each = f"{threads} thread{'s' * (threads > 1)} for each contestant"
    return f"{processor}, {os.cpu_count()} cores; {each}; Python {platform.python_version()}"
