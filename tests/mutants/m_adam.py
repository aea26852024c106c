"""Wrong answers to `adam`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant

LR, BETA1, BETA2, EPS = 0.03, 0.9, 0.999, 0.01


def averages(grads, m, v):
    return BETA1 * m + (1 - BETA1) * grads, BETA2 * v + (1 - BETA2) * grads**2


def moved(params, m, v, t):
    """The right last line of the algorithm, for whatever m and v."""
    return params - LR * m / (1 - BETA1**t) / (np.sqrt(v / (1 - BETA2**t)) + EPS)


@mutant("FORMULA:no bias correction:params")
def no_bias_correction(params, grads, m, v, t):
    m, v = averages(grads, m, v)
    return params - LR * m / (np.sqrt(v) + EPS), m, v


@mutant("TERM:the old m in the step:(1 − BETA1^t),the gradient in the step:(1 − BETA1^t):params")
def no_bias_correction_of_m(params, grads, m, v, t):
    m, v = averages(grads, m, v)
    return params - LR * m / (np.sqrt(v / (1 - BETA2**t)) + EPS), m, v


@mutant("FORMULA:no bias correction of v:params")
def no_bias_correction_of_v(params, grads, m, v, t):
    m, v = averages(grads, m, v)
    return params - LR * m / (1 - BETA1**t) / (np.sqrt(v) + EPS), m, v


@mutant("TERM:the old m in the step:−1,the gradient in the step:−1:params")
def uphill(params, grads, m, v, t):
    m, v = averages(grads, m, v)
    return 2 * params - moved(params, m, v, t), m, v


@mutant("TERM:the old m in the step:1/LR,the gradient in the step:1/LR:params")
def no_learning_rate(params, grads, m, v, t):
    m, v = averages(grads, m, v)
    return params + (moved(params, m, v, t) - params) / LR, m, v


@mutant("TERM:the gradient in the step:1/(1 − BETA1):params", "TERM:the gradient:1/(1 − BETA1):m")
def momentum_without_its_weight(params, grads, m, v, t):
    _, v = averages(grads, m, v)
    m = BETA1 * m + grads
    return moved(params, m, v, t), m, v


@mutant("UNKNOWN:params", "TERM:the squared gradient:1/(1 − BETA2):v")
def squares_without_their_weight(params, grads, m, v, t):
    m, _ = averages(grads, m, v)
    v = BETA2 * v + grads**2
    return moved(params, m, v, t), m, v


@mutant("TERM:the old m:1/BETA1,the gradient:0:m", "TERM:the old v:1/BETA2,the squared gradient:0:v")
def returns_the_old_state(params, grads, m, v, t):
    return moved(params, *averages(grads, m, v), t), m.copy(), v.copy()


@mutant("TERM:the old params:0:params")
def returns_the_step_alone(params, grads, m, v, t):
    m, v = averages(grads, m, v)
    return moved(params, m, v, t) - params, m, v


@mutant("FORMULA:EPS under the root:params")
def eps_under_the_root(params, grads, m, v, t):
    m, v = averages(grads, m, v)
    return params - LR * m / (1 - BETA1**t) / np.sqrt(v / (1 - BETA2**t) + EPS), m, v


@mutant("FORMULA:the old m and v:params")
def steps_before_the_update(params, grads, m, v, t):
    return moved(params, m, v, t), *averages(grads, m, v)


@mutant("UNKNOWN:params", "FORMULA:no square:v")
def gradient_not_squared(params, grads, m, v, t):
    m, _ = averages(grads, m, v)
    v = BETA2 * v + (1 - BETA2) * grads
    return moved(params, m, v, t), m, v


@mutant("UNKNOWN:params")
def divides_by_beta_times_t(params, grads, m, v, t):
    m, v = averages(grads, m, v)
    return params - LR * m / (1 - BETA1 * t) / (np.sqrt(v / abs(1 - BETA2 * t)) + EPS), m, v


@mutant("CONTRACT")
def in_place(params, grads, m, v, t):
    m *= BETA1
    m += (1 - BETA1) * grads
    v *= BETA2
    v += (1 - BETA2) * grads**2
    params -= LR * m / (1 - BETA1**t) / (np.sqrt(v / (1 - BETA2**t)) + EPS)
    return params, m, v
