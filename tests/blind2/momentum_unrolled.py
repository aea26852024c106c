"""Gradient descent with momentum on a quadratic, differentiated by the learning rate, the momentum and the start."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(w0, A, lr, beta, steps):
    w, v = w0, np.zeros_like(w0)
    ws, vs = [w], [v]
    for _ in range(steps):
        g = A @ w
        v = beta * v + g
        w = w - lr * v
        ws.append(w)
        vs.append(v)
    return 0.5 * w @ A @ w, (ws, vs, A, lr, beta, steps)


def backward(dloss, cache):
    ws, vs, A, lr, beta, steps = cache
    dw = dloss * 0.5 * (A + A.T) @ ws[-1]
    dA = dloss * 0.5 * np.outer(ws[-1], ws[-1])
    dv = np.zeros_like(dw)
    dlr, dbeta = np.zeros(1), np.zeros(1)
    for t in range(steps, 0, -1):
        dlr -= dw @ vs[t]
        dv = dv - lr * dw
        dbeta += dv @ vs[t - 1]
        dA += np.outer(dv, ws[t - 1])
        dw = dw + A.T @ dv
        dv = beta * dv
    return dw, dA, dlr, dbeta
"""


def problem(rng, size=0):
    d, steps = ((3, 4), (4, 3))[size]
    A = rng.normal(size=(d, d))
    inputs = {"w0": rng.normal(size=d), "A": A @ A.T / d + 0.3 * rng.normal(size=(d, d))}
    return inputs | {"lr": np.array([0.15]), "beta": np.array([0.6])}, (steps,)


FAMILY = Family(
    name="momentum_unrolled",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "momentum's memory not carried",
            old="dv = dv - lr * dw",
            new="dv = -lr * dw",
            cause="The velocity of a step also enters the next one, and that gradient is dropped.",
            label="missing_term",
            line="dv = -lr * dw",
        ),
        Wrong(
            "velocity of the next step",
            old="dbeta += dv @ vs[t - 1]",
            new="dbeta += dv @ vs[t]",
            cause="The momentum multiplies the velocity of the step before.",
            label="off_by_one",
            line="dbeta += dv @ vs[t]",
        ),
        Wrong(
            "matrix assumed symmetric",
            old="dw = dw + A.T @ dv",
            new="dw = dw + A @ dv",
            cause="The matrix is not symmetric and should be transposed.",
            label="transpose",
            line="dw = dw + A @ dv",
        ),
        Wrong(
            "last loss alone for the matrix",
            old="        dA += np.outer(dv, ws[t - 1])\n        dw = dw + A.T @ dv\n",
            new="        dw = dw + A.T @ dv\n",
            cause="The matrix also stands in every step.",
            label="missing_term",
            line="dA = dloss * 0.5 * np.outer(ws[-1], ws[-1])",
            fair=("return dw, dA, dlr, dbeta",),
        ),
        Wrong(
            "velocity damped before its use",
            old="dw = dw + A.T @ dv",
            new="dw = dw + A.T @ (beta * dv)",
            cause="The velocity's gradient is damped by the momentum before it reaches the weights.",
            label="extra_term",
            line="dw = dw + A.T @ (beta * dv)",
        ),
        Wrong(
            "decay as in Adam's first moment",
            old="dv = beta * dv",
            new="dv = (1 - beta) * dv",
            cause="The velocity's gradient decays by one minus the momentum.",
            label="wrong_constant",
            line="dv = (1 - beta) * dv",
        ),
        Wrong(
            "learning rate's gradient limited",
            old="    return dw, dA, dlr, dbeta\n",
            new="    dlr = np.clip(dlr, -1e3, 1e3)\n    return dw, dA, dlr, dbeta\n",
            cause="The learning rate's gradient is limited to a thousand, so that the outer step stays small.",
            label="nonlinear_in_dy",
            line="dlr = np.clip(dlr, -1e3, 1e3)",
            shows="large_dy",
        ),
    ],
    right=[
        Right(
            "steps from the last, by zip",
            old="""    for t in range(steps, 0, -1):
        dlr -= dw @ vs[t]
        dv = dv - lr * dw
        dbeta += dv @ vs[t - 1]
        dA += np.outer(dv, ws[t - 1])
        dw = dw + A.T @ dv
        dv = beta * dv
""",
            new="""    for w, v, v_old in zip(ws[-2::-1], vs[:0:-1], vs[-2::-1]):
        dlr -= v @ dw
        dv -= lr * dw
        dbeta += v_old @ dv
        dA += dv[:, None] * w
        dw = dw + dv @ A
        dv = dv * beta
""",
        ),
        Right(
            "quadratic form on both sides",
            old="dw = dloss * 0.5 * (A + A.T) @ ws[-1]",
            new="dw = dloss * 0.5 * (A @ ws[-1] + ws[-1] @ A)",
        ),
    ],
)
