"""What one problem with one upstream gradient does not show: other sizes and values, a large one, a second call."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import blind
import numpy as np
import pytest
from check_blind import passes

from scratchnn.gradcheck import GradientError, check_function, check_layer, check_model
from scratchnn.gradcheck.another import other_values, others
from scratchnn.gradcheck.problem import Code, Problem

# half of them; python tests/check_blind.py tries all
HIDDEN = [(family, case) for family in blind.load() for case in family.wrong if case.shows != "plain"][::2]
HARD = [
    (family, case)
    for family in blind.load()
    for case in family.rights()
    if case.kink or case.difficult or family.keys or family.name == "coupling_views"
][::2]


def ids(cases):
    return [f"{family.name}-{case.name}" for family, case in cases]


@pytest.mark.parametrize(("family", "case"), HIDDEN, ids=ids(HIDDEN))
def test_a_mistake_that_one_problem_does_not_show_is_caught(family, case):
    assert not passes(family, case)


@pytest.mark.parametrize(("family", "case"), HARD, ids=ids(HARD))
def test_a_right_pass_that_is_hard_to_measure_is_not_refused(family, case):
    assert passes(family, case)


def test_an_upstream_gradient_is_not_made_of_the_users_numbers():
    """A normalisation has no gradient for an upstream gradient that is its own input: nothing could be measured."""

    def forward(x):
        norm = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        return x / norm, (x / norm, norm)

    def backward(dy, cache):
        y, norm = cache
        return (dy - y * np.sum(dy * y, axis=1, keepdims=True)) / norm

    x = np.random.default_rng(0).standard_normal((4, 4))
    assert check_function(forward, backward, [x], seed=0).passed


class Scale:
    """Backward forgets gamma, which is 1 at first."""

    def __init__(self):
        self.gamma = np.ones(3)

    def forward(self, x):
        self.x = x
        return x * self.gamma

    def backward(self, dy):
        self.dgamma = (dy * self.x).sum(axis=0)
        return dy


def test_parameters_have_other_values_in_other_problems():
    with pytest.raises(GradientError, match="right for the inputs given"):
        check_layer(Scale(), np.random.default_rng(0).normal(size=(5, 3)))


def test_an_answer_that_changes_once_others_were_seen_is_caught():
    """Right for inputs that are new, in every problem: as a function, and as a layer, which may keep its last call."""
    seen = []

    def forward(x):
        if not any(np.array_equal(x, other) for other in seen):
            seen.append(x.copy())
        return x**2, x

    def backward(dy, x):
        return 2 * dy * x if np.array_equal(x, seen[-1]) else 4 * dy * x

    class Layer:
        def forward(self, x):
            y, self.x = forward(x)
            return y

        def backward(self, dy):
            return backward(dy, self.x)

    x = np.random.default_rng(0).normal(size=(3, 2))
    with pytest.raises(GradientError, match="backward reads something that the next forward changes"):
        check_function(forward, backward, [x])
    seen.clear()
    with pytest.raises(GradientError, match="right at first, and another answer for the same inputs after others"):
        check_layer(Layer(), x)


def made(inputs, constants):
    def forward(x, W, *rest):
        return x @ W, None

    code = Code("function", forward, lambda dy, cache: (dy, dy), lambda: ((*inputs, *constants), {}))
    names = ("dx", "dW")
    return Problem("made", dict(zip(names, inputs, strict=True)), code.outputs, code, lambda returned: {})


def made_of(forward, inputs, constants):
    code = Code("function", forward, lambda dy, cache: dy, lambda: ((*inputs, *constants), {}))
    return Problem("made", {"dx": inputs[0]}, code.outputs, code, lambda returned: {})


def test_another_problem_has_other_lengths_that_fit():
    rng = np.random.default_rng(1)
    x, W = rng.uniform(2, 3, (4, 3)), rng.uniform(-1, 0, (3, 5))
    problem = next(others(made, [x, W], [], seed=0))
    (n, d), (same, e) = problem.arrays["dx"].shape, problem.arrays["dW"].shape
    assert (n, d, e) == (7, 5, 6) or len({n, d, e} & {4, 3, 5}) < 3
    assert d == same != 3 and n != 4
    assert problem.arrays["dx"].min() >= 2 and problem.arrays["dx"].max() <= 3
    assert not np.isin(problem.arrays["dx"], x).any()


@pytest.mark.parametrize("length", range(2, 12))
def test_no_other_length_is_that_of_the_examples_or_next_to_it(length):
    inputs = [np.random.default_rng(1).normal(size=shape) for shape in ((20, length), (length, 20))]
    n, d = next(others(made, inputs, [], seed=0)).arrays["dx"].shape
    assert abs(n - d) > 1


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_second_problem_outside_of_the_domain_is_not_used():
    """The constants are drawn apart from the inputs, and the logarithm of a difference is not a number then."""
    c = np.arange(10.0).reshape(5, 2)
    check_function(lambda x, c: (np.log(x - c), x - c), lambda dy, d: dy / d, [c + 0.5], [c])


def test_a_permutation_stays_one():
    rng = np.random.default_rng(1)
    x, W, order = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), np.array([3, 0, 4, 1, 2])
    seen = []

    def noting(inputs, constants):
        seen.append(constants[0])
        return made(inputs, constants)

    assert other_values(noting, [x, W], [order], seed=0) is not None
    assert len(next(others(noting, [x, W], [order], seed=0)).arrays["dx"]) == len(seen[-1]) == 7
    assert all(sorted(each) == [*range(len(each))] for each in seen)
    with pytest.raises(GradientError, match="not linear in the upstream gradient"):
        check_function(lambda x: (2 * x, None), lambda dy, cache: 2 * np.clip(dy, -50, 50), [x])


def segments(x, offsets):
    return np.array([x[start:end].sum(axis=0) for start, end in pairwise(offsets)]), offsets


def segments_backward(dy, offsets):
    return np.repeat(dy, np.diff(offsets), axis=0)


@pytest.mark.parametrize("offsets", [[0, 2, 3, 5], [0, 2, 2, 5], [0, 1, 2, 3, 4, 5], [0, 5]], ids=str)
@pytest.mark.parametrize("columns", [3, 5])  # as many as rows
def test_segments_of_an_axis_end_where_it_ends(offsets, columns):
    x, offsets = np.random.default_rng(1).normal(size=(5, columns)), np.array(offsets)
    seen = []

    def noting(x, offsets):
        seen.append((x, offsets))
        return segments(x, offsets)

    assert check_function(noting, segments_backward, {"x": x}, [offsets]).passed
    assert {len(x) for x, _ in seen} > {5}
    if (np.diff(offsets) == 1).all():
        return  # they are taken for labels too, which forward turns away
    assert all(each[0] == 0 and each[-1] == len(x) and (np.diff(each) >= 0).all() for x, each in seen)
    if (np.diff(offsets) > 0).all():
        assert all((np.diff(each) > 0).all() for _, each in seen)


def test_segments_written_as_numbers_are_found():
    """Others have other lengths, of the same sizes too; there may be another number of them."""
    x, offsets = np.random.default_rng(1).normal(size=(5, 3)), np.array([0, 2, 3, 5])
    with pytest.raises(GradientError, match=r"right for the inputs given.* wrong for others"):
        check_function(segments, lambda dy, _: np.repeat(dy, [2, 1, 2], axis=0), {"x": x}, [offsets])
    values = [other_values(partial(made_of, segments), [x], [offsets], seed) for seed in range(5)]
    assert len({str(problem.code.arguments()[0][1]) for problem in values}) > 1


@pytest.mark.parametrize(("columns", "labels"), [(3, [0, 1, 2, 3, 3]), (4, [0, 1, 2, 3, 4]), (5, [0, 1, 2, 3, 5])])
def test_labels_that_could_be_offsets_keep_no_other_sizes_away(columns, labels):
    """They ascend from 0 to the number of columns."""
    rng = np.random.default_rng(1)
    x, W = rng.normal(size=(5, columns)), rng.normal(size=(columns, columns + 1))

    def forward(x, W, labels):
        return (x @ W)[np.arange(len(x)), labels] / len(x), (x, W, labels)

    def check(n):
        def backward(dy, cache):
            x, W, labels = cache
            dz = np.zeros((len(x), W.shape[1]))
            dz[np.arange(len(x)), labels] = dy / (n or len(x))
            return dz @ W.T, x.T @ dz

        return check_function(forward, backward, {"x": x, "W": W}, [np.array(labels)])

    assert check(None).passed
    with pytest.raises(GradientError, match="is a size written as a number"):
        check(5)


def test_labels_one_hot_and_shares_stay_so():
    rng = np.random.default_rng(1)
    x, W, labels, shares = (
        rng.normal(size=(5, 4)),
        rng.normal(size=(4, 4)),
        np.eye(4)[[0, 3, 1, 1, 2]],
        np.full((5, 4), 0.25),
    )
    seen = []

    def noting(inputs, constants):
        seen.append(constants)
        return made(inputs, constants)

    assert len([*others(noting, [x, W], [labels, shares], seed=0)]) > 2
    assert {len(labels) for labels, _ in seen} == {5, 7, 13}
    for labels, shares in seen:
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        assert set(np.unique(labels)) <= {0, 1} and (labels.sum(axis=1) == 1).all()


def pair(x, places, backward):
    """Products of two columns of x; `places` has exactly two columns, and forward does not mind more."""

    def forward(x, places):
        return x[:, places[0, 0]] * x[:, places[0, 1]], (x, places)

    return check_function(forward, backward, {"x": x}, [places])


def test_what_forward_does_not_read_need_not_be_taken_in_other_lengths():
    x, places = np.random.default_rng(0).normal(size=(5, 2)), np.array([[1, 0]])

    def backward(dy, cache):
        x, ((one, other),) = cache[0], cache[1]
        dx = np.zeros_like(x)
        dx[:, one], dx[:, other] = dy * x[:, other], dy * x[:, one]
        return dx

    assert pair(x, places, backward).passed


def test_a_table_of_a_fixed_number_of_rows_is_wrong_although_not_all_rows_are_read():
    def backward(dy, places):
        dW = np.zeros((5, 3))
        np.add.at(dW, places, dy)
        return dW

    W, places = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 2, 2, 1])
    with pytest.raises(GradientError, match="is a size written as a number"):
        check_function(lambda W, places: (W[places], places), backward, [W], [places])


def test_whole_numbers_among_the_constants_have_other_values_once():
    def forward(x, power):
        return x**power, (x, power)

    def backward(dy, cache):
        x, power = cache
        return power * x ** (power - 1) * dy

    x = np.random.default_rng(0).uniform(1, 2, (5, 3))
    assert check_function(forward, backward, [x], [2]).passed
    with pytest.raises(GradientError, match=r"whole numbers among the constants \(3 for 2\)"):
        check_function(forward, lambda dy, cache: 2 * cache[0] * dy, [x], [2])


def test_constants_of_any_kind_are_taken():
    tree = ((0, 1), 2)

    def forward(x, tree):
        return x[tree[0][0]] * x[tree[0][1]] + x[tree[1]], x

    def backward(dy, x):
        dx = np.zeros_like(x)
        dx[0], dx[1], dx[2] = dy * x[1], dy * x[0], dy
        return dx

    assert check_function(forward, backward, [np.random.default_rng(0).normal(size=(3, 4))], [tree]).passed


def test_a_constant_keeps_the_form_that_backward_may_count_on():
    """Symmetric and triangular matrices, and grids in ascending order with even steps, in problems of other sizes too;
    a row of weights that ascends by no plan counts as such."""
    rng = np.random.default_rng(1)
    x, W, square = rng.normal(size=(5, 4)), rng.normal(size=(4, 2)), rng.normal(size=(4, 4))
    constants = [square + square.T, np.tril(square), np.triu(square), np.diag(square[0]), np.linspace(0, 1, 4)]
    seen = []

    def noting(inputs, constants):
        seen.append(constants)
        return made(inputs, constants)

    assert len([*others(noting, [x, W], constants, seed=0)]) > 2
    assert {len(grid) for *_, grid in seen} >= {4, 5, 8}
    for symmetric, lower, upper, diagonal, grid in seen:
        np.testing.assert_array_equal(symmetric, symmetric.T)
        np.testing.assert_array_equal(lower, np.tril(lower))
        np.testing.assert_array_equal(upper, np.triu(upper))
        np.testing.assert_array_equal(diagonal, np.diag(np.diag(diagonal)))
        np.testing.assert_allclose(np.diff(grid), grid[-1] / (len(grid) - 1), rtol=1e-12)
    values = {float(symmetric[0, 1]) for symmetric, *_ in seen}
    assert len(values) > 1 and len({float(grid[-1]) for *_, grid in seen}) > 2  # and they are redrawn


def test_a_backward_for_a_symmetric_matrix_alone_is_right_for_it():
    """A @ dy for A.T @ dy, with a matrix of covariances; with any other it is wrong."""
    rng = np.random.default_rng(1)
    x, A = rng.normal(size=(4, 3)), rng.normal(size=(4, 4))

    def checked(A):
        return check_function(lambda x, A: (A @ x, A), lambda dy, A: A @ dy, [x], [A])

    assert checked(A @ A.T).passed
    with pytest.raises(GradientError):
        checked(A)


def test_a_backward_that_iterates_up_to_a_limit_is_linear():
    """x = A⁻¹b by Jacobi's iteration, until it moves by less than 1e-11 whatever the size of b."""
    rng = np.random.default_rng(1)
    b, A = rng.normal(size=(4, 3)), 4 * np.eye(4) + rng.uniform(-0.5, 0.5, (4, 4))

    def solved(A, b):
        x, step = np.zeros_like(b), 1.0
        while step > 1e-11:
            if step > 1e6:
                raise ValueError("it diverges")
            new = (b - (A - np.diag(np.diag(A))) @ x) / np.diag(A)[:, None]
            x, step = new, np.abs(new - x).max()
        return x

    assert check_function(lambda b, A: (solved(A, b), A), lambda dx, A: solved(A.T, dx), [b], [A]).passed


def test_what_the_next_forward_writes_over_does_not_belong_to_backward():
    """One array for the products of all calls: right after one forward, wrong after two."""
    memory = {}

    def shared(x):
        slot = memory.setdefault(x.shape, np.empty_like(x))
        np.tanh(x, out=slot)
        return slot.copy(), slot

    def own(x):
        y = np.tanh(x)
        return y, y

    def backward(dy, y):
        return dy * (1 - y**2)

    x = np.random.default_rng(1).normal(size=(4, 3))
    assert check_function(own, backward, [x]).passed
    with pytest.raises(GradientError, match="backward reads something that the next forward changes"):
        check_function(shared, backward, [x])


def test_directions_see_what_is_not_linear_and_what_other_values_show():
    """Along directions too, a clipped gradient and one that is kept from the first call are wrong."""
    rng = np.random.default_rng(1)

    class Model:
        def __init__(self, wrong=lambda self, dW: dW):
            self.W, self.dW, self.wrong = rng.normal(size=(3,)), np.zeros(3), wrong

        def forward(self, x):
            self.x = x
            return (x @ self.W) ** 2

        def backward(self, dloss):
            self.dW[...] = self.wrong(self, self.x.T @ (2 * dloss * (self.x @ self.W)))

    def first(self, dW):  # of the values at the first call
        self.W0 = getattr(self, "W0", self.W.copy())
        return dW * (self.W0 / self.W)

    x = rng.normal(size=(5, 3))
    assert check_model(Model(), x, directions=2).passed
    with pytest.raises(GradientError, match="not linear in the upstream gradient"):
        check_model(Model(lambda self, dW: np.clip(dW, -90, 90)), x, directions=2)
    with pytest.raises(GradientError, match="right for the inputs given, wrong for others"):
        check_model(Model(first), x, directions=2)


def test_a_forward_that_writes_into_its_arguments_is_called_so():
    """The batch of a model and the constants of a function are not its own, although nothing is derived by them."""
    rng = np.random.default_rng(1)

    class Model:
        def __init__(self):
            self.W, self.dW = rng.normal(size=(3,)), np.zeros(3)

        def forward(self, x):
            x -= x.mean()
            x *= 2
            self.x = x
            return x @ self.W

        def backward(self, dloss):
            self.dW[...] = self.x.T @ dloss

    x = rng.normal(size=(5, 3))
    with pytest.raises(GradientError, match="forward writes into forward's argument number 1"):
        check_model(Model(), x.copy())

    def forward(x, scale):
        scale *= 1.5
        return x * scale, scale.copy()

    with pytest.raises(GradientError, match="forward writes into forward's argument number 2"):
        check_function(forward, lambda dy, scale: dy * scale, [x], [np.ones((5, 3))])


def test_no_cause_is_looked_for_where_that_would_take_all_memory(monkeypatch):
    monkeypatch.setattr("scratchnn.gradcheck.cause.LARGEST", 99)
    x = np.random.default_rng(1).normal(size=(5, 2))
    with pytest.raises(GradientError, match="No cause is looked for in so large a problem"):
        check_function(lambda x: (2 * x, None), lambda dy, _: -2 * dy, [x])


@pytest.mark.parametrize("state", [[np.ones(3)], {"h": np.ones(3)}])
def test_several_arrays_are_given_as_a_tuple(state):
    with pytest.raises(TypeError, match="give several arrays as a tuple"):
        check_function(lambda state: (state[0], None), lambda dy, _: dy, {"state": state})


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_no_number_for_a_large_upstream_gradient_is_not_linear():
    x = np.random.default_rng(1).normal(size=(4, 3))
    with pytest.raises(GradientError, match="not linear in the upstream gradient"):
        check_function(lambda x: (2 * x, None), lambda dy, _: 2 * np.where(np.abs(dy) > 99, np.nan, dy), [x])
