"""A tree as TeX, in what KaTeX and MathJax both know."""

from __future__ import annotations

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
    Power,
    Product,
    Sum,
    Transpose,
    Tree,
)  # fmt: skip

LETTERS = {
    "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "ε": r"\varepsilon", "θ": r"\theta", "μ": r"\mu",
    "π": r"\pi", "σ": r"\sigma", "φ": r"\varphi", "E": r"\mathbb{E}",
}  # fmt: skip
NUMBERS = {"½": r"\tfrac{1}{2}", "¼": r"\tfrac{1}{4}", "¾": r"\tfrac{3}{4}"}
RELATIONS = {
    "←": r"\leftarrow", "≥": r"\geq", "≤": r"\leq", "≠": r"\neq", "≈": r"\approx", ":=": r"\coloneqq",
    "=:": r"\eqqcolon", "<": r"<", ">": r">", "=": "=",
}  # fmt: skip
OPERATIONS = {"": " ", "·": r" \cdot ", "⋆": r" \star ", "+": " + ", "−": " - ", "±": r" \pm "}
BETWEEN = {",": ", ", ";": "; ", "|": r" \mid ", "‖": r" \,\|\, "}
BRACKETS = {"(": ("(", ")"), "[": ("[", "]"), "": ("", "")}
FUNCTIONS = {"log": r"\log", "exp": r"\exp", "tanh": r"\tanh", "coth": r"\coth", "max": r"\max"}


def to_tex(formula: Formula) -> str:
    """A formula as TeX, without the dollars around it."""
    text = tex(formula.sides[0])
    for relation, side in zip(formula.relations, formula.sides[1:], strict=True):
        text += f" {RELATIONS[relation]} {tex(side)}"
    return text


def tex(tree: Tree) -> str:
    """Any part of a formula as TeX."""
    match tree:
        case Number(text):
            return NUMBERS.get(text, text)
        case Name():
            return name(tree)
        case Call(function, arguments, between, bracket):
            inside = tex(arguments[0])
            for sign, argument in zip(between, arguments[1:], strict=True):
                inside += BETWEEN[sign] + tex(argument)
            opening, closing = BRACKETS[bracket]
            around = (rf"\left{opening}", rf"\right{closing}") if opening else ("", "")
            return f"{name(function)}{around[0]} {inside} {around[1]}".rstrip()
        case Sum(terms):
            first = {"+": "", "−": "-", "±": r"\pm "}[terms[0][0]] + tex(terms[0][1])
            return first + "".join(OPERATIONS[sign] + tex(term) for sign, term in terms[1:])
        case Product(factors):
            return tex(factors[0][1]) + "".join(
                (r" \, " if sign == "" else OPERATIONS[sign]) + tex(factor) for sign, factor in factors[1:]
            )
        case Fraction(above, below):
            return rf"\frac{{{tex(without_brackets(above))}}}{{{tex(without_brackets(below))}}}"
        case Power(Call(function, arguments, between, bracket), exponent) if function.base in FUNCTIONS:
            powered = f"{name(function)}^{{{tex(exponent)}}}"
            return tex(Call(function, arguments, between, bracket)).replace(name(function), powered, 1)
        case Power(base, exponent):
            return f"{{{tex(base)}}}^{{{tex(exponent)}}}"
        case Transpose(matrix):
            return rf"{{{tex(matrix)}}}^{{\top}}"
        case Over("Σ", indices, body):
            return rf"\sum_{{{subscript(indices)}}} {tex(body)}"
        case Over(operation, indices, body):
            return rf"{FUNCTIONS[operation]}_{{{subscript(indices)}}} {tex(body)}"
        case Group("√", inside):
            return rf"\sqrt{{{tex(inside)}}}"
        case Group("|", inside):
            return rf"\left| {tex(inside)} \right|"
        case Group(bracket, inside):
            opening, closing = BRACKETS[bracket]
            return rf"\left{opening} {tex(inside)} \right{closing}"
        case List(entries):
            return rf"\left[ {', '.join(map(tex, entries))} \right]"
        case Iverson(relation):
            return rf"\left[ {to_tex(relation)} \right]"
        case Derivative(of, by, True):
            return rf"\frac{{\partial}}{{\partial {tex(by)}}} {tex(of)}"
        case Derivative(of, by, _):
            return rf"\frac{{\partial {tex(of)}}}{{\partial {tex(by)}}}"
        case Integral(body, by, limits):
            sign = r"\int" + "".join(f"{at}{{{limit}}}" for at, limit in zip("_^", limits, strict=False))
            return f"{sign} {tex(body)}" + (rf" \, d{by.base[1:]}" if by else "")
        case Dots():
            return r"\dots"
    raise TypeError(f"{tree!r} is no part of a formula")


def name(tree: Name) -> str:
    """σ_nj as \\sigma_{nj}; more than one letter is upright, and a d before a name is that of a gradient."""
    base = tree.base
    if base in FUNCTIONS:
        text = FUNCTIONS[base]
    elif len(base) == 1 or all(letter in LETTERS or letter.isdigit() for letter in base):
        head = LETTERS.get(base[0], base[0])
        text = head + (f"_{{{base[1:]}}}" if base[1:] else "")
    elif base[0] == "d" and len(base) == 2:
        text = rf"\mathrm{{d}}{base[1]}"
    elif base[1] == "_":  # E_eps, W_mean
        text = rf"{LETTERS.get(base[0], base[0])}_{{{name(Name(base[2:]))}}}"
    else:
        text = r"\mathrm{" + base.replace("_", r"\_") + "}"
    if tree.hat:
        text = rf"\hat{{{text}}}"
    text += "'" * tree.primes
    if not tree.indices:
        return text
    index = subscript(tree.indices)
    # β1 has a subscript already
    return f"{{{text}}}_{{{index}}}" if "_{" in text or tree.primes else f"{text}_{{{index}}}"


def subscript(indices: tuple[Tree, ...]) -> str:
    """nj where all are letters, with commas where one is longer."""
    plain = all(isinstance(index, Name | Number) and len(tex(index)) == 1 for index in indices)
    return ("" if plain else ",").join(tex(index).replace(r" \, ", "") for index in indices)


def without_brackets(tree: Tree) -> Tree:
    return tree.inside if isinstance(tree, Group) and tree.bracket == "(" else tree
