from __future__ import annotations

import numpy as np
import pytest

from scratchnn import Bernoulli, data
from scratchnn.data import Images
from scratchnn.evaluation import bernoulli_floor, entropy, mean_image_loss


def test_entropy_by_hand():
    np.testing.assert_allclose(entropy(np.array([0, 0.5, 1, 0.25])), [0, np.log(2), 0, np.log(4) - 0.75 * np.log(3)])


def test_floor_and_mean_image_are_losses_of_decoders(rng):
    """The floor is the loss of a decoder that shows each image itself; the other that of one that shows the mean."""
    images = Images(rng.integers(1, 16, (1203, 6)).astype(np.uint8), 16)
    x = images.pixels / 16
    for p, value in ((x, bernoulli_floor(images)), (np.broadcast_to(x.mean(axis=0), x.shape), mean_image_loss(images))):
        np.testing.assert_allclose(-Bernoulli().forward(np.log(p / (1 - p)), x).mean(), value, rtol=1e-12)


@pytest.mark.parametrize(
    "name, part, floor, mean_image",
    [
        ("mnist", "train", 45.75, 206.03),
        ("mnist", "test", 45.53, 205.65),
        ("fashion-mnist", "test", 189.86, 385.00),
        ("frey-face", "train", 337.25, 351.93),
    ],
)
def test_the_floors_of_the_real_data(name, part, floor, mean_image, real_data):
    images = getattr(data.load(name), part)
    assert bernoulli_floor(images) == pytest.approx(floor, abs=0.005)
    assert mean_image_loss(images) == pytest.approx(mean_image, abs=0.005)
