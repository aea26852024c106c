"""The threads of the matrix library, and the memory that a step gives back.

NumPy hands a matrix product to a library, OpenBLAS in its wheels, which by default uses a thread for every core. The
threads wait for one another by spinning: for large products on an idle machine that is fast, but where the products are
small, or other programs run, most of the processor's time goes into waiting. So a small network trains on one thread.
The choice is made once, at the start of a training, by the size of its products, and can be overridden: by
`blas_threads` of a `Trainer`, by --blas-threads of a script, and by the library's own environment variables.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from threadpoolctl import threadpool_limits

SMALL = 100_000_000  # multiplications of a forward pass; the thesis's network has 130 million on a batch of 100
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def threads_for(model: Any, batch_size: int) -> int | None:
    """1 for a network whose products are small; None, which leaves the library as it is, for others.

    A weight of a dense layer takes part in one multiplication an example; one of a convolution in many, so a network
    with convolutions counts as large.
    """
    if any(name in os.environ for name in VARIABLES):
        return None
    convolutions = any(len(array.shape) == 4 for array in model.parameters.values())
    return None if convolutions or model.params.size * batch_size >= SMALL else 1


def limited(threads: int | None) -> AbstractContextManager[Any]:
    """The matrix library with this many threads while it lasts; as it is for None."""
    return nullcontext() if threads is None else threadpool_limits(threads, user_api="blas")


def limit_process(threads: int | None) -> None:
    """The same from now on, for all that a script does after its training as well."""
    if threads is not None:
        threadpool_limits(threads, user_api="blas")


def keep_freed_memory() -> bool:
    """Asks the C library to keep what was freed instead of returning it to the system; False where it cannot be asked.

    A step of training frees arrays of some megabytes, and the next asks for the same again. glibc returns them (it
    unmaps what is large, and trims the end of its heap), and the pages that it gets again must be filled with zeros
    first, a page fault for every 4 kB. On one thread a step of the convolutional autoencoder has thousands of them,
    which take up to a third of its time; with this it has none (python -m benchmarks.freed_memory). It holds for
    this process, from now on, and other programs do without that memory.
    """
    trim_threshold, mmap_threshold = -1, -3  # malloc.h; the second takes no more than 32 MB
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # another system, or another C library
        return False
    return bool(mallopt(mmap_threshold, 2**25) and mallopt(trim_threshold, 2**31 - 1))
