from __future__ import annotations

import numpy as np
import pytest

from scratchnn import Dense, Sequential
from scratchnn.init import glorot_uniform, lecun_normal, pytorch_uniform, thesis_bias


def mean_square_after_ten_layers(rng, gain: float) -> float:
    width = 400
    stack = Sequential([Dense(width, width, rng, dtype=np.float64) for _ in range(10)])
    stack.params *= gain
    return float(np.mean(stack.forward(rng.standard_normal((50, width))) ** 2))


def test_a_signal_keeps_its_size_through_ten_layers(rng):
    """Its mean square is multiplied in each layer by 1 ± about √(2/400) = 0.07: after ten by 1 ± 0.23."""
    assert abs(np.log(mean_square_after_ten_layers(rng, 1.0))) < 5 * 0.23


@pytest.mark.parametrize("gain, factor", [(2**0.5, 2**10), (0.5**0.5, 2**-10)])
def test_twice_or_half_the_variance_would_explode_or_vanish(gain, factor, rng):
    assert abs(np.log(mean_square_after_ten_layers(rng, gain) / factor)) < 5 * 0.23


def test_variances(rng):
    n = 100_000
    for draws, m in ((lecun_normal((n // 100, 100), 25, rng), 25), (thesis_bias(n, rng), n)):
        assert abs(draws.var() * m - 1) < 5 * np.sqrt(2 / n)
        assert abs(draws.mean()) < 5 / np.sqrt(n * m)


def test_the_uniform_distribution_ends_where_its_variance_says(rng):
    """The variance of n draws has the relative standard error √(4/5n), and the largest of them lies 2 limit/n below
    the limit on average; fan-in and fan-out play the same part, and are not the shape's business."""
    n, limit = 100_000, (6 / (30 + 20)) ** 0.5
    draws = glorot_uniform((n // 100, 100), 30, 20, rng)
    assert abs(draws.var() * (30 + 20) / 2 - 1) < 5 * np.sqrt(4 / 5 / n)
    assert abs(draws.mean()) < 5 * np.sqrt(2 / 50 / n)
    assert limit * (1 - 40 / n) < -draws.min() <= limit and limit * (1 - 40 / n) < draws.max() <= limit
    one, other = (glorot_uniform((3, 4), *fans, np.random.default_rng(0)) for fans in ((30, 20), (20, 30)))
    np.testing.assert_array_equal(one, other)


def test_pytorch_s_values_have_a_third_of_the_variance_that_keeps_a_signal(rng):
    """Their limit is m^(−1/2), and the largest of n draws lies 2 limit/n below it on average."""
    n, m = 100_000, 25
    draws = pytorch_uniform((n // 100, 100), m, rng)
    assert abs(draws.var() * 3 * m - 1) < 5 * np.sqrt(4 / 5 / n)
    assert abs(draws.mean()) < 5 / np.sqrt(3 * m * n)
    assert 0.2 * (1 - 40 / n) < -draws.min() <= 0.2 and 0.2 * (1 - 40 / n) < draws.max() <= 0.2


def test_float32_and_float64_layers_start_from_the_same_draws():
    wide, narrow = (Dense(3, 4, np.random.default_rng(0), dtype=t) for t in (np.float64, np.float32))
    np.testing.assert_array_equal(wide.W.astype(np.float32), narrow.W)


def test_a_unit_has_at_least_one_connection(rng):
    for draw in (lecun_normal, pytorch_uniform):
        assert np.isfinite(draw((2,), 1, rng)).all()
    for fans in ((1, 3), (3, 1)):
        assert np.isfinite(glorot_uniform((2,), *fans, rng)).all()
    with pytest.raises(ValueError, match="at least 1, got 0"):
        lecun_normal((0, 3), 0, rng)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        pytorch_uniform((0, 3), 0, rng)
    for fans in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match=f"at least 1, got {fans[0]} and {fans[1]}"):
            glorot_uniform(fans, *fans, rng)
