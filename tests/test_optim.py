from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchnn import SGD, Adam


def vectors(params, grads=None) -> SimpleNamespace:
    params = np.asarray(params)
    return SimpleNamespace(params=params, grads=np.zeros_like(params) if grads is None else np.asarray(grads))


def test_five_steps_of_adam_worked_by_hand():
    """Algorithm 1 with α = 0.1, β1 = 1/2, β2 = 3/4, ε = 0.01, from θ = 1, in exact fractions as far as they go:

    t   g    m      v          m̂ = m/(1 − 2^−t)   v̂ = v/(1 − (3/4)^t)   θ ← θ − 0.1 m̂/(√v̂ + 0.01)
    1   1    1/2    1/4        1                   1                     0.9009900990099010
    2  −2   −3/4    19/16     −1                   19/7                  0.9613215985634150
    3   3    9/8    201/64     9/7                 201/37                0.9063943341706580
    4   0    9/16   603/256    3/5                 603/175               0.8742445337287929
    5   4    73/32  5905/1024  73/31               5905/781              0.7889148434746698
    """
    model = vectors([1.0])
    adam = Adam(model, lr=0.1, beta1=0.5, beta2=0.75, eps=0.01)
    for g, theta in [
        (1, 0.9009900990099010),
        (-2, 0.9613215985634150),
        (3, 0.9063943341706580),
        (0, 0.8742445337287929),
        (4, 0.7889148434746698),
    ]:
        model.grads[0] = g
        adam.step()
        assert model.params[0] == pytest.approx(theta, rel=1e-15, abs=0)  # 16 digits in the table


def test_adam_equals_the_paper_as_written(rng):
    """The two ways to write a step differ by a few roundings of it, and θ is rounded to 1e-16 of its size at each."""
    model = vectors(rng.normal(size=200))
    adam = Adam(model, lr=1e-2)
    theta, m, v = model.params.copy(), 0.0, 0.0
    for t in range(1, 31):
        g = rng.normal(size=200)
        model.grads[...] = g
        adam.step()
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        theta = theta - 1e-2 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(model.params, theta, rtol=0, atol=t * 1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_blocks_and_layout_change_no_bit(dtype, block, rng):
    """One flat vector in blocks, and a loop over its arrays, one optimiser for each."""
    shapes = [(13, 7), (7,), (7, 29), (29,)]
    flat = vectors(rng.normal(size=sum(int(np.prod(s)) for s in shapes)).astype(dtype))
    parts, start = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        parts.append(vectors(flat.params[start : start + size].copy()))
        start += size
    adam, adams = Adam(flat), [Adam(part) for part in parts]
    adam.block = block
    for _ in range(10):
        flat.grads[...] = rng.normal(size=flat.grads.size)
        start = 0
        for part in parts:
            part.grads[...] = flat.grads[start : start + part.grads.size]
            start += part.grads.size
        for optimizer in (adam, *adams):
            optimizer.step()
    np.testing.assert_array_equal(flat.params, np.concatenate([part.params for part in parts]))


@given(st.floats(-1e6, 1e6).filter(lambda g: abs(g) > 1e-3))
def test_the_first_step_of_adam_has_the_size_of_lr(g):
    """m̂/√v̂ = g/|g| then, whatever the size of g; ε = 1e-8 shortens it by 1e-8/|g|."""
    model = vectors([0.0], [g])
    Adam(model, lr=0.25).step()
    assert model.params[0] == pytest.approx(-0.25 * np.sign(g), rel=1.1e-8 / abs(g) + 1e-12)


def test_sgd_with_momentum_by_hand():
    """lr = 1/2, momentum = 1/2, g = 1, 1, −2: velocity 1, 3/2, −5/4; steps of half of that from 0."""
    model = vectors([0.0])
    sgd = SGD(model, lr=0.5, momentum=0.5)
    for g, theta in ((1, -0.5), (1, -1.25), (-2, -0.625)):
        model.grads[0] = g
        sgd.step()
        assert model.params[0] == theta


def test_without_momentum_sgd_is_gradient_descent(rng):
    model = vectors(rng.normal(size=9), rng.normal(size=9))
    expected = model.params - 0.1 * model.grads - 0.1 * model.grads
    sgd = SGD(model, lr=0.1)
    sgd.step()
    sgd.step()
    np.testing.assert_allclose(model.params, expected, rtol=1e-14)


@pytest.mark.parametrize("make", [Adam, lambda m: SGD(m, lr=0.1, momentum=0.9)])
def test_an_optimiser_goes_on_from_its_state(make):
    def advance(optimizer, steps):
        for step in steps:
            optimizer.model.grads[...] = np.sin(step + np.arange(5))
            optimizer.step()

    through = make(vectors(np.ones(5)))
    advance(through, range(6))
    before = make(vectors(np.ones(5)))
    advance(before, range(3))
    after = make(vectors(before.model.params.copy()))
    after.load_state({name: np.copy(value) for name, value in before.state().items()})
    advance(after, range(3, 6))
    np.testing.assert_array_equal(after.model.params, through.model.params)


@pytest.mark.parametrize("lr", [0.0, -1e-3, float("nan"), float("inf")])
@pytest.mark.parametrize("cls", [SGD, Adam])
def test_a_learning_rate_is_positive(cls, lr):
    with pytest.raises(ValueError, match="lr must be a positive, finite number, got"):
        cls(vectors([0.0]), lr=lr)


def test_decay_rates_lie_below_one():
    with pytest.raises(ValueError, match="beta2 must be at least 0 and below 1, got 1"):
        Adam(vectors([0.0]), beta2=1)
    with pytest.raises(ValueError, match="momentum must be at least 0 and below 1, got -0"):
        SGD(vectors([0.0]), lr=1, momentum=-0.1)
