"""Wrong answers to `initialisation`, each with a part of the reason that a right judge gives."""

from mutants.key import mutant


@mutant("REASON: this is before the ReLU")
def no_relu(*_):
    return 1.0, 0.5**10, 0.5**10, 2.0


@mutant("REASON: the halvings multiply")
def halvings_added(*_):
    return 0.5, 0.05, 0.5**10, 2.0


@mutant("REASON: this forgets the ReLU's mask")
def no_mask(*_):
    return 0.5, 0.5**10, 1.0, 2.0


@mutant("REASON: this keeps the size without a ReLU")
def one(*_):
    return 0.5, 0.5**10, 0.5**10, 1.0


@mutant("REASON: The variance was asked for")
def root(*_):
    return 0.5, 0.5**10, 0.5**10, 2**0.5


@mutant("REASON: does not grow where the numbers shrink")
def grows(*_):
    return 0.5, 0.5**10, 2.0**10, 2.0
