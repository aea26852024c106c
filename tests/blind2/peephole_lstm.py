"""One sequence through an LSTM with peepholes: the gates also see the cell."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def sig(a):
    return 1 / (1 + np.exp(-a))


def forward(x, W, U, b, p):
    H = U.shape[0]
    h, c = np.zeros(H), np.zeros(H)
    steps, hs = [], []
    for xt in x:
        a = xt @ W + h @ U + b
        ai, af, ag, ao = np.split(a, 4)
        i = sig(ai + p[0] * c)
        f = sig(af + p[1] * c)
        g = np.tanh(ag)
        c_new = f * c + i * g
        o = sig(ao + p[2] * c_new)
        tc = np.tanh(c_new)
        steps.append((xt, h, c, i, f, g, o, c_new, tc))
        h, c = o * tc, c_new
        hs.append(h)
    return np.array(hs), (steps, W, U, p)


def backward(dhs, cache):
    steps, W, U, p = cache
    dx = np.zeros((len(steps), len(W)))
    dW, dU, dp = np.zeros_like(W), np.zeros_like(U), np.zeros_like(p)
    db = np.zeros(W.shape[1])
    dh_next, dc_next = np.zeros(len(U)), np.zeros(len(U))
    for t in range(len(steps) - 1, -1, -1):
        xt, h_prev, c_prev, i, f, g, o, c, tc = steps[t]
        dh = dhs[t] + dh_next
        dao = dh * tc * o * (1 - o)
        dc = dc_next + dh * o * (1 - tc**2) + dao * p[2]
        dai = dc * g * i * (1 - i)
        daf = dc * c_prev * f * (1 - f)
        dag = dc * i * (1 - g**2)
        dp += np.array([dai * c_prev, daf * c_prev, dao * c])
        da = np.concatenate([dai, daf, dag, dao])
        dx[t] = W @ da
        dW += np.outer(xt, da)
        dU += np.outer(h_prev, da)
        db += da
        dh_next = U @ da
        dc_next = dc * f + dai * p[0] + daf * p[1]
    return dx, dW, dU, db, dp
"""


def problem(rng, size=0):
    t, d, h = ((4, 3, 3), (3, 2, 4))[size]
    inputs = {
        "x": rng.normal(size=(t, d)),
        "W": rng.normal(size=(d, 4 * h)),
        "U": rng.normal(size=(h, 4 * h)) * 0.7,
        "b": rng.normal(size=4 * h),
        "p": rng.normal(size=(3, h)),
    }
    return inputs, ()


FAMILY = Family(
    name="peephole_lstm",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "peepholes' route to the cell missing",
            old="dc_next = dc * f + dai * p[0] + daf * p[1]",
            new="dc_next = dc * f",
            cause="The input and forget gates look at the old cell, and what comes back there is left out.",
            label="missing_term",
            line="dc_next = dc * f",
        ),
        Wrong(
            "output peephole's route missing",
            old="dc = dc_next + dh * o * (1 - tc**2) + dao * p[2]",
            new="dc = dc_next + dh * o * (1 - tc**2)",
            cause="The output gate looks at the new cell, and that route to the cell is missing.",
            label="missing_term",
            line="dc = dc_next + dh * o * (1 - tc**2)",
        ),
        Wrong(
            "output peephole with the old cell",
            old="dp += np.array([dai * c_prev, daf * c_prev, dao * c])",
            new="dp += np.array([dai * c_prev, daf * c_prev, dao * c_prev])",
            cause="The output gate looks at the new cell, and its peephole's gradient is taken with the old one.",
            label="off_by_one",
            line="dp += np.array([dai * c_prev, daf * c_prev, dao * c_prev])",
        ),
        Wrong(
            "forget gate by the new cell",
            old="daf = dc * c_prev * f * (1 - f)",
            new="daf = dc * c * f * (1 - f)",
            cause="The forget gate scaled the old cell, and the new one is used.",
            label="off_by_one",
            line="daf = dc * c * f * (1 - f)",
        ),
        Wrong(
            "gates in another order",
            old="da = np.concatenate([dai, daf, dag, dao])",
            new="da = np.concatenate([dai, daf, dao, dag])",
            cause="The four gates are put together in another order than that of the weights.",
            label="transpose",
            line="da = np.concatenate([dai, daf, dao, dag])",
        ),
        Wrong(
            "candidate's derivative as a gate's",
            old="dag = dc * i * (1 - g**2)",
            new="dag = dc * i * g * (1 - g)",
            cause="The candidate is a tanh, and it gets the sigmoid's derivative.",
            label="missing_derivative",
            line="dag = dc * i * g * (1 - g)",
        ),
        Wrong(
            "forget gate applied to the next step's gradient",
            old="dc_next = dc * f + dai * p[0] + daf * p[1]",
            new="dc_next = dc * i + dai * p[0] + daf * p[1]",
            cause="The cell's gradient passes the forget gate, and here the input gate.",
            label="wrong_operand",
            line="dc_next = dc * i + dai * p[0] + daf * p[1]",
        ),
    ],
    right=[
        Right(
            "recomputed tanh, matrices at the end",
            old="        dp += np.array([dai * c_prev, daf * c_prev, dao * c])\n",
            new="""        dp[0] += dai * c_prev
        dp[1] += daf * c_prev
        dp[2] += dao * np.arctanh(tc)
""",
        ),
        Right(
            "gate derivatives in one array",
            old="""        dai = dc * g * i * (1 - i)
        daf = dc * c_prev * f * (1 - f)
        dag = dc * i * (1 - g**2)
""",
            new="""        gates = np.stack([i, f])
        dai, daf = dc * np.stack([g, c_prev]) * (gates - gates**2)
        dag = dc * i * (1 + g) * (1 - g)
""",
        ),
    ],
)
