"""What a layer is, and the chain rule as a loop.

A layer computes y = f(x; W, b, …) in `forward`. In `backward` it is given dy = ∂L/∂y, the derivative of the scalar
loss L by what it returned, the *upstream gradient*. It answers two questions: how does L change with my parameters
(dW, db, …, for the optimiser), and how with my input (dx, which is the dy of the layer below)?

    forward(x) -> y          keeps in self.cache what backward needs
    backward(dy) -> dx       unpacks the cache; overwrites dW, db, …; never writes into dy
    parameters, gradients    {"W": array, "b": array}, with the same keys; {} where there is nothing to learn
    parts                    what it is made of, by name; {} for most layers

Backward *overwrites* the gradients, so a layer is used once per pass; one used twice would have to add up two.
What backward returns may share its memory with dy, so a gradient is never written into. A layer that draws numbers
keeps its generator as an attribute. (Arrays: scratchnn/machinery/memory.py.)
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from scratchnn.machinery.memory import Memory
from scratchnn.machinery.parameters import Array


class Module(Memory):
    """What has a forward and a backward: layers, and also losses, likelihoods, and the models made of them."""

    cache: tuple[Any, ...] | None = None
    training = True  # False in use: dropout and batch normalisation then work in another way

    def take_cache(self) -> tuple[Any, ...]:
        """What forward kept, for one backward pass."""
        if self.cache is None:
            raise RuntimeError(
                f"{type(self).__name__}.backward needs what its forward kept, and there is nothing: call forward once "
                "before each backward, with no evaluation or encoding in between, which drops it"
            )
        cache, self.cache = self.cache, None
        return cache

    def forget(self) -> None:
        """Drops what forward kept, where no backward is to follow."""
        for module in self.walk():
            module.cache = None

    def train(self, on: bool = True) -> None:
        """Training mode, or with False evaluation mode, for all that it is made of."""
        for module in self.walk():
            module.training = on

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode for a while; then each part has its old mode, and nothing is kept for backward."""
        before = [(module, module.training) for module in self.walk()]
        self.train(False)
        try:
            yield
        finally:
            self.forget()
            for module, mode in before:
                module.training = mode


class Layer(Module):
    """One array in, one array out: what networks are stacked from."""

    def forward(self, x: Array) -> Array:
        """y = f(x); row n of both belongs to example n."""
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        """Writes dW, db, … and returns dx; dy has the shape of y, dx that of x."""
        raise NotImplementedError

    def write_gradients(self, dy: Array) -> None:
        """backward without dx, for x that is data: layers with weights say here how to save that work."""
        self.backward(dy)


class Sequential(Layer):
    """Layers in a row, for what one layer cannot compute: the chain rule as a loop.

    Shapes
        x as the first layer wants it, y as the last one returns it.
    Forward
        x_0 = x   x_k = f_k(x_(k−1))   y = x_K      for k from 1 to K
    Backward
        The chain rule from the top: with dx_K = dy,

            dx_(k−1),i = Σ_j dx_k,j ∂x_k,j / ∂x_(k−1),i      this sum is what f_k.backward(dx_k) returns,

        so backward is the loop of forward, run from the last layer to the first.
    Watch
        Every layer keeps its input or output until backward: memory grows with layers and batch.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        if not layers:
            raise ValueError("Sequential needs at least one layer")
        super().__init__(parts={str(position): layer for position, layer in enumerate(layers)})
        self.layers, self.input_shape = tuple(layers), layers[0].input_shape

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy: Array) -> Array:
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def write_gradients(self, dy: Array) -> None:
        lowest = next((layer for layer in self.layers if layer.params.size), self.layers[0])
        for layer in reversed(self.layers[self.layers.index(lowest) + 1 :]):
            dy = layer.backward(dy)
        lowest.write_gradients(dy)

    def __repr__(self) -> str:
        return f"Sequential([{', '.join(map(repr, self.layers))}])"
