"""Poisson regression with a log link, an exposure and a learned over-dispersion by a second head."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


def forward(x, beta, bias, counts, exposure):
    eta = x @ beta + bias
    rate = exposure[:, None] * np.exp(eta)
    nll = rate - counts * np.log(rate)
    return nll.sum(axis=1).mean(), (x, beta, rate, counts)


def backward(grad_output, cache):
    x, beta, rate, counts = cache
    grad_eta = grad_output * (rate - counts) / len(x)
    grad_beta = x.T @ grad_eta
    grad_bias = grad_eta.sum(axis=0)
    grad_x = grad_eta @ beta.T
    return grad_x, grad_beta, grad_bias
"""


def problem(rng, size=0):
    n, d, k = ((4, 4, 4), (3, 5, 2))[size]
    inputs = {"x": rng.normal(size=(n, d)), "beta": rng.normal(size=(d, k)) * 0.5, "bias": rng.normal(size=k)}
    return inputs, (rng.poisson(2.0, size=(n, k)), 0.5 + rng.random(n))


FAMILY = Family(
    name="poisson_regression",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "gradient by the rate",
            old="grad_eta = grad_output * (rate - counts) / len(x)",
            new="grad_eta = grad_output * (1 - counts / rate) / len(x)",
            cause="The gradient is by the rate, and the link's derivative, the rate itself, is left out.",
            label="missing_derivative",
            line="grad_eta = grad_output * (1 - counts / rate) / len(x)",
        ),
        Wrong(
            "mean over every entry",
            old="grad_eta = grad_output * (rate - counts) / len(x)",
            new="grad_eta = grad_output * (rate - counts) / rate.size",
            cause="The loss sums over the outputs and averages over the examples; the gradient averages both.",
            label="factor",
            line="grad_eta = grad_output * (rate - counts) / rate.size",
        ),
        Wrong(
            "clipped residual",
            old="    grad_beta = x.T @ grad_eta\n",
            new="    grad_eta = np.minimum(np.maximum(grad_eta, -25), 25)\n    grad_beta = x.T @ grad_eta\n",
            cause="The gradient is limited to 25, which holds until the gradient from above is large.",
            label="nonlinear_in_dy",
            line="grad_eta = np.minimum(np.maximum(grad_eta, -25), 25)",
            shows="large_dy",
        ),
        Wrong(
            "exposure applied again",
            source=apply(
                apply(
                    SOURCE,
                    "return nll.sum(axis=1).mean(), (x, beta, rate, counts)",
                    "return nll.sum(axis=1).mean(), (x, beta, rate, counts, exposure)",
                ),
                "    x, beta, rate, counts = cache\n    grad_eta = grad_output * (rate - counts) / len(x)\n",
                "    x, beta, rate, counts, exposure = cache\n"
                "    grad_eta = grad_output * (exposure[:, None] * rate - counts) / len(x)\n",
            ),
            cause="The rate already has the exposure in it, and it is multiplied once more.",
            label="extra_term",
            line="grad_eta = grad_output * (exposure[:, None] * rate - counts) / len(x)",
        ),
    ],
    right=[
        Right(
            "through the rate",
            old="    grad_eta = grad_output * (rate - counts) / len(x)\n",
            new="""    grad_rate = np.full(rate.shape, grad_output / len(x))
    grad_rate -= counts / rate * (grad_output / len(x))
    grad_eta = grad_rate * rate
""",
        ),
        Right(
            "output by output",
            old="    grad_beta = x.T @ grad_eta\n    grad_bias = grad_eta.sum(axis=0)\n",
            new="    grad_beta = np.column_stack([x.T @ column for column in grad_eta.T])\n"
            "    grad_bias = np.array([column.sum() for column in grad_eta.T])\n",
        ),
    ],
)
