"""The two scripts that teach gradients: what they print is parsed, and must be true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import first_backprop
import gradcheck_tour
import numpy as np
import pytest
from conftest import PACKAGE, ROOT
from matplotlib.image import imread
from scripts import fails, succeeds

NUMBER = r"(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"


def numbers(pattern: str, text: str) -> list[list[float]]:
    """The numbers that stand where `pattern` has a #, for every place in the text that it fits."""
    found = re.findall(pattern.replace("#", NUMBER), text)
    return [[float(n) for n in ([match] if isinstance(match, str) else match)] for match in found]


@pytest.fixture
def lecture(capsys) -> str:
    first_backprop.main()
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tour")


@pytest.fixture(scope="module")
def whole_tour(folder) -> str:
    return succeeds(gradcheck_tour.main, "--out", folder)


@pytest.fixture
def tour(whole_tour) -> list[str]:
    """The sections, each at its number."""
    return re.split(r"^(?=\d\. )", whole_tour, flags=re.MULTILINE)


def test_every_product_of_the_lecture_is_right(lecture):
    """To the six digits that are printed; the last is the right gradient, y = tanh(0.8), by another formula."""
    links = numbers(r"\w+ += \w+ +· \[.*\] +# · +# = +#", lecture)
    assert len(links) == 14
    for above, slope, product in links:
        assert product == pytest.approx(above * slope, abs=2e-6)
    da = 2 * (np.tanh(0.8) - 1) / np.cosh(0.8) ** 2
    printed = {name: float(value) for name, value in re.findall(rf"(\w+) += .* = +{NUMBER}\n", lecture)}
    wanted = {"a": 0.8, "loss": (np.tanh(0.8) - 1) ** 2, "dw1": 2 * da, "dw2": -da, "db": da, "dx1": 0.5 * da}
    assert {name: printed[name] for name in wanted} == pytest.approx(wanted, abs=1e-6)


def test_the_lecture_s_two_paths_add_up(lecture):
    """loss = 3q (q + 1) has the slope 6q + 3, 15 at q = 2, and curves by 3·0.001; along one path it does not curve."""
    grown = dict(re.findall(rf"through (\w+).* grows by .*: +{NUMBER} times", lecture))
    assert {path: float(times) for path, times in grown.items()} == {"u": 9, "v": 6, "both": 15.003}
    assert numbers(r"dq += by u \+ by v = # \+ # = #", lecture) == [[9, 6, 15]]


def test_the_lecture_s_gradients_equal_differences_and_the_library_s(lecture):
    measured = numbers(r"by hand +# +measured +# +difference #", lecture)
    layers = numbers(r"by hand +# +layers +# +difference #", lecture)
    assert len(measured) == 3 and len(layers) == 5
    for by_hand, other, difference in measured:
        assert by_hand and abs(by_hand - other) < 2e-9 and difference < 2e-9
    for by_hand, other, difference in layers:
        assert by_hand and by_hand == other and difference < 1e-15
    assert [by_hand == layers for by_hand, layers in numbers(r"by hand # +layers #\n", lecture)] == [True, True]


def test_the_lecture_s_step_does_what_the_gradient_predicts(lecture):
    ((before, after),) = numbers("the loss was # and is #", lecture)
    ((fell,),) = numbers("it fell by #", lecture)
    ((predicted,),) = numbers(r"predict .* = #", lecture)
    assert fell == pytest.approx(before - after, abs=2e-6) and fell == pytest.approx(predicted, rel=0.05)


def test_the_best_steps_are_where_theory_has_them(tour, folder):
    rows = {name: values for name, *values in re.findall(rf"  (\w+, \w+) {' +'.join([' *' + NUMBER] * 4)}\n", tour[1])}
    theory, _, h, error = (
        dict(zip(rows, map(float, column), strict=True)) for column in zip(*rows.values(), strict=True)
    )
    eps = {"float64": 2**-52, "float32": 2**-23}
    orders = {"forward, float64": 1, "central, float64": 2, "Richardson, float64": 4, "central, float32": 2}
    assert rows.keys() == orders.keys()
    for name, order in orders.items():
        assert theory[name] == pytest.approx(eps[name[-7:]] ** (1 / (order + 1)), rel=0.05)
        assert 1 / 30 < h[name] / theory[name] < 30
    assert error["central, float64"] < 1e-8
    assert error["central, float32"] > 1e4 * error["central, float64"]
    assert error["Richardson, float64"] < error["central, float64"] < error["forward, float64"]
    picture = imread(folder / "step_size.png")
    assert picture.shape[1] > 800 and np.ptp(picture[..., :3]) > 0.5
    assert [path.name for path in folder.iterdir()] == ["step_size.png"]


def test_float32_fails_and_is_refused(tour):
    rows = numbers(r"  (?:backward|differences), .* # +#\n", tour[2])
    right, single, double, bad, best = (np.array(row) for row in rows)
    for close, tolerance in ((single, 1e-6), (double, 1e-8), (best, 1e-3)):
        np.testing.assert_allclose(close, right, rtol=tolerance)
    assert np.abs(bad / right - 1).max() > 1e-2
    assert "TypeError: a gradient check needs float64" in tour[2]


def test_a_kink_is_not_judged(tour):
    softplus, *relu = numbers(r"  (?:Softplus|ReLU) +# +# +# +# +# +#\n", tour[3])
    assert softplus[4] == pytest.approx(softplus[3] / 2, rel=0.02)
    assert [row[0] for row in relu] == [-0.5, 0, 3e-6, 0.7]
    assert relu[1] == [0, 0, 1, 1, 1, 0]
    assert relu[2][3] > 0.1 and relu[2][5] == 1
    assert "1 of 4 entries lie on a kink: any value between" in tour[3] and "WRONG" not in tour[3]


def test_the_planted_mistake_is_named(tour):
    assert re.search(r"  db .* WRONG .* ratio 0\.2\n", tour[4]) and len(re.findall("WRONG", tour[4])) == 1
    assert "db: db is exactly 0.2 times the right gradient, everywhere: that is 1/N." in tour[4]


def test_the_wrong_forward_passes_and_its_moments_do_not(tour):
    assert tour[5].count("every gradient agrees with finite differences") == 2 and "WRONG" not in tour[5]
    right, wrong = numbers("variance #, declared # ± #", tour[5])
    assert right[1:] == wrong[1:] == [0.25, 0.0008]
    assert abs(right[0] - 0.25) < 5 * 0.0008
    assert abs(wrong[0] - 0.0625) < 5 * 0.0002


@pytest.mark.usefixtures("no_figures")
def test_the_same_output_each_time(whole_tour, folder, lecture, capsys):
    gradcheck_tour.main(["--out", str(folder)])
    assert capsys.readouterr().out == whole_tour
    first_backprop.main()
    assert capsys.readouterr().out == lecture


@pytest.mark.parametrize("variables", [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
], ids=["ascii", "cp1252", "C"])  # fmt: skip
def test_a_terminal_without_the_signs_of_a_formula_shows_question_marks(variables):
    environment = {**os.environ, **variables, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, ROOT / "examples/first_backprop.py"], env=environment, capture_output=True)
    assert done.returncode == 0 and done.stderr == b""
    assert b"[?loss/?u = v]" in done.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_runs_on_such_a_terminal(path):
    last = path.read_text(encoding="utf-8").partition('if __name__ == "__main__":\n')[2]
    assert last in ("    cli.run(main)\n", "    cli.forgiving_terminal()\n    main()\n")


def test_an_output_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    text = fails(gradcheck_tour.main, "--out", tmp_path / "file" / "run")
    assert re.search(r"^error: cannot write into .* choose another folder with --out$", text)
