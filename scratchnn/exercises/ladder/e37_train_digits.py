"""Train a network that reads handwritten digits, with your own backward passes.

This file takes your files linear, relu, softmax_cross_entropy and adam from the folder it lies in. From them you make
what the exercise mlp was in one piece: the loss of a batch, and the gradients of its four parameters. The training loop
is there: it takes random batches, and your Adam makes the steps.

In `loss_and_gradients`, x is (N, 64), labels (N,), and params is the list [W1, b1, W2, b2], for 64 pixels, 32 hidden
units and 10 digits. Each of your modules has forward and backward: y, cache = linear.forward(x, W, b), and later
dx, dW, db = linear.backward(dy, cache).
  - Forward: linear, relu, linear, softmax_cross_entropy. Keep every cache under a name of its own.
  - The loss is the mean over the batch of the loss of each example. What is dloss (N,), then?
  - Backward, in reverse order: return the mean loss and the list [dW1, db1, dW2, db2].

Of 300 digits that it has not seen, 95 in 100 must be read right. (They come from the same hands as the others: of
digits in new hands such a network reads about 90 in 100.)
"""

import numpy as np

from scratchnn.exercises.yours import yours

linear, relu, softmax_cross_entropy, adam = yours(__file__, "linear", "relu", "softmax_cross_entropy", "adam")
adam.LR, adam.EPS = 0.003, 1e-8


def loss_and_gradients(params, x, labels):
    W1, b1, W2, b2 = params
    # begin solution: loss, gradients
    h, h_cache = linear.forward(x, W1, b1)
    a, a_cache = relu.forward(h)
    logits, logits_cache = linear.forward(a, W2, b2)
    losses, losses_cache = softmax_cross_entropy.forward(logits, labels)
    loss = np.mean(losses)
    dloss = np.full(len(x), 1 / len(x))
    dlogits = softmax_cross_entropy.backward(dloss, losses_cache)
    da, dW2, db2 = linear.backward(dlogits, logits_cache)
    dh = relu.backward(da, a_cache)
    _, dW1, db1 = linear.backward(dh, h_cache)
    gradients = [dW1, db1, dW2, db2]
    # end solution
    return loss, gradients


def train(params, x, labels, batches, progress):
    moments = [(np.zeros(p.size), np.zeros(p.size)) for p in params]
    for t, batch in enumerate(batches, 1):
        loss, gradients = loss_and_gradients(params, x[batch], labels[batch])
        for k, (p, g) in enumerate(zip(params, gradients, strict=True)):
            stepped, m, v = adam.step(p.ravel(), g.ravel(), *moments[k], t)
            params[k], moments[k] = stepped.reshape(p.shape), (m, v)
        if t % 200 == 0:
            progress(t, loss)
    return params


# ==== below this line: for the checker ====

from typing import Any

from scratchnn.data import labels_of, load
from scratchnn.exercises.capstone import certificate, pieces, png, progress
from scratchnn.exercises.exercise import Finding, Judged
from scratchnn.machinery.parameters import Array

PIECES = ("linear", "relu", "softmax_cross_entropy", "adam")
HIDDEN, STEPS, BATCH, BAR = 32, 800, 100, 0.95


def logits_of(params: list[Array], x: Array) -> Array:
    W1, b1, W2, b2 = params
    logits: Array = np.maximum(x @ W1 + b1, 0) @ W2 + b2
    return logits


def right_gradients(params: list[Array], x: Array, labels: Array) -> list[Array]:
    """What loss_and_gradients should give, written in one piece."""
    W1, b1, W2, _ = params
    h = x @ W1 + b1
    a, logits = np.maximum(h, 0), logits_of(params, x)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dlogits = (p - np.eye(10)[labels]) / len(x)
    dh = dlogits @ W2.T * (h > 0)
    return [x.T @ dh, dh.sum(axis=0), a.T @ dlogits, dlogits.sum(axis=0)]


def wiring(answer: Any, params: list[Array], x: Array, labels: Array) -> list[Finding]:
    """Whether the pieces are put together rightly, on a small batch."""
    returned = answer.loss_and_gradients(params, x, labels)
    wanted = right_gradients(params, x, labels)
    if not isinstance(returned, tuple | list) or len(returned) != 2 or len(returned[1]) != 4:
        return [Finding("loss_and_gradients", False, "it must return the loss and a list of four gradients")]
    findings = []
    for name, given, right in zip(("dW1", "db1", "dW2", "db2"), returned[1], wanted, strict=True):
        fits = np.shape(given) == right.shape and np.allclose(given, right, rtol=1e-6, atol=1e-12)
        n = len(x)
        summed = np.shape(given) == right.shape and np.allclose(np.divide(given, n), right, rtol=1e-6, atol=1e-12)
        why = (
            f"it is {n} times too large: the loss is a mean over the batch, so each dloss is 1/N"
            if summed
            else "your pieces are right, so look at how they are put together: which cache belongs to which backward?"
        )
        findings.append(Finding(f"{name} of a batch of {n}", fits, why))
    return findings


def judge(answer: Any, seed: int) -> list[Finding]:
    findings = pieces(answer, PIECES, seed)
    if not all(finding.right for finding in findings):
        return findings
    digits = load("digits", split="random")
    rng = np.random.default_rng([seed, 37])
    x, labels = digits.train[:].astype(float), labels_of(digits.train).astype(int)
    params = [
        rng.normal(size=(64, HIDDEN)) * np.sqrt(2 / 64), np.zeros(HIDDEN),
        rng.normal(size=(HIDDEN, 10)) * np.sqrt(1 / HIDDEN), np.zeros(10),
    ]  # fmt: skip
    findings += wiring(answer, [p + 0.1 * rng.normal(size=p.shape) for p in params], x[:7], labels[:7])
    if not all(finding.right for finding in findings):
        return findings
    batches = [rng.choice(len(x), BATCH, replace=False) for _ in range(STEPS)]
    trained = answer.train(params, x, labels, np.array(batches), progress)
    test, truth = digits.test[:].astype(float), labels_of(digits.test).astype(int)
    said = logits_of([np.asarray(p) for p in trained], test).argmax(axis=1)
    share = float(np.mean(said == truth))
    findings.append(
        Finding(
            f"of 300 digits never seen, {share:.1%} are read right; the bar is {BAR:.0%}", share >= BAR,
            "the gradients are right, so look at adam, and at the loop: does it go through all parameters?",
        )
    )  # fmt: skip
    if share >= BAR:
        wrong = np.flatnonzero(said != truth)
        certificate(
            answer, "A network that reads digits", "Trained with backward passes written by hand: "
            "linear, ReLU, softmax with cross-entropy, and Adam.",
            {"digits read right, of 300 never seen": f"{share:.1%}", "read wrong": str(len(wrong)),
             "parameters": str(sum(p.size for p in params)), "steps of Adam": str(STEPS), "seed": str(seed)},
            png(test[np.concatenate([wrong, np.flatnonzero(said == truth)])[:60]], (8, 8), 15),
            f"The {len(wrong)} digits that were read wrong, and then some of the others.",
        )  # fmt: skip
    return findings


EXERCISE = Judged(
    title="train a network on digits with your own backward passes",
    function="loss_and_gradients",
    judge=judge,
    seconds=100,
    hints=(
        "Four lines forward, four lines backward in reverse order. Each backward needs the cache of its own forward.",
        "The loss is the mean, so every example's dloss is 1/N: np.full(len(x), 1 / len(x)).",
        "h, h_cache = linear.forward(x, W1, b1) and so on; da, dW2, db2 = linear.backward(dlogits, logits_cache).",
    ),
    derivation="""
        The chain rule as a list of lines: what the last layer's backward returns for its input is the upstream gradient
        of the layer before. scratchnn/layers/layer.py writes it as a loop.
    """,
)
