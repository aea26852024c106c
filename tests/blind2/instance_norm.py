"""Instance normalisation of images: each channel of each example by its own mean and deviation."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, channels, rng, eps=1e-5):
        self.gamma = 1 + 0.5 * rng.normal(size=(channels, 1, 1))
        self.beta = rng.normal(size=(channels, 1, 1))
        self.eps = eps

    def forward(self, x):
        self.mean = x.mean(axis=(2, 3), keepdims=True)
        self.std = np.sqrt(x.var(axis=(2, 3), keepdims=True) + self.eps)
        self.norm = (x - self.mean) / self.std
        return self.gamma * self.norm + self.beta

    def backward(self, dout):
        self.dbeta = dout.sum(axis=(0, 2, 3)).reshape(self.beta.shape)
        self.dgamma = (dout * self.norm).sum(axis=(0, 2, 3)).reshape(self.gamma.shape)
        dnorm = dout * self.gamma
        m1 = dnorm.mean(axis=(2, 3), keepdims=True)
        m2 = (dnorm * self.norm).mean(axis=(2, 3), keepdims=True)
        dx = (dnorm - m1 - self.norm * m2) / self.std
        return dx
"""


def problem(rng, size=0):
    n, c, h, w = ((3, 3, 3, 3), (2, 4, 2, 3))[size]
    return {"x": 2 * rng.normal(size=(n, c, h, w)) + 1}, ()


def bright(rng, size=0):
    inputs, constants = problem(rng, size)
    inputs["x"] = 1e-3 * inputs["x"] + 12
    return inputs, constants


def make(Layer, rng, size=0):
    return Layer((3, 4)[size], rng)


FAMILY = Family(
    name="instance_norm",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"gamma": "dgamma", "beta": "dbeta"},
    wrong=[
        Wrong(
            "means over the batch as well",
            old="m1 = dnorm.mean(axis=(2, 3), keepdims=True)",
            new="m1 = dnorm.mean(axis=(0, 2, 3), keepdims=True)",
            cause="The mean of the gradients is taken over the batch too, as for batch normalisation.",
            label="wrong_axis",
            line="m1 = dnorm.mean(axis=(0, 2, 3), keepdims=True)",
        ),
        Wrong(
            "deviation's route missing",
            old="dx = (dnorm - m1 - self.norm * m2) / self.std",
            new="dx = (dnorm - m1) / self.std",
            cause="The route through the standard deviation is missing.",
            label="missing_term",
            line="dx = (dnorm - m1) / self.std",
        ),
        Wrong(
            "mean's route missing",
            old="dx = (dnorm - m1 - self.norm * m2) / self.std",
            new="dx = (dnorm - self.norm * m2) / self.std",
            cause="The route through the mean is missing.",
            label="missing_term",
            line="dx = (dnorm - self.norm * m2) / self.std",
        ),
        Wrong(
            "variance for deviation",
            old="dx = (dnorm - m1 - self.norm * m2) / self.std",
            new="dx = (dnorm - m1 - self.norm * m2) / self.std**2",
            cause="It is divided by the variance, and should be by the standard deviation.",
            label="wrong_operand",
            line="dx = (dnorm - m1 - self.norm * m2) / self.std**2",
        ),
        Wrong(
            "unbiased variance",
            old="m2 = (dnorm * self.norm).mean(axis=(2, 3), keepdims=True)",
            new="m2 = (dnorm * self.norm).sum(axis=(2, 3), keepdims=True) / (self.norm[0, 0].size - 1)",
            cause="The second mean is divided by one less than the number of pixels; forward does not do so.",
            label="wrong_constant",
            line="m2 = (dnorm * self.norm).sum(axis=(2, 3), keepdims=True) / (self.norm[0, 0].size - 1)",
        ),
        Wrong(
            "deviation of the first batch",
            old="        dx = (dnorm - m1 - self.norm * m2) / self.std\n",
            new='        self.scale = getattr(self, "scale", 1 / self.std)\n'
            "        dx = (dnorm - m1 - self.norm * m2) * self.scale\n",
            cause="The standard deviation that backward divides by is kept from the first call.",
            label="state",
            line='self.scale = getattr(self, "scale", 1 / self.std)',
            fair=("dx = (dnorm - m1 - self.norm * m2) * self.scale",),
            shows="second_call",
        ),
        Wrong(
            "epsilon taken out again",
            old="dx = (dnorm - m1 - self.norm * m2) / self.std",
            new="dx = (dnorm - m1 - self.norm * m2) / np.sqrt(self.std**2 - self.eps)",
            cause="The deviation is divided by without the epsilon that stands under the root in forward.",
            label="precision",
            line="dx = (dnorm - m1 - self.norm * m2) / np.sqrt(self.std**2 - self.eps)",
            effect=1e-8,
        ),
    ],
    right=[
        Right(
            "flattened pixels",
            old="""        m1 = dnorm.mean(axis=(2, 3), keepdims=True)
        m2 = (dnorm * self.norm).mean(axis=(2, 3), keepdims=True)
        dx = (dnorm - m1 - self.norm * m2) / self.std
        return dx
""",
            new="""        n, c, h, w = dout.shape
        d = dnorm.reshape(n * c, h * w)
        u = self.norm.reshape(n * c, h * w)
        d = h * w * d - d.sum(axis=1)[:, None] - u * np.einsum("ij,ij->i", d, u)[:, None]
        d /= h * w * self.std.reshape(-1, 1)
        return d.reshape(dout.shape)
""",
        ),
        Right(
            "bright images with little contrast",
            problem=bright,
            difficult=True,
        ),
    ],
)
