"""Backward passes with one wrong line, made from the solutions of the exercises.

A solution is read as a tree, and one place of one line is changed in a way in which people go wrong: a transpose is
forgotten, a factor, a minus, a sum's axis, another array of the same shape is taken. What gives other gradients on both
problems of the exercise, and gradients of the right shapes, is a bug; there are several hundred.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from numbers import Integral
from types import ModuleType
from typing import Any

import numpy as np

from scratchnn.exercises.exercise import SOLUTION, Exercise, Finding, reference, upper, values_of
from scratchnn.gradcheck.problem import as_tuple
from scratchnn.machinery.parameters import Array

SOURCES = (
    "linear", "twice", "softmax_cross_entropy", "softmax", "mlp", "kl", "reparameterise", "bottleneck", "elbo",
    "batch_norm_staged", "layer_norm", "residual", "attention", "gaussian",
)  # fmt: skip


@dataclass(frozen=True)
class Bug:
    """A wrong backward pass: of which exercise, in which line (from 1), and what stands there."""

    exercise: str
    line: int
    wrong: str
    right: str


def lines_of(name: str) -> list[str]:
    """The lines of the solution, one statement each."""
    match = SOLUTION.search(upper(name))
    assert match
    lines = [line.removeprefix(match[1]) for line in match[4].splitlines()]
    return [ast.unparse(statement) for statement in ast.parse("\n".join(lines)).body]


def with_line(name: str, number: int, text: str) -> str:
    """The learner's part of an exercise with another statement in one line of its solution, and the lines numbered."""
    statements = lines_of(name)
    statements[number - 1] = text

    def numbered(match: Any) -> str:
        indent = match[1]
        longest = max(map(len, statements))
        return "".join(f"{indent}{s.ljust(longest)}  # line {k}\n" for k, s in enumerate(statements, 1))

    return SOLUTION.sub(numbered, upper(name))


def changes(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """The statement with one place changed, in every way that people go wrong."""
    value = statement.value  # type: ignore[attr-defined]
    for place in range(len(list(ast.walk(value)))):
        for kind in range(9):
            copied = copy.deepcopy(statement)
            node = list(ast.walk(copied.value))[place]  # type: ignore[attr-defined]
            if (new := changed(node, kind, names)) is not None:
                yield Replace(node, new).visit(copied)


def changed(node: ast.AST, kind: int, names: list[str]) -> ast.AST | None:
    match kind, node:
        case 0, ast.Attribute(attr="T"):
            return node.value
        case 1, ast.BinOp(op=ast.Mult() | ast.Div()):
            return node.left
        case 2, ast.BinOp(op=ast.Mult()):
            return node.right
        case 3, ast.BinOp(op=ast.Add()):
            return ast.BinOp(node.left, ast.Sub(), node.right)
        case 3, ast.BinOp(op=ast.Sub()):
            return ast.BinOp(node.left, ast.Add(), node.right)
        case 4, ast.UnaryOp(op=ast.USub()):
            return node.operand
        case 5, ast.Attribute(value=ast.Name(id="np"), attr="sum"):
            return ast.Attribute(node.value, "mean", ast.Load())
        case 6, ast.Constant(value=2):
            return ast.Constant(1)
        case 6, ast.Constant(value=0.5):
            return ast.Constant(1)
        case 6, ast.Constant(value=1):
            return ast.Constant(0)
        case 7 | 8, ast.Name(id=name) if name in names:
            return ast.Name(names[(names.index(name) + (1 if kind == 7 else -1)) % len(names)], ast.Load())
    return None


class Replace(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def gradients(name: str, source: str | None, which: int) -> tuple[Array, ...]:
    """What a backward pass gives on one of the two problems; that of the exercise itself without a source."""
    module = reference(name)
    exercise = module.EXERCISE
    assert isinstance(exercise, Exercise)
    answer: Any = module
    if source is not None:
        answer = ModuleType("bug")
        exec(compile(source, "bug", "exec"), vars(answer))
    y, cache = module.forward(**values_of(exercise, which, seed=0))
    rng = np.random.default_rng(which)
    dy = tuple(rng.normal(size=part.shape) for part in as_tuple(y))
    return as_tuple(answer.backward(dy if isinstance(y, tuple) else dy[0], cache))


def shows(name: str, number: int, text: str) -> bool:
    """Whether the change gives gradients of the right shapes, and wrong ones on both problems."""
    source = with_line(name, number, text)
    for which in (0, 1):
        right = gradients(name, None, which)
        try:
            with np.errstate(all="ignore"):
                given = gradients(name, source, which)
        except Exception:  # what does not run is no bug to be found
            return False
        if len(given) != len(right) or any(np.shape(a) != b.shape for a, b in zip(given, right, strict=True)):
            return False
        if not all(np.isfinite(a).all() for a in given):
            return False
        if all(np.allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max()) for a, b in zip(given, right, strict=True)):
            return False
    return True


@cache
def candidates(name: str) -> list[Bug]:
    """All changes of an exercise's solution, whether they show or not."""
    statements = lines_of(name)
    names = sorted({node.id for s in statements for node in ast.walk(ast.parse(s)) if isinstance(node, ast.Name)})
    names = [each for each in names if each not in ("np", "slice", "range")]
    found = []
    for number, text in enumerate(statements, 1):
        (statement,) = ast.parse(text).body
        if isinstance(statement, ast.Assign):
            texts = {ast.unparse(ast.fix_missing_locations(each)) for each in changes(statement, names)}
            found += [Bug(name, number, wrong, text) for wrong in sorted(texts - {text})]
    return found


@cache
def bug(seed: str) -> Bug:
    """The bug of a day, or of any other text."""
    draw = random.Random(seed)
    while True:
        each = draw.choice(candidates(draw.choice(SOURCES)))
        if shows(each.exercise, each.line, each.wrong):
            return each


# ---- judging


def found(said: Any, line: int, count: int) -> Finding:
    """Whether the line is the one; if not, what is to be said of the line that was named."""
    is_number = isinstance(said, Integral) and not isinstance(said, bool)
    if not is_number or not 1 <= said <= count:
        why = f"you say {said!r:.30}: the lines have the numbers 1 to {count}"
    elif said < line:
        why = f"line {said} is right: what it assigns has the right values. The mistake comes later"
    else:
        why = f"line {said} is right as it stands: the mistake comes earlier"
    return Finding("the number of the wrong line", is_number and bool(said == line), why)


def mended(
    given: Any, right: tuple[Array, ...], before: tuple[Array, ...], names: list[str], problem: str
) -> list[Finding]:
    """Whether each gradient is right now; if not, whether it is still what it was."""
    given = as_tuple(tuple(given) if isinstance(given, list) else given)
    if len(given) != len(right):
        return [Finding(f"backward, {problem}", False, f"{len(given)} arrays came back, there should be {len(right)}")]
    findings = []
    for name, now, wanted, then in zip(names, given, right, before, strict=True):
        fits = isinstance(now, np.ndarray) and now.shape == wanted.shape
        is_right = fits and np.allclose(now, wanted, rtol=1e-7, atol=1e-9 * np.abs(wanted).max())
        still = fits and np.allclose(now, then, rtol=1e-9)
        why = "it is as it was: the wrong line is not mended yet" if still else "it is wrong, and not as it was before"
        findings.append(Finding(f"{name}, {problem}", bool(is_right), why))
    return findings
