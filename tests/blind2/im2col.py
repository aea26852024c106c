"""Convolution of images by im2col, and col2im on the way back."""

from blind import Family, Right, Wrong

SOURCE = """
import numpy as np


def im2col(x, k, stride):
    n, c, h, w = x.shape
    oh, ow = (h - k) // stride + 1, (w - k) // stride + 1
    col = np.zeros((n, c, k, k, oh, ow))
    for i in range(k):
        for j in range(k):
            col[:, :, i, j] = x[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1), oh, ow


def col2im(col, shape, k, stride, oh, ow):
    n, c, h, w = shape
    col = col.reshape(n, oh, ow, c, k, k).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros(shape)
    for i in range(k):
        for j in range(k):
            img[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride] += col[:, :, i, j]
    return img


def forward(x, W, b, stride):
    col, oh, ow = im2col(x, W.shape[2], stride)
    col_W = W.reshape(len(W), -1).T
    out = col @ col_W + b
    out = out.reshape(len(x), oh, ow, -1).transpose(0, 3, 1, 2)
    return out, (x.shape, col, col_W, W.shape, stride, oh, ow)


def backward(dout, cache):
    x_shape, col, col_W, W_shape, stride, oh, ow = cache
    dflat = dout.transpose(0, 2, 3, 1).reshape(-1, W_shape[0])
    db = np.sum(dflat, axis=0)
    dW = np.dot(col.T, dflat)
    dW = dW.transpose(1, 0).reshape(W_shape)
    dcol = np.dot(dflat, col_W.T)
    dx = col2im(dcol, x_shape, W_shape[2], stride, oh, ow)
    return dx, dW, db
"""


def problem(rng, size=0):
    n, c, h, w, f, k, stride = ((2, 2, 4, 4, 2, 2, 1), (2, 3, 5, 5, 4, 3, 2))[size]
    inputs = {"x": rng.normal(size=(n, c, h, w)), "W": rng.normal(size=(f, c, k, k)), "b": rng.normal(size=f)}
    return inputs, (stride,)


FAMILY = Family(
    name="im2col",
    source=SOURCE,
    problem=problem,
    wrong=[
        Wrong(
            "columns put back without adding",
            old="img[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride] += col[:, :, i, j]",
            new="img[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride] = col[:, :, i, j]",
            cause="Windows overlap, and col2im assigns where it should add.",
            label="accumulate",
            line="img[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride] = col[:, :, i, j]",
        ),
        Wrong(
            "channels not moved to the end",
            old="dflat = dout.transpose(0, 2, 3, 1).reshape(-1, W_shape[0])",
            new="dflat = dout.reshape(-1, W_shape[0])",
            cause="The output's channels should be the last axis before the reshape, and stay where they are.",
            label="transpose",
            line="dflat = dout.reshape(-1, W_shape[0])",
        ),
        Wrong(
            "weights reshaped without a transpose",
            old="dW = dW.transpose(1, 0).reshape(W_shape)",
            new="dW = dW.reshape(W_shape)",
            cause="The product has the filters in its columns; it is reshaped as though they were in the rows.",
            label="transpose",
            line="dW = dW.reshape(W_shape)",
        ),
        Wrong(
            "rows and columns of the kernel exchanged",
            old="col = col.reshape(n, oh, ow, c, k, k).transpose(0, 3, 4, 5, 1, 2)",
            new="col = col.reshape(n, oh, ow, c, k, k).transpose(0, 3, 5, 4, 1, 2)",
            cause="The two axes of the kernel are exchanged when the columns are put back.",
            label="transpose",
            line="col = col.reshape(n, oh, ow, c, k, k).transpose(0, 3, 5, 4, 1, 2)",
        ),
        Wrong(
            "stride of one",
            old="dx = col2im(dcol, x_shape, W_shape[2], stride, oh, ow)",
            new="dx = col2im(dcol, x_shape, W_shape[2], 1, oh, ow)",
            cause="The columns are put back with stride one, whatever the stride was.",
            label="wrong_constant",
            line="dx = col2im(dcol, x_shape, W_shape[2], 1, oh, ow)",
            shows="second_size",
        ),
        Wrong(
            "mean over the batch for the weights",
            old="dW = np.dot(col.T, dflat)",
            new="dW = np.dot(col.T, dflat) / len(dout)",
            cause="The weights' gradient is divided by the number of images, which no mean in forward asks for.",
            label="factor",
            line="dW = np.dot(col.T, dflat) / len(dout)",
        ),
    ],
    right=[
        Right(
            "windows one by one",
            old="    dx = col2im(dcol, x_shape, W_shape[2], stride, oh, ow)\n",
            new="""    dx = np.zeros(x_shape)
    k = W_shape[2]
    patches = dcol.reshape(x_shape[0], oh, ow, x_shape[1], k, k)
    for r in range(oh):
        for c in range(ow):
            dx[..., r * stride : r * stride + k, c * stride : c * stride + k] += patches[:, r, c]
""",
        ),
        Right(
            "einsum for the weights",
            old="    dW = np.dot(col.T, dflat)\n    dW = dW.transpose(1, 0).reshape(W_shape)\n",
            new='    dW = np.einsum("rk,rf->fk", col, dflat).reshape(W_shape)\n',
        ),
    ],
)
