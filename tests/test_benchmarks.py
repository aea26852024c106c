"""The benchmarks without their peers: processes and their deaths, the check that all compute the same, and the page."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT))
from benchmarks import __main__ as benchmarks
from benchmarks import adam, machine, ours, page
from benchmarks.bars import BARS, ratios, verdict
from benchmarks.contest import TOLERANCE, Contest, DisagreementError, Task, agreement, hold, order, without_dropout
from benchmarks.contestants import FAST, FLOOR, NUMPY, NUMPY_FORMS, everybody
from benchmarks.ours import AdamAlone, Ours, Products
from benchmarks.results import Race, quartiles
from benchmarks.worker import Entry
from scratchnn import VAE, Autoencoder, Bernoulli, Dense, Dropout, MeanSquaredError, ReLU, Sequential, compiled
from scratchnn.data import Images

D, BATCH = 16, 5
OURS = Entry("benchmarks.ours:Ours", {}, NUMPY_FORMS)
ADAM = {"lr": 1e-3, "eps": 1e-8}

PLANTED = """
import os, time
from pathlib import Path
import numpy as np
from benchmarks.ours import Ours

class Planted:
    def __init__(self, task, name="", log="", wrong=1.0, abort_in=None):
        self.ours, self.name, self.log, self.wrong, self.abort_in = Ours(task), name, log, wrong, abort_in
    def describe(self):
        return "planted"
    def step(self, x, eps):
        print("what a framework prints")
        return self.ours.step(x, eps) * self.wrong
    def epoch(self, number):
        if number == self.abort_in:
            os.abort()
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{self.name}{number} ")
        time.sleep(1 if number == 0 else 0.1)
"""


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


def task(model: Any = None, n: int = 23, **adam: float) -> Task:
    return Task(model or vae(), images(n), BATCH, ADAM | adam, 1)


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A contestant of the tests, which other processes can import."""
    (tmp_path / "planted.py").write_text(PLANTED, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return lambda **options: Entry("planted:Planted", options)


def held(entries: Mapping[str, Entry], rounds: int = 1, model: Any = None, in_parts: tuple[str, ...] = ()) -> Race:
    contest = Contest("thesis", "Race", task(model), entries, in_parts)
    return hold(contest, rounds, machine.environment(1))


def test_contestants_take_turns_and_the_first_round_is_not_counted(planted, tmp_path):
    log = tmp_path / "log"
    race = held({name: planted(name=name, log=str(log)) for name in "AB"}, rounds=2)
    assert log.read_text(encoding="utf-8").split() == ["A0", "B0", "A1", "B1", "A2", "B2"]
    for times in race.times.values():
        turns = race.steps * times
        assert turns.shape == (2,) and turns.min() >= 0.1 and turns.max() < 0.5


def test_who_crashes_is_named_and_left_out_and_the_others_go_on(planted):
    race = held({
        "ours": OURS, "crashes": planted(abort_in=1), "is not there": Entry("benchmarks.in_nothing:Nothing"),
        "takes no such option": planted(colour="red"),
    })  # fmt: skip
    assert list(race.times) == ["ours"] and race.times["ours"].shape == (1,)
    assert race.skipped["crashes"] == f"ended by {signal.SIGABRT.name}"
    assert race.skipped["is not there"] == "ModuleNotFoundError: No module named 'benchmarks.in_nothing'"
    assert "unexpected keyword argument 'colour'" in race.skipped["takes no such option"]
    assert "Left out of Race: crashes (ended by SIGABRT)." in page.race_text(race)
    nobody = held({"alone": Entry("benchmarks.in_nothing:Nothing")})
    assert not nobody.times and "Left out of Race: alone" in page.race_text(nobody)


def test_who_computes_something_else_ends_the_race(planted):
    for wrong in (1.01, float("nan")):
        with pytest.raises(DisagreementError, match="in step 1 ours and other differ by"):
            held({"ours": OURS, "other": planted(wrong=wrong)})


def test_a_race_of_ours_has_the_floor_and_parts_of_a_step():
    entries = everybody(argparse.Namespace(threads=2, peers=[]))
    assert list(entries) == [NUMPY, f"{NUMPY}, --threads 2", FAST, f"{FAST}, --threads 2", FLOOR]
    race = held({NUMPY: entries[NUMPY], f"{NUMPY}, --threads 2": entries[f"{NUMPY}, --threads 2"],
                 FLOOR: entries[FLOOR]}, model=dropping(), in_parts=(NUMPY, FAST))  # fmt: skip
    assert list(race.times) == [NUMPY, f"{NUMPY}, --threads 2", FLOOR] and not race.skipped
    assert all(times.shape == (1,) and (times > 0).all() for times in race.times.values())
    assert list(race.parts) == [NUMPY] and race.parts[NUMPY].shape == (4,) and (race.parts[NUMPY] > 0).all()
    assert race.kernels[NUMPY].startswith(f"NumPy {np.__version__} with ")
    assert race.steps == 5 and race.disagreement < 1e-5


def test_no_contestant_inherits_what_holds_openblas_back(monkeypatch):
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OPENBLAS_VERBOSE"):
        monkeypatch.setenv(name, "7")
    own = {name: value for name, value in machine.environment(2).items() if name.startswith("OPENBLAS_")}
    assert own == {"OPENBLAS_NUM_THREADS": "2"}
    assert machine.environment(2, held=True)["OPENBLAS_CORETYPE"] == "Haswell"


@pytest.mark.parametrize("name", ["OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "XLA_FLAGS", "ONEDNN_MAX_CPU_ISA"])
def test_no_page_is_written_where_a_contestant_is_held_back(name, monkeypatch, tmp_path, capsys):
    for variable in machine.holding():
        monkeypatch.delenv(variable.split("=")[0])
    monkeypatch.setenv(name, "x")
    monkeypatch.setattr(benchmarks, "hold_all", lambda *args: [])
    monkeypatch.setattr(benchmarks, "AVX512", [])
    with pytest.raises(SystemExit) as stopped:
        benchmarks.main(["--page", str(tmp_path / "page.md")])
    assert stopped.value.code == f"error: {name}=x holds a contestant back, so no page is written: unset it"
    benchmarks.main(["--only", "adam"])
    assert f"Note: {name}=x is set" in capsys.readouterr().out
    monkeypatch.delenv(name)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # a number of threads, which every contestant is told anyway
    benchmarks.main(["--page", str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").exists()


def test_loops_that_are_not_in_use_are_no_contestant(monkeypatch):
    monkeypatch.setenv(compiled.VARIABLE, "1")
    with compiled.numpy_forms(), pytest.raises(SystemExit, match="Numba is not installed"):
        Ours(task())


def test_a_disagreement_ends_the_command_with_a_sentence(monkeypatch, planted):
    entries = {"here": OURS, "there": planted(wrong=2.0)}
    monkeypatch.setitem(benchmarks.CONTESTS, "thesis", lambda args: iter([Contest("thesis", "Race", task(), entries)]))
    with pytest.raises(SystemExit) as stopped:
        benchmarks.main(["--only", "thesis"])
    assert str(stopped.value.code).startswith("error: in step 1 here and there differ by 1 of the result")


@pytest.mark.parametrize("option", ["--threads=0", "--rounds=0", "--steps=-1"])
def test_numbers_below_1_are_refused(option, capsys):
    with pytest.raises(SystemExit):
        benchmarks.main([option])
    assert f"argument {option.split('=')[0]}: expected a whole number of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("threads", [1, 2])
def test_ours_makes_the_steps_of_the_trainer(threads):
    """Against a step written out here: the noise handed in is the noise used."""
    model, one = vae(), Ours(task(), threads)
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
    Ours(replace(task(), images=Watched(whole.pixels, whole.max_value))).epoch(seed=7)
    assert np.array_equal(np.concatenate(seen), order(len(whole), 7))


class InProcess:
    """In the place of a field: contestants that are here."""

    def __init__(self, **contestants: Any) -> None:
        self.contestants = contestants

    def each(self, method: str, *args: Any) -> dict[str, tuple[Any, float]]:
        return {name: (getattr(one, method)(*args), 0.0) for name, one in self.contestants.items()}


def test_contestants_that_agree_pass_and_those_that_do_not_are_named():
    inputs = list(Contest("", "", task(n=40 * BATCH), {}).inputs())
    assert agreement(InProcess(one=Ours(task()), two=Ours(task(), 2), floor=Products(task())), inputs) < 1e-5
    model = vae()
    model.params *= 1.01
    for wrong, step in ((Ours(task(model)), 1), (Ours(task(lr=2e-3)), 2)):
        with pytest.raises(DisagreementError, match=f"in step {step} first and second differ by"):
            agreement(InProcess(first=Ours(task()), second=wrong), inputs)


def test_adam_on_two_threads_agrees_and_another_adam_does_not():
    contest = adam.OfOptimisers("", "", task(), {})
    alone = AdamAlone(task())
    assert agreement(InProcess(one=alone, two=AdamAlone(replace(task(), threads=2))), contest.inputs()) < TOLERANCE
    alone.epoch(0)
    assert alone.optimiser.t == 25
    wrong = [AdamAlone(task(lr=0.99e-3)), AdamAlone(task()), AdamAlone(task())]
    wrong[1].optimiser.beta1, wrong[2].optimiser.beta2 = 0.89, 0.99
    for other in wrong:
        with pytest.raises(DisagreementError):
            agreement(InProcess(one=AdamAlone(task()), other=other), contest.inputs())


def test_nothing_is_dropped_for_the_check_and_the_model_is_left_alone():
    model = dropping()
    x = images()[:BATCH]
    quiet = without_dropout(model)
    with model.evaluating():
        expected = model.forward(x)
    assert np.array_equal(quiet.forward(x), expected)
    assert not np.array_equal(model.forward(x), expected)


def test_the_floor_has_the_products_of_a_step(monkeypatch):
    """Forward and both products of backward, less the dx of the lowest layer: three a dense layer, and one fewer."""
    shapes: list[tuple[int, ...]] = []

    class Counted(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
            assert ufunc is np.matmul
            result = np.matmul(*(np.asarray(array) for array in inputs))
            shapes.append(result.shape)
            return result

    monkeypatch.setattr(ours.np, "ones", lambda shape, dtype: np.zeros(shape, dtype).view(Counted))
    Products(task(n=BATCH)).epoch(0)
    dense = [(D, 5), (5, 6), (3, 4), (4, D)]
    expected = [(BATCH, n_out) for _, n_out in dense]
    for n_in, n_out in dense:
        expected += [(n_in, n_out), (BATCH, n_in)]
    expected.remove((BATCH, D))  # once as dx of the lowest layer; it stays as the output of the highest
    assert sorted(shapes) == sorted(expected)


def race_of(name: str, times: Mapping[str, list[float]]) -> Race:
    seconds = {who: 1e-3 * np.array(values) for who, values in times.items()}
    parts = {FAST: 1e-3 * np.array([1.0, 2.0, 3.0, 4.0])}
    return Race(name, f"Race of {name}", 7, seconds, parts, dict.fromkeys(times, "a kernel"), {"JAX": "gone"}, 2e-6)


def made_up(ratio: float) -> dict[str, Race]:
    """Races in which ours with loops needs `ratio` times as long as each of the others, and NumPy alone twice that."""
    races = {}
    for name in dict.fromkeys(bar.race for bar in BARS):
        rivals = {bar.rivals[0]: [1.0, 2.0, 3.0] for bar in BARS if bar.race == name}
        mine = {f"{NUMPY}, --threads 2": 2 * ratio, NUMPY: 9 * ratio, FAST: ratio}
        races[name] = race_of(name, {who: [k, 2 * k, 3 * k] for who, k in mine.items()} | rivals)
    return races


def test_a_ratio_is_taken_within_a_round():
    # a machine that gets slower by itself: the medians of the times would say 20 ÷ 10
    drift = race_of("", {"A": [1.0, 20.0, 50.0], "B": [0.5, 10.0, 100.0]})
    assert drift.ratio("A", "B").tolist() == [2, 2, 0.5]
    assert quartiles(np.array([1.0, 2.0, 3.0, 4.0, 100.0])) == "3.00 (2.00–4.00)"


def test_the_fastest_of_ours_is_held_against_the_fastest_rival():
    bar = next(bar for bar in BARS if bar.race == "no-dropout")
    race = race_of(bar.race, {FAST: [4.0], f"{FAST}, --threads 2": [2.0], "PyTorch, x": [9.0], "TensorFlow": [8.0],
                              "JAX, jit": [1.0]})  # fmt: skip
    assert ratios(bar, FAST, {bar.race: race}) == [0.25]
    assert ratios(bar, NUMPY, {bar.race: race}) is None and ratios(bar, FAST, {}) is None
    for measured, words in ((bar.hope, "met, the hope as well"), (bar.bar, "met"), (2 * bar.bar, "**missed**")):
        assert verdict(bar, np.array([measured])) == words
    assert verdict(bar, None) == "not measured"


def written(tmp_path: Path, runs_of: Mapping[str, Mapping[str, Race]]) -> str:
    args = argparse.Namespace(page=tmp_path / "docs/performance.md", rounds=3)
    files = page.write_page(runs_of, args, "A processor", " --rounds 3")
    assert all(path.stat().st_size for path in files)
    return args.page.read_text(encoding="utf-8")


def test_the_page_has_what_was_measured(tmp_path):
    text = written(tmp_path, {"ratio": made_up(0.5)})
    fast, numpy_alone, rest = re.split("## NumPy alone|## The times", text)
    assert fast.count("0.50 (0.50–0.50)") == len(BARS) == numpy_alone.count("1.00 (1.00–1.00)")
    assert "Race of thesis: with [fast] ÷ NumPy alone" in numpy_alone and "0.50 (0.50–0.50)" in numpy_alone
    for found in ("`python -m benchmarks --rounds 3`", "A processor.", "scratchnn", "a kernel."):
        assert found in fast.split("## With")[0]
    for found in ("Left out of Race of dense: JAX (gone).", "Race of thesis 7", "disagreement in the check: 2e-06",
                  "1.00 |    2.00 |     3.00 | 4.00 | 10.00 |", "(figures/performance-races.png)"):  # fmt: skip
        assert found in rest, found
    assert [path.name for path in (tmp_path / "docs/figures").iterdir()] == ["performance-races.png"]
    assert all(row.endswith("|") for row in text.splitlines() if row.startswith("|"))
    assert len(text.splitlines()) < 130


@pytest.mark.parametrize("found", [[], ["X86_V4"]])
def test_the_page_says_whether_there_was_a_held_run(found, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "AVX512", found)
    text = written(tmp_path, {"ratio": made_up(0.5)} | ({"held to AVX2": made_up(3.0)} if found else {}))
    assert ("would be the same run" in text) == (not found)
    assert text.count("3.00 (3.00–3.00)") == (len(BARS) if found else 0)
    assert "missed" not in text  # the first run decides


def test_the_texts_written_by_hand_have_no_measured_numbers(tmp_path):
    text = written(tmp_path, {"ratio": {}})
    assert "performance-races.png" not in text and text.count("not measured") == len(BARS)
    for by_hand in (page.INTRO, page.FAST_TEXT, page.NUMPY_TEXT, page.TIMES_TEXT, page.PARTS_TEXT, page.REMEDY):
        assert not re.search(r"\d", by_hand)
