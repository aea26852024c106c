"""Training on several threads against training on one: the same gradient, the same noise, the same bits every time."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import PACKAGE
from hypothesis import given
from hypothesis import strategies as st

from scratchnn import (
    IWAE,
    SGD,
    VAE,
    Adam,
    Autoencoder,
    BatchNorm,
    Bernoulli,
    Classifier,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
)
from scratchnn.layers import Layer
from scratchnn.training import CheckpointError, DivergedError, SaveCheckpoint, Trainer, parallel
from scratchnn.training.parallel import InTurn, ParallelTrainer, RowsOfDraws, Turns, gradient_of_part, parts_of

N, D = 7, 16  # a batch that neither 2 nor 3 threads divide
UNIT = np.finfo(np.float64).eps / 2


def dense(n_in: int, n_out: int, rng: np.random.Generator) -> Dense:
    return Dense(n_in, n_out, rng, dtype=np.float64)


def vae(rng: np.random.Generator) -> VAE:
    encoder = Sequential([dense(D, 5, rng), ReLU(), dense(5, 6, rng)])
    decoder = Sequential([dense(3, 4, rng), ReLU(), dense(4, D, rng)])
    return VAE(encoder, decoder, Bernoulli(), n_z=3)


def vae_of_three_draws(rng: np.random.Generator) -> VAE:
    model = vae(rng)
    model.n_draws = 3
    return model


def iwae(rng: np.random.Generator) -> IWAE:
    return IWAE(*copy.deepcopy((vae(rng).encoder, vae(rng).decoder)), Bernoulli(), n_z=3, n_draws=4)


def convolutional(rng: np.random.Generator) -> Autoencoder:
    """With a generator of its own in the second dropout: two streams of noise."""
    convolution = Conv2D(1, 3, 2, rng, dtype=np.float64)
    encoder = [Reshape((1, 4, 4)), convolution, Dropout(0.4, rng), ReLU(), Flatten(), dense(27, 4, rng)]
    decoder = [Dropout(0.3, np.random.default_rng(9)), dense(4, D, rng)]
    return Autoencoder(Sequential(encoder), Sequential(decoder), MeanSquaredError())


def classifier(rng: np.random.Generator) -> Classifier:
    return Classifier(Sequential([dense(D, 6, rng), ReLU(), Dropout(0.5, rng), dense(6, 3, rng)]))


class Jitter(Layer):
    """y = x (1 + noise + other noise), from two generators that are called neither rng nor alike."""

    def __init__(self, generator: np.random.Generator, dice: np.random.Generator) -> None:
        super().__init__()
        self.generator, self.dice = generator, dice

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.cache = (1 + self.generator.standard_normal(x.shape) + self.dice.random(x.shape),)
        return x * self.cache[0]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        (factors,) = self.take_cache()
        return dy * factors


def jittery(rng: np.random.Generator) -> Classifier:
    """Its layers draw with one generator of their own and with that of the training, under other names."""
    own = np.random.default_rng(8)
    return Classifier(Sequential([dense(D, 6, rng), Jitter(own, rng), ReLU(), Jitter(rng, own), dense(6, 3, rng)]))


def normalised(rng: np.random.Generator) -> Classifier:
    layers = [dense(D, 6, rng), BatchNorm(6, dtype=np.float64), ReLU(), Dropout(0.5, rng), dense(6, 3, rng)]
    return Classifier(Sequential(layers))


MODELS: dict[str, Callable[[np.random.Generator], Any]] = {
    "vae": vae,
    "vae, three draws": vae_of_three_draws,
    "iwae": iwae,
    "convolutional": convolutional,
    "classifier": classifier,
    "generators of any name": jittery,
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def made(make: Callable[[np.random.Generator], Any]) -> tuple[Any, np.random.Generator]:
    """A model in float64 whose biases are not 0, and the generator that it shares with its training."""
    rng = np.random.default_rng(1)
    model = make(rng)
    model.params[...] += 0.1 * np.random.default_rng(2).standard_normal(model.params.shape)
    return model, rng


def batch_for(model: Any, n: int = N) -> Any:
    rng = np.random.default_rng(3)
    x = rng.random((n, D))
    return (x, rng.integers(0, 3, n)) if isinstance(model, Classifier) else x


def after_a_step(make: Callable[[np.random.Generator], Any], threads: int | None, n: int = N) -> Trainer:
    """A trainer that has made one step of plain gradient descent, on one thread (None) or several."""
    model, rng = made(make)
    trainer = (
        Trainer(model, SGD(model, lr=0.1), rng)
        if threads is None
        else ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=threads)
    )
    trainer.losses = trainer.step(batch_for(model, n))
    return trainer


def generators(model: Any) -> list[tuple[Any, str, np.random.Generator]]:
    """Every layer that draws, the name of what it draws with, and that."""
    found = [(layer, name, value) for layer in model.walk() for name, value in vars(layer).items()]
    return [(layer, name, value) for layer, name, value in found if isinstance(value, np.random.Generator)]


def sum_of_magnitudes(make: Callable[[np.random.Generator], Any], n: int = N) -> np.ndarray:
    """Σ_n |∂loss_n/∂params| / n: the gradients of single examples, each with its own noise, from the definition."""
    total = np.zeros(())
    for rows in parts_of(n, n):
        model, rng = made(make)
        drawing = generators(model)
        noise = {generator: RowsOfDraws(generator, n, rows) for generator in (rng, *(g for _, _, g in drawing))}
        for layer, name, generator in drawing:
            setattr(layer, name, noise[generator])
        gradient_of_part(model, parallel.rows_of(batch_for(model, n), rows), n, noise[rng])
        total = total + abs(model.grads)
    return total


@every_model
@pytest.mark.parametrize("threads", [1, 2, 3, 4, 20])
def test_any_number_of_threads_has_the_gradient_of_one(make, threads):
    one, several = after_a_step(make, None), after_a_step(make, threads)
    # two orders of a sum of at most N·D terms a layer, and of at most ten layers' roundings in each of them
    bound = 2 * 10 * N * D * UNIT * sum_of_magnitudes(make)
    assert (abs(several.model.grads - one.model.grads) <= bound).all()
    assert np.linalg.norm(one.model.grads) > 1e4 * np.linalg.norm(bound)
    np.testing.assert_allclose(several.model.params, one.model.params, atol=0.1 * bound.max())
    assert several.losses == pytest.approx(one.losses, rel=N * D * 10 * UNIT)


class Clipped(SGD):
    """Gradient descent with the gradient scaled to a norm of at most 0.01."""

    def begin(self) -> None:
        super().begin()
        self.model.grads[...] *= min(1.0, 0.01 / np.linalg.norm(self.model.grads))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("module", ["another", "test_parallel"])  # before scratchnn and after it
def test_an_optimiser_sees_the_whole_gradient_when_a_step_begins(module, threads, monkeypatch):
    monkeypatch.setattr(Clipped.begin, "__module__", module)
    one, several = made(vae)[0], made(vae)[0]
    Trainer(one, Clipped(one, lr=1.0), np.random.default_rng(4)).step(batch_for(one))
    before = several.params.copy()
    ParallelTrainer(several, Clipped(several, lr=1.0), np.random.default_rng(4), threads=threads).step(batch_for(one))
    assert np.linalg.norm(several.params - before) == pytest.approx(0.01, rel=1e-9)  # (1 + x) − 1 keeps 1e-14 of x
    np.testing.assert_allclose(several.params, one.params, rtol=0, atol=1e-12)  # as above, of a sum of norm 0.01


@every_model
@pytest.mark.parametrize("mistake", ["mean over the part", "one part forgotten", "the same noise for all parts"])
def test_the_comparison_notices(make, mistake, monkeypatch):
    bound = 2 * 10 * N * D * UNIT * sum_of_magnitudes(make)
    if mistake == "mean over the part":
        right = parallel.batch_mean
        monkeypatch.setattr(parallel, "batch_mean", lambda losses, n=None: right(losses))
    elif mistake == "one part forgotten":
        right_cut = parallel.parts_of
        monkeypatch.setattr(parallel, "parts_of", lambda n, parts: right_cut(n, parts)[:1] if n == N else [slice(0, n)])
    else:
        for name in ("standard_normal", "random"):

            def alike(self, *shape, name=name, **dtype):
                return getattr(copy.deepcopy(self.rng), name)(*shape, **dtype)

            monkeypatch.setattr(InTurn, name, alike)
    grads = after_a_step(make, 2).model.grads
    assert (abs(grads - after_a_step(make, None).model.grads) > bound).any()


@every_model
def test_noise_is_drawn_as_one_thread_would_draw_it(make):
    one, several = after_a_step(make, None), after_a_step(make, 3)
    assert one.rng.bit_generator.state == several.rng.bit_generator.state
    pairs = list(zip(generators(one.model), generators(several.model), strict=True))
    assert len(pairs) == {vae: 0, vae_of_three_draws: 0, iwae: 0, convolutional: 2, classifier: 1, jittery: 4}[make]
    for (_, name, mine), (_, same_name, other) in pairs:
        assert name == same_name and mine.bit_generator.state == other.bit_generator.state
    assert one.rng.bit_generator.state != made(make)[1].bit_generator.state or make is MODELS["classifier"]


class Hidden(Layer):
    """y = x · noise, by what is kept as `way` keeps it."""

    def __init__(self, way: Callable[[], Any]) -> None:
        super().__init__()
        self.kept = way()


class Dice:
    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    "way",
    [
        lambda: [np.random.default_rng(0)],
        lambda: {"a": (1, np.random.default_rng(0))},
        Dice,
        lambda: np.random.RandomState(0),
        lambda: [np.random.RandomState(0)],
    ],
    ids=["list", "mapping", "object", "RandomState", "RandomState in a list"],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_generator_that_a_part_cannot_replace_is_refused(way, threads, rng):
    """In a list, every replica would go on drawing with a copy of it: the same noise for all parts, without a word."""
    model = Classifier(Sequential([dense(D, 6, rng), Sequential([Hidden(way)]), dense(6, 3, rng)]))
    sentence = (
        "a layer keeps a generator of random numbers in a list or in another object, where the noise of a part of a "
        "batch cannot take its place: make it an attribute of the layer, a np.random.Generator, or use one thread"
    )
    with pytest.raises(TypeError) as error:
        ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=threads)
    assert str(error.value) == sentence


def test_a_layer_may_share_the_generator_of_another_object_if_it_keeps_it_itself(rng):
    """One generator in two places: where the layer has it as an attribute, noise can take its place."""
    layer = Hidden(lambda: None)
    layer.kept = rng
    model = Classifier(Sequential([dense(D, 6, rng), layer, dense(6, 3, rng)]))
    ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=2)


@given(n=st.integers(1, 60), parts=st.integers(1, 70))
def test_parts_are_consecutive_and_of_nearly_the_same_size(n, parts):
    rows = parts_of(n, parts)
    assert [row for part in rows for row in range(n)[part]] == list(range(n))
    sizes = [len(range(n)[part]) for part in rows]
    assert len(sizes) == min(n, parts) and min(sizes) >= 1 and max(sizes) - min(sizes) <= 1


def drawn(rng: Any, n: int) -> list[np.ndarray]:
    """Noise of every kind; an odd number of draws in single precision leaves half of a draw of the generator over."""
    return [rng.standard_normal((n, 2)), rng.random((n, 3, 1), np.float32), rng.random((n, 1)),
            rng.random((n, 1), np.float32), rng.standard_normal((n, 1))]  # fmt: skip


@given(n=st.integers(1, 9), parts=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_parts_of_draws_are_the_rows_of_the_whole_draw_in_any_order(n, parts, seed):
    def generator() -> np.random.Generator:
        return np.random.default_rng(seed)

    def part(r: int, rng: Any) -> list[np.ndarray]:
        time.sleep(1e-4 * order[r])
        return drawn(rng, rows[r].stop - rows[r].start)

    whole, shared, rows = generator(), generator(), parts_of(n, parts)
    expected = drawn(whole, n)
    order, turns = generator().permutation(len(rows)), Turns(len(rows))
    with ThreadPoolExecutor(len(rows)) as pool:
        in_turn = list(pool.map(lambda r: part(r, InTurn(shared, rows[r], turns, r)), range(len(rows))))
    each_for_itself = [part(r, RowsOfDraws(generator(), n, rows[r])) for r in range(len(rows))]
    for got in (in_turn, each_for_itself):
        for arrays in zip(expected, *got, strict=True):
            np.testing.assert_array_equal(np.concatenate(arrays[1:]), arrays[0])
    assert shared.bit_generator.state == whole.bit_generator.state


@pytest.mark.parametrize("leaver", [0, 1])
def test_no_part_waits_for_one_that_has_left(leaver):
    turns, rng = Turns(2), np.random.default_rng(0)
    stays = InTurn(rng, slice(0, 1), turns, 1 - leaver)
    turns.leave(leaver)
    assert np.array_equal([stays.random((1, 2)), stays.random((1, 2))], np.random.default_rng(0).random((2, 1, 2)))


@pytest.mark.parametrize("threads, over", [(2, 0), (3, 0), (2, 1), (2, 2)])
def test_parts_that_would_wait_for_each_other_are_told(threads, over):
    """The first part draws three times from one generator before it draws from another, and the others once; beside
    these there may be parts that are over already."""
    turns, rngs = Turns(threads + over), [np.random.default_rng(seed) for seed in (0, 1)]
    for other in range(over):
        turns.leave(threads + other)

    def draw(r: int) -> None:
        first, second = (InTurn(rng, slice(r, r + 1), turns, r) for rng in rngs)
        for _ in range(3 if r == 0 else 1):
            first.random((1, 2))
        second.random((1, 2))

    def part(r: int) -> str:
        try:
            draw(r)
        except RuntimeError as error:
            return str(error)
        finally:
            turns.leave(r)
        return ""

    with ThreadPoolExecutor(threads) as pool:
        told = list(pool.map(part, range(threads)))
    assert any("a layer draws more often for some rows than for others" in text for text in told)


def test_a_batch_that_is_a_list_is_cut_as_a_tuple_is():
    model, rng = made(classifier)
    batch = batch_for(model)
    assert isinstance(batch, tuple)
    as_list = copy.deepcopy((model, rng))
    for (made_of, generator), some in (((model, rng), batch), (as_list, list(batch))):
        made_of.losses = ParallelTrainer(made_of, SGD(made_of, lr=0.1), generator, threads=2).step(some)
    assert model.losses == as_list[0].losses and np.array_equal(model.grads, as_list[0].grads)


def test_what_is_changed_on_a_layer_during_training_counts_on_all_threads():
    """The rate of a dropout and what it draws with, as on one thread."""
    grads = []
    for threads in (None, 2):
        model, rng = made(classifier)
        make = Trainer if threads is None else partial(ParallelTrainer, threads=threads)
        trainer = make(model, SGD(model, lr=0.1), rng)
        trainer.step(batch_for(model))
        (dropout,) = (layer for layer in model.walk() if isinstance(layer, Dropout))
        for rate in (0.75, 0.25):  # larger than before, and smaller
            dropout.rate, dropout.rng = rate, np.random.default_rng(7)
            trainer.step(batch_for(model))
            grads.append(model.grads.copy())
    assert np.mean(grads[0] == 0) > np.mean(grads[1] == 0)  # the higher rate leaves out more
    np.testing.assert_allclose(grads[2:], grads[:2], rtol=1e-4, atol=1e-7)


def test_a_number_that_a_layer_changes_itself_is_left_to_it():
    class Counts(Layer):
        steps = 0

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.steps += 1
            return x.copy()

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    rng = np.random.default_rng(0)
    counts = Counts()
    counts.steps = 10
    model = Classifier(Sequential([dense(D, 3, rng), counts]))
    trainer = ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=2)
    for _ in range(3):
        trainer.step(batch_for(model))
    assert [replica.network.layers[1].steps for replica in trainer.replicas] == [13, 13] and counts.steps == 10
    counts.steps = 2  # somebody sets it: then it is what all have
    trainer.step(batch_for(model))
    assert [replica.network.layers[1].steps for replica in trainer.replicas] == [3, 3]


@pytest.mark.filterwarnings("error")
def test_terms_whose_sum_overflows_are_no_warning(monkeypatch):
    """`fit` reports that, by name and place."""
    model, rng = made(classifier)
    trainer = ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=2)
    huge = {name: np.full(3, 3e38, np.float32) for name in ("one", "other")}
    monkeypatch.setattr(parallel, "gradient_of_part", lambda *_: huge)
    assert trainer.step(batch_for(model))["loss"] == np.inf


def test_what_is_no_module_or_no_number_of_threads_is_one_sentence():
    model, rng = made(vae)
    for threads in (0, 1.5, "2", True):
        with pytest.raises(ValueError, match="ParallelTrainer needs as its threads a whole number from 1 upwards"):
            ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=threads)
    own = SimpleNamespace(params=model.params, grads=model.grads)
    with pytest.raises(TypeError, match="several threads train a Module of this library, which they can copy, got a"):
        ParallelTrainer(own, SGD(own, lr=0.1), rng, threads=2)
    trainer = ParallelTrainer(model, SGD(model, lr=0.1), rng, {"seed": np.int64(3)}, threads=np.int64(2))
    assert trainer.settings["threads"] == 2 and trainer.settings["seed"] == 3


def test_a_part_that_has_left_is_refused_and_does_not_wait():
    trainer = after_a_step(convolutional, 2)
    with pytest.raises(RuntimeError, match="a replica is used outside of a step"):
        trainer.replicas[0].loss_terms(batch_for(trainer.model)[:3], trainer.rng)


@pytest.mark.parametrize("fails", [0, 1])
def test_a_part_that_fails_before_it_draws_does_not_stop_the_others(fails, monkeypatch):
    model, rng = made(vae)
    trainer = ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=2)
    monkeypatch.setattr(trainer.replicas[fails], "loss_terms", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trainer.step(batch_for(model))


@pytest.mark.parametrize(
    "noise",
    [RowsOfDraws(np.random.default_rng(0), 7, slice(0, 3)), InTurn(np.random.default_rng(0), slice(0, 3), Turns(1), 0)],
)
def test_noise_that_is_not_cut_by_rows_is_refused(noise):
    for rows in (2, 4):
        with pytest.raises(ValueError, match=rf"a part of 3 of them cannot have noise of shape \({rows}, 2\)"):
            noise.random((rows, 2))


def test_replicas_read_the_parameters_of_the_model_and_write_gradients_of_their_own():
    model, rng = made(vae)
    trainer = ParallelTrainer(model, Adam(model), rng, threads=2)
    first, second = trainer.replicas
    for replica in trainer.replicas:
        assert np.shares_memory(replica.params, model.params)
        assert np.shares_memory(replica.decoder.layers[0].W, model.params)
    assert np.shares_memory(first.grads, model.grads)  # where the sum is to be
    assert not np.shares_memory(second.grads, model.grads)


def test_a_part_has_two_rows_at_least_since_one_has_no_variance():
    several = after_a_step(normalised, 2, n=3)
    np.testing.assert_array_equal(several.model.params, after_a_step(normalised, 1, n=3).model.params)
    assert np.isfinite(after_a_step(normalised, 3, n=5).model.params).all()


def test_a_batch_of_one_is_a_part():
    one = after_a_step(vae, 1, n=1).model.params
    np.testing.assert_array_equal(after_a_step(vae, 3, n=1).model.params, one)


def test_a_batch_that_is_large_enough_has_a_part_for_every_thread():
    trainer = after_a_step(vae, 3, n=6)
    assert all(replica.grads.any() for replica in trainer.replicas)


def test_a_process_has_threads_of_its_own_whatever_its_number(monkeypatch):
    """1 is the first process of a container; where numbers start anew, a child has a smaller one than its parent."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert np.isfinite(after_a_step(vae, 2).model.params).all()
    monkeypatch.setattr(os, "getpid", lambda: 7)
    trainer = after_a_step(vae, 2)
    before = trainer.pool
    monkeypatch.setattr(os, "getpid", lambda: 3)
    trainer.step(batch_for(trainer.model))
    assert trainer.pool is not before


def test_a_step_is_over_when_an_interrupt_goes_on(monkeypatch):
    trainer, done = after_a_step(vae, 2), []
    step, submit = trainer.whole_step, trainer.conductor.submit

    def slow(batch):
        time.sleep(0.05)
        done.append(step(batch))

    def submitted(work, *arguments):
        future = submit(work, *arguments)
        if work is slow:
            monkeypatch.setattr(future, "result", interrupted)
        return future

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "whole_step", slow)
    monkeypatch.setattr(trainer.conductor, "submit", submitted)
    with pytest.raises(KeyboardInterrupt):
        trainer.step(batch_for(trainer.model))
    assert len(done) == 1


def test_nobody_waits_for_a_part_for_which_there_was_no_thread(monkeypatch):
    """The one before it draws twice, and before the second time it would wait for the first draw of this one."""
    rng = np.random.default_rng(0)
    network = Sequential([Dropout(0.5, rng), dense(D, 5, rng), Dropout(0.5, rng), dense(5, 3, rng)])
    model = Classifier(network)
    trainer = ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=3)
    batch, said = batch_for(model), []
    trainer.step(batch)  # starts the threads
    submit, begun = trainer.pool.submit, []

    def one_thread(work, *arguments):
        begun.append(work)
        if len(begun) > 1:
            raise RuntimeError("can't start new thread")
        return submit(work, *arguments)

    def step():
        try:
            trainer.step(batch)
        except RuntimeError as error:
            said.append(str(error))

    monkeypatch.setattr(trainer.pool, "submit", one_thread)
    thread = threading.Thread(target=step, daemon=True)
    thread.start()
    thread.join(60)
    assert said == ["can't start new thread"]


def test_a_part_that_fails_is_told_of_when_the_others_have_finished():
    model, rng = made(vae)
    finished = []

    def work(r: int) -> None:
        if r == 0:
            raise ZeroDivisionError
        time.sleep(0.05)
        finished.append(r)

    trainer = ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=2)
    trainer.step(batch_for(model))  # starts the threads
    with pytest.raises(ZeroDivisionError):
        trainer.everywhere(work, 2)
    assert finished == [1]


@pytest.mark.parametrize("threads", [2, 3])
def test_batch_norm_normalises_each_part_and_averages_their_averages(threads):
    several = after_a_step(normalised, threads, n=11)
    model, _ = made(normalised)
    x, labels = batch_for(model, 11)
    grads, averages = np.zeros_like(model.grads), {name: [] for name in model.buffers}
    for rows in parts_of(11, threads):
        fresh, rng = made(normalised)
        fresh.network.layers[3].rng = RowsOfDraws(rng, 11, rows)
        gradient_of_part(fresh, (x[rows], labels[rows]), 11, None)
        grads += fresh.grads
        for name, average in fresh.buffers.items():
            averages[name].append(average)
    np.testing.assert_allclose(several.model.grads, grads, rtol=0, atol=1e-13 * abs(grads).max())
    for name, values in averages.items():
        np.testing.assert_allclose(several.model.buffers[name], np.mean(values, axis=0), rtol=1e-14)
    assert abs(grads - after_a_step(normalised, None, n=11).model.grads).max() > 1e-3 * abs(grads).max()


def test_a_layer_that_is_frozen_later_on_is_frozen_on_every_thread():
    model, rng = made(normalised)
    trainer = ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=2)
    trainer.step(batch_for(model, 11))
    before = {name: average.copy() for name, average in model.buffers.items()}
    model.network.layers[1].train(False)
    trainer.step(batch_for(model, 11))
    for name, average in model.buffers.items():
        np.testing.assert_allclose(average, before[name], rtol=1e-15)


def trained(model_and_rng, epochs: int, threads: int, folder=None) -> ParallelTrainer:
    model, rng = model_and_rng
    x, labels = batch_for(model, 23)

    class Pairs:
        def __len__(self) -> int:
            return len(x)

        def __getitem__(self, rows: Any) -> Any:
            return x[rows], labels[rows]

    trainer = ParallelTrainer(model, Adam(model, lr=0.01), rng, {"data": "made up"}, threads=threads)
    if folder is not None and folder.exists():
        trainer.restore(folder)
    after = [] if folder is None else [SaveCheckpoint(folder)]
    trainer.fit(Pairs(), epochs=epochs, batch_size=8, held_out=Pairs(), after_epoch=after)
    return trainer


def test_the_same_number_of_threads_gives_the_same_bits():
    runs = [trained(made(normalised), 5, 3) for _ in range(3)]
    assert len({run.model.params.tobytes() for run in runs}) == 1
    assert len({tuple(run.iteration_losses) for run in runs}) == 1


def test_a_resumed_run_equals_one_that_was_never_interrupted(tmp_path):
    checkpoint = tmp_path / "checkpoint.npz"
    trained(made(normalised), 2, 2, checkpoint)
    resumed, whole = trained(made(normalised), 5, 2, checkpoint), trained(made(normalised), 5, 2)
    assert resumed.model.params.tobytes() == whole.model.params.tobytes()
    for name, average in whole.model.buffers.items():
        assert resumed.model.buffers[name].tobytes() == average.tobytes()
    assert [record["held_out_loss"] for record in resumed.history] == [r["held_out_loss"] for r in whole.history]


def test_a_checkpoint_of_another_number_of_threads_is_refused(tmp_path):
    trained(made(normalised), 1, 2, tmp_path / "checkpoint.npz")
    with pytest.raises(CheckpointError, match="it has threads = 2, and this run has 3"):
        trained(made(normalised), 2, 3, tmp_path / "checkpoint.npz")


def test_no_thread_is_too_few():
    model, rng = made(vae)
    with pytest.raises(ValueError, match="a whole number from 1 upwards, got 0"):
        ParallelTrainer(model, Adam(model), rng, threads=0)


def test_an_error_on_a_thread_is_the_error_of_the_step():
    model, rng = made(classifier)
    x, labels = batch_for(model)
    labels[-1] = 3
    with pytest.raises(ValueError, match="labels"):
        ParallelTrainer(model, Adam(model), rng, threads=2).step((x, labels))


class Interrupts:
    """Raises KeyboardInterrupt before the n-th line that this thread runs in files of these names, counted from 0."""

    def __init__(self, n: int, names: tuple[str, ...]) -> None:
        self.left, self.names, self.raised = n, names, False

    def __call__(self, frame: Any, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.endswith(self.names) or self.raised:
            return None
        if event == "line":
            self.left -= 1
            if self.left < 0:
                self.raised = True
                raise KeyboardInterrupt
        return self


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_interrupt_at_any_line_of_a_step_ends_it_and_the_next_step_is_whole(threads):
    """In the main thread, which is where Python raises one: our own lines, and those of the thread pool. The steps that
    were begun are finished: after so many of them the parameters are those of a training without interrupts."""
    files = ("training/parallel.py", "concurrent/futures/thread.py", "concurrent/futures/_base.py", "threading.py")
    model, rng = made(vae)
    trainer = ParallelTrainer(model, SGD(model, lr=0.01), rng, threads=threads)
    other, other_rng = made(vae)
    uninterrupted = ParallelTrainer(other, SGD(other, lr=0.01), other_rng, threads=threads)
    batch, line, steps, made_steps = batch_for(model), 0, 0, 0
    while True:
        before = model.params.copy()
        interrupts = Interrupts(line, files)
        tracing = sys.gettrace()
        sys.settrace(interrupts)
        try:
            trainer.step(batch)
        except (KeyboardInterrupt, RuntimeError):  # RuntimeError: a lock that the interrupted line was to take back
            assert interrupts.raised
        finally:
            sys.settrace(tracing)
        if trainer.process == os.getpid():
            trainer.conductor.submit(int).result(timeout=20)  # no thread waits for anything
        steps += not np.array_equal(model.params, before)
        while made_steps < steps:
            uninterrupted.step(batch)
            made_steps += 1
        np.testing.assert_array_equal(model.params, other.params)
        if not interrupts.raised:
            break
        line += 1
    assert line > 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_the_process_has_threads_of_its_own():
    code = """
import os, warnings
warnings.simplefilter("ignore")
import test_parallel as t
trainer = t.after_a_step(t.vae, 2)
child = os.fork()
trainer.step(t.batch_for(trainer.model))
if child:
    assert os.waitpid(child, 0)[1] == 0
print(trainer.model.params.sum())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    of_child, of_parent = done.stdout.split()
    assert of_child == of_parent


def test_an_overflow_is_reported_in_one_sentence_and_without_warnings(recwarn):
    model, rng = made(vae)
    model.params[...] = 1e200
    trainer = ParallelTrainer(model, Adam(model), rng, threads=2)
    with pytest.raises(DivergedError, match="loss became"):
        trainer.fit(batch_for(model), epochs=1, batch_size=N)
    assert [str(warning.message) for warning in recwarn if issubclass(warning.category, RuntimeWarning)] == []


def test_losses_that_only_overflow_when_they_are_added_are_reported_so_too(recwarn):
    rng = np.random.default_rng(0)
    model = Autoencoder(Dense(3, 2, rng), Dense(2, 3, rng), MeanSquaredError())
    model.params[...] = 0
    trainer = ParallelTrainer(model, SGD(model, lr=0.1), rng, threads=2)
    with pytest.raises(DivergedError, match="loss became"):
        trainer.fit(np.full((4, 3), 1.5e19, np.float32), epochs=1, batch_size=4)  # 2.25e38 each; float32 ends at 3.4e38
    assert [str(warning.message) for warning in recwarn if issubclass(warning.category, RuntimeWarning)] == []
