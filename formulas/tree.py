"""What a formula line parses to: a small tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Number:
    text: str  # 2, 0.5, ½


@dataclass(frozen=True)
class Name:
    """σ_nj or x̂ or f′: `hat` for a circumflex; `indices` are expressions."""

    base: str
    indices: tuple[Tree, ...] = ()
    hat: bool = False
    primes: int = 0


@dataclass(frozen=True)
class Call:
    """f(a, b), E[a], KL(a ‖ b), p(x|z): the signs between the arguments are kept."""

    function: Name
    arguments: tuple[Tree, ...]
    between: tuple[str, ...] = ()
    bracket: str = "("


@dataclass(frozen=True)
class Sum:
    """Terms with their signs, +, − or ±."""

    terms: tuple[tuple[str, Tree], ...]


@dataclass(frozen=True)
class Product:
    """Factors with the sign before each: nothing for side by side, · or ⋆."""

    factors: tuple[tuple[str, Tree], ...]


@dataclass(frozen=True)
class Fraction:
    above: Tree
    below: Tree


@dataclass(frozen=True)
class Power:
    base: Tree
    exponent: Tree


@dataclass(frozen=True)
class Transpose:
    matrix: Tree


@dataclass(frozen=True)
class Over:
    """Σ_n or max_uv of what follows."""

    operation: str
    indices: tuple[Tree, ...]
    body: Tree


@dataclass(frozen=True)
class Group:
    """Brackets ( [ | or the root sign around something."""

    bracket: str
    inside: Tree


@dataclass(frozen=True)
class List:
    """[a, b]: arrays side by side."""

    entries: tuple[Tree, ...]


@dataclass(frozen=True)
class Iverson:
    """[i = j]: 1 where it holds, else 0."""

    relation: Formula


@dataclass(frozen=True)
class Derivative:
    """∂a/∂b; with `operator`, ∂/∂b of what follows in the product. `by` is a name, or what the papers have for it."""

    of: Tree
    by: Tree
    operator: bool = False


@dataclass(frozen=True)
class Integral:
    """∫ of what follows, up to a dt if there is one; the limits of ∫_0^1 are "0" and "1"."""

    body: Tree
    by: Name | None
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dots:
    """…"""


Tree: TypeAlias = (
    "Number | Name | Call | Sum | Product | Fraction | Power | Transpose | Over | Group | List | Iverson | Derivative"
    " | Integral | Dots"
)


@dataclass(frozen=True)
class Formula:
    """Sides and the relations between them. What "with" or "where" leads in is a name for the reader's sake."""

    sides: tuple[Tree, ...]
    relations: tuple[str, ...]
    lead: str = ""

    @property
    def left(self) -> Tree:
        return self.sides[0]

    @property
    def name(self) -> str:
        """The left-hand name as code spells it, without its indices; "" where the left side is more than a name."""
        return spelled(self.left) if isinstance(self.left, Name) and not self.left.primes else ""


@dataclass(frozen=True)
class Parsed:
    """A line: its formulas, those that are the matrix form of the first, and the words beside them."""

    parts: tuple[Formula | str, ...]

    @property
    def formulas(self) -> list[Formula]:
        return [part for part in self.parts if isinstance(part, Formula) and part not in self.matrix_forms]

    @property
    def matrix_forms(self) -> list[Formula]:
        """Further formulas for a name that an earlier one gives by its indices: dW = xᵀ dy beside dW_ij = Σ_n …"""
        found: list[Formula] = []
        indexed: set[str] = set()
        for part in self.parts:
            if isinstance(part, Formula) and isinstance(part.left, Name):
                if part.left.indices:
                    indexed.add(part.left.base)
                elif part.left.base in indexed:
                    found.append(part)
        return found

    @property
    def words(self) -> list[str]:
        return [part for part in self.parts if isinstance(part, str)]


GREEK = {"σ": "sigma", "ε": "eps", "γ": "gamma", "β": "beta", "π": "pi", "θ": "theta", "φ": "phi"}


def spelled(name: Name) -> str:
    """As code spells a name: x̂ is x_hat, σ is sigma, β1 is beta1."""
    text = "".join(GREEK.get(letter, letter) for letter in name.base)
    return text + "_hat" * name.hat


def walk(tree: Any) -> Iterator[Any]:
    """A tree and all that it is made of."""
    yield tree
    children = [getattr(tree, f.name) for f in fields(tree)] if is_dataclass(tree) else tree
    if isinstance(children, list | tuple):
        for child in children:
            if not isinstance(child, str | bool | int):
                yield from walk(child)
