"""Transposed convolution of images with stride."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def forward(x, w, bias, stride):
    n, c_in, h, wd = x.shape
    _, c_out, kh, kw = w.shape
    out = np.zeros((n, c_out, (h - 1) * stride + kh, (wd - 1) * stride + kw))
    for i in range(h):
        for j in range(wd):
            patch = np.tensordot(x[:, :, i, j], w, axes=1)
            out[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += patch
    return out + bias[:, None, None], (x, w, stride)


def backward(d_out, cache):
    x, w, stride = cache
    kh, kw = w.shape[2:]
    d_x = np.zeros(x.shape)
    d_w = np.zeros(w.shape)
    d_b = d_out.sum(axis=(0, 2, 3))
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            d_patch = d_out[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            d_x[:, :, i, j] = np.einsum("nokl,cokl->nc", d_patch, w)
            d_w += np.einsum("nc,nokl->cokl", x[:, :, i, j], d_patch)
    return d_x, d_w, d_b
"""


def problem(rng, size=0):
    n, ci, co, h, w, k, stride = ((2, 2, 2, 3, 3, 3, 2), (1, 3, 2, 2, 4, 2, 1))[size]
    inputs = {"x": rng.normal(size=(n, ci, h, w)), "w": rng.normal(size=(ci, co, k, k)), "bias": rng.normal(size=co)}
    return inputs, (stride,)


FAMILY = Family(
    name="conv_transpose",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "kernel rotated",
            old='d_x[:, :, i, j] = np.einsum("nokl,cokl->nc", d_patch, w)',
            new='d_x[:, :, i, j] = np.einsum("nokl,cokl->nc", d_patch, w[:, :, ::-1, ::-1])',
            cause="The kernel is rotated by half a turn, as a convolution's backward pass would, but none is needed.",
            label="wrong_operand",
            line='d_x[:, :, i, j] = np.einsum("nokl,cokl->nc", d_patch, w[:, :, ::-1, ::-1])',
        ),
        Wrong(
            "kernel's gradient of the last position",
            old="            d_w += np.einsum",
            new="            d_w = np.einsum",
            cause="The kernel is used at every position; only the last one's gradient is kept.",
            label="accumulate",
            line='d_w = np.einsum("nc,nokl->cokl", x[:, :, i, j], d_patch)',
        ),
        Wrong(
            "stride forgotten in one direction",
            old="d_patch = d_out[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]",
            new="d_patch = d_out[:, :, i * stride : i * stride + kh, j : j + kw]",
            cause="The patch moves by one column for each input column, not by the stride.",
            label="off_by_one",
            line="d_patch = d_out[:, :, i * stride : i * stride + kh, j : j + kw]",
        ),
        Wrong(
            "channels mixed up",
            old='d_x[:, :, i, j] = np.einsum("nokl,cokl->nc", d_patch, w)',
            new='d_x[:, :, i, j] = np.einsum("nokl,ockl->nc", d_patch, w)',
            cause="Input and output channels of the kernel are exchanged.",
            label="transpose",
            line='d_x[:, :, i, j] = np.einsum("nokl,ockl->nc", d_patch, w)',
        ),
    ],
    right=[
        Right(
            "loop over the kernel",
            old="""    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            d_patch = d_out[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            d_x[:, :, i, j] = np.einsum("nokl,cokl->nc", d_patch, w)
            d_w += np.einsum("nc,nokl->cokl", x[:, :, i, j], d_patch)
""",
            new="""    h, wd = x.shape[2:]
    for a, b in np.ndindex(kh, kw):
        seen = d_out[:, :, a : a + stride * (h - 1) + 1 : stride, b : b + stride * (wd - 1) + 1 : stride]
        d_x += np.einsum("nohw,co->nchw", seen, w[:, :, a, b])
        d_w[:, :, a, b] = np.einsum("nchw,nohw->co", x, seen)
""",
        ),
    ],
)
