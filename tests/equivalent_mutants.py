"""The mutants of python -m tests.mutation_testing that nothing can notice, each with the reason.

A mutant is one line in the place of another; `new` lists those for which the reason is the same.
"""

from __future__ import annotations

from typing import NamedTuple


class Equivalent(NamedTuple):
    module: str
    old: str
    new: tuple[str, ...]
    why: str


EQUIVALENT = [
    Equivalent(
        "optim",
        "BLOCK = 131_072",
        ("BLOCK = 131073", "BLOCK = 131071"),
        "the size of blocks changes no bit, and an entry more or less no time",
    ),
    Equivalent("optim", "@property", ("",), "a protocol, which only the type checker reads"),
]
