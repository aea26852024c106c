"""Which single change of the true backward pass gives the learner's answer?

forward is recorded as a graph (graph.py), so the true backward pass is known link by link: dx is a sum over all routes
from x to the output, and along a route the derivatives of its links are multiplied. A mistake changes one of these
links, or one gradient on the way. Here such changes are made one at a time, the simplest first:

    missing     a route is left out
    left out    a derivative is left out: taken for 1
    factor      a link counts with another factor: −1, 2, a size, a constant of forward
    operand     a derivative is taken with another array in the place of the right one, or multiplied by one
    rearranged  what flows along a link is transposed, reversed, shifted, summed over an axis
    exchanged   a gradient takes the place of another; of several passes or windows only the last counts
    two cuts    two routes are left out

What gives the answer in all its gradients comes first, then what explains one gradient alone. A change is believed if
it gives the answer on two problems of other sizes.

Most changes are wrong, and are sorted out with a few products. When an input moves in a random direction, every node
moves along its tangent t. If a change gives a node the gradient r′ in the place of r, then L's slope in this direction
changes by t · (r′ − r): that is to be what the answer differs by.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from scratchnn.gradcheck.diagnosis import Claim, Diagnosis
from scratchnn.gradcheck.facts import MATCH, NAMED, Evidence, Facts, names
from scratchnn.gradcheck.graph import Graph, Link, Node, Rule, jacobian, pointwise_slopes, record
from scratchnn.gradcheck.numeric import NumericGradient
from scratchnn.gradcheck.problem import Problem
from scratchnn.machinery.parameters import Array

DIRECTIONS = 2  # random ones for every input
LARGE = 120  # nodes; in a larger graph too many arrays could stand in the places of too many others
PLAIN = {0.0: "0", 1.0: "1", -1.0: "−1", 2.0: "2", 0.5: "1/2"}
Rules = Mapping[Any, Rule]  # link or node → what it does


@dataclass(frozen=True)
class Edit:
    """A change of the backward pass; `fact` and `place` say what it means for the one who wrote it."""

    label: str
    fact: str
    place: str
    rules: Rules


def diagnosed(first: Search, second: Search, name: str) -> Diagnosis | None:
    """The simplest change that explains the wrong gradient `name` on both problems."""
    if not (first.wrong(name) or second.wrong(name)):
        return None
    large = len(first.views[1].graph.nodes) > LARGE
    for whole, scope, level in itertools.product((False, True), ("", name), LEVELS):
        if (whole and level in (factor, two_cuts)) or (large and level in (operand, exchanged, two_cuts)):
            continue
        claims = first.claims(level, scope, whole)
        seconds = {claim.label: claim for claim in second.claims(level, scope, whole)} if claims else {}
        for claim in claims:
            if claim.label in seconds:
                return Diagnosis(name, claim.label, claim.fact, seconds[claim.label].fact, claim.place)
    return None


class Search:
    """One problem, its recorded forward, and the answer."""

    def __init__(
        self, problem: Problem, graph: Graph, upstreams: Sequence[Array], numerics: Mapping[str, NumericGradient]
    ) -> None:
        whole = View(graph.statements(), upstreams, graph.nodes)
        self.views = [whole, View(graph, upstreams, graph.nodes, whole)]
        self.upstreams, self.numerics = upstreams, numerics
        answers = problem.backward(upstreams)
        self.answers = {name: np.array(answers[name], float) for name in problem.arrays}
        self.sizes = {**axis_lengths(graph), **problem.sizes}
        inputs, outputs = graph.inputs.values(), graph.outputs
        ratios = {f"{y.name}.size/{x.name}.size": y.value.size / x.value.size for x in inputs for y in outputs}
        self.numbers = {**graph.numbers, **ratios}
        self.found: dict[Any, list[Claim]] = {}

    @classmethod
    def of(cls, problem: Problem, upstreams: Sequence[Array], numerics: Mapping[str, NumericGradient]) -> Search | None:
        """None if forward cannot be recorded."""
        graph = record(problem, upstreams, numerics)
        return cls(problem, graph, upstreams, numerics) if graph else None

    def claims(self, level: Level, scope: str, whole: bool = False) -> list[Claim]:
        """What edits of a level explain: all gradients, or that named by `scope`; `whole`: but for a factor."""
        asked = level, scope, whole
        if asked not in self.found:
            self.found[asked] = [claim for view in self.views for claim in self.matching(view, *asked)]
        return self.found[asked]

    def matching(self, view: View, level: Level, scope: str, whole: bool) -> Iterator[Claim]:
        scoped = [scope] if scope else list(self.answers)
        right = {name: view.gradients[view.graph.inputs[name]] for name in scoped}
        if not any(self.differs(name, right[name]).any() for name in scoped):
            return
        rows = [k for name in scoped for k in view.tangents[name][0]]

        def projected(gradients: Mapping[str, Array]) -> Array:
            return np.concatenate([view.tangents[name][1] @ gradients[name].ravel() for name in scoped])

        true, wanted = projected(right), projected(self.answers)
        size = float(np.abs(wanted - true).max())
        own = f"; this shows in {scope} alone" if scope and len(self.answers) > 1 else ""
        edits, before, after = view.edits(level)
        changed = true - before[:, rows] + after[:, rows]
        exact = 1e-6 * size + 1e-10 * np.abs(wanted).max()
        for k in self.promising(level, wanted, true, changed, after[:, rows], exact, whole):
            edit = edits[k]
            scales: Iterable[tuple[float, str]]
            if np.isnan(before[k, 0]):
                scales = [(1.0, "")] if level is not factor else [(c, PLAIN[c]) for c in (-1.0, 2.0, 0.5)]
            elif whole:
                scales = self.factors(wanted, changed[k], exact)
            elif level is factor:
                scales = self.factors(wanted - true + before[k, rows], after[k, rows], exact)
            else:
                scales = [(1.0, "")]
            for c, named in scales:
                rules = edit.rules
                if level is factor:
                    rules = {key: scaled(rule, c) for key, rule in edit.rules.items()}
                if self.gives(view, rules, scoped, right, c if whole else 1.0, len(named) > 3):
                    times = {"": "", "−1": ", with the wrong sign", "2": ", twice"}.get(named, f", times {named}")
                    if whole:
                        times = f"; and all of it has an extra factor {named}"
                    label = f"EDIT:{edit.label}:{named}{':whole' * whole}{':alone' * bool(own)}"
                    yield Claim(label, f"{edit.fact}{times}{own}", edit.place)

    @staticmethod
    def promising(
        level: Level, wanted: Array, true: Array, changed: Array, after: Array, exact: float, whole: bool
    ) -> Array:
        """Which edits move L as the answer does, perhaps with a factor; also those whose moves do not add up."""
        if not len(changed):
            return np.zeros(0, int)
        target = np.broadcast_to(wanted, changed.shape)
        if level is factor and not whole:  # c · after is to be wanted − true + before
            target, changed = wanted - changed + after, after
        off = changed - target
        if level is factor or whole:
            with np.errstate(all="ignore"):
                off = changed * (np.sum(changed * target, axis=1) / np.sum(changed**2, axis=1))[:, None] - target
        near: Array = np.flatnonzero((np.abs(off) <= exact).all(axis=1) | (np.isnan(changed[:, 0]) & (not whole)))
        return near

    def factors(self, wanted: Array, after: Array, exact: float) -> Iterator[tuple[float, str]]:
        """The c for which c · after = wanted, with its names, but for 0 and 1."""
        c = float(after @ wanted / (after @ after)) if after.any() else 1.0
        if (np.abs(c * after - wanted) > exact).any():
            return
        if abs(c) < NAMED or abs(c - 1) < NAMED:
            return
        yield from ((number, name) for number, name in PLAIN.items() if abs(c - number) <= NAMED)
        nothing = np.zeros(0)
        known = Evidence("", nothing, nothing, nothing, nothing, self.sizes, Facts(numbers=self.numbers), {})
        yield from ((c, name) for name in names(c, known))

    def gives(
        self, view: View, rules: Rules, scoped: Sequence[str], right: Mapping[str, Array], c: float, fitted: bool
    ) -> bool:
        """Whether c times the changed backward pass gives the answer, and another one than the true pass does."""
        found = view.graph.backward(self.upstreams, rules)
        if any(self.differs(name, c * found[view.graph.inputs[name]]).any() for name in scoped):
            return False
        changed = sum(int(self.differs(name, right[name]).sum()) for name in scoped)
        entries = sum(self.answers[name].size for name in scoped)
        return changed >= min(entries, 4 if fitted else 2)

    def wrong(self, name: str) -> bool:
        """Whether the answer is not the true gradient."""
        view = self.views[0]
        return bool(self.differs(name, view.gradients[view.graph.inputs[name]]).any())

    def differs(self, name: str, candidate: Array) -> Array:
        numeric, answer = self.numerics[name], self.answers[name]
        allowed = 5 * numeric.error + MATCH * np.abs(answer).max()
        differs: Array = (np.abs(answer - candidate) > allowed) & ~numeric.kink
        return differs


def scaled(rule: Rule, c: float) -> Rule:
    return lambda g: c * rule(g)


# ---- the graph with its gradients, and what can be changed in it


class View:
    """A graph with the true gradients and the tangents of all nodes; its links in groups, its arrays by name."""

    def __init__(
        self, graph: Graph, upstreams: Sequence[Array], every: Sequence[Node], done: View | None = None
    ) -> None:
        self.graph, self.kept = graph, set(graph.nodes)
        self.gradients = graph.backward(upstreams)
        rng = np.random.default_rng(0)
        count = DIRECTIONS * len(graph.inputs)
        tangents = {node: np.zeros((count, node.value.size)) for node in graph.nodes}
        self.tangents: dict[str, tuple[list[int], Array]] = {}
        for k, (name, node) in enumerate(graph.inputs.items()):
            rows = list(range(DIRECTIONS * k, DIRECTIONS * (k + 1)))
            tangents[node][rows] = rng.standard_normal((DIRECTIONS, node.value.size))
            self.tangents[name] = rows, tangents[node][rows]
        for link in graph.links:
            tangents[link.child] += [link.push(t) for t in tangents[link.parent]]
        self.along = tangents
        self.before: dict[Node, set[Node]] = {}  # a node and all that it depends on
        for node in graph.nodes:
            self.before[node] = {node}.union(*(self.before[link.parent] for link in graph.towards[node]))
        self.lengths = axis_lengths(graph)
        self.passes: dict[int, dict[str, tuple[str, Array]]] = {}
        self.cache: dict[Level, tuple[list[Edit], Array, Array]] = {}
        # what has one site is one variable, in all passes of a loop
        self.variables: dict[Any, list[Node]] = {}
        for node in every:
            self.variables.setdefault(node.site or node, []).append(node)
        # what another view changes already is not changed again
        self.nodes = [node for node in graph.nodes if self.gradients[node].any() and not (done and node in done.kept)]
        known = {(link.child, link.parent): link for link in done.graph.links} if done else {}
        groups: dict[Any, list[Link]] = {}
        for link in graph.links:
            same = known.get((link.child, link.parent))
            if not same or len(same.values) != len(link.values) or not np.allclose(same.values, link.values):
                groups.setdefault((link.child.site, link.parent.name or link.parent.site or link.parent), []).append(
                    link
                )
        self.groups = [("", group) for group in groups.values()]
        for group in [*groups.values()]:
            if len(group) > 1:
                self.groups += [("in the first pass", group[:1]), ("in the last pass", group[-1:])]
        self.groups.sort(
            key=lambda group: len(graph.uses[group[1][0].parent]) < 2
        )  # where routes part, something is lost

    def edits(self, level: Level) -> tuple[list[Edit], Array, Array]:
        """The edits of a level, and by how much L moves along the tangents through the old rules and the new."""
        if level not in self.cache:
            edits = list(level(self))
            moves = np.array([self.moves(edit) for edit in edits])
            before, after = moves.reshape(len(edits), 2, DIRECTIONS * len(self.graph.inputs)).transpose(1, 0, 2)
            self.cache[level] = edits, before, after
        return self.cache[level]

    def moves(self, edit: Edit) -> tuple[Array, Array]:
        """NaN where one changed link feeds another, so that they do not add up."""
        before, after = np.zeros(DIRECTIONS * len(self.graph.inputs)), np.zeros(DIRECTIONS * len(self.graph.inputs))
        if len(edit.rules) > 1 and self.in_series(list(edit.rules)):
            return before + np.nan, after + np.nan
        for key, rule in edit.rules.items():
            source, target = (key.child, key.parent) if isinstance(key, Link) else (key, key)
            g = self.gradients[source]
            before += self.along[target] @ (key.pull(g) if isinstance(key, Link) else g).ravel()
            after += self.along[target] @ rule(g).ravel()
        return before, after

    def in_series(self, changed: Sequence[Any]) -> bool:
        """Whether the gradient flows through one of the links after another."""
        pairs = itertools.permutations([link for link in changed if isinstance(link, Link)], 2)
        return any(link.child in self.before[other.parent] for link, other in pairs)

    def arrays(self, run: int) -> dict[str, tuple[str, Array]]:
        """Label → name and value of every array, in pass number `run` where there are several."""
        if run not in self.passes:
            nodes = [nodes[min(run, len(nodes) - 1)] for nodes in self.variables.values()]
            found = {key(node): (title(node), node.value) for node in nodes if node.value.ndim}
            turned = {
                f"{label}ᵀ": (f"the transpose of {name}", array.T)
                for label, (name, array) in found.items()
                if array.ndim == 2
            }
            self.passes[run] = {**found, **turned}
        return self.passes[run]


def axis_lengths(graph: Graph) -> dict[str, int]:
    return {f"{node.name}.shape[{k}]": n for node in graph.inputs.values() for k, n in enumerate(node.value.shape)}


def title(node: Node) -> str:
    return node.name or (f"`{node.text}`" if node.text else "a constant")


def key(node: Node) -> str:
    return f"{node.name or node.text}@{node.line}.{node.site[2] if node.site else 0}"


def line(node: Node) -> str:
    return f"line {node.line}: {node.code}"


def route(group: Sequence[Link]) -> tuple[str, str, str]:
    """Label, name and place of a group of links."""
    child, parent = group[0].child, group[0].parent
    return f"{title(parent)}→{key(child)}", f"from {title(parent)} to {title(child)} (line {child.line})", line(child)


Level = Callable[[View], Iterator[Edit]]


def missing(view: View) -> Iterator[Edit]:
    for when, group in view.groups:
        label, name, place = route(group)
        rules = {link: zero(link) for link in group}
        yield Edit(f"missing:{label}{when}", f"the route {name} is missing {when}".rstrip(), place, rules)
        counts = {"last": 1} | {f"last {name}": n for name, n in view.lengths.items()} if len(group) > 2 else {}
        for few, n in counts.items():
            if n < len(group) - 1:
                rules = {link: zero(link) for link in group[-n:]}
                yield Edit(f"missing:{label}:{few}", f"the {few} passes of the route {name} are missing", place, rules)
    for node in view.graph.outputs:
        yield Edit(
            f"missing:{key(node)}", f"nothing comes from the output {title(node)}", line(node), {node: np.zeros_like}
        )
    for parent, links in view.graph.uses.items():
        if len(links) > 2:
            for keep in links:
                if sum(link.child.site == keep.child.site for link in links) > 1:
                    continue  # one pass of a loop
                rules = {link: zero(link) for link in links if link is not keep}
                label, name, place = route([keep])
                yield Edit(
                    f"only:{label}", f"of all routes to {title(parent)}, only the one {name} counts", place, rules
                )


def zero(link: Link) -> Rule:
    return lambda g: np.zeros(link.parent.value.shape)


def left_out(view: View) -> Iterator[Edit]:
    for when, group in view.groups:
        label, _, place = route(group)
        child, parent = title(group[0].child), title(group[0].parent)
        constant = len({*np.concatenate([link.values for link in group]).round(12)}) == 1
        if constant or all(link.pointwise for link in group):
            ones = {link: partial(link.pull, values=np.ones(len(link.values))) for link in group}
            fact = f"the derivative of {child} by {parent} is left out {when}".rstrip()
            yield Edit(f"left out:{label}{when}", fact, place, ones)
        link = group[0]
        if link.child.value.shape == link.parent.value.shape and not link.pointwise:
            rules = {link: partial(link.pull, values=link.values * (link.rows == link.cols)) for link in group}
            fact = f"of the derivative of {child} by {parent} only the diagonal counts"
            yield Edit(f"diagonal:{label}{when}", fact, place, rules)
        if (
            len(group) == 1
            and link.pointwise
            and not link.child.pointwise
            and link.child.value.size < link.parent.value.size
        ):
            # a selection such as the largest of several: at equal values, all of them are selected
            every = jacobian(link.child, link.parent, view.kept, {link.parent: np.zeros(link.parent.value.shape)})
            if every and len(every.values) > len(link.values):
                fact = f"the gradient of {child} goes to every entry of {parent}, and not to the selected one"
                yield Edit(
                    f"every:{label}", fact, place, {link: partial(every.pull, values=np.ones(len(every.values)))}
                )


def factor(view: View) -> Iterator[Edit]:
    for when, group in view.groups:
        label, name, place = route(group)
        yield Edit(
            f"factor:{label}{when}",
            f"the route {name} counts {when}".rstrip(),
            place,
            {link: link.pull for link in group},
        )
    for node in view.nodes:
        if len(view.graph.uses[node]) > 1 or node in view.graph.outputs:
            yield Edit(f"factor:{key(node)}", f"the gradient of {title(node)} counts", line(node), {node: np.array})


def operand(view: View) -> Iterator[Edit]:
    """Other arrays in the derivative of a link, or a factor too many in a gradient."""
    for when, group in view.groups:
        first = group[0]
        label, name, place = route(group)
        what = f"the derivative of {title(first.child)} by {title(first.parent)} {when}".rstrip()
        for fact, rules in in_place_of(view, group):
            yield Edit(f"operand:{label}{when}:{fact}", f"{what} is taken with {fact}", place, rules)
        if all(link.pointwise for link in group):
            for fact, rules in instead(view, group):
                yield Edit(f"derivative:{label}{when}:{fact}", f"{what} is {fact}", place, rules)
        elif len(view.graph.uses[first.parent]) > 1:
            for fact, change in products(view, first.parent):
                rules = {link: chained(link.pull, change) for link in group}
                yield Edit(f"times:{label}{when}:{fact}", f"what comes {name} is {fact}", place, rules)
    for node in view.nodes:
        for fact, change in products(view, node):
            yield Edit(
                f"times:{key(node)}:{fact}", f"the gradient of {title(node)} is {fact}", line(node), {node: change}
            )


def chained(first: Rule, then: Rule) -> Rule:
    return lambda g: then(first(g))


def products(view: View, node: Node) -> Iterator[tuple[str, Rule]]:
    for name, array in view.arrays(node.run).values():
        if fits(array, node.value.shape):
            for text, power in (("multiplied by", array), ("divided by", reciprocal(array))):
                yield f"{text} {name}, once too often or too seldom", partial(np.multiply, power)
                yield f"{text} the square of {name}", partial(np.multiply, power**2)


def reciprocal(array: Array) -> Array:
    return np.divide(1.0, array, where=array != 0, out=np.zeros(array.shape))


def fits(array: Array, shape: tuple[int, ...]) -> bool:
    padded = (1,) * (len(shape) - array.ndim) + array.shape
    return len(padded) == len(shape) and all(a in (1, b) for a, b in zip(padded, shape, strict=True))


def in_place_of(view: View, group: Sequence[Link]) -> Iterator[tuple[str, Rules]]:
    """Every operand exchanged for another array of its shape, for its mirror image, or for that of another pass."""
    first = group[0].child
    if not (set(first.parents) <= view.kept or all(link.pointwise for link in group)):
        return
    for place, old in enumerate(operands(first, view.kept)):
        if old.value.dtype.kind != "f":
            continue
        others: list[tuple[str, Callable[[Link], Array | None]]] = []
        for label, (name, array) in view.arrays(first.run).items():
            if array is not old.value and array.shape == old.value.shape:
                others.append((f"{name} in the place of {title(old)}", partial(named_array, view, label)))
        mirrored = {
            link: operands(back.child, view.kept)[place].value
            for link, back in zip(group, reversed(group), strict=True)
        }
        if len(group) > 1:
            others.append((f"{title(old)} of the passes in reverse order", mirrored.__getitem__))
        for fact, choose in others:
            rules = for_all(group, partial(with_operand, view, place, choose))
            if rules:
                yield fact, rules


def named_array(view: View, label: str, link: Link) -> Array | None:
    """The array of that label in the pass of the link; a pass need not have it."""
    return view.arrays(link.child.run).get(label, ("", None))[1]


def for_all(group: Sequence[Link], make: Callable[[Link], Rule | None]) -> Rules | None:
    """A rule for every link of a group; None if there is none, or none that differs in the first link."""
    rules: dict[Link, Rule] = {}
    for link in group:
        rule = make(link)
        g = np.cos(np.arange(link.child.value.size)).reshape(link.child.value.shape)
        if rule is None or (link is group[0] and np.allclose(rule(g), link.pull(g), rtol=1e-9, atol=0)):
            return None
        rules[link] = rule
    return rules


def with_operand(view: View, place: int, choose: Callable[[Link], Array | None], link: Link) -> Rule | None:
    """The derivative of a link with another array in the place of one operand."""
    own, array = operands(link.child, view.kept), choose(link)
    if array is None or place >= len(own) or own[place].value.shape != array.shape:
        return None
    return other_derivative(view, link, {own[place]: array})


def other_derivative(view: View, link: Link, given: Mapping[Node, Array]) -> Rule | None:
    with np.errstate(all="ignore"):
        if link.pointwise:
            values = pointwise_slopes(link.child, view.kept, given, link.parent, link.cols)
            return partial(link.pull, values=values) if np.isfinite(values).all() else None
        other = jacobian(link.child, link.parent, view.kept, given)
    return other.pull if other and np.isfinite(other.values).all() else None


def operands(node: Node, kept: set[Node]) -> list[Node]:
    """The kept nodes that a node is computed from."""
    found: dict[Node, None] = {}
    for parent in node.parents:
        found |= {parent: None} if parent in kept else dict.fromkeys(operands(parent, kept))
    return list(found)


def instead(view: View, group: Sequence[Link]) -> Iterator[tuple[str, Rules]]:
    """Other derivatives of a function that acts entry by entry."""
    forms: list[tuple[str, Callable[[Array, Array], Array]]] = [
        ("multiplied in twice", lambda d, a: d**2),
        ("divided by, and not multiplied", lambda d, a: reciprocal(d)),
        ("there where it should be 0, and 0 where it should be 1", lambda d, a: 1 - d),
        ("taken for {v}", lambda d, a: a),
        ("taken for 1/{v}", lambda d, a: reciprocal(a)),
        ("multiplied by {v}", lambda d, a: d * a),
        ("divided by {v}", lambda d, a: d * reciprocal(a)),
        ("taken for 1 − {v}", lambda d, a: 1 - a),
        ("taken for {v}²", lambda d, a: a**2),
        ("taken for 1 − {v}²", lambda d, a: 1 - a**2),
        ("taken for 1 + {v}²", lambda d, a: 1 + a**2),
        ("taken for {v} (1 − {v})", lambda d, a: a * (1 - a)),
        ("taken for e^{v}", lambda d, a: np.exp(a)),
        ("taken for |{v}|", lambda d, a: np.abs(a)),
        ("taken for the sign of {v}", lambda d, a: np.sign(a)),
        ("taken for {v} > 0", lambda d, a: 1.0 * (a > 0)),
        ("multiplied by {v} (1 − {v})", lambda d, a: d * a * (1 - a)),
    ]
    for text, form in forms:
        for label, (name, array) in view.arrays(group[0].child.run).items() if "{v}" in text else NO_ARRAY.items():
            if fits(array, group[0].child.value.shape):
                rules = for_all(group, partial(with_derivative, view, form, label))
                if rules:
                    yield text.replace("{v}", name), rules


NO_ARRAY = {"": ("", np.ones(1))}


def with_derivative(view: View, form: Callable[[Array, Array], Array], label: str, link: Link) -> Rule | None:
    """A link with form(derivative, array) in the place of its derivative."""
    _, array = (view.arrays(link.child.run) | NO_ARRAY).get(label, ("", None))
    shape = link.child.value.shape
    if array is None or not fits(array, shape):  # a pass of a loop need not have that array
        return None
    with np.errstate(all="ignore"):
        values = form(link.values, np.broadcast_to(array, shape).ravel() * 1.0)
    return partial(link.pull, values=values) if np.isfinite(values).all() else None


def rearranged(view: View) -> Iterator[Edit]:
    for when, group in view.groups:
        alike = len({link.parent.value.shape for link in group}) == 1  # the passes of a loop need not be
        if len(view.graph.uses[group[0].parent]) > 1 and not when and alike:
            label, name, place = route(group)
            for fact, change in arrangements(group[0].parent.value.shape):
                rules = {link: chained(link.pull, change) for link in group}
                yield Edit(f"rearranged:{label}:{fact}", f"what comes {name} is {fact}", place, rules)
    for node in view.nodes:
        for fact, change in arrangements(node.value.shape):
            yield Edit(
                f"rearranged:{key(node)}:{fact}", f"the gradient of {title(node)} is {fact}", line(node), {node: change}
            )


def arrangements(shape: tuple[int, ...]) -> Iterator[tuple[str, Rule]]:
    axes = range(len(shape))
    for order in list(itertools.permutations(axes))[1:] if len(shape) < 5 else []:
        if tuple(shape[k] for k in order) == shape:
            yield (
                f"transposed to the axes {order}" if len(shape) > 2 else "transposed",
                partial(np.transpose, axes=order),
            )
    for count in axes:
        for some in itertools.combinations(axes, count + 1):
            where = ", ".join(map(str, some))
            yield f"reversed along axis {where}", partial(np.flip, axis=some)
            yield f"summed over axis {where}", partial(spread, np.sum, some)
            yield (
                f"averaged over axis {where}",
                partial(spread, np.mean, some),
            )
    for axis, length in enumerate(shape):
        for which, chosen in {"first": 0, "last": length - 1}.items() if length > 1 else ():
            only = (np.arange(length) == chosen).reshape([-1 if k == axis else 1 for k in axes])
            yield f"kept only where axis {axis} is at its {which} place", partial(np.multiply, only)
            yield f"left out where axis {axis} is at its {which} place", partial(np.multiply, ~only)
        for step in (1, -1):
            at = [slice(None)] * axis + [slice(0, 1) if step > 0 else slice(-1, None)]
            yield f"shifted by {step} along axis {axis}", partial(shifted, step=step, axis=axis, at=tuple(at))
            yield f"rolled by {step} along axis {axis}", partial(np.roll, shift=step, axis=axis)


def spread(total: Callable[..., Array], axes: tuple[int, ...], g: Array) -> Array:
    return np.broadcast_to(total(g, axes, keepdims=True), g.shape)


def shifted(g: Array, step: int, axis: int, at: tuple[slice, ...]) -> Array:
    g = np.roll(g, step, axis)
    g[at] = 0
    return g


def exchanged(view: View) -> Iterator[Edit]:
    nodes = view.nodes
    for one, other in itertools.combinations(nodes, 2):
        if one.value.shape == other.value.shape and len(nodes) < 60:
            fact = f"the gradients of {title(one)} and {title(other)} are exchanged"
            both = {a: partial(given_gradient, view.gradients[b]) for a, b in ((one, other), (other, one))}
            yield Edit(f"both exchanged:{key(one)}:{key(other)}", fact, line(one), both)
    for one, other in itertools.permutations(nodes, 2):
        if one.value.shape == other.value.shape and len(nodes) < 60:
            fact = f"the gradient of {title(other)} is in the place of that of {title(one)}"
            yield Edit(
                f"exchanged:{key(one)}:{key(other)}",
                fact,
                line(one),
                {one: partial(given_gradient, view.gradients[other])},
            )
    for when, group in view.groups:
        label, name, place = route(group)
        for which, order in (("last", 1), ("first", -1)):
            if len(group) > 1 and len({link.parent for link in group}) == 1:
                passes = group[::order]
                rules = {link: partial(unless_later, link, passes[k + 1 :]) for k, link in enumerate(passes)}
                fact = f"of the passes {name}, the {which} overwrites the others: = in the place of +="
                yield Edit(f"overwritten:{label}:{which}", fact, place, rules)
            elif not when and any(len(np.unique(link.cols)) < len(link.cols) for link in group):
                fact = f"of all that comes {name} to one entry, only the {which} counts: = in the place of +="
                yield Edit(
                    f"once:{label}:{which}", fact, place, {link: partial(assigned, link, order) for link in group}
                )


def given_gradient(gradient: Array, g: Array) -> Array:
    return gradient


def unless_later(link: Link, later: Sequence[Link], g: Array) -> Array:
    """What a link gives to the entries that no later pass writes."""
    pulled = link.pull(g)
    written = np.unique(np.concatenate([np.zeros(0, int), *(other.cols for other in later)]))
    pulled.ravel()[written] = 0
    return pulled


def assigned(link: Link, order: int, g: Array) -> Array:
    values = (link.values * g.ravel()[link.rows])[::order]
    result = np.zeros(link.parent.value.size)
    for col, value in zip(link.cols[::order], values, strict=True):
        result[col] = value or result[col]
    return result.reshape(link.parent.value.shape)


def two_cuts(view: View) -> Iterator[Edit]:
    groups = [group for when, group in view.groups if not when]
    for one, other in itertools.combinations(groups, 2) if len(groups) < 20 else []:
        (label, name, place), (second, its_name, _) = route(one), route(other)
        rules = {link: zero(link) for link in (*one, *other)}
        yield Edit(f"missing:{label}:{second}", f"the routes {name} and {its_name} are missing", place, rules)


LEVELS: tuple[Level, ...] = (missing, left_out, factor, operand, rearranged, exchanged, two_cuts)
