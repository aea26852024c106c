"""Activation functions: what stands between two dense layers, so that together they are more than one.

These are the seven of the thesis's Annex A. Each works element by element, y_k = f(x_k) for an array of any shape, so
its Jacobian is diagonal and one line of mathematics serves them all:

    dx_k = Σ_j dy_j ∂y_j/∂x_k = dy_k f′(x_k).

What is worth looking at is the derivative f′, written with whatever forward has at hand already, and what happens at
the ends of the number range. In float32, exp overflows above 88.7; a formula here may underflow to 0, but must not make
∞ or NaN on its way to a finite result.
"""

from __future__ import annotations

import numpy as np

from scratchnn.layers.checks import expect
from scratchnn.layers.layer import Layer
from scratchnn.parameters import Array


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^(−x)) = e^x / (1 + e^x): the first form for x ≥ 0 and the second for x < 0, so no e^… exceeds 1."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def softplus(x: Array) -> Array:
    """log(1 + e^x) = max(x, 0) + log(1 + e^(−|x|)): for x > 0 the factor e^x is taken out of the logarithm."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


class Step(Layer):
    """y = 1 where x ≥ 0, else 0.

    Shapes
        x and y alike, any shape.
    Forward
        The threshold unit of the first neural networks (thesis, Annex A).
    Backward
        dx_k = dy_k · 0 = 0. The function is flat on both sides of its jump, so the derivative is zero almost
        everywhere, and at x = 0 there is none.
    Watch
        No gradient passes, so nothing below a Step can learn: this is why networks use smooth or at least sloping
        units. A derivative of 0 is the right answer; a network that trains through a Step uses a made-up one.
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        self.cache = x.shape
        return np.where(x >= 0, 1, 0).astype(x.dtype)

    def backward(self, dy: Array) -> Array:
        shape = self.take_cache()
        expect(self, "dy", dy, shape)
        return np.zeros_like(dy)


class Identity(Layer):
    """y = x

    Shapes
        x and y alike, any shape.
    Forward
        y_k = x_k: a linear output unit.
    Backward
        dx_k = dy_k · 1.
    Watch
        Without a nonlinearity in between, two dense layers are one: x W₁ W₂ is a product with the single matrix W₁W₂.
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        self.cache = x.shape
        return x.copy()

    def backward(self, dy: Array) -> Array:
        shape = self.take_cache()
        expect(self, "dy", dy, shape)
        return dy.copy()


class Tanh(Layer):
    """y = tanh(x) = (e^x − e^(−x)) / (e^x + e^(−x))

    Shapes
        x and y alike, any shape.
    Forward
        y_k = tanh(x_k), between −1 and 1, steepest at 0, where it is close to x_k.
    Backward
        With s = sinh, c = cosh, s′ = c and c′ = s: (s/c)′ = (c·c − s·s)/c² = 1 − (s/c)², so

            dx_k = dy_k (1 − y_k²),      in terms of the output: nothing has to be computed again.
    Watch
        Saturation: where |x| is large, 1 − y² is nearly 0 and no gradient passes. It is 1 − y², not 1 − x².
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        y = np.tanh(x)
        self.cache = (y,)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.take_cache()
        expect(self, "dy", dy, y.shape)
        return dy * (1 - y * y)


class ReLU(Layer):
    """y = max(x, 0)

    Shapes
        x and y alike, any shape.
    Forward
        y_k = x_k where x_k > 0, else 0 (rectified linear unit).
    Backward
        The slope is 1 to the right of 0 and 0 to the left:

            dx_k = dy_k [x_k > 0],      and x_k > 0 exactly where y_k > 0, so the output is all that is kept.
    Watch
        The kink: at x = 0 any slope between 0 and 1 is a subgradient; this code chooses 0. And a unit that is negative
        for every example of the data gets no gradient and never comes back ("dead").
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        y = np.maximum(x, 0)
        self.cache = (y,)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.take_cache()
        expect(self, "dy", dy, y.shape)
        return dy * (y > 0)


class Softplus(Layer):
    """y = log(1 + e^x)

    Shapes
        x and y alike, any shape.
    Forward
        A ReLU with its corner rounded off: y_k → x_k for large x_k, and e^(x_k) far to the left of 0.
    Backward
        d log(1 + e^x)/dx = e^x / (1 + e^x), which is the sigmoid:

            dx_k = dy_k sigmoid(x_k).
    Watch
        Written as it stands, e^x overflows at 88.7 in float32, and log(1 + e^x) is 0 below −16.6 although its true
        value is e^x. The form used here is right at both ends.
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        self.cache = (x,)
        return softplus(x)

    def backward(self, dy: Array) -> Array:
        (x,) = self.take_cache()
        expect(self, "dy", dy, x.shape)
        return dy * sigmoid(x)


class Sigmoid(Layer):
    """y = 1 / (1 + e^(−x))

    Shapes
        x and y alike, any shape.
    Forward
        y_k between 0 and 1: a logit becomes a probability.
    Backward
        y′ = e^(−x) / (1 + e^(−x))² = y · e^(−x)/(1 + e^(−x)) = y (1 − y), so

            dx_k = dy_k y_k (1 − y_k),      in terms of the output.
    Watch
        Saturation at both ends, and a slope of ¼ at the most. It is y(1 − y), not x(1 − x). Before a likelihood or a
        cross-entropy this layer is not wanted: those take the logit itself and are exact where log(y) would be log(0).
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        y = sigmoid(x)
        self.cache = (y,)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.take_cache()
        expect(self, "dy", dy, y.shape)
        return dy * y * (1 - y)


class Exponential(Layer):
    """y = e^x

    Shapes
        x and y alike, any shape.
    Forward
        y_k = e^(x_k), positive: a log-variance becomes a variance.
    Backward
        The exponential is its own derivative:

            dx_k = dy_k y_k.
    Watch
        e^x itself, not only a formula for it, leaves the range of float32 above x = 88.7: the result there is ∞.
    """

    def forward(self, x: Array) -> Array:
        expect(self, "x", x)
        y = np.exp(x)
        self.cache = (y,)
        return y

    def backward(self, dy: Array) -> Array:
        (y,) = self.take_cache()
        expect(self, "dy", dy, y.shape)
        return dy * y
