"""Wrong answers to `convolution`, each with the label that a correct diagnosis has."""

import numpy as np

from mutants.key import mutant


def right(dy, cache):
    """The right dx, dw and db, to be spoilt below."""
    x, w = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u, v, piece in pieces(dy, w):
        dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[piece])
        dx[piece] += np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return dx, dw, np.sum(dy, axis=(0, 2, 3))


def pieces(dy, w):
    """The entries of the kernel, and for each the piece of the images that it multiplies."""
    OH, OW = dy.shape[2:]
    for u, v in np.ndindex(w.shape[2:]):
        yield u, v, np.s_[:, :, u : u + OH, v : v + OW]


@mutant("FORMULA:the kernel turned round once too often or too seldom:dx")
def kernel_not_turned_round(dy, cache):
    _, w = cache
    KH, KW = w.shape[2:]
    padded = np.pad(dy, ((0, 0), (0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (KH, KW), axis=(2, 3))
    _, dw, db = right(dy, cache)
    return np.einsum("nfpquv,fcuv->ncpq", windows, w), dw, db


@mutant("FLIPPED:2,3:dw")
def kernel_turned_round_in_dw(dy, cache):
    dx, dw, db = right(dy, cache)
    return dx, dw[:, :, ::-1, ::-1], db


@mutant("FORMULA:= in place of +=, kernel entry by kernel entry:dx")
def overwritten_in_every_round(dy, cache):
    x, w = cache
    dx = np.zeros_like(x)
    for u, v, piece in pieces(dy, w):
        dx[piece] = np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return dx, *right(dy, cache)[1:]


@mutant("FORMULA:= in place of +=, window by window:dx")
def overwritten_by_every_window(dy, cache):
    x, w = cache
    KH, KW = w.shape[2:]
    dx = np.zeros_like(x)
    for i, j in np.ndindex(dy.shape[2:]):
        dx[:, :, i : i + KH, j : j + KW] = np.einsum("nf,fcuv->ncuv", dy[:, :, i, j], w)
    return dx, *right(dy, cache)[1:]


@mutant("TERM:kernel entry [2, 0]:0,kernel entry [2, 1]:0:dx", "ONLY-WHERE:axis 2 is at its last place:dw")
def last_kernel_row_left_out(dy, cache):
    x, w = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for u, v, piece in pieces(dy, w[:, :, :-1]):
        dw[:, :, u, v] = np.einsum("nfij,ncij->fc", dy, x[piece])
        dx[piece] += np.einsum("nfij,fc->ncij", dy, w[:, :, u, v])
    return dx, dw, np.sum(dy, axis=(0, 2, 3))


@mutant("SCALE:1/N:dw", "SCALE:1/(N·OH·OW):db")
def mean_for_sum(dy, cache):
    dx, dw, _ = right(dy, cache)
    return dx, dw / len(dy), np.mean(dy, axis=(0, 2, 3))


@mutant("EXAMPLE:only first:db")
def bias_of_the_first_image(dy, cache):
    dx, dw, _ = right(dy, cache)
    return dx, dw, np.sum(dy[0], axis=(1, 2))


@mutant("EXAMPLE:only last:dw")
def kernel_gradient_overwritten_in_a_loop_over_images(dy, cache):
    dx, _, db = right(dy, cache)
    x, w = cache
    for n in range(len(x)):
        _, dw, _ = right(dy[n : n + 1], (x[n : n + 1], w))
    return dx, dw, db


@mutant("FACTOR:1/windows:dx")
def averaged_over_the_windows(dy, cache):
    dx, dw, db = right(dy, cache)
    windows = np.zeros_like(dx)
    for _, _, piece in pieces(dy, cache[1]):
        windows[piece] += 1
    return dx / windows, dw, db


@mutant("PROBE:one filter:dx")
def filters_summed_separately(dy, cache):
    x, w = cache
    dx = np.zeros_like(x)
    for u, v, piece in pieces(dy, w):
        dx[piece] += np.einsum("nfij,gc->ncij", dy, w[:, :, u, v])
    return dx, *right(dy, cache)[1:]


@mutant("IGNORES-UPSTREAM:dw")
def windows_summed_without_dy(dy, cache):
    dx, _, db = right(dy, cache)
    return dx, right(np.ones_like(dy), cache)[1], db


@mutant("FLIPPED:2,3 & SCALE:1/N:dw")
def kernel_turned_round_in_a_mean(dy, cache):
    dx, dw, db = right(dy, cache)
    return dx, dw[:, :, ::-1, ::-1] / len(dy), db


@mutant("CONTRACT")
def bias_summed_over_the_batch_alone(dy, cache):
    dx, dw, _ = right(dy, cache)
    return dx, dw, np.sum(dy, axis=0)
