"""The lecture on the drawn graph: its gradients by another formula, its counts by hand, and an array that counts."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from lectures import run
from matplotlib.image import imread

from scratchnn.scripts.thesis import thesis_vae


@pytest.fixture(scope="module")
def lecture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    names, printed = run("backward_on_a_graph", folder, SMALL=(1, 2))
    return names, printed, folder


def by_hand() -> dict[str, float]:
    """The gradients of loss = (tanh(w x + b) w − t)², as one would write them down."""
    x, w, b, t = 3.0, 0.4, -0.5, 0.8
    y, slope = math.tanh(w * x + b), 1 / math.cosh(w * x + b) ** 2
    e = y * w - t
    da = 2 * e * w * slope
    return {"loss": 1, "e": 2 * e, "s": 2 * e, "y": 2 * e * w, "a": da, "p": da, "b": da, "x": da * w, "t": -2 * e,
            "w": 2 * e * (y + w * x * slope)}  # fmt: skip


def test_the_gradients_of_all_nodes_are_right(lecture):
    """By hand to a few roundings of numbers near 1. The differences measure to h² L‴/6 with |L‴| = 30 for w, the
    largest, 5e-10, and a rounding of 1e-16 divided by h = 1e-5."""
    names, printed, _ = lecture
    gradients = {name: node.gradient for name, node in names["graph"].items()}
    assert gradients == pytest.approx(by_hand(), rel=0, abs=1e-14)
    assert names["measured"] == pytest.approx(gradients, rel=0, abs=2e-9)
    rows = re.findall(r"^   d(\w+) += .* = +(\S+)   measured +(\S+)   difference", printed, re.MULTILINE)
    assert {name for name, *_ in rows} == gradients.keys()
    for name, shown, measured in rows:
        assert float(shown) == float(measured) == pytest.approx(gradients[name], abs=6e-5)


def test_the_two_shares_of_w_add_up_and_no_other_value_has_two(lecture):
    names, printed, _ = lecture
    of_w = {f: share for (q, f), share in names["wires"].items() if q == "w"}
    assert sorted(of_w) == ["p", "s"] and sum(of_w.values()) == pytest.approx(by_hand()["w"], rel=0, abs=1e-14)
    assert of_w["s"] == pytest.approx(by_hand()["s"] * math.tanh(0.7), rel=0, abs=1e-14)
    assert len(names["wires"]) == 10 and len({q for q, _ in names["wires"]}) == 9
    assert "dw is a sum of two: -0.6748 from s and -0.8504 from p" in printed


def test_forward_mode_finds_the_same_and_costs_what_is_said(lecture):
    """Wires on the way to the loss: 6 from x, 7 from w, which is used twice, 5 from b, 2 from t."""
    names, printed, _ = lecture
    for q, duals in names["passes"].items():
        assert duals["loss"][1] == pytest.approx(by_hand()[q], rel=0, abs=1e-14)
        for name, (value, _) in duals.items():
            assert value == names["graph"][name].value
    assert names["passes"].keys() == {"x", "w", "b", "t"}
    assert "reverse mode 10, forward mode 40 (20 on wires" in printed and 6 + 7 + 5 + 2 == 20


def test_the_formulas_are_what_is_counted(lecture):
    """The gradients pass six layers with sums of at most 784 products each, and a rounding is 1.1e-16: 5e-13 of their
    length at the worst, times what cancels in the sums."""
    names, printed, _ = lecture
    for hidden, found in names["counted"].items():
        n, *costs = names["formulas"](names["layers_of"](hidden))
        assert n == thesis_vae(784, hidden, 20, np.random.default_rng(0)).params.size
        assert found == costs[: len(found)]
    assert {hidden: len(found) for hidden, found in names["counted"].items()} == {1: 3, 2: 3, 500: 2}
    assert all(difference < 1e-12 for difference in names["differences"].values())
    assert "costs 1.70 times what the values cost, forward mode 289,903 times" in printed


def test_the_count_of_forward_mode_on_a_network_of_three_numbers(lecture):
    """1 → 1 → 1 → 1, products of one multiplication: two weights and biases below two products, two below one."""
    assert lecture[0]["formulas"]([(1, 1), (1, 1), (1, 1)]) == (6, 3, 5, 6)
    assert lecture[0]["formulas"]([(2, 3), (3, 5)]) == (9 + 20, 6 + 15, 2 * 21 - 6, 9 * 15)


def test_an_array_that_counts(lecture):
    Counted, count = lecture[0]["Counted"], lecture[0]["count"]
    a, b = np.ones((2, 3)), np.ones((3, 5))
    assert count(np.matmul, a, b)[1] == 0
    for left, right in ((a.view(Counted), b), (a, b.view(Counted)), (2 * a.view(Counted), b)):
        product, found = count(np.matmul, left, right)
        assert found == 30 and isinstance(product, Counted) and (product == left[0, 0] * 3).all()
    joined = np.concatenate([a, a.view(Counted)], axis=1)
    assert count(lambda: joined @ np.ones((6, 1)))[1] == 12
    out = np.empty((2, 5))
    assert count(lambda: np.matmul(a.view(Counted), b, out=out))[1] == 30 and (out == 3).all()


def test_what_forward_keeps(lecture):
    """x, the outputs of four ReLUs, z, its noise, the heads, e^log_var − 1, the logits l and e^(−|l|)."""
    names, printed, _ = lecture
    assert names["numbers_kept"] == 784 + 4 * 500 + 20 + 20 + 40 + 20 + 784 + 784
    assert "keeps 4,452 numbers for an image, 1.78 MB for a batch of 100 (the parameters: 5.27 MB)" in printed
    assert names["at_once"] == 2 * (784 + 500)


def test_the_picture(lecture):
    names, _, folder = lecture
    place = names["place"]
    assert place.keys() == names["graph"].keys() and len(set(place.values())) == len(place)
    for q, f in names["wires"]:
        assert place[q][0] < place[f][0] or (place[q][0] == place[f][0] and place[q][1] < place[f][1])
    picture = imread(folder / "backward_on_a_graph.png")
    assert picture.shape[1] > 1000 and np.ptp(picture[..., :3]) > 0.5
