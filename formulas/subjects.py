"""What the names in the formulas of a class or an exercise mean: a forward and a backward pass, and all they computed.

Classes are found by the cases of tests/cases.py, optimisers as subclasses of Optimiser, exercises by their files. What
neither the code nor the docstring says stands in SIMPLER and in `sizes_of`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import numpy as np

from formulas.execute import Subject
from formulas.find import PACKAGE, ROOT, Line, texts
from scratchnn import Bernoulli, grey_likelihoods, iwae, layers, likelihoods, optim
from scratchnn.exercises import exercise

sys.path.insert(0, str(ROOT / "tests"))
from cases import CASES, Case, dense

SEED = 3
# The formulas are those of one stride and of an image that has its padding already; of batch normalisation for (N, C);
# of levels that are neither the first nor the last.
SIMPLER: dict[type, Case] = {
    layers.Conv2D: Case(
        lambda rng: layers.Conv2D(4, 5, (3, 2), rng, stride=2, b=rng.normal(size=5), dtype=np.float64),
        lambda rng: (rng.normal(size=(8, 4, 14, 15)),), lambda *_: None,
    ),
    layers.ConvTranspose2D: Case(
        lambda rng: layers.ConvTranspose2D(
            3, 5, (4, 2), rng, stride=3, output_padding=(2, 1), b=rng.normal(size=5), dtype=np.float64
        ),
        lambda rng: (rng.normal(size=(8, 3, 6, 7)),), lambda *_: None,
    ),
    layers.BatchNorm: Case(
        CASES[layers.BatchNorm].make, lambda rng: (rng.normal(1, 2, size=(5, 3)),), lambda *_: None
    ),
    grey_likelihoods.DiscretisedLogistic: replace(
        CASES[grey_likelihoods.DiscretisedLogistic], constants=lambda rng: (rng.integers(1, 6, (5, 3)) / 6,)
    ),
}  # fmt: skip


def subjects_of(owner: str, path: Path) -> list[Subject]:
    """How the formulas of a docstring can be executed: none for a module's own text and for abstract classes."""
    if path.parent.name == "ladder":
        return [of_exercise(path)]
    module = importlib.import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
    cls = getattr(module, owner, None) if owner else None
    if cls is layers.Elementwise:
        return [of_module(case) for case in CASES if issubclass(case, layers.Elementwise)]
    if isinstance(cls, type) and cls in CASES:
        return [of_module(cls)]
    if cls is iwae.IWAE:
        return [of_iwae()]
    if isinstance(cls, type) and issubclass(cls, optim.Optimiser) and cls is not optim.Optimiser:
        return [of_optimiser(cls)]
    return []


def text_of(line: Line) -> str:
    """The words around a formula: of its docstring, or of an exercise all it says."""
    tree = ast.parse(line.path.read_text(encoding="utf-8"))
    is_exercise = line.path.parent.name == "ladder"
    return "\n".join(str(node.value) for owner, node in texts(tree) if is_exercise or owner == line.owner)


def of_module(cls: type) -> Subject:
    """A layer, loss, likelihood, sampler or divergence, by its case."""
    rng = np.random.default_rng(SEED)
    case = SIMPLER.get(cls, CASES[cls])
    layer: Any = case.make(rng)
    inputs, constants = case.inputs(rng), case.constants(rng)
    names = list(inspect.signature(layer.forward).parameters)
    known: dict[str, Any] = dict(zip(names, (*inputs, *constants), strict=False))
    with recording(lambda frame: frame.f_locals.get("self") is layer) as computed:
        y = layer.forward(*inputs, *constants)
        (upstream,) = inspect.signature(layer.backward).parameters
        dy = rng.normal(size=y.shape)
        dx = layer.backward(dy)
    known |= {upstream: dy, upstream[1:]: y} | dict(layer.parameters)
    known |= {f"d{name}": gradient for name, gradient in layer.gradients.items()}
    known |= {f"d{name}": d for name, d in zip(names, dx if isinstance(dx, tuple) else (dx,), strict=False)}
    known |= {name: value for name, value in vars(layer).items() if isinstance(value, float | int)}
    known = {**shapes(inspect.getdoc(cls) or "", known), **known, **sizes_of(layer, known)}
    windows = [getattr(layer, name) for name in ("kernel", "size", "factor") if hasattr(layer, name)]
    ranges = dict(zip("uv", windows[0], strict=True)) if windows else {}
    functions: dict[str, Callable[..., Any]] = {}
    if isinstance(layer, layers.Elementwise):
        functions["f"] = layer.function
    if isinstance(layer, likelihoods.Likelihood):
        functions["mean"] = layer.mean
    return Subject(tuple(names[: len(inputs)]), {**computed, **known}, functions=functions, ranges=ranges)


def sizes_of(layer: Any, known: dict[str, Any]) -> dict[str, int]:
    """Numbers that formulas call by one letter: the stride s, the factors f and g, the m numbers of a unit, H and W."""
    found = {}
    if hasattr(layer, "stride"):
        found["s"] = layer.stride[0]
    if hasattr(layer, "factor"):
        found["f"], found["g"] = layer.factor
    if isinstance(layer, layers.BatchNorm):
        found["m"] = len(known["x"])
    if isinstance(layer, layers.Flatten):
        found["H"], found["W"] = known["x"].shape[2:]
    return found


def of_iwae() -> Subject:
    """The importance-weighted bound of small networks, with an index for the draws: (N·K, …) is (N, K, …) here."""
    rng = np.random.default_rng(SEED)
    N, K = 5, 4
    model = iwae.IWAE(dense(3, 4, rng), dense(2, 3, rng), Bernoulli(), n_z=2, n_draws=K).astype(np.float64)
    with recording(lambda frame: frame.f_locals.get("self") is model) as known:
        (loss,) = model.forward(rng.integers(0, 2, (N, 3)).astype(float), rng.normal(size=(N * K, 2)))
        dloss = rng.normal(size=N)
        model.backward(dloss)
    known |= {"loss": loss, "dloss": dloss, "n_draws": K}
    for name, rows in known.items():
        if np.shape(rows)[:1] == (N * K,):
            known[name] = np.reshape(rows, (N, K, *rows.shape[1:]))
    return Subject(("x",), known)


def of_optimiser(cls: type) -> Subject:
    """An optimiser that has made two steps, and its third."""
    rng = np.random.default_rng(SEED)
    model = SimpleNamespace(params=rng.normal(size=7), grads=rng.normal(size=7))
    given = {"momentum": 0.8} if "momentum" in inspect.signature(cls).parameters else {}
    optimiser = cls(model, lr=0.03, **given)
    for _ in range(2):
        optimiser.step()
        model.grads = rng.normal(size=7)

    def state() -> dict[str, Any]:
        return {
            name: np.copy(value)
            for name, value in {**vars(optimiser), **vars(model)}.items()
            if isinstance(value, np.ndarray | float | int)
        }

    known = state()
    optimiser.step()
    return Subject((), {**known, **({"t": known["t"] + 1} if "t" in known else {})}, state())


def of_exercise(path: Path) -> Subject:
    """An exercise, by its own forward and its solution."""
    name = path.stem.partition("_")[2]
    module = exercise.reference(name)
    task = module.EXERCISE
    if not isinstance(task, exercise.Exercise):
        return Subject((), {})
    known: dict[str, Any] = {key: value for key, value in vars(module).items() if isinstance(value, float)}
    known |= task.sizes[0]
    values = exercise.values_of(task, 0, SEED)
    inputs = tuple(task.inputs(SimpleNamespace(**task.sizes[0]), np.random.default_rng(0)))
    rng = np.random.default_rng(SEED)
    solve = getattr(module, task.function)
    with recording(lambda frame: frame.f_code.co_filename == module.__file__) as computed:
        if not hasattr(module, "forward"):
            after = dict(zip(exercise.outputs_of(name), solve(**values), strict=True))
            ranges = {"k": values["t"]} if "t" in values else {}
            return Subject(inputs, {**known, **values}, after, ranges=ranges)
        y, cache = module.forward(**values)
        dy = tuple(rng.normal(size=part.shape) for part in y) if isinstance(y, tuple) else rng.normal(size=y.shape)
        solve(dy, cache)
    upstream = next(iter(inspect.signature(solve).parameters))
    if not isinstance(dy, tuple):
        known |= {upstream: dy, upstream[1:]: y}
    return Subject(inputs, {**computed, **known, **values})


@contextmanager
def recording(wanted: Callable[[FrameType], bool]) -> Iterator[dict[str, Any]]:
    """The arrays and numbers that the functions in `wanted` frames have as local variables when they return."""
    computed: dict[str, Any] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and wanted(frame):
            for name, value in frame.f_locals.items():
                if isinstance(value, np.ndarray | float | int) and not isinstance(value, bool):
                    computed[name] = np.copy(value)

    sys.setprofile(note)
    try:
        yield computed
    finally:
        sys.setprofile(None)


def shapes(docstring: str, known: dict[str, Any]) -> dict[str, int]:
    """The sizes that *Shapes* gives names to: x (N, D) says what N and D are."""
    section = re.search(r"^Shapes\n((?:    .*\n)+)", docstring, re.MULTILINE)
    found: dict[str, int] = {}
    for names, sizes in re.findall(r"((?:\w+(?:,| and|) )+)\(([^()]*)\)", section[1] if section else ""):
        symbols = [symbol.strip() for symbol in sizes.split(",") if symbol.strip()]
        for name in re.findall(r"\w+", names):
            if isinstance(known.get(name), np.ndarray) and known[name].ndim == len(symbols):
                found |= {s: n for s, n in zip(symbols, known[name].shape, strict=True) if s.isidentifier()}
    return found
