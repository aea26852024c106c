"""Dilated causal convolution over time, with zeros before the first step."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


class Layer:
    def __init__(self, c_in, c_out, kernel, dilation, rng):
        self.weight = rng.normal(size=(c_out, c_in, kernel))
        self.bias = rng.normal(size=c_out)
        self.dilation = dilation

    def forward(self, x):
        n, c, t = x.shape
        k = self.weight.shape[2]
        self.pad = (k - 1) * self.dilation
        self.padded = np.pad(x, ((0, 0), (0, 0), (self.pad, 0)))
        out = np.zeros((n, len(self.bias), t)) + self.bias[:, None]
        for j in range(k):
            start = j * self.dilation
            out += np.einsum("oc,nct->not", self.weight[:, :, j], self.padded[:, :, start : start + t])
        return out

    def backward(self, grad):
        t = grad.shape[2]
        self.grad_bias = grad.sum(axis=(0, 2))
        self.grad_weight = np.zeros_like(self.weight)
        grad_padded = np.zeros_like(self.padded)
        for j in range(self.weight.shape[2]):
            window = slice(j * self.dilation, j * self.dilation + t)
            self.grad_weight[:, :, j] = np.einsum("not,nct->oc", grad, self.padded[:, :, window])
            grad_padded[:, :, window] += np.einsum("oc,not->nct", self.weight[:, :, j], grad)
        grad_x = grad_padded[:, :, self.pad :]
        return grad_x
"""


def problem(rng, size=0):
    n, c, t = ((2, 3, 5), (3, 2, 6))[size]
    return {"x": rng.normal(size=(n, c, t))}, ()


def make(Layer, rng, size=0):
    return Layer(*((3, 3, 2, 2), (2, 4, 3, 1))[size], rng)


FAMILY = Family(
    name="causal_conv1d",
    source=SOURCE,
    problem=problem,
    kind="layer",
    make=make,
    params={"weight": "grad_weight", "bias": "grad_bias"},
    wrong=[
        Wrong(
            "taps overwrite one another",
            old='grad_padded[:, :, window] += np.einsum("oc,not->nct", self.weight[:, :, j], grad)',
            new='grad_padded[:, :, window] = np.einsum("oc,not->nct", self.weight[:, :, j], grad)',
            cause="A step is read by several taps, and the last one written replaces the others.",
            label="accumulate",
            line='grad_padded[:, :, window] = np.einsum("oc,not->nct", self.weight[:, :, j], grad)',
        ),
        Wrong(
            "padding cut from the end",
            old="grad_x = grad_padded[:, :, self.pad :]",
            new="grad_x = grad_padded[:, :, :t]",
            cause="The padding stands before the first step, and it is cut off behind the last one.",
            label="off_by_one",
            line="grad_x = grad_padded[:, :, :t]",
        ),
        Wrong(
            "taps in reverse",
            old='grad_padded[:, :, window] += np.einsum("oc,not->nct", self.weight[:, :, j], grad)',
            new='grad_padded[:, :, window] += np.einsum("oc,not->nct", self.weight[:, :, -1 - j], grad)',
            cause="The taps are counted from the other end, as in a convolution that flips its kernel.",
            label="wrong_operand",
            line='grad_padded[:, :, window] += np.einsum("oc,not->nct", self.weight[:, :, -1 - j], grad)',
        ),
        Wrong(
            "channels exchanged",
            old='grad_padded[:, :, window] += np.einsum("oc,not->nct", self.weight[:, :, j], grad)',
            new='grad_padded[:, :, window] += np.einsum("co,not->nct", self.weight[:, :, j], grad)',
            cause="The sum should run over the output channels and runs over the input channels.",
            label="transpose",
            line='grad_padded[:, :, window] += np.einsum("co,not->nct", self.weight[:, :, j], grad)',
        ),
        Wrong(
            "bias of the last step",
            old="self.grad_bias = grad.sum(axis=(0, 2))",
            new="self.grad_bias = grad[:, :, -1].sum(axis=0)",
            cause="The bias is added at every step, and only the last step's gradient is counted.",
            label="missing_term",
            line="self.grad_bias = grad[:, :, -1].sum(axis=0)",
        ),
        Wrong(
            "dilation forgotten",
            old="window = slice(j * self.dilation, j * self.dilation + t)",
            new="window = slice(j, j + t)",
            cause="The taps lie a dilation apart, and backward takes them for neighbours.",
            label="wrong_constant",
            line="window = slice(j, j + t)",
        ),
    ],
    right=[
        Right(
            "loops over every index",
            old='            grad_padded[:, :, window] += np.einsum("oc,not->nct", self.weight[:, :, j], grad)\n',
            new="            for i in range(t):\n"
            "                grad_padded[:, :, window.start + i] += grad[:, :, i] @ self.weight[:, :, j]\n",
        ),
        Right(
            "sliding windows",
            old='self.grad_weight[:, :, j] = np.einsum("not,nct->oc", grad, self.padded[:, :, window])',
            new="self.grad_weight[:, :, j] = np.tensordot(grad, self.padded[..., window], axes=([0, 2], [0, 2]))",
        ),
    ],
)
