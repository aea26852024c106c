"""Log density of a Gaussian with a full covariance A A^T + s I, by inverse and determinant."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, mu, A, s):
    d = A.shape[0]
    S = A @ A.T + s * np.eye(d)
    P = np.linalg.inv(S)
    r = x - mu
    maha = np.einsum("ni,ij,nj->n", r, P, r)
    logp = -0.5 * (maha + np.linalg.slogdet(S)[1] + d * np.log(2 * np.pi))
    return logp, (r, P, A)


def backward(dlogp, cache):
    r, P, A = cache
    dmaha = -0.5 * dlogp
    dr = 2 * dmaha[:, None] * (r @ P)
    dx = dr
    dmu = -dr.sum(axis=0)
    dP = (r * dmaha[:, None]).T @ r
    dS = -P @ dP @ P
    dS += -0.5 * dlogp.sum() * P
    dA = (dS + dS.T) @ A
    ds = np.array([np.trace(dS)])
    return dx, dmu, dA, ds
"""


def problem(rng, size=0):
    n, d, k = ((4, 3, 3), (3, 4, 2))[size]
    inputs = {"x": rng.normal(size=(n, d)), "mu": rng.normal(size=d), "A": rng.normal(size=(d, k))}
    return inputs | {"s": np.array([0.8])}, ()


def nearly_singular(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["A"][:, 1:] *= 0.02
    return inputs | {"s": np.array([1e-4])}, constants


FAMILY = Family(
    name="log_det",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "determinant's route missing",
            old="    dS += -0.5 * dlogp.sum() * P\n    dA = (dS + dS.T) @ A\n",
            new="    dA = (dS + dS.T) @ A\n",
            cause="The log determinant's gradient is missing.",
            label="missing_term",
            line="dS = -P @ dP @ P",
            fair=("dA = (dS + dS.T) @ A",),
        ),
        Wrong(
            "half of a symmetric product",
            old="dA = (dS + dS.T) @ A",
            new="dA = dS @ A",
            cause="The factor stands twice in A A^T, and its gradient is counted once.",
            label="factor",
            line="dA = dS @ A",
        ),
        Wrong(
            "inverse's sign",
            old="dS = -P @ dP @ P",
            new="dS = P @ dP @ P",
            cause="The gradient through an inverse is negative.",
            label="sign",
            line="dS = P @ dP @ P",
        ),
        Wrong(
            "determinant counted once for the batch",
            old="dS += -0.5 * dlogp.sum() * P",
            new="dS += -0.5 * dlogp.mean() * P",
            cause="Every example has the log determinant in its density, and it is counted for one.",
            label="factor",
            line="dS += -0.5 * dlogp.mean() * P",
        ),
        Wrong(
            "precision on one side only",
            old="dS = -P @ dP @ P",
            new="dS = -P @ dP",
            cause="The inverse's gradient has the inverse on both sides.",
            label="missing_derivative",
            line="dS = -P @ dP",
        ),
        Wrong(
            "gradient from above left out for the determinant",
            old="dS += -0.5 * dlogp.sum() * P",
            new="dS += -0.5 * len(r) * P",
            cause="The log determinant's gradient is not multiplied by the gradient from above.",
            label="missing_term",
            line="dS += -0.5 * len(r) * P",
        ),
        Wrong(
            "quadratic form's two",
            old="dr = 2 * dmaha[:, None] * (r @ P)",
            new="dr = dmaha[:, None] * (r @ P)",
            cause="The quadratic form holds the residual twice, and the factor 2 is missing.",
            label="factor",
            line="dr = dmaha[:, None] * (r @ P)",
        ),
    ],
    right=[
        Right(
            "whitened residuals",
            old="""    dP = (r * dmaha[:, None]).T @ r
    dS = -P @ dP @ P
    dS += -0.5 * dlogp.sum() * P
""",
            new='    u = r @ P\n    dS = 0.5 * np.einsum("n,ni,nj->ij", dlogp, u, u) - 0.5 * np.sum(dlogp) * P\n',
        ),
        Right(
            "covariance close to singular",
            problem=nearly_singular,
            difficult=True,
        ),
    ],
)
