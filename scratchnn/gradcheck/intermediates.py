"""The gradients of what forward computes on its way, found by moving it.

A check by finite differences moves inputs and looks at outputs. To move what lies between, forward's source is
rewritten: `z = x @ W + b` becomes `z = probe(3, probe(1, x @ W) + b)`, where `probe` hands on its value, but for the
one place, and the one pass of a loop, that is being moved. What is changed in place (`y += …`) is moved in place.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from scratchnn.gradcheck.numeric import NumericGradient, numeric_gradient, numeric_projections
from scratchnn.gradcheck.problem import Code
from scratchnn.machinery.parameters import Array

PROBE = "__probe__"
FUTURE = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})
MOST = 4000  # entries that are moved one by one, in all


class UnreadableError(Exception):
    """The source cannot be had, or does something that is not understood."""


@dataclass(frozen=True)
class Variable:
    """What one place of forward gave when it ran for the `run`-th time: a name, the use of one, or an expression."""

    place: int
    run: int
    name: str
    use: str
    value: Any


class Intermediates:
    """Forward's variables in the order in which they are computed, and their gradients, measured when asked for."""

    def __init__(self, code: Code, upstreams: Sequence[Array]) -> None:
        self.code, self.upstreams = code, upstreams
        self.places: list[tuple[str, str, bool]] = []  # the name assigned, the name used, and whether in place
        self.runs: Counter[int] = Counter()
        self.variables: list[Variable] = []
        self.noting = True
        self.moved: tuple[int, int] | None = None  # the place and run where `given` is put in
        self.given: Any = None
        self.left = MOST
        self.gradients: dict[int, NumericGradient | None] = {}
        self.sloped: dict[int, tuple[Array, NumericGradient] | None] = {}
        try:
            self.right = [np.array(y) for y in code.outputs()]
            around = getattr(code.forward, "around", lambda made: made)  # of frameworks.py
            self.forward = around(rewritten(code.forward, self))
            same = self.unmoved()
        except Exception as error:  # whatever a learner's code raises
            raise UnreadableError from error
        self.noting = False
        if not same:
            raise UnreadableError

    def probe(self, place: int, value: Any) -> Any:
        if not self.noting and not (self.moved and self.moved[0] == place):
            return value
        self.runs[place] += 1
        run, (name, use, in_place) = self.runs[place], self.places[place]
        if self.noting and (array := plain(value)) is not None:
            self.variables.append(Variable(place, run, name, use, np.array(array)))
        if self.moved != (place, run):
            return value
        given = like(value, self.given)
        if in_place and hasattr(value, "__setitem__") and not hasattr(value, "at"):  # JAX's arrays never change
            value[...] = given
            return value
        return given

    def outputs(self) -> tuple[Array, ...]:
        self.runs.clear()
        return self.code.outputs(forward=self.forward)

    def unmoved(self) -> bool:
        """Whether the rewritten forward gives what forward gives, to the bit."""
        return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(self.outputs(), self.right, strict=True))

    def gradient(self, k: int) -> NumericGradient | None:
        """∂L/∂(variable k); None if it has too many entries, or cannot be moved alone."""
        if k not in self.gradients:
            fits = self.variables[k].value.size <= self.left
            self.left -= self.variables[k].value.size if fits else 0
            self.gradients[k] = self.measured(k, numeric_gradient) if fits else None
        return self.gradients[k]

    def slopes(self, k: int) -> tuple[Array, NumericGradient] | None:
        """Two random directions and the slopes of L along them: cheaper than a gradient, and enough to compare with."""
        if k not in self.sloped:
            directions = np.random.default_rng(k).standard_normal((2, *self.variables[k].value.shape))
            slopes = self.measured(k, partial(numeric_projections, directions=[*directions]))
            self.sloped[k] = (directions, slopes) if slopes else None
        return self.sloped[k]

    def measured(self, k: int, measure: Callable[..., NumericGradient]) -> NumericGradient | None:
        variable = self.variables[k]
        if variable.value.dtype != np.float64:
            return None
        self.moved, self.given = (variable.place, variable.run), variable.value.copy()
        try:
            # where something else writes into the original, a copy in its place makes a difference
            return measure(self.outputs, self.given, self.upstreams) if self.unmoved() else None
        except Exception:  # forward need not bear to be moved
            return None
        finally:
            self.moved = None


def plain(value: Any) -> Array | None:
    """The NumPy array of a number, an array, or a tensor of PyTorch or JAX, which it shares memory with; the three
    numbers of a slice; else None."""
    if isinstance(value, slice):
        ends = [0 if end is None else end for end in (value.start, value.stop, value.step)]
        return np.array(ends) if all(isinstance(end, int) for end in ends) else None
    if isinstance(value, type | np.bool_) or not (isinstance(value, float | int) or hasattr(value, "__array__")):
        return None
    try:
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, RuntimeError):  # as a tensor on another device, or of a type that NumPy has not
        return None
    return array if array.dtype.kind in "biufc" else None


def like(value: Any, array: Array) -> Any:
    """A copy of the array as what `value` is: a number, an array, a tensor of PyTorch or JAX."""
    if isinstance(value, np.ndarray):
        return array.copy()
    if hasattr(value, "new_tensor"):
        return value.new_tensor(array)
    return value.at[...].set(array) if hasattr(value, "at") else type(value)(array)


# ---- rewriting


def rewritten(function: Callable[..., Any], probes: Intermediates, namespace: dict[str, Any] | None = None) -> Any:
    """The function with its probes, and with it the functions of its module that it calls."""
    if isinstance(function, MethodType):
        return MethodType(rewritten(function.__func__, probes), function.__self__)
    function, node, _ = definition(function)
    node.decorator_list = []
    space = namespace if namespace is not None else {**function.__globals__, PROBE: probes.probe}
    for name in {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}:
        helper = function.__globals__.get(name)
        own = isinstance(helper, FunctionType) and helper.__globals__ is function.__globals__
        if own and space[name] is helper and helper is not function:
            space[name] = None  # being rewritten
            try:
                space[name] = rewritten(helper, probes, space)
            except UnreadableError:
                space[name] = helper
    Rewriter(probes).visit(node)
    free = function.__code__.co_freevars
    maker: Any = ast.parse(f"def maker({', '.join(free)}): return {node.name}")
    maker.body[0].body.insert(0, node)
    compiled = compile(ast.fix_missing_locations(maker), function.__code__.co_filename, "exec", dont_inherit=True)
    code = next(c for c in codes(compiled) if c.co_name == node.name)
    cells = dict(zip(free, function.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in code.co_freevars)
    made = FunctionType(code, space, function.__name__, function.__defaults__, closure)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def definition(function: Callable[..., Any]) -> tuple[FunctionType, ast.FunctionDef, ast.Module]:
    """The function without wrappers, its node and the tree of its file, if the file is what is being run."""
    function = inspect.unwrap(function)
    function = getattr(function, "__func__", function)
    if not isinstance(function, FunctionType):
        raise UnreadableError
    file, code = function.__code__.co_filename, function.__code__
    linecache.checkcache(file)  # a module may have been reloaded
    text = "".join(linecache.getlines(file, function.__globals__))
    pytest = "@pytest_ar" in function.__globals__  # it has put other code in the place of each assert statement
    try:
        flags = code.co_flags & FUTURE  # an earlier cell of a notebook may have imported from __future__
        tree, made = ast.parse(text), codes(compile(text, file, "exec", flags, dont_inherit=True))
    except SyntaxError:
        raise UnreadableError from None
    same = code in made or (pytest and outline(code) in map(outline, made))
    for node in ast.walk(tree):
        if same and isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lazy = any(isinstance(child, ast.Yield | ast.YieldFrom) for child in ast.walk(node))
            if first == code.co_firstlineno and not lazy:
                return function, node, tree
    raise UnreadableError


def codes(code: CodeType) -> list[CodeType]:
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return [code, *(found for part in inner for found in codes(part))]


def outline(code: CodeType) -> tuple[str, int, list[str]]:
    """What stays of a function when pytest changes its assert statements."""
    return code.co_name, code.co_firstlineno, [name for name in code.co_varnames if not name.startswith("@")]


class Rewriter(ast.NodeTransformer):
    """Puts a probe around every value that is computed."""

    def __init__(self, probes: Intermediates) -> None:
        self.probes = probes

    def probed(self, value: ast.expr, name: str = "", use: str = "", in_place: bool = False) -> ast.expr:
        place = len(self.probes.places)
        self.probes.places.append((name, use, in_place))
        return ast.copy_location(ast.Call(ast.Name(PROBE, ast.Load()), [ast.Constant(place), value], []), value)

    def again(self, target: ast.expr, in_place: bool = False) -> list[ast.stmt]:
        """Statements that pass what has just been assigned through a probe."""
        if isinstance(target, ast.Tuple | ast.List):
            return [statement for part in target.elts for statement in self.again(part)]
        while isinstance(target, ast.Subscript):
            target, in_place = target.value, True
        name = ast.unparse(target)
        if not isinstance(target, ast.Name) and not name.startswith("self."):
            return []
        value = ast.parse(name, mode="eval").body
        assigned: Any = ast.parse(f"{name} = 0").body[0]
        assigned.value = self.probed(value, name, in_place=in_place)
        return [ast.copy_location(assigned, target)]

    def visit_Assign(self, node: Any) -> Any:
        targets = getattr(node, "targets", None) or [node.target]
        if all(isinstance(target, ast.Name | ast.Attribute) for target in targets) and isinstance(node, ast.Assign):
            whole = self.visit(node.value)
            simple = whole is node.value or not isinstance(node.value, ast.BinOp | ast.Call | ast.UnaryOp)
            node.value = self.probed(whole if simple else whole.args[1], ast.unparse(targets[0]))
            return node
        self.generic_visit(node)
        in_place = isinstance(node, ast.AugAssign)
        return [node, *(statement for target in targets for statement in self.again(target, in_place))]

    visit_AugAssign = visit_Assign

    def visit_For(self, node: ast.For) -> Any:
        self.generic_visit(node)
        node.body[:0] = self.again(node.target)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        arguments = node.args
        given = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs) if a.arg != "self"]
        start = [s for name in given for s in self.again(ast.copy_location(ast.Name(name, ast.Load()), node.body[0]))]
        self.generic_visit(node)
        node.body[:0] = start
        return node

    def expression(self, node: Any) -> Any:
        """A part of an expression; and each use of a variable in it, which is one of the routes to the loss."""
        self.generic_visit(node)
        if not any(isinstance(child, ast.Name) for child in ast.walk(node)):
            return node
        for key in ("left", "right", "operand"):
            if hasattr(node, key):
                setattr(node, key, self.used(getattr(node, key)))
        if isinstance(node, ast.Call):
            node.args = [self.used(argument) for argument in node.args]
        return self.probed(node)

    def used(self, node: ast.expr) -> ast.expr:
        named = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        return self.probed(node, use=ast.unparse(node)) if named else node

    visit_BinOp = visit_Call = visit_UnaryOp = expression
