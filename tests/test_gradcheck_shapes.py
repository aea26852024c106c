"""What is said where the shapes in a backward pass do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from scratchnn.gradcheck import GradientError, check_function

RNG = np.random.default_rng(0)
INPUTS = {"x": RNG.normal(size=(5, 3)), "W": RNG.normal(size=(3, 4)), "b": RNG.normal(size=4)}


def forward(x, W, b):
    y = np.tanh(x @ W + b)
    return y, (x, W, y)


def not_turned(dy, cache):
    x, W, y = cache
    da = dy * (1 - y**2)
    dW = x @ da
    return da @ W.T, dW, da.sum(axis=0)


def inside(dy, cache):
    x, W, y = cache
    return (dy * (1 - y**2)) @ W, x.T @ dy, dy.sum(axis=0)


def summed(dy, cache):
    x, W, y = cache
    da = dy * (1 - y**2).sum(axis=1)
    return da @ W.T, x.T @ da, da.sum(axis=0)


def added(dy, cache):
    x, W, y = cache
    da = dy * (1 - y**2)
    dW = np.zeros_like(W)
    for k in range(len(x)):
        dW += np.outer(da[k], x[k])
    return da @ W.T, dW, da.sum(axis=0)


def by_function(dy, cache):
    x, W, y = cache
    dx = np.dot(
        dy * (1 - y**2),
        W,
    )
    return dx, x.T @ dy, dy.sum(axis=0)


def by_letters(dy, cache):
    x, W, _ = cache
    return dy @ W.T, np.einsum("nd,de->de", x, dy), dy.sum(axis=0)


def written(dy, cache):
    x, W, _ = cache
    dx = np.zeros_like(x)
    dx[0] = dy[0]
    return dx, W, dy.sum(axis=0)


def helped(dy, cache):
    return not_turned(dy, cache)


@pytest.mark.parametrize(
    ("backward", "text", "said"),
    [
        (not_turned, "x @ da", "x has shape (5, 3), da has shape (5, 4); `x.T @ da` would fit, and has shape (3, 4)"),
        (inside, "dy * (1 - y ** 2) @ W", "`dy * (1 - y ** 2) @ W.T` would fit, and has shape (5, 3)"),
        (summed, "dy * (1 - y ** 2).sum(axis=1)", "`dy * (1 - y ** 2).sum(axis=1)[:, None]` would fit, and has shape"),
        (added, "dW + np.outer(da[k], x[k])", "`dW + np.outer(da[k], x[k]).T` would fit, and has shape (3, 4)"),
        (by_function, "np.dot(dy * (1 - y ** 2), W)", "W has shape (3, 4); `np.dot(dy * (1 - y ** 2), W.T)` would fit"),
        (by_letters, "np.einsum('nd,de->de', x, dy)", "does not fit: x has shape (5, 3), dy has shape (5, 4)"),
        (written, "dx[0] = dy[0]", "does not fit: dx[0] has shape (3,), dy[0] (4,)"),
        (helped, "x @ da", "`x.T @ da` would fit, and has shape (3, 4)"),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_the_operands_are_named_with_what_would_fit(backward, text, said):
    with pytest.raises(GradientError) as raised:
        check_function(forward, backward, INPUTS)
    assert f", `{text}`, does not fit" in str(raised.value)
    assert said in str(raised.value)


def test_another_shape_than_that_of_the_gradient_is_said():
    def backward(dy, cache):
        x, W, _ = cache
        dW = dy @ x
        return dy @ W.T, dW, dy.sum(axis=0)

    with pytest.raises(GradientError, match=r"`dy.T @ x` would fit, and has shape \(4, 3\), where \(3, 4\) is wanted"):
        check_function(forward, backward, INPUTS)


def test_of_two_ways_that_fit_the_one_with_the_shape_of_the_gradient_is_said():
    def backward(dy, cache):
        x, W = cache
        dW = x @ dy
        return dy @ W.T, dW

    with pytest.raises(GradientError, match=r"`x.T @ dy` would fit, and has shape \(3, 3\)$"):
        check_function(lambda x, W: (x @ W, (x, W)), backward, {"x": INPUTS["x"], "W": np.eye(3)})


def test_a_singular_matrix_is_no_matter_of_shapes():
    def backward(dy, cache):
        x, W, _ = cache
        return np.linalg.solve(np.zeros((5, 5)), dy) @ W.T, x.T @ dy, dy.sum(axis=0)

    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        check_function(forward, backward, INPUTS)


def test_what_else_a_backward_raises_reaches_its_writer():
    def own(dy, cache):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        check_function(forward, own, INPUTS)
