"""Matrix factorisation for ratings, with biases of users and items and a penalty."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(P, Q, bu, bi, mean, users, items, ratings, reg):
    p, q = P[users], Q[items]
    pred = mean + bu[users] + bi[items] + (p * q).sum(axis=1)
    err = ratings - pred
    penalty = reg * ((p**2).sum() + (q**2).sum())
    return 0.5 * (err**2).sum() + penalty, (P, Q, bu, bi, users, items, err, reg)


def backward(gout, cache):
    P, Q, bu, bi, users, items, err, reg = cache
    gP, gQ, gbu, gbi = [np.zeros_like(a) for a in (P, Q, bu, bi)]
    gmean = np.zeros(1)
    for u, i, e in zip(users, items, err):
        ge = -gout * e
        gP[u] += ge * Q[i] + gout * 2 * reg * P[u]
        gQ[i] += ge * P[u] + gout * 2 * reg * Q[i]
        gbu[u] += ge
        gbi[i] += ge
        gmean += ge
    return gP, gQ, gbu, gbi, gmean
"""


def problem(rng, size=0):
    n, users, items, k = ((6, 4, 4, 3), (5, 3, 5, 2))[size]
    inputs = {
        "P": rng.normal(size=(users, k)),
        "Q": rng.normal(size=(items, k)),
        "bu": rng.normal(size=users),
        "bi": rng.normal(size=items),
        "mean": rng.normal(size=1),
    }
    u = rng.integers(users, size=n)
    u[-1] = u[0]
    return inputs, (u, rng.integers(items, size=n), 2 * rng.normal(size=n), 0.2)


FAMILY = Family(
    name="matrix_factorisation",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "user's vector used for the user",
            old="gP[u] += ge * Q[i] + gout * 2 * reg * P[u]",
            new="gP[u] += ge * P[u] + gout * 2 * reg * P[u]",
            cause="The gradient of a user's vector holds the item's vector, and here the user's own.",
            label="wrong_operand",
            line="gP[u] += ge * P[u] + gout * 2 * reg * P[u]",
        ),
        Wrong(
            "last rating of each user",
            old="gbu[u] += ge",
            new="gbu[u] = ge",
            cause="A user's bias keeps the gradient of the user's last rating only.",
            label="accumulate",
            line="gbu[u] = ge",
        ),
        Wrong(
            "error's sign for the biases",
            old="gbi[i] += ge",
            new="gbi[i] += gout * e",
            cause="The error is rating minus prediction, so the bias's gradient is negative in it.",
            label="sign",
            line="gbi[i] += gout * e",
        ),
        Wrong(
            "penalty with a half in mind",
            old="gQ[i] += ge * P[u] + gout * 2 * reg * Q[i]",
            new="gQ[i] += ge * P[u] + gout * reg * Q[i]",
            cause="The penalty has no half in front, and its gradient lacks the factor 2.",
            label="factor",
            line="gQ[i] += ge * P[u] + gout * reg * Q[i]",
        ),
        Wrong(
            "global mean from one rating",
            old="gmean += ge",
            new="gmean[:] = ge",
            cause="The overall mean's gradient keeps the last rating only.",
            label="accumulate",
            line="gmean[:] = ge",
        ),
    ],
    right=[
        Right(
            "all ratings at once",
            old="""    for u, i, e in zip(users, items, err):
        ge = -gout * e
        gP[u] += ge * Q[i] + gout * 2 * reg * P[u]
        gQ[i] += ge * P[u] + gout * 2 * reg * Q[i]
        gbu[u] += ge
        gbi[i] += ge
        gmean += ge
""",
            new="""    ge = -gout * err
    gmean += ge.sum()
    np.add.at(gbu, users, ge)
    np.add.at(gbi, items, ge)
    np.add.at(gP, users, ge[:, None] * Q[items] + 2 * gout * reg * P[users])
    np.add.at(gQ, items, ge[:, None] * P[users] + 2 * gout * reg * Q[items])
""",
        ),
        Right(
            "matrix of errors",
            old="""    for u, i, e in zip(users, items, err):
        ge = -gout * e
        gP[u] += ge * Q[i] + gout * 2 * reg * P[u]
        gQ[i] += ge * P[u] + gout * 2 * reg * Q[i]
        gbu[u] += ge
        gbi[i] += ge
        gmean += ge
""",
            new="""    E, N = np.zeros((2, len(P), len(Q)))
    np.add.at(E, (users, items), -gout * err)
    np.add.at(N, (users, items), 2 * gout * reg)
    gP += E @ Q + N.sum(axis=1)[:, None] * P
    gQ += E.T @ P + N.sum(axis=0)[:, None] * Q
    gbu, gbi, gmean = E.sum(axis=1), E.sum(axis=0), np.array([E.sum()])
""",
        ),
    ],
)
