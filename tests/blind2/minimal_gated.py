"""Minimal gated unit: one gate both forgets and resets."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(xs, h0, Wf, Uf, Wh, Uh):
    h = h0
    tape = []
    for x in xs:
        f = 1 / (1 + np.exp(-(x @ Wf + h @ Uf)))
        r = f * h
        n = np.tanh(x @ Wh + r @ Uh)
        tape.append((x, h, f, r, n))
        h = (1 - f) * h + f * n
    return h, (tape, Wf, Uf, Wh, Uh)


def backward(dh, cache):
    tape, Wf, Uf, Wh, Uh = cache
    dxs = []
    dWf, dUf, dWh, dUh = (np.zeros_like(M) for M in (Wf, Uf, Wh, Uh))
    while tape_left := len(tape) - len(dxs):
        x, h, f, r, n = tape[tape_left - 1]
        dn = dh * f * (1 - n**2)
        dr = dn @ Uh.T
        df = dh * (n - h) + dr * h
        da = df * f * (1 - f)
        dWh += x.T @ dn
        dUh += r.T @ dn
        dWf += x.T @ da
        dUf += h.T @ da
        dxs.append(dn @ Wh.T + da @ Wf.T)
        dh = dh * (1 - f) + dr * f + da @ Uf.T
    return np.array(dxs[::-1]), dh, dWf, dUf, dWh, dUh
"""


def problem(rng, size=0):
    t, n, d, h = ((3, 3, 3, 3), (4, 2, 3, 2))[size]
    inputs = {"xs": rng.normal(size=(t, n, d)), "h0": rng.normal(size=(n, h))}
    for name, rows in (("Wf", d), ("Uf", h), ("Wh", d), ("Uh", h)):
        inputs[name] = rng.normal(size=(rows, h)) * 0.8
    return inputs, ()


FAMILY = Family(
    name="minimal_gated",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "gate's second use forgotten",
            old="df = dh * (n - h) + dr * h",
            new="df = dh * (n - h)",
            cause="The gate also resets the state, and its gradient from there is missing.",
            label="missing_term",
            line="df = dh * (n - h)",
        ),
        Wrong(
            "reset state's route to the state",
            old="dh = dh * (1 - f) + dr * f + da @ Uf.T",
            new="dh = dh * (1 - f) + da @ Uf.T",
            cause="The state's gradient through the reset state is missing.",
            label="missing_term",
            line="dh = dh * (1 - f) + da @ Uf.T",
        ),
        Wrong(
            "candidate weights with the full state",
            old="dUh += r.T @ dn",
            new="dUh += h.T @ dn",
            cause="The recurrent weights of the candidate multiplied the reset state, not the state.",
            label="wrong_operand",
            line="dUh += h.T @ dn",
        ),
        Wrong(
            "time order of the inputs",
            old="return np.array(dxs[::-1]), dh, dWf, dUf, dWh, dUh",
            new="return np.array(dxs), dh, dWf, dUf, dWh, dUh",
            cause="The inputs' gradients were gathered from the last step on and are not put in order.",
            label="transpose",
            line="return np.array(dxs), dh, dWf, dUf, dWh, dUh",
        ),
        Wrong(
            "matrices of one kind exchanged",
            old="return np.array(dxs[::-1]), dh, dWf, dUf, dWh, dUh",
            new="return np.array(dxs[::-1]), dh, dWf, dUh, dWh, dUf",
            cause="The gradients of the two recurrent matrices are exchanged.",
            label="swapped_returns",
            line="return np.array(dxs[::-1]), dh, dWf, dUh, dWh, dUf",
        ),
        Wrong(
            "tape emptied",
            old="    return np.array(dxs[::-1]), dh, dWf, dUf, dWh, dUh\n",
            new="    tape[0][1][:] = 0\n    return np.array(dxs[::-1]), dh, dWf, dUf, dWh, dUh\n",
            cause="The first state, which the tape holds, is set to zero when backward is done.",
            label="state",
            line="tape[0][1][:] = 0",
            shows="input_changed",
        ),
        Wrong(
            "state's gradient clipped at every step",
            old="        dn = dh * f * (1 - n**2)\n",
            new="        dh = np.clip(dh, -50, 50)\n        dn = dh * f * (1 - n**2)\n",
            cause="The state's gradient is clipped at 50 before each step.",
            label="nonlinear_in_dy",
            line="dh = np.clip(dh, -50, 50)",
            shows="large_dy",
        ),
        Wrong(
            "gate's sign in the mixture",
            old="df = dh * (n - h) + dr * h",
            new="df = dh * (h - n) + dr * h",
            cause="The gate lets in the candidate and out the state, and the two have changed places.",
            label="sign",
            line="df = dh * (h - n) + dr * h",
        ),
    ],
    right=[
        Right(
            "zip over the reversed tape",
            old="    while tape_left := len(tape) - len(dxs):\n        x, h, f, r, n = tape[tape_left - 1]\n",
            new="    for x, h, f, r, n in reversed(tape):\n",
        ),
        Right(
            "state's gradient step by step",
            old="        dh = dh * (1 - f) + dr * f + da @ Uf.T\n",
            new="""        dh_prev = (1 - f) * dh
        dh_prev += dr * f
        dh_prev += np.einsum("nh,kh->nk", da, Uf)
        dh = dh_prev
""",
        ),
    ],
)
