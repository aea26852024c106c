"""The lecture on pipelines and searches: what it says of its numbers, in a short form."""

from __future__ import annotations

import numpy as np
import pytest
from lectures import run


@pytest.fixture(scope="module")
def lecture(tmp_path_factory):
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("lecture")
    names, printed = run(
        "pipeline_and_search", folder, EPOCHS=12, FOLDS=2, SIZES=(2, 8), SMALL=(2,), LABELS=(20, 60), REPEATS=3
    )
    assert (folder / "pipeline_and_search.png").exists() and "figure:" in printed
    return names, printed


def test_more_draws_and_more_numbers_bring_the_bound_up(lecture):
    names, printed = lecture
    assert names["bounds"][1] < names["bounds"][10] < names["bounds"][100] < 0
    assert names["of_bound"][0] < names["of_bound"][1] and names["of_accuracy"][0] < names["of_accuracy"][1]
    assert "chosen: 8 by the bound, 8 by the accuracy" in printed
    assert names["by_accuracy"].score(names["X_test"], names["y_test"]) > 0.5


def test_the_labelled_images_are_as_many_of_each_class(lecture):
    names, _ = lecture
    for (n, seed), rows in names["rows"].items():
        assert len(set(rows)) == n and (np.bincount(names["y"][rows]) == n // 10).all()
        assert seed == 0 or set(rows) != set(names["rows"][n, 0])


def test_two_numbers_tell_some_of_the_classes_and_the_pixels_more(lecture):
    names, _ = lecture
    mean = {name: shares.mean(axis=1) for name, shares in names["accuracy"].items()}
    assert (mean["VAE, 2 numbers"] > 0.25).all()  # chance: 0.1
    assert (mean["pixels"] > mean["VAE, 2 numbers"] + 0.05).all() and mean["pixels"][1] > mean["pixels"][0]
    for of in ("VAE", "PCA"):
        assert names["features"][f"{of}, 2 numbers"][1].shape == (300, 2)
