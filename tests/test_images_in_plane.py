"""Images in the plane: which are shown, and where."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scratchnn import data
from scratchnn.scripts.figures import images_in_plane, overlap, without_overlap


def brute_force(centres, width, height) -> list[int]:
    """Each in turn, against all that are shown."""
    shown: list[int] = []
    for row, (x, y) in enumerate(centres):
        if all(abs(x - centres[k][0]) >= width or abs(y - centres[k][1]) >= height for k in shown):
            shown.append(row)
    return shown


@pytest.mark.parametrize("width, height", [(0.3, 0.3), (0.1, 0.4), (2.0, 1.0), (1e3, 1e3)])
def test_what_is_shown_is_what_comparing_all_with_all_shows(width, height, rng):
    centres = rng.normal(size=(500, 2)) * (1, 3) - (0.5, 0)
    rows = without_overlap(centres, width, height)
    assert rows.tolist() == brute_force(centres, width, height)
    for a, b in itertools.combinations(rows, 2):
        assert not overlap(centres[a], centres[b], width, height)
    for row in set(range(500)) - set(rows.tolist()):  # and there is no room for another
        assert any(overlap(centres[row], centres[k], width, height) for k in rows)


def test_every_image_shown_lies_around_its_own_code(rng):
    images = data.load("digits").test[:]
    codes = rng.normal(size=(len(images), 2))
    figure = images_in_plane(codes, images, (8, 8), "digits")
    shown = figure.axes[0].images
    assert 100 < len(shown) < len(images)
    centres = []
    for picture in shown:
        left, right, bottom, top = picture.get_extent()
        centre = np.array([(left + right) / 2, (bottom + top) / 2])
        (row,) = np.flatnonzero(np.abs(codes - centre).max(axis=1) < 1e-9)
        np.testing.assert_array_equal(picture.get_array(), images[row].reshape(8, 8))
        centres.append(centre)
    width, height = right - left, top - bottom
    assert width == pytest.approx(height)
    for a, b in itertools.combinations(centres, 2):
        assert not overlap(a, b, width * (1 - 1e-9), height * (1 - 1e-9))
    assert f"{len(shown)} of 300 images shown" in figure.get_suptitle()
    low, high = codes.min(axis=0), codes.max(axis=0)
    axes = figure.axes[0]
    assert axes.get_xlim()[0] < low[0] and axes.get_ylim()[1] > high[1]  # none is cut at the edge


def test_images_that_are_no_squares_and_codes_that_are_all_the_same(rng):
    images = rng.random((4, 6))
    codes = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    picture = images_in_plane(codes, images, (3, 2), "").axes[0].images[0]
    left, right, bottom, top = picture.get_extent()
    assert (top - bottom) / (right - left) == pytest.approx(1.5)
    assert len(images_in_plane(np.zeros((4, 2)), images, (3, 2), "").axes[0].images) == 1
