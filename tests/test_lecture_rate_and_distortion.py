"""Rate and distortion: what the lecture says of its numbers, in a short form."""

from __future__ import annotations

import numpy as np
import pytest
from lectures import run

from scratchnn.training import warm_up


@pytest.fixture(scope="module")
def lecture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lecture")
    names, printed = run(
        "rate_and_distortion", folder, FIRST=40, OWN=20, BETAS=(0.1, 1, 3, 10), EPOCHS=30, RISING=10, SEEDS=1
    )
    assert (folder / "rate_and_distortion.png").exists() and "figure:" in printed
    return names, printed


def test_a_higher_price_buys_a_lower_rate_with_distortion(lecture):
    names, _ = lecture
    assert (np.diff(names["rate"]) < 0).all() and (np.diff(names["rate_test"]) < 0).all()
    assert (np.diff(names["distortion"]) > 0).all()
    assert names["saved"][0] > 0 and (np.diff(names["saved"]) > 0).all()
    assert names["distortion_test"][0] > names["distortion"][0]
    assert (names["rate"] + names["distortion"]).argmin() == names["BETAS"].index(1)


def test_the_rate_and_its_parts_are_those_of_the_networks(lecture):
    names, _ = lecture
    for rate, split in zip(names["rate"], names["splits"], strict=True):
        assert split.rate == pytest.approx(rate, rel=1e-5)  # the one in float64, the other in float32
        assert split.information + split.to_prior == pytest.approx(split.rate)
        assert split.information < np.log(len(names["training"])) and split.to_prior > -5 * split.error
    assert names["splits"][0].to_prior > names["splits"][1].to_prior > 0.1


def test_the_latent_space_collapses_into_one_mean_image(lecture):
    names, _ = lecture
    assert names["active"][0] == 10 > names["active"][-1]
    assert names["rate"][-1] < 0.1 < names["rate"][-2]
    assert names["distortion"][-1] == pytest.approx(names["mean_image"], abs=0.5)


def test_both_trainings_of_the_warm_up_end_with_the_same_weight(lecture):
    names, printed = lecture
    weight = warm_up(names["FINAL"], 10)
    assert [weight(epoch) for epoch in (1, 6, 11, 30)] == [0, 1, 2, 2]
    assert printed.count("epoch 30/30   beta 2") == 2
    assert names["warmed_up"][0][1] > names["at_once"][0][1]  # rate
    assert names["warmed_up"][0][2] < names["at_once"][0][2]  # loss
