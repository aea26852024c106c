"""The model on one screen and a half: it trains, and says between which numbers its loss lies."""

from __future__ import annotations

import re

import tiny_vae


def test_the_loss_on_test_images_lies_between_the_floor_and_one_mean_image(capsys):
    tiny_vae.main()
    printed = capsys.readouterr().out
    floor, mean_image = map(float, re.search(r"floor ([\d.]+), one mean image ([\d.]+)", printed).groups())
    loss, reconstruction, kl = map(
        float, re.search(r"loss ([\d.]+) = reconstruction ([\d.]+) \+ kl ([\d.]+)\n", printed).groups()
    )
    # the mean over 300 images has a sampling error of some 0.3 nats: five of them below the mean image, and a KL that
    # says more about an image than chance (an encoder that says nothing has 0)
    assert floor < loss < mean_image - 1.5 and kl > 1
    assert abs(loss - reconstruction - kl) < 0.02  # each is rounded to two digits
    assert len([line for line in printed.splitlines() if line.startswith("epoch")]) == 30
    assert len(printed.rsplit("another\n", 1)[1].splitlines()) == 8  # pictures of 8 rows
