"""What each layer, loss and likelihood that is no linear map must return, in 60 digits, and how far off it may be.

The bound is counted in roundings u of the numbers' type: a sum, a product or a quotient is off by one, NumPy's exp and
log by 8, a sum of n terms by n of the sum of their sizes. Each bound follows the lines of the library's code; in its
docstrings stand those that are more than a few roundings of the result or of its terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from decimals import EXP, LOG1P, SIGMOID, SOFTPLUS, exactly, exp, expm1, ln, log1p, sigmoid, softplus, sqrt, unit
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scratchnn import iwae, layers, likelihoods, losses, vae


def ends(dtype: Any) -> list[float]:
    """Zeros, subnormal numbers, what is next to 1, and where exponentials leave float32; of both signs."""
    info = np.finfo(dtype)
    sizes = [0.0, info.smallest_subnormal, info.tiny / 8, info.tiny, 1e-30, info.eps, 1 - info.eps, 1.0, 88.0, 100.0]
    return [float(sign * dtype(size)) for size in [*sizes, 104.0, 1e4] for sign in (1, -1)]


def numbers(dtype: Any, largest: float = 1e4) -> st.SearchStrategy[float]:
    width = 8 * np.dtype(dtype).itemsize
    near = st.floats(-4, 4, width=width)
    return (
        st.sampled_from([x for x in ends(dtype) if abs(x) <= largest])
        | near
        | st.floats(-largest, largest, width=width)
    )


UPSTREAM = st.integers(-1000, 1000).map(lambda k: k / 64) | st.sampled_from([0.0, 2.0**-20, -(2.0**-20), 1e4, -1e4])
UNITS = st.sampled_from([0.0, 1.0, 0.5, 2.0**-20]) | st.floats(0, 1, width=32)


# ---- references


@dataclass
class Reference:
    """`draw` gives the arrays that forward takes. `forward(layer, *arrays)` and `backward(layer, dy, *arrays)`, on
    decimals, give pairs: what is right, and by how many roundings, times a size, it may be missed."""

    make: Callable[[Any], Any]
    draw: Callable[[Callable[..., Any], Any], tuple[Any, ...]]
    forward: Callable[..., Any]
    backward: Callable[..., Any] | None = None


def one(shape: tuple[int, ...], largest: float = 1e4):
    return lambda draw, dtype: (draw(arrays(dtype, shape, elements=numbers(dtype, largest))),)


def and_targets(shape: tuple[int, ...], elements: Any = UNITS, largest: float = 1e4):
    return lambda draw, dtype: (*one(shape, largest)(draw, dtype), draw(arrays(dtype, shape, elements=elements)))


def elementwise(f: Callable, roundings: float, slope: Callable, relative: float, absolute: float) -> Reference:
    """y = f(x), and dx = dy f′(x), off by `relative` roundings of itself and `absolute` ones of dy."""

    def backward(layer, dy, x):
        return [(dy * slope(x), abs(dy) * (Decimal(relative + 1) * abs(slope(x)) + Decimal(absolute)))]

    return Reference(lambda dtype: None, one((2, 3)), lambda layer, x: (f(x), Decimal(roundings) * abs(f(x))), backward)


def tanh(x):
    e = exp(-2 * abs(x))
    return np.where(x < 0, -1, 1) * -expm1(-2 * abs(x)) / (1 + e)


def tanh_slope(x):
    e = exp(-2 * abs(x))
    return 4 * e / (1 + e) ** 2


def sigmoid_slope(x):
    return sigmoid(x) * sigmoid(-x)


def cross_entropy(sign: int):
    """Binary: Σ softplus(l) − t l, or that with a minus sign."""

    def forward(layer, logits, t):
        D, zero = logits.shape[1], exactly(0.0)
        share = log1p(exp(-abs(logits)))
        ramp = np.maximum(logits, zero)
        # for a target of 1 and a logit far out two large terms cancel, exactly
        value = np.sum((ramp - t * logits) + share, axis=1)
        return sign * value, np.sum((D + 3) * (ramp + abs(t * logits)) + (D + EXP + LOG1P + 2) * share, axis=1)

    def backward(layer, dy, logits, t):
        p = sigmoid(logits)
        return [(sign * dy[:, None] * (p - t), abs(dy[:, None]) * (Decimal(SIGMOID) * p + 2 * abs(p - t)))]

    return forward, backward


def softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    e = exp(shifted)
    return shifted, e, e.sum(axis=1)


def softmax_forward(layer, logits, labels):
    shifted, e, total = softmax(logits)
    own = shifted[np.arange(len(logits)), labels]
    loss = ln(total) - own
    # a rounding of a logit's distance s moves e^s by s times that; the sum of the e^s is at least 1
    moved = np.sum(e * (abs(shifted) + EXP + logits.shape[1]), axis=1) / total
    return loss, moved + EXP * ln(total) + abs(own) + abs(loss)


def softmax_backward(layer, dy, logits, labels):
    shifted, e, total = softmax(logits)
    p = e / total[:, None]
    right = np.equal.outer(labels, np.arange(logits.shape[1])).astype(int)
    moved = np.sum(e * (abs(shifted) + EXP + logits.shape[1]), axis=1) / total
    d, off = dy[:, None], abs(shifted) + EXP + 3 + moved[:, None]
    return [(d * (p - right), abs(d) * (p * off + abs(p - right)))]


def squared_error(layer, y, t):
    squares = (y - t) ** 2
    return squares.mean(axis=1), (y.shape[1] + 4) * squares.mean(axis=1)


def gaussian(outputs, x):
    """r, log σ², r²/σ², and by how many roundings, relative to itself, the last is off."""
    mean, log_var = np.split(outputs, 2, axis=1)
    r = x - mean
    log_r = ln(np.where(r == 0, Decimal(1), abs(r)))
    return r, log_var, r**2 * exp(-log_var), 2 * EXP * abs(log_r) + 3 + abs(2 * log_r - log_var) + EXP


def gaussian_forward(layer, outputs, x):
    _, log_var, squares, off = gaussian(outputs, x)
    constant = Decimal(likelihoods.LOG_2PI)
    value = -np.sum(constant + log_var + squares, axis=1) / 2
    return value, np.sum(squares * off + (x.shape[1] + 3) * (constant + abs(log_var) + squares), axis=1) / 2


def gaussian_backward(layer, dy, outputs, x):
    r, log_var, squares, off = gaussian(outputs, x)
    d, pull = dy[:, None], r * exp(-log_var)
    values, sizes = (
        (d * pull, d * (squares - 1) / 2),
        (abs(d * pull) * (off + 2), abs(d) * (squares * off + 2 * (squares + 1)) / 2),
    )
    return [(np.concatenate(values, axis=1), np.concatenate(sizes, axis=1))]


def kl_forward(layer, mean, log_var):
    terms, sizes = mean**2 + expm1(log_var) - log_var, mean**2 + abs(expm1(log_var)) + abs(log_var)
    return terms.sum(axis=1) / 2, (mean.shape[1] + EXP + 2) * sizes.sum(axis=1) / 2


def kl_backward(layer, dkl, mean, log_var):
    d = dkl[:, None]
    return [(d * mean, abs(d * mean)), (d * expm1(log_var) / 2, (EXP + 2) * abs(d * expm1(log_var)) / 2)]


def draw_kl(layer, z, log_var, eps):
    return (z**2 - log_var - eps**2).sum(axis=1) / 2, (z.shape[1] + 2) * (z**2 + abs(log_var) + eps**2).sum(axis=1) / 2


def reparameterised(layer, mean, log_var, eps):
    noise = exp(log_var / 2) * eps
    return mean + noise, (EXP + 1) * abs(noise) + abs(mean + noise)


def noise_backward(layer, dz, mean, log_var, eps):
    dlog_var = dz * eps * exp(log_var / 2) / 2
    return [(dz, 0 * abs(dz)), (dlog_var, (EXP + 4) * abs(dlog_var))]


def batch_norm(layer, x):
    """The mean of m numbers is off by δ ≤ m u mean|x|, and all else follows from it (*Watch* of BatchNorm)."""
    m, eps, u = len(x), Decimal(layer.eps), Decimal(unit(layer.params.dtype))
    gamma, beta = exactly(layer.gamma), exactly(layer.beta)
    centred, delta = x - x.mean(axis=0), m * abs(x).mean(axis=0)  # delta in roundings
    var = (centred**2).mean(axis=0)
    off_var = 2 * abs(centred).mean(axis=0) * delta + u * delta**2 + (m + 3) * var
    root = sqrt(var + eps)
    x_hat = centred / root
    # 1/√(1 + q) is off by q/2, and by less than q where q is below a half, as it is for numbers up to 100 and this eps
    q = off_var / (var + eps)
    off = 2 * (delta + abs(centred)) / root + abs(x_hat) * (q + 4)
    y = gamma * x_hat + beta
    return y, abs(gamma) * (off + 2 * abs(x_hat)) + abs(y)


def with_numbers(dtype: Any) -> layers.BatchNorm:
    layer = layers.BatchNorm(3, dtype=dtype)
    layer.gamma, layer.beta = [1.5, -0.25, 3], [0.5, 0, -2]
    return layer


BINARY, BINARY_BACK = cross_entropy(1)
LOG_P, LOG_P_BACK = cross_entropy(-1)
ROWS = (2, 3)


def three(draw: Callable[..., Any], dtype: Any) -> tuple[np.ndarray, ...]:
    return tuple(draw(arrays(dtype, ROWS, elements=numbers(dtype, size))) for size in (1e4, 100, 10))


REFERENCES: dict[type, Reference] = {
    layers.Tanh: elementwise(tanh, EXP, tanh_slope, 0, 2 * EXP + 2),
    # y (1 − y): y is off by 14 roundings, so y and 1 − y are, as a share of themselves in the left half; in the right
    # half 1 − y is off by 14 roundings of 1
    layers.Sigmoid: elementwise(sigmoid, SIGMOID, sigmoid_slope, 2 * SIGMOID + 2, SIGMOID + 1),
    # an error of y shrinks by y/(e^y − 1) < 1; then expm1
    layers.Softplus: elementwise(softplus, SOFTPLUS, sigmoid, SOFTPLUS + EXP, 0),
    layers.Exponential: elementwise(exp, EXP, exp, EXP, 0),
    layers.Dropout: Reference(
        lambda dtype: layers.Dropout(0.3, np.random.default_rng(0)),
        lambda draw, dtype: (*one(ROWS)(draw, dtype), draw(arrays(bool, ROWS))),
        lambda layer, x, mask: (x * mask / (1 - Decimal("0.3")), 4 * abs(x * mask)),  # 1 − rate is rounded in float64
        lambda layer, dy, x, mask: [(dy * mask / (1 - Decimal("0.3")), 4 * abs(dy * mask))],
    ),
    layers.BatchNorm: Reference(
        with_numbers,
        lambda draw, dtype: (one((5, 3), 10)(draw, dtype)[0] + dtype(draw(st.sampled_from([0, 90]))),),
        batch_norm,
    ),
    losses.MeanSquaredError: Reference(
        lambda dtype: losses.MeanSquaredError(),
        lambda draw, dtype: and_targets(ROWS, numbers(dtype))(draw, dtype),
        squared_error,
        lambda layer, dy, y, t: [(dy[:, None] * 2 * (y - t) / y.shape[1], 4 * abs(dy[:, None] * (y - t)))],
    ),
    losses.BinaryCrossEntropy: Reference(
        lambda dtype: losses.BinaryCrossEntropy(), and_targets(ROWS), BINARY, BINARY_BACK
    ),
    losses.SoftmaxCrossEntropy: Reference(
        lambda dtype: losses.SoftmaxCrossEntropy(),
        lambda draw, dtype: (*one(ROWS)(draw, dtype), draw(arrays(np.int64, 2, elements=st.integers(0, 2)))),
        softmax_forward,
        softmax_backward,
    ),
    likelihoods.Bernoulli: Reference(lambda dtype: likelihoods.Bernoulli(), and_targets(ROWS), LOG_P, LOG_P_BACK),
    likelihoods.SigmoidMean: Reference(
        lambda dtype: likelihoods.SigmoidMean(),
        one((2, 4)),
        lambda layer, x: (
            np.hstack([sigmoid(x[:, :2]), x[:, 2:]]),
            np.hstack([Decimal(SIGMOID) * sigmoid(x[:, :2]), 0 * x[:, 2:]]),
        ),
        lambda layer, dy, x: [
            (
                np.hstack([dy[:, :2] * sigmoid_slope(x[:, :2]), dy[:, 2:]]),
                np.hstack([abs(dy[:, :2]) * (31 * sigmoid_slope(x[:, :2]) + 15), 0 * dy[:, 2:]]),
            )
        ],
    ),
    likelihoods.Gaussian: Reference(
        lambda dtype: likelihoods.Gaussian(),
        lambda draw, dtype: (
            np.hstack([draw(arrays(dtype, ROWS, elements=numbers(dtype, size))) for size in (1e4, 100)]),
            draw(arrays(dtype, ROWS, elements=numbers(dtype))),
        ),
        gaussian_forward,
        gaussian_backward,
    ),
    vae.Reparameterise: Reference(lambda dtype: vae.Reparameterise(), three, reparameterised, noise_backward),
    vae.KLToStandardNormal: Reference(
        lambda dtype: vae.KLToStandardNormal(), lambda draw, dtype: three(draw, dtype)[:2], kl_forward, kl_backward
    ),
    iwae.KLOfOneDraw: Reference(
        lambda dtype: iwae.KLOfOneDraw(),
        three,
        draw_kl,
        lambda layer, dkl, z, log_var, eps: [
            (dkl[:, None] * z, abs(dkl[:, None] * z)),
            (-dkl[:, None] / 2 + 0 * z, 0 * z),
        ],
    ),
}  # fmt: skip
