"""Records a forward pass as a graph: every NumPy operation, its operands, its line, and its derivatives.

forward runs once with traced arrays in the place of its arguments. A traced array carries a node of the graph; NumPy
hands every operation on it to `Traced`, which computes the plain result and notes how it came about. A write in place
(y += …, y[k] = …) makes a new node, to which the traced array then points.

The derivative of one small operation by one operand is found by finite differences, so that no operation needs a rule
of its own. It is kept as the triples (row, column, value) of the entries of the Jacobian that may differ from 0: most
operations touch each entry once. The backward pass of the graph is  g[operand] += Jᵀ g[result].

`record` gives None where it cannot follow: forward turned a traced array into a plain one, wrote through a view, took
more than NODES operations or arrays of more than SIZE entries, or the gradient of the graph is not the numeric one.
"""

from __future__ import annotations

import copy
import inspect
import linecache
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from scratchnn.gradcheck.problem import Problem, as_tuple
from scratchnn.machinery.parameters import Array

NODES, SIZE = 600, 3000
Rule = Callable[[Array], Array]
STEPS = 1e-2, 1e-3, 1e-4, 1e-5  # of the differences, relative to the size of an entry
WRITES = {"fill", "sort", "partition", "put", "resize", "setflags", "byteswap", "itemset", "setfield"}


class UntraceableError(Exception):
    """Forward does something that a traced array cannot follow."""


@dataclass(eq=False)
class Node:
    """An array of forward: an argument or a constant, or the result of `function(*values of parents)`.

    name   the variable that holds it, "" if none does
    text   the operation as it stands in the line; `code` is the whole line
    site   the operation's place in the code, the same in every pass of a loop; `run` counts the passes from 0
    """

    value: Array
    parents: Sequence[Node] = ()
    function: Callable[..., Any] | None = None
    pointwise: bool = False
    name: str = ""
    line: int = 0
    text: str = ""
    code: str = ""
    site: Any = None
    run: int = 0

    def derived(self, given: Mapping[Node, Array], kept: set[Node]) -> Array:
        """The value if nodes had the values `given`; operations are repeated back to the nodes that are kept."""
        values = [
            given.get(p, p.value) if p in kept or not p.function else p.derived(given, kept) for p in self.parents
        ]
        assert self.function
        return np.asarray(self.function(*values))


@dataclass(eq=False)
class Link:
    """∂child/∂parent as the triples of a sparse matrix, sorted by row."""

    child: Node
    parent: Node
    rows: Array
    cols: Array
    values: Array

    @property
    def pointwise(self) -> bool:
        """Every entry of the child depends on one entry of the parent."""
        return len(self.rows) == self.child.value.size and bool((np.diff(self.rows) == 1).all())

    def pull(self, g: Array, values: Array | None = None) -> Array:
        weights = (self.values if values is None else values) * g.ravel()[self.rows]
        return np.bincount(self.cols, weights, self.parent.value.size).reshape(self.parent.value.shape)

    def push(self, t: Array) -> Array:
        return np.bincount(self.rows, self.values * t.ravel()[self.cols], self.child.value.size)


@dataclass
class Graph:
    """Nodes in the order of their making, and the links between those that depend on an input."""

    nodes: list[Node]
    links: list[Link]
    inputs: dict[str, Node]  # gradient name → node
    outputs: list[Node]
    numbers: dict[str, float] = field(default_factory=dict)  # constants that forward names or writes

    @cached_property
    def uses(self) -> dict[Node, list[Link]]:
        """The links from a node on to what is made of it."""
        found: dict[Node, list[Link]] = {node: [] for node in self.nodes}
        for link in self.links:
            found[link.parent].append(link)
        return found

    @cached_property
    def towards(self) -> dict[Node, list[Link]]:
        """The links from a node back to its operands."""
        found: dict[Node, list[Link]] = {node: [] for node in self.nodes}
        for link in self.links:
            found[link.child].append(link)
        return found

    def backward(
        self, upstreams: Sequence[Array], rules: Mapping[Link | Node, Rule] | None = None
    ) -> dict[Node, Array]:
        """∂L/∂node for all nodes, by the chain rule.

        `rules` change it: a link's says what it makes of its child's gradient in the place of Jᵀ g, a node's what
        becomes of its own gradient when it is complete.
        """
        rules = rules or {}
        g = {node: np.zeros(node.value.shape) for node in self.nodes}
        for node, u in zip(self.outputs, upstreams, strict=True):
            g[node] = g[node] + u
        for node in reversed(self.nodes):
            if node in rules:
                g[node] = rules[node](g[node])
            for link in self.towards[node]:
                g[link.parent] = g[link.parent] + rules.get(link, link.pull)(g[node])
        return g

    def statements(self) -> Graph:
        """The same graph with the variables of forward as its only nodes: what has no name is part of a link."""
        kept = {node for node in self.nodes if node.name or not node.function or node in self.outputs}
        towards: dict[Node, list[Link]] = {node: [] for node in self.nodes}
        for link in self.links:
            steps = [link] if link.parent in kept else [composed(link, before) for before in towards[link.parent]]
            for step in steps:
                same = [k for k, other in enumerate(towards[link.child]) if other.parent is step.parent]
                if same:
                    towards[link.child][same[0]] = added(towards[link.child][same[0]], step)
                else:
                    towards[link.child].append(step)
        nodes = [node for node in self.nodes if node in kept]
        links = [link for node in nodes for link in towards[node]]
        return Graph(nodes, links, self.inputs, self.outputs, self.numbers)


def composed(outer: Link, inner: Link) -> Link:
    """The product of two Jacobians: every entry of the outer meets a row of the inner."""
    counts = np.bincount(inner.rows, minlength=inner.child.value.size)
    starts = np.cumsum(counts) - counts
    many = counts[outer.cols]
    if many.sum() > 1e6:
        raise UntraceableError("too many entries")
    at = np.repeat(starts[outer.cols] - (np.cumsum(many) - many), many) + np.arange(many.sum())
    values = np.repeat(outer.values, many) * inner.values[at]
    return merged(outer.child, inner.parent, np.repeat(outer.rows, many), inner.cols[at], values)


def added(one: Link, other: Link) -> Link:
    parts = ((getattr(one, part), getattr(other, part)) for part in ("rows", "cols", "values"))
    return merged(one.child, one.parent, *map(np.concatenate, parts))


def merged(child: Node, parent: Node, rows: Array, cols: Array, values: Array) -> Link:
    """Triples of one place added up."""
    width = parent.value.size
    keys, where = np.unique(rows * width + cols, return_inverse=True)
    return Link(child, parent, keys // width, keys % width, np.bincount(where, values, len(keys)))


# ---- the derivative of one operation


def slopes(function: Callable[[float], Array], scale: Array | float = 1.0) -> Array:
    """The derivative of function(h) at 0 by fourth-order differences, entry by entry with the step that is best.

    A step is good where the next one changes the result least. An entry of the result moves with h · scale.
    """
    with np.errstate(all="ignore"):
        found = []
        for h in STEPS:
            far, near = function(2 * h) - function(-2 * h), function(h) - function(-h)
            found.append((8 * near - far) / (12 * h) / scale)
        changes = np.abs(np.diff(found, axis=0))
    changes[np.isnan(changes)] = np.inf
    best = np.argmin(changes, axis=0)
    result: Array = np.take_along_axis(np.array(found), best[None] + 1, axis=0)[0]
    return result


def pointwise_slopes(node: Node, kept: set[Node], given: Mapping[Node, Array], parent: Node, cols: Array) -> Array:
    """The derivative of every entry of a node by the one entry of the parent that it depends on."""
    at = given.get(parent, parent.value)
    scale = np.abs(at) + 1e-2
    per_entry = scale.ravel()[cols].reshape(node.value.shape)
    return slopes(lambda h: node.derived({**given, parent: at + h * scale}, kept), per_entry).ravel()


def jacobian(node: Node, parent: Node, kept: set[Node], given: Mapping[Node, Array] | None = None) -> Link | None:
    """∂node/∂parent, where other values may be `given` to nodes; None where it is 0."""
    given = given or {}
    x, size = given.get(parent, parent.value), node.value.size
    if node.pointwise:
        cols = np.broadcast_to(np.arange(x.size).reshape(x.shape), node.value.shape).ravel()
        return Link(node, parent, np.arange(size), cols, pointwise_slopes(node, kept, given, parent, cols))

    def at(x: Array) -> Array:
        return node.derived({**given, parent: x}, kept).ravel()

    y, direction = at(x), np.random.default_rng(0).standard_normal(x.shape) * 10
    with np.errstate(all="ignore"):
        once, back = at(x + direction) - y, at(x - direction) - y
    linear = np.allclose(once, -back, rtol=1e-9, atol=1e-9 * (1 + np.abs(y).max(initial=0)))
    if linear:  # then a step of any length will do, and a selection of entries selects numbers of entries as well
        offset = at(np.zeros(x.shape))
        numbers = at(np.arange(x.size).reshape(x.shape) + 1.0) - offset
        index = np.clip(numbers.astype(int) - 1, 0, x.size - 1)
        if (numbers == index + 1).all() and np.allclose(once, np.ravel(direction)[index]):
            return Link(node, parent, np.arange(size), index, np.ones(size))

    def column(unit: Array) -> Array:
        return at(unit) - offset if linear else slopes(lambda h: at(x + h * unit))

    columns = [column(unit) for unit in np.eye(x.size).reshape(-1, *x.shape)]
    matrix = np.array(columns).reshape(x.size, size).T
    rows, cols = np.nonzero(matrix)
    return Link(node, parent, rows, cols, matrix[rows, cols]) if len(rows) else None


# ---- recording


class Traced(NDArrayOperatorsMixin):
    """An array that notes what is done with it."""

    def __init__(self, node: Node, tape: Tape) -> None:
        self.node, self.tape = node, tape

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
        out = named.pop("out", None)
        if method == "at":
            target, index, *values = inputs

            def at(array: Array, index: Any, *values: Any) -> Array:
                array = np.array(array)
                ufunc.at(array, index, *values)
                return array

            return self.tape.write(target, at, (target, index, *values), {})
        function = getattr(ufunc, method)
        pointwise = ufunc.signature is None and method == "__call__"
        if out:
            shape = out[0].shape
            return self.tape.write(
                out[0], lambda *a, **k: np.broadcast_to(function(*a, **k), shape), inputs, named, pointwise
            )
        return self.tape.apply(function, inputs, named, pointwise)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
        if named.get("out") is not None or function in (np.copyto, np.put_along_axis, np.fill_diagonal, np.place):
            raise UntraceableError(function.__name__)
        return self.tape.apply(function, arguments, named)

    def __array__(self, *arguments: Any, **named: Any) -> Array:
        raise UntraceableError("becomes a plain array")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in WRITES:
            raise AttributeError(name)
        value = getattr(self.node.value, name)
        if callable(value):
            return lambda *arguments, **named: self.tape.apply(
                lambda array, *a, **k: getattr(array, name)(*a, **k), (self, *arguments), named
            )
        return (
            self.tape.apply(lambda array: getattr(array, name), (self,), {}) if isinstance(value, np.ndarray) else value
        )

    def __getitem__(self, index: Any) -> Any:
        return self.tape.apply(lambda array, index: array[index], (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        def put(array: Array, index: Any, value: Any) -> Array:
            array = np.array(array)
            array[index] = value
            return array

        self.tape.write(self, put, (self, index, value), {})

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __len__(self) -> int:
        return len(self.node.value)

    def __float__(self) -> float:
        return float(self.node.value)

    def __int__(self) -> int:
        return int(self.node.value)

    def __bool__(self) -> bool:
        return bool(self.node.value)


@dataclass(frozen=True)
class Slot:
    """Stands for an operand in the arguments of an operation."""

    index: int


class Tape:
    """The nodes of one run of forward, whose code is in `file`."""

    def __init__(self, file: str) -> None:
        self.file, self.nodes = file, list[Node]()
        self.plain: dict[int, tuple[Any, Node]] = {}  # constants by identity; held, so that no other gets the same
        self.runs: dict[Any, int] = {}

    def leaf(self, array: Any, name: str = "") -> Node:
        if id(array) not in self.plain:
            self.plain[id(array)] = array, Node(np.array(array), name=name)
            self.nodes.append(self.plain[id(array)][1])
        return self.plain[id(array)][1]

    def apply(self, function: Any, arguments: Sequence[Any], named: Mapping[str, Any], pointwise: bool = False) -> Any:
        """The result of an operation, traced if it is made of floats."""
        parents: list[Node] = []

        def hide(item: Any) -> Any:
            if isinstance(item, tuple | list):
                return type(item)(map(hide, item))
            constant = isinstance(item, np.ndarray) and item.dtype.kind in "fb" and item.ndim
            if not constant and not isinstance(item, Traced):
                return item
            parents.append(item.node if isinstance(item, Traced) else self.leaf(item))
            return Slot(len(parents) - 1)

        hidden = hide(tuple(arguments)), {key: hide(item) for key, item in named.items()}

        def replay(*values: Array) -> Any:
            def show(item: Any) -> Any:
                if isinstance(item, tuple | list):
                    return type(item)(map(show, item))
                return values[item.index] if isinstance(item, Slot) else item

            return function(*show(hidden[0]), **{key: show(item) for key, item in hidden[1].items()})

        result = replay(*(parent.value for parent in parents))
        if isinstance(result, tuple | list):
            picks = [lambda *values, k=k: replay(*values)[k] for k in range(len(result))]
            return type(result)(
                self.noted(r, p, parents, False, k) for k, (r, p) in enumerate(zip(result, picks, strict=True))
            )
        return self.noted(result, replay, parents, pointwise, 0)

    def noted(self, result: Any, function: Any, parents: Sequence[Node], pointwise: bool, number: int) -> Any:
        if getattr(result, "dtype", np.dtype(bool)).kind != "f":
            return result
        node = Node(np.array(result), parents, function, pointwise)
        frames, here = [], sys._getframe(1)
        while here := here.f_back:  # type: ignore[assignment]
            if here.f_code.co_filename == self.file:
                frames.append(here)
        for outer in reversed(frames):  # a function's caller names its arguments
            self.name_variables(outer)
        frame = frames[0] if frames else sys._getframe(1)
        node.line, node.text = frame.f_lineno, segment(frame)
        node.code = linecache.getline(self.file, frame.f_lineno).strip()
        node.site = frame.f_code.co_firstlineno, frame.f_lineno, frame.f_lasti, number
        node.run = self.runs[node.site] = self.runs.get(node.site, -1) + 1
        self.nodes.append(node)
        if len(self.nodes) > NODES or node.value.size > SIZE:
            raise UntraceableError("too large")
        return Traced(node, self)

    def write(
        self, target: Any, function: Any, arguments: Sequence[Any], named: Mapping[str, Any], pointwise: bool = False
    ) -> Any:
        if not isinstance(target, Traced):
            raise UntraceableError("a write into a plain array")
        written = self.apply(function, arguments, named, pointwise)
        target.node = written.node
        return target

    def name_variables(self, frame: types.FrameType) -> None:
        """Nodes that a variable holds get its name."""
        held = dict(frame.f_locals)
        attributes = vars(held["self"]).items() if hasattr(held.get("self"), "__dict__") else ()
        for name, value in (*held.items(), *((f"self.{name}", value) for name, value in attributes)):
            node = value.node if isinstance(value, Traced) else self.plain.get(id(value), (None, None))[1]
            if node and not node.name:
                node.name = name

    def profile(self, frame: types.FrameType, event: str, argument: Any) -> None:
        if event == "return" and frame.f_code.co_filename == self.file:
            self.name_variables(frame)


def segment(frame: types.FrameType) -> str:
    """The part of the line that is being computed; the whole line before Python 3.11."""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    if hasattr(frame.f_code, "co_positions"):
        first, last, start, end = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
        if first == last and start is not None:
            return line.encode()[start:end].decode()
    return line.strip()


class Proxy(types.ModuleType):
    """The numpy module, but for functions that make arrays without being given one: NumPy does not hand these over."""

    def __init__(self, tape: Tape) -> None:
        super().__init__("numpy")

        def making(function: Any) -> Any:
            def make(first: Any, *arguments: Any, **named: Any) -> Any:
                if isinstance(first, Traced):
                    return (
                        first.tape.apply(function, (first, *arguments), named) if function is not np.asarray else first
                    )
                if isinstance(first, list | tuple) and any(isinstance(item, Traced | list) for item in first):
                    return np.stack([make(item) for item in first])
                array = function(first, *arguments, **named)
                return Traced(tape.leaf(array), tape) if array.dtype.kind == "f" else array

            return make

        self.replaced: dict[Any, Any] = {
            f: making(f) for f in (np.zeros, np.ones, np.empty, np.full, np.array, np.asarray)
        }
        for function, make in self.replaced.items():
            setattr(self, function.__name__, make)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def traceable(function: Any, tape: Tape) -> Any:
    """A function with the proxy in the place of numpy, and so are those of its module that it may call."""
    proxy, old = Proxy(tape), function.__globals__
    new = dict(old)

    def renewed(f: Any) -> Any:
        if not isinstance(f, types.FunctionType) or f.__globals__ is not old:
            return f
        copied = types.FunctionType(f.__code__, new, f.__name__, f.__defaults__, f.__closure__)
        copied.__kwdefaults__ = f.__kwdefaults__
        return copied

    for name, value in old.items():
        if value is np:
            new[name] = proxy
        elif isinstance(value, types.FunctionType | types.BuiltinFunctionType):
            new[name] = proxy.replaced.get(value, renewed(value))
    if not isinstance(function, types.MethodType):
        return renewed(function)
    owner = function.__self__
    methods = {name: renewed(f) for base in reversed(type(owner).__mro__) for name, f in vars(base).items()
               if isinstance(f, types.FunctionType) and f.__globals__ is old}  # fmt: skip
    owner.__class__ = type(type(owner).__name__, (type(owner),), methods)
    return getattr(owner, function.__name__)


def record(problem: Problem, upstreams: Sequence[Array], numerics: Mapping[str, Any]) -> Graph | None:
    """The graph of a problem's forward pass; None if there is no following it."""
    try:
        graph = traced(problem)
    except Exception:  # whatever forward does with an array that is not quite one
        return None
    found = graph.backward(upstreams)
    # What has no gradient, whatever is upstream, is a shift that cancels, as the maximum in a softmax: backward leaves
    # it out, and then no change elsewhere shall bring it in
    size = max(np.abs(g).max(initial=0) for g in found.values())
    idle = {node for node in graph.nodes if np.abs(found[node]).max(initial=0) <= 1e-9 * size}
    graph = replace(graph, links=[link for link in graph.links if link.child not in idle])
    for name, node in graph.inputs.items():
        numeric = numerics[name]
        off = np.abs(found[node] - numeric.value) - 2 * numeric.error - 1e-8 * np.abs(numeric.value)
        if not (off[~numeric.kink] <= 0).all():
            return None
    return graph


def traced(problem: Problem) -> Graph:
    code = problem.code
    assert code
    plain = [np.array(y) for y in code.outputs()]
    tape = Tape(inspect.unwrap(code.forward).__code__.co_filename)
    arguments, named = code.arguments()
    bound = inspect.signature(code.forward).bind(*arguments, **named).arguments
    memo: dict[int, Any] = {}
    inputs = {
        name: tape.leaf(array, name.rpartition(".")[2].removeprefix("d")) for name, array in problem.arrays.items()
    }
    for name, array in bound.items():
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            tape.leaf(array, name)
    for key, (_, node) in tape.plain.items():
        memo[key] = Traced(node, tape)
    # copies of everything, in which the arrays are replaced
    arguments, named = copy.deepcopy((tuple(arguments), dict(named)), memo)
    forward = code.forward
    if isinstance(forward, types.MethodType):
        forward = types.MethodType(forward.__func__, copy.deepcopy(forward.__self__, memo))
    before = sys.getprofile()
    sys.setprofile(tape.profile)
    try:
        with np.errstate(all="ignore"):
            returned = traceable(forward, tape)(*arguments, **named)
    finally:
        sys.setprofile(before)
    outputs: tuple[Any, ...] = as_tuple(returned[0] if code.kind == "function" else returned)
    if not all(isinstance(y, Traced) and np.array_equal(y.node.value, p) for y, p in zip(outputs, plain, strict=True)):
        raise UntraceableError("other results")
    kept, links = set(tape.nodes), []
    depends = set(inputs.values())
    for node in tape.nodes:
        for parent in dict.fromkeys(node.parents):
            if parent in depends and (link := jacobian(node, parent, kept)):
                links.append(link)
                depends.add(node)
    used = forward.__code__
    numbers = {n: v for n in used.co_names if isinstance(v := forward.__globals__.get(n), int | float)}
    numbers |= {str(v): v for v in used.co_consts if isinstance(v, int | float) and v not in (0, 1, 2, True)}
    return Graph(tape.nodes, links, inputs, [y.node for y in outputs], {n: float(v) for n, v in numbers.items() if v})
