"""Precision and recall of generated images: by hand, by a plain loop, and on sets whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scratchnn.evaluation import generation, precision_and_recall


def by_a_loop(real, made, k: int) -> tuple[float, float]:
    """The definition, pair by pair; a point on the edge of a ball, up to rounding, is inside."""

    def share(points, centres) -> float:
        radii = [np.sort([np.linalg.norm(c - other) for other in centres])[k] for c in centres]
        slack = 1e-9 * max(np.linalg.norm(c) for c in centres)
        inside = [any(np.linalg.norm(p - c) <= r + slack for c, r in zip(centres, radii, strict=True)) for p in points]
        return sum(inside) / len(points)

    return share(made, real), share(real, made)


def test_points_on_a_line_by_hand():
    """Real points at 0, 1 and 3 have k = 1 balls of radius 1, 1 and 2: all from −1 to 5. Made points at 4, 4.5 and 9
    have the radii 0.5, 0.5 and 4.5: from 3.5 to 13.5. Two of three are inside the first, none of three in the second.
    """
    real, made = (np.array(points)[:, None] for points in ([0.0, 1.0, 3.0], [4.0, 4.5, 9.0]))
    assert precision_and_recall(real, made, 1) == (2 / 3, 0)
    assert precision_and_recall(made, real, 1) == (0, 2 / 3)  # who is real and who is made changes places
    # with k = 2 the radii are 3, 2, 3 and 5, 4.5, 5: all from −3 to 6, and all from −1 to 14
    assert precision_and_recall(real, made, 2) == (2 / 3, 1)


def test_the_edge_of_a_ball_is_inside_and_a_step_further_is_not():
    real = np.array([[0.0, 0.0], [1.0, 0.0]])
    edge = np.array([[0.0, 1.0], [2.0, 0.0]])
    assert precision_and_recall(real, edge, 1)[0] == 1
    assert precision_and_recall(real, edge * 1.001, 1)[0] == 0


@pytest.mark.parametrize("side", [-1, 1])
def test_a_millionth_of_the_distance_of_the_farthest_counts_as_none(side):
    """On either side of the middle; the balls of points that coincide have no radius."""
    real = side * np.array([-9.0, -9, *[1.0] * 9])[:, None]  # the middle is −9/11, and −9 is 8.18 away
    made = np.full((11, 1), side * 1.0)
    assert precision_and_recall(real, made + 7e-6, 1)[0] == 1
    assert precision_and_recall(real, made + 9e-6, 1)[0] == 0


POINTS = arrays.arrays(np.float64, st.tuples(st.integers(5, 12), st.integers(1, 3)), elements=st.integers(-4, 4))


@given(points=POINTS, seed=st.integers(0, 99), k=st.integers(1, 4), rows=st.integers(1, 13))
def test_the_plain_loop_says_the_same(points, seed, k, rows):
    """On a grid, where many points coincide or lie on an edge, and off it; whatever is taken at a time."""
    rng = np.random.default_rng(seed)
    other = rng.permutation(points) + rng.integers(-2, 3, points.shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "ROWS", rows)
        assert precision_and_recall(points, other, k) == pytest.approx(by_a_loop(points, other, k))
        real, made = (p + 0.3 * rng.normal(size=p.shape) for p in (points, other))
        assert precision_and_recall(real, made, k) == pytest.approx(by_a_loop(real, made, k))


@given(points=POINTS, k=st.integers(1, 4), scale=st.sampled_from([1e-3, 1.0, 1e3]), shift=st.sampled_from([0, 1e4]))
def test_the_same_set_twice_is_perfect_and_far_apart_nothing_is(points, k, scale, shift):
    """Copies of the real points are all inside, in any order, and although float32 is all that features have."""
    real = (scale * points + shift).astype(np.float32)
    assert precision_and_recall(real, real[::-1].copy(), k) == (1, 1)
    far = real + np.float32(100 * scale + 100 * (1 + shift))
    assert precision_and_recall(real, far, k) == (0, 0)


@given(seed=st.integers(0, 999))
def test_turning_moving_and_scaling_change_nothing(seed):
    rng = np.random.default_rng(seed)
    real, made = rng.normal(size=(2, 40, 4))
    turned, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    expected = precision_and_recall(real, made, 3)
    assert precision_and_recall(3 * real @ turned + 5, 3 * made @ turned + 5, 3) == pytest.approx(expected)


def test_what_each_of_the_two_numbers_sees(rng):
    """Real points are of two clouds. A generator that has collapsed is precise and recalls little; one that makes the
    clouds and something else recalls all and is less precise; noise on the points costs precision."""
    middles = np.array([[0.0, 0, 0, 0], [9.0, 0, 0, 0]])

    def draws(n: int, spread: float = 1.0, which: tuple[int, ...] = (0, 1)) -> np.ndarray:
        return middles[rng.choice(which, n)] + spread * rng.normal(size=(n, 4))

    real = draws(600)
    scale = precision_and_recall(real, draws(600), 3)
    assert min(scale) > 0.85 and max(scale) < 1  # the bias: even the distribution itself does not reach 1
    one_cloud = precision_and_recall(real, draws(600, which=(0,)), 3)
    assert one_cloud[0] > 0.85 and one_cloud[1] < 0.6
    collapsed = precision_and_recall(real, draws(600, spread=0.05, which=(0,)), 3)
    assert collapsed[0] > 0.99 and collapsed[1] < 0.05
    noisy = [precision_and_recall(real, draws(600) + noise * rng.normal(size=(600, 4)), 3)[0] for noise in (0, 1, 3)]
    assert noisy[0] > noisy[1] + 0.1 > noisy[2] + 0.2
    more = precision_and_recall(real, np.concatenate([draws(300), draws(300) + 100]), 3)
    assert more[0] == pytest.approx(0.5, abs=0.1) and more[1] > 0.7


def test_the_stated_biases(rng):
    """Both grow with k; with more points the balls are smaller; and one outlier's ball can hold what is far off."""
    real, made = rng.normal(size=(2, 400, 8))
    by_k = [precision_and_recall(real, made, k) for k in (1, 3, 10)]
    assert by_k[0] < by_k[1] < by_k[2] and by_k[0][1] < by_k[1][1] < by_k[2][1]
    wrong = made + 1.0
    few, many = precision_and_recall(real[:50], wrong[:50], 3), precision_and_recall(real, wrong, 3)
    assert few[0] > many[0]
    real[0] = 60
    assert (
        precision_and_recall(real, made + 20, 3)[0] > 0.95 > 0.05 > precision_and_recall(real[1:], made[1:] + 20, 3)[0]
    )


@pytest.mark.parametrize(
    "mistake",
    [
        lambda right, points, centres, k: right(points, centres, k - 1),  # a point is its own first neighbour
        lambda right, points, centres, k: right(centres, points, k),  # the balls of the one set for those of the other
        lambda right, points, centres, k: right(points, np.concatenate([centres, points]), k),  # neighbours in both
    ],
    ids=["itself", "swapped", "both"],
)
def test_a_wrong_version_would_be_found(mistake, monkeypatch):
    right = generation.share_covered
    monkeypatch.setattr(generation, "share_covered", lambda *args: mistake(right, *args))
    with pytest.raises(AssertionError):
        test_points_on_a_line_by_hand()


@pytest.mark.parametrize(
    ("real", "made", "k", "message"),
    [
        (np.zeros((9, 2)), np.zeros((8, 2)), 3, r"as many made points as real ones.*\(8, 2\) and \(9, 2\)"),
        (np.zeros((9, 2)), np.zeros((9, 3)), 3, r"with as many features, got \(9, 3\) and \(9, 2\)"),
        (np.zeros((3, 2)), np.zeros((3, 2)), 3, "with k = 3 each set needs more than 3 points, got 3"),
        (np.zeros(9), np.zeros(9), 3, r"expects real of shape \(N, D\), got \(9,\)"),
        (np.zeros((9, 2)), np.zeros((9, 2, 2)), 3, r"expects made of shape \(N, D\), got \(9, 2, 2\)"),
        (np.zeros((9, 2)), np.full((9, 2), np.nan), 3, "expects finite made, got NaN"),
        (np.zeros((9, 2)), np.zeros((9, 2)), 0, "needs as its k a whole number from 1 upwards, got 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(real, made, k, message):
    with pytest.raises(ValueError, match=message):
        precision_and_recall(real, made, k)
    if real.ndim == 2 and real.shape == made.shape and k:
        with pytest.raises(TypeError, match="expects real to be an array"):
            precision_and_recall(real.astype(int), made, k)
