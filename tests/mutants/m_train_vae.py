"""Wrong answers to `train_vae`, each with a part of the reason that a right judge gives."""

import numpy as np

from mutants.key import mutant
from scratchnn.exercises.exercise import reference

right = reference("train_vae").loss_and_gradients


def changed(k, change):
    def loss_and_gradients(params, x, eps):
        loss, gradients = right(params, x, eps)
        gradients = [change(g) if j == k else g for j, g in enumerate(gradients)]
        return loss, gradients

    return loss_and_gradients


@mutant("REASON: 7 times too large")
def sum_over_the_batch(params, x, eps):
    loss, gradients = right(params, x, eps)
    return loss, [len(x) * g for g in gradients]


@mutant("REASON: both there?")
def kl_forgotten(params, x, eps):
    W1, b1, W2, b2 = params[:4]
    h = np.tanh(x @ W1 + b1)
    mean, log_var = np.split(h @ W2 + b2, 2, axis=1)
    loss, gradients = right(params, x, eps)
    dheads = np.concatenate([mean, 0.5 * (np.exp(log_var) - 1)], axis=1) / len(x)
    da = dheads @ W2.T * (1 - h**2)
    lost = [x.T @ da, da.sum(axis=0), h.T @ dheads, dheads.sum(axis=0)]
    return loss, [g - d for g, d in zip(gradients, lost, strict=False)] + gradients[4:]


@mutant("REASON: db4 of a batch")
def last_bias_forgotten(params, x, eps):
    return changed(7, np.zeros_like)(params, x, eps)


@mutant("REASON: dW3 of a batch")
def one_matrix_slightly_off(params, x, eps):
    return changed(4, lambda g: 1.01 * g)(params, x, eps)


@mutant("REASON: a list of eight gradients")
def gradients_alone(params, x, eps):
    return right(params, x, eps)[1]
