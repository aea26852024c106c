"""Wrong answers to `slope`, each with the label that a correct diagnosis has."""

from mutants.key import mutant


@mutant("TERM:from −2x:0:dx")
def slope_of_the_cube_alone(dy, x):
    return dy * 3 * x**2


@mutant("TERM:from −2x:−1:dx")
def sign_of_the_second_term(dy, x):
    return dy * (3 * x**2 + 2)


@mutant("IGNORES-UPSTREAM:dx")
def no_upstream(dy, x):
    return 3 * x**2 - 2


@mutant("FACTOR:x:dx")
def x_once_too_often(dy, x):
    return dy * (3 * x**3 - 2 * x)


@mutant("NOT-LINEAR:dx")
def added_in_the_place_of_multiplied(dy, x):
    return dy + 3 * x**2 - 2


@mutant("TERM:from x³:1/3:dx")
def power_not_in_front(dy, x):
    return dy * (x**2 - 2)
