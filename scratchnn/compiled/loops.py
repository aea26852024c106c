"""The loops. Each stands for the NumPy form whose name it carries, and does its operations in its order.

A loop is compiled for arrays of one type that lie in memory without gaps. In front of each stands a function with the
arguments of the NumPy form: it takes the arrays out of them, and leaves the rest to NumPy if they are others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from scratchnn.machinery.parameters import Array

FORMS: dict[str, Callable[..., Any]] = {}
LOOPS: list[tuple[Any, str]] = []  # each compiled function, with its arguments' types: T is float32 or float64


def loop(types: str) -> Callable[[Any], Any]:
    """Compiles a function, and keeps the machine code beside this file.

    nogil: other threads may run meanwhile. error_model="numpy": x/0 is ∞, and not an exception, for which every
    quotient would have to be looked at before the next.
    """

    def decorate(function: Any) -> Any:
        compiled = numba.njit(nogil=True, error_model="numpy", cache=True)(function)
        if compiled is function:  # nothing is compiled: a loop in Python, and NumPy is far faster
            raise ImportError("NUMBA_DISABLE_JIT is set")
        LOOPS.append((compiled, types))
        return compiled

    return decorate


def compile_all() -> None:
    for compiled, types in LOOPS:
        for name in ("float32", "float64"):
            compiled.compile(f"void({types.replace('T', name)})")


def in_cache() -> bool:
    """Whether an earlier process with this Python has left the machine code of all loops, at the lines where they are
    now. When it reads that, Numba itself checks that it was made from this text."""
    python = "py{}{}".format(*sys.version_info)
    return all(
        any(
            Path(compiled.stats.cache_path).glob(
                f"loops.{compiled.__name__}-{compiled.py_func.__code__.co_firstlineno}.{python}*.nbi"
            )
        )
        for compiled, _ in LOOPS
    )


def stands_for(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers what is called in the place of the `compilable` function of this name."""

    def register(form: Callable[..., Any]) -> Callable[..., Any]:
        FORMS[name] = form
        return form

    return register


def plain(*arrays: Array) -> bool:
    """Whether all arrays are of the one type, float32 or float64, and without gaps."""
    dtype = arrays[0].dtype
    return dtype in (np.float32, np.float64) and all(
        array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned for array in arrays
    )


# ---- the optimiser


@loop("T[::1], T[::1], T[::1], T[::1], T, T, T, T, T, T")
def adam(
    params: Array, m: Array, v: Array, g: Array, beta1: Any, rest1: Any, beta2: Any, rest2: Any, lr: Any, eps: Any
) -> None:
    """All arrays (B,), the entries of one block; rest1 and rest2 are 1 − beta1 and 1 − beta2, lr and eps corrected."""
    for i in range(len(params)):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i]
        params[i] -= lr * m[i] / (np.sqrt(v[i]) + eps)


@stands_for("Adam.update")
def adam_update(self: Any, block: slice) -> Any:
    params, m, v, g = self.model.params[block], self.m[block], self.v[block], self.model.grads[block]
    if not plain(params, m, v, g):
        return NotImplemented
    r = (1 - self.beta2**self.t) ** 0.5
    lr, eps = self.lr * r / (1 - self.beta1**self.t), self.eps * r
    T = params.dtype.type
    adam(params, m, v, g, T(self.beta1), T(1 - self.beta1), T(self.beta2), T(1 - self.beta2), T(lr), T(eps))
    return None


# ---- images, which lie in memory as (C, H, W, N)


@loop("T[:, :, ::1], T[:, :, :, :, ::1], int64, int64")
def add_windows(x: Array, cols: Array, SH: int, SW: int) -> None:
    """One channel, x (H, W, N) and cols (KH, KW, OH, OW, N): an entry p, q takes what every window over it brings.

    It does so in the order of u and v, which is NumPy's, and is fetched from memory once.
    """
    KH, KW, OH, OW, N = cols.shape
    for p in range(x.shape[0]):
        for q in range(x.shape[1]):
            for u in range(KH):
                i = (p - u) // SH
                if (p - u) % SH == 0 and 0 <= i < OH:
                    for v in range(KW):
                        j = (q - v) // SW
                        if (q - v) % SW == 0 and 0 <= j < OW:
                            for n in range(N):
                                x[p, q, n] += cols[u, v, i, j, n]


@stands_for("col2im")
def col2im(x: Array, cols: Array, kernel: Any, stride: Any, windows: Any) -> Any:
    cols = cols.reshape(len(x), *kernel, *windows, x.shape[-1])
    if not (plain(cols) and all(plain(channel, cols) for channel in x)):
        return NotImplemented
    for channel, of_channel in zip(x, cols, strict=True):  # of a band of rows, only the channels are without gaps
        add_windows(channel, of_channel, *stride)
    return None


@loop("T[:, :, :, ::1], T[:, :, :, ::1], T[:, :, :, ::1], T[:, :, :, ::1], int64, int64")
def to_largest(x: Array, y: Array, dy: Array, dx: Array, KH: int, KW: int) -> None:
    """x and dx (C, H, W, N), y and dy (C, OH, OW, N); dx starts from 0, and windows do not overlap."""
    C, OH, OW, N = y.shape
    free = np.empty(N, np.bool_)  # examples whose maximum of this window has not been found yet
    for c in range(C):
        for i in range(OH):
            for j in range(OW):
                free[:] = True
                for u in range(KH):
                    for v in range(KW):
                        p, q = KH * i + u, KW * j + v
                        for n in range(N):
                            found = free[n] & (x[c, p, q, n] == y[c, i, j, n])
                            free[n] &= not found
                            dx[c, p, q, n] += dy[c, i, j, n] * found


@stands_for("max_pool_adjoint")
def max_pool_adjoint(x: Array, y: Array, dy: Array, size: Any, stride: Any) -> Any:
    if size != stride or not plain(x, y, dy):  # where windows overlap, the order of the sums differs
        return NotImplemented
    dx = np.zeros_like(x)
    to_largest(x, y, dy, dx, *size)
    return dx
