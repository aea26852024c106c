"""Group normalisation of images, NCHW."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def forward(x, weight, bias, groups):
    N, C, H, W = x.shape
    xg = x.reshape(N, groups, -1)
    mean = xg.mean(axis=2, keepdims=True)
    rstd = 1 / np.sqrt(xg.var(axis=2, keepdims=True) + 1e-5)
    x_norm = ((xg - mean) * rstd).reshape(x.shape)
    out = x_norm * weight[:, None, None] + bias[:, None, None]
    return out, (x_norm, rstd, weight, groups)


def backward(grad_out, cache):
    x_norm, rstd, weight, groups = cache
    N, C, H, W = grad_out.shape
    grad_bias = grad_out.sum(axis=(0, 2, 3))
    grad_weight = np.einsum("nchw,nchw->c", grad_out, x_norm)
    g = (grad_out * weight[:, None, None]).reshape(N, groups, -1)
    xn = x_norm.reshape(N, groups, -1)
    g_mean = g.mean(axis=2, keepdims=True)
    gx_mean = (g * xn).mean(axis=2, keepdims=True)
    grad_x = rstd * (g - g_mean - xn * gx_mean)
    return {"x": grad_x.reshape(N, C, H, W), "weight": grad_weight, "bias": grad_bias}
"""


def problem(rng, size=0):
    n, c, h, w, groups = ((2, 4, 3, 3, 2), (3, 6, 2, 3, 3))[size]
    inputs = {"x": rng.normal(size=(n, c, h, w)), "weight": rng.normal(size=c) + 1, "bias": rng.normal(size=c)}
    return inputs, (groups,)


FAMILY = Family(
    name="group_norm",
    source=SOURCE,
    problem=problem,
    keys=("x", "weight", "bias"),
    wrong=[
        Wrong(
            "weight forgotten",
            old="g = (grad_out * weight[:, None, None]).reshape(N, groups, -1)",
            new="g = grad_out.reshape(N, groups, -1)",
            cause="The gradient is not multiplied by the weight before it goes through the normalisation.",
            label="missing_derivative",
            line="g = grad_out.reshape(N, groups, -1)",
        ),
        Wrong(
            "mean over everything",
            old="g_mean = g.mean(axis=2, keepdims=True)",
            new="g_mean = g.mean()",
            cause="The mean of the gradient is taken over all groups, not over each.",
            label="wrong_axis",
            line="g_mean = g.mean()",
        ),
        Wrong(
            "groups across the channels",
            old="xn = x_norm.reshape(N, groups, -1)",
            new="xn = x_norm.reshape(N, -1, groups, H * W).swapaxes(1, 2).reshape(N, groups, -1)",
            cause="The channels are dealt out to the groups in turn, though forward takes neighbouring ones.",
            label="wrong_operand",
            line="xn = x_norm.reshape(N, -1, groups, H * W).swapaxes(1, 2).reshape(N, groups, -1)",
        ),
        Wrong(
            "positions twice",
            old="gx_mean = (g * xn).mean(axis=2, keepdims=True)",
            new="gx_mean = (g * xn).mean(axis=2, keepdims=True) / (H * W)",
            cause="The mean is divided by the number of positions once more.",
            label="factor",
            line="gx_mean = (g * xn).mean(axis=2, keepdims=True) / (H * W)",
        ),
        Wrong(
            "scale of the first batch",
            source=apply(
                apply(SOURCE, "import numpy as np\n", "import numpy as np\n\n_seen = {}\n"),
                "    grad_bias = ",
                "    rstd = _seen.setdefault(grad_out.shape, rstd)\n    grad_bias = ",
            ),
            cause="The inverse deviations are looked up by the shape, so those of the first batch stay in use.",
            label="state",
            line="rstd = _seen.setdefault(grad_out.shape, rstd)",
            shows="second_call",
        ),
    ],
    right=[
        Right(
            "in place on its own array",
            old="    grad_x = rstd * (g - g_mean - xn * gx_mean)\n",
            new="""    grad_x = xn * gx_mean
    np.negative(grad_x, out=grad_x)
    grad_x += g
    grad_x -= g_mean
    grad_x *= rstd
""",
        ),
        Right(
            "group by group",
            old="""    g_mean = g.mean(axis=2, keepdims=True)
    gx_mean = (g * xn).mean(axis=2, keepdims=True)
    grad_x = rstd * (g - g_mean - xn * gx_mean)
""",
            new="""    grad_x = np.zeros_like(g)
    for n in range(N):
        for k in range(groups):
            gk, xk = g[n, k], xn[n, k]
            grad_x[n, k] = rstd[n, k] * (gk - gk.mean() - xk * (gk @ xk) / gk.size)
""",
        ),
    ],
)
