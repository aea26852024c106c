"""Wrong answers to `recurrent`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def backward(dy, cache, steps=(2, 1, 0), slope=lambda h: 1 - h**2, add=True, state=0, U_of=lambda U: U):
    x, states, W, U = cache
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros(len(U))
    dh = dy
    for t in steps:
        da = dh * slope(states[t + 1])
        dx[:, t] = da @ W.T
        dW = x[:, t].T @ da + (dW if add else 0)
        dU = states[t + state].T @ da + (dU if add else 0)
        db = da.sum(axis=0) + (db if add else 0)
        dh = da @ U_of(U).T
    return dx, dh, dW, dU, db


@mutant("EDIT:dW", "EDIT:dU", "EDIT:db")
def overwritten_in_every_step(dy, cache):
    return backward(dy, cache, add=False)


@mutant("EDIT:dx", "EDIT:dh", "EDIT:dW", "EDIT:dU", "EDIT:db")
def one_step_alone(dy, cache):
    dx, dh, dW, dU, db = backward(dy, cache, steps=(2,))
    return dx, dh, dW, dU, db


@mutant("EDIT:dU")
def new_state_for_the_old(dy, cache):
    return backward(dy, cache, state=1)


@mutant("EDIT:dx", "EDIT:dh", "EDIT:dW", "EDIT:dU", "EDIT:db")
def no_slope(dy, cache):
    return backward(dy, cache, slope=lambda h: 1)


@mutant("EDIT:dx", "EDIT:dh", "EDIT:dW", "EDIT:dU", "EDIT:db")
def slope_of_the_sigmoid(dy, cache):
    return backward(dy, cache, slope=lambda h: h * (1 - h))


@mutant("EDIT:dx", "EDIT:dh", "EDIT:dW", "EDIT:dU", "EDIT:db")
def weights_not_transposed(dy, cache):
    return backward(dy, cache, U_of=lambda U: U.T)
