"""Radial basis functions with learned centres and widths, normalised, and a linear output."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, centers, log_gamma, w):
    diff = x[:, None, :] - centers[None, :, :]
    dist2 = (diff**2).sum(axis=2)
    gamma = np.exp(log_gamma)
    phi = np.exp(-gamma * dist2)
    total = phi.sum(axis=1, keepdims=True)
    r = phi / total
    return r @ w, (diff, dist2, gamma, r, w)


def backward(dout, cache):
    diff, dist2, gamma, r, w = cache
    d_w = r.T @ dout
    d_r = dout @ w.T
    d_log_phi = r * (d_r - (d_r * r).sum(axis=1, keepdims=True))
    d_dist2 = -gamma * d_log_phi
    d_log_gamma = gamma * (-dist2 * d_log_phi).sum(axis=0)
    d_diff = 2 * diff * d_dist2[:, :, None]
    d_x = d_diff.sum(axis=1)
    d_centers = -d_diff.sum(axis=0)
    return d_x, d_centers, d_log_gamma, d_w
"""


def problem(rng, size=0):
    n, d, k, o = ((4, 4, 4, 4), (5, 2, 3, 2))[size]
    inputs = {"x": rng.normal(size=(n, d)), "centers": rng.normal(size=(k, d))}
    return inputs | {"log_gamma": 0.3 * rng.normal(size=k) - 1, "w": rng.normal(size=(k, o))}, ()


def far(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["x"] = inputs["x"] + 6
    return inputs, constants


FAMILY = Family(
    name="rbf_network",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "centres' sign",
            old="d_centers = -d_diff.sum(axis=0)",
            new="d_centers = d_diff.sum(axis=0)",
            cause="The centres are subtracted, so their gradient has the opposite sign.",
            label="sign",
            line="d_centers = d_diff.sum(axis=0)",
        ),
        Wrong(
            "normaliser taken as constant",
            old="d_log_phi = r * (d_r - (d_r * r).sum(axis=1, keepdims=True))",
            new="d_log_phi = r * d_r",
            cause="The sum of the basis functions is treated as a constant.",
            label="missing_term",
            line="d_log_phi = r * d_r",
        ),
        Wrong(
            "width's exponential",
            old="d_log_gamma = gamma * (-dist2 * d_log_phi).sum(axis=0)",
            new="d_log_gamma = (-dist2 * d_log_phi).sum(axis=0)",
            cause="The width is the exponential of the parameter, and its derivative is missing.",
            label="missing_derivative",
            line="d_log_gamma = (-dist2 * d_log_phi).sum(axis=0)",
        ),
        Wrong(
            "two of the square",
            old="d_diff = 2 * diff * d_dist2[:, :, None]",
            new="d_diff = diff * d_dist2[:, :, None]",
            cause="The squared distance's derivative has a factor 2.",
            label="factor",
            line="d_diff = diff * d_dist2[:, :, None]",
        ),
        Wrong(
            "widths shared over the batch",
            old="    d_log_gamma = gamma * (-dist2 * d_log_phi).sum(axis=0)\n"
            "    d_diff = 2 * diff * d_dist2[:, :, None]\n",
            new="    d_log_gamma = gamma * (-dist2 * d_log_phi).mean(axis=0)\n"
            "    d_diff = diff * d_dist2[:, :, None]\n",
            cause="The squared distance's factor 2 is missing, and the widths' gradient is averaged.",
            label="two_mistakes",
            line="d_log_gamma = gamma * (-dist2 * d_log_phi).mean(axis=0)",
            fair=("d_diff = diff * d_dist2[:, :, None]",),
        ),
        Wrong(
            "centres' gradient by the inputs' axis",
            old="d_centers = -d_diff.sum(axis=0)",
            new="d_centers = -d_diff.sum(axis=1)",
            cause="The sum for the centres should run over the examples, and runs over the centres.",
            label="wrong_axis",
            line="d_centers = -d_diff.sum(axis=1)",
        ),
    ],
    right=[
        Right(
            "centre by centre",
            old="""    d_diff = 2 * diff * d_dist2[:, :, None]
    d_x = d_diff.sum(axis=1)
    d_centers = -d_diff.sum(axis=0)
""",
            new="""    d_x = np.zeros((diff.shape[0], diff.shape[2]))
    d_centers = np.zeros((diff.shape[1], diff.shape[2]))
    for k in range(len(d_centers)):
        step = 2 * d_dist2[:, k, None] * diff[:, k]
        d_x += step
        d_centers[k] -= step.sum(0)
""",
        ),
        Right(
            "inputs far from the centres",
            problem=far,
            difficult=True,
        ),
    ],
)
