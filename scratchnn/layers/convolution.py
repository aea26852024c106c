"""Convolution: a dense layer on every window of an image, all windows sharing its weights; and its adjoint.

A window is what the kernel covers in one of its positions. Written side by side as columns, the windows make a matrix,
and the convolution is one matrix product. Below, an image of 3 × 3 under a kernel of 2 × 2 ("im2col"):

    image       kernel       the four windows as columns        product
                             (in brackets: the kernel entry)

    1 2 3       p q          [p]  1 2 4 5                       [p q r s] · columns =
    4 5 6       r s          [q]  2 3 5 6                       p·1 + q·2 + r·4 + s·5,  p·2 + q·3 + r·5 + s·6, …
    7 8 9                    [r]  4 5 7 8
                             [s]  5 6 8 9

A row of the matrix is a piece of the image: row [q] is the image without its first column and last row. So there is
no need to visit windows one by one; `im2col` copies a piece for every entry of the kernel. The way back, `col2im`, adds
every row to the piece that it came from. An entry of the image that lies in four windows gets four contributions:

    columns of ones, added back       1 2 1
                                      2 4 2
                                      1 2 1

Copying is linear in the image, and adding back is its transpose: if cols = A image, then col2im is Aᵀ cols. All
the rest of this file is made of these two, in three functions of an image x, weights W and a result y:

    y  = W (A x)       correlate(x, W)            forward of Conv2D            dx of ConvTranspose2D
    x  = Aᵀ (Wᵀ y)     correlate_adjoint(y, W)    dx of Conv2D                 forward of ConvTranspose2D
    dW = y (A x)ᵀ      weight_gradient(x, y)      with dy in the place of y    with dy in the place of x

The second line is the adjoint of the first, ⟨correlate(x), y⟩ = ⟨W A x, y⟩ = ⟨x, Aᵀ Wᵀ y⟩ = ⟨x, correlate_adjoint(y)⟩,
so each of the two layers goes forward as the other goes backward. (Here x and y stand for one long vector each, and W
for the matrix that works on the columns of all windows.) Zeros around an image, its *padding*, follow the same rule:
the adjoint of `pad` is `crop`.

Inside, images are (C, H, W, N), the batch running fastest (machinery/images.py says why). The columns are KH·KW times
as large as the image they come from, so they are never made all at once: a few rows of windows, then the product, and
the same memory again. That bounds what they take, and they are still in the processor's cache when the product reads
them: measured on Conv2D(16, 32, 3) (benchmarks/techniques.py), all columns at once need no less time with 100 images
(7 MB), and some 1.4 times as long with 1,000 (70 MB). Bands that are too small mean many short calls, for which threads
wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from scratchnn.compiled import compilable
from scratchnn.init import lecun_normal
from scratchnn.layers.layer import Layer
from scratchnn.machinery.checks import expect, expect_dtype, expect_generator, expect_int
from scratchnn.machinery.images import Pair, batch_first, batch_last, expect_images, options, pair, short
from scratchnn.machinery.parameters import Array, Gradient, Parameter

COLUMNS_BYTES = 2**22  # of columns made at a time (one row of windows at the least): they stay in the last cache

Pads = tuple[Pair, Pair]  # (top, bottom), (left, right)


def pieces(kernel: Pair, stride: Pair, windows: Pair) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """For every entry u, v of the kernel the piece of an image (C, H, W, N) that it meets in `windows` positions."""
    (KH, KW), (SH, SW), (OH, OW) = kernel, stride, windows
    for u in range(KH):
        for v in range(KW):
            rows, columns = slice(u, u + SH * OH, SH), slice(v, v + SW * OW, SW)
            yield u, v, (slice(None), rows, columns)


def im2col(x: Array, kernel: Pair, stride: Pair, windows: Pair) -> Array:
    """Image → columns: x (C, H, W, N) to (C·KH·KW, OH·OW·N), one column a window."""
    (KH, KW), (OH, OW) = kernel, windows
    C, N = x.shape[0], x.shape[-1]
    cols = np.empty((C, KH, KW, OH, OW, N), x.dtype)
    for u, v, piece in pieces(kernel, stride, windows):
        cols[:, u, v] = x[piece]
    return cols.reshape(C * KH * KW, OH * OW * N)


@compilable
def col2im(x: Array, cols: Array, kernel: Pair, stride: Pair, windows: Pair) -> None:
    """Columns → image, the adjoint: adds every window of `cols` to the place in x that `im2col` took it from."""
    C, N = x.shape[0], x.shape[-1]
    cols = cols.reshape(C, *kernel, *windows, N)
    for u, v, piece in pieces(kernel, stride, windows):
        x[piece] += cols[:, u, v]


def bands(x: Array, kernel: Pair, stride: Pair, windows: Pair) -> Iterator[tuple[Array, slice, Pair]]:
    """Cuts the work into bands whose columns fit into COLUMNS_BYTES: rows of windows, and the part of x they cover."""
    (KH, KW), SH, (OH, OW) = kernel, stride[0], windows
    row = x.shape[0] * KH * KW * OW * x.shape[-1] * x.itemsize
    height = max(1, COLUMNS_BYTES // max(1, row))
    for top in range(0, OH, height):
        bottom = min(top + height, OH)
        yield x[:, top * SH : (bottom - 1) * SH + KH], slice(top, bottom), (bottom - top, OW)


def correlate(x: Array, W: Array, stride: Pair, windows: Pair) -> Array:
    """y = W (A x): x (C, H, W, N), W (F, C, KH, KW), y (F, OH, OW, N) with (OH, OW) = `windows`."""
    F, kernel = len(W), W.shape[2:]
    y = np.empty((F, *windows, x.shape[-1]), x.dtype)
    for part, rows, band in bands(x, kernel, stride, windows):
        out = y[:, rows].reshape(F, -1)  # a view: whole rows of y lie side by side
        np.matmul(W.reshape(F, -1), im2col(part, kernel, stride, band), out=out)  # (F, C·KH·KW) (C·KH·KW, OH·OW·N)
    return y


def correlate_adjoint(y: Array, W: Array, stride: Pair, size: Pair) -> Array:
    """x = Aᵀ (Wᵀ y): y (F, OH, OW, N), W (F, C, KH, KW), x (C, H, W, N) with (H, W) = `size`."""
    F, C, *kernel = W.shape
    x = np.zeros((C, *size, y.shape[-1]), y.dtype)
    for part, rows, band in bands(x, kernel, stride, y.shape[1:3]):
        cols = W.reshape(F, -1).T @ y[:, rows].reshape(F, -1)  # (C·KH·KW, F) (F, OH·OW·N)
        col2im(part, cols, kernel, stride, band)
    return x


def weight_gradient(x: Array, y: Array, kernel: Pair, stride: Pair) -> Array:
    """dW = y (A x)ᵀ: x (C, H, W, N), y (F, OH, OW, N), dW (F, C, KH, KW)."""
    C, F = len(x), len(y)
    dW = np.zeros((F, C * kernel[0] * kernel[1]), x.dtype)
    for part, rows, band in bands(x, kernel, stride, y.shape[1:3]):
        dW += y[:, rows].reshape(F, -1) @ im2col(part, kernel, stride, band).T  # (F, OH·OW·N) (OH·OW·N, C·KH·KW)
    return dW.reshape(F, C, *kernel)


def pad(x: Array, pads: Pads) -> Array:
    """x (C, H, W, N) with zeros around every image; x itself where no side gets any."""
    return np.pad(x, ((0, 0), *pads, (0, 0))) if any(map(any, pads)) else x


def crop(x: Array, pads: Pads) -> Array:
    """x (C, H, W, N) without its padding, a view: the adjoint of `pad`."""
    (top, bottom), (left, right) = pads
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def read_padding(padding: Any) -> str | Pads:
    """ "same", or the zeros on every side that any other padding means."""
    if isinstance(padding, str) and padding in ("same", "valid"):
        return padding if padding == "same" else ((0, 0), (0, 0))
    try:
        vertical, horizontal = padding if isinstance(padding, tuple | list) else (padding, padding)
        return pair("Conv2D", "padding", vertical, 0), pair("Conv2D", "padding", horizontal, 0)
    except ValueError:
        raise ValueError(
            "Conv2D takes as its padding 'valid', 'same', a whole number from 0 upwards for all sides, "
            f"(vertical, horizontal) or ((top, bottom), (left, right)), got {padding!r}"
        ) from None


def same_pads(size: Pair, kernel: Pair, stride: Pair) -> Pads:
    """The padding that makes ⌈H/stride⌉ rows of windows, and columns alike.

    The last window starts in row (⌈H/stride⌉ − 1)·stride and needs KH rows. What is missing is added half above and
    half below, an odd row below (and an odd column to the right).
    """
    missing = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, stride, strict=True)]
    return (missing[0] // 2, -(-missing[0] // 2)), (missing[1] // 2, -(-missing[1] // 2))


def windows_in(layer: Conv2D, height: int, width: int) -> Pair:
    """How many positions the kernel has in an image, padding included: OH and OW."""
    (KH, KW), (SH, SW) = layer.kernel, layer.stride
    if height < KH or width < KW:
        raise ValueError(
            f"{layer!r} cannot place its kernel of {KH} × {KW} in images of {height} × {width} (padding included): "
            "use a smaller kernel, larger images or padding='same'"
        )
    return (height - KH) // SH + 1, (width - KW) // SW + 1


def laid_out(layer: ConvTranspose2D, height: int, width: int) -> Pair:
    """The size of the image that the kernels are laid into, before its padding is cut off."""
    H, W = (
        (n - 1) * s + k + extra
        for n, s, k, extra in zip((height, width), layer.stride, layer.kernel, layer.output_padding, strict=True)
    )
    if 2 * layer.padding[0] >= H or 2 * layer.padding[1] >= W:
        raise ValueError(
            f"{layer!r} leaves nothing of an image: from x of {height} × {width} it makes images of {H} × {W} "
            "and takes its padding off every side; use less padding"
        )
    return H, W


class Conv2D(Layer):
    """A pattern may lie anywhere in an image: one kernel looks for it at every place, y = W ⋆ x + b.

    Shapes
        x (N, c_in, H, W), W (c_out, c_in, KH, KW), b (c_out,), y (N, c_out, OH, OW). With stride s and the zeros
        that padding adds, OH = (top + H + bottom − KH) // s + 1, and OW alike. `padding` is "valid" (none),
        "same" (OH = ⌈H/s⌉; an odd row or column goes to the bottom or right), a number for all four sides,
        (vertical, horizontal), or ((top, bottom), (left, right)).
    Forward
        y_nfij = b_f + Σ_c Σ_u Σ_v x_nc,si+u,sj+v W_fcuv      if A x has the windows as its columns:   y = W (A x) + b
        The image is read from (si, sj) on and the kernel is not turned round, so mathematics calls this a
        cross-correlation. The weights start as draws from N(0, 1/(c_in·KH·KW)), the fan-in of one output.
    Backward
        W_fcuv enters y_nfij of every image n and every window i, j, with the factor x_nc,si+u,sj+v:

            dW_fcuv = Σ_n Σ_i Σ_j dy_nfij x_nc,si+u,sj+v      a sum over columns:        dW = dy (A x)ᵀ
            db_f    = Σ_n Σ_i Σ_j dy_nfij                     b_f enters with factor 1

        x_ncpq enters y_nfij if the window i, j covers it, p = si + u and q = sj + v for some u and v in the kernel:

            dx_ncpq = Σ_f Σ_i Σ_j dy_nfij W_fc,p−si,q−sj      over f, giving columns, then windows:   dx = Aᵀ (Wᵀ dy)

        In dx the kernel is turned round (its index falls as i rises): the backward pass of a correlation is a
        convolution proper. The padding is no part of x, so its part of dx is cropped.
    Watch
        Windows overlap: dx adds up what they bring, and an assignment in place of += keeps the last only. With a
        stride, the last rows and columns may lie in no window; their dx is 0, and dx still has the shape of x. A dense
        layer in its place has OH·OW·H·W/(KH·KW) times as many weights, and learns a pattern anew at every place.
    """

    W, b = Parameter(), Parameter()
    dW, db = Gradient(), Gradient()

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | Pair,
        rng: np.random.Generator,
        stride: int | Pair = 1,
        padding: str | int | Pair | Pads = "valid",
        b: Array | float = 0.0,
        dtype: Any = np.float32,
    ) -> None:
        """`kernel` and `stride` are numbers or (vertical, horizontal); `b` holds the initial biases, a number or an
        array (c_out,); `rng` draws the weights."""
        self.c_in, self.c_out = expect_int("Conv2D", "c_in", c_in), expect_int("Conv2D", "c_out", c_out)
        expect_generator("Conv2D", rng)
        self.kernel, self.stride = pair("Conv2D", "kernel", kernel), pair("Conv2D", "stride", stride)
        self.padding = read_padding(padding)
        super().__init__({"W": (self.c_out, self.c_in, *self.kernel), "b": (self.c_out,)}, dtype=dtype)
        self.W = lecun_normal(self.W.shape, self.c_in * self.kernel[0] * self.kernel[1], rng)
        self.b = b

    def forward(self, x: Array) -> Array:
        expect_images(self, x, self.c_in)
        expect_dtype(self, x)
        pads = self.padding
        if isinstance(pads, str):
            pads = same_pads(x.shape[2:], self.kernel, self.stride)
        x = pad(batch_last(x), pads)
        windows = windows_in(self, *x.shape[1:3])
        self.cache = (x, pads, windows)
        y = correlate(x, self.W, self.stride, windows)  # (c_out, OH, OW, N)
        y += self.b[:, None, None, None]
        return batch_first(y)

    def backward(self, dy: Array) -> Array:
        x, dy, pads = self.take_and_write(dy)
        return batch_first(crop(correlate_adjoint(dy, self.W, self.stride, x.shape[1:3]), pads))

    def write_gradients(self, dy: Array) -> None:
        self.take_and_write(dy)

    def take_and_write(self, dy: Array) -> tuple[Array, Array, Pads]:
        """Writes dW and db; returns what dx is made of: the padded x, and dy, both (…, N), and the padding."""
        x, pads, windows = self.take_cache()
        expect(self, "dy", dy, (x.shape[-1], self.c_out, *windows))
        dy = batch_last(dy)
        self.dW = weight_gradient(x, dy, self.kernel, self.stride)
        np.sum(dy, axis=(1, 2, 3), out=self.db)
        return x, dy, pads

    def __repr__(self) -> str:
        changed = options(stride=(self.stride, (1, 1)), padding=(self.padding, ((0, 0), (0, 0))))
        return f"Conv2D({self.c_in}, {self.c_out}, {short(self.kernel)}{changed})"


class ConvTranspose2D(Layer):
    """A decoder makes images larger, with weights that it learns: what Conv2D does backward, y = Aᵀ (Wᵀ x) + b.

    Shapes
        x (N, c_in, H, W), W (c_in, c_out, KH, KW), b (c_out,), y (N, c_out, OH, OW), with
        OH = (H − 1)·stride − 2·padding + KH + output_padding, and OW alike.
    Forward
        Every entry of x lays down a copy of the kernel, multiplied by itself, `stride` steps from its neighbour's;
        where copies overlap they add up. Here with a stride of 2 and one kernel 1 2 3:

            a  lays down       1a  2a  3a
            b                           1b   2b   3b
            c                                     1c   2c  3c
            y                  1a  2a  3a+1b  2b  3b+1c  2c  3c

        y_nf,si+u,sj+v gets x_ncij W_cfuv from every c, i, j, u, v, and b_f once: y = Aᵀ (Wᵀ x) + b. First
        `output_padding` rows and columns, which no kernel reaches, are added at the bottom and right, then `padding`
        are cut off every side. A convolution with a stride turns images of several sizes into one; output_padding says
        which is wanted back. At most c_in·⌈KH/s⌉·⌈KW/s⌉ inputs feed an output: that fan-in m scales the first weights,
        draws from N(0, 1/m).
    Backward
        With p = si + u and q = sj + v, and dy outside of y (in what was cut off) being 0:

            dW_cfuv = Σ_n Σ_i Σ_j x_ncij dy_nf,si+u,sj+v      a sum over the windows of dy:      dW = x (A dy)ᵀ
            db_f    = Σ_n Σ_p Σ_q dy_nfpq                     every output has b_f once
            dx_ncij = Σ_f Σ_u Σ_v dy_nf,si+u,sj+v W_cfuv      the forward pass of Conv2D:        dx = W (A dy)
    Watch
        It is no inverse: it undoes the shape of a convolution, not its numbers. Where the stride does not divide the
        kernel, outputs get contributions from different numbers of inputs, and images show a chessboard.
    """

    W, b = Parameter(), Parameter()
    dW, db = Gradient(), Gradient()

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | Pair,
        rng: np.random.Generator,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        b: Array | float = 0.0,
        dtype: Any = np.float32,
    ) -> None:
        """Sizes are numbers or (vertical, horizontal), `b` a number or an array (c_out,); `rng` draws the weights."""
        name = "ConvTranspose2D"
        self.c_in, self.c_out = expect_int(name, "c_in", c_in), expect_int(name, "c_out", c_out)
        expect_generator(name, rng)
        self.kernel, self.stride = pair(name, "kernel", kernel), pair(name, "stride", stride)
        self.padding = pair(name, "padding", padding, least=0)
        self.pads = (self.padding[0],) * 2, (self.padding[1],) * 2  # what is cut off on each side
        self.output_padding = pair(name, "output_padding", output_padding, least=0)
        if any(extra >= s for extra, s in zip(self.output_padding, self.stride, strict=True)):
            wrong = f"output_padding={output_padding} and stride={stride}"
            raise ValueError(f"{name} needs an output_padding smaller than its stride, got {wrong}")
        super().__init__({"W": (self.c_in, self.c_out, *self.kernel), "b": (self.c_out,)}, dtype=dtype)
        reach = [-(-k // s) for k, s in zip(self.kernel, self.stride, strict=True)]  # inputs that feed one output
        self.W = lecun_normal(self.W.shape, self.c_in * reach[0] * reach[1], rng)
        self.b = b

    def forward(self, x: Array) -> Array:
        expect_images(self, x, self.c_in)
        expect_dtype(self, x)
        x = batch_last(x)
        size = laid_out(self, *x.shape[1:3])
        y = crop(correlate_adjoint(x, self.W, self.stride, size), self.pads)  # (c_out, OH, OW, N)
        y += self.b[:, None, None, None]
        self.cache = (x, batch_first(y).shape)
        return batch_first(y)

    def backward(self, dy: Array) -> Array:
        x, dy = self.take_and_write(dy)
        return batch_first(correlate(dy, self.W, self.stride, x.shape[1:3]))

    def write_gradients(self, dy: Array) -> None:
        self.take_and_write(dy)

    def take_and_write(self, dy: Array) -> tuple[Array, Array]:
        """Writes dW and db; returns what dx is made of: x, and dy with zeros where y was cropped, both (…, N)."""
        x, shape = self.take_cache()
        expect(self, "dy", dy, shape)
        dy = batch_last(dy)
        np.sum(dy, axis=(1, 2, 3), out=self.db)
        dy = pad(dy, self.pads)
        self.dW = weight_gradient(dy, x, self.kernel, self.stride)
        return x, dy

    def __repr__(self) -> str:
        padding, output_padding = (self.padding, (0, 0)), (self.output_padding, (0, 0))
        changed = options(stride=(self.stride, (1, 1)), padding=padding, output_padding=output_padding)
        return f"ConvTranspose2D({self.c_in}, {self.c_out}, {short(self.kernel)}{changed})"
