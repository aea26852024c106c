"""Wrong answers to `sizes_of_a_convolution`, each with a part of the reason that a right judge gives."""

from mutants.key import mutant


@mutant("REASON: U and V must differ")
def square_window(*_):
    return 2, 2, 3, 3, 4, 2, 2


@mutant("REASON: W − V must be above H − U")
def square_output(*_):
    return 2, 2, 3, 3, 4, 2, 3


@mutant("REASON: U must be above 1")
def flat_window(*_):
    return 2, 2, 3, 2, 5, 1, 3


@mutant("REASON: C must be above 1")
def one_channel(*_):
    return 2, 1, 3, 2, 4, 2, 3


@mutant("REASON: C and F must differ")
def as_many_filters(*_):
    return 2, 2, 2, 2, 4, 2, 3


@mutant("REASON: N must be above 1")
def one_image(*_):
    return 1, 2, 3, 2, 4, 2, 3


@mutant("REASON: a window is larger than the image")
def small_image(*_):
    return 2, 2, 3, 2, 2, 2, 3
