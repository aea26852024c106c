"""The first wrong line of a backward pass: every construct once right, and with each of several planted mistakes."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import MethodType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scratchnn.exercises import judge
from scratchnn.exercises.exercise import path_of, reference
from scratchnn.gradcheck import GradientError, check_function, recording
from scratchnn.gradcheck.check import described
from scratchnn.gradcheck.given import in_order
from scratchnn.gradcheck.line import Wrong, agreed, find_line
from scratchnn.gradcheck.problem import Code, Problem

COUNT = iter(range(10**6))


def module(text: str) -> SimpleNamespace:
    """The text, executed, with its lines where a traceback finds them."""
    file = f"<learner {next(COUNT)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {"np": np}
    exec(compile(text, file, "exec", dont_inherit=True), space)
    return SimpleNamespace(**space)


def problem_of(text: str, values: Mapping[str, Any], constants: tuple[Any, ...] = ()) -> Problem:
    made = module(text)
    arrays = {f"d{name}": np.array(value) for name, value in values.items()}
    if hasattr(made, "Layer"):
        layer = made.Layer(*(arrays.pop(f"d{name}") for name in [n for n in values if n[0].isupper()]))
        code = Code("layer", layer.forward, layer.backward, lambda: ((*arrays.values(), *constants), {}))
        learned = {f"d{name}": vars(layer)[name] for name in values if name[0].isupper()}
        names = [*arrays]

        def answers(returned: Any) -> dict[str, Any]:
            return {**in_order("Layer", returned, names), **{name: vars(layer)[name] for name in learned}}

        known = {**arrays, **learned}
        return Problem("Layer", known, code.outputs, code, answers, **described(known, constants))
    code = Code("function", made.forward, made.backward, lambda: ((*arrays.values(), *constants), {}))
    return Problem(
        "f",
        arrays,
        code.outputs,
        code,
        lambda returned: in_order("f", returned, [*arrays]),
        **described(arrays, constants),
    )


def found(problem: Problem, seed: int = 0) -> Wrong | None:
    upstreams = problem.upstreams(seed)
    answers = {name: np.array(g) for name, g in problem.backward(upstreams).items()}
    return find_line(problem, upstreams, answers, problem.numeric(upstreams))


def planted(text: str, old: str, new: str) -> tuple[str, int]:
    """The text with one line spoilt, and the number of the line."""
    assert text.count(old) == 1, old
    return text.replace(old, new), text[: text.index(old)].count("\n") + 1


RNG = np.random.default_rng(3)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


MLP = """
def forward(x, W1, b1, W2):
    a = x @ W1 + b1
    h = np.tanh(a)
    y = h @ W2
    return y, (x, h, W1, W2)

def backward(dy, cache):
    x, h, W1, W2 = cache
    dW2 = h.T @ dy
    dh = dy @ W2.T
    da = dh * (1 - h**2)
    dW1 = x.T @ da
    db1 = da.sum(axis=0)
    dx = da @ W1.T
    return dx, dW1, db1, dW2
"""
MLP_VALUES = {"x": normal(5, 3), "W1": normal(3, 4), "b1": normal(4), "W2": normal(4, 2)}

RNN = """
def forward(x, Wx, Wh):
    T = len(x)
    h = np.zeros((x.shape[1], len(Wh)))
    hs = [h]
    y = np.zeros((T, *h.shape))
    for t in range(T):
        h = np.tanh(x[t] @ Wx + h @ Wh)
        y[t] = h
        hs.append(h)
    return y, (x, hs, Wx, Wh)

def backward(dy, cache):
    x, hs, Wx, Wh = cache
    T = len(x)
    dx = np.zeros_like(x)
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    dh_next = np.zeros_like(hs[0])
    for t in reversed(range(T)):
        dh = dy[t] + dh_next
        da = dh * (1 - hs[t + 1] ** 2)
        dx[t] = da @ Wx.T
        dWx += x[t].T @ da
        dWh += hs[t].T @ da
        dh_next = da @ Wh.T
    return dx, dWx, dWh
"""
RNN_VALUES = {"x": normal(4, 3, 2), "Wx": normal(2, 3), "Wh": normal(3, 3)}

LAYER = """
class Layer:
    def __init__(self, W, B):
        self.W, self.B = W, B

    def forward(self, x, mask):
        self.x, self.mask = x, mask
        self.a = x @ self.W
        self.a += self.B
        self.h = np.maximum(self.a, 0)
        if mask is None:
            return self.h
        return self.h * mask

    def backward(self, dy):
        self.dh = dy if self.mask is None else dy * self.mask
        self.da = np.where(self.a > 0, self.dh, 0)
        self.dB = np.zeros_like(self.B)
        self.dB += self.da.sum(axis=0)
        self.dW = self.x.T @ self.da
        return self.da @ self.W.T
"""
LAYER_VALUES = {"x": normal(5, 3), "W": normal(3, 4), "B": normal(4)}

HELPERS = """
def sigmoid(v):
    return 1 / (1 + np.exp(-v))

def dense_backward(dz, x, W):
    dx = dz @ W.T
    dW = x.T @ dz
    return dx, dW

def forward(x, W, V):
    z = x @ W
    s = sigmoid(z)
    return s @ V, (x, z, s, W, V)

def backward(dout, cache):
    x, z, s, W, V = cache
    ds, dV = dense_backward(dout, s, V)
    def slope():
        return s * (1 - s)
    dz = ds * slope()
    dx, dW = dense_backward(dz, x, W)
    return dx, dW, dV
"""
HELPERS_VALUES = {"x": normal(5, 3), "W": normal(3, 4), "V": normal(4, 2)}

PARTS = """
def forward(x, gamma):
    mean = x.mean(axis=0)
    centred = x - mean
    var = (centred**2).mean(axis=0)
    std = np.sqrt(var + 1e-5)
    xhat = centred / std
    y = gamma * xhat
    return y, (centred, std, xhat, gamma)

def backward(grad_y, cache):
    centred, std, xhat, gamma = cache
    N = len(grad_y)
    gamma_grad = np.sum(grad_y * xhat, axis=0)
    d_xhat = grad_y * gamma
    dstd = -np.sum(d_xhat * centred, axis=0) / std**2
    dvar = 0.5 * dstd / std
    dcentred = d_xhat / std
    dcentred += 2 / N * centred * dvar
    dmean = -dcentred.sum(axis=0)
    dx = dcentred
    dx = dx + dmean / N
    return dx, gamma_grad
"""
PARTS_VALUES = {"x": normal(6, 3), "gamma": normal(3)}

LISTS = """
def forward(x, w):
    u = [x * k for k in w]
    s = sum(np.sin(v) for v in u)
    y = s * 2
    return y, (x, w, u)

def backward(dy, cache):
    x, w, u = cache
    ds = 2 * dy
    du = [ds * np.cos(v) for v in u]
    dw = np.array([np.sum(d * x) for d in du])
    dx = sum(d * k for d, k in zip(du, w))
    return dx, dw
"""
LISTS_VALUES = {"x": normal(4, 3), "w": normal(2)}

# text, values, and mistakes: what is replaced by what, and whether the line alone must be named
CONSTRUCTS = [
    (MLP, MLP_VALUES, [
        ("da = dh * (1 - h**2)", "da = dh * (1 - h)", True),
        ("dh = dy @ W2.T", "dh = 2 * dy @ W2.T", True),
        ("dh = dy @ W2.T", "dh = 1.01 * dy @ W2.T", True),
        ("dW1 = x.T @ da", "dW1 = x.T @ dh", True),
        ("db1 = da.sum(axis=0)", "db1 = da.mean(axis=0)", True),
        ("dW2 = h.T @ dy", "dW2 = -h.T @ dy", True),
        ("    x, h, W1, W2 = cache\n    dW2", "    x, h, W1, W2 = cache; h = h * 1.5\n    dW2", True),
    ]),
    (RNN, RNN_VALUES, [
        ("dh = dy[t] + dh_next", "dh = dy[t]", True),
        ("dh = dy[t] + dh_next", "dh = dy[t] - dh_next", True),
        ("(1 - hs[t + 1] ** 2)", "(1 - hs[t] ** 2)", False),
        ("dx[t] = da @ Wx.T", "dx[t] += 2 * da @ Wx.T", True),
        ("dWx += x[t].T @ da", "dWx = x[t].T @ da", True),
        ("dWh += hs[t].T @ da", "dWh += hs[t + 1].T @ da", True),
        ("dh_next = da @ Wh.T", "dh_next = da @ Wh", False),
        ("for t in reversed(range(T))", "for t in reversed(range(1, T))", False),
        ("for t in reversed(range(T))", "for t in range(T)", False),
    ]),
    (LAYER, LAYER_VALUES, [
        ("self.da = np.where(self.a > 0", "self.da = np.where(self.a < 0", True),
        ("self.dB += self.da.sum(axis=0)", "self.dB += self.da[0]", True),
        ("self.dW = self.x.T @ self.da", "self.dW = self.x.T @ self.dh", True),
        ("return self.da @ self.W.T", "return self.dh @ self.W.T", True),
        ("else dy * self.mask", "else dy", True),
    ]),
    (HELPERS, HELPERS_VALUES, [
        ("dz = ds * slope()", "dz = ds + slope()", False),
        ("        return s * (1 - s)", "        return s * (1 + s)", False),
        ("    dW = x.T @ dz", "    dW = -x.T @ dz", False),
        ("return dx, dW, dV", "return dx, dW, 2 * dV", True),
    ]),
    (PARTS, PARTS_VALUES, [
        ("gamma_grad = np.sum(grad_y * xhat, axis=0)", "gamma_grad = np.sum(grad_y * centred, axis=0)", True),
        ("d_xhat = grad_y * gamma", "d_xhat = grad_y / gamma", True),
        ("dvar = 0.5 * dstd / std", "dvar = dstd / std", True),
        ("    dcentred += 2 / N", "    dcentred += 1 / N", True),
        ("    dcentred += 2 / N", "    dcentred = 2 / N", True),
        ("dmean = -dcentred.sum(axis=0)", "dmean = dcentred.sum(axis=0)", True),
        ("    dx = dx + dmean / N", "    dx = dx + dmean", True),
        ("N = len(grad_y)", "N = grad_y.shape[1]", False),
    ]),
    (LISTS, LISTS_VALUES, [
        ("ds = 2 * dy", "ds = dy", True),
        ("du = [ds * np.cos(v) for v in u]", "du = [ds * np.sin(v) for v in u]", False),
        ("dx = sum(d * k for d, k in zip(du, w))", "dx = sum(d for d, k in zip(du, w))", False),
    ]),
]  # fmt: skip
CASES = [(text, values, *mistake) for text, values, mistakes in CONSTRUCTS for mistake in mistakes]


def constants_of(text: str) -> tuple[Any, ...]:
    return ((np.arange(20).reshape(5, 4) % 3).astype(float),) if text is LAYER else ()


@pytest.mark.parametrize("construct", CONSTRUCTS, ids=["mlp", "rnn", "layer", "helpers", "parts", "lists"])
def test_nothing_is_said_of_what_is_right(construct: Any) -> None:
    text, values, _ = construct
    assert found(problem_of(text, values, constants_of(text))) is None


@pytest.mark.parametrize("case", CASES, ids=[case[3].strip() for case in CASES])
def test_a_planted_mistake_is_found(case: Any) -> None:
    text, values, old, new, alone = case
    spoilt, line = planted(text, old, new)
    claim = found(problem_of(spoilt, values, constants_of(text)))
    if alone:
        assert claim is not None
        assert [*claim.lines] == [line], str(claim)
    elif claim is not None:
        assert line in claim.lines, str(claim)


# ---- the exercise that goes through everything


def on_a_thread(pool: ThreadPoolExecutor, function: Callable[..., Any]) -> Callable[..., Any]:
    """A trace function that leaves its work to another one, on a thread of its own."""

    def trace(*event: Any) -> Any:
        local = pool.submit(function, *event).result()
        return local and on_a_thread(pool, local)

    return trace


@pytest.mark.parametrize("construct", CONSTRUCTS, ids=["mlp", "rnn", "layer", "helpers", "parts", "lists"])
def test_a_run_is_recorded_the_same_from_another_thread(construct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """There coverage sees how: of a trace function itself no line is counted."""
    text, values, mistakes = construct
    spoilt, _ = planted(text, *mistakes[0][:2])
    expected = found(problem_of(spoilt, values, constants_of(text)))
    with ThreadPoolExecutor(1) as pool:

        def settrace(function: Any) -> None:
            sys.settrace(on_a_thread(pool, function) if isinstance(function, MethodType) else function)

        monkeypatch.setattr(recording, "sys", SimpleNamespace(gettrace=sys.gettrace, settrace=settrace))
        assert found(problem_of(spoilt, values, constants_of(text))) == expected is not None


ELBO = [
    ("dlogits = dloss * (1 / (1 + np.exp(-logits)) - x)", "dlogits = dloss * (logits - x)"),
    ("dWd = z.T @ dlogits", "dWd = mean.T @ dlogits"),
    ("dz = dlogits @ Wd.T", "dz = -dlogits @ Wd.T"),
    ("dmean = dz + dloss * mean", "dmean = dz"),
    ("dmean = dz + dloss * mean", "dmean = dz - dloss * mean"),
    ("dz * eps * 0.5 * np.exp(0.5 * log_var) + dloss", "dz * eps * np.exp(0.5 * log_var) + dloss"),
    ("dheads = np.concatenate([dmean, dlog_var], axis=1)\n    d", "dheads = np.hstack([dlog_var, dmean])\n    d"),
    ("dWe = x.T @ dheads", "dWe = x.T @ dheads / len(x)"),
    ("return dWe, dbe, dWd, dbd", "return dWe, 2 * dbe, dWd, dbd"),
    ("dloss = dloss[:, None]", "dloss = dloss[:, None] / len(dloss)"),
]


def elbo(old: str, new: str) -> tuple[list[Problem], int]:
    text, line = planted(path_of("elbo").read_text(encoding="utf-8"), old, new)
    made = module(text)
    return [judge.problem("elbo", made, which) for which in (0, 1)], line


@pytest.mark.parametrize(("old", "new"), ELBO)
def test_a_mistake_in_the_elbo_is_found_on_both_problems(old: str, new: str) -> None:
    problems, line = elbo(old, new)
    claim = agreed(*map(found, problems), one=False, change=False)
    assert claim is not None
    if "dheads =" in old:  # dheads has no name in forward
        assert line in claim.lines
    else:
        assert [*claim.lines] == [line], str(claim)


def test_the_sentence() -> None:
    problems, _ = elbo(*ELBO[5])
    text = "dlog_var = dz * eps * np.exp(0.5 * log_var) + dloss * 0.5 * (np.exp(log_var) - 1)"
    assert str(found(problems[0])) == (
        f"line 42, `{text}`, is the first that is wrong; dlogits, dWd, dbd, dz, dmean, which come before it, are right."
    )


# ---- where nothing can be said


def test_nothing_is_said_without_a_source_and_of_generators() -> None:
    spoilt, _ = planted(MLP, "dh = dy @ W2.T", "dh = 2 * dy @ W2.T")
    problem = problem_of(spoilt, MLP_VALUES)
    assert problem.code is not None
    linecache.cache.pop(problem.code.backward.__code__.co_filename)  # type: ignore[attr-defined]
    assert found(problem) is None
    lazy = spoilt.replace("    h = np.tanh(a)", "    def later():\n        yield np.tanh(a)\n    h = next(later())")
    assert found(problem_of(lazy, MLP_VALUES)) is None


def test_nothing_is_said_if_the_file_has_changed_since() -> None:
    spoilt, _ = planted(MLP, "dh = dy @ W2.T", "dh = 2 * dy @ W2.T")
    problem = problem_of(spoilt, MLP_VALUES)
    assert problem.code is not None
    file = problem.code.backward.__code__.co_filename  # type: ignore[attr-defined]
    linecache.cache[file] = (len(MLP), None, MLP.splitlines(keepends=True), file)
    assert found(problem) is None


DOUBLED = """
import functools

def doubled(function):
    @functools.wraps(function)
    def inner(*arguments):
        y, cache = function(*arguments)
        return 2 * y, cache
    return inner

@doubled"""


def test_nothing_is_said_if_forward_without_its_decorator_gives_something_else() -> None:
    text = (DOUBLED + MLP).replace("    x, h, W1, W2 = cache\n", "    x, h, W1, W2 = cache\n    dy = 2 * dy\n")
    assert found(problem_of(text, MLP_VALUES)) is None
    spoilt, _ = planted(text, "dx = da @ W1.T", "dx = -da @ W1.T")
    assert found(problem_of(spoilt, MLP_VALUES)) is None


def test_a_factor_that_is_left_for_later_is_no_mistake() -> None:
    """dh has the factor 2 too much by intention; the mistake is another."""
    deferred = MLP.replace("dh = dy @ W2.T", "dh = 2 * dy @ W2.T").replace("(1 - h**2)", "(1 - h**2) / 2")
    assert found(problem_of(deferred, MLP_VALUES)) is None
    for wrong in (
        "da.mean(axis=0)",
        "2 * da.sum(axis=0)",
    ):  # without the factor, the second would be right, and da wrong
        spoilt, line = planted(deferred, "db1 = da.sum(axis=0)", f"db1 = {wrong}")
        claim = found(problem_of(spoilt, MLP_VALUES))
        assert claim is not None
        assert [*claim.lines] == [line]


def test_nothing_is_said_if_another_line_is_wrong_in_the_second_problem() -> None:
    text, _ = planted(MLP, "dh = dy @ W2.T", "dh = dy @ W2.T * (2 if len(x) == 5 else 1)")
    text, _ = planted(text, "da = dh * (1 - h**2)", "da = dh * (1 - h**2) * (1 if len(x) == 5 else 2)")
    problems = [problem_of(text, {**MLP_VALUES, "x": normal(n, 3)}) for n in (5, 7)]
    claims = [found(problem) for problem in problems]
    assert all(claims) and agreed(*claims, one=False, change=False) is None
    made = module(text)
    with pytest.raises(GradientError) as raised:
        check_function(made.forward, made.backward, MLP_VALUES)
    assert "line" not in str(raised.value)


def test_a_debugger_gets_its_trace_function_back() -> None:
    spoilt, _ = planted(MLP, "dh = dy @ W2.T", "dh = 2 * dy @ W2.T")
    earlier = sys.gettrace()

    def trace(*_: Any) -> None:
        return None

    sys.settrace(trace)
    try:
        found(problem_of(spoilt, MLP_VALUES))
        assert sys.gettrace() is trace
    finally:
        sys.settrace(earlier)


def test_names_can_be_given() -> None:
    spoilt, line = planted(re.sub(r"\bda\b", "delta", MLP), "delta = dh *", "delta = 3 * dh *")
    problem = problem_of(spoilt, MLP_VALUES)
    claim = found(replace(problem, code=replace(problem.code, names={"delta": "a"})))
    assert claim is not None
    assert (claim.name, [*claim.lines]) == ("delta", [line])


def test_nothing_is_said_of_the_solution() -> None:
    assert found(judge.problem("elbo", reference("elbo"), 0)) is None


SUMS = """
import numpy as np


def forward(x, W):
    h = np.tanh(x @ W)
    y = np.zeros((len(x), 2))
    for k in range(2):
        window = slice(k, k + 2)
        y[:, k] = h[:, window].sum(axis=1)
    return y, (x, W, h)


def backward(dy, cache):
    x, W, h = cache
    dh = np.zeros_like(h)
    for k in range(2):
        window = slice(k, k + 2)
        dh[:, window] += dy[:, [k]]
    da = dh * (1 - h**2)
    return da @ W.T, x.T @ da
"""
SUMS_VALUES = {"x": RNG.normal(size=(4, 3)), "W": RNG.normal(size=(3, 3))}


def test_a_slice_may_be_what_is_wrong() -> None:
    spoilt, line = planted(SUMS, "slice(k, k + 2)\n        dh", "slice(0, k + 2)\n        dh")
    claim = found(problem_of(spoilt, SUMS_VALUES))
    assert claim is not None and line in claim.lines
    spoilt, line = planted(SUMS, "dh[:, window] += dy", "dh[:, window] += 2 * dy")
    claim = found(problem_of(spoilt, SUMS_VALUES))
    assert claim is not None and line in claim.lines and line - 1 not in claim.lines


PARTS = """
import numpy as np


def forward(x, E, G):
    outs = [np.tanh(x @ E[k]) for k in range(2)]
    gate = x @ G
    return (outs[0] + outs[1]) * gate, (x, E, G, outs, gate)


def backward(dy, cache):
    x, E, G, outs, gate = cache
    dE, dx = np.zeros_like(E), np.zeros_like(x)
    for k in range(2):
        da = dy * gate * (1 - outs[k] ** 2)
        dE[k] = x.T @ da
        dx += da @ E[k].T
    dgate = dy * (outs[0] + outs[1])
    dx += dgate @ G.T
    return dx, dE, x.T @ dgate
"""


def test_what_a_loop_writes_over_is_wrong() -> None:
    """What is left is right as the gradient of one part, and so is the line that adds the rest to it."""
    values = {"x": RNG.normal(size=(4, 3)), "E": RNG.normal(size=(2, 3, 3)), "G": RNG.normal(size=(3, 3))}
    assert found(problem_of(PARTS, values)) is None
    spoilt, line = planted(PARTS, "dx += da", "dx = da")
    claim = found(problem_of(spoilt, values))
    assert claim is not None and line in claim.lines


HELPER = """
import numpy as np


def half(dx, W):
    dh = 2 * dx
    return dh @ W.T


def forward(x, W):
    h = x @ W
    return np.tanh(h), (x, W, h)


def backward(dy, cache):
    x, W, h = cache
    da = dy * (1 - np.tanh(h) ** 2)
    dx = half(da, W)
    return dx, x.T @ da
"""


def test_a_name_in_a_helper_function_is_not_that_of_forward() -> None:
    """In `half`, dx is right and called as something else is in forward: it is not the first that is wrong."""
    claim = found(problem_of(HELPER, SUMS_VALUES))
    line = HELPER[: HELPER.index("dh = 2 * dx")].count("\n") + 1
    assert claim is not None and claim.name == "dx" and line in claim.lines


def test_one_mistake_is_in_a_line_that_all_that_is_wrong_shares() -> None:
    spoilt, line = planted(MLP, "da = dh *", "da = 3 * dh *")
    spoilt = re.sub(r"\bda\b", "delta", spoilt)  # a name that says nothing
    claim = found(problem_of(spoilt, MLP_VALUES))
    assert claim is not None and len(claim.lines) > 1
    narrowed = agreed(claim, claim, one=True, change=True)
    assert narrowed is not None and [*narrowed.lines] == [line]


RESULTS = """
import numpy as np


def forward(x, W):
    h = np.tanh(x @ W)
    return h**2, (x, W, h)


def back(dh, x, W, h):
    da = dh * (1 - h**2)
    dW = x.T @ da
    return da @ W.T, dW


def backward(dy, cache):
    x, W, h = cache
    dh = 2 * dy * h
    dx, *rest = back(dh, x, W, h)
    return dx, rest[0]
"""
KEPT = RESULTS.replace("dx, *rest =", "both =").replace("return dx, rest[0]", "dx = both[0]\n    return dx, both[1]")


@pytest.mark.parametrize("text", [RESULTS, KEPT])
def test_a_part_is_not_right_because_another_is_used(text: str) -> None:
    assert found(problem_of(text, SUMS_VALUES)) is None
    spoilt, line = planted(text, "dW = x.T @ da", "dW = 2 * x.T @ da")
    claim = found(problem_of(spoilt, SUMS_VALUES))
    assert claim is not None and line in claim.lines


@pytest.mark.parametrize("upstream", ["dy", "d_y", "above"])
def test_the_upstream_gradient_may_be_the_wrong_thing_to_take(upstream: str) -> None:
    text = RESULTS.replace("h**2, (x", "3 * h, (x").replace("dh = 2 * dy * h", "delta = 3 * dy").replace("dh", "delta")
    text = re.sub(r"\bdy\b", upstream, text)
    assert found(problem_of(text, SUMS_VALUES)) is None
    spoilt, line = planted(text, f"delta = 3 * {upstream}", f"delta = {upstream}")
    claim = found(problem_of(spoilt, SUMS_VALUES))
    assert claim is not None and line in claim.lines


CELL = """
import numpy as np


def forward(x, f, p):
    c, kept = np.zeros(x.shape[1]), []
    for k in range(len(x)):
        a = p * c
        t = np.tanh(a)
        new = f * c + t + x[k]
        kept.append((c, t, new))
        c = new
    return np.array([new**2 for _, _, new in kept]), (kept, f, p)


def backward(dy, cache):
    kept, f, p = cache
    dx, df, dp = np.zeros_like(dy), np.zeros_like(f), np.zeros_like(p)
    dc_next = np.zeros_like(f)
    for k in reversed(range(len(kept))):
        c_prev, t, c = kept[k]
        dc = dc_next + 2 * c * dy[k]
        da = dc * (1 - t**2)
        dx[k] = dc
        df += dc * c_prev
        dp += da * c_prev
        dc_next = dc * f + da * p
    return dx, df, dp
"""


def test_one_route_of_several_may_not_be_all() -> None:
    """What is handed on to the step before is right as the gradient of one use of the cell, and lacks the other."""
    values = {"x": RNG.normal(size=(4, 3)), "f": RNG.normal(size=3), "p": RNG.normal(size=3)}
    assert found(problem_of(CELL, values)) is None
    spoilt, line = planted(CELL, "dc_next = dc * f + da * p", "dc_next = dc * f")
    claim = found(problem_of(spoilt, values))
    assert claim is not None and line in claim.lines


MEAN = """
import numpy as np


def forward(a, b):
    z = a.T @ b / 3
    z = z.reshape(-1)
    return np.tanh(z), (a, b, z)


def backward(dy, cache):
    a, b, z = cache
    dz = dy * (1 - np.tanh(z) ** 2)
    dz = dz.reshape(a.shape[1], -1) / 3
    da = b @ dz.T
    db = a @ dz
    return da, db
"""


def test_what_two_wrong_answers_have_in_common_may_be_wrong() -> None:
    """dz without the division is right by its name; but then two lines would have to lack it."""
    values = {"a": RNG.normal(size=(4, 2)), "b": RNG.normal(size=(4, 2))}
    spoilt, line = planted(MEAN, "dz = dz.reshape(a.shape[1], -1) / 3", "dz = dz.reshape(a.shape[1], -1)")
    made = module(spoilt)
    with pytest.raises(GradientError) as raised:
        check_function(made.forward, made.backward, values)
    assert f"da is wrong, and the mistake is in one of the lines {line} and {line + 1}.\n" in str(raised.value)
    # one that is wrong in its own line stays alone
    spoilt, line = planted(MEAN, "da = b @ dz.T", "da = 2 * b @ dz.T")
    made = module(spoilt)
    with pytest.raises(GradientError, match=f"line {line}, .* is the first that is wrong"):
        check_function(made.forward, made.backward, values)
