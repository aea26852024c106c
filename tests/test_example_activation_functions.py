from __future__ import annotations

import re

import activation_functions
import numpy as np
import pytest
from matplotlib.figure import Figure

from scratchnn.scripts import figures


def test_every_curve_is_the_function_it_is_named_after_and_its_slope(tmp_path, monkeypatch):
    drawn: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, path, settings: drawn.append(figure))
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


@pytest.mark.parametrize("row", activation_functions.TABLE, ids=lambda row: type(row[0]).__name__)
def test_the_table_says_what_the_layers_compute(row):
    """The formulas as printed, run: e^−x and y², and a value from each end of the range, which never leaves it."""
    layer, formula, slope, values = row
    x = np.linspace(-30, 30, 601)
    x = x[np.abs(x) > 1e-9]  # a kink or a jump has no slope
    y, dx = layer.forward(x), layer.backward(np.ones_like(x))
    for text, found in ((formula, y), (slope, dx)):
        for symbols, code in (("−", "-"), ("e^x", "exp(x)"), ("e^-x", "exp(-x)"), ("y²", "y*y"), ("y (", "y*("),
                              ("max(0, x)", "maximum(0, x)"), ("≥", ">=")):  # fmt: skip
            text = text.replace(symbols, code)
        if " if " in text:
            yes, condition, no = re.fullmatch(r"(.*) if (.*), else (.*)", text).groups()
            text = f"where({condition}, {yes}, {no})"
        names = {"x": x, "y": y, "exp": np.exp, "log": np.log, "where": np.where, "maximum": np.maximum}
        np.testing.assert_allclose(found, eval(text, names) + 0 * x, rtol=1e-9, atol=1e-12)
    if values == "{0, 1}":
        assert set(y) == {0, 1}
        return
    low, high = (float(end.replace("−", "-").replace("∞", "inf")) for end in values[1:-1].split(", "))
    assert y.min() >= low and y.max() <= high and (values[0] == "[") == (type(layer).__name__ == "ReLU")
    assert y.min() < low + 1e-9 or (low == -np.inf and y.min() < -29)
    assert y.max() > high - 1e-9 or (high == np.inf and y.max() > 29)


def test_the_figure_is_written(tmp_path):
    activation_functions.main(["--out", str(tmp_path)])
    assert (tmp_path / "activation_functions.png").stat().st_size > 10_000
