"""The checker itself: its estimates against known derivatives, and planted mistakes that it must find."""

from __future__ import annotations

import copy
import re
from contextlib import nullcontext

import numpy as np
import pytest
from cases import dense
from conftest import LONG
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnn import (
    VAE,
    BatchNorm,
    Bernoulli,
    BinaryCrossEntropy,
    Classifier,
    ContinuousBernoulli,
    Conv2D,
    ConvTranspose2D,
    Dense,
    DiscretisedLogistic,
    Dropout,
    Flatten,
    Gaussian,
    MaxPool2D,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
    SigmoidMean,
    SoftmaxCrossEntropy,
    Tanh,
    UpSampling2D,
)
from scratchnn.compiled import in_use
from scratchnn.gradcheck import GradientError, check_function, check_layer, check_model
from scratchnn.gradcheck.numeric import numeric_gradient
from scratchnn.gradcheck.problem import UPSTREAM
from scratchnn.layers import Layer
from scratchnn.layers.pooling import max_pool_adjoint
from scratchnn.vae import KLToStandardNormal, Reparameterise


def slopes(f, x):
    """numeric_gradient of Σ f(x), entry by entry."""
    x = np.array(x, float)
    return numeric_gradient(lambda: [f(x)], x, [np.ones_like(x)])


@settings(max_examples=200, deadline=None)
@given(st.floats(-30, 30))
def test_the_error_bar_covers_the_error(x):
    for f, derivative in ((np.sin, np.cos), (np.exp, np.exp), (np.tanh, lambda t: 1 / np.cosh(t) ** 2)):
        numeric = slopes(f, [x])
        assert not numeric.kink.any()
        assert abs(numeric.value[0] - derivative(x)) <= numeric.error[0]


def test_the_estimate_is_as_good_as_the_theory_says():
    numeric = slopes(np.sin, np.linspace(-3, 3, 50))
    assert np.abs(numeric.value - np.cos(np.linspace(-3, 3, 50))).max() < 1e-9
    assert numeric.error.max() < 2e-9


@pytest.mark.parametrize("x", [1e6, 1e-6, -3e4])
def test_the_step_follows_the_size_of_x(x):
    numeric = slopes(lambda t: t**2, [x])
    assert abs(numeric.value[0] - 2 * x) <= numeric.error[0] <= 1e-8 * max(abs(x), 1)


def test_kinks_are_recognised_near_and_far():
    x = [0.0, 1e-9, -1e-7, 1e-6, 2e-6, -5e-6, 1e-4, -1.0]
    numeric = slopes(lambda t: np.maximum(t, 0), x)
    assert numeric.kink[0] and not numeric.kink[1:].any()  # near one, a shorter step avoids it
    sure = ~numeric.kink
    np.testing.assert_allclose(numeric.value[sure], (np.array(x) > 0)[sure], atol=1e-8)


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e-4, 1e-4))
def test_no_slope_near_a_kink_is_wrong_and_trusted(x):
    numeric = slopes(np.abs, [x])
    assert abs(numeric.value[0] - np.sign(x)) <= numeric.error[0]
    assert numeric.trouble[0] in ("kink", "bends too sharply") or numeric.error[0] <= 1e-3


@pytest.mark.parametrize(
    "f, derivative, near",
    [
        (lambda t: 1 / t, lambda t: -1 / t**2, 1e-20),
        (lambda t: np.log(abs(t)), lambda t: 1 / t, 1e-20),
        (np.cbrt, lambda t: np.cbrt(t) / (3 * t), 1e-16),
        (lambda t: abs(t) ** 1.5 + t, lambda t: 1.5 * np.sqrt(abs(t)) * np.sign(t) + 1, 1e-16),
    ],
    ids=["pole", "logarithm", "vertical", "bend"],
)
def test_where_every_step_looks_across_a_sharp_bend_nothing_is_measured(f, derivative, near):
    """The shortest step is 10⁻¹³, and the bend is at 0."""
    x = np.array([[1.0, 2.0], [near, 3.0], [0.5, 0.7]])
    numeric = slopes(f, x)
    assert np.isinf(numeric.error[1, 0]) and numeric.error[0, 0] < 1e-8

    def check(factor, x=x):
        return check_function(lambda x: (f(x), x), lambda dy, x: dy * derivative(x) * factor(x), [x])

    assert "1 of 6 entries were not measured: forward bends too sharply there" in str(check(np.ones_like))
    with pytest.raises(GradientError, match=r"1 of 6 entries wrong, worst at \[0, 0\]"):
        check(lambda x: np.where(x == 1, 2, 1))
    with pytest.raises(GradientError, match="nothing could be measured"):
        check(np.ones_like, x[1:2, :1])


def test_smooth_functions_have_no_kinks(rng):
    x = rng.normal(size=500)
    for f in (np.tanh, lambda t: t**3, lambda t: t, np.exp, lambda t: 0 * t):
        assert not slopes(f, x).kink.any()


class SlopeAtZero(ReLU):
    """ReLU with a slope of its own where x is 0."""

    def __init__(self, slope):
        super().__init__()
        self.at_zero = slope

    def forward(self, x):
        self.x = x.copy()
        return super().forward(x)

    def backward(self, dy):
        return np.where(self.x == 0, self.at_zero * dy, super().backward(dy))


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_at_a_kink_every_slope_between_the_two_is_right(slope):
    report = check_layer(SlopeAtZero(slope), np.array([[0.0, 1.0, -1.0]]))
    assert "1 of 3 entries lie on a kink: any value between the slopes on both sides is right" in str(report)
    check_layer(SlopeAtZero(slope), np.zeros((2, 2)))


@pytest.mark.parametrize("slope", [-0.01, 1.01])
def test_at_a_kink_a_slope_outside_of_the_two_is_wrong(slope):
    with pytest.raises(GradientError, match="1 of 3 entries wrong"):
        check_layer(SlopeAtZero(slope), np.array([[0.0, 1.0, -1.0]]))


def test_at_kinks_of_several_outputs_each_may_have_the_slope_of_either_side():
    """b is added to rows that are all at the kink: a backward may take one side for this row, the other for that."""
    x = np.array([[1.0], [1.0]])

    def forward(x, b):
        return np.abs(x - b), (x, b)

    def mixed(dy, cache):
        x, b = cache
        signs = np.where(x == b, (-1.0) ** np.arange(len(x))[:, None], np.sign(x - b))
        return dy * signs, -(dy * signs).sum(axis=0)

    assert check_function(forward, mixed, [x, np.array([1.0])]).passed
    with pytest.raises(GradientError, match="WRONG"):
        check_function(forward, lambda dy, cache: (mixed(dy, cache)[0], 5 + 0 * dy[0]), [x, np.array([1.0])])


def test_a_slope_that_grows_without_end_is_no_kink():
    x = np.array([1e-9, 3e-9, 0.5])
    numeric = numeric_gradient(lambda: [np.cbrt(x)], x, [np.ones(3)])
    right = x ** (-2 / 3) / 3
    assert not numeric.kink.any()
    assert (np.abs(numeric.value - right) <= numeric.error).all() and (numeric.error < 1e-3 * right).all()


def test_the_inputs_are_left_as_they_were(rng):
    layer, x = dense(3, 4, rng), rng.normal(size=(5, 3))
    before = x.copy(), layer.params.copy()
    check_layer(layer, x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(layer.params, before[1])


def test_sharp_bends_are_measured_with_shorter_steps():
    for f, derivative, x in (
        (np.log, lambda t: 1 / t, 1e-3),
        (np.sqrt, lambda t: 0.5 / np.sqrt(t), 1e-4),
        (lambda t: np.tanh(t - 1e3), lambda t: 1 / np.cosh(t - 1e3) ** 2, 1000.3),
    ):
        numeric = slopes(f, [x])
        assert not numeric.kink[0] and abs(numeric.value[0] - derivative(x)) <= numeric.error[0]


def test_beside_a_large_constant_slopes_are_measured_with_longer_steps():
    """The shortest step that is tried has an error bar of 0.3."""
    numeric = slopes(lambda t: 1e9 + t, [0.5])
    assert abs(numeric.value[0] - 1) <= numeric.error[0] < 1e-6 and not numeric.trouble[0]


def test_a_step_counts_as_it_was_made_and_not_as_it_was_meant():
    """Beside a kink at a distance of 2⁻³⁰ the step is so short that adding it to 1 changes it by a millionth."""
    numeric = slopes(lambda t: np.abs(t - 1), [1 + 2.0**-30])
    assert abs(numeric.value[0] - 1) <= numeric.error[0] < 1e-8


def test_what_drowns_in_rounding_is_called_so():
    assert [*slopes(lambda t: 1 + 1e-15 * np.sin(t), [0.5, 1.0]).trouble] == ["noise", "noise"]


@pytest.mark.parametrize("size", [10.0, 20.0])
def test_right_layers_pass_where_they_are_saturated(size, rng):
    """Losses near 0 are differences of numbers that are not: their rounding must be allowed for."""
    signs = rng.choice([-1.0, 1.0], (5, 3))
    sure = size * signs * rng.uniform(0.9, 1.1, (5, 3))
    check_layer(BinaryCrossEntropy(), sure, constants=[(signs > 0) * 1.0])
    check_layer(Bernoulli(), sure, constants=[(signs > 0) * 1.0])
    check_layer(SoftmaxCrossEntropy(), sure, constants=[sure.argmax(axis=1)])
    check_layer(Tanh(), sure)


def test_gradients_below_the_rounding_of_backward_are_called_not_measured():
    """1/(1 + e^−40) is 1 in float64: backward says 0, and the slope is 4·10⁻¹⁸."""
    with pytest.raises(GradientError, match=r"nothing could be measured(.|\n)*4 of 4 entries are smaller"):
        check_layer(BinaryCrossEntropy(), np.full((2, 2), 40.0), constants=[np.ones((2, 2))])


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e3])
def test_right_layers_pass_at_any_size_of_their_input(size, rng):
    x, other = (size * rng.normal(size=(5, 3)) for _ in range(2))
    check_layer(dense(3, 4, rng), x)
    check_layer(MeanSquaredError(), x, constants=[other])
    check_layer(KLToStandardNormal(), x, other if size < 1 else other / size)


def test_a_check_that_fails_half_way_leaves_the_arrays_as_they_were(rng):
    x = rng.normal(size=4)
    before = x.copy()
    calls = []

    def forward():
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return [np.sin(x)]

    with pytest.raises(KeyboardInterrupt):
        numeric_gradient(forward, x, [np.ones(4)])
    np.testing.assert_array_equal(x, before)


def test_forward_passes_that_cannot_be_checked_are_named(rng):
    with pytest.raises(ValueError, match="forward returns NaN or infinite values"):
        check_layer(Tanh(), np.array([[np.nan, 1.0]]))
    with pytest.raises(ValueError, match=r"has shape \(0, 3\): there is nothing to check"):
        check_layer(Tanh(), np.zeros((0, 3)))


def test_a_small_entry_is_judged_by_its_own_size(rng):
    """One that is ten thousand times smaller than the others is wrong in the sixth digit."""
    w = np.array([1.0, 1e-4])
    with pytest.raises(GradientError, match="5 of 10 entries wrong"):
        check_function(lambda x: (x * w, None), lambda dy, _: dy * w * [1, 1 + 1e-6], [rng.normal(size=(5, 2))])


def test_a_wrong_answer_cannot_hide_among_entries_that_cannot_be_judged(rng):
    class Fast(Layer):
        def forward(self, x):
            self.cache = (x,)
            return np.sin(1e4 * x)

        def backward(self, dy):
            (x,) = self.take_cache()
            return -dy * 1e4 * np.cos(1e4 * x)

    with pytest.raises(GradientError, match=r"WRONG|half of dx or more"):
        check_layer(Fast(), rng.normal(size=(5, 4)))


def test_bytes_in_another_order_are_called_so(rng):
    x = rng.normal(size=(5, 3))
    turned = x.astype(x.dtype.newbyteorder())
    with pytest.raises(
        TypeError, match=r"input x is [<>]f8: its bytes are in another order than this machine's\. Conv"
    ):
        check_layer(Tanh(), turned)
    with pytest.raises(TypeError, match=r"input x is float32: float32 has no digits to spare"):
        check_layer(Tanh(), x.astype(np.float32))
    assert check_layer(Tanh(), turned.astype(np.float64)).passed


def test_float32_is_refused(rng):
    with pytest.raises(TypeError, match=r"needs float64, and the input x is float32.*astype"):
        check_layer(Tanh(), np.ones((2, 2), np.float32))
    with pytest.raises(TypeError, match=r"the array behind dW is float32"):
        check_layer(Dense(3, 2, rng), np.ones((2, 3)))

    class ReturnsFloat32(Tanh):
        def forward(self, x):
            return super().forward(x).astype(np.float32)

    with pytest.raises(TypeError, match=r"what ReturnsFloat32\(\)'s forward returns is float32"):
        check_layer(ReturnsFloat32(), np.ones((2, 2)))


def test_the_message_names_array_index_both_numbers_and_their_ratio(rng):
    class OneEntryTwice(Dense):
        def backward(self, dy):
            dx = super().backward(dy)
            self.dW[2, 1] *= 2
            return dx

    layer, x = OneEntryTwice(3, 4, rng, b=1.0, dtype=np.float64), rng.normal(size=(5, 3))
    with pytest.raises(GradientError) as error:
        check_layer(layer, x, seed=3)
    lines = str(error.value).splitlines()
    assert lines[0] == "Dense(3, 4): 1 of 3 gradients wrong"
    assert "ok" in lines[1] and "ok" in lines[3]
    dy = np.random.default_rng([3, UPSTREAM]).standard_normal((5, 4))
    right = (x.T @ dy)[2, 1]
    found = re.search(
        r"1 of 12 entries wrong, worst at \[2, 1\]: backward says (\S+), finite differences (\S+) ± \S+, ratio (\S+)$",
        lines[2],
    )
    assert found and [float(g) for g in found.groups()] == pytest.approx([2 * right, right, 2], rel=1e-7)


class ForgetsTheBatch(BatchNorm):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dbeta = dy[0]
        return dx


@pytest.mark.parametrize("cls", [BatchNorm, ForgetsTheBatch])
def test_a_check_leaves_running_averages_as_they_were(cls, rng):
    layer, x = cls(3, dtype=np.float64), rng.normal(size=(4, 3))
    layer.forward(x)
    model = Classifier(Sequential([copy.deepcopy(layer)]))
    labels = np.array([0, 2, 1, 1])
    for checked, check in (
        (layer, lambda: check_layer(layer, x + 1)),
        (model, lambda: check_model(model, x + 1, labels)),
        (model, lambda: check_model(model, x + 1, labels, directions=2)),
    ):
        before = {name: array.copy() for name, array in checked.buffers.items()}
        with nullcontext() if cls is BatchNorm else pytest.raises(GradientError):
            check()
        for name, array in before.items():
            np.testing.assert_array_equal(checked.buffers[name], array)


# ---- planted mistakes: each is one a learner makes, and each must be found


class TransposeForgotten(Dense):  # square, so that the shapes do not give it away
    def backward(self, dy):
        (x,) = self.take_cache()
        self.dW, self.db = x.T @ dy, dy.sum(axis=0)
        return dy @ self.W


class GradientTransposed(Dense):
    def backward(self, dy):
        (x,) = self.take_cache()
        self.dW, self.db = dy.T @ x, dy.sum(axis=0)
        return dy @ self.W.T


class NoSumOverTheBatch(Dense):
    def backward(self, dy):
        (x,) = self.take_cache()
        self.dW, self.db = x.T @ dy, dy[0]
        return dy @ self.W.T


class MeanForSum(Dense):
    def backward(self, dy):
        (x,) = self.take_cache()
        self.dW, self.db = x.T @ dy / len(x), dy.mean(axis=0)
        return dy @ self.W.T


class Accumulates(Dense):
    def backward(self, dy):
        (x,) = self.take_cache()
        self.dW += x.T @ dy
        self.db += dy.sum(axis=0)
        return dy @ self.W.T


class OneEntryOff(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dW.flat[np.argmax(np.abs(self.dW))] *= 1 + 1e-6
        return dx


class Sign(Tanh):
    def backward(self, dy):
        return -super().backward(dy)


class DerivativeOfTheInput(Tanh):
    def forward(self, x):
        y = super().forward(x)
        self.cache = (x,)
        return y


class UpstreamForgotten(Tanh):
    def backward(self, dy):
        return super().backward(np.ones_like(dy))


class Float32Inside(Tanh):
    def backward(self, dy):
        return super().backward(dy).astype(np.float32).astype(np.float64)


class NoGradient(Tanh):
    def backward(self, dy):
        super().backward(dy)


class WrongShape(Tanh):
    def backward(self, dy):
        return super().backward(dy)[0]


class NotANumber(Tanh):
    def backward(self, dy):
        return super().backward(dy) * np.nan


class WritesIntoTheUpstream(Tanh):
    def backward(self, dy):
        (y,) = self.take_cache()
        dy *= 1 - y * y
        return dy.copy()


class WritesIntoTheInput(ReLU):
    def forward(self, x):
        np.maximum(x, 0, out=x)
        return super().forward(x)


class MaskInverted(ReLU):
    def backward(self, dy):
        (y,) = self.take_cache()
        return dy * (y <= 0)


class DrawsNoiseInForward(Layer):
    rng = np.random.default_rng(0)

    def forward(self, x):
        self.cache = ()
        return x + self.rng.normal(size=x.shape)

    def backward(self, dy):
        self.take_cache()
        return dy


class NoiseDrawnAgain(Reparameterise):
    rng = np.random.default_rng(0)

    def backward(self, dz):
        (noise,) = self.take_cache()
        return dz, dz * 0.5 * noise * self.rng.normal(size=noise.shape)


class HalfForgotten(Reparameterise):
    def backward(self, dz):
        dmean, dlog_var = super().backward(dz)
        return dmean, 2 * dlog_var


class TupleInTheWrongOrder(Reparameterise):
    def backward(self, dz):
        return super().backward(dz)[::-1]


class OneGradientOfTwo(Reparameterise):
    def backward(self, dz):
        return super().backward(dz)[0]


class OneOfTheKLForgotten(KLToStandardNormal):
    def backward(self, dkl):
        mean, var_minus_1 = self.take_cache()
        return dkl[:, None] * mean, dkl[:, None] * 0.5 * (var_minus_1 + 1)


class TwoForgotten(MeanSquaredError):
    def backward(self, dloss):
        return super().backward(dloss) / 2


class SumForMean(MeanSquaredError):
    def backward(self, dloss):
        (difference,) = self.take_cache()
        return dloss[:, None] * 2 * difference


class SoftmaxAsSigmoid(SoftmaxCrossEntropy):
    def backward(self, dloss):
        p, _, _ = self.take_cache()
        return dloss[:, None] * p * (1 - p)


class OneHotForgotten(SoftmaxCrossEntropy):
    def backward(self, dloss):
        p, _, _ = self.take_cache()
        return dloss[:, None] * p


class LogVarWithoutItsHalf(Gaussian):
    def backward(self, dlog_prob):
        d = super().backward(dlog_prob)
        d[:, d.shape[1] // 2 :] *= 2
        return d


class SlopeOfTheSigmoidForgotten(SigmoidMean):
    def backward(self, dy):
        self.take_cache()
        return dy.copy()


class SigmoidOnTheLogVariancesToo(SigmoidMean):
    def backward(self, dy):
        (mean,) = self.take_cache()
        return dy * np.tile(mean * (1 - mean), 2)


class KernelNotTurnedRound(Conv2D):
    """dx as a correlation of dy with the kernel: right only for a kernel that is its own mirror image."""

    def backward(self, dy):
        W = self.W.copy()
        self.W = W[:, :, ::-1, ::-1]
        dx = super().backward(dy)
        self.W = W
        return dx


class OneWindowOfMany(Conv2D):
    """= in place of +=: an entry of dx keeps what the last of its windows brought."""

    def backward(self, dy):
        super().backward(dy)
        N, _, OH, OW = dy.shape
        dx = np.zeros((N, self.c_in, OH + self.kernel[0] - 1, OW + self.kernel[1] - 1))
        for u, v in np.ndindex(self.kernel):
            dx[:, :, u : u + OH, v : v + OW] = np.einsum("nfij,fc->ncij", dy, self.W[:, :, u, v])
        return dx


class BiasOfEveryPixel(Conv2D):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy.sum(axis=(0, 2))[:, 0]
        return dx


class PaddingCutOffAtTheWrongEnd(Conv2D):
    def backward(self, dy):
        x, ((top, bottom), sides), windows = self.cache
        self.cache = x, ((bottom, top), sides), windows
        return super().backward(dy)


class ChannelsExchanged(ConvTranspose2D):
    """dW (c_out, c_in, …), as it would be for Conv2D; with as many channels in as out the shape does not show it."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.dW = self.dW.swapaxes(0, 1).copy()
        return dx


class KernelTurnedRound(ConvTranspose2D):
    """dx as a convolution proper, as it would be for Conv2D."""

    def backward(self, dy):
        W = self.W.copy()
        self.W = W[:, :, ::-1, ::-1]
        dx = super().backward(dy)
        self.W = W
        return dx


class OutputPaddingWithoutBias(ConvTranspose2D):
    """db without the rows that no kernel reached, though they hold b."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy[:, :, : -self.output_padding[0]].sum(axis=(0, 2, 3))
        return dx


class EveryEntryOfTheWindow(MaxPool2D):
    def backward(self, dy):
        self.take_cache()
        return dy.repeat(self.size[0], axis=2).repeat(self.size[1], axis=3)


class OneOfTwoWindows(MaxPool2D):
    """dx[place] = dy: an entry that is the maximum of two windows gets the gradient of one."""

    def backward(self, dy):
        x, y = self.take_cache()
        dx = np.zeros_like(x)
        for i, j in np.ndindex(y.shape[1:3]):
            rows, columns = (slice(s * p, s * p + k) for p, s, k in zip((i, j), self.stride, self.size, strict=True))
            for n, c in np.ndindex(dy.shape[:2]):
                window = dx[c, rows, columns, n]
                window[x[c, rows, columns, n] == y[c, i, j, n]] = dy[n, c, i, j]
        return dx.transpose(3, 0, 1, 2)


class MeanOfTheBlock(UpSampling2D):
    def backward(self, dy):
        return super().backward(dy) / (self.factor[0] * self.factor[1])


class CornerOfTheBlock(UpSampling2D):
    def backward(self, dy):
        self.take_cache()
        return dy[:, :, :: self.factor[0], :: self.factor[1]].copy()


class RowsAndColumnsExchanged(Flatten):
    def backward(self, dy):
        ((N, C, H, W),) = self.take_cache()
        return dy.reshape(N, C, W, H).swapaxes(2, 3)


class ChannelsLast(Flatten):
    def backward(self, dy):
        ((N, C, H, W),) = self.take_cache()
        return np.moveaxis(dy.reshape(N, H, W, C), 3, 1)


class ColumnByColumn(Reshape):
    def backward(self, dy):
        return dy.reshape(*self.take_cache(), order="F")


class BatchMixedIn(Reshape):
    def backward(self, dy):
        return np.moveaxis(dy, 0, -1).reshape(*self.take_cache())


class AnotherMask(Dropout):
    def backward(self, dy):
        _, shape = self.take_cache()
        return dy * (self.rng.random(shape) >= self.rate) / (1 - self.rate)


class ScaleForgottenInBackward(Dropout):
    def backward(self, dy):
        return super().backward(dy) * (1 - self.rate)


class MeanTakenForAConstant(BatchNorm):
    def backward(self, dy):
        dx = super().backward(dy)
        return dx + dy.mean(axis=0) * self.gamma


class StatisticsTakenForConstants(BatchNorm):
    def backward(self, dy):
        *kept, _ = self.cache
        self.cache = (*kept, False)  # as if forward had been in evaluation mode
        return super().backward(dy)


class GammaForgotten(BatchNorm):
    def backward(self, dy):
        return super().backward(dy) / self.gamma


def batch_norm(cls, rng):
    layer = cls(3, dtype=np.float64)
    layer.gamma, layer.beta = rng.normal(size=3), rng.normal(size=3)
    return layer


RNG = np.random.default_rng(0)
PLANTED = [
    (lambda rng: TransposeForgotten(4, 4, rng, b=1.0, dtype=float), [(5, 4)], "dx .* WRONG"),
    (lambda rng: GradientTransposed(4, 4, rng, b=1.0, dtype=float), [(5, 4)], "dW .* WRONG"),
    (lambda rng: NoSumOverTheBatch(3, 4, rng, b=1.0, dtype=float), [(5, 3)], "db .* WRONG"),
    (lambda rng: MeanForSum(3, 4, rng, b=1.0, dtype=float), [(5, 3)], "ratio 0.2"),
    (
        lambda rng: Accumulates(3, 4, rng, b=1.0, dtype=float),
        [(5, 3)],
        "another dW the second time: it adds to what was there",
    ),
    (lambda rng: OneEntryOff(3, 4, rng, b=1.0, dtype=float), [(5, 3)], "1 of 12 entries wrong"),
    (lambda rng: Sign(), [(5, 3)], "ratio -1"),
    (lambda rng: DerivativeOfTheInput(), [(5, 3)], "dx .* WRONG"),
    (lambda rng: UpstreamForgotten(), [(5, 3)], "15 of 15 entries wrong"),
    (lambda rng: Float32Inside(), [(5, 3)], "dx .* WRONG"),
    (lambda rng: NoGradient(), [(5, 3)], "backward gives nothing for dx"),
    (lambda rng: WrongShape(), [(5, 3)], r"the shape \(3,\), it must be \(5, 3\).*It has an axis too few"),
    (lambda rng: NotANumber(), [(5, 3)], "NaN or infinite"),
    (lambda rng: WritesIntoTheUpstream(), [(5, 3)], "writes into the upstream gradient"),
    (lambda rng: WritesIntoTheInput(), [(5, 3)], "forward writes into x, which is not its own"),
    (lambda rng: MaskInverted(), [(5, 3)], "dx .* WRONG"),
    (lambda rng: DrawsNoiseInForward(), [(5, 3)], "two results for one input"),
    (lambda rng: NoiseDrawnAgain(), [(5, 3), (5, 3), "eps"], "another dlog_var the second time"),
    (lambda rng: HalfForgotten(), [(5, 3), (5, 3), "eps"], "ratio 2"),
    (lambda rng: TupleInTheWrongOrder(), [(5, 3), (5, 3), "eps"], "2 of 2 gradients wrong"),
    (
        lambda rng: OneGradientOfTwo(),
        [(5, 3), (5, 3), "eps"],
        "returned one ndarray, expected a tuple of 2: dmean, dlog_var",
    ),
    (lambda rng: OneOfTheKLForgotten(), [(5, 3), (5, 3)], "dlog_var .* WRONG"),
    (lambda rng: TwoForgotten(), [(5, 3), "eps"], "ratio 0.5"),
    (lambda rng: SumForMean(), [(5, 3), "eps"], "ratio 3"),
    (lambda rng: SoftmaxAsSigmoid(), [(5, 3), "labels"], "15 of 15 entries wrong"),
    (lambda rng: OneHotForgotten(), [(5, 3), "labels"], "5 of 15 entries wrong"),
    (lambda rng: AnotherMask(0.3, rng), [(5, 3), "mask"], "another dx the second time"),
    (lambda rng: ScaleForgottenInBackward(0.25, rng), [(5, 3), "mask"], "ratio 0.75"),
    (lambda rng: batch_norm(MeanTakenForAConstant, rng), [(5, 3)], "dx .* WRONG"),
    (lambda rng: batch_norm(StatisticsTakenForConstants, rng), [(5, 3)], "dx .* WRONG"),
    (lambda rng: batch_norm(GammaForgotten, rng), [(5, 3)], "15 of 15 entries wrong"),
    (lambda rng: LogVarWithoutItsHalf(), [(5, 6), "eps"], "ratio 2"),
    (lambda rng: SlopeOfTheSigmoidForgotten(), [(5, 6)], "15 of 30 entries wrong"),
    (lambda rng: SigmoidOnTheLogVariancesToo(), [(5, 6)], "15 of 30 entries wrong"),
    (
        lambda rng: KernelNotTurnedRound(2, 3, (2, 3), rng, b=1.0, dtype=float),
        [(2, 2, 4, 5)],
        "1 of 3 .*\n  dx .* WRONG",
    ),
    (lambda rng: OneWindowOfMany(2, 3, 2, rng, b=1.0, dtype=float), [(2, 2, 4, 5)], "1 of 3 .*\n  dx .* WRONG"),
    (lambda rng: BiasOfEveryPixel(2, 3, 2, rng, b=1.0, dtype=float), [(2, 2, 4, 5)], "3 of 3 entries wrong"),
    (
        lambda rng: PaddingCutOffAtTheWrongEnd(1, 2, 2, rng, padding=((0, 1), (0, 0)), b=1.0, dtype=float),
        [(2, 1, 3, 4)],
        "1 of 3 .*\n  dx .* WRONG",
    ),
    (lambda rng: ChannelsExchanged(2, 2, 2, rng, stride=2, b=1.0, dtype=float), [(2, 2, 2, 3)], "dW .* WRONG"),
    (lambda rng: KernelTurnedRound(2, 3, 3, rng, padding=1, b=1.0, dtype=float), [(2, 2, 3, 4)], "dx .* WRONG"),
    (
        lambda rng: OutputPaddingWithoutBias(1, 3, 2, rng, stride=2, output_padding=1, b=1.0, dtype=float),
        [(2, 1, 2, 3)],
        "3 of 3 entries wrong",
    ),
    (lambda rng: EveryEntryOfTheWindow(2), [(2, 2, 4, 6)], "72 of 96 entries wrong"),
    (lambda rng: OneOfTwoWindows((2, 1), stride=1), [(2, 2, 5, 1)], "dx .* WRONG"),
    (lambda rng: MeanOfTheBlock((2, 3)), [(2, 2, 3, 2)], "ratio 0.166667"),
    (lambda rng: CornerOfTheBlock(2), [(2, 2, 3, 2)], "24 of 24 entries wrong"),
    (lambda rng: RowsAndColumnsExchanged(), [(2, 2, 3, 4)], "dx .* WRONG"),
    (lambda rng: ChannelsLast(), [(2, 2, 3, 4)], "dx .* WRONG"),
    (lambda rng: ColumnByColumn((2, 3, 4)), [(2, 24)], "dx .* WRONG"),
    (lambda rng: BatchMixedIn((2, 3, 4)), [(2, 24)], "dx .* WRONG"),
]


@pytest.mark.parametrize("make, arguments, message", PLANTED, ids=[type(p[0](RNG)).__name__ for p in PLANTED])
@pytest.mark.parametrize("seed", range(3))
def test_planted_mistakes_in_layers_are_found(make, arguments, message, seed, monkeypatch):
    """With every seed; a cause is looked for with the first."""
    if seed:
        monkeypatch.setattr("scratchnn.gradcheck.check.explained", lambda report, *_: report)
    rng = np.random.default_rng(seed)
    fixed = {"eps": rng.normal(size=(5, 3)), "labels": rng.integers(0, 3, 5), "mask": rng.random((5, 3)) > 0.3}
    inputs = [rng.normal(size=a) for a in arguments if not isinstance(a, str)]
    constants = [fixed[a] for a in arguments if isinstance(a, str)]
    with pytest.raises(GradientError, match=message):
        check_layer(make(rng), *inputs, constants=constants, seed=seed)


def small_vae(rng, likelihood, cls=VAE):
    n_x, n_z = 5, 2
    n_out = n_x if isinstance(likelihood, (Bernoulli, ContinuousBernoulli)) else 2 * n_x
    encoder = Sequential([dense(n_x, 7, rng), ReLU(), dense(7, 6, rng), ReLU(), dense(6, 2 * n_z, rng)])
    decoder = Sequential([dense(n_z, 6, rng), ReLU(), dense(6, 7, rng), ReLU(), dense(7, n_out, rng)])
    return cls(encoder, decoder, likelihood, n_z)


@pytest.mark.parametrize("likelihood", [Bernoulli, Gaussian, ContinuousBernoulli, DiscretisedLogistic])
@pytest.mark.parametrize("seed", range(3 if LONG else 1))
def test_the_whole_vae_is_right(likelihood, seed):
    rng = np.random.default_rng(seed)
    levels = rng.integers(20, 236, (11, 5)) / 255
    report = check_model(small_vae(rng, likelihood()), levels, rng.normal(size=(11, 2)), seed=seed)
    assert [a.name for a in report.arrays][:2] == ["encoder.0.dW", "encoder.0.db"] and len(report.arrays) == 12
    for array in report.arrays:
        assert array.judged.mean() > 0.9
        assert array.analytic.any(), f"{array.name} is all zero: the check would pass on anything"


class HeadForgotten(VAE):
    """The gradient with respect to log_var never reaches the encoder."""

    def backward(self, dloss):
        self.divergence.backward(dloss)
        dz = self.decoder.backward(self.likelihood.backward(-dloss))
        dmean, dlog_var = self.sampler.backward(dz)
        self.encoder.write_gradients(np.concatenate([dmean, 0 * dlog_var], axis=1))


class KLRouteForgotten(VAE):
    def backward(self, dloss):
        self.divergence.backward(dloss)
        dz = self.decoder.backward(self.likelihood.backward(-dloss))
        self.encoder.write_gradients(np.concatenate(self.sampler.backward(dz), axis=1))


class KLNotAveraged(VAE):
    def backward(self, dloss):
        dmean_kl, dlog_var_kl = self.divergence.backward(dloss * len(dloss))
        dz = self.decoder.backward(self.likelihood.backward(-dloss))
        dmean, dlog_var = self.sampler.backward(dz)
        self.encoder.write_gradients(np.concatenate([dmean + dmean_kl, dlog_var + dlog_var_kl], axis=1))


class SignOfTheLikelihood(VAE):
    def backward(self, dloss):
        dmean_kl, dlog_var_kl = self.divergence.backward(dloss)
        dz = self.decoder.backward(self.likelihood.backward(dloss))
        dmean, dlog_var = self.sampler.backward(dz)
        self.encoder.write_gradients(np.concatenate([dmean + dmean_kl, dlog_var + dlog_var_kl], axis=1))


class OtherNoiseInBackward(VAE):
    def backward(self, dloss):
        (noise,) = self.sampler.cache
        self.sampler.cache = (np.random.default_rng(0).permutation(noise.ravel()).reshape(noise.shape),)
        super().backward(dloss)


@pytest.mark.parametrize(
    "cls, message",
    [
        (HeadForgotten, "encoder.4.dW .* WRONG"),
        (KLRouteForgotten, "encoder.4.dW .* WRONG"),
        (KLNotAveraged, "encoder.4.dW .* WRONG"),
        (SignOfTheLikelihood, "ratio -1"),
        (OtherNoiseInBackward, "encoder.4.dW .* WRONG"),
    ],
)
@pytest.mark.parametrize("likelihood", [Bernoulli, Gaussian])
def test_planted_mistakes_in_the_vae_are_found(cls, message, likelihood, rng, monkeypatch):
    """A cause is looked for with one of the likelihoods."""
    if likelihood is Gaussian:
        monkeypatch.setattr("scratchnn.gradcheck.check.explained", lambda report, *_: report)
    model = small_vae(rng, likelihood(), cls)
    with pytest.raises(GradientError, match=message):
        check_model(model, rng.uniform(0.1, 0.9, (11, 5)), rng.normal(size=(11, 2)))


def test_a_wrong_forward_pass_is_not_seen(rng):
    """Backward fits this forward, and both are wrong: only the moments of z, in test_vae.py, can show it."""

    class VarianceAsDeviation(Reparameterise):
        def forward(self, mean, log_var, eps):
            noise = np.exp(log_var) * eps
            self.cache = (2 * noise,)
            return mean + noise

    check_layer(
        VarianceAsDeviation(), rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), constants=[rng.normal(size=(5, 3))]
    )


# ---- classes of the user's own


class Plain:
    """A dense layer that knows nothing of this library: attributes W and b, and beside them dW and db."""

    def __init__(self, rng, n_in=3, n_out=4, dtype=np.float64):
        self.W, self.b = rng.normal(size=(n_in, n_out)).astype(dtype), rng.normal(size=n_out).astype(dtype)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T


class PlainFromTheStart(Plain):
    """dW and db exist before backward has run, and x no longer after it."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def backward(self, dy):
        self.dW[...], self.db[...] = self.x.T @ dy, dy.sum(axis=0)
        del self.x
        return dy @ self.W.T


class Declared(Plain):
    """The same arrays in mappings, the second made by backward."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.parameters = {"W": self.W, "b": self.b}

    def backward(self, dy):
        self.gradients = {"W": self.x.T @ dy, "b": dy.sum(axis=0)}
        return dy @ self.W.T


class PlainLayer(Layer):
    """A layer of the library's own kind, but with attributes that it has not declared."""

    def __init__(self, rng):
        super().__init__()
        self.W = rng.normal(size=(3, 4))

    def forward(self, x):
        self.cache = (x,)
        return x @ self.W

    def backward(self, dy):
        (x,) = self.take_cache()
        self.dW = x.T @ dy
        return dy @ self.W.T


class NeverSetUp(PlainLayer):
    def __init__(self, rng):
        self.W = rng.normal(size=(3, 4))  # super().__init__ is forgotten, so nothing is declared


@pytest.mark.parametrize("cls", [Plain, PlainFromTheStart, Declared, PlainLayer, NeverSetUp])
def test_the_parameters_of_a_plain_class_are_checked(cls, rng):
    layer, x = cls(rng), rng.normal(size=(5, 3))
    before = layer.W.copy()
    report = check_layer(layer, x)
    names = ["dx", "dW", "db"][: 3 if issubclass(cls, Plain) else 2]
    assert [array.name for array in report.arrays] == names and not report.unchecked
    lines = str(report).splitlines()
    assert lines[0] == f"{cls.__name__}{'()' * (not issubclass(cls, Plain))}: every gradient agrees with finite " + (
        f"differences: {', '.join(names)}"
    )
    assert [line.split()[0] for line in lines[1:]] == names
    np.testing.assert_array_equal(layer.W, before)


@pytest.mark.parametrize("cls", [Plain, PlainFromTheStart, Declared, PlainLayer, NeverSetUp])
def test_a_wrong_gradient_in_a_plain_class_is_found(cls, rng):
    class Wrong(cls):
        def backward(self, dy):
            dx = super().backward(dy)
            (self.gradients["W"] if cls is Declared else self.dW)[...] *= 2
            return dx

    with pytest.raises(GradientError, match=r"^Wrong.*: 1 of . gradients wrong\n.*\n  dW .* WRONG .*ratio 2\n"):
        check_layer(Wrong(rng), rng.normal(size=(5, 3)))


def test_a_gradient_that_is_never_written_or_has_another_shape_is_found(rng):
    class Never(PlainFromTheStart):
        def backward(self, dy):
            self.dW = None
            return dy @ self.W.T

    with pytest.raises(GradientError, match=r"^Never: backward gives nothing for dW: is it returned, or written\?$"):
        check_layer(Never(rng), rng.normal(size=(5, 3)))

    class Turned(Plain):
        def backward(self, dy):
            dx = super().backward(dy)
            self.dW = self.dW.T
            return dx

    with pytest.raises(GradientError, match=r"dW the shape \(4, 3\), it must be \(3, 4\), that of W.*transpose"):
        check_layer(Turned(rng), rng.normal(size=(5, 3)))


def test_gradients_that_add_up_in_a_plain_class_are_named_so(rng):
    class Adds(PlainFromTheStart):
        def backward(self, dy):
            self.dW += self.x.T @ dy
            self.db = dy.sum(axis=0)
            return dy @ self.W.T

    with pytest.raises(GradientError, match="another dW the second time: it adds to what was there before"):
        check_layer(Adds(rng), rng.normal(size=(5, 3)))


class Scaled(Plain):
    """`scale` moves the output and has no gradient; `spare` does not move it; the passes leave x, y, dx, dy."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.scale, self.spare = np.array([0.5, 2.0, 1.0, -1.0]), np.ones(3)

    def forward(self, x):
        self.y = super().forward(x.copy()) * self.scale
        return self.y

    def backward(self, dy):
        self.dy = dy
        self.dx = super().backward(dy * self.scale)
        return self.dx


def test_an_array_without_a_gradient_does_not_pass_in_silence(rng):
    report = check_layer(Scaled(rng), rng.normal(size=(5, 3)))
    assert report.passed and report.unchecked == ["scale"]
    assert [array.name for array in report.arrays] == ["dx", "dW", "db"]
    first, *_, last = str(report).splitlines()
    assert first == "Scaled: every gradient agrees with finite differences: dx, dW, db; NOT CHECKED: scale"
    assert last == "scale: moving it changes the output, and no gradient was found for it"

    class Wrong(Scaled):
        def backward(self, dy):
            return 2 * super().backward(dy)

    with pytest.raises(GradientError, match=r"gradients wrong; NOT CHECKED: scale\n(.*\n)*  scale: moving it changes"):
        check_layer(Wrong(rng), rng.normal(size=(5, 3)))


def test_an_array_that_forward_looks_at_and_refuses_does_not_pass_in_silence(rng):
    class Weighted(Plain):
        def __init__(self, rng):
            super().__init__(rng)
            self.weights = np.full((1, 4), 0.25)

        def forward(self, x):
            if self.weights.sum() != 1:
                raise ValueError("weights must add up to 1")
            return super().forward(x) * self.weights

        def backward(self, dy):
            return super().backward(dy * self.weights)

    layer = Weighted(rng)
    assert check_layer(layer, rng.normal(size=(5, 3))).unchecked == ["weights"]
    assert (layer.weights == 0.25).all()


@pytest.mark.parametrize("cls", [Plain, PlainFromTheStart])
def test_a_float32_parameter_of_a_plain_class_is_refused_by_name(cls, rng):
    with pytest.raises(TypeError, match=r"needs float64, and the parameter W is float32"):
        check_layer(cls(rng, dtype=np.float32), rng.normal(size=(5, 3)))


@pytest.mark.parametrize("cls", [Plain, Declared])
def test_a_parameter_that_cannot_be_written_to_is_told_so(cls, rng):
    layer, x = cls(rng), rng.normal(size=(5, 3))
    layer.b.flags.writeable = False
    with pytest.raises(ValueError, match=r"behind db cannot be written to, and .*: keep a copy, array\.copy\(\)$"):
        check_layer(layer, x)
    layer = Plain(rng)
    layer.W = np.broadcast_to(layer.W[:1], layer.W.shape)
    with pytest.raises(ValueError, match="behind dW cannot be written to"):
        check_layer(layer, x)


@pytest.mark.parametrize("cls", [Plain, Declared])
def test_an_empty_parameter_is_left_out(cls, rng):
    class Bare(cls):
        def __init__(self, rng):
            super().__init__(rng)
            self.b = np.zeros(0)
            if cls is Declared:
                self.parameters["b"] = self.b

        def forward(self, x):
            self.x = x
            return x @ self.W

        def backward(self, dy):
            self.dW, self.db = self.x.T @ dy, np.zeros(0)
            self.gradients = {"W": self.dW, "b": self.db}
            return dy @ self.W.T

    report = check_layer(Bare(rng), rng.normal(size=(5, 3)))
    assert [array.name for array in report.arrays] == ["dx", "dW"] and not report.unchecked


def test_what_cannot_be_checked_at_all_is_told_what_it_lacks(rng):
    class Half:
        def forward(self, x):
            return x

    x = rng.normal(size=(5, 3))
    for check in (check_layer, check_model):
        name = check.__name__
        with pytest.raises(
            TypeError, match=f"^{name} needs an object with .* forward and backward; a Half has no back"
        ):
            check(Half(), x)
        with pytest.raises(TypeError, match=r"a dict has no forward and no backward$"):
            check({}, x)
        with pytest.raises(TypeError, match=rf"^{name} needs an object and got the class Plain: make one, as in Plain"):
            check(Plain, x)
        with pytest.raises(TypeError, match=f"^{name} needs what forward is to be given"):
            check(Plain(rng))
    with pytest.raises(TypeError, match=r"^there are 2 inputs, and forward takes x$"):
        check_layer(Plain(rng), x, x)


class PlainModel(Plain):
    """The mean of squares of what Plain returns, one value an example."""

    def forward(self, x):
        self.out = super().forward(x)
        return (self.out**2).mean(axis=1)

    def backward(self, dloss):
        super().backward(dloss[:, None] * 2 * self.out / self.out.shape[1])


def test_a_model_may_be_a_plain_class(rng):
    x = rng.normal(size=(5, 3))
    report = check_model(PlainModel(rng), x)
    assert [array.name for array in report.arrays] == ["dW", "db"]
    assert check_model(PlainModel(rng), x, directions=3).passed

    class Wrong(PlainModel):
        def backward(self, dloss):
            super().backward(dloss)
            self.db = self.db / len(dloss)

    with pytest.raises(GradientError, match=r"Wrong: 1 of 2 gradients wrong\n.*\n  db .* WRONG(.*\n)*.*that is 1/N"):
        check_model(Wrong(rng), x)

    class NothingToLearn:
        def forward(self, x):
            return (x**2).sum(axis=1)

        def backward(self, dloss):
            pass

    with pytest.raises(
        TypeError, match=r"^check_model finds no parameters in a NothingToLearn: give it .*`W` and `dW`"
    ):
        check_model(NothingToLearn(), x)


def test_a_compiled_loop_and_its_numpy_form_are_both_judged(rng, monkeypatch):
    layer, x = MaxPool2D(2), rng.normal(size=(2, 1, 4, 4))
    right = max_pool_adjoint.__wrapped__
    monkeypatch.setitem(in_use, "max_pool_adjoint", lambda *args: 2 * right(*args))
    with pytest.raises(GradientError, match=r"exactly 2 times the right gradient(.|\n)*their NumPy form is right"):
        check_layer(layer, x)
    monkeypatch.setitem(in_use, "max_pool_adjoint", right)
    check_layer(layer, x)


def test_a_size_that_is_written_as_a_number_has_a_line():
    def forward(x):
        return (x**2).mean(axis=1), x

    def backward(dy, x):
        n = 4
        dx = dy[:, None] * 2 * x / n
        return dx

    with pytest.raises(GradientError, match=r"is a size written as a number(.|\n)*in one of the lines \d+ and \d+"):
        check_function(forward, backward, [np.random.default_rng(0).normal(size=(5, 4))])
    with pytest.raises(GradientError, match=r"It is right for other inputs, x \(7, 4\)"):
        check_function(forward, backward, [np.random.default_rng(0).normal(size=(5, 3))])


def test_a_small_entry_that_is_wrong_in_other_problems_too_is_not_called_right_there():
    x = np.random.default_rng(0).normal(size=(4, 2))
    with pytest.raises(GradientError, match="4 of 8 entries wrong") as caught:
        check_function(lambda x: (x * [1, 1e-10], x), lambda dy, x: dy * [1, 2e-10], [x])
    assert "It is right for other inputs" not in str(caught.value)


class Clipped(PlainModel):
    """ReLU of b alone, which starts at 0: the kink is where it stands."""

    def forward(self, x):
        self.x = x
        self.before = np.zeros_like(x) @ self.W + self.b
        self.out = np.maximum(self.before, 0)
        return (self.out**2 + self.out).mean(axis=1)

    def backward(self, dloss):
        d = dloss[:, None] * (2 * self.out + 1) * (self.before >= 0) / self.out.shape[1]
        self.dW, self.db = np.zeros_like(self.W), -17 * d.sum(axis=0)


def test_a_direction_on_a_kink_is_not_measured_and_no_answer_called_right(rng):
    model = Clipped(rng)
    model.b[...] = 0
    report = check_model(model, rng.normal(size=(5, 3)), directions=3)
    (db,) = [array for array in report.arrays if array.name.startswith("db")]
    assert not db.measured.any()
    assert re.search(
        r"^db .* not measured .*3 of 3 entries were not measured: they cross kinks", str(report), re.MULTILINE
    )


class Holding:
    """Layers in attributes, arrays in a list and in a dict; no gradient of these is found, right or wrong."""

    def __init__(self, rng):
        self.layer, self.params, self.scales = Plain(rng), {"V": rng.normal(size=(4, 2))}, [rng.normal(size=2), 7]
        self.unused, self.itself = {"W": rng.normal(size=3)}, self

    def forward(self, x):
        return self.layer.forward(x) @ self.params["V"] * self.scales[0]

    def backward(self, dy):
        self.grads = {"V": 17.0}
        return self.layer.backward((dy * self.scales[0]) @ self.params["V"].T)


def test_arrays_that_attributes_hold_are_named_as_not_checked(rng):
    holding = Holding(rng)
    before = holding.layer.W, holding.params["V"], holding.scales[0]
    report = check_layer(holding, rng.normal(size=(5, 3)))
    assert sorted(report.unchecked) == ["layer.W", "layer.b", "params['V']", "scales[0]"]
    assert all(a is b for a, b in zip(before, (holding.layer.W, holding.params["V"], holding.scales[0]), strict=True))


class Slope:
    """PReLU whose slope is a float."""

    factor = 1.0  # of its gradient

    def __init__(self, alpha=0.2):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dy):
        self.dalpha = self.factor * float(np.sum(dy * np.minimum(self.x, 0)))
        return np.where(self.x > 0, dy, self.alpha * dy)


@pytest.mark.parametrize("alpha", [0.2, np.float64(0.2)])
def test_a_parameter_may_be_a_float(alpha, rng):
    layer, x = Slope(alpha), rng.normal(size=(5, 3))
    report = check_layer(layer, x)
    assert [array.name for array in report.arrays] == ["dx", "dalpha"] and not report.unchecked
    assert layer.alpha is alpha
    layer.factor = 9.0
    with pytest.raises(GradientError, match=r"dalpha +\(\) +WRONG .* ratio 9"):
        check_layer(layer, x)
    assert layer.alpha is alpha


def test_a_float_beside_a_number_that_backward_does_not_write_is_no_parameter_of_it(rng):
    """As a time t and a step dt; or where the gradient has another shape."""

    class Step:
        def __init__(self):
            self.t, self.dt = 2.0, 0.1

        def forward(self, x):
            return x + self.dt * self.t * x

        def backward(self, dy):
            return dy * (1 + self.dt * self.t)

    assert check_layer(Step(), rng.normal(size=(5, 3))).unchecked == ["t"]

    class Whole(Slope):
        def backward(self, dy):
            dx = super().backward(dy)
            self.dalpha = dx
            return dx

    assert check_layer(Whole(), rng.normal(size=(5, 3))).unchecked == ["alpha"]


class Slotted:
    __slots__ = ("W", "dW", "factor", "x")

    def __init__(self, rng):
        self.W, self.factor = rng.normal(size=(3, 4)), 1

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dy):
        self.dW = self.factor * self.x.T @ dy
        return dy @ self.W.T


def test_attributes_may_be_slots(rng):
    layer, x = Slotted(rng), rng.normal(size=(5, 3))
    report = check_layer(layer, x)
    assert [array.name for array in report.arrays] == ["dx", "dW"] and not report.unchecked
    layer.factor = 9
    with pytest.raises(GradientError, match=r"dW .* WRONG .* ratio 9"):
        check_layer(layer, x)


class Apart(Layer):
    """A layer of the library's kind that does not declare what it is made of: none of this has a gradient."""

    def __init__(self, rng):
        super().__init__()
        self.inner, self.slope = Dense(3, 4, rng=rng, dtype=np.float64), Slope()
        self.scales, self.tuple = [rng.normal(size=4)], (rng.normal(size=4),)
        self.turn, self.frozen = np.exp(1j * rng.normal(size=4)), rng.normal(size=4)
        self.frozen.flags.writeable = False

    def factors(self):
        return self.scales[0] * self.tuple[0] * self.turn.real * self.frozen

    def forward(self, x):
        return self.slope.forward(self.inner.forward(x)) * self.factors()

    def backward(self, dy):
        dx = self.inner.backward(self.slope.backward(dy * self.factors()))
        self.inner.dW *= 3
        self.dturn = dy
        return dx


def test_what_a_layer_of_the_library_s_kind_holds_without_declaring_it_is_named_as_not_checked(rng):
    layer = Apart(rng)
    before = layer.inner.params.copy(), layer.frozen.copy()
    names = ["frozen", "inner.W", "inner.b", "scales[0]", "slope.alpha", "tuple[0]", "turn"]
    assert sorted(check_layer(layer, rng.normal(size=(5, 3))).unchecked) == names
    assert (layer.inner.params == before[0]).all() and (layer.frozen == before[1]).all() and layer.slope.alpha == 0.2


def test_other_names_of_what_is_checked_are_not_called_unchecked(rng):
    """Here W and b are views of one vector, and W has a transpose and stands in a list."""

    class Views(Plain):
        def __init__(self, rng):
            self.params = rng.normal(size=16)
            self.W, self.b = self.params[:12].reshape(3, 4), self.params[12:]
            self.WT, self.all = self.W.T, [self.W, self.b]

        def forward(self, x):
            self.x = x
            return x @ self.WT.T + self.all[1]

    report = check_layer(Views(rng), rng.normal(size=(5, 3)))
    assert [array.name for array in report.arrays] == ["dx", "dW", "db"] and not report.unchecked

    class Columns(Plain):
        """W is one half of a matrix, and the other half has no gradient."""

        def __init__(self, rng):
            super().__init__(rng)
            both = rng.normal(size=(3, 8))
            self.W, self.gate = both[:, :4], both[:, 4:]

        def forward(self, x):
            return super().forward(x) * self.gate[0]

        def backward(self, dy):
            return super().backward(dy * self.gate[0])

    assert check_layer(Columns(rng), rng.normal(size=(5, 3))).unchecked == ["gate"]


def test_two_names_of_one_array_have_each_its_gradient_checked(rng):
    class Tied(Plain):
        def __init__(self, rng):
            super().__init__(rng)
            self.V = self.W

        def backward(self, dy):
            dx = super().backward(dy)
            self.dV = 2 * self.dW
            return dx

    with pytest.raises(GradientError, match=r"Tied: 1 of 4 gradients wrong\n(.*\n)*  dV .* WRONG"):
        check_layer(Tied(rng), rng.normal(size=(5, 3)))


class Unwilling:
    """An object whose properties cannot be read."""

    __slots__ = ("empty", "number")

    def __init__(self):
        self.number = 1

    @property
    def parameters(self):
        raise RuntimeError("not now")

    def __getattr__(self, name):
        raise RuntimeError(name)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_whatever_else_a_layer_keeps_is_left_alone(rng, tmp_path):
    layer = Plain(rng)
    np.savez(tmp_path / "closed.npz", a=np.ones(3))
    with np.load(tmp_path / "closed.npz") as layer.closed:
        pass
    with (tmp_path / "open").open("w", encoding="utf-8") as layer.file:
        layer.unwilling, layer.places, layer.kinds = Unwilling(), iter([1]), np.array([None, "a"])
        layer.masked, layer.matrix = np.ma.masked_array([1.0, 2.0], [False, True]), np.matrix([[1.0, 2.0]])
        report = check_layer(layer, rng.normal(size=(5, 3)))
        assert report.passed and not report.unchecked and not layer.file.closed
    assert next(layer.places) == 1 and layer.masked.mask.tolist() == [False, True]


class Normalising:
    """Batch normalisation without a variance; its averages are replaced, written into, and counted."""

    def __init__(self):
        self.mean, self.inside, self.count, self.kept = np.zeros(3), np.zeros(3), 0, [np.zeros(3)]

    def forward(self, x):
        mean = x.mean(axis=0)
        self.mean, self.count = 0.9 * self.mean + 0.1 * mean, self.count + 1
        self.inside += mean
        self.kept[0] = self.kept[0] + mean
        return x - mean

    def backward(self, dy):
        return dy - dy.mean(axis=0)


def test_running_averages_of_a_plain_class_are_what_they_were(rng):
    layer, x = Normalising(), rng.normal(size=(5, 3))
    layer.forward(x)
    arrays = layer.mean, layer.inside, layer.kept[0]
    before = [array.copy() for array in arrays]
    assert not check_layer(layer, x).unchecked
    assert all(a is b for a, b in zip(arrays, (layer.mean, layer.inside, layer.kept[0]), strict=True))
    assert all((a == b).all() for a, b in zip(arrays, before, strict=True)) and layer.count == 1

    class Wrong(Normalising):
        def backward(self, dy):
            return dy

    layer = Wrong()
    with pytest.raises(GradientError):
        check_layer(layer, x)
    assert layer.count == 0 and not layer.mean.any()
