"""One-dimensional convolution with stride and dilation, by loops over the kernel."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, W, b, stride, dilation):
    N, C, L = x.shape
    F, _, K = W.shape
    n_out = (L - dilation * (K - 1) - 1) // stride + 1
    out = np.zeros((N, F, n_out)) + b[:, None]
    for k in range(K):
        start = k * dilation
        piece = x[:, :, start : start + stride * n_out : stride][:, :, :n_out]
        out += np.einsum("ncl,fc->nfl", piece, W[:, :, k])
    return out, (x, W, stride, dilation)


def backward(dout, cache):
    x, W, stride, dilation = cache
    n_out = dout.shape[2]
    dx = np.zeros_like(x)
    dW = np.zeros_like(W)
    db = dout.sum(axis=(0, 2))
    for k in range(W.shape[2]):
        start = k * dilation
        stop = start + stride * (n_out - 1) + 1
        dW[:, :, k] = np.einsum("nfl,ncl->fc", dout, x[:, :, start:stop:stride])
        dx[:, :, start:stop:stride] += np.einsum("nfl,fc->ncl", dout, W[:, :, k])
    return dx, dW, db
"""


def problem(rng, size=0):
    n, c, length, f, k, stride, dilation = ((2, 3, 9, 3, 3, 2, 2), (1, 2, 8, 4, 2, 3, 1))[size]
    inputs = {"x": rng.normal(size=(n, c, length)), "W": rng.normal(size=(f, c, k)), "b": rng.normal(size=f)}
    return inputs, (stride, dilation)


FAMILY = Family(
    name="strided_conv",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "overlap overwritten",
            old="dx[:, :, start:stop:stride] += np.einsum",
            new="dx[:, :, start:stop:stride] = np.einsum",
            cause="Each kernel position replaces what the positions before it have added.",
            label="accumulate",
            line='dx[:, :, start:stop:stride] = np.einsum("nfl,fc->ncl", dout, W[:, :, k])',
        ),
        Wrong(
            "kernel flipped",
            old='dx[:, :, start:stop:stride] += np.einsum("nfl,fc->ncl", dout, W[:, :, k])',
            new='dx[:, :, start:stop:stride] += np.einsum("nfl,fc->ncl", dout, W[:, :, -1 - k])',
            cause="The kernel is reversed, but here the shift already reverses it.",
            label="wrong_operand",
            line='dx[:, :, start:stop:stride] += np.einsum("nfl,fc->ncl", dout, W[:, :, -1 - k])',
        ),
        Wrong(
            "channels not transposed",
            old='dx[:, :, start:stop:stride] += np.einsum("nfl,fc->ncl", dout, W[:, :, k])',
            new='dx[:, :, start:stop:stride] += np.einsum("nfl,cf->ncl", dout, W[:, :, k])',
            cause="Filters and channels of the kernel are exchanged.",
            label="transpose",
            line='dx[:, :, start:stop:stride] += np.einsum("nfl,cf->ncl", dout, W[:, :, k])',
        ),
        Wrong(
            "dilation forgotten",
            old="        start = k * dilation\n        stop",
            new="        start = k\n        stop",
            cause="The kernel's positions are taken as neighbours, though forward spreads them out.",
            label="off_by_one",
            line="start = k",
        ),
        Wrong(
            "bias averaged over time",
            old="db = dout.sum(axis=(0, 2))",
            new="db = dout.sum(axis=0).mean(axis=1)",
            cause="The bias is added at every position: its gradient is the sum over them, not the mean.",
            label="factor",
            line="db = dout.sum(axis=0).mean(axis=1)",
        ),
        Wrong(
            "gradient buffer in single precision",
            old="    dx = np.zeros_like(x)\n",
            new="    dx = np.zeros(x.shape, dtype=np.float32)\n",
            cause="The input's gradient is collected in float32.",
            label="precision",
            line='dx[:, :, start:stop:stride] += np.einsum("nfl,fc->ncl", dout, W[:, :, k])',
            effect=3e-09,
            fair=("dx = np.zeros(x.shape, dtype=np.float32)",),
        ),
    ],
    right=[
        Right(
            "output by output",
            old="""    for k in range(W.shape[2]):
        start = k * dilation
        stop = start + stride * (n_out - 1) + 1
        dW[:, :, k] = np.einsum("nfl,ncl->fc", dout, x[:, :, start:stop:stride])
        dx[:, :, start:stop:stride] += np.einsum("nfl,fc->ncl", dout, W[:, :, k])
""",
            new="""    span = dilation * (W.shape[2] - 1) + 1
    for j in range(n_out):
        window = slice(j * stride, j * stride + span, dilation)
        dW += np.tensordot(dout[:, :, j], x[:, :, window], axes=(0, 0))
        dx[:, :, window] += np.tensordot(dout[:, :, j], W, axes=1)
""",
        ),
        Right(
            "windows as a strided view",
            old='        dW[:, :, k] = np.einsum("nfl,ncl->fc", dout, x[:, :, start:stop:stride])\n',
            new="""        span = dilation * (W.shape[2] - 1) + 1
        windows = np.lib.stride_tricks.sliding_window_view(x, span, axis=2)
        windows = windows[:, :, ::stride, ::dilation]
        dW = np.einsum("nfl,nclk->fck", dout, windows)
""",
        ),
    ],
)
