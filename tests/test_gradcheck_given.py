"""The ways in which people call forward and backward, and how they name gradients."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from scratchnn.gradcheck import GradientError, check_function, check_layer

RNG = np.random.default_rng(0)
X, W, MASK = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4)), RNG.random((5, 4)) > 0.4
LABELS = np.array([0, 2, 1, 0, 3])


def masked(x, *, W, mask, times=1):
    return times * mask * np.tanh(x @ W), (x, W, mask, times)


def masked_backward(dy, cache):
    x, W, mask, times = cache
    delta = times * mask * dy * (1 - np.tanh(x @ W) ** 2)
    return delta @ W.T, x.T @ delta


def no_mask(dy, cache):
    x, W, _, times = cache
    delta = times * dy * (1 - np.tanh(x @ W) ** 2)
    return delta @ W.T, x.T @ delta


def test_constants_in_a_dict_are_passed_by_keyword() -> None:
    report = check_function(masked, masked_backward, {"x": X, "W": W}, {"mask": MASK, "times": 2})
    assert [array.name for array in report.arrays] == ["dx", "dW"]
    with pytest.raises(GradientError, match=r"dW .*WRONG"):
        check_function(masked, no_mask, {"x": X, "W": W}, {"mask": MASK})


def test_the_order_of_the_inputs_is_that_of_the_gradients() -> None:
    with pytest.raises(GradientError, match="shape"):
        check_function(masked, masked_backward, {"W": W, "x": X}, {"mask": MASK})


class Layer:
    def __init__(self) -> None:
        self.W = W.copy()
        self.weight_update = np.zeros_like(W)

    def forward(self, x, *, mask):
        self.x, self.mask = x, mask
        return mask * (x @ self.W)

    def backward(self, dy):
        self.weight_update = self.x.T @ (dy * self.mask)
        return (dy * self.mask) @ self.W.T


class Wrong(Layer):
    def backward(self, dy):
        self.weight_update = 2 * self.x.T @ (dy * self.mask)
        return (dy * self.mask) @ self.W.T


def test_a_gradient_of_a_layer_is_found_by_the_name_that_is_given() -> None:
    without = check_layer(Layer(), X, constants={"mask": MASK})
    assert without.unchecked == ["W"]
    report = check_layer(Layer(), X, constants={"mask": MASK}, names={"weight_update": "W"})
    assert [array.name for array in report.arrays] == ["dx", "dW"]
    assert report.unchecked == []
    with pytest.raises(GradientError, match=r"weight_update = 2 .*is the first that is wrong"):
        check_layer(Wrong(), X, constants={"mask": MASK}, names={"weight_update": "W"})


def dense(x, W):
    h = x @ W
    return np.tanh(h), (x, W, h)


def dense_backward(dy, cache):
    x, W, h = cache
    delta = dy * (1 - np.tanh(h) ** 2)
    return {"back": delta @ W.T, "W": x.T @ delta}


def dense_wrong(dy, cache):
    x, W, h = cache
    delta = dy * (1 - np.tanh(h) ** 3)
    back = delta @ W.T
    return {"back": back, "W": x.T @ delta}


def test_keys_and_variables_may_have_names_of_their_own() -> None:
    names = {"back": "x", "delta": "h"}
    check_function(dense, dense_backward, {"x": X, "W": W}, names=names)
    with pytest.raises(GradientError, match=r"`delta = dy \* \(1 - np.tanh\(h\) \*\* 3\)`, is the first that is wrong"):
        check_function(dense, dense_wrong, {"x": X, "W": W}, names=names)
    with pytest.raises(GradientError, match="returned a dict with back, W, expected one array each for dx, dW"):
        check_function(dense, dense_backward, {"x": X, "W": W})


def test_a_dict_has_no_more_keys_than_gradients() -> None:
    with pytest.raises(GradientError, match="returned a dict with back, W, b, expected one array each for dx, dW"):
        check_function(
            dense, lambda dy, cache: {**dense_backward(dy, cache), "b": 0}, {"x": X, "W": W}, names={"back": "x"}
        )


def test_one_array_may_be_two_inputs() -> None:
    """Each is moved alone."""
    check_function(lambda x, z: (x * z, (x, z)), lambda dy, cache: (dy * cache[1], dy * cache[0]), {"x": X, "z": X})


class Sum:
    """As many inputs as are given; the last one's gradient is so many times too large."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, *xs):
        self.count = len(xs)
        return sum(xs)

    def backward(self, dy):
        return (*[dy] * (self.count - 1), self.factor * dy)


def test_forward_may_take_any_number_of_inputs() -> None:
    assert [array.name for array in check_layer(Sum(1), X, 2 * X, 3 * X).arrays] == ["dxs[0]", "dxs[1]", "dxs[2]"]
    with pytest.raises(GradientError, match=r"dxs\[1\] .*WRONG.*ratio 3"):
        check_layer(Sum(3), X, 2 * X)

    def forward(a, *xs):
        return a * xs[0], (a, xs)

    report = check_function(forward, lambda dy, cache: (dy * cache[1][0], dy * cache[0]), [X, 2 * X])
    assert [array.name for array in report.arrays] == ["da", "dxs[0]"]
    with pytest.raises(TypeError, match=r"^there are 3 inputs, and forward takes a, b$"):
        check_function(lambda a, b: (a * b, None), lambda dy, cache: (dy, dy), [X, X, X])


@pytest.mark.parametrize("shape", [(0,), (5, 0), (0, 3)])
@pytest.mark.parametrize("names", ["xe", "ex"])
def test_an_empty_input_is_left_out(shape, names) -> None:
    """And other sizes are tried all the same."""
    arrays = {"x": X, "e": np.zeros(shape)}
    inputs = {name: arrays[name] for name in names}

    def forward(x, e, none):
        return (x**2).mean(axis=0), (x, e)

    def check(n):
        def backward(dy, cache):
            x, e = cache
            return {"x": 2 * x * dy / (n or len(x)), "e": np.zeros_like(e)}

        return check_function(forward, backward, inputs, constants={"none": None})

    assert [array.name for array in check(None).arrays] == ["dx"]
    with pytest.raises(GradientError, match="is a size written as a number"):
        check(5)
    with pytest.raises(ValueError, match="there is nothing to check"):
        check_function(lambda e: (e, None), lambda dy, _: dy, [np.zeros(shape)])


def cell(x, state):
    h, c = state
    new = np.tanh(x + 2 * c) * h
    return new, (x, h, c)


def cell_backward(dy, cache):
    x, h, c = cache
    dx = dy * h * (1 - np.tanh(x + 2 * c) ** 2)
    return dx, (dy * np.tanh(x + 2 * c), 2 * dx)


def cell_exchanged(dy, cache):
    x, h, c = cache
    dx = dy * h * (1 - np.tanh(x + 2 * c) ** 2)
    return dx, (2 * dx, dy * np.tanh(x + 2 * c))


def test_an_input_may_be_a_tuple() -> None:
    state = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
    report = check_function(cell, cell_backward, {"x": X, "state": state})
    assert [array.name for array in report.arrays] == ["dx", "dstate[0]", "dstate[1]"]
    with pytest.raises(GradientError, match=r"dstate\[0\] .*WRONG") as raised:
        check_function(cell, cell_exchanged, {"x": X, "state": state})
    assert "dstate[0] is what dstate[1] should be" in str(raised.value)
    with pytest.raises(GradientError, match=r"backward gives nothing for dstate\[0\]"):
        check_function(cell, lambda dy, cache: (cell_backward(dy, cache)[0],) * 2, {"x": X, "state": state})


def scaled(x, s):
    return float(np.sum(s * x**2)), (x, s)


def test_numbers_are_inputs_and_losses() -> None:
    def backward(dloss, cache):
        x, s = cache
        return 2 * dloss * s * x, float(dloss * np.sum(x**2))

    def wrong(dloss, cache):
        x, s = cache
        return 2 * dloss * s * x, float(np.sum(x**2))

    check_function(scaled, backward, {"x": X, "s": 0.7})
    with pytest.raises(GradientError, match="ds is the same whatever the upstream gradient is"):
        check_function(scaled, wrong, {"x": X, "s": 0.7})
    with pytest.raises(TypeError, match="the input s is a int"):
        check_function(scaled, backward, {"x": X, "s": 1})


def picked(logits, labels):
    return logits[np.arange(len(labels)), labels], (logits.shape, labels)


def test_whole_numbers_change_in_the_second_problem() -> None:
    def always_the_first_labels(dy, cache):
        shape, labels = cache
        d = np.zeros(shape)
        d[np.arange(len(labels)), np.resize(LABELS, len(labels))] = dy
        return d

    with pytest.raises(GradientError, match="right for the inputs given"):
        check_function(picked, always_the_first_labels, {"logits": RNG.normal(size=(5, 4))}, {"labels": LABELS})


class Clips(Layer):
    def backward(self, dy):
        dx = super().backward(dy)
        np.clip(self.W, -1, 1, out=self.W)
        return dx


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (lambda dy, x: (2 * dy).T, r"gives dx the shape \(3, 5\), it must be \(5, 3\)"),
        (lambda dy, x: (2 * dy).astype(int), "gives dx as int64: it must be made of floats"),
        (lambda dy, x: 2 * dy * np.nan, "gives NaN or infinite values in dx"),
    ],
)
def test_what_is_no_gradient_is_called_so(backward, message) -> None:
    with pytest.raises(GradientError, match=message):
        check_function(lambda x: (2 * x, x), backward, {"x": X})


def test_right_gradients_in_another_order_are_told_from_a_wrong_shape() -> None:
    inputs = {"x": X, "W": np.ones((3, 7))}

    def forward(x, W):
        return x @ W, (x, W)

    with pytest.raises(GradientError, match=r"dx has the shape of dW, \(3, 7\). The order is dx, dW$"):
        check_function(forward, lambda dy, cache: (cache[0].T @ dy, dy @ cache[1].T), inputs)
    with pytest.raises(GradientError, match=r"gives dW the shape \(7, 3\), it must be \(3, 7\)"):
        check_function(forward, lambda dy, cache: (dy @ cache[1].T, dy.T @ cache[0]), inputs)
    square = {"x": X, "W": np.ones(X.T.shape)}
    with pytest.raises(GradientError, match="is a transpose missing, or one too many"):
        check_function(forward, lambda dy, cache: ((dy @ cache[1].T).T, (cache[0].T @ dy).T), square)


def test_a_layer_may_not_write_into_its_parameters() -> None:
    with pytest.raises(GradientError, match="backward writes into W, which is not its own"):
        check_layer(Clips(), X, constants={"mask": MASK}, names={"weight_update": "W"})


# ---- what forward and backward may do with inputs that the check has made up


def interpolated(x):
    """Between the entries of a table that ends at 5: further away there is an IndexError, as of a dict a KeyError."""
    table = np.array([0.0, 1.0, 4.0, 2.0, 3.0, 5.0])
    k = np.floor(x).astype(int)
    return table[k] * (k + 1 - x) + table[k + 1] * (x - k), table[k + 1] - table[k]


def test_where_forward_ends_with_any_error_it_is_left_out() -> None:
    x = np.array([0.3, 1.6, 3.4, 4.7])
    check_function(interpolated, lambda dy, slope: dy * slope, {"x": x})
    with pytest.raises(GradientError, match=r"dx .*WRONG"):
        check_function(interpolated, lambda dy, slope: dy * np.abs(slope), {"x": x})


def test_a_backward_that_fails_at_other_sizes_is_told_that() -> None:
    def backward(dy, cache):
        assert cache[0].shape == X.shape, "my batch"
        return dy @ cache[1].T, cache[0].T @ dy

    with pytest.raises(GradientError, match=r"wrong for others of the same kind(?s:.*)It ends with AssertionError: my"):
        check_function(lambda x, W: (x @ W, (x, W)), backward, {"x": X, "W": W})


class Called:
    def __call__(self, dy, cache):
        return dy @ cache[1], None


@pytest.mark.parametrize("backward", [functools.partial(lambda _, dy, cache: (dy @ cache[1], None), 0), Called()])
def test_a_backward_without_code_of_its_own_fails_as_it_does(backward) -> None:
    with pytest.raises(ValueError, match=r"mismatch|align|size"):
        check_function(dense, backward, {"x": X, "W": W})


@pytest.mark.parametrize("constants", [np.arange(5), "mean"])
def test_constants_that_are_no_list_of_them_are_one_sentence(constants) -> None:
    with pytest.raises(TypeError, match="constants are a tuple, a list or a dict of them, got a"):
        check_function(masked, masked_backward, {"x": X, "W": W}, constants)


class Scaled:
    """A parameter without axes, and its gradient as NumPy's sum gives it."""

    def __init__(self, factor: float) -> None:
        self.alpha, self.factor = np.array(0.25), factor

    def forward(self, x):
        self.x = x
        return self.alpha * x

    def backward(self, dy):
        self.dalpha = self.factor * np.sum(dy * self.x)
        return self.alpha * dy


def test_a_gradient_that_is_a_number_is_found() -> None:
    assert [array.name for array in check_layer(Scaled(1.0), X).arrays] == ["dx", "dalpha"]
    with pytest.raises(GradientError, match=r"dalpha .*WRONG"):
        check_layer(Scaled(3.0), X)
