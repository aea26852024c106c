"""One backward pass on a drawn graph: values go forward, gradients go backward, and why in this direction.

A loss is computed in steps, each from the results of earlier ones: the steps are the nodes of a graph. On a small graph
every number is shown, both ways, with a value that is used twice. The same gradients can be had in the other direction,
by *forward mode*. What each costs is counted, on this graph and on the network of the thesis, where an array counts the
multiplications while the library works. A few seconds; nothing is trained.
"""

# %%
# **The graph.** An expression that can be followed by hand. It uses w twice:
#
#     loss = (tanh(w·x + b)·w − t)²
#
# A node has an operation, the nodes it takes as inputs, a value, and for each input a *local slope*, the partial
# derivative: if this input grows a little and the others stay, the value grows slope times as much. The nodes stand in
# *topological order*, each after those that it uses, so that one loop computes all values.

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchnn import VAE, Dense, ReLU, Sequential
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures
from scratchnn.scripts.lecture import Lecture
from scratchnn.scripts.thesis import thesis_vae

lecture = Lecture("backward_on_a_graph")
Result = tuple[float, tuple[float, ...]]  # a value, and its slopes


def times(u: float, v: float) -> Result:
    return u * v, (v, u)


def plus(u: float, v: float) -> Result:
    return u + v, (1.0, 1.0)


def minus(u: float, v: float) -> Result:
    return u - v, (1.0, -1.0)


def tanh(u: float) -> Result:
    y = math.tanh(u)
    return y, (1 - y**2,)


def square(u: float) -> Result:
    return u**2, (2 * u,)


@dataclass
class Node:
    name: str
    formula: str
    operation: Callable[..., Result]
    inputs: tuple[str, ...]
    value: float = math.nan
    slopes: tuple[float, ...] = ()
    gradient: float = math.nan  # ∂loss/∂value


GIVEN = {"x": 3.0, "w": 0.4, "b": -0.5, "t": 0.8}
steps = [
    Node("p", "w·x", times, ("w", "x")),
    Node("a", "p + b", plus, ("p", "b")),
    Node("y", "tanh(a)", tanh, ("a",)),
    Node("s", "y·w", times, ("y", "w")),
    Node("e", "s − t", minus, ("s", "t")),
    Node("loss", "e²", square, ("e",)),
]
given = [Node(name, "given", lambda value=value: (value, ()), ()) for name, value in GIVEN.items()]
graph = {node.name: node for node in [*given, *steps]}


def forward(moved: str = "", by: float = 0.0) -> float:
    """Computes all values, and returns the loss. The value called `moved` is `by` larger than it would be."""
    for node in graph.values():
        node.value, node.slopes = node.operation(*(graph[q].value for q in node.inputs))
        if node.name == moved:
            node.value += by
    return graph["loss"].value


forward()
print("1. Forward: values, and the slope of every step along each of its inputs")
for node in graph.values():
    slopes = "".join(f"   ∂{node.name}/∂{q} = {slope:.4f}" for q, slope in zip(node.inputs, node.slopes, strict=True))
    print(f"   {node.name:4} = {node.formula:7} = {node.value:7.4f}{slopes}")

# %%
# **Backward.** dq stands for ∂loss/∂q. If q grows a little, each node f that uses it grows ∂f/∂q times as much, and the
# loss grows df times as much as f. What q does through several nodes adds up:
#
#     dq = Σ_f df ∂f/∂q        f: all nodes that use q
#
# The loop gives every input its share df ∂f/∂q, and `+=` is the sum: w gets one share from s and one from p. In reverse
# order, all nodes that use q come before q itself, so dq is complete when it is handed on.

wires = {}  # the share of q that comes from f, by (q, f)
for node in graph.values():
    node.gradient = 0.0
graph["loss"].gradient = 1.0
for node in reversed(steps):
    for q, slope in zip(node.inputs, node.slopes, strict=True):
        wires[q, node.name] = node.gradient * slope
        graph[q].gradient += wires[q, node.name]

STEP = 1e-5
measured = {q: (forward(q, STEP) - forward(q, -STEP)) / (2 * STEP) for q in graph}
forward()

print("\n2. Backward: gradients, and the same by moving each value by ±1e-5")
for node in reversed(graph.values()):
    shares = " + ".join(
        f"d{f.name}·∂{f.name}/∂{node.name}" for f in reversed(steps) if node.name in f.inputs
    ) or "1, by definition"  # fmt: skip
    print(f"   d{node.name:4} = {shares:25} = {node.gradient:7.4f}   measured {measured[node.name]:7.4f}   "
          f"difference {abs(node.gradient - measured[node.name]):.0e}")  # fmt: skip
print(f"   dw is a sum of two: {wires['w', 's']:.4f} from s and {wires['w', 'p']:.4f} from p")

# %%
# **Forward mode.** Every value can carry its derivative along: u + u′ ε, where u′ is ∂u/∂q for one chosen input q, and
# ε² = 0 (a *dual number*). Then Taylor's series ends after the first derivative, which is the rule for every step:
#
#     f(u + u′ ε)           = f(u) + ∂f/∂u u′ ε
#     f(u + u′ ε, v + v′ ε) = f(u, v) + (∂f/∂u u′ + ∂f/∂v v′) ε        for example u v + (v u′ + u v′) ε
#
# It starts with q′ = 1, and 0 for the other inputs; loss′, at the end, is dq. The paths add up here too, at the node
# where they meet. But one pass gives the derivative by one q.


def forward_mode(q: str) -> dict[str, tuple[float, float]]:
    """Every node's value and its derivative by the input q."""
    duals = {node.name: (node.value, float(node.name == q)) for node in given}
    for node in steps:
        value, slopes = node.operation(*(duals[u][0] for u in node.inputs))
        duals[node.name] = value, sum(slope * duals[u][1] for u, slope in zip(node.inputs, slopes, strict=True))
    return duals


passes = {q: forward_mode(q) for q in GIVEN}
print("\n3. Forward mode on the same graph: one pass for each input")
for q, duals in passes.items():
    derivatives = "  ".join(f"{node.name}′ {duals[node.name][1]:7.4f}" for node in steps)
    print(f"   {q}′ = 1:  {derivatives}   difference from d{q} {abs(duals['loss'][1] - graph[q].gradient):.0e}")

# %%
# **What it costs, on the graph.** Both modes multiply once for every wire, by its slope. Reverse mode does so once, for
# all inputs together; forward mode once for every input. Even if it left out the wires that its input does not reach,
# it would need more. And an operation with two inputs has two wires: so in every graph reverse mode costs a small
# multiple of what the loss costs, however many inputs there are (Baur & Strassen, "The complexity of partial
# derivatives", 1983). With one input and many outputs it is the other way round: reverse mode starts at one output.

in_reverse = len(wires)
in_forward = len(passes) * len(wires)
reached = sum(duals[u][1] != 0 for duals in passes.values() for node in steps for u in node.inputs)
print(f"\n4. Multiplications by a slope, {len(GIVEN)} inputs and {len(wires)} wires")
print(f"   reverse mode {in_reverse}, forward mode {in_forward} ({reached} on wires that the input reaches)")

# %%
# **What it costs, on a network.** A dense layer with m inputs and n outputs needs m·n multiply-adds for the values of
# one image. Backward needs as many for dW = xᵀ dy and as many for dx = dy Wᵀ; only the lowest layer does without dx,
# since its x is data. Over all layers:
#
#     values         Σ_l m_l n_l
#     reverse mode   2 Σ_l m_l n_l − m_1 n_1
#
# Forward mode takes a pass for each of the m·n + n parameters of a layer. The pass can start there: y_j′ is x_i for
# W_ij and 1 for b_j, and the rest of y′ is 0. Then comes a product y′ W with the weights of every layer above:
#
#     forward mode   Σ_l (m_l n_l + n_l) Σ_(k>l) m_k n_k
#
# Matrix products only: what is done element by element is little beside them. The values, which both need, are not
# counted in (dual numbers would compute them again in every pass).

N_X, N_Z, HIDDEN = 784, 20, 500  # of the thesis


def layers_of(hidden: int) -> list[tuple[int, int]]:
    """(m, n) of the dense layers of the thesis's network, with other numbers of hidden units."""
    encoder = [(N_X, hidden), (hidden, hidden), (hidden, 2 * N_Z)]
    return [*encoder, (N_Z, hidden), (hidden, hidden), (hidden, N_X)]


def formulas(layers: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    """The number of parameters, and the multiply-adds for one image: values, reverse mode, forward mode."""
    products = [m * n for m, n in layers]
    parameters = [m * n + n for m, n in layers]
    reverse_mode = 2 * sum(products) - products[0]
    one_by_one = sum(passes * sum(products[at + 1 :]) for at, passes in enumerate(parameters))
    return sum(parameters), sum(products), reverse_mode, one_by_one


# %%
# **Is it so?** Here is an array that counts. NumPy calls `__array_ufunc__` of such an array for every operation that it
# takes part in, `@` among them: the method counts, does the operation on plain arrays, and returns one that counts
# again. So the library's own forward and backward are counted without a change in them. Forward mode is written out
# below, on the same layers: it puts a 1 at one parameter and carries the derivatives by that parameter through all
# layers behind it. That is a pass for each parameter, so the networks are small. It must find the same gradient.


class Counted(np.ndarray):
    """An array that counts the multiply-adds of all matrix products that it, or what comes of it, takes part in."""

    multiply_adds = 0
    __array_priority__ = 1.0  # joined with an ordinary array, it stays one that counts

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc is np.matmul:
            Counted.multiply_adds += inputs[0].size * inputs[1].shape[1]  # (N, m) (m, n): N·m·n
        inputs = tuple(plain(x) for x in inputs)
        if "out" in options:
            options["out"] = tuple(plain(x) for x in options["out"])
        y = getattr(ufunc, method)(*inputs, **options)
        return y.view(Counted) if isinstance(y, np.ndarray) else y


def plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, Counted) else x


def count(work: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
    """What `work(*arguments)` returns, and how many multiply-adds it took."""
    before = Counted.multiply_adds
    return work(*arguments), Counted.multiply_adds - before


def by_forward_mode(model: VAE, x: Array, eps: Array) -> Array:
    """The gradient of the loss of one image, in as many passes as there are parameters."""
    model.forward(x, eps)
    dlogits = model.likelihood.backward(-np.ones(1))
    dheads = np.concatenate(model.divergence.backward(np.ones(1)), axis=1)  # through the KL alone
    assert isinstance(model.encoder, Sequential) and isinstance(model.decoder, Sequential)
    chain = [*model.encoder.layers, model.sampler, *model.decoder.layers]
    kept = [step.take_cache()[0] for step in chain]

    def one_pass(at: int, dots: Array) -> float:
        """∂loss/∂q, where dots are the derivatives by q of the outputs of chain[at]."""
        slope = 0.0
        for step, cache in zip(chain[at + 1 :], kept[at + 1 :], strict=True):
            if isinstance(step, Dense):
                dots = dots.view(Counted) @ step.W
            elif isinstance(step, ReLU):
                dots = dots * step.slope(cache)
            else:  # the sampler: mean and log_var are used twice, in the KL and in z
                slope += np.sum(dheads * dots)
                dots = dots[:, : model.n_z] + dots[:, model.n_z :] * 0.5 * cache
        return slope + np.sum(dlogits * dots)

    gradient = []
    for at, layer in enumerate(chain):
        if isinstance(layer, Dense):
            for i in range(layer.n_in + 1):  # the weights row by row, then the biases, as in model.params
                entered = kept[at][:, i] if i < layer.n_in else 1.0
                for j in range(layer.n_out):
                    dots = np.zeros((1, layer.n_out))
                    dots[:, j] = entered
                    gradient.append(one_pass(at, dots))
    return np.array(gradient)


rng = np.random.default_rng(0)
SMALL = (1, 2, 4)
counted = {}  # multiply-adds for values, reverse mode and, where there are not too many passes, forward mode
differences = {}  # between the two gradients
for hidden in (*SMALL, HIDDEN):
    model = thesis_vae(N_X, hidden, N_Z, rng).astype(np.float64)
    x, eps = rng.random((1, N_X)), rng.standard_normal((1, N_Z))
    _, for_values = count(model.forward, x.view(Counted), eps)
    _, for_reverse = count(model.backward, np.ones(1))
    counted[hidden] = [for_values, for_reverse]
    if hidden in SMALL:
        gradient, for_forward = count(by_forward_mode, model, x, eps)
        counted[hidden].append(for_forward)
        differences[hidden] = np.linalg.norm(gradient - model.grads) / np.linalg.norm(model.grads)


def row(numbers: list[int]) -> str:
    return "".join(f"{number:18,}" for number in numbers)


print("\n5. Multiply-adds for the gradient of one image")
print("   hidden units   parameters                      values      reverse mode      forward mode")
for hidden, found in counted.items():
    n_parameters, *by_formula = formulas(layers_of(hidden))
    print(f"   {hidden:12} {n_parameters:12,}   formula{row(by_formula)}")
    print(f"   {'':12} {'':12}   counted{row(found)}")
print(f"   (with {HIDDEN} hidden units, forward mode would be {n_parameters:,} passes)")
print("   difference of the two gradients, relative to their length: "
      + ", ".join(f"{difference:.0e}" for difference in differences.values()))  # fmt: skip
for_values, for_reverse, for_forward = by_formula
print(f"   The thesis's network: reverse mode costs {for_reverse / for_values:.2f} times what the values cost, "
      f"forward mode {for_forward / for_reverse:,.0f} times reverse mode")  # fmt: skip

# %%
# **What reverse mode pays.** Its slopes come from the values, and it starts at the end: so forward keeps the input or
# output of every layer until then. A pass of forward mode uses each slope at once, and forgets each layer as soon as it
# has the next. Here is what the library keeps, each piece of memory once.

BATCH = 100


def owner(array: Array) -> Array:
    """The array whose memory this one looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


model = thesis_vae(N_X, HIDDEN, N_Z, rng)  # float32, as in training
images, noise = rng.random((BATCH, N_X), dtype=np.float32), rng.standard_normal((BATCH, N_Z), dtype=np.float32)
model.forward(images, noise)
kept = {id(owner(array)): owner(array) for module in model.walk() for array in module.cache or ()}
numbers_kept = sum(array.size for array in kept.values()) // BATCH
at_once = max(2 * (m + n) for m, n in layers_of(HIDDEN))
print("\n6. Memory of the thesis's network")
print(f"   reverse mode: forward keeps {numbers_kept:,} numbers for an image, {numbers_kept * BATCH * 4 / 1e6:.2f} MB "
      f"for a batch of {BATCH} (the parameters: {model.params.nbytes / 1e6:.2f} MB)")  # fmt: skip
print(f"   each further hidden layer would add {HIDDEN} numbers for an image")
print(f"   forward mode: at most {at_once:,} at a time (x and y of a layer, and their derivatives), at any depth")

# %%
# **In one picture.** The nodes stand by level: one further to the right than the last node that they use.

FORWARD, BACKWARD = "#1b4f86", "#bd1f01"
APART = 0.045  # half the distance of the two arrows of a wire

place: dict[str, tuple[float, float]] = {}
for node in steps:
    level = 1 + max(place[q][0] if q in place else 0 for q in node.inputs)
    place[node.name] = level, 0
for q in GIVEN:
    users = [f.name for f in steps if q in f.inputs]
    place[q] = (place[users[0]][0], -1.15) if len(users) == 1 else (0, 0)  # below its user, or at the beginning

figure = figures.new_figure(
    9, 6.4, "Every number of one backward pass, and why backward: forward mode needs a pass for each parameter"
)
above, below = figure.subplots(2, 1, height_ratios=[1.15, 1])


def shown(number: float) -> str:
    return f"{number:.3f}".replace("-", "−")


def arrow(points: Array, colour: str) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    above.add_patch(FancyArrowPatch(path=Path(points), arrowstyle="-|>", mutation_scale=9, color=colour, linewidth=1.1))


def wire(corners: list[tuple[float, float]], from_edge: Array, to_edge: Array, value: float, gradient: float) -> None:
    """Two arrows along the corners, value and gradient, each with its number on its side of the longest part.

    The edges are half the width and height of the nodes at both ends.
    """
    points = np.array(corners, dtype=float)
    along = np.sign(np.diff(points, axis=0))  # of each part: right, left, up or down
    points[0] += along[0] * from_edge
    points[-1] -= along[-1] * to_edge
    left = np.stack([-along[:, 1], along[:, 0]], axis=1)
    side = np.concatenate([left[:1], left[:-1] + left[1:], left[-1:]])  # at a corner, those of both parts
    arrow(points + APART * side, FORWARD)
    arrow((points - APART * side)[::-1], BACKWARD)
    longest = np.argmax(np.abs(np.diff(points, axis=0)).sum(axis=1))
    middle = (points[longest] + points[longest + 1]) / 2
    if along[longest][1]:  # upwards: each number nearer to where its arrow comes from
        numbers = (value, FORWARD, -1, "right", "center"), (gradient, BACKWARD, 1, "left", "center")
    else:
        numbers = (value, FORWARD, 1, "center", "bottom"), (gradient, BACKWARD, -1, "center", "top")
    for number, colour, up, ha, va in numbers:
        x, y = middle + 2 * APART * (left[longest] if colour == FORWARD else -left[longest])
        y += 0.16 * up * abs(along[longest][1])
        above.text(x, y, shown(number), color=colour, fontsize=9, ha=ha, va=va)


edges = {}
for node in graph.values():
    text = f"{node.name}\n{node.formula}" if node.inputs else node.name
    edges[node.name] = np.array([0.14 + 0.028 * max(map(len, text.split("\n"))), 0.24 if node.inputs else 0.17])
    used_twice = sum(node.name in f.inputs for f in steps) == 2
    box: dict[str, Any] = {"boxstyle": "round,pad=0.3", "facecolor": "white" if node.inputs else "#e8e8e8"}
    box |= {"edgecolor": BACKWARD, "linewidth": 2} if used_twice else {"edgecolor": "black"}
    above.text(*place[node.name], text, ha="center", va="center", fontsize=9, bbox=box)
for (q, f), share in wires.items():
    start, end = place[q], place[f]
    over = [(start[0], 0.9), (end[0], 0.9)] if end[0] - start[0] > 1 else []
    wire([start, *over, end], edges[q], edges[f], graph[q].value, share)
loss, start = graph["loss"], place["loss"]
wire([start, (start[0] + 0.9, 0)], edges["loss"], np.zeros(2), loss.value, loss.gradient)
by_s, by_p, dw = shown(wires["w", "s"]), shown(wires["w", "p"]), shown(graph["w"].gradient)
above.text(
    -0.8, -0.4, f"w is used twice:\nthe gradients add up\ndw = {by_s}\n   + ({by_p})\n   = {dw}",
    color=BACKWARD, fontsize=9, va="top", linespacing=1.3,
)  # fmt: skip
above.text(3.55, -0.75, "→ value, forward", color=FORWARD, fontsize=9, ha="center")
above.text(3.55, -1.0, "← gradient, backward", color=BACKWARD, fontsize=9, ha="center")
above.set(xlim=(-0.8, start[0] + 0.95), ylim=(-1.42, 1.15))
above.set_axis_off()
above.set_title("loss = (tanh(w·x + b)·w − t)²", fontsize=9)

widths = np.unique(np.geomspace(1, 2000, 60).round().astype(int)).tolist()
sizes, _, in_reverse_mode, in_forward_mode = np.array([formulas(layers_of(h)) for h in widths], dtype=float).T
below.loglog(sizes, in_forward_mode, color=FORWARD)
below.loglog(sizes, in_reverse_mode, color=BACKWARD)
for hidden, (_, *found) in counted.items():
    for number, colour in zip(found, (BACKWARD, FORWARD), strict=False):
        below.plot(formulas(layers_of(hidden))[0], number, "o", color=colour, markersize=4)
below.vlines(n_parameters, for_reverse, for_forward, color="black", linestyle=":", linewidth=1)
below.annotate(f"the thesis's network:\n{for_forward / for_reverse:,.0f} times as much",
               (n_parameters, math.sqrt(for_reverse * for_forward)), (-6, 0), textcoords="offset points", fontsize=9,
               ha="right", va="center")  # fmt: skip
for text, colour, curve in (
    ("forward mode: a pass for each parameter", FORWARD, in_forward_mode),
    ("reverse mode: one pass for all", BACKWARD, in_reverse_mode),
):
    at = sizes[len(sizes) // 3], curve[len(sizes) // 3]
    below.annotate(text, at, (-4, 8), textcoords="offset points", color=colour, fontsize=9, ha="right")
below.grid(alpha=0.25)
below.set(xlabel="parameters (the thesis's network with 1 to 2,000 hidden units)", ylabel="multiply-adds")
below.set_title("the gradient of one image: lines by formula, dots counted", fontsize=9)
lecture.show(figure)
