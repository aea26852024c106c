"""Clipped policy loss with an entropy bonus and a value loss, from logits and values."""

import numpy as np
from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(logits, values, actions, old_logp, adv, returns, clip, c_v, c_e):
    z = logits - logits.max(axis=1, keepdims=True)
    logp_all = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    p = np.exp(logp_all)
    n = np.arange(len(actions))
    ratio = np.exp(logp_all[n, actions] - old_logp)
    surr1 = ratio * adv
    surr2 = np.clip(ratio, 1 - clip, 1 + clip) * adv
    policy_loss = -np.minimum(surr1, surr2).mean()
    value_loss = ((values - returns) ** 2).mean()
    entropy = -(p * logp_all).sum(axis=1)
    loss = policy_loss + c_v * value_loss - c_e * entropy.mean()
    return loss, (p, logp_all, ratio, surr1, surr2, entropy, values, actions, adv, returns, c_v, c_e)


def backward(dloss, cache):
    p, logp_all, ratio, surr1, surr2, entropy, values, actions, adv, returns, c_v, c_e = cache
    N = len(actions)
    used = surr1 <= surr2
    d_logp = -dloss / N * used * ratio * adv
    onehot = np.zeros(p.shape)
    onehot[np.arange(N), actions] = 1
    d_logits = d_logp[:, None] * (onehot - p)
    d_entropy = -dloss * c_e / N
    d_logits += d_entropy * -p * (logp_all + entropy[:, None])
    d_values = dloss * c_v * 2 * (values - returns) / N
    return d_logits, d_values
"""


def problem(rng, size=0):
    n, k = ((5, 4), (6, 3))[size]
    inputs = {"logits": rng.normal(size=(n, k)), "values": rng.normal(size=n)}
    z = inputs["logits"]
    actions = rng.integers(k, size=n)
    logp = (z - np.log(np.exp(z).sum(axis=1, keepdims=True)))[np.arange(n), actions]
    shift = np.array([0.05, 0.5, -0.5, 0.4, -0.6, 0.1])[:n]
    adv = np.array([1.0, 1.2, -0.8, -1.5, 0.7, -1.1])[:n]
    return inputs, (actions, logp - shift, adv, rng.normal(size=n), 0.2, 0.5, 0.1)


FAMILY = Family(
    name="ppo_clip",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "clip alone decides",
            old="used = surr1 <= surr2",
            new="used = (surr1 == surr2).astype(float)",
            cause="The clipped ratio counts only where it gives the smaller product, and every clipped one is cut.",
            label="mask",
            line="used = (surr1 == surr2).astype(float)",
        ),
        Wrong(
            "smaller and larger exchanged",
            old="used = surr1 <= surr2",
            new="used = surr1 >= surr2",
            cause="The minimum is differentiated as though it were the maximum.",
            label="mask",
            line="used = surr1 >= surr2",
        ),
        Wrong(
            "logarithm of the policy without the ratio",
            old="d_logp = -dloss / N * used * ratio * adv",
            new="d_logp = -dloss / N * used * adv",
            cause="The ratio is an exponential, and its derivative, the ratio, is missing.",
            label="missing_derivative",
            line="d_logp = -dloss / N * used * adv",
        ),
        Wrong(
            "entropy without its mean",
            old="d_logits += d_entropy * -p * (logp_all + entropy[:, None])",
            new="d_logits += d_entropy * -p * (logp_all + 1)",
            cause="The softmax's share of the entropy's gradient, the entropy itself, is missing.",
            label="fused_formula",
            line="d_logits += d_entropy * -p * (logp_all + 1)",
        ),
        Wrong(
            "entropy's sign",
            old="d_entropy = -dloss * c_e / N",
            new="d_entropy = dloss * c_e / N",
            cause="The entropy is subtracted from the loss, and its gradient is added.",
            label="sign",
            line="d_entropy = dloss * c_e / N",
        ),
        Wrong(
            "entropy coefficient from the paper",
            old="d_entropy = -dloss * c_e / N",
            new="d_entropy = -dloss * 0.01 / N",
            cause="The entropy's coefficient is written as 0.01, and the caller's is ten times as large.",
            label="wrong_constant",
            line="d_entropy = -dloss * 0.01 / N",
        ),
        Wrong(
            "value loss with a half",
            old="d_values = dloss * c_v * 2 * (values - returns) / N",
            new="d_values = dloss * c_v * (values - returns) / N",
            cause="The value loss has no half in front, so its derivative has a factor 2.",
            label="factor",
            line="d_values = dloss * c_v * (values - returns) / N",
        ),
    ],
    right=[
        Right(
            "unclipped by a step function",
            old="used = surr1 <= surr2",
            new="used = 1.0 - np.heaviside(surr1 - surr2, 0.0)",
        ),
        Right(
            "through all log probabilities",
            old="""    d_logits = d_logp[:, None] * (onehot - p)
    d_entropy = -dloss * c_e / N
    d_logits += d_entropy * -p * (logp_all + entropy[:, None])
""",
            new="""    d_all = onehot * d_logp.reshape(N, 1)
    d_all += dloss * c_e / N * p * (1 + logp_all)
    d_logits = d_all - p * d_all.sum(axis=1, keepdims=True)
""",
        ),
    ],
)
