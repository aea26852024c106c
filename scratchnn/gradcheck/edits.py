"""Which single change of the true backward pass gives the learner's answer?

forward is recorded as a graph (graph.py), so the true backward pass is known link by link: dx is a sum over all routes
from x to the output, and along a route the derivatives of its links are multiplied. A mistake changes one of these
links, or one gradient on the way. Here such changes are made one at a time, the simplest first. What gives the answer
in all its gradients comes first, then what explains one gradient alone; each of these once more with a factor on the
whole. A change is believed if it gives the answer on two problems of other sizes.

Most changes are wrong, and are sorted out with a few products. When an input moves in a random direction, every node
moves along its tangent t. If a change gives a node the gradient r′ in the place of r, then L's slope in this direction
changes by t · (r′ − r): that is to be what the answer differs by.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from scratchnn.gradcheck.diagnosis import Claim, Diagnosis
from scratchnn.gradcheck.facts import MATCH, NAMED, Evidence, Facts, names
from scratchnn.gradcheck.graph import Graph, Link, Node, Rule, derivative, record
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.problem import Problem
from scratchnn.machinery.parameters import Array

DIRECTIONS = 2  # random ones for every input
MANY = 40  # places of a graph; in one of more, only arrays that have a name stand in for others
MOST = 1500  # changes of one kind that are tried; only in long loops there are more
LARGE = 120  # nodes; in a larger graph too many arrays could stand in the places of too many others
Rules = Mapping[Any, Rule]  # link or node → what it does
Asked = tuple["Level", str, bool]


@dataclass(frozen=True)
class Edit:
    """A change of the backward pass of a view: what is changed, and how; `how` is "" if it is a factor."""

    view: View
    what: str
    how: str
    node: Node  # where it is
    rules: Rules


def diagnosed(first: Search, second: Search, name: str) -> Diagnosis | None:
    """The simplest change that explains the wrong gradient `name` on both problems."""
    if not (first.wrong(name) or second.wrong(name)):
        return None
    for whole, scope, level in itertools.product((False, True), ("", name), LEVELS):
        claims = first.claims(level, scope, whole)
        seconds = {claim.label: claim for claim in second.claims(level, scope, whole)} if claims else {}
        shared = [claim for claim in claims if claim.label in seconds]
        if shared:
            best, there = shared[0], seconds[shared[0].label].fact
            own, size = best.fact.split(" counts ")[0], re.compile(r"(1/)?[\w.\[\]]+")
            others = [c.number for c in shared[1:] if size.fullmatch(c.number) and c.fact.split(" counts ")[0] == own]
            several = others and "shape" in best.number  # sizes that are equal in both problems
            either = f" (or {', '.join(others[:3])})" if several else ""
            return Diagnosis(name, best.label, best.fact + either, there + either, best.place)
    return None


class Search:
    """One problem, its recorded forward, and the answer."""

    def __init__(
        self, problem: Problem, graph: Graph, upstreams: Sequence[Array], numerics: Mapping[str, NumericGradient]
    ) -> None:
        self.upstreams, self.numerics = upstreams, numerics
        answers = problem.backward(upstreams)
        self.answers = {name: np.array(answers[name], float) for name in problem.arrays}
        statements = graph.statements()
        self.views = View(statements, upstreams, graph, ()), View(graph, upstreams, graph, statements.links)
        self.right = {name: self.views[0].gradients[node] for name, node in graph.inputs.items()}
        inputs, outputs = graph.inputs.values(), graph.outputs
        lengths = {f"{x.name}.shape[{k}]": n for x in inputs for k, n in enumerate(x.value.shape)}
        ratios = {}
        for x, y in itertools.product(inputs, outputs):
            name = f"{x.name}.size" if y.value.size == 1 else f"({x.name}.size/{y.name or 'y'}.size)"
            ratios[name] = x.value.size / y.value.size
        self.numbers = graph.numbers
        known, none = Facts(numbers={**graph.numbers, **ratios}), np.zeros(0)
        self.known = Evidence("", none, none, none, none, {**problem.sizes, **lengths}, known, {})
        self.edits: dict[Level, tuple[list[Edit], Array, Array]] = {}
        self.found: dict[Asked, list[Claim]] = {}

    @classmethod
    def of(cls, problem: Problem, upstreams: Sequence[Array], numerics: Mapping[str, NumericGradient]) -> Search | None:
        """None if forward cannot be recorded."""
        graph = record(problem, upstreams, numerics)
        try:
            return cls(problem, graph, upstreams, numerics) if graph else None
        except Exception:  # a backward that raises, or an answer of another shape
            return None

    def wrong(self, name: str) -> bool:
        """Whether the answer is not the true gradient."""
        return bool(self.differs(name, self.right[name]).any())

    def differs(self, name: str, candidate: Array) -> Array:
        numeric, answer = self.numerics[name], self.answers[name]
        allowed = 5 * numeric.error + MATCH * np.abs(answer).max(initial=0)
        differs: Array = (np.abs(answer - candidate) > allowed) & ~numeric.kink
        return differs

    def claims(self, level: Level, scope: str, whole: bool) -> list[Claim]:
        """What edits of a level explain: all gradients, or that named by `scope`; `whole`: but for a factor."""
        asked = level, scope, whole
        if asked not in self.found:
            with np.errstate(all="ignore"):
                self.found[asked] = list(self.matching(level, [scope] if scope else list(self.answers), whole))
        return self.found[asked]

    def matching(self, level: Level, scoped: Sequence[str], whole: bool) -> Iterator[Claim]:
        part = len(scoped) < len(self.answers)
        if not any(self.wrong(name) for name in scoped) or (
            whole and level in (factor, overwritten, exchanged, two_cuts)
        ):
            return
        if part and level is exchanged:
            return  # the other one would have changed as well
        if level not in self.edits:
            edits = [edit for view in self.views for edit in itertools.islice(level(view), MOST)]
            moves = np.array([edit.view.moves(edit) for edit in edits])
            self.edits[level] = edits, *moves.reshape(len(edits), 2, len(self.views[0].rows)).swapaxes(0, 1)
        edits, before, after = self.edits[level]
        rows = np.array([name in scoped for name in self.views[0].rows])
        true, wanted = (self.views[0].slopes(gradients)[rows] for gradients in (self.right, self.answers))
        exact = 1e-6 * np.abs(wanted - true).max() + 1e-10 * np.abs(wanted).max()
        before, after = before[:, rows], after[:, rows]
        fixed, free = (true - before, after) if level is factor else (0, true - before + after)
        fitted = level is factor or whole
        c = np.sum((wanted - fixed) * free, axis=1) / np.sum(free**2, axis=1) if fitted else np.ones(len(edits))
        for k in np.flatnonzero((np.abs(fixed + c[:, None] * free - wanted) <= exact).all(axis=1)):
            edit = edits[k]
            for number in self.named(float(c[k])) if fitted else [""]:
                rules = then(edit.rules, partial(np.multiply, c[k])) if level is factor else edit.rules
                found = edit.view.graph.backward(self.upstreams, rules)
                given = {name: found[node] * (c[k] if whole else 1) for name, node in edit.view.graph.inputs.items()}
                changed = sum(int(self.differs(name, self.right[name]).sum()) for name in scoped)
                few = min(sum(self.answers[name].size for name in scoped), 4 if fitted else 2)
                if changed < few or any(self.differs(name, given[name]).any() for name in scoped):
                    break
                other = any(not np.allclose(given[n], g) for n, g in self.right.items() if n not in scoped)
                times = "has the wrong sign" if number == "−1" else f"counts {number} times"
                fact = f"{edit.what} {times if level is factor else edit.how}" + ", in this gradient alone" * other
                fact += f"; besides, all of it {times}" * whole
                label = f"EDIT:{fact}"
                if fitted and set(re.split(r"[^\w.]+", number)) & {*self.numbers}:
                    fact = fact.replace(times, f"counts {c[k]:.6g} times, as much as {number}")
                place = f"line {edit.node.line}: {edit.node.code}" if edit.node.line else ""
                yield Claim(label, fact, place, number)

    def named(self, c: float) -> Iterator[str]:
        """The names of a factor, but for 0 and 1."""
        return names(c, self.known) if np.isfinite(c) and min(abs(c), abs(c - 1)) > NAMED else iter(())


# ---- the graph with its gradients, and what can be changed in it


class View:
    """A graph with the true gradients and the tangents of all nodes.

    rows     the name of the input that moves, for every tangent
    groups   links of one route: those of all passes of a loop
    nodes    what has a gradient and is not in the `done` links
    """

    def __init__(self, graph: Graph, upstreams: Sequence[Array], every: Graph, done: Sequence[Link]) -> None:
        self.graph, self.kept, self.upstreams = graph, set(graph.nodes), upstreams
        self.gradients = graph.backward(upstreams)
        self.rows = [name for name in graph.inputs for _ in range(DIRECTIONS)]
        self.along = {node: np.zeros((len(self.rows), node.value.size)) for node in graph.nodes}
        rng = np.random.default_rng(0)
        for k, name in enumerate(self.rows):
            self.along[graph.inputs[name]][k] = rng.standard_normal(graph.inputs[name].value.size)
        for link in graph.links:
            self.along[link.child] += [link.push(t) for t in self.along[link.parent]]
        known = {node for link in done for node in (link.child, link.parent)}
        self.nodes = [node for node in graph.nodes if self.gradients[node].any() and node not in known]
        groups: dict[Any, list[Link]] = {}
        for link in graph.links:
            if link not in done:
                place = link.child.site, link.parent.name or link.parent.site or link.parent
                groups.setdefault(place, []).append(link)
        # where routes part, something is lost
        self.groups = sorted(groups.values(), key=lambda group: len(graph.uses[group[0].parent]) < 2)
        self.passes: dict[Any, list[Node]] = {}  # what has one site is one variable, in all passes of a loop
        for node in every.nodes:
            self.passes.setdefault(node.site or node, []).append(node)
        self.cache: dict[int, dict[Any, tuple[str, Array]]] = {}

    def slopes(self, gradients: Mapping[str, Array]) -> Array:
        """L's slope along every tangent."""
        moves = [self.along[node] @ gradients[name].ravel() for name, node in self.graph.inputs.items()]
        return np.asarray(sum(moves))

    def moves(self, edit: Edit) -> tuple[Array, Array]:
        """L's slopes through what is changed, before and after; all of L's where changes may follow each other."""
        if len(edit.rules) > 1 and edit.how:
            found = self.graph.backward(self.upstreams, edit.rules)
            gradients = ({n: g[node] for n, node in self.graph.inputs.items()} for g in (self.gradients, found))
            before, after = map(self.slopes, gradients)
            return before, after
        before = after = np.zeros(len(self.rows))
        for key, rule in edit.rules.items():
            source, target = (key.child, key.parent) if isinstance(key, Link) else (key, key)
            g = self.gradients[source]
            before = before + self.along[target] @ (key.pull(g) if isinstance(key, Link) else g).ravel()
            after = after + self.along[target] @ rule(g).ravel()
        return before, after

    def arrays(self, node: Node) -> dict[Any, tuple[str, Array]]:
        """Place → name and value of every array, in the same pass of a loop as the node."""
        run = self.passes[node.site or node].index(node)
        if run not in self.cache:
            nodes = {place: passes[min(run, len(passes) - 1)] for place, passes in self.passes.items()}
            large = len(self.passes) > MANY  # places; then what has no name is not looked at
            known = {place: n for place, n in nodes.items() if n.value.ndim and (n.name or not large)}
            found = {place: (title(n), n.value) for place, n in known.items() if n.name or n.function}
            turned = {(p, "ᵀ"): (f"the transpose of {name}", a.T) for p, (name, a) in found.items() if a.ndim == 2}
            self.cache[run] = {**found, **turned}
        return self.cache[run]

    def flows(self) -> Iterator[tuple[str, Node, Node, Rules]]:
        """What a gradient flows through: name, the node it belongs to, its place, the rules that leave it as it is."""
        for group in self.groups:
            alike = len({link.parent.value.shape for link in group}) == 1  # the passes of a loop need not be
            if alike and len(self.graph.uses[group[0].parent]) > 1:
                yield route(group), group[0].parent, group[0].child, {link: link.pull for link in group}
        for node in self.nodes:
            yield f"the gradient of {title(node)}", node, node, {node: np.array}


def then(rules: Rules, change: Rule) -> Rules:
    return {key: partial(chained, rule, change) for key, rule in rules.items()}


def chained(first: Rule, second: Rule, g: Array) -> Array:
    return second(first(g))


def weighted(group: Sequence[Link], values: Callable[[Link], Array]) -> Rules:
    """Other values in the place of a derivative."""
    return {link: partial(link.pull, values=values(link)) for link in group}


def title(node: Node) -> str:
    return node.name or node.text


def route(group: Sequence[Link]) -> str:
    child, parent = group[0].child, group[0].parent
    return f"the route from {title(parent)} to {title(child)} (line {child.line})"


def slope(view: View, group: Sequence[Link]) -> str:
    """The derivative of an operation; by which operand, if there are several."""
    child, parent = group[0].child, group[0].parent
    several = len(view.graph.towards[child]) > 1
    return f"in line {child.line}, the derivative of {child.text}" + f" by {title(parent)}" * several


Level = Callable[[View], Iterator[Edit]]


def missing(view: View) -> Iterator[Edit]:
    for node in view.graph.outputs:
        yield Edit(view, f"what comes from the output {title(node)}", "is missing", node, {node: np.zeros_like})
    for group in view.groups:
        for part, when in ((group, ""), (group[-1:], " in the last pass"))[: len(group)]:
            yield Edit(view, route(group), f"is missing{when}", group[0].child, weighted(part, lambda k: 0 * k.values))


def left_out(view: View) -> Iterator[Edit]:
    for group in view.groups:
        what, link = slope(view, group), group[0]
        values = np.concatenate([link.values for link in group])
        constant = not values.size or np.ptp(values) < 1e-12
        if constant or all(link.pointwise for link in group):
            how = "has lost its minus" if values.size and np.all(values == -1) else "is left out"
            yield Edit(view, what, how, link.child, weighted(group, lambda k: np.ones(len(k.values))))
        elif link.child.value.shape == link.parent.value.shape:
            rules = weighted(group, lambda k: k.values * (k.rows == k.cols))
            yield Edit(view, what, "is taken on its diagonal alone", link.child, rules)
        for c, how in ((-1, "has the wrong sign"), (2, "counts 2 times"), (0.5, "counts 1/2 times")):
            if len(group) > 1:
                rules = weighted(group, partial(scaled, c))
                yield Edit(view, route(group), how, link.child, rules)


def scaled(c: float, link: Link) -> Array:
    return c * link.values


def factor(view: View) -> Iterator[Edit]:
    for what, _, place, rules in view.flows():
        yield Edit(view, what, "", place, rules)


def operand(view: View) -> Iterator[Edit]:
    """Every operand of a derivative exchanged for another array of its shape, or for that of the mirrored pass."""
    for group in view.groups if len(view.graph.nodes) <= LARGE else ():
        first, own = group[0].child, [operands(link.child, view.kept) for link in group]
        inner = not (set(first.parents) <= view.kept or all(link.pointwise for link in group))
        if inner or len(set(map(len, own))) > 1:
            continue
        arrays = [view.arrays(link.child) for link in group]
        for place, passes in enumerate(zip(*own, strict=True)):
            called = next((node.name for node in passes[::-1] if node.name), title(passes[0]))
            others: list[tuple[str, dict[Link, Array]]] = []
            for label, (name, array) in arrays[0].items():
                fitting = array is not passes[0].value and array.shape == passes[0].value.shape
                if fitting and all(label in known for known in arrays):
                    chosen = {link: known[label][1] for link, known in zip(group, arrays, strict=True)}
                    how = f"uses {'another ' * (name == called)}{name} where {called} belongs"
                    others.append((f"is taken at {name} and not at {called}" if len(own[0]) == 1 else how, chosen))
            if len(group) > 1:
                mirrored = {link: node.value for link, node in zip(group, passes[::-1], strict=True)}
                others.append((f"uses the passes' {called} in reverse order", mirrored))
            for how, chosen in others:
                if rules := changes(group, partial(with_operand, view, place, chosen)):
                    yield Edit(view, slope(view, group), how, first, rules)


def operands(node: Node, kept: set[Node]) -> list[Node]:
    """The kept nodes that a node is computed from."""
    found = [[parent] if parent in kept else operands(parent, kept) for parent in node.parents]
    return [*dict.fromkeys(itertools.chain(*found))]


def with_operand(view: View, place: int, chosen: Mapping[Link, Array], link: Link) -> Rule:
    given = {operands(link.child, view.kept)[place]: chosen[link]}
    return derivative(link.child, link.parent, view.kept, given, link.cols if link.pointwise else None).pull


def changes(group: Sequence[Link], make: Callable[[Link], Rule]) -> Rules | None:
    """A rule for every link of a group; None if one cannot be made, or none differs, or all by one factor alone."""
    try:
        rules = {link: make(link) for link in group}
        tried = [(link, np.cos(np.arange(link.child.value.size)).reshape(link.child.value.shape)) for link in group]
        new = np.concatenate([rules[link](g).ravel() for link, g in tried])
    except Exception:  # forward's operations need not be made for such an operand
        return None
    old = np.concatenate([link.pull(g).ravel() for link, g in tried])
    c = float(new @ old / (old @ old)) or 1.0
    return rules if np.isfinite(new).all() and not np.allclose(new, c * old, rtol=1e-9, atol=0) else None


TURNED = "is there where it should be 0, and 0 where it should be 1"
FORMS: Mapping[str, Callable[[Array, Array], Array]] = {
    "is multiplied in twice": lambda d, a: d**2,
    "is divided by, and not multiplied": lambda d, a: reciprocal(d),
    TURNED: lambda d, a: 1 - d,
    "is taken for {}": lambda d, a: a,
    "is taken for 1 − {}": lambda d, a: 1 - a,
    "is taken for 1 − {}²": lambda d, a: 1 - a**2,
    "is taken for 1 + {}²": lambda d, a: 1 + a**2,
    "is taken for {} (1 − {})": lambda d, a: a * (1 - a),
    "is taken for the sign of {}": lambda d, a: np.sign(a),
    "has the factor {} once too often": lambda d, a: d * a,
    "lacks the factor {}": lambda d, a: d * reciprocal(a),
}


def other_slope(view: View) -> Iterator[Edit]:
    """Other derivatives of a function that acts entry by entry."""
    for group in view.groups:
        first = group[0].child
        for how, form in FORMS.items() if all(link.pointwise for link in group) else ():
            for label, (name, array) in view.arrays(first).items() if "{}" in how else [(None, ("", np.ones(1)))]:
                if fits(array, first.value.shape) and (rules := changes(group, partial(with_form, view, form, label))):
                    if label == first.site and (not first.name or len({link.child.name for link in group}) > 1):
                        name = "its result"  # as of a helper function that is called for several variables
                    zeros_and_ones = all(np.allclose(link.values, link.values > 0.5) for link in group)
                    said = "is taken for 1 minus itself" if how == TURNED and not zeros_and_ones else how
                    name = name if name.isidentifier() or how.endswith(" {}") else f"({name})"
                    yield Edit(view, slope(view, group), said.replace("{}", name), first, rules)


def with_form(view: View, form: Callable[[Array, Array], Array], label: Any, link: Link) -> Rule:
    array = view.arrays(link.child)[label][1] if label else np.ones(1)
    values = form(link.values, np.broadcast_to(array, link.child.value.shape).ravel() * 1.0)
    return partial(link.pull, values=values)


def reciprocal(array: Array) -> Array:
    return np.divide(1.0, array, where=array != 0, out=np.zeros(array.shape))


def fits(array: Array, shape: tuple[int, ...]) -> bool:
    return array.ndim <= len(shape) and all(a in (1, b) for a, b in zip(array.shape[::-1], shape[::-1], strict=False))


def product(view: View) -> Iterator[Edit]:
    for what, node, place, rules in view.flows():
        for name, array in view.arrays(node).values():
            if fits(array, node.value.shape) and (array != array.flat[:1]).any():
                more, less = partial(np.multiply, array), partial(np.multiply, reciprocal(array))
                yield Edit(view, what, f"has the factor {name} once too often", place, then(rules, more))
                yield Edit(view, what, f"lacks the factor {name}", place, then(rules, less))


def rearranged(view: View) -> Iterator[Edit]:
    """What flows is summed over axes, or lacks an end of one."""
    for what, node, place, rules in view.flows():
        axes = range(node.value.ndim)
        for some in itertools.chain(*(itertools.combinations(axes, count + 1) for count in axes)):
            how = f"is summed over axis {', '.join(map(str, some))}"
            yield Edit(view, what, how, place, then(rules, partial(spread, some)))
        for axis, length in enumerate(node.value.shape):
            for end, chosen in {"first": 0, "last": length - 1}.items() if length > 1 else ():
                only = (np.arange(length) == chosen).reshape([-1 if k == axis else 1 for k in axes])
                where = f"where axis {axis} is at its {end} place"
                yield Edit(view, what, f"counts only {where}", place, then(rules, partial(np.multiply, only)))
                yield Edit(view, what, f"is left out {where}", place, then(rules, partial(np.multiply, ~only)))


def spread(axes: tuple[int, ...], g: Array) -> Array:
    return np.broadcast_to(g.sum(axes, keepdims=True), g.shape)


def exchanged(view: View) -> Iterator[Edit]:
    """Two gradients change places, or one stands for another."""
    for one, other in itertools.combinations(view.nodes if len(view.nodes) < 60 else [], 2):
        if one.value.shape == other.value.shape and title(one) != title(other):
            there, here = (lambda g, n=n: view.gradients[n] for n in (one, other))
            what, how = f"the gradient of {title(one)}", f"and that of {title(other)} are exchanged"
            yield Edit(view, what, f"is that of {title(other)}", one, {one: here})
            yield Edit(view, f"the gradient of {title(other)}", f"is that of {title(one)}", other, {other: there})
            yield Edit(view, what, how, one, {one: here, other: there})


def overwritten(view: View) -> Iterator[Edit]:
    """Of several passes, or uses of an entry, only one counts: = in the place of +=."""
    for group in view.groups:
        one_target = len(group) > 1 and len({link.parent for link in group}) == 1
        for end, order in (("last", 1), ("first", -1)):
            passes = group[::order]
            if one_target:
                rules = weighted(group, partial(unless_written_later, passes))
                yield Edit(view, route(group), f"counts in the {end} pass alone", group[0].child, rules)
            elif any(len(np.unique(link.cols)) < len(link.cols) for link in group):
                rules = {link: partial(assigned, link, order) for link in group}
                yield Edit(view, route(group), f"counts in the {end} use of an entry alone", group[0].child, rules)


def unless_written_later(passes: Sequence[Link], link: Link) -> Array:
    """A link's values, but for entries that a later pass writes."""
    later = [other.cols for other in passes[passes.index(link) + 1 :]]
    return link.values * ~np.isin(link.cols, np.concatenate([[], *later]))


def assigned(link: Link, order: int, g: Array) -> Array:
    result, values = np.zeros(link.parent.value.size), link.values * g.ravel()[link.rows]
    used = np.flatnonzero(values)[::order]
    result[link.cols[used]] = values[used]
    return result.reshape(link.parent.value.shape)


def two_cuts(view: View) -> Iterator[Edit]:
    for one, other in itertools.combinations(view.groups if len(view.groups) < 20 else [], 2):
        rules = weighted([*one, *other], lambda k: 0 * k.values)
        yield Edit(view, f"both {route(one)} and {route(other)}", "are missing", one[0].child, rules)


LEVELS: tuple[Level, ...] = (
    missing, left_out, factor, overwritten, operand, other_slope, product, rearranged, exchanged, two_cuts,
)  # fmt: skip
