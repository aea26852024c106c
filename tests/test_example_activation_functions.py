from __future__ import annotations

import activation_functions
import numpy as np
from matplotlib.figure import Figure

from scratchnn.scripts import figures


def test_every_curve_is_the_function_it_is_named_after_and_its_slope(tmp_path, monkeypatch):
    drawn: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, path: drawn.append(figure))
    activation_functions.main(["--out", str(tmp_path)])
    by_hand = {
        "Step": lambda x: x >= 0,
        "Identity": lambda x: x,
        "Tanh": np.tanh,
        "ReLU": lambda x: x * (x > 0),
        "Softplus": lambda x: np.log(1 + np.exp(x)),
        "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "Exponential": np.exp,
    }
    places = [place for place in drawn[0].axes if place.get_title()]
    assert [place.get_title() for place in places] == list(by_hand)
    for place in places:
        (x, y), (_, slope) = (line.get_data() for line in place.lines[:2])
        f = by_hand[place.get_title()]
        np.testing.assert_allclose(y, f(x), atol=1e-12)
        smooth = np.abs(x) > 0.005  # a kink or a jump has no slope
        h = 1e-6
        np.testing.assert_allclose(slope[smooth], ((f(x + h) * 1.0 - f(x - h)) / (2 * h))[smooth], atol=1e-7)


def test_the_figure_is_written(tmp_path):
    activation_functions.main(["--out", str(tmp_path)])
    assert (tmp_path / "activation_functions.png").stat().st_size > 10_000
