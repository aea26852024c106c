"""The loop: the record it keeps, checkpoints that resume to the bit, and what it says when something is wrong."""

from __future__ import annotations

import errno
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from scratchnn import (
    SGD,
    VAE,
    Adam,
    BatchNorm,
    Bernoulli,
    Classifier,
    Conv2D,
    Dense,
    Flatten,
    ReLU,
    Reshape,
    Sequential,
)
from scratchnn.training import (
    CheckpointError,
    DivergedError,
    EarlyStopping,
    ParallelTrainer,
    SaveCheckpoint,
    Trainer,
    blas,
    evaluate,
    keep_snapshots,
    loop,
    runs,
    same_bits,
    set_learning_rate,
)
from scratchnn.training.after_epoch import falling, set_beta, warm_up
from scratchnn.training.checkpoints import FORMAT, read_checkpoint, write_checkpoint
from scratchnn.training.loop import describe

X = np.random.default_rng(1).random((23, 5)).astype(np.float32)
HELD_OUT = np.random.default_rng(2).random((7, 5)).astype(np.float32)


def trainer(seed=0, hidden=4, optimiser=Adam, **settings) -> Trainer:
    rng = np.random.default_rng(seed)
    encoder = Sequential([Dense(5, hidden, rng, b=0.1), ReLU(), Dense(hidden, 4, rng)])
    model = VAE(encoder, Sequential([Dense(2, 5, rng)]), Bernoulli(), n_z=2)
    return Trainer(model, optimiser(model, lr=1e-2), rng, settings)


def state(t: Trainer) -> list:
    history = [{k: v for k, v in record.items() if k != "seconds"} for record in t.history]
    optimiser = {name: np.copy(value).tolist() for name, value in t.optimiser.state().items()}
    snapshots = [s.tolist() for s in t.snapshots]
    return [
        t.model.params.tobytes(), optimiser, history, t.iteration_losses, snapshots, t.rng.bit_generator.state,
    ]  # fmt: skip


def test_the_weight_of_the_kl_rises_by_one_step_an_epoch_and_is_recorded():
    weight = warm_up(4.0, epochs=4)
    assert [weight(epoch) for epoch in range(1, 8)] == [0, 1, 2, 3, 4, 4, 4]
    t = trainer()
    t.model.beta = weight(1)
    t.fit(X, epochs=3, batch_size=10, after_epoch=[set_beta(t.model, weight)])
    assert [record["beta"] for record in t.history] == [0, 1, 2] and t.model.beta == 3


def test_one_seed_gives_the_same_bits_and_another_others():
    runs = [trainer(seed) for seed in (0, 0, 1)]
    for t in runs:
        t.fit(X, epochs=3, batch_size=10, held_out=HELD_OUT)
    assert state(runs[0]) == state(runs[1])
    assert state(runs[0])[0] != state(runs[2])[0]


@pytest.mark.parametrize("optimiser", [Adam, SGD])
def test_a_resumed_run_equals_one_that_was_never_interrupted(optimiser, tmp_path):
    def fit(t: Trainer, epochs: int) -> Trainer:
        def snapshot():
            return t.model.reconstruct(HELD_OUT[:1])[0]

        after_epoch = [keep_snapshots(snapshot), SaveCheckpoint(tmp_path / "c.npz")]
        t.fit(X, epochs=epochs, batch_size=10, held_out=HELD_OUT, after_epoch=after_epoch)
        return t

    through = fit(trainer(optimiser=optimiser), 5)
    fit(trainer(optimiser=optimiser), 2)
    resumed = trainer(seed=9, optimiser=optimiser)  # whatever it starts from, the checkpoint decides
    resumed.restore(tmp_path / "c.npz")
    assert state(fit(resumed, 5)) == state(through)
    assert len(through.snapshots) == 5 and through.snapshots[0].shape == (5,)


def test_held_out_data_does_not_change_the_training():
    with_it, without = trainer(), trainer()
    with_it.fit(X, epochs=3, batch_size=10, held_out=HELD_OUT)
    without.fit(X, epochs=3, batch_size=10)
    np.testing.assert_array_equal(with_it.model.params, without.model.params)


def test_the_record_of_an_epoch_is_the_mean_over_its_examples():
    """23 = 10 + 10 + 3: the last batch counts for its 3 examples, not for a third of the epoch."""
    t = trainer()
    t.fit(X, epochs=2, batch_size=10, held_out=HELD_OUT)
    record = t.history[1]
    assert list(record) == [
        "epoch", "train_loss", "train_reconstruction", "train_kl",
        "held_out_loss", "held_out_reconstruction", "held_out_kl", "seconds",
    ]  # fmt: skip
    assert record["epoch"] == 2 and len(t.iteration_losses) == 6
    assert record["train_loss"] == pytest.approx(np.dot(t.iteration_losses[3:], [10, 10, 3]) / 23, rel=1e-12)
    for who in ("train", "held_out"):
        assert record[f"{who}_loss"] == pytest.approx(record[f"{who}_reconstruction"] + record[f"{who}_kl"], rel=1e-6)


def test_evaluation_is_the_training_loss_by_the_same_function():
    t = trainer()
    whole = evaluate(t.model, X, batch_size=23, seed=5)
    terms = t.model.loss_terms(X, np.random.default_rng(5))
    assert whole["loss"] == pytest.approx(np.mean(terms["reconstruction"] + terms["kl"]), rel=1e-6)
    chunks = evaluate(t.model, X, batch_size=10, seed=5)  # the same generator, drawn from in the same order
    assert chunks == pytest.approx(whole, rel=1e-5)


def test_every_example_is_seen_once_an_epoch_and_in_another_order_each_time():
    seen = []

    class Rows:
        def __len__(self):
            return len(X)

        def __getitem__(self, rows):
            seen.extend(np.asarray(rows).tolist())
            return X[rows]

    trainer().fit(Rows(), epochs=2, batch_size=10)
    assert sorted(seen[:23]) == sorted(seen[23:]) == list(range(23)) and seen[:23] != seen[23:]
    seen.clear()
    trainer().fit(Rows(), epochs=1, batch_size=10, shuffle=False)
    assert seen == list(range(23))


def test_training_lowers_the_loss():
    t = trainer()
    t.fit(np.tile([1.0, 0.0, 1.0, 0.0, 1.0], (50, 1)).astype(np.float32), epochs=200, batch_size=10)
    assert t.history[-1]["train_loss"] < 0.5 < 2 < t.history[0]["train_loss"]


def explode_from_the_eleventh_batch_on(model: VAE) -> None:
    """The loss becomes NaN."""
    right, calls = model.loss_terms, [0]

    def loss_terms(batch, rng):
        calls[0] += 1
        terms = right(batch, rng)
        return terms if calls[0] <= 10 else {name: value * np.nan for name, value in terms.items()}

    model.loss_terms = loss_terms


def test_a_loss_that_is_no_number_stops_the_training_and_names_the_place(tmp_path):
    t = trainer()
    explode_from_the_eleventh_batch_on(t.model)
    checkpoint = tmp_path / "c.npz"
    message = r"became nan in epoch 4, iteration 2 of it.*c\.npz, from the end of epoch (\d)\. A smaller"
    with pytest.raises(DivergedError, match=message) as stop:
        t.fit(X, epochs=9, batch_size=10, after_epoch=[SaveCheckpoint(checkpoint)])
    said = int(re.search(message, str(stop.value))[1])
    assert len(read_checkpoint(checkpoint)[0]["training"]["history"]) == said and 1 <= said <= 3


@pytest.mark.filterwarnings("error")
def test_a_step_that_ruins_the_last_batch_of_an_epoch_does_not_reach_the_checkpoint(tmp_path):
    """The loss of a batch is that before its step: the ruin shows in the parameters first."""
    t, checkpoint = trainer(), tmp_path / "c.npz"
    t.fit(X, epochs=2, batch_size=10, held_out=HELD_OUT, after_epoch=[SaveCheckpoint(checkpoint)])
    good = checkpoint.read_bytes()
    step, left = t.optimiser.step, [3]

    def last_step_explodes():
        step()
        left[0] -= 1
        if not left[0]:
            t.model.params += np.float32(1e30)

    t.optimiser.step = last_step_explodes
    with pytest.raises(DivergedError, match=r"epoch 3, iteration 3 of it.*c\.npz, from the end of epoch 2"):
        t.fit(X, epochs=3, batch_size=10, held_out=HELD_OUT, after_epoch=[SaveCheckpoint(checkpoint)])
    assert checkpoint.read_bytes() == good and len(t.history) == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_are_ruined_by_the_last_step_of_an_epoch_stop_the_training(value):
    """No loss of a batch has seen them; and there are no held-out data either."""
    t = trainer()
    step, left = t.optimiser.step, [6]

    def last_step_ruins_one():
        step()
        left[0] -= 1
        if not left[0]:
            t.model.params[3] = value

    t.optimiser.step = last_step_ruins_one
    message = "the parameters became NaN or infinite in epoch 2, iteration 3 of it; .* checkpoint: none was written"
    with pytest.raises(DivergedError, match=message):
        t.fit(X, epochs=4, batch_size=10)
    assert len(t.history) == 1


def test_an_infinite_loss_is_no_better_than_nan(monkeypatch):
    t = trainer()
    terms = t.model.loss_terms
    monkeypatch.setattr(t.model, "loss_terms", lambda x, rng: {k: v + np.inf for k, v in terms(x, rng).items()})
    with pytest.raises(DivergedError, match="became inf in epoch 1, iteration 1"):
        t.fit(X, epochs=1, batch_size=10)


def test_an_overflow_is_reported_in_one_sentence_and_without_warnings():
    t = trainer()
    t.optimiser.lr = 1e30
    with pytest.raises(
        DivergedError, match=r"became (inf|nan|-inf|NaN or infinite) in epoch \d+, iteration \d.*none was written"
    ):
        t.fit(X, epochs=9, batch_size=10)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"epochs": 0, "batch_size": 5}, "fit needs as its epochs a whole number from 1 upwards, got 0"),
        ({"epochs": 1.5, "batch_size": 5}, "fit needs as its epochs a whole number from 1 upwards, got 1.5"),
        ({"epochs": np.nan, "batch_size": 5}, "fit needs as its epochs a whole number from 1 upwards, got nan"),
        ({"epochs": 1, "batch_size": 0}, "fit needs as its batch_size a whole number from 1 upwards, got 0"),
        ({"epochs": 1, "batch_size": 5.0}, "fit needs as its batch_size a whole number from 1 upwards, got 5.0"),
        ({"epochs": 1, "batch_size": 24}, "between 1 and the number of examples, 23, got 24"),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        trainer().fit(X, **arguments)
    with pytest.raises(ValueError, match="evaluate needs as its batch_size a whole number from 1 upwards, got -1"):
        evaluate(trainer().model, X, batch_size=-1)
    with pytest.raises(TypeError, match="a Trainer needs a generator of random numbers"):
        Trainer((t := trainer()).model, t.optimiser, None)


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="the data set is empty"):
        trainer().fit(X[:0], epochs=1, batch_size=1)
    with pytest.raises(ValueError, match="the held-out data are empty"):
        trainer().fit(X, epochs=1, batch_size=1, held_out=X[:0])
    with pytest.raises(ValueError, match="no data to evaluate on"):
        evaluate(trainer().model, X[:0])


def test_an_optimiser_of_another_model_is_refused():
    one, other = trainer(), trainer()
    with pytest.raises(ValueError, match="steps another model than the one to be trained"):
        Trainer(one.model, other.optimiser, one.rng)


def test_a_generator_whose_state_cannot_be_kept_is_refused():
    t = trainer()
    with pytest.raises(ValueError, match="default_rng"):
        Trainer(t.model, t.optimiser, np.random.Generator(np.random.MT19937(0)))


def test_float64_data_do_not_slip_into_a_float32_model():
    with pytest.raises(TypeError, match=r"holds float32 and was given x as float64: convert x with x\.astype"):
        trainer().fit(X.astype(np.float64), epochs=1, batch_size=10)


def test_settings_are_compared_as_json_keeps_them(tmp_path):
    t = trainer(shape=(2, 3), count=np.int64(4))
    t.save(tmp_path / "c.npz")
    trainer(shape=(2, 3), count=np.int64(4)).restore(tmp_path / "c.npz")


def test_nothing_of_an_evaluation_is_left_for_a_backward_pass():
    t = trainer()
    evaluate(t.model, X)
    with pytest.raises(RuntimeError, match="call forward once"):
        t.model.backward(np.ones(len(X), np.float32))


def test_a_checkpoint_of_another_precision_is_refused(tmp_path):
    t = trainer()
    t.save(tmp_path / "c.npz")
    wide = trainer()
    wide.model.bind(wide.model.params.astype(np.float64), wide.model.grads.astype(np.float64))
    with pytest.raises(
        CheckpointError, match=r"its model/params is float32 of shape \(\d+,\), and the model's float64 of \(\d+,\)"
    ):
        wide.restore(tmp_path / "c.npz")


def test_a_checkpoint_of_another_architecture_or_setting_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    trainer(data="digits").save(path)
    with pytest.raises(
        CheckpointError,
        match=r"c\.npz is of another run: it has encoder\.0 = Dense\(n_in=5, n_out=4\), and this run has "
        r"Dense\(n_in=5, n_out=6\)$",
    ):
        trainer(hidden=6, data="digits").restore(path)
    with pytest.raises(CheckpointError, match="it has data = digits, and this run has mnist"):
        trainer(data="mnist").restore(path)
    with pytest.raises(CheckpointError, match=r"it has optimiser = Adam.*and this run has SGD"):
        trainer(data="digits", optimiser=SGD).restore(path)


# ---- on another arithmetic


def test_going_on_with_another_arithmetic_is_told_and_strictly_refused(tmp_path, monkeypatch, capsys):
    for name in blas.VARIABLES:  # which would leave the choice of threads to whoever set it
        monkeypatch.delenv(name, raising=False)
    path, here = tmp_path / "c.npz", same_bits.arithmetic()
    t = trainer()
    t.fit(X, epochs=1, batch_size=10, after_epoch=[SaveCheckpoint(path)])
    recorded = read_checkpoint(path)[0]["training"]["arithmetic"]
    assert recorded == {**here, "threads of the matrix library": 1}  # a small network
    numba = None if here["Numba"] else "0.1"
    for name, other in {"matrix library": "openblas 0.1 Z80", "NumPy": "1.0", "Numba": numba}.items():
        record, arrays = read_checkpoint(path)
        record["training"]["arithmetic"] = {**recorded, name: other}
        write_checkpoint(path, record, arrays)
        resumed = trainer()
        resumed.restore(path)
        before = state(resumed)
        with pytest.raises(CheckpointError, match=f"since it began with {name} {other}, now .*; leave out --strict"):
            resumed.fit(X, epochs=2, batch_size=10, strict=True)
        assert state(resumed) == before
        capsys.readouterr()
        resumed.fit(X, epochs=2, batch_size=10, after_epoch=[SaveCheckpoint(tmp_path / "on.npz")])
        (warning,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
        assert warning.startswith("warning: the last bits will not be those of a run in one go, since it began with")
        assert read_checkpoint(tmp_path / "on.npz")[0]["training"]["arithmetic"] == recorded
        resumed.fit(X, epochs=2, batch_size=10, strict=True)  # there is nothing to train
        done = trainer()
        done.restore(path)
        done.fit(X, epochs=1, batch_size=10, strict=True)  # nor here, where the epochs are of another
        assert not capsys.readouterr().err


def test_the_same_arithmetic_and_one_that_is_not_known_are_not_told_of(tmp_path, capsys):
    path = tmp_path / "c.npz"
    trainer().fit(X, epochs=1, batch_size=10, strict=True)
    t = trainer()
    t.fit(X, epochs=1, batch_size=10, after_epoch=[SaveCheckpoint(path)])
    for _ in range(2):
        resumed = trainer()
        resumed.restore(path)
        resumed.fit(X, epochs=2, batch_size=10, strict=True)
        assert "warning" not in capsys.readouterr().err
        record, arrays = read_checkpoint(path)  # as versions before wrote it
        record["training"].pop("arithmetic", None)
        write_checkpoint(path, record, arrays)


@pytest.mark.skipif(
    not same_bits.arithmetic()["matrix library"].startswith("openblas")
    or platform.machine() not in ("x86_64", "AMD64"),
    reason="needs OpenBLAS, and a processor with several of its kernels",
)
def test_another_kernel_and_another_number_of_threads_are_seen(tmp_path):
    """By the command, in processes of their own: the kernel is chosen when the library is loaded."""

    def run(*options, **environment):
        command = [
            sys.executable,
            "-m",
            "scratchnn",
            "train",
            "--hidden",
            "3",
            "--out",
            str(tmp_path / "run"),
            *options,
        ]
        # matplotlib takes long to draw what nobody looks at here
        hidden = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        here = {name: value for name, value in os.environ.items() if name not in blas.VARIABLES}
        return subprocess.run(command, capture_output=True, text=True, env={**here, **hidden, **environment})

    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError(name='matplotlib')", encoding="utf-8")
    assert run("--epochs", "1", OPENBLAS_CORETYPE="Nehalem").returncode == 0
    refused = run("--epochs", "2", "--resume", "--strict", OPENBLAS_CORETYPE="Sandybridge")
    assert refused.returncode == 1 and re.search(r"error: .* Nehalem, now .* Sandybridge; leave", refused.stderr)
    told = run("--epochs", "2", "--resume", "--blas-threads", "2", OPENBLAS_CORETYPE="Sandybridge")
    assert told.returncode == 0 and re.search(r"Nehalem, now .*; threads of .* 1, now 2", told.stderr), told.stderr


# ---- restore verifies everything first, and writes then


def normalised(seed=0) -> Trainer:
    """A trainer of a model with buffers, two epochs on."""
    rng = np.random.default_rng(seed)
    model = Classifier(Sequential([Dense(5, 4, rng, b=0.1), BatchNorm(4), ReLU(), Dense(4, 3, rng)]))
    t = Trainer(model, Adam(model, lr=1e-2), rng, {"data": "x"})
    t.fit(Pairs(), epochs=2, batch_size=10, after_epoch=[keep_snapshots(lambda: np.ones(2))])
    return t


class Pairs:
    """X and labels, as a classifier is trained on them."""

    def __len__(self):
        return len(X)

    def __getitem__(self, rows):
        return X[rows], np.arange(len(X))[rows] % 3


def without(name: str):
    return lambda record, arrays: arrays.pop(name)


def instead(name: str, value):
    return lambda record, arrays: arrays.update({name: value})


def field(*path, value=None):
    """A change of the record: this field with another value, or left out."""

    def change(record, arrays):
        *way, last = path
        for key in way:
            record = record[key]
        if value is None:
            del record[last]
        else:
            record[last] = value

    return change


MEAN = "model/buffers/network.1.mean"
DAMAGES = {
    "params of another shape": (instead("model/params", np.ones(3, np.float32)), "its model/params is float32 of"),
    "params of another type": (instead("model/params", np.ones(47)), r"float64 of shape \(47,\), and the model's"),
    "no params": (without("model/params"), "model/params is missing"),
    "a buffer of another shape": (
        instead(MEAN, np.ones((4, 1), np.float32)),
        rf"its {MEAN} is float32 of shape \(4, 1\), and the model's float32 of \(4,\)",
    ),
    "a buffer that is one number": (instead(MEAN, np.float32(1)), rf"its {MEAN} is float32 of shape \(\), and"),
    "no buffer": (without(MEAN), f"{MEAN} is missing"),
    "no m of Adam": (without("training/optimiser/m"), "its optimiser has no m"),
    "another v of Adam": (
        instead("training/optimiser/v", np.ones(46, np.float32)), r"its v is float32 of shape \(46,\)"
    ),
    "no t of Adam": (field("training", "optimiser", "t"), "its optimiser has no t"),
    "a t that is no number": (field("training", "optimiser", "t", value="many"), "t is no number of steps"),
    "a t without end": (field("training", "optimiser", "t", value=float("inf")), "its optimiser's t is inf"),
    "no learning rate": (field("training", "optimiser", "lr"), "its optimiser's lr is no number from 0"),
    "an optimiser that is a text": (field("training", "optimiser", value="Adam"), "not a complete checkpoint"),
    "no generator": (field("training", "generator"), "its generator is no PCG64"),
    "another generator": (field("training", "generator", "bit_generator", value="MT19937"), "PCG64"),
    "half a generator": (field("training", "generator", "state"), "with the whole of its state"),
    "a generator out of range": (field("training", "generator", "state", "state", value=-1), "not a complete"),
    "a generator that is a text": (field("training", "generator", value="seed 7"), "not a complete checkpoint"),
    "no history": (field("training", "history"), "its history is no list"),
    "a history that is a number": (field("training", "history", value=2), "its history is no list"),
    "no losses": (without("training/iteration_losses"), "iteration_losses"),
    "no snapshots": (without("training/snapshots"), "snapshots"),
    "snapshots that are no list": (instead("training/snapshots", np.float64(1)), "its snapshots are not one for every"),
    "no settings": (field("training", "settings"), "its settings are no mapping"),
    "no training at all": (field("training"), "no training to go on with"),
    "no architecture": (field("model", "modules"), "its modules are no list"),
    "an architecture that is a text": (field("model", "modules", value="VAE()"), "not a complete checkpoint"),
    "a row without settings": (field("model", "modules", 1, "settings"), "a row of its modules has no"),
    "a row whose settings are a text": (field("model", "modules", 1, "settings", value="n_in=5"), "a row of its modu"),
    "another layer": (field("model", "modules", 2, "settings", "n_out", value=7), "is of another run: it has network"),
    "another setting": (field("training", "settings", "data", value="y"), "it has data = y, and this run has x"),
}  # fmt: skip


@pytest.mark.parametrize("damage, message", DAMAGES.values(), ids=DAMAGES)
def test_a_checkpoint_that_is_refused_has_changed_nothing(damage, message, tmp_path):
    """Each is written with checksums that are right: it is what stands in it that is of no use."""
    path = tmp_path / "c.npz"
    normalised(seed=1).save(path)
    record, arrays = read_checkpoint(path)
    damage(record, arrays)
    write_checkpoint(path, record, arrays)
    t = normalised()

    def everything() -> list:
        buffers = {name: array.tolist() for name, array in t.model.buffers.items()}
        return [*state(t), buffers, t.settings, t.saved, t.restored, t.optimiser.state()["lr"]]

    before = everything()
    with pytest.raises(CheckpointError, match=message) as error:
        t.restore(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert everything() == before


def test_without_damage_it_is_taken_over(tmp_path):
    """The same file as above, as it was written."""
    path, other = tmp_path / "c.npz", normalised(seed=1)
    other.save(path)
    write_checkpoint(path, *read_checkpoint(path))
    t = normalised()
    assert state(t) != state(other)
    t.restore(path)
    assert state(t) == state(other) and t.saved == (path, 2)
    for name, array in other.model.buffers.items():
        np.testing.assert_array_equal(t.model.buffers[name], array)


def test_fields_that_this_version_does_not_know_are_kept(tmp_path):
    """At the top of the record and in its sections; what is known has the values of this run."""
    path, t = tmp_path / "c.npz", trainer()
    t.fit(X, epochs=1, batch_size=10, after_epoch=[SaveCheckpoint(path)])
    record, arrays = read_checkpoint(path)
    record |= {"machine": "cluster 7", "licence": {"name": "MIT"}}
    record["model"]["title"] = ["a", {"b": 1}]
    record["training"]["energy"] = 3.5
    write_checkpoint(path, record, arrays)
    resumed = trainer()
    resumed.restore(path)
    resumed.fit(X, epochs=2, batch_size=10, after_epoch=[SaveCheckpoint(path)])
    again, _ = read_checkpoint(path)
    assert again["machine"] == "cluster 7" and again["licence"]["name"] == "MIT" and again["format"] == FORMAT
    assert again["model"]["title"] == ["a", {"b": 1}] and again["training"]["energy"] == 3.5
    assert len(again["training"]["history"]) == 2 and again["training"]["optimiser"]["t"] == 6
    assert again.keys() == record.keys() and again["training"].keys() == record["training"].keys()
    fresh = trainer()
    fresh.save(path)
    assert "machine" not in read_checkpoint(path)[0]


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(keep, tmp_path):
    path = tmp_path / "c.npz"
    trainer().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(CheckpointError, match=r"c\.npz cannot be read as a checkpoint: it is truncated.*delete it"):
        trainer().restore(path)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*c\.npz"):
        trainer().restore(tmp_path / "c.npz")


def test_a_checkpoint_never_runs_code(tmp_path):
    path = tmp_path / "c.npz"
    np.savez(path, record=np.array([os.getcwd], dtype=object))
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(path)


def test_a_save_that_fails_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    path, t = tmp_path / "c.npz", trainer()
    t.save(path)
    before = path.read_bytes()

    def full_disk(*_, **__):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    t.model.params += 1
    with pytest.raises(CheckpointError, match=r"epoch 0 cannot be written \(no space left on device\); .*c\.npz has"):
        t.save(path)
    assert path.read_bytes() == before


def test_a_schedule_sets_the_rate_of_each_epoch_but_the_first():
    """That is the optimiser's own: what happens after an epoch can only set the rate of the next."""
    t, seen = trainer(optimiser=SGD), []
    step = t.optimiser.step
    t.optimiser.step = lambda: seen.append(t.optimiser.lr) or step()
    t.fit(X, epochs=3, batch_size=12, after_epoch=[set_learning_rate(lambda epoch: 0.1 / epoch)])
    assert seen == [0.01, 0.01, 0.1 / 2, 0.1 / 2, 0.1 / 3, 0.1 / 3]


@pytest.mark.parametrize("rate", [lambda epoch: 0.1 / epoch, lambda epoch: np.float64(0.1) / epoch])
@pytest.mark.parametrize("optimiser", [Adam, SGD])
def test_a_resumed_run_with_a_schedule_equals_one_that_was_never_interrupted(optimiser, rate, tmp_path):
    """A rate of NumPy's would make float64 of the arrays in a step, until a checkpoint made a Python float of it."""

    def fit(t: Trainer, epochs: int, name: str) -> Trainer:
        after_epoch = [set_learning_rate(rate), SaveCheckpoint(tmp_path / name)]
        t.fit(X, epochs=epochs, batch_size=10, after_epoch=after_epoch)
        return t

    through = fit(trainer(optimiser=optimiser), 5, "through.npz")
    fit(trainer(optimiser=optimiser), 2, "c.npz")
    resumed = trainer(seed=9, optimiser=optimiser)
    resumed.restore(tmp_path / "c.npz")
    assert resumed.optimiser.lr == 0.1 / 3
    assert state(fit(resumed, 5, "c.npz")) == state(through)
    unscheduled = trainer(optimiser=optimiser)
    unscheduled.fit(X, epochs=5, batch_size=10)
    assert state(unscheduled)[0] != state(through)[0]


def test_a_falling_rate_falls_by_the_same_factor_every_epoch():
    """From 0.08 to 0.01 in four epochs: halved each time."""
    rate = falling(0.08, 0.01, 4)
    assert [rate(epoch) for epoch in (1, 2, 3, 4)] == pytest.approx([0.08, 0.04, 0.02, 0.01], rel=1e-14)
    assert falling(0.08, 0.01, 1)(1) == 0.08


def test_functions_are_called_after_each_epoch_in_the_order_given(capsys):
    t, calls = trainer(), []

    def function(name):
        return lambda trainer, record: calls.append((name, trainer is t, record["epoch"], record is t.history[-1]))

    t.fit(X, epochs=2, batch_size=12, held_out=HELD_OUT, after_epoch=[function("a"), function("b")])
    assert calls == [(name, True, epoch, True) for epoch in (1, 2) for name in "ab"]
    assert t.epochs == 2 and len(capsys.readouterr().out.splitlines()) == 2  # the printed line comes without asking


def test_snapshots_are_kept_one_an_epoch_and_restored_with_the_rest(tmp_path):
    path, t = tmp_path / "c.npz", trainer()
    snapshots = iter(np.arange(12.0).reshape(4, 3))
    after_epoch = [keep_snapshots(lambda: next(snapshots)), SaveCheckpoint(path)]
    t.fit(X, epochs=2, batch_size=12, after_epoch=after_epoch)
    resumed = trainer()
    resumed.restore(path)
    resumed.fit(X, epochs=4, batch_size=12, after_epoch=after_epoch)
    np.testing.assert_array_equal(resumed.snapshots, np.arange(12.0).reshape(4, 3))


def test_saving_takes_a_tenth_of_the_time_at_most_and_the_last_epoch_is_saved(tmp_path, monkeypatch):
    """A clock that only saving moves: of epochs that take no time, the first and the last are saved."""
    t, clock, saved, path = trainer(), [0.0], [], tmp_path / "c.npz"
    monkeypatch.setattr("scratchnn.training.after_epoch.time.perf_counter", lambda: clock[0])

    def save(where):
        assert where == path
        saved.append(len(t.history))
        clock[0] += 1.0

    monkeypatch.setattr(t, "save", save)
    t.fit(X, epochs=20, batch_size=12, after_epoch=[SaveCheckpoint(path)])
    assert saved == [1, 20]
    saved.clear()
    tick = keep_snapshots(lambda: np.array(clock.__setitem__(0, clock[0] + 1.0) or clock[0]))
    t.fit(X, epochs=40, batch_size=12, after_epoch=[tick, SaveCheckpoint(path)])
    assert saved == [21, 31, 40]  # an epoch takes 1 s now: ten of them to one for saving


def test_a_batch_of_an_evaluation_counts_the_draws(monkeypatch):
    """And the loss does not depend on it: the noise of an image stays the same."""
    sizes, model = [], trainer().model
    model.n_draws = 3
    plain = model.loss_terms
    monkeypatch.setattr(model, "loss_terms", lambda x, rng: sizes.append(len(x)) or plain(x, rng))
    losses = [evaluate(model, X[:8], batch_size)["loss"] for batch_size in (10, 2, 1000)]
    assert sizes == [3, 3, 2, *[1] * 8, 8]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_an_epoch_is_one_line(capsys):
    trainer().fit(X, epochs=2, batch_size=10, held_out=HELD_OUT)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("epoch 2/2   train loss ") and " = reconstruction " in lines[1] and "+ kl" in lines[1]
    assert "held-out loss" in lines[1] and lines[1].endswith(" s")


def test_small_losses_show_their_digits_and_a_single_term_is_not_said_twice():
    several = {"epoch": 7, "train_loss": 96.754, "train_reconstruction": 96.0, "train_kl": 0.75421, "seconds": 1.26}
    assert describe(several, 50) == "epoch  7/50   train loss 96.75 = reconstruction 96.00 + kl 0.7542   1.3 s"
    single = {
        "epoch": 1, "train_loss": 0.02173, "train_reconstruction": 0.02173,
        "held_out_loss": -0.00981, "held_out_reconstruction": -0.00981, "seconds": 0.0,
    }  # fmt: skip
    told = "epoch 1/1   train loss (reconstruction) 0.0217   held-out loss (reconstruction) -0.0098   0.0 s"
    assert describe(single, 1) == told
    assert describe({"epoch": 1, "train_loss": -2.5, "seconds": 0.0}, 1) == "epoch 1/1   train loss -2.50   0.0 s"


# ---- the threads of the matrix library


def a_model(shape: tuple[int, ...]) -> SimpleNamespace:
    W = np.broadcast_to(np.float32(0), shape)
    return SimpleNamespace(params=W.reshape(-1), parameters={"W": W})


@pytest.fixture
def unset(monkeypatch):
    """An environment that says nothing about threads."""
    for name in blas.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "shape, batch_size, threads",
    [
        ((784, 500), 100, 1),
        ((100_000,), 999, 1),
        ((100_000,), 1000, None),  # 100 million multiplications and more: as the library thinks best
        ((1_299_424,), 100, None),
        ((16, 1, 3, 3), 1, None),  # the weights of a convolution are used many times an example
    ],
)
def test_small_networks_have_one_thread_and_large_ones_all(shape, batch_size, threads, unset):
    assert blas.threads_for(a_model(shape), batch_size) == threads


def test_real_models_count_as_they_should(unset, rng):
    assert blas.threads_for(trainer().model, 10) == 1
    layers = [Reshape((1, 4, 4)), Conv2D(1, 2, 2, rng), Flatten(), Dense(18, 3, rng)]
    assert blas.threads_for(Classifier(Sequential(layers)), 10) is None


@pytest.mark.parametrize("name", blas.VARIABLES)
def test_a_number_of_threads_in_the_environment_is_left_alone(name, unset, monkeypatch):
    assert name in {*blas.VARIABLES} and "OPENBLAS_NUM_THREADS" in blas.VARIABLES
    monkeypatch.setenv(name, "2")
    assert blas.threads_for(a_model((784, 500)), 100) is None


class Limits:
    """In the place of threadpoolctl: the limits that are set, and taken back."""

    def __init__(self) -> None:
        self.now: list[tuple[int, str]] = []
        self.all: list[int] = []

    def __call__(self, limits: int, user_api: str):
        self.all.append(limits)
        self.now.append((limits, user_api))
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.now.pop()


@pytest.mark.parametrize("asked, threads", [(None, 1), (3, 3)])
@pytest.mark.parametrize("fails", [False, True])
def test_a_training_limits_the_threads_while_it_lasts(asked, threads, fails, unset, monkeypatch):
    limits, seen = Limits(), []
    monkeypatch.setattr(blas, "threadpool_limits", limits)
    t = trainer()
    t.blas_threads = asked
    step = t.optimiser.step
    t.optimiser.step = lambda: seen.append([*limits.now]) or (1 / 0 if fails else step())
    if fails:
        with pytest.raises(ZeroDivisionError):
            t.fit(X, epochs=1, batch_size=23)
    else:
        t.fit(X, epochs=1, batch_size=23)
    assert seen == [[(threads, "blas")]] and limits.now == []


def test_a_training_leaves_the_threads_to_the_environment(unset, monkeypatch):
    limits = Limits()
    monkeypatch.setattr(blas, "threadpool_limits", limits)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    trainer().fit(X, epochs=1, batch_size=10)
    assert limits.all == []
    t = trainer()
    t.blas_threads = 1  # what is asked for in the program comes first
    t.fit(X, epochs=1, batch_size=10)
    assert limits.all == [1]


def threads_now() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_the_library_itself_has_one_thread_during_fit_and_as_many_as_before_after_it(unset):
    with threadpool_limits(2, user_api="blas"):
        before, seen = threads_now(), []
        if before != {2}:
            pytest.skip("this matrix library cannot be given two threads")
        t = trainer()
        step = t.optimiser.step
        t.optimiser.step = lambda: seen.append(threads_now()) or step()
        t.fit(X, epochs=1, batch_size=23)
        assert seen == [{1}] and threads_now() == before


@pytest.mark.parametrize(
    "threads, blas_threads, width, limited",
    [(1, None, 4, 1), (1, 3, 4, 3), (1, None, 2000, None), (2, None, 4, None)],
)
def test_a_run_keeps_its_threads_for_the_whole_process(threads, blas_threads, width, limited, unset, monkeypatch):
    """With --threads the matrix library has one thread during fit, and the process is left as it is."""
    limits = Limits()
    monkeypatch.setattr(blas, "threadpool_limits", limits)
    monkeypatch.setattr(blas, "keep_freed_memory", lambda: kept.append(True))
    kept: list[bool] = []
    t = trainer(hidden=width)
    made = runs.trainer(threads, t.model, t.optimiser, t.rng, {"a": 1}, batch_size=5000, blas_threads=blas_threads)
    assert limits.all == ([] if limited is None else [limited]) and kept == [True]
    assert isinstance(made, ParallelTrainer) == (threads > 1)
    assert made.blas_threads == (1 if threads > 1 else limited)
    assert made.settings == {"a": 1, "optimiser": repr(t.optimiser)} | ({"threads": 2} if threads > 1 else {})


def test_threads_of_the_matrix_library_are_refused_beside_threads_of_the_training():
    t = trainer()
    with pytest.raises(runs.OptionError, match="--blas-threads is for --threads 1"):
        runs.trainer(2, t.model, t.optimiser, t.rng, {}, batch_size=10, blas_threads=3)


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_another_c_library_is_left_alone(error, monkeypatch):
    def no_library(_):
        raise error

    monkeypatch.setattr(blas.ctypes, "CDLL", no_library)
    assert blas.keep_freed_memory() is False


def test_where_the_system_does_not_count_memory_no_peak_is_recorded(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert runs.peak_memory_mb() is None


def test_a_package_that_is_not_there_has_no_version_and_the_others_have(monkeypatch):
    def version(name):
        if name == "scipy":
            raise metadata.PackageNotFoundError
        return "1.2"

    monkeypatch.setattr(metadata, "version", version)
    assert runs.versions().keys() == {"python", "scratchnn", "numpy", "scikit-learn", "matplotlib"}


def test_memory_is_kept_from_the_first_byte_on_and_not_mapped(monkeypatch):
    """The numbers of malloc.h: M_TRIM_THRESHOLD is −1, M_MMAP_THRESHOLD −3."""
    asked = []
    library = SimpleNamespace(mallopt=lambda what, value: asked.append((what, value)) or 1)
    monkeypatch.setattr(blas.ctypes, "CDLL", lambda _: library)
    assert blas.keep_freed_memory() is True and asked == [(-3, 2**25), (-1, 2**31 - 1)]


def test_of_two_matrix_libraries_numpy_s_counts(monkeypatch):
    def library(package, version):
        return {"user_api": "blas", "internal_api": "openblas", "version": version, "num_threads": 1,
                "filepath": f"/site-packages/{package}.libs/libopenblas.so", "architecture": "Haswell"}  # fmt: skip

    scipys, numpys = library("scipy", "0.1"), library("numpy", "0.2")
    for found, version in (([scipys, numpys], "0.2"), ([scipys], "0.1")):
        monkeypatch.setattr(same_bits, "threadpool_info", lambda found=found: found)
        assert same_bits.arithmetic()["matrix library"] == f"openblas {version} Haswell"
    monkeypatch.setattr(same_bits, "threadpool_info", list)
    assert same_bits.arithmetic()["matrix library"] == "unknown"


def test_the_bar_counts_the_batches_of_all_epochs_and_begins_where_the_training_does(monkeypatch):
    bars = []

    class Bar(loop.tqdm):
        def __init__(self, **options) -> None:
            bars.append(options)
            super().__init__(**{**options, "disable": True})

    monkeypatch.setattr(loop, "tqdm", Bar)
    t = trainer()
    t.fit(X, epochs=2, batch_size=10)
    t.fit(X, epochs=5, batch_size=10, progress=False)
    batches = -(-len(X) // 10)
    assert batches > 2 and [(one["total"], one["initial"]) for one in bars] == [
        (2 * batches, 0),
        (5 * batches, 2 * batches),
    ]
    assert [one["disable"] for one in bars] == [None, True]


@pytest.mark.parametrize(("n_draws", "taken"), [(1, True), (3, True), (0, False), (10**6 + 1, False)])
def test_a_number_of_draws_of_a_checkpoint_is_possible(n_draws, taken, tmp_path):
    t = trainer()
    t.model.n_draws = 2
    t.fit(X, epochs=1, batch_size=12)
    t.save(tmp_path / "c.npz")
    record, arrays = read_checkpoint(tmp_path / "c.npz")
    assert record["training"]["model"] == {"n_draws": 2}
    record["training"]["model"]["n_draws"] = n_draws
    write_checkpoint(tmp_path / "c.npz", record, arrays)
    other = trainer()
    if taken:
        other.restore(tmp_path / "c.npz")
        assert other.model.n_draws == n_draws
    else:
        with pytest.raises(CheckpointError, match=rf"its model's n_draws is {n_draws}, no number from 1 to"):
            other.restore(tmp_path / "c.npz")
        assert other.model.n_draws == 1


@pytest.mark.parametrize("n_draws", [0, 2.0])
def test_a_number_of_draws_that_is_none_is_told_in_training_and_in_an_evaluation(n_draws):
    t = trainer()
    t.model.n_draws = n_draws
    with pytest.raises(ValueError, match="needs as its n_draws a whole number"):
        t.fit(X, epochs=1, batch_size=12)
    with pytest.raises(ValueError, match="needs as its n_draws a whole number"):
        evaluate(t.model, X)


def test_the_best_parameters_are_forgotten_by_a_training_that_does_not_keep_them():
    t = trainer()
    t.fit(X, epochs=2, batch_size=12, held_out=HELD_OUT, after_epoch=[EarlyStopping(5)])
    assert t.best
    t.fit(X, epochs=3, batch_size=12, held_out=HELD_OUT, after_epoch=[lambda *_: None])
    assert not t.best


@pytest.mark.parametrize(("steps", "taken"), [(2**53 - 1, True), (2**53, False)])
def test_a_number_of_steps_is_one_that_a_float_can_hold(steps, taken, tmp_path):
    t = trainer()
    t.fit(X, epochs=1, batch_size=12)
    t.save(tmp_path / "c.npz")
    record, arrays = read_checkpoint(tmp_path / "c.npz")
    record["training"]["optimiser"]["t"] = steps
    write_checkpoint(tmp_path / "c.npz", record, arrays)
    if taken:
        read_checkpoint(tmp_path / "c.npz")
    else:
        with pytest.raises(CheckpointError, match="t is no number of steps"):
            read_checkpoint(tmp_path / "c.npz")


def test_a_mean_has_its_spread_from_two_values_on():
    assert runs.mean_and_std([1.0]) == "1.00" and runs.mean_and_std([1.0, 2.0]) == "1.50 ± 0.71"
    assert runs.over_runs([{"loss": 1.0}])["loss"]["runs"] == [1.0]


def test_a_log_that_is_asked_for_later_has_all_epochs(tmp_path):
    for log in ([], ["csv"]):
        runs.train_in_folder(tmp_path, trainer(), X, epochs=3, batch_size=12, log=log)
    (written,) = tmp_path.glob("*.csv")
    rows = written.read_text(encoding="utf-8").splitlines()
    assert [row.partition(",")[0] for row in rows] == ["epoch", "1", "2", "3"]


def test_what_is_frozen_during_a_training_is_so_when_it_goes_on(tmp_path):
    """Batch normalisation that stops learning its averages after the first of three epochs."""

    def normalised() -> Trainer:
        rng = np.random.default_rng(0)
        encoder = Sequential([Dense(5, 4, rng), BatchNorm(4), ReLU(), Dense(4, 4, rng)])
        model = VAE(encoder, Sequential([Dense(2, 5, rng)]), Bernoulli(), n_z=2)
        return Trainer(model, Adam(model), rng)

    def freeze(t: Trainer, record: dict) -> None:
        if record["epoch"] == 1:
            t.model.encoder.layers[1].train(False)

    whole, before, after = normalised(), normalised(), normalised()
    whole.fit(X, epochs=3, batch_size=12, after_epoch=[freeze])
    before.fit(X, epochs=2, batch_size=12, after_epoch=[freeze])
    before.save(tmp_path / "c.npz")
    after.restore(tmp_path / "c.npz")
    after.fit(X, epochs=3, batch_size=12, after_epoch=[freeze])
    assert not after.model.encoder.layers[1].training and after.model.encoder.layers[0].training
    assert state(after) == state(whole)
    for name, average in whole.model.buffers.items():
        np.testing.assert_array_equal(after.model.buffers[name], average)


@pytest.mark.parametrize(
    ("frozen", "message"),
    [([2, 1], "no numbers in their order"), ([1, 1], "no numbers in their order"), ([-1], "no numbers in their order"),
     ("1", "no numbers in their order"), ([2, 400], "it has frozen layer 400, and this model has")],
)  # fmt: skip
def test_frozen_layers_that_cannot_be_are_refused(frozen, message, tmp_path):
    t = trainer()
    t.fit(X, epochs=1, batch_size=12)
    t.save(tmp_path / "c.npz")
    record, arrays = read_checkpoint(tmp_path / "c.npz")
    assert record["training"]["frozen"] == []
    record["training"]["frozen"] = frozen
    write_checkpoint(tmp_path / "c.npz", record, arrays)
    with pytest.raises(CheckpointError, match=message):
        trainer().restore(tmp_path / "c.npz")


def test_how_a_trainer_is_called():
    rng = np.random.default_rng(0)
    model = Dense(3, 2, rng)
    made = Trainer(model=model, optimiser=SGD(model, 0.1), rng=rng, settings={"a": 1}, blas_threads=2)
    assert (made.epochs, made.blas_threads, made.settings["a"]) == (0, 2, 1)
    with pytest.raises(TypeError, match="positional"):
        Trainer(model, SGD(model, 0.1), rng, {}, 2)


def test_the_losses_of_an_epoch_that_is_interrupted_are_dropped(monkeypatch):
    t = trainer()
    t.fit(X, epochs=1, batch_size=12)
    step, calls = t.step, []

    def interrupted(batch):
        calls.append(batch)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return step(batch)

    monkeypatch.setattr(t, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        t.fit(X, epochs=2, batch_size=12)
    assert len(t.history) == 1 and len(t.iteration_losses) == -(-len(X) // 12)


def test_a_loss_has_two_decimals_from_1_upwards_and_four_below():
    losses = {"epoch": 1, "train_loss": 1.0, "held_out_loss": -0.99996, "seconds": 1.0}
    assert "1.00 " in (line := describe(losses, 1) + " ") and "-1.0000" in line


def test_settings_of_numpy_and_of_any_other_type_are_kept_as_json_has_them():
    made = trainer(n=np.int64(3), rate=np.float32(0.5), where=Path("a/b"))
    assert {name: made.settings[name] for name in ("n", "rate", "where")} == {"n": 3, "rate": 0.5, "where": "a/b"}


def test_the_matrix_library_is_numpy_s_and_no_other_that_has_threads(monkeypatch):
    def library(user_api: str, folder: str, version: str) -> dict:
        return {"user_api": user_api, "internal_api": user_api, "filepath": f"/lib/{folder}/a.so", "version": version,
                "architecture": "Z80", "num_threads": 3}  # fmt: skip

    found = [
        library("openmp", "numpy.libs", "1"),
        library("blas", "scipy.libs", "2"),
        library("blas", "numpy.libs", "3"),
    ]
    monkeypatch.setattr(same_bits, "threadpool_info", lambda: found)
    assert same_bits.arithmetic()["matrix library"] == "blas 3 Z80"


def test_a_training_that_has_more_epochs_than_are_asked_for_is_left_as_it_is():
    t = trainer()
    t.fit(X, epochs=2, batch_size=10)
    before = state(t)
    t.fit(X, epochs=1, batch_size=10)
    assert state(t) == before
