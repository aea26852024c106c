"""The grammar of a formula line, and the tree that it parses to.

    line      part, and behind three spaces or more each further part
    part      a formula, perhaps behind "with", "where", "and" or "so"; or words, which hold no relation
    formula   side = side = …              also with ←, ≥, ≤, ≠, ≈, >, <, :=, =:
    side      product + product − …
    product   factors side by side, or with ·, ⋆ or / between them, taken from the left, a / without spaces first; Σ_n,
              max_n and ∫ take all that follows in the product, an ∫ with its dt up to there; log without brackets the
              next factor
    factor    number, name, name(…), name[…], (…), […], |…|, √…, e^(…), …², …ᵀ, ∂a/∂b, [i = j], ∫_0^1 … dt

The indices of a name are single letters behind its last underscore, `dW_ij`, with commas where one of them is computed,
`x_nc,si+u,sj+v`, and in brackets where it is longer, `logits_(n, labels_n)`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TypeGuard

from formulas.tree import (
    Call,
    Derivative,
    Dots,
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
)  # fmt: skip

RELATION = "(?:" + "|".join(map(re.escape, ["=", "←", "≥", "≤", "≠", "≈", ">", "<", ":=", "=:"])) + ")"
INDICES = set("ncfhwijklmpqduv")
LEADS = ("with", "where", "and", "so")
PREFIX = {"log", "exp", "tanh", "coth"}
POWERS = {"²": "2", "³": "3"}


class GrammarError(ValueError):
    """A line that is not in the grammar."""


# ---- signs

_sign = re.compile(
    r"""(?P<number>\d+(?:\.\d+)?|[½¼¾])
    |(?P<name>(?!\d)LETTER\u0302?LETTER*(?:_LETTER+)*(?:_(?=\())?)
    |(?P<relation>:=|=:|[=←≥≤≠≈><])
    |(?P<integral>∫(?:_\d\^\d)?)
    |(?P<other>/∂|[+−±·⋆/^()\[\]|‖,;√∂…²³ᵀ′″‴])
    """.replace("LETTER", "[^\\W_½¼¾²³ᵀ]"),
    re.VERBOSE,
)
_computed = re.compile(r"(?:,[a-z][a-z0-9]*(?:[+−·][a-z0-9]+)*)+")
PRIMES = {"′": 1, "″": 2, "‴": 3}


@dataclass(frozen=True)
class Sign:
    """A number, a name with its indices, a relation, or what else the notation has."""

    kind: str
    text: str
    spaced: bool  # whether a space stands before it
    tail: str = ""  # computed indices, ",si+u,sj+v"


def signs(text: str) -> list[Sign]:
    found, at = [], 0
    while at < len(text):
        spaced = text[at].isspace()
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            break
        match = _sign.match(text, at)
        if not match:
            raise GrammarError(f"{text[at]!r} is no sign of the grammar, in: {text}")
        at, tail = match.end(), ""
        if match.lastgroup == "name" and split(match[0])[1]:
            more = _computed.match(text, at)
            if more:
                at, tail = more.end(), more[0]
        found.append(Sign(str(match.lastgroup), match[0], spaced, tail))
    return found


def split(name: str) -> tuple[str, str]:
    """A name and its index letters: dW_ij → dW, ij; log_var → log_var, nothing."""
    base, _, last = name.rpartition("_")
    return (base, last) if base and last and (set(last) <= INDICES or last.isdigit()) else (name, "")


# ---- the parser: one function a level, each takes what belongs to it from the front


class Parser:
    """Reads one formula."""

    def __init__(self, text: str) -> None:
        self.text, self.signs, self.at = text, signs(text), 0
        self.in_call = False  # inside the brackets of p(x|z) a | stands between arguments

    def error(self, wanted: str) -> GrammarError:
        found = f"«{self.peek.text}»" if self.peek.text else "nothing more"
        return GrammarError(f"expected {wanted}, found {found}, in: {self.text}")

    @property
    def peek(self) -> Sign:
        return self.signs[self.at] if self.at < len(self.signs) else Sign("end", "", True)

    def take(self, text: str = "") -> Sign:
        if text and self.peek.text != text:
            raise self.error(f"«{text}»")
        self.at += 1
        return self.signs[self.at - 1]

    def formula(self) -> Formula:
        sides, relations = [self.side()], []
        while self.peek.kind == "relation":
            relations.append(self.take().text)
            sides.append(self.side())
        return Formula(tuple(sides), tuple(relations))

    def side(self) -> Tree:
        terms: list[tuple[str, Tree]] = []
        sign = self.take().text if self.peek.text in ("+", "−") else "+"
        terms.append((sign, self.product()))
        while self.peek.text in ("+", "−", "±"):
            terms.append((self.take().text, self.product()))
        return terms[0][1] if terms == [("+", terms[0][1])] else Sum(tuple(terms))

    def product(self, of_integral: bool = False) -> Tree:
        factors: list[tuple[str, Tree]] = [("", self.ratio())]
        while not (of_integral and is_differential(factors[-1][1])):
            if self.peek.text in ("·", "⋆"):
                factors.append((self.take().text, self.ratio()))
            elif self.peek.text == "/":
                self.take()
                factors = [("", Fraction(product_of(factors), self.factor()))]
            elif self.begins_a_factor():
                factors.append(("", self.ratio()))
            else:
                break
        return product_of(factors)

    def ratio(self) -> Tree:
        """A factor, and what it is divided by without a space: 1/N."""
        tree = self.factor()
        while self.peek.text == "/" and not self.peek.spaced:
            self.take()
            tree = Fraction(tree, self.factor())
        return tree

    def begins_a_factor(self) -> bool:
        sign = self.peek
        return (
            sign.kind in ("number", "name", "integral")
            or sign.text in ("(", "[", "√", "∂", "…")
            or (sign.text == "|" and not self.in_call)
        )

    def factor(self) -> Tree:
        tree = self.atom()
        while True:
            sign = self.peek
            if sign.text in POWERS:
                tree = Power(tree, Number(POWERS[self.take().text]))
                if sign_is_tight(self.peek, "(") and isinstance(tree.base, Name) and tree.base.base in PREFIX:
                    tree = Power(self.call(tree.base), tree.exponent)  # tanh²(x)
            elif sign.text == "ᵀ":
                self.take()
                tree = Transpose(tree)
            elif sign.text == "^":
                self.take()
                tree = Power(tree, self.group_without_brackets() if self.peek.text == "(" else self.atom())
            else:
                return tree

    def group_without_brackets(self) -> Tree:
        group = self.atom()
        return group.inside if isinstance(group, Group) else group

    def atom(self) -> Tree:
        sign = self.peek
        if sign.kind == "number":
            number = Number(self.take().text)
            if self.peek.kind == "name" and not self.peek.spaced:  # 2D, 2π
                return Product((("", number), ("", self.atom())))
            return number
        if sign.kind == "name":
            return self.name()
        if sign.text == "…":
            self.take()
            return Dots()
        if sign.text == "√":
            self.take()
            inside = self.factor()
            return Group("√", inside.inside if isinstance(inside, Group) and inside.bracket == "(" else inside)
        if sign.text == "|":
            self.take()
            inside = self.inside_of("|")
            return Group("|", inside)
        if sign.text == "(":
            self.take()
            return Group("(", self.inside_of(")"))
        if sign.text == "[":
            return self.bracket()
        if sign.text == "∂":
            return self.derivative()
        if sign.kind == "integral":
            return self.integral()
        raise self.error("a number, a name or a bracket")

    def inside_of(self, closing: str) -> Tree:
        in_call, self.in_call = self.in_call, closing == "|"
        inside = self.side()
        self.in_call = in_call
        self.take(closing)
        return inside

    def name(self) -> Tree:
        sign = self.take()
        base, letters = split(sign.text)
        indices: tuple[Tree, ...] = tuple(Name(letter) if letter.isalpha() else Number(letter) for letter in letters)
        if sign.text.endswith("_"):  # x_(k−1), logits_(n, labels_n)
            base = sign.text[:-1]
            indices = self.arguments("(", ")")[0]
        tail = sign.tail or (self.tail_after_brackets() if sign.text.endswith("_") else "")
        for index in tail.split(",")[1:]:
            indices += (index_of(index),)
        hat = base.endswith("\u0302")
        primes = 0
        while self.peek.text in PRIMES:
            primes += PRIMES[self.take().text]
        name = Name(base.removesuffix("\u0302"), indices, hat, primes)
        if name.base in ("Σ", "max") and indices:
            return Over(name.base, indices, self.product())
        if sign_is_tight(self.peek, "(") or sign_is_tight(self.peek, "["):
            return self.call(name)
        if name.base in PREFIX and not indices and self.begins_a_factor():
            return Call(name, (self.factor(),), bracket="")
        return name

    def tail_after_brackets(self) -> str:
        """The further index of dx_(k−1),i."""
        comma, index = [*self.signs, self.peek, self.peek][self.at : self.at + 2]
        if comma.text == "," and index.kind == "name" and not (comma.spaced or index.spaced):
            self.at += 2
            return "," + index.text
        return ""

    def call(self, function: Name) -> Call:
        opening = self.peek.text
        arguments, between = self.arguments(opening, ")" if opening == "(" else "]")
        return Call(function, arguments, between, opening)

    def arguments(self, opening: str, closing: str) -> tuple[tuple[Tree, ...], tuple[str, ...]]:
        self.take(opening)
        in_call, self.in_call = self.in_call, True
        found, between = [self.side()], []
        while self.peek.text in (",", ";", "|", "‖"):
            between.append(self.take().text)
            found.append(self.side())
        self.in_call = in_call
        self.take(closing)
        return tuple(found), tuple(between)

    def bracket(self) -> Tree:
        self.take("[")
        in_call, self.in_call = self.in_call, False
        relation = self.formula()
        entries = [relation.left]
        while self.peek.text == "," and not relation.relations:
            self.take()
            entries.append(self.side())
        self.in_call = in_call
        self.take("]")
        if relation.relations:
            return Iverson(relation)
        return List(tuple(entries)) if len(entries) > 1 else Group("[", entries[0])

    def derivative(self) -> Tree:
        self.take("∂")
        operator = self.peek.text == "/∂"
        of: Tree = Dots() if operator else self.factor()
        if self.peek.text == "/":  # with spaces around it
            self.take()
            self.take("∂")
        else:
            self.take("/∂")
        by = self.atom()
        if not isinstance(by, Name):
            raise self.error("the name that is differentiated by")
        return Derivative(self.product(), by, True) if operator else Derivative(of, by)

    def integral(self) -> Tree:
        limits = tuple(re.findall(r"\d", self.take().text))
        body = self.product(of_integral=True)
        factors = body.factors if isinstance(body, Product) else (("", body),)
        if len(factors) > 1 and is_differential(factors[-1][1]):
            return Integral(product_of(list(factors[:-1])), factors[-1][1], limits)
        return Integral(body, None, limits)


def is_differential(tree: Tree) -> TypeGuard[Name]:
    """The dt behind what is integrated."""
    return isinstance(tree, Name) and bool(re.fullmatch("d[a-z]", tree.base)) and not tree.indices


def sign_is_tight(sign: Sign, text: str) -> bool:
    return sign.text == text and not sign.spaced


def product_of(factors: list[tuple[str, Tree]]) -> Tree:
    return factors[0][1] if len(factors) == 1 else Product(tuple(factors))


def index_of(text: str) -> Tree:
    """A computed index, where every letter is a name: si+u is s·i + u."""
    terms = re.findall(r"([+−]?)([^+−]+)", text)
    products: list[tuple[str, Tree]] = []
    for sign, term in terms:
        factors: list[tuple[str, Tree]] = [
            ("", Name(f) if f.isalpha() else Number(f)) for f in re.findall(r"\d+|[a-z]", term)
        ]
        products.append((sign or "+", product_of(factors)))
    return products[0][1] if len(products) == 1 and products[0][0] == "+" else Sum(tuple(products))


# ---- lines


def parts_of(text: str) -> list[str]:
    """What three spaces separate, without the spaces that line up the relations and signs of several rows."""
    return re.split(r"\s{3,}", re.sub(rf"\s+({RELATION}|[+−±])(?=\s)", r" \1", text.strip()))


def parse(text: str) -> Parsed:
    """A formula line as a tree; GrammarError where it is none. A new row goes on with the first formula."""
    first, *others = [parts_of(row) for row in text.split("\n")]
    parts = [
        " ".join([first[0], *(row[0] for row in others)]),
        *first[1:],
        *(part for row in others for part in row[1:]),
    ]
    found: list[Formula | str] = []
    for part in parts:
        if not re.search(rf"\s{RELATION}\s", part):
            found.append(part)
            continue
        lead, _, rest = part.partition(" ")
        lead, rest = (lead, rest) if lead in LEADS else ("", part)
        parser = Parser(rest.rstrip(",.:;"))
        found.append(replace(parser.formula(), lead=lead))
        if parser.peek.kind != "end":
            raise parser.error("an operation, a relation, or the end of the formula (three spaces, then words)")
    if isinstance(found[0], str):
        raise GrammarError(f"a formula line begins with a formula, not with words: {text}")
    return Parsed(tuple(found))
