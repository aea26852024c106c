"""Log likelihood of a hidden Markov model by the forward algorithm, rescaled at each step."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(pi, A, B, obs):
    alphas, scales = [], []
    a = pi * B[:, obs[0]]
    for t in range(len(obs)):
        if t > 0:
            a = (alphas[-1] @ A) * B[:, obs[t]]
        c = a.sum()
        alphas.append(a / c)
        scales.append(c)
    return np.log(scales).sum(), (pi, A, B, obs, alphas, scales)


def backward(dll, cache):
    pi, A, B, obs, alphas, scales = cache
    dpi, dA, dB = np.zeros_like(pi), np.zeros_like(A), np.zeros_like(B)
    beta = np.full(len(pi), dll / scales[-1])
    for t in reversed(range(1, len(obs))):
        prev = alphas[t - 1]
        dB[:, obs[t]] += beta * (prev @ A)
        weighted = beta * B[:, obs[t]]
        dA += np.outer(prev, weighted)
        beta = A @ weighted / scales[t - 1]
    dB[:, obs[0]] += beta * pi
    dpi += beta * B[:, obs[0]]
    return dpi, dA, dB
"""


def problem(rng, size=0):
    t, s, o = ((5, 3, 3), (4, 2, 4))[size]

    def rows(*shape):
        p = rng.random(shape) + 0.2
        return p / p.sum(axis=-1, keepdims=True)

    return {"pi": rows(s), "A": rows(s, s), "B": rows(s, o)}, (rng.integers(o, size=t),)


FAMILY = Family(
    name="hmm",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "transition transposed",
            old="beta = A @ weighted / scales[t - 1]",
            new="beta = A.T @ weighted / scales[t - 1]",
            cause="Going back in time the transition matrix multiplies from the other side.",
            label="transpose",
            line="beta = A.T @ weighted / scales[t - 1]",
        ),
        Wrong(
            "scale of this step",
            old="beta = A @ weighted / scales[t - 1]",
            new="beta = A @ weighted / scales[t]",
            cause="The backward messages are divided by the scale of step t, where that of the step before belongs.",
            label="off_by_one",
            line="beta = A @ weighted / scales[t]",
        ),
        Wrong(
            "last transition only",
            old="dA += np.outer(prev, weighted)",
            new="dA = np.outer(prev, weighted)",
            cause="The transitions of all steps should be added, and only one is kept.",
            label="accumulate",
            line="dA = np.outer(prev, weighted)",
        ),
        Wrong(
            "emissions without the message of the past",
            old="dB[:, obs[t]] += beta * (prev @ A)",
            new="dB[:, obs[t]] += beta * alphas[t]",
            cause="The emission multiplies the predicted state, and the filtered state of the same step is used.",
            label="wrong_operand",
            line="dB[:, obs[t]] += beta * alphas[t]",
        ),
        Wrong(
            "first emission left out",
            old="    dB[:, obs[0]] += beta * pi\n    dpi += beta * B[:, obs[0]]\n",
            new="    dpi += beta * B[:, obs[0]]\n",
            cause="The loop ends at the second step, and the first emission's gradient is never added.",
            label="off_by_one",
            line="dB[:, obs[t]] += beta * (prev @ A)",
            fair=("return dpi, dA, dB",),
        ),
        Wrong(
            "derivative of a probability, not of its logarithm",
            old="beta = np.full(len(pi), dll / scales[-1])",
            new="beta = np.full(len(pi), dll)",
            cause="The last step's scale belongs under the fraction: the result is a logarithm.",
            label="missing_derivative",
            line="beta = np.full(len(pi), dll)",
        ),
    ],
    right=[
        Right(
            "posteriors",
            old="""    for t in reversed(range(1, len(obs))):
        prev = alphas[t - 1]
        dB[:, obs[t]] += beta * (prev @ A)
        weighted = beta * B[:, obs[t]]
        dA += np.outer(prev, weighted)
        beta = A @ weighted / scales[t - 1]
    dB[:, obs[0]] += beta * pi
    dpi += beta * B[:, obs[0]]
""",
            new="""    betas = [beta]
    for t in range(len(obs) - 1, 0, -1):
        betas.insert(0, A @ (betas[0] * B[:, obs[t]]) / scales[t - 1])
    for t, (alpha, beta) in enumerate(zip(alphas, betas)):
        gamma = alpha * beta * scales[t]
        dB[:, obs[t]] += gamma / B[:, obs[t]]
        if t + 1 < len(obs):
            dA += alpha[:, None] * (betas[t + 1] * B[:, obs[t + 1]])[None, :]
    dpi += alphas[0] * betas[0] * scales[0] / pi
""",
        ),
        Right(
            "indexed addition",
            old="dB[:, obs[t]] += beta * (prev @ A)",
            new="np.add.at(dB.T, obs[t], beta * (prev @ A))",
        ),
    ],
)
