"""Backpropagation with every number written down. Run it, and read the output beside this file.

For every number q on the way to the loss one question is asked: if q grew a little, by how many times as much would the
loss grow? The answer, ∂loss/∂q, is called dq. A q that is used twice, in u and in v, moves the loss through both, and
what it does through each adds up:

    dq = du·∂u/∂q + dv·∂v/∂q

This is the chain rule: on a path from q to the loss the slopes of the steps are multiplied, and there is one such term
for every path. Section 1 has the smallest case, u = 3·q, v = q + 1, loss = u·v. The others are about one neuron,

    y = tanh(w1·x1 + w2·x2 + b),      loss = (y − t)²

where each value is used once, so every sum has one term. Forward takes its steps in order, backward in reverse. The
factor that comes from above, such as dy in da = dy·(1 − y²), is the *upstream gradient* of that step. A layer works in
the same way: its backward is given dy, the upstream gradient of its output y, and returns dx, which is that of the
layer below. It uses its weights once for every example, and there the sum comes back (scratchnn/layers/dense.py).
"""

from __future__ import annotations

import math

import numpy as np

from scratchnn import SGD, Dense, MeanSquaredError, Sequential, Tanh
from scratchnn.losses import batch_mean
from scratchnn.scripts import cli

Q, GROWTH = 2.0, 0.001  # of section 1
X1, X2, T = 2.0, -1.0, 1.0  # one example and its target
W1, W2, B = 0.5, 0.3, 0.1  # the parameters, as they happen to be
LR = 0.01


def loss_at(w1: float, w2: float, b: float) -> float:
    return (math.tanh(w1 * X1 + w2 * X2 + b) - T) ** 2


def step(name: str, formula: str, value: float) -> float:
    """One step forward: prints it and returns its value."""
    print(f"  {name:5} = {formula:12} = {value:9.6f}")
    return value


def chain(name: str, above: str, d_above: float, derivative: str, slope: float) -> float:
    """One step backward: what comes from above times the slope of the step."""
    print(f"  {name:4} = {above:5} · {derivative:18} {d_above:9.6f} · {slope:9.6f} = {d_above * slope:9.6f}")
    return d_above * slope


def main() -> None:
    print(f"1. A value that is used twice: q = {Q}, and it grows by {GROWTH}.")
    u = step("u", "3·q", 3 * Q)
    v = step("v", "q + 1", Q + 1)
    loss = step("loss", "u·v", u * v)
    new_u, new_v = 3 * (Q + GROWTH), (Q + GROWTH) + 1
    for path, new_loss in (("u alone", new_u * v), ("v alone", u * new_v), ("both", new_u * new_v)):
        grown = new_loss - loss
        print(f"  through {path:8} the loss grows by {grown:.6f}: {grown / GROWTH:6.3f} times as much as q")
    print("  The chain rule says it without a trial. It begins with dloss = 1.")
    du = chain("du", "dloss", 1.0, "[∂loss/∂u = v]", v)
    dv = chain("dv", "dloss", 1.0, "[∂loss/∂v = u]", u)
    by_u = chain("by u", "du", du, "[∂u/∂q = 3]", 3.0)
    by_v = chain("by v", "dv", dv, "[∂v/∂q = 1]", 1.0)
    print(f"  dq   = by u + by v = {by_u:.6f} + {by_v:.6f} = {by_u + by_v:.6f}")
    print(f"  ({grown / GROWTH:.3f} above, since u and v grow together: the smaller the growth, the closer)")

    print(f"\nA neuron: x1 = {X1}, x2 = {X2}, target t = {T}; w1 = {W1}, w2 = {W2}, b = {B}\n")
    print("2. Forward: from the inputs to the loss.")
    p1 = step("p1", "w1·x1", W1 * X1)
    p2 = step("p2", "w2·x2", W2 * X2)
    a = step("a", "p1 + p2 + b", p1 + p2 + B)
    y = step("y", "tanh(a)", math.tanh(a))
    e = step("e", "y − t", y - T)
    loss = step("loss", "e²", e**2)

    print("\n3. Backward: from the loss to the parameters, the steps of 2 in reverse. It begins with dloss = 1.")
    de = chain("de", "dloss", 1.0, "[∂loss/∂e = 2e]", 2 * e)
    dy = chain("dy", "de", de, "[∂e/∂y = 1]", 1.0)
    da = chain("da", "dy", dy, "[∂y/∂a = 1 − y²]", 1 - y**2)
    db = chain("db", "da", da, "[∂a/∂b = 1]", 1.0)  # a sum hands what it is given to each of its terms
    dp1 = chain("dp1", "da", da, "[∂a/∂p1 = 1]", 1.0)
    dp2 = chain("dp2", "da", da, "[∂a/∂p2 = 1]", 1.0)
    dw1 = chain("dw1", "dp1", dp1, "[∂p1/∂w1 = x1]", X1)  # a product hands it on times the other factor
    dw2 = chain("dw2", "dp2", dp2, "[∂p2/∂w2 = x2]", X2)
    dx1 = chain("dx1", "dp1", dp1, "[∂p1/∂x1 = w1]", W1)  # for the layer below, if there were one
    dx2 = chain("dx2", "dp2", dp2, "[∂p2/∂x2 = w2]", W2)

    h = 1e-5
    print(f"\n4. Is it true? Move one parameter q at a time by ±{h:g}: [loss(q + h) − loss(q − h)] / 2h.")
    slopes = (
        (loss_at(W1 + h, W2, B) - loss_at(W1 - h, W2, B)) / (2 * h),
        (loss_at(W1, W2 + h, B) - loss_at(W1, W2 - h, B)) / (2 * h),
        (loss_at(W1, W2, B + h) - loss_at(W1, W2, B - h)) / (2 * h),
    )
    for name, derived, measured in zip(("dw1", "dw2", "db"), (dw1, dw2, db), slopes, strict=True):
        print(
            f"  {name:4} by hand {derived:12.9f}   measured {measured:12.9f}   difference {abs(derived - measured):.0e}"
        )

    print("\n5. One step against the gradient: q − lr·dq for every parameter q.")
    new_loss = loss_at(W1 - LR * dw1, W2 - LR * dw2, B - LR * db)
    print(f"  the loss was {loss:.6f} and is {new_loss:.6f} (lr = {LR})")
    print(f"  it fell by {loss - new_loss:.6f}")
    predicted = LR * (dw1**2 + dw2**2 + db**2)
    print(f"  the slopes predict lr·(dw1² + dw2² + db²) = {predicted:.6f}: the smaller lr, the closer")

    print("\n6. The same with layers. A row is an example, here the only one; W stands in a column, (2, 1).")
    neuron = Sequential([Dense(2, 1, np.random.default_rng(0), dtype=np.float64), Tanh()])
    neuron.params = np.array([W1, W2, B])  # W, then b
    squared_error = MeanSquaredError()
    x, target = np.array([[X1, X2]]), np.array([[T]])
    mean_loss, dloss = batch_mean(squared_error.forward(neuron.forward(x), target))
    dx = neuron.backward(squared_error.backward(dloss))
    print(f"  loss         by hand {loss:.6f}   layers {mean_loss:.6f}")
    for name, derived, computed in zip(
        ("dw1", "dw2", "db", "dx1", "dx2"), (dw1, dw2, db, dx1, dx2), (*neuron.grads, *dx[0]), strict=True
    ):
        print(f"  {name:12} by hand {derived:9.6f}   layers {computed:9.6f}   difference {abs(derived - computed):.0e}")
    SGD(neuron, LR).step()
    mean_loss, _ = batch_mean(squared_error.forward(neuron.forward(x), target))
    print(f"  after a step by hand {new_loss:.6f}   layers {mean_loss:.6f}")


if __name__ == "__main__":
    cli.forgiving_terminal()
    main()
