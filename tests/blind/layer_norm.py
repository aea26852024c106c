"""Layer normalisation over the last axis."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=-1, keepdims=True)
    xc = x - mu
    var = (xc**2).mean(axis=-1, keepdims=True)
    inv_std = 1.0 / np.sqrt(var + eps)
    xhat = xc * inv_std
    y = gamma * xhat + beta
    return y, (xhat, xc, inv_std, gamma)


def backward(dy, cache):
    xhat, xc, inv_std, gamma = cache
    D = xhat.shape[-1]
    dgamma = (dy * xhat).sum(axis=0)
    dbeta = dy.sum(axis=0)
    dxhat = dy * gamma
    dinv_std = (dxhat * xc).sum(axis=-1, keepdims=True)
    dvar = -0.5 * inv_std**3 * dinv_std
    dxc = dxhat * inv_std + 2.0 / D * xc * dvar
    dmu = -dxc.sum(axis=-1, keepdims=True)
    dx = dxc + dmu / D
    return dx, dgamma, dbeta
"""


def problem(rng, size=0):
    n, d = ((5, 4), (3, 7))[size]
    return {"x": rng.normal(size=(n, d)), "gamma": rng.normal(size=d) + 1, "beta": rng.normal(size=d)}, ()


def offset(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["x"] = inputs["x"] * 1e-3 + 20
    return inputs, constants


FAMILY = Family(
    name="layer_norm",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "no path through the variance",
            old="dxc = dxhat * inv_std + 2.0 / D * xc * dvar",
            new="dxc = dxhat * inv_std",
            cause="The path from the variance to the centred input is missing.",
            label="missing_term",
            line="dxc = dxhat * inv_std",
        ),
        Wrong(
            "square of the inverse deviation",
            old="dvar = -0.5 * inv_std**3 * dinv_std",
            new="dvar = -0.5 * inv_std**2 * dinv_std",
            cause="The inverse square root's derivative has the inverse deviation to the third power, not the second.",
            label="missing_derivative",
            line="dvar = -0.5 * inv_std**2 * dinv_std",
        ),
        Wrong(
            "normalised for centred",
            old="dinv_std = (dxhat * xc).sum(axis=-1, keepdims=True)",
            new="dinv_std = (dxhat * xhat).sum(axis=-1, keepdims=True)",
            cause="The inverse deviation multiplies the centred input, but the normalised one is used in its place.",
            label="wrong_operand",
            line="dinv_std = (dxhat * xhat).sum(axis=-1, keepdims=True)",
        ),
        Wrong(
            "batch norm's axis",
            old="dmu = -dxc.sum(axis=-1, keepdims=True)",
            new="dmu = -dxc.sum(axis=0, keepdims=True)",
            cause="The mean's gradient is summed over the batch, but each row has a mean of its own.",
            label="wrong_axis",
            line="dmu = -dxc.sum(axis=0, keepdims=True)",
        ),
        Wrong(
            "gamma and beta swapped",
            old="return dx, dgamma, dbeta",
            new="return dx, dbeta, dgamma",
            cause="The gradients of gamma and beta are returned in the wrong order.",
            label="swapped_returns",
            line="return dx, dbeta, dgamma",
        ),
        Wrong(
            "features counted by hand",
            old="    D = xhat.shape[-1]",
            new="    D = 4",
            cause="The number of features is written as 4, right for one model only.",
            label="hard_coded_size",
            line="D = 4",
            fair=("dxc = dxhat * inv_std + 2.0 / D * xc * dvar", "dx = dxc + dmu / D"),
            shows="second_size",
        ),
        Wrong(
            "incoming gradient clipped",
            old="    dxhat = dy * gamma\n",
            new="    dy = np.clip(dy, -10, 10)\n    dxhat = dy * gamma\n",
            cause="What comes in from above is clipped at ten.",
            label="nonlinear_in_dy",
            line="dy = np.clip(dy, -10, 10)",
            shows="large_dy",
        ),
    ],
    right=[
        Right(
            "three terms in one expression",
            old="""    dinv_std = (dxhat * xc).sum(axis=-1, keepdims=True)
    dvar = -0.5 * inv_std**3 * dinv_std
    dxc = dxhat * inv_std + 2.0 / D * xc * dvar
    dmu = -dxc.sum(axis=-1, keepdims=True)
    dx = dxc + dmu / D
""",
            new="""    s1 = dxhat.sum(axis=-1, keepdims=True)
    s2 = (dxhat * xhat).sum(axis=-1, keepdims=True)
    dx = inv_std / D * (D * dxhat - s1 - xhat * s2)
""",
        ),
        Right(
            "row by row",
            old="    dx = dxc + dmu / D\n",
            new="""    dx = np.empty_like(dxc)
    for i in range(len(dx)):
        row = dxc[i]
        dx[i] = row - row.mean()
""",
        ),
        Right("large offset, small spread", problem=offset, difficult=True),
    ],
)
