"""How a gradient is checked: how good a finite difference can be, where it fails, what it finds, what it cannot see.

Five sections with their numbers, and one figure: the error of a finite difference against the size of its step.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scratchnn import Classifier, Dense, ReLU, Sequential, Softplus, Tanh
from scratchnn.gradcheck import GradientError, check_layer
from scratchnn.gradcheck.numeric import STEP
from scratchnn.losses import batch_mean
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import cli, figures
from scratchnn.scripts.provenance import drawing
from scratchnn.training import runs
from scratchnn.vae import Reparameterise

STEPS = np.logspace(-14, 0, 85)
Curve = Callable[[float], float]


def forward_difference(f: Curve, h: float) -> float:
    return (f(h) - f(0)) / h


def central_difference(f: Curve, h: float) -> float:
    return (f(h) - f(-h)) / (2 * h)


def richardson(f: Curve, h: float) -> float:
    """c(h) errs by Ah² + Bh⁴ + … and c(h/2) by Ah²/4 + Bh⁴/16 + …, so from 4c(h/2) − c(h), which is 3f′, A is gone."""
    return (4 * central_difference(f, h / 2) - central_difference(f, h)) / 3


class Method(NamedTuple):
    """A difference whose truncation error grows like h^order, the precision it is computed in, and its colour."""

    name: str
    difference: Callable[[Curve, float], float]
    order: int
    dtype: Any
    colour: str

    @property
    def theory(self) -> float:
        """The sum of truncation and rounding, h^order + ε/h, is smallest near h = ε^(1/(order + 1))."""
        return float(np.finfo(self.dtype).eps) ** (1 / (self.order + 1))


METHODS = (
    Method("forward, float64", forward_difference, 1, np.float64, "#ffa90e"),
    Method("central, float64", central_difference, 2, np.float64, "#3f90da"),
    Method("Richardson, float64", richardson, 4, np.float64, "#832db6"),
    Method("central, float32", central_difference, 2, np.float32, "#bd1f01"),
)
CENTRAL_64, CENTRAL_32 = METHODS[1], METHODS[3]


class Task:
    """A classifier, two dense layers with a tanh in between, and a random batch to evaluate it on."""

    def __init__(self, dtype: Any) -> None:
        rng = np.random.default_rng(0)
        self.model = Classifier(Sequential([Dense(4, 6, rng, dtype=dtype), Tanh(), Dense(6, 3, rng, dtype=dtype)]))
        self.x, self.labels = rng.standard_normal((8, 4)).astype(dtype), rng.integers(0, 3, 8)

    def loss(self) -> tuple[float, Array]:
        return batch_mean(self.model.forward(self.x, self.labels))

    def gradient(self) -> Array:
        _, dloss = self.loss()
        self.model.backward(dloss)
        return self.model.grads.copy()

    def moved(self, k: int, by: float) -> float:
        """The loss with one parameter moved."""
        params = self.model.params
        value = params[k]
        params[k] = value + by
        loss, _ = self.loss()
        params[k] = value
        return loss

    def differences(self, method: Method, h: float) -> Array:
        """The gradient by finite differences, one parameter after another."""
        return np.array([method.difference(partial(self.moved, k), h) for k in range(self.model.params.size)])


def error(method: Method, h: float) -> float:
    """How far the differences are from backward, as vectors, relative to its length."""
    task = Task(method.dtype)
    gradient = task.gradient()
    return float(np.linalg.norm(task.differences(method, h) - gradient) / np.linalg.norm(gradient))


def section(title: str, *sentences: str) -> None:
    print(f"\n{title}", *sentences, sep="\n")


def step_sizes(path: Path) -> None:
    section(
        "1. How large a step?",
        "A large h errs by the curvature of the loss, a small h by its rounding, ε/h. The best h lies in between, and",
        "theory puts it at ε^(1/(p + 1)) if the former grows like h^p. The whole gradient of a small tanh network:",
    )
    print(f"  {'':20} {'theory: h':>10} {'error':>8}   {'best found: h':>14} {'error':>8}")
    errors_of = {method.name: [error(method, h) for h in STEPS] for method in METHODS}
    for method in METHODS:
        errors = errors_of[method.name]
        best = int(np.argmin(errors))
        at_theory = error(method, method.theory)
        print(f"  {method.name:20} {method.theory:10.1e} {at_theory:8.1e}   {STEPS[best]:14.1e} {errors[best]:8.1e}")
    figures.save(error_by_step(errors_of), path, {})
    print(f"  drawn in {path}")


@drawing
def error_by_step(errors_of: Mapping[str, Sequence[float]]) -> figures.Figure:
    """The error of every method at every step size, and at theory's best."""
    figure = figures.new_figure(7.4, 5.2, "Finite differences against backward: the error at every step size")
    axes = figure.add_subplot()
    for method in METHODS:
        axes.loglog(STEPS, errors_of[method.name], color=method.colour, linewidth=1.5, label=method.name)
        axes.plot(
            method.theory, error(method, method.theory), "o", color=method.colour, markeredgecolor="black", zorder=3
        )
        axes.axvline(method.theory, color=method.colour, linestyle=":", linewidth=1)
    axes.plot([], [], "o:", color="black", markerfacecolor="white", linewidth=1, label="theory's best h")
    for h, height, words in (
        (1e-12, 2e-6, "rounding, ε/h"),
        (1e-11, 2.5, "float32: x + h is x, the slope 0"),
        (3e-5, 8e-5, "∝ h"),
        (8e-5, 1e-7, "∝ h²"),
        (2.5e-2, 3e-9, "∝ h⁴"),
    ):
        axes.annotate(words, (h, height), fontsize=9, color="#444444", ha="center")
    axes.set(xlabel="step h", ylabel="error of the gradient, relative to its length", ylim=(1e-13, 30))
    axes.grid(alpha=0.25)
    figure.legend(fontsize=9, loc="outside lower center", ncols=3)
    return figure


def single_precision() -> None:
    section(
        "2. Why not float32?",
        "Training in float32 is fine: backward loses only the last digit. Differences of losses lose nearly all of",
        "theirs, and even at the best h so many that a gradient wrong in its fifth would pass. So the check refuses.",
    )
    single, double = Task(np.float32), Task(np.float64)
    print(f"  {'':40} {'∂L/∂W[0, 0]':>13} {'∂L/∂W[0, 1]':>13}")
    for name, gradient in (
        ("backward, float64", double.gradient()),
        ("backward, float32", single.gradient()),
        (f"differences, float64, h = {CENTRAL_64.theory:.1e}", double.differences(CENTRAL_64, CENTRAL_64.theory)),
        (f"differences, float32, h = {CENTRAL_64.theory:.1e}", single.differences(CENTRAL_32, CENTRAL_64.theory)),
        (f"differences, float32, h = {CENTRAL_32.theory:.1e}", single.differences(CENTRAL_32, CENTRAL_32.theory)),
    ):
        print(f"  {name:40} {gradient[0]:13.9f} {gradient[1]:13.9f}")
    try:
        check_layer(single.model.network, single.x)
    except TypeError as refusal:
        print(f"  TypeError: {refusal}")


def kinks() -> None:
    section(
        "3. Where there is no derivative.",
        "On a smooth function the slopes to the right and the left come closer as h shrinks: halve h, and their gap is",
        "halved. At the kink of ReLU they do not, and the central difference, ½, is the slope of neither side.",
        "Next to the kink the check tries smaller steps; on it every slope between the two is a right answer.",
    )
    x = np.array([-0.5, 0.0, 3e-6, 0.7])
    print(f"  {'':8} {'x':>7} {'left':>8} {'right':>8} {'gap at h':>9} {'at h/2':>9} {'backward':>9}")
    print(slopes_near(Softplus(), 0.0), *(slopes_near(ReLU(), point) for point in x), sep="\n")
    print(check_layer(ReLU(), x))


def slopes_near(layer: Softplus | ReLU, point: float) -> str:
    def f(by: float) -> float:
        return float(layer.forward(np.array([point + by]))[0])

    right, left = (f(STEP) - f(0)) / STEP, (f(0) - f(-STEP)) / STEP
    half = STEP / 2
    gap_at_half = (f(half) - f(0)) / half - (f(0) - f(-half)) / half
    layer.forward(np.array([point]))
    dx = layer.backward(np.ones(1))[0]
    gaps = f"{right - left:9.1e} {gap_at_half:9.1e}"
    return f"  {type(layer).__name__:8} {point:7g} {left:8.5f} {right:8.5f} {gaps} {dx:9.5f}"


class DenseWithMean(Dense):
    """A mistake that many make once: it takes the mean over the batch, and `batch_mean` has taken it already."""

    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy)
        self.db = dy.mean(axis=0)
        return dx


def planted_bug() -> None:
    section(
        "4. A mistake that is found, and named.",
        "A dense layer whose backward has db = dy.mean(axis=0) in place of dy.sum(axis=0), on a batch of 5:",
    )
    rng = np.random.default_rng(0)
    try:
        check_layer(DenseWithMean(3, 4, rng, dtype=np.float64), rng.standard_normal((5, 3)))
    except GradientError as found:
        print(f"GradientError: {found}")


class VarianceAsDeviation(Reparameterise):
    """A wrong forward, e^log_var as σ where σ is e^(log_var/2), and the backward that fits it."""

    def forward(self, mean: Array, log_var: Array, eps: Array) -> Array:
        noise = np.exp(log_var) * eps
        self.cache = (2 * noise,)  # backward takes half of it, for the ½ in e^(log_var/2)
        return mean + noise


def unseen_bug() -> None:
    section(
        "5. A mistake that no gradient check can see.",
        "If forward computes the wrong thing, a backward that fits it is the right derivative of the wrong thing. Here",
        "e^log_var, which is σ², is taken for σ. The check passes; only the moments of many draws give it away.",
    )
    rng = np.random.default_rng(0)
    n, mean, var = 200_000, 1.5, 0.25
    eps = rng.standard_normal((n, 1))
    for layer in (Reparameterise(), VarianceAsDeviation()):
        mean_log_var = rng.standard_normal((2, 5, 3))
        print(check_layer(layer, *mean_log_var, constants=[eps[:15].reshape(5, 3)]))
        z = layer.forward(np.full((n, 1), mean), np.full((n, 1), np.log(var)), eps)
        bars = np.sqrt(var / n), var * np.sqrt(2 / n)  # the standard errors of the mean and of the variance
        print(f"{n:,} draws: mean     {z.mean():.4f}, declared {mean:.4f} ± {bars[0]:.4f}")
        print(f"               variance {z.var():.4f}, declared {var:.4f} ± {bars[1]:.4f}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=cli.folder, default=Path("runs/gradcheck-tour"), help="folder for step_size.png")
    args = parser.parse_args(arguments)
    runs.prepare_folder(args.out)
    step_sizes(args.out / "step_size.png")
    single_precision()
    kinks()
    planted_bug()
    unseen_bug()


if __name__ == "__main__":
    cli.run(main)
