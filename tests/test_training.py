"""The loop: the record it keeps, checkpoints that resume to the bit, and what it says when something is wrong."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

from scratchnn import SGD, VAE, Adam, Bernoulli, Dense, ReLU, Sequential
from scratchnn.checkpoints import CheckpointError, read_checkpoint
from scratchnn.training import DivergedError, Trainer, describe, evaluate

X = np.random.default_rng(1).random((23, 5)).astype(np.float32)
HELD_OUT = np.random.default_rng(2).random((7, 5)).astype(np.float32)


def trainer(seed=0, hidden=4, optimizer=Adam, **settings) -> Trainer:
    rng = np.random.default_rng(seed)
    encoder = Sequential([Dense(5, hidden, rng, b=0.1), ReLU(), Dense(hidden, 4, rng)])
    model = VAE(encoder, Sequential([Dense(2, 5, rng)]), Bernoulli(), n_z=2)
    return Trainer(model, optimizer(model, lr=1e-2), rng, settings)


def state(t: Trainer) -> list:
    history = [{k: v for k, v in record.items() if k != "seconds"} for record in t.history]
    optimizer = {name: np.copy(value).tolist() for name, value in t.optimizer.state().items()}
    snapshots = [s.tolist() for s in t.snapshots]
    return [
        t.model.params.tobytes(), optimizer, history, t.iteration_losses, snapshots, t.rng.bit_generator.state,
    ]  # fmt: skip


def test_one_seed_gives_the_same_bits_and_another_others():
    runs = [trainer(seed) for seed in (0, 0, 1)]
    for t in runs:
        t.fit(X, epochs=3, batch_size=10, held_out=HELD_OUT)
    assert state(runs[0]) == state(runs[1])
    assert state(runs[0])[0] != state(runs[2])[0]


@pytest.mark.parametrize("optimizer", [Adam, SGD])
def test_a_resumed_run_equals_one_that_was_never_interrupted(optimizer, tmp_path):
    def fit(t: Trainer, epochs: int) -> Trainer:
        def snapshot():
            return t.model.reconstruct(HELD_OUT[:1])[0]

        t.fit(X, epochs=epochs, batch_size=10, held_out=HELD_OUT, snapshot=snapshot, checkpoint=tmp_path / "c.npz")
        return t

    through = fit(trainer(optimizer=optimizer), 5)
    fit(trainer(optimizer=optimizer), 2)
    resumed = trainer(seed=9, optimizer=optimizer)  # whatever it starts from, the checkpoint decides
    resumed.restore(tmp_path / "c.npz")
    assert state(fit(resumed, 5)) == state(through)


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


class Explodes:
    """Bits that become a loss of NaN from the eleventh batch on."""

    def __init__(self, t: Trainer) -> None:
        self.model, self.calls = t.model, 0
        self.params, self.grads = t.model.params, t.model.grads
        self.backward, self.evaluating, self.buffers = t.model.backward, t.model.evaluating, t.model.buffers

    def loss_terms(self, batch, rng):
        self.calls += 1
        terms = self.model.loss_terms(batch, rng)
        return terms if self.calls <= 10 else {name: value * np.nan for name, value in terms.items()}


def test_a_loss_that_is_no_number_stops_the_training_and_names_the_place(tmp_path):
    t = trainer()
    t.model = Explodes(t)
    checkpoint = tmp_path / "c.npz"
    message = r"became nan in epoch 4, iteration 2 of it.*c\.npz, from the end of epoch (\d)\. A smaller"
    with pytest.raises(DivergedError, match=message) as stop:
        t.fit(X, epochs=9, batch_size=10, checkpoint=checkpoint)
    said = int(re.search(message, str(stop.value))[1])
    assert len(read_checkpoint(checkpoint)[0]["history"]) == said and 1 <= said <= 3


@pytest.mark.filterwarnings("error")
def test_a_step_that_ruins_the_last_batch_of_an_epoch_does_not_reach_the_checkpoint(tmp_path):
    """The loss of a batch is that before its step: the ruin shows in the parameters first."""
    t, checkpoint = trainer(), tmp_path / "c.npz"
    t.fit(X, epochs=2, batch_size=10, held_out=HELD_OUT, checkpoint=checkpoint)
    good = checkpoint.read_bytes()
    step, left = t.optimizer.step, [3]

    def last_step_explodes():
        step()
        left[0] -= 1
        if not left[0]:
            t.model.params += np.float32(1e30)

    t.optimizer.step = last_step_explodes
    with pytest.raises(DivergedError, match=r"epoch 3, iteration 3 of it.*c\.npz, from the end of epoch 2"):
        t.fit(X, epochs=3, batch_size=10, held_out=HELD_OUT, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == good and len(t.history) == 2


def test_an_infinite_loss_is_no_better_than_nan(monkeypatch):
    t = trainer()
    terms = t.model.loss_terms
    monkeypatch.setattr(t.model, "loss_terms", lambda x, rng: {k: v + np.inf for k, v in terms(x, rng).items()})
    with pytest.raises(DivergedError, match="became inf in epoch 1, iteration 1"):
        t.fit(X, epochs=1, batch_size=10)


def test_an_overflow_is_reported_in_one_sentence_and_without_warnings():
    t = trainer()
    t.optimizer.lr = 1e30
    with pytest.raises(
        DivergedError, match=r"became (inf|nan|-inf|NaN or infinite) in epoch \d+, iteration \d.*none was written"
    ):
        t.fit(X, epochs=9, batch_size=10)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"epochs": 0, "batch_size": 5}, "epochs must be at least 1, got 0"),
        ({"epochs": 1, "batch_size": 0}, "between 1 and the number of examples, 23, got 0"),
        ({"epochs": 1, "batch_size": 24}, "between 1 and the number of examples, 23, got 24"),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        trainer().fit(X, **arguments)


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
        Trainer(one.model, other.optimizer, one.rng)


def test_a_generator_whose_state_cannot_be_kept_is_refused():
    t = trainer()
    with pytest.raises(ValueError, match="default_rng"):
        Trainer(t.model, t.optimizer, np.random.Generator(np.random.MT19937(0)))


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
    with pytest.raises(CheckpointError, match=r"its parameters are float32 of shape"):
        wide.restore(tmp_path / "c.npz")


def test_a_checkpoint_of_another_architecture_or_setting_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    trainer(data="digits").save(path)
    with pytest.raises(CheckpointError, match=r"it has model = VAE.*Dense\(5, 4\).*, and this run has.*Dense\(5, 6\)"):
        trainer(hidden=6, data="digits").restore(path)
    with pytest.raises(CheckpointError, match="it has data = digits, and this run has mnist"):
        trainer(data="mnist").restore(path)
    with pytest.raises(CheckpointError, match=r"it has optimizer = Adam.*and this run has SGD"):
        trainer(data="digits", optimizer=SGD).restore(path)


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
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    t.model.params += 1
    with pytest.raises(OSError, match="no space"):
        t.save(path)
    assert path.read_bytes() == before


def test_a_schedule_sets_the_rate_of_each_epoch():
    t, seen = trainer(optimizer=SGD), []
    step = t.optimizer.step
    t.optimizer.step = lambda: seen.append(t.optimizer.lr) or step()
    t.fit(X, epochs=3, batch_size=12, schedule=lambda epoch: 0.1 / epoch)
    assert seen == [0.1, 0.1, 0.05, 0.05, 0.1 / 3, 0.1 / 3]


def test_saving_takes_a_tenth_of_the_time_at_most_and_the_last_epoch_is_saved(tmp_path, monkeypatch):
    """A clock that only saving moves: of epochs that take no time, the first and the last are saved."""
    t, clock, saved = trainer(), [0.0], []
    monkeypatch.setattr("scratchnn.training.time.perf_counter", lambda: clock[0])

    def save(path):
        saved.append(len(t.history))
        clock[0] += 1.0

    monkeypatch.setattr(t, "save", save)
    t.fit(X, epochs=20, batch_size=12, checkpoint=tmp_path / "c.npz")
    assert saved == [1, 20]
    saved.clear()
    evaluation = iter(range(100))
    t.fit(X, epochs=40, batch_size=12, checkpoint=tmp_path / "c.npz", snapshot=lambda: tick(clock, next(evaluation)))
    assert saved == [21, 31, 40]  # an epoch takes 1 s now: ten of them to one for saving


def tick(clock: list[float], value: int) -> np.ndarray:
    clock[0] += 1.0
    return np.array([value])


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
    assert describe(single, 1) == "epoch 1/1   train loss 0.0217   held-out loss -0.0098   0.0 s"
    assert describe({"epoch": 1, "train_loss": -2.5, "seconds": 0.0}, 1) == "epoch 1/1   train loss -2.50   0.0 s"
