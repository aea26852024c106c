"""Wrong answers to `modes_counted`, each with a part of the reason that a right judge gives."""

from mutants.key import mutant


@mutant("REASON: this is the product of the sizes")
def product(*_):
    return 100 * 50 * 20, 6020, 102_000, 62_000


@mutant("REASON: Backward needs one pass")
def backward_for_each(*_):
    return 6020, 602_000, 102_000, 62_000


@mutant("REASON: this counts the product with W1")
def with_the_first_product(*_):
    return 6020, 6020, 602_000, 62_000


@mutant("REASON: this is the work for one number of x")
def one_number(*_):
    return 6020, 6020, 1020, 62_000


@mutant("REASON: It gives the gradient of one number")
def one_pass(*_):
    return 6020, 6020, 102_000, 6200


@mutant("REASON: W3ᵀ is (10, 20) now")
def old_last_layer(*_):
    return 6020, 6020, 102_000, 60_200


@mutant("REASON: is no number")
def text(*_):
    return "6020", 6020, 102_000, 62_000
