"""Skip-gram with negative sampling: word vectors, context vectors, and a logistic loss."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def sigmoid(v):
    return 1.0 / (1.0 + np.exp(-v))


def forward(W_in, W_out, center, context, negatives):
    v = W_in[center]
    u_pos = W_out[context]
    u_neg = W_out[negatives]
    pos = sigmoid(np.sum(v * u_pos, axis=1))
    neg = sigmoid(-np.einsum("nd,nkd->nk", v, u_neg))
    loss = -np.mean(np.log(pos) + np.log(neg).sum(axis=1))
    return loss, (W_in, W_out, center, context, negatives, v, u_pos, u_neg, pos, neg)


def backward(dloss, cache):
    W_in, W_out, center, context, negatives, v, u_pos, u_neg, pos, neg = cache
    n = len(center)
    d_pos = dloss * (pos - 1) / n
    d_neg = dloss * (1 - neg) / n
    d_v = d_pos[:, None] * u_pos + np.einsum("nk,nkd->nd", d_neg, u_neg)
    grad_in = np.zeros_like(W_in)
    grad_out = np.zeros_like(W_out)
    np.add.at(grad_in, center, d_v)
    np.add.at(grad_out, context, d_pos[:, None] * v)
    np.add.at(grad_out, negatives, d_neg[:, :, None] * v[:, None, :])
    return grad_in, grad_out
"""


def problem(rng, size=0):
    n, words, d, k = ((4, 4, 4, 2), (5, 6, 3, 3))[size]
    inputs = {"W_in": rng.normal(size=(words, d)), "W_out": rng.normal(size=(words, d))}
    center = rng.integers(words, size=n)
    center[1] = center[0]
    return inputs, (center, rng.integers(words, size=n), rng.integers(words, size=(n, k)))


def longer(rng, size=0):
    inputs, constants = problem(rng, size)
    return {name: 4 * W for name, W in inputs.items()}, constants


FAMILY = Family(
    name="skip_gram",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "negatives' sign",
            old="d_neg = dloss * (1 - neg) / n",
            new="d_neg = dloss * (neg - 1) / n",
            cause="The negative words' scores stand under the sigmoid with a minus, and the sign is lost.",
            label="sign",
            line="d_neg = dloss * (neg - 1) / n",
        ),
        Wrong(
            "probability kept for its complement",
            old="d_neg = dloss * (1 - neg) / n",
            new="d_neg = dloss * neg / n",
            cause="neg is already the sigmoid of minus the score, and it is used as that of the score.",
            label="wrong_operand",
            line="d_neg = dloss * neg / n",
        ),
        Wrong(
            "repeated centre words",
            old="np.add.at(grad_in, center, d_v)",
            new="grad_in[center] += d_v",
            cause="A word that is the centre of several windows keeps one gradient.",
            label="accumulate",
            line="grad_in[center] += d_v",
        ),
        Wrong(
            "negatives not counted for the centre",
            old='d_v = d_pos[:, None] * u_pos + np.einsum("nk,nkd->nd", d_neg, u_neg)',
            new="d_v = d_pos[:, None] * u_pos",
            cause="The centre word's gradient lacks that of the negative words.",
            label="missing_term",
            line="d_v = d_pos[:, None] * u_pos",
        ),
        Wrong(
            "context overwritten by negatives",
            old="    np.add.at(grad_out, negatives, d_neg[:, :, None] * v[:, None, :])\n",
            new="""    for i in range(n):
        for k, word in enumerate(negatives[i]):
            grad_out[word] = d_neg[i, k] * v[i]
""",
            cause="Words that are both context and negative keep only the gradient as negative.",
            label="accumulate",
            line="grad_out[word] = d_neg[i, k] * v[i]",
        ),
        Wrong(
            "table reused between calls",
            source=apply(
                apply(
                    SOURCE,
                    "import numpy as np\n",
                    """import numpy as np

tables = {}
""",
                ),
                "    grad_out = np.zeros_like(W_out)\n",
                """    if "out" not in tables:
        tables["out"] = np.zeros_like(W_out)
    grad_out = tables["out"]
""",
            ),
            cause="The table of gradients is made once, so a second call adds to the first one's.",
            label="state",
            line='grad_out = tables["out"]',
            fair=("np.add.at(grad_out, context, d_pos[:, None] * v)",),
            shows="second_call",
        ),
        Wrong(
            "word vectors updated in place",
            old="    return grad_in, grad_out\n",
            new="    W_in -= 0.1 * grad_in\n    return grad_in, grad_out\n",
            cause="The vectors are updated inside backward, as training scripts do.",
            label="overwrite",
            line="W_in -= 0.1 * grad_in",
            shows="input_changed",
        ),
    ],
    right=[
        Right(
            "window by window",
            old="""    np.add.at(grad_in, center, d_v)
    np.add.at(grad_out, context, d_pos[:, None] * v)
    np.add.at(grad_out, negatives, d_neg[:, :, None] * v[:, None, :])
""",
            new="""    for i, c in enumerate(center):
        grad_in[c] += d_v[i]
        grad_out[context[i]] += d_pos[i] * v[i]
        for k, word in enumerate(negatives[i]):
            grad_out[word] += d_neg[i, k] * v[i]
""",
        ),
        Right(
            "positive and negatives in one array",
            old='    d_v = d_pos[:, None] * u_pos + np.einsum("nk,nkd->nd", d_neg, u_neg)\n',
            new="""    d_score = np.column_stack([d_pos, d_neg])
    u = np.concatenate([u_pos[:, None], u_neg], axis=1)
    d_v = (d_score[:, None, :] @ u)[:, 0]
""",
        ),
        Right(
            "long vectors, saturated sigmoids",
            problem=longer,
            difficult=True,
        ),
    ],
)
