"""Activation functions: what stands between two dense layers, so that together they are more than one.

Two dense layers in a row are one: x W₁ W₂ is a product with the single matrix W₁W₂. These are the seven functions of
the thesis's Annex A. Each works element by element, y_k = f(x_k) for an array of any shape, so its Jacobian is diagonal
and one line of mathematics serves them all:

    dx_k = Σ_j dy_j ∂y_j/∂x_k = dy_k f′(x_k)

For each of the seven the slope f′ can be computed from the output y_k, so the output is all that is kept. At the ends
of the number range (in float32, exp overflows above 88.7) a formula here may underflow to 0, but must not make ∞ or NaN
on its way to a finite result.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scratchnn.layers.layer import Layer
from scratchnn.machinery.checks import expect
from scratchnn.machinery.logarithm import log1p
from scratchnn.machinery.parameters import Array


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^(−x)) = e^x / (1 + e^x): the first form for x ≥ 0 and the second for x < 0, so no e^… exceeds 1."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def softplus(x: Array) -> Array:
    """log(1 + e^x) = max(x, 0) + log(1 + e^(−|x|)): for x > 0 the factor e^x is taken out of the logarithm."""
    return np.maximum(x, 0) + log1p(np.exp(-np.abs(x)))


class Elementwise(Layer):
    """Without a nonlinearity in between, dense layers are one: y_k = f(x_k), given by its function and its slope.

    Shapes
        x and y alike.
    Forward
        y_k = f(x_k)
    Backward
        dx_k = dy_k f′(x_k)
    Watch
        The slope is a function of the output y, not of x.
    """

    function: Callable[[Array], Array]  # f(x), a new array of the shape and type of x
    slope: Callable[[Array], Array | float]  # f′(x), from the output y = f(x)

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        y = self.function(x)
        self.cache = (y,)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.take_cache()
        expect(self, "dy", dy, y.shape)
        return dy * self.slope(y)


class Step(Elementwise):
    """A unit that decides, yes or no: y = 1 where x ≥ 0, else 0

    Shapes
        x and y alike.
    Forward
        y_k = [x_k ≥ 0]      the threshold unit of the first neural networks
    Backward
        The function is flat on both sides of its jump, so its slope is 0 almost everywhere, and at x = 0 there is none:

            dx_k = dy_k · 0
    Watch
        No gradient passes, so nothing below a Step can learn. A network that trains through one uses a made-up slope.
    """

    function = staticmethod(lambda x: np.heaviside(x, 1))  # 1 at 0; NaN stays NaN
    slope = staticmethod(lambda y: 0.0)


class Identity(Elementwise):
    """An output that may be any number: y = x

    Shapes
        x and y alike.
    Forward
        y_k = x_k      a linear output unit
    Backward
        dx_k = dy_k · 1
    Watch
        It is no nonlinearity: between two dense layers it leaves them one.
    """

    function = staticmethod(lambda x: x.copy(order="K"))
    slope = staticmethod(lambda y: 1.0)


class Tanh(Elementwise):
    """A bounded output of either sign: y = tanh(x) = (e^x − e^(−x)) / (e^x + e^(−x))

    Shapes
        x and y alike.
    Forward
        y_k = tanh(x_k)      between −1 and 1, steepest at 0, where it is close to x_k
    Backward
        With s = sinh, c = cosh, s′ = c and c′ = s: (s/c)′ = (c·c − s·s)/c² = 1 − (s/c)², so

            dx_k = dy_k (1 − y_k²)
    Watch
        Saturation: where |x| is large, 1 − y² is nearly 0 and no gradient passes. It is 1 − y², not 1 − x².
    """

    function = staticmethod(lambda x: np.tanh(x))
    slope = staticmethod(lambda y: 1 - y * y)


class ReLU(Elementwise):
    """A nonlinearity that costs little, and leaves the gradient whole where x > 0: y = max(x, 0)

    Shapes
        x and y alike.
    Forward
        y_k = max(x_k, 0)      rectified linear unit
    Backward
        The slope is 1 to the right of 0 and 0 to the left, and x_k > 0 exactly where y_k > 0:

            dx_k = dy_k [y_k > 0]
    Watch
        The kink: at x = 0 any slope between 0 and 1 is a subgradient; this code chooses 0. And a unit that is 0 for
        every example gets no gradient ("dead"). In the first layer plain gradient descent never changes it again; in a
        higher one it may come back, since the layers below it change.
    """

    function = staticmethod(lambda x: np.maximum(x, 0))
    slope = staticmethod(lambda y: y > 0)


class Softplus(Elementwise):
    """A positive output, or a ReLU without its kink: y = log(1 + e^x)

    Shapes
        x and y alike.
    Forward
        y_k = log(1 + e^(x_k))      close to e^(x_k) far to the left of 0
    Backward
        y′ = e^x / (1 + e^x) = 1 − 1/(1 + e^x)   and 1/(1 + e^x) = e^(−y)      and so

            dx_k = dy_k (1 − e^(−y_k))      the sigmoid of x_k
    Watch
        Written out, e^x overflows at 88.7 in float32, and log(1 + e^x) is 0 below −16.6 in place of e^x. `softplus` is
        right at both ends; so is expm1(−y) = e^(−y) − 1, where y is near 0.
    """

    function = staticmethod(softplus)
    slope = staticmethod(lambda y: -np.expm1(-y))


class Sigmoid(Elementwise):
    """A probability from any number, its logit: y = 1 / (1 + e^(−x))

    Shapes
        x and y alike.
    Forward
        y_k = 1 / (1 + e^(−x_k))      between 0 and 1
    Backward
        y′ = e^(−x) / (1 + e^(−x))² = y · e^(−x)/(1 + e^(−x)) = y · (1 − y)      and so

            dx_k = dy_k y_k (1 − y_k)
    Watch
        Saturation at both ends, and a slope of ¼ at most. It is y(1 − y), not x(1 − x). Before a likelihood or a
        cross-entropy this layer is not wanted: those take the logit itself and are exact where log(y) would be log(0).
    """

    function = staticmethod(sigmoid)
    slope = staticmethod(lambda y: y * (1 - y))


class Exponential(Elementwise):
    """A positive output of any order of magnitude: y = e^x

    Shapes
        x and y alike.
    Forward
        y_k = e^(x_k)      positive: a log-variance becomes a variance
    Backward
        The exponential is its own derivative:

            dx_k = dy_k y_k
    Watch
        e^x itself leaves the range of float32 above x = 88.7: the result there is ∞.
    """

    function = staticmethod(lambda x: np.exp(x))
    slope = staticmethod(lambda y: y)
