"""A formula in the notation of the papers: μ for mean, log σ² for log_var, ∂L/∂W for dW.

The trees stay those of the grammar, so that tex.py writes both notations.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from formulas.grammar import Parser
from formulas.tree import Call, Derivative, Formula, Integral, Name, Product, Tree

PAPERS = {
    "EPS": "ε", "LR": "α", "beta": "β", "eps": "ε", "gamma": "γ", "log_p": "log p", "log_prob": "log p",
    "log_scale": "log s", "log_var": "log σ²", "log_w": "log w", "lr": "α", "mean": "μ", "normed": "x\u0302",
    "params": "θ", "prediction": "y\u0302", "std": "σ", "target": "t", "var": "σ²", "velocity": "v",
}  # fmt: skip
NO_GRADIENTS = {"decoder", "d"}  # names that begin with a d
L = Name("L")


def papers(formula: Formula) -> Formula:
    """The same formula as a paper prints it."""
    return replace(formula, sides=tuple(map(in_papers, formula.sides)))


def in_papers(tree: Any) -> Any:
    """Any part of a formula as a paper prints it."""
    match tree:
        case Name():
            return symbol(tree)
        case Call(function, arguments):
            head = Name("E_ε") if function.base == "E_eps" else function  # but mean(l), a function, is no μ
            return replace(tree, function=head, arguments=in_papers(arguments))
        case Product(factors) if words_first(tree):  # mean KL(…), the mean of it
            return replace(tree, factors=(factors[0], *in_papers(factors[1:])))
        case Integral(body):  # its dt is no gradient
            return replace(tree, body=in_papers(body))
        case tuple():
            return tuple(map(in_papers, tree))
    if is_dataclass(tree) and not isinstance(tree, type):
        return replace(tree, **{field.name: in_papers(getattr(tree, field.name)) for field in fields(tree)})
    return tree


def words_first(product: Product) -> bool:
    """Whether a product is the word mean and what the mean is taken of."""
    (_, first), (_, second) = product.factors[:2]
    return first == Name("mean") and isinstance(second, Call)


def symbol(name: Name) -> Tree:
    """The symbol that the papers have in the place of a name, with the same indices."""
    if name.base[0] == "d" and name.base not in NO_GRADIENTS:
        return Derivative(L, symbol(replace(name, base=name.base[1:])))
    if name.base not in PAPERS:
        return name
    return with_indices(Parser(PAPERS[name.base]).side(), name)


def with_indices(tree: Any, name: Name) -> Any:
    """σ² with the indices of log_var_nj: on the last name that stands in it."""
    match tree:
        case Name(base, _, hat):
            return Name(base, name.indices, hat or name.hat, name.primes)
        case Call(arguments=(argument,)):
            return replace(tree, arguments=(with_indices(argument, name),))
        case _:
            return replace(tree, base=with_indices(tree.base, name))
