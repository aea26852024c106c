"""Records a forward pass of PyTorch as graph.py records one of NumPy.

PyTorch hands every operation on a `TracedTensor` to it, as NumPy does on a `Traced`; each is run on the arrays of the
nodes.
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchnn.gradcheck.graph import Traced, mapped

OPERATORS = (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "matmul", "rmatmul", "neg",
    "getitem", "abs", "lt", "le", "gt", "ge", "eq", "ne",
)  # fmt: skip
# operations whose every entry depends on one entry of each operand
POINTWISE = {*OPERATORS} - {"matmul", "rmatmul", "getitem"} | {
    "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "sigmoid", "sin", "cos", "erf", "relu", "softplus", "gelu",
    "silu", "square", "div", "clamp", "maximum", "minimum", "reciprocal", "where",
}  # fmt: skip


class TracedTensor(Traced):
    """A tensor that notes what is done with it."""

    @classmethod
    def __torch_function__(cls, function: Any, _: Any, arguments: Sequence[Any], named: Any = None) -> Any:
        torch, name = importlib.import_module("torch"), function.__name__.strip("_")
        if function.__name__.endswith("_") and not function.__name__.startswith("__"):
            raise ValueError("changes a tensor")
        named, traced = named or {}, list[Traced]()
        mapped(lambda x: traced.append(x) if isinstance(x, Traced) else None, [*arguments, *named.values()])

        def tensor(x: Any) -> Any:
            return torch.as_tensor(np.array(x)) if isinstance(x, np.ndarray | np.floating) else x

        def on_arrays(*arguments: Any, **named: Any) -> Any:
            result = function(*mapped(tensor, arguments), **{key: mapped(tensor, x) for key, x in named.items()})
            return mapped(lambda x: x.numpy() if isinstance(x, torch.Tensor) else x, result)

        made = traced[0].tape.apply(on_arrays, arguments, named, name in POINTWISE)
        return mapped(lambda x: cls(x.node, x.tape) if isinstance(x, Traced) else tensor(x), made)

    def __getattr__(self, name: str) -> Any:
        if name.strip("_") not in OPERATORS and name.startswith("__"):
            raise AttributeError(name)
        torch = importlib.import_module("torch")
        if callable(method := getattr(torch.Tensor, name)):
            return lambda *arguments, **named: self.__torch_function__(method, (), (self, *arguments), named)
        value = getattr(torch.as_tensor(np.array(self.node.value)), name)  # x.shape, or x.T
        return self.permute(*range(self.ndim)[::-1]) if name in ("T", "mT") and self.ndim == 2 else value


def operator(name: str) -> Callable[..., Any]:
    def operate(self: TracedTensor, *arguments: Any) -> Any:
        return self.__getattr__(name)(*arguments)

    return operate


for name in OPERATORS:
    setattr(TracedTensor, f"__{name}__", operator(f"__{name}__"))


class Context(types.SimpleNamespace):
    """PyTorch's ctx, for a forward after which there is no backward."""

    def save_for_backward(self, *_: Any) -> None: ...

    mark_non_differentiable = set_materialize_grads = save_for_backward
