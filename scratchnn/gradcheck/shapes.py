"""Arrays that do not fit together, in words: which operands of which line, their shapes, and what would fit.

NumPy says that (5,3) and (5,4) do not fit, and not whose shapes these are. Here the line that raised is taken apart:
its expressions are computed again, from the innermost outwards, until one raises.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import linecache
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

import numpy as np

from scratchnn.machinery.parameters import Array

COMPLAINTS = ("shape", "dimension", "broadcast", "aligned", "mismatch")  # how NumPy says that arrays do not fit
Operation = ast.BinOp | ast.Call


def misfit(error: Exception, backward: Any, arrays: Mapping[str, Array]) -> str:
    """What did not fit in backward when it raised this error; "" if it was something else, or cannot be found out.

    `arrays`: gradient name → the array that the gradient belongs to.
    """
    code = getattr(inspect.unwrap(backward), "__code__", None)  # an object that is called has none
    found = code and raised_in(error, code.co_filename)
    if not found or not any(word in str(error) for word in COMPLAINTS):
        return ""  # as of a singular matrix
    line, frame = found
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
        holds = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n.lineno <= line <= (n.end_lineno or 0)]
        statement = holds[-1]  # the innermost: ast.walk goes from the outside inwards
        for expression in expressions(statement):
            arguments = [(text, array) for text, array in operands(expression, frame) if np.ndim(array)]
            if len(arguments) > 1 and raises(expression, frame):
                said = ", ".join(f"{text} has shape {np.shape(array)}" for text, array in arguments)
                known = [array for target in targets(statement) if (array := arrays.get(target)) is not None]
                wanted = known[0].shape if len(known) == 1 and expression is getattr(statement, "value", None) else None
                return f"line {line}, `{ast.unparse(expression)}`, does not fit: {said}" + advice(
                    expression, arguments, wanted
                )
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
            place, given = ast.unparse(statement.targets[0]), ast.unparse(statement.value)
            room, shape = (np.shape(value(ast.parse(text, mode="eval").body, frame)) for text in (place, given))
            return f"line {line}, `{ast.unparse(statement)}`, does not fit: {place} has shape {room}, {given} {shape}"
    except Exception:  # what cannot be computed a second time
        return ""
    return ""


def raised_in(error: Exception, file: str) -> tuple[int, FrameType] | None:
    """The last line of that file that was running, and its frame."""
    found, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == file:
            found = trace.tb_lineno, trace.tb_frame
        trace = trace.tb_next
    return found


def expressions(node: ast.AST) -> Iterator[Operation]:
    """Operations and calls, the inner ones first; a write into an array is the last."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt):
            yield from expressions(child)
    if isinstance(node, ast.BinOp | ast.Call):
        yield node
    elif isinstance(node, ast.AugAssign):
        yield ast.BinOp(ast.parse(ast.unparse(node.target), mode="eval").body, node.op, node.value)


def operands(expression: Operation, frame: FrameType) -> list[tuple[str, Any]]:
    """Text and value of what an operation or a function is given; of a method, the array that it is one of as well."""
    if isinstance(expression, ast.BinOp):
        parts = [expression.left, expression.right]
    else:
        function, parts = expression.func, list(expression.args)
        if isinstance(function, ast.Attribute) and isinstance(value(function.value, frame), np.ndarray):
            parts = [function.value, *parts]
    return [(ast.unparse(part), value(part, frame)) for part in parts]


def value(expression: ast.expr, frame: FrameType) -> Any:
    code = compile(ast.fix_missing_locations(ast.Expression(expression)), "<operand>", "eval")
    return eval(code, frame.f_globals, frame.f_locals)


def raises(expression: ast.expr, frame: FrameType) -> bool:
    try:
        value(expression, frame)
    except ValueError:
        return True
    return False


def targets(statement: ast.stmt) -> list[str]:
    """The names that the statement gives values to, without self."""
    nodes = getattr(statement, "targets", [getattr(statement, "target", None)])
    return [node.id if isinstance(node, ast.Name) else getattr(node, "attr", "") for node in nodes if node]


def advice(expression: Operation, arguments: list[tuple[str, Array]], wanted: tuple[int, ...] | None) -> str:
    """What would fit, with as few changes as possible; of the shape that is wanted, if that is known."""
    if isinstance(expression, ast.BinOp):
        matrix = isinstance(expression.op, ast.MatMult)
    elif ast.unparse(expression.func) in ("np.dot", "np.matmul"):
        matrix = True
    else:
        return ""
    (_, a), (_, b) = arguments
    fitting: list[tuple[bool, int, bool, str, tuple[int, ...]]] = []
    for (one, x), (other, y) in itertools.product(variants(*arguments[0]), variants(*arguments[1])):
        try:
            shape = (np.matmul if matrix else np.add)(x, y).shape
        except ValueError:
            continue
        changes = (x.shape != a.shape) + (y.shape != b.shape)
        text = ast.unparse(with_operands(expression, one, other))
        turned = not matrix and (".T" in one + other)  # entries that lie beside each other stay so
        fitting.append((wanted is not None and shape != wanted, changes, turned, text, shape))
    if not fitting:
        return ""
    of_other_shape, *_, text, shape = min(fitting, key=lambda found: found[:3])
    return f"; `{text}` would fit, and has shape {shape}" + (f", where {wanted} is wanted" if of_other_shape else "")


def with_operands(expression: Operation, one: str, other: str) -> Operation:
    left, right = (ast.parse(text, mode="eval").body for text in (one, other))
    if isinstance(expression, ast.BinOp):
        return ast.BinOp(left, expression.op, right)
    return ast.Call(expression.func, [left, right], [])


def variants(text: str, array: Array) -> Iterator[tuple[str, Array]]:
    """An array as it is, turned, and with an axis more; without its values, which do not matter."""
    blank = np.zeros(array.shape)
    yield text, blank
    if array.ndim == 2:
        yield f"({text}).T", blank.T
    if array.ndim == 1:
        yield f"({text})[:, None]", blank[:, None]
