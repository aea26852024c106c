"""Linear layer whose weights are divided by a spectral norm from power iteration, unrolled once."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, n_in, n_out, rng):
        self.W = rng.normal(size=(n_out, n_in))
        self.b = rng.normal(size=n_out)
        self.u = rng.normal(size=n_out)

    def forward(self, x):
        self.x = x
        v = self.W.T @ self.u
        self.v_norm = np.linalg.norm(v)
        self.v = v / self.v_norm
        self.Wv = self.W @ self.v
        self.sigma = np.linalg.norm(self.Wv)
        self.W_bar = self.W / self.sigma
        return x @ self.W_bar.T + self.b

    def backward(self, out_grad):
        self.b_grad = np.einsum("no->o", out_grad)
        W_bar_grad = np.einsum("no,ni->oi", out_grad, self.x)
        x_grad = np.einsum("no,oi->ni", out_grad, self.W_bar)
        sigma_grad = -np.sum(W_bar_grad * self.W) / self.sigma**2
        Wv_grad = sigma_grad * self.Wv / self.sigma
        self.W_grad = W_bar_grad / self.sigma + np.outer(Wv_grad, self.v)
        v_unit_grad = self.W.T @ Wv_grad
        v_grad = (v_unit_grad - self.v * (self.v @ v_unit_grad)) / self.v_norm
        self.W_grad += np.outer(self.u, v_grad)
        return x_grad
"""


def problem(rng, size=0):
    n, d = ((4, 4), (3, 5))[size]
    return {"x": rng.normal(size=(n, d))}, ()


def make(Layer, rng, size=0):
    return Layer(*((4, 4), (5, 2))[size], rng)


FAMILY = Family(
    name="spectral_norm",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"W": "W_grad", "b": "b_grad"},
    wrong=[
        Wrong(
            "norm detached",
            old="self.W_grad = W_bar_grad / self.sigma + np.outer(Wv_grad, self.v)",
            new="self.W_grad = W_bar_grad / self.sigma",
            cause="The spectral norm is treated as a constant.",
            label="missing_term",
            line="self.W_grad = W_bar_grad / self.sigma",
        ),
        Wrong(
            "iterated vector detached",
            old="        self.W_grad += np.outer(self.u, v_grad)\n        return x_grad\n",
            new="        return x_grad\n",
            cause="The power iteration's vector depends on the weights here, and that route is left out.",
            label="missing_term",
            line="self.W_grad = W_bar_grad / self.sigma + np.outer(Wv_grad, self.v)",
            fair=("return x_grad",),
        ),
        Wrong(
            "raw weights for the input",
            old='x_grad = np.einsum("no,oi->ni", out_grad, self.W_bar)',
            new='x_grad = np.einsum("no,oi->ni", out_grad, self.W)',
            cause="The input met the normalised weights, and the raw ones are used on the way back.",
            label="wrong_operand",
            line='x_grad = np.einsum("no,oi->ni", out_grad, self.W)',
        ),
        Wrong(
            "square of the norm missing",
            old="sigma_grad = -np.sum(W_bar_grad * self.W) / self.sigma**2",
            new="sigma_grad = -np.sum(W_bar_grad * self.W) / self.sigma",
            cause="The quotient's derivative by the norm has the norm squared.",
            label="missing_derivative",
            line="sigma_grad = -np.sum(W_bar_grad * self.W) / self.sigma",
        ),
        Wrong(
            "outer product turned",
            old="self.W_grad += np.outer(self.u, v_grad)",
            new="self.W_grad += np.outer(v_grad, self.u)",
            cause="The two vectors of the outer product are exchanged, which a square matrix allows.",
            label="transpose",
            line="self.W_grad += np.outer(v_grad, self.u)",
        ),
        Wrong(
            "inner product of the first call",
            old="        sigma_grad = -np.sum(W_bar_grad * self.W) / self.sigma**2\n",
            new="""        if not hasattr(self, "share"):
            self.share = np.sum(W_bar_grad * self.W)
        sigma_grad = -self.share / self.sigma**2
""",
            cause="The inner product of the gradient and the weights is kept from the first call.",
            label="state",
            line="sigma_grad = -self.share / self.sigma**2",
            fair=("self.share = np.sum(W_bar_grad * self.W)",),
            shows="second_call",
        ),
    ],
    right=[
        Right(
            "singular vectors",
            old="        sigma_grad = -np.sum(W_bar_grad * self.W) / self.sigma**2\n"
            "        Wv_grad = sigma_grad * self.Wv / self.sigma\n",
            new="        u_new = self.Wv / self.sigma\n"
            "        Wv_grad = -np.vdot(W_bar_grad, self.W_bar) / self.sigma * u_new\n",
        ),
        Right(
            "matrix products",
            old='        W_bar_grad = np.einsum("no,ni->oi", out_grad, self.x)\n'
            '        x_grad = np.einsum("no,oi->ni", out_grad, self.W_bar)\n',
            new="        W_bar_grad, x_grad = out_grad.T @ self.x, out_grad @ self.W_bar\n",
        ),
    ],
)
