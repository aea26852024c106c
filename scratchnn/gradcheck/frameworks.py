"""The same check for backward passes that are written for PyTorch or JAX.

`torch.autograd.Function` and `jax.custom_vjp` are where people write a backward pass today. Here such a pair becomes
two functions of NumPy arrays, which check.py takes like any other: the arrays are what finite differences move, and
become tensors at every call. The calls go through the framework itself, so what it accepts or refuses counts.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial, wraps
from typing import Any

import numpy as np

from scratchnn.gradcheck.check import check_function, described_error
from scratchnn.gradcheck.graph import Traced
from scratchnn.gradcheck.intermediates import plain
from scratchnn.gradcheck.problem import GradientError, as_tuple
from scratchnn.gradcheck.report import Report
from scratchnn.gradcheck.tensors import Context, TracedTensor
from scratchnn.machinery.checks import type_name
from scratchnn.machinery.extras import missing
from scratchnn.machinery.parameters import Array

Inputs = Mapping[str, Any] | Sequence[Any]


def check_autograd_function(function: Any, inputs: Inputs, constants: Sequence[Any] = (), seed: int = 0) -> Report:
    """Checks the backward of a subclass of `torch.autograd.Function`; GradientError if a gradient is wrong.

    `inputs` are float64 arrays or tensors of any shapes, in a dict by the names of forward's arguments, or a list of
    the first ones; `constants` are the others in their order, float arrays that need no gradient among them. forward
    has `ctx` as its first argument, or leaves it to `setup_context`; it must not overwrite an input (`mark_dirty`).
    Outputs without a gradient, such as places, are left out.

    Besides what check_function sees to, backward must give the same where PyTorch calls it in another way:
    `expect_any_use`.
    """
    torch = framework("torch", "PyTorch")
    known = isinstance(function, type) and issubclass(function, torch.autograd.Function)
    if not known:
        raise TypeError(f"expected a subclass of torch.autograd.Function, got {type_name(function)}")
    first = int(function.setup_context is torch.autograd.Function.setup_context)  # the argument after ctx
    arrays, fixed, ordered = by_name(function.forward, first, inputs, constants)

    def tensor(value: Any) -> Any:
        if isinstance(value, Traced):
            return TracedTensor(value.node, value.tape)
        return torch.as_tensor(value) if isinstance(value, np.ndarray) else value

    def applied(forward: Any, values: Sequence[Any], needed: Sequence[str]) -> tuple[list[Any], list[Any]]:
        """The tensors of the inputs `needed`, and the outputs that have a gradient."""
        given = dict(zip([*arrays, *fixed], map(tensor, values), strict=True))
        leaves = [given[name].requires_grad_() for name in needed]
        outputs = as_tuple(with_forward(function, forward).apply(*ordered(given)))
        return leaves, [y for y in outputs if getattr(y, "requires_grad", False)]

    def pulled(cache: tuple[list[Any], list[Any]], upstreams: Sequence[Any]) -> tuple[Array | None, ...]:
        """One gradient for each input; an upstream gradient of None is that of an output that is not used."""
        leaves, outputs = cache
        used = [
            (y, torch.as_tensor(u, dtype=y.dtype)) for y, u in zip(outputs, upstreams, strict=True) if u is not None
        ]
        try:
            ys, us = zip(*used, strict=True)
            found = torch.autograd.grad(ys, leaves, us, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            raise GradientError(f"{function.__name__}: PyTorch ends backward with an error: {error}") from error
        return tuple(None if g is None else plain(g) for g in found)

    def forward(code: Any, *values: Any) -> tuple[Any, Any]:
        leaves, outputs = applied(code, values, [*arrays])
        if not outputs:
            raise TypeError(f"{function.__name__}: no output of forward has a gradient")
        return one_or_all([y.detach().numpy() for y in outputs]), (leaves, outputs)

    def recorded(*values: Any) -> tuple[Any, Any]:
        given = dict(zip([*arrays, *fixed], map(tensor, values), strict=True))
        outputs: Any = as_tuple(function.forward(*[Context()][:first], *ordered(given)))
        return one_or_all([y for y in outputs if isinstance(y, Traced)]), None

    def gradients(needed: Sequence[str], upstreams: Sequence[Any]) -> dict[str, Array | None]:
        cache = applied(function.forward, [*map(np.array, arrays.values()), *fixed.values()], needed)
        return dict(zip(needed, pulled(cache, upstreams), strict=True))

    backward = adapted(function.backward, lambda _, dy, cache: pulled(cache, as_tuple(dy)), function.__name__)
    report = check_function(
        adapted(function.forward, forward, recorded=recorded), backward, arrays, [*fixed.values()], seed=seed
    )
    outputs = as_tuple(forward(function.forward, *map(np.array, arrays.values()), *fixed.values())[0])
    expect_any_use(function.__name__, gradients, [*arrays], [torch.ones(y.shape, dtype=torch.float64) for y in outputs])
    return report


def expect_any_use(
    subject: str,
    gradients: Callable[[Sequence[str], Sequence[Any]], Mapping[str, Array | None]],
    names: Sequence[str],
    ones: Sequence[Any],
) -> None:
    """GradientError unless backward gives the same gradients in the other ways in which PyTorch calls it: with the
    upstream gradient that `y.sum(0)` makes, whose rows are one and the same; for one input alone, as
    `needs_input_grad` then says; for one output alone.

    `gradients(needed, upstreams)` are those of the inputs of these names; an upstream gradient of None is that of an
    output that is not used. `ones` are tensors of the outputs' shapes.
    """
    right = gradients(names, ones)

    def expect(when: str, wanted: Mapping[str, Array | None], needed: Sequence[str], upstreams: Sequence[Any]) -> None:
        try:
            found = gradients(needed, upstreams)
        except Exception as error:
            raise GradientError(f"{subject}: backward fails {when}. {described_error(error)}") from error
        for name, gradient in found.items():
            one, other = (np.zeros(()) if g is None else g for g in (wanted[name], gradient))
            if not np.allclose(one, other, rtol=1e-9, atol=1e-12 * np.max(np.abs(one))):
                raise GradientError(f"{subject}: backward gives another d{name} {when}")

    spread = [u[:1].expand(u.shape) if u.ndim else u for u in ones]
    expect("for an upstream gradient that is laid out as that of y.sum(0)", right, names, spread)
    for name in names:
        expect(f"where {name} alone needs a gradient: look at needs_input_grad", right, [name], ones)
    for k in range(len(ones)) if len(ones) > 1 else ():
        zeros = gradients(names, [u * (j == k) for j, u in enumerate(ones)])
        alone = [u if j == k else None for j, u in enumerate(ones)]
        expect(f"where output number {k + 1} alone is used", zeros, names, alone)


def check_custom_vjp(function: Any, inputs: Inputs, constants: Sequence[Any] = (), seed: int = 0) -> Report:
    """Checks the two functions that a `jax.custom_vjp` has by `defvjp(fwd, bwd)`; GradientError if a gradient is wrong.

    `inputs` are float64 arrays of any shapes, or tuples, lists and dicts of them, in a dict by the names of the
    arguments, or a list of the first ones; `constants` are the others in their order, those of `nondiff_argnums` among
    them. float64 is enabled during the check.

    Besides what check_function sees to, the function and its fwd must give the same values.
    """
    jax = framework("jax", "JAX")
    if not isinstance(function, jax.custom_vjp) or function.fwd is None:
        raise TypeError(f"expected a function of jax.custom_vjp, with its fwd and bwd, got {type_name(function)}")
    tree = jax.tree_util
    wanted, fixed, ordered = by_name(function.fun, 0, inputs, constants)
    wanted = dict(sorted(wanted.items(), key=lambda item: not hasattr(item[1], "shape")))  # examples before parameters
    found, structure = tree.tree_flatten_with_path([*wanted.values()])
    long = [[*wanted][path[0].idx] + tree.keystr(path[1:]) for path, _ in found]
    short = [str(getattr(path[-1], "key", name)) for (path, _), name in zip(found, long, strict=True)]
    arrays = {  # W for layer['W'], if there is no other W
        own if own.isidentifier() and short.count(own) == 1 else name: as_numpy(leaf)
        for own, name, (_, leaf) in zip(short, long, found, strict=True)
    }

    def given(values: Sequence[Any]) -> tuple[list[Any], Sequence[Any]]:
        """The inputs as the function takes them, and the constants."""
        made = [jax.numpy.asarray(np.array(a)) if isinstance(a, np.ndarray) else a for a in values]
        return structure.unflatten(made[: len(arrays)]), made[len(arrays) :]

    def called(function: Any, trees: Sequence[Any], rest: Sequence[Any]) -> Any:
        return function(*ordered(dict(zip([*wanted, *fixed], [*trees, *rest], strict=True))))

    def forward(fwd: Any, *values: Any) -> tuple[Any, Any]:
        cache = given(values)
        outputs = map(np.array, tree.tree_leaves(called(fwd, *cache)[0]))
        return one_or_all([y for y in outputs if y.dtype.kind == "f"]), cache

    def recorded(*values: Any) -> tuple[Any, Any]:
        outputs = tree.tree_leaves(called(function.fwd, *given(values))[0])
        return one_or_all([y for y in outputs if isinstance(y, Traced)]), None

    def backward(_: Any, dy: Any, cache: Any) -> tuple[Array, ...]:
        trees, rest = cache
        y, pull = jax.vjp(lambda trees: called(function, trees, rest), trees)
        upstreams = iter(as_tuple(dy))

        def upstream(leaf: Any) -> Any:
            """Whole numbers have one of a type of its own."""
            floats = leaf.dtype.kind == "f"
            return jax.numpy.asarray(next(upstreams)) if floats else np.zeros(leaf.shape, jax.dtypes.float0)

        try:
            return tuple(map(np.array, tree.tree_leaves(pull(tree.tree_map(upstream, y)))))
        except (TypeError, ValueError) as error:
            raise GradientError(f"{function.__name__}: JAX ends backward with an error: {error}") from error

    room = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")  # before JAX 0.8
    with room.enable_x64(True):
        passes = adapted(function.fwd, forward, recorded=recorded), adapted(function.bwd, backward, function.__name__)
        report = check_function(*passes, arrays, [*fixed.values()], seed=seed)
        values = [*arrays.values(), *fixed.values()]
        own, its = forward(lambda *given: (function(*given), ()), *values)[0], passes[0](*values)[0]
        if not all(map(partial(np.allclose, rtol=1e-12, atol=1e-14), as_tuple(own), as_tuple(its))):
            raise GradientError(f"{function.__name__}: the function and its fwd give different values")
    return report


def framework(module: str, title: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing(error, f"a check of {title}'s functions") from error


def by_name(
    function: Callable[..., Any], first: int, inputs: Inputs, constants: Sequence[Any]
) -> tuple[dict[str, Any], dict[str, Any], Callable[[Mapping[str, Any]], tuple[Any, ...]]]:
    """The inputs and the constants by the names of the function's arguments, from number `first` on; and what brings
    both into the order of the arguments."""
    signature = inspect.Signature([*inspect.signature(function).parameters.values()][first:])
    names = [*signature.parameters]
    wanted = dict(inputs) if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
    fixed = dict(zip((name for name in names if name not in wanted), constants, strict=False))
    if len(wanted) + len(fixed) < len(inputs) + len(constants):
        raise TypeError(f"there are {len(inputs)} inputs and {len(constants)} constants for {', '.join(names)}")

    def ordered(values: Mapping[str, Any]) -> tuple[Any, ...]:
        bound = signature.bind(**values)
        bound.apply_defaults()
        return bound.args

    wanted, fixed = ({name: as_numpy(x) for name, x in part.items()} for part in (wanted, fixed))
    return wanted, fixed, ordered


@lru_cache(maxsize=8)
def with_forward(function: Any, forward: Callable[..., Any]) -> Any:
    """The autograd Function, with another forward."""
    if forward is function.forward:
        return function
    return type(function)(function.__name__, (function,), {"forward": staticmethod(forward)})


def adapted(
    function: Callable[..., Any],
    call: Callable[..., Any],
    name: str = "forward",
    recorded: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """`call(function, …)` with function's source; its `around(other)` calls another in function's place.

    `recorded(…)` is called with the arrays of graph.py.
    """

    @wraps(function)
    def passed(*values: Any) -> Any:
        traced = recorded and any(isinstance(value, Traced) for value in values)
        return recorded(*values) if traced and recorded else call(function, *values)

    passed.__name__ = name
    arguments = [inspect.Parameter("values", inspect.Parameter.VAR_POSITIONAL)]  # in another order than function's
    passed.__dict__.update(around=partial(adapted, call=call), __signature__=inspect.Signature(arguments))
    return passed


def as_numpy(value: Any) -> Any:
    """Tensors as NumPy arrays, everything else as it is."""
    array = plain(value) if hasattr(value, "__array__") else None
    return value if array is None else array


def one_or_all(outputs: Sequence[Any]) -> Any:
    return outputs[0] if len(outputs) == 1 else tuple(outputs)
