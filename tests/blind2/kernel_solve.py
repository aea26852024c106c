"""Prediction of kernel ridge regression: a Gaussian kernel, a linear solve, and a prediction at other points."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def kernel(A, B, ell):
    D = ((A[:, None] - B[None]) ** 2).sum(-1)
    return np.exp(-0.5 * D / ell**2), D


def kernel_grad(dK, K, D, A, B, ell):
    dD = -0.5 * dK * K / ell**2
    dell = (dK * K * D).sum() / ell**3
    dA = 2 * (dD.sum(1)[:, None] * A - dD @ B)
    dB = 2 * (dD.sum(0)[:, None] * B - dD.T @ A)
    return dA, dB, dell


def forward(X, y, Xs, ell, lam):
    K, D = kernel(X, X, ell)
    Ks, Ds = kernel(Xs, X, ell)
    M = K + lam * np.eye(len(X))
    alpha = np.linalg.solve(M, y)
    return Ks @ alpha, (X, Xs, ell, K, D, Ks, Ds, M, alpha)


def backward(dout, cache):
    X, Xs, ell, K, D, Ks, Ds, M, alpha = cache
    dalpha = Ks.T @ dout
    dKs = np.outer(dout, alpha)
    dy = np.linalg.solve(M.T, dalpha)
    dK = -np.outer(dy, alpha)
    dlam = np.trace(dK, axis1=0, axis2=1)
    dX1, dX2, dell1 = kernel_grad(dK, K, D, X, X, ell)
    dXs, dX3, dell2 = kernel_grad(dKs, Ks, Ds, Xs, X, ell)
    return dX1 + dX2 + dX3, dy, dXs, dell1 + dell2, np.array([dlam])
"""


def problem(rng, size=0):
    n, m, d = ((4, 4, 2), (5, 3, 3))[size]
    inputs = {"X": rng.normal(size=(n, d)), "y": rng.normal(size=n), "Xs": rng.normal(size=(m, d))}
    return inputs | {"ell": np.array([1.2]), "lam": np.array([0.3])}, ()


FAMILY = Family(
    name="kernel_solve",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "second argument of the kernel",
            old="return dX1 + dX2 + dX3, dy, dXs, dell1 + dell2, np.array([dlam])",
            new="return dX1 + dX3, dy, dXs, dell1 + dell2, np.array([dlam])",
            cause="The training points are both arguments of their kernel, and one of the two is dropped.",
            label="missing_term",
            line="return dX1 + dX3, dy, dXs, dell1 + dell2, np.array([dlam])",
        ),
        Wrong(
            "solve's sign",
            old="dK = -np.outer(dy, alpha)",
            new="dK = np.outer(dy, alpha)",
            cause="The gradient of a solve with respect to its matrix is negative.",
            label="sign",
            line="dK = np.outer(dy, alpha)",
        ),
        Wrong(
            "training kernel alone",
            old="return dX1 + dX2 + dX3, dy, dXs, dell1 + dell2, np.array([dlam])",
            new="return dX1 + dX2, dy, dXs, dell1 + dell2, np.array([dlam])",
            cause="The training points also stand in the kernel of the predictions.",
            label="missing_term",
            line="return dX1 + dX2, dy, dXs, dell1 + dell2, np.array([dlam])",
        ),
        Wrong(
            "width's power",
            old="dell = (dK * K * D).sum() / ell**3",
            new="dell = (dK * K * D).sum() / ell**2",
            cause="The derivative of one over the squared width has the width to the third power.",
            label="missing_derivative",
            line="dell = (dK * K * D).sum() / ell**2",
        ),
        Wrong(
            "solved gradient not solved",
            old="dK = -np.outer(dy, alpha)",
            new="dK = -np.outer(dalpha, alpha)",
            cause="The matrix's gradient is taken with the gradient before the solve.",
            label="wrong_operand",
            line="dK = -np.outer(dalpha, alpha)",
        ),
        Wrong(
            "training kernel for the predictions' width",
            old="return dX1 + dX2 + dX3, dy, dXs, dell1 + dell2, np.array([dlam])",
            new="return dX1 + dX2 + dX3, dy, dXs, dell1, np.array([dlam])",
            cause="The width also stands in the predictions' kernel, and only the training kernel is counted.",
            label="missing_term",
            line="return dX1 + dX2 + dX3, dy, dXs, dell1, np.array([dlam])",
        ),
    ],
    right=[
        Right(
            "inverse",
            old="dy = np.linalg.solve(M.T, dalpha)",
            new="dy = np.linalg.inv(M).T @ dalpha",
        ),
        Right(
            "differences, pair by pair",
            old="""    dA = 2 * (dD.sum(1)[:, None] * A - dD @ B)
    dB = 2 * (dD.sum(0)[:, None] * B - dD.T @ A)
    return dA, dB, dell
""",
            new="""    dA, dB = np.zeros(A.shape), np.zeros(B.shape)
    for i, a in enumerate(A):
        for j, b in enumerate(B):
            dA[i] += 2 * dD[i, j] * (a - b)
            dB[j] += 2 * dD[i, j] * (b - a)
    return dA, dB, dell
""",
        ),
    ],
)
