"""Two planar flows in a row, and the log determinants of their Jacobians."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def step(z, u, w, b):
    t = np.tanh(z @ w + b)
    det = 1 + (1 - t**2) * (u @ w)
    return z + np.outer(t, u), np.log(np.abs(det)), (z, u, w, t, det)


def forward(z, U, W, b):
    total = np.zeros(len(z))
    saved = []
    for k in range(len(U)):
        z, logdet, cache = step(z, U[k], W[k], b[k])
        total = total + logdet
        saved.append(cache)
    return -0.5 * (z**2).sum(axis=1) + total, (z, saved)


def step_back(dz, dlogdet, cache):
    z, u, w, t, det = cache
    ddet = dlogdet / det
    dt = dz @ u - 2 * t * (u @ w) * ddet
    duw = (ddet * (1 - t**2)).sum()
    da = dt * (1 - t**2)
    du = dz.T @ t + duw * w
    dw = z.T @ da + duw * u
    db = da.sum()
    return dz + np.outer(da, w), du, dw, db


def backward(dy, cache):
    z, saved = cache
    dz = -z * dy[:, None]
    grads = []
    for cache_k in reversed(saved):
        dz, *rest = step_back(dz, dy, cache_k)
        grads.insert(0, rest)
    dU, dW, db = (np.array(g) for g in zip(*grads))
    return dz, dU, dW, db
"""


def problem(rng, size=0):
    n, d, k = ((4, 3, 3), (3, 2, 4))[size]
    W = rng.normal(size=(k, d))
    U = 0.5 * rng.normal(size=(k, d))
    U *= np.sign((U * W).sum(axis=1, keepdims=True))
    return {"z": rng.normal(size=(n, d)), "U": U, "W": W, "b": rng.normal(size=k)}, ()


FAMILY = Family(
    name="planar_flow",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "determinant's route to the activation",
            old="dt = dz @ u - 2 * t * (u @ w) * ddet",
            new="dt = dz @ u",
            cause="The determinant depends on the tanh's slope, and that route is missing.",
            label="missing_term",
            line="dt = dz @ u",
        ),
        Wrong(
            "determinant's route to the inner product",
            old="dw = z.T @ da + duw * u",
            new="dw = z.T @ da",
            cause="The inner product of the two vectors stands in the determinant, and w gets nothing from there.",
            label="missing_term",
            line="dw = z.T @ da",
        ),
        Wrong(
            "gradient of the determinant, not of its logarithm",
            old="ddet = dlogdet / det",
            new="ddet = dlogdet",
            cause="The logarithm's derivative, one over the determinant, is missing.",
            label="missing_derivative",
            line="ddet = dlogdet",
        ),
        Wrong(
            "each flow's identity",
            old="return dz + np.outer(da, w), du, dw, db",
            new="return np.outer(da, w), du, dw, db",
            cause="The input of a flow is also carried through unchanged.",
            label="missing_term",
            line="return np.outer(da, w), du, dw, db",
        ),
        Wrong(
            "flows in the wrong order",
            old="grads.insert(0, rest)",
            new="grads.append(rest)",
            cause="The gradients of the flows are gathered from the last to the first and not turned round.",
            label="transpose",
            line="grads.append(rest)",
            fair=("dU, dW, db = (np.array(g) for g in zip(*grads))",),
        ),
        Wrong(
            "vectors exchanged",
            old="du = dz.T @ t + duw * w",
            new="du = dz.T @ t + duw * u",
            cause="The gradient of u from the inner product is w, and u itself is used.",
            label="wrong_operand",
            line="du = dz.T @ t + duw * u",
        ),
    ],
    right=[
        Right(
            "sums over the batch by einsum",
            old="    du = dz.T @ t + duw * w\n    dw = z.T @ da + duw * u\n",
            new="""    slope = 1 - t**2
    du = np.einsum("nd,n->d", dz, t) + np.einsum("n,n,d->d", ddet, slope, w)
    dw = np.einsum("nd,n->d", z, da) + np.einsum("n,n,d->d", ddet, slope, u)
""",
        ),
        Right(
            "arrays filled from behind",
            old="""    grads = []
    for cache_k in reversed(saved):
        dz, *rest = step_back(dz, dy, cache_k)
        grads.insert(0, rest)
    dU, dW, db = (np.array(g) for g in zip(*grads))
    return dz, dU, dW, db
""",
            new="""    k, d = len(saved), z.shape[1]
    dU, dW, db = np.empty((k, d)), np.empty((k, d)), np.empty(k)
    for i in range(k - 1, -1, -1):
        dz, dU[i], dW[i], db[i] = step_back(dz, dy, saved[i])
    return dz, dU, dW, db
""",
        ),
    ],
)
