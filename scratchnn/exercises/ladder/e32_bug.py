"""Find the bug: one line of this backward pass is wrong.

A network of one hidden layer with tanh, and the squared error of its output. x (N, D), t (N,) the targets, W (D, H),
b (H,), v (H,):

    h = tanh(x W + b)      y = h v      loss_n = (y_n − t_n)²

`backward` gets dloss (N,) and should return dW, db and dv. One of its lines, 1 to 6, is wrong; the others are right.
  - Give the number of the wrong line in `wrong_line`, and mend the line.
  - Do not rewrite it all. Read each line, and ask of what it should be the gradient: does it have that shape? What does
    the forward line that it belongs to multiply by?
  - dv is right. Which lines can it not be, then?
"""

import numpy as np


def forward(W, b, v, x, t):
    h = np.tanh(x @ W + b)
    y = h @ v
    loss = (y - t) ** 2
    cache = (x, t, h, y, v)
    return loss, cache


def backward(dloss, cache):
    x, t, h, y, v = cache
    dy = dloss * 2 * (y - t)  # line 1
    dv = h.T @ dy  # line 2
    dh = dy[:, None] * v  # line 3
    # begin solution instead of: da = dh * (1 - h)  # line 4
    da = dh * (1 - h**2)  # line 4
    # end solution
    dW = x.T @ da  # line 5
    db = np.sum(da, axis=0)  # line 6
    return dW, db, dv


def wrong_line():
    # begin solution: line
    line = 4
    # end solution
    return line


# ==== below this line: for the checker ====

from typing import Any

from scratchnn.exercises.bugs import found, mended
from scratchnn.exercises.exercise import Finding, Judged
from scratchnn.machinery.parameters import Array


def given(dloss: Array, cache: tuple[Array, ...]) -> tuple[Array, ...]:
    """The backward pass with its bug."""
    x, t, h, y, v = cache
    dy = dloss * 2 * (y - t)
    da = dy[:, None] * v * (1 - h)
    return x.T @ da, da.sum(axis=0), h.T @ dy


def judge(answer: Any, seed: int) -> list[Finding]:
    findings = [found(answer.wrong_line(), 4, 6)]
    for which, (N, D, H) in enumerate(((5, 3, 7), (11, 7, 2))):
        rng = np.random.default_rng([seed, which])
        W, b, v, x, t = (rng.normal(size=size) for size in ((D, H), H, H, (N, D), N))
        _, cache = forward(W, b, v, x, t)
        dloss = rng.normal(size=N)
        right, before = backward(dloss, cache), given(dloss, cache)
        findings += mended(
            answer.backward(dloss, cache), right, before, ["dW", "db", "dv"], f"on N, D, H = {N}, {D}, {H}"
        )
    return findings


EXERCISE = Judged(
    title="find the bug in a network of one layer",
    function="wrong_line",
    judge=judge,
    hints=(
        "dv comes out of lines 1 and 2, and it is right. dW and db are both wrong: what do they have in common?",
        "dW and db are made of da. So the wrong line is 3 or 4. One of them is a slope: of which function?",
        "The slope of tanh, from its output h, is 1 − h². Line 4.",
    ),
    derivation="""
        What is right tells as much as what is wrong: dv clears lines 1 and 2, and two wrong gradients with one common
        line point at it, or at what it reads. The slope of tanh is 1 − tanh², so with its output h it is 1 − h².
    """,
)
