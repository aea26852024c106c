"""Optimisers: a step worked out by hand, a step as the paper prints it, blocks that change no bit, and bad settings."""

from __future__ import annotations

from decimal import Decimal, localcontext
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchnn import SGD, Adam, optim


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


@pytest.mark.parametrize("beta1, beta2", [(0.9, 0.999), (0.0, 0.5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_of_adam_is_algorithm_1_as_printed(dtype, beta1, beta2, rng):
    """With m̂ and v̂ computed for themselves, in 50 digits, from the m, v and params before the step.

    The bound follows the lines of `Adam.update`; u is the rounding of the vectors' type, w that of Python's floats, and
    all errors are relative. A factor that is a Python float is rounded to the vectors' type first.

        m       (β1 m + (1 − β1) g): each product 2u, the sum 1u                    3u, of |β1 m| + |(1 − β1) g|
        v       the same with one product more; all its terms are positive           4u
        β^t     a power is off by 2w, so 1 − β^t by 2w β^t/(1 − β^t) + w             e1, e2
        r       half of e2, and w for the root                                       e2/2 + w
        lr r/(1 − β1^t): two operations and its rounding to the type                 lr_error = e2/2 + e1 + 3w + u
        √v + ε r: 2u and 1u for the root; the product; the sum                       root_error = 4u + e2/2 + 2w + u
        the step: a product and a quotient                                           2u
        params: the difference                                                       u, of |params|
    """
    u, w = float(np.finfo(dtype).eps) / 2, 2.0**-53
    lr, eps, n = 1e-2, 1e-8, 60
    sizes = 10.0 ** rng.uniform(-9, 2, n)  # of gradients, from where ε is all that counts to where it is nothing
    model = vectors(rng.normal(size=n).astype(dtype))
    adam = Adam(model, lr, beta1, beta2, eps)
    for t in range(1, 21):
        g = (sizes * rng.normal(size=n)).astype(dtype)
        model.grads[...] = g
        before = [array.astype(float) for array in (model.params, adam.m, adam.v)]
        adam.step()
        powers = beta1**t, beta2**t
        e1, e2 = (2 * w * power / (1 - power) + w for power in powers)
        lr_error, root_error = e2 / 2 + e1 + 3 * w + u, 4 * u + e2 / 2 + 2 * w + u
        with localcontext() as context:
            context.prec = 50
            for i in range(n):
                theta, m, v = (Decimal(float(array[i])) for array in before)
                exact, size = printed_step(*map(Decimal, (lr, beta1, beta2, eps)), t, Decimal(float(g[i])), m, v)
                found = Decimal(float(model.params[i]))
                step_error = 3 * u * float(size) + (lr_error + root_error + 2 * u) * abs(float(exact))
                bound = 1.01 * step_error + u * abs(float(found))  # 1.01: products of roundings
                assert abs(float(found - (theta - exact))) <= bound, (t, i, g[i])


def printed_step(lr, beta1, beta2, eps, t, g, m, v) -> tuple[Decimal, Decimal]:
    """What Algorithm 1 takes off θ; and the same with |β1 m| + |(1 − β1) g| for m, by which m's errors are measured."""
    v_hat = (beta2 * v + (1 - beta2) * g**2) / (1 - beta2**t)
    m_hat, size = (m_t / (1 - beta1**t) for m_t in (beta1 * m + (1 - beta1) * g, abs(beta1 * m) + abs((1 - beta1) * g)))
    return lr * m_hat / (v_hat.sqrt() + eps), lr * size / (v_hat.sqrt() + eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize("make", [Adam, lambda model: SGD(model, lr=0.1, momentum=0.9)], ids=["Adam", "SGD"])
def test_blocks_and_layout_change_no_bit(make, dtype, block, rng, monkeypatch):
    """One flat vector in blocks, and a loop over its arrays, one optimiser for each."""
    monkeypatch.setattr(optim, "BLOCK", block)
    shapes = [(13, 7), (7,), (7, 29), (29,)]
    flat = vectors(rng.normal(size=sum(int(np.prod(s)) for s in shapes)).astype(dtype))
    parts, start = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        parts.append(vectors(flat.params[start : start + size].copy()))
        start += size
    whole, pieces = make(flat), [make(part) for part in parts]
    updated: list[slice] = []
    update = whole.update
    whole.update = lambda entries: updated.append(entries) or update(entries)
    for piece in pieces:
        piece.step = lambda piece=piece: piece.begin() or piece.update(slice(0, len(piece.model.params)))  # in one
    for _ in range(10):
        updated.clear()
        flat.grads[...] = rng.normal(size=flat.grads.size)
        start = 0
        for part in parts:
            part.grads[...] = flat.grads[start : start + part.grads.size]
            start += part.grads.size
        for optimiser in (whole, *pieces):
            optimiser.step()
        # as many blocks as the size asks for, one after another, up to the last entry
        assert [entries.start for entries in updated] == [*range(0, 330, block)]
        assert [entries.stop for entries in updated] == [*range(block, 330, block), 330]
    np.testing.assert_array_equal(flat.params, np.concatenate([part.params for part in parts]))


def test_blocks_of_some_entries_are_those_entries(monkeypatch):
    """A share of the vector, as a thread takes it."""
    monkeypatch.setattr(optim, "BLOCK", 4)
    blocks = SGD(vectors(np.zeros(30)), lr=1.0).blocks(slice(5, 15))
    assert blocks == [slice(5, 9), slice(9, 13), slice(13, 15)]


@given(st.floats(-1e6, 1e6).filter(lambda g: abs(g) > 1e-3))
def test_the_first_step_of_adam_has_the_size_of_lr(g):
    """m̂/√v̂ = g/|g| then, whatever the size of g; ε = 1e-8 shortens it by 1e-8/|g|."""
    model = vectors([0.0], [g])
    Adam(model, lr=0.25).step()
    assert model.params[0] == pytest.approx(-0.25 * np.sign(g), rel=1.1e-8 / abs(g) + 1e-12)


@pytest.mark.parametrize("dtype, fits, too_large", [(np.float32, 5e20, 1e21), (np.float64, 4e155, 1e156)])
def test_a_gradient_whose_square_overflows_leaves_its_parameter_where_it_is(dtype, fits, too_large):
    """(1 − β2) g² is what has to fit; the first step of what fits has the size of lr."""
    model = vectors(np.zeros(3, dtype), np.array([fits, too_large, 1], dtype))
    adam = Adam(model, lr=0.25)
    with np.errstate(over="ignore"):
        adam.step()
    np.testing.assert_allclose(model.params, [-0.25, 0, -0.25], rtol=1e-5)


def test_sgd_with_momentum_by_hand():
    """lr = 1/2, momentum = 1/2, g = 1, 1, −2: velocity 1, 3/2, −5/4; steps of half of that from 0."""
    model = vectors([0.0])
    sgd = SGD(model, lr=0.5, momentum=0.5)
    for g, theta in ((1, -0.5), (1, -1.25), (-2, -0.625)):
        model.grads[0] = g
        sgd.step()
        assert model.params[0] == theta


@pytest.mark.parametrize("make", [Adam, lambda m: SGD(m, lr=0.1, momentum=0.9)])
def test_a_rate_may_be_a_number_of_numpy_s(make, rng):
    """As those of np.linspace are: the steps are those of Python's float."""
    made = []
    for lr in (0.0123, np.float64(0.0123)):
        g = np.random.default_rng(0).normal(size=2040).astype(np.float32)
        model = vectors(np.zeros(2040, np.float32), g)
        optimiser = make(model)
        optimiser.lr = lr
        for _ in range(5):
            optimiser.step()
        made.append(model.params)
    np.testing.assert_array_equal(*made)


def test_without_momentum_sgd_is_gradient_descent(rng):
    model = vectors(rng.normal(size=9), rng.normal(size=9))
    expected = model.params - 0.1 * model.grads - 0.1 * model.grads
    sgd = SGD(model, lr=0.1)
    sgd.step()
    sgd.step()
    np.testing.assert_allclose(model.params, expected, rtol=1e-14)


@pytest.mark.parametrize("make", [Adam, lambda m: SGD(m, lr=0.1, momentum=0.9)])
def test_an_optimiser_goes_on_from_its_state(make):
    def advance(optimiser, steps):
        for step in steps:
            optimiser.model.grads[...] = np.sin(step + np.arange(5))
            optimiser.step()

    through = make(vectors(np.ones(5)))
    advance(through, range(6))
    before = make(vectors(np.ones(5)))
    advance(before, range(3))
    after = make(vectors(before.model.params.copy()))
    after.load_state({name: np.copy(value) for name, value in before.state().items()})
    advance(after, range(3, 6))
    np.testing.assert_array_equal(after.model.params, through.model.params)


@pytest.mark.parametrize("make", [Adam, lambda m: SGD(m, lr=0.1)])
def test_the_rate_of_a_schedule_is_part_of_the_state(make):
    optimiser, other = make(vectors(np.ones(3))), make(vectors(np.ones(3)))
    optimiser.lr = 0.25
    assert optimiser.state()["lr"] == 0.25
    other.load_state(optimiser.state())
    assert other.lr == 0.25


@pytest.mark.parametrize("lr", [0.0, -1e-3, float("nan"), float("inf"), "1e-3", None, True + 0j])
@pytest.mark.parametrize("cls", [SGD, Adam])
def test_a_learning_rate_is_positive(cls, lr):
    with pytest.raises(ValueError, match="lr must be a positive, finite number, got"):
        cls(vectors([0.0]), lr=lr)


@pytest.mark.parametrize("rate", [-0.5, -1e-9, 1, 1.5, float("nan"), "0.9"])
def test_decay_rates_lie_below_one(rate):
    for name in ("beta1", "beta2"):
        with pytest.raises(ValueError, match=f"{name} must be at least 0 and below 1, got {rate!r}"):
            Adam(vectors([0.0]), **{name: rate})
    with pytest.raises(ValueError, match=f"momentum must be at least 0 and below 1, got {rate!r}"):
        SGD(vectors([0.0]), lr=1, momentum=rate)


def test_an_optimiser_says_how_it_steps():
    with pytest.raises(NotImplementedError):
        optim.Optimiser(vectors([1.0]), 0.1).step()


def test_eps_keeps_the_quotient_finite():
    with pytest.raises(ValueError, match="eps must be a positive, finite number, got 0"):
        Adam(vectors([0.0]), eps=0)


def test_the_defaults_are_those_of_the_papers():
    adam = Adam(vectors([0.0]))
    assert (adam.lr, adam.beta1, adam.beta2, adam.eps) == (0.001, 0.9, 0.999, 1e-8)  # Algorithm 1: "good default"
    assert SGD(vectors([0.0]), lr=1).momentum == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda m, number: Adam(m, number(1e-2), number(0.9), number(0.99), number(1e-8)),
        lambda m, number: SGD(m, lr=number(0.1), momentum=number(0.9)),
    ],
    ids=["Adam", "SGD"],
)
def test_settings_that_are_numbers_of_numpy_leave_float32_alone(make, rng):
    """np.float64 would make float64 of the arrays on the way, and other bits."""
    start, gradients = rng.normal(size=200).astype(np.float32), rng.normal(size=(5, 200)).astype(np.float32)
    ends = []
    for number in (float, np.float64):
        optimiser = make(vectors(start.copy()), number)
        for g in gradients:
            optimiser.model.grads[...] = g
            optimiser.step()
        ends.append(optimiser.model.params)
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize(
    ("make", "name"), [(SGD, "lr"), (SGD, "momentum"), (Adam, "lr"), (Adam, "beta1"), (Adam, "beta2"), (Adam, "eps")]
)
def test_a_setting_that_a_schedule_has_from_numpy_changes_no_bit(make, name, rng):
    grads, ends = rng.normal(size=(3, 7)).astype(np.float32), []
    for value in (0.3, np.float64(0.3)):
        model = vectors(np.ones(7, np.float32), np.zeros(7, np.float32))
        optimiser = make(model, lr=0.01)
        for g in grads:
            model.grads[...] = g
            setattr(optimiser, name, value)
            optimiser.step()
        ends.append(model.params)
    assert ends[0].dtype == ends[1].dtype == np.float32 and np.array_equal(*ends)


@pytest.mark.parametrize("lr", [2, np.int64(2), np.array(2.0)])
def test_a_rate_is_python_s_float_whatever_it_was(lr):
    sgd = SGD(vectors(np.ones(3, np.float32), np.ones(3, np.float32)), lr=0.01)
    sgd.lr = lr
    sgd.step()
    assert type(sgd.lr) is float and sgd.model.params.dtype == np.float32 and sgd.model.params.tolist() == [-1.0] * 3
