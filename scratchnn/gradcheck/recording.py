"""What a backward pass assigns, line by line, and what each line reads.

backward runs under a trace function, as under a debugger. What is new or has other entries after a statement becomes a
`Record`, with the records of what the statement reads. So loops, `+=`, slices, writes in place, helper functions of the
same file and early returns need no care of their own. A record can be given another value while backward runs on.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from scratchnn.gradcheck.intermediates import UnreadableError, definition, like, plain
from scratchnn.gradcheck.problem import Code
from scratchnn.machinery.parameters import Array

MOST = 2000  # records of one run


@dataclass(frozen=True)
class Statement:
    """A statement of backward, or the first line of a loop or a condition; `around` are those that it stands in."""

    line: int
    text: str
    reads: frozenset[str]
    writes: frozenset[str]
    parts: tuple[tuple[str, frozenset[str]], ...]  # of its value, or values: the name, if it is one, and what is read
    around: tuple[Statement, ...]
    header: str  # "For", "While", "If", or ""
    zeros: bool  # a start for sums
    unpacks: bool  # gives names to what forward has kept


@dataclass(eq=False)
class Record:
    """The value of a name after a statement; without a statement, it was there before backward began.

    before    the record of the same name that this one changes, or adds to
    same      the record of which this is another name: the same array
    call      the statement that called the function in which this happens; None in backward itself
    argument  what a helper function was given, by `statement`
    returned  by backward itself
    """

    name: str
    value: Array
    statement: Statement | None
    reads: tuple[int, ...]
    before: int | None = None
    same: int | None = None
    call: Statement | None = None
    argument: bool = False
    returned: bool = False


@dataclass
class Frame:
    """A function that is running. `results` are what the functions that its statement calls have returned."""

    call: Statement | None
    names: dict[str, int] = field(default_factory=dict)
    known: dict[str, tuple[Any, Array]] = field(default_factory=dict)
    statement: Statement | None = None
    reads: dict[str, int] = field(default_factory=dict)
    results: list[int] = field(default_factory=list)

    def reading(self, names: frozenset[str]) -> dict[str, int]:
        """The records of these names; grads stands for grads['W'] too."""
        return {own: k for own, k in self.names.items() if any(own == n or own.startswith(f"{n}[") for n in names)}


def record_backward(code: Code, upstreams: Sequence[Array], changes: Mapping[int, Array] | None = None) -> list[Record]:
    """The records of one run; `changes` gives some another value. UnreadableError without a source, or if it raises."""
    function, _, tree = definition(code.backward)
    file = function.__code__.co_filename
    lines = linecache.getlines(file, function.__globals__)
    tracer = Tracer(file, dict(statements(tree.body, (), lines)), changes or {})

    def traced(*arguments: Any) -> Any:
        earlier = sys.gettrace()
        sys.settrace(tracer.called)
        try:
            return code.backward(*arguments)
        finally:
            sys.settrace(earlier)

    try:
        code.returned([u.copy() for u in upstreams], backward=traced)
    except Exception as error:  # whatever a learner's code raises
        raise UnreadableError from error
    if not 0 < len(tracer.records) <= MOST:
        raise UnreadableError
    return tracer.records


class Tracer:
    def __init__(self, file: str, table: Mapping[int, Statement], changes: Mapping[int, Array]) -> None:
        self.file, self.table, self.changes = file, table, changes
        self.records: list[Record] = []
        self.stack: list[Frame] = []
        self.objects: dict[int, tuple[int, Any]] = {}  # id of an array → its newest record; and it, so it is not freed

    def called(self, frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        inner = code.co_name.startswith("<") and code.co_name != "<lambda>"
        if code.co_filename != self.file or inner or len(self.records) > MOST:
            return None
        caller = self.stack[-1] if self.stack else None
        state = Frame(caller.statement if caller else None)
        self.stack.append(state)
        for name, value in flat(frame.f_locals).items():
            if caller and name in code.co_freevars and name in caller.names:
                state.names[name], state.known[name] = caller.names[name], (value, copied(value))
            else:
                reads = tuple(caller.reads.values()) if caller else ()
                self.add(state, Record(name, copied(value), state.call, reads, argument=True), value)
        return self.local

    def local(self, frame: FrameType, event: str, result: Any) -> Any:
        state, values = self.stack[-1], frame.f_locals  # read once: in Python < 3.13 each reading is a new copy
        if event == "line":
            statement = self.table.get(frame.f_lineno)
            if statement is not state.statement:
                self.finish(state, values)
                state.statement, state.results = statement, []
                state.reads = state.reading(statement.reads) if statement else {}
        elif event == "return":
            self.finish(state, values)
            self.stack.pop()
            if state.statement is not None and result is not None:
                self.leave(state, state.statement, result)
        return self.local

    def finish(self, state: Frame, values: dict[str, Any]) -> None:
        """Records what the statement that has just run changed."""
        statement = state.statement
        for name, value in flat(values).items() if statement else ():
            assert statement is not None
            old, new = state.known.get(name, (None, None))
            now = plain(value)
            assert now is not None
            changed = new is None or old is not value or not np.array_equal(new, now, equal_nan=True)
            if not changed and (statement.header or name not in statement.writes):
                continue
            in_place = old is value and changed
            before = state.names.get(name) if in_place or name in statement.reads else None
            reads = (*(k for read, k in state.reads.items() if read != name), *state.results)
            if len(self.records) in self.changes:
                value = replaced(values, name, value, self.changes[len(self.records)], in_place)
            self.add(state, Record(name, copied(value), statement, reads, before, call=state.call), value, in_place)

    def add(self, state: Frame, record: Record, value: Any, in_place: bool = False) -> None:
        k = len(self.records)
        state.names[record.name], state.known[record.name] = k, (value, record.value)
        if not isinstance(value, float | int | np.number):  # an array, or a tensor
            record.same = self.objects[id(value)][0] if id(value) in self.objects and not in_place else None
            self.objects[id(value)] = k, value
        self.records.append(record)

    def leave(self, state: Frame, statement: Statement, result: Any) -> None:
        """Records what a function returns, part by part."""
        values = result if isinstance(result, tuple) else (result,)
        parts = statement.parts if len(statement.parts) == len(values) else (("", statement.reads),) * len(values)
        for (name, names), value in zip(parts, values, strict=True):
            if plain(value) is not None:
                reads = (*state.reading(names).values(), *state.results)
                if self.stack:
                    self.stack[-1].results.append(len(self.records))
                made = Record(name, copied(value), statement, reads, call=state.call, returned=not self.stack)
                self.add(Frame(None), made, value)


def copied(value: Any) -> Array:
    return np.array(plain(value))


def flat(values: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """The numbers and arrays among the variables, with those in self, lists and dictionaries under their own names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if plain(value) is not None:
            found[name] = value
        elif name == "self" and hasattr(value, "__dict__"):
            found |= flat({f"self.{key}": part for key, part in vars(value).items()})
        elif isinstance(value, dict | list | tuple) and depth < 3:
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            found |= flat({f"{name}[{key!r}]": part for key, part in pairs}, depth + 1)
    return found


def replaced(values: dict[str, Any], name: str, value: Any, new: Array, in_place: bool) -> Any:
    """Gives a variable of a running function another value; returns what it is now."""
    if in_place or (name not in values and ("[" in name or not name.startswith("self."))):
        value[...] = like(value, new)
        return value
    made = like(value, new)
    if name in values:
        values[name] = made
    else:
        setattr(values["self"], name.removeprefix("self."), made)
    return made


# ---- the statements of a file


def statements(
    nodes: Sequence[ast.stmt], around: tuple[Statement, ...], lines: Sequence[str]
) -> Iterator[tuple[int, Statement]]:
    """Line → statement; the lines of one statement lead to the same one."""
    for node in nodes:
        bodies = [getattr(node, key, []) for key in ("body", "orelse", "finalbody")]
        bodies += [handler.body for handler in getattr(node, "handlers", [])]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from statements(node.body, (), lines)
            continue
        made = statement(node, around, lines)
        end = max(node.lineno, bodies[0][0].lineno - 1) if bodies[0] else node.end_lineno or node.lineno
        yield from dict.fromkeys(range(node.lineno, end + 1), made).items()
        for body in bodies:
            yield from statements(body, (*around, made) if made.header else around, lines)


def statement(node: ast.stmt, around: tuple[Statement, ...], lines: Sequence[str]) -> Statement:
    header = type(node).__name__ if isinstance(node, ast.For | ast.While | ast.If) else ""
    compound = [getattr(node, key) for key in ("target", "iter", "test") if hasattr(node, key)] if header else [node]
    writes: frozenset[str] = frozenset().union(*map(stores, getattr(node, "targets", [getattr(node, "target", None)])))
    value = getattr(node, "value", None)
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    end = node.end_col_offset if node.end_lineno == node.lineno else None
    return Statement(
        line=node.lineno,
        text=lines[node.lineno - 1].encode()[node.col_offset : end].decode().strip(),
        reads=frozenset().union(*map(loads, compound), writes if isinstance(node, ast.AugAssign) else ()),
        writes=writes,
        parts=tuple((dotted(part), loads(part)) for part in values if part),
        around=around,
        header=header,
        zeros=all(map(zero, values)),
        unpacks=isinstance(node, ast.Assign) and isinstance(value, ast.Name | ast.Attribute | ast.Subscript),
    )


def zero(node: Any) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).rpartition(".")[2] in ("zeros", "zeros_like")
    return isinstance(node, ast.Constant) and node.value == 0


def dotted(node: ast.AST) -> str:
    """The name that a node stands for, "x", "self.x" or "grads['x']"; "" if it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"self.{node.attr}" if dotted(node.value) == "self" else ""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return f"{dotted(node.value)}[{node.slice.value!r}]" if dotted(node.value) else ""
    return ""


def loads(node: ast.AST) -> frozenset[str]:
    """The names that are read."""
    if dotted(node):
        return frozenset() if isinstance(getattr(node, "ctx", None), ast.Store) else frozenset({dotted(node)})
    return frozenset(name for child in ast.iter_child_nodes(node) for name in loads(child))


def stores(target: Any) -> frozenset[str]:
    """The names that are assigned to, whole or in part."""
    if isinstance(target, ast.Tuple | ast.List):
        return frozenset().union(*map(stores, target.elts))
    if isinstance(target, ast.Starred) or (isinstance(target, ast.Subscript) and not dotted(target)):
        return stores(target.value)
    return frozenset({dotted(target)} - {""})
