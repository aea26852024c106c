"""Train a variational autoencoder of digits, with your own backward passes, and draw samples from it.

This file takes your files linear, tanh, kl, reparameterise and adam from the folder it lies in. From them you make what
the exercise elbo was in one piece: the loss of a batch, −ELBO, and its gradients.

The encoder is linear, tanh, linear: 64 pixels, 64 hidden units, and 2 · 8 numbers, of which the first 8 are mean and
the last 8 log_var. Then z from reparameterise, and the decoder: linear, tanh, linear, which gives the 64 logits of the
pixels. x is (N, 64), every pixel 0 or 1, eps (N, 8), and params the list [W1, b1, W2, b2, W3, b3, W4, b4].

    loss_n = Σ_i (softplus(logits_ni) − x_ni logits_ni) + kl_n

  - Forward: keep every cache under a name of its own. np.split(heads, 2, axis=1) gives mean and log_var.
  - The loss is the mean over the batch. dlogits is in the exercise elbo: sigmoid minus x, times dloss.
  - mean and log_var each get two gradients, from z and from kl. np.concatenate puts the heads together again.

The loss of 300 digits that it has not seen must come below 24 nats. Samples are drawn from z of a standard normal
distribution, by the decoder alone.
"""

import numpy as np

from scratchnn.exercises.yours import yours

linear, tanh, kl, reparameterise, adam = yours(__file__, "linear", "tanh", "kl", "reparameterise", "adam")
adam.LR, adam.EPS = 0.003, 1e-8


def loss_and_gradients(params, x, eps):
    W1, b1, W2, b2, W3, b3, W4, b4 = params
    # begin solution: loss, gradients
    a, a_cache = linear.forward(x, W1, b1)
    h, h_cache = tanh.forward(a)
    heads, heads_cache = linear.forward(h, W2, b2)
    mean, log_var = np.split(heads, 2, axis=1)
    z, z_cache = reparameterise.forward(mean, log_var, eps)
    rate, rate_cache = kl.forward(mean, log_var)
    c, c_cache = linear.forward(z, W3, b3)
    g, g_cache = tanh.forward(c)
    logits, logits_cache = linear.forward(g, W4, b4)
    loss = np.mean(np.sum(np.logaddexp(0, logits) - x * logits, axis=1) + rate)
    dloss = np.full(len(x), 1 / len(x))
    dlogits = dloss[:, None] * (1 / (1 + np.exp(-logits)) - x)
    dg, dW4, db4 = linear.backward(dlogits, logits_cache)
    dc = tanh.backward(dg, g_cache)
    dz, dW3, db3 = linear.backward(dc, c_cache)
    dmean_z, dlog_var_z = reparameterise.backward(dz, z_cache)
    dmean_kl, dlog_var_kl = kl.backward(dloss, rate_cache)
    dheads = np.concatenate([dmean_z + dmean_kl, dlog_var_z + dlog_var_kl], axis=1)
    dh, dW2, db2 = linear.backward(dheads, heads_cache)
    da = tanh.backward(dh, h_cache)
    _, dW1, db1 = linear.backward(da, a_cache)
    gradients = [dW1, db1, dW2, db2, dW3, db3, dW4, db4]
    # end solution
    return loss, gradients


def train(params, x, batches, noise, progress):
    moments = [(np.zeros(p.size), np.zeros(p.size)) for p in params]
    for t, batch in enumerate(batches, 1):
        rng = np.random.default_rng([noise, t])
        binary = (rng.random((len(batch), x.shape[1])) < x[batch]).astype(float)
        loss, gradients = loss_and_gradients(params, binary, rng.normal(size=(len(batch), 8)))
        for k, (p, g) in enumerate(zip(params, gradients, strict=True)):
            stepped, m, v = adam.step(p.ravel(), g.ravel(), *moments[k], t)
            params[k], moments[k] = stepped.reshape(p.shape), (m, v)
        if t % 500 == 0:
            progress(t, loss)
    return params


# ==== below this line: for the checker ====

from typing import Any

from scratchnn.data import load
from scratchnn.exercises.capstone import certificate, pieces, png, progress
from scratchnn.exercises.exercise import Finding, Judged
from scratchnn.machinery.parameters import Array

PIECES = ("linear", "tanh", "kl", "reparameterise", "adam")
HIDDEN, Z, STEPS, BATCH, BAR, DRAWS = 64, 8, 2000, 100, 24.0, 20
NAMES = ("dW1", "db1", "dW2", "db2", "dW3", "db3", "dW4", "db4")


def terms(params: list[Array], x: Array, eps: Array) -> tuple[Array, Array]:
    """Reconstruction and rate of each example, by the judge's own formulas."""
    W1, b1, W2, b2, W3, b3, W4, b4 = params
    mean, log_var = np.split(np.tanh(x @ W1 + b1) @ W2 + b2, 2, axis=1)
    logits = np.tanh((mean + np.exp(log_var / 2) * eps) @ W3 + b3) @ W4 + b4
    reconstruction = np.sum(np.logaddexp(0, logits) - x * logits, axis=1)
    return reconstruction, 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)


def slopes(params: list[Array], x: Array, eps: Array, directions: list[Array]) -> list[float]:
    """How the mean loss changes along a direction in each of the parameters, by differences."""
    found = []
    for k, direction in enumerate(directions):
        moved = [[p + sign * 1e-5 * direction if j == k else p for j, p in enumerate(params)] for sign in (1, -1)]
        above, below = (float(np.mean(sum(terms(each, x, eps)))) for each in moved)
        found.append((above - below) / 2e-5)
    return found


def wiring(answer: Any, params: list[Array], x: Array, rng: np.random.Generator) -> list[Finding]:
    """Whether the pieces are put together rightly, on a small batch, along one direction for each parameter."""
    eps = rng.normal(size=(len(x), Z))
    directions: list[Array] = [np.asarray(rng.normal(size=p.shape)) for p in params]
    returned = answer.loss_and_gradients(params, x, eps)
    if not isinstance(returned, tuple | list) or len(returned) != 2 or len(returned[1]) != len(params):
        return [Finding("loss_and_gradients", False, "it must return the loss and a list of eight gradients")]
    findings = []
    n = len(x)
    for name, given, direction, right in zip(
        NAMES, returned[1], directions, slopes(params, x, eps, directions), strict=True
    ):
        fits = np.shape(given) == direction.shape
        slope = float(np.sum(given * direction)) if fits else np.nan
        why = "your pieces are right, so look at how they are put together: which cache belongs to which backward?"
        if np.isclose(slope, n * right, rtol=1e-4):
            why = f"it is {n} times too large: the loss is a mean over the batch, so each dloss is 1/N"
        elif name in ("dW1", "db1", "dW2", "db2"):
            why += " And mean and log_var each get two gradients, from z and from kl: are both there?"
        findings.append(Finding(f"{name} of a batch of {n}", bool(np.isclose(slope, right, rtol=1e-5, atol=1e-8)), why))
    return findings


def judge(answer: Any, seed: int) -> list[Finding]:
    findings = pieces(answer, PIECES, seed)
    if not all(finding.right for finding in findings):
        return findings
    digits = load("digits", split="random")
    rng = np.random.default_rng([seed, 46])
    x = digits.train[:].astype(float)
    sizes = [(64, HIDDEN), (HIDDEN, 2 * Z), (Z, HIDDEN), (HIDDEN, 64)]
    params: list[Array] = []
    for size in sizes:
        params += [rng.normal(size=size) / np.sqrt(size[0]), np.zeros(size[1])]
    findings += wiring(answer, [p + 0.1 * rng.normal(size=p.shape) for p in params], (x[:7] > 0.5).astype(float), rng)
    if not all(finding.right for finding in findings):
        return findings
    batches = np.array([rng.choice(len(x), BATCH, replace=False) for _ in range(STEPS)])
    trained = [np.asarray(p) for p in answer.train(params, x, batches, seed, progress)]
    test = digits.test[:].astype(float)
    draws = [
        terms(trained, (rng.random(test.shape) < test) * 1.0, rng.normal(size=(len(test), Z))) for _ in range(DRAWS)
    ]
    reconstruction, rate = (float(np.mean([draw[k] for draw in draws])) for k in (0, 1))
    loss = reconstruction + rate
    findings.append(
        Finding(
            f"the loss of 300 digits never seen is {loss:.2f} nats; the bar is {BAR}", loss < BAR,
            "the gradients are right, so look at adam, and at the loop: does it go through all parameters?",
        )
    )  # fmt: skip
    if loss < BAR:
        W3, b3, W4, b4 = trained[4:]
        samples = 1 / (1 + np.exp(-(np.tanh(rng.normal(size=(60, Z)) @ W3 + b3) @ W4 + b4)))
        certificate(
            answer, "A variational autoencoder of digits", "Trained with backward passes written by hand: linear, "
            "tanh, the reparameterisation, the KL divergence and Adam.",
            {"loss of 300 digits never seen, drawn black or white, in nats": f"{loss:.2f}",
             "of which reconstruction": f"{reconstruction:.2f}",
             "of which KL": f"{rate:.2f}",
             "parameters": str(sum(p.size for p in trained)),
             "steps of Adam": str(STEPS), "seed": str(seed)},
            png(samples, (8, 8), 15), "Sixty new digits, drawn from the decoder.",
        )  # fmt: skip
    return findings


EXERCISE = Judged(
    title="train a VAE with your own backward passes, and draw samples",
    function="loss_and_gradients",
    judge=judge,
    seconds=110,
    hints=(
        "Eleven lines forward; write under each, in reverse order, its backward. Which of them share an input?",
        "mean and log_var go into z and into kl: add up what both backwards return, then put them side by side as "
        "dheads.",
        "dz comes from the decoder's first linear layer; dmean_z, dlog_var_z = reparameterise.backward(dz, z_cache); "
        "dmean_kl, dlog_var_kl = kl.backward(dloss, rate_cache).",
    ),
    derivation="""
        Every line of forward has its line in backward, and what is used twice gets two gradients. That is all of
        scratchnn/vae.py. The loss is −ELBO, an upper bound of −log p(x): how far it is from that, the exercises
        elbo_identity and iwae say.
    """,
)
