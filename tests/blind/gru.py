"""One GRU step with the candidate of the reset state, written as two helper functions."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def sig(a):
    return 0.5 * (1 + np.tanh(0.5 * a))


def forward(x, h, Wz, Wr, Wc, Uz, Ur, Uc):
    z = sig(x @ Wz + h @ Uz)
    r = sig(x @ Wr + h @ Ur)
    rh = r * h
    c = np.tanh(x @ Wc + rh @ Uc)
    h_new = (1 - z) * h + z * c
    return h_new, (x, h, Wz, Wr, Wc, Uz, Ur, Uc, z, r, rh, c)


def backward(dh_new, cache):
    x, h, Wz, Wr, Wc, Uz, Ur, Uc, z, r, rh, c = cache
    dz = dh_new * (c - h)
    dc = dh_new * z
    dh = dh_new * (1 - z)
    dac = dc * (1 - c * c)
    drh = dac @ Uc.T
    dr = drh * h
    dh = dh + drh * r
    daz = dz * z * (1 - z)
    dar = dr * r * (1 - r)
    dh = dh + daz @ Uz.T + dar @ Ur.T
    dx = daz @ Wz.T + dar @ Wr.T + dac @ Wc.T
    dW = [x.T @ da for da in (daz, dar, dac)]
    dU = [h.T @ daz, h.T @ dar, rh.T @ dac]
    return (dx, dh, *dW, *dU)
"""


def problem(rng, size=0):
    n, d, k = ((3, 3, 3), (2, 4, 3))[size]
    inputs = {"x": rng.normal(size=(n, d)), "h": rng.normal(size=(n, k))}
    inputs |= {name: rng.normal(size=(d, k)) * 0.7 for name in ("Wz", "Wr", "Wc")}
    inputs |= {name: rng.normal(size=(k, k)) * 0.7 for name in ("Uz", "Ur", "Uc")}
    return inputs, ()


FAMILY = Family(
    name="gru",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "update gate backwards",
            old="dz = dh_new * (c - h)",
            new="dz = dh_new * (h - c)",
            cause="The update gate's sign is wrong: z multiplies the candidate, 1 - z the old state.",
            label="sign",
            line="dz = dh_new * (h - c)",
        ),
        Wrong(
            "no path through the reset state",
            old="    dh = dh + drh * r\n",
            new="",
            cause="The old state also reaches the candidate through the reset gate; that path is missing.",
            label="missing_term",
            line="dh = dh + daz @ Uz.T + dar @ Ur.T",
            fair=("dh = dh_new * (1 - z)",),
        ),
        Wrong(
            "state before the reset",
            old="dU = [h.T @ daz, h.T @ dar, rh.T @ dac]",
            new="dU = [h.T @ daz, h.T @ dar, h.T @ dac]",
            cause="The candidate sees the state after the reset gate, not the old state.",
            label="wrong_operand",
            line="dU = [h.T @ daz, h.T @ dar, h.T @ dac]",
        ),
        Wrong(
            "reset gate's derivative without 1 - r",
            old="dar = dr * r * (1 - r)",
            new="dar = dr * r",
            cause="The sigmoid's derivative is r (1 - r); the second factor is missing.",
            label="missing_derivative",
            line="dar = dr * r",
        ),
        Wrong(
            "weights of z and r swapped",
            old="dx = daz @ Wz.T + dar @ Wr.T + dac @ Wc.T",
            new="dx = daz @ Wr.T + dar @ Wz.T + dac @ Wc.T",
            cause="The matrices of update and reset gate are exchanged in the input's gradient.",
            label="wrong_operand",
            line="dx = daz @ Wr.T + dar @ Wz.T + dac @ Wc.T",
        ),
        Wrong(
            "both gates' derivatives",
            old="    daz = dz * z * (1 - z)\n    dar = dr * r * (1 - r)\n",
            new="    daz = dz * (1 - z)\n    dar = dr * (1 - r**2)\n",
            cause="The update gate's derivative lacks a factor, and the reset gate has that of a tanh.",
            label="two_mistakes",
            line="daz = dz * (1 - z)",
            fair=("dar = dr * (1 - r**2)",),
        ),
    ],
    right=[
        Right(
            "gates side by side",
            old="    dx = daz @ Wz.T + dar @ Wr.T + dac @ Wc.T\n    dW = [x.T @ da for da in (daz, dar, dac)]\n",
            new="""    da = np.concatenate((daz, dar, dac), axis=1)
    dx = da @ np.concatenate((Wz, Wr, Wc), axis=1).T
    dW = np.hsplit(x.T @ da, 3)
""",
        ),
        Right(
            "in place on the gradient it has made",
            old="    dh = dh + drh * r\n",
            new="    dh += drh * r\n",
        ),
        Right(
            "derivative of the sigmoid by its tanh",
            old="daz = dz * z * (1 - z)",
            new="daz = dz * 0.25 * (1 - (2 * z - 1) ** 2)",
        ),
    ],
)
