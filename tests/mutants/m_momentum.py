"""Wrong answers to `momentum`, each with the label that a correct diagnosis has."""

from mutants.key import mutant

LR, MOMENTUM = 0.03, 0.8


@mutant("FORMULA:a step by the old v:params")
def step_by_the_old_v(params, grads, v):
    return params - LR * v, MOMENTUM * v + grads


@mutant("FORMULA:a step by an average:params", "FORMULA:an average, as in Adam | TERM:the gradient:(1 − MOMENTUM):v")
def average(params, grads, v):
    v = MOMENTUM * v + (1 - MOMENTUM) * grads
    return params - LR * v, v


@mutant("TERM:the old v:−1,the gradient:−1:params")
def uphill(params, grads, v):
    v = MOMENTUM * v + grads
    return params + LR * v, v


@mutant("TERM:the old v:0:params", "TERM:the old v:0:v")
def forgets(params, grads, v):
    return params - LR * grads, grads.copy()


@mutant("TERM:the old params:0:params")
def the_step_alone(params, grads, v):
    v = MOMENTUM * v + grads
    return -LR * v, v


@mutant("TERM:the gradient:LR:v")
def learning_rate_in_v(params, grads, v):
    return params - LR * (MOMENTUM * v + grads), MOMENTUM * v + LR * grads


@mutant("CONTRACT")
def in_place(params, grads, v):
    v *= MOMENTUM
    v += grads
    params -= LR * v
    return params, v
