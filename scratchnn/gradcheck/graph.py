"""Records a forward pass as a graph: every NumPy operation, its operands, its line and its derivatives.

forward runs once with traced arrays in the place of its arguments. NumPy hands every operation on one of them to
`Traced`, which computes the plain result and keeps it as a node. A write in place (y += …, y[k] = …) makes a new node,
to which the traced array then points.

The derivative of an operation by an operand is found by finite differences, so that no operation needs a rule of its
own. It is kept as the entries of the Jacobian that may differ from 0, since most operations touch each entry once. The
backward pass of the graph is  g[operand] += Jᵀ g[result].
"""

from __future__ import annotations

import ast
import copy
import inspect
import linecache
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.problem import Problem, as_tuple
from scratchnn.machinery.parameters import Array

NODES, SIZE, ENTRIES = 600, 3000, 10**7  # the largest graph, array and product of Jacobians
STEPS = 1e-2, 1e-3, 1e-4, 1e-5  # of the differences
MAKERS = ["array", "asarray", "empty", "empty_like", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like"]
Rule = Callable[[Array], Array]


@dataclass(eq=False)
class Node:
    """An array of forward: an argument or a constant, or the result of `function(*values of parents)`.

    name   the variable that holds it, "" if none does
    text   the operation as it stands in the line; `code` is the whole line
    site   the operation's place in the code, the same in every pass of a loop
    """

    value: Array
    parents: Sequence[Node] = ()
    function: Callable[..., Any] | None = None
    pointwise: bool = False
    name: str = ""
    line: int = 0
    text: str = "a constant"
    code: str = ""
    site: Any = None

    def __post_init__(self) -> None:
        self.value = np.array(self.value)
        self.value.flags.writeable = False  # a write that goes unseen raises

    def derived(self, given: Mapping[Node, Array], kept: set[Node]) -> Array:
        """The value if nodes had the values `given`; operations are repeated back to the nodes that are kept."""
        assert self.function
        values = [
            given.get(p, p.value) if p in kept or not p.function else p.derived(given, kept) for p in self.parents
        ]
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
        return np.array_equal(self.rows, np.arange(self.child.value.size))

    def pull(self, g: Array, values: Array | None = None) -> Array:
        """Jᵀ g, perhaps with other entries of J."""
        weights = (self.values if values is None else values) * g.ravel()[self.rows]
        return np.bincount(self.cols, weights, self.parent.value.size).reshape(self.parent.value.shape)

    def push(self, t: Array) -> Array:
        """J t"""
        return np.bincount(self.rows, self.values * t[self.cols], self.child.value.size)

    def after(self, inner: Link) -> Link:
        """The product with the Jacobian of an operation before: every entry meets a row of the inner one."""
        counts = np.bincount(inner.rows, minlength=inner.child.value.size)
        ends, many = np.cumsum(counts), counts[self.cols]
        if many.sum() > ENTRIES:
            raise ValueError("too large")
        at = np.repeat(ends[self.cols] - np.cumsum(many), many) + np.arange(many.sum())
        values = np.repeat(self.values, many) * inner.values[at]
        return merged(self.child, inner.parent, np.repeat(self.rows, many), inner.cols[at], values)

    def plus(self, other: Link) -> Link:
        rows, cols, values = (np.append(getattr(self, p), getattr(other, p)) for p in ("rows", "cols", "values"))
        return merged(self.child, self.parent, rows, cols, values)


def merged(child: Node, parent: Node, rows: Array, cols: Array, values: Array) -> Link:
    """Triples of one place added up."""
    keys, where = np.unique(rows * parent.value.size + cols, return_inverse=True)
    return Link(child, parent, *np.divmod(keys, parent.value.size), np.bincount(where, values, len(keys)))


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
        return {node: [link for link in self.links if link.parent is node] for node in self.nodes}

    @cached_property
    def towards(self) -> dict[Node, list[Link]]:
        """The links from a node back to its operands."""
        return {node: [link for link in self.links if link.child is node] for node in self.nodes}

    def backward(
        self, upstreams: Sequence[Array], rules: Mapping[Link | Node, Rule] | None = None
    ) -> dict[Node, Array]:
        """∂L/∂node for all nodes, by the chain rule.

        `rules` change it: a link's stands for Jᵀ, a node's is applied to its gradient when that is complete.
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
        towards: dict[Node, dict[Node, Link]] = {node: {} for node in self.nodes}
        for link in self.links:
            before = towards[link.child]
            for step in [link] if link.parent in kept else [link.after(b) for b in towards[link.parent].values()]:
                before[step.parent] = before[step.parent].plus(step) if step.parent in before else step
        nodes = [node for node in self.nodes if node in kept]
        links = [link for node in nodes for link in towards[node].values()]
        return Graph(nodes, links, self.inputs, self.outputs, self.numbers)


# ---- the derivative of one operation


def slopes(function: Callable[[float], Array]) -> Array:
    """The derivative at 0 by fourth-order differences, entry by entry with the step that the next changes least."""
    found = []
    for h in STEPS:
        far, near = function(2 * h) - function(-2 * h), function(h) - function(-h)
        found.append((8 * near - far) / (12 * h))
    changes = np.nan_to_num(np.abs(np.diff(found, axis=0)), nan=np.inf)
    result: Array = np.take_along_axis(np.array(found), np.argmin(changes, axis=0)[None] + 1, axis=0)[0]
    return result


def derivative(
    node: Node, parent: Node, kept: set[Node], given: Mapping[Node, Array], cols: Array | None = None
) -> Link:
    """∂node/∂parent where nodes have the values `given`; `cols`: the one entry that every entry depends on, if so."""
    x, size = given.get(parent, parent.value), node.value.size

    def at(x: Array) -> Array:
        return node.derived({**given, parent: x}, kept).ravel()

    if cols is not None:
        scale = np.abs(x) + 1e-2
        values = slopes(lambda h: at(x + h * scale)) / scale.ravel()[cols]
        return Link(node, parent, np.arange(size), cols, values)
    y, step = at(x), np.asarray(np.random.default_rng(0).normal(scale=10, size=x.shape))
    once, back = at(x + step) - y, at(x - step) - y
    linear = np.allclose(once, -back, rtol=1e-9, atol=1e-9 * (1 + np.abs(y).max(initial=0)))
    if linear:  # then a step of any length will do, and a selection of entries selects numbers of entries as well
        offset = at(np.zeros(x.shape))
        numbers = at(np.arange(x.size).reshape(x.shape) + 1.0) - offset
        index = np.clip(numbers, 1, x.size).astype(int) - 1
        if np.allclose(once, step.ravel()[index]):
            return Link(node, parent, np.arange(size), index, np.ones(size))

    def column(unit: Array) -> Array:
        return at(unit) - offset if linear else slopes(lambda h: at(x + h * unit))

    columns = [column(unit) for unit in np.eye(x.size).reshape(-1, *x.shape)]
    matrix = np.array(columns).reshape(x.size, size).T
    rows, cols = np.nonzero(matrix)
    return Link(node, parent, rows, cols, matrix[rows, cols])


# ---- recording


class Traced(NDArrayOperatorsMixin):
    """An array that notes what is done with it."""

    def __init__(self, node: Node, tape: Tape) -> None:
        self.node, self.tape = node, tape

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
        if method == "at":
            return self.write(lambda array, *rest: ufunc.at(array, *rest), *inputs)
        (out,) = named.pop("out", (None,))
        result = self.tape.apply(
            getattr(ufunc, method), inputs, named, ufunc.signature is None and method == "__call__"
        )
        if out is None:
            return result
        out[...] = result
        return out

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], named: dict[str, Any]) -> Any:
        return self.tape.apply(function, arguments, named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self.node.value, name)
        if callable(value):
            return lambda *arguments, **named: self.tape.apply(
                lambda array, *a, **k: getattr(array, name)(*a, **k), (self, *arguments), named
            )
        return self.tape.apply(getattr, (self, name), {}) if isinstance(value, np.ndarray) else value

    def __getitem__(self, index: Any) -> Any:
        return self.tape.apply(lambda array, index: array[index], (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, Traced) and index is Ellipsis and value.node.value.shape == self.shape:
            self.node = value.node
        else:
            self.write(lambda array, index, value: array.__setitem__(index, value), self, index, value)

    def __len__(self) -> int:
        return len(self.node.value)

    @staticmethod
    def write(change: Callable[..., None], target: Traced, *arguments: Any) -> None:
        def written(array: Array, *arguments: Any) -> Array:
            array = np.array(array)
            change(array, *arguments)
            return array

        target.node = target.tape.apply(written, (target, *arguments), {}).node


class Slot(int):
    """Stands for an operand in the arguments of an operation."""


def mapped(change: Callable[[Any], Any], item: Any) -> Any:
    return type(item)(mapped(change, i) for i in item) if isinstance(item, tuple | list) else change(item)


class Tape:
    """The nodes of one run of forward, whose code is in `file`."""

    def __init__(self, file: str) -> None:
        self.file, self.nodes, self.numbers = file, list[Node](), dict[str, float]()
        self.before: Any = sys.gettrace()
        self.leaves: dict[int, tuple[Any, Node]] = {}  # constants by identity; held, so that no other gets the same

    def leaf(self, array: Any, name: str = "") -> Node:
        if id(array) not in self.leaves:
            self.leaves[id(array)] = array, Node(array, name=name)
            self.nodes.append(self.leaves[id(array)][1])
        return self.leaves[id(array)][1]

    def apply(
        self, function: Any, arguments: Any, named: Mapping[str, Any], pointwise: bool = False, part: int = 0
    ) -> Any:
        """The result of an operation, traced if it is made of floats."""
        parents: list[Node] = []

        def hidden(item: Any) -> Any:
            constant = isinstance(item, np.ndarray) and item.ndim and item.dtype.kind in "fb"
            if not constant and not isinstance(item, Traced):
                return item
            parents.append(item.node if isinstance(item, Traced) else self.leaf(item))
            return Slot(len(parents) - 1)

        frozen = mapped(hidden, (*arguments, *named.values()))

        def replay(*values: Array) -> Any:
            shown = mapped(lambda item: values[item] if isinstance(item, Slot) else item, frozen)
            return function(*shown[: len(arguments)], **dict(zip(named, shown[len(arguments) :], strict=True)))

        result = replay(*(parent.value for parent in parents))
        if isinstance(result, tuple | list):
            parts = (lambda *a, k=k, **n: function(*a, **n)[k] for k in range(len(result)))
            return type(result)(self.apply(f, arguments, named, part=k) for k, f in enumerate(parts))
        if getattr(result, "dtype", np.dtype(bool)).kind != "f":
            return result
        frame: Any = sys._getframe(1)
        while frame.f_code.co_filename != self.file:
            frame = frame.f_back
        number, code = frame.f_lineno, linecache.getline(self.file, frame.f_lineno).strip()
        site = frame.f_code.co_firstlineno, frame.f_lasti, part
        self.nodes.append(Node(result, parents, replay, pointwise, "", number, segment(frame), code, site))
        if len(self.nodes) > NODES or np.size(result) > SIZE:
            raise ValueError("too large")
        return Traced(self.nodes[-1], self)

    def follow(self, frame: types.FrameType, event: str, argument: Any) -> Any:
        """Gives nodes the names of the variables that hold them, line by line; and keeps the numbers. Other files are
        left to who traced before, such as a debugger, or coverage."""
        if frame.f_code.co_filename != self.file:
            if self.before is None:
                return None
            local = self.before(frame, event, argument)
            sys.settrace(self.follow)  # coverage puts itself in the place of whoever calls it
            return local
        held = dict(frame.f_locals)
        own = getattr(held.get("self"), "__dict__", {})
        for name, value in {**held, **{f"self.{name}": value for name, value in own.items()}}.items():
            node = value.node if isinstance(value, Traced) else self.leaves.get(id(value), (None, None))[1]
            if node:
                node.name = node.name or name
            elif isinstance(value, float):
                self.numbers[name] = float(value)
        return self.follow

    def maker(self, function: Any) -> Any:
        """A function that makes arrays without being given one, which NumPy does not hand over, for traced ones."""

        def make(first: Any, *arguments: Any, **named: Any) -> Any:
            if isinstance(first, Traced):
                return first if function is np.asarray else self.apply(function, (first, *arguments), named)
            if isinstance(first, list | tuple) and any(isinstance(item, Traced | list) for item in first):
                return np.stack([make(item) for item in first])
            array = function(first, *arguments, **named)
            return Traced(self.leaf(array), self) if array.dtype.kind == "f" else array

        return make


def segment(frame: types.FrameType) -> str:
    """The part of the line that is being computed. Python 3.10 does not say which: there it is all that is assigned
    or returned, or else the whole line."""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    if hasattr(frame.f_code, "co_positions"):
        first, last, start, end = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
        if first == last:
            return line.encode()[start:end].decode()
    code = line.strip()
    with suppress(SyntaxError):
        statements = ast.parse(code).body
        if len(statements) == 1 and isinstance(statements[0], ast.Assign | ast.AnnAssign | ast.Return):
            value = statements[0].value
            return (value and ast.get_source_segment(code, value)) or code
    return code


def traced(problem: Problem) -> Graph:
    """The graph of a problem's forward pass."""
    code = problem.code
    plain = [np.array(y) for y in code.outputs()]
    function = inspect.unwrap(code.forward)
    tape = Tape(function.__code__.co_filename)
    inputs = {n: tape.leaf(array, n.rpartition(".")[2].removeprefix("d")) for n, array in problem.arrays.items()}
    # copies of everything, in which the arrays are replaced
    memo: dict[int, Any] = {key: Traced(node, tape) for key, (_, node) in tape.leaves.items()}
    forward, (arguments, named) = copy.deepcopy((code.forward, code.arguments()), memo)
    # the module's numpy is replaced for the time of the run; JAX's has the same functions under the same names
    makers = {name: tape.maker(getattr(np, name)) for name in MAKERS}
    module, numpy = function.__globals__, types.SimpleNamespace(**{**vars(np), **makers})
    libraries = [library for name in ("numpy", "jax.numpy") if (library := sys.modules.get(name))]
    made = [vars(library).get(name) for library in libraries for name in MAKERS]
    own = {name: value for name, value in module.items() if any(value is known for known in (*libraries, *made))}
    try:
        module.update({name: numpy if value in libraries else makers[value.__name__] for name, value in own.items()})
        sys.settrace(tape.follow)
        returned = forward(*arguments, **named)
    finally:
        sys.settrace(tape.before)
        module.update(own)
    outputs: Any = as_tuple(returned[0] if code.kind == "function" else returned)
    if not all(np.allclose(y.node.value, p, rtol=1e-12, atol=1e-14) for y, p in zip(outputs, plain, strict=True)):
        raise ValueError("other results")
    kept, links, depends = set(tape.nodes), [], set(inputs.values())
    for node in tape.nodes:
        for parent in dict.fromkeys(node.parents):
            if parent in depends:
                places = np.arange(parent.value.size).reshape(parent.value.shape)
                cols = np.broadcast_to(places, node.value.shape).ravel() if node.pointwise else None
                links.append(derivative(node, parent, kept, {}, cols))
                depends.add(node)
    used = function.__code__
    numbers = {**tape.numbers, **{n: v for n in used.co_names if isinstance(v := module.get(n), int | float)}}
    numbers |= {str(v): v for v in used.co_consts if isinstance(v, int | float) and v not in (0, 1, 2)}
    return Graph(tape.nodes, links, inputs, [y.node for y in outputs], {n: float(v) for n, v in numbers.items() if v})


def record(problem: Problem, upstreams: Sequence[Array], numerics: Mapping[str, NumericGradient]) -> Graph | None:
    """The graph of a problem's forward pass; None if there is no following it, or it is wrong."""
    try:
        with np.errstate(all="ignore"):
            graph = traced(problem)
    except Exception:  # whatever forward does with an array that is not quite one
        return None
    found = graph.backward(upstreams)
    # What has no gradient is a shift that cancels, as the maximum in a softmax: no change elsewhere shall bring it in
    size = max(np.abs(g).max(initial=0) for g in found.values())
    idle = {node for node in graph.nodes if np.abs(found[node]).max(initial=0) <= 1e-9 * size}
    graph = replace(graph, links=[link for link in graph.links if link.child not in idle])
    for name, node in graph.inputs.items():
        numeric = numerics[name]
        off = np.abs(found[node] - numeric.value) - 2 * numeric.error - 1e-8 * np.abs(numeric.value)
        if not (off[~numeric.kink] <= 0).all():
            return None
    return graph
