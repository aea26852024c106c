"""Another problem of the same kind: other values, and where possible other sizes.

One problem does not show everything. A size that is written as a number, a cache that is kept from the call before,
the statistics of the first batch: all are right at first. And a relation that holds between a wrong answer and the
right one by accident of the numbers does not hold again.

What other inputs a forward pass takes is not known, so it is tried. Rows, the first axis of the first array, are
examples by convention: there are 7 of them now, or 13. Every other length is made longer, the same length everywhere by
the same amount, or twice as long, which keeps halves and groups whole; few become N ± 1, for which they could be taken.
What forward refuses is not used, and neither is what makes outputs of unexpected shapes: then something was broadcast
that is not meant to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from scratchnn.gradcheck.numeric import outputs_of
from scratchnn.gradcheck.problem import UPSTREAM, Problem
from scratchnn.machinery.parameters import Array

MANY = 1000  # entries that are measured one by one without one's noticing
MakeProblem = Callable[[Sequence[Array], Sequence[Any]], Problem]
Lengths = Callable[[int, int], int]  # what becomes of an axis: (its number, its length)
Picks = dict[tuple[int, int], Array]  # (number, length) of an axis → the places on it that are drawn


def others(make: MakeProblem, inputs: Sequence[Array], constants: Sequence[Any], seed: int) -> Iterator[Problem]:
    """Problems of other sizes if forward takes them, then one of the same sizes, then large ones; none if it takes
    nothing else."""
    large = []
    for lengths in other_lengths(inputs, constants):
        if problem := attempt(make, inputs, constants, lengths, seed + 1):
            if sum(array.size for array in problem.arrays.values()) <= MANY:
                yield problem
            else:
                large.append(problem)
    if problem := other_values(make, inputs, constants, seed):
        yield problem
    yield from large


def other_values(make: MakeProblem, inputs: Sequence[Array], constants: Sequence[Any], seed: int) -> Problem | None:
    """A problem of the same sizes with other values; None if forward takes no other values."""
    return attempt(make, inputs, constants, lambda axis, length: length, seed + 2)


def one_larger(constants: Sequence[Any]) -> list[Any]:
    """Another stride, number of heads and so on: whole numbers among the constants, one larger."""
    return [c + 1 if isinstance(c, int) and not isinstance(c, bool) else c for c in constants]


def other_numbers(make: MakeProblem, inputs: Sequence[Array], constants: Sequence[Any]) -> Problem | None:
    """A problem with such numbers, if there are any and forward takes them."""
    others = one_larger(constants)
    if all(c is other for c, other in zip(constants, others, strict=True)):
        return None
    problem = make([x.copy() for x in inputs], others)
    try:
        return problem if all(np.isfinite(y).all() for y in outputs_of(problem.forward)) else None
    except Exception:  # it may be the number of something else that is given
        return None


def smallest(make: MakeProblem, inputs: Sequence[Array], constants: Sequence[Any], seed: int) -> Problem | None:
    """One example with two of everything else, or as much as forward needs, in numbers of two decimals."""
    n = rows_of(inputs, constants)
    for least in (2, 3, None):

        def lengths(axis: int, length: int, least: int | None = least) -> int:
            return 1 if n and not axis and length == n else min(length, least or length)

        if problem := attempt(make, inputs, constants, lengths, seed, decimals=2):
            return problem
    return None


def unread(problem: Problem) -> bool:
    """Whether forward leaves out the end of an array that it is given: then it takes any length, and backward need
    not."""
    before = outputs_of(problem.forward)
    positional, named = problem.code.arguments()
    given = (*problem.arrays.values(), *positional, *named.values())
    for array in [a for a in given if isinstance(a, np.ndarray) and a.size > 1]:
        for axis in range(array.ndim):
            kept, along = array.copy(), np.moveaxis(array, axis, 0)
            try:
                along[-1] = along[-1] + 0.1 if array.dtype.kind == "f" else along[0]
                after = outputs_of(problem.forward)
            except Exception:  # then it has been read
                continue
            finally:
                array[...] = kept
            moved_at_all = array.dtype.kind == "f" or (along[-1] != along[0]).any()
            if moved_at_all and all(map(np.array_equal, before, after)):
                return True
    return False


def other_lengths(inputs: Sequence[Array], constants: Sequence[Any]) -> Iterator[Lengths]:
    """What to try, from the most that may change to the least."""
    n = rows_of(inputs, constants)
    if not n:
        return
    rows = 7 if n != 7 else 13

    # the sides of an image apart, although they may be as long
    yield partial(lengthened, (0, n), rows, lambda axis, length: one_more(length) + (axis == 3) * (length > 1))
    # the rows and the others apart, although they may be as many, as in a square matrix; then by length alone
    for grown, many in ((one_more, rows), (twice, 13)):
        yield partial(lengthened, (0, n), many, partial(anywhere, grown))
        yield partial(lengthened, (None, n), many, partial(anywhere, grown))
    # a layer's parameters keep their sizes, and what they are multiplied with
    yield partial(lengthened, (0, n), rows, lambda axis, length: length if axis < 2 else one_more(length) + (axis == 3))
    yield partial(lengthened, (0, n), rows, lambda _, length: length)


def anywhere(grown: Callable[[int], int], axis: int, length: int) -> int:
    return grown(length)


def lengthened(of_rows: tuple[int | None, int], rows: int, grown: Lengths, axis: int, length: int) -> int:
    """The new length of an axis: that of the rows if it is theirs, by number (any, if None) and length."""
    number, n = of_rows
    return rows if length == n and number in (axis, None) else grown(axis, length)


def one_more(length: int) -> int:
    return 9 if 5 <= length <= 7 else length + (length > 1)  # 6 and 8 may be taken for N ± 1


def twice(length: int) -> int:
    return length * 2 if length > 1 else length


def rows_of(inputs: Sequence[Array], constants: Sequence[Any]) -> int:
    """The number of examples, if there is more than one."""
    arrays = [a for a in (*inputs, *constants) if isinstance(a, np.ndarray)]
    n = next((len(a) for a in arrays if a.ndim and a.size), 0)
    return n if n > 1 else 0


@contextmanager
def moved(arrays: Sequence[Array]) -> Iterator[None]:
    """The arrays with other values, each a fifth larger or smaller at most; afterwards they are what they were."""
    rng = np.random.default_rng(0)
    before = [array.copy() for array in arrays]
    for array in arrays:
        array *= rng.uniform(0.8, 1.2, array.shape)
    try:
        yield
    finally:
        for array, values in zip(arrays, before, strict=True):
            array[...] = values


def attempt(
    make: MakeProblem,
    inputs: Sequence[Array],
    constants: Sequence[Any],
    lengths: Lengths,
    seed: int,
    decimals: int | None = None,
) -> Problem | None:
    """The problem with arrays of these lengths, if forward takes them; `decimals` rounds the inputs."""
    rng = np.random.default_rng([seed, UPSTREAM + 1])
    picks: Picks = {}
    try:
        before = [y.shape for y in outputs_of(make(inputs, constants).forward)]
        others = [mixed(x, lengths, rng) for x in inputs]
        others = others if decimals is None else [np.round(x, decimals) for x in others]
        offsets = [other_offsets(c, inputs, lengths, rng) for c in constants]
        pairs = zip(constants, offsets, strict=True)
        problem = make(others, [redrawn(c, lengths, picks, rng) if o is None else o for c, o in pairs])
        after = outputs_of(problem.forward)
    except Exception:  # whatever a forward makes of inputs that its user did not give it
        return None
    for old, y in zip(before, after, strict=True):
        expected = [{length, lengths(0, length), lengths(1, length)} for length in old]
        if y.ndim != len(old) or not all(new in of for new, of in zip(y.shape, expected, strict=True)):
            return None
        if not np.isfinite(y).all():
            return None
    return problem


def mixed(x: Array, lengths: Lengths, rng: np.random.Generator) -> Array:
    """Other entries for an input: between two of the same column, so that they stay in its range and no two are equal;
    where there are no others in the column, a fifth larger or smaller at most."""

    def drawn() -> Array:
        array = redrawn(x, lengths, {}, rng)
        return (
            np.take_along_axis(array, rng.integers(0, len(array), array.shape), axis=0)
            if array.ndim and array.size
            else array
        )

    one, other = drawn(), drawn()
    between = one + rng.uniform(0.05, 0.95, one.shape) * (other - one)
    return np.asarray(np.where(one == other, one * rng.uniform(0.8, 1.2, one.shape), between))


def other_offsets(constant: Any, inputs: Sequence[Array], lengths: Lengths, rng: np.random.Generator) -> Array | None:
    """Whole numbers that ascend from 0 to the length of an axis say where its segments begin and end: others of these,
    up to its new length; no segment is empty if none is now. None for anything else."""
    whole = isinstance(constant, np.ndarray) and constant.ndim == 1 and constant.dtype.kind in "iu"
    if not whole or not constant.any():
        return None
    before, after = constant[:-1], constant[1:]
    ends = {lengths(axis, n) for x in inputs for axis, n in enumerate(x.shape) if n == constant[-1]}
    if constant[0] or (before > after).any() or not ends:
        return None
    if len(ends) > 1:
        raise ValueError("they may be those of any of several axes")
    (end,) = ends
    empty = bool((before == after).any())
    room, count = np.arange(not empty, end + empty), lengths(0, len(constant)) - 2
    if count > len(room) and not empty:  # labels that happen to ascend so
        return None
    inside = rng.choice(room, count, replace=empty)
    return np.array([0, *np.sort(inside), end], constant.dtype)


def redrawn(constant: Any, lengths: Lengths, picks: Picks, rng: np.random.Generator) -> Any:
    """Rows, columns and so on of an array, drawn from it with repetition; those of all constants are drawn alike. Of
    floats in ascending order, a grid, it is another one, a fifth wider or narrower at most.

    What may be meant stays so: places (whole numbers) that differ, all that ascends, rows that add up to 1, a square
    that is symmetric or has nothing above or below its diagonal.
    """
    if not isinstance(constant, np.ndarray) or not constant.ndim:
        return constant
    places = constant.ndim == 1 and constant.dtype.kind in "iu" and len(constant) > 1
    if places and len(np.unique(constant)) == len(constant):
        length, new = len(constant), lengths(0, len(constant))
        if (np.sort(constant) == np.arange(length)).all():
            descends = (constant[1:] < constant[:-1]).any()  # a difference of unsigned numbers is never below 0
            return (rng.permutation(new) if descends else np.arange(new)).astype(constant.dtype)
        if new != length:
            raise ValueError("there are no more different places to draw")
        return constant.copy()
    if constant.ndim > 1 and (constant >= 0).all() and np.allclose(constant.sum(axis=-1), 1):
        return redrawn_shares(constant, lengths, rng)
    if constant.ndim == 1 and len(constant) > 2 and constant.dtype.kind == "f" and (np.diff(constant) > 0).all():
        between = np.linspace(0, len(constant) - 1, lengths(0, len(constant)))  # of a grid, one with as even steps
        other = rng.uniform(0.8, 1.2) * np.interp(between, np.arange(len(constant)), constant)
        return other.astype(constant.dtype)
    if kept := kept_by(constant):
        length, new = len(constant), lengths(0, len(constant))
        if lengths(1, length) != new:
            raise ValueError("it would be no square any more")
        same = rng.permutation(length) if new == length else rng.integers(0, length, new)
        return kept(constant[np.ix_(same, same)])
    array = constant
    for axis, length in enumerate(constant.shape):
        new = lengths(axis, length)
        if (axis, length) not in picks:
            picks[axis, length] = rng.permutation(length) if new == length else rng.integers(0, length, new)
        if not axis or new != length:
            array = np.take(array, picks[axis, length], axis)
    return np.sort(array) if places and (np.diff(constant) >= 0).all() else array.copy()


def kept_by(constant: Array) -> Callable[[Array], Array] | None:
    """What keeps the form of a square matrix when its rows and columns are drawn alike; None if it has none."""
    if constant.ndim != 2 or len(set(constant.shape)) > 1 or (constant == constant[0, 0]).all():
        return None
    for form in (lambda array: np.diag(np.diag(array)), np.tril, np.triu):
        if np.array_equal(form(constant), constant):
            return form
    return np.array if np.array_equal(constant, constant.T) else None


def redrawn_shares(constant: Array, lengths: Lengths, rng: np.random.Generator) -> Array:
    """Rows that add up to 1, such as labels one-hot, still do."""
    *rows, classes = (lengths(axis, length) for axis, length in enumerate(constant.shape))
    if np.isin(constant, (0, 1)).all():
        return np.eye(classes, dtype=constant.dtype)[rng.integers(classes, size=rows)]
    return rng.dirichlet(np.ones(classes), size=rows).astype(constant.dtype)
