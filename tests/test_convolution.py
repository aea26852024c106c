"""The layers of images: definitions, the adjoint, gradients over drawn shapes, memory, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cases import correlation_oracle, images, pool_oracle, transposed_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnn import (
    Adam,
    Classifier,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Flatten,
    MaxPool2D,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
    UpSampling2D,
)
from scratchnn.gradcheck import check_layer, check_model
from scratchnn.layers import convolution
from scratchnn.layers.convolution import col2im, im2col
from scratchnn.machinery.images import batch_first, batch_last
from scratchnn.training import Trainer, load_model

small = settings(max_examples=15)
sizes, strides, seeds = st.integers(1, 3), st.integers(1, 3), st.integers(0, 999)


@st.composite
def convolutions(draw):
    """A Conv2D in float64 and an input that it can take: uneven sizes, kernels up to the whole image, any padding."""
    N, c_in, c_out, H, W = (draw(st.integers(1, top)) for top in (2, 2, 3, 5, 6))
    pads = draw(st.just(((0, 0), (0, 0))) | st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2))
    kernel = tuple(draw(st.integers(1, min(n + sum(m), 4))) for n, m in zip((H, W), pads, strict=True))
    stride = draw(strides), draw(strides)
    rng = np.random.default_rng(draw(seeds))
    layer = Conv2D(c_in, c_out, kernel, rng, stride=stride, padding=pads, b=rng.normal(size=c_out), dtype=np.float64)
    return layer, rng.normal(size=(N, c_in, H, W)), rng


@st.composite
def transposed_convolutions(draw):
    N, c_in, c_out, H, W, KH, KW = (draw(st.integers(1, top)) for top in (2, 3, 2, 3, 4, 4, 3))
    stride = draw(strides), draw(strides)
    extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
    full = [(n - 1) * s + k + e for n, s, k, e in zip((H, W), stride, (KH, KW), extra, strict=True)]
    padding = tuple(draw(st.integers(0, min(2, (n - 1) // 2))) for n in full)
    rng = np.random.default_rng(draw(seeds))
    layer = ConvTranspose2D(
        c_in, c_out, (KH, KW), rng, stride, padding, extra, b=rng.normal(size=c_out), dtype=np.float64
    )
    return layer, rng.normal(size=(N, c_in, H, W)), rng


# ---- forward: the definition, and other people's code


def test_columns_are_the_windows_and_adding_them_back_counts_those_that_cover_an_entry():
    image = np.arange(1.0, 10).reshape(1, 3, 3, 1)
    cols = im2col(image, (2, 2), (1, 1), (2, 2))
    np.testing.assert_array_equal(cols, [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]])
    counts = np.zeros_like(image)
    col2im(counts, np.ones_like(cols), (2, 2), (1, 1), (2, 2))
    np.testing.assert_array_equal(counts[0, :, :, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


def test_a_kernel_worked_by_hand(rng):
    layer = Conv2D(1, 1, 2, rng, b=100.0, dtype=np.float64)
    layer.W = np.array([[[[1, 2], [3, 4]]]])
    y = layer.forward(np.arange(1.0, 10).reshape(1, 1, 3, 3))
    np.testing.assert_array_equal(
        y, [[[[137, 147], [167, 177]]]]
    )  # 1·1 + 2·2 + 3·4 + 4·5 = 37, not 1·5 + … turned round


def test_a_transposed_kernel_worked_by_hand(rng):
    layer = ConvTranspose2D(1, 1, (1, 3), rng, stride=(1, 2), dtype=np.float64)
    layer.W = np.array([[[[1, 2, 3]]]])
    a, b, c = 1, 10, 100
    y = layer.forward(np.array([[[[a, b, c]]]], float))
    np.testing.assert_array_equal(y, [[[[1 * a, 2 * a, 3 * a + 1 * b, 2 * b, 3 * b + 1 * c, 2 * c, 3 * c]]]])


@small
@given(convolutions())
def test_a_convolution_is_what_its_formula_says(drawn):
    layer, x, _ = drawn
    y = layer.forward(x)
    padded = np.pad(x, ((0, 0), (0, 0), *layer.padding))
    (down, across), (_, c_in, KH, KW) = layer.stride, layer.W.shape
    (top, bottom), (left, right) = layer.padding
    H, W = x.shape[2:]
    assert y.shape == (
        len(x),
        layer.c_out,
        (top + H + bottom - KH) // down + 1,
        (left + W + right - KW) // across + 1,
    )
    for n, f, i, j in np.ndindex(y.shape):
        window = sum(
            padded[n, c, down * i + u, across * j + v] * layer.W[f, c, u, v] for c, u, v in np.ndindex(c_in, KH, KW)
        )
        assert y[n, f, i, j] == pytest.approx(layer.b[f] + window, rel=1e-11, abs=1e-12)
    np.testing.assert_allclose(y, correlation_oracle(layer, x, layer.padding), rtol=1e-11, atol=1e-12)


@small
@given(transposed_convolutions())
def test_a_transposed_convolution_is_scipy_s_convolution_of_an_image_with_zeros_in_between(drawn):
    layer, x, _ = drawn
    y = layer.forward(x)
    np.testing.assert_allclose(y, transposed_oracle(layer, x), rtol=1e-11, atol=1e-12)
    for n, stride, kernel, padding, extra, out in zip(
        x.shape[2:], layer.stride, layer.kernel, layer.padding, layer.output_padding, y.shape[2:], strict=True
    ):
        assert out == (n - 1) * stride - 2 * padding + kernel + extra


@pytest.mark.parametrize("padding, last", [(0, [2 * 10 + 0.5, 3 * 10 + 0.5, 0.5]), (1, [3 * 1 + 10 + 0.5, 20.5, 30.5])])
def test_output_padding_is_added_before_padding_is_cut_off(padding, last, rng):
    """So behind a padding of 1, an output_padding of 1 gives back a column that the kernel does reach."""
    options = {"stride": (1, 2), "padding": (0, padding), "output_padding": (0, 1), "b": 0.5}
    layer = ConvTranspose2D(1, 1, (1, 3), rng, **options, dtype=np.float64)
    layer.W = np.array([[[[1, 2, 3]]]])
    np.testing.assert_array_equal(layer.forward(np.array([[[[1.0, 10]]]]))[0, 0, 0, -3:], last)


@small
@given(H=st.integers(1, 7), W=st.integers(1, 7), kernel=st.tuples(sizes, sizes), stride=st.tuples(strides, strides))
def test_same_padding_gives_one_output_a_stride_and_puts_an_odd_row_last(H, W, kernel, stride):
    rng = np.random.default_rng(0)
    layer = Conv2D(1, 1, kernel, rng, stride=stride, padding="same", dtype=np.float64)
    x = rng.normal(size=(1, 1, H, W))
    y = layer.forward(x)
    assert y.shape[2:] == (math.ceil(H / stride[0]), math.ceil(W / stride[1]))
    pads = []
    for n, k, s, out in zip((H, W), kernel, stride, y.shape[2:], strict=True):
        # the least number of zeros that makes room for `out` windows, as TensorFlow's documentation gives it
        total = next(m for m in range(99) if (n + m - k) // s + 1 >= out and n + m >= k)
        pads.append((total // 2, total - total // 2))
    np.testing.assert_allclose(y, correlation_oracle(layer, x, pads), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    "missing, pads", [(0, (0, 0)), (1, (0, 1)), (2, (1, 1)), (3, (1, 2)), (4, (2, 2)), (5, (2, 3))]
)
def test_same_padding_is_halved_and_an_odd_zero_comes_last(missing, pads):
    """A kernel of k rows, moved by one, lacks k − 1."""
    assert convolution.same_pads((9, 9), (missing + 1, 1), (1, 1)) == (pads, (0, 0))
    assert convolution.same_pads((9, 9), (1, missing + 1), (1, 1)) == ((0, 0), pads)


@pytest.mark.parametrize(
    "kernel, stride, fan_in", [((3, 5), 2, 6), ((4, 2), (2, 3), 2), ((1, 1), 1, 1), ((2, 3), 1, 6)]
)
def test_an_output_of_a_transposed_convolution_is_fed_by_the_inputs_in_reach(kernel, stride, fan_in):
    """⌈KH/SH⌉ ⌈KW/SW⌉ of every channel, at most: the variance of a weight is one over that."""
    layer = ConvTranspose2D(7, 2, kernel, np.random.default_rng(3), stride=stride, dtype=np.float64)
    drawn = np.random.default_rng(3).standard_normal((7, 2, *kernel))
    np.testing.assert_allclose(layer.W, drawn / math.sqrt(7 * fan_in), rtol=1e-14)


def test_a_two_by_two_kernel_with_same_padding_reads_zeros_below_and_to_the_right(rng):
    layer = Conv2D(1, 1, 2, rng, padding="same", dtype=np.float64)
    layer.W = 1.0
    np.testing.assert_array_equal(layer.forward(np.array([[[[1.0, 2], [3, 4]]]])), [[[[10, 6], [7, 4]]]])


@pytest.mark.parametrize(
    "padding, pads",
    [
        (2, ((2, 2), (2, 2))),
        (np.int64(2), ((2, 2), (2, 2))),
        ((2, 1), ((2, 2), (1, 1))),
        ([[0, 2], [1, 0]], ((0, 2), (1, 0))),
    ],
)
def test_padding_is_a_number_or_two_or_four(padding, pads, rng):
    layer = Conv2D(2, 3, 3, rng, padding=padding, dtype=np.float64)
    x = rng.normal(size=(2, 2, 4, 5))
    np.testing.assert_allclose(layer.forward(x), correlation_oracle(layer, x, pads), rtol=1e-11, atol=1e-12)


# ---- one is the other's adjoint


@small
@given(convolutions())
def test_the_transposed_convolution_is_the_adjoint_of_the_convolution(drawn):
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩; the stride's rest is what output padding gives back, and padding is what is cropped."""
    conv, x, rng = drawn
    padding = tuple(min(side) for side in conv.padding)  # the transposed layer has equal padding on both sides
    conv = Conv2D(conv.c_in, conv.c_out, conv.kernel, rng, conv.stride, tuple((p, p) for p in padding), dtype=float)
    if any(n + 2 * p < k for n, p, k in zip(x.shape[2:], padding, conv.kernel, strict=True)):
        return
    rest = tuple((n + 2 * p - k) % s for n, p, k, s in zip(x.shape[2:], padding, conv.kernel, conv.stride, strict=True))
    transposed = ConvTranspose2D(conv.c_out, conv.c_in, conv.kernel, rng, conv.stride, padding, rest, dtype=np.float64)
    transposed.W = conv.W  # (c_out, c_in, KH, KW) in both: what comes out of one goes into the other
    Ax = conv.forward(x)
    y = rng.normal(size=Ax.shape)
    Aty = transposed.forward(y)
    assert Aty.shape == x.shape
    assert np.sum(Ax * y) == pytest.approx(np.sum(x * Aty), rel=1e-11, abs=1e-11)
    # so each goes forward as the other goes backward, and their weights have the same gradient
    np.testing.assert_array_equal(conv.backward(y), Aty)
    np.testing.assert_array_equal(transposed.backward(x), Ax)
    np.testing.assert_array_equal(transposed.dW, conv.dW)


# ---- gradients


@small
@given(convolutions())
def test_the_gradients_of_a_convolution_are_right_for_every_shape(drawn):
    layer, x, _ = drawn
    assert all(array.judged.all() for array in check_layer(layer, x).arrays)


@small
@given(transposed_convolutions())
def test_the_gradients_of_a_transposed_convolution_are_right_for_every_shape(drawn):
    layer, x, _ = drawn
    assert all(array.judged.all() for array in check_layer(layer, x).arrays)


@pytest.mark.parametrize(
    "shape, c_out, kernel, options",
    [
        ((2, 3, 4, 5), 2, (4, 5), {}),  # the kernel is the image: a dense layer
        ((1, 2, 5, 4), 3, 3, {}),  # one example
        ((3, 1, 5, 4), 1, 2, {}),  # one channel
        ((2, 2, 6, 5), 3, 3, {"stride": 2}),  # a rest at the bottom
        ((2, 2, 7, 8), 3, 2, {"stride": (3, 5)}),  # gaps between the windows
        ((2, 2, 5, 4), 3, (2, 4), {"padding": "same", "stride": (2, 1)}),
        ((2, 2, 1, 1), 3, 3, {"padding": 2, "stride": 2}),  # windows of zeros only
    ],
)
@pytest.mark.parametrize("bound", [1, 400, 2**20])  # bytes: a row of windows at a time, several, all
def test_gradients_in_the_corners_and_in_bands(shape, c_out, kernel, options, bound, rng, monkeypatch):
    monkeypatch.setattr(convolution, "COLUMNS_BYTES", bound)
    layer = Conv2D(shape[1], c_out, kernel, rng, b=rng.normal(size=c_out), dtype=np.float64, **options)
    x = rng.normal(size=shape)
    check_layer(layer, x)
    y = layer.forward(x)
    covered = layer.backward(np.ones_like(y)) != 0
    rest = options.get("stride") in (2, (3, 5)) and "padding" not in options
    assert covered.all() != rest, "a rest has gradient 0, and there is one just where the stride leaves it"


@given(
    size=st.tuples(sizes, sizes),
    stride=st.none() | st.tuples(strides, strides),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(3, 6), st.integers(3, 5)),
    seed=seeds,
)
@small
def test_max_pooling_is_right_for_every_shape(size, stride, shape, seed):
    layer, (x,) = MaxPool2D(size, stride), images(*shape)(np.random.default_rng(seed))
    np.testing.assert_array_equal(layer.forward(x), pool_oracle(layer, x))
    assert all(array.judged.all() for array in check_layer(layer, x).arrays)


@given(factor=st.tuples(sizes, sizes), shape=st.tuples(*[sizes] * 4))
@small
def test_up_sampling_is_right_for_every_shape(factor, shape):
    x = np.random.default_rng(0).normal(size=shape)
    layer = UpSampling2D(factor)
    np.testing.assert_array_equal(layer.forward(x), x.repeat(factor[0], axis=2).repeat(factor[1], axis=3))
    check_layer(layer, x)


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda rng: Conv2D(2, 3, (3, 2), rng, stride=(2, 1), padding=1, b=0.3, dtype=np.float64), (2, 2, 5, 4)),
        (lambda rng: ConvTranspose2D(2, 3, 3, rng, stride=2, output_padding=1, b=0.3, dtype=np.float64), (2, 2, 3, 2)),
        (lambda rng: UpSampling2D(2), (2, 2, 3, 2)),
        (lambda rng: Flatten(), (2, 2, 3, 2)),
        (lambda rng: Reshape((4, 3)), (2, 2, 3, 2)),
    ],
)
def test_smooth_layers_of_images_agree_with_the_complex_step(make, shape, rng):
    layer, x = make(rng), rng.normal(size=shape)
    dy = rng.normal(size=layer.forward(x).shape)
    gradients = [layer.backward(dy), layer.grads.copy()]
    twin = layer.astype(np.complex128)
    arrays = [x.astype(np.complex128), twin.params]
    for array, gradient in zip(arrays, gradients, strict=True):
        for index in np.ndindex(array.shape):
            array[index] += 1e-30j
            slope = np.sum(dy * twin.forward(arrays[0])).imag / 1e-30
            array[index] -= 1e-30j
            # sums of at most 2·6·6 products, each with a rounding of its own
            assert abs(slope - gradient[index]) <= 72 * 2.3e-16 * max(1.0, np.abs(gradient).max())


def test_a_network_of_images_is_right_as_a_whole(rng):
    network = Sequential(
        [
            Reshape((1, 5, 6)),
            Conv2D(1, 2, 3, rng, padding="same", b=0.1),
            Tanh(),
            MaxPool2D(2),
            ConvTranspose2D(2, 3, 2, rng, stride=2, output_padding=1, b=0.1),
            Tanh(),
            UpSampling2D((1, 2)),
            Flatten(),
            Dense(3 * 5 * 14, 4, rng),
        ]
    )
    check_model(Classifier(network).astype(np.float64), rng.normal(size=(3, 30)), np.array([2, 0, 1]))


# ---- pooling: ties, rests


def test_pools_stand_side_by_side_unless_told_otherwise():
    assert MaxPool2D((3, 2)).stride == (3, 2)
    x = np.arange(24.0).reshape(1, 1, 6, 4)
    np.testing.assert_array_equal(MaxPool2D((3, 2)).forward(x), [[[[9, 11], [21, 23]]]])


def test_among_equal_entries_the_first_gets_the_gradient():
    layer = MaxPool2D(2)
    layer.forward(np.array([[[[0.0, 0, 1, 2], [0, 0, 2, 2]]]]))
    np.testing.assert_array_equal(layer.backward(np.array([[[[3.0, 5]]]])), [[[[3, 0, 0, 5], [0, 0, 0, 0]]]])


def test_the_rest_that_no_pool_covers_counts_for_nothing(rng):
    layer, x = MaxPool2D(2), rng.normal(size=(1, 1, 5, 3))
    y = layer.forward(x)
    assert y.shape == (1, 1, 2, 1)
    dx = layer.backward(np.ones_like(y))
    assert not dx[:, :, 4].any() and not dx[:, :, :, 2].any() and dx.sum() == 2


def test_an_entry_that_is_the_maximum_of_two_windows_gets_both_gradients():
    layer = MaxPool2D((1, 2), stride=1)
    layer.forward(np.array([[[[1.0, 9, 2]]]]))
    np.testing.assert_array_equal(layer.backward(np.array([[[[3.0, 4]]]])), [[[[0, 7, 0]]]])


@pytest.mark.parametrize("place", range(4))
def test_what_is_not_a_number_is_not_hidden_by_a_pool(place):
    x = np.zeros((1, 1, 2, 2))
    x.flat[place] = np.nan
    assert np.isnan(MaxPool2D(2).forward(x)).all()


# ---- memory


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: Conv2D(2, 3, 2, rng, padding=1, dtype=np.float64),
        lambda rng: ConvTranspose2D(2, 3, 2, rng, stride=2, dtype=np.float64),
        lambda rng: MaxPool2D(2),
        lambda rng: UpSampling2D(2),
        lambda rng: Flatten(),
        lambda rng: Reshape((3, 8)),
    ],
)
def test_results_do_not_depend_on_the_order_in_memory(make, rng):
    layer, x = make(rng), rng.normal(size=(3, 2, 4, 3))
    y = layer.forward(x)
    dy = rng.normal(size=y.shape)
    results = [y, layer.backward(dy), layer.grads.copy()]

    def other(a):
        return np.asfortranarray(a) if a.ndim < 4 else batch_first(batch_last(a).copy())

    again = [layer.forward(other(x)), layer.backward(other(dy)), layer.grads]
    for one, two in zip(results, again, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_stack_rearranges_its_first_input_and_nothing_else(rng):
    x = rng.normal(size=(2, 1, 9, 9)).astype(np.float32)
    for layer in [Conv2D(1, 2, 2, rng), ReLU(), MaxPool2D(2), UpSampling2D(2), ConvTranspose2D(2, 3, 2, rng), Tanh()]:
        x = layer.forward(x)
        assert np.shares_memory(batch_last(x), x), f"{layer!r} returns what the next layer must copy"
    assert np.shares_memory(Flatten().forward(x), x)


@pytest.mark.parametrize("n, bound", [(1, 2**20), (40, 6000), (1000, 1)])
def test_no_more_columns_are_made_at_a_time_than_the_bound_allows(n, bound, rng, monkeypatch):
    sizes_seen = []

    def counted(*args):
        cols = im2col(*args)
        sizes_seen.append(cols.nbytes)
        return cols

    monkeypatch.setattr(convolution, "COLUMNS_BYTES", bound)
    monkeypatch.setattr(convolution, "im2col", counted)
    layer = Conv2D(2, 3, 3, rng, stride=(2, 1))
    y = layer.forward(np.ones((n, 2, 12, 4), np.float32))
    layer.backward(np.ones_like(y))
    one_row = 2 * 9 * 2 * n * 4
    assert max(sizes_seen) <= max(bound, one_row)
    assert max(sizes_seen) > bound - one_row or max(sizes_seen) == 5 * one_row, "as much as fits"
    assert sum(sizes_seen) == 2 * 5 * one_row  # the forward pass and dW, five rows each


@pytest.mark.parametrize("bound", [1, 3000])
def test_bands_change_nothing(bound, rng, monkeypatch):
    for layer, shape in [
        (Conv2D(2, 3, 3, rng, stride=2, padding="same", b=0.1, dtype=np.float64), (4, 2, 9, 8)),
        (ConvTranspose2D(2, 3, 4, rng, stride=3, padding=1, output_padding=2, b=0.1, dtype=np.float64), (4, 2, 5, 4)),
    ]:
        x, results = rng.normal(size=shape), []
        for limit in (2**30, bound):
            monkeypatch.setattr(convolution, "COLUMNS_BYTES", limit)
            y = layer.forward(x)
            results.append([y, layer.backward(np.cos(y)), layer.grads.copy()])
        for whole, banded in zip(*results, strict=True):
            np.testing.assert_allclose(banded, whole, rtol=1e-12, atol=1e-12)


def test_forward_and_backward_keep_their_hands_off_what_they_were_given(rng):
    for layer in [Conv2D(1, 2, 2, rng), ConvTranspose2D(1, 2, 2, rng), MaxPool2D(2), UpSampling2D(2), MaxPool2D(1)]:
        x = batch_first(batch_last(rng.normal(size=(2, 1, 4, 4)).astype(np.float32)))
        before = x.copy()
        y = layer.forward(x)
        dy, given = y + 1, y + 1
        layer.backward(dy)
        np.testing.assert_array_equal(x, before)
        np.testing.assert_array_equal(dy, given)


# ---- initial weights, checkpoints


def test_initial_weights_keep_the_size_of_a_signal(rng):
    x = rng.normal(size=(2, 20, 30, 30)).astype(np.float32)
    for layer in [
        Conv2D(20, 30, (3, 5), rng),
        ConvTranspose2D(20, 30, 4, rng, stride=2),
        ConvTranspose2D(20, 30, (5, 1), rng),
    ]:
        inside = layer.forward(x)[:, :, 4:-4, 4:-4]
        assert np.mean(inside**2) == pytest.approx(1, abs=0.1)  # about 4 sigma: 600 weights feed a map, 60 maps


@pytest.mark.parametrize(
    "text",
    [
        "Conv2D(1, 16, 3)",
        "Conv2D(1, 16, (3, 2), stride=2, padding='same')",
        "Conv2D(3, 4, 5, stride=(2, 1), padding=2)",
        "Conv2D(3, 4, 5, stride=(1, 2))",
        "Conv2D(3, 4, 5, padding=((1, 0), (0, 2)))",
        "Conv2D(3, 4, 5, padding=((1, 1), (2, 2)))",
        "ConvTranspose2D(32, 16, 4, stride=2, output_padding=1)",
        "ConvTranspose2D(2, 3, (4, 2), stride=(3, 2), padding=(1, 0), output_padding=(2, 1))",
        *(f"ConvTranspose2D(2, 3, 4, stride={stride})" for stride in ((1, 2), (2, 1), (1, 3))),
        *(f"ConvTranspose2D(2, 3, 4, padding={padding})" for padding in ((0, 1), (1, 0))),
        *(f"ConvTranspose2D(2, 3, 4, stride=3, output_padding={rest})" for rest in ((0, 1), (1, 0))),
        "MaxPool2D(2)",
        "MaxPool2D((3, 2), stride=2)",
        "MaxPool2D(2, stride=(3, 1))",
        "UpSampling2D(7)",
        "UpSampling2D((2, 3))",
        "Flatten()",
        "Reshape((1, 28, 28))",
        "Reshape((784,))",
    ],
)
def test_the_text_of_a_layer_makes_it_again(text, rng):
    classes = (Conv2D, ConvTranspose2D, MaxPool2D, UpSampling2D, Flatten, Reshape)
    makers = {cls.__name__: cls for cls in classes}
    for cls in (Conv2D, ConvTranspose2D):
        makers[cls.__name__] = lambda *args, cls=cls, **options: cls(*args, rng=rng, **options)
    assert repr(eval(text, makers)) == text


@pytest.mark.parametrize("padding", [0, "valid", ((0, 0), (0, 0))])
def test_padding_that_adds_nothing_is_left_out_of_the_text(padding, rng):
    assert repr(Conv2D(1, 2, 3, rng, padding=padding)) == "Conv2D(1, 2, 3)"


def test_a_network_of_images_comes_back_from_its_checkpoint(rng, tmp_path):
    network = [
        Reshape((1, 8, 8)),
        Conv2D(1, 3, 3, rng, stride=2, padding="same", b=0.1),
        ReLU(),
        MaxPool2D(2),
        ConvTranspose2D(3, 2, 2, rng, stride=2, padding=(1, 0), b=0.2),
        UpSampling2D((1, 2)),
        Flatten(),
        Dense(32, 10, rng),
    ]
    model = Classifier(Sequential(network))
    Trainer(model, Adam(model), rng, {}).save(tmp_path / "checkpoint.npz")
    again, _ = load_model(tmp_path)
    x = rng.random((6, 64)).astype(np.float32)
    assert repr(again) == repr(model)
    np.testing.assert_array_equal(again.probabilities(x), model.probabilities(x))


# ---- what they refuse, in one sentence


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda rng: Conv2D(0, 2, 3, rng), "Conv2D needs as its c_in a whole number from 1 upwards, got 0"),
        (lambda rng: ConvTranspose2D(1, 0, 3, rng), "ConvTranspose2D needs as its c_out a whole number .* got 0"),
        (lambda rng: Conv2D(1, 2, 0, rng), "Conv2D needs as its kernel a whole number, .* from 1 upwards, got 0"),
        (lambda rng: Conv2D(1, 2, (3, 3, 3), rng), r"as its kernel .* got \(3, 3, 3\)"),
        (lambda rng: Conv2D(1, 2, 2.5, rng), "as its kernel a whole number, .* got 2.5"),
        (lambda rng: Conv2D(1, 2, 3, rng, stride=0), "Conv2D needs as its stride a whole number, .* got 0"),
        (lambda rng: ConvTranspose2D(1, 2, 3, rng, stride=(1, 0)), r"as its stride .* got \(1, 0\)"),
        (lambda rng: Conv2D(1, 2, 3, rng, padding="full"), "takes as its padding 'valid', 'same', .* got 'full'"),
        (lambda rng: Conv2D(1, 2, 3, rng, padding=-1), "takes as its padding .* got -1"),
        (lambda rng: Conv2D(1, 2, 3, rng, padding=(1, -2)), r"\(\(top, bottom\), \(left, right\)\), got \(1, -2\)"),
        (lambda rng: Conv2D(1, 2, 3, rng, padding=(1, 2, 3)), r"padding .* got \(1, 2, 3\)"),
        (lambda rng: Conv2D(1, 2, 3, rng, padding=True), "takes as its padding .* got True"),
        (lambda rng: Conv2D(1, 2, 3, rng, padding=1.0), "takes as its padding .* got 1.0"),
        (lambda rng: Conv2D(1, 2, 3, rng, stride=True), "as its stride .* got True"),
        (lambda rng: Conv2D(1, 2, (True, 3), rng), r"as its kernel .* got \(True, 3\)"),
        (lambda rng: Conv2D(1.0, 2, 3, rng), "Conv2D needs as its c_in a whole number from 1 upwards, got 1.0"),
        (lambda rng: ConvTranspose2D(1, "2", 3, rng), "ConvTranspose2D needs as its c_out a whole number .* got '2'"),
        (lambda rng: Conv2D(1, 2, 3, rng, dtype=np.int32), "Conv2D computes in float32 or float64, got dtype=int32"),
        (lambda rng: ConvTranspose2D(1, 2, 3, rng, padding=-1), "as its padding .* from 0 upwards, got -1"),
        (
            lambda rng: ConvTranspose2D(1, 2, 3, rng, stride=2, output_padding=2),
            "output_padding smaller than its stride, got output_padding=2 and stride=2",
        ),
        (lambda rng: ConvTranspose2D(1, 2, 3, rng, output_padding=1), "got output_padding=1 and stride=1"),
        (lambda rng: MaxPool2D(0), "MaxPool2D needs as its size"),
        (lambda rng: MaxPool2D(2, stride=0), "MaxPool2D needs as its stride"),
        (lambda rng: UpSampling2D(-2), "UpSampling2D needs as its factor a whole number, .* got -2"),
        (lambda rng: Reshape((1, 0, 3)), r"Reshape needs the shape of one example, .* got \(1, 0, 3\)"),
        (lambda rng: Reshape(()), "Reshape needs the shape of one example"),
        (lambda rng: Reshape(784), "Reshape needs the shape of one example, .* got 784"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(make, message, rng):
    with pytest.raises(ValueError, match=message) as error:
        make(rng)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "make, shape, message",
    [
        (
            lambda rng: Conv2D(1, 2, 5, rng),
            (2, 1, 4, 9),
            r"Conv2D\(1, 2, 5\) cannot place its kernel of 5 × 5 in images of 4 × 9 \(padding included\)",
        ),
        (
            lambda rng: Conv2D(1, 2, (3, 5), rng, padding=1),
            (2, 1, 1, 2),
            "3 × 5 in images of 3 × 4 .*larger images or padding='same'$",
        ),
        (
            lambda rng: Conv2D(1, 2, 3, rng, padding="same"),
            (2, 1, 0, 2),
            r"expects x of shape \(N, 1, H, W\), got \(2, 1, 0, 2\)$",
        ),
        (lambda rng: Conv2D(3, 2, 3, rng), (2, 1, 9, 9), r"expects x of shape \(N, 3, H, W\), got \(2, 1, 9, 9\)$"),
        (
            lambda rng: Conv2D(3, 8, 3, rng),
            (10, 784),
            r"Conv2D\(3, 8, 3\) expects x of shape \(N, 3, H, W\), got \(10, 784\): put Reshape\(\(3, H, W\)\) before",
        ),
        (lambda rng: ConvTranspose2D(32, 8, 3, rng), (10, 800), r"put Reshape\(\(32, H, W\)\) before it"),
        (lambda rng: ConvTranspose2D(3, 8, 3, rng), (10, 2, 4, 4), r"of shape \(N, 3, H, W\), got \(10, 2, 4, 4\)"),
        (lambda rng: ConvTranspose2D(1, 8, 2, rng, padding=1), (10, 1, 1, 4), "leaves nothing of an image"),
        (lambda rng: ConvTranspose2D(1, 8, 2, rng, padding=(0, 1)), (10, 1, 4, 1), "leaves nothing of an image"),
        (lambda rng: ConvTranspose2D(1, 8, 2, rng, padding=(1, 0)), (10, 1, 1, 4), "leaves nothing of an image"),
        (lambda rng: ConvTranspose2D(1, 8, 2, rng, padding=(0, 3)), (10, 1, 4, 1), "leaves nothing of an image"),
        (lambda rng: ConvTranspose2D(1, 8, 2, rng, padding=(3, 0)), (10, 1, 1, 4), "leaves nothing of an image"),
        (lambda rng: MaxPool2D((4, 3)), (2, 1, 3, 3), "needs images of at least 4 × 3, got 3 × 3"),
        (lambda rng: MaxPool2D(2), (2, 9), r"put Reshape\(\(C, H, W\)\) before it"),
        (lambda rng: UpSampling2D(2), (2, 9), r"put Reshape\(\(C, H, W\)\) before it"),
        (
            lambda rng: Reshape((1, 28, 28)),
            (10, 100),
            r"Reshape\(\(1, 28, 28\)\) expects x with 784 numbers in each example, got \(10, 100\), which is 100",
        ),
        (lambda rng: Reshape((2, 3)), (4, 8), r"expects x with 6 numbers in each example, got \(4, 8\), which is 8"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(make, shape, message, rng):
    with pytest.raises(ValueError, match=message) as error:
        make(rng).forward(np.ones(shape, np.float32))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rest, message", [(-1, "from 0 upwards"), (2, "smaller than its stride"), (3, "smaller than")])
def test_output_padding_lies_between_0_and_the_stride(rest, message, rng):
    with pytest.raises(ValueError, match=message):
        ConvTranspose2D(1, 2, 3, rng, stride=2, output_padding=rest)


def test_same_padding_by_hand():
    """⌈5/1⌉ = 5 windows of 4 need 8 rows, and 4 of 5 need 8; ⌈5/2⌉ = 3 of 3 need 7, and ⌈7/3⌉ = 3 of 2 need 8."""
    assert convolution.same_pads((5, 4), (4, 5), (1, 1)) == ((1, 2), (2, 2))
    assert convolution.same_pads((5, 7), (3, 2), (2, 3)) == ((1, 1), (0, 1))


@pytest.mark.parametrize("padding", [-1, (-1, 0), (0, -1), ((0, 0), (0, -1)), ((-1, 0), (0, 0))])
def test_padding_is_not_negative(padding, rng):
    with pytest.raises(ValueError, match="Conv2D takes as its padding 'valid', 'same', a whole number from 0 upwards"):
        Conv2D(1, 2, 3, rng, padding=padding)


@pytest.mark.parametrize("cls", [Conv2D, ConvTranspose2D])
def test_another_dtype_is_refused(cls, rng):
    with pytest.raises(TypeError, match=r"holds float32 and was given x as float64: convert x with x.astype"):
        cls(1, 2, 3, rng).forward(np.ones((2, 1, 5, 5)))
    with pytest.raises(TypeError, match="floats, got an array of uint8"):
        cls(1, 2, 3, rng).forward(np.ones((2, 1, 5, 5), np.uint8))


@pytest.mark.parametrize("padding", [((0, 1), (0, 1)), ((1, 1), (2, 2)), (0, 1), 2, ((1, 2), (3, 3)), "same"])
def test_what_a_convolution_prints_makes_the_same_one(padding, rng):
    layer = Conv2D(1, 1, 2, rng, padding=padding)
    again = eval(repr(layer).replace(", 2", ", 2, rng", 1))
    assert again.padding == layer.padding
