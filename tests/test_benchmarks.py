"""The benchmarks without their peers: taking turns, the check that all compute the same, and the page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT))
from benchmarks import __main__ as benchmarks
from benchmarks import adam, contest, convolution, ours, peers
from benchmarks.bars import BARS, missed, verdict
from benchmarks.contest import DisagreementError, order, race, same_losses, without_dropout
from benchmarks.ours import Ours
from benchmarks.page import bars_text, text_of, write_page
from benchmarks.parts import ALONE, parts
from benchmarks.results import Duels, Growth, Measured, Parts, Race, Sameness, line
from scratchnn import VAE, Autoencoder, Bernoulli, Dense, Dropout, MeanSquaredError, ReLU, Sequential
from scratchnn.data import Images

D, BATCH = 16, 5
ADAM = {"lr": 1e-3, "eps": 1e-8}


def images(n: int = 23) -> Images:
    return Images(np.random.default_rng(0).integers(0, 256, (n, D), dtype=np.uint8), 255)


def vae() -> VAE:
    rng = np.random.default_rng(1)
    encoder = Sequential([Dense(D, 5, rng), ReLU(), Dense(5, 6, rng)])
    return VAE(encoder, Sequential([Dense(3, 4, rng), ReLU(), Dense(4, D, rng)]), Bernoulli(), n_z=3)


def dropping() -> Autoencoder:
    rng = np.random.default_rng(1)
    return Autoencoder(Sequential([Dense(D, 5, rng), Dropout(0.5, rng)]), Sequential([Dense(5, D, rng)]),
                       MeanSquaredError())  # fmt: skip


def test_contestants_take_turns_and_the_first_round_is_not_counted():
    turns: list[tuple[str, int]] = []
    now = 0.0

    def run(name: str, seconds: float) -> Callable[[int], None]:
        def turn(number: int) -> None:
            nonlocal now
            turns.append((name, number))
            now += seconds * 100 if number == 0 else seconds + number

        return turn

    times = race({"A": run("A", 10), "B": run("B", 20)}, 3, "", clock=lambda: now)
    assert turns == [(name, number) for number in range(4) for name in "AB"]
    assert times["A"].tolist() == [11, 12, 13] and times["B"].tolist() == [21, 22, 23]


def test_a_ratio_is_taken_within_a_round():
    # a machine that gets slower by itself: the medians of the times would say 20 ÷ 10
    drift = Race("", "", {"A": np.array([1.0, 20.0, 50.0]), "B": np.array([0.5, 10.0, 100.0])}, ("A",))
    assert drift.ratio("A", "B").tolist() == [2, 2, 0.5]


@pytest.mark.parametrize("threads", [None, 2])
def test_ours_makes_the_steps_of_the_trainer(threads):
    """Against a step written out here: the noise handed in is the noise used."""
    model, one = vae(), Ours(vae(), ADAM, threads)
    x, eps = images()[:BATCH], np.random.default_rng(5).standard_normal((BATCH, 3)).astype(np.float32)
    reconstruction, kl = model.forward(x, eps)
    assert one.step(x, eps) == pytest.approx(float((reconstruction + kl).mean()), rel=1e-5)
    assert not np.array_equal(one.model.params, model.params)


def test_an_epoch_of_ours_has_the_order_that_the_others_are_given():
    seen: list[np.ndarray] = []

    class Watched(Images):
        def __getitem__(self, rows):
            seen.append(rows)
            return super().__getitem__(rows)

    whole = images()
    Ours(vae(), ADAM).epoch(Watched(whole.pixels, whole.max_value), BATCH, seed=7)
    assert np.array_equal(np.concatenate(seen), order(len(whole), 7))


class NotANumber(Ours):
    def step(self, x, eps):
        return float("nan")


def test_contestants_that_agree_pass_and_those_that_do_not_are_named():
    whole = images(40 * BATCH)
    assert same_losses({"one": Ours(vae(), ADAM), "two": Ours(vae(), ADAM, 2)}, whole, BATCH, 3) < 1e-5
    model = vae()
    model.params *= 1.01
    for wrong, step in ((Ours(model, ADAM), 1), (NotANumber(vae(), ADAM), 1), (Ours(vae(), {**ADAM, "lr": 2e-3}), 2)):
        said = rf"in step {step} first has the loss [\d.]+ and second .*: they do not compute"
        with pytest.raises(DisagreementError, match=said):
            same_losses({"first": Ours(vae(), ADAM), "second": wrong}, whole, BATCH, 3)


def test_a_disagreement_ends_the_command_with_a_sentence(monkeypatch, capsys):
    def measure(args: argparse.Namespace) -> list[Measured]:
        same_losses({"here": Ours(vae(), ADAM), "there": NotANumber(vae(), ADAM)}, images(), BATCH, 3)
        return []

    monkeypatch.setitem(benchmarks.BENCHMARKS, "vae", measure)
    with pytest.raises(SystemExit) as stopped:
        benchmarks.main(["--only", "vae"])
    assert str(stopped.value.code).startswith("error: in step 1 here has the loss ")
    assert "nan" in str(stopped.value.code)


def test_nothing_is_dropped_for_the_check_and_the_model_is_left_alone():
    model = dropping()
    x = images()[:BATCH]
    quiet = without_dropout(model)
    with model.evaluating():
        expected = model.forward(x)
    assert np.array_equal(quiet.forward(x), expected)
    assert not np.array_equal(model.forward(x), expected)


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "benchmarks.in_jax", None)  # what import makes of a module that is not there
    found, skipped = peers.peers_at_hand(["jax"], 1)
    assert found == {} and skipped["jax"].startswith("not installed (")
    text = text_of(Race("vae", "Epoch", {"scratchnn": np.ones(2)}, ("scratchnn",), skipped=skipped))
    assert "Skipped: jax, not installed (" in text


def test_a_race_without_peers_has_ours_and_the_floor():
    args = argparse.Namespace(rounds=1, steps=2, threads=2, peers=[])
    result = peers.race_epochs("vae", "Epoch", vae(), images(), args, adam=ADAM, batch_size=BATCH, peers=peers.PEERS)
    assert list(result.times) == ["scratchnn", "scratchnn, 2 threads", peers.FLOOR]
    assert result.ours == ("scratchnn", "scratchnn, 2 threads")
    assert all(times.shape == (1,) and (times > 0).all() for times in result.times.values())
    assert result.note == "An epoch of 10 images, 2 steps of 5."


@pytest.mark.parametrize("make", [vae, dropping])
def test_a_step_has_parts_and_on_several_threads_phases(make):
    args = argparse.Namespace(rounds=2, steps=3, threads=2, peers=[])
    one, several = parts("name", "Step", make(), images(), args, adam=ADAM, batch_size=BATCH)
    assert (one.title, several.title) == ("Step: the parts of a step", "Step: the phases of a step on 2 threads")
    for result, who, names in ((one, "scratchnn", ours.PARTS), (several, "scratchnn, 2 threads", ours.PHASES)):
        assert tuple(result.times[who]) == names
        assert all(times.shape == (6,) and (times > 0).all() for times in result.times[who].values())
    assert set(one.beside) == {peers.FLOOR} and set(several.beside) == {peers.FLOOR, ALONE}
    assert all(seconds > 0 for seconds in (*one.beside.values(), *several.beside.values()))


@pytest.mark.parametrize("option", ["--threads=0", "--rounds=0", "--steps=-1"])
def test_numbers_below_1_are_refused(option, capsys):
    with pytest.raises(SystemExit):
        benchmarks.main([option])
    assert f"argument {option.split('=')[0]}: expected a whole number of at least 1" in capsys.readouterr().err


def test_the_floor_has_the_products_of_a_step(monkeypatch):
    """Forward and both products of backward, less the dx of the lowest layer: three a dense layer, and one fewer."""
    shapes: list[tuple[int, ...]] = []

    class Counted(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
            assert ufunc is np.matmul
            result = np.matmul(*(np.asarray(array) for array in inputs))
            shapes.append(result.shape)
            return result

    model = vae()
    monkeypatch.setattr(ours.np, "ones", lambda shape, dtype: np.zeros(shape, dtype).view(Counted))
    ours.products(model, BATCH)(1)
    dense = [(D, 5), (5, 6), (3, 4), (4, D)]
    expected = [(BATCH, n_out) for _, n_out in dense]
    for n_in, n_out in dense:
        expected += [(n_in, n_out), (BATCH, n_in)]
    expected.remove((BATCH, D))  # once as dx of the lowest layer; it stays as the output of the highest
    assert sorted(shapes) == sorted(expected)


def test_the_ways_of_writing_adam_agree_and_another_does_not():
    rng = np.random.default_rng(0)
    params, grads = (rng.standard_normal(70_000).astype(np.float32) for _ in range(2))

    def stepper(make):
        vectors = adam.Vectors(params, grads)
        return make(vectors).step, vectors.params

    makers = [adam.Adam, adam.WholeAdam, adam.OneLineAdam, lambda model: adam.SharedAdam(model, 2),
              lambda model: adam.SmallBlocks(model, 2)]  # fmt: skip
    assert adam.same_way({str(k): stepper(make) for k, make in enumerate(makers)}, grads) < contest.TOLERANCE
    for other in ({"lr": 0.99e-3}, {"beta1": 0.89}, {"beta2": 0.99}):
        wrong = stepper(lambda model, other=other: adam.Adam(model, **other))
        with pytest.raises(DisagreementError, match="they are not the same optimiser"):
            adam.same_way({"one": stepper(adam.Adam), "other": wrong}, grads)


@pytest.mark.parametrize("wrong", [None, 0, 1, 2, 3])
def test_a_layer_whose_twin_returns_something_else_is_not_timed(wrong):
    """y, dx, dW or db of a made-up peer is off by a hundredth, or NaN."""
    rng = np.random.default_rng(0)
    layer, x, dy = Dense(4, 3, rng, b=0.5), rng.random((5, 4), np.float32), rng.random((5, 3), np.float32)

    class Peer:
        @staticmethod
        def layer_stepper(layer, x, dy, need_dx):
            results = [layer.forward(x), layer.backward(dy), layer.dW.copy(), layer.db.copy()]
            if wrong is not None:
                results[wrong] = results[wrong] * (np.nan if wrong == 1 else 1.01)
            return lambda: results

    if wrong is None:
        assert all(times.shape == (1,) for times in convolution.duel(Peer, layer, x, dy, True, 1))
        return
    with pytest.raises(DisagreementError, match=f"have another {('y', 'dx', 'W', 'b')[wrong]}"):
        convolution.duel(Peer, layer, x, dy, True, 1)


def test_the_fit_finds_a_line_and_says_how_far_others_are_from_it():
    sizes = [1, 2, 5, 9]
    a, b, off = line(sizes, 3 + 2 * np.array(sizes, float))
    assert (a, b) == (pytest.approx(3), pytest.approx(2)) and off < 1e-12
    assert line(sizes, np.array(sizes, float) ** 2)[2] > 0.2


def made_up(ratio: float) -> list[Measured]:
    """Races in which ours needs `ratio` times as long as each of the others, and one result of every other kind."""
    names = list(dict.fromkeys(bar.race for bar in BARS))
    races = [
        Race(name, f"Race of {name}", {"scratchnn": np.array([ratio, 2 * ratio, 3 * ratio]),
             **{bar.rival: np.array([1.0, 2.0, 3.0]) for bar in BARS if bar.race == name}}, ("scratchnn",), "A note.",
             disagreement=2e-6, skipped={"jax": "not installed (No module named 'jax')"})
        for name in names
    ]  # fmt: skip
    times = {"scratchnn": {"data": np.array([1e-3]), "forward": np.array([3e-3])}}
    return [
        *races, Parts("vae", "The VAE", times, {peers.FLOOR: 2e-3}),
        Sameness("The same steps", (1, 2), (0, 3e-7), (0, 4e-3), (True, True)),
        Duels("tried", "Pairs", "one", "other", {"a pair": (np.array([1e-3, 2e-3]), np.array([2e-3, 4e-3]))},
              predicted={"a pair": "0.4"}),
        Growth("A step", "images", [1, 2, 4], np.array([[1, 1.1], [2, 2.1], [4, 4.1]]), np.array([5e6, 6e6, 8e6])),
        Growth("A step", "threads", [1, 2], np.array([[4.0, 4.0], [2.0, 1.0]]), linear=False),
    ]  # fmt: skip


def test_a_bar_is_met_or_missed_and_a_missed_hope_is_explained():
    for ratio, words in ((0.2, "met, and the hope as well"), (10.0, "**missed**")):
        races = [result for result in made_up(ratio) if isinstance(result, Race)]
        bar = next(bar for bar in BARS if bar.hope is not None)
        assert verdict(bar, races) == (f"{ratio:.2f} ({ratio:.2f}–{ratio:.2f})", words)
    assert missed([result for result in made_up(0.2) if isinstance(result, Race)]) == []
    text = bars_text(made_up(10.0))
    assert "A step of `scratchnn` spends its 4.00 ms on forward 75 %, data 25 %" in text
    assert "*The same training on 1, 2 threads*: the gradient of a step differs by 3e-07 of its norm" in text
    assert "every number of them ends with the same bits again" in text
    hardest = min(limit for bar in BARS if bar.race == "vae" for limit in (bar.bar, bar.hope))
    assert f"*Race of vae*: for all that is asked and hoped for, {100 * (1 - hardest / 10):.0f} % of the time" in text
    assert "the matrix products alone need 50 %" in text
    assert bars_text([]).count("not measured") == len(BARS)


def test_the_furthest_from_a_line_is_told_of_what_should_be_one():
    def growth(quantity: str, bend: float, linear: bool = True) -> Growth:
        sizes = np.array([1.0, 2.0, 3.0])
        return Growth("A step", quantity, list(sizes), (sizes + bend * (sizes == 2))[:, None], sizes, linear)

    off = line([1, 2, 3], np.array([1, 2.5, 3]))[2]
    assert 0.05 < off < 0.2
    text = bars_text([growth("images", 0), growth("parameters (width)", 0.5), growth("threads", 9, linear=False),
                      growth("latent dimensions", 9)])  # fmt: skip
    assert f"a line through the medians is off by {100 * off:.0f} % of the time and 0 % of the memory" in text


def test_other_bits_in_a_second_run_are_told():
    other = Sameness("The same steps", (1, 2), (0, 0), (0, 0), (True, False))
    assert "**the bits differ**" in bars_text([other]) and text_of(other).count("**other bits**") == 1


def written(tmp_path: Path, measured: Sequence[Measured]) -> str:
    args = argparse.Namespace(page=tmp_path / "docs/performance.md", rounds=3)
    files = write_page(measured, args, "A processor.", ["Note: X=1 is set."], " --rounds 3")
    assert all(path.stat().st_size for path in files)
    return args.page.read_text(encoding="utf-8")


def test_the_page_has_what_was_measured_and_nothing_else(tmp_path):
    page = written(tmp_path, made_up(0.5))
    for text in (
        "`python -m benchmarks --rounds 3`", "A processor.", "Note: X=1 is set.", "### Race of vae",
        "Largest disagreement in the check, relative: 2e-06", "Skipped: jax, not installed (No module named 'jax').",
        "![Times of all contestants](figures/performance-races.png)", "| 0.50 (0.50–0.50) |",
        "Memory: 4 + 1 × size MB, off by 0 % at the most.", " 0.50 (0.50–0.50) |       0.4 |", "0.38 (0.25–0.50)",
    ):  # fmt: skip
        assert text in page, text
    assert {path.name for path in (tmp_path / "docs/figures").iterdir()} == {
        "performance-races.png",
        "performance-growth.png",
    }
    for row in (row for row in page.splitlines() if row.startswith("|")):
        assert row.endswith("|")


def test_the_texts_written_by_hand_have_no_measured_numbers(tmp_path):
    text = written(tmp_path, [])
    assert "performance-races.png" not in text and "not measured" in text
    assert " ms" not in text and " MB" not in text and "×" not in text
