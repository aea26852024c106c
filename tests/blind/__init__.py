"""Hand-written backward passes, wrong and right, for trying a gradient checker on mistakes it was not written for.

One module a family. A family has the SOURCE of one right pair of forward and backward, and changes to it.

kind="function": SOURCE defines ``forward(*inputs, *constants) -> (y, cache)`` and ``backward(dy, cache)``, which
returns the gradients in the inputs' order: a tuple, one array where there is one input, or a dict with the family's
``keys``.
kind="layer": SOURCE defines ``class Layer``, made by ``family.make(Layer, rng, size)``, with ``forward(*inputs,
*constants) -> y`` and ``backward(dy)``, which returns the inputs' gradients as above (None for no inputs); the
parameters and their gradients are attributes, ``family.params`` names them: {"W": "dW"}.

``problem(rng, size)`` gives the inputs by name and a tuple of constants; size 0 or 1, and 1 has other sizes where
``family.sizes`` is 2. Wrong cases are for size 0, where shapes are often square on purpose; only those that show at the
second size are meant for size 1 too.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LABELS = (
    "missing_term", "extra_term", "sign", "factor", "wrong_operand", "missing_derivative", "wrong_axis", "transpose",
    "mask", "swapped_returns", "off_by_one", "accumulate", "fused_formula", "wrong_constant", "state",
    "nonlinear_in_dy", "hard_coded_size", "overwrite", "precision", "two_mistakes", "other",
)  # fmt: skip

# Where a wrong case shows itself:
SHOWS = (
    "plain",  # the gradient of a fresh forward and backward is wrong
    "second_call",  # right at first; wrong in a second forward and backward with other values, in the same namespace
    "large_dy",  # wrong at 1e4 times dy
    "second_size",  # right at size 0, wrong at size 1
    "backward_twice",  # a second backward with the same dy and cache gives another answer
    "output_changed",  # the gradient is right, but backward has written into the array that forward returned
    "dy_changed",  # the gradient is right, but backward has written into the caller's dy
    "input_changed",  # the gradient is right, but backward has written into an input or a constant
)

Problem = Callable[..., tuple[dict[str, np.ndarray], tuple[Any, ...]]]


def apply(source: str, old: str, new: str) -> str:
    """source with old, which must occur once, replaced by new."""
    if source.count(old) != 1:
        raise ValueError(f"occurs {source.count(old)} times, not once: {old!r}")
    return source.replace(old, new)


@dataclass(frozen=True)
class Wrong:
    """One wrong backward pass: the family's source, or base, with old replaced by new; or a whole source of its own."""

    name: str
    cause: str  # one sentence: what is wrong
    label: str  # one of LABELS
    # The first line of backward whose own result is wrong, stripped; where backward only writes what it should not, the
    # line that writes; None: no line of backward is to blame.
    line: str | None
    old: str = ""
    new: str = ""
    base: str | None = None  # the right source that old and new are of, in place of the family's
    source: str | None = None
    fair: tuple[str, ...] = ()  # further lines that may be named with as much right
    shows: str = "plain"  # one of SHOWS
    effect: float = 1e-3  # the largest error over the largest entry, of the worst gradient, is at least this
    problem: Problem | None = None  # in place of the family's

    def text(self, family: Family) -> str:
        """The whole source of this case."""
        return apply(self.base or family.source, self.old, self.new) if self.source is None else self.source


@dataclass(frozen=True)
class Right:
    """One more right backward pass: the family's source with old replaced by new, or a source of its own."""

    name: str
    old: str = ""
    new: str = ""
    source: str | None = None  # neither old nor source: the family's source as it stands, with the problem below
    difficult: bool = False  # plain central differences in float64 are not good enough here
    kink: bool = False  # at a point without a derivative: any value between the one-sided ones is right
    problem: Problem | None = None  # in place of the family's

    def text(self, family: Family) -> str:
        """The whole source of this case."""
        if self.source is not None:
            return self.source
        return apply(family.source, self.old, self.new) if self.old else family.source


@dataclass(frozen=True)
class Family:
    """One pair of forward and backward, and what is changed in it."""

    name: str
    source: str
    problem: Problem
    wrong: Sequence[Wrong]
    right: Sequence[Right]  # besides the source as it stands
    kind: str = "function"  # or "layer"
    people: bool = True  # what people write in their projects; False: a textbook exercise
    sizes: int = 2  # 1: problem gives the same sizes whatever size is
    keys: tuple[str, ...] | None = None  # of the dict that backward returns, in the inputs' order
    make: Callable[..., Any] | None = None  # make(Layer, rng, size), for kind="layer"
    params: Mapping[str, str] | None = None  # parameter: gradient, names of attributes, for kind="layer"
    difficult: bool = False  # of the source as it stands, as in Right
    kink: bool = False

    def rights(self) -> tuple[Right, ...]:
        """All right cases: the source as it stands, and the others."""
        return (Right("as it stands", difficult=self.difficult, kink=self.kink), *self.right)


def load() -> list[Family]:
    """Every family of this package, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}").FAMILY for name in names]
