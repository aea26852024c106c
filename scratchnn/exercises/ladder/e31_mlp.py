"""A whole network: two linear layers, a ReLU between them, and softmax with cross-entropy at the end.

x (N, D) holds one example a row, labels (N,) its class, a number below K. W1 (D, H), b1 (H,), W2 (H, K), b2 (K,):

    h = x W1 + b1      a = max(h, 0)      logits = a W2 + b2
    loss_n = log Σ_k e^(logits_nk) − logits_(n, labels_n)

You are given dloss (N,), the upstream gradient of every example's loss. Return dW1, db1, dW2 and db2.

You have all the parts already: linear, relu, softmax_cross_entropy. Put them together from the end:
  - dlogits, from softmax with cross-entropy. Where does dloss_n enter?
  - dW2, db2 and da, from the second linear layer, whose input is a.
  - dh, from the ReLU. Then dW1 and db1, whose input is x.
"""

import numpy as np


def forward(W1, b1, W2, b2, x, labels):
    h = x @ W1 + b1
    a = np.maximum(h, 0)
    logits = a @ W2 + b2
    p = np.exp(logits) / np.sum(np.exp(logits), axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(x)), labels])
    cache = (x, labels, h, a, p, W2)
    return loss, cache


def backward(dloss, cache):
    x, labels, h, a, p, W2 = cache
    # begin solution: dW1, db1, dW2, db2
    right = np.arange(p.shape[1]) == labels[:, None]
    dlogits = dloss[:, None] * (p - right)
    dW2 = a.T @ dlogits
    db2 = np.sum(dlogits, axis=0)
    da = dlogits @ W2.T
    dh = da * (h > 0)
    dW1 = x.T @ dh
    db1 = np.sum(dh, axis=0)
    # end solution
    return dW1, db1, dW2, db2


# ==== below this line: for the checker ====

from scratchnn.exercises.exercise import Exercise

EXERCISE = Exercise(
    title="a whole network, from its loss back to its weights",
    sizes=({"N": 7, "D": 3, "H": 5, "K": 4}, {"N": 11, "D": 5, "H": 7, "K": 3}),
    inputs=lambda s, rng: {
        "W1": rng.normal(size=(s.D, s.H)),
        "b1": rng.normal(size=s.H),
        "W2": rng.normal(size=(s.H, s.K)) / 2,
        "b2": rng.normal(size=s.K),
    },
    constants=lambda s, rng: {"x": rng.normal(size=(s.N, s.D)), "labels": rng.integers(0, s.K, s.N)},
    hints=(
        "Every line of forward has its lines in backward, in reverse order. Which array is the input of each layer?",
        "dlogits = dloss_n (p − 1 at the label), da = dlogits W2ᵀ, dh = da where h is above 0, and else 0.",
        "dW2 = a.T @ dlogits, db2 = its sum over axis 0, dW1 = x.T @ dh, db1 = the sum of dh over axis 0.",
    ),
    derivation="""
        dlogits_nk = dloss_n (p_nk − [k = labels_n])     softmax and cross-entropy
        dW2_jk = Σ_n a_nj dlogits_nk                     the second layer, whose input is a
        db2_k = Σ_n dlogits_nk
        da_nj = Σ_k dlogits_nk W2_jk
        dh_nj = da_nj [h_nj > 0]                         the ReLU
        dW1_ij = Σ_n x_ni dh_nj                          the first layer, whose input is x
        db1_j = Σ_n dh_nj
    """,
)
