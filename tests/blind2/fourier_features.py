"""Random Fourier features with learned frequencies, then a linear layer, for coordinates."""

from blind import Family, Right, Wrong, apply

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, d, m, o, rng):
        self.B = rng.normal(size=(d, m)) * 0.4
        self.W = rng.normal(size=(2 * m, o))

    def forward(self, x):
        self.x = x
        self.proj = 2 * np.pi * x @ self.B
        self.feat = np.concatenate([np.cos(self.proj), np.sin(self.proj)], axis=-1)
        self.feat = self.feat / np.sqrt(self.B.shape[1])
        return self.feat @ self.W

    def backward(self, grad):
        self.W_grad = self.feat.T @ grad
        feat_grad = grad @ self.W.T / np.sqrt(self.B.shape[1])
        cos_grad, sin_grad = np.split(feat_grad, 2, axis=-1)
        proj_grad = sin_grad * np.cos(self.proj) - cos_grad * np.sin(self.proj)
        self.B_grad = 2 * np.pi * self.x.T @ proj_grad
        return 2 * np.pi * proj_grad @ self.B.T
"""


def problem(rng, size=0):
    n, d = ((4, 4), (5, 2))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def far_out(rng, size=0):
    return {"x": 400 + rng.normal(size=((4, 4), (5, 2))[size])}, ()


def make(Layer, rng, size=0):
    return Layer(*((4, 4, 4), (2, 3, 5))[size], rng)


FAMILY = Family(
    name="fourier_features",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"B": "B_grad", "W": "W_grad"},
    wrong=[
        Wrong(
            "cosine's sign",
            old="proj_grad = sin_grad * np.cos(self.proj) - cos_grad * np.sin(self.proj)",
            new="proj_grad = sin_grad * np.cos(self.proj) + cos_grad * np.sin(self.proj)",
            cause="The cosine's derivative is minus the sine.",
            label="sign",
            line="proj_grad = sin_grad * np.cos(self.proj) + cos_grad * np.sin(self.proj)",
        ),
        Wrong(
            "halves exchanged",
            old="cos_grad, sin_grad = np.split(feat_grad, 2, axis=-1)",
            new="sin_grad, cos_grad = np.split(feat_grad, 2, axis=-1)",
            cause="The first half holds the cosines, and it is taken for the sines.",
            label="swapped_returns",
            line="sin_grad, cos_grad = np.split(feat_grad, 2, axis=-1)",
            fair=("proj_grad = sin_grad * np.cos(self.proj) - cos_grad * np.sin(self.proj)",),
        ),
        Wrong(
            "two pi once",
            old="return 2 * np.pi * proj_grad @ self.B.T",
            new="return proj_grad @ self.B.T",
            cause="The factor two pi is there for the frequencies and missing for the input.",
            label="factor",
            line="return proj_grad @ self.B.T",
        ),
        Wrong(
            "two pi rounded",
            old="self.B_grad = 2 * np.pi * self.x.T @ proj_grad",
            new="self.B_grad = 6.28 * self.x.T @ proj_grad",
            cause="Two pi is rounded to 6.28.",
            label="wrong_constant",
            line="self.B_grad = 6.28 * self.x.T @ proj_grad",
            effect=1e-4,
        ),
        Wrong(
            "features counted as two",
            old="feat_grad = grad @ self.W.T / np.sqrt(self.B.shape[1])",
            new="feat_grad = grad @ self.W.T / 2.0",
            cause="The root of the number of frequencies is written as 2.",
            label="hard_coded_size",
            line="feat_grad = grad @ self.W.T / 2.0",
            shows="second_size",
        ),
        Wrong(
            "cosine's sign and the features' scale",
            source=apply(
                apply(SOURCE, "feat_grad = grad @ self.W.T / np.sqrt(self.B.shape[1])", "feat_grad = grad @ self.W.T"),
                "proj_grad = sin_grad * np.cos(self.proj) - cos_grad * np.sin(self.proj)",
                "proj_grad = sin_grad * np.cos(self.proj) + cos_grad * np.sin(self.proj)",
            ),
            cause="The cosine's sign is lost, and the scale of the features is missing.",
            label="two_mistakes",
            line="feat_grad = grad @ self.W.T",
            fair=("proj_grad = sin_grad * np.cos(self.proj) + cos_grad * np.sin(self.proj)",),
        ),
        Wrong(
            "gradient limited per weight",
            old="        self.B_grad = 2 * np.pi * self.x.T @ proj_grad\n",
            new="        self.B_grad = 2 * np.pi * self.x.T @ proj_grad\n"
            "        self.B_grad = np.sign(self.B_grad) * np.minimum(np.abs(self.B_grad), 1e3)\n",
            cause="Entries of the frequencies' gradient beyond a thousand are limited.",
            label="nonlinear_in_dy",
            line="self.B_grad = np.sign(self.B_grad) * np.minimum(np.abs(self.B_grad), 1e3)",
            shows="large_dy",
        ),
    ],
    right=[
        Right(
            "from the features",
            old="        proj_grad = sin_grad * np.cos(self.proj) - cos_grad * np.sin(self.proj)\n",
            new="""        m = self.B.shape[1]
        feat = self.feat * np.sqrt(m)
        proj_grad = sin_grad * feat[:, :m] - cos_grad * feat[:, m:]
""",
        ),
        Right(
            "coordinates far out",
            problem=far_out,
            difficult=True,
        ),
    ],
)
