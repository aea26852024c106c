"""Wrong answers to `bug`, each with a part of the reason that a right judge gives."""

from mutants.key import mutant


@mutant("REASON: line 3 is right: what it assigns has the right values")
def before(*_):
    return 3


@mutant("REASON: line 2 is right")
def cleared(*_):
    return 2


@mutant("REASON: line 5 is right as it stands")
def after(*_):
    return 5


@mutant("REASON: the lines have the numbers 1 to 6")
def counted_from_the_top_of_the_file(*_):
    return 32


@mutant("REASON: the lines have the numbers 1 to 6")
def as_text(*_):
    return "4"
