"""LSTM over a sequence: all hidden states come out."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(x, h0, c0, Wx, Wh, b):
    T, N, _ = x.shape
    h, c = h0, c0
    steps, hs = [], []
    for t in range(T):
        a = x[t] @ Wx + h @ Wh + b
        ai, af, ao, ag = np.split(a, 4, axis=1)
        i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
        c_next = f * c + i * g
        tc = np.tanh(c_next)
        h_next = o * tc
        steps.append((h, c, i, f, o, g, tc))
        h, c = h_next, c_next
        hs.append(h)
    return np.stack(hs), (x, Wx, Wh, steps)


def backward(dhs, cache):
    x, Wx, Wh, steps = cache
    dx = np.zeros_like(x)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wh.shape[1])
    dh = np.zeros_like(dhs[0])
    dc = np.zeros_like(dh)
    for t in reversed(range(len(steps))):
        h, c, i, f, o, g, tc = steps[t]
        dh = dh + dhs[t]
        do = dh * tc
        dc = dc + dh * o * (1 - tc**2)
        di, df, dg = dc * g, dc * c, dc * i
        da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
        dx[t] = da @ Wx.T
        dWx += x[t].T @ da
        dWh += h.T @ da
        db += da.sum(axis=0)
        dh = da @ Wh.T
        dc = dc * f
    return dx, dh, dc, dWx, dWh, db
"""


def problem(rng, size=0):
    t, n, d, h = ((4, 2, 3, 3), (3, 3, 2, 4))[size]
    return {
        "x": rng.normal(size=(t, n, d)),
        "h0": rng.normal(size=(n, h)),
        "c0": rng.normal(size=(n, h)),
        "Wx": rng.normal(size=(d, 4 * h)) * 0.6,
        "Wh": rng.normal(size=(h, 4 * h)) * 0.6,
        "b": rng.normal(size=4 * h),
    }, ()


FAMILY = Family(
    name="lstm",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "cell's memory cut",
            old="dc = dc + dh * o * (1 - tc**2)",
            new="dc = dh * o * (1 - tc**2)",
            cause="What comes from the next step's cell is dropped; only the hidden state's part is left.",
            label="missing_term",
            line="dc = dh * o * (1 - tc**2)",
        ),
        Wrong(
            "input gate for the forget gate",
            old="        dc = dc * f\n",
            new="        dc = dc * i\n",
            cause="The cell's gradient goes back through the forget gate, not the input gate.",
            label="wrong_operand",
            line="dc = dc * i",
        ),
        Wrong(
            "sigmoid's derivative for the candidate",
            old="dg * (1 - g**2)])",
            new="dg * g * (1 - g)])",
            cause="The candidate is a tanh; the derivative is a sigmoid's.",
            label="missing_derivative",
            line="da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * g * (1 - g)])",
        ),
        Wrong(
            "order of the gates",
            old="da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])",
            new="da = np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])",
            cause="Output gate and candidate are put together in another order than forward splits them.",
            label="wrong_operand",
            line="da = np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])",
        ),
        Wrong(
            "first step left out",
            old="for t in reversed(range(len(steps))):",
            new="for t in range(len(steps) - 1, 0, -1):",
            cause="The loop ends at step 1, so step 0 is never gone through.",
            label="off_by_one",
            line="for t in range(len(steps) - 1, 0, -1):",
            fair=("dx[t] = da @ Wx.T", "dWx += x[t].T @ da", "return dx, dh, dc, dWx, dWh, db"),
        ),
        Wrong(
            "the other state's order",
            old="return dx, dh, dc, dWx, dWh, db",
            new="return dx, dc, dh, dWx, dWh, db",
            cause="The gradients of the first hidden state and of the first cell are swapped.",
            label="swapped_returns",
            line="return dx, dc, dh, dWx, dWh, db",
        ),
        Wrong(
            "clipped at every step",
            old="dh = dh + dhs[t]",
            new="dh = np.clip(dh + dhs[t], -50, 50)",
            cause="The hidden state's gradient is clipped at every step, so large ones are wrong.",
            label="nonlinear_in_dy",
            line="dh = np.clip(dh + dhs[t], -50, 50)",
            shows="large_dy",
        ),
    ],
    right=[
        Right(
            "sums over time after the loop",
            source=apply(
                apply(SOURCE, "    dc = np.zeros_like(dh)\n", "    dc = np.zeros_like(dh)\n    das = []\n"),
                """        dx[t] = da @ Wx.T
        dWx += x[t].T @ da
        dWh += h.T @ da
        db += da.sum(axis=0)
        dh = da @ Wh.T
        dc = dc * f
    return dx, dh, dc, dWx, dWh, db
""",
                """        das.append(da)
        dh = da @ Wh.T
        dc = dc * f
    da = np.stack(das[::-1])
    h_before = np.stack([step[0] for step in steps])
    dWx = np.einsum("tnd,tnk->dk", x, da)
    dWh = np.einsum("tnh,tnk->hk", h_before, da)
    return da @ Wx.T, dh, dc, dWx, dWh, da.sum(axis=(0, 1))
""",
            ),
        ),
        Right(
            "gates written into one array",
            old="        da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])\n",
            new="""        da = np.empty((h.shape[0], 4 * h.shape[1]))
        for part, d in zip(np.split(da, 4, axis=1), (di, df, do, dg), strict=True):
            part[:] = d
        gates = np.concatenate([i, f, o], axis=1)
        da[:, : gates.shape[1]] *= gates * (1 - gates)
        da[:, gates.shape[1] :] *= 1 - g * g
""",
        ),
    ],
)
