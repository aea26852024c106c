"""How large the first weights should be, and how long a step: what decides whether a network learns at all.

A network with the right layers and the right gradients can still stand still. If its weights are too small, signals
vanish on the way up and gradients on the way down; if a step is too long, it overshoots. Both are a matter of sizes
that can be worked out beforehand, and measured. The formulas are in scratchnn/init.py and scratchnn/optim.py; half a
minute on the digits that come with the library.
"""

# %%
# **One layer.** y_j = Σ_i x_i W_ij has m terms. If the weights are independent with mean 0 and variance v, the mean
# square of y is m v times that of x. A ReLU sets the negative half of y to 0, and so halves its mean square. Backward,
# dx_i = Σ_j dy_j W_ij is such a sum too, and the ReLU sets the same units' gradients to 0. Its number of terms is that
# of the outputs, which is m too if all layers are equally wide. Then each layer multiplies the mean square by m v/2, in
# both directions: ½ for v = 1/m (LeCun et al. 1998), 1 for v = 2/m (He et al. 2015).

from itertools import pairwise

import numpy as np

from scratchnn import SGD, Adam, Classifier, Dense, ReLU, Sequential, data
from scratchnn.data.images import Labelled
from scratchnn.evaluation import bernoulli_floor
from scratchnn.machinery.parameters import Array
from scratchnn.optim import Optimiser
from scratchnn.scripts import figures
from scratchnn.scripts.lecture import Lecture, train
from scratchnn.scripts.thesis import thesis_vae
from scratchnn.training import DivergedError, Trainer

lecture = Lecture("initial_values_and_steps")
DEPTH, WIDTH = 10, 300


def deep(depth: int, width: int, gain: float, rng: np.random.Generator) -> Sequential:
    """`depth` dense layers with ReLUs; the weights have the variance gain/m."""
    layers = [Dense(width, width, rng, dtype=np.float64) for _ in range(depth)]
    for layer in layers:
        layer.W *= gain**0.5  # Dense draws them with 1/m
    return Sequential([part for layer in layers for part in (layer, ReLU())])


def mean_squares(stack: Sequential, x: Array, dy: Array) -> tuple[Array, Array]:
    """The mean square of the signal after 0, 1, … layers, and of the gradient there, each against its start."""
    signals, gradients = [x], [dy]
    for layer in stack.layers:
        signals.append(layer.forward(signals[-1]))
    for layer in reversed(stack.layers):
        gradients.append(layer.backward(gradients[-1]))
    forward, backward = (np.array([np.mean(a**2) for a in arrays[::2]]) for arrays in (signals, gradients))
    return forward / forward[0], backward[::-1] / backward[0]


print(
    f"1. Mean square after {DEPTH} ReLU layers of {WIDTH} units, against that of the input; and of the gradient there"
)
sizes = {}
for gain in (1, 2):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(200, WIDTH)), rng.normal(size=(200, WIDTH))
    sizes[gain] = mean_squares(deep(DEPTH, WIDTH, gain, rng), x, dy)
    forward, backward = sizes[gain]
    by_formula = (gain / 2) ** DEPTH
    print(f"   v = {gain}/m   forward {forward[-1]:.4f}   backward {backward[0]:.4f}   by the formula {by_formula:.4f}")

# %%
# **What that does to learning.** A classifier of the digits with ten such hidden layers, by plain gradient descent. The
# loss of one that says nothing is log 10 = 2.30.

EPOCHS = 10
digits = data.load("digits")


def classifier(gain: float) -> Classifier:
    rng = np.random.default_rng(0)
    widths = [64, *[100] * DEPTH]
    hidden = [Dense(n_in, n_out, rng) for n_in, n_out in pairwise(widths)]
    for layer in hidden:
        layer.W *= gain**0.5
    return Classifier(Sequential([*(part for layer in hidden for part in (layer, ReLU())), Dense(100, 10, rng)]))


print(f"\n2. A classifier with {DEPTH} hidden layers after {EPOCHS} epochs of gradient descent, lr = 0.1")
losses = {}
for gain in (1, 2):
    model = classifier(gain)
    print(f"   v = {gain}/m   ", end="")
    trainer = Trainer(model, SGD(model, lr=0.1), np.random.default_rng(0))
    train(trainer, Labelled(digits.train), EPOCHS)
    losses[gain] = [record["train_loss"] for record in trainer.history]

# %%
# **How long a step.** The simplest loss with two scales is a ravine, f(a, b) = ½(a² + κ b²), κ times as steep across
# as along. A step of gradient descent multiplies a by 1 − lr and b by 1 − κ lr: b grows without end for lr > 2/κ, and
# so a shrinks slowly. The best rate, lr = 2/(1 + κ), multiplies both by ±(κ − 1)/(κ + 1), 0.98 for κ = 100.
#
# Momentum cancels what changes its sign from step to step and adds up what does not; at its best a step multiplies by
# (√κ − 1)/(√κ + 1) in the long run (Polyak 1964).
#
# Adam divides the mean of the gradients by the root of the mean of their squares, for each parameter. Where a gradient
# keeps its sign and size, the quotient is ±1, and the step is lr, however steep it is there. So the scale of the loss
# drops out, and how steep it is along each *parameter* too. A ravine that does not run along an axis has no steepness
# of each parameter, and there Adam has less to offer; gradient descent and momentum take the same steps, only turned.

KAPPA = 100.0


class Ravine:
    """½ pᵀ A p times a scale, with the ravine's axes turned by an angle; it starts at (1, 1) of these axes."""

    def __init__(self, angle: float, scale: float) -> None:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self.A = scale * turn @ np.diag([1, KAPPA]) @ turn.T
        self.params, self.grads = turn @ np.ones(2), np.zeros(2)

    def backward(self) -> None:
        self.grads[...] = self.A @ self.params


def walk(ravine: Ravine, optimiser: Optimiser, steps: int = 1000) -> Array:
    """The points (steps + 1, 2) that an optimiser comes to, until it is far away."""
    points = [ravine.params.copy()]
    while len(points) <= steps and np.linalg.norm(points[-1]) < 1e3:
        ravine.backward()
        optimiser.step()
        points.append(ravine.params.copy())
    return np.array(points)


def steps_needed(points: Array) -> str:
    """How many steps it takes until the distance stays below a hundredth of the first."""
    distance = np.linalg.norm(points, axis=1)
    if distance[-1] > distance[0]:
        return "diverges"
    steps = np.flatnonzero(distance > distance[0] / 100)[-1] + 1
    return f"{steps}" if steps < len(points) else f"over {steps - 1}"


ROOT = KAPPA**0.5
OPTIMISERS = {
    "gradient descent": lambda model: SGD(model, 2 / (1 + KAPPA)),
    "momentum": lambda model: SGD(model, 4 / (1 + ROOT) ** 2, momentum=((ROOT - 1) / (ROOT + 1)) ** 2),
    "Adam, lr = 0.03": lambda model: Adam(model, 0.03),
    "Adam, lr = 0.3": lambda model: Adam(model, 0.3),
}
RAVINES = {"": (0.0, 1.0), "loss × 1000": (0.0, 1000.0), "turned by 45°": (np.pi / 4, 1.0)}
predicted = np.log(100) / np.log((KAPPA + 1) / (KAPPA - 1))
print(
    f"\n3. A ravine, κ = {KAPPA:g}: steps to a hundredth of the distance ({predicted:.0f} by the formula for the first)"
)
print(" " * 20 + "".join(f"{name or 'as it is':>15}" for name in RAVINES))
walks = {}
for name, optimiser in OPTIMISERS.items():
    for kind, (angle, scale) in RAVINES.items():
        ravine = Ravine(angle, scale)
        walks[name, kind] = walk(ravine, optimiser(ravine))
    print(f"   {name:<17}" + "".join(f"{steps_needed(walks[name, kind]):>15}" for kind in RAVINES))

# %%
# **The thesis's network**, small, on the digits: a VAE with ten latent dimensions. With momentum 0.9, gradients that
# stay the same add up to ten times their size, so a rate of 0.01 with it should be held against 0.1 without, and the
# losses are close where neither is too large. Too large a rate ends with a KL near 0 here. Adam's best is the lowest by
# little; what it adds is that two of its three rates are good.

VAE_EPOCHS = 20
RATES = (1e-1, 1e-2, 1e-3)
CONTESTANTS = {
    **{f"gradient descent, lr = {lr:g}": lambda model, lr=lr: SGD(model, lr) for lr in RATES},
    **{f"momentum 0.9, lr = {lr:g}": lambda model, lr=lr: SGD(model, lr, momentum=0.9) for lr in RATES},
    **{f"Adam, lr = {lr:g}": lambda model, lr=lr: Adam(model, lr) for lr in RATES},
}
floor = bernoulli_floor(digits.train)
print(f"\n4. −ELBO of the thesis's network on the digits after {VAE_EPOCHS} epochs, nats per image (floor {floor:.2f})")
curves = {}
for name, optimiser in CONTESTANTS.items():
    rng = np.random.default_rng(0)
    vae = thesis_vae(64, 100, 10, rng)
    trainer = Trainer(vae, optimiser(vae), rng)
    print(f"   {name:<30}", end="")
    try:
        train(trainer, digits.train, VAE_EPOCHS)
    except DivergedError:
        print("diverges")
    curves[name] = [record["train_loss"] for record in trainer.history]

# %%
# **In one picture.** Left: each layer halves the mean square with v = 1/m, in both directions. Middle: Adam with a rate
# of 0.03 is fast where the ravine runs along an axis, and slow where it does not. Right: the trainings of 4; thick
# lines are those with the best rate.

figure = figures.new_figure(10, 3.8, "Sizes decide: of the first weights (left), of a step (middle, right)")
left, middle, right = figure.subplots(1, 3)
for gain, colour in ((1, "#bd1f01"), (2, "#3f90da")):
    forward, backward = sizes[gain]
    left.plot(forward, "o-", color=colour, markersize=3, label=f"signal, v = {gain}/m")
    left.plot(backward, "s--", color=colour, markersize=3, mfc="white", label=f"gradient, v = {gain}/m")
left.plot(0.5 ** np.arange(DEPTH + 1), ":", color="black", label="½ a layer")
left.set(xlabel="layer (gradients come from the right)", ylabel="mean square against its start", yscale="log")
left.set_title(f"{DEPTH} ReLU layers", fontsize=9)
left.legend(fontsize=7)

for name, kind, colour, style in (
    ("gradient descent", "", "#bd1f01", "-"),
    ("momentum", "", "#ffa90e", "-"),
    ("Adam, lr = 0.03", "", "#3f90da", "-"),
    ("Adam, lr = 0.03", "turned by 45°", "#3f90da", "--"),
):
    distance = np.linalg.norm(walks[name, kind][:251], axis=1)
    middle.plot(distance, style, color=colour, linewidth=1.2, label=f"{name}{kind and ', '}{kind}")
middle.set(xlabel="step", ylabel="distance from the minimum", yscale="log", ylim=(1e-5, 300))
middle.set_title(f"a ravine, κ = {KAPPA:g}", fontsize=9)
middle.legend(fontsize=7, loc="upper right")

for kind, colour in (("gradient descent", "#bd1f01"), ("momentum", "#ffa90e"), ("Adam", "#3f90da")):
    whole = {name: curve for name, curve in curves.items() if name.startswith(kind) and len(curve) == VAE_EPOCHS}
    best = min(whole, key=lambda name: whole[name][-1])
    for name, curve in whole.items():
        right.plot(
            range(1, VAE_EPOCHS + 1), np.array(curve) - floor, color=colour, linewidth=1.6 if name == best else 0.7,
            alpha=1 if name == best else 0.6, label=name if name == best else None,
        )  # fmt: skip
right.set(xlabel="epoch", ylabel="−ELBO less the floor (nats per image)", ylim=(10, 26))
right.xaxis.get_major_locator().set_params(integer=True)
right.set_title("the thesis's network on the digits", fontsize=9)
right.legend(fontsize=7)
lecture.show(figure)
