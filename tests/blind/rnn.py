"""Vanilla RNN over time as a class; the loss reads every hidden state."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, n_in, n_hidden, n_out, rng):
        self.Wxh = rng.normal(size=(n_hidden, n_in)) * 0.6
        self.Whh = rng.normal(size=(n_hidden, n_hidden)) * 0.6
        self.Why = rng.normal(size=(n_out, n_hidden)) * 0.6
        self.bh = rng.normal(size=n_hidden)
        self.by = rng.normal(size=n_out)

    def forward(self, xs):
        self.xs = xs
        self.hs = [np.zeros(len(self.bh))]
        ys = []
        for x in xs:
            h = np.tanh(self.Wxh @ x + self.Whh @ self.hs[-1] + self.bh)
            self.hs.append(h)
            ys.append(self.Why @ h + self.by)
        return np.array(ys)

    def backward(self, dys):
        self.dWxh = np.zeros_like(self.Wxh)
        self.dWhh = np.zeros_like(self.Whh)
        self.dWhy = np.zeros_like(self.Why)
        self.dbh = np.zeros_like(self.bh)
        self.dby = np.zeros_like(self.by)
        dxs = np.zeros_like(self.xs)
        dh_next = np.zeros_like(self.bh)
        for t in reversed(range(len(self.xs))):
            dy = dys[t]
            h = self.hs[t + 1]
            self.dWhy += np.outer(dy, h)
            self.dby += dy
            dh = self.Why.T @ dy + dh_next
            draw = (1 - h * h) * dh
            self.dbh += draw
            self.dWxh += np.outer(draw, self.xs[t])
            self.dWhh += np.outer(draw, self.hs[t])
            dxs[t] = self.Wxh.T @ draw
            dh_next = self.Whh.T @ draw
        return dxs
"""


def problem(rng, size=0):
    t, d = ((4, 3), (6, 2))[size]
    return {"xs": rng.normal(size=(t, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((3, 3, 3), (2, 4, 3))[size], rng)


FAMILY = Family(
    name="rnn",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"Wxh": "dWxh", "Whh": "dWhh", "Why": "dWhy", "bh": "dbh", "by": "dby"},
    wrong=[
        Wrong(
            "truncated after one step",
            old="dh = self.Why.T @ dy + dh_next",
            new="dh = self.Why.T @ dy",
            cause="Nothing comes from the later steps: the recurrence is cut.",
            label="missing_term",
            line="dh = self.Why.T @ dy",
        ),
        Wrong(
            "state after for state before",
            old="self.dWhh += np.outer(draw, self.hs[t])",
            new="self.dWhh += np.outer(draw, self.hs[t + 1])",
            cause="The recurrent matrix multiplied the state before this step, not the one it made.",
            label="off_by_one",
            line="self.dWhh += np.outer(draw, self.hs[t + 1])",
        ),
        Wrong(
            "recurrent matrix not transposed",
            old="dh_next = self.Whh.T @ draw",
            new="dh_next = self.Whh @ draw",
            cause="The recurrent matrix should be transposed on the way back.",
            label="transpose",
            line="dh_next = self.Whh @ draw",
        ),
        Wrong(
            "clipped as in the well-known script",
            old="        return dxs\n",
            new="        for d in (self.dWxh, self.dWhh, self.dWhy, self.dbh, self.dby):\n"
            "            np.clip(d, -20, 20, out=d)\n"
            "        return dxs\n",
            cause="The gradients are clipped inside backward, so large ones are wrong.",
            label="nonlinear_in_dy",
            line="np.clip(d, -20, 20, out=d)",
            shows="large_dy",
        ),
        Wrong(
            "last step's bias only",
            old="self.dbh += draw",
            new="self.dbh = draw",
            cause="The bias's gradient is assigned at every step; it should be summed over time.",
            label="accumulate",
            line="self.dbh = draw",
        ),
        Wrong(
            "tanh's derivative before the sum",
            old="            dh = self.Why.T @ dy + dh_next\n            draw = (1 - h * h) * dh\n",
            new="            draw = (1 - h * h) * (self.Why.T @ dy) + dh_next\n",
            cause="What comes from the next step is not multiplied by the derivative of the tanh.",
            label="missing_derivative",
            line="draw = (1 - h * h) * (self.Why.T @ dy) + dh_next",
        ),
        Wrong(
            "carry of the sequence before",
            source=apply(
                apply(
                    SOURCE,
                    "        dh_next = np.zeros_like(self.bh)\n",
                    "        dh_next = getattr(self, 'carry', np.zeros_like(self.bh))\n",
                ),
                "        return dxs\n",
                "        self.carry = dh_next\n        return dxs\n",
            ),
            cause="The gradient that is left over from the last call is fed into this one's last step.",
            label="state",
            line="dh_next = getattr(self, 'carry', np.zeros_like(self.bh))",
            shows="second_call",
        ),
    ],
    right=[
        Right(
            "recursion in place of the loop",
            old="""        for t in reversed(range(len(self.xs))):
            dy = dys[t]
            h = self.hs[t + 1]
            self.dWhy += np.outer(dy, h)
            self.dby += dy
            dh = self.Why.T @ dy + dh_next
            draw = (1 - h * h) * dh
            self.dbh += draw
            self.dWxh += np.outer(draw, self.xs[t])
            self.dWhh += np.outer(draw, self.hs[t])
            dxs[t] = self.Wxh.T @ draw
            dh_next = self.Whh.T @ draw
        return dxs
""",
            new="""
        def step(t):
            if t == len(dys):
                return dh_next
            later = step(t + 1)
            h = self.hs[t + 1]
            draw = (1 - h * h) * (self.Why.T @ dys[t] + later)
            self.dWhy += np.outer(dys[t], h)
            self.dby += dys[t]
            self.dbh += draw
            self.dWxh += np.outer(draw, self.xs[t])
            self.dWhh += np.outer(draw, self.hs[t])
            dxs[t] = self.Wxh.T @ draw
            return self.Whh.T @ draw

        step(0)
        return dxs
""",
        ),
        Right(
            "output layer outside the loop",
            old="            self.dWhy += np.outer(dy, h)\n            self.dby += dy\n",
            new="            self.dWhy, self.dby = dys.T @ np.array(self.hs[1:]), dys.sum(axis=0)\n",
        ),
    ],
)
