"""Wrong answers to `sizes`, each with a part of the reason that a right judge gives."""

from mutants.key import mutant


@mutant("REASON: D and H must differ")
def square(*_):
    return 1, 5, 5


@mutant("REASON: N and D must differ")
def as_many_examples(*_):
    return 2, 2, 5


@mutant("REASON: N must be above 1")
def one_example(*_):
    return 1, 2, 5


@mutant("REASON: N must be above 2")
def two_examples(*_):
    return 2, 3, 5


@mutant("REASON: H must be above 4")
def four_columns(*_):
    return 3, 2, 4


@mutant("REASON: must be above 1")
def one_pixel(*_):
    return 3, 1, 5


@mutant("REASON: above 30: choose smaller")
def large(*_):
    return 7, 3, 5


@mutant("REASON: whole numbers above 0")
def nothing(*_):
    return 0, 2, 5
