"""Causal linear attention: running sums of key-value products, and a running normaliser."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def phi(a):
    return np.where(a > 0, a + 1, np.exp(np.minimum(a, 0)))


def dphi(a):
    return np.where(a > 0, 1, np.exp(np.minimum(a, 0)))


def forward(q, k, v):
    Q, K = phi(q), phi(k)
    S = np.zeros((k.shape[1], v.shape[1]))
    z = np.zeros(k.shape[1])
    outs, states = [], []
    for Qt, Kt, vt in zip(Q, K, v):
        S = S + np.outer(Kt, vt)
        z = z + Kt
        den = Qt @ z
        outs.append(Qt @ S / den)
        states.append((S, z, den))
    return np.array(outs), (q, k, v, Q, K, outs, states)


def backward(dout, cache):
    q, k, v, Q, K, outs, states = cache
    dQ, dK, dv = np.zeros_like(Q), np.zeros_like(K), np.zeros_like(v)
    dS = np.zeros_like(states[0][0])
    dz = np.zeros_like(states[0][1])
    for t in range(len(Q) - 1, -1, -1):
        S, z, den = states[t]
        dnum = dout[t] / den
        dden = -dout[t] @ outs[t] / den
        dQ[t] = S @ dnum + dden * z
        dS += np.outer(Q[t], dnum)
        dz += dden * Q[t]
        dK[t] = dS @ v[t] + dz
        dv[t] = K[t] @ dS
    return dQ * dphi(q), dK * dphi(k), dv
"""


def problem(rng, size=0):
    t, d, e = ((4, 3, 3), (5, 2, 4))[size]
    return {"q": rng.normal(size=(t, d)), "k": rng.normal(size=(t, d)), "v": rng.normal(size=(t, e))}, ()


FAMILY = Family(
    name="linear_attention",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "later queries forgotten",
            old="dS += np.outer(Q[t], dnum)",
            new="dS = np.outer(Q[t], dnum)",
            cause="The running sum also serves all later steps, and only this step's gradient is kept.",
            label="accumulate",
            line="dS = np.outer(Q[t], dnum)",
        ),
        Wrong(
            "normaliser taken as constant in the keys",
            old="dK[t] = dS @ v[t] + dz",
            new="dK[t] = dS @ v[t]",
            cause="The keys are also summed in the normaliser, and that route is missing.",
            label="missing_term",
            line="dK[t] = dS @ v[t]",
        ),
        Wrong(
            "normaliser's sign",
            old="dden = -dout[t] @ outs[t] / den",
            new="dden = dout[t] @ outs[t] / den",
            cause="The quotient's derivative with respect to the denominator is negative.",
            label="sign",
            line="dden = dout[t] @ outs[t] / den",
        ),
        Wrong(
            "state before the step",
            old="dQ[t] = S @ dnum + dden * z",
            new="dQ[t] = states[max(t - 1, 0)][0] @ dnum + dden * z",
            cause="The query reads the sums with this step's key in them, and the sums of the step before are used.",
            label="off_by_one",
            line="dQ[t] = states[max(t - 1, 0)][0] @ dnum + dden * z",
        ),
        Wrong(
            "sums from the front",
            source=apply(
                apply(SOURCE, "for t in range(len(Q) - 1, -1, -1):", "for t in range(len(Q)):"),
                "dK[t] = dS @ v[t] + dz",
                "dK[t] = dS @ v[t]",
            ),
            cause="The sums run over earlier queries, not later ones, and the normaliser's route is missing.",
            label="two_mistakes",
            line="dS += np.outer(Q[t], dnum)",
            fair=(
                "for t in range(len(Q)):",
                "dz += dden * Q[t]",
                "dK[t] = dS @ v[t]",
            ),
        ),
    ],
    right=[
        Right(
            "all steps at once",
            old="""    for t in range(len(Q) - 1, -1, -1):
        S, z, den = states[t]
        dnum = dout[t] / den
        dden = -dout[t] @ outs[t] / den
        dQ[t] = S @ dnum + dden * z
        dS += np.outer(Q[t], dnum)
        dz += dden * Q[t]
        dK[t] = dS @ v[t] + dz
        dv[t] = K[t] @ dS
""",
            new="""    A = np.tril(Q @ K.T)
    den = A.sum(axis=1, keepdims=True)
    P = A / den
    dP = dout @ v.T
    dA = np.tril((dP - (dout * (P @ v)).sum(axis=1, keepdims=True)) / den)
    dQ, dK, dv = dA @ K, dA.T @ Q, P.T @ dout
""",
        ),
    ],
)
