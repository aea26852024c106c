"""Formulas run on arrays: each side of a formula is computed, and all must agree with one another and with the code.

A value has named axes, one for every index: x_ni is an array with the axes n and i, a product lines up axes of one
name, and Σ_n sums over the axis n. `dW_ij = Σ_n x_ni dy_nj` is the einsum "ni,nj->ij". Indices that are left out are
the last ones. Without any, side by side is the matrix product, and · the element-wise one.

A name means, in this order: an index, what the code computed under that name, or what another formula says it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from formulas.grammar import INDICES
from formulas.tex import to_tex
from formulas.tree import (
    Call,
    Derivative,
    Formula,
    Fraction,
    Group,
    Integral,
    Iverson,
    List,
    Name,
    Number,
    Over,
    Parsed,
    Power,
    Product,
    Sum,
    Transpose,
    Tree,
    spelled,
    walk,
)  # fmt: skip

Array = np.ndarray[Any, Any]
COMPARE = {
    "=": np.equal, "≠": np.not_equal, "<": np.less, ">": np.greater, "≤": np.less_equal, "≥": np.greater_equal
}  # fmt: skip
FRACTIONS = {"½": 0.5, "¼": 0.25, "¾": 0.75}
STEP = np.finfo(float).eps ** (1 / 3)  # of a central difference, for numbers of size 1
# Everything here is of size 1 to 100 and made by some hundred operations, so 1e-10 is far above its rounding; the error
# of a central difference is some ε^(2/3) = 4e-11 times a third derivative. A mistake is as large as the numbers.
ROUNDING, DIFFERENCES = 1e-10, 1e-7


class NotExecutableError(Exception):
    """A formula that holds more than arrays and functions of them: the reason."""


class DisagreementError(Exception):
    """Two sides of a formula, or a formula and the code, differ."""


@dataclass
class Value:
    """An array whose first axes are named; those behind are of indices that were left out."""

    array: Array
    axes: tuple[str, ...] = ()


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "log": np.log, "exp": np.exp, "tanh": np.tanh, "max": np.maximum,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.log1p(np.exp(x)),
}  # fmt: skip


@dataclass
class Subject:
    """What the names of a class's formulas mean: arrays from its code, by name.

    inputs      what forward is given and differentiated by
    known       these and all else that the code computed
    after       what a step changes, for lines with ←
    functions   f(x) and its like
    ranges      the sizes of indices that no array has
    """

    inputs: tuple[str, ...]
    known: dict[str, Any]
    after: dict[str, Any] = field(default_factory=dict)
    functions: dict[str, Callable[..., Array]] = field(default_factory=dict)
    ranges: dict[str, int] = field(default_factory=dict)


@dataclass
class Outcome:
    """Of a line: whether it was executed and right, and if not, why, or what is wrong."""

    executed: bool
    reason: str = ""
    wrong: bool = False
    matrix_forms: int = 0  # executed beside it


def run(scope: Scope, lines: list[Parsed]) -> list[Outcome]:
    """Executes the lines of a class or an exercise.

    A formula that only defines a name counts as executed where a line that is compared with the code uses it.
    """
    outcomes, defining = [], []
    for line in lines:
        scope.enter(line)
        outcome, defined = Outcome(True), set()
        for formula in line.formulas:
            scope.used = set()
            try:
                if scope.compare(formula):
                    scope.vouched |= scope.used
                else:
                    defined.add(formula.name)
            except NotExecutableError as error:
                outcome = Outcome(False, str(error), outcome.wrong)
            except DisagreementError as error:
                outcome = Outcome(False, str(error), wrong=True)
        for form in line.matrix_forms:
            try:
                outcome.matrix_forms += scope.compare(form)
            except NotExecutableError:
                pass
            except DisagreementError as error:
                outcome = Outcome(False, str(error), wrong=True)
        outcomes.append(outcome)
        defining.append(defined)
    for outcome, defined in zip(outcomes, defining, strict=True):
        if outcome.executed and not defined <= scope.vouched:
            outcome.executed, outcome.reason = False, "gives a name that no other line uses"
    return outcomes


class Scope:
    """The formulas of one class or exercise, and what their names mean."""

    def __init__(self, subject: Subject, lines: list[Parsed], words: list[Formula]) -> None:
        self.subject = subject
        self.now: dict[str, Array] = {}  # what a step has changed already
        self.definitions: dict[str, Formula] = {}
        for formula in [formula for line in lines for formula in line.formulas] + words:
            if isinstance(formula.left, Name) and formula.name and formula.relations[0] != "←":
                self.definitions.setdefault(formula.name, formula)
        self.line = Parsed(())
        self.inline: dict[str, Formula] = {}  # l = 2p + place_np: an index, for its own line
        self.moved: dict[str, Array] = {}  # what a derivative moves
        self.along: dict[str, Value] = {}  # what an integral runs along
        self.inside: list[str] = []  # names whose definitions are being computed
        self.used: set[str] = set()  # definitions that were used,
        self.vouched: set[str] = set()  # and those used in a comparison
        self.differences = False  # whether a finite difference was taken
        self.known_sizes: dict[Formula, dict[str, int]] = {}
        self.known_values: dict[Formula, Value] = {}

    def enter(self, line: Parsed) -> None:
        """Begins a line."""
        self.line = line
        self.inline = {
            formula.left.base: formula
            for formula in line.formulas[1:]
            if isinstance(formula.left, Name) and is_letter(formula.left)
        }

    # ---- comparing

    def compare(self, formula: Formula) -> bool:
        """Whether at least two sides were compared; False for one that gives a new name."""
        self.differences = False
        if formula.relations == ("←",):
            return self.assign(formula)
        if set(formula.relations) - {"=", ":=", "=:"}:
            raise NotExecutableError("an inequality")
        sizes, left = self.sizes(formula), formula.left
        is_index = isinstance(left, Name) and left.base in self.inline
        is_new = isinstance(left, Name) and not left.primes and not is_index and not self.code(left)
        values = [self.value(side, sizes) for side in formula.sides[is_new:]]
        for one, other in pairwise(values):
            self.check(formula, one, other)
        return len(values) > 1

    def assign(self, formula: Formula) -> bool:
        """m ← …: compares with what the code makes of m, and takes the new m for the lines that follow."""
        new = self.value(formula.sides[1], self.sizes(formula))
        self.check(formula, Value(np.asarray(self.subject.after[formula.name])), new)
        self.now[formula.name] = new.array
        return True

    def check(self, formula: Formula, one: Value, other: Value) -> None:
        """DisagreementError where two sides differ by more than rounding."""
        axes, (a, b) = lined_up([one, other])
        bound = (DIFFERENCES if self.differences else ROUNDING) * (1 + np.max(np.abs(b), initial=0))
        try:
            worst = float(np.max(np.abs(a - b), initial=0))
        except ValueError:
            raise DisagreementError(f"{to_tex(formula)}: shapes {a.shape} and {b.shape}") from None
        if not worst <= bound:
            raise DisagreementError(f"{to_tex(formula)}: its sides differ by up to {worst:.2g}, axes {axes}")

    # ---- names

    def code(self, name: Name) -> bool:
        """Whether the code computes it."""
        return any(key in self.subject.known or key in self.now for key in keys(name))

    def array(self, name: Name) -> Value:
        """What a name means without its indices; NotExecutableError where nobody says."""
        for key in keys(name):
            if key in self.moved:
                return Value(self.moved[key])
        definition = self.inline.get(name.base) or self.definitions.get(spelled(name))
        recompute = self.moved and definition and spelled(name) not in self.inside
        if not recompute:
            for key in keys(name):
                if key in self.now or key in self.subject.known:
                    return Value(np.asarray(self.now.get(key, self.subject.known.get(key)), dtype=float))
        if definition and spelled(name) not in self.inside:
            self.used.add(spelled(name))
            return self.defined(name, definition)
        if name.base == "π":
            return Value(np.array(math.pi))
        raise NotExecutableError(f"nothing says what {name.base} is")

    def defined(self, name: Name, formula: Formula) -> Value:
        """The value of a name by the formula that has it on its left, its axes in the order of its indices there."""
        if formula in self.known_values and not self.moved:
            return self.known_values[formula]
        side = explicit_side(formula)
        if side is None or not isinstance(formula.left, Name):
            raise NotExecutableError(f"{name.base} is given by its derivatives only")
        self.inside.append(spelled(name))
        try:
            value = self.value(side, self.sizes(formula))
        finally:
            self.inside.pop()
        letters = [index.base for index in formula.left.indices if isinstance(index, Name)]
        if letters and (len(letters) != len(formula.left.indices) or not set(value.axes) <= set(letters)):
            raise DisagreementError(f"{to_tex(formula)}: the right side has indices that the left has not")
        if letters:
            sizes = self.sizes(formula)
            whole = Value(np.zeros([sizes[letter] for letter in letters]), tuple(letters))
            _, arrays = lined_up([value, whole], tuple(letters))
            value = Value(arrays[0] + arrays[1])
        if not self.moved:
            self.known_values[formula] = value
        return value

    def sizes(self, formula: Formula) -> dict[str, int]:
        """How far every index of a formula runs, by the arrays that have it."""
        if formula in self.known_sizes:
            return self.known_sizes[formula]
        found: dict[str, int] = {}
        left = formula.left
        for tree in walk(formula):
            if not isinstance(tree, Name) or not tree.indices or (tree is left and not self.code(tree)):
                continue
            try:
                shape = self.array(Name(tree.base, (), tree.hat)).array.shape
            except NotExecutableError:
                continue
            for index, size in zip(tree.indices, shape, strict=False):
                if not isinstance(index, Name) or not is_letter(index) or index.base in self.inline:
                    continue
                if found.setdefault(index.base, size) != size:
                    raise DisagreementError(
                        f"{to_tex(formula)}: the index {index.base} runs to {found[index.base]} and to {size}"
                    )
        for tree in walk(formula):
            match tree:
                case Iverson(Formula((Name(i, ()), Name(j, ())), ("=",))) if i not in found and j in found:
                    found[i] = found[j]  # [i = j]: alike
        if isinstance(left, Name) and self.inline.get(left.base) is formula:
            found = {**self.sizes(self.line.formulas[0]), **found}
        self.known_sizes[formula] = {**self.subject.ranges, **found}
        return self.known_sizes[formula]

    # ---- evaluation

    def value(self, tree: Tree, sizes: Mapping[str, int]) -> Value:
        match tree:
            case Number(text):
                return Value(np.array(FRACTIONS.get(text) or float(text)))
            case Name():
                return self.name(tree, sizes)
            case Group("(" | "[", inside):
                return self.value(inside, sizes)
            case Group("|", inside):
                return self.mapped(np.abs, inside, sizes)
            case Group(_, inside):
                return self.mapped(np.sqrt, inside, sizes)
            case Power(Name("e", ()), exponent):
                return self.mapped(np.exp, exponent, sizes)
            case Power(base, exponent):
                return combined(np.power, self.value(base, sizes), self.value(exponent, sizes))
            case Fraction(above, below):
                return combined(np.divide, self.value(above, sizes), self.value(below, sizes))
            case Sum(terms):
                total = Value(np.zeros(()))
                for sign, term in terms:
                    if sign == "±":
                        raise NotExecutableError("±")
                    total = combined(np.add if sign == "+" else np.subtract, total, self.value(term, sizes))
                return total
            case Product(factors):
                product = self.value(factors[0][1], sizes)
                for sign, factor in factors[1:]:
                    product = times(sign, product, self.value(factor, sizes))
                return product
            case Transpose(matrix):
                value = self.value(matrix, sizes)
                if value.axes or value.array.ndim != 2:
                    raise NotExecutableError("the transpose of what is no matrix")
                return Value(value.array.T)
            case Over(operation, indices, body):
                return self.over(operation, [index.base for index in indices if isinstance(index, Name)], body, sizes)
            case Iverson(relation):
                return self.iverson(relation, sizes)
            case List(entries):
                values = [self.value(entry, sizes) for entry in entries]
                if any(value.axes for value in values):
                    raise NotExecutableError("a list of arrays with indices")
                return Value(np.concatenate([value.array for value in values], axis=-1))
            case Integral(body, Name(by), (start, end)):
                return self.integral(body, by[1:], float(start), float(end), sizes)
            case Call():
                return self.call(tree, sizes)
            case Derivative(Name() as of, Name() as by, False):
                return self.derivative(of, by, sizes)
        raise NotExecutableError(f"{type(tree).__name__.lower()}: no arrays")

    def mapped(self, function: Callable[[Array], Array], tree: Tree, sizes: Mapping[str, int]) -> Value:
        value = self.value(tree, sizes)
        return Value(function(value.array), value.axes)

    def name(self, name: Name, sizes: Mapping[str, int]) -> Value:
        if is_letter(name) and name.base in sizes and name.base not in self.inline:
            return Value(np.arange(float(sizes[name.base])), (name.base,))
        if name.base in self.along:
            return self.along[name.base]
        if name.primes:
            return self.slope(name)
        value = self.array(name)
        return value if not name.indices else self.entries(name, value, name.indices, sizes)

    def entries(self, name: Name, value: Value, indices: tuple[Tree, ...], sizes: Mapping[str, int]) -> Value:
        """x_nc,si+u,sj+v: entries of an array; 0 where an index lies outside."""
        array = value.array
        if value.axes or len(indices) > array.ndim:
            raise DisagreementError(f"{name.base} has {array.ndim} axes and {len(indices)} indices")
        plain = [index.base for index in indices if isinstance(index, Name) and index.base in sizes]
        if len(plain) == len(indices) == len(set(plain)) and not set(plain) & set(self.inline):
            return Value(array, tuple(plain))
        where = [self.value(index, sizes) for index in indices]
        axes, places = lined_up(where)
        rounded = [np.rint(place).astype(int) for place in places]
        inside = np.all(
            np.broadcast_arrays(*[(i >= 0) & (i < n) for i, n in zip(rounded, array.shape, strict=False)]), axis=0
        )
        found = array[tuple(np.clip(i, 0, n - 1) for i, n in zip(rounded, array.shape, strict=False))]
        return Value(found * inside.reshape(inside.shape + (1,) * (found.ndim - inside.ndim)), axes)

    def over(self, operation: str, letters: list[str], body: Tree, sizes: Mapping[str, int]) -> Value:
        for letter in letters:
            if letter not in sizes:
                raise NotExecutableError(f"nothing says how far {letter} runs")
        value = self.value(body, sizes)
        everywhere = Value(np.zeros([sizes[letter] for letter in letters]), tuple(letters))
        value = combined(np.add, value, everywhere)  # Σ_k of what has no k counts it as often
        at = tuple(value.axes.index(letter) for letter in letters)
        reduced = np.sum(value.array, axis=at) if operation == "Σ" else np.max(value.array, axis=at)
        return Value(reduced, tuple(axis for axis in value.axes if axis not in letters))

    def integral(self, body: Tree, letter: str, start: float, end: float, sizes: Mapping[str, int]) -> Value:
        """By Gauss and Legendre's rule: the sum over 30 points, exact for polynomials up to the degree 59."""
        points, weights = np.polynomial.legendre.leggauss(30)
        half = (end - start) / 2
        self.along[letter] = Value(start + half * (points + 1), (letter,))
        try:
            value = combined(np.multiply, Value(half * weights, (letter,)), self.value(body, sizes))
        finally:
            del self.along[letter]
        return Value(np.sum(value.array, axis=0), value.axes[1:])

    def iverson(self, relation: Formula, sizes: Mapping[str, int]) -> Value:
        holds = Value(np.ones(()))
        values = [self.value(side, sizes) for side in relation.sides]
        for sign, (one, other) in zip(relation.relations, pairwise(values), strict=True):
            holds = combined(np.multiply, holds, combined(COMPARE[sign], one, other))
        return holds

    def call(self, call: Call, sizes: Mapping[str, int]) -> Value:
        function = self.subject.functions.get(call.function.base) or FUNCTIONS.get(call.function.base)
        if not function or set(call.between) - {","}:
            raise NotExecutableError(f"{call.function.base} is no function of arrays")
        axes, arrays = lined_up([self.value(argument, sizes) for argument in call.arguments])
        if call.function.primes:
            self.differences = True
            (x,) = arrays
            h = STEP * np.maximum(1, np.abs(x))
            return Value((function(x + h) - function(x - h)) / (2 * h), axes)
        return Value(function(*arrays), axes)

    # ---- derivatives, by central differences of what the formulas say

    def slope(self, name: Name) -> Value:
        """y′, the derivative of y by the only input, entry by entry."""
        if len(self.subject.inputs) != 1 or name.primes != 1 or name.indices:
            raise NotExecutableError(f"{name.base}′ is not said by what")
        x = self.array(Name(self.subject.inputs[0])).array
        h = STEP * np.maximum(1, np.abs(x))
        return Value((self.with_moved(name, self.subject.inputs[0], x + h)
                      - self.with_moved(name, self.subject.inputs[0], x - h)) / (2 * h))  # fmt: skip

    def derivative(self, of: Name, by: Name, sizes: Mapping[str, int]) -> Value:
        """∂a_m/∂b_ni for all m, n and i."""
        start = self.array(Name(by.base, (), by.hat)).array
        key = spelled(by)
        columns = []
        for place in np.ndindex(start.shape):
            h = STEP * max(1.0, abs(float(start[place])))
            up, down = start.copy(), start.copy()
            up[place] += h
            down[place] -= h
            columns.append((self.with_moved(of, key, up) - self.with_moved(of, key, down)) / (2 * h))
        shape = columns[0].shape
        jacobian = np.moveaxis(np.reshape(columns, (*start.shape, *shape)), range(start.ndim), range(-start.ndim, 0))
        left_out = len(shape) - len(of.indices)
        if left_out != start.ndim - len(by.indices):
            raise NotExecutableError("a derivative between arrays with unlike indices")
        # the indices that are left out are the same above and below
        above, below = range(len(of.indices)), range(10, 10 + len(by.indices))
        rest = list(range(20, 20 + left_out))
        jacobian = np.einsum(jacobian, [*above, *rest, *below, *rest], [*above, *below, *rest])
        return self.entries(of, Value(jacobian), (*of.indices, *by.indices), sizes)

    def with_moved(self, name: Name, key: str, array: Array) -> Array:
        formula = self.definitions.get(spelled(name))
        if formula is None:
            raise NotExecutableError(f"no formula says what {name.base} is")
        inside, self.inside, self.moved, self.differences = self.inside, [], {key: array}, True
        self.used.add(spelled(name))
        try:
            return self.defined(name, formula).array
        finally:
            self.inside, self.moved = inside, {}


@cache
def explicit_side(formula: Formula) -> Tree | None:
    """The first side that says what is on the left without a derivative."""
    sides = (side for side in formula.sides[1:] if not any(isinstance(tree, Derivative) for tree in walk(side)))
    return next(sides, None)


def is_letter(name: Name) -> bool:
    """Whether a name can be an index."""
    return name.base in INDICES and not name.indices and not name.hat and not name.primes


# short for what the code calls otherwise: a gradient, the stride, a logit
ALIASES = {"g": "grads", "s": "stride", "l": "outputs"}


def keys(name: Name) -> tuple[str, ...]:
    """Under which names code may know it: as it stands, spelled out, as a constant."""
    code = spelled(name)
    return tuple(dict.fromkeys([code, code.upper() if len(code) > 1 else code, ALIASES.get(code, code)]))


def lined_up(values: list[Value], axes: tuple[str, ...] = ()) -> tuple[tuple[str, ...], list[Array]]:
    """Arrays that broadcast by the names of their axes, and these names in order."""
    for value in values:
        axes += tuple(axis for axis in value.axes if axis not in axes)
    trailing = max(value.array.ndim - len(value.axes) for value in values)
    found = []
    for value in values:
        named, rest = value.array.shape[: len(value.axes)], value.array.shape[len(value.axes) :]
        order = [value.axes.index(axis) for axis in axes if axis in value.axes]
        array = value.array.transpose([*order, *range(len(named), value.array.ndim)])
        size = dict(zip(value.axes, named, strict=True))
        shape = [size.get(axis, 1) for axis in axes]
        found.append(array.reshape((*shape, *(1,) * (trailing - len(rest)), *rest)))
    return axes, found


def combined(function: Callable[[Array, Array], Array], one: Value, other: Value) -> Value:
    axes, (a, b) = lined_up([one, other])
    try:
        return Value(function(a, b), axes)
    except ValueError:
        raise DisagreementError(f"shapes {a.shape} and {b.shape} do not fit") from None


def times(sign: str, one: Value, other: Value) -> Value:
    """Element by element; side by side without indices as matrices."""
    if sign == "⋆":
        raise NotExecutableError("⋆")
    if sign == "" and not one.axes and not other.axes and one.array.ndim and other.array.ndim:
        if one.array.ndim != 2 or other.array.ndim != 2:
            raise DisagreementError("without indices, side by side is the matrix product: write · between the entries")
        return Value(one.array @ other.array)
    return combined(np.multiply, one, other)


def einsum(formula: Formula) -> str:
    """ "ni,nj->ij" of dW_ij = Σ_n x_ni dy_nj; "" where the right side is more than a sum of products of arrays."""
    body = formula.sides[-1]
    while isinstance(body, Over) and body.operation == "Σ":
        body = body.body
    factors = [factor for _, factor in body.factors] if isinstance(body, Product) else [body]
    names = [*factors, formula.left]
    if not all(isinstance(name, Name) and name.indices and all(map(is_plain, name.indices)) for name in names):
        return ""
    *inputs, output = ["".join(index.base for index in name.indices) for name in names]
    return ",".join(inputs) + "->" + output


def is_plain(index: Tree) -> bool:
    return isinstance(index, Name) and is_letter(index)
