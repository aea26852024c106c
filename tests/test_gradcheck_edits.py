"""Recording forward as a graph, and finding the single change of its backward pass that a wrong answer makes."""

import sys

import numpy as np
import pytest

from scratchnn.gradcheck import GradientError, check_function
from scratchnn.gradcheck.edits import Search, diagnosed
from scratchnn.gradcheck.graph import record, traced
from scratchnn.gradcheck.problem import Code, Problem, as_tuple

EPS = 1e-5


def problem_of(forward, backward, inputs, constants=(), kind="function"):
    names = [f"d{name}" for name in inputs]
    code = Code(kind, forward, backward, lambda: ((*inputs.values(), *constants), {}))
    return Problem(
        subject="test",
        arrays=dict(zip(names, inputs.values(), strict=True)),
        forward=code.outputs,
        code=code,
        answers=lambda returned: dict(zip(names, as_tuple(returned), strict=True)),
        sizes={"N": len(next(iter(inputs.values())))},
    )


def sized(shapes, which, seed=0):
    """Random inputs; N, D, E, H are replaced by sizes that differ between the two problems."""
    sizes = ({"N": 5, "D": 4, "E": 3, "H": 2}, {"N": 7, "D": 3, "E": 5, "H": 4})[which]
    rng = np.random.default_rng([seed, which])
    return {name: rng.normal(size=[sizes.get(s, s) for s in shape]) for name, shape in shapes.items()}


def found(forward, backward, shapes, constants=(), name=None, kind="function"):
    """What is said of every wrong gradient: the fact."""
    searches = []
    for which in (0, 1):
        problem = problem_of(forward, backward, sized(shapes, which), constants, kind)
        upstreams = problem.upstreams(which)
        searches.append(Search.of(problem, upstreams, problem.numeric(upstreams)))
    assert all(searches)
    facts = {}
    for name in searches[0].answers:
        diagnosis = diagnosed(*searches, name)
        if diagnosis:
            facts[name] = diagnosis.fact
    return facts


# ---- forwards to be recorded


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def dense(x, W, b):
    y = np.tanh(x @ W + b)
    return y, (x, W, y)


def dense_backward(dy, cache):
    x, W, y = cache
    da = dy * (1 - y**2)
    return da @ W.T, x.T @ da, da.sum(axis=0)


DENSE = {"x": "ND", "W": "DE", "b": "E"}


def helper(x, w):
    return sigmoid(x * w), None


def loop(x, W, U):
    h = np.zeros((len(x), W.shape[1]))
    for _ in range(3):
        h = np.tanh(x @ W + h @ U)
    return h, None


def in_place(x, w):
    y = np.zeros_like(x)
    for k in range(x.shape[1]):
        y[:, k] = x[:, k] * w
        y[:, k] += x[:, 0] ** 2
    return y, None


def einsums(x, W):
    return np.einsum("nd,de->ne", x, W) * 2, None


def choices(x):
    return np.where(x > 0, x, 0.1 * x) + np.maximum(x, 0.5) + np.max(x, axis=1, keepdims=True), None


def pieces(x):
    a, b = np.split(x, [2], axis=1)
    return np.concatenate([b * 2, np.exp(a)], axis=1) + np.stack([x[:, 0]] * x.shape[1], axis=1), None


def broadcasting(x, w):
    return x[:, :, None] * w[None, None, :], None


def methods(x):
    return (x.T.copy().reshape(x.shape) - x.mean(axis=0)).clip(-1, 1) + x.sum(axis=1, keepdims=True), None


def lists(x):
    parts = []
    for row in x:
        parts.append(row / np.sqrt(np.sum(row**2) + EPS))
    return np.array(parts), None


def scatter(x):
    y = np.zeros(x.shape)
    np.add.at(y, np.arange(len(x)) // 2, x)
    return y, None


def outer_sum(x):
    return np.add.reduce(np.multiply.outer(x, x), axis=(0, 3)), None


FORWARDS = [
    (dense, DENSE),
    (helper, {"x": "ND", "w": "D"}),
    (loop, {"x": "ND", "W": "DE", "U": "EE"}),
    (in_place, {"x": "ND", "w": "N"}),
    (einsums, {"x": "ND", "W": "DE"}),
    (choices, {"x": "ND"}),
    (pieces, {"x": "ND"}),
    (broadcasting, {"x": "ND", "w": "E"}),
    (methods, {"x": "ND"}),
    (lists, {"x": "ND"}),
    (scatter, {"x": "ND"}),
    (outer_sum, {"x": "ND"}),
]


@pytest.mark.parametrize(("forward", "shapes"), FORWARDS, ids=lambda f: getattr(f, "__name__", ""))
@pytest.mark.parametrize("which", [0, 1])
def test_a_recorded_forward_has_the_same_outputs_and_the_true_gradients(forward, shapes, which):
    inputs = sized(shapes, which)
    before = {name: x.copy() for name, x in inputs.items()}
    problem = problem_of(forward, None, inputs)
    upstreams = problem.upstreams(0)
    numerics = problem.numeric(upstreams)
    graph = record(problem, upstreams, numerics)
    assert graph is not None
    # an array at another place in memory may be summed in another order: five terms, and a quotient
    for node, y in zip(graph.outputs, problem.forward(), strict=True):
        np.testing.assert_allclose(node.value, y, rtol=0, atol=8 * np.finfo(float).eps * max(1, abs(y).max()))
    for view in (graph, graph.statements()):
        gradients = view.backward(upstreams)
        for name, node in view.inputs.items():
            np.testing.assert_allclose(gradients[node], numerics[name].value, rtol=1e-7, atol=1e-8)
    assert all(np.array_equal(x, before[name]) for name, x in inputs.items())


class Layer:
    """Keeps things, calls its own methods, and has parameters as attributes and in a dict."""

    def __init__(self, W, b):
        self.W, self.kept = W, {"b": b}

    def line(self, x):
        out = np.zeros((len(x), self.W.shape[1]))
        out += x @ self.W
        return out + self.kept["b"]

    def forward(self, x):
        self.a = self.line(x)
        self.y = sigmoid(self.a)
        return self.y

    def backward(self, dy):
        return dy * self.y


def test_a_layer_is_recorded_with_its_parameters_and_left_as_it_was():
    inputs = sized({"x": "ND", "W": "DE", "b": "E"}, 0)
    layer = Layer(inputs["W"], inputs["b"])
    code = Code("layer", layer.forward, layer.backward, lambda: ((inputs["x"],), {}))
    problem = Problem("layer", {f"d{name}": x for name, x in inputs.items()}, code.outputs, code, lambda returned: {})
    upstreams = problem.upstreams(0)
    graph = record(problem, upstreams, problem.numeric(upstreams))
    assert graph is not None
    assert {node.name for node in graph.nodes} >= {"x", "W", "b", "self.a", "self.y"}
    assert type(layer) is Layer and layer.W is inputs["W"] and isinstance(layer.y, np.ndarray)


def to_plain(x):
    return np.array([float(np.sum(row**2)) for row in x]), None


def through_a_view(x):
    y = x * 1
    row = y[0]
    row *= 2
    return y, None


def buffered(x):
    y = BUFFER[: len(x)]
    np.multiply(x, 2, out=y)
    return y.copy(), None


BUFFER = np.zeros((7, 4))


def sorts(x):
    y = x * 1
    y.sort()
    return y, None


def loses_a_route(x):
    return x * np.max(x[0].tolist()), None


def sees_that_it_is_recorded(x):
    return 2 * x + (type(x) is np.ndarray), None


@pytest.mark.parametrize(
    "forward", [to_plain, through_a_view, buffered, sorts, loses_a_route, sees_that_it_is_recorded]
)
def test_nothing_is_said_of_a_forward_that_cannot_be_followed(forward):
    problem = problem_of(forward, None, sized({"x": "ND"}, 0))
    upstreams = problem.upstreams(0)
    assert record(problem, upstreams, problem.numeric(upstreams)) is None


def bent_twice(x):
    y = 10 * np.maximum(x, 0)
    return np.maximum(y, -9 * y), None


def test_on_a_kink_a_recorded_forward_may_have_another_slope():
    """The mean of the slopes is 5, the product of the means of both kinks −20."""
    inputs = sized({"x": "ND"}, 0)
    inputs["x"][1, 2] = 0
    problem = problem_of(bent_twice, None, inputs)
    upstreams = problem.upstreams(0)
    assert record(problem, upstreams, problem.numeric(upstreams)) is not None


# ---- planted mistakes


def norm(x, gamma):
    mean = np.mean(x, axis=0)
    centred = x - mean
    var = np.mean(centred**2, axis=0)
    std = np.sqrt(var + EPS)
    normed = centred / std
    y = gamma * normed
    return y, (centred, std, normed, gamma)


def norm_backward(dy, cache, through_var=1.0, through_mean=1.0, root=lambda std: 2 * std, a_gamma=None):
    centred, std, normed, gamma = cache
    n = len(dy)
    dnormed = dy * (gamma if a_gamma is None else a_gamma(gamma))
    dstd = -np.sum(dnormed * centred, axis=0) / std**2
    dcentred = dnormed / std + through_var * dstd / root(std) * 2 * centred / n
    return dcentred - through_mean * dcentred.mean(axis=0), np.sum(dy * normed, axis=0)


NORM = {"x": "ND", "gamma": "D"}
NORM_MISTAKES = [
    ({}, None),
    ({"through_mean": 0}, "the route from x to mean (line"),
    ({"through_var": 0}, "the route from centred to var (line"),
    ({"through_var": -1}, "has the wrong sign"),
    ({"through_var": 2}, "counts 2 times"),
    ({"through_var": 0.5}, "counts 1/2 times"),
    ({"root": lambda std: 1}, "the derivative of np.sqrt(var + EPS) is left out"),
    ({"a_gamma": np.ones_like}, "the derivative of gamma * normed by normed is left out"),
    ({"a_gamma": lambda gamma: gamma**2}, "the derivative of gamma * normed by normed is multiplied in twice"),
]


@pytest.mark.parametrize(("change", "fact"), NORM_MISTAKES)
def test_a_mistake_in_a_normalisation_is_named(change, fact):
    facts = found(norm, lambda dy, cache: norm_backward(dy, cache, **change), NORM)
    assert set(facts) == ({"dx"} if fact else set())
    if fact:
        assert fact in facts["dx"]


def test_a_number_that_is_one_over_n_in_one_problem_is_not_called_so():
    def backward(dy, cache):
        return norm_backward(dy, cache, through_var=0.2)

    assert found(norm, backward, NORM) == {}
    with pytest.raises(GradientError) as raised:
        check_function(norm, backward, sized(NORM, 0))
    assert "1/N" not in str(raised.value)


def test_one_wrong_entry_is_not_explained():
    """Too many changes give one number."""

    def backward(dy, x):
        dx = dy * np.cos(x)
        dx[0] = 0
        return dx

    assert found(lambda x: (np.sin(x), x), backward, {"x": "N"}) == {}


def mlp(x, W, V):
    a = x @ W
    h = np.tanh(a)
    y = h @ V
    return y, (x, W, V, a, h)


def mlp_backward(dy, cache, slope=lambda a, h: 1 - h**2, turn=lambda V: V.T, scale=lambda x: 1.0, swap=False):
    x, W, V, a, h = cache
    da = (dy @ turn(V)) * slope(a, h) * scale(x)
    return da @ W.T, x.T @ da, (a if swap else h).T @ dy


MLP = {"x": "ND", "W": "DD", "V": "DD"}
MLP_MISTAKES = [
    ({"slope": lambda a, h: 1}, {"dx", "dW"}, "the derivative of np.tanh(a) is left out"),
    ({"slope": lambda a, h: 1 - a**2}, {"dx", "dW"}, "taken for 1 − a²"),
    ({"slope": lambda a, h: h * (1 - h)}, {"dx", "dW"}, "taken for h (1 − h)"),
    ({"slope": lambda a, h: 1 - np.tanh(h) ** 2}, {"dx", "dW"}, "is taken at h and not at a"),
    ({"slope": lambda a, h: (1 - h**2) ** 2}, {"dx", "dW"}, "multiplied in twice"),
    ({"turn": lambda V: V}, {"dx", "dW"}, "uses the transpose of V where V belongs"),
    ({"scale": lambda x: 1 / len(x)}, {"dx", "dW"}, "counts 1/N times"),
    ({"swap": True}, {"dV"}, "uses a where h belongs"),
]


@pytest.mark.parametrize(("change", "names", "fact"), MLP_MISTAKES)
def test_a_mistake_in_a_network_is_named_once_for_all_its_gradients(change, names, fact):
    facts = found(mlp, lambda dy, cache: mlp_backward(dy, cache, **change), MLP)
    assert set(facts) == names
    assert len(set(facts.values())) == 1
    assert fact in next(iter(facts.values()))


def two_heads(x, W):
    left, right = np.split(x @ W, 2, axis=1)
    return (left**2, np.exp(right)), (x, W, left, right)


@pytest.mark.parametrize(("which", "fact"), [("exchange", "exchanged"), ("drop", "missing"), ("overwrite", "missing")])
def test_two_outputs(which, fact):
    def backward(dy, cache):
        x, W, left, right = cache
        dleft, dright = 2 * left * dy[0], dy[1] * np.exp(right)
        if which == "exchange":
            dleft, dright = dright, dleft
        if which == "drop":
            dleft = np.zeros_like(dleft)
        if which == "overwrite":
            dright = np.zeros_like(dright)
        heads = np.concatenate([dleft, dright], axis=1)
        return heads @ W.T, x.T @ heads

    rng = np.random.default_rng(0)
    searches = []
    for n, d, e in ((5, 3, 4), (7, 4, 6)):
        problem = problem_of(two_heads, backward, {"x": rng.normal(size=(n, d)), "W": rng.normal(size=(d, e))})
        upstreams = problem.upstreams(0)
        searches.append(Search.of(problem, upstreams, problem.numeric(upstreams)))
    facts = {diagnosed(*searches, name).fact for name in ("dx", "dW")}
    assert len(facts) == 1 and fact in facts.pop()


def recurrent_backward(dy, cache, slope=True, cut=False, last=False):
    """Of `loop`, with every pass's h recomputed."""
    x, W, U = cache
    hs = [np.zeros((len(x), W.shape[1]))]
    for _ in range(3):
        hs.append(np.tanh(x @ W + hs[-1] @ U))
    dx, dW, dU, dh = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), dy
    for t in (2, 1, 0):
        da = dh * (1 - hs[t + 1] ** 2) if slope else dh
        dx, dW = (da @ W.T, x.T @ da) if last else (dx + da @ W.T, dW + x.T @ da)
        dU += hs[t].T @ da
        dh = np.zeros_like(dh) if cut else da @ U.T
    return dx, dW, dU


def recurrent(x, W, U):
    h = np.zeros((len(x), W.shape[1]))
    for _ in range(3):
        h = np.tanh(x @ W + h @ U)
    return h, (x, W, U)


@pytest.mark.parametrize(
    ("change", "names", "fact"),
    [
        ({"slope": False}, {"dx", "dW", "dU"}, "left out"),
        ({"cut": True}, {"dx", "dW", "dU"}, "the route from h to"),
        ({"last": True}, {"dx", "dW"}, "in the first pass alone"),
    ],
)
def test_a_mistake_in_every_pass_of_a_loop(change, names, fact):
    shapes = {"x": "ND", "W": "DE", "U": "EE"}
    facts = found(recurrent, lambda dy, cache: recurrent_backward(dy, cache, **change), shapes)
    assert set(facts) == names
    assert all(fact in said for said in facts.values())


# ---- nothing is claimed without cause


@pytest.mark.parametrize("kind", ["noise", "rounded", "part", "permuted"])
@pytest.mark.parametrize(
    ("forward", "backward", "shapes", "name", "count"),
    [
        (norm, norm_backward, NORM, "dx", 20),
        (mlp, mlp_backward, MLP, "dV", 30),
        (dense, dense_backward, DENSE, "db", 200),
    ],
    ids=["norm", "mlp", "dense"],
)
def test_random_wrong_gradients_get_no_claim(forward, backward, shapes, name, count, kind):
    searches = []
    for which in (0, 1):
        problem = problem_of(forward, backward, sized(shapes, which))
        upstreams = problem.upstreams(which)
        searches.append(Search.of(problem, upstreams, problem.numeric(upstreams)))
    right = [dict(search.answers) for search in searches]
    rng = np.random.default_rng(0)
    for _ in range(count):
        for search, answers in zip(searches, right, strict=True):
            wrong = {
                "noise": lambda n: rng.normal(size=n.shape),
                "rounded": lambda n: n.round(int(rng.integers(1, 4))),
                "part": lambda n: np.where(rng.random(n.shape) < 0.5, n, n * rng.normal()),
                "permuted": lambda n: rng.permuted(n.ravel()).reshape(n.shape),
            }[kind](answers[name])
            search.answers = {**answers, name: wrong}
            search.found.clear()
        assert diagnosed(*searches, name) is None


def test_the_nodes_carry_lines_and_names():
    graph = traced(problem_of(norm, None, sized(NORM, 0)))
    named = {node.name: node for node in graph.nodes if node.name}
    assert set(named) == {"x", "gamma", "mean", "centred", "var", "std", "normed", "y"}
    assert named["std"].line == norm.__code__.co_firstlineno + 4
    assert named["std"].code == "std = np.sqrt(var + EPS)"


def test_a_debugger_still_sees_what_forward_calls():
    called, earlier = set(), sys.gettrace()

    def trace(frame, event, argument):
        called.add((frame.f_code.co_filename.rpartition("/")[2], frame.f_code.co_name))

    problem = problem_of(norm, None, sized(NORM, 0))
    sys.settrace(trace)
    try:
        graph = traced(problem)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(earlier)
    assert ("graph.py", "apply") in called
    assert len(graph.nodes) == len(traced(problem).nodes) > 3
