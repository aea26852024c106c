"""Neural differential equation, solved by midpoint steps, with the step size as a parameter."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, A, b, dt, steps):
    trace = []
    for _ in range(steps):
        k1 = np.tanh(x @ A + b)
        mid = x + dt / 2 * k1
        k2 = np.tanh(mid @ A + b)
        trace.append((x, k1, mid, k2))
        x = x + dt * k2
    return x, (trace, A, dt)


def backward(dx, cache):
    trace, A, dt = cache
    dA, db = np.zeros(A.shape), np.zeros(A.shape[1])
    ddt = np.zeros(dt.shape)
    for x, k1, mid, k2 in trace[::-1]:
        ddt += np.sum(dx * k2)
        dk2 = dt * dx
        dz2 = dk2 * (1 - k2**2)
        dA += mid.T @ dz2
        db += dz2.sum(0)
        dmid = dz2 @ A.T
        ddt += np.sum(dmid * k1) / 2
        dk1 = dt / 2 * dmid
        dz1 = dk1 * (1 - k1**2)
        dA += x.T @ dz1
        db += dz1.sum(0)
        dx = dx + dmid + dz1 @ A.T
    return dx, dA, db, ddt
"""


def problem(rng, size=0):
    n, d, steps = ((3, 3, 3), (4, 2, 4))[size]
    inputs = {"x": rng.normal(size=(n, d)), "A": rng.normal(size=(d, d)), "b": rng.normal(size=d)}
    return inputs | {"dt": np.array([0.4])}, (steps,)


FAMILY = Family(
    name="ode_steps",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "state's route past the midpoint",
            old="dx = dx + dmid + dz1 @ A.T",
            new="dx = dx + dz1 @ A.T",
            cause="The state also stands in the midpoint itself; that route back is missing.",
            label="missing_term",
            line="dx = dx + dz1 @ A.T",
        ),
        Wrong(
            "identity of the step forgotten",
            old="dx = dx + dmid + dz1 @ A.T",
            new="dx = dmid + dz1 @ A.T",
            cause="The new state is the old one plus a step, and the old one's own gradient is dropped.",
            label="missing_term",
            line="dx = dmid + dz1 @ A.T",
        ),
        Wrong(
            "step of the midpoint",
            old="dk1 = dt / 2 * dmid",
            new="dk1 = dt * dmid",
            cause="The midpoint is half a step away, and the gradient has a whole step.",
            label="factor",
            line="dk1 = dt * dmid",
        ),
        Wrong(
            "step size in the midpoint",
            old="        ddt += np.sum(dmid * k1) / 2\n        dk1 = dt / 2 * dmid\n",
            new="        dk1 = dt / 2 * dmid\n",
            cause="The step size also places the midpoint; that part of its gradient is missing.",
            label="missing_term",
            line="ddt += np.sum(dx * k2)",
            fair=("return dx, dA, db, ddt",),
        ),
        Wrong(
            "start for midpoint",
            old="dA += mid.T @ dz2",
            new="dA += x.T @ dz2",
            cause="The second slope is taken at the midpoint, and its gradient uses the start of the step.",
            label="wrong_operand",
            line="dA += x.T @ dz2",
        ),
        Wrong(
            "steps from the first",
            old="for x, k1, mid, k2 in trace[::-1]:",
            new="for x, k1, mid, k2 in trace:",
            cause="The steps are gone through in the order of forward, and should be in reverse.",
            label="transpose",
            line="for x, k1, mid, k2 in trace:",
            fair=(
                "ddt += np.sum(dx * k2)",
                "dz2 = dk2 * (1 - k2**2)",
            ),
        ),
    ],
    right=[
        Right(
            "vector-Jacobian product as a function",
            old="""        dk2 = dt * dx
        dz2 = dk2 * (1 - k2**2)
        dA += mid.T @ dz2
        db += dz2.sum(0)
        dmid = dz2 @ A.T
        ddt += np.sum(dmid * k1) / 2
        dk1 = dt / 2 * dmid
        dz1 = dk1 * (1 - k1**2)
        dA += x.T @ dz1
        db += dz1.sum(0)
        dx = dx + dmid + dz1 @ A.T
""",
            new="""
        def vjp(point, k, g):
            gz = g * (1 - k**2)
            return gz @ A.T, point.T @ gz, gz.sum(0)

        dmid, dA2, db2 = vjp(mid, k2, dt * dx)
        dstart, dA1, db1 = vjp(x, k1, 0.5 * dt * dmid)
        ddt += 0.5 * np.sum(dmid * k1)
        dA += dA1 + dA2
        db += db1 + db2
        dx = dx + dmid + dstart
""",
        ),
        Right(
            "pop",
            old="    for x, k1, mid, k2 in trace[::-1]:\n",
            new="""    trace = list(trace)
    while trace:
        x, k1, mid, k2 = trace.pop()
""",
        ),
    ],
)
