"""Wrong answers to `daily_bug`, each with a part of the reason that a right judge gives."""

from mutants.key import mutant
from scratchnn.exercises.bugs import bug, lines_of
from scratchnn.exercises.exercise import reference

LINE, COUNT = bug(reference("daily_bug").day()).line, len(lines_of(bug(reference("daily_bug").day()).exercise))


@mutant("REASON: the lines have the numbers 1 to")
def below_the_first(*_):
    return 0


@mutant("REASON: the lines have the numbers 1 to")
def beyond_the_last(*_):
    return COUNT + 1


@mutant("REASON: the lines have the numbers 1 to")
def as_text(*_):
    return str(LINE)


@mutant("REASON: The mistake comes later" if LINE > 1 else "REASON: passes on what a line above it got wrong")
def another_line(*_):
    return 1 if LINE > 1 else 2


@mutant("REASON: passes on what a line above it got wrong" if LINE < COUNT else "REASON: The mistake comes later")
def one_off(*_):
    return LINE + 1 if LINE < COUNT else LINE - 1
