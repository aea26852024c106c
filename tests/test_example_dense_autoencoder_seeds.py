"""The dense autoencoders from many seeds: what is measured of a run, parts put together, the document beside them."""

from __future__ import annotations

import json
import shutil

import dense_autoencoder_seeds as script
import numpy as np
import pytest
from conftest import ROOT, draw_nothing
from scripts import fails, succeeds
from shared.documents import NOTEBOOK_LOSSES

from scratchnn import Adam, data
from scratchnn.scripts.student_works import KERAS_EPS, all_images, dense_autoencoder
from scratchnn.training import Trainer
from scratchnn.training.checkpoints import load_model
from scratchnn.training.runs import OptionError

SHORT = ["--epochs", "3", "--batch-size", "32"]


@pytest.fixture(scope="module")
def printed_and_finished(tmp_path_factory):
    """What a short run of the script prints, made in two parts, and its folder."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        succeeds(script.main, *SHORT, "--seeds", 0, "--out", folder)
    return succeeds(script.main, *SHORT, "--codes", 2, "--seeds", 1, "--out", folder), folder


@pytest.fixture(scope="module")
def digits():
    return all_images(data.load("digits"))


def summary(folder) -> dict:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def test_a_run_writes_all_that_it_promises(printed_and_finished):
    printed, folder = printed_and_finished
    names = {"8-seed0", "2-seed0", "2-seed1"}
    assert {path.name for path in folder.iterdir()} == {"summary.json", "losses.png", *names}
    for name in names:
        files = {path.name for path in (folder / name).iterdir()}
        assert files == {"checkpoint.npz", "history.json", "summary.json"}
    assert summary(folder)["settings"]["seeds"] == {"8": [0], "2": [0, 1]}
    one = summary(folder / "2-seed1")
    assert one["experiment"] == "dense-autoencoder-seed" and one["seed"] == 1 and one["document"] == {}
    assert {"code": 2, "epochs": 3, "batch_size": 32, "data": "digits"}.items() <= one["settings"].items()
    assert "k" not in one["figures"]  # the document's losses are those of MNIST
    assert (
        "8 numbers: mean squared error" in printed and printed.count("one run: ") == 1
    )  # 8 numbers, of the first part


def test_the_figures_are_those_of_the_same_training_made_here(printed_and_finished, digits):
    """The network trained in a loop of its own, and what it does with the raw digits."""
    _, folder = printed_and_finished
    x = digits[:]
    for n, seed in ((8, 0), (2, 0), (2, 1)):
        found = summary(folder / f"{n}-seed{seed}")["figures"]
        rng = np.random.default_rng(seed)
        model = dense_autoencoder("relu", n, 64, rng)
        trainer = Trainer(model, Adam(model, lr={8: 5e-4, 2: 1e-3}[n], eps=KERAS_EPS), rng)
        assert found["untrained_mse"] == pytest.approx(np.mean((model.reconstruct(x) - x) ** 2), rel=1e-5)
        used = [(model.encode(x) != 0).mean(axis=0)]
        trainer.fit(digits, epochs=1, batch_size=32)
        used.append((model.encode(x) != 0).mean(axis=0))
        trainer.fit(digits, epochs=3, batch_size=32)
        used.append((model.encode(x) != 0).mean(axis=0))
        np.testing.assert_array_equal(load_model(folder / f"{n}-seed{seed}")[0].params, model.params)
        stages = ("untrained", "after_epoch_1", "at_the_end")
        for stage, shares in zip(stages, used, strict=True):
            np.testing.assert_allclose(found["code_use"][stage], shares, atol=2e-3)
            assert found["dead_code_numbers"][stage] == (shares < 0.01).sum()
        assert found["losses"] == pytest.approx([record["train_loss"] for record in trainer.history], abs=1e-3)
        assert found["final_mse"] == pytest.approx(np.mean((model.reconstruct(x) - x) ** 2), rel=1e-5)
        if n == 2:
            assert found["start"] == ("dead" if used[1].min() < 0.01 else "live")


def test_a_start_is_dead_if_a_number_is_0_for_nearly_all_images_after_the_first_epoch():
    """Before it and after it counts for nothing."""
    live, dead, almost = (np.array(shares) for shares in ([0.97, 0.5], [0.0, 1.0], [1.0, 0.0099]))
    assert [script.kind_of_start([first, last]) for first, last in ((live, dead), (dead, live), (almost, live))] == [
        "live", "dead", "dead",
    ]  # fmt: skip


def test_the_document_s_epochs_begin_where_a_run_first_passes_its_first_loss():
    """3181.5 is passed in epoch 3, and for good in epoch 5: k is 3, and the document's fortieth epoch epoch 42."""
    losses = [5000.0, 3182.0, 3181.0, 3200.0, *(3000.0 - epoch for epoch in range(5, 81))]
    assert script.beside_the_document(losses) == {"k": 3, "loss_at_k_plus_39": 2958.0}
    assert script.beside_the_document(losses[:42]) == {"k": 3, "loss_at_k_plus_39": 2958.0}
    assert script.beside_the_document(losses[:41]) == {"k": 3, "loss_at_k_plus_39": None}
    assert script.beside_the_document([5000.0, 4000.0]) == {"k": None, "loss_at_k_plus_39": None}
    document = NOTEBOOK_LOSSES[2]
    assert script.beside_the_document([9000.0, *np.subtract(document, 0.1)])["loss_at_k_plus_39"] == document[-1] - 0.1


def made_up(seed: int, n: int, start: str, k: int | None, end: float | None, losses: list[float]) -> dict:
    figures = {"untrained_mse": 7270.0, "train_loss": losses[-1], "final_mse": losses[-1], "losses": losses,
               "dead_code_numbers": {"at_the_end": 1}}  # fmt: skip
    figures |= {"start": start, "k": k, "loss_at_k_plus_39": end} if n == 2 else {}
    return {
        "seed": seed,
        "figures": figures,
        "settings": {"epochs": len(losses)},
        "document": script.printed("mnist", n),
    }


def test_only_live_starts_that_get_there_are_compared_with_the_document():
    runs = [
        made_up(0, 2, "live", 2, 2840.0, [4700.0, 3000.0]),
        made_up(1, 2, "dead", 2, 2900.0, [5200.0, 3000.0]),
        made_up(2, 2, "live", 2, None, [4700.0, 3000.0]),
        made_up(3, 2, "live", 1, 2860.0, [3000.0, 2900.0]),
    ]
    assert script.compared(2, runs) == ("live starts, epoch k + 39", [2840.0, 2860.0])
    assert script.table(2, runs).splitlines()[-2:] == [
        "live starts, epoch k + 39, 2 runs: 2850.0 ± 14.1", "the document: 2842.8; lower than that: 1",
    ]  # fmt: skip
    assert script.table(8, [made_up(0, 8, "", None, None, [3000.0, 1600.0])]).splitlines()[-2:] == [
        "the last epoch, one run: 1600.0", "the document: 1755.8; lower than that: 1",
    ]  # fmt: skip


def test_the_figure_shows_every_run_and_the_document_twice():
    of = [made_up(0, 2, "live", 2, None, [4700.0, 3000.0]), made_up(1, 2, "dead", None, None, [5600.0, 5500.0])]
    (axes,) = script.loss_by_epoch({2: of}, 4375.0, "mnist").axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    shown = [line.tolist() for line in lines.values()]
    assert [[1, 4700], [2, 3000]] in shown and [[1, 5600], [2, 5500]] in shown
    document = NOTEBOOK_LOSSES[2]
    np.testing.assert_allclose(lines["document, its epochs"], np.column_stack([range(1, 41), document]))
    np.testing.assert_allclose(
        lines["the same from epoch 2 on, the median k"], np.column_stack([range(2, 42), document])
    )
    low, high = axes.get_ylim()
    assert low < min(document) and high > 5600
    assert "live starts: 1" in lines and "dead starts: 1" in lines


@pytest.mark.usefixtures("no_figures")
def test_what_is_finished_is_not_trained_again_and_what_is_not_goes_on(printed_and_finished, tmp_path, monkeypatch):
    _, folder = printed_and_finished
    succeeds(script.main, "--epochs", 1, "--batch-size", 32, "--codes", 2, "--seeds", 0, "--out", tmp_path)
    printed = succeeds(script.main, *SHORT, "--codes", 2, "--seeds", 0, "--out", tmp_path)
    assert "epoch 1/3" not in printed and "epoch 2/3" in printed
    here, there = (summary(place / "2-seed0")["figures"] for place in (tmp_path, folder))
    times = {"seconds_per_epoch": 0}
    assert {**here, **times} == {**there, **times}
    monkeypatch.setattr(Trainer, "step", lambda self, batch: pytest.fail("trained again"))
    succeeds(script.main, *SHORT, "--codes", 2, "--seeds", 0, 1, "--out", folder)


def test_mistakes_are_told_in_one_sentence(printed_and_finished, tmp_path):
    text = fails(script.main, "--batch-size", 2000, "--out", tmp_path / "x")
    assert "--batch-size 2000 is more than the 1,797 training images" in text
    assert "invalid choice: 3" in fails(script.main, "--codes", 3, "--out", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    text = fails(
        script.main, "--epochs", 3, "--batch-size", 16, "--codes", 2, "--seeds", 0, "--out", printed_and_finished[1]
    )
    assert "holds another run, which would be lost: it has batch_size = 32, and this run has 16" in text


def test_help_has_examples():
    assert "examples/dense_autoencoder_seeds.py --data mnist" in succeeds(script.main, "--help")
    assert (ROOT / "examples/dense_autoencoder_seeds.py").exists()


def test_runs_of_other_epochs_are_not_mixed_in(printed_and_finished, tmp_path):
    """Neither those of the other code, nor of the same; and where none is left, a sentence says so."""
    _, folder = printed_and_finished
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    longer = ["--epochs", 4, "--batch-size", 32]
    printed = succeeds(script.main, *longer, "--codes", 2, "--seeds", 0, "--out", copy)
    assert "8 numbers" not in printed.partition("mean squared error on training images")[2]
    assert [*summary(copy)["settings"]["seeds"]] == ["2"]
    for run in copy.glob("*-seed*/summary.json"):
        content = json.loads(run.read_text(encoding="utf-8"))
        content["settings"]["epochs"] = 9
        run.write_text(json.dumps(content), encoding="utf-8")
    args = script.options([*map(str, longer), "--out", str(copy)])
    with pytest.raises(OptionError, match="have seen other epochs, or batches of another size"):
        script.finished(args)
