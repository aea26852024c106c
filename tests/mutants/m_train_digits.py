"""Wrong answers to `train_digits`, each with a part of the reason that a right judge gives."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

right = reference("train_digits").loss_and_gradients


@mutant("REASON: 7 times too large")
def sum_over_the_batch(params, x, labels):
    loss, gradients = right(params, x, labels)
    return loss, [len(x) * g for g in gradients]


@mutant("REASON: which cache belongs to which backward?")
def biases_forgotten(params, x, labels):
    loss, (dW1, db1, dW2, db2) = right(params, x, labels)
    return loss, [dW1, 0 * db1, dW2, db2]


@mutant("REASON: which cache belongs to which backward?")
def uphill(params, x, labels):
    loss, gradients = right(params, x, labels)
    return loss, [-g for g in gradients]


@mutant("REASON: a list of four gradients")
def gradients_alone(params, x, labels):
    return right(params, x, labels)[1]


@mutant("REASON: dW1 of a batch")
def order(params, x, labels):
    loss, (dW1, db1, dW2, db2) = right(params, x, labels)
    return loss, [dW2, db2, dW1, db1]


@mutant("REASON: dW2 of a batch")
def subtle(params, x, labels):
    loss, (dW1, db1, dW2, db2) = right(params, x, labels)
    return loss, [dW1, db1, np.where(dW2 > 0, dW2, 0.9 * dW2), db2]
