"""Which lines of code compute what a formula has on its left: dW_ij, the line that assigns self.dW or writes to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from formulas.find import Line
from formulas.tree import Formula, List, Name, Parsed, spelled


def names(formula: Formula) -> list[str]:
    """The names on the left of a formula, as code spells them; none of ∂a/∂b, y′ and other sides that are no name."""
    entries = formula.left.entries if isinstance(formula.left, List) else (formula.left,)
    return [spelled(entry) for entry in entries if isinstance(entry, Name) and not entry.primes]


def lines_that_compute(name: str, line: Line) -> list[int]:
    """Numbers of the lines, in the class or the exercise of a formula line, that compute the name on its left.

    They assign the name or self.name, or have it as out=self.name. Where no line does, the output of forward and the
    gradients of its inputs are what forward and backward return; a class that has only a function and a slope has y
    and dx there.
    """
    node = code_of(line)
    methods = [method for method in node.body if isinstance(method, ast.FunctionDef)]  # not the declarations
    return sorted({number for method in methods for number in assignments(name, method)}) or returns(name, node)


def code_of(line: Line) -> ast.ClassDef | ast.Module:
    """The class of a formula line; of an exercise the functions that its learner has."""
    body = parsed_file(line.path).body
    classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == line.owner]
    mine = [node for node in body if isinstance(node, ast.FunctionDef) and node.name in ("forward", "backward", "step")]
    return classes[0] if classes else ast.Module(list(mine), [])


@cache
def parsed_file(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def assignments(name: str, node: ast.AST) -> Iterator[int]:
    """The lines that assign a name, an attribute of that name or a part of it, or that write to it with out=."""
    for child in ast.walk(node):
        targets: list[ast.expr] = []
        if isinstance(child, ast.Assign):
            targets = child.targets
        elif isinstance(child, ast.AugAssign):
            targets = [child.target]
        elif isinstance(child, ast.Call):
            targets = [keyword.value for keyword in child.keywords if keyword.arg == "out"]
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                part = part.value if isinstance(part, ast.Subscript) else part
                if name == getattr(part, "id", getattr(part, "attr", None)):  # a name, or an attribute of self
                    yield target.lineno


def returns(name: str, node: ast.ClassDef | ast.Module) -> list[int]:
    """The lines that return y or dx, or that give an element-wise layer its function or slope."""
    methods = {method.name: method for method in node.body if isinstance(method, ast.FunctionDef)}
    if not {"forward", "backward"} <= methods.keys():
        attribute = {"y": "function", "dx": "slope"}.get(name, "")
        return sorted(set(assignments(attribute, node)))
    inputs = [argument.arg for argument in methods["forward"].args.args]
    output = next(argument.arg for argument in methods["backward"].args.args if argument.arg != "self")[1:]
    method = "forward" if name == output else "backward" if name[0] == "d" and name[1:] in inputs else ""
    return [child.lineno for child in ast.walk(methods[method]) if isinstance(child, ast.Return)] if method else []


# ---- numbered equations

TAG = re.compile(
    r"(AEVB|Adam|LeCun98|Thesis)\s+(\(\d+\)(?:, \(\d+\))*|[Aa]pp(?:\.|endix) \w|Alg(?:\.|orithm) \d|§[\d.]*\d)"
)


def code_lines(line: Line, parsed: Parsed) -> list[int]:
    """The lines of code that belong to a formula line: those that compute what it has on its left, those that carry the
    number of the equation that it names, and the functions that the words beside it name."""
    formulas = [formula for formula in parsed.formulas if formula.lead not in ("with", "where")]
    by_name = {n for formula in formulas for name in names(formula) for n in lines_that_compute(name, line)}
    words = " ".join(parsed.words)
    functions = {node.name: node.lineno for node in parsed_file(line.path).body if isinstance(node, ast.FunctionDef)}
    by_name |= {functions[name] for name in re.findall(r"\b(\w+)[(`]", words) if name in functions}
    wanted = tags(words)
    rows = line.path.read_text(encoding="utf-8").splitlines() if wanted else []
    return sorted(by_name | {n for n, row in enumerate(rows, 1) if wanted & tags(row.partition("  # ")[2])})


def tags(text: str) -> set[str]:
    """The numbered equations that a text names, each as the code writes it: AEVB (4), AEVB App. B, Adam Alg. 1."""
    found = set()
    for paper, places in TAG.findall(text):
        for place in places.split(", "):
            short = place.replace("ppendix", "pp.").replace("lgorithm", "lg.")
            found.add(f"{paper} {short[0].upper()}{short[1:]}")
    return found
