"""Passes through memory, and loops that make one of many.

A NumPy call does one thing to whole arrays: it reads its operands from memory and writes its result there. A formula of
ten calls is ten passes. Arithmetic is cheap beside that; the numbers have to come from the cache at best and from main
memory at worst. Adam on a block of B parameters, as scratchnn/optim.py writes it, with reads and writes in units of B:

    m *= beta1                                  reads 1, writes 1
    m += (1 - beta1) * g                        reads 3, writes 2     the product is an array of its own
    v *= beta2                                  reads 1, writes 1
    v += (1 - beta2) * g * g                    reads 5, writes 3
    params -= lr * m / (np.sqrt(v) + eps)       reads 7, writes 5     together 29

Written for one entry i, the same formula needs g_i, m_i, v_i and params_i, and changes the last three: 4 reads and 3
writes, and everything between them stays in registers. Python itself would take some 100 ns for every operation of such
a loop; Numba compiles it to machine code that treats eight entries at a time. So the passes that cost most exist twice:

    the NumPy form      where the formula is explained; it is what runs where Numba is not installed
    the loop            in loops.py of this package: the same formula with indices

*Both give the same bits.* A sum, a product, a quotient and a square root of two floats have one correct result, rounded
once; any program that does the same operations in the same order finds it. So the compiler may not replace x·y + z by
one operation with one rounding (Numba does not, unless it is asked for `fastmath`), and what is not such an operation
stays NumPy's: e^x and log x, whose last bit is a matter of the library; sums over an axis, where the order is NumPy's;
and matrix products. A NaN stays a NaN; its bits may differ.

*What is not a loop.* A pass becomes a loop if that saves 3 % of a training step. ReLU's backward, dropout, a
cross-entropy around NumPy's e^x, and taking a batch out of the data were tried, and brought less: docs/performance.md.

The choice is made in one place, `compilable`. It is NumPy's form until `use_loops` is called, which training does when
that will save more time than it costs (scratchnn/training/compiling.py); SCRATCHNN_LOOPS=1 in the environment calls it
at once, and with SCRATCHNN_LOOPS=0 training does not.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

VARIABLE = "SCRATCHNN_LOOPS"
in_use: dict[str, Callable[..., Any]] = {}  # loops by the names of what they replace: all of them, or none
numpy_only: list[bool] = []  # not empty inside of `numpy_forms`: training does not call `use_loops` there


def compilable(numpy_form: Function) -> Function:
    """A function that runs as a loop while loops are in use, and as it stands otherwise.

    The loop returns NotImplemented for arrays that it is not made for, such as complex or strided ones: these take the
    NumPy form.
    """
    name = numpy_form.__qualname__

    @functools.wraps(numpy_form)
    def either(*args: Any, **named: Any) -> Any:
        loop = in_use.get(name)  # one look: another thread may change what is in use
        result = NotImplemented if loop is None else loop(*args, **named)
        return numpy_form(*args, **named) if result is NotImplemented else result

    return cast(Function, either)


@functools.cache
def loops_at_hand() -> Any:
    """The module of the loops; None, with a warning, where Numba is not of use."""
    try:
        from scratchnn.compiled import loops
    except Exception as error:  # Numba fails in many ways where it does not know this Python, NumPy or processor
        without_loops(error)
        return None
    return loops


def in_cache() -> bool:
    """Whether an earlier process has left the machine code of all loops."""
    return loops_at_hand() is not None and loops_at_hand().in_cache()


@functools.cache
def use_loops() -> bool:
    """From now on `compilable` functions run as loops, in this process; False, with a warning, where that cannot be.

    The loops are compiled for float32 and float64, or read from the cache that an earlier process has left.
    """
    if loops_at_hand() is None:
        return False
    try:
        loops_at_hand().compile_all()
    except Exception as error:
        without_loops(error)
        return False
    in_use.update(loops_at_hand().FORMS)
    return True


def without_loops(error: Exception) -> None:
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    warnings.warn(f"training goes on without compiled loops, which Numba cannot make here: {reason}", stacklevel=3)


@contextmanager
def numpy_forms() -> Iterator[None]:
    """NumPy's forms while it lasts, on all threads."""
    before = dict(in_use)
    in_use.clear()
    numpy_only.append(True)
    try:
        yield
    finally:
        numpy_only.pop()
        in_use.update(before)


if os.environ.get(VARIABLE) == "1":
    use_loops()
