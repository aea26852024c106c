"""Programs of one's own around the loop: names of paths, numbers of NumPy's, own layers, optimisers and functions."""

from __future__ import annotations

import contextlib
import csv

import numpy as np
import pytest
from test_training import X, state, trainer

from scratchnn import VAE, Adam, Autoencoder, Dense, Dropout, MeanSquaredError, Sequential
from scratchnn.layers import Layer
from scratchnn.training import (
    CheckpointError,
    DivergedError,
    EarlyStopping,
    ParallelTrainer,
    SaveCheckpoint,
    Trainer,
    keep_snapshots,
    runs,
    set_learning_rate,
)
from scratchnn.training.after_epoch import set_beta, warm_up
from scratchnn.training.checkpoints import read_checkpoint, write_checkpoint
from scratchnn.training.logs import WriteCSV


def on_two_threads() -> ParallelTrainer:
    t = trainer()
    return ParallelTrainer(t.model, t.optimiser, t.rng, threads=2)


def test_a_name_of_a_path_will_do(tmp_path):
    path = str(tmp_path / "c.npz")
    t = trainer()
    t.fit(X, epochs=1, batch_size=10, after_epoch=[WriteCSV(str(tmp_path / "h.csv")), SaveCheckpoint(path)])
    resumed = trainer()
    resumed.restore(path)
    assert state(resumed) == state(t)


def test_a_log_takes_in_names_that_come_later(tmp_path):
    """The KL has another name once its weight is 1."""
    t, path = trainer(), tmp_path / "h.csv"
    t.model.beta = 0.0
    t.fit(X, epochs=4, batch_size=10, after_epoch=[set_beta(t.model, warm_up(1.0, 2)), WriteCSV(path)])
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [bool(row["train_beta_kl"]) for row in rows] == [True, True, False, False]
    assert float(rows[3]["train_kl"]) == t.history[3]["train_kl"]


@pytest.mark.parametrize("make", [trainer, on_two_threads], ids=["one thread", "two threads"])
@pytest.mark.parametrize(
    "name, value", [("beta", 4), ("beta", np.float64(0.25)), ("n_draws", 3), ("n_draws", np.int64(3))]
)
def test_a_number_of_any_type_that_is_set_on_the_model_counts_and_is_kept(make, name, value, tmp_path):
    """After the trainer is made: the replicas have it, and so has the checkpoint, with the same bits as in one go."""

    def run(t, epochs):
        t.fit(X, epochs=epochs, batch_size=10, after_epoch=[SaveCheckpoint(tmp_path / "c.npz")])

    usual, whole, first, resumed = make(), make(), make(), make()
    run(usual, 2)
    for t in (whole, first):
        setattr(t.model, name, value)
    run(whole, 2)
    run(first, 1)
    resumed.restore(tmp_path / "c.npz")
    assert getattr(resumed.model, name) == value and type(getattr(resumed.model, name)) is type(getattr(VAE, name))
    run(resumed, 2)
    assert state(resumed) == state(whole)
    assert (usual.model.params != whole.model.params).any()


def test_a_layer_with_a_generator_of_its_own_draws_on_after_a_resumption(tmp_path):
    def made():
        t = trainer()
        rng = np.random.default_rng(7)
        layers = Sequential([Dense(5, 4, rng), Dropout(0.5, rng), Dense(4, 5, rng)])  # not the training's generator
        model = Autoencoder(layers, Dense(5, 5, rng), MeanSquaredError())
        return Trainer(model, Adam(model), t.rng)

    def run(t, epochs):
        t.fit(X, epochs=epochs, batch_size=10, after_epoch=[SaveCheckpoint(tmp_path / "c.npz")])

    whole, first, resumed = made(), made(), made()
    run(whole, 3)
    run(first, 2)
    resumed.restore(tmp_path / "c.npz")
    run(resumed, 3)
    assert state(resumed) == state(whole)
    record, arrays = read_checkpoint(tmp_path / "c.npz")
    for states in (2 * record["training"]["generators"], []):
        record["training"]["generators"] = states
        write_checkpoint(tmp_path / "c.npz", record, arrays)
        with pytest.raises(CheckpointError, match=f"of its layers it has {len(states)}, and this model 1"):
            made().restore(tmp_path / "c.npz")
    del record["training"]["generators"]  # as versions before wrote it
    write_checkpoint(tmp_path / "c.npz", record, arrays)
    made().restore(tmp_path / "c.npz")


def test_a_rate_that_falls_to_0_can_be_saved_and_a_negative_one_is_refused(tmp_path):
    t, path = trainer(), tmp_path / "c.npz"
    to_0 = set_learning_rate(lambda epoch: 0.01 * (1 - (epoch - 1) / 2))
    t.fit(X, epochs=2, batch_size=10, after_epoch=[to_0, SaveCheckpoint(path)])
    assert read_checkpoint(path)[0]["training"]["optimiser"]["lr"] == 0
    with pytest.raises(ValueError, match="the learning rate of epoch 4 must be a finite number of at least 0"):
        t.fit(X, epochs=3, batch_size=10, after_epoch=[to_0])


def test_the_best_epoch_of_an_earlier_training_does_not_come_back():
    t = trainer()
    t.fit(X, epochs=30, batch_size=10, held_out=X[:5], after_epoch=[EarlyStopping(2)])
    t.fit(X, epochs=len(t.history) + 2, batch_size=10)
    other = trainer()
    other.fit(X, epochs=len(t.history), batch_size=10, held_out=X[:5])
    np.testing.assert_array_equal(t.model.params, other.model.params)


def test_snapshots_are_copies():
    t = trainer()
    t.fit(X, epochs=2, batch_size=10, after_epoch=[keep_snapshots(lambda: t.model.params)])
    assert (t.snapshots[0] != t.snapshots[1]).any()


def test_an_epoch_that_is_given_up_leaves_no_losses(tmp_path):
    """An interrupt in a notebook, and the same call again."""
    t, step = trainer(), Trainer.step
    calls = []

    def interrupted(batch):
        calls.append(batch)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return step(t, batch)

    t.step = interrupted
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt):
            runs.train_in_folder(tmp_path, t, X, epochs=2, batch_size=10)
    assert len(t.iteration_losses) == 2 * -(-len(X) // 10) and len(t.history) == 2
    again = trainer()
    runs.train_in_folder(tmp_path, again, X, epochs=3, batch_size=10)
    assert len(again.history) == 3


def test_what_an_own_function_adds_as_numpy_s_number_is_kept(tmp_path):
    t = trainer()

    def measured(trainer, record):
        record["accuracy"] = np.float64(0.5)

    t.fit(X, epochs=1, batch_size=10, after_epoch=[measured, SaveCheckpoint(tmp_path / "c.npz")])
    assert read_checkpoint(tmp_path / "c.npz")[0]["training"]["history"][0]["accuracy"] == 0.5


def test_means_of_the_optimiser_that_overflow_are_a_divergence():
    t = trainer()
    t.optimiser.v[0] = np.inf
    with pytest.raises(DivergedError, match="too large for the optimiser's state in epoch 1"):
        t.fit(X, epochs=1, batch_size=10)


def test_an_optimiser_with_a_step_of_its_own_does_not_lose_it_on_threads():
    class Clipped(Adam):
        def step(self):
            self.model.grads.clip(-1, 1, out=self.model.grads)
            super().step()

    t = trainer(optimiser=Clipped)
    with pytest.raises(TypeError, match="Clipped has a step of its own"):
        ParallelTrainer(t.model, t.optimiser, t.rng, threads=2)


def test_noise_that_cannot_be_cut_is_named():
    class Noisy(Layer):
        def __init__(self, rng):
            super().__init__()
            self.rng = rng

        def forward(self, x):
            self.cache = ()
            return x + self.rng.normal(size=x.shape)

        def backward(self, dy):
            self.take_cache()
            return dy

    rng = np.random.default_rng(0)
    model = Autoencoder(Sequential([Dense(5, 4, rng), Noisy(rng)]), Dense(4, 5, rng), MeanSquaredError())
    t = ParallelTrainer(model, Adam(model), rng, threads=2)
    with pytest.raises(TypeError, match="a layer draws by normal"):
        t.fit(X, epochs=1, batch_size=10)


def test_a_fraction_in_the_place_of_a_whole_number_stays_one():
    """The class says 4, and a warm-up passes through 0.4."""

    class Weighted(VAE):
        beta = 4

    t = trainer()
    t.model.__class__ = Weighted
    t.fit(X, epochs=4, batch_size=10, after_epoch=[set_beta(t.model, warm_up(1.0, 4))])
    assert [record["beta"] for record in t.history] == [4, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("draws", [0, 10**12])
def test_a_number_of_draws_that_was_altered_by_hand_is_refused(draws, tmp_path):
    path, t = tmp_path / "c.npz", trainer()
    t.fit(X, epochs=1, batch_size=10, after_epoch=[SaveCheckpoint(path)])
    record, arrays = read_checkpoint(path)
    record["training"]["model"] = {"n_draws": draws}
    write_checkpoint(path, record, arrays)
    with pytest.raises(CheckpointError, match=f"its model's n_draws is {draws}, no number from 1 to"):
        trainer().restore(path)


def test_a_layer_whose_generator_no_checkpoint_keeps_is_refused_at_once():
    rng = np.random.default_rng(0)
    dropout = Dropout(0.5, np.random.Generator(np.random.Philox(1)))
    model = Autoencoder(Sequential([Dense(5, 4, rng), dropout]), Dense(4, 5, rng), MeanSquaredError())
    with pytest.raises(ValueError, match=r"Dropout.* draws with a generator whose state no checkpoint keeps"):
        Trainer(model, Adam(model), rng)
