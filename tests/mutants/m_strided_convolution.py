"""Wrong answers to `strided_convolution`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def right(dy, cache):
    """The right dx, dw and db, to be spoilt below."""
    x, w, stride = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u, v, piece in pieces(dy, w, stride):
        dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[piece])
        dx[piece] += np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return dx, dw, np.sum(dy, axis=(0, 2, 3))


def pieces(dy, w, stride):
    """The entries of the kernel, and for each the piece of the images that it multiplies."""
    OH, OW = dy.shape[2:]
    for u, v in np.ndindex(w.shape[2:]):
        yield u, v, np.s_[:, :, u : u + stride * OH : stride, v : v + stride * OW : stride]


@mutant("PROBE:stride 1:dx", "PROBE:stride 1:dw")
def stride_forgotten(dy, cache):
    x, w, _ = cache
    return right(dy, (x, w, 1))


@mutant("FORMULA:= in place of +=, kernel entry by kernel entry:dx")
def overwritten_in_every_round(dy, cache):
    x, w, stride = cache
    dx = np.zeros_like(x)
    for u, v, piece in pieces(dy, w, stride):
        dx[piece] = np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return dx, *right(dy, cache)[1:]


@mutant("ONLY-WHERE:two windows overlap:dx")
def averaged_where_windows_overlap(dy, cache):
    dx, dw, db = right(dy, cache)
    windows = np.zeros_like(dx)
    for _, _, piece in pieces(dy, *cache[1:]):
        windows[piece] += 1
    return dx / np.maximum(windows, 1), dw, db


@mutant("ONLY-WHERE:no window covers it:dx")
def rest_filled_with_its_neighbours(dy, cache):
    x, w, stride = cache
    H, W = (stride * (out - 1) + k for out, k in zip(dy.shape[2:], w.shape[2:], strict=True))
    dx, dw, db = right(dy, cache)
    rest = ((0, 0), (0, 0), (0, x.shape[2] - H), (0, x.shape[3] - W))
    return np.pad(dx[:, :, :H, :W], rest, mode="edge"), dw, db


@mutant("CONTRACT")
def covered_part_alone(dy, cache):
    x, w, stride = cache
    H, W = (stride * (out - 1) + k for out, k in zip(dy.shape[2:], w.shape[2:], strict=True))
    return right(dy, (x[:, :, :H, :W], w, stride))


@mutant("FORMULA:the kernel turned round once too often or too seldom:dx")
def kernel_turned_round(dy, cache):
    x, w, stride = cache
    dx = np.zeros_like(x)
    for u, v, piece in pieces(dy, w, stride):
        dx[piece] += np.einsum("nfij,fc->ncij", dy, w[:, :, -1 - u, -1 - v])
    return dx, *right(dy, cache)[1:]


@mutant("TERM:the kernel's last row:0:dx", "ONLY-WHERE:it belongs to the kernel's last row:dw")
def last_kernel_row_left_out(dy, cache):
    x, w, stride = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u, v, piece in pieces(dy, w[:, :, :-1], stride):
        dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[piece])
        dx[piece] += np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return dx, dw, np.sum(dy, axis=(0, 2, 3))


@mutant("SCALE:1/N:dw", "SCALE:1/(N·OH·OW):db")
def mean_for_sum(dy, cache):
    dx, dw, _ = right(dy, cache)
    return dx, dw / len(dy), np.mean(dy, axis=(0, 2, 3))


@mutant("EXAMPLE:not last:db")
def last_image_left_out(dy, cache):
    dx, dw, _ = right(dy, cache)
    return dx, dw, np.sum(dy[:-1], axis=(0, 2, 3))


@mutant("SCALE:−1:dx", "FLIPPED:2,3:dw")
def sign_of_dx_and_dw_turned_round(dy, cache):
    dx, dw, db = right(dy, cache)
    return -dx, dw[:, :, ::-1, ::-1], db
